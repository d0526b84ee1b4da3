package linetest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/line/archive"
)

// Table is an archive.Table in memory. The zero value is empty.
type Table struct {
	mu    sync.Mutex
	rows  []archive.Sealed // by number, from 1
	seen  []int64
	names map[archive.Keyed]line.ID
}

func (t *Table) name(k archive.Keyed, id line.ID) {
	if t.names == nil {
		t.names = map[archive.Keyed]line.ID{}
	}
	t.names[k] = id
}

// EnterLines is archive.Table's.
func (t *Table) EnterLines(_ context.Context, day int64, entries []archive.Entry) ([]archive.Entered, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]archive.Entered, len(entries))
	for i := range entries {
		e := &entries[i]
		var id line.ID
		for _, k := range e.Pseudonyms {
			id = max(id, t.names[k])
		}
		if id == 0 {
			id = line.ID(len(t.rows) + 1)
			t.rows = append(t.rows, archive.Sealed{Entered: archive.Entered{ID: id, Handle: e.Handle}, Key: e.Pseudonyms[0].Key, Name: e.Sealed})
			t.seen = append(t.seen, day)
		}
		t.seen[id-1] = max(t.seen[id-1], day)
		out[i] = t.rows[id-1].Entered
		for _, k := range e.Pseudonyms {
			t.name(k, id)
		}
	}
	return out, nil
}

// SeeLines is archive.Table's.
func (t *Table) SeeLines(_ context.Context, day int64, lines []line.ID) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range lines {
		if id > 0 && int(id) <= len(t.seen) {
			t.seen[id-1] = max(t.seen[id-1], day)
		}
	}
	return nil
}

// SealedLines is archive.Table's.
func (t *Table) SealedLines(_ context.Context, after line.ID, most int) ([]archive.Sealed, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := min(int(after), len(t.rows))
	return slices.Clone(t.rows[from:min(from+most, len(t.rows))]), nil
}

// LineOfHandle is archive.Table's.
func (t *Table) LineOfHandle(_ context.Context, handle string) (line.ID, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return line.ID(1 + slices.IndexFunc(t.rows, func(s archive.Sealed) bool { return s.Handle == handle })), nil
}

// RekeyLines is archive.Table's.
func (t *Table) RekeyLines(_ context.Context, lines []archive.Rekeyed) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range lines {
		s := &t.rows[l.ID-1]
		s.Name, s.Key = l.Name, l.Key
		t.name(l.Keyed, l.ID)
	}
	return nil
}

// DropLineNames is archive.Table's.
func (t *Table) DropLineNames(_ context.Context, keys []string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.names, func(k archive.Keyed, _ line.ID) bool { return slices.Contains(keys, k.Key) })
	return nil
}

// ForgetLines is archive.Table's.
func (t *Table) ForgetLines(_ context.Context, day int64, _ time.Time) (n int64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.rows {
		if len(t.rows[i].Name) > 0 && t.seen[i] < day {
			n++
			t.rows[i].Name = nil
			maps.DeleteFunc(t.names, func(_ archive.Keyed, id line.ID) bool { return id == t.rows[i].ID })
		}
	}
	return n, nil
}
