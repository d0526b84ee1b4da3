package smtp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const (
	inMemory = 64 << 10 // mails up to here do not touch the disk on their way to the stream
	spooled  = "mail-*" // names of mails on their way
)

// errAbandon says that so much more comes than is taken that reading on is no use.
var errAbandon = errors.New("the mail is far too large")

// cleanSpool makes the folder, and removes what is left in it.
func cleanSpool(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder for mails on their way: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, spooled))
	for _, f := range left {
		err = errors.Join(err, os.Remove(f))
	}
	if err != nil {
		return fmt.Errorf("remove what was left of mails on their way: %w", err)
	}
	return nil
}

// incoming is a mail on its way in: in memory while it is small, else in the spool. A mail that will be refused is read
// to its end all the same, as only then the client listens.
type incoming struct {
	dir     string
	max     int64
	maxLine int

	buf   []byte // what is not in the file
	file  *os.File
	size  int64
	line  int // bytes of the line that is being read
	wrong *reply
	cause error // of wrong, where it is a failure of ours
}

// Write takes a part. Its only error is errAbandon: what else is wrong is said when the mail has ended.
func (m *incoming) Write(p []byte) (int, error) {
	m.size += int64(len(p))
	if m.size > m.max {
		m.refuse(&replyTooLarge, nil)
		if m.size > 2*m.max {
			return 0, errAbandon
		}
	}
	if m.wrong == nil {
		m.measure(p)
	}
	if m.wrong == nil {
		if err := m.keep(p); err != nil {
			m.refuse(notKept(err), err)
		}
	}
	return len(p), nil
}

func (m *incoming) measure(p []byte) {
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			m.line += len(p)
		} else {
			m.line += i + 1
		}
		if m.line > m.maxLine {
			m.refuse(&replyLongLine, nil)
			return
		}
		if i < 0 {
			return
		}
		m.line, p = 0, p[i+1:]
	}
}

func (m *incoming) keep(p []byte) error {
	if len(m.buf)+len(p) <= inMemory {
		m.buf = append(m.buf, p...)
		return nil
	}
	if m.file == nil {
		f, err := os.CreateTemp(m.dir, spooled)
		if err != nil {
			return err
		}
		m.file = f
	}
	if _, err := m.file.Write(m.buf); err != nil {
		return err
	}
	m.buf = m.buf[:0]
	if len(p) <= inMemory {
		m.buf = append(m.buf, p...)
		return nil
	}
	_, err := m.file.Write(p)
	return err
}

func (m *incoming) refuse(r *reply, cause error) {
	if m.wrong == nil || r == &replyTooLarge {
		m.wrong, m.cause = r, cause
	}
	m.close()
}

// whole returns the mail that has ended, from its beginning.
func (m *incoming) whole() (io.ReadSeeker, error) {
	if m.file == nil {
		return bytes.NewReader(m.buf), nil
	}
	if _, err := m.file.Write(m.buf); err != nil {
		return nil, err
	}
	if _, err := m.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return m.file, nil
}

// close removes what is kept of the mail; the desk has its own. It returns the buffer, to be used again.
func (m *incoming) close() []byte {
	if m.file != nil {
		_ = m.file.Close()
		_ = os.Remove(m.file.Name()) // a rest goes with the next start
		m.file = nil
	}
	return m.buf[:0]
}
