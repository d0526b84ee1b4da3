package intake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"tocsin/internal/report"
)

// File is one file found by Files.
type File struct {
	Path   string // as found: the path asked for and what lies below it
	Rel    string // below the path asked for; the file's own name where that was the file
	Folder string // first folder of Rel, "" where the file lies at the top
	Info   fs.FileInfo
	root   *os.Root
}

// Name is the file's own name.
func (f File) Name() string { return filepath.Base(f.Path) }

// Open opens the file. It works until the iterator's next step; what it returned stays open. It refuses what is not,
// or no longer, a regular file inside the path asked for.
func (f File) Open() (*os.File, error) {
	// Without blocking: a pipe that took the file's place would hold us until somebody writes into it.
	file, err := f.root.OpenFile(f.Rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", report.Printable(f.Path), reason(err))
	}
	info, err := file.Stat()
	if err == nil && (!info.Mode().IsRegular() || !os.SameFile(info, f.Info)) {
		err = errors.New("another file took its place while it was being opened: try again")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", report.Printable(f.Path), err), file.Close())
	}
	return file, nil
}

// Files yields the regular files that paths name: a file as it is, a folder with all below it, in the order of the
// paths and of the names in each folder, whatever the file system's own. Names with a leading dot are left out, and
// so are folders for which skip says so (given the path below the one asked for; nil leaves none out). Links to
// folders are not followed; a link to a file is, where its target lies below the path asked for. What cannot be read
// is yielded as an error that names it, and the rest goes on.
func Files(ctx context.Context, paths []string, skip func(rel string) bool) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		for _, path := range paths {
			if !walk(ctx, path, skip, yield) {
				return
			}
		}
	}
}

func walk(ctx context.Context, path string, skip func(string) bool, yield func(File, error) bool) bool {
	info, err := os.Stat(path)
	if err != nil {
		return yield(File{Path: path}, fmt.Errorf("%s: %w", report.Printable(path), reason(err)))
	}
	dir := path
	if !info.IsDir() {
		// A link that a person names is meant: where it leads is where we look.
		if dir, err = filepath.EvalSymlinks(path); err != nil {
			return yield(File{Path: path}, fmt.Errorf("%s: %w", report.Printable(path), reason(err)))
		}
		dir = filepath.Dir(dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return yield(File{Path: path}, fmt.Errorf("%s: %w", report.Printable(path), reason(err)))
	}
	defer root.Close()
	w := walker{path, root, skip, yield}
	if info.IsDir() {
		return w.folder(ctx, ".")
	}
	if !info.Mode().IsRegular() {
		return yield(File{Path: path}, fmt.Errorf("%s: neither a file nor a folder", report.Printable(path)))
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return yield(File{Path: path}, fmt.Errorf("%s: %w", report.Printable(path), reason(err)))
	}
	return yield(File{Path: path, Rel: filepath.Base(target), Info: info, root: root}, nil)
}

type walker struct {
	path  string
	root  *os.Root
	skip  func(rel string) bool
	yield func(File, error) bool
}

// folder walks one folder; false when the consumer has enough.
func (w *walker) folder(ctx context.Context, rel string) bool {
	names, err := w.list(rel)
	if err != nil {
		return w.yield(File{Path: filepath.Join(w.path, rel)}, fmt.Errorf("%s: %w", report.Printable(filepath.Join(w.path, rel)), reason(err)))
	}
	for _, e := range names {
		if err := ctx.Err(); err != nil {
			w.yield(File{}, context.Cause(ctx))
			return false
		}
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		below := filepath.Join(rel, e.Name())
		if e.IsDir() {
			if w.skip != nil && w.skip(below) {
				continue
			}
			if !w.folder(ctx, below) {
				return false
			}
			continue
		}
		if !w.file(below, e) {
			return false
		}
	}
	return true
}

func (w *walker) list(rel string) ([]fs.DirEntry, error) {
	d, err := w.root.Open(rel)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.ReadDir(-1)
	slices.SortFunc(names, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return names, err
}

func (w *walker) file(rel string, e fs.DirEntry) bool {
	path := filepath.Join(w.path, rel)
	if t := e.Type(); t&fs.ModeSymlink == 0 && !t.IsRegular() {
		return true // a pipe, a socket, a device: nobody's report
	}
	info, err := w.root.Stat(rel) // follows links that stay inside
	switch {
	case errors.Is(err, fs.ErrNotExist) && e.Type()&fs.ModeSymlink == 0:
		return true // gone since the folder was listed
	case err != nil && e.Type()&fs.ModeSymlink != 0:
		return w.yield(File{Path: path}, fmt.Errorf("%s: a link that leads nowhere or out of %s is not followed: put the file itself there", report.Printable(path), report.Printable(w.path)))
	case err != nil:
		return w.yield(File{Path: path}, fmt.Errorf("%s: %w", report.Printable(path), reason(err)))
	case !info.Mode().IsRegular():
		return true
	}
	f := File{Path: path, Rel: rel, Info: info, root: w.root}
	if i := strings.IndexRune(rel, filepath.Separator); i > 0 {
		f.Folder = rel[:i]
	}
	return w.yield(f, nil)
}

// reason is what an error of the file system says, without the call and the path, which its reader knows.
func reason(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
