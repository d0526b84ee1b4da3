package line_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/line/fixednat"
	"tocsin/internal/report"
)

// The simulated access network: what happened, to the millisecond, and what its logs said of it.
//
//	lines   0-149: RADIUS, public addresses, three NASes that crash now and then
//	lines 150-299: DHCP leases of inside addresses, logged in London's local time over the end of summer time; their
//	               traffic leaves by port blocks that a NAT logs whose clock is off
//	lines 300-363: inside addresses that a table knows, behind a NAT without a log

const (
	dayMS  = 24 * 3600 * 1000
	hourMS = 3600 * 1000
	days   = 4
)

// beginSim is two days before summer time ends in London: on 25 October 2026, 01:00 UTC.
var beginSim = time.Date(2026, 10, 23, 0, 0, 0, 0, time.UTC)

// fact is that somebody held something from one millisecond to another.
type fact struct {
	from, to int64
	line     int // -1: inside says who
	inside   netip.Addr
	sure     []line.Span // what can be known of it from the log, in the source's seconds
}

func (f *fact) at(ms int64) bool { return f.from <= ms && ms < f.to }

type block struct {
	addr netip.Addr
	lo   uint16
}

type source struct {
	*line.Tracker
	done  map[netip.Prefix][]line.Session
	clock int64
	ends  bool // its log ends somewhere
	gaps  []line.Span
}

func newSource(rules line.Rules) *source {
	s := &source{ends: !rules.Standing, done: map[netip.Prefix][]line.Session{}}
	s.Tracker = line.NewTracker(rules, func(x line.Session) { s.done[x.Range.Prefix] = append(s.done[x.Range.Prefix], x) })
	return s
}

func (s *source) Each(a line.Address, port uint16, proto string, q line.Span, yield func(line.Session)) {
	s.Tracker.Each(a, port, proto, q, yield)
	for _, x := range s.done[netip.PrefixFrom(a.Addr, a.Addr.BitLen())] {
		if x.Range.Realm == a.Realm && (port == 0 || x.Range.Lo <= port && port <= x.Range.Hi) && x.Possible.Meets(q) {
			yield(x)
		}
	}
}

func (s *source) Clock() int64 { return s.clock }

func (s *source) Known(q line.Span) line.Knowledge {
	k := line.Knowledge{Ahead: s.ends && q.To > s.Mark()}
	for _, g := range s.gaps {
		k.Gap = k.Gap || g.Meets(q)
	}
	return k
}

// sent is a record on its way, with the time when it comes.
type sent struct {
	r      line.Record
	holder line.Holder
	comes  int64
}

type network struct {
	r       *rand.Rand
	radius  map[netip.Addr][]*fact
	leases  map[netip.Addr][]*fact
	blocks  map[block][]*fact
	fixed   *fixednat.NAT
	room    line.Room
	logs    [4]*source
	records [4][]sent
	gaps    [4][]line.Span
}

const (
	cgnRealm   = "cgn"
	fixedRealm = "fixed"
)

func addr4(base string, n int) netip.Addr {
	a := netip.MustParseAddr(base).As4()
	v := int(a[2])<<8 + int(a[3]) + n
	a[2], a[3] = byte(v>>8), byte(v)
	return netip.AddrFrom4(a)
}

func one(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, 32) }

// unix is a millisecond of the simulation in seconds of Unix time.
func unix(ms int64) int64 { return beginSim.Unix() + ms/1000 }

// local is a moment as a log in London's local time says it.
func local(ms int64) line.Moment {
	at := unix(ms)
	change := time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC).Unix()
	switch {
	case at >= change-3600 && at < change:
		return line.Moment{Earliest: at, Latest: at + 3600}
	case at >= change && at < change+3600:
		return line.Moment{Earliest: at - 3600, Latest: at}
	}
	return line.Moment{Earliest: at, Latest: at}
}

