package archive_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"tocsin/internal/line"
	"tocsin/internal/line/archive"
	"tocsin/internal/line/linetest"
	"tocsin/internal/report"
)

// past is a source of leases, told of days that are over long ago, in batches.
type past struct {
	t     *testing.T
	dir   string
	log   *memory
	lines *archive.Lines
	now   time.Time // midnight after the last day
	*archive.Source
}

func newPast(t *testing.T, log *memory, table archive.Table) *past {
	t.Helper()
	p := &past{t: t, dir: t.TempDir(), log: log, lines: openLines(t, table, keys(1)), now: time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC)}
	p.open()
	return p
}

// open opens the source as after a crash.
func (p *past) open() {
	p.t.Helper()
	var err error
	if p.Source, err = archive.OpenSource(p.t.Context(), p.dir, "old", line.Rules{}, p.lines, p.log); err != nil {
		p.t.Fatal(err)
	}
}

// lose deletes all files of the source.
func (p *past) lose() {
	p.t.Helper()
	if err := os.RemoveAll(filepath.Join(p.dir, "old")); err != nil {
		p.t.Fatal(err)
	}
	p.open()
}

// hour is of a day, counted back from the last one.
func (p *past) hour(day, hour int) time.Time {
	return p.now.AddDate(0, 0, -day).Add(time.Duration(hour) * time.Hour)
}

// The address that most are told of, and one that nobody gets after eve.
var (
	leased = line.Whole(netip.MustParsePrefix("198.51.100.7/32"))
	hers   = line.Whole(netip.MustParsePrefix("198.51.100.8/32"))
)

func eve(what line.Action, at time.Time) line.Record {
	r := says(what, "eve", at)
	r.Range = hers
	return r
}

func says(what line.Action, who string, at time.Time) line.Record {
	return line.Record{Action: what, NAS: "dhcp", Range: leased, Held: line.Held{Line: who}, At: line.At(at)}
}

// tell tells in one batch.
func (p *past) tell(all ...line.Record) {
	p.t.Helper()
	if refused, err := p.Tell(p.t.Context(), all); refused != 0 || err != nil {
		p.t.Fatal(refused, err)
	}
}

func (p *past) purge(day int) {
	p.t.Helper()
	if _, err := p.Purge(p.t.Context(), p.hour(day, 0)); err != nil {
		p.t.Fatal(err)
	}
}

// asks wants an answer about an hour: a name, or a state.
func (p *past) asks(what string, day, hour int, want string) {
	p.t.Helper()
	p.asksOf(leased, what, day, hour, want)
}

func (p *past) asksOf(of line.Range, what string, day, hour int, want string) {
	p.t.Helper()
	room := line.Room{Sources: []line.Sessions{p.Source}}
	got, holder, err := room.Look(p.t.Context(), &line.Selector{Addr: of.Prefix.Addr(), At: p.hour(day, hour)})
	said := string(got.State)
	if err == nil && got.State == report.LineUnique {
		said, err = p.lines.Name(p.t.Context(), holder.Line)
	}
	if err != nil || said != want {
		p.t.Errorf("%s: day %d, %d:00: %s (%s), %v; want %s", what, day, hour, said, got.Reason, err, want)
	}
}

// batches are how many the log has, with how many purges among them.
func (p *past) batches() (all, purges int) {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	for _, b := range p.log.batches["old"] {
		var head zstd.Header
		if head.Decode(b.Data) != nil {
			purges++
		}
	}
	return len(p.log.batches["old"]), purges
}

// import tells ten days: ann has the address from 8 to 12 each day, bob from 14 to 18. The batch of each day's evening has
// the next morning too.
func (p *past) imports() {
	p.t.Helper()
	for day := 10; day >= 1; day-- {
		p.tell(says(line.Stop, "ann", p.hour(day, 12)), says(line.Start, "bob", p.hour(day, 14)))
		p.tell(says(line.Stop, "bob", p.hour(day, 18)), says(line.Start, "ann", p.hour(day-1, 8)))
	}
}

// TestPurgeOfOld: what was told late of days that are purged comes back neither from the log, nor with it, and no session
// goes on whose end was deleted.
func TestPurgeOfOld(t *testing.T) {
	p := newPast(t, &memory{}, &linetest.Table{})
	p.tell(says(line.Start, "ann", p.hour(10, 8)))
	p.imports()
	p.asks("imported", 8, 10, "ann")
	p.asks("imported", 8, 15, "bob")
	p.purge(5)
	check := func(what string) {
		t.Helper()
		p.asks(what, 8, 10, "outside-retention")
		p.asks(what, 6, 15, "outside-retention")
		p.asks(what, 5, 15, "bob")
		p.asks(what, 5, 13, "none")
		p.asks(what, 2, 10, "ann")
		if all, purges := p.batches(); all != 12 || purges != 1 { // the last one of day 6 goes into day 5
			t.Errorf("%s: the log has %d batches, %d purges among them", what, all, purges)
		}
	}
	check("purged")
	for range 3 { // nothing new
		p.purge(5)
		p.purge(7)
	}
	check("again")
	p.open()
	check("opened")
	p.lose()
	check("built anew")
	if err := os.Remove(filepath.Join(p.dir, "old", "files")); err != nil {
		t.Fatal(err)
	}
	p.open()
	check("without its state")
	days, err := filepath.Glob(filepath.Join(p.dir, "old", "2026-03-1[01234].*"))
	if err != nil || len(days) != 0 {
		t.Errorf("%v are left, %v", days, err)
	}
	p.imports() // the same files once more
	p.asks("imported again", 8, 10, "outside-retention")
	p.purge(5)
	p.purge(4)
	p.purge(0)
	p.asks("all", 1, 15, "outside-retention")
	if all, purges := p.batches(); all != 3 || purges != 1 { // those with ann of the day that is not over, and the purge
		t.Errorf("the log has %d batches, %d purges among them", all, purges)
	}
	p.lose()
	p.asks("all built anew", 1, 15, "outside-retention")
}

