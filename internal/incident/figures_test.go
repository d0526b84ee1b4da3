package incident_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// TestMedian compares with the middle of the sorted times.
func TestMedian(t *testing.T) {
	if m := (incident.Histogram{}).Median(); m != (incident.Median{}) {
		t.Errorf("of nothing: %+v", m)
	}
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Map(rapid.Int64Range(0, int64(100*365*24*time.Hour)), func(n int64) time.Duration {
			return time.Duration(n >> (n % 50)) // short ones as well
		}), 1, 50).Draw(t, "times")
		h := incident.Histogram{}
		for _, d := range all {
			h.Add(incident.Histogram{incident.Bucket(d): 1})
			if low, high := incident.BucketSpan(incident.Bucket(d)); d < low-1 || d > high || low > time.Second && high.Seconds() > 1.2*low.Seconds() {
				t.Fatalf("%s is in the bucket from %s to %s", d, low, high)
			}
		}
		slices.Sort(all)
		m, want := h.Median(), all[(len(all)-1)/2]
		if m.N != int64(len(all)) || want < m.Low-1 || want > m.High {
			t.Fatalf("%+v, want %s of %d", m, want, len(all))
		}
	})
}

func TestActSaysAllThatIsWrong(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, what := range incident.Acts() {
		a := incident.Act{ID: report.NewID(at), Incident: report.NewID(at), What: what, Who: "ann", Text: "so", At: at}
		if what == incident.ActClose {
			a.Outcome = report.OutcomeCleaned
		}
		if err := a.Validate(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, c := range []struct {
		act  incident.Act
		want int
	}{
		{incident.Act{}, 6},
		{incident.Act{What: incident.ActNote, Outcome: report.OutcomeCleaned, Text: string(make([]byte, incident.MaxActText+1))}, 6},
		{incident.Act{What: incident.ActClose}, 6},
	} {
		if n := count(c.act.Validate()); n != c.want {
			t.Errorf("%d faults said, want %d: %v", n, c.want, c.act.Validate())
		}
	}
}

// count is how many faults an error tells of.
func count(err error) int {
	if many, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err); ok {
		n := 0
		for _, one := range many.Unwrap() {
			n += count(one)
		}
		return n
	}
	if err == nil {
		return 0
	}
	return 1
}
