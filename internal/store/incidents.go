package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"tocsin/internal/desk"
	"tocsin/internal/incident"
	"tocsin/internal/report"
)

const incidentColumns = `key, id, party, subject, class, type, tag, state, last_seen, updated, episode`

// Incidents yields all incidents by key, each key's oldest first. An empty state means all states.
func (db *DB) Incidents(ctx context.Context, state incident.State) iter.Seq2[incident.Incident, error] {
	return func(yield func(incident.Incident, error) bool) {
		if err := db.eachIncident(ctx, state, func(in incident.Incident) bool { return yield(in, nil) }); err != nil {
			yield(incident.Incident{}, fmt.Errorf("list incidents: %w", plain(err)))
		}
	}
}

func (db *DB) eachIncident(ctx context.Context, state incident.State, yield func(incident.Incident) bool) error {
	names, err := db.allNames(ctx)
	if err != nil {
		return err
	}
	q, args := `SELECT `+incidentColumns+` FROM incidents`, []any(nil)
	if state != "" {
		q, args = q+` WHERE state = ?`, []any{incident.StateNumber(state)}
	}
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(q+` ORDER BY key, id`), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var same []incident.Incident // episodes of one key, to be yielded in the order of time
	flush := func() bool {
		slices.SortFunc(same, func(a, b incident.Incident) int { return a.FirstSeen.Compare(b.FirstSeen) })
		for _, in := range same {
			if !yield(in) {
				return false
			}
		}
		same = same[:0]
		return true
	}
	for rows.Next() {
		in, _, err := scanIncident(rows.Scan, names)
		if err != nil {
			return err
		}
		if len(same) > 0 && same[0].Key != in.Key && !flush() {
			return nil
		}
		same = append(same, in)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	flush()
	return nil
}

func scanIncident(scan func(...any) error, names map[int32]string) (incident.Incident, incident.Links, error) {
	var in incident.Incident
	var key, id, blob []byte
	var state, last, updated int64
	if err := scan(&key, &id, &in.Party, &in.Subject, &in.Kind.Class, &in.Kind.Type, &in.Tag, &state, &last, &updated, &blob); err != nil {
		return in, nil, err
	}
	var e incident.Episode
	if err := e.ReadEpisode(blob); err != nil {
		return in, nil, err
	}
	in.Key, in.ID, in.State, in.Outcome = incident.Key(key), report.ID(id), incident.NumberedState(int(state)), e.Outcome
	in.FirstSeen, in.LastSeen = time.UnixMicro(e.First).UTC(), time.UnixMicro(last).UTC()
	in.Updated, in.Events, in.Days = time.UnixMicro(updated).UTC(), e.Events, len(e.Marks.Days)
	in.Severity = report.RankedSeverity(int(e.Severity))
	for _, n := range e.Marks.Sources {
		in.Sources = append(in.Sources, names[n])
	}
	for _, n := range e.Marks.Feeds {
		in.Feeds = append(in.Feeds, names[n])
	}
	slices.Sort(in.Sources)
	slices.Sort(in.Feeds)
	return in, e.Links, nil
}

// Incident returns one incident; an id that was joined into another leads to that. incident.ErrNotFound says that
// there is none.
func (db *DB) Incident(ctx context.Context, id report.ID) (incident.Incident, error) {
	in, _, err := db.incident(ctx, id)
	return in, err
}

func (db *DB) incident(ctx context.Context, id report.ID) (incident.Incident, incident.Links, error) {
	names, err := db.allNames(ctx)
	if err != nil {
		return incident.Incident{}, nil, err
	}
	q := db.dialect.sql(`SELECT ` + incidentColumns + ` FROM incidents
		WHERE id = coalesce((SELECT into_id FROM incident_redirects WHERE id = ?), ?)`)
	in, links, err := scanIncident(db.read.QueryRowContext(ctx, q, id[:], id[:]).Scan, names)
	if errors.Is(err, sql.ErrNoRows) {
		return in, nil, incident.ErrNotFound
	}
	if err != nil {
		return in, nil, fmt.Errorf("read incident %s: %w", id, plain(err))
	}
	return in, links, nil
}

// Events yields the events of an incident, in the order in which their chunks were committed. Events whose chunk is
// past its end date are gone and left out.
func (db *DB) Events(ctx context.Context, id report.ID) iter.Seq2[report.Event, error] {
	return func(yield func(report.Event, error) bool) {
		if err := db.eachEvent(ctx, id, func(e report.Event) bool { return yield(e, nil) }); err != nil {
			yield(report.Event{}, fmt.Errorf("read events of incident %s: %w", id, plain(err)))
		}
	}
}

func (db *DB) eachEvent(ctx context.Context, id report.ID, yield func(report.Event) bool) error {
	in, own, err := db.incident(ctx, id)
	if err != nil {
		return err
	}
	links, err := db.linksOf(ctx, db.read, in.ID, own)
	if err != nil {
		return err
	}
	var chunk int64
	var lines [][]byte
	for _, l := range links {
		if l.Chunk != chunk || lines == nil {
			if lines, err = db.linesOf(ctx, db.read, l.Chunk); err != nil {
				return err
			}
			chunk = l.Chunk
		}
		for i := l.Start; i < l.Start+l.Len && i < len(lines); i++ {
			var e report.Event
			if err := json.Unmarshal(lines[i], &e); err != nil {
				return fmt.Errorf("chunk %d: %w", chunk, plain(err))
			}
			if !yield(e) {
				return nil
			}
		}
	}
	return nil
}

// querier is a database, or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// linksOf returns the links of an incident, in its own row and spilt, by chunk.
func (db *DB) linksOf(ctx context.Context, from querier, id report.ID, own incident.Links) ([]incident.Link, error) {
	all, err := own.Read()
	if err != nil {
		return nil, err
	}
	rows, err := from.QueryContext(ctx, db.dialect.sql(`SELECT links FROM incident_links WHERE incident = ?`), id[:])
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		more, err := incident.Links(b).Read()
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	slices.SortFunc(all, func(a, b incident.Link) int {
		if a.Chunk != b.Chunk {
			return int(a.Chunk - b.Chunk)
		}
		return a.Start - b.Start
	})
	return all, rows.Err()
}

// linesOf returns the events of a chunk as JSON lines, none when the chunk is past its end date.
func (db *DB) linesOf(ctx context.Context, from querier, id int64) ([][]byte, error) {
	var body []byte
	err := from.QueryRowContext(ctx, db.dialect.sql(`SELECT body FROM chunks WHERE id = ?`), id).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) || err == nil && body == nil {
		return [][]byte{}, nil
	}
	if err != nil {
		return nil, err
	}
	raw, err := desk.Decompress(body)
	if err != nil {
		return nil, err
	}
	return bytes.Split(bytes.TrimSuffix(raw, []byte("\n")), []byte("\n")), nil
}

