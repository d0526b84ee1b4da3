// Package stream keeps what came in: originals, byte for byte, in an object store, and a work item for each report
// until it is worked. It is NATS JetStream, inside this program or an external cluster, and the only room that
// knows so: no NATS type passes its door.
//
// # What is kept
//
// Four JetStream streams on file storage, each write fsync'd (one node) or acknowledged by a majority (cluster):
//
//   - originals: an object is the messages of one subject, NAME.original.ID, each a chunk of at most 256 KiB. The
//     last one carries size, SHA-256 and number of chunks in its headers; an object without that message is one
//     whose upload broke off. A report of up to 256 KiB is a single message, so it costs a single write. Inside this
//     program the bytes of a larger one are a file, see file.go.
//   - work: a work queue, subject NAME.work.ID, at most one open item a report.
//   - known: which report has which bytes, subject NAME.known.KEY, KEY from reporter, format and SHA-256.
//   - lines: what sources said of who held which address, subject NAME.line.SOURCE, batch by batch, see lines.go.
//
// Inside this program concurrent Accepts share syncs, see group.go, worked items leave the queue in
// runs, see ends.go, and items that failed rest, see rests.go. Workers ask for items together, see pulls.go.
//
// JetStream's own object-store bucket is not used: each object costs it a second message, thus a second fsync, and each
// reading a consumer of its own, which for thousands of small reports is most of the work.
//
// # The order of an Accept
//
//  1. The object is stored, its last message last. A crash until here leaves an object that nothing names.
//  2. The work item is published. It is a proposal: the report exists, but may yet turn out a duplicate.
//  3. The known entry is created, on the condition that there is none for this key. This decides: whoever creates
//     it owns the bytes. The loser takes its item back, then its object, and returns the winner's report.
//
// So an item never exists without its object, and a known report never without having had its item. A worker that
// meets an item first does step 3 itself, and drops the item where the entry names another report. A crash after 2
// leaves a report whose sender was not told; it is worked, and the sender's second try is a duplicate. Crashes of
// the loser leave an item that a worker drops, or an object that nothing names. Such objects are removed by the next
// Open (embedded) or, a day later, by Purge (cluster: others may be writing them still).
package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tocsin/internal/report"
)

// What the callers of this room can tell apart.
var (
	// ErrNotFound: no original is kept under this id, or it has passed its end date.
	ErrNotFound = errors.New("no original is kept under this id: it never was, or its end date has passed")
	// ErrDamaged: the disk or the cluster has lost bytes of an original.
	ErrDamaged = errors.New("the bytes kept are not the bytes that came in (size or SHA-256 differ): the disk or the cluster has lost data, ask the sender for the report again")
	// ErrOpen: the report already has a work item that is not worked yet.
	ErrOpen = errors.New("the report is already waiting to be worked: try again when it is done")
	// ErrFull: the disk has no room for another report. Nothing was accepted.
	ErrFull = errors.New("the disk that holds the data directory is full: free some space and send the report again")
	// ErrBroken: the embedded stream met a fault of the disk and writes no more. What was accepted is safe; whoever
	// gets this stops the program, to be started again when the disk is well.
	ErrBroken = errors.New("the stream cannot write any more: check the disk for space and faults, then restart Tocsin")
	// ErrReject is the fate of an item that can never be worked: wrap it, and the item is taken off the queue. The
	// original stays until its end date.
	ErrReject = errors.New("the report cannot be worked")
	// ErrStop is the fate when an invariant is broken: wrap it, and Work leaves the item open and returns the error.
	ErrStop = errors.New("work must stop")
)

const (
	ackWait     = 30 * time.Second // a worker not heard of for this long has lost its item
	maxInHand   = 1024             // items that workers of all nodes have at once
	callTimeout = 30 * time.Second // for one answer of JetStream; a busy disk's fsync may take seconds
	consumer    = "desk"
)

