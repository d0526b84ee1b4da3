package intake

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"tocsin/internal/report"
)

// Quarantined is a report of which something, or everything, could not be read. Its original is kept, so nothing is
// lost until its end date.
type Quarantined struct {
	Report     report.Report
	Reason     string    // the first reason, one sentence; personal: may quote a value
	Rows       int64     // rows refused; a refused document counts 1
	Generation int       // of the newest work on it
	At         time.Time // when that work ended
}

// ErrNotQuarantined says that nothing of this report is in the quarantine.
var ErrNotQuarantined = errors.New("nothing of this report is in the quarantine: `tocsin quarantine list` shows what is")

// QuarantineStore holds what is quarantined.
type QuarantineStore interface {
	// List yields all that is quarantined and not dropped, oldest first. An error ends it.
	List(ctx context.Context) iter.Seq2[Quarantined, error]
	// Get returns one; ErrNotQuarantined where there is none.
	Get(ctx context.Context, id report.ID) (Quarantined, error)
	// MarkDropped takes one out for good: the report's state becomes dropped, if nothing of it could be read, and it
	// is listed no more. Idempotent.
	MarkDropped(ctx context.Context, id report.ID, at time.Time) error
}

// Requeuer hands a report out to be worked once more.
type Requeuer interface {
	// Requeue makes a work item of this generation. It fails where the original is gone, or the report is still
	// waiting to be worked.
	Requeue(ctx context.Context, rep report.Report, generation int) error
}

// Quarantine is what a person does with what could not be read.
type Quarantine struct {
	Store QuarantineStore
	Queue Requeuer
	Now   func() time.Time
}

// List yields what is quarantined, oldest first.
func (q *Quarantine) List(ctx context.Context) iter.Seq2[Quarantined, error] {
	return q.Store.List(ctx)
}

// Replay has a report read once more, for instance after a parser was mended, as a new generation that holds only
// what was refused before. It leaves the quarantine when the work on it is done.
func (q *Quarantine) Replay(ctx context.Context, id report.ID) error {
	in, err := q.Store.Get(ctx, id)
	if err != nil {
		return fmt.Errorf("replay report %s: %w", id, err)
	}
	if err := q.Queue.Requeue(ctx, in.Report, in.Generation+1); err != nil {
		return fmt.Errorf("replay report %s: %w", id, err)
	}
	return nil
}

// Drop throws a report out of the quarantine. Its original stays until its end date.
func (q *Quarantine) Drop(ctx context.Context, id report.ID) error {
	_, err := q.Store.Get(ctx, id)
	if err == nil {
		err = q.Store.MarkDropped(ctx, id, q.Now().UTC())
	}
	if err != nil {
		return fmt.Errorf("drop report %s: %w", id, err)
	}
	return nil
}
