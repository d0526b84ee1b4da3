package storetest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tocsin/internal/desk"
	"tocsin/internal/evidence"
	"tocsin/internal/evidence/evidencetest"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

// logItem is an entry that tells nothing.
func logItem(at time.Time, kind string) evidence.Item {
	id := report.NewID(at)
	return evidence.Item{ID: id, At: at, Kind: kind, Body: fmt.Appendf(nil, `{"id":%q,"kind":%q}`, id, kind)}
}

// outbox holds what evidence.Outbox and evidence.Leases promise.
func outbox(t *testing.T, db *store.DB) {
	l := db.Log()
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	first, second := logItem(Start.Add(time.Second), "question"), logItem(Start, "reveal")
	fatal(l.Enqueue(t.Context(), first, second))
	fatal(l.Enqueue(t.Context(), first))
	bad := second
	bad.ID = report.NewID(Start)
	third := logItem(Start, "never")
	if err := l.Enqueue(t.Context(), third, bad); err == nil {
		t.Error("an item whose body has another id is taken")
	}
	if _, _, err := l.Index(t.Context(), third.ID); !errors.Is(err, evidence.ErrNoItem) {
		t.Errorf("of items that were refused one is there: %v", err)
	}
	if _, ok, err := l.Index(t.Context(), first.ID); ok || err != nil {
		t.Error(ok, err)
	}
	if n, oldest, err := l.Waiting(t.Context()); n != 2 || !oldest.Equal(Start) || err != nil {
		t.Error(n, oldest, err)
	}

	s, err := l.State(t.Context())
	fatal(err)
	if d := gocmp.Diff(evidence.Lease{}, s.Lease); d != "" || s.Edge.Size() != 0 || s.Chunk != 0 {
		t.Fatalf("a new database has state %+v", s)
	}
	ann, bob := evidence.Lease{Holder: "ann", Term: 1}, evidence.Lease{Holder: "bob", Term: 2}
	until := Start.Add(time.Minute)
	if _, _, err := l.Pending(t.Context(), ann, 10, 0, 10); !errors.Is(err, evidence.ErrLost) {
		t.Errorf("who has no lease is told %v", err)
	}
	fatal(l.Take(t.Context(), s, ann, Start, until))
	if err := l.Take(t.Context(), s, bob, Start, until); !errors.Is(err, evidence.ErrHeld) {
		t.Errorf("who was slower is told %v", err)
	}
	s, err = l.State(t.Context())
	fatal(err)
	if s.Lease != ann || !s.Until.Equal(until) {
		t.Errorf("%+v", s)
	}
	if err := l.Take(t.Context(), s, bob, until.Add(-1), until.Add(time.Minute)); !errors.Is(err, evidence.ErrHeld) {
		t.Errorf("before the lease has ended, bob is told %v", err)
	}
	fatal(l.Take(t.Context(), s, ann, Start, until)) // renewed
	items, chunks, err := l.Pending(t.Context(), ann, 10, 0, 10)
	fatal(err)
	if d := gocmp.Diff([]evidence.Item{first, second}, items); d != "" || chunks != nil {
		t.Errorf("what waits, in the order in which it came (-want +got):\n%s", d)
	}
	if items, _, err := l.Pending(t.Context(), ann, 1, 0, 0); len(items) != 1 || err != nil {
		t.Errorf("%d items, %v", len(items), err)
	}

	fatal(l.Take(t.Context(), s, bob, until, until.Add(time.Minute)))
	var edge evidence.Edge
	edge.Add(first.Body)
	note := evidence.Noted{Edge: &edge, Chunk: 7, Appended: []evidence.Appended{{ID: first.ID, Index: 0}, {ID: report.NewID(Start), Index: 1}}}
	if err := l.Note(t.Context(), ann, &note); !errors.Is(err, evidence.ErrLost) {
		t.Errorf("who wakes up late is told %v", err)
	}
	if _, ok, _ := l.Index(t.Context(), first.ID); ok {
		t.Error("who woke up late has noted something")
	}
	fatal(l.Note(t.Context(), bob, &note))
	s, err = l.State(t.Context())
	fatal(err)
	if s.Edge.Root() != edge.Root() || s.Edge.Size() != 1 || s.Chunk != 7 {
		t.Errorf("%d entries, chunk %d", s.Edge.Size(), s.Chunk)
	}
	note.Appended[0].Index = 5
	fatal(l.Note(t.Context(), bob, &note))
	if at, ok, err := l.Index(t.Context(), first.ID); at != 0 || !ok || err != nil {
		t.Error(at, ok, err)
	}
	if err := l.Note(t.Context(), bob, &evidence.Noted{Edge: &evidence.Edge{}}); err == nil {
		t.Error("the log got shorter")
	}

	if n, err := l.Sweep(t.Context(), Start.Add(time.Hour)); n != 1 || err != nil {
		t.Error(n, err)
	}
	if n, _, err := l.Waiting(t.Context()); n != 1 || err != nil {
		t.Errorf("%d wait after the sweep, %v", n, err)
	}
	s, err = l.State(t.Context())
	fatal(err)
	fatal(l.Take(t.Context(), s, evidence.Lease{Term: 2}, Start, Start)) // given back
	s, err = l.State(t.Context())
	fatal(err)
	fatal(l.Take(t.Context(), s, evidence.Lease{Holder: "ann", Term: 3}, Start, until))

	anew := logItem(Start, "oversight")
	if err := l.BeginAnew(t.Context(), anew, Start); !errors.Is(err, evidence.ErrHeld) {
		t.Errorf("while somebody writes the log: %v", err)
	}
	fatal(l.BeginAnew(t.Context(), anew, until))
	s, err = l.State(t.Context())
	fatal(err)
	if s.Edge.Size() != 0 || s.Chunk != 7 || s.Lease != (evidence.Lease{Term: 4}) {
		t.Errorf("a new log begins with %d entries, chunk %d, %+v", s.Edge.Size(), s.Chunk, s.Lease)
	}
	if _, ok, err := l.Index(t.Context(), anew.ID); ok || err != nil {
		t.Error(ok, err)
	}
}

