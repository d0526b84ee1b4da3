package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/line/segment"
)

// Log keeps what sources said until its end date: the truth of which all files here can be built anew. Several workers of
// a node have it in common, each with files of its own.
type Log interface {
	// Append makes a batch of a source durable behind the one at after, and returns its place, which is greater than all
	// before. Where the source has a later one, nothing is kept and the error is ErrBehind.
	Append(ctx context.Context, source string, after uint64, batch []byte) (place uint64, err error)
	// After yields the batches of a source behind a place, in order.
	After(ctx context.Context, source string, place uint64) iter.Seq2[Batch, error]
	// Delete deletes batches of a source, none of which is its last. Those that there are not are no error.
	Delete(ctx context.Context, source string, places []uint64) error
}

// ErrBehind says that another worker has told of a source meanwhile.
var ErrBehind = errors.New("another worker has told of the source meanwhile")

// Batch is what Log keeps.
type Batch struct {
	Place uint64
	Data  []byte
}

const (
	batchBytes = 256 << 10 // of a batch in the log
	flushAt    = 200_000   // sessions in memory that ended
	mergeAt    = 4         // files of one day
	longDays   = 2         // a session of more days lies in the file of the month in which it ends
	fileEnd    = ".sessions"
	stateName  = "files"
	knownName  = "known"
	snapshots  = 4_000_000 // records between two snapshots: so many are read again after a crash
)

// Source is what one source said. Any number of goroutines may ask it, and tell it.
type Source struct {
	name  string
	dir   string
	rules line.Rules
	lines *Lines
	log   Log

	batches sync.Pool  // of *[]numbered, empty: they are large
	telling sync.Mutex // held from entering a batch in the log, or reading one, until it is taken: both have the same order

	mu       sync.RWMutex // guards what follows
	tracker  *line.Tracker
	ended    buffer
	files    []*file
	state    state
	known    known // but for its Tracker
	kept     int64 // rows at the last snapshot
	dirty    bool
	apart    bool // the log cannot be read: other workers may have told what is not known here
	building bool // what was known is forgotten, and is being read again
}

// file is a segment file.
type file struct {
	*segment.File
	name string
	span line.Span // nothing in it ends before or begins after
}

// state is which files a source has.
type state struct {
	Serial  int // of the last file
	Files   []string
	Deleted int64 // what was before is deleted
}

// known is what is known of a source at a place in its log, beside what lies in files. From there on the log is read
// again by whoever opens the source: sessions that end a second time are the same, and are told once.
type known struct {
	Place   uint64
	Rows    int64
	Gaps    []line.Span
	Behind  map[int64]int64 // by hour: the least seconds from a record's time to its receipt
	Tracker line.Snapshot

	First   int64  // the first moment that anything was said of; line.Never: nothing was
	Batches int64  // how many were entered, ever, whether they are deleted or not
	Purge   uint64 // place of the last purge
	Late    bool   // behind it, something of deleted days was told
	Unclean bool   // before it, batches of deleted days may lie in the log
	Skip    int64  // what is of days before this one is not taken of batches before SkipTo
	SkipTo  uint64
}

