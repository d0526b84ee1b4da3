package desk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/desk"
	"tocsin/internal/incident"
	"tocsin/internal/intake"
	"tocsin/internal/report"
)

var at = time.Date(2024, 3, 1, 2, 10, 0, 0, time.UTC)

// memory is a store that refuses chunks of reports with a name.
type memory struct {
	mu     sync.Mutex // guards what follows
	poison string
	chunks map[report.ID][]*desk.Chunk
}

func (m *memory) Known(_ context.Context, rep *report.Report, generation int) (desk.Known, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := desk.Known{Done: map[int]int64{}}
	for _, c := range m.chunks[rep.ID] {
		if c.Generation == generation {
			k.Done[c.Document] = max(k.Done[c.Document], c.ToRow)
		}
		if c.Generation == generation-1 {
			some, err := desk.DecodeRefusals(c.Refusals)
			if err != nil {
				return k, err
			}
			k.Refusals = append(k.Refusals, some...)
		}
	}
	return k, nil
}

func (m *memory) Names(_ context.Context, names ...string) ([]int32, error) {
	return make([]int32, len(names)), nil
}

func (m *memory) Blocked(_ context.Context, from string) (bool, error) {
	return from == "blocked@example.net", nil
}

func (m *memory) Commit(_ context.Context, chunks []*desk.Chunk) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range chunks {
		if c.Report.Name == m.poison {
			return fmt.Errorf("commit: %w", desk.ErrPoison)
		}
	}
	for _, c := range chunks {
		m.chunks[c.Report.ID] = append(m.chunks[c.Report.ID], c)
	}
	return nil
}

// lines is a format of one event a line; "panic" panics, "bad" is a bad row.
func lines(doc report.Document, _ string) iter.Seq2[desk.Document, error] {
	return func(yield func(desk.Document, error) bool) {
		text, err := io.ReadAll(doc.Reader)
		if err != nil {
			yield(desk.Document{}, &report.RowError{Reason: err.Error()})
			return
		}
		for i, part := range strings.Split(string(text), "---\n") {
			yield(desk.Document{Index: i, Name: fmt.Sprint(i), Format: "lines", Events: func(yield func(report.Event, error) bool) {
				row := int64(0)
				for line := range strings.Lines(part) {
					row++
					e := report.Event{Format: "lines", Row: row, From: at, Kind: report.Undetermined}
					switch line = strings.TrimSpace(line); line {
					case "panic":
						panic("at " + line)
					case "bad":
						if !yield(report.Event{}, &report.RowError{Row: row, Reason: line}) {
							return
						}
						continue
					}
					e.Subject.Domain = line
					if !yield(e, nil) {
						return
					}
				}
			}}, nil)
		}
	}
}

type originals map[report.ID]io.Reader

func (o originals) Original(_ context.Context, id report.ID) (io.ReadCloser, error) {
	return io.NopCloser(o[id]), nil
}

type nobody struct{}

func (nobody) WhosePrefix(netip.Prefix, uint32) *report.Holder { return &report.Holder{} }

func (nobody) Whose(netip.Addr, uint32) *report.Holder { return &report.Holder{} }

