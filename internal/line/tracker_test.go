package line_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/line"
	"tocsin/internal/report"
)

// said is a tracker's answer to every question about a few addresses.
func said(t *line.Tracker, done []line.Session) []line.Session {
	all := append([]line.Session(nil), done...)
	for n := range 3 {
		t.Each(line.Address{Addr: netip.AddrFrom4([4]byte{198, 51, 100, byte(n)})}, 0, "", line.Span{From: line.Ever, To: line.Never}, func(s line.Session) {
			all = append(all, s)
		})
	}
	return all
}

// inOrder is sessions as text, a line each.
func inOrder(all []line.Session) []string {
	text := make([]string, len(all))
	for i, s := range all {
		text[i] = fmt.Sprint(s)
	}
	slices.Sort(text)
	return text
}

// TestAnything: whatever records come in whatever order, what is certain is possible, and a tracker that was kept and
// loaded says the same.
func TestAnything(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 5))
		var done []line.Session
		emit := func(s line.Session) { done = append(done, s) }
		rules := line.Rules{Interim: seed%3 == 0, Standing: seed%3 == 1}
		tr := line.NewTracker(rules, nil, emit)
		for range 200 {
			rec := anything(r)
			if rec.Validate() != nil {
				continue
			}
			tr.Take(&rec, line.Holder{Line: line.ID(1 + r.IntN(3))})
			if r.IntN(40) == 0 {
				kept := tr.Snapshot()
				again := line.NewTracker(rules, nil, emit)
				again.Load(&kept)
				if diff := gocmp.Diff(inOrder(said(tr, nil)), inOrder(said(again, nil))); diff != "" {
					t.Fatalf("seed %d:\n%s", seed, diff)
				}
				tr = again
			}
		}
		tr.Flush()
		all := said(tr, done)
		for _, a := range all {
			if !a.Certain.Empty() && (a.Certain.From < a.Possible.From || a.Certain.To > a.Possible.To) {
				t.Fatalf("seed %d: certain is not possible: %+v", seed, a)
			}
		}
	}
}

// anything is a record of few names, addresses and moments.
func anything(r *rand.Rand) line.Record {
	moment := func() line.Moment {
		at := int64(1_772_323_200 + r.IntN(20_000))
		return line.Moment{Earliest: at, Latest: at + int64(r.IntN(2)*r.IntN(3600))}
	}
	rec := line.Record{
		Action: line.Action(1 + r.IntN(6)), NAS: []string{"", "a", "b"}[r.IntN(3)], Session: []string{"", "", "x", "y"}[r.IntN(4)],
		Range: line.Whole(netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(r.IntN(3))}), 32)), Held: line.Held{Line: "l"}, At: moment(),
	}
	if r.IntN(4) == 0 {
		rec.Since = moment()
	}
	if r.IntN(4) == 0 {
		rec.Until = moment()
	}
	if rec.Action == line.Stop && r.IntN(4) == 0 {
		rec.Range = line.Range{}
	}
	return rec
}

func at(s string) line.Moment {
	when, err := time.Parse("15:04:05", s)
	if err != nil {
		panic(err)
	}
	return line.At(time.Date(2026, 3, 1, when.Hour(), when.Minute(), when.Second(), 0, time.UTC))
}

type log struct{ *line.Tracker }

func (log) Clock(line.Span) int64 { return 0 }

func (l log) Each(_ context.Context, a line.Address, port uint16, proto string, q line.Span, yield func(line.Session)) (line.Knowledge, error) {
	l.Tracker.Each(a, port, proto, q, yield)
	return line.Knowledge{Ahead: q.To > l.Mark()}, nil
}