// OpenSource opens the files of a source below dir and reads on in the log where they end. A file that is damaged is
// left aside with all others, and everything is built anew.
func OpenSource(ctx context.Context, dir, name string, rules line.Rules, lines *Lines, log Log) (*Source, error) {
	s := &Source{name: name, dir: filepath.Join(dir, name), rules: rules, lines: lines, log: log}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the lines of %s: %w", name, err)
	}
	err := s.load()
	if errors.Is(err, segment.ErrDamaged) || errors.Is(err, os.ErrNotExist) {
		err = s.anew()
	}
	if err != nil {
		return nil, fmt.Errorf("open the lines of %s: %w", name, err)
	}
	if err := s.CatchUp(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// CatchUp takes what other workers have told since. Where that is nothing it costs little.
func (s *Source) CatchUp(ctx context.Context) error {
	s.telling.Lock()
	defer s.telling.Unlock()
	err := s.readOn(ctx)
	if ctx.Err() == nil {
		s.mu.Lock()
		s.apart = err != nil
		s.mu.Unlock()
	}
	return err
}

// readOn takes what lies in the log behind what is known, in its order. Whoever calls it is telling. Where something of
// that was deleted before it was read here, what is known may be wrong: a session may go on whose end is gone. Then all is
// built anew.
func (s *Source) readOn(ctx context.Context) error {
	err := s.read(ctx)
	if errors.Is(err, errMissed) {
		s.mu.Lock()
		s.building = true
		err = s.anew()
		s.mu.Unlock()
		if err == nil {
			err = s.read(ctx)
		}
	}
	if err == nil && s.building {
		s.mu.Lock()
		s.building = false
		s.mu.Unlock()
	}
	return err
}

// errMissed says that batches were deleted before they were read here.
var errMissed = errors.New("batches of the log were deleted before they were read")

func (s *Source) read(ctx context.Context) error {
	if s.known.Place == 0 {
		if err := s.beforeRead(ctx); err != nil {
			return fmt.Errorf("read the log of %s: %w", s.name, err)
		}
	}
	for b, err := range s.log.After(ctx, s.name, s.known.Place) {
		if err != nil {
			return fmt.Errorf("read the log of %s: %w", s.name, err)
		}
		if p, ok := decodePurge(b.Data); ok {
			if b.Place > s.known.SkipTo && p.batches != s.known.Batches {
				return errMissed
			}
			if _, err := s.takePurge(b.Place, p); err != nil {
				return err
			}
			continue
		}
		records, err := decode(b.Data)
		if err != nil {
			return fmt.Errorf("read the log of %s: %w", s.name, err)
		}
		if b.Place < s.known.SkipTo {
			records = slices.DeleteFunc(records, func(r numbered) bool { return r.At.Latest < s.known.Skip })
		}
		if err := s.take(b.Place, records); err != nil {
			return err
		}
	}
	return nil
}

// anew forgets all files; the log knows it all.
func (s *Source) anew() error {
	for _, f := range s.files {
		_ = f.Close()
	}
	s.files = nil
	deleted := s.state.Deleted
	left, err := filepath.Glob(filepath.Join(s.dir, "*"+fileEnd))
	for _, f := range left {
		err = errors.Join(err, os.Remove(f))
	}
	s.begin(state{Deleted: cmp.Or(deleted, line.Ever)}, known{})
	return err
}

func (s *Source) begin(st state, k known) {
	if k.Behind == nil {
		k.Behind = map[int64]int64{}
	}
	if k.Rows == 0 {
		k.First = line.Never
	}
	s.state, s.known, s.ended, s.kept = st, k, buffer{}, k.Rows
	s.tracker = line.NewTracker(s.rules, s.past, func(x line.Session) { s.ended.add(x) })
	s.tracker.Load(&k.Tracker)
	s.known.Tracker = line.Snapshot{}
}

func (s *Source) load() error {
	var st state
	if err := read(filepath.Join(s.dir, stateName), &st); err != nil {
		return err
	}
	s.state = st
	var k known
	if err := read(filepath.Join(s.dir, knownName), &k); err != nil {
		return err
	}
	s.begin(st, k)
	for _, name := range st.Files {
		f, err := s.open(name)
		if err != nil {
			return err
		}
		s.files = append(s.files, f)
	}
	left, err := filepath.Glob(filepath.Join(s.dir, "*"+fileEnd))
	for _, path := range left { // of a flush that a crash cut short
		if !slices.Contains(st.Files, filepath.Base(path)) {
			err = errors.Join(err, os.Remove(path))
		}
	}
	return err
}

func (s *Source) open(name string) (*file, error) {
	f, err := segment.Open(filepath.Join(s.dir, name))
	if err != nil {
		return nil, err
	}
	span := line.Span{From: f.Begin(), To: f.Begin() + segment.Day}
	if strings.HasPrefix(name, "long-") {
		span = line.Span{From: line.Ever, To: time.Unix(f.Begin(), 0).UTC().AddDate(0, 1, 0).Unix()}
	}
	return &file{f, name, span}, nil
}

// Tell takes records in: they are durable when it returns. Records that are not valid are left out, and counted.
func (s *Source) Tell(ctx context.Context, records []line.Record) (refused int, err error) {
	taken, _ := s.batches.Get().(*[]numbered)
	if taken == nil {
		taken = new([]numbered)
	}
	batch := slices.Grow(*taken, len(records))
	defer func() {
		clear(batch) // of names above all
		*taken = batch[:0]
		s.batches.Put(taken)
	}()
	names := make([]string, 0, len(records))
	for i := range records {
		r := &records[i]
		if r.Validate() != nil {
			refused++
			continue
		}
		n := numbered{Record: *r, holder: line.Holder{Inside: line.Address{Addr: r.Held.Inside, Realm: r.Held.Realm}}}
		if r.Held.Line != "" {
			n.holder = line.Holder{}
			names = append(names, r.Held.Line)
		}
		if !r.Received.IsZero() {
			n.received = r.Received.Unix()
		}
		batch = append(batch, n)
	}
	if len(batch) == 0 {
		return refused, nil
	}
	ids, err := s.lines.Numbers(ctx, names)
	if err != nil {
		return refused, err
	}
	for i, next := 0, 0; i < len(batch); i++ {
		if batch[i].Held.Line != "" {
			batch[i].holder.Line = ids[next]
			next++
		}
		batch[i].Held = line.Held{} // nobody needs the name any more
	}
	return refused, s.enter(ctx, batch)
}

// enter makes a batch durable and takes it. What is too much for one batch makes two.
func (s *Source) enter(ctx context.Context, batch []numbered) error {
	data := encode(batch)
	if len(data) > batchBytes && len(batch) > 1 {
		half := len(batch) / 2
		if err := s.enter(ctx, batch[:half]); err != nil {
			return err
		}
		return s.enter(ctx, batch[half:])
	}
	s.telling.Lock()
	defer s.telling.Unlock()
	place, err := s.append(ctx, func() []byte { return data })
	if err != nil {
		return err
	}
	return s.take(place, batch)
}

// append makes a batch durable behind all others, and these known. Whoever calls it is telling.
func (s *Source) append(ctx context.Context, data func() []byte) (uint64, error) {
	for {
		place, err := s.log.Append(ctx, s.name, s.known.Place, data())
		if err == nil {
			return place, nil
		}
		if was := s.known.Place; errors.Is(err, ErrBehind) { // take theirs first, as they do
			if bad := s.readOn(ctx); bad != nil {
				return 0, bad
			}
			if s.known.Place != was {
				continue
			}
		}
		return 0, fmt.Errorf("keep what %s said: %w", s.name, err)
	}
}

func (s *Source) take(place uint64, records []numbered) error {
	s.mu.Lock()
	for i := range records {
		r := &records[i]
		s.tracker.Take(&r.Record, r.holder)
		s.known.First = min(s.known.First, s.reaches(&r.Record))
		if r.Action == line.Missing && !r.Range.Prefix.IsValid() {
			s.known.Gaps = with(s.known.Gaps, line.Span{From: r.Since.Earliest, To: r.At.Latest + 1})
		}
		if r.received != 0 {
			s.clock(r.At.Latest, r.received)
		}
		s.known.Late = s.known.Late || r.At.Latest < s.state.Deleted
	}
	s.known.Place, s.dirty = place, true
	s.known.Batches++
	s.known.Rows += int64(len(records))
	full := len(s.ended.sessions) >= flushAt
	s.mu.Unlock()
	if full {
		return s.Flush()
	}
	return nil
}

// reaches is how far back a record says that the source knows: a log as far as it was written, a table as far as it says.
func (s *Source) reaches(r *line.Record) int64 {
	if s.rules.Standing && !r.Since.IsZero() {
		return min(r.Since.Earliest, r.At.Earliest)
	}
	if r.Action == line.Missing {
		return line.Never // it says of what it knows nothing
	}
	return r.At.Earliest
}

// with puts a gap among the others, in order. Those that touch are one: while a port is flooded there is one a second.
func with(gaps []line.Span, gap line.Span) []line.Span {
	from, _ := slices.BinarySearchFunc(gaps, gap.From, func(g line.Span, at int64) int { return cmp.Compare(g.To, at) })
	to := from
	for ; to < len(gaps) && gaps[to].From <= gap.To; to++ {
		gap = line.Span{From: min(gap.From, gaps[to].From), To: max(gap.To, gaps[to].To)}
	}
	return slices.Replace(gaps, from, to, gap)
}

// Heard is until when the records of each device reach, in seconds of Unix time by its clock.
func (s *Source) Heard() map[string]int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tracker.Heard()
}

