package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"tocsin/internal/desk"
	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// Assign stores what a person said of a report that waits: its events, folded like any others, and that it is worked.
// See desk.Assigner.
func (db *DB) Assign(ctx context.Context, c *desk.Chunk, a desk.Assignment) (again bool, err error) {
	if err := db.dayPartition(ctx, dayOf(c.Report.ReceivedAt)); err != nil {
		return false, fmt.Errorf("store an assignment: %w", plain(err))
	}
	w, err := db.newWriter(ctx)
	if err != nil {
		return false, fmt.Errorf("store an assignment: %w", plain(err))
	}
	unproven, err := db.Names(ctx, report.Unproven)
	if err != nil {
		return false, fmt.Errorf("store an assignment: %w", err)
	}
	err = db.tx(ctx, func(tx *sql.Tx) error {
		if err := db.waitToFold(ctx, tx); err != nil {
			return err
		}
		if again, err = db.claim(ctx, tx, c, &a); again || err != nil {
			return err
		}
		id, err := w.in(ctx, tx).insertChunk(ctx, c)
		if err != nil {
			return err
		}
		weights := &incident.Weights{}
		refs, err := sorted(c, id, weights)
		if err != nil {
			return err
		}
		f := newFolder(ctx, tx, db, a.At)
		f.unproven = unproven[0]
		if err := f.fold(refs); err != nil {
			return err
		}
		if err := db.weigh(ctx, tx, c.Report.ID, weights); err != nil {
			return err
		}
		if err := db.raiseWatermarks(ctx, tx, []*desk.Chunk{c}); err != nil {
			return err
		}
		f.changes.note(report.TopicReports, c.Report.ID)
		f.changes.note(report.TopicWaiting, c.Report.ID)
		return db.noteChanges(ctx, tx, a.At, &f.changes)
	})
	if err != nil {
		return false, fmt.Errorf("store an assignment: %w", err)
	}
	return again, nil
}

// sorted returns what has to be folded of a chunk that was stored; its touches are in the order of keys.
func sorted(c *desk.Chunk, id int64, weights *incident.Weights) ([]touchRef, error) {
	if id == 0 && len(c.Touches) > 0 { // claim has made sure that nobody was here
		return nil, fmt.Errorf("chunk %d/%d of report %s is there already", c.Generation, c.Seq, c.Report.ID)
	}
	return appendRefs(nil, c, id, weights), nil
}

// weigh adds to what a report's events weigh.
func (db *DB) weigh(ctx context.Context, tx *sql.Tx, id report.ID, by *incident.Weights) error {
	_, err := tx.ExecContext(ctx, db.dialect.sql(`UPDATE reports SET credible_1 = credible_1 + ?, credible_2 = credible_2 + ?,
		credible_3 = credible_3 + ?, credible_4 = credible_4 + ?, credible_5 = credible_5 + ? WHERE id = ?`),
		by[1], by[2], by[3], by[4], by[5], id[:])
	return err
}

// claim takes the report for one assignment. Of several at once one gets it; again says that it was this very one.
func (db *DB) claim(ctx context.Context, tx *sql.Tx, c *desk.Chunk, a *desk.Assignment) (again bool, err error) {
	id := c.Report.ID
	res, err := tx.ExecContext(ctx, db.dialect.sql(`UPDATE reports SET state = ?, reason = '', assigned = 1, generation = ?,
		refused = 0, events = events + ?, repeats = repeats + ?, format = CASE WHEN format = '' THEN ? ELSE format END
		WHERE id = ? AND state = ? AND generation = ?`),
		string(report.StateWorked), c.Generation, c.Events, c.Repeats, c.Format, id[:], string(report.StateWaiting), c.Generation-1)
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); err != nil {
		return false, err
	} else if n == 0 {
		var digest []byte
		err := tx.QueryRowContext(ctx, db.dialect.sql(`SELECT digest FROM assignments WHERE report = ?`), id[:]).Scan(&digest)
		if errors.Is(err, sql.ErrNoRows) || err == nil && !bytes.Equal(digest, a.Digest[:]) {
			err = desk.ErrNotWaiting
		}
		return err == nil, err
	}
	var into []byte
	if !a.Incident.IsZero() {
		into = a.Incident[:]
	}
	_, err = tx.ExecContext(ctx, db.dialect.sql(`INSERT INTO assignments (report, digest, who, at, incident) VALUES (?, ?, ?, ?, ?)`),
		id[:], a.Digest[:], a.Who, a.At.UnixMicro(), into)
	return false, err
}

