package line

import (
	"net/netip"
	"slices"
)

// Rules are how a source's records are to be understood.
type Rules struct {
	// Interim says that the source tells of each session from time to time that it goes on. Then a session is certain as
	// far as its own last word, so that a stop that was lost misleads nobody. Else it goes on until something else is
	// said.
	Interim bool

	// Standing says that the source is a table: what it says holds until it is read again. Else a session that is open is
	// certain only as far as the source's log reaches.
	Standing bool
}

const (
	// reorder is for how long, in the source's own time, records may come late or in another order.
	reorder = 15 * 60

	// unknownStart is how far back a session is thought to reach of which only a later moment is known.
	unknownStart = 7 * 24 * 3600
)

// Tracker makes sessions of the records of one source. Records may come twice, late, or in another order, and some may
// be missing: then what was not said is not certain. It is not safe for concurrent use.
type Tracker struct {
	rules Rules
	past  Past
	emit  func(Session) // each session once, when nothing more is expected of it
	late  []*Tracker    // of records about a time that their devices have left behind, the last used last
	first *Tracker      // of a late tracker: the one that it belongs to
	gaps  *gaps         // the late tracker has the same

	ranges  map[Range]*held
	named   map[name]*entry // sessions that have a name: those that are open or ended lately, linked by same
	devices map[string]*device
	places  map[place]spot // for questions
	lengths [129]int       // how many ranges have a prefix of so many bits; IPv4 and IPv6 together
	ended   []*entry       // in the order in which they did; the first of them leave first
	mark    int64          // the latest moment heard of
}

// held is a range that somebody holds or held lately.
type held struct {
	rng    Range
	now    *entry // the holder, the last that was heard of; nil: nobody
	newest *entry // who held it, linked by older and newer
}

// name is what a source calls a session.
type name struct {
	device  *device
	session string
}

// device is a NAS, a NAT or a table.
type device struct {
	nas  string
	mark int64    // the latest moment that it has spoken of: it was alive then
	open []*entry // in no order; each knows its place
}

// entry is a session in the making. There are as many as lines, so they are linked and not listed: each list would be one
// more piece of memory to reach and to collect.
type entry struct {
	name    name // session is empty where the source gives none: then the range is it
	held    *held
	older   *entry // what was entered before it of its range
	newer   *entry // and after it
	same    *entry // what was entered before it of its name
	place   int    // in device.open, while it is open
	holder  Holder
	from    Span  // it began within these seconds
	began   bool  // from is what the source said, and not only a bound
	seen    int64 // until here the source has said itself that it goes on
	doubt   int64 // from here on records may be missing; Never: none are
	until   Moment
	over    bool
	stopped bool // over, and the source said when; else it was found out by what came later
	bare    bool // stopped by a record that names no address
	gone    bool // over, as its device said that all its sessions are: what is heard of it later contradicts that
	to      Span // it ended within these seconds, where over
	endedAt int64
}

// Past yields what was emitted of a range, by this tracker or one before it, that may have been at some time within q.
type Past func(rng Range, q Span, yield func(Session))

// NewTracker returns a tracker that hands sessions to emit, and looks up what it has emitted in past; nil says that nothing
// is kept.
func NewTracker(rules Rules, past Past, emit func(Session)) *Tracker {
	return &Tracker{
		rules: rules, past: past, emit: emit, ranges: map[Range]*held{}, named: map[name]*entry{},
		devices: map[string]*device{}, places: map[place]spot{}, mark: Ever, gaps: &gaps{},
	}
}

// Mark is the latest moment that the source has spoken of; Ever before its first record.
func (t *Tracker) Mark() int64 { return t.mark }

// Unspoken yields the lines of open sessions of which the source last spoke before a moment, where they are certain beyond
// that last word, and until when: rows of a table that was not read again, and leases without an end.
func (t *Tracker) Unspoken(since int64, yield func(id ID, until int64)) {
	for _, d := range t.devices {
		for _, e := range d.open {
			if e.holder.Line == 0 || e.seen >= since {
				continue
			}
			if s := t.session(e); s.Certain.To > e.seen {
				yield(e.holder.Line, s.Certain.To)
			}
		}
	}
}

