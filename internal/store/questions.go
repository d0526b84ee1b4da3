package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"tocsin/internal/line/inquiry"
	"tocsin/internal/report"
)

// approvedFor is how long an approved question may be asked.
const approvedFor = 7 * 24 * time.Hour

const questionColumns = `id, kind, at, who, reason, document, about, salt, state, decider, decided`

// AskQuestion is inquiry.Store's.
func (db *DB) AskQuestion(ctx context.Context, q *inquiry.Kept, budget int) (kept inquiry.Kept, fresh bool, err error) {
	err = db.tx(ctx, func(tx *sql.Tx) error {
		if db.dialect.asking != "" {
			if _, err := tx.ExecContext(ctx, db.dialect.asking); err != nil {
				return err
			}
		}
		var used int
		if err := tx.QueryRowContext(ctx, db.dialect.sql(`SELECT count(*) FROM line_questions WHERE day = ? AND state = ?`),
			q.At.Unix()/86400, string(inquiry.Counted)).Scan(&used); err != nil {
			return err
		}
		kept = *q
		if used < budget {
			kept.State, fresh = inquiry.Counted, true
			return db.addQuestion(ctx, tx, &kept)
		}
		same, err := scanQuestion(tx.QueryRowContext(ctx, db.dialect.sql(`SELECT `+questionColumns+` FROM line_questions
			WHERE state IN ('waiting', 'approved') AND kind = ? AND who = ? AND about = ? AND at > ? ORDER BY state, at LIMIT 1`),
			string(q.Kind), q.Who, q.Text, q.At.Add(-approvedFor).UnixMicro()))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			kept.State, fresh = inquiry.Waiting, true
			if err := db.addQuestion(ctx, tx, &kept); err != nil {
				return err
			}
			return db.noteChange(ctx, tx, q.At, report.TopicQuestions, kept.ID)
		case err != nil:
			return err
		}
		if kept = same; same.State == inquiry.Waiting {
			return nil
		}
		kept.State = inquiry.Answered
		_, err = tx.ExecContext(ctx, db.dialect.sql(`UPDATE line_questions SET state = ? WHERE id = ?`), string(kept.State), kept.ID[:])
		return err
	})
	if err != nil {
		return inquiry.Kept{}, false, fmt.Errorf("keep a question: %w", err)
	}
	return kept, fresh, nil
}

// NoteAct is inquiry.Store's.
func (db *DB) NoteAct(ctx context.Context, k *inquiry.Kept) error {
	noted := *k
	noted.State = inquiry.Noted
	if err := db.tx(ctx, func(tx *sql.Tx) error { return db.addQuestion(ctx, tx, &noted) }); err != nil {
		return fmt.Errorf("keep what somebody does: %w", err)
	}
	return nil
}

