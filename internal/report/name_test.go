package report_test

import (
	"strings"
	"testing"

	"tocsin/internal/report"
)

func TestNames(t *testing.T) {
	for _, c := range []struct{ in, clean, printed string }{
		{"week.csv", "week.csv", "week.csv"},
		{"Bericht März.csv", "Bericht März.csv", "Bericht März.csv"},
		{"a\nb\x1b[31m\xff\x00.csv", "ab[31m.csv", `a\nb\x1b[31m\xff\x00.csv`},
		{"\u202egpj.exe", "gpj.exe", `\u202egpj.exe`}, // turns the writing around
		{"", "", ""},
		{strings.Repeat("ü", 200), strings.Repeat("ü", 127), strings.Repeat("ü", 200)},
	} {
		if got := report.CleanName(c.in); got != c.clean {
			t.Errorf("CleanName(%q) = %q, want %q", c.in, got, c.clean)
		}
		if got := report.Printable(c.in); got != c.printed {
			t.Errorf("Printable(%q) = %q, want %q", c.in, got, c.printed)
		}
	}
}
