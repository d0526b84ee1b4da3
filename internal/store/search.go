package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"slices"

	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// How much one page may cost. What is beyond it is left to the next page, see incident.Found.Partial.
const (
	maxBlocks  = 5000 // of a column that are looked through: five million incidents
	maxRefused = 1000 // incidents that are read and turn out not to be what was asked for
)

// How many blocks are looked through at a time: few at first, because the first often hold the page.
const (
	firstRun = 16
	lastRun  = 256
)

// SearchIncidents returns a page of the incidents that are what q asks for, those that became known last first. A page
// costs what has to be looked through for it, however deep it is and whatever is asked for: at most four bytes of each
// incident for each thing asked. Incidents that become known, or come to be what is asked for, while somebody leafs
// through the pages move nothing on later ones.
func (db *DB) SearchIncidents(ctx context.Context, q incident.Query) (incident.Found, error) {
	var found incident.Found
	if err := q.Validate(); err != nil {
		return found, fmt.Errorf("search incidents: %w", err)
	}
	names, err := db.allNames(ctx)
	if err != nil {
		return found, err
	}
	err = db.snapshot(ctx, func(tx *sql.Tx) error {
		s := &searcher{ctx: ctx, tx: tx, db: db, q: &q, names: names, limit: incident.PageSize(q.Limit)}
		found, err = s.search()
		return err
	})
	if err != nil {
		return incident.Found{}, fmt.Errorf("search incidents: %w", plain(err))
	}
	return found, nil
}

// snapshot runs f in a transaction that reads one state of the database.
func (db *DB) snapshot(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := db.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: db.dialect.snapshot})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return f(tx)
}

// searcher is one search.
type searcher struct {
	ctx        context.Context //nolint:containedctx // lives as long as one search
	tx         *sql.Tx
	db         *DB
	q          *incident.Query
	names      map[int32]string
	limit      int
	columns    *columnReader
	conditions []condition

	seen    map[int64]bool // places of incidents of lines that were seen at the address
	found   incident.Found
	last    int64 // place of the last that was found
	refused int
}

// condition is what a column has to say: all spans have to hold.
type condition struct {
	column int
	spans  []span
}

// span is numbers from low to high, once the bits outside of mask are taken away.
type span struct{ mask, low, high uint32 }

func (c *condition) holds(v uint32) bool {
	for i := range c.spans {
		s := &c.spans[i]
		if m := v & s.mask; m < s.low || s.high < m {
			return false
		}
	}
	return true
}

// holding appends the places, from first on, of the entries of a body for which the condition holds.
func (c *condition) holding(places []int64, first int64, body []byte) []int64 {
	s := c.spans[0] // most have no other
	for i := 0; i+4 <= len(body); i += 4 {
		v := binary.LittleEndian.Uint32(body[i:])
		if m := v & s.mask; s.low <= m && m <= s.high && (len(c.spans) == 1 || c.holds(v)) {
			places = append(places, first+int64(i/4))
		}
	}
	return places
}

// compile says what has to hold, what is true of few first: it decides which blocks of the other columns are read.
func (s *searcher) compile() {
	is := func(column int, mask, hash uint32) condition {
		return condition{column: column, spans: []span{{mask, hash & mask, hash & mask}}}
	}
	const whole = 1<<32 - 1
	q, all := s.q, []condition(nil)
	if q.Addr.IsValid() {
		all = append(all, is(columnSubject, whole, hashOf(q.Addr.String()))) // or one of seen
	}
	if q.Party != "" {
		all = append(all, is(columnParty, whole, hashOf(string(q.Party))))
	}
	if q.Tag != "" {
		all = append(all, is(columnTag, whole, hashOf(q.Tag)))
	}
	switch h := hashOfKind(q.Kind); {
	case q.Kind.Type != "":
		all = append(all, is(columnKind, whole, h))
	case q.Kind.Class != "":
		all = append(all, is(columnKind, 0xffff0000, h))
	}
	stands := condition{column: columnStanding, spans: []span{{mask: 0xff, high: gone - 1}}}
	if q.State != "" {
		stands = is(columnStanding, 0xff, uint32(incident.StateNumber(q.State)))
	}
	if !q.From.IsZero() || !q.To.IsZero() {
		seen := span{mask: 0xffffff00, high: 0xffffff00}
		if !q.From.IsZero() {
			seen.low = quarterOf(q.From.UnixMicro()) << 8
		}
		if !q.To.IsZero() {
			seen.high = quarterOf(q.To.UnixMicro()-1) << 8
		}
		stands.spans = append(stands.spans, seen)
	}
	s.conditions = append(all, stands)
}

