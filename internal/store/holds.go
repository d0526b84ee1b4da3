package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"tocsin/internal/line/hold"
	"tocsin/internal/report"
)

// AddHold is hold.Store's.
func (db *DB) AddHold(ctx context.Context, h *hold.Hold) error {
	bare := *h
	bare.Kept = nil
	body, err := json.Marshal(&bare)
	if err != nil {
		return fmt.Errorf("keep a hold: %w", err)
	}
	err = db.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, db.dialect.sql(`INSERT INTO line_holds (id, until, body) VALUES (?, ?, ?)`),
			h.ID[:], h.Until.UnixMicro(), body); err != nil {
			return err
		}
		return db.keepHeld(ctx, tx, h.ID, h.Kept)
	})
	if err != nil {
		return fmt.Errorf("keep a hold: %w", err)
	}
	return nil
}

// KeepHeld is hold.Store's.
func (db *DB) KeepHeld(ctx context.Context, id report.ID, kept []hold.Kept) error {
	err := db.tx(ctx, func(tx *sql.Tx) error { return db.keepHeld(ctx, tx, id, kept) })
	if err != nil {
		return fmt.Errorf("keep what a hold names: %w", err)
	}
	return nil
}

func (db *DB) keepHeld(ctx context.Context, tx *sql.Tx, id report.ID, kept []hold.Kept) error {
	body, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, db.dialect.sql(`UPDATE line_holds SET kept = ? WHERE id = ?`), body, id[:])
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	for i := range kept {
		for k := range kept[i].Sessions {
			n := kept[i].Sessions[k].Holder.Line
			if n == 0 {
				continue
			}
			if _, err := tx.ExecContext(ctx, db.dialect.sql(`INSERT INTO line_holds_lines (hold, line) VALUES (?, ?) ON CONFLICT DO NOTHING`), id[:], int64(n)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Holds is hold.Store's.
func (db *DB) Holds(ctx context.Context) ([]hold.Hold, error) {
	rows, err := db.read.QueryContext(ctx, `SELECT body, kept FROM line_holds ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("read holds: %w", plain(err))
	}
	defer rows.Close()
	var all []hold.Hold
	for rows.Next() {
		var body, kept []byte
		if err := rows.Scan(&body, &kept); err != nil {
			return nil, fmt.Errorf("read holds: %w", plain(err))
		}
		var h hold.Hold
		if err := json.Unmarshal(body, &h); err != nil {
			return nil, fmt.Errorf("read holds: %w", err)
		}
		if kept != nil {
			if err := json.Unmarshal(kept, &h.Kept); err != nil {
				return nil, fmt.Errorf("read holds: %w", err)
			}
		}
		all = append(all, h)
	}
	return all, rows.Err()
}

// EndHold is hold.Store's.
func (db *DB) EndHold(ctx context.Context, id report.ID, now time.Time) error {
	err := db.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, db.dialect.sql(`DELETE FROM line_holds_lines WHERE hold = ?`), id[:]); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, db.dialect.sql(`DELETE FROM line_holds WHERE id = ?`), id[:])
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		if n == 0 {
			return hold.ErrNoHold
		}
		return db.noteDeletion(ctx, tx, "line holds", now, now, n)
	})
	if err != nil {
		return fmt.Errorf("end a hold: %w", err)
	}
	return nil
}
