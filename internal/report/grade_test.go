package report_test

import (
	"encoding/json"
	"strings"
	"testing"

	"tocsin/internal/report"
)

func TestGrade(t *testing.T) {
	for in, want := range map[string]string{
		"A": "A6", "b": "B6", "C3": "C3", "e5": "E5", "F": "F6", "f6": "F6", "A1": "A1", "F2": "F2", "D6": "D6",
	} {
		g, err := report.ParseGrade(in)
		if err != nil || g.String() != want {
			t.Errorf("%s: %s, %v; want %s", in, g, err, want)
		}
		again, err := report.ParseGrade(g.String())
		if err != nil || again != g {
			t.Errorf("%s read again: %s, %v", g, again, err)
		}
	}
	for _, in := range []string{"", "G", "A0", "A7", "B22", "2B", "BB", "1", "!", "a b", "\x01", "Ä", "@1", "`"} {
		if g, err := report.ParseGrade(in); err == nil || g != (report.Grade{}) || !strings.Contains(err.Error(), "write a letter") {
			t.Errorf("%q: %s, %v", in, g, err)
		}
	}
	b, err := json.Marshal(map[string]report.Grade{"zero": {}, "good": {Reliability: report.ReliabilityB, Credibility: report.Credibility2}})
	if err != nil || string(b) != `{"good":"B2","zero":"F6"}` {
		t.Errorf("%s, %v", b, err)
	}
	g := report.Grade{Reliability: report.ReliabilityA}
	if err := json.Unmarshal([]byte(`"nonsense"`), &g); err == nil || g.String() != "A6" {
		t.Errorf("%s, %v", g, err)
	}
	if err := json.Unmarshal([]byte(`""`), &g); err != nil || g != (report.Grade{}) {
		t.Errorf("%s, %v", g, err)
	}
	if s := (report.Grade{Reliability: 77, Credibility: 77}).String(); s != "F6" {
		t.Errorf("a damaged grade is %s", s)
	}
}

func TestVouched(t *testing.T) {
	for a, want := range map[report.Authenticity][2]bool{
		report.Unchecked: {false, false}, report.Token: {true, false}, report.Aligned: {true, false},
		report.Unaligned: {false, true}, report.Unsigned: {false, true}, report.Failed: {false, true},
		report.Unresolved: {false, true}, "something new": {false, true},
	} {
		if got := [2]bool{a.Vouched(), a.Refuted()}; got != want {
			t.Errorf("%q: vouched, refuted %v, want %v", a, got, want)
		}
	}
}
