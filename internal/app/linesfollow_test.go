package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/line"
	"tocsin/internal/line/archive"
	"tocsin/internal/line/linetest"
	"tocsin/internal/line/sources"
	"tocsin/internal/report"
	"tocsin/internal/stream"
)

// linesWorker is the line room of a worker: a disk and files of its own, the stream and the table of lines in common.
type linesWorker struct {
	*sources.Lines
	file string
}

func openLinesWorker(t *testing.T, st *stream.Stream, table archive.Table) *linesWorker {
	t.Helper()
	w := &linesWorker{file: filepath.Join(t.TempDir(), "detail")}
	cfg := sources.Defaults()
	cfg.Every = 5 * time.Millisecond
	cfg.Detail = []sources.Detail{{Name: "bras", Files: []string{w.file}}}
	if err := os.WriteFile(w.file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	w.Lines, err = sources.Open(t.Context(), cfg, sources.Needs{
		Dir: t.TempDir(), Table: table, Log: app.LineLog{Stream: st}, Keys: []archive.Keys{{ID: "a", Pseudonym: [32]byte{1}, Seal: [32]byte{2}}},
		Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func openLinesStream(t *testing.T) *stream.Stream {
	t.Helper()
	st, err := stream.Open(t.Context(), stream.Config{}, filepath.Join(t.TempDir(), "stream"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

// says appends to the file of a worker that a subscriber of an access server has an address, or has it still.
func (w *linesWorker) says(t *testing.T, what string, nas, user int, at time.Time) {
	t.Helper()
	f, err := os.OpenFile(w.file, os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintf(f, "%s\n\tAcct-Status-Type = %s\n\tUser-Name = \"user%d-%d\"\n\tNAS-IP-Address = 192.0.2.%d\n\tAcct-Session-Id = \"%d\"\n\tFramed-IP-Address = 198.51.100.%d\n\tTimestamp = %d\n\n",
			at.Format(time.ANSIC), what, nas, user, nas, user, nas*100+user, at.Unix())
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLinesOfWorkers: two workers with one stream, each of which is sent what another access server says, both at once,
// know soon both what one knows that was sent all of it.
func TestLinesOfWorkers(t *testing.T) {
	const users, rounds = 20, 15
	st, table := openLinesStream(t), &linetest.Table{}
	one := openLinesWorker(t, openLinesStream(t), table) // the same table: so handles can be compared
	two := []*linesWorker{openLinesWorker(t, st, table), openLinesWorker(t, st, table)}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, w := range two {
		running.Go(func() {
			if err := w.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	defer running.Wait()
	defer cancel()
	began := time.Now().Add(-rounds * time.Minute).Truncate(time.Second)
	for round := range rounds {
		at, what := began.Add(time.Duration(round)*time.Minute), "Interim-Update"
		if round == 0 {
			what = "Start"
		}
		for user := range users {
			for nas, w := range two {
				w.says(t, what, nas+1, user, at)
				one.says(t, what, nas+1, user, at)
			}
		}
	}
	if err := one.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows := one.Status()[0].Rows
	for deadline := time.Now().Add(time.Minute); two[0].Status()[0].Rows < rows || two[1].Status()[0].Rows < rows; {
		if time.Now().After(deadline) {
			t.Fatalf("%+v and %+v: want %d rows", two[0].Status(), two[1].Status(), rows)
		}
	}
	if rows != users*rounds*2 {
		t.Errorf("%d rows", rows)
	}
	handles := map[string]bool{}
	for nas := 1; nas <= 2; nas++ {
		for user := range users {
			s := &line.Selector{Addr: netip.AddrFrom4([4]byte{198, 51, 100, byte(nas*100 + user)}), At: began.Add(rounds / 2 * time.Minute)}
			want, err := one.Which(t.Context(), s, false)
			if err != nil || want.State != report.LineUnique || want.Handle == "" {
				t.Fatalf("%+v, %v", want, err)
			}
			handles[want.Handle] = true
			for i, w := range two {
				if got, err := w.Which(t.Context(), s, false); err != nil || got != want {
					t.Errorf("worker %d: %+v, %v; want %+v", i, got, err, want)
				}
			}
		}
	}
	if len(handles) != 2*users {
		t.Errorf("%d lines", len(handles))
	}
}

// TestLinesPurgedByWorker: what one worker purges is gone from the stream, and the other says so.
func TestLinesPurgedByWorker(t *testing.T) {
	st, table := openLinesStream(t), &linetest.Table{}
	two := []*linesWorker{openLinesWorker(t, st, table), openLinesWorker(t, st, table)}
	day := time.Now().UTC().Truncate(24 * time.Hour)
	old := day.AddDate(0, 0, -10)
	two[0].says(t, "Start", 1, 1, old)
	two[0].says(t, "Stop", 1, 1, old.Add(time.Hour))
	if err := two[0].Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- two[1].Run(ctx) }()
	s := &line.Selector{Addr: netip.AddrFrom4([4]byte{198, 51, 100, 101}), At: old.Add(30 * time.Minute)}
	until := func(state report.LineState) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; {
			got, err := two[1].Which(t.Context(), s, false)
			if err != nil || time.Now().After(deadline) {
				t.Fatalf("%+v, %v: want %s", got, err, state)
			}
			if got.State == state {
				return
			}
		}
	}
	until(report.LineUnique)
	if _, err := two[0].Purge(t.Context(), day.AddDate(0, 0, -5)); err != nil {
		t.Fatal(err)
	}
	until(report.LineOutsideRetention)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	left := 0
	for b, err := range st.LinesAfter(t.Context(), "bras", 0) {
		if err != nil {
			t.Fatal(err)
		}
		if left++; len(b.Data) > 30 {
			t.Errorf("%d bytes are left at %d", len(b.Data), b.Place)
		}
	}
	if left != 1 {
		t.Errorf("%d batches are left, want the purge", left)
	}
}
