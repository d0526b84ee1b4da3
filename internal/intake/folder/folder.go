// Package folder takes in what is put into the drop folder. A file is taken when it has been left alone for a while,
// handed to the stream, and only then moved to done or deleted. A crash in between means that it is taken once more,
// which the stream sees to be a duplicate.
package folder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"tocsin/internal/intake"
	"tocsin/internal/report"
)

// Folder is the watched drop folder.
type Folder struct {
	path string
	cfg  intake.Folder
	door *intake.Door
	log  *slog.Logger

	watch *fsnotify.Watcher // nil where the system tells of no changes: then the periodic scan is all there is

	// Run's own.
	seen map[string]look // by path below the drop folder

	// mu is held to read and to change stuck.
	mu    sync.Mutex
	stuck map[string]Stuck
}

// look is how a file stood when it was last looked at.
type look struct {
	size  int64
	mod   time.Time
	since time.Time // since when it has stood so
	taken bool      // safe in the stream, but still to be moved away
}

// Stuck is a file that cannot be taken. It is tried again at each scan.
type Stuck struct {
	Path   string // below the drop folder; personal
	Reason string // one sentence; personal
	Since  time.Time
}

// New makes the drop folder at path, where it does not exist, and watches it. cfg is complete (WithDefaults).
func New(cfg intake.Folder, path string, door *intake.Door, log *slog.Logger) (*Folder, error) {
	err := os.MkdirAll(path, 0o750)
	if err == nil && !cfg.Delete {
		err = os.MkdirAll(filepath.Join(path, intake.DoneFolder), 0o750)
	}
	if err != nil {
		return nil, fmt.Errorf("the drop folder %s cannot be used: make it a folder that Tocsin may write to (%w)", path, err)
	}
	f := &Folder{path: path, cfg: cfg, door: door, log: log, seen: map[string]look{}, stuck: map[string]Stuck{}}
	if f.watch, err = fsnotify.NewWatcher(); err == nil {
		err = f.watch.Add(path)
	}
	if err != nil {
		log.Warn("the system does not tell of changes in the drop folder: it is looked through from time to time", "every", cfg.Scan, "err", err)
		f.unwatch()
	}
	return f, nil
}

func (f *Folder) unwatch() {
	if f.watch != nil {
		_ = f.watch.Close() // nothing is lost with it
		f.watch = nil
	}
}

// Run takes files until ctx ends.
func (f *Folder) Run(ctx context.Context) error {
	defer f.unwatch()
	var events chan fsnotify.Event
	var troubles chan error
	if f.watch != nil {
		events, troubles = f.watch.Events, f.watch.Errors
	}
	next, soon := time.NewTimer(0), true
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-events:
			if !ok {
				events = nil
			}
			if !soon { // whatever it was, a look after the time of settling finds it; more events do not put that off
				next.Reset(f.cfg.Settle)
				soon = true
			}
		case err, ok := <-troubles:
			if !ok {
				troubles = nil
			} else {
				f.log.Debug("watch the drop folder", "err", err) // lost events are made up for by the scan
			}
		case <-next.C:
			wait := f.scan(ctx)
			next.Reset(wait)
			soon = wait == f.cfg.Settle
		}
	}
}

// scan looks at every file, takes those that are finished, and returns when to look again.
func (f *Folder) scan(ctx context.Context) time.Duration {
	here := map[string]bool{}
	again := f.cfg.Scan
	f.follow()
	var ready []*taking
	size := int64(0)
	defer func() { closeAll(ready) }()
	for file, err := range intake.Files(ctx, []string{f.path}, f.skip) {
		rel, rerr := filepath.Rel(f.path, file.Path)
		if ctx.Err() != nil || rerr != nil {
			return again
		}
		if unfinished(file.Name()) {
			continue
		}
		here[rel] = true
		if err != nil {
			f.complain(rel, err)
			continue
		}
		if !f.settled(rel, file.Info) {
			again = f.cfg.Settle
			continue
		}
		t, err := f.open(rel, file)
		if err != nil {
			f.complain(rel, err)
			continue
		}
		ready, size = append(ready, t), size+file.Info.Size()
		if len(ready) == togetherFiles || size >= togetherBytes {
			f.take(ctx, ready)
			ready, size = ready[:0], 0
		}
	}
	f.take(ctx, ready)
	ready = nil
	if ctx.Err() != nil {
		return again
	}
	f.forget(here)
	f.expire(ctx)
	return again
}