func simulate(seed uint64) *network {
	n := &network{
		r: rand.New(rand.NewPCG(seed, 1)), radius: map[netip.Addr][]*fact{}, leases: map[netip.Addr][]*fact{}, blocks: map[block][]*fact{},
	}
	for i := range n.gaps {
		for range 2 {
			from := unix(n.r.Int64N(days * dayMS))
			n.gaps[i] = append(n.gaps[i], line.Span{From: from, To: from + 600 + n.r.Int64N(3000)})
		}
	}
	for _, gaps := range n.gaps {
		slices.SortFunc(gaps, func(a, b line.Span) int { return cmp.Compare(a.From, b.From) })
	}
	n.gaps[3] = nil
	n.logs = [4]*source{
		newSource(line.Rules{Interim: true}), newSource(line.Rules{}), newSource(line.Rules{}), newSource(line.Rules{Standing: true}),
	}
	n.logs[2].clock = 3
	n.dial()
	n.lease()
	n.translate()
	n.static()
	for i := range n.logs {
		n.deliver(i)
	}
	n.room.Sources = []line.Sessions{n.logs[0], n.logs[1], n.logs[2], n.logs[3], n.fixed}
	return n
}

// lost reports whether a record of a log at a time never arrives.
func (n *network) lost(log int, at int64, by float64) bool {
	for _, g := range n.gaps[log] {
		if g.From <= at && at < g.To {
			return true
		}
	}
	return n.r.Float64() < by
}

func (n *network) send(log int, r line.Record, h line.Holder) {
	copies := 1
	if n.r.Float64() < 0.02 {
		copies = 2
	}
	for range copies {
		n.records[log] = append(n.records[log], sent{r, h, r.At.Earliest + n.r.Int64N(300)})
	}
}

func (n *network) deliver(log int) {
	all := n.records[log]
	slices.SortStableFunc(all, func(a, b sent) int { return cmp.Compare(a.comes, b.comes) })
	s, gaps := n.logs[log], slices.Clone(n.gaps[log])
	for i := range all {
		for len(gaps) > 0 && all[i].comes > gaps[0].To+300 {
			s.Gap("", gaps[0])
			gaps = gaps[1:]
		}
		if err := all[i].r.Validate(); err != nil {
			panic(fmt.Sprint(err, all[i].r))
		}
		s.Take(&all[i].r, all[i].holder)
	}
	for _, g := range gaps {
		s.Gap("", g)
	}
	s.gaps = n.gaps[log]
}

// dial simulates RADIUS: sessions with names, interim updates, lost packets, crashes.
func (n *network) dial() {
	const pool, lines = 200, 150
	free := make([]int64, pool)
	var crashes [3][]int64
	for i := range crashes {
		for range 2 {
			crashes[i] = append(crashes[i], n.r.Int64N(days*dayMS))
		}
		slices.Sort(crashes[i])
		for _, at := range crashes[i] {
			up := at + 60_000 + n.r.Int64N(200_000)
			if !n.lost(0, unix(up), 0.005) {
				n.send(0, line.Record{Action: line.Reset, NAS: nas(i), At: line.Moment{Earliest: unix(up), Latest: unix(up)}}, line.Holder{})
			}
		}
	}
	next := make([]int64, lines)
	for l := range next {
		next[l] = n.r.Int64N(hourMS)
	}
	for serial := 0; ; serial++ {
		l := 0
		for i := range next {
			if next[i] < next[l] {
				l = i
			}
		}
		from := next[l]
		if from >= days*dayMS {
			return
		}
		to := from + 1000 + int64(n.r.ExpFloat64()*6*hourMS)
		box := l % 3
		crashed := false
		for _, at := range crashes[box] {
			if from < at && at < to {
				to, crashed = at, true
				break
			}
			if at <= from && from < at+300_000 { // the device is down
				from = at + 300_000 + n.r.Int64N(60_000)
				to = max(to, from+1000)
			}
		}
		a := n.r.IntN(pool)
		for free[a] > from {
			a = n.r.IntN(pool)
		}
		free[a] = to
		next[l] = to + int64(n.r.ExpFloat64()*0.5*hourMS)
		if crashed {
			next[l] += 300_000
		}
		n.session(serial, box, l, addr4("198.51.100.0", a), from, to, crashed)
	}
}

