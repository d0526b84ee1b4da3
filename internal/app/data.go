package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"tocsin/internal/report"
)

// Data is a data directory: `tocsin.yaml` (optional), `keys/`, `db/`, `stream/`, `log/`, `lines/`, `spool/`.
type Data struct {
	Dir  string
	lock *os.File
}

// ErrBusy says that another process writes in the data directory.
var ErrBusy = errors.New("another tocsin is writing in this data directory")

// ErrNoData says that there is no node in the data directory yet.
var ErrNoData = errors.New("nothing has been imported or served here yet")

// OpenData takes a data directory for writing, making it where it is not there. The lock is the kernel's, so it goes
// with the process, however that ends. ErrBusy says that another process has it.
func OpenData(dir string) (*Data, error) {
	d := &Data{Dir: dir}
	for _, sub := range []string{"", "keys", "db", "stream", "log", "lines", "spool"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("the folder %s of the data directory cannot be made: %w", report.Printable(filepath.Join(dir, sub)), Reason(err))
		}
	}
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data directory %s cannot be written: %w", report.Printable(dir), Reason(err))
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w (%s)", ErrBusy, dir)
		}
		return nil, fmt.Errorf("the data directory %s cannot be locked: %w", report.Printable(dir), Reason(err))
	}
	if err := os.WriteFile(filepath.Join(dir, "spool", ".probe"), nil, 0o600); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("the data directory %s cannot be written: %w", report.Printable(dir), Reason(err))
	}
	_ = os.Remove(filepath.Join(dir, "spool", ".probe"))
	d.lock = f
	return d, nil
}

// Sub returns the path of one of the directory's folders.
func (d *Data) Sub(name string) string { return filepath.Join(d.Dir, name) }

// Close lets the data directory go.
func (d *Data) Close() error { return d.lock.Close() }

// Begun reports whether there is a node in a data directory: it was made by init, or something was imported or served.
func Begun(dir string) bool {
	for _, part := range []string{FileName, "keys", "db"} {
		if _, err := os.Stat(filepath.Join(dir, part)); !errors.Is(err, fs.ErrNotExist) {
			return true // also where it cannot be told: what is done next says why
		}
	}
	return false
}

// worded is an error in the operator's words.
type worded struct {
	text  string
	cause error
}

// Error is the operator's words alone.
func (w *worded) Error() string { return w.text }

// Unwrap gives the error that they stand for.
func (w *worded) Unwrap() error { return w.cause }

// Reason says in the operator's words what the system said of a file or folder. It leaves out the system call and the
// path, which is for the caller to name.
func Reason(err error) error {
	for _, known := range []struct {
		cause error
		text  string
	}{
		{syscall.EROFS, "it is on a file system that is mounted read-only"},
		{fs.ErrPermission, "this user has no permission: change its owner, or run as the user who owns it"},
		{syscall.ENOSPC, "the disk is full: free some space"},
		{syscall.EDQUOT, "the disk is full: free some space"},
		{syscall.ENOTDIR, "a part of the path is a file"},
		{syscall.EISDIR, "it is a folder, and a file is needed"},
		{syscall.ENAMETOOLONG, "the name is too long: take a shorter one"},
	} {
		if errors.Is(err, known.cause) {
			return &worded{known.text, err}
		}
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
