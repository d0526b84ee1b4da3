package app

import (
	"context"
	"errors"
	"fmt"

	"tocsin/internal/report"
	"tocsin/internal/store"
	"tocsin/internal/stream"
)

// Replay reads again what was refused of the reports, all of the quarantine when ids is empty, and returns when all of
// it is committed. Events that there were before stay as they are. A letter that waits for a person is read again when
// it is named: a format that knows it may have been added.
// progress, which may be nil, is told how many of the reports are done.
func (a *App) Replay(ctx context.Context, ids []report.ID, progress func(done, all int64)) (Summary, error) {
	rows, err := a.quarantined(ctx, ids)
	if err != nil {
		return Summary{}, err
	}
	im := a.newImporter(ImportOptions{})
	im.worked, im.all = progress, int64(len(rows))
	for _, r := range rows {
		err := a.stream.Requeue(ctx, r.Report, r.Generation+1)
		switch {
		case errors.Is(err, stream.ErrNotFound):
			return im.sum, fmt.Errorf("report %s cannot be replayed: its original is past its end date (retention.originals) and was deleted", r.ID)
		case errors.Is(err, stream.ErrOpen): // asked for before, and stopped: it is done now
		case err != nil:
			return im.sum, fmt.Errorf("replay report %s: %w", r.ID, err)
		}
		im.sum.Reports++
	}
	err = a.withDesk(ctx, func(ctx context.Context) error { return im.run(ctx, nil) })
	return im.sum, err
}

func (a *App) quarantined(ctx context.Context, ids []report.ID) ([]store.Row, error) {
	var rows []store.Row
	if len(ids) == 0 {
		for r, err := range a.store.Quarantine(ctx) {
			if err != nil {
				return nil, err
			}
			rows = append(rows, r)
		}
		return rows, nil
	}
	for _, id := range ids {
		r, err := a.store.Report(ctx, id)
		if errors.Is(err, store.ErrNoReport) || err == nil && r.Refused == 0 && r.State != report.StateWaiting {
			return nil, fmt.Errorf("report %s is not in the quarantine and does not wait for a person: tocsin quarantine list and tocsin waiting list show what does", id)
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}