// bench is a desk at work.
func bench(t *testing.T) (*desk.Desk, *memory, originals) {
	t.Helper()
	store, kept := &memory{poison: "poison", chunks: map[report.ID][]*desk.Chunk{}}, originals{}
	d := &desk.Desk{
		Open: lines, Originals: kept, Store: store, Incidents: incident.Defaults(), SpoolDir: t.TempDir(),
		Networks: func() desk.Networks { return nobody{} },
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return d, store, kept
}

func (o originals) add(name, text string) report.Report {
	rep := report.Report{ID: report.NewID(at), Reporter: "a", Name: name, ReceivedAt: at}
	o[rep.ID] = strings.NewReader(text)
	return rep
}

// TestPanicCostsOneDocument: more documents than the desk reads at a time make their reader panic, and the next one is
// worked all the same.
func TestPanicCostsOneDocument(t *testing.T) {
	d, store, kept := bench(t)
	for range 5 {
		rep := kept.add("bad", strings.Repeat("a.example\n", 3)+"panic\n")
		err := intake.Guard(slog.New(slog.DiscardHandler), func() error {
			_, err := d.Work(t.Context(), rep, 0)
			return err
		})
		if !errors.Is(err, intake.ErrPanic) {
			t.Fatalf("a document that makes its reader panic: %v", err)
		}
	}
	rep := kept.add("good", "b.example\n")
	if res, err := d.Work(t.Context(), rep, 0); err != nil || res.Events != 1 || len(store.chunks[rep.ID]) != 1 {
		t.Errorf("the next document: %+v, %v", res, err)
	}
}

// TestPoisonCostsOneReport: what the store refuses does not take down what is committed together with it.
func TestPoisonCostsOneReport(t *testing.T) {
	d, store, kept := bench(t)
	var reports []report.Report
	for i := range 40 {
		name := "good"
		if i%10 == 3 {
			name = "poison"
		}
		reports = append(reports, kept.add(name, fmt.Sprintf("%d.example\n", i)))
	}
	var wg sync.WaitGroup
	for _, rep := range reports {
		wg.Go(func() {
			name := rep.Name
			_, err := d.Work(t.Context(), rep, 0)
			if errors.Is(err, desk.ErrPoison) != (name == "poison") || err != nil && name == "good" {
				t.Errorf("a %s report: %v", name, err)
			}
		})
	}
	wg.Wait()
	if len(store.chunks) != 36 {
		t.Errorf("%d reports are stored, want 36", len(store.chunks))
	}
}

// TestOurDiskIsNotTheReportsFault: an original that cannot be read is no reason to refuse anything.
func TestOurDiskIsNotTheReportsFault(t *testing.T) {
	d, store, kept := bench(t)
	rep := kept.add("good", "")
	broken := errors.New("input/output error")
	kept[rep.ID] = io.MultiReader(strings.NewReader("a.example\n"), iotest.ErrReader(broken))
	if _, err := d.Work(t.Context(), rep, 0); !errors.Is(err, broken) {
		t.Errorf("an original that cannot be read: %v", err)
	}
	if n := len(store.chunks[rep.ID]); n != 0 {
		t.Errorf("%d chunks of it are stored", n)
	}
	kept[rep.ID] = strings.NewReader("a.example\nb.example\n")
	if res, err := d.Work(t.Context(), rep, 0); err != nil || res.Events != 2 || res.Refused != 0 {
		t.Errorf("when the disk is well: %+v, %v", res, err)
	}
}

// TestUnworkedIsReplayed: a report whose work ended half-way owes the rest, no more and no less.
func TestUnworkedIsReplayed(t *testing.T) {
	text := "a.example\nbad\nb.example\n---\nc.example\nd.example\n---\ne.example\n"
	for _, c := range []struct {
		name string
		done map[int]int64
		want int64 // events of a replay
	}{
		{"nothing", nil, 5},
		{"a row", map[int]int64{0: 1}, 4},
		{"a document", map[int]int64{0: 3}, 3},
		{"one and a half", map[int]int64{0: 3, 1: 1}, 2},
		{"all", map[int]int64{0: 3, 1: 2, 2: 1}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, store, kept := bench(t)
			rep := kept.add("half", text)
			packed, err := desk.EncodeRefusals(desk.Unworked(desk.Known{Done: c.done}, 0, "why"))
			if err != nil {
				t.Fatal(err)
			}
			store.chunks[rep.ID] = []*desk.Chunk{{Refusals: packed}}
			res, err := d.Work(t.Context(), rep, 1)
			if err != nil || res.Events != c.want {
				t.Errorf("a replay takes %+v, %v; want %d events", res, err, c.want)
			}
		})
	}
}

// TestUnworkedReplay: a replay that ended half-way owes what it should have taken and did not.
func TestUnworkedReplay(t *testing.T) {
	known := desk.Known{
		Done: map[int]int64{0: 9, 1: 4},
		Refusals: []desk.Refusal{
			{Document: 0, Row: 7, Reason: "a"},
			{Document: 1, Row: 3, Reason: "b"},
			{Document: 1, Row: 5, Reason: "c"},
			{Document: 2, After: 8, Reason: "d"},
		},
	}
	want := []desk.Refusal{{Document: 1, Row: 5, Reason: "why"}, {Document: 2, After: 8, Reason: "why"}}
	if diff := cmp.Diff(want, desk.Unworked(known, 1, "why")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	known.Refusals = []desk.Refusal{{Document: 0, After: 2, Rest: true, Reason: "e"}}
	want = []desk.Refusal{{Document: 1, After: 4, Rest: true, Reason: "why"}}
	if diff := cmp.Diff(want, desk.Unworked(known, 1, "why")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
