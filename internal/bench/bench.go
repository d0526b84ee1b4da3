// Package bench measures the pipeline on generated reports: the same code as an import, durable, from files on disk to
// incidents in the database.
package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"syscall"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/network"
	"tocsin/internal/report"
	"tocsin/internal/world"
)

// Options says what to measure.
type Options struct {
	Events     int    // rows to generate
	Mails      int    // instead of rows: reports of one event each
	Dir        string // empty: a temporary one that is removed
	CPUProfile string // file for a profile of the import; empty for none
	StoreURL   string // PostgreSQL database; empty for SQLite
	Prefixes   int    // of the address table; 0 is 500,000
	Progress   func(accepted, all int64)
}

// Result is what was measured.
type Result struct {
	EventsPerSecond      float64 `json:"events_per_second"`
	ReportsPerSecond     float64 `json:"reports_per_second,omitempty"` // of mails
	CPUSecondsPerMillion float64 `json:"cpu_seconds_per_million"`
	PeakRSSMiB           float64 `json:"peak_rss_mib"`
	Events               int64   `json:"events"`
	Repeats              int64   `json:"repeats"`
	Rejected             int64   `json:"rejected"`
	Incidents            int64   `json:"incidents"`
	Reports              int64   `json:"reports"`
	Prefixes             int     `json:"prefixes"`
	Seconds              float64 `json:"seconds"`
	CPUs                 int     `json:"cpus"`
}

// seed makes every run the same.
const seed = 1

// Run generates the input, imports it and returns the figures. The time counts from the first byte read to the last
// commit; generating and loading the address table do not count.
func Run(ctx context.Context, opt Options) (Result, error) {
	dir, cleanup, err := workDir(opt.Dir)
	if err != nil {
		return Result{}, err
	}
	defer cleanup()
	if opt.Prefixes == 0 {
		opt.Prefixes = 500_000
	}
	rows, err := generate(dir, opt)
	if err != nil {
		return Result{}, fmt.Errorf("generate reports: %w", err)
	}
	cfg := app.Defaults(filepath.Join(dir, "data"))
	cfg.Store.URL = opt.StoreURL
	cfg.Network.Tables = []network.TableFile{{Path: filepath.Join(dir, "prefixes.csv")}}
	a, err := app.New(ctx, cfg, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), time.Now)
	if err != nil {
		return Result{}, err
	}
	debug.FreeOSMemory() // what generating and loading left behind is not the pipeline's
	sum, cpu, err := measure(ctx, a, filepath.Join(dir, "reports"), opt)
	if err := errors.Join(err, a.Close()); err != nil {
		return Result{}, err
	}
	if got, want := sum.Events+sum.Repeats, int64(rows); got != want || sum.Rejected != 0 {
		return Result{}, fmt.Errorf("%d of %d rows became events or repeats and %d were refused: the figures would mean nothing", got, want, sum.Rejected)
	}
	res := Result{
		EventsPerSecond:      sum.EventsPerSecond,
		CPUSecondsPerMillion: cpu.Seconds() / float64(rows) * 1e6, PeakRSSMiB: peakRSS(),
		Events: sum.Events, Repeats: sum.Repeats, Rejected: sum.Rejected, Incidents: sum.IncidentsNew, Reports: sum.Reports,
		Prefixes: opt.Prefixes, Seconds: sum.Seconds, CPUs: runtime.GOMAXPROCS(0),
	}
	if opt.Mails > 0 && sum.Seconds > 0 {
		res.ReportsPerSecond = float64(sum.Reports) / sum.Seconds
	}
	return res, nil
}

func measure(ctx context.Context, a *app.App, reports string, opt Options) (app.Summary, time.Duration, error) {
	stop, err := profile(opt.CPUProfile)
	if err != nil {
		return app.Summary{}, 0, err
	}
	defer stop()
	before := cpuTime()
	sum, err := a.Import(ctx, []string{reports}, app.ImportOptions{Progress: opt.Progress})
	return sum, cpuTime() - before, err
}

// profile writes a CPU profile to a file until it is stopped; without a file it does nothing.
func profile(path string) (stop func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("cannot write the CPU profile %s: %w", report.Printable(path), app.Reason(err))
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("write CPU profile: %w", err), f.Close())
	}
	return func() { pprof.StopCPUProfile(); _ = f.Close() }, nil
}

func workDir(dir string) (path string, cleanup func(), err error) {
	if dir == "" {
		path, err = os.MkdirTemp("", "tocsin-bench-*")
		return path, func() { _ = os.RemoveAll(path) }, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("cannot make %s: %w", report.Printable(dir), app.Reason(err))
	}
	inside, err := os.ReadDir(dir)
	if err != nil {
		return "", nil, fmt.Errorf("cannot read %s: %w", report.Printable(dir), app.Reason(err))
	}
	if len(inside) > 0 {
		return "", nil, fmt.Errorf("%s is not empty: name an empty folder, so that every run begins alike", report.Printable(dir))
	}
	return dir, func() {}, nil
}

// generate writes the reports and the address table, and returns how many rows there are.
func generate(dir string, opt Options) (rows int, err error) {
	reports := filepath.Join(dir, "reports")
	if err := os.MkdirAll(reports, 0o700); err != nil {
		return 0, err
	}
	if opt.Mails > 0 {
		for body := range world.BenchMails(opt.Mails) {
			if err := os.WriteFile(filepath.Join(reports, fmt.Sprintf("%07d.eml", rows)), body, 0o600); err != nil {
				return 0, err
			}
			rows++
		}
	} else {
		in := world.Bench(seed, world.BenchSize{Rows: opt.Events})
		for _, f := range in.Files {
			if err := write(filepath.Join(reports, f.Name), func(w *bufio.Writer) error {
				_, err := f.WriteTo(w)
				return err
			}); err != nil {
				return 0, err
			}
		}
		rows = in.Rows
	}
	return rows, write(filepath.Join(dir, "prefixes.csv"), func(w *bufio.Writer) error {
		return world.BenchTable(w, opt.Prefixes, seed)
	})
}

func write(path string, body func(*bufio.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	return errors.Join(body(w), w.Flush(), f.Close())
}

// cpuTime is what this process has used of all its processors.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakRSS is the most memory that this process has ever held, in MiB, as the kernel counts it.
func peakRSS() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(status) {
		if v, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			kib, _ := strconv.ParseFloat(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(v), []byte("kB")))), 64)
			return kib / 1024
		}
	}
	return 0
}
