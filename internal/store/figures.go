package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"tocsin/internal/incident"
)

// KnownOn returns how many incidents began, by UTC day and kind, on the days from one moment's to another's, both included,
// oldest first: on the day that was the first of each when it became known. What is deleted later stays counted.
func (db *DB) KnownOn(ctx context.Context, from, to time.Time) ([]incident.KnownOn, error) {
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(`SELECT day, class, type, n FROM incident_days
		WHERE day >= ? AND day <= ? ORDER BY day, class, type`), dayOf(from), dayOf(to))
	if err != nil {
		return nil, fmt.Errorf("count incidents by day: %w", plain(err))
	}
	defer rows.Close()
	var all []incident.KnownOn
	for rows.Next() {
		var one incident.KnownOn
		var day int64
		if err := rows.Scan(&day, &one.Kind.Class, &one.Kind.Type, &one.N); err != nil {
			return nil, fmt.Errorf("count incidents by day: %w", plain(err))
		}
		one.Day = time.Unix(day*86400, 0).UTC()
		all = append(all, one)
	}
	return all, rows.Err()
}

// StatesNow returns how many incidents are in each state.
func (db *DB) StatesNow(ctx context.Context) (map[incident.State]int64, error) {
	var counts [256]int64
	err := db.snapshot(ctx, func(tx *sql.Tx) error {
		r, err := newColumnReader(ctx, tx, db, incidentList())
		if err != nil {
			return err
		}
		return r.run(columnStanding, 0, r.entries/blockSize, func(_ int64, body []byte) {
			for i := 0; i+4 <= len(body); i += 4 {
				counts[body[i]]++ // the lowest byte comes first
			}
		})
	})
	if err != nil {
		return nil, fmt.Errorf("count incidents by state: %w", plain(err))
	}
	all := map[incident.State]int64{}
	for i, s := range incident.States() {
		all[s] = counts[i]
	}
	return all, nil
}

// TimesOn returns how long a step of the loop took, by the UTC day on which it was over, on the days from one moment's
// to another's, both included, oldest first. Days on which it was not are left out.
func (db *DB) TimesOn(ctx context.Context, step incident.Step, from, to time.Time) ([]incident.TimesOn, error) {
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(`SELECT day, bucket, n FROM incident_times
		WHERE day >= ? AND day <= ? AND step = ? ORDER BY day, bucket`), dayOf(from), dayOf(to), string(step))
	if err != nil {
		return nil, fmt.Errorf("read how long steps took: %w", plain(err))
	}
	defer rows.Close()
	var all []incident.TimesOn
	for rows.Next() {
		var day, n int64
		var bucket int
		if err := rows.Scan(&day, &bucket, &n); err != nil {
			return nil, fmt.Errorf("read how long steps took: %w", plain(err))
		}
		at := time.Unix(day*86400, 0).UTC()
		if len(all) == 0 || !all[len(all)-1].Day.Equal(at) {
			all = append(all, incident.TimesOn{Day: at, Times: incident.Histogram{}})
		}
		all[len(all)-1].Times[bucket] = n
	}
	return all, rows.Err()
}