// TestPurgeTorn: where the beginning of a session lies in a batch that stays, and its end in one that is deleted, it does
// not go on for ever when all is built anew.
func TestPurgeTorn(t *testing.T) {
	p := newPast(t, &memory{}, &linetest.Table{})
	p.tell(eve(line.Start, p.hour(6, 8)), says(line.Start, "ann", p.hour(4, 8)))
	p.tell(eve(line.Stop, p.hour(6, 12)))
	p.tell(says(line.Stop, "ann", p.hour(4, 12)), says(line.Start, "bob", p.hour(2, 8)), says(line.Stop, "bob", p.hour(2, 12)))
	p.asksOf(hers, "told", 6, 10, "eve")
	p.purge(5)
	if all, _ := p.batches(); all != 3 {
		t.Errorf("%d batches", all)
	}
	for _, what := range []string{"purged", "built anew"} {
		p.asksOf(hers, what, 6, 10, "outside-retention")
		p.asksOf(hers, what, 3, 10, "none")
		p.asks(what, 4, 10, "ann")
		p.asks(what, 2, 10, "bob")
		p.lose()
	}
}

// TestPurgeFollowed: another worker purges too, and one that was not there when batches were deleted takes nothing for
// going on whose end it has missed.
func TestPurgeFollowed(t *testing.T) {
	log, table := &memory{}, &linetest.Table{}
	a := newPast(t, log, table)
	b, away := newPast(t, log, table), newPast(t, log, table)
	a.tell(says(line.Start, "ann", a.hour(6, 8)), eve(line.Start, a.hour(6, 8)))
	for _, w := range []*past{b, away} {
		if err := w.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	a.tell(says(line.Stop, "ann", a.hour(6, 12)), eve(line.Stop, a.hour(6, 12)))
	a.tell(says(line.Start, "bob", a.hour(4, 8)), says(line.Stop, "bob", a.hour(4, 12)))
	if err := b.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.asks("followed", 6, 10, "ann")
	a.purge(5)
	if all, _ := a.batches(); all != 2 {
		t.Errorf("%d batches are left", all)
	}
	a.tell(says(line.Start, "cay", a.hour(2, 8)), says(line.Stop, "cay", a.hour(2, 12)), says(line.Start, "dan", a.hour(1, 8)), says(line.Stop, "dan", a.hour(1, 12)))
	for what, w := range map[string]*past{"a": a, "b": b, "away": away} {
		if err := w.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.asks(what, 6, 10, "outside-retention")
		w.asks(what, 5, 10, "none") // ann had it no more
		w.asks(what, 4, 10, "bob")
		w.asks(what, 3, 10, "none")
		w.asks(what, 2, 10, "cay")
		w.asksOf(hers, what, 3, 10, "none") // nor has eve hers
		if days, err := filepath.Glob(filepath.Join(w.dir, "old", "2026-03-14.*")); err != nil || len(days) != 0 {
			t.Errorf("%s has %v, %v", what, days, err)
		}
	}
	if _, err := b.Purge(t.Context(), b.hour(5, 0)); err != nil { // has nothing to add
		t.Error(err)
	}
	if all, purges := b.batches(); all != 3 || purges != 1 {
		t.Errorf("%d batches, %d purges", all, purges)
	}
}

// TestBefore: of the time before a source said anything nobody says that nobody had the address.
func TestBefore(t *testing.T) {
	p := newPast(t, &memory{}, &linetest.Table{})
	reason := func(day, hour int, want string) {
		t.Helper()
		room := line.Room{Sources: []line.Sessions{p.Source}}
		got, _, err := room.Look(t.Context(), &line.Selector{Addr: hers.Prefix.Addr(), At: p.hour(day, hour)})
		if err != nil || got.State != report.LineNone || got.Reason != want {
			t.Errorf("day %d, %d:00: %+v, %v; want %q", day, hour, got, err, want)
		}
	}
	const before, nobody = "the log does not reach back so far", "by the log nobody held the address then"
	reason(5, 0, "the log does not reach as far yet")
	p.tell(says(line.Start, "ann", p.hour(4, 8)), says(line.Stop, "ann", p.hour(2, 8)))
	for range 2 {
		reason(5, 0, before)
		reason(4, 7, before)
		reason(4, 9, nobody)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		p.open()
	}
	p.tell(says(line.Start, "bob", p.hour(9, 8)), says(line.Stop, "bob", p.hour(9, 9))) // an old file
	reason(5, 0, nobody)
	reason(9, 7, before)
	p.lose()
	reason(9, 7, before)
	reason(9, 9, nobody)
}
