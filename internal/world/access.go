package world

import (
	"cmp"
	"container/heap"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
)

// region is an access network of the ISP. Each has a NAT, and deals out the same inside addresses: without the realm
// nobody could tell them apart.
type region struct {
	name    string
	outside netip.Prefix
}

var regions = [...]region{
	{"north", netip.MustParsePrefix("203.0.113.0/26")},
	{"south", netip.MustParsePrefix("203.0.113.64/26")},
}

// insidePool is RFC 6598's.
var insidePool = netip.MustParsePrefix("100.64.0.0/10")

// Port blocks of the NATs.
const (
	firstPort    = 1024 // RFC 7422 §2: well-known ports are not handed out
	portsPerLine = 400
	blocksPer    = (1<<16 - firstPort) / portsPerLine // of an address
	addrsPer     = 62                                 // of a region
	slotsPer     = blocksPer * addrsPer
	holdDown     = 120 // seconds before a block is another line's: RFC 6888 §2, REQ-8
)

// Of the access server.
const (
	interim  = 4 * 3600 // seconds from one word about a session to the next
	crashed  = 150      // seconds from its crash until it says that it was started again
	reserve  = 12 * 3600
	logsOver = 2 * 3600 // the logs go on for so long behind the last day
)

const never = math.MaxInt64 / 4

// span is seconds of Unix time, half-open.
type span struct{ from, to int64 }

func (s span) and(o span) span   { return span{max(s.from, o.from), min(s.to, o.to)} }
func (s span) empty() bool       { return s.to <= s.from }
func (s span) has(at int64) bool { return s.from <= at && at < s.to }

// block is that a line had some ports of an outside address.
type block struct {
	line   int32
	slot   int32  // region, address and ports
	inside uint32 // its inside address then, by number
	was    span
}

// lease is that a line had an inside address.
type lease struct {
	line   int32
	inside uint32
	was    span
}

// dial is a session of a line that dials in.
type dial struct {
	line   int32
	addr   netip.Addr
	prefix netip.Prefix
	was    span  // what is true
	told   bool  // the stop was
	sure   int64 // the log is certain of it until here
	gone4  int64 // and the last moment at which, by the log, it may have had its address
	gone6  int64 // or its prefix
}

// access is what happened in the ISP's access networks, and through it what their logs say.
type access struct {
	blocks []block
	leases []lease
	dials  []dial

	byLine  [][]int32              // blocks, or dials, in the order of time
	bySlot  [][]int32              // blocks
	byAddr  map[netip.Addr][]int32 // dials
	byNet   map[netip.Prefix]int32 // dials
	restart int64                  // the access server says that it was started again
	end     int64                  // of all logs
}

// makeAccess plays the access networks: sick says which lines have a device that reports are about.
func (w *World) makeAccess(sick []bool) {
	a := &access{
		byLine: make([][]int32, len(w.lines)), bySlot: make([][]int32, slotsPer*len(regions)),
		byAddr: map[netip.Addr][]int32{}, byNet: map[netip.Prefix]int32{},
		end: w.day(w.size.Days).Unix() + logsOver,
	}
	w.access = a
	for i := range regions {
		w.translate(uint8(i), sick)
	}
	w.dialIn()
}

// change is that a shared line goes on, off, or over to another block.
type change struct {
	at   int64
	line int32
	off  bool
	move bool // its inside address is another from now on
}

// translate plays a region: its leases and its NAT.
func (w *World) translate(number uint8, sick []bool) {
	a, r := w.access, w.random("region "+regions[number].name, 0)
	changes, lines := w.changes(number, sick, r)
	if lines == 0 {
		return
	}
	first := int32(number) * slotsPer
	free := make([]int32, 0, slotsPer) // the longest free first
	for i := range int32(min(addrsPer, (lines+blocksPer-1)/blocksPer+1) * blocksPer) {
		free = append(free, first+i)
	}
	freed := make(map[int32]int64, slotsPer) // since when
	now := map[int32]int32{}                 // the block of each line
	leased := map[int32]int32{}              // the lease of each line
	inside := uint32(0)
	for _, c := range changes {
		old, has := now[c.line]
		if !c.off && (len(free) == 0 || freed[free[0]] > c.at-holdDown) {
			continue // all are in use: it keeps what it has
		}
		if has {
			delete(now, c.line)
			a.blocks[old].was.to = c.at
			free = append(free, a.blocks[old].slot)
			freed[a.blocks[old].slot] = c.at
		}
		if c.off {
			continue
		}
		l, known := leased[c.line]
		if !known || c.move {
			if known {
				a.leases[l].was.to = c.at
			}
			inside++
			l = int32(len(a.leases))
			leased[c.line] = l
			a.leases = append(a.leases, lease{c.line, inside, span{c.at, never}})
		}
		b := int32(len(a.blocks))
		a.blocks = append(a.blocks, block{c.line, free[0], a.leases[l].inside, span{c.at, never}})
		now[c.line] = b
		a.byLine[c.line] = append(a.byLine[c.line], b)
		a.bySlot[free[0]] = append(a.bySlot[free[0]], b)
		free = free[1:]
	}
}

