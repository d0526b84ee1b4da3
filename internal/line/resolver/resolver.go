// Package resolver asks an operator's own system over HTTP who held an address, when somebody wants to know. The system
// says what it knows of sessions, what is certain of them and what is only possible; the verdict is the room's, beside
// what other sources say. Its contract is docs/lines/http.md.
//
// A system that does not answer, answers nonsense, or is not asked because it did so too often, is silent
// (line.Knowledge): then nobody is named. Nothing is guessed from an older answer: one is used again only for the very
// same question, for a short time, and says nothing of what came after it was given.
package resolver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tocsin/internal/line"
)

// Options is what a resolver is made of.
type Options struct {
	Name  string // of the source, for the log
	URL   string // https, or http to this machine
	Token string // sent as a bearer token (RFC 6750 §2.1); empty: none. Never logged

	Roots    *x509.CertPool // whose certificates are trusted; nil: the system's
	Realm    string         // of the addresses that it knows
	Networks []netip.Prefix // that it is asked about; none: all
	Keep     time.Duration  // it is asked about no time longer ago

	Timeout    time.Duration // for one answer
	Cache      time.Duration // for so long an answer is used again
	Concurrent int           // questions at a time
	Failures   int           // in a row, after which it is left alone
	Pause      time.Duration // for so long

	Dial func(ctx context.Context, network, address string) (net.Conn, error) // nil: TCP
}

// Numbers gives lines their numbers by their names; see archive.Lines. An error is one of this node's.
type Numbers interface {
	Numbers(ctx context.Context, names []string) ([]line.ID, error)
}

// Resolver is one system that is asked. Any number of goroutines may use it.
type Resolver struct {
	opts   Options
	lines  Numbers
	log    *slog.Logger
	now    func() time.Time
	client *http.Client
	slots  chan struct{} // one for each question that is on its way

	clock   atomic.Int64 // seconds that its clock was off, by the latest answer
	counts  counts
	breaker breaker

	mu      sync.Mutex // guards what follows
	cache   cache
	flights map[question]*flight
}

// question is what the system is asked: from is in it, to is not.
type question struct {
	addr     netip.Addr
	port     uint16 // 0: any
	from, to int64
}

// answer is what it said to a question, with its lines numbered.
type answer struct {
	sessions []line.Session
	known    line.Knowledge
	off      int64 // seconds that its clock may have been off
	at       time.Time
}

// flight is a question on its way, for all who have the same.
type flight struct {
	done   chan struct{}
	answer *answer
	err    error
	left   bool // who asked did not wait for the answer: it says nothing of the system
}

