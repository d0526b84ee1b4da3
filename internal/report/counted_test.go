package report_test

import (
	"testing"

	"tocsin/internal/report"
)

func TestCounted(t *testing.T) {
	for _, c := range []struct {
		n           int64
		thing, want string
	}{
		{1, "report", "1 report"},
		{0, "report", "0 reports"},
		{2, "new incident", "2 new incidents"},
		{1, "entry", "1 entry"},
		{30, "entry", "30 entries"},
		{2, "day", "2 days"},
		{1, "address", "1 address"},
		{9, "address", "9 addresses"},
		{3, "day", "3 days"},
	} {
		if got := report.Counted(c.n, c.thing); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
