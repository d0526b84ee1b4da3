package stream_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/internal/report"
	"tocsin/internal/stream"
)

// TestEndsInRuns works many items while the oldest is held back: those above it leave the queue when they have waited
// long enough, the rest when the oldest does, and none is lost or handed out again.
func TestEndsInRuns(t *testing.T) {
	s := opened(t)
	s.SetPatience(time.Hour)
	const n = 200
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			rep := from("a")
			rep.ReceivedAt = time.Now()
			if _, _, err := s.Accept(t.Context(), rep, bytes.NewReader(body(100, uint64(i)))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	var first atomic.Bool
	var seen sync.Map
	held, free, left := make(chan struct{}), make(chan struct{}), make(chan struct{}, n)
	work := func(it stream.Item) {
		if _, again := seen.LoadOrStore(it.Report.ID, nil); again {
			t.Errorf("report %s was handed out twice", it.Report.ID)
		}
		if first.CompareAndSwap(false, true) {
			close(held)
			<-free
		}
		left <- struct{}{}
	}
	var workers sync.WaitGroup
	begin := func() {
		workers.Go(func() {
			if err := s.Work(ctx, func(_ context.Context, it stream.Item) error { work(it); return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	begin()
	<-held // the oldest, with one worker
	for range 15 {
		begin()
	}
	for range n - 1 {
		<-left
	}
	if open, _, err := s.Lag(t.Context()); err != nil || open < 2 {
		t.Errorf("%d items open above one that is worked, %v", open, err)
	}
	s.SetPatience(0)
	close(free)
	<-left
	cancel()
	workers.Wait()
	if got := drain(t, s); len(got) != 0 {
		t.Errorf("%d items were handed out again", len(got))
	}
	if open, _, err := s.Lag(t.Context()); err != nil || open != 0 {
		t.Errorf("%d items left, %v", open, err)
	}
}

// TestAcceptTogether hands in the same and other bytes at once, so that batches hold known ones and unknown ones.
func TestAcceptTogether(t *testing.T) {
	s := opened(t)
	const n, kinds = 300, 100
	ids := make([]report.ID, n)
	var dups atomic.Int64
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if i%7 == 3 {
				cancel() // a sender that has gone: nothing is promised to it, and nothing of others is lost
			}
			rep, dup, err := s.Accept(ctx, from("a"), bytes.NewReader(body(1000, uint64(i%kinds))))
			if err != nil && i%7 != 3 {
				t.Error(err)
			}
			ids[i] = rep.ID
			if dup {
				dups.Add(1)
			}
		})
	}
	wg.Wait()
	byKind := map[int]report.ID{}
	for i, id := range ids {
		if id.IsZero() {
			continue
		}
		if have, ok := byKind[i%kinds]; ok && have != id {
			t.Errorf("the same bytes are the reports %s and %s", have, id)
		}
		byKind[i%kinds] = id
		if got := original(t, s, id); !bytes.Equal(got, body(1000, uint64(i%kinds))) {
			t.Errorf("report %s came back with other bytes", id)
		}
	}
	if len(byKind) != kinds {
		t.Errorf("%d reports of %d", len(byKind), kinds)
	}
	if got := drain(t, s); len(got) != kinds {
		t.Errorf("%d items for %d reports", len(got), kinds)
	}
}

// TestRunBelowNothing takes a run off below items that are gone already, which makes the server count anew: nobody is
// told of a fault, and the queue goes on.
func TestRunBelowNothing(t *testing.T) {
	var log bytes.Buffer
	s, err := stream.Open(t.Context(), stream.Config{}, t.TempDir(), slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatal(err)
	}
	s.SetPatience(time.Hour)
	for round := range uint64(3) {
		for i := range uint64(12) {
			rep, _, err := s.Accept(t.Context(), from("a"), bytes.NewReader(body(100, round*12+i)))
			if err != nil {
				t.Fatal(err)
			}
			if i >= 10 {
				s.Withdraw(t, rep.ID)
			}
		}
		workInOneRun(t, s, 10)
		if open, _, err := s.Lag(t.Context()); err != nil || open != 0 {
			t.Fatalf("round %d: %d items are open, %v", round, open, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if log.Len() > 0 {
		t.Errorf("the log says\n%s", &log)
	}
}

// workInOneRun works n items, of which the oldest ends last.
func workInOneRun(t *testing.T, s *stream.Stream, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	free := make(chan struct{})
	var handed, ended atomic.Int64
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			if err := s.Work(ctx, func(context.Context, stream.Item) error {
				if handed.Add(1) == 1 {
					<-free
				}
				if ended.Add(1) == int64(n)-1 {
					close(free)
				}
				if ended.Load() == int64(n) {
					defer cancel()
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	workers.Wait()
}
