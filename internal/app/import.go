package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"tocsin/internal/intake"
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
	Rejected         int64   `json:"rejected"`  // rows; a refused document counts 1
	Waiting          int64   `json:"waiting"`   // reports that are mails in no known format, for a person
	SetAside         int64   `json:"set_aside"` // reports that are bounces, auto-replies, spam
	IncidentsNew     int64   `json:"incidents_new"`
	IncidentsUpdated int64   `json:"incidents_updated"`
	LinesUnique      int64   `json:"lines_unique"`
	LinesAmbiguous   int64   `json:"lines_ambiguous"`
	LinesNone        int64   `json:"lines_none"`
	Seconds          float64 `json:"seconds"` // wall clock, first byte read to last commit
	EventsPerSecond  float64 `json:"events_per_second"`

	Unreadable int64 `json:"-"` // files and folders that could not be read, so that nothing is known of them
}

// Add adds another import's counts; the times are the caller's.
func (s *Summary) Add(o Summary) {
	s.Reports += o.Reports
	s.Duplicates += o.Duplicates
	s.Events += o.Events
	s.Repeats += o.Repeats
	s.Rejected += o.Rejected
	s.Waiting += o.Waiting
	s.SetAside += o.SetAside
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

	Stdin     io.Reader // one more document; may be nil. It is read to its end before the files
	StdinName string    // its file name; may be empty

	// Unreadable is told of each file or folder that cannot be read: one sentence that names it. The rest goes on. It
	// may be called from several goroutines; nil leaves them out in silence.
	Unreadable func(err error)
}

// acceptors is how many small files are made durable at once: they wait for the disk together. A file of more than
// smallFile counts as many, because it has a buffer of its own.
const (
	acceptors = 256
	smallFile = 8 << 10
	manyFiles = 16
)

