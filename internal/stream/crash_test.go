package stream_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"tocsin/internal/report"
	"tocsin/internal/stream"
)

// The test binary is its own victim: with these set it accepts reports until it is killed.
const (
	victimDir   = "TOCSIN_TEST_STREAM_DIR"
	victimFirst = "TOCSIN_TEST_STREAM_FIRST"
	victimLimit = "TOCSIN_TEST_STREAM_FILE_LIMIT"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		os.Exit(victim(dir))
	}
	os.Exit(m.Run())
}

// numbered is report number n: mostly small, some of several chunks.
func numbered(n uint64) (report.Report, []byte) {
	size := 16 + int(n*7919%3000) // no two numbers have the same bytes
	if n%10 == 3 {
		size = 300_000 + int(n*104729%1_500_000)
	}
	rep := from("victim")
	rep.ReceivedAt = time.Time{}
	rep.Name = strconv.FormatUint(n, 10)
	return rep, body(size, n)
}

// senders is how many reports the victim accepts at once: enough for batches.
const senders = 32

// victim accepts numbered reports from several goroutines, works most of them in several more, so that runs of items
// leave the queue together, and says on stdout what was done after it was done: "a NUMBER ID" accepted, "w ID" worked.
func victim(dir string) int {
	ctx := context.Background()
	if limit, err := strconv.ParseUint(os.Getenv(victimLimit), 10, 64); err == nil {
		signal.Ignore(syscall.SIGXFSZ) // the write fails instead
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
	}
	s, err := stream.Open(ctx, stream.Config{}, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	first, err := strconv.ParseUint(os.Getenv(victimFirst), 10, 64)
	if err != nil {
		return 2
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(os.Stdout, format, args...) // one write a line, no buffer
	}
	var wg sync.WaitGroup
	for g := range uint64(senders) {
		wg.Go(func() {
			for n := first + g; ; n += senders {
				rep, b := numbered(n)
				got, _, err := s.Accept(ctx, rep, bytes.NewReader(b))
				if err != nil {
					say("e %v\n", err)
					return
				}
				say("a %d %s\n", n, got.ID)
			}
		})
	}
	for range 16 {
		go func() {
			_ = s.Work(ctx, func(_ context.Context, it stream.Item) error {
				if it.Report.Size%29 == 0 {
					return errors.New("later")
				}
				say("w %s\n", it.Report.ID)
				return nil
			})
		}()
	}
	wg.Wait()
	return 3
}

func TestKilledAtRandom(t *testing.T) {
	rounds := 3
	if n, err := strconv.Atoi(os.Getenv("TOCSIN_CRASH_ROUNDS")); err == nil {
		rounds = n
	}
	dir := t.TempDir()
	tr := &tracker{accepted: map[uint64]report.ID{}, worked: map[report.ID]bool{}}
	var first uint64
	for range rounds {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), victimDir+"="+dir, fmt.Sprintf("%s=%d", victimFirst, first))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// After so many lines, which take from 2 ms to half a second, wherever it stands.
		last := tr.read(t, out, 1+rand.IntN(500), func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		first = last + 100 // what was under way when it died is sent again by check
		tr.check(t, dir, last)
	}
	t.Logf("%d rounds, %d reports accepted", rounds, len(tr.accepted))
}

type tracker struct {
	accepted map[uint64]report.ID
	worked   map[report.ID]bool
	failures []string
}

// read follows what a victim says, calls kill after so many lines, and returns the highest number seen.
func (tr *tracker) read(t *testing.T, out io.Reader, lines int, kill func()) (last uint64) {
	t.Helper()
	sc := bufio.NewScanner(out)
	for n := 1; sc.Scan(); n++ {
		var num uint64
		var id string
		line := sc.Text()
		if _, err := fmt.Sscanf(line, "a %d %s", &num, &id); err == nil {
			if tr.accepted[num], err = report.ParseID(id); err != nil {
				break // the line that was being written when it died
			}
			last = max(last, num)
		} else if _, err := fmt.Sscanf(line, "w %s", &id); err == nil {
			if id, err := report.ParseID(id); err == nil {
				tr.worked[id] = true
			}
		} else {
			tr.failures = append(tr.failures, line)
		}
		if n == lines {
			kill()
		}
	}
	return last
}

