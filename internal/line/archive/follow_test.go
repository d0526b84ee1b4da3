package archive_test

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/line"
	"tocsin/internal/line/archive"
	"tocsin/internal/line/linetest"
	"tocsin/internal/report"
)

// workers are nodes with disks of their own that have the log and the table of lines in common.
func workers(t *testing.T, n int, log archive.Log, table archive.Table) []*node {
	t.Helper()
	all := make([]*node, n)
	for i := range all {
		all[i] = &node{dir: filepath.Join(t.TempDir(), "lines"), common: log, shared: table}
		all[i].open(t)
	}
	return all
}

func (n *node) catchUp(t *testing.T) {
	t.Helper()
	for _, s := range n.sources {
		if err := s.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// question is one, and the truth that it is about.
type question struct {
	line.Selector
	truth int
}

func questions(world *linetest.Network, n int) []question {
	all := make([]question, n)
	for i := range all {
		s, ms := world.Ask()
		all[i] = question{s, world.Truth(s.Addr, s.Port, ms)}
	}
	return all
}

// answer is what a node says, with the name of the line.
type answer struct {
	report.LineAnswer
	Name string
}

func (n *node) answers(ctx context.Context, t *testing.T, world *linetest.Network, all []question) (out []answer, unique, wrong int) {
	room := n.room(world)
	for i := range all {
		q := &all[i]
		a, holder, err := room.Look(ctx, &q.Selector)
		if err != nil {
			t.Error(err)
		}
		x := answer{LineAnswer: a}
		if a.State == report.LineUnique {
			if x.Name, err = n.lines.Name(ctx, holder.Line); err != nil {
				t.Error(err)
			}
			if unique++; x.Name != linetest.Name(q.truth) {
				wrong++
			}
		}
		out = append(out, x)
	}
	return out, unique, wrong
}

// TestFollowAlternately: two workers that are told by turns say both what one says that was told everything.
func TestFollowAlternately(t *testing.T) {
	world := linetest.Simulate(3)
	r := rand.New(rand.NewPCG(3, 9))
	one := &node{dir: t.TempDir(), log: &memory{}}
	one.open(t)
	two := workers(t, 2, &memory{}, &linetest.Table{})
	ask := questions(world, 4000)
	turns := 0
	for i, log := range world.Logs {
		for at := 0; at < len(log); {
			end := min(at+1+r.IntN(3000), len(log))
			w := two[r.IntN(2)]
			for _, n := range []*node{one, w} {
				if refused, err := n.sources[i].Tell(t.Context(), log[at:end]); err != nil || refused != 0 {
					t.Fatalf("%d refused, %v", refused, err)
				}
			}
			at = end
			switch turns++; {
			case turns%9 == 0:
				w.open(t) // as after a crash
			case turns%25 == 0:
				for _, n := range two {
					n.catchUp(t)
				}
				want, _, _ := one.answers(t.Context(), t, world, ask[:300])
				for k, n := range two {
					if got, _, _ := n.answers(t.Context(), t, world, ask[:300]); gocmp.Diff(want, got) != "" {
						t.Fatalf("turn %d, worker %d (-one +worker):\n%s", turns, k, gocmp.Diff(want, got))
					}
				}
			}
		}
	}
	want, unique, wrong := one.answers(t.Context(), t, world, ask)
	for k, n := range two {
		n.catchUp(t)
		got, _, _ := n.answers(t.Context(), t, world, ask)
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("worker %d (-one +worker):\n%s", k, diff)
		}
		for i, s := range n.sources {
			if a, b := s.Health(time.Now()), one.sources[i].Health(time.Now()); a != b {
				t.Errorf("worker %d is %+v, one %+v", k, a, b)
			}
		}
	}
	t.Logf("%d turns, %d asked: %d unique, %d wrong", turns, len(ask), unique, wrong)
	if wrong > 0 || unique < 1000 || turns < 50 {
		t.Error(turns, unique, wrong)
	}
}

// TestFollowAtOnce: two workers that are told at once, and asked meanwhile, take all in one order, and name nobody wrong,
// neither at the end nor on the way there.
func TestFollowAtOnce(t *testing.T) {
	world := linetest.Simulate(4)
	log, table := &memory{}, &linetest.Table{}
	two := workers(t, 2, log, table)
	const chunk = 200 // records: little time lies between the first and the last
	ask := questions(world, 4000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var asking sync.WaitGroup
	for _, n := range two {
		asking.Go(func() {
			for at := 0; ctx.Err() == nil; at = (at + 50) % len(ask) {
				if _, _, wrong := n.answers(ctx, t, world, ask[at:at+50]); wrong > 0 {
					t.Errorf("%d wrong on the way", wrong)
					return
				}
				for _, s := range n.sources {
					if err := s.CatchUp(ctx); err != nil && ctx.Err() == nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for _, i := range []int{3, 0, 1, 2} { // the table before the others
		log := world.Logs[i]
		for at := 0; at < len(log); at += chunk {
			var g sync.WaitGroup
			for w, n := range two {
				g.Go(func() {
					for part := range slices.Chunk(shares(log[at:min(at+chunk, len(log))], w), 20) {
						if _, err := n.sources[i].Tell(t.Context(), part); err != nil {
							t.Error(err)
						}
					}
				})
			}
			g.Wait()
		}
	}
	cancel()
	asking.Wait()
	anew := workers(t, 1, log, table)[0] // reads the log from its beginning
	want, unique, wrong := anew.answers(t.Context(), t, world, ask)
	for k, n := range two {
		n.catchUp(t)
		got, _, _ := n.answers(t.Context(), t, world, ask)
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("worker %d (-who read it all +worker):\n%s", k, diff)
		}
	}
	t.Logf("%d asked: %d unique, %d wrong", len(ask), unique, wrong)
	if wrong > 0 || unique < 1000 {
		t.Error(unique, wrong)
	}
	rows := int64(0)
	for i, s := range two[0].sources {
		if h := s.Health(time.Now()); h.Rows != int64(len(world.Logs[i])) {
			t.Errorf("%s has %d rows of %d", sources[i], h.Rows, len(world.Logs[i]))
		}
		rows += s.Health(time.Now()).Rows
	}
	if rows == 0 {
		t.Error("nothing was told")
	}
}

// shares are what a worker is told: a device sends to one of them. What is said of all devices has its place among what
// they said, so that the first tells it all.
func shares(all []line.Record, worker int) (out []line.Record) {
	if slices.ContainsFunc(all, func(r line.Record) bool { return r.NAS == "" }) {
		if worker == 0 {
			return all
		}
		return nil
	}
	for i := range all {
		h := 0
		for _, c := range []byte(all[i].NAS) {
			h += int(c)
		}
		if h%2 == worker {
			out = append(out, all[i])
		}
	}
	return out
}

// torn is a log that cannot be read or written while it is down.
type torn struct {
	memory
	down bool
}

var errDown = errors.New("down")

func (l *torn) Append(ctx context.Context, source string, after uint64, batch []byte) (uint64, error) {
	if l.down {
		return 0, errDown
	}
	return l.memory.Append(ctx, source, after, batch)
}

func (l *torn) After(ctx context.Context, source string, place uint64) iter.Seq2[archive.Batch, error] {
	if l.down {
		return func(yield func(archive.Batch, error) bool) { yield(archive.Batch{}, errDown) }
	}
	return l.memory.After(ctx, source, place)
}

// TestFollowApart: a worker that does not reach the log names nobody by a table, which another may have read again; what
// is not told yet is no answer but that the log does not reach so far.
func TestFollowApart(t *testing.T) {
	mine := &torn{}
	theirs := &mine.memory
	table := &linetest.Table{}
	a, b := workers(t, 1, theirs, table)[0], workers(t, 1, mine, table)[0]
	addr := line.Whole(netip.MustParsePrefix("198.51.100.7/32"))
	row := func(who string, at int64) []line.Record {
		m := line.Moment{Earliest: at, Latest: at}
		return []line.Record{{Action: line.Alive, NAS: "t", Session: who, Range: addr, Held: line.Held{Line: who}, At: m, Since: m}, {Action: line.Swept, NAS: "t", At: m}}
	}
	tell := func(n *node, source int, records []line.Record) error {
		_, err := n.sources[source].Tell(t.Context(), records)
		return err
	}
	says := func(n *node, source int, at int64, want report.LineState, name string) {
		t.Helper()
		room := line.Room{Sources: []line.Sessions{n.sources[source]}}
		got, holder, err := room.Look(t.Context(), &line.Selector{Addr: addr.Prefix.Addr(), At: time.Unix(at, 0)})
		who := ""
		if err == nil && got.State == report.LineUnique {
			who, err = n.lines.Name(t.Context(), holder.Line)
		}
		if err != nil || got.State != want || who != name {
			t.Errorf("at %d: %+v, %q, %v; want %s %q", at, got, who, err, want, name)
		}
	}
	if err := tell(a, 3, row("ann", 1000)); err != nil {
		t.Fatal(err)
	}
	says(b, 3, 1500, report.LineNone, "")
	b.catchUp(t)
	says(b, 3, 1500, report.LineUnique, "ann")
	mine.down = true
	if err := tell(a, 3, row("bob", 2000)); err != nil {
		t.Fatal(err)
	}
	if err := b.sources[3].CatchUp(t.Context()); !errors.Is(err, errDown) {
		t.Error(err)
	}
	if err := tell(b, 3, row("cay", 2000)); !errors.Is(err, errDown) {
		t.Error(err)
	}
	says(b, 3, 2500, report.LineNone, "")
	mine.down = false
	b.catchUp(t)
	says(b, 3, 2500, report.LineUnique, "bob")

	// A source with a log: what the other was told of is not known here yet, and nobody is named meanwhile.
	lease := func(who string, action line.Action, at int64) line.Record {
		return line.Record{Action: action, NAS: "dhcp", Session: who, Range: addr, Held: line.Held{Line: who}, At: line.Moment{Earliest: at, Latest: at}}
	}
	if err := tell(a, 1, []line.Record{lease("ann", line.Start, 1000), lease("ann", line.Alive, 1500)}); err != nil {
		t.Fatal(err)
	}
	b.catchUp(t)
	if err := tell(a, 1, []line.Record{lease("ann", line.Stop, 1600), lease("bob", line.Start, 1700), lease("bob", line.Alive, 3000)}); err != nil {
		t.Fatal(err)
	}
	says(b, 1, 1200, report.LineUnique, "ann")
	says(b, 1, 2000, report.LineNone, "")
	b.catchUp(t)
	says(b, 1, 2000, report.LineUnique, "bob")
}
