package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// How many keys are asked for, and how many incidents are written, in one statement. Measured on SQLite: larger ones
// gain nothing.
const (
	readBatch  = 500
	writeBatch = 100
)

// maxLinks is how many bytes of links stay in the incident's own row; beyond that they spill into side rows, so that
// an incident seen for months stays as quick to update as a new one.
const maxLinks = 512

// folder folds touches into the incidents of one transaction.
type folder struct {
	ctx     context.Context //nolint:containedctx // lives as long as one transaction
	tx      *sql.Tx
	db      *DB
	now     time.Time
	read    *sql.Stmt
	insert  bulk
	update  bulk
	moved   bulk // addresses of lines
	places  *placer
	known   map[knownOn]int64 // incidents that are new
	changes changes
	byKey   map[incident.Key][]*stored
	keys    []any
	windows map[report.Kind]time.Duration

	unproven int32 // number of report.Unproven
}

// stored is an episode on its way through the transaction.
type stored struct {
	incident.Episode
	place     int64
	was       uint32       // standing when it was read
	addresses []byte       // of a line, packed; without those that were spilt
	seenAt    []netip.Addr // of a line, new
	isNew     bool
	dirty     bool
	gone      bool
}

func newFolder(ctx context.Context, tx *sql.Tx, db *DB, now time.Time) *folder {
	d := &db.dialect
	f := &folder{
		ctx: ctx, tx: tx, db: db, now: now, byKey: map[incident.Key][]*stored{},
		windows: map[report.Kind]time.Duration{}, places: newPlacer(ctx, tx, db), known: map[knownOn]int64{},
	}
	f.insert = bulk{columns: 13, text: func(n int) string {
		return `INSERT INTO incidents (key, id, party, subject, class, type, tag, state, last_seen, updated, episode, place, addresses) VALUES ` +
			d.rows(n, 13)
	}}
	f.update = bulk{columns: 6, text: func(n int) string {
		return `UPDATE incidents SET state = v.column3, last_seen = v.column4, updated = v.column5, episode = v.column6 FROM (VALUES ` +
			d.rows(n, 6, d.bytes, d.bytes, d.integer, d.integer, d.integer, d.bytes) +
			`) v WHERE key = v.column1 AND id = v.column2`
	}}
	f.moved = bulk{columns: 3, text: func(n int) string {
		return `UPDATE incidents SET addresses = v.column3 FROM (VALUES ` + d.rows(n, 3, d.bytes, d.bytes, d.bytes) +
			`) v WHERE key = v.column1 AND id = v.column2`
	}}
	return f
}

// fold folds touches that are in the order of their keys.
func (f *folder) fold(refs []touchRef) error {
	for len(refs) > 0 {
		n, keys := 0, 0 // as many touches as have readBatch different keys
		for n < len(refs) {
			if n == 0 || refs[n].touch.Key != refs[n-1].touch.Key {
				if keys == readBatch {
					break
				}
				keys++
			}
			n++
		}
		if err := f.batch(refs[:n]); err != nil {
			return err
		}
		refs = refs[n:]
	}
	if err := f.insert.flush(f); err != nil {
		return fmt.Errorf("insert incidents: %w", plain(err))
	}
	if err := f.update.flush(f); err != nil {
		return fmt.Errorf("update incidents: %w", plain(err))
	}
	if err := f.moved.flush(f); err != nil {
		return fmt.Errorf("update addresses of incidents: %w", plain(err))
	}
	if err := f.places.flush(); err != nil {
		return fmt.Errorf("place incidents: %w", plain(err))
	}
	if err := f.noteKnown(); err != nil {
		return fmt.Errorf("count incidents of a day: %w", plain(err))
	}
	return nil
}

// knownOn is a day of the figures, and a kind.
type knownOn struct {
	day  int32 // since 1970-01-01 UTC
	kind report.Kind
}

// noteKnown counts the incidents that are new, by the day on which they began, as far as is known now: an archive that is
// imported would else be the work of one day. Days are counted in one order, so that two workers do not wait for each other.
func (f *folder) noteKnown() error {
	for _, k := range slices.SortedFunc(maps.Keys(f.known), func(a, b knownOn) int {
		return cmp.Or(cmp.Compare(a.day, b.day), strings.Compare(a.kind.String(), b.kind.String()))
	}) {
		if _, err := f.tx.ExecContext(f.ctx, f.db.dialect.sql(`INSERT INTO incident_days (day, class, type, n) VALUES (?, ?, ?, ?)
			ON CONFLICT (day, class, type) DO UPDATE SET n = incident_days.n + excluded.n`),
			k.day, string(k.kind.Class), string(k.kind.Type), f.known[k]); err != nil {
			return err
		}
	}
	clear(f.known)
	return nil
}