// Stream is the open stream. Its methods may be called from many goroutines.
type Stream struct {
	cfg  Config
	log  *slog.Logger
	dir  string
	srv  *server.Server // nil with an external cluster
	conn *nats.Conn     // writes and work
	read *nats.Conn     // originals read, so that a long read does not hold up an Accept
	js   jetstream.JetStream

	originals jetstream.Stream // through conn
	readback  jetstream.Stream // the same stream through read
	work      jetstream.Stream
	known     jetstream.Stream
	lines     jetstream.Stream
	items     jetstream.Consumer

	ended                        ends   // embedded: items that were worked leave the queue together
	pulls                        *pulls // what workers ask for
	resting                      rests  // embedded: items that failed
	toOriginals, toWork, toKnown group  // embedded: concurrent Accepts share syncs

	free  func(dir string) (bytes uint64, err error)
	dirty atomic.Bool // an object that nothing names may have been left behind

	// calls holds what is under way: Purge leaves alone what is being accepted, and a broken stream ends them all.
	// mu is held to enter, to leave and to look; broken is set once.
	mu     sync.Mutex
	calls  map[*call]struct{}
	broken error

	// retire keeps Purge and Requeue apart: an original must not go between Requeue's look and its item.
	retire sync.Mutex

	// ending keeps Purge and Forget apart: a list of originals read while others go may miss one.
	ending sync.Mutex
}

// call is an Accept or a Work under way.
type call struct {
	id     report.ID // of what is being accepted
	cancel context.CancelCauseFunc
	done   <-chan struct{} // closed at its end
}

// enter begins a call, whose context ends when the stream breaks. The caller leaves at its end.
func (s *Stream) enter(ctx context.Context, id report.ID) (_ context.Context, leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return nil, nil, s.broken
	}
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	c := &call{id, cancel, done}
	s.calls[c] = struct{}{}
	return ctx, func() {
		cancel(nil)
		s.mu.Lock()
		delete(s.calls, c)
		s.mu.Unlock()
		close(done)
	}, nil
}

// fail ends everything that is under way. JetStream says nothing to a publisher whose message it could not write, so
// its log is where we hear of it.
func (s *Stream) fail(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = fmt.Errorf("%w (%s)", ErrBroken, reason)
	}
	for c := range s.calls {
		c.cancel(s.broken)
	}
}

// why is the reason for err where ctx ended for one that says more than err.
func why(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrBroken) {
		return cause
	}
	return explain(err)
}

// Open starts the embedded stream in dir, or connects to the cluster that cfg names. The stream is usable when it
// returns: unfinished work of an earlier run is ready to be handed out at once.
func Open(ctx context.Context, cfg Config, dir string, log *slog.Logger) (*Stream, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Stream{cfg: cfg.WithDefaults(), log: log, dir: dir, free: freeSpace, calls: map[*call]struct{}{}}
	s.pulls = newPulls(s)
	s.toOriginals.s, s.toWork.s, s.toKnown.s = s, s, s
	s.ended.s, s.ended.wait = s, endsWait
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.shut())
	}
	return s, nil
}

func (s *Stream) open(ctx context.Context) error {
	clean := true
	if s.embedded() {
		if err := probe(s.dir); err != nil {
			return err
		}
		// Gone while we run: whoever finds it at the next Open knows that Close ran to its end.
		clean = os.Remove(s.cleanMark()) == nil
		srv, err := startServer(s.dir, &natsLog{s.log, s.fail})
		if err != nil {
			return err
		}
		s.srv = srv
	}
	if err := s.connect(); err != nil {
		return err
	}
	if err := s.declare(ctx); err != nil {
		return fmt.Errorf("prepare the stream: %w", explain(err))
	}
	if s.embedded() && !clean {
		if err := errors.Join(s.sweep(ctx, time.Now()), s.sweepFiles(ctx)); err != nil {
			return fmt.Errorf("remove what a broken upload left: %w", explain(err))
		}
	}
	return nil
}

func (s *Stream) embedded() bool { return s.cfg.URL == "" }

func (s *Stream) cleanMark() string { return filepath.Join(s.dir, "clean") }

func (s *Stream) connect() error {
	var err error
	if s.conn, err = s.dial("writer"); err != nil {
		return err
	}
	if s.read, err = s.dial("reader"); err != nil {
		return err
	}
	s.js, err = jetstream.New(s.conn, jetstream.WithDefaultTimeout(callTimeout),
		jetstream.WithPublishAsyncTimeout(callTimeout),
		jetstream.WithPublishAsyncMaxPending(1<<20)) // each upload bounds its own window
	return err
}

