package line

import (
	"math"
	"slices"
)

// Span is a stretch of time, in seconds of Unix time: From is in it, To is not. It is empty where To is not behind From.
type Span struct{ From, To int64 }

// Ever and Never bound what is not known; they are far enough from the ends of int64 to be reckoned with.
const (
	Ever  = math.MinInt64 / 4
	Never = math.MaxInt64 / 4
)

// Empty reports whether there is no second in it.
func (s Span) Empty() bool { return s.To <= s.From }

// And is what two spans have in common.
func (s Span) And(o Span) Span { return Span{max(s.From, o.From), min(s.To, o.To)} }

// Meets reports whether two spans have a second in common.
func (s Span) Meets(o Span) bool { return !s.And(o).Empty() }

// widened is the span with so many seconds more at either end; with fewer, where by is negative.
func (s Span) widened(by int64) Span { return Span{s.From - by, s.To + by} }

// covers reports whether spans together leave no second of s out. It puts them in order.
func (s Span) covers(by []Span) bool {
	slices.SortFunc(by, func(a, b Span) int { return int(min(max(a.From-b.From, -1), 1)) })
	at := s.From
	for _, b := range by {
		if b.Empty() {
			continue
		}
		if b.From > at {
			break
		}
		at = max(at, b.To)
	}
	return at >= s.To
}

// without is what is left of s when spans are taken away.
func (s Span) without(by []Span) []Span {
	left := []Span{s}
	for _, b := range by {
		if b.Empty() {
			continue
		}
		var next []Span
		for _, l := range left {
			for _, part := range [...]Span{{l.From, min(l.To, b.From)}, {max(l.From, b.To), l.To}} {
				if !part.Empty() {
					next = append(next, part)
				}
			}
		}
		left = next
	}
	return left
}
