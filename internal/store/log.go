package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"tocsin/internal/evidence"
	"tocsin/internal/report"
)

// Log is what the writer of the evidence log keeps in the database: evidence.Outbox and evidence.Leases.
type Log struct{ db *DB }

// Log returns the outbox of the evidence log, and its writer's lease.
func (db *DB) Log() *Log { return &Log{db} }

// Enqueue is evidence.Outbox's.
func (l *Log) Enqueue(ctx context.Context, items ...evidence.Item) error {
	return l.db.tx(ctx, func(tx *sql.Tx) error { return l.db.enqueue(ctx, tx, items...) })
}

// enqueue hands entries over to the log together with what they tell of: both are stored, or neither.
func (db *DB) enqueue(ctx context.Context, tx *sql.Tx, items ...evidence.Item) error {
	for i := range items {
		it := &items[i]
		if err := it.Validate(); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, db.dialect.sql(
			`INSERT INTO log_outbox (id, at, kind, body) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`),
			it.ID[:], it.At.UnixMicro(), it.Kind, it.Body); err != nil {
			return fmt.Errorf("hand entry %s over to the log: %w", it.ID, err)
		}
	}
	return nil
}

// Index is evidence.Outbox's.
func (l *Log) Index(ctx context.Context, id report.ID) (index uint64, ok bool, err error) {
	var at sql.NullInt64
	err = l.db.read.QueryRowContext(ctx, l.db.dialect.sql(`SELECT idx FROM log_outbox WHERE id = ?`), id[:]).Scan(&at)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, false, evidence.ErrNoItem
	case err != nil:
		return 0, false, fmt.Errorf("look for an entry of the log: %w", plain(err))
	}
	return uint64(at.Int64), at.Valid, nil
}

// Waiting is evidence.Outbox's.
func (l *Log) Waiting(ctx context.Context) (n int64, oldest time.Time, err error) {
	var micros sql.NullInt64
	if err := l.db.read.QueryRowContext(ctx, `SELECT count(*), min(at) FROM log_outbox WHERE idx IS NULL`).Scan(&n, &micros); err != nil {
		return 0, time.Time{}, fmt.Errorf("count what waits for the log: %w", plain(err))
	}
	if micros.Valid {
		oldest = time.UnixMicro(micros.Int64).UTC()
	}
	return n, oldest, nil
}

// Sweep is evidence.Outbox's.
func (l *Log) Sweep(ctx context.Context, before time.Time) (deleted int64, err error) {
	err = l.db.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, l.db.dialect.sql(`DELETE FROM log_outbox WHERE idx IS NOT NULL AND at < ?`), before.UnixMicro())
		if err != nil {
			return err
		}
		deleted, err = res.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("delete what is in the log from its outbox: %w", err)
	}
	return deleted, nil
}

// State is evidence.Leases'.
func (l *Log) State(ctx context.Context) (evidence.State, error) {
	var s evidence.State
	var size, until int64
	var edge []byte
	if err := l.db.read.QueryRowContext(ctx, `SELECT size, edge, chunk, holder, term, until FROM log_state`).
		Scan(&size, &edge, &s.Chunk, &s.Lease.Holder, &s.Lease.Term, &until); err != nil {
		return s, fmt.Errorf("read the state of the log: %w", plain(err))
	}
	e, err := evidence.ReadEdge(uint64(size), edge)
	if err != nil {
		return s, err
	}
	s.Edge, s.Until = *e, time.UnixMicro(until).UTC()
	return s, nil
}

// Take is evidence.Leases'.
func (l *Log) Take(ctx context.Context, was evidence.State, next evidence.Lease, now, until time.Time) error {
	err := l.db.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, l.db.dialect.sql(`UPDATE log_state SET holder = ?, term = ?, until = ?
			WHERE holder = ? AND term = ? AND size = ? AND (holder IN ('', ?) OR until <= ? OR ? = '')`),
			next.Holder, next.Term, until.UnixMicro(), was.Lease.Holder, was.Lease.Term, int64(was.Edge.Size()),
			next.Holder, now.UnixMicro(), next.Holder)
		return changedOne(res, err, evidence.ErrHeld)
	})
	if err != nil {
		return fmt.Errorf("take the lease of the log: %w", err)
	}
	return nil
}

// BeginAnew forgets what was seen of a log that is lost, so that another can be begun, and hands that one its first
// entry. What waits stays, and chunks that had their entry do not get another. Nobody may hold the lease at now
// (evidence.ErrHeld).
func (l *Log) BeginAnew(ctx context.Context, first evidence.Item, now time.Time) error {
	var none evidence.Edge
	root := none.Root()
	err := l.db.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, l.db.dialect.sql(`UPDATE log_state SET size = 0, root = ?, edge = ?, holder = '', term = term + 1
			WHERE holder = '' OR until <= ?`), root[:], none.Bytes(), now.UnixMicro())
		if err := changedOne(res, err, evidence.ErrHeld); err != nil {
			return err
		}
		return l.db.enqueue(ctx, tx, first)
	})
	if err != nil {
		return fmt.Errorf("begin another log: %w", plain(err))
	}
	return nil
}

