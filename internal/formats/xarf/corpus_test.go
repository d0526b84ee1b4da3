package xarf_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/internal/corpustest"
	"tocsin/internal/formats/xarf"
	"tocsin/internal/report"
)

// outcome reads a document to its end.
func outcome(doc report.Document) (events []report.Event, refused []*report.RowError) {
	for e, err := range xarf.Parse(doc) {
		if err != nil {
			refused = append(refused, rowError(err))
			continue
		}
		e.Tags = append([]string(nil), e.Tags...)
		e.Details = append([]report.Detail(nil), e.Details...)
		events = append(events, e)
	}
	return events, refused
}

// rowError is what every refusal is; anything else is a fault of the parser.
func rowError(err error) *report.RowError {
	var bad *report.RowError
	if !errors.As(err, &bad) {
		panic(err)
	}
	return bad
}

func open(t testing.TB, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestCorpus holds what is accepted against what the corpus expects, and the events against the report room's rules.
func TestCorpus(t *testing.T) {
	agreed, total := corpusOf(t, "xarf_v3")
	corpustest.Agreed(t, "xarf_v3", agreed, total)
	agreed, total = corpusOf(t, "xarf_v4")
	corpustest.Agreed(t, "xarf_v4", agreed, total)
}

func corpusOf(t *testing.T, format string) (agreed, total int) {
	t.Helper()
	for _, entry := range corpustest.Entries(t, format) {
		total++
		path := corpustest.Dir(t, filepath.FromSlash(entry.Path))
		events, refused := outcome(report.Document{Reader: open(t, path)})
		var reasons []string
		for _, r := range refused {
			reasons = append(reasons, r.Reason)
		}
		accepted := len(events) == 1 && len(refused) == 0
		if !accepted && len(refused) == 0 {
			t.Errorf("%s: %d events and no reason", entry.Path, len(events))
		}
		if accepted != (entry.Expected == "valid") {
			t.Errorf("%s: expected %s, got %d events, refused: %s", entry.Path, entry.Expected, len(events),
				strings.Join(reasons, "; "))
			continue
		}
		agreed++
		for i := range events {
			if err := events[i].Validate(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)); err != nil {
				t.Errorf("%s: %s", entry.Path, report.Reason(err))
			}
		}
		if testing.Verbose() {
			for i := range events {
				t.Logf("%s\n%s", entry.Path, events[i].AppendJSON(nil))
			}
			for _, r := range reasons {
				t.Logf("%s\n%s", entry.Path, r)
			}
		}
	}
	return agreed, total
}