func (f *folder) batch(refs []touchRef) error {
	if err := f.load(refs); err != nil {
		return fmt.Errorf("read incidents: %w", plain(err))
	}
	for len(refs) > 0 {
		n := 1
		for n < len(refs) && refs[n].touch.Key == refs[0].touch.Key {
			n++
		}
		if err := f.key(refs[:n]); err != nil {
			return err
		}
		refs = refs[n:]
	}
	return nil
}

// load reads the stored episodes of the keys.
func (f *folder) load(refs []touchRef) error {
	f.keys = f.keys[:0]
	for i := range refs {
		if i == 0 || refs[i].touch.Key != refs[i-1].touch.Key {
			f.keys = append(f.keys, refs[i].touch.Key[:])
		}
	}
	rows, err := f.query()
	if err != nil {
		return err
	}
	defer rows.Close()
	clear(f.byKey)
	var key, id, episode, addresses sql.RawBytes
	var state, last int64
	for rows.Next() {
		s := &stored{}
		if err := rows.Scan(&key, &id, &state, &last, &episode, &s.place, &addresses); err != nil {
			return err
		}
		if err := s.ReadEpisode(episode); err != nil {
			return err
		}
		s.ID, s.State, s.Last = report.ID(id), incident.NumberedState(int(state)), last
		s.was = standing(s.State, last)
		if len(addresses) > 0 {
			s.addresses = bytes.Clone(addresses)
		}
		f.byKey[incident.Key(key)] = append(f.byKey[incident.Key(key)], s)
	}
	return rows.Err()
}

// query asks for the episodes of f.keys. A full batch is asked for by a statement that is prepared once.
func (f *folder) query() (*sql.Rows, error) {
	q := f.db.dialect.sql(`SELECT key, id, state, last_seen, episode, place, addresses FROM incidents
		WHERE key IN (` + strings.TrimSuffix(strings.Repeat("?,", len(f.keys)), ",") + `)`)
	if len(f.keys) < readBatch {
		return f.tx.QueryContext(f.ctx, q, f.keys...)
	}
	if f.read == nil {
		var err error
		if f.read, err = f.tx.PrepareContext(f.ctx, q); err != nil {
			return nil, err
		}
	}
	return f.read.QueryContext(f.ctx, f.keys...)
}

// key folds all that the transaction's chunks say about one key.
func (f *folder) key(refs []touchRef) error {
	all := f.byKey[refs[0].touch.Key]
	window := f.window(refs[0].touch.Kind)
	var near []*incident.Episode
	for _, r := range refs {
		for i := range r.touch.Parts {
			near = near[:0]
			for _, s := range all {
				if !s.gone {
					near = append(near, &s.Episode)
				}
			}
			into, bridged := incident.Fold(near, &r.touch.Parts[i], r.chunk, window)
			r.weights[f.credibility(into)] += int64(r.touch.Parts[i].Len)
			if into.ID.IsZero() {
				into.ID = report.NewID(f.now)
				s := &stored{Episode: *into, isNew: true, dirty: true}
				s.see(r.touch.Parts[i].Addrs)
				all = append(all, s)
				continue
			}
			s := holding(all, into)
			s.dirty = true
			s.see(r.touch.Parts[i].Addrs)
			for _, b := range bridged {
				if err := f.bridge(s, holding(all, b), r.touch.Party.IsLine()); err != nil {
					return err
				}
			}
		}
	}
	return f.put(refs[0].touch, all)
}

// credibility is how far to believe an episode by what is known of it now.
func (f *folder) credibility(e *incident.Episode) report.Credibility {
	sources := len(e.Marks.Sources)
	if _, ok := slices.BinarySearch(e.Marks.Sources, f.unproven); ok {
		sources--
	}
	return incident.Credibility(sources, len(e.Marks.Days), e.Outcome)
}

// holding is which of them has the episode.
func holding(all []*stored, e *incident.Episode) *stored {
	for _, s := range all {
		if &s.Episode == e {
			return s
		}
	}
	return nil // never: Fold returns what it was given
}

// see notes where a line was seen.
func (s *stored) see(addrs []netip.Addr) {
	for _, a := range addrs {
		if !holdsAddress(s.addresses, a) {
			s.addresses = appendAddress(s.addresses, a)
			s.seenAt = append(s.seenAt, a)
		}
	}
}

