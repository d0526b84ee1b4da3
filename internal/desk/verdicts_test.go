package desk_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tocsin/internal/desk"
	"tocsin/internal/evidence"
	"tocsin/internal/incident"
	"tocsin/internal/line"
	"tocsin/internal/report"
)

// mixed is a network of which every third address is ours, and a line room that knows every second of those.
type mixed struct{}

func (mixed) WhosePrefix(netip.Prefix, uint32) *report.Holder { return &report.Holder{} }

func (mixed) Whose(a netip.Addr, _ uint32) *report.Holder {
	if b := a.As4(); b[3]%3 != 0 {
		return &report.Holder{ASN: 64500 + uint32(b[3]%5)}
	}
	return &report.Holder{Own: true}
}

func (mixed) Which(_ context.Context, s *line.Selector, _ bool) (report.LineAnswer, error) {
	if b := s.Addr.As4(); b[3]%2 == 0 {
		return report.LineAnswer{State: report.LineUnique, Handle: fmt.Sprint("line", b[3])}, nil
	}
	if s.Port == 0 {
		return report.LineAnswer{State: report.LineAmbiguous, Count: 2, Reason: "no port"}, nil
	}
	return report.LineAnswer{State: report.LineNone, Reason: "log gap"}, nil
}

// TestVerdictsAreDerivedAgain: what a chunk keeps gives its root and all of its verdicts, whatever the rows are: with
// gaps, refused, and several events of one.
func TestVerdictsAreDerivedAgain(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var events []report.Event
		row := int64(0)
		for range rapid.IntRange(0, 60).Draw(rt, "events") {
			row += rapid.Int64Range(0, 3).Draw(rt, "gap")
			e := report.Event{Format: "test", Row: max(row, 1), From: at, Kind: report.Undetermined}
			e.Subject.Addr = netip.AddrFrom4([4]byte{198, 51, 100, rapid.Byte().Draw(rt, "host")})
			e.Subject.Port = rapid.Uint16Range(0, 1).Draw(rt, "port")
			e.Details = []report.Detail{{Name: "n", Value: fmt.Sprint(len(events))}}
			events = append(events, e)
		}
		chunks := worked(t, events)
		n := 0
		for _, c := range chunks {
			all, err := desk.DecodeVerdicts(c.Body, c.Verdicts)
			if err != nil {
				rt.Fatal(err)
			}
			n += len(all)
			var tree evidence.VerdictTree
			tree.Reset(c.Salt)
			known := map[evidence.IncidentKey]int{}
			for i := range all {
				tree.Add(&all[i])
				known[all[i].Incident]++
			}
			if tree.Root() != c.Root {
				rt.Fatal("the root is not what was decided")
			}
			var counts desk.LineCounts
			for _, v := range all {
				switch v.Line {
				case report.LineUnique:
					counts.Unique++
				case report.LineAmbiguous:
					counts.Ambiguous++
				case report.LineNone:
					counts.None++
				}
				if v.Party.IsLine() != (v.Line == report.LineUnique) {
					rt.Fatalf("%+v", v)
				}
			}
			if counts != c.Lines {
				rt.Fatalf("lines %+v, want %+v", counts, c.Lines)
			}
			for _, touch := range c.Touches {
				key := evidence.IncidentKey(touch.Key)
				events := 0
				for _, p := range touch.Parts {
					events += p.Len
				}
				party := func(v evidence.Verdict) bool { return v.Incident == key && v.Party == touch.Party }
				if events != known[key] || !slices.ContainsFunc(all, party) {
					rt.Fatalf("%d verdicts about %s, want %d", known[key], touch.Party, events)
				}
			}
			if !slices.IsSortedFunc(all, func(a, b evidence.Verdict) int { return int(a.Row - b.Row) }) {
				rt.Fatal("not in the order of rows")
			}
			if len(c.Verdicts) > 0 {
				if got, err := desk.DecodeVerdicts(nil, c.Verdicts); err == nil {
					rt.Fatalf("without its events the chunk has %d verdicts", len(got))
				}
			}
		}
		if n != len(events) {
			rt.Fatalf("%d verdicts, want %d", n, len(events))
		}
	})
}

// worked returns the chunks of a report with events.
func worked(t *testing.T, events []report.Event) []*desk.Chunk {
	t.Helper()
	d, store, kept := bench(t)
	d.Lines, d.Networks = mixed{}, func() desk.Networks { return mixed{} }
	d.Open = func(doc report.Document, _ string) iter.Seq2[desk.Document, error] {
		_, _ = io.Copy(io.Discard, doc.Reader)
		return func(yield func(desk.Document, error) bool) {
			yield(desk.Document{Format: "test", Events: func(yield func(report.Event, error) bool) {
				for _, e := range events {
					if !yield(e, nil) {
						return
					}
				}
			}}, nil)
		}
	}
	r := kept.add("r", "")
	if _, err := d.Work(t.Context(), r, 0); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(store.chunks[r.ID], func(c *desk.Chunk) bool { return c.FromRow == 0 })
}

// FuzzDecodeVerdicts: no byte of what is stored can make us panic, or take memory without bound.
func FuzzDecodeVerdicts(f *testing.F) {
	f.Add([]byte{1, 4, 'a', 's', ':', '1', 0, 1, 2, 1, 0})
	f.Add([]byte{1, 0, 0, 3, 2, 9, 2, 9, 2, 9})
	f.Fuzz(func(_ *testing.T, packed []byte) {
		_, _ = desk.DecodeVerdicts(nil, packed)
		_, _ = desk.UnpackVerdicts(packed)
	})
}

// BenchmarkBuild makes a full chunk: from events to what is stored.
func BenchmarkBuild(b *testing.B) {
	cfg := incident.Defaults()
	build := desk.NewBuild(&cfg)
	events := make([]report.Event, desk.ChunkRows)
	for i := range events {
		e := &events[i]
		e.Format, e.Row, e.From, e.Kind = "test", int64(i+1), at, report.Undetermined
		e.Subject.Addr = netip.AddrFrom4([4]byte{198, 51, byte(i / 3 >> 8), byte(i / 3)})
		e.Details = []report.Detail{{Name: "banner", Value: fmt.Sprint("login ", i)}}
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := build(events); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/desk.ChunkRows, "ns/event")
}
