package app_test

import (
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/internal/app"
	"tocsin/internal/corpustest"
	"tocsin/internal/postgrestest"
	"tocsin/internal/world"
)

// checkTruth holds what an import counted against what the world knows of itself.
func checkTruth(t *testing.T, p *partnership, sum app.Summary) {
	t.Helper()
	truth := p.world.Truth()
	got := world.Truth{
		Documents: int(sum.Reports), Duplicates: int(sum.Duplicates), Observations: int(sum.Events), Repeats: int(sum.Repeats),
		Refused: int(sum.Rejected) - truth.Unreadable, Unreadable: truth.Unreadable, Rows: truth.Rows, Late: truth.Late,
	}
	if got != truth {
		t.Errorf("counted %+v, the truth is %+v", got, truth)
	}
}

// shuffled returns the documents in a random order.
func shuffled(r *rand.Rand, documents []document) []document {
	all := append([]document(nil), documents...)
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// TestOrderDoesNotMatter imports the same documents in several ways: the incidents follow from the set alone
// (DESIGN.md §5).
func TestOrderDoesNotMatter(t *testing.T) {
	p := newPartnership(t, 7, world.Small())
	now := p.world.End()
	first := open(t, p.config(t.TempDir()), at(now))
	checkTruth(t, p, importAll(t, first, byReporter(p.documents)))
	want := knows(t, first, now)
	shut(t, first)
	if truth := p.world.Truth(); want.Events != int64(truth.Observations) || len(want.Incidents) < 50 {
		t.Fatalf("%d incidents hold %d events, the truth is %d", len(want.Incidents), want.Events, truth.Observations)
	}
	r, rounds := random(t), 1
	if prove() {
		rounds = 10
	}
	for range rounds {
		t.Run("each reporter's at random", func(t *testing.T) {
			documents := byReporter(shuffled(r, p.documents))
			t.Parallel()
			a := open(t, p.config(t.TempDir()), at(now))
			defer shut(t, a)
			checkTruth(t, p, importAll(t, a, documents))
			same(t, want, knows(t, a, now))
		})
		t.Run("one by one at random", func(t *testing.T) {
			documents := shuffled(r, p.documents)
			t.Parallel()
			a := open(t, p.config(t.TempDir()), at(now))
			defer shut(t, a)
			var sum app.Summary
			for _, d := range documents {
				sum.Add(importAll(t, a, []document{d}))
			}
			checkTruth(t, p, sum)
			same(t, want, knows(t, a, now))
		})
		t.Run("twice in parts with restarts", func(t *testing.T) {
			parts := rand.New(rand.NewPCG(r.Uint64(), 0))
			t.Parallel()
			importedInParts(t, parts, p, want)
		})
	}
}

// importedInParts delivers everything twice, in parts that cut through reporters, the node restarted between them.
func importedInParts(t *testing.T, r *rand.Rand, p *partnership, want knowledge) {
	now := p.world.End()
	cfg := p.config(t.TempDir())
	twice := shuffled(r, append(append([]document(nil), p.documents...), p.documents...))
	var sum app.Summary
	for len(twice) > 0 {
		n := min(1+r.IntN(len(p.documents)), len(twice))
		a := open(t, cfg, at(now))
		sum.Add(importAll(t, a, byReporter(twice[:n])))
		shut(t, a)
		twice = twice[n:]
	}
	sum.Duplicates -= int64(len(p.documents)) // of each document the second time
	sum.Reports -= int64(len(p.documents))
	checkTruth(t, p, sum)
	a := open(t, cfg, at(now))
	defer shut(t, a)
	same(t, want, knows(t, a, now))
}

// TestOrderOfTheCorpusDoesNotMatter is the same with real reports.
func TestOrderOfTheCorpusDoesNotMatter(t *testing.T) {
	var documents []document
	for _, folder := range []string{"shadowserver", "xarf_v4", "arf_mail"} {
		n := 0
		if err := filepath.WalkDir(corpustest.Dir(t, folder), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && (n < 60 || prove()) {
				documents = append(documents, document{path, ""})
				n++
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	var want knowledge
	r := random(t)
	for i := range 3 {
		cfg := app.Defaults(t.TempDir())
		a := open(t, cfg, at(now))
		sum := importAll(t, a, documents)
		got := knows(t, a, now)
		shut(t, a)
		if i == 0 {
			want = got
			if sum.Events < 100 {
				t.Fatalf("too little: %+v", sum)
			}
		}
		same(t, want, got)
		documents = shuffled(r, documents)
	}
}

// TestPostgreSQLKnowsTheSame runs the whole pipeline on PostgreSQL, once with one node and once with two that work
// at the same time, some documents given to both.
func TestPostgreSQLKnowsTheSame(t *testing.T) {
	p := newPartnership(t, 8, world.Small())
	now := p.world.End()
	lite := open(t, p.config(t.TempDir()), at(now))
	importAll(t, lite, byReporter(p.documents))
	want := knows(t, lite, now)
	shut(t, lite)

	t.Run("one node", func(t *testing.T) {
		cfg := p.config(t.TempDir())
		cfg.Store.URL = postgrestest.New(t)
		a := open(t, cfg, at(now))
		defer shut(t, a)
		checkTruth(t, p, importAll(t, a, byReporter(p.documents)))
		same(t, want, knows(t, a, now))
		again := importAll(t, a, byReporter(p.documents))
		if again.Duplicates != again.Reports || again.Events+again.Repeats+again.Rejected+again.IncidentsNew+again.IncidentsUpdated != 0 {
			t.Errorf("imported again: %+v", again)
		}
	})
	t.Run("two nodes at once", func(t *testing.T) {
		url, r := postgrestest.New(t), random(t)
		nodes := [2]*app.App{}
		for i := range nodes {
			cfg := p.config(t.TempDir())
			cfg.Store.URL = url
			nodes[i] = open(t, cfg, at(now))
			defer shut(t, nodes[i])
		}
		all := shuffled(r, p.documents)
		third := len(all) / 3
		parts := [2][]document{all[:2*third], all[third:]} // the middle third goes to both
		var g errgroup.Group
		for i, a := range nodes {
			g.Go(func() error {
				_, err := importDocuments(t.Context(), a, byReporter(parts[i]))
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		same(t, want, knows(t, nodes[0], now))
		same(t, want, knows(t, nodes[1], now))
	})
}
