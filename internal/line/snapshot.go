package line

import "net/netip"

// Snapshot is what a tracker has in memory, to be kept while the program is not running.
type Snapshot struct {
	Mark    int64
	Devices []DeviceState
	Entries []EntryState // those that have ended in the order in which they did
	Gaps    []GapState
	Late    []Snapshot // of the late trackers
}

// GapState is when records were missing, of a Snapshot.
type GapState struct {
	NAS   string
	About netip.Prefix
	Span  Span
}

// DeviceState is a device of a Snapshot.
type DeviceState struct {
	Name string
	Mark int64
}

// EntryState is a session of a Snapshot.
type EntryState struct {
	NAS, Session string
	Prefix       netip.Prefix
	Realm, Proto string
	Lo, Hi       uint16
	Line         ID
	Inside       netip.Addr
	InsideRealm  string

	From                                      Span
	Began, Over, Stopped, Bare, Gone, Current bool // Current: the last that was heard of to hold its range
	Seen, Doubt                               int64
	Until                                     Moment
	To                                        Span
	EndedAt                                   int64
}

// Snapshot returns what the tracker knows. Load makes a tracker of it that goes on as this one would.
func (t *Tracker) Snapshot() Snapshot {
	s := Snapshot{Mark: t.mark}
	for _, l := range t.late {
		s.Late = append(s.Late, l.Snapshot())
	}
	if t.first == nil {
		for of, all := range t.gaps.of {
			for _, gap := range all {
				s.Gaps = append(s.Gaps, GapState{of.nas, of.about, gap})
			}
		}
	}
	state := func(e *entry) {
		rng := e.held.rng
		s.Entries = append(s.Entries, EntryState{
			NAS: e.name.device.nas, Session: e.name.session, Prefix: rng.Prefix, Realm: rng.Realm, Proto: rng.Proto, Lo: rng.Lo, Hi: rng.Hi,
			Line: e.holder.Line, Inside: e.holder.Inside.Addr, InsideRealm: e.holder.Inside.Realm,
			From: e.from, Began: e.began, Over: e.over, Stopped: e.stopped, Bare: e.bare, Gone: e.gone, Current: e.held.now == e,
			Seen: e.seen, Doubt: e.doubt, Until: e.until, To: e.to, EndedAt: e.endedAt,
		})
	}
	for name, d := range t.devices {
		s.Devices = append(s.Devices, DeviceState{name, d.mark})
		for _, e := range d.open {
			state(e)
		}
	}
	for _, e := range t.ended {
		state(e)
	}
	return s
}

// Load puts what a snapshot knows into a new tracker.
func (t *Tracker) Load(s *Snapshot) {
	t.mark = s.Mark
	for _, g := range s.Gaps {
		t.gaps.add(gapOf{g.NAS, g.About}, g.Span)
	}
	for i := range s.Late {
		l := t.newLate()
		l.Load(&s.Late[i])
		t.late = append(t.late, l)
	}
	for _, d := range s.Devices {
		t.device(d.Name).mark = d.Mark
	}
	for i := range s.Entries {
		x := &s.Entries[i]
		d := t.device(x.NAS)
		rng := Range{x.Prefix, x.Realm, x.Proto, x.Lo, x.Hi}
		e := &entry{
			name: name{d, x.Session}, held: t.hand(rng),
			holder: Holder{x.Line, Address{x.Inside, x.InsideRealm}}, from: x.From, began: x.Began, over: x.Over, stopped: x.Stopped, bare: x.Bare, gone: x.Gone,
			seen: x.Seen, doubt: x.Doubt, until: x.Until, to: x.To, endedAt: x.EndedAt,
		}
		t.enter(e)
		if x.Current {
			e.held.now = e
		}
		if e.over {
			t.ended = append(t.ended, e)
		}
	}
}
