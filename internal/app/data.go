package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Data is a data directory: `tocsin.yaml` (optional), `keys/`, `db/`, `stream/`, `log/`, `spool/`.
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
	for _, sub := range []string{"", "keys", "db", "stream", "log", "spool"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("the data directory %s cannot be made: %w", dir, reason(err))
		}
	}
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data directory %s cannot be written: %w", dir, reason(err))
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w (%s)", ErrBusy, dir)
		}
		return nil, fmt.Errorf("the data directory %s cannot be locked: %w", dir, reason(err))
	}
	if err := os.WriteFile(filepath.Join(dir, "spool", ".probe"), nil, 0o600); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("the data directory %s cannot be written: %w", dir, reason(err))
	}
	_ = os.Remove(filepath.Join(dir, "spool", ".probe"))
	d.lock = f
	return d, nil
}

// Sub returns the path of one of the directory's folders.
func (d *Data) Sub(name string) string { return filepath.Join(d.Dir, name) }

// Close lets the data directory go.
func (d *Data) Close() error { return d.lock.Close() }

// reason says what is wrong with a directory in the operator's words.
func reason(err error) error {
	switch {
	case errors.Is(err, syscall.EROFS):
		return errors.New("it is on a file system that is mounted read-only")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("this user has no permission: change its owner or give another with --data")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return errors.New("the disk is full: free some space")
	case errors.Is(err, syscall.ENOTDIR):
		return errors.New("a part of the path is a file")
	}
	return err
}
