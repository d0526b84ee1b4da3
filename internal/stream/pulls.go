package stream

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// pulls asks the server for items on behalf of the workers that wait, as many as there are of them. A request outlives
// the wait of a worker: what the server sends to one that nobody hears any more counts as in hand, and is lost to us
// for ackWait.
type pulls struct {
	s       *Stream
	life    context.Context //nolint:containedctx // requests live as long as the stream, not as long as a call
	end     context.CancelFunc
	arrived chan arrival
	running sync.WaitGroup

	mu      sync.Mutex // held for a few assignments
	waiting int        // workers
	asked   int        // items asked for and not come
}

// arrival is an item, or why none comes.
type arrival struct {
	msg jetstream.Msg
	at  time.Time
	err error
}

const (
	pullLife  = 10 * time.Minute // of a request
	pullPulse = 15 * time.Second // the server says this often that it still knows of the request
)

func newPulls(s *Stream) *pulls {
	p := &pulls{s: s, arrived: make(chan arrival, 2*maxInHand)}
	p.life, p.end = context.WithCancel(context.Background())
	return p
}

// take waits for an item; nil when there is none in time, or ctx ended.
func (p *pulls) take(ctx context.Context, wait time.Duration) (jetstream.Msg, error) {
	p.mu.Lock()
	p.waiting++
	p.ask() //nolint:contextcheck // a request outlives the call, see pulls
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.waiting--
		p.mu.Unlock()
	}()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case a := <-p.arrived:
			if a.msg != nil && time.Since(a.at) > ackWait/2 {
				continue // it came when nobody worked any more: the server hands it out again
			}
			return a.msg, a.err
		case <-timer.C:
			return nil, nil //nolint:nilnil // no item is no error
		case <-ctx.Done():
			return nil, nil //nolint:nilnil // as above
		}
	}
}

// ask sees that an item is asked for for each worker that waits. The caller holds mu.
func (p *pulls) ask() {
	if n := p.waiting - p.asked - len(p.arrived); n > 0 && p.life.Err() == nil {
		p.asked += n
		p.running.Go(func() { p.request(n) })
	}
}

// request asks for n items and passes on what comes.
func (p *pulls) request(n int) {
	ctx, cancel := context.WithTimeout(p.life, pullLife)
	defer cancel()
	batch, err := p.s.items.Fetch(n, jetstream.FetchContext(ctx), jetstream.FetchHeartbeat(pullPulse))
	if err == nil {
		for m := range batch.Messages() {
			p.mu.Lock()
			p.asked--
			p.mu.Unlock()
			n--
			p.arrived <- arrival{msg: m, at: time.Now()}
		}
		err = batch.Error()
	}
	err = p.s.pullError(p.life, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked -= n
	if err == nil {
		p.ask()
		return
	}
	for range p.waiting {
		select {
		case p.arrived <- arrival{err: err}:
		default:
		}
	}
}

// pullError is what ends the work of those who wait: nothing where a request only ran out. A cluster that is away comes
// back: the client reconnects, and we ask again after a while.
func (s *Stream) pullError(life context.Context, err error) error {
	switch {
	case err == nil, life.Err() != nil, errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout),
		errors.Is(err, jetstream.ErrNoMessages), errors.Is(err, jetstream.ErrNoHeartbeat):
		return nil //nolint:nilerr // it ran out, which is its ordinary end
	case s.embedded() || s.conn.IsClosed():
		return err
	}
	s.log.Warn("the stream cannot be asked for work, trying again", "err", err)
	_ = rest(life, time.Second) // when life ends, nobody waits any more
	return nil
}

// close ends all requests.
func (p *pulls) close() {
	p.end()
	p.running.Wait()
}
