package archive_test

import (
	"cmp"
	"context"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/line/archive"
	"tocsin/internal/line/linetest"
	"tocsin/internal/report"
)

// memory is a log that outlives the archive, as the stream does.
type memory struct {
	mu      sync.Mutex
	batches map[string][]archive.Batch
	last    map[string]uint64 // place, also of what is deleted
}

func (m *memory) Append(_ context.Context, source string, after uint64, batch []byte) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.batches == nil {
		m.batches, m.last = map[string][]archive.Batch{}, map[string]uint64{}
	}
	if after < m.last[source] {
		return 0, archive.ErrBehind
	}
	m.last[source]++
	m.batches[source] = append(m.batches[source], archive.Batch{Place: m.last[source], Data: batch})
	return m.last[source], nil
}

func (m *memory) After(_ context.Context, source string, place uint64) iter.Seq2[archive.Batch, error] {
	return func(yield func(archive.Batch, error) bool) {
		m.mu.Lock()
		all := m.batches[source]
		at, _ := slices.BinarySearchFunc(all, place+1, func(b archive.Batch, to uint64) int { return cmp.Compare(b.Place, to) })
		all = slices.Clone(all[at:])
		m.mu.Unlock()
		for _, b := range all {
			if !yield(b, nil) {
				return
			}
		}
	}
}

func (m *memory) Delete(_ context.Context, source string, places []uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batches[source] = slices.DeleteFunc(m.batches[source], func(b archive.Batch) bool { return slices.Contains(places, b.Place) })
	return nil
}

var sources = [4]string{"radius", "leases", "nat", "table"}

// node is the line room of a node, on its disk.
type node struct {
	dir     string
	log     *memory
	table   linetest.Table
	lines   *archive.Lines
	sources [4]*archive.Source

	common archive.Log   // in place of log
	shared archive.Table // of table
}

// has are the log and the table of lines.
func (n *node) has() (archive.Log, archive.Table) {
	if n.common != nil {
		return n.common, n.shared
	}
	return n.log, &n.table
}

func (n *node) open(t testing.TB) {
	t.Helper()
	log, table := n.has()
	var err error
	if n.lines, err = archive.OpenLines(t.Context(), table, time.Now, keys(1)); err != nil {
		t.Fatal(err)
	}
	for i, name := range sources {
		if n.sources[i], err = archive.OpenSource(t.Context(), n.dir, name, linetest.Rules()[i], n.lines, log); err != nil {
			t.Fatal(err)
		}
	}
}

// tell tells a node all that a network's logs say. In between it is closed, killed, or loses its files.
func (n *node) tell(t testing.TB, world *linetest.Network, r *rand.Rand) {
	t.Helper()
	n.open(t)
	for i, log := range world.Logs {
		for at := 0; at < len(log); {
			end := min(at+1+r.IntN(3000), len(log))
			refused, err := n.sources[i].Tell(t.Context(), log[at:end])
			if err != nil || refused != 0 {
				t.Fatalf("%d refused, %v", refused, err)
			}
			at = end
			switch r.IntN(12) {
			case 0:
				if err := n.sources[i].Flush(); err != nil {
					t.Fatal(err)
				}
			case 1:
				if err := n.sources[i].Close(); err != nil {
					t.Fatal(err)
				}
				n.open(t)
			case 2: // killed: what was in memory is gone
				n.open(t)
			case 3:
				n.damage(t, r)
			}
		}
	}
}

