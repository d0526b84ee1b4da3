package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/desk"
	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// Received is the row as people read it.
func (r *Row) Received() desk.Received {
	return desk.Received{
		Report: r.Report, Found: r.Found, Generation: r.Generation, Documents: r.Documents, Events: r.Events, Repeats: r.Repeats, Refused: r.Refused,
		Dropped: r.Dropped, Reason: r.Reason, Apart: r.Apart, Sender: r.Sender, Thread: r.Thread, Grade: r.Grade,
	}
}

// Senders counts the reports that came in since a moment, by reporter and channel: who sent the most first.
func (db *DB) Senders(ctx context.Context, since time.Time) ([]desk.SenderCount, error) {
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(`SELECT reporter, channel, count(*), sum(events), sum(repeats), sum(refused), max(received_at)
		FROM reports WHERE received_at >= ? GROUP BY reporter, channel ORDER BY count(*) DESC, reporter, channel`), since.UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("count reports by sender: %w", plain(err))
	}
	defer rows.Close()
	var all []desk.SenderCount
	for rows.Next() {
		var s desk.SenderCount
		var last int64
		if err := rows.Scan(&s.Reporter, &s.Channel, &s.Reports, &s.Events, &s.Repeats, &s.Refused, &last); err != nil {
			return nil, fmt.Errorf("count reports by sender: %w", plain(err))
		}
		s.Last = time.UnixMicro(last).UTC()
		all = append(all, s)
	}
	return all, rows.Err()
}

// QuarantineAfter returns up to limit of the reports that Quarantine yields, oldest first: those behind the one that was
// received at a time and has an id; the zero of both begins.
func (db *DB) QuarantineAfter(ctx context.Context, after time.Time, id report.ID, limit int) ([]Row, error) {
	var all []Row
	micros := after.UnixMicro()
	if after.IsZero() {
		micros = 0
	}
	for r, err := range db.reports(ctx, "list the quarantine", `WHERE refused > 0 AND dropped = 0 AND (received_at, id) > (?, ?)
		ORDER BY received_at, id LIMIT ?`, micros, id[:], limit) {
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// QuarantineSize counts the reports that Quarantine yields.
func (db *DB) QuarantineSize(ctx context.Context) (n int64, err error) {
	err = db.read.QueryRowContext(ctx, `SELECT count(*) FROM reports WHERE refused > 0 AND dropped = 0`).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count the quarantine: %w", plain(err))
	}
	return n, nil
}

// RefusedAfter returns up to limit of what EachRefusal yields, behind a place, the place of the last of them, and whether
// more follow. Of the chunks before the place none is read.
func (db *DB) RefusedAfter(ctx context.Context, id report.ID, generation int, after desk.RefusedPlace, limit int) (all []desk.Refusal, last desk.RefusedPlace, more bool, err error) {
	last = after
	if err := db.eachRefused(ctx, id, generation, after.Seq, func(seq int64, some []desk.Refusal) bool {
		if seq == after.Seq {
			some = some[min(max(after.N, 0), len(some)):]
		}
		if len(all) == limit {
			more = len(some) > 0
			return !more
		}
		n := min(len(some), limit-len(all))
		if n == 0 {
			return true
		}
		all, more = append(all, some[:n]...), n < len(some)
		if seq != last.Seq {
			last = desk.RefusedPlace{Seq: seq}
		}
		last.N += n
		return !more
	}); err != nil {
		return nil, after, false, fmt.Errorf("read refusals of report %s: %w", id, plain(err))
	}
	return all, last, more, nil
}

// eachRefused hands what the chunks from one on refused to f, until it returns false.
func (db *DB) eachRefused(ctx context.Context, id report.ID, generation int, from int64, f func(seq int64, some []desk.Refusal) bool) error {
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(`SELECT seq, document, name, refusals FROM chunks
		WHERE report = ? AND generation = ? AND refusals IS NOT NULL AND seq >= ? ORDER BY seq`), id[:], generation, from)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var seq int64
		var document int
		var name string
		var packed []byte
		if err := rows.Scan(&seq, &document, &name, &packed); err != nil {
			return err
		}
		some, err := desk.DecodeRefusals(packed)
		if err != nil {
			return err
		}
		for i := range some {
			if some[i].Name == "" && some[i].Document == document {
				some[i].Name = name
			}
		}
		if !f(seq, some) {
			return nil
		}
	}
	return rows.Err()
}

