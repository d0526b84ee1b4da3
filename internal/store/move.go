package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"

	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// mover changes where incidents stand, in one transaction, and keeps up what follows from that. Another may not fold
// meanwhile, see waitToFold.
type mover struct {
	ctx     context.Context //nolint:containedctx // lives as long as one transaction
	tx      *sql.Tx
	db      *DB
	places  *placer
	times   map[timeOn]int64
	changes changes
}

// timeOn is a row of incident_times.
type timeOn struct {
	day    int32
	step   incident.Step
	bucket int
}

func newMover(ctx context.Context, tx *sql.Tx, db *DB) *mover {
	return &mover{ctx: ctx, tx: tx, db: db, places: newPlacer(ctx, tx, db), times: map[timeOn]int64{}}
}

// standingOf is an incident that may be moved.
type standingOf struct {
	key     []byte
	id      report.ID
	place   int64
	state   incident.State
	episode incident.Episode
}

// load reads an incident; an id that was joined into another leads to that. incident.ErrNotFound where there is none.
func (m *mover) load(id report.ID) (*standingOf, error) {
	return m.loadWhere(`id = coalesce((SELECT into_id FROM incident_redirects WHERE id = ?), ?)`, id[:], id[:])
}

func (m *mover) loadWhere(where string, args ...any) (*standingOf, error) {
	var s standingOf
	var id, blob []byte
	var state int64
	err := m.tx.QueryRowContext(m.ctx, m.db.dialect.sql(`SELECT key, id, place, state, last_seen, episode FROM incidents WHERE `+where), args...).
		Scan(&s.key, &id, &s.place, &state, &s.episode.Last, &blob)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, incident.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if err := s.episode.ReadEpisode(blob); err != nil {
		return nil, err
	}
	s.id, s.state = report.ID(id), incident.NumberedState(int(state))
	s.episode.ID, s.episode.State = s.id, s.state
	return &s, nil
}

// move writes a state and an outcome.
func (m *mover) move(s *standingOf, state incident.State, outcome report.Outcome, at time.Time) error {
	if err := m.took(s, state, outcome, at); err != nil {
		return err
	}
	s.state, s.episode.State, s.episode.Outcome = state, state, outcome
	if _, err := m.tx.ExecContext(m.ctx, m.db.dialect.sql(`UPDATE incidents SET state = ?, updated = ?, episode = ? WHERE key = ? AND id = ?`),
		incident.StateNumber(state), at.UnixMicro(), s.episode.AppendBinary(nil), s.key, s.id[:]); err != nil {
		return err
	}
	m.places.stand(s.place, standing(state, s.episode.Last))
	m.changes.note(report.TopicIncidents, s.id)
	return nil
}

// took notes how long it took until an incident came to stand where it is moved to.
func (m *mover) took(s *standingOf, state incident.State, outcome report.Outcome, at time.Time) error {
	if outcome == report.OutcomeCleaned && s.episode.Outcome != outcome {
		m.took1(incident.StepCleaned, time.UnixMicro(s.episode.First), at)
	}
	if state != incident.StateTold || s.state == state {
		return nil
	}
	came, err := m.arrival(s)
	if err != nil {
		return err
	}
	m.took1(incident.StepTold, came, at)
	return nil
}

func (m *mover) took1(step incident.Step, from, at time.Time) {
	m.times[timeOn{dayOf(at), step, incident.Bucket(at.Sub(from))}]++
}

// arrival is when the first report of an incident came in; where it is past its end date, when the incident became
// known.
func (m *mover) arrival(s *standingOf) (time.Time, error) {
	links, err := m.db.linksOf(m.ctx, m.tx, s.id, s.episode.Links)
	if err != nil {
		return time.Time{}, err
	}
	if len(links) > 0 {
		var micros int64
		err := m.tx.QueryRowContext(m.ctx, m.db.dialect.sql(`SELECT received_at FROM reports WHERE id = (SELECT report FROM chunks WHERE id = ?)`),
			links[0].Chunk).Scan(&micros)
		if err == nil {
			return time.UnixMicro(micros), nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return time.Time{}, err
		}
	}
	return s.id.Time(), nil
}

// finish writes what follows from the moves. Nothing may come behind it in the transaction.
func (m *mover) finish(at time.Time) error {
	if err := m.places.flush(); err != nil {
		return err
	}
	order := slices.SortedFunc(maps.Keys(m.times), func(a, b timeOn) int { return a.bucket - b.bucket })
	for _, k := range order {
		if _, err := m.tx.ExecContext(m.ctx, m.db.dialect.sql(`INSERT INTO incident_times (day, step, bucket, n) VALUES (?, ?, ?, ?)
			ON CONFLICT (day, step, bucket) DO UPDATE SET n = incident_times.n + excluded.n`), k.day, string(k.step), k.bucket, m.times[k]); err != nil {
			return err
		}
	}
	return m.db.noteChanges(m.ctx, m.tx, at, &m.changes)
}