// damage deletes or changes one of the files that can be built anew.
func (n *node) damage(t testing.TB, r *rand.Rand) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(n.dir, "*", "*"))
	if err != nil || len(all) == 0 {
		return
	}
	path := all[r.IntN(len(all))]
	if r.IntN(2) == 0 {
		err = os.Remove(path)
	} else {
		var data []byte
		if data, err = os.ReadFile(path); err == nil {
			data[r.IntN(len(data))] ^= 4
			err = os.WriteFile(path, data, 0o600) // not the mapped one's inode would be kinder, but this is a bad disk
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	n.open(t)
}

func (n *node) room(world *linetest.Network) line.Room {
	var r line.Room
	for _, s := range n.sources {
		r.Sources = append(r.Sources, s)
	}
	r.Sources = append(r.Sources, world.Fixed)
	return r
}

// parts are the order in which the parts of a network's logs come, by their places in the log; some come again. apart are
// the times about which less can be known for that.
func parts(world *linetest.Network, log, mode int, r *rand.Rand) (order [][2]int, apart []line.Span) {
	all := len(world.Logs[log])
	chunks := func(from, to int) {
		for at := from; at < to; {
			end := min(at+1+r.IntN(3000), to)
			order = append(order, [2]int{at, end})
			at = end
			for mode > 0 && r.IntN(3) == 0 { // again, of what came before
				again := r.IntN(end-from) + from
				order = append(order, [2]int{again, min(again+1+r.IntN(4000), end)})
			}
		}
	}
	if mode < 2 || log == 3 {
		chunks(0, all)
		return order, nil
	}
	cut := all/4 + r.IntN(all/2)
	chunks(cut, all) // the newer files before the older
	chunks(0, cut)
	at := world.Logs[log][cut].At.Earliest
	return order, []line.Span{{From: at - 3600, To: at + 2*3600}}
}

// come tells a node the parts of a network's logs. In between it is asked, about times that are well within what it was
// told or that it was not told of, and closed or killed.
func (n *node) come(t testing.TB, world *linetest.Network, mode int, r *rand.Rand) (apart []line.Span, wrong int) {
	t.Helper()
	n.open(t)
	for i, log := range world.Logs {
		order, cut := parts(world, i, mode, r)
		apart = append(apart, cut...)
		told := map[int]bool{}
		for _, part := range order {
			records := slices.Clone(log[part[0]:part[1]])
			for k := range records {
				if told[part[0]+k] { // read from a file
					records[k].Received = time.Time{}
				}
				told[part[0]+k] = true
			}
			if refused, err := n.sources[i].Tell(t.Context(), records); err != nil || refused != 0 {
				t.Fatalf("%d refused, %v", refused, err)
			}
			edge := records[len(records)-1].At.Earliest
			switch r.IntN(8) {
			case 0, 1:
				if err := n.sources[i].Close(); err != nil {
					t.Fatal(err)
				}
				n.open(t)
			case 2: // killed: what was in memory is gone
				n.open(t)
			}
			room := n.room(world)
			for range 30 {
				s, ms := world.Ask()
				if at := s.At.Unix(); at > edge-3600 && at < edge+3600 {
					continue
				}
				if !n.right(t, world, &room, &s, ms) {
					wrong++
				}
			}
		}
	}
	return apart, wrong
}

// right reports whether a node names nobody wrong.
func (n *node) right(t testing.TB, world *linetest.Network, room *line.Room, s *line.Selector, ms int64) bool {
	t.Helper()
	got, holder, err := room.Look(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if got.State != report.LineUnique {
		return true
	}
	truth := world.Truth(s.Addr, s.Port, ms)
	name, err := n.lines.Name(t.Context(), holder.Line)
	if err != nil || name != linetest.Name(truth) {
		t.Logf("%+v (%d ms): %s, in truth %d, %v", *s, ms, name, truth, err)
		return false
	}
	return true
}

// TestAgain: files that come again, in part or whole, and older files after newer ones, make nobody's line another's, not
// for a while either, and take little of what can be known.
func TestAgain(t *testing.T) {
	asked, worlds := 4000, 1
	if os.Getenv("TOCSIN_PROVE") != "" {
		asked, worlds = 10_000, 60
	}
	for mode := 1; mode <= 2; mode++ {
		decidable, given, wrong, lost := 0, 0, 0, 0
		for w := range worlds {
			world := linetest.Simulate(uint64(1000*mode + w))
			r := rand.New(rand.NewPCG(uint64(w), 11))
			n := &node{dir: t.TempDir(), log: &memory{}}
			apart, bad := n.come(t, world, mode, r)
			wrong += bad
			ask := questions(world, asked)
			before, _, _ := n.answers(t.Context(), t, world, ask)
			for i, log := range world.Logs[:3] { // and all of it once more
				for at := 0; at < len(log); at += 4000 {
					records := slices.Clone(log[at:min(at+4000, len(log))])
					for k := range records {
						records[k].Received = time.Time{}
					}
					if _, err := n.sources[i].Tell(t.Context(), records); err != nil {
						t.Fatal(err)
					}
				}
			}
			after, _, bad := n.answers(t.Context(), t, world, ask)
			wrong += bad
			for i := range ask {
				q, b, a := &ask[i], &before[i], &after[i]
				if b.State == report.LineUnique && a.State != report.LineUnique {
					if lost++; lost <= 5 {
						t.Logf("lost: world %d: %+v: %+v", w, q.Selector, a)
					}
				}
				if b.State == report.LineUnique && a.State == report.LineUnique && a.Name != b.Name || b.State == report.LineUnique && b.Name != linetest.Name(q.truth) {
					wrong++
				}
				by := int64(q.Uncertainty / time.Second)
				if q.Or.IsZero() && world.Decidable(q.Addr, q.Port, line.Span{From: q.At.Unix() - by, To: q.At.Unix() + by + 1}, apart...) {
					decidable++
					if b.State == report.LineUnique {
						given++
					} else if decidable-given <= 5 {
						t.Logf("given up: world %d: %+v: %+v", w, q.Selector, b)
					}
				}
			}
		}
		t.Logf("mode %d: of %d that can be decided %d are (%.2f %%), %d lost by the last reading, %d wrong", mode, decidable, given, 100*float64(given)/float64(decidable), lost, wrong)
		if wrong > 0 || decidable*5 < asked*worlds || given*100 < decidable*99 || lost*100 > given {
			t.Errorf("mode %d: %d wrong, %d of %d decided, %d lost", mode, wrong, given, decidable, lost)
		}
	}
}

// TestNeverWrong asks a simulated access network who held what, 20,000 times in make test and a million times in make
// prove, of an archive that was closed, killed and damaged while it was told.
func TestNeverWrong(t *testing.T) {
	asked, worlds := 20_000, 2
	if os.Getenv("TOCSIN_PROVE") != "" {
		asked, worlds = 1_000_000, 100
	}
	said := map[report.LineState]int{}
	decidable, given, wrong := 0, 0, 0
	for w := range worlds {
		world := linetest.Simulate(uint64(w))
		n := &node{dir: t.TempDir(), log: &memory{}}
		n.tell(t, world, rand.New(rand.NewPCG(uint64(w), 9)))
		room := n.room(world)
		for range asked / worlds {
			s, ms := world.Ask()
			got, holder, err := room.Look(t.Context(), &s)
			if err != nil {
				t.Fatal(err)
			}
			said[got.State]++
			if got.State == report.LineUnique {
				truth := world.Truth(s.Addr, s.Port, ms)
				name, err := n.lines.Name(t.Context(), holder.Line)
				if err != nil || name != linetest.Name(truth) {
					if wrong++; wrong <= 5 {
						t.Errorf("world %d: %+v (%d ms): %s, in truth %d, %v", w, s, ms, name, truth, err)
					}
				}
			}
			by := int64(s.Uncertainty / time.Second)
			q := line.Span{From: s.At.Unix() - by, To: s.At.Unix() + by + 1}
			if s.Or.IsZero() && world.Decidable(s.Addr, s.Port, q) {
				decidable++
				if got.State == report.LineUnique {
					given++
				} else if decidable-given <= 5 {
					t.Logf("given up: world %d: %+v: %+v", w, s, got)
				}
			}
		}
		for _, s := range n.sources {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		nameless(t, n.dir)
	}
	t.Logf("%d asked: %v; of %d that can be decided %d are (%.2f %%); %d wrong", asked, said, decidable, given, 100*float64(given)/float64(decidable), wrong)
	if wrong > 0 || decidable*4 < asked || given*100 < decidable*99 {
		t.Errorf("%d wrong, %d of %d decided", wrong, given, decidable)
	}
}

// nameless: no file has the name of a line in it.
func nameless(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), "@isp.example") {
			t.Errorf("%s has a name in it", filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func look(t *testing.T, room *line.Room, s *line.Selector) report.LineAnswer {
	t.Helper()
	a, _, err := room.Look(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestPurge: what is deleted is neither told nor on the disk, and what came after is told as before.
func TestPurge(t *testing.T) {
	world := linetest.Simulate(7)
	n := &node{dir: t.TempDir(), log: &memory{}}
	n.tell(t, world, rand.New(rand.NewPCG(7, 9)))
	room := n.room(world)
	type asked struct {
		s   line.Selector
		was report.LineAnswer
	}
	var before, after []asked
	cut := time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC)
	for range 4000 {
		s, _ := world.Ask()
		was := look(t, &room, &s)
		switch at := s.At.Add(-s.Uncertainty - 10*time.Second); {
		case at.After(cut) && s.Or.IsZero():
			after = append(after, asked{s, was})
		case s.At.Add(s.Uncertainty).Before(cut.Add(-10 * time.Second)):
			before = append(before, asked{s, was})
		}
	}
	for _, s := range n.sources[:3] {
		if _, err := s.Purge(t.Context(), cut.Add(5*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	for _, reopened := range []bool{false, true} {
		if reopened {
			n.open(t)
			room = n.room(world)
		}
		for _, a := range after {
			if got := look(t, &room, &a.s); got != a.was {
				t.Fatalf("%+v: %+v, was %+v", a.s, got, a.was)
			}
		}
		for _, a := range before {
			if got := look(t, &room, &a.s); got.State == report.LineUnique && !world.Fixed.Outside.Contains(a.s.Addr) || got.State == report.LineAmbiguous && a.s.Port != 0 {
				t.Fatalf("%+v: %+v", a.s, got)
			}
		}
	}
	days, err := filepath.Glob(filepath.Join(n.dir, "*", "2026-10-2[34].*"))
	if err != nil || len(days) != 0 || len(before) < 100 || len(after) < 100 {
		t.Errorf("%v are left, %v; %d, %d", days, err, len(before), len(after))
	}
}