// changes draws what the lines of a region do, in the order of time, and says how many lines it has.
func (w *World) changes(number uint8, sick []bool, r *rand.Rand) (all []change, lines int) {
	start, last := w.size.Start.Unix(), int32(-1)
	for i := range w.lines {
		l := &w.lines[i]
		if l.Access != Shared || l.Region != number {
			continue
		}
		lines, last = lines+1, int32(i)
		at := start - 3600 - r.Int64N(reserve)
		all = append(all, change{at: at, line: last})
		if !sick[i] && r.IntN(4) > 0 { // most never rest, and nobody hears of them
			continue
		}
		for on := true; ; on = !on {
			switch {
			case sick[i]: // its device never rests, but now and then the NAT gives it another block
				at += 3600 + int64(r.ExpFloat64()*3*day)
				on = false
			case on:
				at += 3600 + int64(r.ExpFloat64()*6*day)
			default:
				at += 3600 + int64(r.ExpFloat64()*day)
			}
			if at >= w.access.end {
				break
			}
			all = append(all, change{at: at, line: last, off: on && !sick[i], move: r.IntN(10) == 0})
		}
	}
	if last >= 0 { // the log reaches to its end
		all = append(all, change{at: w.access.end, line: last})
	}
	slices.SortFunc(all, func(a, b change) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.line, b.line)) })
	return all, lines
}

// calls are lines that dial in, the next first.
type calls []change

// Len, Swap and Push are heap.Interface's.
func (c calls) Len() int      { return len(c) }
func (c calls) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *calls) Push(x any)   { *c = append(*c, x.(change)) }

// Less puts the earlier first.
func (c calls) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(c[i].at, c[j].at), cmp.Compare(c[i].line, c[j].line)) < 0
}

// Pop is heap.Interface's.
func (c *calls) Pop() any {
	old := *c
	x := old[len(old)-1]
	*c = old[:len(old)-1]
	return x
}

// dialIn plays the lines that dial in. Some stops are lost, and once the access server crashes with all sessions.
func (w *World) dialIn() {
	a, r := w.access, w.random("dial", 0)
	a.restart = w.day(w.size.Days/2).Unix() + 7*3600 + r.Int64N(12*3600)
	crash := a.restart - crashed
	var next calls
	for i := range w.lines {
		if w.lines[i].Access == Dynamic {
			heap.Push(&next, change{at: w.size.Start.Unix() - 3600 - r.Int64N(reserve), line: int32(i)})
		}
	}
	var free []netip.Addr
	for i := range uint64(62) {
		free = append(free, plus(dialPool.Addr(), 1+i))
	}
	open := map[int32]int32{}
	for len(next) > 0 {
		c := heap.Pop(&next).(change)
		n := int32(len(a.dials))
		if c.off {
			d := &a.dials[open[c.line]]
			free = append(free, d.addr)
			at := c.at + 8 + r.Int64N(40)
			if c.at == crash {
				at = a.restart + 10 + r.Int64N(120)
			} else if at >= crash && at < a.restart {
				at = a.restart + 10
			}
			heap.Push(&next, change{at: at, line: c.line})
			continue
		}
		if c.at >= a.end {
			continue
		}
		d := dial{line: c.line, addr: free[0], prefix: linePrefix(1<<15 + int(n)), told: n > 0 && r.IntN(6) > 0}
		free = free[1:]
		d.was = span{c.at, c.at + 7200 + int64(min(r.ExpFloat64()*2, 6)*day)}
		switch {
		case c.at < crash && d.was.to >= crash:
			d.was.to, d.told = crash, false
		case d.was.to > a.end:
			d.was.to, d.told = never, false
		}
		a.dials = append(a.dials, d)
		a.byLine[c.line], a.byAddr[d.addr], a.byNet[d.prefix] = append(a.byLine[c.line], n), append(a.byAddr[d.addr], n), n
		open[c.line] = n
		if d.was.to < never {
			heap.Push(&next, change{at: d.was.to, line: c.line, off: true})
		}
	}
	for i := range a.dials {
		a.conclude(&a.dials[i])
	}
}

// conclude says what the log of the access server comes to for a session.
func (a *access) conclude(d *dial) {
	switch {
	case d.told:
		d.sure, d.gone4, d.gone6 = d.was.to, d.was.to, d.was.to
		return
	case d.was.to == never:
		d.sure, d.gone4, d.gone6 = a.end, never, never
		return
	}
	d.sure = d.was.from + (d.was.to-1-d.was.from)/interim*interim // its last word
	d.gone6 = never
	if d.was.from < a.restart {
		d.gone6 = a.restart
	}
	d.gone4 = d.gone6
	for _, i := range a.byAddr[d.addr] {
		if o := &a.dials[i]; o.was.from > d.was.from {
			d.gone4 = min(d.gone4, o.was.from)
		}
	}
}

// blockAt is the block of a line at an instant; nil when it had none.
func (a *access) blockAt(line int32, at int64) *block {
	for _, i := range a.byLine[line] {
		if a.blocks[i].was.has(at) {
			return &a.blocks[i]
		}
	}
	return nil
}

// dialAt is the session of a line at an instant; nil when it had none.
func (a *access) dialAt(line int32, at int64) *dial {
	for _, i := range a.byLine[line] {
		if a.dials[i].was.has(at) {
			return &a.dials[i]
		}
	}
	return nil
}

// outside is the address and the ports of a block.
func (a *access) outside(slot int32) (addr netip.Addr, first, last uint16) {
	pool := regions[slot/slotsPer].outside
	n := slot % slotsPer
	first = uint16(firstPort + n%blocksPer*portsPerLine)
	return plus(pool.Addr(), uint64(1+n/blocksPer)), first, first + portsPerLine - 1
}

// slotsOf are the blocks of an outside address: n of them from the first on.
func slotsOf(addr netip.Addr) (first int32, ok bool) {
	for i, r := range regions {
		if host := int32(addr.AsSlice()[len(addr.AsSlice())-1] & 63); r.outside.Contains(addr) && host >= 1 && host <= addrsPer {
			return int32(i)*slotsPer + (host-1)*blocksPer, true
		}
	}
	return 0, false
}
