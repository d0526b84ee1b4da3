package line

import (
	"context"
	"math"
	"slices"

	"tocsin/internal/report"
)

// Sessions is what a room asks about one source.
type Sessions interface {
	// Each yields the sessions that may have held a port of an address at some time within q, by the source's own clock,
	// and says what the source knows of that. Port 0 is any port, protocol "" any protocol. A session may be yielded
	// twice. It may wait for somebody else's system, and does so no longer than ctx. An error is one of this node: then
	// there is no answer, and the same may be asked again. A source that does not answer is no error, but
	// Knowledge.Silent.
	Each(ctx context.Context, a Address, port uint16, proto string, q Span, yield func(Session)) (Knowledge, error)

	// Clock is by how many seconds the source's clock may have been off at that time, either way; at least zero.
	Clock(q Span) int64
}

// Knowledge is what a source cannot say of a span of time: whether a part of it has been deleted, lies in a gap of the
// log, is still to come, or lies before the first thing that the source said, or whether it did not answer. The zero value
// is that it knows all.
type Knowledge struct{ Deleted, Gap, Ahead, Before, Silent bool }

func (k *Knowledge) add(o Knowledge) {
	*k = Knowledge{k.Deleted || o.Deleted, k.Gap || o.Gap, k.Ahead || o.Ahead, k.Before || o.Before, k.Silent || o.Silent}
}

// Room puts the claims of all sources together. The zero value knows no line.
type Room struct{ Sources []Sessions }

const (
	maxInside = 2 // NATs behind NATs
	maxClaims = 100_000
)

// Look says who held what a question names. Holder is that of a unique answer, else zero.
func (r *Room) Look(ctx context.Context, s *Selector) (report.LineAnswer, Holder, error) {
	v, err := r.instant(ctx, s, s.At.Unix())
	if err == nil && !s.Or.IsZero() {
		var or verdict
		or, err = r.instant(ctx, s, s.Or.Unix())
		v = either(v, or, reasonFold)
	}
	if err != nil {
		return report.LineAnswer{}, Holder{}, err
	}
	a := report.LineAnswer{State: v.state, Reason: v.reason, Need: needs[v.reason]}
	if v.state == report.LineAmbiguous {
		a.Count = len(v.holders)
	}
	if v.state == report.LineUnique {
		return a, v.holders[0], nil
	}
	return a, Holder{}, nil
}

func (r *Room) instant(ctx context.Context, s *Selector, at int64) (verdict, error) {
	by := int64(math.Ceil(s.Uncertainty.Seconds()))
	q := Span{at - by, at + by + 1}
	a := Address{Addr: s.Addr.Unmap().WithZone("")}
	var k Knowledge
	claims, err := r.claims(ctx, a, s.Port, s.Proto, q, 0, &k)
	if err != nil || s.Proto != "" || !byProto(claims) || s.Port == 0 && shared(claims) { // without a port, that is what is needed first
		return answer(q, claims, s.Port, k), err
	}
	var both [2]verdict
	for i, proto := range [...]string{"tcp", "udp"} {
		k = Knowledge{}
		if claims, err = r.claims(ctx, a, s.Port, proto, q, 0, &k); err != nil {
			return verdict{}, err
		}
		both[i] = answer(q, claims, s.Port, k)
	}
	return either(both[0], both[1], reasonProto), nil
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

// answer makes a verdict of all claims. A source that did not answer may know of somebody else: until it was heard nobody
// is named (docs/adr/0022-resolver.md). Several lines are several, whatever it would have said.
func answer(q Span, claims []claim, port uint16, k Knowledge) verdict {
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
	switch {
	case v.state == report.LineAmbiguous:
	case k.Silent:
		return verdict{state: report.LineNone, reason: reasonSilent}
	case v.state == report.LineUnique:
	case k.Deleted:
		return verdict{state: report.LineOutsideRetention, reason: reasonPurged}
	case v.reason == reasonInside:
	case k.Ahead:
		v.reason = reasonLater
	case k.Gap:
		v.reason = reasonGap
	case k.Before && v.reason == reasonNobody:
		v.reason = reasonBefore
	}
	return v
}

// claims are those of all sources on an address, in true time. Where it belongs to a NAT, they are those on who had the
// address behind it, for as long as that had the port. What the sources do not know is added to k.
func (r *Room) claims(ctx context.Context, a Address, port uint16, proto string, q Span, depth int, k *Knowledge) ([]claim, error) {
	var found []claim
	for i, s := range r.Sources {
		off := s.Clock(q)
		known, err := s.Each(ctx, a, port, proto, q.widened(off), func(x Session) {
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
		if err != nil {
			return nil, err
		}
		k.add(known)
	}
	found = settled(q, found)
	if depth >= maxInside || !inside(found) {
		return found, nil
	}
	out := found[:0:0]
	for i := range found {
		c := &found[i]
		if c.holder.Line != 0 {
			out = append(out, *c)
			continue
		}
		part := q.And(c.possible)
		inside, err := r.claims(ctx, c.holder.Inside, 0, "", part, depth+1, k)
		if err != nil {
			return nil, err
		}
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
	return out, nil
}

// inside reports whether any of the holders is an address behind a NAT.
func inside(claims []claim) bool {
	for i := range claims {
		if claims[i].holder.Line == 0 {
			return true
		}
	}
	return false
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
