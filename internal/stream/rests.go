package stream

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// hand is an item in the hand of a worker.
type hand struct {
	jetstream.Msg
	attempt int // 1 for the first
}

// rests are the items that failed and rest inside this program. They are not given back to the server: each time worked
// items leave the queue in a run (see ends), it forgets which items were due to be handed out again and remembers
// ackWait later (nats-server 2.15, consumer.purge). A crash gives them back, because the next Open begins anew.
type rests struct {
	mu    sync.Mutex // held for a few assignments
	items []rested   // a handful; at most maxInHand
}

type rested struct {
	hand
	due   time.Time
	awake func() // ends what tells the server that the item is in hand
}

// add lays an item down for a while.
func (r *rests) add(h hand, after time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.items = append(r.items, rested{h, time.Now().Add(after), heartbeat(h.Msg, ackWait/3)})
}

// take returns an item that has rested enough, or how long until there is one: at most wait.
func (r *rests) take(wait time.Duration) (hand, bool, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for i, it := range r.items {
		left := it.due.Sub(now)
		if left <= 0 {
			r.items = append(r.items[:i:i], r.items[i+1:]...)
			it.awake()
			it.attempt++
			return it.hand, true, 0
		}
		wait = min(wait, max(left, time.Millisecond))
	}
	return hand{}, false, wait
}

// clear gives every item back to the server, which hands them out at once.
func (r *rests) clear() {
	r.mu.Lock()
	items := r.items
	r.items = nil
	r.mu.Unlock()
	for _, it := range items {
		it.awake()
		_ = it.Nak() // one that is lost is handed out after ackWait
	}
}