// Tally is how many incidents a run made and how many older ones it changed.
type Tally struct {
	New     int64
	Updated int64
}

// Since counts the incidents that commits made or changed since a moment.
func (db *DB) Since(ctx context.Context, t time.Time) (Tally, error) {
	var n Tally
	first := report.NewID(t)
	clear(first[6:]) // the smallest id of that millisecond
	err := db.read.QueryRowContext(ctx, db.dialect.sql(`SELECT coalesce(sum(CASE WHEN id >= ? THEN 1 ELSE 0 END), 0),
		coalesce(sum(CASE WHEN id < ? THEN 1 ELSE 0 END), 0) FROM incidents WHERE updated >= ?`),
		first[:], first[:], t.UnixMicro()).Scan(&n.New, &n.Updated)
	if err != nil {
		return n, fmt.Errorf("count incidents: %w", plain(err))
	}
	return n, nil
}

// Watermarks returns how far each feed has come about each network.
func (db *DB) Watermarks(ctx context.Context) (incident.Watermarks, error) {
	rows, err := db.read.QueryContext(ctx, `SELECT n.name, w.network, w.newest, w.delivered FROM watermarks w JOIN names n ON n.id = w.feed`)
	if err != nil {
		return nil, fmt.Errorf("read watermarks: %w", plain(err))
	}
	defer rows.Close()
	all := incident.Watermarks{}
	for rows.Next() {
		var w incident.Watermark
		var newest, delivered int64
		if err := rows.Scan(&w.Feed, &w.Network, &newest, &delivered); err != nil {
			return nil, fmt.Errorf("read watermarks: %w", plain(err))
		}
		m := incident.Mark{Newest: time.UnixMicro(newest).UTC()}
		if delivered != 0 { // 0: written by a tocsin that did not know the column
			m.Delivered = time.UnixMicro(delivered).UTC()
		}
		all[w] = m
	}
	return all, rows.Err()
}
