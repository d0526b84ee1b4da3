package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tocsin/internal/desk"
	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// sightingBits is how many bits of a cursor's number are the place of an event in its chunk.
const sightingBits = 24

// EventsOf returns a page of an incident's events: those that were stored last first, and of one chunk those that were
// seen last. It reads only the chunks that hold them, and of these only what has to be decompressed for them. Events
// whose chunk is past its end date are left out. incident.ErrNotFound says that there is no such incident.
func (db *DB) EventsOf(ctx context.Context, id report.ID, after incident.Cursor, limit int) (incident.Sightings, error) {
	var page incident.Sightings
	in, own, err := db.incident(ctx, id)
	if err != nil {
		return page, err
	}
	links, err := db.linksOf(ctx, db.read, in.ID, own)
	if err != nil {
		return page, fmt.Errorf("read events of incident %s: %w", id, plain(err))
	}
	slices.Reverse(links)
	if number, ok := after.Number(); ok {
		links = behind(links, number>>sightingBits, int(number&(1<<sightingBits-1)))
	}
	limit = incident.PageSize(limit)
	for len(links) > 0 && len(page.Sightings) < limit {
		var wanted []incident.Link
		wanted, links = firstEvents(links, limit-len(page.Sightings))
		some, err := db.sightings(ctx, wanted)
		if err != nil {
			return page, fmt.Errorf("read events of incident %s: %w", id, plain(err))
		}
		page.Sightings = append(page.Sightings, some...)
		if last := wanted[len(wanted)-1]; len(links) > 0 {
			page.Next = incident.CursorBehind(last.Chunk<<sightingBits | int64(last.Start))
		} else {
			page.Next = incident.Cursor{}
		}
	}
	return page, nil
}

// behind returns the links to what comes behind an event, newest first.
func behind(links []incident.Link, chunk int64, place int) []incident.Link {
	var rest []incident.Link
	for _, l := range links {
		if l.Chunk > chunk || l.Chunk == chunk && l.Start >= place {
			continue
		}
		if l.Chunk == chunk {
			l.Len = min(l.Len, place-l.Start)
		}
		rest = append(rest, l)
	}
	return rest
}

// firstEvents divides links, newest first, into those to the first n events and the rest.
func firstEvents(links []incident.Link, n int) (first, rest []incident.Link) {
	for i, l := range links {
		if l.Len >= n {
			first = append(first, incident.Link{Chunk: l.Chunk, Start: l.Start + l.Len - n, Len: n})
			rest = slices.Clone(links[i+1:])
			if l.Len > n {
				rest = slices.Insert(rest, 0, incident.Link{Chunk: l.Chunk, Start: l.Start, Len: l.Len - n})
			}
			return first, rest
		}
		first = append(first, l)
		n -= l.Len
	}
	return first, nil
}

// chunkHead is what is read of a chunk before its events.
type chunkHead struct {
	sighting incident.Sighting // without an event
	frames   desk.Frames
	size     int64 // of the body
}

// sightings reads the events of links, of which there are few.
func (db *DB) sightings(ctx context.Context, links []incident.Link) ([]incident.Sighting, error) {
	heads, err := db.chunkHeads(ctx, links)
	if err != nil {
		return nil, err
	}
	var all []incident.Sighting
	for _, l := range links {
		h, ok := heads[l.Chunk]
		if !ok || h.size == 0 {
			continue // past its end date
		}
		from, to, skip, ok := h.frames.Span(l.Start, l.Len)
		if !ok {
			from, to, skip = 0, h.size, l.Start
		}
		body, err := db.bodyPart(ctx, l.Chunk, from, to)
		if err != nil {
			return nil, err
		}
		lines, err := desk.EventLines(body, skip, l.Len)
		if err != nil {
			return nil, fmt.Errorf("chunk %d: %w", l.Chunk, err)
		}
		for _, line := range slices.Backward(lines) {
			one := h.sighting
			if err := json.Unmarshal(line, &one.Event); err != nil {
				return nil, fmt.Errorf("chunk %d: %w", l.Chunk, err)
			}
			all = append(all, one)
		}
	}
	return all, nil
}

// chunkHeads reads the beginnings of the links' chunks, and of which reports they are.
func (db *DB) chunkHeads(ctx context.Context, links []incident.Link) (map[int64]chunkHead, error) {
	all := map[int64]chunkHead{}
	var chunks []int64
	for _, l := range links {
		if _, ok := all[l.Chunk]; !ok {
			all[l.Chunk] = chunkHead{}
			chunks = append(chunks, l.Chunk)
		}
	}
	for part := range slices.Chunk(chunks, readBatch) {
		if err := db.someHeads(ctx, part, all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (db *DB) someHeads(ctx context.Context, chunks []int64, all map[int64]chunkHead) error {
	in, args := among(&db.dialect, `c.id`, chunks)
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(`SELECT c.id, c.report, c.document, c.name, coalesce(length(c.body), 0),
		substr(c.body, 1, `+fmt.Sprint(desk.FramesHead)+`), coalesce(r.channel, ''), coalesce(r.reporter, ''), coalesce(r.format, ''),
		coalesce(r.name, ''), coalesce(r.received_at, 0)
		FROM chunks c LEFT JOIN reports r ON r.id = c.report WHERE `+in), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var h chunkHead
		var id, received int64
		var of, head []byte
		s := &h.sighting
		if err := rows.Scan(&id, &of, &s.Document, &s.Name, &h.size, &head, &s.Channel, &s.Reporter, &s.Format, &s.ReportName, &received); err != nil {
			return err
		}
		s.Report, h.frames = report.ID(of), desk.ReadFrames(head)
		if s.Reporter != "" {
			s.ReceivedAt = time.UnixMicro(received).UTC()
		}
		all[id] = h
	}
	return rows.Err()
}

// bodyPart reads bytes [from, to) of a chunk's body.
func (db *DB) bodyPart(ctx context.Context, chunk, from, to int64) ([]byte, error) {
	stmt, err := db.reads.prepared(ctx, db.read, db.dialect.sql( //nolint:sqlclosecheck // closed with the database
		`SELECT substr(body, CAST(? AS `+db.dialect.place+`), CAST(? AS `+db.dialect.place+`)) FROM chunks WHERE id = ?`))
	if err != nil {
		return nil, err
	}
	var body []byte
	err = stmt.QueryRowContext(ctx, from+1, to-from, chunk).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil // it came to its end just now
	}
	return body, err
}
