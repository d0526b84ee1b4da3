package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// placeBatch is how many incidents get their place in one transaction. Where lines were seen is read from all chunks of
// a batch, so that it is large.
const placeBatch = 20_000

// placeAll gives incidents a place that have none: those that a tocsin wrote which did not know of places.
func (db *DB) placeAll(ctx context.Context) error {
	for {
		n, err := db.placeSome(ctx)
		if err != nil {
			return fmt.Errorf("make incidents searchable: %w", plain(err))
		}
		if n < placeBatch {
			return nil
		}
	}
}

// unplaced is an incident without a place.
type unplaced struct {
	key, id, episode []byte
	party            report.Party
	subject, tag     string
	kind             report.Kind
	standing         uint32
	addresses        []netip.Addr // of a line
}

func (db *DB) placeSome(ctx context.Context) (n int, err error) {
	var some int
	if err := db.read.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM incidents WHERE place < 0 LIMIT 1) u`).Scan(&some); err != nil || some == 0 {
		return 0, err
	}
	err = db.tx(ctx, func(tx *sql.Tx) error {
		if err := db.waitToFold(ctx, tx); err != nil {
			return err
		}
		all, err := db.unplaced(ctx, tx)
		if err != nil {
			return err
		}
		n = len(all)
		if err := db.whereLinesWere(ctx, tx, all); err != nil {
			return err
		}
		return db.placeThem(ctx, tx, all)
	})
	return n, err
}

// waitToFold waits until no other worker folds.
func (db *DB) waitToFold(ctx context.Context, tx *sql.Tx) error {
	if db.dialect.fold == "" {
		return nil
	}
	_, err := tx.ExecContext(ctx, db.dialect.fold)
	return err
}

func (db *DB) unplaced(ctx context.Context, tx *sql.Tx) ([]unplaced, error) {
	rows, err := tx.QueryContext(ctx, db.dialect.sql(`SELECT key, id, party, subject, class, type, tag, state, last_seen, episode, addresses
		FROM incidents WHERE place < 0 ORDER BY id LIMIT ?`), placeBatch)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []unplaced
	for rows.Next() {
		var u unplaced
		var state, last int64
		var packed []byte // where it was seen since this tocsin goes on with it
		if err := rows.Scan(&u.key, &u.id, &u.party, &u.subject, &u.kind.Class, &u.kind.Type, &u.tag, &state, &last, &u.episode, &packed); err != nil {
			return nil, err
		}
		if u.addresses, err = unpackAddresses(packed); err != nil {
			return nil, err
		}
		u.standing = standing(incident.NumberedState(int(state)), last)
		all = append(all, u)
	}
	return all, rows.Err()
}

// whereLinesWere reads the addresses of lines' incidents from their events, each chunk once.
func (db *DB) whereLinesWere(ctx context.Context, tx *sql.Tx, all []unplaced) error {
	type part struct {
		incident.Link
		of *unplaced
	}
	byChunk := map[int64][]part{}
	for i := range all {
		u := &all[i]
		if !u.party.IsLine() {
			continue
		}
		var e incident.Episode
		if err := e.ReadEpisode(u.episode); err != nil {
			return err
		}
		links, err := db.linksOf(ctx, tx, report.ID(u.id), e.Links)
		if err != nil {
			return err
		}
		for _, l := range links {
			byChunk[l.Chunk] = append(byChunk[l.Chunk], part{l, u})
		}
	}
	for _, chunk := range slices.Sorted(maps.Keys(byChunk)) {
		lines, err := db.linesOf(ctx, tx, chunk)
		if err != nil {
			return err
		}
		for _, p := range byChunk[chunk] {
			for _, line := range lines[min(p.Start, len(lines)):min(p.Start+p.Len, len(lines))] {
				var e report.Event
				if err := json.Unmarshal(line, &e); err != nil {
					return fmt.Errorf("chunk %d: %w", chunk, err)
				}
				if a := e.Subject.Addr; a.IsValid() && !slices.Contains(p.of.addresses, a) {
					p.of.addresses = append(p.of.addresses, a)
				}
			}
		}
	}
	return nil
}

func (db *DB) placeThem(ctx context.Context, tx *sql.Tx, all []unplaced) error {
	d, places := &db.dialect, newPlacer(ctx, tx, db)
	for part := range slices.Chunk(all, writeBatch) {
		var args []any
		for i := range part {
			u := &part[i]
			place, err := places.add(report.ID(u.id), u.party, u.kind, u.tag, u.subject, u.standing)
			if err != nil {
				return err
			}
			packed := []byte{}
			for _, a := range u.addresses {
				if len(packed) > maxAddresses {
					if _, err := tx.ExecContext(ctx, d.sql(`INSERT INTO incident_addresses (incident, addresses) VALUES (?, ?)`), u.id, packed); err != nil {
						return err
					}
					packed = packed[:0]
				}
				packed = appendAddress(packed, a)
				if err := places.seenAt(place, a); err != nil {
					return err
				}
			}
			args = append(args, u.key, u.id, place, packed)
		}
		if _, err := tx.ExecContext(ctx, d.sql(`UPDATE incidents SET place = v.column3, addresses = v.column4 FROM (VALUES `+
			d.rows(len(part), 4, d.bytes, d.bytes, d.integer, d.bytes)+`) v WHERE key = v.column1 AND id = v.column2`), args...); err != nil {
			return err
		}
	}
	return places.flush()
}

// replace mends what a search finds incidents by, where a tocsin that does not know of places changed or deleted them.
func (db *DB) replace(ctx context.Context) error {
	if err := db.placeAll(ctx); err != nil {
		return err
	}
	was, wrong, err := db.misplaced(ctx)
	if err != nil {
		return fmt.Errorf("look whether incidents can be found: %w", plain(err))
	}
	for place, v := range was { // nobody has them
		if v&0xff != gone {
			wrong = append(wrong, int64(place))
		}
	}
	for part := range slices.Chunk(wrong, readBatch) {
		if err := db.tx(ctx, func(tx *sql.Tx) error { return db.replaceSome(ctx, tx, part) }); err != nil {
			return fmt.Errorf("make incidents searchable: %w", plain(err))
		}
	}
	return nil
}

// misplaced compares incidents with their columns. It returns what the column says of each place, gone where that is
// true, and the places at which it is not.
func (db *DB) misplaced(ctx context.Context) (was []uint32, wrong []int64, err error) {
	err = db.snapshot(ctx, func(tx *sql.Tx) error {
		r, err := newColumnReader(ctx, tx, db, incidentList())
		if err != nil {
			return err
		}
		was = make([]uint32, r.entries)
		if err := r.run(columnStanding, 0, r.entries/blockSize, func(block int64, body []byte) {
			for i := range len(body) / 4 {
				was[block*blockSize+int64(i)] = value(body, int64(i))
			}
		}); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, `SELECT place, state, last_seen FROM incidents WHERE place >= 0`)
		if err != nil {
			return err
		}
		defer rows.Close()
		var place, state, last int64
		for rows.Next() {
			if err := rows.Scan(&place, &state, &last); err != nil {
				return err
			}
			if place >= r.entries {
				return ErrDamaged
			}
			if was[place] != standing(incident.NumberedState(int(state)), last) {
				wrong = append(wrong, place)
			}
			was[place] = gone
		}
		return rows.Err()
	})
	return was, wrong, err
}

// replaceSome looks at places once more, while nobody changes them, and mends what is wrong.
func (db *DB) replaceSome(ctx context.Context, tx *sql.Tx, wrong []int64) error {
	if err := db.waitToFold(ctx, tx); err != nil {
		return err
	}
	columns, err := newColumnReader(ctx, tx, db, incidentList())
	if err != nil {
		return err
	}
	s := searcher{ctx: ctx, tx: tx, db: db, columns: columns}
	ids, err := s.ids(wrong)
	if err != nil {
		return err
	}
	places := newPlacer(ctx, tx, db)
	for i, place := range wrong {
		var state, last int64
		err := tx.QueryRowContext(ctx, db.dialect.sql(`SELECT state, last_seen FROM incidents WHERE id = ? AND place = ?`), ids[i][:], place).Scan(&state, &last)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			places.forget(place, true)
		case err != nil:
			return err
		default:
			places.stand(place, standing(incident.NumberedState(int(state)), last))
		}
	}
	return places.flush()
}