// Heard is the latest moment that each device has spoken of, of those that said when.
func (t *Tracker) Heard() map[string]int64 {
	heard := map[string]int64{}
	for name, d := range t.devices {
		if d.mark != Ever {
			heard[name] = d.mark
		}
	}
	return heard
}

// Take takes a valid record, whose Held is holder here.
func (t *Tracker) Take(r *Record, holder Holder) {
	d := t.device(r.NAS)
	if t.isLate(r, d) {
		t.takeLate(r, holder, d)
		return
	}
	switch r.Action {
	case Start:
		t.start(r, holder, d)
	case Alive:
		t.alive(r, holder, d)
	case Stop:
		t.stop(r, holder, d)
	case Reset:
		t.reset(d, r.At)
	case Swept:
		t.swept(d, r.At)
	case Missing:
		t.Gap(r.NAS, r.Range.Prefix, Span{r.Since.Earliest, r.At.Latest + 1})
		return // it says nothing of how far the log reaches
	}
	d.mark = max(d.mark, r.At.Earliest)
	if r.At.Earliest > t.mark {
		t.mark = r.At.Earliest
		t.Settle(t.mark - reorder)
	}
}

func (t *Tracker) device(name string) *device {
	d := t.devices[name]
	if d == nil {
		d = &device{nas: name, mark: Ever}
		t.devices[name] = d
	}
	return d
}

func (t *Tracker) start(r *Record, holder Holder, d *device) {
	e, h := t.find(r, holder, d)
	if e != nil {
		switch {
		case e.isStart(r.At): // it comes late
			e.begin(r.At)
			t.arrives(e, r.At.Earliest)
			return
		case e.began && e.from == within(r.At): // the same again
			return
		case e.began && e.from.From > r.At.Latest: // an older session of that name, whose stop is lost
		case e.over:
		default:
			t.end(e, Moment{e.certainTo(), r.At.Latest}, false)
		}
	}
	e = t.add(r, holder, d, h)
	e.begin(r.At)
	t.begun(e, r)
}

// isStart reports whether a session that was heard of can have begun at a moment, as far as what was said of that is a bound.
func (e *entry) isStart(at Moment) bool {
	if e.began {
		return e.from.From <= at.Earliest && at.Latest < e.from.To && e.from != within(at)
	}
	return e.from.From <= at.Latest && at.Earliest <= e.seen
}

// begun makes a session that was heard of for the first time the holder of its range.
func (t *Tracker) begun(e *entry, r *Record) {
	t.arrives(e, r.At.Earliest)
	var all *entry
	if r.Session != "" {
		all = t.moved(e, r.At)
	}
	if !t.overtaken(e, r.At) {
		t.hold(e, r.At)
	}
	if all != nil && !e.over { // what ended it came first
		at := Moment{all.to.From, all.to.To - 1}
		t.end(e, at, true)
		e.bare = true
		t.contradict(e, at)
	}
}

// moved notes that a session was heard of with another address than before. A record of a session names all that it
// holds: what this one does not name, as far as it has come by now, it need not hold any more. Where a stop that names no
// address came before it, but is of a later time, it returns what that one ended.
func (t *Tracker) moved(e *entry, at Moment) (ended *entry) {
	for o := t.named[e.name]; o != nil; o = o.same {
		if o == e || o.holder != e.holder || o.held == e.held || o.from.From > at.Latest || o.stopped && (!o.bare || o.to.To <= at.Earliest) {
			continue
		}
		if o.seen < at.Earliest {
			o.doubt = min(o.doubt, o.seen)
		}
		if o.bare {
			ended = o
		}
	}
	return ended
}

