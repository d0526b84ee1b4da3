package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"tocsin/internal/incident"
	"tocsin/internal/intake"
	"tocsin/internal/report"
)

// Rule closes incidents with outcomes that somebody says, all of them or none, and keeps who says so and why. A ruling
// on an incident that is closed replaces its outcome. incident.ErrNotFound says that there is no such incident.
func (db *DB) Rule(ctx context.Context, rulings ...incident.Ruling) error {
	for i := range rulings {
		if err := rulings[i].Validate(); err != nil {
			return fmt.Errorf("rule on incident %s: %w", rulings[i].Incident, err)
		}
	}
	if len(rulings) == 0 {
		return nil
	}
	return db.tx(ctx, func(tx *sql.Tx) error {
		if err := db.waitToFold(ctx, tx); err != nil {
			return err
		}
		m := newMover(ctx, tx, db)
		for i := range rulings {
			r := &rulings[i]
			s, err := m.load(r.Incident)
			if err == nil {
				err = m.rule(s, r, nil)
			}
			if err != nil {
				return fmt.Errorf("rule on incident %s: %w", r.Incident, plain(err))
			}
		}
		return m.finish(rulings[0].At)
	})
}

// rule closes an incident. act is the id of the act that says so; nil where it has none.
func (m *mover) rule(s *standingOf, r *incident.Ruling, act []byte) error {
	sources := incident.Marks{Sources: s.episode.Marks.Sources}
	if _, err := m.tx.ExecContext(m.ctx, m.db.dialect.sql(`INSERT INTO rulings (incident, at, outcome, who, reason, sources, act) VALUES (?, ?, ?, ?, ?, ?, ?)`),
		s.id[:], r.At.UnixMicro(), string(r.Outcome), r.Who, r.Reason, sources.AppendBinary(nil), act); err != nil {
		return err
	}
	return m.move(s, incident.StateClosed, r.Outcome, r.At)
}

// Rulings returns what was said of an incident, oldest first.
func (db *DB) Rulings(ctx context.Context, id report.ID) ([]incident.Ruling, error) {
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(`SELECT incident, at, outcome, who, reason FROM rulings
		WHERE incident = coalesce((SELECT into_id FROM incident_redirects WHERE id = ?), ?) ORDER BY at, id`), id[:], id[:])
	if err != nil {
		return nil, fmt.Errorf("read the rulings on incident %s: %w", id, plain(err))
	}
	defer rows.Close()
	var all []incident.Ruling
	for rows.Next() {
		var r incident.Ruling
		var b []byte
		var at int64
		if err := rows.Scan(&b, &at, &r.Outcome, &r.Who, &r.Reason); err != nil {
			return nil, fmt.Errorf("read the rulings on incident %s: %w", id, plain(err))
		}
		r.Incident, r.At = report.ID(b), time.UnixMicro(at).UTC()
		all = append(all, r)
	}
	return all, rows.Err()
}

// said is the last that somebody said of an incident.
type said struct {
	at      int64
	outcome report.Outcome
	sources []int32
}

// Records returns, by reporter, what became of the incidents that ended at since or later. An incident counts once for
// each of its reporters, by the last that was said of it, or else by how it ended. What the sweep finds to be not ours
// says nothing about the reporter: it told of somebody else, and may well be right. When an incident ended is when it
// last changed.
func (db *DB) Records(ctx context.Context, since time.Time) (map[string]intake.Record, error) {
	names, err := db.allNames(ctx)
	if err != nil {
		return nil, err
	}
	rulings, err := db.said(ctx, since)
	if err != nil {
		return nil, fmt.Errorf("count outcomes: %w", plain(err))
	}
	counts := map[int32]*intake.Record{}
	if err := db.countEnded(ctx, since, rulings, counts); err != nil {
		return nil, fmt.Errorf("count outcomes: %w", plain(err))
	}
	for _, s := range rulings {
		count(counts, s.sources, s.outcome)
	}
	all := make(map[string]intake.Record, len(counts))
	for number, r := range counts {
		all[names[number]] = *r
	}
	return all, nil
}

// said returns the last ruling on each incident. Rulings are made by people, so there are few.
func (db *DB) said(ctx context.Context, since time.Time) (map[report.ID]said, error) {
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(`SELECT incident, at, outcome, sources FROM rulings WHERE at >= ? ORDER BY at, id`), since.UnixMicro())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	last := map[report.ID]said{}
	for rows.Next() {
		var id, packed []byte
		var s said
		if err := rows.Scan(&id, &s.at, &s.outcome, &packed); err != nil {
			return nil, err
		}
		marks, err := incident.ReadMarks(packed)
		if err != nil {
			return nil, err
		}
		s.sources = marks.Sources
		last[report.ID(id)] = s
	}
	return last, rows.Err()
}

// countEnded counts closed incidents, and takes the rulings that are out of date from their list.
func (db *DB) countEnded(ctx context.Context, since time.Time, rulings map[report.ID]said, counts map[int32]*intake.Record) error {
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(`SELECT id, updated, episode FROM incidents WHERE state = ? AND updated >= ?`),
		incident.StateNumber(incident.StateClosed), since.UnixMicro())
	if err != nil {
		return err
	}
	defer rows.Close()
	var id, blob sql.RawBytes
	var e incident.Episode
	for rows.Next() {
		var updated int64
		if err := rows.Scan(&id, &updated, &blob); err != nil {
			return err
		}
		if err := e.ReadEpisode(blob); err != nil {
			return err
		}
		if r, ok := rulings[report.ID(id)]; ok {
			if updated <= r.at || !says(e.Outcome) || e.Outcome == r.outcome {
				continue // the ruling counts
			}
			delete(rulings, report.ID(id)) // it went on after that, and was found otherwise
		} else if e.Outcome == report.OutcomeNotOurs {
			e.Outcome = report.OutcomeUnknown
		}
		count(counts, e.Marks.Sources, e.Outcome)
	}
	return rows.Err()
}

// says reports whether an outcome that the sweep found says whether the reporters were right.
func says(o report.Outcome) bool {
	return o == report.OutcomeCleaned || o == report.OutcomeHandedOver || o == report.OutcomeFalseAlarm
}

func count(counts map[int32]*intake.Record, sources []int32, o report.Outcome) {
	for _, s := range sources {
		r := counts[s]
		if r == nil {
			r = &intake.Record{}
			counts[s] = r
		}
		switch o {
		case report.OutcomeCleaned, report.OutcomeHandedOver:
			r.Confirmed++
		case report.OutcomeFalseAlarm, report.OutcomeNotOurs:
			r.Refuted++
		default:
			r.Neither++
		}
	}
}
