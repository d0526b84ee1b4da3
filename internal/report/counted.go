package report

import (
	"fmt"
	"strings"
)

// Counted is a number of things in words: 1 report, 2 reports, 2 entries, 2 addresses.
func Counted(n int64, thing string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(thing, "y") && !strings.HasSuffix(thing, "ay"):
		thing = strings.TrimSuffix(thing, "y") + "ies"
	case strings.HasSuffix(thing, "s"):
		thing += "es"
	default:
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}
