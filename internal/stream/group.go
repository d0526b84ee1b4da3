package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tocsin/internal/report"
)

// Bounds of one batch. Memory: the messages of a batch are in the hands of their Accepts anyway, and once more on their
// way through the server.
const (
	batchMessages = 256
	batchBytes    = 4 << 20
	batchLeast    = 10 // JetStream stages a batch in a file of its own: fewer messages are written sooner one by one
)

// Headers of an atomic batch (NATS ADR-50).
const (
	headerBatch       = "Nats-Batch-Id"
	headerBatchNumber = "Nats-Batch-Sequence"
	headerBatchCommit = "Nats-Batch-Commit"
)

// group publishes messages of one stream inside this program: what is handed in while the disk is busy goes together,
// as one JetStream batch with one sync (docs/adr/0013-accepts-share-their-syncs.md). Nobody waits for company. There is
// no goroutine of its own: one of the callers leads, and hands the lead to the next.
type group struct {
	s *Stream

	mu      sync.Mutex // held for a few assignments
	led     bool       // somebody is publishing
	waiting []*publication
}

// publication is one message on its way.
type publication struct {
	msg  *nats.Msg
	lead chan struct{} // closed when it is this one's turn to lead
	done chan error    // takes one
}

// publish returns when the message is durable, or will not be. It leaves the queue when ctx ends, but not a batch that
// is under way: whoever takes a message back must know that it is not stored after that.
func (g *group) publish(ctx context.Context, m *nats.Msg) error {
	p := &publication{msg: m, lead: make(chan struct{}), done: make(chan error, 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, p)
	if !g.led {
		g.led = true
		close(p.lead)
	}
	g.mu.Unlock()
	select {
	case <-p.lead:
		g.send(ctx)
	case err := <-p.done:
		return err
	case <-ctx.Done():
		if g.leave(p) {
			return context.Cause(ctx)
		}
		select {
		case <-p.lead: // the lead came at that moment: pass it on with the message
			g.send(ctx)
		case err := <-p.done:
			return err
		}
	}
	return <-p.done
}

// leave takes a publication out of the queue; false when it is under way or leads.
func (g *group) leave(p *publication) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, w := range g.waiting {
		if w == p && !closed(p.lead) {
			g.waiting = append(g.waiting[:i:i], g.waiting[i+1:]...)
			return true
		}
	}
	return false
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// send publishes what waits, up to the bounds of a batch, and hands the lead on. The leader's message is the first of
// it. The batch is everybody's, so it does not end with the leader's ctx.
func (g *group) send(ctx context.Context) {
	g.mu.Lock()
	n, size := 0, 0
	for n < len(g.waiting) && n < batchMessages && (n == 0 || size+len(g.waiting[n].msg.Data) <= batchBytes) {
		size += len(g.waiting[n].msg.Data)
		n++
	}
	batch := g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	g.mu.Unlock()

	g.store(context.WithoutCancel(ctx), batch)

	g.mu.Lock()
	defer g.mu.Unlock()
	if g.led = len(g.waiting) > 0; g.led {
		close(g.waiting[0].lead)
	}
}

// store publishes a batch and tells each of it what became of its message.
func (g *group) store(ctx context.Context, batch []*publication) {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errors.New("the stream did not answer in time"))
	defer cancel()
	ctx, leave, err := g.s.enter(ctx, report.ID{})
	if err != nil {
		for _, p := range batch {
			p.done <- err
		}
		return
	}
	defer leave()
	if len(batch) >= batchLeast {
		err := g.s.publishBatch(ctx, batch)
		if !conflict(err) {
			for _, p := range batch {
				p.done <- err
			}
			return
		}
		// One of them is refused, and nothing is stored: one by one, each meets its own fate.
	}
	acks := make([]jetstream.PubAckFuture, len(batch))
	for i, p := range batch {
		var err error
		if acks[i], err = g.s.js.PublishMsgAsync(p.msg, jetstream.WithRetryAttempts(0)); err != nil {
			p.done <- err
			acks[i] = nil
		}
	}
	for i, p := range batch {
		if acks[i] == nil {
			continue
		}
		select {
		case <-acks[i].Ok():
			p.done <- nil
		case err := <-acks[i].Err():
			p.done <- err
		case <-ctx.Done():
			p.done <- context.Cause(ctx)
		}
	}
}

// publishBatch stores all of the messages or none, and syncs once.
func (s *Stream) publishBatch(ctx context.Context, batch []*publication) error {
	id := report.NewID(time.Now()).String()
	defer func() {
		for _, p := range batch {
			for _, h := range [...]string{headerBatch, headerBatchNumber, headerBatchCommit} {
				p.msg.Header.Del(h)
			}
		}
	}()
	last := len(batch) - 1
	for i, p := range batch {
		p.msg.Header.Set(headerBatch, id)
		p.msg.Header.Set(headerBatchNumber, strconv.Itoa(i+1))
		if i < last {
			if err := s.conn.PublishMsg(p.msg); err != nil {
				return err
			}
		}
	}
	batch[last].msg.Header.Set(headerBatchCommit, "1")
	m, err := s.conn.RequestMsgWithContext(ctx, batch[last].msg)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	var answer struct {
		Error *jetstream.APIError `json:"error"`
		Count int                 `json:"count"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return fmt.Errorf("the stream's answer cannot be read: %w", err)
	}
	if answer.Error != nil {
		return answer.Error
	}
	if answer.Count != len(batch) {
		return fmt.Errorf("the stream stored %d of %d messages", answer.Count, len(batch))
	}
	return nil
}

// publish stores a message durably: in company where the stream is inside this program, alone in a cluster, whose
// servers may be older than batches.
func (s *Stream) publish(ctx context.Context, g *group, m *nats.Msg) error {
	if s.embedded() {
		return g.publish(ctx, m)
	}
	_, err := s.js.PublishMsg(ctx, m)
	return err
}

// alone is the condition that the message's subject has none yet.
func alone(m *nats.Msg) *nats.Msg {
	m.Header.Set(nats.ExpectedLastSubjSeqHdr, "0")
	return m
}
