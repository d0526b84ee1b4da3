package world

import (
	"net/netip"
	"slices"
	"time"

	"tocsin/internal/report"
)

// Answer is what the logs of the ISP, honestly read, say of whose line something was. It is made from what happened, by
// a way of its own that knows no other room.
type Answer struct {
	State report.LineState
	Count int // lines that it could be, where State is report.LineAmbiguous
	Line  int // where State is report.LineUnique; else -1
}

// Answers counts them.
type Answers struct{ Unique, Ambiguous, None int }

// claim is that a line may have held what is asked for.
type claim struct {
	line     int32
	possible span
	certain  span
}

// Answer says who held an address and port at an instant that is known to within some time, either way. Port 0 is not
// known.
func (w *World) Answer(addr netip.Addr, port uint16, at time.Time, within time.Duration) Answer {
	by := int64((within + time.Second - 1) / time.Second)
	q := span{at.Unix() - by, at.Unix() + by + 1}
	claims, shared := w.claims(addr, port, q)
	lines := map[int32]bool{}
	left := q // what nobody is certain of
	var certain []span
	for _, c := range claims {
		lines[c.line] = true
		if part := c.certain.and(q); !part.empty() {
			certain = append(certain, part)
		}
	}
	slices.SortFunc(certain, func(a, b span) int { return int(a.from - b.from) })
	for _, c := range certain {
		if c.from <= left.from {
			left.from = max(left.from, c.to)
		}
	}
	switch {
	case len(claims) == 0:
		return Answer{report.LineNone, 0, -1}
	case shared && port == 0 || len(lines) > 1:
		return Answer{report.LineAmbiguous, len(lines), -1}
	case len(certain) == 0: // a gap
		return Answer{report.LineNone, 0, -1}
	case !left.empty():
		return Answer{report.LineAmbiguous, 1, -1}
	}
	return Answer{report.LineUnique, 0, int(claims[0].line)}
}

// Answers counts what is to be said of all observations about the ISP's own addresses.
func (w *World) Answers(within time.Duration) Answers {
	var n Answers
	for o := range w.Observations() {
		if o.Holder != w.nets.Own.ID {
			continue
		}
		switch w.Answer(o.Addr, o.Port, o.At, within).State {
		case report.LineUnique:
			n.Unique++
		case report.LineAmbiguous:
			n.Ambiguous++
		default:
			n.None++
		}
	}
	return n
}

// claims are the lines that by the logs may have had an address and port at some time within q. shared says that others
// had other ports of the address.
func (w *World) claims(addr netip.Addr, port uint16, q span) (all []claim, shared bool) {
	a := w.access
	add := func(line int32, was span, sure, gone int64) {
		c := claim{line, span{was.from, gone}, span{was.from + 1, sure}}
		if gone < never {
			c.possible.to++ // in the second that the log names
		}
		if !c.possible.and(q).empty() {
			all = append(all, c)
		}
	}
	forever := span{-never, never}
	if linePool.Contains(addr) {
		b := addr.As16()
		n := int(b[5])<<8 | int(b[6])
		if i, ok := a.byNet[linePrefix(n)]; ok {
			d := &a.dials[i]
			add(d.line, d.was, d.sure, d.gone6)
		} else if n < len(w.lines) && w.lines[n].Access != Dynamic {
			add(int32(n), forever, never, never)
		}
		return all, false
	}
	for _, i := range a.byAddr[addr] {
		d := &a.dials[i]
		add(d.line, d.was, d.sure, d.gone4)
	}
	if line, ok := w.static[addr]; ok {
		add(line, forever, never, never)
	}
	first, ok := slotsOf(addr)
	if !ok {
		return all, false
	}
	for i := first; i < first+blocksPer; i++ {
		if _, lo, hi := a.outside(i); port != 0 && (port < lo || port > hi) {
			continue
		}
		for _, n := range a.bySlot[i] {
			b := &a.blocks[n]
			add(b.line, b.was, b.was.to, b.was.to)
		}
	}
	return all, true
}
