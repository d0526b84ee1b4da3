package incident

import (
	"time"

	"tocsin/internal/report"
)

// Watermarks is the newest event time seen, by feed (as format/feed) and network: what a feed that is alive has moved
// on to.
type Watermarks map[Watermark]time.Time

// Watermark names one: a feed and the network it speaks about.
type Watermark struct {
	Feed    string
	Network string
}

// Verdict is what the sweep finds about one incident.
type Verdict struct {
	State   State
	Outcome report.Outcome
}

// Judge says where an incident stands, given how far its feeds have moved on. It is quiet when a feed that showed it
// has moved on by the quiet time without showing it again, and closed when that feed has moved on by the whole
// recurrence window, so that the episode cannot go on. The wall clock alone never makes it quiet: a feed that stopped
// proves nothing, and after the silence time such an incident is closed as unknown.
//
// told says whether the party had been told; without that, what went quiet did so by itself.
func (c *Config) Judge(in *Incident, marks Watermarks, told bool, now time.Time) Verdict {
	if in.State == StateClosed {
		return Verdict{in.State, in.Outcome}
	}
	var alive time.Time // the furthest that a feed which saw it has come
	network := Network(in.Party)
	for _, f := range in.Feeds {
		if w := marks[Watermark{f, network}]; w.After(alive) {
			alive = w
		}
	}
	past := alive.Sub(in.LastSeen)
	switch {
	case past > c.Window(in.Kind):
		return Verdict{StateClosed, ended(in.Party, told)}
	case now.Sub(in.LastSeen) > c.Silence: // its feed did not come far enough to show an end
		if network == NetworkElsewhere {
			return Verdict{StateClosed, report.OutcomeNotOurs}
		}
		return Verdict{StateClosed, report.OutcomeUnknown}
	case past > c.QuietAfter(in.Kind):
		return Verdict{StateQuiet, ""}
	}
	return Verdict{in.State, in.Outcome}
}

func ended(p report.Party, told bool) report.Outcome {
	switch {
	case Network(p) == NetworkElsewhere:
		return report.OutcomeNotOurs
	case told:
		return report.OutcomeCleaned
	}
	return report.OutcomeWentQuiet
}
