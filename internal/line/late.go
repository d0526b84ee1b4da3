package line

import "slices"

// A record is late where its device has told of later times than records are expected to go back: a file is read a second
// time, or an older one after a newer. What ended in that time has left memory, and what came of the session that such a
// record tells of may be known, or be in files that are not read yet. So it is never taken to go on to the present. Late
// records have trackers of their own, in each of which they go forward in time. There a session is certain from its first
// word to its last, or as long as its lease where nothing else was said until then, and of that what is known otherwise is
// taken away.

// isLate reports whether a record goes back further than its device may.
func (t *Tracker) isLate(r *Record, d *device) bool {
	return r.At.Latest < d.mark-reorder && t.first == nil && !t.rules.Standing && r.Action != Missing && r.Action != Swept
}

// takeLate takes a late record.
func (t *Tracker) takeLate(r *Record, holder Holder, d *device) {
	switch r.Action {
	case Start:
		if e, _ := t.find(r, holder, d); e != nil && t.startedLate(e, r) {
			return
		}
	case Alive:
		if e, _ := t.find(r, holder, d); e != nil && t.livedLate(e, r, d) {
			return
		}
	case Stop:
		if r.Range.Prefix.IsValid() {
			if e, _ := t.find(r, holder, d); e != nil && t.stoppedLate(e, r, d) {
				return
			}
			break
		}
		var all []*entry
		for e := t.named[name{d, r.Session}]; e != nil; e = e.same {
			if e.holder == holder || holder.IsZero() {
				all = append(all, e)
			}
		}
		for _, e := range slices.Backward(all) {
			one := *r
			one.Range = e.held.rng
			t.stoppedLate(e, &one, d)
		}
	case Reset:
		t.resetLate(d, r.At)
	case Swept, Missing: // they are not late
	}
	t.run(r, d).Take(r, holder)
}

// mostLate is how many late trackers there are at the most: while older files are read, some may be read again.
const mostLate = 4

// run is the late tracker that a record goes on with: the one that has come furthest, but not further than the record. It
// becomes the last of them; the first of them ends where there are too many.
func (t *Tracker) run(r *Record, d *device) *Tracker {
	best, far := -1, int64(0)
	for i, l := range t.late {
		mark := int64(Ever)
		if of := l.devices[d.nas]; of != nil {
			mark = of.mark
		}
		if r.At.Latest >= mark-reorder && (best < 0 || mark >= far) {
			best, far = i, mark
		}
	}
	var l *Tracker
	switch {
	case best >= 0:
		l = t.late[best]
		t.late = slices.Delete(t.late, best, best+1)
	case len(t.late) == mostLate:
		t.late[0].finish()
		t.late = slices.Delete(t.late, 0, 1)
		l = t.newLate()
	default:
		l = t.newLate()
	}
	t.late = append(t.late, l)
	return l
}

func (t *Tracker) newLate() *Tracker {
	l := NewTracker(t.rules, nil, t.emit)
	l.first, l.gaps = t, t.gaps
	return l
}

// adopt takes a session over from a late tracker that is heard of again by its name, as where its device, or who writes the
// log, was slow to tell of its beginning. Nil: there is none, or something else is known of the time between.
func (t *Tracker) adopt(r *Record, holder Holder, d *device) *entry {
	if r.Session == "" {
		return nil
	}
	for _, l := range slices.Backward(t.late) {
		of := l.devices[d.nas]
		if of == nil {
			continue
		}
		was, _ := l.find(r, holder, of)
		if was == nil || was.over || was.from.To > r.At.Earliest || l.other(was, r) {
			continue
		}
		x := l.session(was)
		x.Certain = Span{was.from.To, r.At.Earliest}
		if t.compare(nil, &x, true, true).against {
			continue
		}
		of.close(was)
		l.unlink(was)
		e := t.add(r, was.holder, d, nil)
		e.from, e.began, e.seen, e.doubt, e.until = was.from, was.began, was.seen, was.doubt, was.until
		return e
	}
	return nil
}

// finish emits all of a late tracker, what is open too. What is known is looked up before any of it is.
func (t *Tracker) finish() {
	var all []Session
	keep := func(s Session) { all = append(all, s) }
	for _, e := range t.ended {
		t.first.among(e, t.session(e), keep)
	}
	for _, d := range t.devices {
		for _, e := range d.open {
			t.first.among(e, t.session(e), keep)
		}
	}
	for _, s := range all {
		t.emit(s)
	}
}