func nas(i int) string { return fmt.Sprint("nas", i) }

func (n *network) session(serial, box, l int, addr netip.Addr, from, to int64, crashed bool) {
	f := &fact{from: from, to: to, line: l}
	r := line.Record{
		NAS: nas(box), Session: fmt.Sprint("s", serial), Range: line.Whole(one(addr)), Held: line.Held{Line: "x"},
	}
	h := line.Holder{Line: line.LineID(l + 1)}
	known, seen, stopped := false, int64(0), false
	tell := func(what line.Action, ms int64) {
		at := unix(ms)
		if at > unix(days*dayMS) || n.lost(0, at, 0.005) {
			return
		}
		r.Action, r.At, r.Since = what, line.Moment{Earliest: at, Latest: at}, line.Moment{}
		if what != line.Start {
			r.Since = line.Moment{Earliest: unix(from), Latest: unix(from)}
		}
		n.send(0, r, h)
		known, seen, stopped = true, max(seen, at), what == line.Stop
	}
	tell(line.Start, from)
	for ms := from + 600_000; ms < to; ms += 600_000 {
		tell(line.Alive, ms)
	}
	if !crashed {
		tell(line.Stop, to)
	}
	_ = stopped
	if known {
		f.sure = []line.Span{{From: unix(from) + 1, To: seen}}
	}
	n.radius[addr] = append(n.radius[addr], f)
}

// lease simulates DHCP: leases of an hour, renewed at half time, some released.
func (n *network) lease() {
	const pool, lines, first = 170, 150, 150
	free := make([]int64, pool)
	for l := range lines {
		for from := n.r.Int64N(hourMS); from < days*dayMS; {
			a := -1
			for try := 0; a < 0 && try < 1000; try++ {
				if k := n.r.IntN(pool); free[k] <= from {
					a = k
				}
			}
			if a < 0 {
				from += hourMS
				continue
			}
			left := from + 1000 + int64(n.r.ExpFloat64()*8*hourMS)
			released := n.r.IntN(2) == 0
			addr := addr4("10.0.0.0", a)
			f := &fact{from: from, line: first + l}
			r := line.Record{
				Range: line.Range{Prefix: one(addr), Realm: cgnRealm, Hi: 65535}, Held: line.Held{Line: "x"}, Action: line.Alive,
			}
			h := line.Holder{Line: line.LineID(first + l + 1)}
			until := from
			for ms := from; ms < left; ms += hourMS / 2 {
				until = ms + hourMS
				if n.lost(1, unix(ms), 0) {
					continue
				}
				r.At, r.Until = local(ms), local(until)
				n.send(1, r, h)
				f.sure = append(f.sure, n.ungapped(1, line.Span{From: r.At.Latest + 1, To: r.Until.Earliest}))
			}
			f.to = until
			if released {
				f.to = min(until, left)
				if !n.lost(1, unix(left), 0) {
					r.Action, r.At, r.Until = line.Stop, local(left), line.Moment{}
					n.send(1, r, h)
				}
				for i := range f.sure {
					f.sure[i].To = min(f.sure[i].To, local(left).Earliest)
				}
			}
			free[a] = max(f.to, until) + 1000
			n.leases[addr] = append(n.leases[addr], f)
			from = f.to + int64(n.r.ExpFloat64()*0.3*hourMS) + 1000
		}
	}
}

// ungapped is a span up to the log's next gap: what has no name may be somebody else's behind it.
func (n *network) ungapped(log int, s line.Span) line.Span {
	for _, g := range n.gaps[log] {
		if g.From < s.To && g.To > s.From {
			s.To = min(s.To, max(g.From, s.From))
		}
	}
	return s
}

const blockSize = 512

