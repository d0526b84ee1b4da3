package app_test

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tocsin/internal/app"
	"tocsin/internal/incident"
	"tocsin/internal/intake"
	"tocsin/internal/network"
	"tocsin/internal/report"
	"tocsin/internal/world"
)

// prove says that tests run at the sizes that the issues name.
func prove() bool { return os.Getenv("TOCSIN_PROVE") == "1" }

// document is a file on disk and who sent it.
type document struct {
	path     string
	reporter string
}

// partnership is a made-up world on disk.
type partnership struct {
	world     *world.World
	documents []document
	table     string
}

func newPartnership(t *testing.T, seed uint64, size world.Size) *partnership {
	t.Helper()
	p := &partnership{world: world.New(seed, size), table: filepath.Join(t.TempDir(), "prefixes.csv")}
	dir := t.TempDir()
	for f := range p.world.Reports() {
		d := document{filepath.Join(dir, f.Name), f.Reporter}
		if err := os.WriteFile(d.path, f.Body(), 0o600); err != nil {
			t.Fatal(err)
		}
		p.documents = append(p.documents, d)
	}
	var table bytes.Buffer
	if err := p.world.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.table, table.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// config is a node of the world's provider in a data directory.
func (p *partnership) config(data string) app.Config {
	cfg := app.Defaults(data)
	cfg.Listen = "off"
	nets := p.world.Networks()
	cfg.Network.Tables = []network.TableFile{{Path: p.table}}
	cfg.Network.Own = []network.Own{{Name: nets.Own.Name, Prefixes: nets.Own.Prefixes, ASNs: []network.ASN{network.ASN(nets.Own.ASN)}}}
	for _, n := range nets.Partners {
		if n.ASN != 0 {
			cfg.Network.Partners = append(cfg.Network.Partners, network.Partner{
				ID: n.ID, Name: n.Name, Prefixes: n.Prefixes, ASNs: []network.ASN{network.ASN(n.ASN)},
			})
		}
	}
	for _, r := range p.world.Reporters() {
		cfg.Intake.Sources = append(cfg.Intake.Sources, intake.Source{Name: r.Name, TLP: &r.TLP})
	}
	return cfg
}

// open builds a node that complains into the test's log, and closes it with the test. Closing it before is allowed.
func open(t *testing.T, cfg app.Config, now func() time.Time) *app.App {
	t.Helper()
	return openLog(t, cfg, now, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
}

func openLog(t *testing.T, cfg app.Config, now func() time.Time, log *slog.Logger) *app.App {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), cfg, log, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func shut(t *testing.T, a *app.App) {
	t.Helper()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
}

// at is a clock that stands still.
func at(now time.Time) func() time.Time { return func() time.Time { return now } }

// importAll imports documents in this order, neighbours of one reporter together.
func importAll(t *testing.T, a *app.App, documents []document) app.Summary {
	t.Helper()
	sum, err := importDocuments(t.Context(), a, documents)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func importDocuments(ctx context.Context, a *app.App, documents []document) (total app.Summary, err error) {
	for i := 0; i < len(documents); {
		var paths []string
		reporter := documents[i].reporter
		for ; i < len(documents) && documents[i].reporter == reporter; i++ {
			paths = append(paths, documents[i].path)
		}
		sum, err := a.Import(ctx, paths, app.ImportOptions{Reporter: reporter})
		if err != nil {
			return total, err
		}
		total.Add(sum)
	}
	return total, nil
}

// byReporter is the same documents, each reporter's together.
func byReporter(documents []document) []document {
	all := slices.Clone(documents)
	slices.SortStableFunc(all, func(a, b document) int { return cmp.Compare(a.reporter, b.reporter) })
	return all
}

// knowledge is what a node knows: what follows from the set of reports alone.
type knowledge struct {
	Incidents  []incident.Incident // by key
	Watermarks incident.Watermarks
	Refusals   map[string]int // reasons
	Events     int64
}

// knows sweeps the node at a moment and returns what it knows.
func knows(t *testing.T, a *app.App, now time.Time) knowledge {
	t.Helper()
	if err := a.Sweep(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	k := knowledge{Refusals: map[string]int{}}
	var err error
	if k.Watermarks, err = a.Store().Watermarks(t.Context()); err != nil {
		t.Fatal(err)
	}
	for in, err := range a.Store().Incidents(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		k.Events += in.Events
		k.Incidents = append(k.Incidents, in)
	}
	for r, err := range a.Store().Quarantine(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		refusals, err := a.Store().Refusals(t.Context(), r.ID, r.Generation)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range refusals {
			k.Refusals[one.Reason]++
		}
	}
	checkEvents(t, a, k.Incidents)
	return k
}

// checkEvents looks up the events of some incidents: they are as many as counted, and lie between first and last.
func checkEvents(t *testing.T, a *app.App, all []incident.Incident) {
	t.Helper()
	for i := 0; i < len(all); i += 1 + len(all)/50 {
		in := &all[i]
		n, first, last := int64(0), time.Time{}, time.Time{}
		for e, err := range a.Store().Events(t.Context(), in.ID) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; first.IsZero() || e.From.Before(first) {
				first = e.From
			}
			if e.From.After(last) {
				last = e.From
			}
			if e.Kind != in.Kind || e.Subject.String() != in.Subject {
				t.Errorf("incident %s about %s of %s holds an event about %s of %s", in.Key, in.Subject, in.Kind, e.Subject.String(), e.Kind)
			}
		}
		if n != in.Events || !first.Equal(in.FirstSeen) || last.After(in.LastSeen) {
			t.Errorf("incident %s counts %d events from %s to %s, and holds %d from %s to %s", in.Key, in.Events, in.FirstSeen,
				in.LastSeen, n, first, last)
		}
	}
}

// same compares what two nodes know.
func same(t *testing.T, want, got knowledge) {
	t.Helper()
	if diff := gocmp.Diff(want, got, cmpopts.IgnoreFields(incident.Incident{}, "ID", "Updated")); diff != "" {
		t.Errorf("what is known differs (-first +other):\n%.4000s", diff)
	}
}

// eventually asks again and again until f says yes.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline, again := time.After(time.Minute), time.NewTicker(10*time.Millisecond)
	defer again.Stop()
	for !f() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("a minute has gone by, and not: %s", what)
		}
	}
}

// running is a node that runs.
type running struct {
	*app.App
	stop context.CancelFunc
	done chan error
}

func run(t *testing.T, a *app.App) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &running{a, stop, make(chan error, 1)}
	go func() { r.done <- a.Run(ctx) }()
	return r
}

// end stops the node and waits until it has.
func (r *running) end(t *testing.T) {
	t.Helper()
	r.stop()
	if err := <-r.done; err != nil {
		t.Fatal(err)
	}
	shut(t, r.App)
}

// clock is a clock that the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time // mu
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// worked reports whether a report has been worked.
func worked(t *testing.T, a *app.App, id report.ID) bool {
	t.Helper()
	row, err := a.Store().Report(t.Context(), id)
	return err == nil && row.State == report.StateWorked
}
