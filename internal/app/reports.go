package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/internal/desk"
	"tocsin/internal/incident"
	"tocsin/internal/report"
	"tocsin/internal/store"
	"tocsin/internal/stream"
)

// Reports is what people read of reports, and what they do with those that could not be read.
type Reports struct{ app *App }

// Reports returns it.
func (a *App) Reports() Reports { return Reports{a} }

// Reports returns a page of the reports that are what q asks for, newest first.
func (r Reports) Reports(ctx context.Context, q desk.ReportQuery) (desk.ReceivedPage, error) {
	found, err := r.app.store.ReportsPage(ctx, store.ReportQuery(q))
	page := desk.ReceivedPage{Reports: make([]desk.Received, len(found.Reports)), Next: found.Next, Partial: found.Partial}
	for i := range found.Reports {
		page.Reports[i] = found.Reports[i].Received()
	}
	return page, err
}

// Senders counts the reports that came in since a moment, by reporter and channel.
func (r Reports) Senders(ctx context.Context, since time.Time) ([]desk.SenderCount, error) {
	return r.app.store.Senders(ctx, since)
}

// Report returns one with all that is known of it; desk.ErrNoReport where there is none.
func (r Reports) Report(ctx context.Context, id report.ID) (desk.ReceivedWhole, error) {
	c, err := r.app.store.Contents(ctx, id)
	if err != nil {
		return desk.ReceivedWhole{}, err
	}
	whole := desk.ReceivedWhole{Received: c.Received(), Assignment: c.Assigned}
	for _, d := range c.Documents {
		whole.Files = append(whole.Files, desk.ReceivedFile{Name: d.Name, Rows: d.Rows, Events: d.Events, Repeats: d.Repeats, Refused: d.Refused})
	}
	if whole.Answer, err = AnswerOf(ctx, r.app.store, &c.Row); err != nil {
		return whole, err
	}
	whole.Kept, err = r.app.stream.Kept(ctx, id)
	return whole, err
}

// IncidentsFrom returns up to limit of the incidents that a report has an event in, and whether there are more.
func (r Reports) IncidentsFrom(ctx context.Context, id report.ID, limit int) (all []incident.Incident, more bool, err error) {
	return r.app.store.IncidentsFrom(ctx, id, limit)
}

// Refused returns up to limit of what the last reading of a report refused, behind a place, the place of the last, and
// whether more follow.
func (r Reports) Refused(ctx context.Context, of *desk.Received, after desk.RefusedPlace, limit int) ([]desk.Refusal, desk.RefusedPlace, bool, error) {
	return r.app.store.RefusedAfter(ctx, of.ID, of.Generation, after, limit)
}

// Original returns the bytes of a report as they came in; desk.ErrNoOriginal where they are past their end date. The
// caller closes it.
func (r Reports) Original(ctx context.Context, id report.ID) (io.ReadCloser, error) {
	from, err := r.app.stream.Original(ctx, id)
	if errors.Is(err, stream.ErrNotFound) {
		return nil, desk.ErrNoOriginal
	}
	return from, err
}

// Quarantine returns up to limit of the reports of which something could not be read, oldest first, with the first thing
// that was refused of each.
func (r Reports) Quarantine(ctx context.Context, after time.Time, id report.ID, limit int) ([]desk.Quarantined, error) {
	rows, err := r.app.store.QuarantineAfter(ctx, after, id, limit)
	all := make([]desk.Quarantined, len(rows))
	for i := range rows {
		all[i].Received = rows[i].Received()
		some, _, _, err := r.app.store.RefusedAfter(ctx, rows[i].ID, rows[i].Generation, desk.RefusedPlace{}, 1)
		if err != nil {
			return nil, err
		}
		if len(some) > 0 {
			all[i].First = &some[0]
		}
	}
	return all, err
}

// QuarantineSize counts these reports.
func (r Reports) QuarantineSize(ctx context.Context) (int64, error) {
	return r.app.store.QuarantineSize(ctx)
}

// Replay hands a report that is in the quarantine to the workers once more. It does not wait for them, as App.Replay does
// that runs where there is no node.
func (r Reports) Replay(ctx context.Context, id report.ID) error {
	row, err := r.app.store.Report(ctx, id)
	if err != nil {
		return err
	}
	if of := row.Received(); !of.Quarantined() {
		return desk.ErrNotQuarantined
	}
	return r.requeue(ctx, &row)
}

func (r Reports) requeue(ctx context.Context, row *store.Row) error {
	err := r.app.stream.Requeue(ctx, row.Report, row.Generation+1)
	switch {
	case errors.Is(err, stream.ErrNotFound):
		return desk.ErrNoOriginal
	case errors.Is(err, stream.ErrOpen): // asked for before
		return nil
	case err != nil:
		return fmt.Errorf("read report %s again: %w", row.ID, err)
	}
	return nil
}

// replaysAtOnce is how many reports ReplayAll hands out side by side: the stream writes them to disk together.
const replaysAtOnce = 32

// ReplayAll hands all of the quarantine to the workers, and counts what it could hand to them and what is past its end
// date.
func (r Reports) ReplayAll(ctx context.Context) (handed, gone int64, err error) {
	var done, lost atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(replaysAtOnce)
	for row, err := range r.app.store.Quarantine(ctx) {
		if err != nil {
			return done.Load(), lost.Load(), errors.Join(err, g.Wait())
		}
		g.Go(func() error {
			switch err := r.requeue(ctx, &row); {
			case errors.Is(err, desk.ErrNoOriginal):
				lost.Add(1)
			case err != nil:
				return err
			default:
				done.Add(1)
			}
			return nil
		})
	}
	err = g.Wait()
	return done.Load(), lost.Load(), err
}

// Drop takes a report out of the quarantine for good; desk.ErrNotQuarantined where it is not in.
func (r Reports) Drop(ctx context.Context, id report.ID) error {
	err := r.app.store.Drop(ctx, id)
	if errors.Is(err, store.ErrNoReport) {
		return desk.ErrNotQuarantined
	}
	return err
}
