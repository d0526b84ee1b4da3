package archive

import (
	"time"

	"tocsin/internal/line"
)

// Health is how a source is.
type Health struct {
	Rows   int64     // records kept, ever
	Latest time.Time // what it said last is of then; zero: nothing yet
	Clock  int64     // seconds by which its clock may be off, at the time asked
	Gaps   int       // spans of its log that are known to be missing
	Since  time.Time // what was before is deleted; zero: nothing is
}

// Health says how the source is at a time.
func (s *Source) Health(now time.Time) Health {
	at := now.Unix()
	h := Health{Clock: s.Clock(line.Span{From: at, To: at + 1})}
	s.mu.RLock()
	defer s.mu.RUnlock()
	h.Rows, h.Gaps = s.known.Rows, len(s.known.Gaps)
	if mark := s.tracker.Mark(); s.known.Rows > 0 && mark != line.Ever {
		h.Latest = time.Unix(mark, 0).UTC()
	}
	if s.state.Deleted != line.Ever {
		h.Since = time.Unix(s.state.Deleted, 0).UTC()
	}
	return h
}
