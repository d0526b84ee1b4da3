package line

import (
	"cmp"
	"net/netip"
	"slices"
)

// gaps are when records were said to be missing. What arrives late is of such a time too, and a file that is read again
// says it once more.
type gaps struct {
	of     map[gapOf][]Span // in order; those that touch are one
	latest int64            // the end of the last of them
}

// gapOf is of whom records are missing: of all devices where nas is "", of all addresses where about is not valid.
type gapOf struct {
	nas   string
	about netip.Prefix
}

func (o gapOf) means(e *entry) bool {
	return (o.nas == "" || o.nas == e.name.device.nas) && (!o.about.IsValid() || e.held.rng.Prefix.Overlaps(o.about))
}

// add notes a gap, and reports whether it was known.
func (g *gaps) add(of gapOf, gap Span) (again bool) {
	if g.of == nil {
		g.of = map[gapOf][]Span{}
	}
	all := g.of[of]
	from, _ := slices.BinarySearchFunc(all, gap.From, func(s Span, at int64) int { return cmp.Compare(s.To, at) })
	if from < len(all) && all[from].From <= gap.From && gap.To <= all[from].To {
		return true
	}
	g.latest = max(g.latest, gap.To)
	to := from
	for ; to < len(all) && all[to].From <= gap.To; to++ {
		gap = Span{min(gap.From, all[to].From), max(gap.To, all[to].To)}
	}
	g.of[of] = slices.Replace(all, from, to, gap)
	return false
}

// after is the first gap of a session that ends behind a moment. What happened in a gap's last second came behind it: it
// is the record that ended the gap, or one of the same time.
func (g *gaps) after(e *entry, at int64) (first Span, ok bool) {
	if len(g.of) == 0 || g.latest-1 <= at {
		return Span{}, false
	}
	for of, all := range g.of {
		if !of.means(e) {
			continue
		}
		i, _ := slices.BinarySearchFunc(all, at+2, func(s Span, at int64) int { return cmp.Compare(s.To, at) })
		if i < len(all) && (!ok || all[i].From < first.From) {
			first, ok = all[i], true
		}
	}
	return first, ok
}

// forget forgets what ended before a moment.
func (g *gaps) forget(before int64) {
	for of, all := range g.of {
		if all = slices.DeleteFunc(all, func(s Span) bool { return s.To <= before }); len(all) == 0 {
			delete(g.of, of)
		} else {
			g.of[of] = all
		}
	}
}

// Gap says that records of a device may be missing between two moments, or of every device where nas is "". Where about
// is valid, they are records of its addresses. Said again it is no news but of what began in its last second: that may
// have come before it as well as behind it.
func (t *Tracker) Gap(nas string, about netip.Prefix, gap Span) {
	of := gapOf{nas, about}
	again := t.gaps.add(of, gap)
	for _, tr := range append([]*Tracker{t}, t.late...) {
		meant := func(e *entry) bool {
			return of.means(e) && (!again || e.began && e.from == Span{gap.To - 1, gap.To})
		}
		for _, d := range tr.devices {
			for _, e := range d.open {
				if meant(e) {
					tr.missed(e, gap)
				}
			}
		}
		for _, e := range tr.ended {
			if meant(e) {
				tr.missed(e, gap)
			}
		}
	}
}

// arrives notes what was said to be missing before the session was heard of at a moment.
func (t *Tracker) arrives(e *entry, at int64) {
	if gap, ok := t.gaps.after(e, at); ok {
		t.missed(e, gap)
	}
}

// twice is within how many seconds two moments may lie that a source says in one way: of the hour that local time has twice.
const twice = 3600 + 1

// missed notes that records of the session may be missing. Where it has a name and was heard of behind the gap, it was
// the same all the time. Where it has none, it is certain up to the gap and from its last word on.
func (t *Tracker) missed(e *entry, gap Span) {
	switch {
	case e.from.From >= gap.To || e.from.To-twice >= gap.To || e.over && e.to.To <= gap.From:
	case e.name.session != "":
		if e.seen < gap.To && (!e.stopped || e.bare) {
			e.doubt = min(e.doubt, max(gap.From, e.seen))
		}
	case e.seen >= gap.To && !e.over:
		t.split(e, Moment{gap.From, e.seen})
	default:
		e.doubt = min(e.doubt, gap.From)
	}
}

// split makes two of a session that goes on: one that ended at a moment, and one that began then. The first is returned.
func (t *Tracker) split(e *entry, at Moment) *entry {
	before := *e
	t.enter(&before)
	t.end(&before, at, true)
	e.from, e.began = Span{at.Earliest, at.Latest}, true
	return &before
}
