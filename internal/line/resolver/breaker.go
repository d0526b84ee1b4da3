package resolver

import (
	"sync"
	"time"
)

// breaker leaves a system alone that failed too often in a row: for a while no question is put, then one, and all again
// when that is answered. Questions meanwhile cost no time.
type breaker struct {
	most  int // failures in a row
	pause time.Duration

	mu       sync.Mutex // guards what follows
	failures int
	until    time.Time // it is left alone so long, where failures are too many
	trial    bool      // one question is on its way to see whether it answers again
	fault    string    // of the last failure; "" where it answered since
}

// enter reports whether a question may be put, and whether it is the trial. Whoever may says done or leave afterwards.
func (b *breaker) enter(now time.Time) (may, trial bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < b.most {
		return true, false
	}
	if b.trial || now.Before(b.until) {
		return false, false
	}
	b.trial = true
	return true, true
}

// leave says that nobody waited for the answer.
func (b *breaker) leave(trial bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trial = b.trial && !trial
}

// done says how it went, and returns whether the system is left alone from now on, or is no more.
func (b *breaker) done(now time.Time, trial bool, err error) (opened, closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	open := b.failures >= b.most
	b.trial = b.trial && !trial
	if err == nil {
		b.failures, b.fault = 0, ""
		return false, open
	}
	b.failures++
	b.fault = err.Error()
	if b.failures < b.most {
		return false, false
	}
	b.until = now.Add(b.pause)
	return !open, false
}

// state says whether the system is left alone, and why it failed last.
func (b *breaker) state() (open bool, fault string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= b.most, b.fault
}
