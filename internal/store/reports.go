package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"tocsin/internal/desk"
	"tocsin/internal/incident"
	"tocsin/internal/intake"
	"tocsin/internal/report"
)

// Known says what is stored of a report before its generation is worked.
func (db *DB) Known(ctx context.Context, rep *report.Report, generation int) (desk.Known, error) {
	var k desk.Known
	var id []byte
	var state string
	stmt, err := db.reads.prepared(ctx, db.read, db.dialect.sql(`SELECT id, state FROM reports WHERE sha256 = ? AND reporter = ? AND named = ? AND statement = ?`)) //nolint:sqlclosecheck // closed with the database
	if err != nil {
		return k, fmt.Errorf("ask for report %s: %w", rep.ID, err)
	}
	err = stmt.QueryRowContext(ctx, rep.SHA256[:], rep.Reporter, rep.Format, statement(rep)).Scan(&id, &state)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return k, nil
	case err != nil:
		return k, fmt.Errorf("ask for report %s: %w", rep.ID, plain(err))
	case report.ID(id) != rep.ID:
		k.DuplicateOf = report.ID(id)
		return k, nil
	}
	k.State = report.State(state)
	if k.Done, err = db.doneRows(ctx, rep.ID, generation); err != nil {
		return k, fmt.Errorf("ask for chunks of report %s: %w", rep.ID, plain(err))
	}
	if generation > 0 {
		if k.Refusals, err = db.Refusals(ctx, rep.ID, generation-1); err != nil {
			return k, err
		}
	}
	return k, nil
}

// statement tells apart the reports that are one list which has not changed: it says each time that what stands on it
// holds, so they are no duplicates (internal/intake/feed). All other reports with the same bytes are.
func statement(rep *report.Report) []byte {
	if rep.Channel != intake.ChannelFeed {
		return []byte{}
	}
	return rep.Identity[:]
}

func (db *DB) doneRows(ctx context.Context, id report.ID, generation int) (map[int]int64, error) {
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(
		`SELECT document, max(to_row) FROM chunks WHERE report = ? AND generation = ? GROUP BY document`), id[:], generation)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	done := map[int]int64{}
	for rows.Next() {
		var document int
		var row int64
		if err := rows.Scan(&document, &row); err != nil {
			return nil, err
		}
		done[document] = row
	}
	return done, rows.Err()
}