// spokenFor reports whether a person has said what a report reports, so that a replay of it that was asked for before,
// and its own work when that is handed out a second time, have to leave it alone. The write, which changes nothing,
// waits for whoever is just saying it.
func (db *DB) spokenFor(ctx context.Context, tx *sql.Tx, id report.ID) (bool, error) {
	res, err := tx.ExecContext(ctx, db.dialect.sql(`UPDATE reports SET assigned = assigned WHERE id = ? AND assigned = 1`), id[:])
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// Assignment returns who said what of a report; ErrNoReport when nobody has.
func (db *DB) Assignment(ctx context.Context, id report.ID) (desk.Assignment, error) {
	var a desk.Assignment
	var digest, in []byte
	var at int64
	err := db.read.QueryRowContext(ctx, db.dialect.sql(`SELECT digest, who, at, incident FROM assignments WHERE report = ?`), id[:]).
		Scan(&digest, &a.Who, &at, &in)
	if errors.Is(err, sql.ErrNoRows) {
		return a, ErrNoReport
	}
	if err != nil {
		return a, fmt.Errorf("read an assignment: %w", plain(err))
	}
	copy(a.Digest[:], digest)
	copy(a.Incident[:], in)
	a.At = time.UnixMicro(at).UTC()
	return a, nil
}

// Linked returns the reports that people merged into an incident, oldest first.
func (db *DB) Linked(ctx context.Context, id report.ID) ([]Row, error) {
	var all []Row
	for r, err := range db.reports(ctx, "list the reports merged into an incident", `WHERE id IN (SELECT report FROM assignments
		WHERE incident = ? OR incident IN (SELECT id FROM incident_redirects WHERE into_id = ?)) ORDER BY received_at, id`, id[:], id[:]) {
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// LettersAfter returns up to limit of the letters on a shelf, oldest first: those behind the one that was received at a
// time and has an id.
func (db *DB) LettersAfter(ctx context.Context, on desk.Shelf, after time.Time, id report.ID, limit int) ([]Row, error) {
	var all []Row
	micros := after.UnixMicro()
	for r, err := range db.reports(ctx, "list the letters", `WHERE state = ? AND apart = ? AND (received_at > ? OR received_at = ? AND id > ?)
		ORDER BY received_at, id LIMIT ?`, string(on.State), string(on.Apart.Type), micros, micros, id[:], limit) {
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// LettersApart counts the letters in a state that are filed apart, by kind.
func (db *DB) LettersApart(ctx context.Context, state report.State) (map[report.Kind]int, error) {
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(
		`SELECT apart, count(*) FROM reports WHERE state = ? AND apart <> '' GROUP BY apart`), string(state))
	if err != nil {
		return nil, fmt.Errorf("count the letters that are filed apart: %w", plain(err))
	}
	defer rows.Close()
	all := map[report.Kind]int{}
	for rows.Next() {
		var typ string
		var n int
		if err := rows.Scan(&typ, &n); err != nil {
			return nil, fmt.Errorf("count the letters that are filed apart: %w", plain(err))
		}
		all[report.KindOf(typ)] = n
	}
	return all, rows.Err()
}

// Reading returns what can be read of a letter, see desk.DecodeReading; nil where it is past its end date.
func (db *DB) Reading(ctx context.Context, id report.ID) ([]byte, error) {
	var b []byte
	err := db.read.QueryRowContext(ctx, db.dialect.sql(`SELECT reading FROM letters WHERE report = ?`), id[:]).Scan(&b)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("read a letter: %w", plain(err))
	}
	return b, nil
}

// DeleteReadings deletes what can be read of letters received before a moment, and returns how many. They end with the
// originals.
func (db *DB) DeleteReadings(ctx context.Context, before, now time.Time) (deleted int64, err error) {
	err = db.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, db.dialect.sql(
			`DELETE FROM letters WHERE report IN (SELECT id FROM reports WHERE received_at < ?)`), before.UnixMicro())
		if err != nil {
			return err
		}
		if deleted, err = res.RowsAffected(); err != nil {
			return err
		}
		return db.noteDeletion(ctx, tx, "letters", before, now, deleted)
	})
	if err != nil {
		return 0, fmt.Errorf("delete letters past their end date: %w", plain(err))
	}
	return deleted, nil
}

// SentBy counts the reports that came from an author, an address or "@domain" in lower case.
func (db *DB) SentBy(ctx context.Context, sender string) (desk.Sent, error) {
	where, arg := `sender = ?`, sender
	if strings.HasPrefix(sender, "@") {
		where, arg = `sender LIKE ? ESCAPE '\'`, "%"+strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(sender)
	}
	var s desk.Sent
	err := db.read.QueryRowContext(ctx, db.dialect.sql(`SELECT count(*), coalesce(sum(CASE WHEN state = 'waiting' THEN 1 ELSE 0 END), 0),
		coalesce(sum(CASE WHEN state = 'set-aside' THEN 1 ELSE 0 END), 0) FROM reports WHERE `+where), arg).
		Scan(&s.Reports, &s.Waiting, &s.Aside)
	if err != nil {
		return s, fmt.Errorf("count the reports of an author: %w", plain(err))
	}
	return s, nil
}

// Letter is the row as a person deals with it.
func (r *Row) Letter() desk.Letter {
	return desk.Letter{
		Report: r.Report, Generation: r.Generation, Reason: r.Reason, Apart: r.Apart, Sender: r.Sender, Thread: r.Thread, Events: r.Events,
	}
}
