// Package linetest simulates an access network for tests: what happened in it, to the millisecond, what its logs said of
// it, and, by a slow and obvious way, what can be known from them.
package linetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/line/fixednat"
)

// Network is what happened and what was said of it:
//
//	lines   0-149: RADIUS, public addresses, three NASes that crash now and then and count their sessions anew; two of
//	               them say no more than how long a session lasts, which may move to another address; some stops name none
//	lines 150-299: DHCP leases of inside addresses, logged in London's local time over the end of summer time, some renewed
//	               for less than they had, some given back by another client than had them by the log; their traffic
//	               leaves by port blocks that two NATs log, whose clocks are off, each by another time. Some of their rows
//	               are damaged, in the second of a good one
//	lines 300-363: inside addresses that a table knows, behind a NAT without a log

type Network struct {
	// Logs are what each source says, in the order in which it arrives: RADIUS, leases, the NAT, the table.
	Logs [4][]line.Record
	// Fixed is the NAT that has no log.
	Fixed *fixednat.NAT

	r       *rand.Rand
	radius  map[netip.Addr][]*fact
	leases  map[netip.Addr][]*fact
	blocks  map[block][]*fact
	records [4][]sent
	gaps    [4][]line.Span
	torn    []line.Span // of the NATs' rows, beside the gaps
}

// Rules are how the records of each log are to be understood.
func Rules() [4]line.Rules { return [4]line.Rules{{Interim: true}, {}, {}, {Standing: true}} }

// clocksOff is by how many seconds the clocks of the NATs are off.
var clocksOff = [2]int64{3, 10}

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

// sent is a record on its way, with the time when it comes.
type sent struct {
	r     line.Record
	comes int64
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

// Simulate makes one; the same seed makes the same.
func Simulate(seed uint64) *Network {
	n := &Network{
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
	n.dial()
	n.lease()
	n.translate()
	n.static()
	for i := range n.Logs {
		n.deliver(i)
	}
	return n
}

// lost reports whether a record of a log at a time never arrives.
func (n *Network) lost(log int, at int64, by float64) bool {
	for _, g := range n.gaps[log] {
		if g.From <= at && at < g.To {
			return true
		}
	}
	return n.r.Float64() < by
}

func (n *Network) send(log int, r line.Record) {
	copies := 1
	if n.r.Float64() < 0.02 {
		copies = 2
	}
	for range copies {
		ahead := int64(0)
		if log == 2 {
			ahead = clocksOff[natOf(r.NAS)]
		}
		comes := r.At.Earliest - ahead
		if n.r.IntN(5) == 0 { // the others come at once
			comes += n.r.Int64N(300)
		}
		if log == 2 { // it is heard on the wire; the others are files
			r.Received = time.Unix(comes, 0)
		}
		n.records[log] = append(n.records[log], sent{r, comes})
	}
}

// deliver puts the records of a log in the order in which they come. That some were lost is said a while later.
func (n *Network) deliver(log int) {
	for _, g := range n.gaps[log] {
		n.records[log] = append(n.records[log], sent{line.Record{
			Action: line.Missing, Since: line.Moment{Earliest: g.From, Latest: g.From}, At: line.Moment{Earliest: g.To - 1, Latest: g.To - 1},
		}, g.To + 300})
	}
	slices.SortStableFunc(n.records[log], func(a, b sent) int { return cmp.Compare(a.comes, b.comes) })
	for i := range n.records[log] {
		n.Logs[log] = append(n.Logs[log], n.records[log][i].r)
	}
	n.records[log] = nil
}

// dial simulates RADIUS: sessions with names, interim updates, lost packets, crashes.
func (n *Network) dial() {
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
				n.send(0, line.Record{Action: line.Reset, NAS: nas(i), At: line.Moment{Earliest: unix(up), Latest: unix(up)}})
			}
		}
	}
	next := make([]int64, lines)
	for l := range next {
		next[l] = n.r.Int64N(hourMS)
	}
	serials := map[[2]int]int{} // by device, and how often it had crashed
	for {
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
		moves, b := to, a
		if box > 0 && n.r.IntN(6) == 0 {
			for free[b] > from {
				b = n.r.IntN(pool)
			}
			moves = from + n.r.Int64N(to-from) + 1
			free[a], free[b] = moves, to
		}
		next[l] = to + int64(n.r.ExpFloat64()*0.5*hourMS)
		if crashed {
			next[l] += 300_000
		}
		life := [2]int{box}
		for _, at := range crashes[box] {
			if at <= from {
				life[1]++
			}
		}
		serials[life]++
		n.session(serials[life], box, l, [2]netip.Addr{addr4("198.51.100.0", a), addr4("198.51.100.0", b)}, from, moves, to, crashed)
	}
}

// Name is what the logs call a line.
func Name(l int) string { return fmt.Sprintf("line%d@isp.example", l) }

func nas(i int) string { return fmt.Sprint("nas", i) }