// startedLate reports whether a late start is of a session in memory: then it is no news, or says that this one ended and
// began anew.
func (t *Tracker) startedLate(e *entry, r *Record) bool {
	switch {
	case e.began && e.from == within(r.At):
		return true
	case e.isStart(r.At) && e.name.session != "":
		x := t.session(e)
		x.Certain = Span{r.At.Latest + 1, max(r.At.Latest+1, e.from.To)}
		if t.compare(e, &x, true, true).against {
			return false
		}
		e.begin(r.At)
		t.arrives(e, r.At.Earliest)
		return true
	case !e.over && e.began && e.from.To <= r.At.Earliest && !t.rules.Interim:
		t.split(e, Moment{e.from.From, r.At.Latest})
		e.begin(r.At)
		return true
	case !e.over && e.began && e.from.To <= r.At.Earliest:
		t.split(e, Moment{e.from.From, e.seen})
	}
	return false
}

// livedLate is the same of a session that was alive.
func (t *Tracker) livedLate(e *entry, r *Record, d *device) bool {
	if t.other(e, r) {
		if !e.over && e.from.To <= r.At.Earliest {
			t.split(e, Moment{e.from.From, max(e.seen, e.from.From)})
		}
		return false
	}
	if s := t.session(e); s.Certain.From <= r.At.Earliest && r.At.Latest <= s.Certain.To {
		return true
	}
	if r.Session != "" && !e.over && e.from.To <= r.At.Earliest {
		t.alive(r, e.holder, d)
		return true
	}
	return false
}

// stoppedLate is the same of one that ended.
func (t *Tracker) stoppedLate(e *entry, r *Record, d *device) bool {
	at := within(r.At)
	switch {
	case e.over && e.stopped && e.to == at:
		return true
	case e.over && (r.At.Earliest < e.from.To || at.To > e.to.To):
		return false
	case !e.over && t.ends(e, r.At): // an earlier one did
		return false
	case !e.over && r.At.Earliest < e.from.To:
		if e.began && e.from.From <= r.At.Latest && e.seen <= r.At.Latest { // it may be of this one, or of the one before
			e.doubt = min(e.doubt, e.from.From)
		}
		return false
	case !e.over && e.seen > r.At.Latest: // it was heard of since: it has begun anew
		before := t.split(e, Moment{r.At.Earliest, e.seen})
		before.to = at
		return true
	}
	t.stop(r, e.holder, d)
	return true
}

// ends reports whether it is known that the holder ended to hold the range at a moment.
func (t *Tracker) ends(e *entry, at Moment) (known bool) {
	t.known(e, e.held.rng, Span{at.Earliest - 1, at.Latest + 1}, func(s Session) {
		known = known || s.Holder == e.holder && s.Possible.To == at.Latest+1
	})
	return known
}

// resetLate ends the sessions of a device that were not heard of since. Others that began before cannot be: of them their
// beginning is certain, and no more.
func (t *Tracker) resetLate(d *device, at Moment) {
	for _, e := range slices.Backward(d.open) { // as in reset
		switch {
		case e.from.From > at.Latest:
		case e.seen < at.Earliest:
			t.end(e, Moment{min(e.seen, e.doubt), at.Latest}, false)
			e.gone = true
		case e.began && e.from.To <= at.Earliest:
			t.end(e, Moment{e.from.From, e.seen}, false)
			e.gone = true
		}
	}
}

// overtaken ends a session at once that its device tells of in its own order, but of a time that other devices have left
// behind, where it is known that somebody held the range later.
func (t *Tracker) overtaken(e *entry, at Moment) bool {
	if t.mark-reorder <= at.Latest || t.rules.Standing || t.first != nil {
		return false
	}
	x := t.session(e)
	x.Certain = Span{x.Certain.From, x.Certain.From}
	x.Possible.To = Never
	if c := t.compare(e, &x, e.began, false); !c.later {
		return false
	}
	t.end(e, Moment{min(e.seen, e.doubt), x.Possible.To - 1}, false)
	return true
}

// among yields what a session of the late tracker says beside what is known. Where that is something else, its first and
// its last word are two.
func (t *Tracker) among(e *entry, x Session, yield func(Session)) {
	t.amongKnown(&x, e.began, e.over && e.stopped, yield)
}

func (t *Tracker) amongKnown(x *Session, began, ended bool, yield func(Session)) {
	if x.Possible.Empty() {
		return
	}
	x.Certain.To = max(x.Certain.From, x.Certain.To)
	switch c := t.compare(nil, x, began, ended); {
	case c.against && !x.Certain.Empty() && !x.doubts():
		first, last := *x, *x
		first.Certain.To, last.Certain.From = x.Certain.From, x.Certain.To
		t.amongKnown(&first, began, false, yield)
		t.amongKnown(&last, false, ended, yield)
	case !c.same:
		yield(*x)
	}
}

