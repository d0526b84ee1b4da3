package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// Act does what people do about incidents, all of it or nothing, in the order given. What was done before under the same
// id is not done again; incident.ErrOtherAct says that something else was. incident.ErrNotFound says that there is no
// such incident, and incident.ErrNotClosed that one to be reopened is not closed.
func (db *DB) Act(ctx context.Context, acts ...incident.Act) error {
	for i := range acts {
		if err := acts[i].Validate(); err != nil {
			return fmt.Errorf("%s incident %s: %w", acts[i].What, acts[i].Incident, err)
		}
	}
	if len(acts) == 0 {
		return nil
	}
	return db.tx(ctx, func(tx *sql.Tx) error {
		if err := db.waitToFold(ctx, tx); err != nil {
			return err
		}
		m := newMover(ctx, tx, db)
		for i := range acts {
			if err := m.act(&acts[i]); err != nil {
				return fmt.Errorf("%s incident %s: %w", acts[i].What, acts[i].Incident, plain(err))
			}
		}
		return m.finish(acts[0].At)
	})
}

func (m *mover) act(a *incident.Act) error {
	s, err := m.load(a.Incident)
	if err != nil {
		return err
	}
	if done, err := m.done(a, s.id); done || err != nil {
		return err
	}
	if a.What == incident.ActClose {
		r := a.Ruling()
		return m.rule(s, &r, a.ID[:])
	}
	if _, err := m.tx.ExecContext(m.ctx, m.db.dialect.sql(`INSERT INTO incident_acts (id, incident, at, what, who, text) VALUES (?, ?, ?, ?, ?, ?)`),
		a.ID[:], s.id[:], a.At.UnixMicro(), string(a.What), a.Who, a.Text); err != nil {
		return err
	}
	switch {
	case a.What == incident.ActTold && s.state == incident.StateOpen:
		return m.move(s, incident.StateTold, "", a.At)
	case a.What == incident.ActReopen && s.state != incident.StateClosed:
		return incident.ErrNotClosed
	case a.What == incident.ActReopen:
		return m.move(s, incident.StateOpen, "", a.At)
	}
	m.changes.note(report.TopicIncidents, s.id)
	return nil
}

// done reports whether an act was done before.
func (m *mover) done(a *incident.Act, id report.ID) (bool, error) {
	var was incident.Act
	var of []byte
	err := m.tx.QueryRowContext(m.ctx, m.db.dialect.sql(`SELECT incident, what, who, text, '' FROM incident_acts WHERE id = ?
		UNION ALL SELECT incident, 'close', who, reason, outcome FROM rulings WHERE act = ?`), a.ID[:], a.ID[:]).
		Scan(&of, &was.What, &was.Who, &was.Text, &was.Outcome)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	case report.ID(of) != id || was.What != a.What || was.Who != a.Who || was.Text != a.Text || was.Outcome != a.Outcome:
		return false, incident.ErrOtherAct
	}
	return true, nil
}

// Timeline returns what people did about an incident, and about those that were joined into it, oldest first. A ruling
// is an act that closes; it has an id where Act made it.
func (db *DB) Timeline(ctx context.Context, id report.ID) ([]incident.Act, error) {
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(`SELECT id, incident, at, what, who, text, '' FROM incident_acts
		WHERE incident = coalesce((SELECT into_id FROM incident_redirects WHERE id = ?), ?)
		UNION ALL SELECT act, incident, at, 'close', who, reason, outcome FROM rulings
		WHERE incident = coalesce((SELECT into_id FROM incident_redirects WHERE id = ?), ?)`), id[:], id[:], id[:], id[:])
	if err != nil {
		return nil, fmt.Errorf("read the timeline of incident %s: %w", id, plain(err))
	}
	defer rows.Close()
	var all []incident.Act
	for rows.Next() {
		var a incident.Act
		var act, of []byte
		var at int64
		if err := rows.Scan(&act, &of, &at, &a.What, &a.Who, &a.Text, &a.Outcome); err != nil {
			return nil, fmt.Errorf("read the timeline of incident %s: %w", id, plain(err))
		}
		copy(a.ID[:], act)
		a.Incident, a.At = report.ID(of), time.UnixMicro(at).UTC()
		all = append(all, a)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the timeline of incident %s: %w", id, plain(err))
	}
	slices.SortStableFunc(all, func(a, b incident.Act) int { return a.At.Compare(b.At) })
	return all, nil
}
