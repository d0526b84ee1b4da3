package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/internal/app"
	"tocsin/internal/evidence"
	"tocsin/internal/report"
)

// LogOptions say what Log measures.
type LogOptions struct {
	Entries    int
	CPUProfile string                // as LinesOptions.CPUProfile
	Dir        string                // as Options.Dir
	Progress   func(done, all int64) // may be nil
}

// LogResult is what Log measured.
type LogResult struct {
	EntriesPerSecond float64 `json:"entries_per_second"` // durable and under a signed checkpoint
	BytesPerEntry    float64 `json:"bytes_per_entry"`    // of all files, on the disk
	EntryBytes       float64 `json:"entry_bytes"`        // of the entries themselves
	AppendP50        float64 `json:"append_ms_p50"`      // of one entry appended alone
	AppendP99        float64 `json:"append_ms_p99"`
	CheckSeconds     float64 `json:"check_seconds"` // tocsin log check of it all
	PeakRSSMiB       float64 `json:"peak_rss_mib"`
	Faults           int     `json:"faults"` // that the check found
	Entries          int     `json:"entries"`
	Seconds          float64 `json:"seconds"` // of appending
}

// Entries come from several goroutines, in calls as the walker over chunks makes them; then some one after the other, as
// when persons act.
const (
	logWriters = 16
	logCall    = 256
	logAlone   = 500
)

// Log measures the evidence log: entries of work by the machine, appended durably, then single ones, then the check.
func Log(ctx context.Context, opt LogOptions) (LogResult, error) {
	dir, cleanup, err := workDir(opt.Dir)
	if err != nil {
		return LogResult{}, err
	}
	defer cleanup()
	l, err := app.OpenLog(ctx, dir, time.Now(), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		return LogResult{}, err
	}
	stop, err := profile(opt.CPUProfile)
	if err != nil {
		return LogResult{}, errors.Join(err, l.Close())
	}
	defer stop()
	res := LogResult{Entries: opt.Entries}
	err = res.appends(ctx, l, opt)
	if err == nil {
		err = res.alone(ctx, l)
	}
	if err := errors.Join(err, l.Close()); err != nil {
		return LogResult{}, err
	}
	if err := res.check(ctx, dir); err != nil {
		return LogResult{}, err
	}
	res.PeakRSSMiB = peakRSS()
	return res, nil
}

// logEntry is the entry of the nth chunk.
func logEntry(n int, r *rand.Rand) ([]byte, error) {
	var verdicts [32]byte
	for i := range verdicts {
		verdicts[i] = byte(r.Uint32())
	}
	e := evidence.Entry{
		ID: report.NewID(time.Now()), At: time.Now(), Kind: "chunk", By: "node", Subject: report.NewID(time.Now()).String(),
		Fields: []evidence.Field{
			{Name: "generation", Value: "0"},
			{Name: "seq", Value: fmt.Sprint(n)},
			{Name: "events", Value: fmt.Sprint(r.IntN(20_000))},
			{Name: "verdicts", Value: evidence.Commitment(verdicts).String()},
		},
	}
	return e.Encode()
}

// appends appends all entries but the single ones.
func (res *LogResult) appends(ctx context.Context, l *evidence.Log, opt LogOptions) error {
	many := max(opt.Entries-logAlone, 0)
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for w := range logWriters {
		g.Go(func() error {
			r := rand.New(rand.NewPCG(uint64(w), 1)) //nolint:gosec // the same entries each time
			for from := w * logCall; from < many; from += logWriters * logCall {
				var call [][]byte
				for n := from; n < min(from+logCall, many); n++ {
					e, err := logEntry(n, r)
					if err != nil {
						return err
					}
					call = append(call, e)
				}
				if _, err := l.Append(ctx, call); err != nil {
					return err
				}
				if opt.Progress != nil {
					opt.Progress(int64(l.Size()), int64(opt.Entries))
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	res.Seconds = time.Since(began).Seconds()
	res.EntriesPerSecond = float64(many) / res.Seconds
	return nil
}

// alone appends single entries, each when the one before is there.
func (res *LogResult) alone(ctx context.Context, l *evidence.Log) error {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same entries each time
	var all []time.Duration
	for n := int(l.Size()); n < res.Entries; n++ {
		e, err := logEntry(n, r)
		if err != nil {
			return err
		}
		began := time.Now()
		if _, err := l.Append(ctx, [][]byte{e}); err != nil {
			return err
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	milliseconds := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	res.AppendP50, res.AppendP99 = milliseconds(all[len(all)/2]), milliseconds(all[len(all)*99/100])
	return nil
}

func (res *LogResult) check(ctx context.Context, dir string) error {
	all, err := app.LogKeys(dir)
	if err != nil {
		return err
	}
	began := time.Now()
	found, err := evidence.Check(ctx, app.LogFolder(dir), app.LogTrust(all), evidence.CheckOptions{})
	if err != nil {
		return err
	}
	if found.Entries != uint64(res.Entries) {
		return fmt.Errorf("%d of %d entries are in the log: the figures would mean nothing", found.Entries, res.Entries)
	}
	res.CheckSeconds, res.Faults = time.Since(began).Seconds(), found.Faulty
	var size int64
	err = filepath.WalkDir(app.LogFolder(dir), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		return err
	}
	res.BytesPerEntry = float64(size) / float64(res.Entries)
	r, err := evidence.OpenReader(app.LogFolder(dir), app.LogTrust(all))
	if err != nil {
		return err
	}
	size = 0
	for e, err := range r.Entries(ctx, 0, r.Head().Size) {
		if err != nil {
			return err
		}
		size += int64(len(e))
	}
	res.EntryBytes = float64(size) / float64(res.Entries)
	return nil
}
