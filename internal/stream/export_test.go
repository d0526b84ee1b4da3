package stream

import (
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tocsin/internal/report"
)

// Objects lists what stands in the object store.
func (s *Stream) Objects(t testing.TB) map[report.ID]struct{} {
	t.Helper()
	ids, err := s.originalIDs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// Damage loses the second chunk of an object, and the end of one that is a file.
func (s *Stream) Damage(t testing.TB, id report.ID) {
	t.Helper()
	o, err := s.find(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if o.file {
		if err := os.Truncate(s.originalPath(id), o.size-1); err != nil {
			t.Fatal(err)
		}
		return
	}
	m, err := s.originals.GetMsg(t.Context(), o.first+1, jetstream.WithGetMsgSubject(s.originalSubject(id)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.originals.DeleteMsg(t.Context(), m.Sequence); err != nil {
		t.Fatal(err)
	}
}

// LeaveItem does steps 1 and 2 of an Accept and breaks off; LeaveChunk breaks off within step 1.
func (s *Stream) LeaveItem(t testing.TB, rep report.Report, b []byte) report.Report {
	t.Helper()
	up := newUpload(s, rep.ID)
	defer up.release()
	up.hash.Write(b)
	up.sum(&rep, int64(len(b)))
	if err := up.close(t.Context(), rep, b); err != nil {
		t.Fatal(err)
	}
	if err := s.publishItem(t.Context(), Item{Report: rep}); err != nil {
		t.Fatal(err)
	}
	s.dirty.Store(true)
	return rep
}

func (s *Stream) LeaveChunk(t testing.TB, id report.ID, b []byte) {
	t.Helper()
	m := nats.NewMsg(s.originalSubject(id))
	m.Data = b
	if _, err := s.js.PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	s.dirty.Store(true)
}

// Withdraw takes an item back as the Accept of a duplicate does.
func (s *Stream) Withdraw(t testing.TB, id report.ID) {
	t.Helper()
	s.withdraw(t.Context(), id)
}

// SetFree replaces the look at the disk.
func (s *Stream) SetFree(f func(string) (uint64, error)) { s.free = f }

// SetPatience is how long a worked item above an open one stays on the queue.
func (s *Stream) SetPatience(d time.Duration) {
	s.ended.mu.Lock()
	defer s.ended.mu.Unlock()
	s.ended.wait = d
}
