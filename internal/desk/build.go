package desk

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"net/netip"
	"slices"
	"strings"

	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// builder gathers the rows of one chunk. It is used again for the next chunk, so that a long report costs the memory
// of one.
type builder struct {
	windows  map[report.Kind]int64 // recurrence windows in microseconds
	cfg      *incident.Config
	keys     incident.KeyMaker
	parties  map[uint32]report.Party // by ASN, for parties that are one
	arena    []byte                  // the events as JSON lines, in the order of rows
	body     bodyWriter
	sights   []sight
	touches  []incident.Touch
	byKey    map[incident.Key]int32 // place in touches
	newest   map[Newest]int64       // Micros left out of the key
	days     map[int32][]int32      // one shared slice a day
	addrs    []netip.Addr           // of lines in this chunk, behind the zero Addr; personal
	byAddr   map[netip.Addr]int32   // place in addrs
	words    map[string]string      // tags, each once
	refusals []Refusal
	repeats  int
	from, to int64

	unattributed []Unattributed
	lines        LineCounts
	verdicts     verdicts
}

// sight is one event of the chunk.
type sight struct {
	first, last int64 // Unix microseconds
	off, n      uint32
	touch       int32 // place in touches
	addr        int32 // place in addrs; 0 where the subject's address stands in the touch
	feed        int32
	severity    uint8
}

func newBuilder(cfg *incident.Config) *builder {
	b := &builder{
		cfg: cfg, windows: map[report.Kind]int64{}, byKey: map[incident.Key]int32{}, newest: map[Newest]int64{},
		days: map[int32][]int32{}, words: map[string]string{}, parties: map[uint32]report.Party{},
		addrs: make([]netip.Addr, 1), byAddr: map[netip.Addr]int32{},
	}
	b.verdicts.reset(newSalt())
	return b
}

// newSalt hides the verdicts of one chunk behind their root.
func newSalt() (salt [32]byte) {
	rand.Read(salt[:]) // never fails since Go 1.24
	return salt
}

func (b *builder) reset() {
	b.arena, b.sights, b.touches = b.arena[:0], b.sights[:0], nil
	clear(b.byKey)
	clear(b.newest)
	b.addrs = b.addrs[:1]
	clear(b.byAddr)
	b.refusals, b.repeats, b.from, b.to = nil, 0, 0, 0
	b.unattributed, b.lines = nil, LineCounts{}
	b.verdicts.reset(newSalt())
}

func (b *builder) empty() bool { return b.from == 0 }

// row notes that the chunk covers a row.
func (b *builder) row(n int64) {
	if b.from == 0 {
		b.from = n
	}
	b.to = max(b.to, n)
}

// party returns who is responsible for the event's subject.
func (b *builder) party(h *report.Holder, reported uint32) report.Party {
	if h.Own || h.Partner != "" {
		return h.Party(reported)
	}
	asn := cmp.Or(h.ASN, reported)
	p, ok := b.parties[asn]
	if !ok {
		p = h.Party(reported)
		b.parties[asn] = p
	}
	return p
}

// add takes one event whose JSON line stands in the arena from off on.
func (b *builder) add(e *report.Event, off int, whose end, feed int32) {
	party := whose.party
	key := b.keys.Key(party, &e.Subject, e.Kind, e.Tag())
	at, ok := b.byKey[key]
	if !ok {
		at = int32(len(b.touches))
		b.byKey[key] = at
		t := incident.Touch{Key: key, Party: party, Kind: e.Kind, Tag: b.word(e.Tag())}
		if !party.IsLine() {
			t.Subject = strings.Clone(e.Subject.String())
		}
		b.touches = append(b.touches, t)
	}
	b.verdicts.add(decision{e.Row, at, key, whose})
	addr := int32(0)
	if party.IsLine() {
		addr = b.addr(e.Subject.Addr)
	}
	last := incident.Micros(e.Last())
	b.sights = append(b.sights, sight{
		first: incident.Micros(e.From), last: last, off: uint32(off), n: uint32(len(b.arena) - off),
		touch: at, addr: addr, feed: feed, severity: uint8(e.Severity.Rank()),
	})
	w := Newest{Feed: feed, Network: incident.Network(party)}
	if have, ok := b.newest[w]; !ok || last > have {
		b.newest[w] = last
	}
}