// deletionEntries holds that what is deleted is told to the log in the transaction that deletes it.
func deletionEntries(t *testing.T, db *store.DB) {
	if err := db.NoteDeletion(t.Context(), "originals", Start, Start.Add(time.Hour), 12); err != nil {
		t.Fatal(err)
	}
	if err := db.NoteDeletion(t.Context(), "originals", Start, Start.Add(time.Hour), 0); err != nil {
		t.Fatal(err)
	}
	w := newWorkers(db)
	w.settle(t)
	var all []string
	for e, err := range w.log.Entries(t.Context(), 0, w.log.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(e)[len(`{"v":1,"id":"00000000-0000-0000-0000-000000000000",`):])
	}
	want := []string{`"at":"2026-03-02T01:00:00.000Z","kind":"deletion","by":"node","fields":{"class":"originals","until":"2026-03-02T00:00:00Z","deleted":"12"}}`}
	if d := gocmp.Diff(want, all); d != "" {
		t.Errorf("the log (-want +got):\n%s", d)
	}
}

// workers are two that share a database and, as only one of them writes at a time, the log.
type workers struct {
	db    *store.DB
	log   *evidencetest.Log
	now   time.Time
	steps [2]*evidencetest.Steps
	all   [2]*evidence.Writer
}

func newWorkers(db *store.DB) *workers {
	w := &workers{db: db, log: &evidencetest.Log{}, now: Start}
	for i := range w.all {
		w.start(i)
	}
	return w
}

// start starts a worker anew. It remembers nothing.
func (w *workers) start(i int) {
	w.steps[i] = &evidencetest.Steps{Log: w.log, Outbox: w.db.Log(), Leases: w.db.Log()}
	w.all[i] = w.steps[i].Writer(func(l evidence.Appender, o evidence.Outbox, s evidence.Leases) *evidence.Writer {
		return evidence.NewWriter(l, o, s, fmt.Sprint("worker ", i), w.clock, slog.New(slog.DiscardHandler), nil)
	})
}

func (w *workers) clock() time.Time { return w.now }

// settle lets the workers do all that there is to do.
func (w *workers) settle(t interface{ Fatal(...any) }) {
	w.now = w.now.Add(time.Minute)
	for quiet := 0; quiet < 3; { // the first may be spent on learning that the lease was lost
		w.now = w.now.Add(2 * time.Second)
		more, err := w.all[0].Round(context.Background())
		if err != nil {
			t.Fatal("the first worker has the log to itself, and still:", err)
		}
		if quiet++; more {
			quiet = 0
		}
	}
}