// session is one that holds the first of two addresses until it moves, and then the second.
func (n *Network) session(serial, box, l int, addrs [2]netip.Addr, from, moves, to int64, crashed bool) {
	facts := [2]*fact{{from: from, to: moves, line: l}, {from: moves, to: to, line: l}}
	r := line.Record{NAS: nas(box), Session: fmt.Sprint("s", serial), Held: line.Held{Line: Name(l)}}
	var first, seen [2]int64
	tell := func(what line.Action, ms int64) {
		at := unix(ms)
		has, by := 0, 0.005
		if moves < to && ms >= moves {
			has = 1
		}
		if ms == moves {
			by = 0 // else nobody could know of it
		}
		if at > unix(days*dayMS) || n.lost(0, at, by) {
			return
		}
		r.Action, r.At, r.Since, r.Range = what, line.Moment{Earliest: at, Latest: at}, line.Moment{}, line.Whole(one(addrs[has]))
		sure := at
		switch {
		case what == line.Start:
			sure++
		case box == 0: // the device says when it began
			r.Since = line.Moment{Earliest: unix(from), Latest: unix(from)}
			sure = unix(from) + 1
		default: // as acct makes of how long it lasted
			r.Since = line.Moment{Earliest: at - (ms-from)/1000 - 1, Latest: at}
			sure++
		}
		if what == line.Stop && n.r.IntN(3) == 0 {
			r.Range, r.Since = line.Range{}, line.Moment{}
		} else if first[has] == 0 || sure < first[has] {
			first[has] = sure
		}
		n.send(0, r)
		seen[has] = max(seen[has], at)
	}
	tell(line.Start, from)
	for ms := from + 600_000; ms < to; ms += 600_000 {
		if ms-600_000 < moves && moves <= ms && moves < to {
			tell(line.Alive, moves)
		}
		if ms != moves {
			tell(line.Alive, ms)
		}
	}
	if late := (to - from - 1) / 600_000 * 600_000; moves < to && moves > from+late {
		tell(line.Alive, moves)
	}
	if !crashed {
		tell(line.Stop, to)
	}
	for i, f := range facts {
		if first[i] != 0 && first[i] < seen[i] {
			f.sure = []line.Span{{From: first[i], To: seen[i]}}
		}
		n.radius[addrs[i]] = append(n.radius[addrs[i]], f)
		if moves == to {
			break
		}
	}
}

