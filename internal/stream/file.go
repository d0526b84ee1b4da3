package stream

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"tocsin/internal/report"
)

// On an embedded stream the bytes of a report of more than one chunk are a file of their own, in the folder originals,
// and its last message holds only what it says of them (docs/adr/0003-large-originals-are-files.md). JetStream keeps
// the blocks that it wrote or read in memory for ten seconds: a report of 300 MB cost 600 MB of it. The rules stay those
// of the package comment: the file is durable before the message that names it, and goes after it.

func (s *Stream) originalPath(id report.ID) string {
	return filepath.Join(s.dir, "originals", id.String())
}

// write appends to the file, which the first write makes.
func (u *upload) write(b []byte) error {
	if u.file == nil {
		path := u.s.originalPath(u.id)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("keep the original: %w", err)
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("keep the original: %w", err)
		}
		u.file, u.begun = f, true
	}
	if _, err := u.file.Write(b); err != nil {
		return fmt.Errorf("keep the original: %w", err)
	}
	return nil
}

// finish writes the last chunk and makes the file durable, its name included.
func (u *upload) finish(b []byte) error {
	err := u.write(b)
	if err == nil {
		err = u.file.Sync()
	}
	if err := errors.Join(err, u.file.Close()); err != nil {
		return fmt.Errorf("keep the original: %w", err)
	}
	dir, err := os.Open(filepath.Dir(u.file.Name()))
	if err != nil {
		return fmt.Errorf("keep the original: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("keep the original: %w", err)
	}
	return nil
}

// removeFile removes an original's file, where it has one.
func (s *Stream) removeFile(id report.ID) error {
	if !s.embedded() {
		return nil
	}
	if err := os.Remove(s.originalPath(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the original of report %s: %w", id, err)
	}
	return nil
}

// sweepFiles removes files that no object names: their upload broke off, or their object went just before a crash.
func (s *Stream) sweepFiles(ctx context.Context) error {
	files, err := os.ReadDir(filepath.Join(s.dir, "originals"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	ids, err := s.originalIDs(ctx)
	if err != nil {
		return err
	}
	for _, f := range files {
		id, err := report.ParseID(f.Name())
		if _, named := ids[id]; err != nil || named {
			continue
		}
		if err := s.removeFile(id); err != nil {
			return err
		}
	}
	return nil
}

// openFile opens an original that is a file.
func (s *Stream) openFile(id report.ID, o object) (io.ReadCloser, error) {
	f, err := os.Open(s.originalPath(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the original of report %s: %w", id, ErrDamaged)
	}
	if err != nil {
		return nil, fmt.Errorf("read the original of report %s: %w", id, err)
	}
	return &fileOriginal{id: id, want: o, f: f, hash: sha256.New()}, nil
}

// fileOriginal reads an original and checks it at its end.
type fileOriginal struct {
	id   report.ID
	want object
	f    *os.File
	hash hash.Hash
	size int64
}

func (r *fileOriginal) Read(p []byte) (int, error) {
	n, err := r.f.Read(p)
	r.hash.Write(p[:n])
	r.size += int64(n)
	if errors.Is(err, io.EOF) && (r.size != r.want.size || [sha256.Size]byte(r.hash.Sum(nil)) != r.want.sha256) {
		err = fmt.Errorf("read the original of report %s: %w", r.id, ErrDamaged)
	}
	return n, err
}

// Close closes the file.
func (r *fileOriginal) Close() error { return r.f.Close() }