func (t *Tracker) alive(r *Record, holder Holder, d *device) {
	e, h := t.find(r, holder, d)
	if e != nil && e.name.session == "" && !e.over && e.doubt < r.At.Earliest {
		t.end(e, Moment{e.doubt, r.At.Latest}, false) // behind a gap, what has no name may be held anew
		e = nil
	}
	if e != nil && e.over && !e.stopped && e.name.session == "" && e.held.now != nil && e.held.now.holder != holder && e.held.now.from.To <= r.At.Earliest {
		e = nil // somebody else has had it meanwhile
	}
	if e != nil && t.other(e, r) {
		if !e.over {
			t.end(e, Moment{min(e.seen, e.doubt), r.At.Latest}, false)
		}
		e = nil
	}
	if e != nil && (!e.over || !e.stopped) && e.until.Latest != 0 && e.until.Earliest <= r.At.Latest { // it ran out before
		if !e.over {
			t.end(e, Moment{min(e.until.Earliest, e.doubt, r.At.Earliest), e.until.Latest}, true)
		}
		e = nil
	}
	if e == nil {
		if e = t.adopt(r, holder, d); e != nil {
			t.begun(e, r)
		}
	}
	if e == nil || e.over && e.stopped && r.At.Earliest > e.to.To {
		e = t.add(r, holder, d, h)
		t.bound(e, r)
		t.begun(e, r)
	} else if r.Session != "" {
		t.moved(e, r.At)
	}
	if !r.Since.IsZero() && !e.began {
		e.begin(r.Since)
	}
	e.lives(r)
	if e.over && !e.stopped { // it was thought to have ended
		if !e.gone {
			e.to.From = max(e.to.From, r.At.Earliest)
		}
		e.to.To = max(e.to.To, r.At.Latest+1)
		t.contradict(e, r.At)
	}
}

// lives notes that the session is alive at a record's time.
func (e *entry) lives(r *Record) {
	switch {
	case e.doubt >= r.At.Earliest:
	case e.name.session != "": // the same session on both sides of the gap
		e.doubt = Never
	default:
		return
	}
	e.renew(r)
	e.seen = max(e.seen, r.At.Earliest)
}

// renew notes until when the session goes on by a record, where nothing later was heard. A lease may be renewed for less
// than it had. Which of two records is the later is not certain where the source says local time in the hour that came
// twice.
func (e *entry) renew(r *Record) {
	switch {
	case r.At.Earliest < e.seen:
	case r.At.Earliest == r.At.Latest || e.until.Latest == 0 || r.Until.Earliest >= e.until.Earliest && r.Until.Latest >= e.until.Latest:
		e.until = r.Until
	case r.Until.Latest != 0:
		e.until = Moment{min(e.until.Earliest, r.Until.Earliest), max(e.until.Latest, r.Until.Latest)}
	}
}

// lasted is by how many seconds the time that a session lasted, as a record says, may differ from its start and that record.
const lasted = 60

// other reports whether a record is of another session than the one of its name, by its own word: that began later. A
// device that was started again counts its sessions anew.
func (t *Tracker) other(e *entry, r *Record) bool {
	return e.name.session != "" && !t.rules.Standing && e.began && !r.Since.IsZero() && r.Since.Earliest-e.from.To > lasted
}

// stopAll ends all that a session holds. Of its addresses only those are certain until then that its last record named, if
// none behind that may be missing: it may have given up the others before. What somebody else holds under the same name is another session.
func (t *Tracker) stopAll(r *Record, holder Holder, d *device) {
	var all []*entry
	last := int64(Ever)
	for e := t.named[name{d, r.Session}]; e != nil; e = e.same {
		if (e.holder == holder || holder.IsZero()) && e.from.From <= r.At.Latest {
			all = append(all, e)
			last = max(last, e.seen)
		}
	}
	if len(all) == 0 {
		for _, l := range slices.Backward(t.late) {
			if of := l.devices[d.nas]; of != nil && l.named[name{of, r.Session}] != nil {
				l.stopAll(r, holder, of)
				return
			}
		}
	}
	for _, e := range slices.Backward(all) {
		switch {
		case e.seen == last && e.doubt >= r.At.Earliest:
			one := *r
			one.Range = e.held.rng
			t.stop(&one, e.holder, d)
			e.seen, e.bare = last, true
		case !e.over:
			t.end(e, Moment{min(e.seen, e.doubt), r.At.Latest}, false)
		}
	}
}