// compared is what is known of a range, beside a session.
type compared struct {
	against bool // of the time for which the session is certain something else is known
	later   bool // it is known when the next session of the range began, or that the session had ended
	same    bool // what the session says is known
}

// firstDay is how far behind a session it is looked first for the next one.
const firstDay = 24 * 3600

// compare compares a session with what is known of its range, but for an entry, and narrows where it may have been: where
// its beginning is not known, to after the one before; where its end is not, to before the next, or to as far as anything
// was heard of.
func (t *Tracker) compare(but *entry, x *Session, began, ended bool) (c compared) {
	var all []Session
	word := x.Certain // it held the range from the first of its words to the last
	look := func(q Span) {
		t.known(but, x.Range, q, func(s Session) {
			all = append(all, s)
			if s.doubts() {
				return
			}
			c.against = c.against || s.against(x.Holder, word)
			if !began {
				x.Possible.From = max(x.Possible.From, s.before(x.Holder, word.From))
			}
			if to := s.behind(x, word.To, began); !ended && to < x.Possible.To {
				x.Possible.To, c.later = to, true
			}
		})
	}
	if !ended {
		x.Possible.To = max(min(x.Possible.To, t.mark+1), word.To)
	}
	to := word.To + 1
	look(Span{x.Possible.From, to})
	for step := int64(firstDay); to < x.Possible.To && !ended; step *= 8 {
		next := min(to+step, x.Possible.To)
		look(Span{to, next})
		to = next
	}
	x.Possible.From = min(x.Possible.From, word.From)
	x.Possible.To = max(x.Possible.To, word.To)
	for _, s := range all {
		c.same = c.same || s.Holder == x.Holder && s.Possible.holds(x.Possible) && (x.Certain.Empty() || s.Certain.holds(x.Certain))
	}
	return c
}

// doubts reports whether the session is of somebody of whom nothing is known but when, by which a source leaves in doubt what
// it has said of that time, however long ago: what is known otherwise takes nothing away from it, nor does it from others.
func (s *Session) doubts() bool { return s.Holder.IsZero() && !s.Certain.Empty() }

// holds reports whether all of another span lies in it.
func (s Span) holds(o Span) bool { return s.From <= o.From && o.To <= s.To }

// words is the time between the moments at which it is known that the session held its range.
func (s *Session) words() Span {
	return Span{min(s.Certain.From, s.Certain.To), max(s.Certain.From, s.Certain.To)}
}

// against reports whether the session cannot be, where a holder held the range for all of a time.
func (s *Session) against(holder Holder, all Span) bool {
	inside := func(at int64) bool { return all.From < at && at < all.To }
	if s.Holder == holder {
		return inside(s.Possible.From) || inside(s.Possible.To) && s.Possible.To-s.Certain.To <= twice // else its end is not known
	}
	w := s.words()
	return w.From < all.To && w.To > all.From
}

// before is the first moment at which a session that was alive at another can have begun, by this one of the same range.
func (s *Session) before(holder Holder, at int64) int64 {
	w := s.words()
	switch {
	case s.Holder == holder && s.Certain.From <= at && at <= s.Possible.To, w.To <= at && (s.Holder == holder || w.Empty()):
		return s.Possible.From
	case s.Holder != holder && w.To <= at && s.Certain.To == w.To:
		return w.To
	}
	return Ever
}

// behind is when a session that was alive at a moment has ended at the latest, by this one of the same range.
func (s *Session) behind(x *Session, at int64, began bool) int64 {
	switch {
	case s.Holder != x.Holder && s.words().From >= at, s.Holder == x.Holder && s.Possible.From >= at:
		return s.Certain.From
	case s.Holder != x.Holder:
	case began && s.Possible.From <= x.Possible.From && x.Possible.From < s.Certain.From && x.Certain.Empty(): // it began as this one did
		return s.Possible.To
	case s.Possible.From <= at && at < s.Certain.To && (!began || s.Certain.From > x.Possible.From):
		return s.Possible.To
	}
	return Never
}

// known yields the sessions of a range that are in memory, but for an entry, and those that were emitted.
func (t *Tracker) known(but *entry, rng Range, q Span, yield func(Session)) {
	if h := t.ranges[rng]; h != nil {
		for e := h.newest; e != nil; e = e.older {
			if s := t.session(e); e != but && s.Possible.Meets(q) {
				yield(s)
			}
		}
	}
	if t.past != nil {
		t.past(rng, q, yield)
	}
}
