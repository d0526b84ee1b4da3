package access

import (
	"testing"
	"time"
)

// TestCountersBounded: the counters that were used last are kept, and the rest go.
func TestCountersBounded(t *testing.T) {
	now := time.Unix(0, 0)
	c := newCounters(rate{1, time.Hour}, func() time.Time { return now })
	key := func(n int) Hash { return Hash{byte(n), byte(n >> 8), byte(n >> 16), 1} }
	for n := range mostCounted + 10 {
		if c.take(key(n)) != 0 {
			t.Fatal("a first attempt has to wait")
		}
		if c.take(key(0)) == 0 && n > 0 {
			t.Fatal("one that goes on was forgotten")
		}
	}
	if len(c.byKey) != mostCounted || c.order.Len() != mostCounted {
		t.Errorf("%d counters", len(c.byKey))
	}
	now = now.Add(-time.Hour) // a clock that is set back
	if c.take(key(0)) == 0 {
		t.Error("a clock that is set back gives an attempt")
	}
	now = now.Add(3 * time.Hour)
	if c.take(key(0)) != 0 || c.take(key(0)) == 0 {
		t.Error("after a long time there is one attempt, not more")
	}
}
