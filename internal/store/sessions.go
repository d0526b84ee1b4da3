package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/report"
)

// AddSession is access.SessionStore's.
func (a *Access) AddSession(ctx context.Context, s *access.Session, hash, before access.Hash) error {
	return a.tx(ctx, "begin a session", func(tx *sql.Tx) error {
		if err := a.one(ctx, tx, access.ErrNoPerson, `UPDATE people SET seen = ? WHERE id = ? AND state = ?`,
			micros(s.Created), s.Person[:], string(access.Active)); err != nil {
			return err
		}
		if _, err := a.exec(ctx, tx, `DELETE FROM people_sessions WHERE hash = ? OR before = ?`, before[:], before[:]); err != nil {
			return err
		}
		network := ""
		if s.Network.IsValid() {
			network = s.Network.String()
		}
		_, err := a.exec(ctx, tx, `INSERT INTO people_sessions (id, hash, person, way, created, seen, browser, network, recovered) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			s.ID[:], hash[:], s.Person[:], string(s.Way), micros(s.Created), micros(s.Seen), s.Browser, network, number(s.Recovered))
		return err
	})
}

const sessionColumns = `people_sessions.id, people_sessions.person, people_sessions.way, people_sessions.created, people_sessions.seen, people_sessions.browser, people_sessions.network,
	people_sessions.recovered, people_sessions.stale`

// sessionInto reads sessionColumns.
type sessionInto struct {
	access.Session
	id, person       []byte
	created, seen    int64
	network          string
	recovered, stale int
}

func (s *sessionInto) into() []any {
	return []any{&s.id, &s.person, &s.Way, &s.created, &s.seen, &s.Browser, &s.network, &s.recovered, &s.stale}
}

func (s *sessionInto) session() (access.Session, error) {
	copy(s.ID[:], s.id)
	copy(s.Person[:], s.person)
	s.Created, s.Seen, s.Recovered, s.Stale = moment(s.created), moment(s.seen), s.recovered == 1, s.stale == 1
	var err error
	if s.network != "" {
		s.Network, err = netip.ParsePrefix(s.network)
	}
	return s.Session, err
}

// Session is access.SessionStore's.
func (a *Access) Session(ctx context.Context, hash access.Hash, now time.Time) (access.Session, access.Person, error) {
	var s sessionInto
	var p personInto
	err := a.db.read.QueryRowContext(ctx, a.db.dialect.sql(`SELECT `+sessionColumns+`, `+personColumns+`
		FROM people_sessions JOIN people ON people.id = people_sessions.person WHERE people_sessions.hash = ? OR people_sessions.before = ? AND people_sessions.before_ends > ?`),
		hash[:], hash[:], micros(now)).Scan(append(s.into(), p.into()...)...)
	if err = orNothing(err); err != nil {
		return access.Session{}, access.Person{}, fmt.Errorf("look for a session: %w", err)
	}
	one, err := s.session()
	return one, p.person(), err
}

// TouchSession is access.SessionStore's.
func (a *Access) TouchSession(ctx context.Context, id report.ID, at time.Time) error {
	err := a.db.tx(ctx, func(tx *sql.Tx) error {
		_, err := a.exec(ctx, tx, `UPDATE people_sessions SET seen = ? WHERE id = ? AND seen < ?`, micros(at), id[:], micros(at))
		return err
	})
	if err != nil {
		return fmt.Errorf("note that a session is used: %w", err)
	}
	return nil
}

// RenewSession is access.SessionStore's.
func (a *Access) RenewSession(ctx context.Context, id report.ID, hash access.Hash, until time.Time) (renewed bool, err error) {
	err = a.tx(ctx, "renew a session", func(tx *sql.Tx) error {
		res, err := a.exec(ctx, tx, `UPDATE people_sessions SET before = hash, before_ends = ?, hash = ?, stale = 0 WHERE id = ? AND stale = 1`,
			micros(until), hash[:], id[:])
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		renewed = n > 0
		return err
	})
	return renewed && err == nil, err
}

// SettleSession is access.SessionStore's.
func (a *Access) SettleSession(ctx context.Context, id report.ID) error {
	return a.tx(ctx, "settle a session", func(tx *sql.Tx) error {
		_, err := a.exec(ctx, tx, `UPDATE people_sessions SET recovered = 0, stale = 1 WHERE id = ?`, id[:])
		return err
	})
}

// SessionsOf is access.SessionStore's.
func (a *Access) SessionsOf(ctx context.Context, person report.ID) ([]access.Session, error) {
	rows, err := a.db.read.QueryContext(ctx, a.db.dialect.sql(`SELECT `+sessionColumns+` FROM people_sessions WHERE person = ? ORDER BY seen DESC, id DESC`), person[:])
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", plain(err))
	}
	defer rows.Close()
	var all []access.Session
	for rows.Next() {
		var s sessionInto
		if err := rows.Scan(s.into()...); err != nil {
			return nil, fmt.Errorf("read sessions: %w", plain(err))
		}
		one, err := s.session()
		if err != nil {
			return nil, fmt.Errorf("read sessions: %w", err)
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// EndSession is access.SessionStore's.
func (a *Access) EndSession(ctx context.Context, person, id report.ID) error {
	return a.tx(ctx, "end a session", func(tx *sql.Tx) error {
		return a.one(ctx, tx, access.ErrNothing, `DELETE FROM people_sessions WHERE person = ? AND id = ?`, person[:], id[:])
	})
}

// EndSessions is access.SessionStore's.
func (a *Access) EndSessions(ctx context.Context, person, but report.ID) (ended int64, err error) {
	err = a.tx(ctx, "end sessions", func(tx *sql.Tx) error {
		res, err := a.exec(ctx, tx, `DELETE FROM people_sessions WHERE person = ? AND id <> ?`, person[:], but[:])
		if err != nil {
			return err
		}
		ended, err = res.RowsAffected()
		return err
	})
	return ended, err
}

// DeleteEnded is access.SessionStore's.
func (a *Access) DeleteEnded(ctx context.Context, e *access.Ended, now time.Time) (deleted int64, err error) {
	err = a.tx(ctx, "delete what lets nobody in any more", func(tx *sql.Tx) error {
		for _, one := range [...]struct {
			class string
			until time.Time
			q     string
			args  []any
		}{
			{"sessions of people", now, `DELETE FROM people_sessions WHERE created < ? OR seen < ?`, []any{micros(e.Begun), micros(e.Idle)}},
			{"links of invitations", now, `DELETE FROM invitations WHERE until <= ?`, []any{micros(now)}},
			{"tokens", now, `DELETE FROM people_tokens WHERE until <= ?`, []any{micros(now)}},
			{"known browsers", e.Browsers, `DELETE FROM known_browsers WHERE at < ?`, []any{micros(e.Browsers)}},
			{"acts about people", e.Acts, `DELETE FROM people_acts WHERE at < ?`, []any{micros(e.Acts)}},
		} {
			res, err := a.exec(ctx, tx, one.q, one.args...)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			if err := a.db.noteDeletion(ctx, tx, one.class, one.until, now, n); err != nil {
				return err
			}
			deleted += n
		}
		return nil
	})
	return deleted, err
}
