package incident_test

import (
	"errors"
	"math"
	"net/netip"
	"testing"
	"time"

	"tocsin/internal/incident"
	"tocsin/internal/report"
)

func TestCursor(t *testing.T) {
	for _, n := range []int64{0, 1, 999, math.MaxInt64 - 1} {
		c := incident.CursorBehind(n)
		got, err := incident.ParseCursor(c.String())
		if number, ok := got.Number(); err != nil || !ok || number != n || got.IsZero() {
			t.Errorf("%d is read as %d, %t, %v", n, number, ok, err)
		}
	}
	begin, err := incident.ParseCursor(incident.Cursor{}.String())
	if _, ok := begin.Number(); ok || err != nil || !begin.IsZero() {
		t.Errorf("the beginning: %v, %v", begin, err)
	}
	for _, s := range []string{"x", "AQ", "AQA", "AgE", "AQEB", "AQE=", " AQE", "AYCA", "AYAA", "AYCAgICAgICAgIAB"} {
		if _, err := incident.ParseCursor(s); !errors.Is(err, incident.ErrCursor) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	for _, s := range []string{"", "AQE", incident.CursorBehind(1 << 40).String(), "AYAA"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := incident.ParseCursor(s)
		if err == nil && c.String() != s {
			t.Errorf("%q is written as %q", s, c)
		}
		if err != nil && !c.IsZero() {
			t.Errorf("%q: %v and an error", s, c)
		}
	})
}

func TestQuerySaysAllThatIsWrong(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, p := range []report.Party{"", "own", "unknown", "as:64500", "partner:north", "line:abc"} {
		q := incident.Query{Party: p, Kind: report.Kind{Class: "vulnerable"}, State: incident.StateOpen, From: at, To: at.Add(1)}
		if err := q.Validate(); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	for _, p := range []report.Party{"own:x", "line:", "as:x", "as:4294967296", "somebody", "line", ":x"} {
		if err := (&incident.Query{Party: p}).Validate(); err == nil {
			t.Errorf("%q is no fault", p)
		}
	}
	err := (&incident.Query{
		Addr: netip.MustParseAddr("fe80::1%eth0"), Party: "x", Kind: report.Kind{Class: "fraud", Type: "scanner"}, State: "bogus",
		From: at, To: at, Limit: incident.MaxPage + 1,
	}).Validate()
	if n := len(err.(interface{ Unwrap() []error }).Unwrap()); n != 6 {
		t.Errorf("%d faults said, want 6: %v", n, err)
	}
}
