package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/line/archive"
)

// lineRows is how many lines go into one statement.
const lineRows = 1000

// EnterLines is archive.Table's.
func (db *DB) EnterLines(ctx context.Context, day int64, entries []archive.Entry) (out []archive.Entered, err error) {
	err = db.tx(ctx, func(tx *sql.Tx) error {
		if db.dialect.lines != "" {
			if _, err := tx.ExecContext(ctx, db.dialect.lines); err != nil {
				return err
			}
		}
		w := lineWriter{db: db, tx: tx, day: day}
		out, err = w.enter(ctx, entries)
		return err
	})
	if err != nil {
		return nil, plain(err)
	}
	return out, nil
}

// lineWriter is one call of EnterLines.
type lineWriter struct {
	db  *DB
	tx  *sql.Tx
	day int64
}

func (w *lineWriter) enter(ctx context.Context, entries []archive.Entry) ([]archive.Entered, error) {
	var asked []any
	for i := range entries {
		for k := range entries[i].Pseudonyms {
			asked = append(asked, entries[i].Pseudonyms[k].Pseudonym[:])
		}
	}
	known, err := w.known(ctx, asked)
	if err != nil {
		return nil, err
	}
	var last line.ID
	if err := w.tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(id), 0) FROM lines`).Scan(&last); err != nil {
		return nil, err
	}
	out := make([]archive.Entered, len(entries))
	var lines, names, seen []any
	for i := range entries {
		e := &entries[i]
		for _, k := range e.Pseudonyms {
			if have, ok := known[k.Pseudonym]; ok {
				out[i] = have
			}
		}
		if out[i].ID == 0 {
			last++
			out[i] = archive.Entered{ID: last, Handle: e.Handle}
			lines = append(lines, int64(last), e.Handle, e.Sealed, e.Pseudonyms[0].Key, w.day)
		} else {
			seen = append(seen, int64(out[i].ID))
		}
		for _, k := range e.Pseudonyms {
			if _, ok := known[k.Pseudonym]; !ok {
				known[k.Pseudonym] = out[i]
				names = append(names, k.Pseudonym[:], int64(out[i].ID), k.Key)
			}
		}
	}
	if err := w.insert(ctx, `INSERT INTO lines (id, handle, name, sealed_by, seen) VALUES `, 5, lines); err != nil {
		return nil, err
	}
	if err := w.insert(ctx, `INSERT INTO line_names (pseudonym, line, made_by) VALUES `, 3, names); err != nil {
		return nil, err
	}
	return out, w.see(ctx, seen)
}

// known returns the lines that have pseudonyms already.
func (w *lineWriter) known(ctx context.Context, asked []any) (map[archive.Pseudonym]archive.Entered, error) {
	known := map[archive.Pseudonym]archive.Entered{}
	for part := range slices.Chunk(asked, lineRows) {
		if err := w.find(ctx, part, known); err != nil {
			return nil, err
		}
	}
	return known, nil
}

func (w *lineWriter) find(ctx context.Context, asked []any, known map[archive.Pseudonym]archive.Entered) error {
	rows, err := w.tx.QueryContext(ctx, w.db.dialect.sql(
		`SELECT n.pseudonym, l.id, l.handle FROM line_names n JOIN lines l ON l.id = n.line WHERE n.pseudonym IN (`+marks(len(asked))+`)`), asked...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var p []byte
		var e archive.Entered
		if err := rows.Scan(&p, &e.ID, &e.Handle); err != nil {
			return err
		}
		known[archive.Pseudonym(p)] = e // the length is the table's promise
	}
	return rows.Err()
}

func (w *lineWriter) insert(ctx context.Context, into string, columns int, values []any) error {
	for part := range slices.Chunk(values, lineRows*columns) {
		if _, err := w.tx.ExecContext(ctx, w.db.dialect.sql(into+w.db.dialect.rows(len(part)/columns, columns)), part...); err != nil {
			return err
		}
	}
	return nil
}

// see notes that a source said something of lines.
func (w *lineWriter) see(ctx context.Context, ids []any) error {
	for part := range slices.Chunk(ids, lineRows) {
		if _, err := w.tx.ExecContext(ctx, w.db.dialect.sql(
			`UPDATE lines SET seen = ? WHERE id IN (`+marks(len(part))+`) AND seen < ?`), slices.Concat([]any{w.day}, part, []any{w.day})...); err != nil {
			return err
		}
	}
	return nil
}

// SeeLines is archive.Table's.
func (db *DB) SeeLines(ctx context.Context, day int64, lines []line.ID) error {
	ids := make([]any, len(lines))
	for i, id := range lines {
		ids[i] = int64(id)
	}
	err := db.tx(ctx, func(tx *sql.Tx) error {
		if db.dialect.lines != "" {
			if _, err := tx.ExecContext(ctx, db.dialect.lines); err != nil {
				return err
			}
		}
		w := lineWriter{db: db, tx: tx, day: day}
		return w.see(ctx, ids)
	})
	if err != nil {
		return fmt.Errorf("note lines as seen: %w", plain(err))
	}
	return nil
}

// marks is n parameters for IN.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?,", n), ",") }

// SealedLines is archive.Table's.
func (db *DB) SealedLines(ctx context.Context, after line.ID, most int) ([]archive.Sealed, error) {
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(
		`SELECT id, handle, name, sealed_by FROM lines WHERE id > ? ORDER BY id LIMIT ?`), int64(after), most)
	if err != nil {
		return nil, fmt.Errorf("read lines: %w", plain(err))
	}
	defer rows.Close()
	var all []archive.Sealed
	for rows.Next() {
		var s archive.Sealed
		if err := rows.Scan(&s.ID, &s.Handle, &s.Name, &s.Key); err != nil {
			return nil, fmt.Errorf("read lines: %w", plain(err))
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// LineOfHandle is archive.Table's.
func (db *DB) LineOfHandle(ctx context.Context, handle string) (id line.ID, err error) {
	err = db.read.QueryRowContext(ctx, db.dialect.sql(`SELECT id FROM lines WHERE handle = ?`), handle).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read lines: %w", plain(err))
	}
	return id, nil
}

// RekeyLines is archive.Table's.
func (db *DB) RekeyLines(ctx context.Context, lines []archive.Rekeyed) error {
	err := db.tx(ctx, func(tx *sql.Tx) error {
		for i := range lines {
			l := &lines[i]
			if _, err := tx.ExecContext(ctx, db.dialect.sql(`UPDATE lines SET name = ?, sealed_by = ? WHERE id = ? AND name IS NOT NULL`),
				l.Name, l.Key, int64(l.ID)); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, db.dialect.sql(`INSERT INTO line_names (pseudonym, line, made_by) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`),
				l.Pseudonym[:], int64(l.ID), l.Key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("put lines under a new key: %w", plain(err))
	}
	return nil
}

// DropLineNames is archive.Table's.
func (db *DB) DropLineNames(ctx context.Context, keys []string) error {
	args := make([]any, len(keys))
	for i, k := range keys {
		args[i] = k
	}
	err := db.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, db.dialect.sql(`DELETE FROM line_names WHERE made_by IN (`+marks(len(keys))+`)`), args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete pseudonyms whose key has ended: %w", plain(err))
	}
	return nil
}

// ForgetLines is archive.Table's.
func (db *DB) ForgetLines(ctx context.Context, day int64, now time.Time) (n int64, err error) {
	err = db.tx(ctx, func(tx *sql.Tx) error {
		const held = ` AND NOT EXISTS (SELECT 1 FROM line_holds_lines h WHERE h.line = lines.id)`
		if _, err := tx.ExecContext(ctx, db.dialect.sql(
			`DELETE FROM line_names WHERE line IN (SELECT id FROM lines WHERE seen < ? AND name IS NOT NULL`+held+`)`), day); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, db.dialect.sql(`UPDATE lines SET name = NULL WHERE seen < ? AND name IS NOT NULL`+held), day)
		if err != nil {
			return err
		}
		if n, err = res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return db.noteDeletion(ctx, tx, "line names", time.Unix(day*86400, 0).UTC(), now, n)
	})
	if err != nil {
		return 0, fmt.Errorf("forget lines past their end date: %w", plain(err))
	}
	return n, nil
}
