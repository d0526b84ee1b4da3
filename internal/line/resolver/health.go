package resolver

import (
	"sync/atomic"
	"time"
)

// counts is what became of questions.
type counts struct {
	answered, cached, failed, unasked atomic.Int64
	latest                            atomic.Int64 // Unix time of the latest answer
}

// Health is how the system is.
type Health struct {
	Answered int64     // questions that it answered, since the node began
	Cached   int64     // that were answered from what it had said lately
	Failed   int64     // to which there was no answer, or none that could be used
	Unasked  int64     // that were not put while it was left alone
	Latest   time.Time // when it answered last; zero: not yet
	Clock    int64     // seconds by which its clock may be off
	Open     bool      // it is left alone, as it failed too often
	Fault    string    // why it failed last, a sentence; empty where it answers
}

// Health says how the system is.
func (r *Resolver) Health() Health {
	h := Health{
		Answered: r.counts.answered.Load(), Cached: r.counts.cached.Load(), Failed: r.counts.failed.Load(), Unasked: r.counts.unasked.Load(),
		Clock: r.clock.Load(),
	}
	if at := r.counts.latest.Load(); at != 0 {
		h.Latest = time.Unix(at, 0).UTC()
	}
	h.Open, h.Fault = r.breaker.state()
	return h
}
