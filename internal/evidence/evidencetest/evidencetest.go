// Package evidencetest has what stands for the evidence log and its writer's store in tests: a log in memory that works,
// and can fail and be put back from a backup like one on disk.
package evidencetest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"tocsin/internal/evidence"
	"tocsin/internal/report"
)

// Log is a log in memory.
type Log struct {
	mu      sync.Mutex // guards what follows
	entries [][]byte
	edge    evidence.Edge
}

// Append is evidence.Appender's.
func (l *Log) Append(ctx context.Context, entries [][]byte) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	first := l.edge.Size()
	for _, e := range entries {
		l.entries = append(l.entries, slices.Clone(e))
		l.edge.Add(e)
	}
	return first, nil
}

// Size is evidence.Appender's.
func (l *Log) Size() uint64 { return l.Head().Size }

// Head is evidence.Appender's; nobody signs.
func (l *Log) Head() evidence.Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return evidence.Head{Size: l.edge.Size(), Root: l.edge.Root()}
}

// Entries is evidence.Appender's.
func (l *Log) Entries(_ context.Context, from, to uint64) iter.Seq2[[]byte, error] {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.entries)
	return func(yield func([]byte, error) bool) {
		for i := from; i < to; i++ {
			if i >= uint64(len(all)) {
				yield(nil, errors.New("there is no such entry"))
				return
			}
			if !yield(all[i], nil) {
				return
			}
		}
	}
}

// Backup is a copy of the log as it was when it had so many entries.
func (l *Log) Backup(size uint64) *Log {
	var b Log
	for e, err := range l.Entries(context.Background(), 0, size) {
		if err != nil {
			panic(err) // the test asks for more than there is
		}
		b.entries = append(b.entries, e)
		b.edge.Add(e)
	}
	return &b
}

// Places returns where in the log each entry is.
func (l *Log) Places() map[report.ID][]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[report.ID][]uint64{}
	for i, e := range l.entries {
		id := evidence.EntryID(e)
		all[id] = append(all[id], uint64(i))
	}
	return all
}

// ErrKilled is what a worker meets at the step at which it is killed.
var ErrKilled = errors.New("killed")

// Steps stands between a writer and its log and store. Each call is two steps: before it does anything, and after it has
// done all. At the step with the number At, and at every one that follows, the writer is killed: it learns of no result.
// In between, Pause is called at the step with that number.
type Steps struct {
	Log    evidence.Appender
	Outbox evidence.Outbox
	Leases evidence.Leases

	Kill     int // 0 kills never
	Pause    int // 0 pauses never
	Paused   func()
	Counted  int
	InAppend bool // the step is that before an append
}

// step is true where the writer lives on.
func (s *Steps) step() bool {
	s.Counted++
	if s.Counted == s.Pause {
		s.Paused()
	}
	return s.Kill == 0 || s.Counted < s.Kill
}

func (s *Steps) call(do func() error) error {
	if !s.step() {
		return ErrKilled
	}
	err := do()
	if !s.step() {
		return ErrKilled
	}
	return err
}

// Writer returns a writer whose calls all go through s.
func (s *Steps) Writer(make func(evidence.Appender, evidence.Outbox, evidence.Leases) *evidence.Writer) *evidence.Writer {
	return make(stepLog{s.Log, s}, stepOutbox{s.Outbox, s}, stepLeases{s.Leases, s})
}

type stepLog struct {
	evidence.Appender
	s *Steps
}

func (l stepLog) Append(ctx context.Context, entries [][]byte) (first uint64, err error) {
	l.s.InAppend = true
	err = l.s.call(func() error {
		l.s.InAppend = false
		first, err = l.Appender.Append(ctx, entries)
		return err
	})
	l.s.InAppend = false
	return first, err
}

type stepOutbox struct {
	evidence.Outbox
	s *Steps
}

func (o stepOutbox) Enqueue(ctx context.Context, items ...evidence.Item) error {
	return o.s.call(func() error { return o.Outbox.Enqueue(ctx, items...) })
}

type stepLeases struct {
	evidence.Leases
	s *Steps
}

func (l stepLeases) State(ctx context.Context) (st evidence.State, err error) {
	err = l.s.call(func() error {
		st, err = l.Leases.State(ctx)
		return err
	})
	return st, err
}

func (l stepLeases) Take(ctx context.Context, was evidence.State, next evidence.Lease, now, until time.Time) error {
	return l.s.call(func() error { return l.Leases.Take(ctx, was, next, now, until) })
}

func (l stepLeases) Pending(ctx context.Context, lease evidence.Lease, n int, after int64, most int) (items []evidence.Item, chunks []evidence.Chunk, err error) {
	err = l.s.call(func() error {
		items, chunks, err = l.Leases.Pending(ctx, lease, n, after, most)
		return err
	})
	return items, chunks, err
}

func (l stepLeases) Note(ctx context.Context, lease evidence.Lease, n *evidence.Noted) error {
	return l.s.call(func() error { return l.Leases.Note(ctx, lease, n) })
}
