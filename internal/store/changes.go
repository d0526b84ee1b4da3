package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"tocsin/internal/report"
)

// changes gathers what a transaction changes of what people look at.
type changes struct{ topics []change }

type change struct {
	topic report.Topic
	n     int64
	ids   []byte
}

// note adds one thing that changed. It is for the caller to name each once.
func (c *changes) note(topic report.Topic, id report.ID) {
	one := c.of(topic)
	one.n++
	if len(one.ids) < report.ChangeIDs*len(id) {
		one.ids = append(one.ids, id[:]...)
	}
}

// count adds things that changed and are no longer there to be looked at.
func (c *changes) count(topic report.Topic, n int64) {
	if n > 0 {
		c.of(topic).n += n
	}
}

func (c *changes) of(topic report.Topic) *change {
	i := slices.IndexFunc(c.topics, func(one change) bool { return one.topic == topic })
	if i < 0 {
		i = len(c.topics)
		c.topics = append(c.topics, change{topic: topic, ids: []byte{}})
	}
	return &c.topics[i]
}

// noteChanges stores what a transaction changed: the last that it does, because on PostgreSQL it waits here for its
// turn, so that numbers are given in the order of commits.
func (db *DB) noteChanges(ctx context.Context, tx *sql.Tx, at time.Time, all *changes) error {
	if len(all.topics) == 0 {
		return nil
	}
	if db.dialect.changes != "" {
		if _, err := tx.ExecContext(ctx, db.dialect.changes); err != nil {
			return err
		}
	}
	for i := range all.topics {
		c := &all.topics[i]
		if _, err := tx.ExecContext(ctx, db.dialect.sql(`INSERT INTO changes (at, topic, n, ids) VALUES (?, ?, ?, ?)`),
			at.UnixMicro(), string(c.topic), c.n, c.ids); err != nil {
			return fmt.Errorf("note what changed: %w", err)
		}
	}
	return nil
}

// noteChange is noteChanges for things of one topic.
func (db *DB) noteChange(ctx context.Context, tx *sql.Tx, at time.Time, topic report.Topic, ids ...report.ID) error {
	var all changes
	for _, id := range ids {
		all.note(topic, id)
	}
	return db.noteChanges(ctx, tx, at, &all)
}

// Changes returns up to limit of the changes behind the one with a number, oldest first.
func (db *DB) Changes(ctx context.Context, after int64, limit int) ([]report.Change, error) {
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(`SELECT seq, at, topic, n, ids FROM changes WHERE seq > ? ORDER BY seq LIMIT ?`), after, limit)
	if err != nil {
		return nil, fmt.Errorf("read what changed: %w", plain(err))
	}
	defer rows.Close()
	var all []report.Change
	for rows.Next() {
		var c report.Change
		var at int64
		var ids []byte
		if err := rows.Scan(&c.Seq, &at, &c.Topic, &c.Count, &ids); err != nil {
			return nil, fmt.Errorf("read what changed: %w", plain(err))
		}
		c.At = time.UnixMicro(at).UTC()
		for ; len(ids) >= len(report.ID{}); ids = ids[len(report.ID{}):] {
			c.IDs = append(c.IDs, report.ID(ids[:len(report.ID{})]))
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

// LastChange returns the number of the last change; 0 before the first.
func (db *DB) LastChange(ctx context.Context) (seq int64, err error) {
	return db.endOfChanges(ctx, `SELECT coalesce(max(seq), 0) FROM changes`)
}

// FirstChange returns the number of the oldest change that is kept; 0 before the first. Who comes back and had seen less
// than that has missed some, and looks at everything anew.
func (db *DB) FirstChange(ctx context.Context) (seq int64, err error) {
	return db.endOfChanges(ctx, `SELECT coalesce(min(seq), 0) FROM changes`)
}

func (db *DB) endOfChanges(ctx context.Context, query string) (seq int64, err error) {
	if err := db.read.QueryRowContext(ctx, query).Scan(&seq); err != nil {
		return 0, fmt.Errorf("read what changed: %w", plain(err))
	}
	return seq, nil
}

// DeleteChanges deletes changes noted before a moment, but for the last: its number is where those who look on are.
func (db *DB) DeleteChanges(ctx context.Context, before time.Time) error {
	err := db.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, db.dialect.sql(`DELETE FROM changes WHERE at < ? AND seq < (SELECT max(seq) FROM changes)`), before.UnixMicro())
		return err
	})
	if err != nil {
		return fmt.Errorf("delete what changed long ago: %w", err)
	}
	return nil
}
