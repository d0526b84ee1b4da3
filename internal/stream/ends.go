package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Inside this program the items that were worked leave the queue together: JetStream writes and syncs the end of each
// item that is acknowledged, but takes all below a sequence off with a few syncs in all. Only an unbroken run of worked
// items is taken off like that; what stands above one that is still worked waits a little, then is acknowledged by
// itself. An item that a crash finds in between is handed out once more.
type ends struct {
	s    *Stream
	wait time.Duration // for those below; set before any use

	mu     sync.Mutex        // held for a few assignments
	last   time.Time         // when somebody began to take items off
	busy   bool              // somebody is taking items off
	fresh  bool              // more came meanwhile, and whoever brought it left it to him
	worked map[uint64]worked // by sequence in the stream; at most maxInHand
}

type worked struct {
	msg   jetstream.Msg
	since time.Time
}

const (
	endsLeast = 8                // a shorter run is acknowledged one by one
	endsWait  = ackWait / 6      // with nextWait, after which Work looks again, far less than ackWait
	nextWait  = 10 * time.Second // for an item
)

// add takes a worked item. It may come back before the item is off the queue.
func (e *ends) add(ctx context.Context, m jetstream.Msg) error {
	meta, err := m.Metadata()
	if err != nil {
		return err
	}
	e.mu.Lock()
	if e.worked == nil {
		e.worked = map[uint64]worked{}
	}
	e.worked[meta.Sequence.Stream] = worked{m, time.Now()}
	e.fresh = true
	e.mu.Unlock()
	return e.flush(ctx, e.wait)
}

// rest is flush where nothing waits to be worked: no run gets longer, so nothing waits for those below.
func (e *ends) rest(ctx context.Context) error { return e.flush(ctx, 0) }

// late is flush where nobody has brought an item for long.
func (e *ends) late(ctx context.Context) error {
	e.mu.Lock()
	due := len(e.worked) > 0 && time.Since(e.last) >= e.wait
	e.mu.Unlock()
	if !due {
		return nil
	}
	return e.flush(ctx, e.wait)
}

// flush takes off what can go, and acknowledges what has waited for longer than wait. While another does so, it leaves it to him.
func (e *ends) flush(ctx context.Context, wait time.Duration) error {
	for {
		e.mu.Lock()
		if e.busy || len(e.worked) == 0 {
			e.mu.Unlock()
			return nil
		}
		e.busy, e.fresh, e.last = true, false, time.Now()
		e.mu.Unlock()

		err := e.take(ctx, wait)

		e.mu.Lock()
		e.busy = false
		again := e.fresh
		e.mu.Unlock()
		if err != nil || !again {
			return err
		}
	}
}

// take is one round; one caller at a time.
func (e *ends) take(ctx context.Context, wait time.Duration) error {
	first, err := e.first(ctx)
	if err != nil {
		return fmt.Errorf("look at the queue: %w", err)
	}
	e.mu.Lock()
	var run, old []jetstream.Msg
	for seq := first; ; seq++ {
		w, ok := e.worked[seq]
		if !ok {
			break
		}
		run = append(run, w.msg)
	}
	next := first + uint64(len(run))
	limit := time.Now().Add(-wait)
	for seq, w := range e.worked {
		switch {
		case seq < next:
			delete(e.worked, seq) // taken off below, or off before
		case !w.since.After(limit):
			delete(e.worked, seq)
			old = append(old, w.msg)
		}
	}
	e.mu.Unlock()
	if len(run) < endsLeast {
		old = append(old, run...)
	} else if err := e.s.work.Purge(ctx, jetstream.WithPurgeSequence(next)); err != nil {
		return err
	}
	var errs []error
	for _, m := range old {
		errs = append(errs, m.Ack())
	}
	return errors.Join(errs...)
}

// first is the number of the first item that is open or was worked: nothing is open below. What the server says may be
// lower (see overtaken), so where that is none of ours it is asked for the item itself.
func (e *ends) first(ctx context.Context) (uint64, error) {
	info, err := e.s.work.Info(ctx)
	if err != nil {
		return 0, err
	}
	first := info.State.FirstSeq
	e.mu.Lock()
	_, ours := e.worked[first]
	e.mu.Unlock()
	if ours || info.State.Msgs == 0 {
		return first, nil
	}
	m, err := e.s.work.GetMsg(ctx, first, jetstream.WithGetMsgSubject(e.s.cfg.Name+".work.*"))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return first, nil // it went meanwhile
	}
	if err != nil {
		return 0, err
	}
	return m.Sequence, nil
}
