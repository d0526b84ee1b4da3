package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tocsin/internal/report"
)

// fate is what becomes of an item after a worker had it.
type fate int

const (
	done   fate = iota // worked: off the queue
	retry              // open; handed out again after a while
	reject             // can never be worked: off the queue
	stop               // open; the worker ends
)

// fateOf is the one place that maps a worker's error to a fate.
func fateOf(err error) fate {
	switch {
	case err == nil:
		return done
	case errors.Is(err, ErrStop):
		return stop
	case errors.Is(err, ErrReject):
		return reject
	}
	return retry
}

// backoff is how long an item rests after its nth failure: 0.1 s, doubled each time, at most a minute.
func backoff(attempt int) time.Duration {
	return min(100*time.Millisecond<<min(max(attempt-1, 0), 10), time.Minute)
}

// Requeue hands out a work item for a report that was worked before, for a replay. Its original must still be kept,
// else ErrNotFound; a report whose item is still open gives ErrOpen.
func (s *Stream) Requeue(ctx context.Context, rep report.Report, generation int) error {
	s.retire.Lock()
	defer s.retire.Unlock()
	_, err := s.find(ctx, rep.ID)
	if err == nil {
		err = s.publishItem(ctx, Item{Report: rep, Generation: generation})
	}
	if conflict(err) {
		err = ErrOpen
	}
	if err != nil {
		return fmt.Errorf("hand out report %s again: %w", rep.ID, explain(err))
	}
	return nil
}

func (s *Stream) publishItem(ctx context.Context, it Item) error {
	body, err := encodeItem(it)
	if err != nil {
		return err
	}
	m := nats.NewMsg(s.workSubject(it.Report.ID))
	m.Data = body
	return s.publish(ctx, &s.toWork, alone(m))
}

// Work hands open items to handle, one at a time, oldest first, until ctx ends (nil) or handle says ErrStop (its
// error). Several calls at once share the queue. The item's fate follows from what handle returns: nil takes it off
// the queue, an error that wraps ErrReject too, one that wraps ErrStop leaves it open and ends Work, and any other
// leaves it open to be handed out again after a growing while. An item may be handed out more than once: after a
// crash, or where its end was not heard.
func (s *Stream) Work(ctx context.Context, handle func(context.Context, Item) error) error {
	ctx, leave, err := s.enter(ctx, report.ID{})
	if err != nil {
		return err
	}
	defer leave()
	defer s.resting.clear() // for the others, and for the next who works
	for ctx.Err() == nil {
		h, err := s.next(ctx, nextWait)
		if err == nil && h.Msg != nil {
			err = s.handle(ctx, h, handle)
		}
		if err != nil {
			return err
		}
	}
	return ended(ctx, nil)
}

// Drain is Work that ends when no item is open any more, those that rest after a failure included.
func (s *Stream) Drain(ctx context.Context, handle func(context.Context, Item) error) error {
	ctx, leave, err := s.enter(ctx, report.ID{})
	if err != nil {
		return err
	}
	defer leave()
	defer s.resting.clear()
	const least, most = time.Millisecond, 100 * time.Millisecond
	wait := least
	for ctx.Err() == nil {
		h, err := s.next(ctx, wait)
		switch {
		case err != nil:
			return err
		case h.Msg != nil:
			wait = least
			if err := s.handle(ctx, h, handle); err != nil {
				return err
			}
			continue
		}
		if err := s.answer(ctx, "end", s.ended.rest); err != nil {
			return err
		}
		if open, _, err := s.Lag(ctx); err != nil || open == 0 {
			return ended(ctx, err)
		}
		wait = min(2*wait, most) // the rest is with other workers, or rests
	}
	return ended(ctx, nil)
}

// ended is what Work returns with err: an error that only says that ctx ended is none, unless it ended because the
// stream broke.
func ended(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, ErrBroken) {
		return cause
	}
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the end of ctx is the ordinary end
	}
	return err
}

// next waits for an item; none when there is none in time, or ctx ended.
func (s *Stream) next(ctx context.Context, wait time.Duration) (hand, error) {
	if err := s.answer(ctx, "end", s.ended.late); err != nil {
		return hand{}, err
	}
	h, ok, wait := s.resting.take(wait)
	if ok {
		return h, nil
	}
	m, err := s.pulls.take(ctx, wait)
	if err != nil {
		return hand{}, fmt.Errorf("wait for work: %w", explain(err))
	}
	if m == nil {
		return hand{}, nil
	}
	h = hand{Msg: m}
	if meta, err := m.Metadata(); err == nil {
		h.attempt = int(min(meta.NumDelivered, 1<<30))
	}
	return h, nil
}