func (s *searcher) search() (_ incident.Found, err error) {
	if s.columns, err = newColumnReader(s.ctx, s.tx, s.db, incidentList()); err != nil {
		return s.found, err
	}
	if s.q.Addr.IsValid() {
		s.q.Addr = s.q.Addr.Unmap()
		if err := s.linesAt(); err != nil {
			return s.found, err
		}
	}
	s.compile()
	end := s.columns.entries // places below it are to be looked through
	if after, ok := s.q.After.Number(); ok {
		end = min(end, after)
	}
	size := int64(firstRun)
	for blocks := int64(0); end > 0; size = min(2*size, lastRun) {
		if blocks >= maxBlocks {
			return s.partial(end), nil
		}
		to := (end - 1) / blockSize
		from := max(to-size+1, 0)
		candidates, err := s.run(from, to, end)
		if err != nil {
			return s.found, err
		}
		if done, err := s.take(candidates); done || err != nil {
			return s.found, err
		}
		blocks += to - from + 1
		end = from * blockSize
	}
	return s.found, nil
}

// partial is what was found where the search ends early; places below end were not looked at.
func (s *searcher) partial(end int64) incident.Found {
	s.found.Partial, s.found.Next = true, incident.CursorBehind(end)
	return s.found
}

// linesAt finds the incidents of lines that were seen at the address.
func (s *searcher) linesAt() error {
	r, err := newColumnReader(s.ctx, s.tx, s.db, addressList())
	if err != nil {
		return err
	}
	hash := hashOf(s.q.Addr.String())
	hits := map[int64][]int{} // by block
	if err := r.run(columnAddress, 0, r.entries/blockSize, func(block int64, body []byte) {
		for i := 0; i+4 <= len(body); i += 4 {
			if binary.LittleEndian.Uint32(body[i:]) == hash {
				hits[block] = append(hits[block], i/4)
			}
		}
	}); err != nil {
		return err
	}
	s.seen = map[int64]bool{}
	for block, at := range hits {
		if err := r.run(columnIncident, block, block, func(_ int64, body []byte) {
			for _, i := range at {
				s.seen[int64(value(body, int64(i)))] = true
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

// run returns the places below end, in the blocks [from, to], at which all conditions hold, the highest first.
func (s *searcher) run(from, to, end int64) ([]int64, error) {
	var candidates []int64
	first := &s.conditions[0]
	if err := s.columns.run(first.column, from, to, func(block int64, body []byte) {
		n := min(int64(len(body)), 4*(end-block*blockSize))
		candidates = first.holding(candidates, block*blockSize, body[:n])
	}); err != nil {
		return nil, err
	}
	candidates = s.withSeen(candidates, from*blockSize, end)
	for i := range s.conditions[1:] {
		var err error
		if candidates, err = s.filter(&s.conditions[1+i], candidates); err != nil {
			return nil, err
		}
	}
	slices.Reverse(candidates)
	return candidates, nil
}

// withSeen adds the incidents of lines that were seen at the address, at the places [from, end), to those that the
// first condition has found.
func (s *searcher) withSeen(candidates []int64, from, end int64) []int64 {
	n := len(candidates)
	for place := range s.seen {
		if from <= place && place < end {
			candidates = append(candidates, place)
		}
	}
	if len(candidates) > n {
		slices.Sort(candidates)
		candidates = slices.Compact(candidates)
	}
	return candidates
}

// filter returns the places, which are in their order, at which one more condition holds.
func (s *searcher) filter(c *condition, places []int64) ([]int64, error) {
	if len(places) == 0 {
		return nil, nil
	}
	kept, rest := places[:0], places
	err := s.columns.some(c.column, places, func(block int64, body []byte) {
		for len(rest) > 0 && rest[0]/blockSize <= block {
			place := rest[0]
			rest = rest[1:]
			if place/blockSize == block && c.holds(value(body, place)) {
				kept = append(kept, place)
			}
		}
	})
	return kept, err
}

// take reads the incidents at places and adds those that are what was asked for. done says that the page is full.
func (s *searcher) take(places []int64) (done bool, err error) {
	for len(places) > 0 {
		n := min(len(places), s.limit+1-len(s.found.Incidents)) // one more: whether anything follows
		some, err := s.read(places[:n])
		if err != nil {
			return false, err
		}
		for _, place := range places[:n] {
			in, ok := some[place]
			switch {
			case !ok:
				s.refused++
			case len(s.found.Incidents) == s.limit:
				s.found.Next = incident.CursorBehind(s.last)
				return true, nil
			default:
				s.found.Incidents = append(s.found.Incidents, in)
				s.last = place
			}
		}
		if s.refused > maxRefused {
			s.partial(places[n-1])
			return true, nil
		}
		places = places[n:]
	}
	return false, nil
}

// read returns the incidents at places that are what was asked for.
func (s *searcher) read(places []int64) (map[int64]incident.Incident, error) {
	ids, err := s.ids(places)
	if err != nil {
		return nil, err
	}
	wanted := make([][]byte, len(ids))
	for i := range ids {
		wanted[i] = ids[i][:]
	}
	in, args := among(&s.db.dialect, `id`, wanted)
	rows, err := s.tx.QueryContext(s.ctx, s.db.dialect.sql(`SELECT `+incidentColumns+`, place, addresses FROM incidents
		WHERE `+in), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := make(map[int64]incident.Incident, len(places))
	var elsewhere []int64 // the address is not in the row
	for rows.Next() {
		var place int64
		var addresses []byte
		in, _, err := scanIncident(also(rows.Scan, &place, &addresses), s.names)
		if err != nil {
			return nil, err
		}
		if !s.q.Matches(&in) {
			continue
		}
		if s.q.Addr.IsValid() && in.Subject != s.q.Addr.String() && !holdsAddress(addresses, s.q.Addr) {
			if !in.Party.IsLine() {
				continue
			}
			elsewhere = append(elsewhere, place)
		}
		all[place] = in
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, place := range elsewhere {
		was, err := spiltAddresses(s.ctx, s.tx, s.db, all[place].ID)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(was, s.q.Addr) {
			delete(all, place)
		}
	}
	return all, nil
}

// also scans more columns behind those that are asked for.
func also(scan func(...any) error, more ...any) func(...any) error {
	return func(into ...any) error { return scan(append(into, more...)...) }
}

// ids returns the ids of the incidents at places.
func (s *searcher) ids(places []int64) ([]report.ID, error) {
	order := slices.Clone(places)
	slices.Sort(order)
	byPlace := make(map[int64]*report.ID, len(places))
	all := make([]report.ID, len(places))
	for i, place := range places {
		byPlace[place] = &all[i]
	}
	for c := range 4 {
		rest := order
		if err := s.columns.some(columnID+c, order, func(block int64, body []byte) {
			for len(rest) > 0 && rest[0]/blockSize <= block {
				binary.LittleEndian.PutUint32(byPlace[rest[0]][4*c:], value(body, rest[0]))
				rest = rest[1:]
			}
		}); err != nil {
			return nil, err
		}
		if len(rest) > 0 {
			return nil, ErrDamaged
		}
	}
	return all, nil
}