// translate simulates a NAT that logs port blocks of 512, on two addresses; its clock is three seconds ahead.
func (n *network) translate() {
	type slot struct {
		b    block
		free int64
	}
	var slots []slot
	for a := range 2 {
		for lo := 1024; lo+blockSize <= 65536; lo += blockSize {
			slots = append(slots, slot{b: block{addr4("192.0.2.0", a), uint16(lo)}})
		}
	}
	const ahead = 3000
	var wants []*fact
	who := map[*fact]netip.Addr{}
	for addr, facts := range n.leases {
		for _, f := range facts {
			wants = append(wants, f)
			who[f] = addr
		}
	}
	slices.SortFunc(wants, func(a, b *fact) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.line, b.line)) })
	for _, f := range wants {
		for from := f.from + n.r.Int64N(60_000); from < f.to; {
			to := min(from+1000+int64(n.r.ExpFloat64()*2*hourMS), f.to+n.r.Int64N(60_000))
			i := n.r.IntN(len(slots))
			for try := 0; slots[i].free > from && try < 5000; try++ {
				i = n.r.IntN(len(slots))
			}
			if slots[i].free > from {
				break
			}
			slots[i].free = to
			b := slots[i].b
			bf := &fact{from: from, to: to, line: -1, inside: who[f]}
			r := line.Record{
				NAS: "nat", Range: line.Range{Prefix: one(b.addr), Lo: b.lo, Hi: b.lo + blockSize - 1},
				Held: line.Held{Inside: who[f], Realm: cgnRealm},
			}
			h := line.Holder{Inside: line.Address{Addr: who[f], Realm: cgnRealm}}
			begun, ended := unix(from+ahead), unix(to+ahead)
			started := !n.lost(2, begun, 0) && begun < unix(days*dayMS)
			if started {
				r.Action, r.At = line.Start, line.Moment{Earliest: begun, Latest: begun}
				n.send(2, r, h)
			}
			stopped := ended < unix(days*dayMS) && !n.lost(2, ended, 0)
			if stopped {
				r.Action, r.At = line.Stop, line.Moment{Earliest: ended, Latest: ended}
				n.send(2, r, h)
			}
			if started && (stopped || ended < unix(days*dayMS)) {
				bf.sure = []line.Span{n.ungapped(2, line.Span{From: begun + 1, To: ended})}
			}
			n.blocks[b] = append(n.blocks[b], bf)
			from = to + int64(n.r.ExpFloat64()*0.2*hourMS) + 1000
		}
	}
}

func (n *network) static() {
	n.fixed = &fixednat.NAT{
		Inside: netip.MustParsePrefix("10.9.0.0/26"), Realm: fixedRealm, Outside: netip.MustParsePrefix("203.0.113.0/30"), Ports: 2048,
		Valid: line.Span{From: line.Ever, To: line.Never},
	}
	for i := range 64 {
		a := addr4("10.9.0.0", i)
		n.send(3, line.Record{
			Action: line.Alive, NAS: "table", At: line.Moment{Earliest: unix(0), Latest: unix(0)}, Since: line.Moment{Earliest: unix(0) - 1000, Latest: unix(0) - 1000},
			Range: line.Range{Prefix: one(a), Realm: fixedRealm, Hi: 65535}, Held: line.Held{Line: "x"},
		}, line.Holder{Line: line.LineID(301 + i)})
	}
}

// truth is who held a port of an address at a millisecond; -1: nobody.
func (n *network) truth(a netip.Addr, port uint16, ms int64) int {
	for _, f := range n.radius[a] {
		if f.at(ms) {
			return f.line
		}
	}
	for _, f := range n.leases[a] {
		if f.at(ms) {
			return f.line
		}
	}
	if inside, ok := n.fixed.At(a, port); ok {
		return 300 + int(inside.As4()[3])
	}
	if port >= 1024 {
		for _, f := range n.blocks[block{a, (port-1024)/blockSize*blockSize + 1024}] {
			if f.at(ms) {
				return n.truth(f.inside, 0, ms)
			}
		}
	}
	return -1
}