// skip leaves out what was taken.
func (f *Folder) skip(rel string) bool { return rel == intake.DoneFolder }

// unfinished names are those that writers rename when they are done.
func unfinished(name string) bool {
	low := strings.ToLower(name)
	return strings.HasSuffix(low, ".part") || strings.HasSuffix(low, ".tmp")
}

// follow watches the folders below as well, new ones included. What cannot be watched is scanned all the same.
func (f *Folder) follow() {
	if f.watch == nil {
		return
	}
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return // the scan that follows says so
	}
	for _, e := range entries {
		if e.IsDir() && !f.skip(e.Name()) && !strings.HasPrefix(e.Name(), ".") {
			if err := f.watch.Add(filepath.Join(f.path, e.Name())); err != nil {
				f.log.Debug("watch a folder of the drop folder", "err", err)
			}
		}
	}
}

// settled reports whether nobody has touched the file for the time of settling: by its own time, which a rename
// keeps, or by what we saw, where its time is of no use.
func (f *Folder) settled(rel string, info fs.FileInfo) bool {
	now := time.Now()
	l, known := f.seen[rel]
	if !known || l.size != info.Size() || !l.mod.Equal(info.ModTime()) {
		l = look{size: info.Size(), mod: info.ModTime(), since: now}
		f.seen[rel] = l
	}
	return now.Sub(l.mod) >= f.cfg.Settle || now.Sub(l.since) >= f.cfg.Settle
}

// How many files are handed to the stream at once, and about how many bytes: small reports wait for the disk together.
const (
	togetherFiles = 64
	togetherBytes = 1 << 20
)

// taking is a file that is about to be taken.
type taking struct {
	rel  string
	file intake.File
	in   *os.File // nil where it is safe in the stream already
	err  error
}

func (f *Folder) open(rel string, file intake.File) (*taking, error) {
	t := &taking{rel: rel, file: file}
	if f.seen[rel].taken {
		return t, nil
	}
	var err error
	t.in, err = file.Open()
	return t, err
}

func closeAll(all []*taking) {
	for _, t := range all {
		if t.in != nil {
			_ = t.in.Close() // it was only read
		}
	}
}

// take hands files to the stream, all at once, and puts away those that are safe there.
func (f *Folder) take(ctx context.Context, all []*taking) {
	var wg sync.WaitGroup
	for _, t := range all {
		if t.in != nil {
			wg.Go(func() { t.err = f.accept(ctx, t.file, t.in) })
		}
	}
	wg.Wait()
	closeAll(all)
	for _, t := range all {
		if t.err == nil {
			t.err = f.taken(t.rel)
		}
		if t.err != nil && ctx.Err() == nil {
			f.complain(t.rel, t.err)
		}
	}
}

// taken puts away a file that is safe in the stream.
func (f *Folder) taken(rel string) error {
	l := f.seen[rel]
	l.taken = true
	f.seen[rel] = l
	if err := f.putAway(rel); err != nil {
		return fmt.Errorf("it is safe in the stream, but cannot be moved out of the drop folder: %w", bare(err))
	}
	delete(f.seen, rel)
	f.relieve(rel)
	return nil
}

// bare is what an error of the file system says, without the call and the paths.
func bare(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	if le, ok := errors.AsType[*os.LinkError](err); ok {
		return le.Err
	}
	return err
}

func (f *Folder) accept(ctx context.Context, file intake.File, in *os.File) error {
	got, err := f.door.Accept(ctx, intake.Delivery{
		Channel: intake.ChannelFolder, Folder: file.Folder, Name: file.Name(),
	}, in)
	if err != nil {
		return err
	}
	// Somebody wrote on while we read: what we have is a report of its own, and the finished file will be another.
	if now, err := in.Stat(); err != nil || now.Size() != file.Info.Size() || !now.ModTime().Equal(file.Info.ModTime()) {
		return errors.New("it was changed while it was read: write it under a name that ends in .part, and rename it when it is whole")
	}
	f.log.Info("report taken from the drop folder", "report", got.Report.ID, "reporter", got.Report.Reporter,
		"bytes", got.Report.Size, "duplicate", got.Duplicate)
	return nil
}