// check opens what the victim left behind and compares it with what it had said.
func (tr *tracker) check(t *testing.T, dir string, last uint64) {
	t.Helper()
	s := open(t, dir)
	defer s.Close()
	// Everything that was, or may have been, under way is sent again, as its sender would.
	for n := range last + 100 {
		rep, b := numbered(n)
		if id, ok := tr.accepted[n]; ok {
			if got := original(t, s, id); sha256.Sum256(got) != sha256.Sum256(b) {
				t.Fatalf("report %d came back with other bytes", n)
			}
		}
		got, dup, err := s.Accept(t.Context(), rep, bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if id, ok := tr.accepted[n]; ok && (!dup || got.ID != id) {
			t.Fatalf("report %d, accepted before, is %s now and was %s", n, got.ID, id)
		}
		tr.accepted[n] = got.ID
	}
	open := map[report.ID]bool{}
	for _, it := range drain(t, s) {
		if open[it.Report.ID] {
			t.Errorf("report %s was handed out twice", it.Report.ID)
		}
		open[it.Report.ID] = true
	}
	ids := map[report.ID]bool{}
	for n, id := range tr.accepted {
		if ids[id] {
			t.Errorf("two reports have the id %s", id)
		}
		ids[id] = true
		if !open[id] && !tr.worked[id] {
			t.Errorf("report %d was accepted and never handed out", n)
		}
		tr.worked[id] = true
	}
	for id := range open {
		if !ids[id] {
			t.Errorf("report %s was handed out and is not known to anybody", id)
		}
	}
	for id := range s.Objects(t) {
		if !ids[id] {
			t.Errorf("object %s is left over", id)
		}
	}
}

func TestDiskFullWhileWriting(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimDir+"="+dir, victimFirst+"=0", victimLimit+"=3000000")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tr := &tracker{accepted: map[uint64]report.ID{}, worked: map[report.ID]bool{}}
	last := tr.read(t, out, -1, nil)
	_ = cmd.Wait()
	if len(tr.accepted) == 0 || len(tr.failures) != senders {
		t.Fatalf("%d accepted, failures %q", len(tr.accepted), tr.failures)
	}
	t.Logf("%d accepted, then: %s", len(tr.accepted), tr.failures[0])
	tr.check(t, dir, last)
}

func TestFullDiskIsRefusedBefore(t *testing.T) {
	s := opened(t)
	left := uint64(1 << 40)
	s.SetFree(func(string) (uint64, error) { return left, nil })
	kept, _, err := s.Accept(t.Context(), from("a"), bytes.NewReader(body(100, 1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{10, 400_000, 30 << 20} {
		for _, r := range []io.Reader{bytes.NewReader(body(n, 2)), io.MultiReader(bytes.NewReader(body(n, 2)))} {
			left = 64 << 20
			if n > 1<<20 {
				left += 1 << 20 // the beginning fits
			}
			if _, _, err := s.Accept(t.Context(), from("a"), r); !errors.Is(err, stream.ErrFull) {
				t.Errorf("%d bytes on a full disk: %v", n, err)
			}
		}
	}
	if rep, dup, err := s.Accept(t.Context(), from("a"), bytes.NewReader(body(100, 1))); !dup || rep.ID != kept.ID || err != nil {
		t.Errorf("a full disk hides what is known: %v", err)
	}
	left = 1 << 40
	if _, dup, err := s.Accept(t.Context(), from("a"), bytes.NewReader(body(400_000, 2))); dup || err != nil {
		t.Errorf("after space was made: %v", err)
	}
	if n := len(s.Objects(t)); n != 2 {
		t.Errorf("2 reports, %d objects", n)
	}
}

func TestReadOnlyDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	err := asNobody(func() error {
		s, err := stream.Open(t.Context(), stream.Config{}, dir+"/stream", slog.New(slog.DiscardHandler))
		if err == nil {
			return s.Close()
		}
		return err
	})
	if !errors.Is(err, os.ErrPermission) {
		t.Errorf("a read-only directory: %v", err)
	}
}

func TestBrokenAcceptsAreMended(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	rep := from("a")
	rep.ID = report.NewID(rep.ReceivedAt)
	half := s.LeaveItem(t, rep, []byte("accepted, but its sender was not told"))
	s.LeaveChunk(t, report.NewID(time.Now()), []byte("the beginning of an upload"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	defer s.Close()
	if got := s.Objects(t); len(got) != 1 {
		t.Errorf("%d objects are left, one has an item", len(got))
	}
	if got := drain(t, s); len(got) != 1 || got[0].Report.ID != half.ID {
		t.Errorf("the report whose sender was not told: %v", got)
	}
	got, dup, err := s.Accept(t.Context(), from("a"), bytes.NewReader([]byte("accepted, but its sender was not told")))
	if !dup || got.ID != half.ID || err != nil {
		t.Errorf("its second try: %v, %v, %v", got.ID, dup, err)
	}
	// The same, but the duplicate's item is met after its rival won.
	rep.ID = report.NewID(rep.ReceivedAt)
	s.LeaveItem(t, rep, []byte("accepted, but its sender was not told"))
	if got := drain(t, s); len(got) != 0 {
		t.Errorf("the item of a duplicate was worked: %v", got)
	}
	if got := s.Objects(t); len(got) != 1 {
		t.Errorf("%d objects are left of one report", len(got))
	}
}
