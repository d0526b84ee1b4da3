package intake_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tocsin/internal/intake"
	"tocsin/internal/report"
)

func letter(t *testing.T, s string) report.Reliability {
	t.Helper()
	g, err := report.ParseGrade(s)
	if err != nil {
		t.Fatal(err)
	}
	return g.Reliability
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		set, now           string
		confirmed, refuted int64
		want, why          string
	}{
		{"B", "B", 0, 0, "B", "no outcomes"},
		{"B", "B", 0, 19, "B", "one too few to judge by"},
		{"B", "B", 0, 20, "C", "one step for twenty outcomes, however bad"},
		{"B", "C", 0, 39, "C", "still one step"},
		{"B", "C", 0, 40, "D", "two steps for forty"},
		{"B", "B", 0, 60, "E", "three for sixty, at once as well as one by one"},
		{"B", "B", 0, 5000, "E", "there is nothing below E"},
		{"C", "C", 41, 3, "B", "the lower bound, 82 %, reaches B's floor"},
		{"C", "C", 38, 6, "C", "86 % alone is not enough: the lower bound is 73 %"},
		{"C", "B", 38, 6, "B", "and does not take B away either"},
		{"C", "B", 26, 18, "C", "the upper bound, 72 %, misses B's floor"},
		{"C", "C", 5000, 0, "A", "two steps up, with a record without a fault"},
		{"B", "B", 72, 0, "B", "A takes a lower bound of 95 %"},
		{"B", "B", 73, 0, "A", "which 73 outcomes without a fault have"},
		{"C", "B", 10, 0, "B", "half of the outcomes have left the window: it stays"},
		{"C", "B", 9, 0, "C", "more than half: back to what was set"},
		{"C", "E", 0, 10, "D", "one step back of two"},
		{"F", "F", 19, 0, "F", "too few for a first letter"},
		{"F", "F", 14, 6, "C", "70 %"},
		{"F", "F", 10, 10, "D", "50 %"},
		{"F", "F", 0, 20, "D", "one step from C"},
		{"F", "F", 0, 40, "E", "two"},
		{"F", "F", 20, 0, "B", "a lower bound of 84 %"},
		{"F", "F", 200, 0, "A", "a long record without a fault"},
		{"F", "C", 9, 0, "F", "its outcomes have left the window"},
		{"F", "C", 10, 0, "C", "half of them have"},
		{"A", "A", 20, 0, "A", "nothing above A"},
	} {
		got := intake.Judge(letter(t, c.set), letter(t, c.now), intake.Record{Confirmed: c.confirmed, Refuted: c.refuted, Neither: 77})
		if got.String() != c.want {
			t.Errorf("set %s, now %s, %d confirmed, %d refuted: %s, want %s: %s", c.set, c.now, c.confirmed, c.refuted, got, c.want, c.why)
		}
	}
}

// TestJudgeHolds holds what is promised of every judgement.
func TestJudgeHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		any := rapid.SampledFrom([]report.Reliability{0, 1, 2, 3, 4, 5})
		set, now := any.Draw(t, "set"), any.Draw(t, "now")
		r := intake.Record{
			Confirmed: rapid.Int64Range(0, 200).Draw(t, "confirmed"), Refuted: rapid.Int64Range(0, 200).Draw(t, "refuted"),
			Neither: rapid.Int64Range(0, 1000).Draw(t, "neither"),
		}
		got := intake.Judge(set, now, r)
		if again := intake.Judge(set, got, r); again != got {
			t.Fatalf("%s, and %s when asked again", got, again)
		}
		silent := r
		silent.Neither = 0
		if other := intake.Judge(set, now, silent); other != got {
			t.Fatalf("outcomes that say nothing changed %s to %s", got, other)
		}
		if set != report.ReliabilityF {
			if got == report.ReliabilityF {
				t.Fatal("a source lost its letter")
			}
			if far := math.Abs(float64(got) - float64(set)); far > float64(r.Judged()/10) {
				t.Fatalf("%v steps from what was set, with %d outcomes", far, r.Judged())
			}
			if fresh := intake.Judge(set, set, r); math.Abs(float64(fresh)-float64(set)) > float64(r.Judged()/20) {
				t.Fatalf("moved from %s to %s with %d outcomes", set, fresh, r.Judged())
			}
		}
		better := r // one more that is confirmed instead of refuted never makes it worse
		if better.Refuted > 0 {
			better.Refuted--
			better.Confirmed++
			if up := intake.Judge(set, now, better); up > got {
				t.Fatalf("%s, and %s with a better record", got, up)
			}
		}
	})
}

