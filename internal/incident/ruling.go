package incident

import (
	"errors"
	"slices"
	"strings"
	"time"

	"tocsin/internal/report"
)

// Ruling is an outcome that somebody says of an incident: a person at the desk, or a room that heard from the party. It
// closes the incident, and is kept when the incident goes on after all.
type Ruling struct {
	Incident report.ID // one that was joined into another stands for that
	Outcome  report.Outcome
	Who      string // who says so; personal
	Reason   string // a sentence; personal
	At       time.Time
}

// Ruled are the outcomes that somebody can say. The others follow from what feeds show, and the sweep finds them.
func Ruled() []report.Outcome {
	return []report.Outcome{
		report.OutcomeCleaned, report.OutcomeFalseAlarm, report.OutcomeHandedOver, report.OutcomeNoAnswer,
		report.OutcomeNotOurs, report.OutcomeUnknown,
	}
}

// Validate reports every broken rule at once.
func (r *Ruling) Validate() error {
	var errs []error
	bad := func(field, rule string) { errs = append(errs, &report.FieldError{Field: field, Rule: rule}) }
	if r.Incident.IsZero() {
		bad("incident", "name the incident")
	}
	if !slices.Contains(Ruled(), r.Outcome) {
		var names []string
		for _, o := range Ruled() {
			names = append(names, string(o))
		}
		bad("outcome", "nobody can say that an incident ended as \""+string(r.Outcome)+"\": say one of "+strings.Join(names, ", "))
	}
	if strings.TrimSpace(r.Who) == "" {
		bad("who", "say who says so")
	}
	if strings.TrimSpace(r.Reason) == "" {
		bad("reason", "say why")
	}
	if r.At.IsZero() {
		bad("at", "say when")
	}
	return errors.Join(errs...)
}

// Credibility says how far to believe an incident, from the strength of its evidence (DESIGN.md §5: days and sources)
// and what became of it. sources are independent reporters: report.Unproven is none. Whoever showed that it was a
// false alarm knows better than any number of reporters, who may all have it from one place.
func Credibility(sources, days int, outcome report.Outcome) report.Credibility {
	switch {
	case outcome == report.OutcomeFalseAlarm && sources >= 2:
		return report.Credibility4
	case outcome == report.OutcomeFalseAlarm:
		return report.Credibility5
	case sources >= 3, sources == 2 && days >= 2:
		return report.Credibility1
	case sources == 2, outcome == report.OutcomeCleaned, outcome == report.OutcomeHandedOver:
		return report.Credibility2
	case sources == 1 && days >= 2:
		return report.Credibility3
	}
	return report.Credibility6
}

// Credibility says how far to believe what the incident's events say.
func (in *Incident) Credibility() report.Credibility {
	independent := 0
	for _, s := range in.Sources {
		if s != report.Unproven {
			independent++
		}
	}
	return Credibility(independent, in.Days, in.Outcome)
}

// Weights counts events by the credibility of their incidents.
type Weights [6]int64

// Credibility is the digit of a report with these events: the best that at least half of them have or surpass. What
// cannot be judged stands between what speaks for and what speaks against.
func (w *Weights) Credibility() report.Credibility {
	var all, so int64
	for _, n := range w {
		all += n
	}
	for _, c := range [...]report.Credibility{
		report.Credibility1, report.Credibility2, report.Credibility3, report.Credibility6, report.Credibility4, report.Credibility5,
	} {
		if so += w[c]; 2*so >= all && all > 0 {
			return c
		}
	}
	return report.Credibility6
}