func (db *DB) addQuestion(ctx context.Context, tx *sql.Tx, k *inquiry.Kept) error {
	_, err := tx.ExecContext(ctx, db.dialect.sql(`INSERT INTO line_questions (id, kind, day, at, who, reason, document, about, salt, state)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
		k.ID[:], string(k.Kind), k.At.Unix()/86400, k.At.UnixMicro(), k.Who, k.Reason, k.Document, k.Text, k.Salt[:], string(k.State))
	return err
}

// DecideQuestion is inquiry.Store's.
func (db *DB) DecideQuestion(ctx context.Context, id report.ID, who string, approve bool, now time.Time) (kept inquiry.Kept, err error) {
	err = db.tx(ctx, func(tx *sql.Tx) error {
		if db.dialect.asking != "" {
			if _, err := tx.ExecContext(ctx, db.dialect.asking); err != nil {
				return err
			}
		}
		kept, err = scanQuestion(tx.QueryRowContext(ctx, db.dialect.sql(`SELECT `+questionColumns+` FROM line_questions WHERE id = ?`), id[:]))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return inquiry.ErrNoQuestion
		case err != nil:
			return err
		case kept.State != inquiry.Waiting:
			return inquiry.ErrDecided
		case inquiry.Same(kept.Who, who):
			return inquiry.ErrSelf
		}
		kept.State, kept.By, kept.Decided = inquiry.Refused, who, now
		if approve {
			kept.State = inquiry.Approved
		}
		if _, err := tx.ExecContext(ctx, db.dialect.sql(`UPDATE line_questions SET state = ?, decider = ?, decided = ? WHERE id = ?`),
			string(kept.State), who, now.UnixMicro(), id[:]); err != nil {
			return err
		}
		return db.noteChange(ctx, tx, now, report.TopicQuestions, id)
	})
	if err != nil {
		return inquiry.Kept{}, fmt.Errorf("decide on a question: %w", err)
	}
	return kept, nil
}

// Questions is inquiry.Store's.
func (db *DB) Questions(ctx context.Context) ([]inquiry.Kept, error) {
	rows, err := db.read.QueryContext(ctx, `SELECT `+questionColumns+` FROM line_questions WHERE state = 'waiting' ORDER BY at, id`)
	if err != nil {
		return nil, fmt.Errorf("read questions: %w", plain(err))
	}
	all, err := scanQuestions(rows)
	if err != nil {
		return nil, fmt.Errorf("read questions: %w", plain(err))
	}
	return all, nil
}

// AskedQuestions is inquiry.Store's. It goes from day to day, which the index knows, so that a page costs what a day or two
// hold, however many years are kept.
func (db *DB) AskedQuestions(ctx context.Context, r inquiry.Range) ([]inquiry.Kept, error) {
	day, before := int64(math.MaxInt32), int64(math.MaxInt64)
	if !r.Before.IsZero() {
		day, before = r.Before.Unix()/86400, r.Before.UnixMicro()
	}
	if !r.Day.IsZero() {
		if day < r.Day.Unix()/86400 {
			return nil, nil
		}
		day = r.Day.Unix() / 86400
	}
	var all []inquiry.Kept
	for len(all) < r.Limit {
		var newest sql.NullInt64
		if err := db.read.QueryRowContext(ctx, db.dialect.sql(`SELECT max(day) FROM line_questions WHERE day <= ?`), day).Scan(&newest); err != nil {
			return nil, fmt.Errorf("read questions: %w", plain(err))
		}
		if !newest.Valid || !r.Day.IsZero() && newest.Int64 != r.Day.Unix()/86400 {
			break
		}
		some, err := db.questionsOf(ctx, newest.Int64, before, r.BeforeID, r.Limit-len(all))
		if err != nil {
			return nil, fmt.Errorf("read questions: %w", plain(err))
		}
		all, day = append(all, some...), newest.Int64-1
	}
	return all, nil
}

// questionsOf returns questions of one day, newest first.
func (db *DB) questionsOf(ctx context.Context, day, before int64, id report.ID, limit int) ([]inquiry.Kept, error) {
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(`SELECT `+questionColumns+` FROM line_questions
		WHERE day = ? AND (at < ? OR at = ? AND id < ?) ORDER BY at DESC, id DESC LIMIT ?`), day, before, before, id[:], limit)
	if err != nil {
		return nil, err
	}
	return scanQuestions(rows)
}

func scanQuestions(rows *sql.Rows) ([]inquiry.Kept, error) {
	defer rows.Close()
	var all []inquiry.Kept
	for rows.Next() {
		k, err := scanQuestion(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, rows.Err()
}

// scanner is a row, or rows.
type scanner interface{ Scan(into ...any) error }

func scanQuestion(row scanner) (inquiry.Kept, error) {
	var k inquiry.Kept
	var id, salt []byte
	var at, decided int64
	if err := row.Scan(&id, &k.Kind, &at, &k.Who, &k.Reason, &k.Document, &k.Text, &salt, &k.State, &k.By, &decided); err != nil {
		return k, err
	}
	copy(k.ID[:], id)
	copy(k.Salt[:], salt)
	k.At = time.UnixMicro(at).UTC()
	if decided != 0 {
		k.Decided = time.UnixMicro(decided).UTC()
	}
	return k, nil
}

// DeleteQuestions deletes questions of people that were asked before a moment, with the salts of their entries in the
// log, and returns how many.
func (db *DB) DeleteQuestions(ctx context.Context, before, now time.Time) (deleted int64, err error) {
	err = db.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, db.dialect.sql(`DELETE FROM line_questions WHERE at < ?`), before.UnixMicro())
		if err != nil {
			return err
		}
		if deleted, err = res.RowsAffected(); err != nil {
			return err
		}
		return db.noteDeletion(ctx, tx, "line questions", before, now, deleted)
	})
	if err != nil {
		return 0, fmt.Errorf("delete questions past their end date: %w", plain(err))
	}
	return deleted, nil
}
