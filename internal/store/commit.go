package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"tocsin/internal/desk"
	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// Commit stores chunks and folds what they touch into incidents, in one transaction. A chunk that is already there is
// skipped with everything that it touches, so handing in work twice changes nothing.
func (db *DB) Commit(ctx context.Context, chunks []*desk.Chunk) error {
	for _, c := range chunks {
		if err := db.dayPartition(ctx, dayOf(c.Report.ReceivedAt)); err != nil {
			return fmt.Errorf("commit chunks: %w", plain(err))
		}
	}
	unproven, err := db.Names(ctx, report.Unproven)
	if err != nil {
		return fmt.Errorf("commit chunks: %w", err)
	}
	w, err := db.newWriter(ctx)
	if err != nil {
		return fmt.Errorf("commit chunks: %w", plain(err))
	}
	now := time.Now()
	err = db.tx(ctx, func(tx *sql.Tx) error {
		if err := db.waitToFold(ctx, tx); err != nil {
			return err
		}
		w := w.in(ctx, tx)
		chunks, err := w.insertReports(ctx, chunks)
		if err != nil {
			return err
		}
		added, refs, err := w.insertChunks(ctx, chunks)
		if err != nil {
			return err
		}
		f := newFolder(ctx, tx, db, now)
		f.unproven = unproven[0]
		if err := f.fold(refs); err != nil {
			return err
		}
		for i, c := range chunks {
			if err := w.advanceReport(ctx, c, added[i]); err != nil {
				return err
			}
		}
		if err := db.noteFeeds(ctx, tx, chunks); err != nil {
			return err
		}
		if err := db.raiseWatermarks(ctx, tx, chunks); err != nil {
			return err
		}
		noteReports(&f.changes, chunks, added)
		return db.noteChanges(ctx, tx, now, &f.changes)
	})
	if err != nil {
		return fmt.Errorf("commit chunks: %w", err)
	}
	return nil
}

// noteReports notes the reports that a commit brings on; added are the weights of chunks that were not there before.
func noteReports(all *changes, chunks []*desk.Chunk, added []*incident.Weights) {
	var last report.ID // chunks of one report follow each other
	for i, c := range chunks {
		if (added[i] != nil || c.Final) && c.Report.ID != last {
			last = c.Report.ID
			all.note(report.TopicReports, last)
		}
		if c.Letter != nil && c.Letter.State == report.StateWaiting {
			all.note(report.TopicWaiting, c.Report.ID)
		}
	}
}

// touchRef is one touch of a chunk that was stored.
type touchRef struct {
	touch   *incident.Touch
	chunk   int64
	weights *incident.Weights // of the chunk's events
}

// writer writes chunks and their reports.
type writer struct {
	db                          *DB
	tx                          *sql.Tx // nil outside of a transaction
	chunk, report, advance, end *sql.Stmt
}

const insertChunk = `INSERT INTO chunks
	(report, generation, seq, day, document, name, from_row, to_row, events, repeats, refused, body, refusals, unattributed,
	salt, root, verdicts)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id`

func (db *DB) newWriter(ctx context.Context) (*writer, error) {
	w := &writer{db: db}
	for text, into := range map[string]**sql.Stmt{
		insertChunk: &w.chunk, insertReport: &w.report, advanceReport: &w.advance, endReport: &w.end,
	} {
		var err error
		if *into, err = db.writes.prepared(ctx, db.write, db.dialect.sql(text)); err != nil { //nolint:sqlclosecheck // closed with the database
			return nil, err
		}
	}
	return w, nil
}

// in is the writer in a transaction, whose end closes it.
func (w *writer) in(ctx context.Context, tx *sql.Tx) *writer {
	return &writer{
		db: w.db, tx: tx,
		chunk: tx.StmtContext(ctx, w.chunk), report: tx.StmtContext(ctx, w.report),
		advance: tx.StmtContext(ctx, w.advance), end: tx.StmtContext(ctx, w.end),
	}
}