// decidable says whether the logs say for certain that one line held a port throughout a time.
func (n *network) decidable(a netip.Addr, port uint16, q line.Span) bool {
	within := func(facts []*fact, q line.Span) *fact {
		for _, f := range facts {
			at := q.From
			for _, s := range f.sure {
				if s.From <= at && s.To > at {
					at = s.To
				}
			}
			if at >= q.To {
				return f
			}
		}
		return nil
	}
	if within(n.radius[a], q) != nil {
		return true
	}
	if _, ok := n.fixed.At(a, port); ok {
		return true
	}
	if port < 1024 {
		return false
	}
	const clock, ahead = 3, 3
	f := within(n.blocks[block{a, (port-1024)/blockSize*blockSize + 1024}], line.Span{From: q.From - clock, To: q.To + clock})
	_ = ahead
	return f != nil && within(n.leases[f.inside], q) != nil
}

// TestNeverWrong asks a simulated access network who held what: 20,000 times in make test, a million times in make prove.
func TestNeverWrong(t *testing.T) {
	asked, worlds := 20_000, 2
	if os.Getenv("TOCSIN_PROVE") != "" {
		asked, worlds = 1_000_000, 100
	}
	said := map[report.LineState]int{}
	decidable, given, wrong := 0, 0, 0
	for world := range worlds {
		n := simulate(uint64(world))
		for range asked / worlds {
			s, ms := n.ask()
			got, holder := n.room.Look(&s)
			said[got.State]++
			truth := n.truth(s.Addr, s.Port, ms)
			if got.State == report.LineUnique && int(holder.Line)-1 != truth {
				if wrong++; wrong <= 5 {
					t.Errorf("world %d: %+v (%d ms): line %d, in truth %d", world, s, ms, int(holder.Line)-1, truth)
				}
			}
			by := int64(s.Uncertainty / time.Second)
			q := line.Span{From: s.At.Unix() - by, To: s.At.Unix() + by + 1}
			if s.Or.IsZero() && n.decidable(s.Addr, s.Port, q) {
				decidable++
				if got.State == report.LineUnique {
					given++
				} else if decidable-given <= 5 {
					t.Logf("given up: world %d: %+v: %+v", world, s, got)
				}
			}
		}
	}
	t.Logf("%d asked: %v; of %d that can be decided %d are (%.2f %%); %d wrong", asked, said, decidable, given, 100*float64(given)/float64(decidable), wrong)
	if wrong > 0 || decidable*4 < asked || given*100 < decidable*99 {
		t.Errorf("%d wrong, %d of %d decided", wrong, given, decidable)
	}
}

// ask makes a question, and says which millisecond it is about.
func (n *network) ask() (line.Selector, int64) {
	var s line.Selector
	ms := n.r.Int64N(days * dayMS)
	switch n.r.IntN(4) {
	case 0:
		s.Addr = addr4("198.51.100.0", n.r.IntN(200))
	case 1:
		s.Addr = addr4("203.0.113.0", n.r.IntN(4))
	default:
		s.Addr = addr4("192.0.2.0", n.r.IntN(2))
	}
	s.Port = uint16(1024 + n.r.IntN(60_000))
	if n.r.IntN(3) == 0 { // near where something changes
		facts := n.radius[s.Addr]
		if len(facts) == 0 {
			facts = n.blocks[block{s.Addr, (s.Port-1024)/blockSize*blockSize + 1024}]
		}
		if len(facts) > 0 {
			f := facts[n.r.IntN(len(facts))]
			ms = []int64{f.from, f.to}[n.r.IntN(2)] + n.r.Int64N(20_000) - 10_000
			ms = min(max(ms, 0), days*dayMS-1)
		}
	}
	s.At = time.UnixMilli(beginSim.UnixMilli() + ms)
	s.Uncertainty = []time.Duration{0, time.Second, 5 * time.Second, time.Minute}[n.r.IntN(4)]
	switch n.r.IntN(20) {
	case 0:
		s.Port = 0
	case 1:
		if m := local(ms); m.Earliest != m.Latest { // the source said local time
			s.Or = time.Unix(m.Earliest+m.Latest-s.At.Unix(), 0)
		}
	}
	if s.Uncertainty > 0 { // the clock of whoever saw it is off by so much
		off := time.Duration(n.r.Int64N(int64(2*s.Uncertainty))) - s.Uncertainty
		s.At = s.At.Add(off)
		if !s.Or.IsZero() {
			s.Or = s.Or.Add(off)
		}
	}
	return s, ms
}