// lease simulates DHCP: leases of an hour, renewed at half time, some released.
func (n *Network) lease() {
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
			released, shorter, usurped := n.r.IntN(2) == 0, n.r.IntN(8) == 0, n.r.IntN(25) == 0
			addr := addr4("10.0.0.0", a)
			f := &fact{from: from, line: first + l}
			r := line.Record{
				Range: line.Range{Prefix: one(addr), Realm: cgnRealm, Hi: 65535}, Held: line.Held{Line: Name(first + l)}, Action: line.Alive,
			}
			until, last := from, from
			for ms := from; ms < left; ms += hourMS / 2 {
				until = ms + hourMS
				if shorter = shorter && ms > from; shorter || ms > from && ms+hourMS/2 >= left && n.r.IntN(4) == 0 {
					until, left, released, usurped = ms+600_000, ms+1, false, false
				}
				last = ms
				if n.lost(1, unix(ms), 0) {
					continue
				}
				r.At, r.Until = local(ms), local(until)
				n.send(1, r)
				for i := range f.sure { // what is said last counts
					f.sure[i].To = min(f.sure[i].To, r.Until.Earliest)
				}
				f.sure = append(f.sure, n.ungapped(1, line.Span{From: r.At.Latest + 1, To: r.Until.Earliest}))
			}
			f.to = until
			switch {
			case usurped && !n.lost(1, unix(last+usurpedMS[2]), 0):
				began, ended := last+usurpedMS[1], last+usurpedMS[2]
				f.to = last + usurpedMS[0]
				for i := range f.sure {
					f.sure[i].To = min(f.sure[i].To, local(last).Earliest)
				}
				other := first + (l+1+n.r.IntN(lines-1))%lines
				n.leases[addr] = append(n.leases[addr], &fact{from: began, to: ended, line: other})
				r.Action, r.At, r.Until, r.Held.Line = line.Stop, local(ended), line.Moment{}, Name(other)
				n.send(1, r)
			case released:
				f.to = min(until, left)
				if !n.lost(1, unix(left), 0) {
					r.Action, r.At, r.Until = line.Stop, local(left), line.Moment{}
					n.send(1, r)
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

// usurpedMS is when, after the last word of a lease, it is given back, somebody else has it, and gives it back. Of these
// the log says the last alone.
var usurpedMS = [3]int64{120_000, 180_000, 900_000}

// ungapped is a span up to the log's next gap: what has no name may be somebody else's behind it.
func (n *Network) ungapped(log int, s line.Span) line.Span {
	gaps := n.gaps[log]
	if log == 2 {
		gaps = slices.Concat(gaps, n.torn)
	}
	for _, g := range gaps {
		if g.From < s.To && g.To > s.From {
			s.To = min(s.To, max(g.From, s.From))
		}
	}
	return s
}

const blockSize = 512

// natOf is the number of a NAT by its name.
func natOf(name string) int {
	if name == "nat1" {
		return 1
	}
	return 0
}

// translate simulates two NATs that log port blocks of 512, each on an address; their clocks are ahead.
func (n *Network) translate() {
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
	torn := []int64{n.r.Int64N(days * dayMS), n.r.Int64N(days * dayMS), n.r.Int64N(days * dayMS)} // not before these times
	raw := map[*fact]line.Span{}
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
			b := slots[i].b
			box := int(b.addr.As4()[3])
			ahead := clocksOff[box] * 1000
			tear := len(torn) > 0 && from >= torn[0] && from < torn[0]+4*hourMS && (from+ahead)%1000 < 900
			if tear { // it ends at once, and that row is damaged
				to = from + 50
				torn = torn[1:]
			}
			slots[i].free = to
			bf := &fact{from: from, to: to, line: -1, inside: who[f]}
			r := line.Record{
				NAS: fmt.Sprint("nat", box), Range: line.Range{Prefix: one(b.addr), Lo: b.lo, Hi: b.lo + blockSize - 1},
				Held: line.Held{Inside: who[f], Realm: cgnRealm},
			}
			begun, ended := unix(from+ahead), unix(to+ahead)
			started := !n.lost(2, begun, 0) && begun < unix(days*dayMS)
			if started {
				r.Action, r.At = line.Start, line.Moment{Earliest: begun, Latest: begun}
				if tear {
					n.tear(r)
					n.blocks[b] = append(n.blocks[b], bf)
					from = to + 1000
					continue
				}
				n.send(2, r)
			}
			stopped := ended < unix(days*dayMS) && !n.lost(2, ended, 0)
			if stopped {
				r.Action, r.At = line.Stop, line.Moment{Earliest: ended, Latest: ended}
				n.send(2, r)
			}
			if started && (stopped || ended < unix(days*dayMS)) {
				raw[bf] = line.Span{From: begun + 1, To: ended}
			}
			n.blocks[b] = append(n.blocks[b], bf)
			from = to + int64(n.r.ExpFloat64()*0.2*hourMS) + 1000
		}
	}
	for f, s := range raw {
		f.sure = []line.Span{n.ungapped(2, s)}
	}
}

// tear sends a record, and at once that others of its second are damaged.
func (n *Network) tear(r line.Record) {
	at := r.At.Earliest
	n.torn = append(n.torn, line.Span{From: at, To: at + 1})
	comes := at - clocksOff[natOf(r.NAS)]
	r.Received = time.Unix(comes, 0)
	n.records[2] = append(n.records[2], sent{r, comes}, sent{line.Record{Action: line.Missing, Since: r.At, At: r.At}, comes})
}

func (n *Network) static() {
	n.Fixed = &fixednat.NAT{
		Inside: netip.MustParsePrefix("10.9.0.0/26"), Realm: fixedRealm, Outside: netip.MustParsePrefix("203.0.113.0/30"), Ports: 2048,
		Valid: line.Span{From: line.Ever, To: line.Never},
	}
	for i := range 64 {
		a := addr4("10.9.0.0", i)
		n.send(3, line.Record{
			Action: line.Alive, NAS: "table", At: line.Moment{Earliest: unix(0), Latest: unix(0)}, Since: line.Moment{Earliest: unix(0) - 1000, Latest: unix(0) - 1000},
			Range: line.Range{Prefix: one(a), Realm: fixedRealm, Hi: 65535}, Held: line.Held{Line: Name(300 + i)},
		})
	}
}

// Truth is who held a port of an address at a millisecond; -1: nobody.
func (n *Network) Truth(a netip.Addr, port uint16, ms int64) int {
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
	if inside, ok := n.Fixed.At(a, port); ok {
		return 300 + int(inside.As4()[3])
	}
	if port >= 1024 {
		for _, f := range n.blocks[block{a, (port-1024)/blockSize*blockSize + 1024}] {
			if f.at(ms) {
				return n.Truth(f.inside, 0, ms)
			}
		}
	}
	return -1
}

// Decidable says whether the logs say for certain that one line held a port throughout a time. What went on at some time
// apart is left out: as where the logs came in two parts, the later one first.
func (n *Network) Decidable(a netip.Addr, port uint16, q line.Span, apart ...line.Span) bool {
	within := func(facts []*fact, q line.Span) *fact {
		for _, f := range facts {
			if slices.ContainsFunc(apart, line.Span{From: unix(f.from), To: unix(f.to) + 1}.Meets) {
				continue
			}
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
	if _, ok := n.Fixed.At(a, port); ok {
		return true
	}
	if port < 1024 {
		return false
	}
	measured := slices.Max(clocksOff[:]) + 1 // all clocks are read in whole seconds
	f := within(n.blocks[block{a, (port-1024)/blockSize*blockSize + 1024}], line.Span{From: q.From - measured, To: q.To + measured})
	return f != nil && within(n.leases[f.inside], q) != nil
}

// Ask makes a question, and says which millisecond it is about.
func (n *Network) Ask() (line.Selector, int64) {
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
