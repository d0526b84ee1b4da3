package desk

import (
	"errors"
	"io"
)

// source reads an original and remembers why it could not be read on. That is our disk's fault and not the report's,
// so nothing is refused for it: the work is done again when the disk is well.
type source struct {
	in  io.Reader
	err error
}

// Read reads on.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && s.err == nil {
		s.err = err
	}
	return n, err
}
