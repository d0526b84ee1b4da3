package bench_test

import (
	"os"
	"path/filepath"
	"testing"

	"tocsin/internal/bench"
	"tocsin/internal/postgrestest"
	"tocsin/internal/world"
)

const rows = 4000

func check(t *testing.T, res bench.Result) {
	t.Helper()
	in := world.Bench(1, world.BenchSize{Rows: rows})
	if res.Events != int64(in.Rows-in.Repeats) || res.Repeats != int64(in.Repeats) || res.Rejected != 0 ||
		res.Reports != int64(len(in.Files)) || res.Incidents != int64(in.Pairs) {
		t.Errorf("measured %+v of %d rows, %d repeats, %d pairs, %d files", res, in.Rows, in.Repeats, in.Pairs, len(in.Files))
	}
	if res.EventsPerSecond <= 0 || res.Seconds <= 0 || res.CPUSecondsPerMillion <= 0 || res.PeakRSSMiB <= 0 || res.CPUs < 1 {
		t.Errorf("a figure is missing: %+v", res)
	}
}

// TestBenchCountsWhatItGenerates leaves its folder and a profile behind, when they are asked for.
func TestBenchCountsWhatItGenerates(t *testing.T) {
	dir, profile := t.TempDir(), filepath.Join(t.TempDir(), "cpu.prof")
	res, err := bench.Run(t.Context(), bench.Options{Events: rows, Prefixes: 1000, Dir: dir, CPUProfile: profile})
	if err != nil {
		t.Fatal(err)
	}
	check(t, res)
	for _, path := range []string{profile, filepath.Join(dir, "data", "db", "tocsin.db")} {
		if st, err := os.Stat(path); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := bench.Run(t.Context(), bench.Options{Events: rows, Dir: dir}); err == nil {
		t.Error("a second run in the same folder would not begin like the first, and was not refused")
	}
}

// TestBenchMails has one event in each report, and three incidents of ten reports.
func TestBenchMails(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	res, err := bench.Run(t.Context(), bench.Options{Mails: 300, Prefixes: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if res.Reports != 300 || res.Events != 300 || res.Repeats != 0 || res.Incidents != 90 || res.ReportsPerSecond <= 0 {
		t.Errorf("measured %+v of 300 mails", res)
	}
}

func TestBenchOnPostgreSQL(t *testing.T) {
	url := postgrestest.New(t)
	t.Setenv("TMPDIR", t.TempDir())
	res, err := bench.Run(t.Context(), bench.Options{Events: rows, Prefixes: 1000, StoreURL: url})
	if err != nil {
		t.Fatal(err)
	}
	check(t, res)
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("the benchmark left %v behind (%v)", left, err)
	}
}
