package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"iter"
	"strings"
	"time"

	"tocsin/internal/desk"
	"tocsin/internal/report"
)

// joinThread puts a mail's report into the thread of the mails that it names, or that name it. Threads which it joins
// become the oldest of them.
func (db *DB) joinThread(ctx context.Context, tx *sql.Tx, c *desk.Chunk) error {
	messages := messageHashes(c.Mail)
	thread := c.Report.ID
	var younger []report.ID
	known, err := db.threadsOf(ctx, tx, messages)
	if err != nil {
		return err
	}
	for _, t := range known {
		if bytes.Compare(t[:], thread[:]) < 0 {
			t, thread = thread, t
		}
		if t != thread && t != c.Report.ID {
			younger = append(younger, t)
		}
	}
	for _, t := range younger {
		for _, q := range [...]string{
			`UPDATE mail_threads SET thread = ? WHERE thread = ?`, `UPDATE reports SET thread = ? WHERE thread = ?`,
		} {
			if _, err := tx.ExecContext(ctx, db.dialect.sql(q), thread[:], t[:]); err != nil {
				return err
			}
		}
	}
	for _, m := range messages {
		if _, err := tx.ExecContext(ctx, db.dialect.sql(
			`INSERT INTO mail_threads (message, thread) VALUES (?, ?) ON CONFLICT DO NOTHING`), m, thread[:]); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, db.dialect.sql(`UPDATE reports SET thread = ?, sender = ?,
		name = CASE WHEN name = '' THEN ? ELSE name END WHERE id = ?`), thread[:], c.Mail.From, c.Mail.Subject, c.Report.ID[:])
	return err
}

func (db *DB) threadsOf(ctx context.Context, tx *sql.Tx, messages [][]byte) ([]report.ID, error) {
	if len(messages) == 0 {
		return nil, nil
	}
	args := make([]any, len(messages))
	for i, m := range messages {
		args[i] = m
	}
	rows, err := tx.QueryContext(ctx, db.dialect.sql(`SELECT DISTINCT thread FROM mail_threads WHERE message IN (?`+
		strings.Repeat(", ?", len(messages)-1)+`) ORDER BY thread`), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []report.ID
	for rows.Next() {
		var id []byte
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		all = append(all, report.ID(id))
	}
	return all, rows.Err()
}

// messageHashes names a mail and those that it refers to without keeping what their ids say.
func messageHashes(m *report.Mail) [][]byte {
	var all [][]byte
	seen := map[string]bool{"": true}
	for _, id := range append([]string{m.MessageID}, m.References...) {
		if seen[id] {
			continue
		}
		seen[id] = true
		sum := sha256.Sum256([]byte(id))
		all = append(all, bytes.Clone(sum[:16]))
	}
	return all
}

// Letters yields the reports in a state, StateWaiting or StateAside, oldest first.
func (db *DB) Letters(ctx context.Context, state report.State) iter.Seq2[Row, error] {
	return db.reports(ctx, "list the letters", `WHERE state = ? ORDER BY received_at, id`, string(state))
}

// Thread yields the reports of a report's thread, oldest first: at least the report itself.
func (db *DB) Thread(ctx context.Context, id report.ID) iter.Seq2[Row, error] {
	return db.reports(ctx, "read a thread",
		`WHERE id = ? OR thread = (SELECT thread FROM reports WHERE id = ?) ORDER BY received_at, id`, id[:], id[:])
}

// ErrNotWaiting says that a report waits for nobody.
var ErrNotWaiting = desk.ErrNotWaiting

// SetAside takes a report that waits from the list, with the reason that a person gives.
func (db *DB) SetAside(ctx context.Context, id report.ID, reason string) error {
	return db.turn(ctx, id, report.StateWaiting, report.StateAside, reason)
}

// Bring puts a report that was set aside back to those that wait.
func (db *DB) Bring(ctx context.Context, id report.ID, reason string) error {
	return db.turn(ctx, id, report.StateAside, report.StateWaiting, reason)
}

func (db *DB) turn(ctx context.Context, id report.ID, from, to report.State, reason string) error {
	return db.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, db.dialect.sql(`UPDATE reports SET state = ?, reason = ? WHERE id = ? AND state = ?`),
			string(to), reason, id[:], string(from))
		if err != nil {
			return fmt.Errorf("turn report %s to %s: %w", id, to, plain(err))
		}
		if n, err := res.RowsAffected(); err == nil && n == 0 {
			return ErrNotWaiting
		}
		var all changes
		all.note(report.TopicReports, id)
		all.note(report.TopicWaiting, id)
		return db.noteChanges(ctx, tx, time.Now(), &all)
	})
}

// Blocked reports whether a person wants nothing more from an author: an address, or all of a domain ("@example.net").
func (db *DB) Blocked(ctx context.Context, from string) (bool, error) {
	_, domain, _ := strings.Cut(from, "@")
	var n int
	err := db.read.QueryRowContext(ctx, db.dialect.sql(`SELECT count(*) FROM blocked_senders WHERE sender IN (?, ?)`),
		from, "@"+domain).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("ask for a blocked sender: %w", plain(err))
	}
	return n > 0, nil
}

// Block wants nothing more from an author, an address or "@domain" in lower case: letters of it are set aside. Mails in
// a known format are worked all the same.
func (db *DB) Block(ctx context.Context, sender, who string, now time.Time) error {
	return db.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, db.dialect.sql(`INSERT INTO blocked_senders (sender, at, who) VALUES (?, ?, ?)
			ON CONFLICT DO NOTHING`), sender, now.UnixMicro(), who)
		return plain(err)
	})
}

// Unblock takes a Block back.
func (db *DB) Unblock(ctx context.Context, sender string) error {
	return db.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, db.dialect.sql(`DELETE FROM blocked_senders WHERE sender = ?`), sender)
		return plain(err)
	})
}

// BlockedSender is one entry of the list of those of whom nothing more is wanted.
type BlockedSender struct {
	Sender string // personal
	At     time.Time
	Who    string
}

// BlockedSenders returns the list in order.
func (db *DB) BlockedSenders(ctx context.Context) ([]BlockedSender, error) {
	rows, err := db.read.QueryContext(ctx, `SELECT sender, at, who FROM blocked_senders ORDER BY sender`)
	if err != nil {
		return nil, fmt.Errorf("list blocked senders: %w", plain(err))
	}
	defer rows.Close()
	var all []BlockedSender
	for rows.Next() {
		var b BlockedSender
		var at int64
		if err := rows.Scan(&b.Sender, &at, &b.Who); err != nil {
			return nil, fmt.Errorf("list blocked senders: %w", plain(err))
		}
		b.At = time.UnixMicro(at).UTC()
		all = append(all, b)
	}
	return all, rows.Err()
}
