package incident_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tocsin/internal/incident"
	"tocsin/internal/report"
)

func TestCredibility(t *testing.T) {
	for _, c := range []struct {
		sources []string
		days    int
		outcome report.Outcome
		want    string
	}{
		{[]string{"north"}, 1, "", "6"},
		{[]string{"north"}, 2, "", "3"},
		{[]string{"north"}, 90, "", "3"}, // one source is one source, for however long
		{[]string{"north", "south"}, 1, "", "2"},
		{[]string{"north", "south"}, 2, "", "1"},
		{[]string{"east", "north", "south"}, 1, "", "1"},
		{[]string{"north", report.Unproven}, 1, "", "6"},
		{[]string{"north", report.Unproven}, 3, "", "3"},
		{[]string{"north", "south", report.Unproven}, 1, "", "2"},
		{[]string{report.Unproven}, 9, "", "6"},
		{[]string{report.Unproven}, 1, report.OutcomeFalseAlarm, "5"},
		{[]string{"north"}, 9, report.OutcomeFalseAlarm, "5"},
		{[]string{"north", "south"}, 9, report.OutcomeFalseAlarm, "4"},
		{[]string{"north"}, 1, report.OutcomeCleaned, "2"},
		{[]string{"north"}, 1, report.OutcomeHandedOver, "2"},
		{[]string{"north", "south"}, 2, report.OutcomeCleaned, "1"},
		{[]string{"north"}, 1, report.OutcomeWentQuiet, "6"},
		{[]string{"north"}, 1, report.OutcomeNoAnswer, "6"},
		{[]string{"north"}, 1, report.OutcomeNotOurs, "6"}, // true or not, of somebody else
	} {
		in := incident.Incident{Sources: c.sources, Days: c.days, Outcome: c.outcome}
		if got := in.Credibility().String(); got != c.want {
			t.Errorf("%v on %d days, %q: %s, want %s", c.sources, c.days, c.outcome, got, c.want)
		}
	}
}

// TestWeights compares with a list of all events' digits, sorted from best to worst, and its middle.
func TestWeights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w incident.Weights
		var all []report.Credibility
		for _, c := range []report.Credibility{1, 2, 3, 0, 4, 5} {
			n := rapid.IntRange(0, 5).Draw(t, c.String())
			w[c] = int64(n)
			for range n {
				all = append(all, c)
			}
		}
		want := report.Credibility6
		if len(all) > 0 {
			want = all[(len(all)-1)/2]
		}
		if got := w.Credibility(); got != want {
			t.Fatalf("%v: %s, want %s", w, got, want)
		}
	})
}

func TestRulingSaysAllThatIsWrong(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	good := incident.Ruling{Incident: report.NewID(at), Outcome: report.OutcomeFalseAlarm, Who: "ann", Reason: "a scanner of ours", At: at}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for _, o := range []report.Outcome{"", report.OutcomeWentQuiet, report.OutcomeRecurred, "fine"} {
		r := good
		r.Outcome = o
		if err := r.Validate(); err == nil || !strings.Contains(err.Error(), "cleaned, false-alarm") {
			t.Errorf("%q: %v", o, err)
		}
	}
	err := (&incident.Ruling{Who: " ", Reason: "\t"}).Validate()
	if n := len(err.(interface{ Unwrap() []error }).Unwrap()); n != 5 {
		t.Errorf("%d faults said, want 5: %v", n, err)
	}
}