// TestAnswers are cases that can be checked by hand. Lines are a and b, the address is one.
func TestAnswers(t *testing.T) {
	one := line.Whole(netip.MustParsePrefix("198.51.100.7/32"))
	rec := func(a line.Action, session, line_, when string) line.Record {
		return line.Record{Action: a, NAS: "n", Session: session, Range: one, Held: line.Held{Line: line_}, At: at(when)}
	}
	gap := line.Record{Action: line.Missing, Since: at("10:00:00"), At: at("11:00:00")}
	lease := func(l, when, until string) line.Record {
		r := rec(line.Alive, "", l, when)
		r.Until = at(until)
		return r
	}
	ended := func(session, l, since, when string) line.Record {
		r := rec(line.Stop, session, l, when)
		r.Since = at(since)
		return r
	}
	on := func(r line.Record, last byte) line.Record {
		r.Range = line.Whole(netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, last}), 32))
		return r
	}
	alone := func(r line.Record) line.Record { // names no address
		r.Range = line.Range{}
		return r
	}
	since := func(r line.Record, when string) line.Record {
		r.Since = at(when)
		return r
	}
	damaged := line.Record{Action: line.Missing, Since: at("10:00:00"), At: at("10:00:00")}
	clock := rec(line.Start, "z", "c", "20:00:00") // the log reaches as far as here, by another address
	clock.Range = line.Whole(netip.MustParsePrefix("198.51.100.8/32"))
	for _, c := range []struct {
		name    string
		records []line.Record
		ask     string
		by      time.Duration
		want    string
	}{
		{"held", []line.Record{rec(line.Start, "1", "a", "09:00:00"), rec(line.Stop, "1", "a", "12:00:00")}, "10:30:00", time.Minute, "unique a"},
		{"nobody", []line.Record{rec(line.Start, "1", "a", "09:00:00"), rec(line.Stop, "1", "a", "12:00:00")}, "12:30:00", time.Minute, "none"},
		{"an edge", []line.Record{rec(line.Start, "1", "a", "09:00:00"), rec(line.Stop, "1", "a", "12:00:00")}, "12:00:30", time.Minute, "ambiguous 1"},
		{"one after the other", []line.Record{
			rec(line.Start, "1", "a", "09:00:00"), rec(line.Stop, "1", "a", "12:00:00"), rec(line.Start, "2", "b", "12:00:10"), rec(line.Stop, "2", "b", "13:00:00"),
		}, "12:00:05", 10 * time.Second, "ambiguous 2"},
		{"the stop before the start", []line.Record{rec(line.Stop, "1", "a", "12:00:00"), rec(line.Start, "1", "a", "09:00:00")}, "10:30:00", 0, "unique a"},
		{"everything twice", []line.Record{
			rec(line.Start, "1", "a", "09:00:00"), rec(line.Start, "1", "a", "09:00:00"), rec(line.Stop, "1", "a", "12:00:00"), rec(line.Stop, "1", "a", "12:00:00"),
		}, "10:30:00", 0, "unique a"},
		{"a session of which only the end is told", []line.Record{
			rec(line.Start, "1", "a", "09:00:00"), rec(line.Stop, "1", "a", "12:00:00"), ended("2", "b", "12:00:00", "13:00:00"),
		}, "12:30:00", 0, "unique b"},
		{"and the one before", []line.Record{
			rec(line.Start, "1", "a", "09:00:00"), rec(line.Stop, "1", "a", "12:00:00"), ended("2", "b", "12:00:00", "13:00:00"),
		}, "10:30:00", 0, "unique a"},
		{"one that began before the other's end", []line.Record{
			rec(line.Start, "1", "a", "09:00:00"), rec(line.Stop, "1", "a", "12:00:00"), ended("2", "b", "11:59:59", "13:00:00"),
		}, "12:30:00", 0, "none"},
		{"a stop that never came", []line.Record{rec(line.Start, "1", "a", "09:00:00"), rec(line.Start, "2", "b", "12:00:00")}, "10:30:00", 0, "none"},
		{"a stop that comes late", []line.Record{
			rec(line.Start, "1", "a", "09:00:00"), rec(line.Start, "2", "b", "12:00:00"), rec(line.Stop, "1", "a", "11:59:00"),
		}, "10:30:00", 0, "unique a"},
		{"still held", []line.Record{rec(line.Start, "1", "a", "09:00:00"), rec(line.Alive, "1", "a", "12:00:00")}, "11:00:00", 0, "unique a"},
		{"the log does not reach so far", []line.Record{rec(line.Start, "1", "a", "09:00:00")}, "21:00:00", 0, "none"},
		{"a gap, and a name", []line.Record{rec(line.Start, "1", "a", "09:00:00"), gap, rec(line.Stop, "1", "a", "12:00:00")}, "10:30:00", 0, "unique a"},
		{"a gap, and no name", []line.Record{rec(line.Start, "", "a", "09:00:00"), gap, rec(line.Stop, "", "a", "12:00:00")}, "10:30:00", 0, "none"},
		{"before the gap", []line.Record{rec(line.Start, "", "a", "09:00:00"), gap, rec(line.Stop, "", "a", "12:00:00")}, "09:30:00", 0, "unique a"},
		{"a device that began anew", []line.Record{rec(line.Start, "1", "a", "09:00:00"), {Action: line.Reset, NAS: "n", At: at("12:00:00")}}, "12:30:00", 0, "none"},
		{"a lease", []line.Record{lease("a", "09:00:00", "10:00:00"), lease("a", "09:30:00", "10:30:00")}, "10:15:00", 0, "unique a"},
		{"a lease that ran out", []line.Record{lease("a", "09:00:00", "10:00:00")}, "10:15:00", 0, "none"},
		{"a lease given to another", []line.Record{lease("a", "09:00:00", "10:00:00"), lease("b", "09:30:00", "10:30:00")}, "09:45:00", 0, "unique b"},
		{"and before that", []line.Record{lease("a", "09:00:00", "10:00:00"), lease("b", "09:30:00", "10:30:00")}, "09:15:00", 0, "none"},
		{"two at once", []line.Record{rec(line.Start, "1", "a", "09:00:00"), rec(line.Start, "2", "b", "10:00:00"), rec(line.Stop, "1", "a", "12:00:00")}, "11:00:00", 0, "ambiguous 2"},
		{"a damaged row in the second of the start", []line.Record{rec(line.Start, "", "a", "10:00:00"), damaged}, "12:00:00", 0, "none"},
		{"and one that began behind it", []line.Record{damaged, rec(line.Start, "", "a", "10:00:00")}, "12:00:00", 0, "unique a"},
		{"a gap that was told of before", []line.Record{gap, rec(line.Start, "", "a", "09:50:00"), on(rec(line.Start, "", "c", "11:05:00"), 9)}, "12:00:00", 0, "none"},
		{"a stop of another session of that name", []line.Record{
			rec(line.Start, "1", "a", "09:00:00"), on(rec(line.Start, "1", "b", "11:00:00"), 9), alone(rec(line.Stop, "1", "b", "12:00:00")),
			on(rec(line.Start, "2", "b", "12:30:00"), 7),
		}, "10:30:00", 0, "none"},
		{"a line that moved", []line.Record{
			rec(line.Start, "1", "a", "09:00:00"), rec(line.Alive, "1", "a", "09:30:00"), on(rec(line.Alive, "1", "a", "10:00:00"), 9), alone(rec(line.Stop, "1", "a", "12:00:00")),
		}, "11:00:00", 0, "none"},
		{"a stop without an address, and then a gap", []line.Record{rec(line.Start, "1", "a", "09:00:00"), alone(rec(line.Stop, "1", "a", "12:00:00")), gap}, "10:30:00", 0, "none"},
		{"a line that moved, which is told after its stop", []line.Record{
			rec(line.Start, "1", "a", "09:00:00"), rec(line.Alive, "1", "a", "11:50:00"), alone(rec(line.Stop, "1", "a", "12:00:00")), on(rec(line.Alive, "1", "a", "11:55:00"), 9),
		}, "11:57:00", 0, "none"},
		{"before it moved", []line.Record{
			rec(line.Start, "1", "a", "09:00:00"), rec(line.Alive, "1", "a", "09:30:00"), on(rec(line.Alive, "1", "a", "10:00:00"), 9), alone(rec(line.Stop, "1", "a", "12:00:00")),
		}, "09:15:00", 0, "unique a"},
		{"a lease given back by another", []line.Record{lease("a", "09:00:00", "14:00:00"), rec(line.Stop, "", "b", "12:00:00")}, "13:00:00", 0, "none"},
		{"and before that", []line.Record{lease("a", "09:00:00", "14:00:00"), rec(line.Stop, "", "b", "12:00:00")}, "11:30:00", 0, "ambiguous 2"},
		{"a name that is counted anew", []line.Record{
			rec(line.Start, "1", "a", "09:00:00"), rec(line.Alive, "1", "a", "09:10:00"), since(rec(line.Alive, "1", "a", "12:10:00"), "12:00:00"),
		}, "11:00:00", 0, "none"},
		{"and then ends", []line.Record{
			rec(line.Start, "1", "a", "09:00:00"), rec(line.Alive, "1", "a", "09:10:00"), since(rec(line.Stop, "1", "a", "12:10:00"), "12:00:00"),
		}, "09:15:00", 0, "none"},
		{"a lease renewed for less", []line.Record{lease("a", "09:00:00", "13:00:00"), lease("a", "10:00:00", "10:10:00")}, "12:00:00", 0, "none"},
		{"a start that comes again after its stop", []line.Record{
			rec(line.Start, "", "a", "09:00:00"), rec(line.Stop, "", "a", "10:00:00"), on(rec(line.Start, "", "c", "18:00:00"), 9), rec(line.Start, "", "a", "09:00:00"),
		}, "12:00:00", 0, "none"},
		{"an older session after a newer one", []line.Record{
			rec(line.Start, "", "b", "15:00:00"), rec(line.Stop, "", "b", "16:00:00"), on(rec(line.Start, "", "c", "18:00:00"), 9),
			rec(line.Start, "", "a", "09:00:00"), rec(line.Stop, "", "a", "12:00:00"),
		}, "10:30:00", 0, "unique a"},
		{"one of which only the start is older", []line.Record{
			rec(line.Start, "", "b", "15:00:00"), rec(line.Stop, "", "b", "16:00:00"), on(rec(line.Start, "", "c", "18:00:00"), 9), rec(line.Start, "", "a", "09:00:00"),
		}, "10:30:00", 0, "none"},
		{"and the newer one", []line.Record{
			rec(line.Start, "", "b", "15:00:00"), rec(line.Stop, "", "b", "16:00:00"), on(rec(line.Start, "", "c", "18:00:00"), 9), rec(line.Start, "", "a", "09:00:00"),
		}, "15:30:00", 0, "unique b"},
		{"a session of which the device is slow to tell", []line.Record{
			on(rec(line.Start, "9", "c", "18:00:00"), 9), rec(line.Start, "1", "a", "09:00:00"), rec(line.Alive, "1", "a", "18:30:00"),
		}, "12:00:00", 0, "unique a"},
		{"a part that comes again without its middle", []line.Record{
			rec(line.Start, "", "a", "09:00:00"), rec(line.Stop, "", "a", "10:00:00"), rec(line.Start, "", "a", "12:00:00"), rec(line.Stop, "", "a", "13:00:00"),
			on(rec(line.Start, "", "c", "18:00:00"), 9), rec(line.Start, "", "a", "09:00:00"), rec(line.Stop, "", "a", "13:00:00"),
		}, "11:00:00", 0, "none"},
		{"a stop that is in the older file", []line.Record{
			rec(line.Start, "", "a", "09:00:00"), on(rec(line.Start, "", "c", "18:00:00"), 9), rec(line.Stop, "", "a", "12:00:00"),
		}, "13:00:00", 0, "none"},
		{"a device that began anew, in the older file", []line.Record{
			rec(line.Start, "", "a", "09:00:00"), on(rec(line.Start, "", "c", "18:00:00"), 9), {Action: line.Reset, NAS: "n", At: at("12:00:00")},
		}, "13:00:00", 0, "none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var done []line.Session
			past := func(rng line.Range, q line.Span, yield func(line.Session)) {
				for _, s := range done {
					if s.Range == rng && s.Possible.Meets(q) {
						yield(s)
					}
				}
			}
			tr := line.NewTracker(line.Rules{}, past, func(s line.Session) { done = append(done, s) })
			lines := map[string]line.ID{"a": 1, "b": 2, "c": 3}
			for _, r := range append(c.records, clock) {
				if err := r.Validate(); err != nil {
					t.Fatal(err)
				}
				tr.Take(&r, line.Holder{Line: lines[r.Held.Line]})
			}
			room := line.Room{Sources: []line.Sessions{withDone{log{tr}, done}}}
			when := at(c.ask)
			got, holder, err := room.Look(t.Context(), &line.Selector{Addr: netip.MustParseAddr("198.51.100.7"), Port: 40000, Proto: "tcp", At: time.Unix(when.Earliest, 0), Uncertainty: c.by})
			if err != nil {
				t.Fatal(err)
			}
			text := string(got.State)
			switch got.State {
			case report.LineUnique:
				text += " " + string("?abc"[holder.Line])
			case report.LineAmbiguous:
				text += fmt.Sprint(" ", got.Count)
			case report.LineNone, report.LineOutsideRetention:
			}
			if text != c.want {
				t.Errorf("%s (%s), want %s; %+v", text, got.Reason, c.want, said(tr, done))
			}
		})
	}
}

