package report_test

import (
	"errors"
	"testing"
	"time"

	"tocsin/internal/report"
)

func TestPlace(t *testing.T) {
	at := time.Date(2026, 3, 1, 2, 3, 4, 5000, time.UTC)
	p := report.Place{ReceivedAt: at, ID: report.NewID(at)}
	if got, err := report.ParsePlace(p.String()); err != nil || got != p || got.IsZero() {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := report.ParsePlace(report.Place{}.String()); err != nil || !got.IsZero() {
		t.Errorf("the beginning: %v, %v", got, err)
	}
	for _, s := range []string{"x", p.String() + "A", p.String()[1:], "AQE"} {
		if _, err := report.ParsePlace(s); !errors.Is(err, report.ErrPlace) {
			t.Errorf("%q: %v", s, err)
		}
	}
	if got := p.ID.Time(); !got.Equal(at.Truncate(time.Millisecond)) {
		t.Errorf("the id is of %s", got)
	}
}

func FuzzParsePlace(f *testing.F) {
	f.Add(report.Place{ReceivedAt: time.Unix(1, 0), ID: report.NewID(time.Unix(1, 0))}.String())
	f.Add("AgE")
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := report.ParsePlace(s); err == nil && p.String() != s || err != nil && !p.IsZero() {
			t.Errorf("%q is %v, %v", s, p, err)
		}
	})
}
