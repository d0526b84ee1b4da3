package access

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing/synctest"
	"time"
)

// SetCost makes passwords of a door cheap or dear to hash.
func SetCost(d *Door, memory, passes uint32) { d.cost = cost{memory, passes, 1} }

// For tests of the rules.
var (
	Weakness  = weakness
	ParseHash = func(s string) error { _, err := parseHash(s); return err }
	Browser   = browserWords
)

// FillBrake takes all slots for passwords of browsers that are not known.
func FillBrake(d *Door) (empty func()) {
	for range hashesAtOnce {
		d.brake.strangers <- struct{}{}
	}
	return func() {
		for range hashesAtOnce {
			<-d.brake.strangers
		}
	}
}

// Begun is how much a door keeps that browsers have begun.
func Begun(d *Door) int {
	d.begun.mu.Lock()
	defer d.begun.mu.Unlock()
	return len(d.begun.byKey)
}

// Counted is how many counters of networks a door keeps.
func Counted(d *Door) int {
	d.limits.networks.mu.Lock()
	defer d.limits.networks.mu.Unlock()
	return len(d.limits.networks.byKey)
}

// MostCounted is how many it may keep.
const MostCounted = mostCounted

// Brake waits for a slot at a brake that has none, and says how long. Eight more from its network wait beside it, and
// one above that does not.
func Brake(ctx context.Context, _ *Door, from netip.Addr) (time.Duration, error) {
	b := newBrake()
	for range hashesAtOnce {
		b.strangers <- struct{}{}
	}
	var g sync.WaitGroup
	begin := time.Now()
	var err error
	var took time.Duration
	for i := range perSource {
		g.Go(func() {
			_, e := b.acquire(ctx, from, false)
			if i == 0 {
				took, err = time.Since(begin), e
			}
		})
	}
	synctest.Wait()
	if _, e := b.acquire(ctx, from, false); !errors.Is(e, ErrBusy) || time.Since(begin) > 0 {
		return 0, errors.New("one too many waited")
	}
	g.Wait()
	return took, err
}
