package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/internal/intake/folder"
	"tocsin/internal/report"
	"tocsin/internal/store"
	"tocsin/internal/stream"
)

// Summary is what an import did, as `tocsin import --json` prints it.
type Summary struct {
	Reports          int64   `json:"reports"`    // documents seen
	Duplicates       int64   `json:"duplicates"` // of these, already worked or quarantined
	Events           int64   `json:"events"`
	Repeats          int64   `json:"repeats"`
	Rejected         int64   `json:"rejected"` // rows; a refused document counts 1
	IncidentsNew     int64   `json:"incidents_new"`
	IncidentsUpdated int64   `json:"incidents_updated"`
	LinesUnique      int64   `json:"lines_unique"`
	LinesAmbiguous   int64   `json:"lines_ambiguous"`
	LinesNone        int64   `json:"lines_none"`
	Seconds          float64 `json:"seconds"` // wall clock, first byte read to last commit
	EventsPerSecond  float64 `json:"events_per_second"`
}

// Add adds another import's counts; the times are the caller's.
func (s *Summary) Add(o Summary) {
	s.Reports += o.Reports
	s.Duplicates += o.Duplicates
	s.Events += o.Events
	s.Repeats += o.Repeats
	s.Rejected += o.Rejected
	s.IncidentsNew += o.IncidentsNew
	s.IncidentsUpdated += o.IncidentsUpdated
	s.LinesUnique += o.LinesUnique
	s.LinesAmbiguous += o.LinesAmbiguous
	s.LinesNone += o.LinesNone
}

// ImportOptions says what is known of the files beside what is in them.
type ImportOptions struct {
	Reporter string                    // empty: by the sources of the config, by the format found
	Format   string                    // empty: detected
	Progress func(accepted, all int64) // bytes; may be nil
}

// acceptors is how many files are made durable at once: small files wait for the disk together.
const acceptors = 8

// Import takes files and folders through the whole pipeline and returns when all of it is committed, what an earlier
// run left behind included.
func (a *App) Import(ctx context.Context, paths []string, opt ImportOptions) (Summary, error) {
	files, err := listFiles(paths)
	if err != nil {
		return Summary{}, err
	}
	im := &importer{app: a, opt: opt, begin: time.Now()}
	for _, f := range files {
		im.all += f.Size
	}
	im.last = im.begin
	err = a.withDesk(ctx, func(ctx context.Context) error { return im.run(ctx, files) })
	if err != nil {
		return im.sum, err
	}
	s := &im.sum
	s.Seconds = im.last.Sub(im.begin).Seconds()
	if s.Seconds > 0 {
		s.EventsPerSecond = float64(s.Events) / s.Seconds
	}
	tally, err := a.store.Since(ctx, im.begin)
	s.IncidentsNew, s.IncidentsUpdated = tally.New, tally.Updated
	return im.sum, err
}

func listFiles(paths []string) ([]folder.File, error) {
	var files []folder.File
	for f, err := range folder.Walk(paths...) {
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

type importer struct {
	app   *App
	opt   ImportOptions
	begin time.Time

	mu       sync.Mutex // guards all below; held for a few additions
	sum      Summary
	last     time.Time // of a commit
	all      int64     // bytes
	accepted int64
}

func (im *importer) run(ctx context.Context, files []folder.File) error {
	working, stop := context.WithCancel(ctx)
	defer stop()
	w, working := errgroup.WithContext(working)
	for range workers {
		w.Go(func() error { return im.app.stream.Work(working, im.work) })
	}
	err := im.accept(working, files)
	if err == nil { // one more worker, which ends when nothing is open any more
		err = im.app.stream.Drain(working, im.work)
	}
	stop()
	if failed := w.Wait(); failed != nil {
		return failed // why the others ended
	}
	return err
}

func (im *importer) accept(ctx context.Context, files []folder.File) error {
	g, accepting := errgroup.WithContext(ctx)
	g.SetLimit(acceptors)
	for _, f := range files {
		if accepting.Err() != nil {
			break
		}
		g.Go(func() error { return im.file(accepting, f) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// file makes one file durable.
func (im *importer) file(ctx context.Context, file folder.File) error {
	f, err := os.Open(file.Path)
	if err != nil {
		return fmt.Errorf("read %s: %w", file.Path, err)
	}
	defer f.Close()
	rep, err := im.app.describe(f, file.Name, im.opt)
	if err != nil {
		return fmt.Errorf("read %s: %w", file.Path, err)
	}
	accepted, duplicate, err := im.app.stream.Accept(ctx, rep, f)
	if err != nil {
		return fmt.Errorf("keep %s: %w", file.Path, err)
	}
	if duplicate {
		// Known, but left behind by a run that was killed: it is worked now, and no duplicate.
		row, err := im.app.store.Report(ctx, accepted.ID)
		done := err == nil && row.State != report.StateWorking
		if err != nil && !errors.Is(err, store.ErrNoReport) {
			return err
		}
		duplicate = done
	}
	im.mu.Lock()
	defer im.mu.Unlock()
	im.sum.Reports++
	if duplicate {
		im.sum.Duplicates++
	}
	im.accepted += file.Size
	if im.opt.Progress != nil {
		im.opt.Progress(im.accepted, im.all)
	}
	return nil
}

// describe says from whom a file is, and leaves f at its beginning.
func (a *App) describe(f *os.File, name string, opt ImportOptions) (report.Report, error) {
	rep := report.Report{Channel: "import", Name: name, Format: opt.Format, ReceivedAt: a.now()}
	found := opt.Format
	if found == "" {
		found = a.detect(f, name)
	}
	src := a.cfg.Intake.Import(opt.Reporter, found)
	rep.Reporter, rep.TLP = src.Name, src.TLP
	_, err := f.Seek(0, io.SeekStart)
	return rep, err
}

// work works one item and counts it. A disk that is full ends the import: there is nobody to free it meanwhile.
func (im *importer) work(ctx context.Context, it stream.Item) error {
	res, err := im.app.workItem(ctx, it)
	if errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrReadOnly) {
		return fmt.Errorf("%w: %w", stream.ErrStop, err)
	}
	if err != nil {
		return err
	}
	im.mu.Lock()
	defer im.mu.Unlock()
	if !res.DuplicateOf.IsZero() {
		im.sum.Duplicates++
	}
	im.sum.Events += res.Events
	im.sum.Repeats += res.Repeats
	im.sum.Rejected += res.Refused
	im.last = time.Now()
	return nil
}