// Import takes files and folders through the whole pipeline and returns when all of it is committed, what an earlier
// run left behind included.
func (a *App) Import(ctx context.Context, paths []string, opt ImportOptions) (Summary, error) {
	im := a.newImporter(opt)
	for f, err := range intake.Files(ctx, paths, nil) {
		if err == nil { // else it is told when its turn comes
			im.all += f.Info.Size()
		}
	}
	im.last = im.begin
	if a.lines != nil {
		if err := a.lines.Poll(ctx); err != nil { // what cannot be read makes answers less than unique, not wrong
			a.log.Warn("a source of lines cannot be read", "error", err)
		}
	}
	err := a.withDesk(ctx, func(ctx context.Context) error { return im.run(ctx, paths) })
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

type importer struct {
	app    *App
	opt    ImportOptions
	begin  time.Time
	worked func(done, all int64) // reports; may be nil

	mu       sync.Mutex // guards all below; held for a few additions
	sum      Summary
	last     time.Time // of a commit
	all      int64     // bytes to accept, or reports to replay
	accepted int64     // bytes
	done     int64     // reports worked
	marks    map[report.ID]mark
}

// mark is what this run did with a report.
type mark uint8

const (
	seen  mark = 1 << iota // a document of it was made durable, or was there
	taken                  // its work was begun
)

func (a *App) newImporter(opt ImportOptions) *importer {
	return &importer{app: a, opt: opt, begin: time.Now(), marks: map[report.ID]mark{}}
}

func (im *importer) run(ctx context.Context, paths []string) error {
	working, stop := context.WithCancel(ctx)
	defer stop()
	w, working := errgroup.WithContext(working)
	for range workers {
		w.Go(func() error { return im.app.stream.Work(working, im.work) })
	}
	err := im.accept(working, paths)
	if err == nil { // one more worker, which ends when nothing is open any more
		err = im.app.stream.Drain(working, im.work)
	}
	stop()
	if failed := w.Wait(); failed != nil {
		return failed // why the others ended
	}
	return err
}

func (im *importer) accept(ctx context.Context, paths []string) error {
	g, accepting := errgroup.WithContext(ctx)
	room := semaphore.NewWeighted(acceptors)
	if im.opt.Stdin != nil {
		if err := im.stdin(accepting); err != nil {
			return err
		}
	}
	for file, err := range intake.Files(accepting, paths, nil) {
		if accepting.Err() != nil {
			break
		}
		var f *os.File
		if err == nil {
			f, err = file.Open()
		}
		if err != nil {
			im.unreadable(err)
			continue
		}
		share := int64(1)
		if file.Info.Size() > smallFile {
			share = manyFiles
		}
		if room.Acquire(accepting, share) != nil {
			_ = f.Close() // it was only read
			break
		}
		g.Go(func() error {
			defer room.Release(share)
			return im.file(accepting, file, f)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// unreadable notes a file that cannot be read.
func (im *importer) unreadable(err error) {
	im.mu.Lock()
	im.sum.Unreadable++
	im.mu.Unlock()
	if im.opt.Unreadable != nil {
		im.opt.Unreadable(err)
	}
}

// file makes one file durable, and closes it.
func (im *importer) file(ctx context.Context, file intake.File, f *os.File) error {
	defer f.Close()
	err := im.keep(ctx, file.Name(), file.Info.Size(), f)
	if pe, ok := errors.AsType[*fs.PathError](err); ok && pe.Path == f.Name() { // the file's own disk, not ours
		im.unreadable(fmt.Errorf("%s: %w", report.Printable(file.Path), pe.Err))
		return nil
	}
	if err != nil {
		return fmt.Errorf("keep %s: %w", report.Printable(file.Path), err)
	}
	return nil
}

// stdin makes what comes on standard input durable. It lies in the spool meanwhile, because it may be read twice.
func (im *importer) stdin(ctx context.Context) error {
	f, err := os.CreateTemp(im.app.data.Sub("spool"), "stdin-*")
	if err != nil {
		return fmt.Errorf("keep standard input: %w", Reason(err))
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil { // so that a crash leaves nothing
		return fmt.Errorf("keep standard input: %w", Reason(err))
	}
	size, err := io.Copy(f, canceled{ctx, im.opt.Stdin})
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("keep standard input: %w", Reason(err))
	}
	im.mu.Lock()
	im.all += size
	im.mu.Unlock()
	if err := im.keep(ctx, im.opt.StdinName, size, f); err != nil {
		return fmt.Errorf("keep standard input: %w", err)
	}
	return nil
}

// canceled reads on until ctx ends.
type canceled struct {
	ctx context.Context //nolint:containedctx // io.Copy passes none, and this lives for one call of it
	io.Reader
}

// Read reads on.
func (c canceled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.Reader.Read(p)
}

// keep makes one document durable, and counts it.
func (im *importer) keep(ctx context.Context, name string, size int64, r io.ReadSeeker) error {
	got, err := im.app.channels.door.Accept(ctx, intake.Delivery{
		Channel: intake.ChannelImport, Reporter: im.opt.Reporter, Name: name, Format: im.opt.Format,
	}, r)
	if err != nil {
		return err
	}
	duplicate, err := im.duplicate(ctx, got)
	if err != nil {
		return err
	}
	im.mu.Lock()
	defer im.mu.Unlock()
	im.sum.Reports++
	if duplicate {
		im.sum.Duplicates++
	}
	im.accepted += size
	if im.opt.Progress != nil {
		im.opt.Progress(im.accepted, im.all)
	}
	return nil
}

// duplicate says whether a document counts as one: all but one of those with the same bytes do, and that one too when
// an earlier run has worked them. Bytes that a run which was killed left behind are worked by this run.
func (im *importer) duplicate(ctx context.Context, got intake.Receipt) (bool, error) {
	id := got.Report.ID
	before := false // an earlier run has worked it
	if got.Duplicate {
		// The row is asked for first: when it says that this run has worked the report, the mark is there too.
		row, err := im.app.store.Report(ctx, id)
		if err != nil && !errors.Is(err, store.ErrNoReport) {
			return false, err
		}
		before = err == nil && row.State != report.StateWorking
	}
	// Of documents with the same bytes that are made durable at the same time, the first to come here counts as new,
	// whichever of them the stream kept.
	im.mu.Lock()
	defer im.mu.Unlock()
	m := im.marks[id]
	im.marks[id] = m | seen
	return m&seen != 0 || before && m&taken == 0, nil
}

// begun marks a report that this run works.
func (im *importer) begun(id report.ID) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.marks[id] |= taken
}

// attempts is how often an import tries to work a report, over some twelve seconds.
const attempts = 8

// hopeless reports whether an error ends the import: a disk that is full, since there is nobody to free it meanwhile,
// and what goes on for too long. A node tries again for ever.
func hopeless(err error, attempt int) bool {
	for _, end := range [...]error{
		store.ErrFull, store.ErrReadOnly, store.ErrDamaged, stream.ErrFull, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS,
	} {
		if errors.Is(err, end) {
			return true
		}
	}
	return attempt >= attempts && !errors.Is(err, stream.ErrReject)
}

// last is an error that ends the import; to the stream it is stream.ErrStop.
type last struct{ error }

// Is and Unwrap serve errors.Is.
func (l last) Is(target error) bool { return target == stream.ErrStop }
func (l last) Unwrap() error        { return l.error }

// work works one item and counts it.
func (im *importer) work(ctx context.Context, it stream.Item) error {
	im.begun(it.Report.ID)
	res, err := im.app.workItem(ctx, it)
	switch {
	case err == nil:
	case ctx.Err() == nil && hopeless(err, it.Attempt):
		return last{err}
	default:
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
	im.sum.LinesUnique += res.Lines.Unique
	im.sum.LinesAmbiguous += res.Lines.Ambiguous
	im.sum.LinesNone += res.Lines.None
	switch res.Letter {
	case report.StateWaiting:
		im.sum.Waiting++
	case report.StateAside:
		im.sum.SetAside++
	}
	im.last = time.Now()
	if im.done++; im.worked != nil {
		im.worked(im.done, im.all)
	}
	return nil
}