// TestJudgeDoesNotFlap lets a source's true share lie right on a floor: its letter settles, but for what chance does to
// the record.
func TestJudgeDoesNotFlap(t *testing.T) {
	moved, now := 0, letter(t, "B")
	for i := range 1000 { // 80 % on average, between 79 % and 81 %
		confirmed := int64(80 + 1 - i%3)
		next := intake.Judge(letter(t, "C"), now, intake.Record{Confirmed: confirmed, Refuted: 100 - confirmed})
		if next != now {
			moved++
		}
		now = next
	}
	if moved > 0 {
		t.Errorf("a record that moves by a hundredth moved the letter %d times", moved)
	}
}

func TestInterval(t *testing.T) {
	// Agresti and Coull, The American Statistician 52 (1998): Wilson's bounds for 9 of 10 are 0.596 and 0.982.
	low, high := intake.Record{Confirmed: 9, Refuted: 1}.Interval()
	if math.Abs(low-0.596) > 0.0005 || math.Abs(high-0.982) > 0.0005 {
		t.Errorf("9 of 10: %f to %f", low, high)
	}
	for _, r := range []intake.Record{{}, {Confirmed: 1}, {Refuted: 1}, {Confirmed: 1 << 40}, {Refuted: 1 << 40}, {Neither: 3}} {
		if low, high := r.Interval(); !(low >= 0 && low <= high && high <= 1) {
			t.Errorf("%+v: %f to %f", r, low, high)
		}
	}
}

