package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// sweepBatch is how many verdicts are written in one transaction, so that a sweep never holds up a commit for long.
const sweepBatch = 2000

// Sweep moves incidents on to quiet and closed, as cfg judges them by the watermarks, and returns how many moved. It
// may be stopped and begun again at any point.
func (db *DB) Sweep(ctx context.Context, cfg *incident.Config, now time.Time) (moved int, err error) {
	if err := db.replace(ctx); err != nil {
		return 0, err
	}
	marks, err := db.Watermarks(ctx)
	if err != nil {
		return 0, err
	}
	var due []verdict
	apply := func() error {
		n, err := db.applyVerdicts(ctx, due, now)
		moved += n
		due = due[:0]
		return err
	}
	for in, err := range db.Incidents(ctx, "") {
		if err != nil {
			return moved, err
		}
		told := in.State == incident.StateTold || in.State == incident.StateContained
		v := cfg.Judge(&in, marks, told, now)
		if v.State == in.State && v.Outcome == in.Outcome {
			continue
		}
		due = append(due, verdict{in.ID, in.Key, in.State, in.LastSeen, v})
		if len(due) == sweepBatch {
			if err := apply(); err != nil {
				return moved, err
			}
		}
	}
	return moved, apply()
}

// verdict is a judgement together with what it was based on.
type verdict struct {
	id    report.ID
	key   incident.Key
	state incident.State
	last  time.Time
	incident.Verdict
}

// applyVerdicts writes verdicts whose incident is still what it was when it was judged; the others are judged again by
// the next sweep.
func (db *DB) applyVerdicts(ctx context.Context, due []verdict, now time.Time) (moved int, err error) {
	if len(due) == 0 {
		return 0, nil
	}
	err = db.tx(ctx, func(tx *sql.Tx) error {
		if err := db.waitToFold(ctx, tx); err != nil {
			return err
		}
		m := newMover(ctx, tx, db)
		for _, v := range due {
			s, err := m.loadWhere(`key = ? AND id = ? AND state = ? AND last_seen = ?`, v.key[:], v.id[:], incident.StateNumber(v.state), v.last.UnixMicro())
			if errors.Is(err, incident.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if err := m.move(s, v.State, v.Outcome, now); err != nil {
				return err
			}
			moved++
		}
		return m.finish(now)
	})
	if err != nil {
		return 0, fmt.Errorf("sweep incidents: %w", plain(err))
	}
	return moved, nil
}