// New makes a resolver. It asks nothing yet. The caller closes it.
func New(opts Options, lines Numbers, now func() time.Time, log *slog.Logger) *Resolver {
	transport := &http.Transport{ // without a proxy: whoever stands between would read who is asked about
		TLSClientConfig: &tls.Config{RootCAs: opts.Roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		MaxIdleConnsPerHost: opts.Concurrent, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
		DialContext:        opts.Dial,
		DisableCompression: true, // an answer is small, and its limit means what it says
	}
	return &Resolver{
		opts: opts, lines: lines, log: log, now: now, slots: make(chan struct{}, max(opts.Concurrent, 1)),
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		cache:  cache{keep: opts.Cache, answers: map[question]*answer{}}, flights: map[question]*flight{},
		breaker: breaker{most: max(opts.Failures, 1), pause: opts.Pause},
	}
}

// Close closes the connections that nobody uses.
func (r *Resolver) Close() error {
	r.client.CloseIdleConnections()
	return nil
}

const (
	maxTries = 3            // of a question, each widened by how far the clock was off in the answer before
	maxOff   = 24 * 60 * 60 // seconds: a clock that is off by more tells nothing
)

// Each is line.Sessions. What it yields is in true time already: the system's clock is measured at each answer, and where
// it is off, the question is put again for as much more time.
func (r *Resolver) Each(ctx context.Context, a line.Address, port uint16, proto string, q line.Span, yield func(line.Session)) (line.Knowledge, error) {
	if a.Realm != r.opts.Realm || !r.knows(a.Addr) {
		return line.Knowledge{}, nil
	}
	switch now := r.now(); {
	case q.From < now.Add(-r.opts.Keep).Unix():
		return line.Knowledge{Deleted: true}, nil
	case q.From > now.Unix():
		return line.Knowledge{Ahead: true}, nil
	}
	off := r.clock.Load()
	for range maxTries {
		got, err := r.ask(ctx, question{a.Addr, port, q.From - off, q.To + off})
		if _, silent := errors.AsType[*Fault](err); silent {
			return line.Knowledge{Silent: true}, nil
		}
		if err != nil {
			return line.Knowledge{}, err
		}
		if got.off > off {
			off = got.off
			continue
		}
		for _, s := range got.sessions {
			s.Possible.From, s.Possible.To = s.Possible.From-off, s.Possible.To+off
			s.Certain.From, s.Certain.To = s.Certain.From+off, s.Certain.To-off
			if s.Range.Has(port, proto) && s.Possible.Meets(q) {
				yield(s)
			}
		}
		return got.known, nil
	}
	return line.Knowledge{Silent: true}, nil // its clock jumps
}

// knows reports whether the system is asked about an address.
func (r *Resolver) knows(a netip.Addr) bool {
	return len(r.opts.Networks) == 0 || slices.ContainsFunc(r.opts.Networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Clock is nought: see Each.
func (r *Resolver) Clock(line.Span) int64 { return 0 }

// ask returns the answer to a question: one that was given lately, that which another waits for, or a new one. An error
// is a *Fault where the system is silent, that of ctx, or one of this node's.
func (r *Resolver) ask(ctx context.Context, q question) (*answer, error) {
	for {
		r.mu.Lock()
		if a := r.cache.get(q, r.now()); a != nil {
			r.mu.Unlock()
			r.counts.cached.Add(1)
			return a, nil
		}
		f := r.flights[q]
		if f == nil {
			f = &flight{done: make(chan struct{})}
			r.flights[q] = f
			r.mu.Unlock()
			r.fly(ctx, f, q)
			return f.answer, f.err
		}
		r.mu.Unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if !f.left {
			if f.err == nil {
				r.counts.cached.Add(1)
			}
			return f.answer, f.err
		}
	}
}

// fly puts a question for all who have it.
func (r *Resolver) fly(ctx context.Context, f *flight, q question) {
	f.left = true // unless it comes to its end here
	defer func() {
		r.mu.Lock()
		delete(r.flights, q)
		if !f.left && f.err == nil && !f.answer.known.Ahead { // soon it knows more
			r.cache.put(q, f.answer)
		}
		r.mu.Unlock()
		close(f.done)
	}()
	f.answer, f.err = r.put(ctx, q)
	f.left = f.err != nil && ctx.Err() != nil
}

// put puts a question, when it is its turn and unless the system is left alone.
func (r *Resolver) put(ctx context.Context, q question) (*answer, error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	may, trial := r.breaker.enter(r.now())
	if !may {
		r.counts.unasked.Add(1)
		return nil, &Fault{"it is not asked for a while, as it failed too often"}
	}
	said, err := r.post(ctx, q)
	if err != nil && ctx.Err() != nil {
		r.breaker.leave(trial)
		return nil, context.Cause(ctx)
	}
	r.heard(said, trial, err)
	if err != nil {
		return nil, err
	}
	ids, err := r.lines.Numbers(ctx, said.names)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		said.sessions[i].Holder = line.Holder{Line: id}
	}
	return &said.answer, nil
}

// heard notes how the system is.
func (r *Resolver) heard(said *said, trial bool, err error) {
	now := r.now()
	opened, closed := r.breaker.done(now, trial, err)
	switch {
	case opened:
		r.log.Warn("a system that knows lines fails too often and is left alone for a while", "source", r.opts.Name, "pause", r.opts.Pause.String(), "reason", err)
	case closed:
		r.log.Info("a system that knows lines answers again", "source", r.opts.Name)
	}
	if err != nil {
		r.counts.failed.Add(1)
		return
	}
	r.counts.answered.Add(1)
	r.counts.latest.Store(now.Unix())
	r.clock.Store(said.off)
}
