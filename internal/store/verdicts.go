package store

import (
	"context"
	"errors"
	"fmt"

	"tocsin/internal/desk"
	"tocsin/internal/evidence"
	"tocsin/internal/report"
)

// ErrNoVerdict says that nothing can be proven of a row.
var ErrNoVerdict = errors.New("nothing was decided about this row that can be proven: it was refused, is a repeat, is past its end date, or was worked before verdicts were kept")

// ProvenVerdict is what was decided about one event, and what shows that it was decided then.
type ProvenVerdict struct {
	Entry report.ID // of the chunk, in the evidence log
	Root  [32]byte  // that this entry holds
	Proof evidence.VerdictProof
}

// Verdicts returns what was decided about the events of one row of a report's document, derived from what is stored.
// ErrNoVerdict where nothing is.
func (db *DB) Verdicts(ctx context.Context, id report.ID, document int, row int64) ([]ProvenVerdict, error) {
	chunks, err := db.verdictChunks(ctx, id, document, row)
	if err != nil {
		return nil, fmt.Errorf("read verdicts of report %s: %w", id, plain(err))
	}
	var all []ProvenVerdict
	for i := range chunks {
		some, err := chunks[i].prove(row)
		if err != nil {
			return nil, fmt.Errorf("prove verdicts of report %s: %w", id, err)
		}
		all = append(all, some...)
	}
	if len(all) == 0 {
		return nil, ErrNoVerdict
	}
	return all, nil
}

// verdictChunk is a chunk with what its verdicts are derived from.
type verdictChunk struct {
	evidence.Chunk
	body, salt, root, verdicts []byte
}

// verdictChunks returns the chunks, one of each generation at most, that cover a row and have verdicts.
func (db *DB) verdictChunks(ctx context.Context, id report.ID, document int, row int64) ([]verdictChunk, error) {
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(`SELECT generation, seq, body, salt, root, verdicts FROM chunks
		WHERE report = ? AND document = ? AND from_row <= ? AND to_row >= ? AND root IS NOT NULL AND verdicts IS NOT NULL
		ORDER BY generation, seq`), id[:], document, row, row)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []verdictChunk
	for rows.Next() {
		c := verdictChunk{Chunk: evidence.Chunk{Report: id}}
		if err := rows.Scan(&c.Generation, &c.Seq, &c.body, &c.salt, &c.root, &c.verdicts); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

func (c *verdictChunk) prove(row int64) ([]ProvenVerdict, error) {
	if len(c.salt) != 32 || len(c.root) != 32 {
		return nil, ErrDamaged
	}
	c.Root = (*[32]byte)(c.root)
	verdicts, err := desk.DecodeVerdicts(c.body, c.verdicts)
	if err != nil {
		return nil, err
	}
	var all []ProvenVerdict
	for i := range verdicts {
		if verdicts[i].Row != row {
			continue
		}
		proof, root, err := evidence.ProveVerdict([32]byte(c.salt), verdicts, i)
		if err != nil {
			return nil, err
		}
		if root != *c.Root {
			return nil, fmt.Errorf("what is stored of chunk %d/%d is not what was decided: %w", c.Generation, c.Seq, ErrDamaged)
		}
		all = append(all, ProvenVerdict{c.ID(), root, proof})
	}
	return all, nil
}
