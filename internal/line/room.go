package line

import (
	"math"
	"slices"

	"tocsin/internal/report"
)

// Sessions is what a room asks about one source.
type Sessions interface {
	// Each yields the sessions that may have held a port of an address at some time within q, by the source's own clock.
	// Port 0 is any port, protocol "" any protocol. A session may be yielded twice.
	Each(a Address, port uint16, proto string, q Span, yield func(Session))

	// Clock is by how many seconds the source's clock may have been off at that time, either way; at least zero.
	Clock(q Span) int64

	// Known says what the source's log can say of a span: whether a part of it has been deleted, lies in a gap, or is
	// still to come.
	Known(q Span) Knowledge
}

// Knowledge is what a log can say of a span of time.
type Knowledge struct{ Deleted, Gap, Ahead bool }

// Room puts the claims of all sources together. The zero value knows no line.
type Room struct{ Sources []Sessions }

const (
	maxInside = 2 // NATs behind NATs
	maxClaims = 100_000
)

// Look says who held what a question names. Holder is that of a unique answer, else zero.
func (r *Room) Look(s *Selector) (report.LineAnswer, Holder) {
	v := r.instant(s, s.At.Unix())
	if !s.Or.IsZero() {
		v = either(v, r.instant(s, s.Or.Unix()), reasonFold)
	}
	a := report.LineAnswer{State: v.state, Reason: v.reason}
	if v.state == report.LineAmbiguous {
		a.Count = len(v.holders)
	}
	if v.state == report.LineUnique {
		return a, v.holders[0]
	}
	return a, Holder{}
}

func (r *Room) instant(s *Selector, at int64) verdict {
	by := int64(math.Ceil(s.Uncertainty.Seconds()))
	q := Span{at - by, at + by + 1}
	a := Address{Addr: s.Addr.Unmap().WithZone("")}
	claims := r.claims(a, s.Port, s.Proto, q, 0)
	if s.Proto == "" && byProto(claims) {
		return either(r.answer(q, r.claims(a, s.Port, "tcp", q, 0), s.Port), r.answer(q, r.claims(a, s.Port, "udp", q, 0), s.Port), reasonProto)
	}
	return r.answer(q, claims, s.Port)
}

// byProto reports whether it matters which protocol is asked about.
func byProto(claims []claim) bool {
	for i := range claims {
		if claims[i].rng.Proto != "" {
			return true
		}
	}
	return false
}

func (r *Room) answer(q Span, claims []claim, port uint16) verdict {
	if port == 0 && shared(claims) {
		v := verdict{state: report.LineAmbiguous, reason: reasonPort}
		seen := map[Holder]bool{}
		for i := range claims {
			if h := claims[i].holder; !seen[h] {
				seen[h] = true
				v.holders = append(v.holders, h)
			}
		}
		return v
	}
	v := judge(q, claims)
	if v.state != report.LineNone {
		return v
	}
	var all Knowledge
	for _, s := range r.Sources {
		k := s.Known(q.widened(s.Clock(q)))
		all.Deleted, all.Gap, all.Ahead = all.Deleted || k.Deleted, all.Gap || k.Gap, all.Ahead || k.Ahead
	}
	switch {
	case all.Deleted:
		return verdict{state: report.LineOutsideRetention, reason: reasonPurged}
	case v.reason == reasonInside:
	case all.Ahead:
		v.reason = reasonLater
	case all.Gap:
		v.reason = reasonGap
	}
	return v
}

// claims are those of all sources on an address, in true time. Where it belongs to a NAT, they are those on who had the
// address behind it, for as long as that had the port.
func (r *Room) claims(a Address, port uint16, proto string, q Span, depth int) []claim {
	var found []claim
	for i, s := range r.Sources {
		off := s.Clock(q)
		s.Each(a, port, proto, q.widened(off), func(x Session) {
			c := claim{source: i, rng: x.Range, holder: x.Holder, possible: x.Possible.widened(off), certain: x.Certain.widened(-off)}
			if len(found) > maxClaims {
				return
			}
			if len(found) == maxClaims { // whoever is left out is somebody else
				c.holder = Holder{}
			}
			if c.possible.Meets(q) && !slices.Contains(found, c) {
				found = append(found, c)
			}
		})
	}
	found = settled(q, found)
	out := found[:0:0]
	for i := range found {
		c := &found[i]
		if c.holder.Line != 0 || depth >= maxInside {
			out = append(out, *c)
			continue
		}
		part := q.And(c.possible)
		inside := r.claims(c.holder.Inside, 0, "", part, depth+1)
		if !covered(part, inside) || shared(inside) {
			out = append(out, *c) // for some of the time, or some of its ports, nobody knows whose the inside address was
		}
		for j := range inside {
			in := inside[j]
			in.possible, in.certain = in.possible.And(c.possible), in.certain.And(c.certain)
			in.rng.Lo, in.rng.Hi, in.rng.Proto = c.rng.Lo, c.rng.Hi, c.rng.Proto
			out = append(out, in)
		}
	}
	return out
}

// shared reports whether the address has more than one holder at a time, each with some of the ports.
func shared(claims []claim) bool {
	for i := range claims {
		if claims[i].rng.Lo != 0 || claims[i].rng.Hi != 65535 {
			return true
		}
	}
	return false
}

// covered reports whether somebody may have held the address throughout q.
func covered(q Span, claims []claim) bool {
	spans := make([]Span, len(claims))
	for i := range claims {
		spans[i] = claims[i].possible
	}
	return q.covers(spans)
}
