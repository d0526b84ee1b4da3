package intake_test

import (
	"bytes"
	"errors"
	"io"
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
		{Name: "phishers", Formats: []string{"list/phish"}},
		{Name: "red", TLP: new(report.TLPRed)},
	}
}

// detect knows a document by its first word.
func detect(_ string, r io.Reader) string {
	b, _ := io.ReadAll(r)
	switch word, _, _ := strings.Cut(string(b), " "); word {
	case "xarf", "arf", "shadowserver", "list/botnets", "list/phish":
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
		"list's own name":                     {intake.Delivery{Channel: "import"}, "list/botnets x", "botnets", report.TLPRed, true},
		"list of a source":                    {intake.Delivery{Channel: "import"}, "list/phish x", "phishers", report.TLPRed, true},
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
