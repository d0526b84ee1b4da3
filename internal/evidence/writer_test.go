package evidence_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tocsin/internal/evidence"
	"tocsin/internal/evidence/evidencetest"
	"tocsin/internal/incident"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

// The contract between writer, outbox and lease is held on both databases: see store/storetest.

func openLog(t *testing.T) *store.Log {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{}, t.TempDir(), incident.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db.Log()
}

var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func item(kind string) evidence.Item {
	id := report.NewID(start)
	return evidence.Item{ID: id, At: start, Kind: kind, Body: fmt.Appendf(nil, `{"id":%q}`, id)}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	now := start.Add(time.Minute)
	table, log := openLog(t), &evidencetest.Log{}
	w := evidence.NewWriter(log, table, table, "w", func() time.Time { return now }, slog.New(slog.DiscardHandler), evidence.NewMetrics(reg))
	if err := table.Enqueue(t.Context(), item("question"), item("question"), item("reveal")); err != nil {
		t.Fatal(err)
	}
	check := func(want string) {
		t.Helper()
		if _, err := w.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want),
			"tocsin_log_entries_total", "tocsin_log_waiting", "tocsin_log_waiting_seconds", "tocsin_log_writer"); err != nil {
			t.Error(err)
		}
	}
	const help = `
# HELP tocsin_log_entries_total Entries that this worker appended to the evidence log, by kind.
# TYPE tocsin_log_entries_total counter
tocsin_log_entries_total{kind="question"} 2
tocsin_log_entries_total{kind="reveal"} 1
# HELP tocsin_log_waiting Entries handed over that are not in the evidence log yet.
# TYPE tocsin_log_waiting gauge
tocsin_log_waiting %d
# HELP tocsin_log_waiting_seconds Age of the oldest entry that is not in the evidence log yet; 0 when none waits.
# TYPE tocsin_log_waiting_seconds gauge
tocsin_log_waiting_seconds %d
# HELP tocsin_log_writer 1 when this worker writes the evidence log.
# TYPE tocsin_log_writer gauge
tocsin_log_writer 1
`
	check(fmt.Sprintf(help, 3, 60))
	now = now.Add(10 * time.Second)
	check(fmt.Sprintf(help, 0, 0))
}

// TestRunGivesBack: a worker that ends in order leaves the lease to the next, and what it was handed before is logged.
func TestRunGivesBack(t *testing.T) {
	table, log := openLog(t), &evidencetest.Log{}
	for i := range 2 {
		w := evidence.NewWriter(log, table, table, fmt.Sprint("worker ", i), time.Now, slog.New(slog.DiscardHandler), nil)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.Run(ctx) }()
		if index, err := w.Submit(ctx, item("question")); err != nil || index != uint64(i) {
			t.Error(index, err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if s, err := table.State(t.Context()); err != nil || s.Lease.Holder != "" || s.Lease.Term != int64(i+1) {
			t.Errorf("after the end the lease is %+v, %v", s.Lease, err)
		}
	}
}

// TestSameWorkerTwice: one that was started while an older of its name still ran takes over from it, and the older one
// appends nothing twice.
func TestSameWorkerTwice(t *testing.T) {
	table, log := openLog(t), &evidencetest.Log{}
	var all []*evidence.Writer
	for range 2 {
		w := evidence.NewWriter(log, table, table, "w", func() time.Time { return start }, slog.New(slog.DiscardHandler), nil)
		all = append(all, w)
		if _, err := w.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 6 {
		if err := table.Enqueue(t.Context(), item("question")); err != nil {
			t.Fatal(err)
		}
		if _, err := all[i%2].Round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s, err := table.State(t.Context())
	if err != nil || s.Lease.Term < 3 {
		t.Errorf("the lease changed hands and has term %d, %v", s.Lease.Term, err)
	}
	for range 2 {
		if _, err := all[0].Round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for id, at := range log.Places() {
		if len(at) != 1 {
			t.Errorf("%s is in the log at %v", id, at)
		}
	}
	if log.Size() != 6 {
		t.Errorf("the log has %d entries, want 6", log.Size())
	}
}

func TestItemValidate(t *testing.T) {
	good := item("question")
	for name, change := range map[string]func(*evidence.Item){
		"too long":    func(i *evidence.Item) { i.Body = append(i.Body, make([]byte, 1<<16)...) },
		"two lines":   func(i *evidence.Item) { i.Body = append(i.Body, '\n') },
		"no id":       func(i *evidence.Item) { i.Body = []byte(`{}`) },
		"another id":  func(i *evidence.Item) { i.ID[0]++ },
		"zero id":     func(i *evidence.Item) { i.ID, i.Body = report.ID{}, []byte(`{}`) },
		"no JSON":     func(i *evidence.Item) { i.Body = i.Body[1:] },
		"empty":       func(i *evidence.Item) { i.Body = nil },
		"id a number": func(i *evidence.Item) { i.Body = []byte(`{"id":1}`) },
	} {
		bad := good
		bad.Body = append([]byte(nil), good.Body...)
		change(&bad)
		if bad.Validate() == nil {
			t.Errorf("an item that is %s is taken", name)
		}
	}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}