func (t *Tracker) stop(r *Record, holder Holder, d *device) {
	if !r.Range.Prefix.IsValid() {
		t.stopAll(r, holder, d)
		return
	}
	e, h := t.find(r, holder, d)
	if e == nil {
		e = t.adopt(r, holder, d)
	}
	if e == nil {
		e = t.add(r, holder, d, h)
		t.bound(e, r)
		if e.held.now == nil && !e.doubts() {
			e.held.now = e
		}
	}
	if e.doubts() {
		to := within(r.At)
		if e.over { // it grows
			if !r.Since.IsZero() && r.Since.Earliest < e.from.From {
				e.from = within(r.Since)
			}
			e.to = Span{max(e.to.From, to.From), max(e.to.To, to.To)}
			return
		}
		e.seen = to.From
		t.end(e, r.At, true)
		return
	}
	if !r.Since.IsZero() && !e.began {
		e.begin(r.Since)
	}
	at := r.At
	if e.from.From > at.Latest { // it ends before it begins: a clock jumped, and neither is to be relied on
		e.from = Span{at.Earliest, max(e.from.To, at.Latest+1)}
	}
	if late := r.Since.Earliest - e.from.To; e.began && !r.Since.IsZero() && late > lasted { // it did not last so long, by its own word
		at.Earliest = min(at.Earliest, e.seen, e.doubt) // or it is another, of the same name
	} else if e.name.session != "" {
		e.doubt = Never
	}
	e.seen = max(e.seen, min(at.Earliest, e.doubt))
	switch {
	case e.over && e.stopped && e.to != within(at): // it was said twice, in two ways
		e.to = Span{min(e.to.From, at.Earliest), max(e.to.To, at.Latest+1)}
	case e.over && !e.stopped && e.gone: // its device had said that it is over
		e.stopped, e.to = true, Span{e.to.From, max(e.to.To, at.Latest+1)}
	case e.over && !e.stopped:
		e.stopped, e.to = true, within(at)
	case !e.over:
		t.end(e, at, true)
	}
	t.contradict(e, at)
}

// doubts reports whether the session is of somebody of whom nothing is known but when; see Session.doubts. It is never taken
// for the holder: it contradicts the others for its own time and no more, and they end nothing of it.
func (e *entry) doubts() bool { return e.holder.IsZero() && e.began }

// contradict notes that a session still held its range at a moment. Where somebody else is thought to have begun before
// that, both cannot be true: from the beginning of the one to the end of the other, neither is certain.
func (t *Tracker) contradict(e *entry, at Moment) {
	now := e.held.now
	if now != nil && now.over && now.to.To-1 <= e.from.From { // it had ended before this one began, which is heard of late
		return
	}
	if now == nil || now == e || now.holder == e.holder || now.from.From > at.Latest {
		return
	}
	if !now.over && (now.seen < at.Earliest || now.seen <= at.Latest && at.Earliest < at.Latest) && e.from.To > now.from.To && (now.name.session == "" || !t.rules.Interim) {
		if !e.began { // all that was heard of it came later: it took over
			e.from.From = max(at.Earliest-unknownStart, min(e.from.From, now.seen))
		}
		t.end(now, Moment{min(now.seen, now.doubt, max(e.from.From, now.from.From)), at.Latest}, false)
		e.held.now = e
		return
	}
	e.doubt = min(e.doubt, now.from.From)
	now.from.To = max(now.from.To, at.Latest+1)
}

func (t *Tracker) reset(d *device, at Moment) {
	for _, e := range slices.Backward(d.open) { // what ends leaves its place to one that was looked at
		if e.from.From <= at.Latest {
			if !t.rules.Interim { // the device lived until then, and so did its sessions
				e.seen = max(e.seen, min(d.mark, at.Earliest, e.doubt))
			}
			t.end(e, Moment{e.certainTo(), at.Latest}, false)
			e.gone = true
		}
	}
}