func TestWhy(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := report.Grade{Reliability: report.ReliabilityC}
	for want, g := range map[string]intake.Graded{
		"F, where every source starts": {},
		"F, where every source starts; 3 of 4 outcomes confirmed in 90 days, it takes 20 to judge": {Record: intake.Record{Confirmed: 3, Refuted: 1, Neither: 50}},
		"C, set by the config": {Start: intake.Start{Grade: c}, SetAt: at, Reliability: report.ReliabilityC},
		"C, set by ann on 2026-03-01: they check; 30 of 40 outcomes confirmed in 90 days": {
			Start: intake.Start{Grade: c}, SetAt: at, Who: "ann", Reason: "they check", Reliability: report.ReliabilityC,
			Record: intake.Record{Confirmed: 30, Refuted: 10},
		},
		"B, was C: 41 of 44 outcomes confirmed in 90 days": {
			Start: intake.Start{Grade: c}, SetAt: at, Reliability: report.ReliabilityB, Was: report.ReliabilityC, Moved: at,
			Record: intake.Record{Confirmed: 41, Refuted: 3},
		},
		"C, pinned, set by ann on 2026-03-01: we know them": {
			Start: intake.Start{Grade: c, Pinned: true}, SetAt: at, Who: "ann", Reason: "we know them", Reliability: report.ReliabilityC,
			Record: intake.Record{Refuted: 400},
		},
	} {
		if got := g.Why(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

// grades is a store of grades in memory.
type grades struct {
	all     map[string]intake.Graded
	records map[string]intake.Record
	writes  int
	race    func() // called before a judgement is kept
}

var errSince = errors.New("asked for the wrong window")

var judgedAt = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

func (g *grades) Grades(context.Context) ([]intake.Graded, error) {
	var all []intake.Graded
	for _, one := range g.all {
		all = append(all, one)
	}
	return all, nil
}

func (g *grades) Records(_ context.Context, since time.Time) (map[string]intake.Record, error) {
	if !since.Equal(judgedAt.Add(-90 * 24 * time.Hour)) {
		return nil, errSince
	}
	return g.records, nil
}

func (g *grades) Regrade(_ context.Context, was, now intake.Graded) (bool, error) {
	if g.race != nil {
		g.race()
	}
	have, ok := g.all[was.Source]
	if !ok {
		have.Source = was.Source
	}
	if have != was {
		return false, nil
	}
	g.all[was.Source] = now
	g.writes++
	return true, nil
}

func (g *grades) StartGrades(context.Context, map[string]intake.Start, time.Time) error { return nil }

func TestRegrade(t *testing.T) {
	c := intake.Start{Grade: report.Grade{Reliability: report.ReliabilityC, Credibility: report.Credibility3}}
	pinned := c
	pinned.Pinned = true
	st := &grades{
		all: map[string]intake.Graded{
			"good":   {Source: "good", Start: c, Reliability: report.ReliabilityC},
			"pinned": {Source: "pinned", Start: pinned, Reliability: report.ReliabilityC},
			"quiet":  {Source: "quiet", Start: c, Reliability: report.ReliabilityC},
		},
		records: map[string]intake.Record{
			"good": {Confirmed: 41, Refuted: 3}, "pinned": {Refuted: 500}, "new": {Refuted: 30}, "few": {Confirmed: 2},
			report.Unproven: {Refuted: 100},
		},
	}
	moved, err := intake.Regrade(t.Context(), st, judgedAt)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, m := range moved {
		words = append(words, m.Source+" "+m.Current().String()+" "+m.Why())
	}
	want := []string{
		"good B3 B, was C: 41 of 44 outcomes confirmed in 90 days", "new D6 D, was F: 0 of 30 outcomes confirmed in 90 days",
	}
	if diff := cmp.Diff(want, words); diff != "" {
		t.Errorf("moved (-want +got):\n%s", diff)
	}
	if p := st.all["pinned"]; p.Reliability != report.ReliabilityC || p.Record.Refuted != 500 || !p.Moved.IsZero() {
		t.Errorf("pinned: %+v", p)
	}
	if f := st.all["few"]; f.Reliability != report.ReliabilityF || f.Record.Confirmed != 2 {
		t.Errorf("few: %+v", f)
	}
	if _, ok := st.all[report.Unproven]; ok {
		t.Error("what nobody vouches for was graded")
	}
	writes := st.writes
	if moved, err := intake.Regrade(t.Context(), st, judgedAt); err != nil || len(moved) > 0 || st.writes != writes {
		t.Errorf("judged again: %v, %v, %d writes more", moved, err, st.writes-writes)
	}
}

// TestRegradeYields: whom a person grades meanwhile keeps that.
func TestRegradeYields(t *testing.T) {
	st := &grades{all: map[string]intake.Graded{}, records: map[string]intake.Record{"north": {Refuted: 50}}}
	set := intake.Graded{Source: "north", Who: "ann", SetAt: judgedAt, Start: intake.Start{Pinned: true}}
	st.race = func() { st.all["north"] = set }
	moved, err := intake.Regrade(t.Context(), st, judgedAt)
	if err != nil || len(moved) > 0 || st.all["north"] != set {
		t.Errorf("%v, %v, %+v", moved, err, st.all["north"])
	}
}

func TestSettingSaysAllThatIsWrong(t *testing.T) {
	good := intake.Setting{Source: "north", Who: "ann", Reason: "they check", At: judgedAt}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	err := (&intake.Setting{Source: "North Net"}).Validate()
	if n := len(err.(interface{ Unwrap() []error }).Unwrap()); n != 3 {
		t.Errorf("%d faults, want 3: %v", n, err)
	}
	good.Source = report.Unproven
	if good.Validate() == nil {
		t.Error("what nobody vouches for can be graded")
	}
}

func TestStarts(t *testing.T) {
	c := report.Grade{Reliability: report.ReliabilityC}
	got := intake.Config{Sources: []intake.Source{{Name: "a", Grade: c}, {Name: "b"}, {Name: "c", Pinned: true}}}.Starts()
	if diff := cmp.Diff(map[string]intake.Start{"a": {Grade: c}, "c": {Pinned: true}}, got); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal([]report.Reliability{0}, []report.Reliability{report.ReliabilityF}) {
		t.Error("F is not the zero value")
	}
}
