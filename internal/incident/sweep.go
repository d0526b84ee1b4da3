package incident

import (
	"time"

	"tocsin/internal/report"
)

// Watermarks is how far each feed has come about each network.
type Watermarks map[Watermark]Mark

// Watermark names one: a feed and the network it speaks about.
type Watermark struct {
	Feed    string
	Network string
}

// Mark is how far a feed has come: in the time of its events, and in the time of its reports. The two are far apart when
// an archive is imported.
type Mark struct {
	Newest    time.Time // newest event: what a feed that is alive has moved on to
	Delivered time.Time // when the last report that held an event came in; zero: not known
}

// Verdict is what the sweep finds about one incident.
type Verdict struct {
	State   State
	Outcome report.Outcome
}

// Judge says where an incident stands, given how far its feeds have moved on. It is quiet when a feed that showed it
// has moved on by the quiet time without showing it again, and closed when that feed has moved on by the whole
// recurrence window, so that the episode cannot go on. The wall clock alone never makes it quiet: a feed that stopped
// proves nothing. It is closed as unknown when its feeds have delivered nothing for the silence time, which counts from
// the last delivery and not from the events: how old these are says nothing about whether the feed is alive.
//
// told says whether the party had been told; without that, what went quiet did so by itself.
func (c *Config) Judge(in *Incident, marks Watermarks, told bool, now time.Time) Verdict {
	if in.State == StateClosed {
		return Verdict{in.State, in.Outcome}
	}
	var alive Mark // the furthest that the feeds which saw it have come
	network := Network(in.Party)
	for _, f := range in.Feeds {
		m := marks[Watermark{f, network}]
		if newest := c.shown(f, m.Newest); newest.After(alive.Newest) {
			alive.Newest = newest
		}
		if m.Delivered.After(alive.Delivered) {
			alive.Delivered = m.Delivered
		}
	}
	past := alive.Newest.Sub(in.LastSeen)
	switch {
	case past > c.Window(in.Kind):
		return Verdict{StateClosed, ended(in.Party, told)}
	case !alive.Delivered.IsZero() && now.Sub(alive.Delivered) > c.Silence: // its feed died before it showed an end
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
