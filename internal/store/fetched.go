package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/intake"
	"tocsin/internal/report"
)

// Fetched returns what is remembered of an item of a source, false when nothing is.
func (db *DB) Fetched(ctx context.Context, source, item string) (intake.Fetched, bool, error) {
	f := intake.Fetched{Source: source, Item: item}
	var at int64
	var id []byte
	err := db.read.QueryRowContext(ctx, db.dialect.sql(
		`SELECT at, etag, modified, report FROM fetched WHERE source = ? AND item = ?`), source, item).Scan(&at, &f.ETag, &f.Modified, &id)
	if errors.Is(err, sql.ErrNoRows) {
		return intake.Fetched{}, false, nil
	}
	if err != nil {
		return intake.Fetched{}, false, fmt.Errorf("ask what was fetched from %s: %w", source, plain(err))
	}
	f.At = time.UnixMicro(at).UTC()
	copy(f.Report[:], id)
	return f, true, nil
}

// NoteFetched remembers it, in the place of what was remembered of the item.
func (db *DB) NoteFetched(ctx context.Context, f intake.Fetched) error {
	err := db.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, db.dialect.sql(`INSERT INTO fetched (source, item, at, etag, modified, report)
			VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (source, item) DO UPDATE SET
			at = excluded.at, etag = excluded.etag, modified = excluded.modified, report = excluded.report`),
			f.Source, f.Item, f.At.UnixMicro(), f.ETag, f.Modified, orNull(f.Report))
		return err
	})
	if err != nil {
		return fmt.Errorf("note what was fetched from %s: %w", f.Source, plain(err))
	}
	return nil
}

// orNull is an id, or null for none.
func orNull(id report.ID) any {
	if id == (report.ID{}) {
		return nil
	}
	return id[:]
}

// DeleteFetched forgets what was fetched, and which links were found, before a moment, and returns how much.
func (db *DB) DeleteFetched(ctx context.Context, before, now time.Time) (deleted int64, err error) {
	err = db.tx(ctx, func(tx *sql.Tx) error {
		for _, q := range []string{`DELETE FROM fetched WHERE at < ?`, `DELETE FROM links WHERE found < ?`} {
			res, err := tx.ExecContext(ctx, db.dialect.sql(q), before.UnixMicro())
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			deleted += n
		}
		return db.noteDeletion(ctx, tx, "fetched", before, now, deleted)
	})
	if err != nil {
		return 0, fmt.Errorf("delete what is remembered of fetches past its end date: %w", plain(err))
	}
	return deleted, nil
}

// AddLinks notes links that were found. One that is there already stays as it is.
func (db *DB) AddLinks(ctx context.Context, links []intake.Link) error {
	if len(links) == 0 {
		return nil
	}
	err := db.tx(ctx, func(tx *sql.Tx) error {
		for i := range links {
			l := &links[i]
			if _, err := tx.ExecContext(ctx, db.dialect.sql(`INSERT INTO links
				(mail, url, reporter, authenticity, signer, exercise, found, state, tries, due, reason, report)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, '', NULL) ON CONFLICT DO NOTHING`),
				l.Mail[:], l.URL, l.Reporter, string(l.Authenticity), l.Signer, number(l.Exercise), l.Found.UnixMicro(),
				string(intake.LinkOpen), l.Due.UnixMicro()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note the links of a mail: %w", plain(err))
	}
	return nil
}

// UpdateLink writes what became of a link.
func (db *DB) UpdateLink(ctx context.Context, l intake.Link) error {
	err := db.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, db.dialect.sql(`UPDATE links SET state = ?, tries = ?, due = ?, reason = ?, report = ?
			WHERE mail = ? AND url = ?`), string(l.State), l.Tries, l.Due.UnixMicro(), l.Reason, orNull(l.Report), l.Mail[:], l.URL)
		return err
	})
	if err != nil {
		return fmt.Errorf("note what became of a link: %w", plain(err))
	}
	return nil
}

// DueLinks returns open links that are due, the longest due first, no more than most.
func (db *DB) DueLinks(ctx context.Context, now time.Time, most int) ([]intake.Link, error) {
	return db.mailLinks(ctx, `WHERE state = 'open' AND due <= ? ORDER BY due, mail, url LIMIT ?`, now.UnixMicro(), most)
}

// LinksOf returns the links of a mail's report, or the one that a report came from.
func (db *DB) LinksOf(ctx context.Context, id report.ID) ([]intake.Link, error) {
	return db.mailLinks(ctx, `WHERE mail = ? OR report = ? ORDER BY mail, url`, id[:], id[:])
}

func (db *DB) mailLinks(ctx context.Context, where string, args ...any) ([]intake.Link, error) {
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(`SELECT mail, url, reporter, authenticity, signer, exercise, found,
		state, tries, due, reason, report FROM links `+where), args...)
	if err != nil {
		return nil, fmt.Errorf("read links: %w", plain(err))
	}
	defer rows.Close()
	var all []intake.Link
	for rows.Next() {
		var l intake.Link
		var mail, id []byte
		var found, due int64
		var exercise int
		if err := rows.Scan(&mail, &l.URL, &l.Reporter, &l.Authenticity, &l.Signer, &exercise, &found,
			&l.State, &l.Tries, &due, &l.Reason, &id); err != nil {
			return nil, fmt.Errorf("read links: %w", plain(err))
		}
		copy(l.Mail[:], mail)
		copy(l.Report[:], id)
		l.Exercise, l.Found, l.Due = exercise != 0, time.UnixMicro(found).UTC(), time.UnixMicro(due).UTC()
		all = append(all, l)
	}
	return all, rows.Err()
}