// putAway deletes a file, or moves it to today's folder in done, under its own name or, where that is taken, one
// with a number.
func (f *Folder) putAway(rel string) error {
	root, err := os.OpenRoot(f.path)
	if err != nil {
		return err
	}
	defer root.Close()
	if f.cfg.Delete {
		return root.Remove(rel)
	}
	to := filepath.Join(intake.DoneFolder, time.Now().UTC().Format(time.DateOnly), rel)
	if err := root.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return err
	}
	for n, name := 2, to; n < 10_000; n++ {
		if _, err := root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return root.Rename(rel, name)
		}
		ext := filepath.Ext(to)
		name = fmt.Sprintf("%s~%d%s", strings.TrimSuffix(to, ext), n, ext)
	}
	return errors.New("too many files of this name were taken today: use other names")
}

// complain says once that a file cannot be taken; Stuck goes on saying so.
func (f *Folder) complain(rel string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, known := f.stuck[rel]
	if !known {
		s = Stuck{Path: rel, Since: time.Now().UTC()}
		// Names may name people, so the log has them only at debug. The inode finds the file (docs/operate.md).
		inode, size := f.inode(rel)
		f.log.Warn("a file in the drop folder cannot be taken and will be tried again: find it by its inode, with find -inum",
			"inode", inode, "bytes", size, "cause", f.cause(rel, err), "stuck", len(f.stuck)+1)
		f.log.Debug("a file in the drop folder cannot be taken", "file", rel, "err", err)
	}
	s.Reason = err.Error()
	f.stuck[rel] = s
}

// inode is the file's number and its size; 0 where there is nothing to see any more.
func (f *Folder) inode(rel string) (number uint64, size int64) {
	info, err := os.Lstat(filepath.Join(f.path, rel))
	if err != nil {
		return 0, 0
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		number = st.Ino
	}
	return number, info.Size()
}

// cause is what an error says without the file's name.
func (f *Folder) cause(rel string, err error) string {
	s := strings.ReplaceAll(err.Error(), report.Printable(filepath.Join(f.path, rel)), "it")
	if !strings.Contains(s, report.Printable(filepath.Base(rel))) {
		return s
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	return "the log at level debug says it"
}

// Stuck lists the files that cannot be taken, by path.
func (f *Folder) Stuck() []Stuck {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []Stuck
	for _, s := range f.stuck {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Stuck) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// relieve takes a file off the list of what is stuck.
func (f *Folder) relieve(rel string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.stuck, rel)
}

// forget drops what is known of files that are no longer here.
func (f *Folder) forget(here map[string]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	gone := func(rel string) bool { return !here[rel] }
	maps.DeleteFunc(f.seen, func(rel string, _ look) bool { return gone(rel) })
	maps.DeleteFunc(f.stuck, func(rel string, _ Stuck) bool { return gone(rel) })
}

// expire removes the days of done that have passed their end date (DESIGN.md §8.11).
func (f *Folder) expire(ctx context.Context) {
	done := filepath.Join(f.path, intake.DoneFolder)
	days, err := os.ReadDir(done)
	if err != nil {
		return // deleted files leave no done
	}
	last := time.Now().UTC().AddDate(0, 0, -f.cfg.KeepDays)
	for _, d := range days {
		day, err := time.Parse(time.DateOnly, d.Name())
		if err != nil || !day.Before(last.Truncate(24*time.Hour)) {
			continue
		}
		n := 0
		for _, err := range intake.Files(ctx, []string{filepath.Join(done, d.Name())}, nil) {
			if err == nil {
				n++
			}
		}
		if ctx.Err() != nil {
			return
		}
		if err := os.RemoveAll(filepath.Join(done, d.Name())); err != nil {
			f.log.Warn("a day of taken files has passed its end date and cannot be removed", "day", d.Name(), "err", err)
			continue
		}
		f.log.Info("taken files removed at their end date", "day", d.Name(), "files", n)
	}
}
