package intake_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/intake"
	"tocsin/internal/intake/intaketest"
	"tocsin/internal/report"
)

func sources() []intake.Source {
	return []intake.Source{
		{Name: "csirt", TLP: new(report.TLPGreen), Formats: []string{"xarf", "arf"}, Channel: "import"},
		{Name: "north", TLP: new(report.TLPAmberStrict), Formats: []string{"xarf"}, Folder: "nord"},
		{Name: "south"},
		{Name: "red", TLP: new(report.TLPRed)},
	}
}

// detect knows a document by its first word.
func detect(_ string, r io.Reader) string {
	b, _ := io.ReadAll(r)
	switch word, _, _ := strings.Cut(string(b), " "); word {
	case "xarf", "arf", "shadowserver":
		return word
	case "panic":
		panic("a document's own words")
	}
	return ""
}

func TestWhoSentIt(t *testing.T) {
	for name, c := range map[string]struct {
		d          intake.Delivery
		body       string
		want       string
		tlp        report.TLP
		unlabelled bool
	}{
		"named":                               {intake.Delivery{Channel: "import", Reporter: "north"}, "arf", "north", report.TLPAmberStrict, false},
		"named, not configured":               {intake.Delivery{Channel: "import", Reporter: "other"}, "arf", "other", report.TLPRed, true},
		"token, no label":                     {intake.Delivery{Channel: "http", Reporter: "south"}, "xarf", "south", report.TLPRed, true},
		"labelled red":                        {intake.Delivery{Channel: "http", Reporter: "red"}, "xarf", "red", report.TLPRed, false},
		"folder of a source":                  {intake.Delivery{Channel: "folder", Folder: "nord"}, "arf x", "north", report.TLPAmberStrict, false},
		"folder by the source's name":         {intake.Delivery{Channel: "folder", Folder: "south"}, "arf x", "south", report.TLPRed, true},
		"a source's name, but it has its own": {intake.Delivery{Channel: "folder", Folder: "north"}, "arf x", "arf", report.TLPRed, true},
		"folder of nobody, format":            {intake.Delivery{Channel: "folder", Folder: "march"}, "xarf x", "north", report.TLPAmberStrict, false},
		"format on another channel":           {intake.Delivery{Channel: "import"}, "xarf x", "csirt", report.TLPGreen, false},
		"format named":                        {intake.Delivery{Channel: "import", Format: "arf"}, "xarf x", "csirt", report.TLPGreen, false},
		"format's own name":                   {intake.Delivery{Channel: "folder"}, "arf x", "arf", report.TLPRed, true},
		"shadowserver":                        {intake.Delivery{Channel: "import"}, "shadowserver x", "shadowserver", report.TLPAmber, false},
		"nobody":                              {intake.Delivery{Channel: "import"}, "?", "unknown", report.TLPRed, true},
		"detection panics":                    {intake.Delivery{Channel: "import"}, "panic x", "unknown", report.TLPRed, true},
	} {
		t.Run(name, func(t *testing.T) {
			var kept intaketest.Stream
			src := intake.NewSources(sources())
			door := intake.NewDoor(src, &kept, detect, slog.New(slog.DiscardHandler))
			got, err := door.Accept(t.Context(), c.d, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if got.Report.Reporter != c.want || got.Report.TLP != c.tlp || got.Report.Format != c.d.Format {
				t.Errorf("reporter %s, label %s, format %q", got.Report.Reporter, got.Report.TLP, got.Report.Format)
			}
			if k := kept.Kept(); len(k) != 1 || string(k[0].Bytes) != c.body {
				t.Errorf("kept %v", k)
			}
			if u := src.Unlabelled(); (len(u) == 1 && u[0].Reporter == c.want) != c.unlabelled {
				t.Errorf("unlabelled: %v", u)
			}
		})
	}
}

func TestUnlabelledAreCounted(t *testing.T) {
	var kept intaketest.Stream
	src := intake.NewSources(sources())
	door := intake.NewDoor(src, &kept, detect, slog.New(slog.DiscardHandler))
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for i, who := range []string{"south", "north", "south", "other"} {
		d := intake.Delivery{Channel: "http", Reporter: who, ReceivedAt: at.Add(time.Duration(i) * time.Hour)}
		if _, err := door.Accept(t.Context(), d, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
	kept.Fail(errors.New("full"))
	if _, err := door.Accept(t.Context(), intake.Delivery{Reporter: "south"}, strings.NewReader("y")); err == nil {
		t.Error("a report that was not kept was accepted")
	}
	want := []intake.Unlabelled{
		{Reporter: "other", Reports: 1, Last: at.Add(3 * time.Hour)}, {Reporter: "south", Reports: 2, Last: at.Add(2 * time.Hour)},
	}
	if d := cmp.Diff(want, src.Unlabelled()); d != "" {
		t.Error(d)
	}
}

func TestGuard(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	if err := intake.Guard(log, func() error { return nil }); err != nil {
		t.Error(err)
	}
	if err := intake.Guard(log, func() error { return io.ErrUnexpectedEOF }); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if out.Len() != 0 {
		t.Errorf("logged without a reason: %s", &out)
	}
	err := intake.Guard(log, func() error { panic("alice@example.org") })
	if !errors.Is(err, intake.ErrPanic) {
		t.Errorf("a panic became %v", err)
	}
	if strings.Contains(out.String()+err.Error(), "alice") {
		t.Errorf("the document's words got out: %v, %s", err, &out)
	}
	if !strings.Contains(out.String(), "TestGuard") {
		t.Errorf("the log does not say where: %s", &out)
	}
	var rows []int
	if err := intake.Guard(log, func() error { rows[len(out.String())] = 1; return nil }); !errors.Is(err, intake.ErrPanic) {
		t.Errorf("a panic of the runtime became %v", err)
	}
}

// store is a quarantine in memory.
type store struct {
	all     []intake.Quarantined
	dropped map[report.ID]time.Time
}

func (s *store) List(context.Context) iter.Seq2[intake.Quarantined, error] {
	return func(yield func(intake.Quarantined, error) bool) {
		for _, q := range s.all {
			if _, gone := s.dropped[q.Report.ID]; !gone && !yield(q, nil) {
				return
			}
		}
	}
}

func (s *store) Get(ctx context.Context, id report.ID) (intake.Quarantined, error) {
	for q := range s.List(ctx) {
		if q.Report.ID == id {
			return q, nil
		}
	}
	return intake.Quarantined{}, intake.ErrNotQuarantined
}

func (s *store) MarkDropped(_ context.Context, id report.ID, at time.Time) error {
	s.dropped[id] = at
	return nil
}

type queue struct {
	got []string
	err error
}

func (q *queue) Requeue(_ context.Context, rep report.Report, generation int) error {
	if q.err == nil {
		q.got = append(q.got, rep.Name+strings.Repeat("'", generation))
	}
	return q.err
}

func TestQuarantine(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	a := intake.Quarantined{Report: report.Report{ID: report.NewID(now), Name: "a"}, Reason: "row 3: no time", Rows: 1, At: now}
	b := intake.Quarantined{Report: report.Report{ID: report.NewID(now), Name: "b"}, Reason: "not a report", Rows: 1, Generation: 1, At: now}
	st, qu := &store{[]intake.Quarantined{a, b}, map[report.ID]time.Time{}}, &queue{}
	q := &intake.Quarantine{Store: st, Queue: qu, Now: func() time.Time { return now }}
	for _, in := range []intake.Quarantined{a, b} {
		if err := q.Replay(t.Context(), in.Report.ID); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff([]string{"a'", "b''"}, qu.got); d != "" {
		t.Errorf("replayed otherwise than as the next generation:\n%s", d)
	}
	if err := q.Drop(t.Context(), a.Report.ID); err != nil {
		t.Fatal(err)
	}
	if !st.dropped[a.Report.ID].Equal(now) {
		t.Error("not marked as dropped")
	}
	var left []intake.Quarantined
	for in, err := range q.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, in)
	}
	if d := cmp.Diff([]intake.Quarantined{b}, left); d != "" {
		t.Error(d)
	}
	for what, err := range map[string]error{"drop": q.Drop(t.Context(), a.Report.ID), "replay": q.Replay(t.Context(), a.Report.ID)} {
		if !errors.Is(err, intake.ErrNotQuarantined) {
			t.Errorf("%s of what is gone: %v", what, err)
		}
	}
	qu.err = errors.New("the original is gone")
	if err := q.Replay(t.Context(), b.Report.ID); !errors.Is(err, qu.err) {
		t.Errorf("a replay that cannot be: %v", err)
	}
}