// check holds all that the log promises, whatever happened.
func (w *workers) check(t interface {
	Errorf(string, ...any)
	Fatal(...any)
}, items []evidence.Item,
) {
	ctx := context.Background()
	places := w.log.Places()
	for _, it := range items {
		index, ok, err := w.db.Log().Index(ctx, it.ID)
		swept := errors.Is(err, evidence.ErrNoItem) // long ago, because it is in the log
		if len(places[it.ID]) != 1 || !swept && (err != nil || !ok || places[it.ID][0] != index) {
			t.Errorf("item %s: in the log at %v, noted at %d (%v, %v)", it.ID, places[it.ID], index, ok, err)
		}
		delete(places, it.ID)
	}
	for n, c := range w.chunks(t) {
		if len(places[c.ID()]) != 1 {
			t.Errorf("chunk %d: in the log at %v", n, places[c.ID()])
		}
		delete(places, c.ID())
	}
	if len(places) > 0 {
		t.Errorf("%d entries tell of nothing that there is: %v", len(places), places)
	}
	s, err := w.db.Log().State(ctx)
	if err != nil || s.Edge.Size() != w.log.Size() || s.Edge.Root() != w.log.Head().Root {
		t.Errorf("the database knows %d of %d entries, %v", s.Edge.Size(), w.log.Size(), err)
	}
}

// chunks returns all chunks of the database, read under the lease that the first worker has.
func (w *workers) chunks(t interface{ Fatal(...any) }) []evidence.Chunk {
	s, err := w.db.Log().State(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	_, all, err := w.db.Log().Pending(context.Background(), s.Lease, 0, 0, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// exactlyOnce is a property: two workers submit and write, each may be killed at any of its steps, or stopped there until
// the other has taken over, and in the end each item and each chunk is in the log exactly once.
func exactlyOnce(t *testing.T, db *store.DB) {
	w := newWorkers(db)
	r := rand.New(rand.NewPCG(1, 2))
	var items []evidence.Item
	var seen [2]struct{ kills, steals int }
	runs, most := 0, 15
	if os.Getenv("TOCSIN_PROVE") == "1" {
		most = 1000
	}
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; runs > most {
			return
		}
		rt.Repeat(map[string]func(*rapid.T){
			"submit": func(rt *rapid.T) {
				it := logItem(w.now, "question")
				for range rapid.IntRange(1, 2).Draw(rt, "times") {
					if err := db.Log().Enqueue(context.Background(), it); err != nil {
						rt.Fatal(err)
					}
				}
				items = append(items, it)
			},
			"commit": func(rt *rapid.T) { commitChunks(rt, db, r, rapid.IntRange(1, 3).Draw(rt, "chunks")) },
			"time": func(rt *rapid.T) {
				w.now = w.now.Add(time.Duration(rapid.IntRange(1, 20).Draw(rt, "seconds")) * time.Second)
			},
			"round": func(rt *rapid.T) {
				if _, err := w.all[rapid.IntRange(0, 1).Draw(rt, "worker")].Round(context.Background()); err != nil {
					rt.Fatal(err)
				}
			},
			"kill": func(rt *rapid.T) {
				i := rapid.IntRange(0, 1).Draw(rt, "worker")
				s := w.steps[i]
				s.Kill = s.Counted + rapid.IntRange(1, 14).Draw(rt, "step")
				_, err := w.all[i].Round(context.Background())
				if err != nil && !errors.Is(err, evidencetest.ErrKilled) {
					rt.Fatal(err)
				}
				if err != nil {
					seen[i].kills++
				}
				w.start(i)
			},
			"stop": func(rt *rapid.T) {
				i := rapid.IntRange(0, 1).Draw(rt, "worker")
				s := w.steps[i]
				s.Pause = s.Counted + rapid.IntRange(1, 14).Draw(rt, "step")
				s.Paused = func() {
					if s.InAppend { // the one gap that is left, see evidence.Writer
						return
					}
					w.now = w.now.Add(time.Minute)
					if _, err := w.all[1-i].Round(context.Background()); err != nil {
						rt.Fatal(err)
					}
					seen[i].steals++
				}
				if _, err := w.all[i].Round(context.Background()); err != nil {
					rt.Fatal(err)
				}
				s.Pause = 0
			},
		})
		w.settle(rt)
		w.check(rt, items)
	})
	for i, s := range seen {
		t.Logf("worker %d was killed %d times and robbed %d times", i, s.kills, s.steals)
	}
	t.Logf("%d entries", w.log.Size())
}

// commitChunks commits chunks that hold refused rows.
func commitChunks(t interface{ Fatal(...any) }, db *store.DB, r *rand.Rand, n int) {
	rep := report.Report{ID: report.NewID(Start), Reporter: "a", Name: "a", ReceivedAt: Start}
	for i := range rep.SHA256 {
		rep.SHA256[i] = byte(r.Uint32())
	}
	var all []*desk.Chunk
	for i := range n {
		c := &desk.Chunk{Report: rep, Seq: int64(i + 1), FromRow: int64(i + 1), ToRow: int64(i + 1), Refused: 1, Name: "a", Final: i == n-1}
		c.Root[0] = byte(r.Uint32())
		all = append(all, c)
	}
	if err := db.Commit(context.Background(), all); err != nil {
		t.Fatal(err)
	}
}

// walked holds that the walker misses no chunk and takes none twice while many commit at the same time, some of whose
// transactions fail and leave gaps in the numbers.
func walked(t *testing.T, db *store.DB) {
	w := newWorkers(db)
	commitChunks(t, db, rand.New(rand.NewPCG(6, 6)), 1) // makes the day's partition, for which workers race
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(7, uint64(i)))
			for n := range 25 {
				if n%5 == 4 { // cancelled on the way
					short, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(2000))*time.Microsecond)
					rep := report.Report{ID: report.NewID(Start), Reporter: "a", ReceivedAt: Start, SHA256: [32]byte{byte(i), byte(n), 9}}
					_ = db.Commit(short, []*desk.Chunk{{Report: rep, Seq: 1, FromRow: 1, ToRow: 1, Refused: 1, Final: true}})
					cancel()
				}
				commitChunks(t, db, r, 1+r.IntN(3))
			}
		})
	}
	go func() { wg.Wait(); stop() }()
	for ctx.Err() == nil {
		w.now = w.now.Add(2 * time.Second)
		if _, err := w.all[0].Round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.settle(t)
	w.check(t, nil)
	if n := len(w.chunks(t)); n < 100 {
		t.Errorf("only %d chunks", n)
	}
}

