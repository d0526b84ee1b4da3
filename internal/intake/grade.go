package intake

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tocsin/internal/report"
)

// GradeWindow is how far back the outcomes lie that move a source's letter.
const GradeWindow = 90 * 24 * time.Hour

// GradeOutcomes is how many outcomes it takes to move a letter by one step from what was set, and to judge at all.
const GradeOutcomes = 20

// Record is what became, within the window, of the incidents that a source's events were part of. Each counts once.
type Record struct {
	Confirmed int64 // cleaned, handed over
	Refuted   int64 // shown to be a false alarm, or not to be ours
	Neither   int64 // any other end: nobody knows whether it had been so
}

// Judged is how many outcomes say something about the source.
func (r Record) Judged() int64 { return r.Confirmed + r.Refuted }

// Interval returns the bounds between which the share of confirmed outcomes lies with 95 % confidence, by Wilson's
// score: with few outcomes they are far apart. Without any they are 0 and 1.
func (r Record) Interval() (low, high float64) {
	n := float64(r.Judged())
	if n == 0 {
		return 0, 1
	}
	const z = 1.959964 // of the normal distribution, two-sided 95 %
	p := float64(r.Confirmed) / n
	middle := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(0, middle-half), min(1, middle+half)
}

// floors are the shares of confirmed outcomes that a letter stands for, at least; E has none.
var floors = [...]float64{report.ReliabilityA: 0.95, report.ReliabilityB: 0.80, report.ReliabilityC: 0.60, report.ReliabilityD: 0.40, report.ReliabilityE: 0}

// slack is by how much the record has to miss a letter's floor before the letter is lost.
const slack = 0.02

// Judge says which letter a source has, given the one that was set, the one that it has now, and its record.
//
// The letter rises when even the lower bound of the interval reaches the next floor, and falls when even the upper
// bound misses its own: in between it stays, so that it does not flap. It is never further from what was set than one
// step for each GradeOutcomes outcomes; it stays there until half of them have left the window, and then goes back. A
// source that was set to F, or never set, has F until it has GradeOutcomes outcomes. Then its first letter is the one
// that the share itself stands for, C at best; from there it rises and falls as any other, and for its distance C counts
// as what was set. The result does not depend on how often it is asked for.
func Judge(set, now report.Reliability, r Record) report.Reliability {
	n := int(min(r.Judged(), 1000))
	base, letter := set, now
	switch none := now == report.ReliabilityF; {
	case set != report.ReliabilityF && none:
		letter = set
	case set != report.ReliabilityF:
	case none && n < GradeOutcomes, n < GradeOutcomes/2:
		return report.ReliabilityF
	default:
		base = report.ReliabilityC
		if none {
			letter = first(r)
		}
	}
	held := 0 // steps from base that it has taken before
	if now != report.ReliabilityF {
		held = distance(now, base)
	}
	if n >= GradeOutcomes {
		low, high := r.Interval()
		for letter > report.ReliabilityA && low >= floors[letter-1] {
			letter--
		}
		for letter < report.ReliabilityE && high < floors[letter]-slack {
			letter++
		}
	}
	reach := max(n/GradeOutcomes, min(held, n/(GradeOutcomes/2)))
	return report.Reliability(min(max(int(letter), int(base)-reach, int(report.ReliabilityA)), int(base)+reach, int(report.ReliabilityE)))
}

func distance(a, b report.Reliability) int { return max(int(a)-int(b), int(b)-int(a)) }

// first is the letter of a source that had none: of the share itself, but C at best.
func first(r Record) report.Reliability {
	share := float64(r.Confirmed) / float64(r.Judged())
	for letter := report.ReliabilityC; letter < report.ReliabilityE; letter++ {
		if share >= floors[letter] {
			return letter
		}
	}
	return report.ReliabilityE
}

// Graded is a source's grade, and why it has it.
type Graded struct {
	Source string
	Start
	Who    string    // person who set it; empty: the config, or nobody; personal
	Reason string    // the person's; personal
	SetAt  time.Time // zero: nobody did, and no config

	Reliability report.Reliability // now
	Was         report.Reliability // before outcomes moved it last
	Moved       time.Time          // when they did; zero: since it was set they did not
	Record      Record             // at the last judgement
}

// Start is a grade as somebody sets it. Its digit is what the source's reports are worth as long as nothing else speaks
// for or against them.
type Start struct {
	Grade  report.Grade
	Pinned bool // outcomes do not move it
}