// IncidentsFrom returns up to limit of the incidents that a report has an event in, in the order in which its rows name
// them, and whether there are more. Events whose chunk is past its end date, or was written before verdicts were kept,
// lead to none.
func (db *DB) IncidentsFrom(ctx context.Context, id report.ID, limit int) (all []incident.Incident, more bool, err error) {
	keys, more, err := db.keysFrom(ctx, id, limit)
	if err != nil {
		return nil, false, fmt.Errorf("read the incidents of report %s: %w", id, plain(err))
	}
	names, err := db.allNames(ctx)
	if err != nil {
		return nil, false, err
	}
	for _, k := range keys {
		in, err := db.incidentOf(ctx, k, names)
		switch {
		case errors.Is(err, incident.ErrNotFound): // past its end date
		case err != nil:
			return nil, false, fmt.Errorf("read the incidents of report %s: %w", id, plain(err))
		default:
			all = append(all, in)
		}
	}
	return all, more, nil
}

// keyFrom is what an incident is found by: its key, and a chunk that it has an event in.
type keyFrom struct {
	key   incident.Key
	chunk int64
}

// keysFrom finds the keys of a report's first events.
func (db *DB) keysFrom(ctx context.Context, id report.ID, limit int) (all []keyFrom, more bool, err error) {
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(`SELECT id, body, verdicts FROM chunks
		WHERE report = ? AND body IS NOT NULL AND verdicts IS NOT NULL ORDER BY generation, seq`), id[:])
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	seen := map[incident.Key]bool{}
	for rows.Next() {
		var chunk int64
		var body, verdicts []byte
		if err := rows.Scan(&chunk, &body, &verdicts); err != nil {
			return nil, false, err
		}
		decided, err := desk.DecodeVerdicts(body, verdicts)
		if err != nil {
			return nil, false, err
		}
		for i := range decided {
			k := incident.Key(decided[i].Incident)
			if seen[k] {
				continue
			}
			if len(all) == limit {
				return all, true, nil
			}
			seen[k] = true
			all = append(all, keyFrom{k, chunk})
		}
	}
	return all, false, rows.Err()
}

// incidentOf returns the episode of a key that has an event in a chunk.
func (db *DB) incidentOf(ctx context.Context, k keyFrom, names map[int32]string) (incident.Incident, error) {
	found, err := db.episodes(ctx, k.key, names)
	if err != nil {
		return incident.Incident{}, err
	}
	for i := range found {
		if len(found) == 1 {
			return found[i].Incident, nil
		}
		links, err := db.linksOf(ctx, db.read, found[i].ID, found[i].own)
		if err != nil {
			return incident.Incident{}, err
		}
		for _, l := range links {
			if l.Chunk == k.chunk {
				return found[i].Incident, nil
			}
		}
	}
	return incident.Incident{}, incident.ErrNotFound
}

// linked is an incident with the links in its own row.
type linked struct {
	incident.Incident
	own incident.Links
}

func (db *DB) episodes(ctx context.Context, key incident.Key, names map[int32]string) ([]linked, error) {
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(`SELECT `+incidentColumns+` FROM incidents WHERE key = ? ORDER BY id`), key[:])
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []linked
	for rows.Next() {
		in, own, err := scanIncident(rows.Scan, names)
		if err != nil {
			return nil, err
		}
		all = append(all, linked{in, own})
	}
	return all, rows.Err()
}
