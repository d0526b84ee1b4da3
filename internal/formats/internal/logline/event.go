package logline

import (
	"strings"

	"tocsin/internal/report"
)

// Details of an event that a line made.
const (
	DetailLine    = "line"    // the line itself
	DetailAssumed = "assumed" // what of the time was filled in
)

// Event makes the event of a hit. Row and Feed are the caller's.
func (h *Hit) Event(rule Rule, line string) report.Event {
	e := report.Event{
		Kind: h.Kind, Tags: []string{h.Service}, Target: h.Target,
		Subject: report.Subject{Addr: h.Addr, Port: h.Port, Proto: h.Proto, Domain: h.Host},
		Details: []report.Detail{{Name: DetailLine, Value: Clean(line)}},
	}
	assumed := "the time is that of " + rule.From
	e.From = rule.Ref.UTC()
	if h.HasTime {
		e.From, assumed = rule.Fill(h.At)
	}
	if assumed != "" {
		e.Details = append(e.Details, report.Detail{Name: DetailAssumed, Value: assumed})
	}
	return e
}

// Clean makes text of what a stranger wrote: valid UTF-8 without NUL, of a sane length.
func Clean(s string) string {
	if len(s) > 4096 {
		s = s[:4096]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}
