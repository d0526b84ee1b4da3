package desk_test

import (
	"strings"
	"testing"
	"time"

	"tocsin/internal/desk"
	"tocsin/internal/report"
)

// TestAnswer: a sender is told what was missing and what to send next time, once for each reason, in bounded space.
func TestAnswer(t *testing.T) {
	a := desk.Answer{
		Name: "scan.csv", ReceivedAt: time.Date(2026, 3, 3, 9, 5, 0, 0, time.UTC), State: report.StateWorked, Events: 70_000, Repeats: 1, Refused: 1,
	}
	for row := range int64(60_000) {
		a.Add(&desk.Unattributed{Row: row + 1, State: report.LineAmbiguous, Lines: int(row%157) + 1, Reason: "many lines share the address: the source port is needed", Need: report.NeedPort})
	}
	a.Add(&desk.Unattributed{Document: 1, Row: 7, State: report.LineNone, Reason: "by the log nobody held the address then"})
	for i := range 300 {
		a.AddRefusal(&desk.Refusal{Row: int64(i), Reason: strings.Repeat("x", i) + " is no address"})
	}
	a.Sort()
	if len(a.Lacking) != 2 || a.Lacking[0].Rows != 60_000 || a.Lacking[0].Lines != 157 || len(a.Lacking[0].First) > 20 || len(a.Wrong) > 50 {
		t.Errorf("%d reasons, %+v", len(a.Wrong), a.Lacking)
	}
	text := a.Text()
	for _, want := range []string{
		"Your report (scan.csv) came in on 3 March 2026, 09:05 UTC and was worked.", "70000 events read, 1 repeat, 1 refused.",
		"ambiguous: 157 lines share the address: the source port is needed\n    rows 1, 2, 3,", "and 59980 more",
		"none: by the log nobody held the address then\n    row 7 of part 2", "Please send the source port of each event", "These rows could not be read",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%.3000s", want, text)
		}
	}
	if strings.Count(text, "Please send") != 1 || strings.Contains(text, "times as exactly") {
		t.Error("it asks for more than is missing")
	}
}
