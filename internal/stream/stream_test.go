package stream_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"tocsin/internal/report"
	"tocsin/internal/stream"
)

func open(t testing.TB, dir string) *stream.Stream {
	t.Helper()
	s, err := stream.Open(t.Context(), stream.Config{}, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func opened(t testing.TB) *stream.Stream {
	t.Helper()
	s := open(t, t.TempDir())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func from(reporter string) report.Report {
	return report.Report{
		Channel: "test", Reporter: reporter, Name: "week\xff.csv", Format: "shadowserver", TLP: report.TLPAmber,
		ReceivedAt: time.Date(2026, 3, 1, 2, 3, 4, 5, time.UTC),
	}
}

// body is n bytes that follow from the seed.
func body(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	_, _ = r.Read(b)
	return b
}

func original(t testing.TB, s *stream.Stream, id report.ID) []byte {
	t.Helper()
	r, err := s.Original(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// drain works everything and returns the items in the order in which they came.
func drain(t testing.TB, s *stream.Stream) []stream.Item {
	t.Helper()
	var all []stream.Item
	if err := s.Drain(t.Context(), func(_ context.Context, it stream.Item) error {
		all = append(all, it)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestStream(t *testing.T) { contract(t, opened) }

// contract is what the embedded stream and a cluster both keep.
func contract(t *testing.T, opened func(testing.TB) *stream.Stream) {
	t.Run("accept", func(t *testing.T) { acceptAll(t, opened(t)) })
	t.Run("duplicate", func(t *testing.T) { duplicates(t, opened(t)) })
	t.Run("race", func(t *testing.T) { race(t, opened(t)) })
	t.Run("broken upload", func(t *testing.T) { broken(t, opened(t)) })
	t.Run("fates", func(t *testing.T) { fates(t, opened(t)) })
	t.Run("many", func(t *testing.T) { many(t, opened(t)) })
	t.Run("withdrawn", func(t *testing.T) { withdrawn(t, opened(t)) })
	t.Run("requeue", func(t *testing.T) { requeue(t, opened(t)) })
	t.Run("lag", func(t *testing.T) { lag(t, opened(t)) })
	t.Run("lines", func(t *testing.T) { lines(t, opened(t)) })
}

func acceptAll(t *testing.T, s *stream.Stream) {
	const k = 256 << 10
	var want []report.Report
	for i, n := range []int{0, 1, 1000, k - 1, k, k + 1, 2*k - 1, 2 * k, 2*k + 1, 2*k + 2, 12*k + 7} {
		b := body(n, uint64(i))
		for _, r := range []io.Reader{bytes.NewReader(b), io.MultiReader(bytes.NewReader(b))} { // with and without Seek
			rep, dup, err := s.Accept(t.Context(), from(fmt.Sprintf("%T", r)), r)
			if err != nil || dup {
				t.Fatalf("%d bytes: duplicate %v, %v", n, dup, err)
			}
			if rep.Size != int64(n) || rep.SHA256 != sha256.Sum256(b) || rep.ID.IsZero() || rep.State != report.StateReceived {
				t.Errorf("%d bytes: accepted as %+v", n, rep)
			}
			if got := original(t, s, rep.ID); !bytes.Equal(got, b) {
				t.Errorf("%d bytes: %d came back, or others", n, len(got))
			}
			want = append(want, rep)
		}
	}
	var got []report.Report
	for _, it := range drain(t, s) {
		if it.Generation != 0 || it.Attempt != 1 {
			t.Errorf("item %+v", it)
		}
		got = append(got, it.Report)
	}
	for _, all := range [][]report.Report{want, got} { // a cluster hands items out in an order of its own
		slices.SortFunc(all, func(a, b report.Report) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the items are not the reports accepted:\n%s", d)
	}
	if _, err := s.Original(t.Context(), report.NewID(time.Now())); !errors.Is(err, stream.ErrNotFound) {
		t.Errorf("an unknown original: %v", err)
	}
}

func duplicates(t *testing.T, s *stream.Stream) {
	for _, n := range []int{10, 700_000} {
		b := body(n, 1)
		first, dup, err := s.Accept(t.Context(), from("a"), bytes.NewReader(b))
		if err != nil || dup {
			t.Fatal(dup, err)
		}
		again := from("a")
		again.Name, again.Channel = "other.csv", "other"
		for _, r := range []io.Reader{bytes.NewReader(b), io.MultiReader(bytes.NewReader(b))} {
			rep, dup, err := s.Accept(t.Context(), again, r)
			if err != nil || !dup {
				t.Fatalf("%d bytes: the second time is no duplicate: %v", n, err)
			}
			if d := cmp.Diff(first, rep); d != "" {
				t.Errorf("the second time gives another report:\n%s", d)
			}
		}
		other := from("a")
		other.Format = "xarf"
		for _, r := range []report.Report{from("b"), other} {
			if _, dup, err := s.Accept(t.Context(), r, bytes.NewReader(b)); err != nil || dup {
				t.Errorf("another reporter or format is a duplicate (%v), %v", dup, err)
			}
		}
	}
	if items := drain(t, s); len(items) != 6 {
		t.Errorf("6 reports, %d items", len(items))
	}
}

func race(t *testing.T, s *stream.Stream) {
	const rounds, rivals = 30, 6
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	worked := map[report.ID]int{}
	var workers sync.WaitGroup
	workers.Go(func() { // works while they come in: it meets items that are not settled yet
		if err := s.Work(ctx, func(_ context.Context, it stream.Item) error {
			mu.Lock()
			defer mu.Unlock()
			worked[it.Report.ID]++
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
	accepted := map[report.ID]bool{}
	for round := range rounds {
		b := body(100+round*9000, uint64(round))
		var wg sync.WaitGroup
		ids := make([]report.ID, rivals)
		var fresh [rivals]bool
		for i := range rivals {
			wg.Go(func() {
				rep, dup, err := s.Accept(t.Context(), from("r"), io.MultiReader(bytes.NewReader(b)))
				if err != nil {
					t.Error(err)
				}
				ids[i], fresh[i] = rep.ID, !dup
			})
		}
		wg.Wait()
		n := 0
		for i := range rivals {
			if ids[i] != ids[0] {
				t.Fatalf("the same bytes became two reports")
			}
			if fresh[i] {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d of %d were told that theirs was new", n, rivals)
		}
		if got := original(t, s, ids[0]); !bytes.Equal(got, b) {
			t.Error("the winner's bytes are gone")
		}
		accepted[ids[0]] = true
	}
	for _, it := range drain(t, s) { // with the other worker
		mu.Lock()
		worked[it.Report.ID]++
		mu.Unlock()
	}
	cancel()
	workers.Wait()
	if len(worked) != rounds {
		t.Errorf("%d reports worked of %d", len(worked), rounds)
	}
	for id := range worked {
		if !accepted[id] {
			t.Errorf("report %s was worked though a duplicate", id)
		}
	}
	if got := s.Objects(t); len(got) != rounds {
		t.Errorf("%d originals are kept of %d reports", len(got), rounds)
	}
}

type failing struct {
	n   int
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	if f.n == 0 {
		return 0, f.err
	}
	n := min(f.n, len(p))
	f.n -= n
	return n, nil
}

func broken(t *testing.T, s *stream.Stream) {
	for _, cause := range []error{errors.New("line went dead"), io.ErrUnexpectedEOF} {
		for _, n := range []int{0, 5, 256 << 10, 3_000_000} {
			if _, _, err := s.Accept(t.Context(), from("a"), &failing{n, cause}); !errors.Is(err, cause) {
				t.Errorf("a body that breaks off after %d bytes: %v", n, err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := io.MultiReader(bytes.NewReader(body(1_000_000, 1)), readFunc(func([]byte) (int, error) { cancel(); return 0, io.EOF }))
	if _, _, err := s.Accept(ctx, from("a"), r); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled upload: %v", err)
	}
	if items := drain(t, s); len(items) != 0 {
		t.Errorf("broken uploads were handed out: %v", items)
	}
	if got := s.Objects(t); len(got) != 0 {
		t.Errorf("broken uploads left %d objects", len(got))
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func fates(t *testing.T, s *stream.Stream) {
	for i := range 3 {
		if _, _, err := s.Accept(t.Context(), from(fmt.Sprint(i)), bytes.NewReader(nil)); err != nil {
			t.Fatal(err)
		}
	}
	var order []string
	if err := s.Drain(t.Context(), func(_ context.Context, it stream.Item) error {
		order = append(order, fmt.Sprint(it.Report.Reporter, "#", it.Attempt))
		switch {
		case it.Report.Reporter == "0" && it.Attempt < 3:
			return errors.New("not now")
		case it.Report.Reporter == "1":
			return fmt.Errorf("row 1: %w", stream.ErrReject)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"0#1", "1#1", "2#1", "0#2", "0#3"}, order); d != "" {
		t.Errorf("handed out in another order:\n%s", d)
	}
	if _, _, err := s.Accept(t.Context(), from("4"), bytes.NewReader(nil)); err != nil {
		t.Fatal(err)
	}
	for _, work := range []func(context.Context, func(context.Context, stream.Item) error) error{s.Work, s.Drain} {
		err := work(t.Context(), func(context.Context, stream.Item) error { return fmt.Errorf("log: %w", stream.ErrStop) })
		if !errors.Is(err, stream.ErrStop) {
			t.Errorf("a worker that must stop returned %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.Work(ctx, func(ctx context.Context, _ stream.Item) error { cancel(); return ctx.Err() }); err != nil {
		t.Errorf("a worker whose time is up returned %v", err)
	}
	if items := drain(t, s); len(items) != 1 {
		t.Errorf("what was not finished came back %d times", len(items))
	}
}

// many has reports come, come twice, fail and end all at once: whatever fails is handed out again, and nothing is that
// did not.
func many(t *testing.T, s *stream.Stream) {
	const reports, workers = 600, 64
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	attempts := map[report.ID][]int{}
	work := func(_ context.Context, it stream.Item) error {
		mu.Lock()
		defer mu.Unlock()
		attempts[it.Report.ID] = append(attempts[it.Report.ID], it.Attempt)
		if it.Attempt == 1 && it.Report.SHA256[0]%16 == 0 {
			return errors.New("not now")
		}
		return nil
	}
	var working, accepting errgroup.Group
	for range workers {
		working.Go(func() error { return s.Work(ctx, work) })
	}
	accepting.SetLimit(4 * workers)
	var owners sync.Map // of the bytes
	for i := range 2 * reports {
		accepting.Go(func() error {
			rep, _, err := s.Accept(ctx, from("a"), bytes.NewReader(body(500, uint64(i%reports))))
			owners.Store(rep.ID, rep.SHA256[0]%16 == 0)
			return err
		})
	}
	if err := accepting.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := s.Drain(ctx, work); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := working.Wait(); err != nil {
		t.Fatal(err)
	}
	n := 0
	owners.Range(func(id, fails any) bool {
		n++
		want := []int{1}
		if fails.(bool) {
			want = []int{1, 2}
		}
		if d := cmp.Diff(want, attempts[id.(report.ID)]); d != "" {
			t.Errorf("report %s was handed out so:\n%s", id, d)
		}
		return true
	})
	if n != reports {
		t.Errorf("%d reports own bytes, want %d", n, reports)
	}
}

// withdrawn takes a duplicate's item back while it and others are in hand: one that fails afterwards is handed out again.
func withdrawn(t *testing.T, s *stream.Stream) {
	s.SetPatience(0)
	var ids []report.ID
	for _, text := range []string{"fails", "is a duplicate", "ends"} {
		rep, _, err := s.Accept(t.Context(), from("a"), strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, rep.ID)
	}
	inHand := make(chan struct{}, len(ids)) // taken by a worker
	verdict := map[report.ID]chan error{}
	for _, id := range ids {
		verdict[id] = make(chan error, 1)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var g errgroup.Group
	again := make(chan report.ID, len(ids))
	for range ids {
		g.Go(func() error {
			return s.Work(ctx, func(_ context.Context, it stream.Item) error {
				if it.Attempt > 1 {
					again <- it.Report.ID
					return nil
				}
				inHand <- struct{}{}
				return <-verdict[it.Report.ID]
			})
		})
	}
	for range ids {
		<-inHand
	}
	s.Withdraw(t, ids[1])
	verdict[ids[1]] <- nil
	verdict[ids[2]] <- nil
	for n := 3; n > 1; { // only the first is left
		var err error
		if n, _, err = s.Lag(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	verdict[ids[0]] <- errors.New("not now")
	select {
	case id := <-again:
		if id != ids[0] {
			t.Errorf("report %s was handed out again, want %s", id, ids[0])
		}
	case <-time.After(20 * time.Second):
		t.Error("the item that failed is not handed out again")
	}
	stop()
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

func requeue(t *testing.T, s *stream.Stream) {
	rep, _, err := s.Accept(t.Context(), from("a"), bytes.NewReader([]byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Requeue(t.Context(), rep, 1); !errors.Is(err, stream.ErrOpen) {
		t.Errorf("requeued while open: %v", err)
	}
	drain(t, s)
	if err := s.Requeue(t.Context(), rep, 1); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]stream.Item{{Report: rep, Generation: 1, Attempt: 1}}, drain(t, s)); d != "" {
		t.Error(d)
	}
	rep.ID = report.NewID(time.Now())
	if err := s.Requeue(t.Context(), rep, 1); !errors.Is(err, stream.ErrNotFound) {
		t.Errorf("requeued without an original: %v", err)
	}
}

func lag(t *testing.T, s *stream.Stream) {
	if n, at, err := s.Lag(t.Context()); n != 0 || !at.IsZero() || err != nil {
		t.Error(n, at, err)
	}
	before := time.Now().Add(-time.Second)
	for i := range 2 {
		if _, _, err := s.Accept(t.Context(), from(fmt.Sprint(i)), bytes.NewReader(nil)); err != nil {
			t.Fatal(err)
		}
	}
	n, at, err := s.Lag(t.Context())
	if n != 2 || at.Before(before) || at.After(time.Now().Add(time.Second)) || err != nil {
		t.Error(n, at, err)
	}
}

func TestPurge(t *testing.T) {
	s := opened(t)
	day := func(d int) time.Time { return time.Date(2026, 3, d, 12, 0, 0, 0, time.UTC) }
	var reps []report.Report
	for d := 1; d <= 4; d++ {
		rep := from("a")
		rep.ReceivedAt = day(d)
		rep, _, err := s.Accept(t.Context(), rep, bytes.NewReader(body(d*200_000, uint64(d))))
		if err != nil {
			t.Fatal(err)
		}
		reps = append(reps, rep)
	}
	if n, _, err := s.Purge(t.Context(), day(9)); n != 0 || err != nil {
		t.Fatalf("%d originals with open items were removed, %v", n, err)
	}
	drain(t, s)
	if err := s.Requeue(t.Context(), reps[1], 1); err != nil {
		t.Fatal(err)
	}
	n, size, err := s.Purge(t.Context(), day(3).Add(time.Second))
	if n != 2 || size != 800_000 || err != nil {
		t.Errorf("removed %d of %d bytes, %v", n, size, err)
	}
	for i, want := range []bool{false, true, false, true} {
		r, err := s.Original(t.Context(), reps[i].ID)
		if (err == nil) != want {
			t.Errorf("day %d: %v", i+1, err)
		}
		if err == nil {
			r.Close()
		}
	}
	if _, dup, err := s.Accept(t.Context(), from("a"), bytes.NewReader(body(200_000, 1))); !dup || err != nil {
		t.Errorf("what was purged is not known any more: %v", err)
	}
	if n, err := s.Forget(t.Context(), day(9)); n != 2 || err != nil {
		t.Errorf("forgot %d, %v", n, err)
	}
	if _, dup, err := s.Accept(t.Context(), from("a"), bytes.NewReader(body(200_000, 1))); dup || err != nil {
		t.Errorf("what was forgotten is still known: %v", err)
	}
	if _, dup, err := s.Accept(t.Context(), from("a"), bytes.NewReader(body(400_000, 2))); !dup || err != nil {
		t.Errorf("what has its original was forgotten: %v", err)
	}
}

func TestReopenHandsOutAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	rep, _, err := s.Accept(t.Context(), from("a"), bytes.NewReader([]byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var left sync.WaitGroup
	left.Go(func() {
		_ = s.Work(ctx, func(ctx context.Context, _ stream.Item) error {
			if err := s.Close(); err != nil { // as if the process went while it worked
				t.Error(err)
			}
			cancel()
			return nil
		})
	})
	left.Wait()
	s = open(t, dir)
	defer s.Close()
	// The first attempt: an item whose worker is only given up for lost is at its second.
	if got := drain(t, s); len(got) != 1 || got[0].Report.ID != rep.ID || got[0].Attempt != 1 {
		t.Errorf("after the restart: %v", got)
	}
}

func TestDamageIsSeen(t *testing.T) {
	s := opened(t)
	rep, _, err := s.Accept(t.Context(), from("a"), bytes.NewReader(body(600_000, 1)))
	if err != nil {
		t.Fatal(err)
	}
	s.Damage(t, rep.ID)
	r, err := s.Original(t.Context(), rep.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadAll(r); err == nil {
		t.Error("damaged bytes were passed off as the original")
	}
}

func TestOpenSaysWhyNot(t *testing.T) {
	dir := t.TempDir()
	file := dir + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Open(t.Context(), stream.Config{}, file+"/stream", slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a stream was opened below a file")
	}
	cfg := stream.Config{URL: "nats://127.0.0.1:1"}
	if _, err := stream.Open(t.Context(), cfg, dir, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a stream was opened without a cluster")
	}
}