func (t *Tracker) swept(d *device, at Moment) {
	for _, e := range slices.Backward(d.open) { // as in reset
		if e.seen < at.Earliest && e.from.From < at.Earliest {
			t.end(e, Moment{e.certainTo(), at.Latest}, false)
		}
	}
}

// begin says when the session began.
func (e *entry) begin(at Moment) {
	e.from, e.began = within(at), true
	e.seen = max(e.seen, at.Earliest)
}

// bound says between which moments a session began that the source did not see begin.
func (t *Tracker) bound(e *entry, r *Record) {
	if !r.Since.IsZero() {
		e.begin(r.Since)
		return
	}
	e.from = Span{r.At.Earliest - unknownStart, r.At.Latest}
	if last := e.held.now; last != nil && last != e {
		e.from.From = max(e.from.From, min(last.certainTo(), r.At.Earliest))
	}
	e.seen = r.At.Earliest
}

func within(at Moment) Span { return Span{at.Earliest, at.Latest + 1} }

// certainTo is until when it is certain that the session held its range, by what is known of itself.
func (e *entry) certainTo() int64 {
	to := min(e.seen, e.doubt)
	if e.until.Latest != 0 {
		to = max(to, min(e.until.Earliest, e.doubt))
	}
	if e.over {
		to = min(to, e.to.From)
	}
	return to
}

// hold makes the session the holder of its range, from a moment on.
func (t *Tracker) hold(e *entry, at Moment) {
	now := e.held.now
	if now == nil || now == e {
		e.held.now = e
		return
	}
	if now.from.From > at.Latest { // somebody began later, and that was heard of first
		t.end(e, Moment{min(e.certainTo(), now.from.From), now.from.To - 1}, false)
		return
	}
	e.held.now = e
	if !now.over {
		to := now.seen // nobody knows when it ended
		if now.doubt != Never && !t.rules.Interim {
			to = max(to, now.doubt) // but it was lost in the gap, so not before that
		}
		if now.until.Latest != 0 && now.until.Latest <= at.Earliest {
			to = now.until.Earliest
		}
		t.end(now, Moment{min(to, now.doubt), at.Latest}, false)
	} else if now.stopped && now.to.To > at.Earliest { // it stopped after this one had begun
		t.contradict(now, Moment{now.to.From, now.to.To - 1})
	}
}

// find returns the session that a record is about: by its name, or by who holds the range. Then it returns what is known of
// the range as well.
func (t *Tracker) find(r *Record, holder Holder, d *device) (found *entry, h *held) {
	var e *entry
	if r.Session != "" {
		e = t.named[name{d, r.Session}]
	} else if h = t.ranges[r.Range]; h != nil {
		e = h.newest
	}
	for ; e != nil; e = e.next(r.Session) {
		if e.name.device != d || e.name.session != r.Session || e.held.rng != r.Range || e.holder != holder && (r.Action != Stop || !holder.IsZero()) {
			continue
		}
		if r.Action == Stop && e.began && e.from.From > r.At.Latest {
			continue // what began later cannot be what ended
		}
		if found == nil || found.over && (!e.over || e.from.From >= found.from.From) {
			found = e
		}
	}
	if found != nil && found.over && found.stopped && r.Session == "" && r.At.Earliest > found.to.To {
		return nil, h // a range that has no name is held anew
	}
	return found, h
}

// next is what was entered before, of the same name or, where the session has none, of the same range.
func (e *entry) next(session string) *entry {
	if session != "" {
		return e.same
	}
	return e.older
}

// add makes an open session of what a record says. h is what is known of its range, nil where that was not looked up.
func (t *Tracker) add(r *Record, holder Holder, d *device, h *held) *entry {
	if h == nil {
		h = t.hand(r.Range)
	}
	e := &entry{name: name{d, r.Session}, held: h, holder: holder, doubt: Never, until: r.Until, seen: Ever}
	t.enter(e)
	return e
}

