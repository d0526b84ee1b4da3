package acns

import (
	"strings"

	"tocsin/internal/report"
)

// Redacted stands in place of what is not shown.
const Redacted = "[redacted]"

// hidden are the elements of the source that name the subscriber.
var hidden = []string{"username", "login", "password", "macaddress", "account", "email"}

// Redact takes whoever complains, and the subscriber where the notice names one, out of an event that is shown to
// people: the parts Case, Source, Content and History of the notice stay, everything else goes.
func Redact(e *report.Event) {
	for i := range e.Details {
		d := &e.Details[i]
		part, rest, _ := strings.Cut(keyOf(d.Name), ".")
		keep := false
		switch part {
		case "case", "source", "content", "history":
			keep = true
			for name := range strings.SplitSeq(rest, ".") {
				for _, h := range hidden {
					keep = keep && name != h
				}
			}
		case "warning", "schemalocation":
			keep = true
		}
		if !keep {
			d.Value = Redacted
		}
	}
}