// guard holds that a log which is not the one that the database knows is not written to, and another can go on.
func guard(t *testing.T, db *store.DB) {
	w := newWorkers(db)
	var items []evidence.Item
	for range 5 {
		items = append(items, logItem(w.now, "question"))
	}
	if err := db.Log().Enqueue(t.Context(), items...); err != nil {
		t.Fatal(err)
	}
	w.settle(t)
	good := w.log
	forked := good.Backup(4)
	if _, err := forked.Append(t.Context(), [][]byte{[]byte(`{"id":"other"}`)}); err != nil {
		t.Fatal(err)
	}
	longer := forked.Backup(5)
	if _, err := longer.Append(t.Context(), [][]byte{[]byte(`{"id":"more"}`)}); err != nil {
		t.Fatal(err)
	}
	next := logItem(w.now, "question")
	if err := db.Log().Enqueue(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]struct {
		log  *evidencetest.Log
		want error
	}{"an older backup": {good.Backup(4), evidence.ErrShort}, "another": {forked, evidence.ErrForked}, "a longer one": {longer, evidence.ErrForked}, "a new one": {&evidencetest.Log{}, evidence.ErrShort}} {
		w.log = bad.log
		w.start(1)
		w.now = w.now.Add(time.Minute) // the lease has ended
		size := bad.log.Size()
		if _, err := w.all[1].Round(t.Context()); !errors.Is(err, bad.want) || !errors.Is(w.all[1].Fault(), bad.want) {
			t.Errorf("%s: %v, want %v", name, err, bad.want)
		}
		if bad.log.Size() != size {
			t.Errorf("%s was written to", name)
		}
		short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := w.all[1].Submit(short, next); !errors.Is(err, bad.want) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: who waits is told %v", name, err)
		}
		cancel()
	}
	w.log = good
	w.start(1)
	if _, err := w.all[1].Round(t.Context()); err != nil || w.all[1].Fault() != nil {
		t.Error(err, w.all[1].Fault())
	}
	if at, ok, err := db.Log().Index(t.Context(), next.ID); at != 5 || !ok || err != nil {
		t.Error(at, ok, err)
	}
}