// See notes of the lines of sessions that go on without a word how long they do, so that their names are not forgotten
// meanwhile. Those of which the source spoke since a moment are noted already.
func (s *Source) See(ctx context.Context, since time.Time) error {
	until := map[line.ID]int64{}
	s.mu.RLock()
	s.tracker.Unspoken(since.Unix(), func(id line.ID, to int64) { until[id] = max(until[id], to) })
	s.mu.RUnlock()
	if err := s.lines.see(ctx, until); err != nil {
		return fmt.Errorf("note which lines of %s go on: %w", s.name, err)
	}
	return nil
}

// clock learns from a record how far the source's clock is off. Records take their time to us, so that of an hour's
// records the one that took least says most.
func (s *Source) clock(at, received int64) {
	hour := received / 3600
	behind, ok := s.known.Behind[hour]
	if ok && received-at >= behind {
		return
	}
	s.known.Behind[hour] = received - at
}

// Clock is by how many seconds the source's clock may have been off; see line.Sessions.
func (s *Source) Clock(q line.Span) int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	least, heard := int64(line.Never), false
	for hour := q.From/3600 - clockHours; hour <= q.To/3600+clockHours; hour++ {
		if behind, ok := s.known.Behind[hour]; ok {
			least, heard = min(least, behind), true
		}
	}
	switch {
	case !heard:
		return 0
	case least < 0: // what has not happened yet was told of: the clock is ahead
		return 1 - least
	case least > line.Prompt: // in hours nothing came sooner: the clock is behind
		return least
	}
	return 0
}

