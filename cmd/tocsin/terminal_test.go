package main

import (
	"bufio"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"tocsin/internal/desk"
	"tocsin/internal/incident"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

// TestWrap: no line is too long, and nothing but blanks at which a line was broken is lost.
func TestWrap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOf(rapid.RuneFrom([]rune("ab é x"))).Draw(t, "s")
		width := rapid.IntRange(1, 20).Draw(t, "width")
		lines := wrap(s, width)
		for _, l := range lines {
			if n := utf8.RuneCountInString(l); n > width {
				t.Fatalf("%q has %d characters, more than %d", l, n, width)
			}
		}
		bare := func(s string) string { return strings.ReplaceAll(s, " ", "") }
		if got := bare(strings.Join(lines, "")); got != bare(s) {
			t.Fatalf("%q became %q", s, lines)
		}
	})
}

func TestReflow(t *testing.T) {
	got := reflow("one two\nthree four\n\nfive", 9)
	if want := "one two\nthree\nfour\n\nfive"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestNarrow: on a terminal of 80 characters neither list has a line that breaks.
func TestNarrow(t *testing.T) {
	var b strings.Builder
	day := time.Date(2026, 3, 1, 2, 10, 0, 0, time.UTC)
	in := incident.Incident{
		State: incident.StateOpen, Party: "as:64501", Subject: "198.51.100.8", Tag: "open-telnet", FirstSeen: day, LastSeen: day.Add(24 * time.Hour), Events: 2,
		Kind: report.Kind{Class: "vulnerable", Type: "vulnerable-system"},
	}
	if err := printNarrow(&b, func(yield func(incident.Incident, error) bool) { yield(in, nil) }); err != nil {
		t.Fatal(err)
	}
	l := &quarantineList{out: bufio.NewWriter(&b), width: 80}
	row := store.Row{Report: report.Report{Name: "2026-03-01-scan_telnet-example-asn64500.csv", Reporter: "shadowserver", ReceivedAt: day}, Refused: 3}
	refused := []desk.Refusal{{After: 880, Reason: "the document breaks off after row 880: the gzip data ends early: ask the sender for the file again"}, {Row: 1}}
	if err := l.text(&row, func(yield func(desk.Refusal, error) bool) {
		for _, r := range refused {
			if !yield(r, nil) {
				return
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := l.out.Flush(); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"open  as:64501  198.51.100.8  vulnerable/vulnerable-system  open-telnet",
		"  00000000-0000-0000-0000-000000000000  2026-03-01 to 2026-03-02, 2 events",
		"2026-03-01-scan_telnet-example-asn64500.csv, 3 refused",
		"  00000000-0000-0000-0000-000000000000  2026-03-01 02:10  shadowserver",
		"  from row 881: the document breaks off after row 880: the gzip data ends",
		"    early: ask the sender for the file again",
		"  and 2 more: --rows shows them",
		"",
	}
	if got := strings.Split(b.String(), "\n"); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