// changedOne is otherwise where a statement changed no row.
func changedOne(res sql.Result, err, otherwise error) error {
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		err = otherwise
	}
	return err
}

// Pending is evidence.Leases'. Chunks are numbered in the order of their commits: on PostgreSQL those that insert them
// wait for each other by foldLock, which is held until the commit is visible, and SQLite has one writer. So a number
// that is missing below one that is there was used by a transaction that failed, and no chunk will ever have it.
func (l *Log) Pending(ctx context.Context, lease evidence.Lease, items int, after int64, chunks int) ([]evidence.Item, []evidence.Chunk, error) {
	var ours int
	if err := l.db.read.QueryRowContext(ctx, l.db.dialect.sql(`SELECT count(*) FROM log_state WHERE holder = ? AND term = ?`),
		lease.Holder, lease.Term).Scan(&ours); err != nil {
		return nil, nil, fmt.Errorf("look at the lease of the log: %w", plain(err))
	}
	if ours == 0 {
		return nil, nil, evidence.ErrLost
	}
	waiting, err := l.items(ctx, items)
	if err != nil {
		return nil, nil, fmt.Errorf("read what waits for the log: %w", plain(err))
	}
	walked, err := l.chunks(ctx, after, chunks)
	if err != nil {
		return nil, nil, fmt.Errorf("read chunks for the log: %w", plain(err))
	}
	return waiting, walked, nil
}

func (l *Log) items(ctx context.Context, most int) ([]evidence.Item, error) {
	if most == 0 {
		return nil, nil
	}
	rows, err := l.db.read.QueryContext(ctx, l.db.dialect.sql(
		`SELECT id, at, kind, body FROM log_outbox WHERE idx IS NULL ORDER BY seq LIMIT ?`), most)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []evidence.Item
	for rows.Next() {
		var it evidence.Item
		var id []byte
		var at int64
		if err := rows.Scan(&id, &at, &it.Kind, &it.Body); err != nil {
			return nil, err
		}
		it.ID, it.At = report.ID(id), time.UnixMicro(at).UTC()
		all = append(all, it)
	}
	return all, rows.Err()
}

func (l *Log) chunks(ctx context.Context, after int64, most int) ([]evidence.Chunk, error) {
	if most == 0 {
		return nil, nil
	}
	rows, err := l.db.read.QueryContext(ctx, l.db.dialect.sql(
		`SELECT id, report, generation, seq, document, from_row, to_row, events, repeats, refused, root
		FROM chunks WHERE id > ? ORDER BY id LIMIT ?`), after, most)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []evidence.Chunk
	for rows.Next() {
		var c evidence.Chunk
		var id, root []byte
		if err := rows.Scan(&c.Number, &id, &c.Generation, &c.Seq, &c.Document, &c.FromRow, &c.ToRow, &c.Events, &c.Repeats,
			&c.Refused, &root); err != nil {
			return nil, err
		}
		c.Report = report.ID(id)
		if len(root) == 32 {
			c.Root = (*[32]byte)(root)
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

// Note is evidence.Leases'.
func (l *Log) Note(ctx context.Context, lease evidence.Lease, n *evidence.Noted) error {
	err := l.db.tx(ctx, func(tx *sql.Tx) error {
		root := n.Edge.Root()
		res, err := tx.ExecContext(ctx, l.db.dialect.sql(`UPDATE log_state SET size = ?, root = ?, edge = ?, chunk = ?
			WHERE holder = ? AND term = ? AND size <= ?`),
			int64(n.Edge.Size()), root[:], n.Edge.Bytes(), n.Chunk, lease.Holder, lease.Term, int64(n.Edge.Size()))
		if err := changedOne(res, err, evidence.ErrLost); err != nil {
			return err
		}
		for part := range slices.Chunk(n.Appended, writeBatch) {
			if err := l.appended(ctx, tx, part); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note what is in the log: %w", err)
	}
	return nil
}

// appended notes where items are. What was appended and is no item is a chunk.
func (l *Log) appended(ctx context.Context, tx *sql.Tx, all []evidence.Appended) error {
	d := &l.db.dialect
	args := make([]any, 0, 2*len(all))
	for i := range all {
		args = append(args, all[i].ID[:], int64(all[i].Index))
	}
	_, err := tx.ExecContext(ctx, d.sql(`UPDATE log_outbox SET idx = v.column2 FROM (VALUES `+d.rows(len(all), 2, d.bytes, d.integer)+
		`) v WHERE id = v.column1 AND idx IS NULL`), args...)
	return err
}