// Current is the grade that the source's next report gets.
func (g *Graded) Current() report.Grade {
	return report.Grade{Reliability: g.Reliability, Credibility: g.Grade.Credibility}
}

// Why says in a sentence why the source has its letter.
func (g *Graded) Why() string {
	now, r := g.Reliability, g.Record
	outcomes := fmt.Sprintf("%d of %d outcomes confirmed in %d days", r.Confirmed, r.Judged(), GradeWindow/(24*time.Hour))
	by := "where every source starts"
	switch {
	case g.Who != "":
		by = fmt.Sprintf("set by %s on %s: %s", g.Who, g.SetAt.Format(time.DateOnly), g.Reason)
	case !g.SetAt.IsZero():
		by = "set by the config"
	}
	switch {
	case g.Pinned:
		return fmt.Sprintf("%s, pinned, %s", now, by)
	case !g.Moved.IsZero() && g.Was != now:
		return fmt.Sprintf("%s, was %s: %s", now, g.Was, outcomes)
	case r.Judged() == 0:
		return fmt.Sprintf("%s, %s", now, by)
	case r.Judged() < GradeOutcomes:
		return fmt.Sprintf("%s, %s; %s, it takes %d to judge", now, by, outcomes, GradeOutcomes)
	}
	return fmt.Sprintf("%s, %s; %s", now, by, outcomes)
}

// GradeStore keeps grades.
type GradeStore interface {
	// Grades returns the sources that have a grade of their own, by name.
	Grades(ctx context.Context) ([]Graded, error)

	// Records returns, by reporter, what became of incidents that ended at since or later.
	Records(ctx context.Context, since time.Time) (map[string]Record, error)

	// Regrade keeps what a judgement found, unless the source was set, or judged otherwise, since was read; then it
	// returns false. was is the zero value but for its Source where there was none.
	Regrade(ctx context.Context, was, now Graded) (bool, error)

	// StartGrades keeps the grades that the config sets, where no person has set one, and takes back those that it
	// set before and does not any more.
	StartGrades(ctx context.Context, config map[string]Start, now time.Time) error
}

// Regrade judges every source by its record up to now, and returns those whose letter moved. It may be stopped and
// begun again at any point.
func Regrade(ctx context.Context, st GradeStore, now time.Time) ([]Graded, error) {
	records, err := st.Records(ctx, now.Add(-GradeWindow))
	if err != nil {
		return nil, err
	}
	grades, err := st.Grades(ctx)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for i := range grades {
		known[grades[i].Source] = true
	}
	for name := range records {
		if !known[name] && !report.NoSource(name) {
			grades = append(grades, Graded{Source: name})
		}
	}
	var moved []Graded
	for _, was := range grades {
		g := was
		g.Record = records[g.Source]
		if !g.Pinned {
			g.Reliability = Judge(g.Grade.Reliability, was.Reliability, g.Record)
		}
		if g.Reliability != was.Reliability {
			g.Was, g.Moved = was.Reliability, now
		}
		if g == was {
			continue
		}
		kept, err := st.Regrade(ctx, was, g)
		if err != nil {
			return moved, err
		}
		if kept && g.Reliability != was.Reliability {
			moved = append(moved, g)
		}
	}
	slices.SortFunc(moved, func(a, b Graded) int { return strings.Compare(a.Source, b.Source) })
	return moved, nil
}

// Starts are the grades that the config sets.
func (c Config) Starts() map[string]Start {
	starts := map[string]Start{}
	for _, s := range c.Sources {
		if start := (Start{s.Grade, s.Pinned}); start != (Start{}) {
			starts[s.Name] = start
		}
	}
	return starts
}

// Setting is a grade that a person sets.
type Setting struct {
	Source string
	Start
	Who    string // personal
	Reason string // personal
	At     time.Time
}

// Validate reports every broken rule at once.
func (s *Setting) Validate() error {
	var errs []error
	bad := func(field, rule string) { errs = append(errs, &report.FieldError{Field: field, Rule: rule}) }
	if !nameRule.MatchString(s.Source) {
		bad("source", fmt.Sprintf("%q cannot name a source: use up to 64 small letters, digits, - _ and dots", s.Source))
	}
	if report.NoSource(s.Source) {
		bad("source", s.Source+" stands for many senders and stays F: give the one that you mean a name, with its addresses, in intake.sources")
	}
	if strings.TrimSpace(s.Who) == "" {
		bad("who", "say who sets it")
	}
	if strings.TrimSpace(s.Reason) == "" {
		bad("reason", "say why, so that whoever asks later knows")
	}
	return errors.Join(errs...)
}