// hand returns what is known of a range.
func (t *Tracker) hand(rng Range) *held {
	h := t.ranges[rng]
	if h == nil {
		h = &held{rng: rng}
		t.ranges[rng] = h
		t.place(h)
	}
	return h
}

// enter makes an entry to be found.
func (t *Tracker) enter(e *entry) {
	h := e.held
	e.older, e.newer, h.newest = h.newest, nil, e
	if e.older != nil {
		e.older.newer = e
	}
	if e.name.session != "" {
		e.same = t.named[e.name]
		t.named[e.name] = e
	}
	if d := e.name.device; !e.over {
		e.place = len(d.open)
		d.open = append(d.open, e)
	}
}

// close takes a session from those that are open; the last of these gets its place.
func (d *device) close(e *entry) {
	end := len(d.open) - 1
	last := d.open[end]
	d.open[e.place], last.place = last, e.place
	d.open[end] = nil
	d.open = d.open[:end]
}

// end ends a session: it held its range for certain until at.Earliest, and perhaps until at.Latest.
func (t *Tracker) end(e *entry, at Moment, stopped bool) {
	if !e.over {
		e.name.device.close(e)
		t.ended = append(t.ended, e)
	}
	e.over, e.stopped, e.to, e.endedAt = true, stopped, within(at), max(t.mark, at.Latest)
}

// Settle emits what ended before a moment: nothing more is expected of it.
func (t *Tracker) Settle(before int64) {
	n := 0
	for n < len(t.ended) && t.ended[n].endedAt < before {
		t.leave(t.ended[n])
		t.ended[n] = nil
		n++
	}
	if t.ended = t.ended[n:]; len(t.ended) == 0 {
		t.ended = nil
	}
}

func (t *Tracker) leave(e *entry) {
	if t.first == nil {
		t.emit(t.session(e))
	} else {
		t.first.among(e, t.session(e), t.emit)
	}
	t.unlink(e)
}

// unlink makes an entry that is not open be found no more.
func (t *Tracker) unlink(e *entry) {
	if e.name.session != "" {
		t.unname(e)
	}
	h := e.held
	if h.now == e {
		h.now = nil
	}
	if e.older != nil {
		e.older.newer = e.newer
	}
	if e.newer != nil {
		e.newer.older = e.older
		return
	}
	if h.newest = e.older; h.newest == nil {
		delete(t.ranges, h.rng)
		t.unplace(h)
	}
}

func (t *Tracker) unname(e *entry) {
	first := t.named[e.name]
	switch {
	case first != e:
		for first.same != e {
			first = first.same
		}
		first.same = e.same
	case e.same != nil:
		t.named[e.name] = e.same
	default:
		delete(t.named, e.name)
	}
}

// session is the entry as it stands: what it certainly held, and what it may have.
func (t *Tracker) session(e *entry) Session {
	s := Session{Range: e.held.rng, Holder: e.holder, Possible: Span{e.from.From, Never}}
	to := min(e.seen, e.doubt)
	switch {
	case e.over:
		s.Possible.To = e.to.To
		to = min(e.to.From, e.doubt)
	default:
		limit := int64(Never)
		if !t.rules.Standing {
			limit = e.name.device.mark
		}
		if t.rules.Interim || t.first != nil && (e.until.Latest == 0 || e.until.Latest > limit) {
			limit = e.seen
		}
		to = max(to, min(limit, e.doubt))
	}
	if e.until.Latest != 0 { // a lease ends by itself
		s.Possible.To = min(s.Possible.To, e.until.Latest+1)
		to = min(to, e.until.Earliest)
	}
	s.Certain = Span{e.from.To, max(to, e.from.To)}.And(s.Possible)
	return s
}

func drop[T any](all []*T, e *T) []*T {
	for i := range all {
		if all[i] == e {
			all[i] = all[len(all)-1]
			all[len(all)-1] = nil
			return all[:len(all)-1]
		}
	}
	return all
}