// bridge makes the younger episode's id lead to the older.
func (f *folder) bridge(into, b *stored, line bool) error {
	b.gone = true
	addrs, err := unpackAddresses(b.addresses)
	if err != nil {
		return err
	}
	into.see(addrs)
	if b.isNew {
		return nil // never written
	}
	if line {
		spilt, err := spiltAddresses(f.ctx, f.tx, f.db, b.ID)
		if err != nil {
			return err
		}
		into.seenAt = append(into.seenAt, spilt...)
	}
	f.places.forget(b.place, line)
	d := &f.db.dialect
	for _, step := range []struct {
		text string
		args []any
	}{
		{`DELETE FROM incidents WHERE id = ?`, []any{b.ID[:]}},
		{`UPDATE incident_links SET incident = ? WHERE incident = ?`, []any{into.ID[:], b.ID[:]}},
		{`UPDATE incident_addresses SET incident = ? WHERE incident = ?`, []any{into.ID[:], b.ID[:]}},
		{`UPDATE rulings SET incident = ? WHERE incident = ?`, []any{into.ID[:], b.ID[:]}},
		{`UPDATE incident_acts SET incident = ? WHERE incident = ?`, []any{into.ID[:], b.ID[:]}},
		{`UPDATE incident_redirects SET into_id = ? WHERE into_id = ?`, []any{into.ID[:], b.ID[:]}},
		{`INSERT INTO incident_redirects (id, into_id) VALUES (?, ?)`, []any{b.ID[:], into.ID[:]}},
	} {
		if _, err := f.tx.ExecContext(f.ctx, d.sql(step.text), step.args...); err != nil {
			return fmt.Errorf("join incident %s into %s: %w", b.ID, into.ID, plain(err))
		}
	}
	return nil
}

// put writes what changed of one key.
func (f *folder) put(t *incident.Touch, all []*stored) error {
	for _, s := range all {
		if s.gone || !s.dirty {
			continue
		}
		if len(s.Links) > maxLinks {
			q := f.db.dialect.sql(`INSERT INTO incident_links (incident, links) VALUES (?, ?)`)
			if _, err := f.tx.ExecContext(f.ctx, q, s.ID[:], []byte(s.Links)); err != nil {
				return fmt.Errorf("spill links of incident %s: %w", s.ID, plain(err))
			}
			s.Links = nil
		}
		if len(s.addresses) > maxAddresses {
			q := f.db.dialect.sql(`INSERT INTO incident_addresses (incident, addresses) VALUES (?, ?)`)
			if _, err := f.tx.ExecContext(f.ctx, q, s.ID[:], s.addresses); err != nil {
				return fmt.Errorf("spill addresses of incident %s: %w", s.ID, plain(err))
			}
			s.addresses = s.addresses[:0]
		}
		if s.isNew {
			f.known[knownOn{dayOf(time.UnixMicro(s.First)), t.Kind}]++
		}
		f.changes.note(report.TopicIncidents, s.ID)
		if err := f.find(t, s); err != nil {
			return fmt.Errorf("place incidents: %w", plain(err))
		}
		blob := s.AppendBinary(make([]byte, 0, 64+len(s.Links)))
		state, now := incident.StateNumber(s.State), f.now.UnixMicro()
		var err error
		if s.isNew {
			err = f.insert.add(f, t.Key[:], s.ID[:], string(t.Party), t.Subject, string(t.Kind.Class),
				string(t.Kind.Type), t.Tag, state, s.Last, now, blob, s.place, append([]byte{}, s.addresses...))
		} else {
			err = f.update.add(f, t.Key[:], s.ID[:], state, s.Last, now, blob)
		}
		if err != nil {
			return fmt.Errorf("write incidents: %w", plain(err))
		}
		if len(s.seenAt) > 0 && !s.isNew {
			if err := f.moved.add(f, t.Key[:], s.ID[:], append([]byte{}, s.addresses...)); err != nil {
				return fmt.Errorf("write addresses of incidents: %w", plain(err))
			}
		}
	}
	return nil
}

// find keeps what a search finds an incident by.
func (f *folder) find(t *incident.Touch, s *stored) (err error) {
	now := standing(s.State, s.Last)
	switch {
	case s.isNew:
		if s.place, err = f.places.add(s.ID, t.Party, t.Kind, t.Tag, t.Subject, now); err != nil {
			return err
		}
	case now != s.was:
		f.places.stand(s.place, now)
	}
	for _, a := range s.seenAt {
		if s.place < 0 {
			break // place finds them in its row
		}
		if err := f.places.seenAt(s.place, a); err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) window(k report.Kind) time.Duration {
	w, ok := f.windows[k]
	if !ok {
		w = f.db.windows.Window(k)
		f.windows[k] = w
	}
	return w
}

// bulk gathers rows for one statement.
type bulk struct {
	columns int
	text    func(rows int) string
	full    *sql.Stmt
	args    []any
}

func (b *bulk) add(f *folder, args ...any) error {
	b.args = append(b.args, args...)
	if len(b.args) < writeBatch*b.columns {
		return nil
	}
	if b.full == nil {
		var err error
		if b.full, err = f.tx.PrepareContext(f.ctx, f.db.dialect.sql(b.text(writeBatch))); err != nil {
			return err
		}
	}
	_, err := b.full.ExecContext(f.ctx, b.args...)
	b.args = b.args[:0]
	return err
}

// flush writes what is left.
func (b *bulk) flush(f *folder) error {
	if len(b.args) == 0 {
		return nil
	}
	_, err := f.tx.ExecContext(f.ctx, f.db.dialect.sql(b.text(len(b.args)/b.columns)), b.args...)
	b.args = b.args[:0]
	return err
}