// withDone is a log with what has left its tracker.
type withDone struct {
	log
	done []line.Session
}

func (w withDone) Each(ctx context.Context, a line.Address, port uint16, proto string, q line.Span, yield func(line.Session)) (line.Knowledge, error) {
	for _, s := range w.done {
		if s.Range.Prefix.Contains(a.Addr) && s.Possible.Meets(q) {
			yield(s)
		}
	}
	return w.log.Each(ctx, a, port, proto, q, yield)
}

// TestLeaseAnew: a lease that ran out, of which it was found out by the next holder that it had, is not the lease that the
// same line takes later: what lies between is not its own.
func TestLeaseAnew(t *testing.T) {
	addr := line.Whole(netip.MustParsePrefix("198.51.100.1/32"))
	lease := func(at int64) line.Record {
		return line.Record{
			Action: line.Alive, NAS: "dhcp", Range: addr, Held: line.Held{Line: "x"}, At: line.Moment{Earliest: at, Latest: at},
			Since: line.Moment{Earliest: at, Latest: at}, Until: line.Moment{Earliest: at + 300, Latest: at + 300},
		}
	}
	for _, times := range [][]int64{{1000, 1400, 1800}, {1000, 1400, 1800, 1000, 1400, 1800}, {1400, 1000, 1800}, {1800, 1000, 1400}} {
		var done []line.Session
		tr := line.NewTracker(line.Rules{}, nil, func(s line.Session) { done = append(done, s) })
		for _, at := range times { // 1000 and 1800 are one line's, 1400 another's
			r, id := lease(at), line.ID(1)
			if at == 1400 {
				id = 2
			}
			tr.Take(&r, line.Holder{Line: id})
		}
		end := lease(2200)
		tr.Take(&end, line.Holder{Line: 3})
		for _, s := range said(tr, done) {
			for _, between := range []int64{1350, 1500, 1750} {
				at := line.Span{From: between, To: between + 1}
				if s.Certain.Meets(at) && (s.Holder.Line != 2 || between != 1500) {
					t.Errorf("%v: at %d %+v", times, between, s)
				}
			}
		}
	}
}