// handle gives one message to a worker and settles its fate; an error ends Work.
func (s *Stream) handle(ctx context.Context, m hand, handle func(context.Context, Item) error) error {
	it, err := decodeItem(m.Data())
	it.Attempt = m.attempt
	if err != nil {
		err = errors.Join(err, ErrReject) // written by a program that we do not understand
	} else {
		err = s.owned(ctx, m.Msg, it, handle)
	}
	f := fateOf(err)
	if f == retry && ctx.Err() != nil {
		return s.answer(ctx, "give back", func(context.Context) error { return m.Nak() })
	}
	switch f {
	case done:
		return s.answer(ctx, "end", s.end(m.Msg))
	case reject:
		s.log.Warn("report cannot be worked, taken off the queue", "report", it.Report.ID)
		s.log.Debug("report cannot be worked", "report", it.Report.ID, "err", err)
		return s.answer(ctx, "end", s.end(m.Msg))
	case stop:
		return errors.Join(err, s.answer(ctx, "give back", func(context.Context) error { return m.Nak() }))
	case retry:
	}
	after := backoff(it.Attempt)
	s.log.Warn("report will be worked again", "report", it.Report.ID, "attempt", it.Attempt, "after", after)
	s.log.Debug("report will be worked again", "report", it.Report.ID, "err", err)
	if s.embedded() {
		s.resting.add(m, after)
		return nil
	}
	return s.answer(ctx, "give back", func(context.Context) error { return m.NakWithDelay(after) })
}

// end takes an item off the queue.
func (s *Stream) end(m jetstream.Msg) func(context.Context) error {
	if s.embedded() {
		return func(ctx context.Context) error { return s.ended.add(ctx, m) }
	}
	return m.DoubleAck
}

// answer tells JetStream an item's fate, even when ctx has ended. An answer that does not arrive is no harm: the
// item is handed out again. Only a stream that is gone ends Work.
func (s *Stream) answer(ctx context.Context, what string, tell func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	err := tell(ctx)
	if err == nil {
		return nil
	}
	if s.conn.IsClosed() || s.embedded() {
		return fmt.Errorf("%s a work item: %w", what, explain(err))
	}
	s.log.Warn("the fate of a work item was not heard, it will be handed out again", "err", err)
	return nil
}

// owned works an item whose report owns its bytes; that of a duplicate is thrown away (step 3 of the package
// comment).
func (s *Stream) owned(ctx context.Context, m jetstream.Msg, it Item, handle func(context.Context, Item) error) error {
	defer heartbeat(m, ackWait/3)()
	if it.Generation == 0 {
		if err := s.accepted(ctx, it.Report.ID); err != nil {
			return err
		}
		owner, found, err := s.lookup(ctx, key(it.Report))
		if err == nil && !found {
			owner, err = s.settle(ctx, it.Report)
		}
		if err != nil {
			return err
		}
		if owner.ID != it.Report.ID {
			s.discard(ctx, it.Report.ID)
			return nil
		}
	}
	return handle(ctx, it)
}

// accepted waits for an Accept of this program that has the report in hand: the two would do step 3 at the same time,
// and one of them would spoil the other's batch.
func (s *Stream) accepted(ctx context.Context, id report.ID) error {
	var done <-chan struct{}
	s.mu.Lock()
	for c := range s.calls {
		if c.id == id {
			done = c.done
		}
	}
	s.mu.Unlock()
	if done == nil {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// heartbeat tells JetStream at each interval that the item is still being worked, until the function that it returns
// is called.
func heartbeat(m jetstream.Msg, every time.Duration) (stop func()) {
	end, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				_ = m.InProgress() // one that is lost is made up for by the next
			case <-end:
				return
			}
		}
	}()
	return func() { close(end); <-gone }
}

// Lag says how many items are open and when the oldest of them was handed out; the zero time when none is.
func (s *Stream) Lag(ctx context.Context) (pending int, oldest time.Time, err error) {
	info, err := s.work.Info(ctx)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("look at the queue: %w", explain(err))
	}
	if info.State.Msgs == 0 {
		return 0, time.Time{}, nil
	}
	return int(info.State.Msgs), info.State.FirstTime.UTC(), nil
}

// isOpen reports whether the report has a work item.
func (s *Stream) isOpen(ctx context.Context, id report.ID) (bool, error) {
	_, err := s.work.GetLastMsgForSubject(ctx, s.workSubject(id))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	return err == nil, err
}