func (s *Stream) dial(role string) (*nats.Conn, error) {
	opts := []nats.Option{
		nats.Name("tocsin " + role), nats.MaxReconnects(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			s.log.Debug("nats client", "err", err)
		}),
	}
	if s.embedded() {
		conn, err := nats.Connect("", append(opts, nats.InProcessServer(s.srv))...)
		if err != nil {
			return nil, fmt.Errorf("connect to the stream inside this program: %w", err)
		}
		return conn, nil
	}
	if s.cfg.Credentials != "" {
		opts = append(opts, nats.UserCredentials(s.cfg.Credentials))
	}
	if s.cfg.CA != "" {
		opts = append(opts, nats.RootCAs(s.cfg.CA))
	}
	conn, err := nats.Connect(s.cfg.URL, opts...)
	if err != nil {
		return nil, fmt.Errorf("the NATS cluster of stream.url cannot be reached: check the address and that it runs (%w)", err)
	}
	return conn, nil
}

// declare makes the streams and the consumer as this version wants them; what is in them stays.
func (s *Stream) declare(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errors.New("the stream did not answer in time"))
	defer cancel()
	base := jetstream.StreamConfig{
		Storage: jetstream.FileStorage, Replicas: s.cfg.Replicas, MaxMsgsPerSubject: -1, MaxMsgs: -1, MaxBytes: -1,
		Discard: jetstream.DiscardNew, Duplicates: time.Second,
		AllowAtomicPublish: s.embedded(),
		AllowDirect:        s.cfg.Replicas == 1, // with replicas a follower may answer, and it may be behind
	}
	for _, d := range []struct {
		name, subject string
		retention     jetstream.RetentionPolicy
		into          *jetstream.Stream
	}{
		{"originals", "original", jetstream.LimitsPolicy, &s.originals},
		{"known", "known", jetstream.LimitsPolicy, &s.known},
		{"work", "work", jetstream.WorkQueuePolicy, &s.work},
		{"lines", "line", jetstream.LimitsPolicy, &s.lines},
	} {
		cfg := base
		cfg.Name = s.cfg.Name + "-" + d.name
		cfg.Subjects = []string{s.cfg.Name + "." + d.subject + ".*"}
		cfg.Retention = d.retention
		st, err := s.js.CreateOrUpdateStream(ctx, cfg)
		if err != nil {
			return err
		}
		*d.into = st
	}
	rjs, err := jetstream.New(s.read, jetstream.WithDefaultTimeout(callTimeout))
	if err != nil {
		return err
	}
	if s.readback, err = rjs.Stream(ctx, s.cfg.Name+"-originals"); err != nil {
		return err
	}
	if s.embedded() {
		// Nobody else works here: what the last run had taken and not finished is handed out at once, not after
		// ackWait. Items belong to the stream, so they outlive their consumer.
		if err := s.work.DeleteConsumer(ctx, consumer); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return err
		}
	}
	s.items, err = s.work.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: consumer, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxDeliver: -1, MaxAckPending: maxInHand,
	})
	return err
}

// Close ends the stream. Whoever calls it has ended Accept and Work before.
func (s *Stream) Close() error {
	s.mu.Lock()
	clean := s.embedded() && len(s.calls) == 0 && s.broken == nil && !s.dirty.Load()
	s.mu.Unlock()
	if err := s.shut(); err != nil {
		return err
	}
	if clean {
		// Without the mark the next Open looks for leftovers; a full disk must not make that an error.
		if err := os.WriteFile(s.cleanMark(), nil, 0o600); err != nil {
			s.log.Debug("mark the clean end of the stream", "err", err)
		}
	}
	return nil
}

func (s *Stream) shut() error {
	s.pulls.close()
	var err error
	for _, c := range []*nats.Conn{s.conn, s.read} {
		if c == nil {
			continue
		}
		if c.IsConnected() {
			err = errors.Join(err, c.FlushTimeout(callTimeout)) // acks of the last items
		}
		c.Close()
	}
	if s.srv != nil {
		s.srv.Shutdown()
		s.srv.WaitForShutdown()
	}
	return err
}

// explain turns what JetStream says into what the operator can do.
func explain(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &api):
		switch api.ErrorCode {
		case 10077, 10047, 10023, 10002: // store failed, storage exceeded, insufficient or exceeded resources
			return fmt.Errorf("the stream cannot write any more: check the disk for space and faults, then restart (%w)", err)
		case 10039, 10076, 10074: // JetStream not enabled, not enabled for the account, more replicas than servers
			return fmt.Errorf("the NATS cluster is not ready for this: switch JetStream on for the account, and have as many servers as stream.replicas says (%w)", err)
		}
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("the stream does not answer: it is stopped or cannot be reached (%w)", err)
	}
	return err
}
