package line

import (
	"slices"

	"tocsin/internal/report"
)

// claim is what one source says of one holder, in true time.
type claim struct {
	source   int // its place among the room's sources
	rng      Range
	holder   Holder
	possible Span
	certain  Span
}

// verdict is what the claims of all sources say of who held one address, port and protocol throughout a span.
type verdict struct {
	state   report.LineState
	holders []Holder // that it could be; one where the state is LineUnique
	reason  string
}

// The reasons, a sentence each, which name no line and no address.
const (
	reasonNobody   = "by the log nobody held the address then"
	reasonGap      = "log gap: the log does not say who held the address then"
	reasonEdge     = "the time is not certain enough: somebody began or ended to hold the address within it"
	reasonSeveral  = "several lines held the address within that time"
	reasonDisagree = "two sources disagree about who held the address"
	reasonPort     = "many lines share the address: the source port is needed"
	reasonProto    = "the answer depends on the protocol, which is not known"
	reasonFold     = "the time falls into the hour that local time has twice"
	reasonPurged   = "what was known of that time has been deleted"
	reasonLater    = "the log does not reach as far yet"
	reasonBefore   = "the log does not reach back so far"
	reasonSilent   = "a source that knows lines did not answer: who held the address is not known until it does"
	reasonInside   = "the address behind the NAT is known, but not whose it was"
)

// needs is what would have helped, where a question could have had more.
var needs = map[string]report.Need{
	reasonEdge: report.NeedTime, reasonSeveral: report.NeedTime, reasonPort: report.NeedPort, reasonProto: report.NeedProtocol, reasonFold: report.NeedZone,
}

// PortNeeded is the answer to a question about an address that so many lines share, without its port.
func PortNeeded(lines int) report.LineAnswer {
	return report.LineAnswer{State: report.LineAmbiguous, Count: lines, Reason: reasonPort, Need: report.NeedPort}
}

// judge says who held the range throughout q. Every claim has at least a second of q in its possible span.
func judge(q Span, claims []claim) verdict {
	claims = settled(q, claims)
	var holders []Holder
	var few [4]Span // most often they are
	certain := few[:0]
	any := false
	for i := range claims {
		c := &claims[i]
		if !slices.Contains(holders, c.holder) {
			holders = append(holders, c.holder)
		}
		if part := c.certain.And(q); !part.Empty() {
			certain = append(certain, part)
			any = true
		}
	}
	switch {
	case len(holders) == 0:
		return verdict{state: report.LineNone, reason: reasonNobody}
	case len(holders) > 1 && disagree(q, claims):
		return verdict{report.LineAmbiguous, holders, reasonDisagree}
	case len(holders) > 1:
		return verdict{report.LineAmbiguous, holders, reasonSeveral}
	case !any:
		return verdict{state: report.LineNone, reason: reasonGap}
	case !q.covers(certain):
		return verdict{report.LineAmbiguous, holders, reasonEdge}
	case holders[0].Line == 0:
		return verdict{state: report.LineNone, reason: reasonInside}
	}
	return verdict{state: report.LineUnique, holders: holders}
}

// settled leaves out what may have been where it is certain that somebody else held the very same range, by the same
// source: a range has one holder at a time. Of different sources, or of ranges that overlap, all stands.
func settled(q Span, claims []claim) []claim {
	if len(claims) < 2 {
		return claims
	}
	kept := claims[:0]
	all := append([]claim(nil), claims...)
	for i := range all {
		c := &all[i]
		if c.certain.And(q).Empty() {
			var others []Span
			for j := range all {
				if o := &all[j]; j != i && o.source == c.source && o.rng == c.rng && o.holder != c.holder {
					others = append(others, o.certain)
				}
			}
			if len(c.possible.And(q).without(others)) == 0 {
				continue
			}
		}
		kept = append(kept, *c)
	}
	return kept
}

// disagree reports whether two sources are each certain of another holder at the same time.
func disagree(q Span, claims []claim) bool {
	for i := range claims {
		for j := range claims[:i] {
			a, b := &claims[i], &claims[j]
			if a.source != b.source && a.holder != b.holder && !a.certain.And(b.certain).And(q).Empty() {
				return true
			}
		}
	}
	return false
}

// either joins the verdicts on two questions of which one was meant: it is unique only where both are, with the same
// holder.
func either(a, b verdict, reason string) verdict {
	if len(a.holders)+len(b.holders) == 0 { // what can still be known, first
		if a.reason == reasonSilent {
			return a
		}
		if b.reason == reasonSilent {
			return b
		}
	}
	if a.state == b.state && len(a.holders) == len(b.holders) && all(a.holders, b.holders) {
		return a
	}
	out := verdict{state: report.LineAmbiguous, holders: append([]Holder(nil), a.holders...), reason: reason}
	for _, h := range b.holders {
		if !slices.Contains(out.holders, h) {
			out.holders = append(out.holders, h)
		}
	}
	if len(out.holders) == 0 { // neither names anybody: what is worse to know is said
		if b.state == report.LineOutsideRetention || b.reason == reasonGap {
			return b
		}
		return a
	}
	return out
}

func all(a, b []Holder) bool {
	for _, h := range a {
		if !slices.Contains(b, h) {
			return false
		}
	}
	return true
}
