package incident

import (
	"net/netip"
	"time"

	"tocsin/internal/report"
)

// Touch is what one chunk says about one key.
type Touch struct {
	Key     Key
	Party   report.Party
	Subject string // personal
	Kind    report.Kind
	Tag     string
	Parts   []Part // in order of time, each further from the next than the recurrence window
}

// Part is a run of one key's events inside one chunk without a gap over the recurrence window. Its events stand side
// by side in the chunk's body, so a link to them is a place and a length.
type Part struct {
	First, Last int64 // Unix microseconds
	Severity    uint8 // highest rank seen, report.Severity.Rank
	Start, Len  int   // events [Start, Start+Len) of the chunk's body
	Marks       Marks // days, source and feed of these events

	// Addrs are where a line was seen, each once; nil where the subject is in the touch. Personal.
	Addrs []netip.Addr
}

// Episode is the part of an incident that changes as events come in.
type Episode struct {
	ID          report.ID
	State       State
	Outcome     report.Outcome
	First, Last int64 // Unix microseconds
	Events      int64
	Severity    uint8
	Marks       Marks
	Links       Links // not yet spilt to side rows
}

// Micros is the resolution in which incidents keep time.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// Fold adds one part to the stored episodes of its key and returns the episode that now holds it, and those that it
// bridged into that one. With no episode near enough it returns a new one, whose ID is still zero and whose State is
// open. chunk is the number of the chunk that holds the part's events.
//
// The episodes given must be further from each other than window, as Fold leaves them.
func Fold(stored []*Episode, p *Part, chunk int64, window time.Duration) (into *Episode, bridged []*Episode) {
	w := window.Microseconds()
	for _, e := range stored {
		if p.First-e.Last > w || e.First-p.Last > w {
			continue
		}
		switch {
		case into == nil:
			into = e
		case e.First < into.First: // the older stays, the younger's id redirects
			bridged = append(bridged, into)
			into = e
		default:
			bridged = append(bridged, e)
		}
	}
	if into == nil {
		into = &Episode{State: StateOpen, First: p.First, Last: p.Last}
	}
	for _, b := range bridged {
		into.absorb(b)
	}
	if p.Last > into.Last && (into.State == StateQuiet || into.State == StateClosed) {
		into.State, into.Outcome = StateOpen, "" // seen again inside its window: the same episode goes on
	}
	into.First, into.Last = min(into.First, p.First), max(into.Last, p.Last)
	into.Events += int64(p.Len)
	into.Severity = max(into.Severity, p.Severity)
	into.Marks.Add(&p.Marks)
	into.Links = into.Links.Append(chunk, p.Start, p.Len)
	return into, bridged
}

// absorb takes over a younger episode. What was done about either stays done: a notice is not unsent.
func (e *Episode) absorb(b *Episode) {
	if rank(b.State) > rank(e.State) {
		e.State, e.Outcome = b.State, b.Outcome
	}
	e.First, e.Last = min(e.First, b.First), max(e.Last, b.Last)
	e.Events += b.Events
	e.Severity = max(e.Severity, b.Severity)
	e.Marks.Add(&b.Marks)
	e.Links = append(e.Links, b.Links...)
}

// rank orders states by what an episode that joins two has to be taken for: still going on before ended, and what was
// done before nothing done.
func rank(s State) int {
	switch s {
	case StateContained:
		return 5
	case StateTold:
		return 4
	case StateOpen:
		return 3
	case StateQuiet:
		return 2
	case StateClosed:
		return 1
	}
	return 0
}