// Each yields the sessions that may have held a port of an address at some time within q. Port 0 is any port, protocol
// "" any protocol. A session may be yielded twice.
func (t *Tracker) Each(a Address, port uint16, proto string, q Span, yield func(Session)) {
	for _, l := range t.late {
		l.Each(a, port, proto, q, yield)
	}
	for bits := a.Addr.BitLen(); bits >= 0; bits-- {
		if t.lengths[bits] == 0 {
			continue
		}
		prefix, err := a.Addr.Prefix(bits)
		if err != nil {
			continue
		}
		p := place{prefix: prefix, realm: a.Realm, ports: wide}
		all := t.places[p]
		t.at(all, port, proto, q, yield)
		if all.narrow == 0 {
			continue
		}
		if port != 0 {
			p.ports = int32(port >> portBits)
			t.at(t.places[p], port, proto, q, yield)
			continue
		}
		for p.ports = 0; p.ports < 1<<(16-portBits); p.ports++ {
			t.at(t.places[p], port, proto, q, yield)
		}
	}
}

func (t *Tracker) at(s spot, port uint16, proto string, q Span, yield func(Session)) {
	for _, h := range s.held {
		if !h.rng.Has(port, proto) {
			continue
		}
		for e := h.newest; e != nil; e = e.older {
			s := t.session(e)
			if !s.Possible.Meets(q) {
				continue
			}
			if t.first == nil {
				yield(s)
				continue
			}
			t.first.among(e, s, func(s Session) {
				if s.Possible.Meets(q) {
					yield(s)
				}
			})
		}
	}
}

// Has reports whether a port of a protocol may be in the range: 0 and "" are any.
func (r *Range) Has(port uint16, proto string) bool {
	return (port == 0 || r.Lo <= port && port <= r.Hi) && (proto == "" || r.Proto == "" || r.Proto == proto)
}

// place is where questions look for a range: the prefix, and some ports of it or all of them.
type place struct {
	prefix netip.Prefix
	realm  string
	ports  int32 // number of the first port without its last bits; wide: the range is too wide for that
}

// spot is what is known of a place.
type spot struct {
	held   []*held
	narrow int // in the place of all ports of an address: how many ranges are some of them
}

const (
	portBits = 10 // ports of a place: 1024
	wide     = -1
)

func (h *held) places(yield func(place)) {
	p, some := h.whole()
	if !some {
		yield(p)
		return
	}
	for b := int32(h.rng.Lo >> portBits); b <= int32(h.rng.Hi>>portBits); b++ {
		p.ports = b
		yield(p)
	}
}

// whole is the place of all ports of the range's address, and whether the range is some of them only.
func (h *held) whole() (p place, some bool) {
	return place{prefix: h.rng.Prefix, realm: h.rng.Realm, ports: wide}, h.rng.Hi-h.rng.Lo < 8<<portBits
}

func (t *Tracker) place(h *held) {
	t.lengths[h.rng.Prefix.Bits()]++
	t.narrow(h, 1)
	h.places(func(p place) { t.set(p, func(s *spot) { s.held = append(s.held, h) }) })
}

func (t *Tracker) unplace(h *held) {
	t.lengths[h.rng.Prefix.Bits()]--
	t.narrow(h, -1)
	h.places(func(p place) { t.set(p, func(s *spot) { s.held = drop(s.held, h) }) })
}

// narrow counts a range that is some ports of an address.
func (t *Tracker) narrow(h *held, by int) {
	if p, some := h.whole(); some {
		t.set(p, func(s *spot) { s.narrow += by })
	}
}

// set changes what is known of a place.
func (t *Tracker) set(p place, change func(*spot)) {
	s := t.places[p]
	change(&s)
	if len(s.held) == 0 && s.narrow == 0 {
		delete(t.places, p)
		return
	}
	t.places[p] = s
}

// Flush ends the tracker: everything that ended is emitted, and what is open as far as it is known.
func (t *Tracker) Flush() {
	t.Forget(Never)
}

// Forget emits what ended before a moment, of late records too, and forgets what it knows of that time.
func (t *Tracker) Forget(before int64) {
	t.Settle(before)
	for _, l := range t.late {
		l.Settle(before)
	}
	t.gaps.forget(before)
}