// clockHours is how long before and after a question records tell of the clock.
const clockHours = 2

// Each yields who may have held an address, and says what the log can say of that time; see line.Sessions. It waits for
// nobody.
func (s *Source) Each(_ context.Context, a line.Address, port uint16, proto string, q line.Span, yield func(line.Session)) (line.Knowledge, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	k := line.Knowledge{Deleted: q.From < s.state.Deleted, Ahead: !s.rules.Standing && q.To > s.tracker.Mark()}
	k.Before = q.From < s.known.First
	k.Silent = s.building || s.apart && s.rules.Standing // what it says holds until it is read again, which another worker may have done
	for _, g := range s.known.Gaps {
		if g.Meets(q) {
			k.Gap = true
			break
		}
	}
	if k.Deleted {
		return k, nil
	}
	s.tracker.Each(a, port, proto, q, yield)
	s.ended.each(a, port, proto, q, yield)
	for _, f := range s.files {
		if f.span.Meets(q) {
			f.Each(a, port, proto, q, yield)
		}
	}
	return k, nil
}

// past yields what has ended of a range; see line.Past. Whoever calls it holds mu.
func (s *Source) past(rng line.Range, q line.Span, yield func(line.Session)) {
	same := func(x line.Session) {
		if x.Range == rng {
			yield(x)
		}
	}
	a := line.Address{Addr: rng.Prefix.Addr(), Realm: rng.Realm}
	s.ended.each(a, rng.Lo, rng.Proto, q, same)
	for _, f := range s.files {
		if f.span.Meets(q) {
			f.Each(a, rng.Lo, rng.Proto, q, same)
		}
	}
}

// Flush writes what has ended into files, and what is open beside them.
func (s *Source) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flush()
}

func (s *Source) flush() error {
	if !s.dirty {
		return nil
	}
	parts, names := s.ended.byShelf(), segment.Names(s.ended.sessions)
	st := s.state
	var added []*file
	for on, part := range parts {
		st.Serial++
		name := fmt.Sprintf("%s.%06d%s", on, st.Serial, fileEnd)
		if err := segment.Write(filepath.Join(s.dir, name), on.begin, names, s.ended.these(part)); err != nil {
			return err
		}
		f, err := s.open(name)
		if err != nil {
			return err
		}
		added = append(added, f)
	}
	files := append(slices.Clone(s.files), added...)
	files, old, err := s.merge(files, &st)
	if err != nil {
		return err
	}
	if err := s.keep(st, files, old); err != nil {
		return err
	}
	s.ended.empty()
	s.dirty = false
	if s.known.Rows-s.kept < snapshots {
		return nil
	}
	return s.snapshot()
}

// snapshot makes durable what is open. What has ended is in files.
func (s *Source) snapshot() error {
	k := s.known
	k.Tracker = s.tracker.Snapshot()
	if err := write(filepath.Join(s.dir, knownName), &k); err != nil {
		return err
	}
	s.kept = k.Rows
	return nil
}

// merge makes one file of the files of a day, where they are many.
func (s *Source) merge(files []*file, st *state) (kept, old []*file, err error) {
	by := map[string][]*file{}
	for _, f := range files {
		on, _, _ := strings.Cut(f.name, ".")
		by[on] = append(by[on], f)
	}
	for _, on := range slices.Sorted(maps.Keys(by)) {
		all := by[on]
		past := all[0].span.To < s.tracker.Mark()-segment.Day/24 // little more will come of it
		if len(all) == 1 || len(all) < mergeAt && !past {
			kept = append(kept, all...)
			continue
		}
		st.Serial++
		name := fmt.Sprintf("%s.%06d%s", on, st.Serial, fileEnd)
		segments := make([]*segment.Segment, len(all))
		for i, f := range all {
			segments[i] = f.Segment
		}
		if err := segment.Merge(filepath.Join(s.dir, name), segments); err != nil {
			return nil, nil, err
		}
		f, err := s.open(name)
		if err != nil {
			return nil, nil, err
		}
		kept, old = append(kept, f), append(old, all...)
	}
	return kept, old, nil
}

