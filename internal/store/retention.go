package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"tocsin/internal/evidence"
	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// DeleteIncidents deletes incidents that were closed before a moment, and returns how many. When an incident was closed
// is when it last changed.
func (db *DB) DeleteIncidents(ctx context.Context, before, now time.Time) (deleted int64, err error) {
	err = db.tx(ctx, func(tx *sql.Tx) error {
		if err := db.waitToFold(ctx, tx); err != nil {
			return err
		}
		const ended = `(SELECT id FROM incidents WHERE state = ? AND updated < ?)`
		args := []any{incident.StateNumber(incident.StateClosed), before.UnixMicro()}
		for _, q := range []string{
			`DELETE FROM incident_links WHERE incident IN ` + ended,
			`DELETE FROM incident_redirects WHERE into_id IN ` + ended,
			`DELETE FROM rulings WHERE incident IN ` + ended,
			`DELETE FROM incident_acts WHERE incident IN ` + ended,
			`DELETE FROM incident_addresses WHERE incident IN ` + ended,
		} {
			if _, err := tx.ExecContext(ctx, db.dialect.sql(q), args...); err != nil {
				return err
			}
		}
		if err := db.forgetPlaces(ctx, tx, args); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, db.dialect.sql(`DELETE FROM incidents WHERE state = ? AND updated < ?`), args...)
		if err != nil {
			return err
		}
		if deleted, err = res.RowsAffected(); err != nil {
			return err
		}
		if err := db.noteDeletion(ctx, tx, "incidents", before, now, deleted); err != nil {
			return err
		}
		return db.noteDeleted(ctx, tx, report.TopicIncidents, deleted, now)
	})
	if err != nil {
		return 0, fmt.Errorf("delete incidents past their end date: %w", plain(err))
	}
	return deleted, nil
}

// forgetPlaces takes incidents that are about to be deleted out of what a search goes through.
func (db *DB) forgetPlaces(ctx context.Context, tx *sql.Tx, args []any) error {
	places := newPlacer(ctx, tx, db)
	rows, err := tx.QueryContext(ctx, db.dialect.sql(`SELECT place, party FROM incidents WHERE state = ? AND updated < ?`), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var place int64
		var party report.Party
		if err := rows.Scan(&place, &party); err != nil {
			return err
		}
		places.forget(place, party.IsLine())
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if err := rows.Close(); err != nil { // PostgreSQL answers one question at a time
		return err
	}
	return places.flush()
}

// DeleteReports deletes reports received before a moment, with their events, and returns how many.
func (db *DB) DeleteReports(ctx context.Context, before, now time.Time) (deleted int64, err error) {
	err = db.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, db.dialect.sql(
			`DELETE FROM chunks WHERE report IN (SELECT id FROM reports WHERE received_at < ? AND state <> 'working')`), before.UnixMicro()); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, db.dialect.sql(`DELETE FROM reports WHERE received_at < ? AND state <> 'working'`), before.UnixMicro())
		if err != nil {
			return err
		}
		if deleted, err = res.RowsAffected(); err != nil {
			return err
		}
		for _, q := range [...]string{
			`DELETE FROM mail_threads WHERE NOT EXISTS (SELECT 1 FROM reports WHERE reports.thread = mail_threads.thread)`,
			`DELETE FROM letters WHERE NOT EXISTS (SELECT 1 FROM reports WHERE reports.id = letters.report)`,
			`DELETE FROM assignments WHERE NOT EXISTS (SELECT 1 FROM reports WHERE reports.id = assignments.report)`,
		} {
			if _, err := tx.ExecContext(ctx, q); err != nil {
				return err
			}
		}
		if err := db.noteDeletion(ctx, tx, "reports", before, now, deleted); err != nil {
			return err
		}
		return db.noteDeleted(ctx, tx, report.TopicReports, deleted, now)
	})
	if err != nil {
		return 0, fmt.Errorf("delete reports past their end date: %w", plain(err))
	}
	return deleted, nil
}

// noteDeleted tells those who look on of what is no longer there.
func (db *DB) noteDeleted(ctx context.Context, tx *sql.Tx, topic report.Topic, deleted int64, now time.Time) error {
	var gone changes
	gone.count(topic, deleted)
	return db.noteChanges(ctx, tx, now, &gone)
}

// NoteDeletion records that things of a class, received before until, were deleted elsewhere.
func (db *DB) NoteDeletion(ctx context.Context, class string, until, now time.Time, deleted int64) error {
	return db.tx(ctx, func(tx *sql.Tx) error { return db.noteDeletion(ctx, tx, class, until, now, deleted) })
}

func (db *DB) noteDeletion(ctx context.Context, tx *sql.Tx, class string, until, now time.Time, deleted int64) error {
	if deleted == 0 {
		return nil
	}
	if _, err := tx.ExecContext(ctx, db.dialect.sql(`INSERT INTO deletions (at, class, until, deleted) VALUES (?, ?, ?, ?)`),
		now.UnixMicro(), class, until.UnixMicro(), deleted); err != nil {
		return err
	}
	return db.enqueue(ctx, tx, evidence.Deletion(report.NewID(now), now, class, until, deleted))
}

// Deletion is one entry of the record of what was deleted because its time had come.
type Deletion struct {
	At      time.Time
	Class   string // originals, reports, incidents
	Until   time.Time
	Deleted int64
}

// Deletions returns the record, newest first.
func (db *DB) Deletions(ctx context.Context) ([]Deletion, error) {
	rows, err := db.read.QueryContext(ctx, `SELECT at, class, until, deleted FROM deletions ORDER BY id DESC`)
	if err != nil {
		return nil, fmt.Errorf("read deletions: %w", plain(err))
	}
	defer rows.Close()
	var all []Deletion
	for rows.Next() {
		var d Deletion
		var at, until int64
		if err := rows.Scan(&at, &d.Class, &until, &d.Deleted); err != nil {
			return nil, fmt.Errorf("read deletions: %w", plain(err))
		}
		d.At, d.Until = time.UnixMicro(at).UTC(), time.UnixMicro(until).UTC()
		all = append(all, d)
	}
	return all, rows.Err()
}
