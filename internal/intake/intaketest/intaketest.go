// Package intaketest holds a stream, and a memory of what was fetched, in memory, for the tests of the intake channels.
package intaketest

import (
	"context"
	"crypto/sha256"
	"io"
	"sync"

	"tocsin/internal/intake"
	"tocsin/internal/report"
)

// Stream keeps what it accepts in memory. Its methods may be called from many goroutines.
type Stream struct {
	mu    sync.Mutex // held to read and to change what follows
	fail  error
	known map[known]report.Report
	kept  []Kept
	calls int
}

// Kept is one report with its bytes.
type Kept struct {
	Report report.Report
	Bytes  []byte
}

type known struct {
	reporter, format string
	sum              [32]byte
}

// Fail makes every Accept from now on return err; nil ends that.
func (s *Stream) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// Kept returns what was accepted, in order.
func (s *Stream) Kept() []Kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Kept(nil), s.kept...)
}

// Calls returns how often Accept was called.
func (s *Stream) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// Accept implements intake.Acceptor.
func (s *Stream) Accept(_ context.Context, rep report.Report, r io.Reader) (report.Report, bool, error) {
	b, err := io.ReadAll(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if err == nil {
		err = s.fail
	}
	if err != nil {
		return report.Report{}, false, err
	}
	rep.ID, rep.Size, rep.SHA256, rep.State = report.NewID(rep.ReceivedAt), int64(len(b)), sha256.Sum256(b), report.StateReceived
	k := known{rep.Reporter, rep.Format, rep.SHA256}
	if rep.Identity != [32]byte{} {
		k.sum = rep.Identity
	}
	if earlier, ok := s.known[k]; ok {
		return earlier, true, nil
	}
	if s.known == nil {
		s.known = map[known]report.Report{}
	}
	s.known[k] = rep
	s.kept = append(s.kept, Kept{rep, b})
	return rep, false, nil
}

// Memory remembers what was fetched, in memory. Its methods may be called from many goroutines.
type Memory struct {
	mu   sync.Mutex // held to read and to change what follows
	all  map[[2]string]intake.Fetched
	fail error
}

// Fail makes every NoteFetched from now on return err; nil ends that.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// Fetched implements the memory of the channels.
func (m *Memory) Fetched(_ context.Context, source, item string) (intake.Fetched, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.all[[2]string{source, item}]
	return f, ok, nil
}

// NoteFetched implements the memory of the channels.
func (m *Memory) NoteFetched(_ context.Context, f intake.Fetched) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if m.all == nil {
		m.all = map[[2]string]intake.Fetched{}
	}
	m.all[[2]string{f.Source, f.Item}] = f
	return nil
}