// Refusals returns the rows and documents that one generation of a report refused, with their reasons.
func (db *DB) Refusals(ctx context.Context, id report.ID, generation int) ([]desk.Refusal, error) {
	var all []desk.Refusal
	for r, err := range db.EachRefusal(ctx, id, generation) {
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// EachRefusal yields what Refusals returns, in the same order. No more than a chunk's are in memory.
func (db *DB) EachRefusal(ctx context.Context, id report.ID, generation int) iter.Seq2[desk.Refusal, error] {
	return func(yield func(desk.Refusal, error) bool) {
		err := db.eachPacked(ctx, func(packed []byte) (bool, error) {
			some, err := desk.DecodeRefusals(packed)
			for _, r := range some {
				if !yield(r, nil) {
					return false, nil
				}
			}
			return true, err
		}, `SELECT refusals FROM chunks WHERE report = ? AND generation = ? AND refusals IS NOT NULL ORDER BY seq`, id[:], generation)
		if err != nil {
			yield(desk.Refusal{}, fmt.Errorf("read refusals of report %s: %w", id, plain(err)))
		}
	}
}

// EachUnattributed yields the events of a report of which nobody can say whose line it was, in the order of generations
// and rows. No more than a chunk's are in memory.
func (db *DB) EachUnattributed(ctx context.Context, id report.ID) iter.Seq2[desk.Unattributed, error] {
	return func(yield func(desk.Unattributed, error) bool) {
		err := db.eachPacked(ctx, func(packed []byte) (bool, error) {
			some, err := desk.DecodeUnattributed(packed)
			for _, u := range some {
				if !yield(u, nil) {
					return false, nil
				}
			}
			return true, err
		}, `SELECT unattributed FROM chunks WHERE report = ? AND unattributed IS NOT NULL ORDER BY generation, seq`, id[:])
		if err != nil {
			yield(desk.Unattributed{}, fmt.Errorf("read what is not attributed of report %s: %w", id, plain(err)))
		}
	}
}

// Unattributed yields the reports with events of which nobody can say whose line it was, oldest first.
func (db *DB) Unattributed(ctx context.Context) iter.Seq2[Row, error] {
	return db.reports(ctx, "list reports with unattributed events", `WHERE id IN (SELECT report FROM chunks WHERE unattributed IS NOT NULL)
		ORDER BY received_at, id`)
}

// eachPacked hands one column of many rows to f, until it returns false.
func (db *DB) eachPacked(ctx context.Context, f func([]byte) (bool, error), query string, args ...any) error {
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(query), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var packed []byte
		if err := rows.Scan(&packed); err != nil {
			return err
		}
		if more, err := f(packed); err != nil || !more {
			return err
		}
	}
	return rows.Err()
}

const insertReport = `INSERT INTO reports
	(id, channel, reporter, received_at, name, named, format, sha256, size, tlp, state, exercise, authenticity, signer,
	 statement, generation, documents, events, repeats, refused, reliability, supposed)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0,
	 coalesce((SELECT reliability FROM source_grades WHERE source = ?), 0),
	 coalesce((SELECT set_credibility FROM source_grades WHERE source = ?), 0)) ON CONFLICT DO NOTHING`

// insertReport stores a report, and says whether it is there for the first time.
func (w *writer) insertReport(ctx context.Context, c *desk.Chunk) (added bool, err error) {
	r := &c.Report
	graded := r.Reporter // the grade is that of now, and stays with the report
	if r.Authenticity.Refuted() {
		graded = "" // no source
	}
	res, err := w.report.ExecContext(ctx, r.ID[:], r.Channel, r.Reporter, r.ReceivedAt.UnixMicro(), r.Name, r.Format, r.Format, r.SHA256[:], r.Size, int(r.TLP),
		string(report.StateWorking), number(r.Exercise), string(r.Authenticity), r.Signer, statement(r), graded, graded)
	if err != nil {
		return false, fmt.Errorf("insert report %s: %w", r.ID, plain(err))
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

const (
	advanceReport = `UPDATE reports SET
		events = events + ?, repeats = repeats + ?,
		refused = CASE WHEN generation = ? THEN refused ELSE 0 END + ?,
		credible_1 = credible_1 + ?, credible_2 = credible_2 + ?, credible_3 = credible_3 + ?,
		credible_4 = credible_4 + ?, credible_5 = credible_5 + ?,
		generation = ?, format = CASE WHEN format = '' THEN ? ELSE format END WHERE id = ?`
	// What a person set aside stays there, also when it is read again, or when its work is handed out a second time.
	endReport = `UPDATE reports SET documents = ?,
		reason = CASE WHEN state = 'set-aside' AND ? = 'waiting' THEN reason ELSE ? END, apart = ?,
		state = CASE WHEN state = 'set-aside' AND ? = 'waiting' THEN state
			WHEN ? = 'waiting' THEN 'waiting' WHEN events + repeats > 0 THEN 'worked' WHEN refused > 0 THEN 'quarantined'
			WHEN ? = 'set-aside' THEN 'set-aside' ELSE 'worked' END WHERE id = ?`
	upsertReading = `INSERT INTO letters (report, reading) VALUES (?, ?)
		ON CONFLICT (report) DO UPDATE SET reading = excluded.reading`
)

// advanceReport counts a chunk that was added, whose events have these weights, and ends the report with its last: nil
// is a chunk that was there. The first chunk of a new generation
// begins its count of refused rows anew: they are the rows that the replay still could not read.
func (w *writer) advanceReport(ctx context.Context, c *desk.Chunk, added *incident.Weights) error {
	if added == nil && !c.Final {
		return nil
	}
	var events, repeats, refused int
	var by incident.Weights
	if added != nil {
		events, repeats, refused, by = c.Events, c.Repeats, c.Refused, *added
	}
	res, err := w.advance.ExecContext(ctx, events, repeats, c.Generation, refused, by[1], by[2], by[3], by[4], by[5], c.Generation, c.Format, c.Report.ID[:])
	if err != nil {
		return fmt.Errorf("advance report %s: %w", c.Report.ID, plain(err))
	}
	if n, err := res.RowsAffected(); err == nil && n == 0 {
		return fmt.Errorf("advance report %s: the same bytes were stored under another id meanwhile", c.Report.ID)
	}
	if !c.Final {
		return nil
	}
	if err := w.endReport(ctx, c); err != nil {
		return fmt.Errorf("end report %s: %w", c.Report.ID, plain(err))
	}
	return nil
}

// endReport says what became of a report. A mail in no format is no fault: what is for a person waits, even when
// something else in the report could not be read.
func (w *writer) endReport(ctx context.Context, c *desk.Chunk) error {
	letter := report.Letter{}
	if c.Letter != nil {
		letter = *c.Letter
	}
	state := string(letter.State)
	if _, err := w.end.ExecContext(ctx, c.Documents, state, letter.Reason, string(letter.Apart.Type), state, state, state, c.Report.ID[:]); err != nil {
		return err
	}
	if c.Reading != nil {
		if _, err := w.tx.ExecContext(ctx, w.db.dialect.sql(upsertReading), c.Report.ID[:], c.Reading); err != nil {
			return err
		}
	}
	if c.Mail == nil {
		return nil
	}
	// A mail in the drop folder is from whom it says to be from, and nobody looked.
	if c.Report.Authenticity == report.Unchecked {
		if _, err := w.tx.ExecContext(ctx, w.db.dialect.sql(`UPDATE reports SET reliability = 0, supposed = 0 WHERE id = ?`), c.Report.ID[:]); err != nil {
			return err
		}
	}
	return w.db.joinThread(ctx, w.tx, c)
}

// ErrNoReport says that no report has the id.
var ErrNoReport = desk.ErrNoReport

// Row is a report as it is stored, with its counts.
type Row struct {
	report.Report
	Found      string // format found
	Generation int
	Documents  int
	Events     int64
	Repeats    int64
	Refused    int64
	Reason     string      // why it waits for a person or was set aside; personal
	Apart      report.Kind // under which a letter is filed apart; zero: with the rest
	Sender     string      // author of a mail; personal
	Thread     report.ID   // oldest report of the mail's thread; zero for what is no mail
	Dropped    bool        // a person threw out what was refused of it

	// Grade as it was when the report was worked: the letter of its reporter, F where it is not shown to be from that;
	// the digit that at least half of its events had or surpassed, or else that of the reporter's own grade.
	Grade report.Grade
}

const reportColumns = `id, channel, reporter, received_at, name, named, format, sha256, size, tlp, state, exercise,
	generation, documents, events, repeats, refused, reason, apart, authenticity, signer, sender, thread,
	reliability, supposed, credible_1, credible_2, credible_3, credible_4, credible_5, dropped`

func scanReport(scan func(...any) error) (Row, error) {
	var r Row
	var id, sum, thread []byte
	var apart string
	var received, exercise, dropped int64
	var tlp, reliability, supposed uint8
	var by incident.Weights
	err := scan(&id, &r.Channel, &r.Reporter, &received, &r.Name, &r.Format, &r.Found, &sum, &r.Size, &tlp, &r.State,
		&exercise, &r.Generation, &r.Documents, &r.Events, &r.Repeats, &r.Refused,
		&r.Reason, &apart, &r.Authenticity, &r.Signer, &r.Sender, &thread,
		&reliability, &supposed, &by[1], &by[2], &by[3], &by[4], &by[5], &dropped)
	if err != nil {
		return Row{}, err
	}
	by[0] = r.Events - by[1] - by[2] - by[3] - by[4] - by[5]
	r.Grade = report.Grade{Reliability: report.Reliability(reliability), Credibility: by.Credibility()}
	if r.Grade.Credibility == report.Credibility6 {
		r.Grade.Credibility = report.Credibility(supposed)
	}
	r.ID, r.SHA256 = report.ID(id), [32]byte(sum)
	copy(r.Thread[:], thread)
	if apart != "" {
		r.Apart = report.KindOf(apart)
	}
	r.ReceivedAt, r.TLP, r.Exercise, r.Dropped = time.UnixMicro(received).UTC(), report.TLP(tlp), exercise != 0, dropped != 0
	return r, nil
}

// Report returns a report. ErrNoReport says that there is none.
func (db *DB) Report(ctx context.Context, id report.ID) (Row, error) {
	r, err := scanReport(db.read.QueryRowContext(ctx,
		db.dialect.sql(`SELECT `+reportColumns+` FROM reports WHERE id = ?`), id[:]).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return Row{}, ErrNoReport
	}
	if err != nil {
		return Row{}, fmt.Errorf("read report %s: %w", id, plain(err))
	}
	return r, nil
}

// Quarantine yields the reports of which something could not be read and which nobody dropped, oldest first.
func (db *DB) Quarantine(ctx context.Context) iter.Seq2[Row, error] {
	return db.reports(ctx, "list the quarantine", `WHERE refused > 0 AND dropped = 0 ORDER BY received_at, id`)
}

// reports yields the reports that a condition chooses.
func (db *DB) reports(ctx context.Context, what, where string, args ...any) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		rows, err := db.read.QueryContext(ctx, db.dialect.sql(`SELECT `+reportColumns+` FROM reports `+where), args...)
		if err != nil {
			yield(Row{}, fmt.Errorf("%s: %w", what, plain(err)))
			return
		}
		defer rows.Close()
		for rows.Next() {
			r, err := scanReport(rows.Scan)
			if err != nil {
				err = fmt.Errorf("%s: %w", what, plain(err))
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(Row{}, fmt.Errorf("%s: %w", what, plain(err)))
		}
	}
}

// Drop takes a report out of the quarantine for good. Its events stay; its original stays until its end date.
func (db *DB) Drop(ctx context.Context, id report.ID) error {
	return db.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, db.dialect.sql(`UPDATE reports SET dropped = 1,
			state = CASE WHEN state = ? THEN ? ELSE state END WHERE id = ? AND refused > 0 AND dropped = 0`),
			string(report.StateQuarantined), string(report.StateDropped), id[:])
		if err != nil {
			return fmt.Errorf("drop report %s: %w", id, plain(err))
		}
		if n, err := res.RowsAffected(); err == nil && n == 0 {
			return ErrNoReport
		}
		return db.noteChange(ctx, tx, time.Now(), report.TopicReports, id)
	})
}

// States says how many reports are in each state; one that is received is not in the database yet.
func (db *DB) States(ctx context.Context) (map[report.State]int64, error) {
	rows, err := db.read.QueryContext(ctx, `SELECT state, count(*) FROM reports GROUP BY state`)
	if err != nil {
		return nil, fmt.Errorf("count reports: %w", plain(err))
	}
	defer rows.Close()
	all := map[report.State]int64{}
	for rows.Next() {
		var state report.State
		var n int64
		if err := rows.Scan(&state, &n); err != nil {
			return nil, fmt.Errorf("count reports: %w", plain(err))
		}
		all[state] = n
	}
	return all, rows.Err()
}