// finish makes the chunk of what was gathered: events by key and time, each key's runs as parts.
func (b *builder) finish(c *Chunk, source int32) error {
	order := make([]int32, len(b.touches)) // touches in key order
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(x, y int32) int {
		return bytes.Compare(b.touches[x].Key[:], b.touches[y].Key[:])
	})
	rank := make([]int32, len(order))
	touches := make([]incident.Touch, len(order))
	for i, o := range order {
		rank[o] = int32(i)
		touches[i] = b.touches[o]
	}
	slices.SortFunc(b.sights, func(x, y sight) int {
		return cmp.Or(cmp.Compare(rank[x.touch], rank[y.touch]), cmp.Compare(x.first, y.first), cmp.Compare(x.off, y.off))
	})
	sources := []int32{source}
	feeds := map[int32][]int32{}
	if err := b.body.reset(); err != nil {
		return err
	}
	for i := range b.sights {
		s := &b.sights[i]
		if err := b.body.event(b.arena[s.off : s.off+s.n]); err != nil {
			return err
		}
		if _, ok := feeds[s.feed]; !ok {
			feeds[s.feed] = []int32{s.feed}
		}
		b.place(&touches[rank[s.touch]], s, i, sources, feeds[s.feed])
	}
	var err error
	if c.Body, err = b.body.finish(); err != nil {
		return err
	}
	if c.Refusals, err = EncodeRefusals(b.refusals); err != nil {
		return err
	}
	for i := range b.unattributed {
		b.unattributed[i].Document = c.Document
	}
	if c.Unattributed, err = EncodeUnattributed(b.unattributed); err != nil {
		return err
	}
	if err := b.verdicts.finish(c); err != nil {
		return err
	}
	if len(b.addrs) > 1 {
		sortAddrs(touches)
	}
	c.Lines = b.lines
	c.FromRow, c.ToRow = b.from, b.to
	c.Events, c.Repeats, c.Refused = len(b.sights), b.repeats, 0
	for i := range b.refusals {
		if !b.refusals[i].Letter {
			c.Refused++
		}
	}
	c.Touches = touches
	for w, micros := range b.newest {
		w.Micros = micros
		c.Newest = append(c.Newest, w)
	}
	return nil
}

// sortAddrs leaves each address once.
func sortAddrs(touches []incident.Touch) {
	for i := range touches {
		for k := range touches[i].Parts {
			p := &touches[i].Parts[k]
			slices.SortFunc(p.Addrs, netip.Addr.Compare)
			p.Addrs = slices.Compact(p.Addrs)
		}
	}
}

// place adds the i-th event of the body to its key's last part, or begins a new one.
func (b *builder) place(t *incident.Touch, s *sight, i int, source, feed []int32) {
	marks := incident.Marks{Days: b.day(dayOfMicros(s.first)), Sources: source, Feeds: feed}
	if n := len(t.Parts); n > 0 {
		if p := &t.Parts[n-1]; s.first-p.Last <= b.window(t.Kind) {
			p.Last = max(p.Last, s.last)
			p.Severity = max(p.Severity, s.severity)
			p.Marks.Add(&marks)
			p.Len++
			b.seenAt(p, s)
			return
		}
	}
	t.Parts = append(t.Parts, incident.Part{
		First: s.first, Last: s.last, Severity: s.severity, Start: i, Len: 1, Marks: marks,
	})
	b.seenAt(&t.Parts[len(t.Parts)-1], s)
}

// seenAt notes the address at which a line was seen. A line seldom has many, and those of one address come together.
func (b *builder) seenAt(p *incident.Part, s *sight) {
	if s.addr != 0 && (len(p.Addrs) == 0 || p.Addrs[len(p.Addrs)-1] != b.addrs[s.addr]) {
		p.Addrs = append(p.Addrs, b.addrs[s.addr])
	}
}

// addr numbers an address of a line; 0 is none.
func (b *builder) addr(a netip.Addr) int32 {
	if !a.IsValid() {
		return 0
	}
	at, ok := b.byAddr[a]
	if !ok {
		at = int32(len(b.addrs))
		b.addrs = append(b.addrs, a)
		b.byAddr[a] = at
	}
	return at
}

// maxWords bounds what a reporter with ever new tags can make us keep.
const maxWords = 10_000

func (b *builder) word(s string) string {
	w, ok := b.words[s]
	if !ok {
		if len(b.words) >= maxWords {
			clear(b.words)
		}
		w = strings.Clone(s)
		b.words[w] = w
	}
	return w
}

func (b *builder) window(k report.Kind) int64 {
	w, ok := b.windows[k]
	if !ok {
		w = b.cfg.Window(k).Microseconds()
		b.windows[k] = w
	}
	return w
}

func (b *builder) day(n int32) []int32 {
	d, ok := b.days[n]
	if !ok {
		d = []int32{n}
		b.days[n] = d
	}
	return d
}