// insertReports stores the reports of the chunks, and returns the chunks but those of reports that a person has spoken for.
func (w *writer) insertReports(ctx context.Context, chunks []*desk.Chunk) ([]*desk.Chunk, error) {
	var spoken report.ID
	open := make([]*desk.Chunk, 0, len(chunks))
	for i, c := range chunks {
		if i == 0 || chunks[i-1].Report.ID != c.Report.ID {
			fresh, err := w.insertReport(ctx, c)
			if err != nil {
				return nil, err
			}
			if !fresh {
				said, err := w.db.spokenFor(ctx, w.tx, c.Report.ID)
				if err != nil {
					return nil, err
				}
				if said {
					spoken = c.Report.ID
				}
			}
		}
		if c.Report.ID != spoken {
			open = append(open, c)
		}
	}
	return open, nil
}

// insertChunks stores the chunks that are new. It returns for each of them where its events will be weighed, nil for one
// that was there, and what has to be folded, in the order of keys.
func (w *writer) insertChunks(ctx context.Context, chunks []*desk.Chunk) ([]*incident.Weights, []touchRef, error) {
	added := make([]*incident.Weights, len(chunks))
	var refs []touchRef
	for i, c := range chunks {
		id, err := w.insertChunk(ctx, c)
		if err != nil {
			return nil, nil, err
		}
		if id == 0 {
			continue
		}
		added[i] = &incident.Weights{}
		refs = appendRefs(refs, c, id, added[i])
	}
	slices.SortStableFunc(refs, func(a, b touchRef) int { return bytes.Compare(a.touch.Key[:], b.touch.Key[:]) })
	return added, refs, nil
}

func appendRefs(refs []touchRef, c *desk.Chunk, id int64, weights *incident.Weights) []touchRef {
	for j := range c.Touches {
		refs = append(refs, touchRef{&c.Touches[j], id, weights})
	}
	return refs
}

// insertChunk stores a chunk and returns its number; 0 when it was there, or holds nothing.
func (w *writer) insertChunk(ctx context.Context, c *desk.Chunk) (id int64, err error) {
	if c.FromRow == 0 {
		return 0, nil
	}
	err = w.chunk.QueryRowContext(ctx, c.Report.ID[:], c.Generation, c.Seq, dayOf(c.Report.ReceivedAt), c.Document,
		c.Name, c.FromRow, c.ToRow, c.Events, c.Repeats, c.Refused, c.Body, c.Refusals, c.Unattributed,
		c.Salt[:], c.Root[:], c.Verdicts).Scan(&id)
	if err != nil && !errors.Is(err, sql.ErrNoRows) { // no row: the chunk was there
		return 0, fmt.Errorf("insert chunk of report %s: %w", c.Report.ID, err)
	}
	return id, nil
}

// raiseWatermarks notes how far the feeds have come, and when their reports came in. A chunk that was there raises
// nothing anew: it gives the same times.
func (db *DB) raiseWatermarks(ctx context.Context, tx *sql.Tx, chunks []*desk.Chunk) error {
	type mark struct{ newest, delivered int64 }
	marks := map[desk.Newest]mark{}
	for _, c := range chunks {
		received := c.Report.ReceivedAt.UnixMicro()
		for _, n := range c.Newest {
			at := n.Micros
			n.Micros = 0
			m, known := marks[n]
			if !known {
				m = mark{at, received}
			}
			marks[n] = mark{max(m.newest, at), max(m.delivered, received)}
		}
	}
	order := make([]desk.Newest, 0, len(marks))
	for n := range marks {
		order = append(order, n)
	}
	slices.SortFunc(order, func(a, b desk.Newest) int { // a fixed order: no two workers wait for each other
		if a.Feed != b.Feed {
			return int(a.Feed) - int(b.Feed)
		}
		return bytes.Compare([]byte(a.Network), []byte(b.Network))
	})
	q := db.dialect.sql(`INSERT INTO watermarks (feed, network, newest, delivered) VALUES (?, ?, ?, ?)
		ON CONFLICT (feed, network) DO UPDATE SET
		newest = CASE WHEN excluded.newest > watermarks.newest THEN excluded.newest ELSE watermarks.newest END,
		delivered = CASE WHEN excluded.delivered > watermarks.delivered THEN excluded.delivered ELSE watermarks.delivered END
		WHERE excluded.newest > watermarks.newest OR excluded.delivered > watermarks.delivered`)
	for _, n := range order {
		m := marks[n]
		if _, err := tx.ExecContext(ctx, q, n.Feed, n.Network, m.newest, m.delivered); err != nil {
			return fmt.Errorf("raise watermark: %w", err)
		}
	}
	return nil
}

func dayOf(t time.Time) int32 { return int32(t.Unix() / 86400) }
