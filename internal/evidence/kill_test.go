package evidence_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"tocsin/internal/evidence"
)

// TestKilled kills a process that appends, at any moment, again and again on the same log.
func TestKilled(t *testing.T) {
	rounds := 8
	if os.Getenv("TOCSIN_PROVE") != "" {
		rounds = 100
	}
	dir := filepath.Join(t.TempDir(), "log")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var told []acknowledged
	var kept [][]byte
	for round := range rounds {
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), "TOCSIN_EVIDENCE_CHILD="+dir, "TOCSIN_EVIDENCE_CALLS=1 7 300 2 for-ever")
		out, errOut := &signalled{first: make(chan struct{}, 1)}, &bytes.Buffer{}
		cmd.Stdout, cmd.Stderr = out, errOut
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-out.first:
		case <-time.After(time.Minute):
		}
		kill := time.AfterFunc(time.Duration(rand.IntN(300_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		kill.Stop()
		if errOut.Len() > 0 {
			t.Fatalf("round %d: %s", round, errOut)
		}
		acknowledged := parseAcknowledged(t, out.text.String())
		if len(acknowledged) == 0 {
			t.Fatalf("round %d: nothing was appended", round)
		}
		told = append(told, acknowledged...)
		kept = append(kept, acknowledged[len(acknowledged)-1].head, read(t, filepath.Join(dir, "checkpoint")))
		l := open(t, dir)
		size := l.Size()
		var all [][]byte
		for e, err := range l.Entries(t.Context(), 0, size) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e)
		}
		for _, a := range told {
			for i := range a.n {
				if at := a.first + uint64(i); at >= size || !bytes.Equal(all[at], childItem(a.item+i)) {
					t.Fatalf("round %d: entry %d is not what was acknowledged", round, at)
				}
			}
		}
		closed(t, l)
		for _, head := range kept {
			clean(t, dir, evidence.CheckOptions{Since: head, SinceName: "kept"})
		}
		if len(kept) > 6 {
			kept = kept[len(kept)-6:]
		}
	}
	t.Logf("killed %d times, %d calls acknowledged", rounds, len(told))
}

// signalled is a buffer that says when something was written into it.
type signalled struct {
	text  bytes.Buffer // a field: its ReadFrom would pass Write by
	first chan struct{}
}

func (s *signalled) Write(b []byte) (int, error) {
	n, err := s.text.Write(b)
	select {
	case s.first <- struct{}{}:
	default:
	}
	return n, err
}