// submitted holds that whoever submits is told where the entry is, on the worker that writes and on the other.
func submitted(t *testing.T, db *store.DB) {
	log := &evidencetest.Log{}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var writers []*evidence.Writer
	var wg sync.WaitGroup
	for i := range 3 {
		var own evidence.Appender = log
		if i == 2 {
			own = nil // it has no log
		}
		w := evidence.NewWriter(own, db.Log(), db.Log(), fmt.Sprint(i), time.Now, slog.New(slog.DiscardHandler), nil)
		writers = append(writers, w)
		wg.Go(func() {
			if err := w.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	defer wg.Wait()
	defer stop()
	var mu sync.Mutex
	var took []time.Duration
	var submits sync.WaitGroup
	for i := range 60 {
		submits.Go(func() {
			item := logItem(time.Now(), "question")
			begin := time.Now()
			index, err := writers[i%3].Submit(ctx, item)
			if err != nil {
				t.Error(err)
				return
			}
			if got := log.Places()[item.ID]; !slices.Equal(got, []uint64{index}) {
				t.Errorf("told %d, it is at %v", index, got)
			}
			if again, err := writers[(i+1)%3].Submit(ctx, item); again != index || err != nil {
				t.Errorf("handed in again it is at %d (%v), and was at %d", again, err, index)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(begin))
		})
	}
	submits.Wait()
	if n := log.Size(); n != 60 {
		t.Errorf("the log has %d entries, want 60", n)
	}
	slices.Sort(took)
	t.Logf("two submits took %v at most", took[len(took)-1])
}

// verdicts holds that what was decided about each event can be proven from the database alone, against what the log
// has.
func verdicts(t *testing.T, db *store.DB) {
	doc := NewDocument(rand.New(rand.NewPCG(3, 4)), "north", 300, 40, Start, 20*24*time.Hour)
	doc.Rows[7].Reason = "bad"
	d := Desk(t, db, doc)
	if _, err := d.Work(t.Context(), doc.Report, 0); err != nil {
		t.Fatal(err)
	}
	w := newWorkers(db)
	w.settle(t)
	logged := map[report.ID]string{}
	for e, err := range w.log.Entries(t.Context(), 0, w.log.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		entry, err := evidence.DecodeEntry(e)
		if err != nil {
			t.Fatal(err)
		}
		said := map[string]string{}
		for _, f := range entry.Fields {
			said[f.Name] = f.Value
		}
		if said["events"] != "299" || said["refused"] != "1" {
			t.Errorf("%+v", entry)
		}
		logged[entry.ID] = said["verdicts"]
	}
	for _, row := range []int64{1, 2, 150, 300} {
		all, err := db.Verdicts(t.Context(), doc.Report.ID, 0, row)
		if err != nil || len(all) != 1 {
			t.Fatalf("row %d: %d verdicts, %v", row, len(all), err)
		}
		v := &all[0]
		if got := hex.EncodeToString(v.Root[:]); logged[v.Entry] != got {
			t.Errorf("row %d: the log has root %q, want %s", row, logged[v.Entry], got)
		}
		if err := evidence.VerifyVerdict(v.Root, &v.Proof); err != nil || v.Proof.Row != row || v.Proof.Party != report.PartyOwn {
			t.Errorf("row %d: %+v, %v", row, v.Proof.Verdict, err)
		}
		for in, err := range db.Incidents(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			if in.Subject == doc.Rows[row-1].Event.Subject.String() && evidence.IncidentKey(in.Key) != v.Proof.Incident {
				t.Errorf("row %d: the verdict names another incident than %s", row, in.Key)
			}
		}
	}
	for _, row := range []int64{8, 301} {
		if _, err := db.Verdicts(t.Context(), doc.Report.ID, 0, row); !errors.Is(err, store.ErrNoVerdict) {
			t.Errorf("row %d: %v", row, err)
		}
	}
	if _, err := db.DeleteReports(t.Context(), doc.Report.ReceivedAt.Add(time.Hour), Start); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Verdicts(t.Context(), doc.Report.ID, 0, 1); !errors.Is(err, store.ErrNoVerdict) {
		t.Errorf("with the report its salt should be gone: %v", err)
	}
}