// keep makes a state durable and lets go of what it does not name.
func (s *Source) keep(st state, files, old []*file) error {
	st.Files = st.Files[:0:0]
	for _, f := range files {
		st.Files = append(st.Files, f.name)
	}
	if err := write(filepath.Join(s.dir, stateName), &st); err != nil {
		return err
	}
	s.state, s.files = st, files
	var err error
	for _, f := range old {
		err = errors.Join(err, f.Close(), os.Remove(filepath.Join(s.dir, f.name)))
	}
	return err
}

// Close writes what is in memory and closes the files.
func (s *Source) Close() error {
	err := s.Flush()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.known.Rows != s.kept {
		err = s.snapshot()
	}
	for _, f := range s.files {
		err = errors.Join(err, f.Close())
	}
	s.files = nil
	return err
}

// shelf is what a file is about: a day, or the sessions of many days that end in a month.
type shelf struct {
	begin int64
	month bool
}

// String begins the names of its files.
func (s shelf) String() string {
	if s.month {
		return "long-" + time.Unix(s.begin, 0).UTC().Format("2006-01")
	}
	return time.Unix(s.begin, 0).UTC().Format(time.DateOnly)
}

// shelves are the files in which a session belongs.
func shelves(p line.Span) iter.Seq[shelf] {
	return func(yield func(shelf) bool) {
		first, last := floor(p.From), floor(p.To-1)
		if last-first > longDays*segment.Day {
			end := time.Unix(last, 0).UTC()
			yield(shelf{time.Date(end.Year(), end.Month(), 1, 0, 0, 0, 0, time.UTC).Unix(), true})
			return
		}
		for day := first; day <= last; day += segment.Day {
			if !yield(shelf{day, false}) {
				return
			}
		}
	}
}

// floor is the beginning of a day.
func floor(at int64) int64 {
	if r := at % segment.Day; r < 0 {
		return at - r - segment.Day
	}
	return at - at%segment.Day
}

// buffer holds sessions that have ended and are in no file yet.
type buffer struct {
	sessions []line.Session
	next     []int32 // for each, the one before of its prefix; -1: none
	last     map[prefixIn]int32
	lengths  [129]int
}

type prefixIn struct {
	prefix netip.Prefix
	realm  string
}

func (b *buffer) add(s line.Session) {
	if b.last == nil {
		b.last = map[prefixIn]int32{}
	}
	k := prefixIn{s.Range.Prefix, s.Range.Realm}
	before, ok := b.last[k]
	if !ok {
		before = -1
	}
	b.last[k] = int32(len(b.sessions))
	b.sessions, b.next = append(b.sessions, s), append(b.next, before)
	b.lengths[s.Range.Prefix.Bits()]++
}

// empty keeps the memory for what comes, unless most of it was not needed: so many sources that say little stay small.
func (b *buffer) empty() {
	if len(b.sessions) < cap(b.sessions)/4 {
		*b = buffer{}
		return
	}
	clear(b.sessions)
	clear(b.last)
	*b = buffer{sessions: b.sessions[:0], next: b.next[:0], last: b.last}
}

// byShelf sorts the sessions, by their places, into the files to which they belong, each in the order of a file.
func (b *buffer) byShelf() map[shelf][]int32 {
	order := make([]int32, len(b.sessions))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(x, y int32) int { return segment.Compare(&b.sessions[x], &b.sessions[y]) })
	parts := map[shelf][]int32{}
	for _, i := range order {
		for on := range shelves(b.sessions[i].Possible) {
			parts[on] = append(parts[on], i)
		}
	}
	return parts
}

func (b *buffer) these(places []int32) iter.Seq[line.Session] {
	return func(yield func(line.Session) bool) {
		for _, i := range places {
			if !yield(b.sessions[i]) {
				return
			}
		}
	}
}

func (b *buffer) each(a line.Address, port uint16, proto string, q line.Span, yield func(line.Session)) {
	for bits := a.Addr.BitLen(); bits >= 0; bits-- {
		if b.lengths[bits] == 0 {
			continue
		}
		p, err := a.Addr.Prefix(bits)
		if err != nil {
			continue
		}
		i, ok := b.last[prefixIn{p, a.Realm}]
		for ; ok && i >= 0; i = b.next[i] {
			if s := &b.sessions[i]; s.Possible.Meets(q) && s.Range.Has(port, proto) {
				yield(*s)
			}
		}
	}
}
