package line_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/report"
)

// witness is a source that says the same whatever it is asked.
type witness struct {
	says  []line.Session
	knows line.Knowledge
	err   error
}

func (w witness) Each(_ context.Context, a line.Address, port uint16, proto string, q line.Span, yield func(line.Session)) (line.Knowledge, error) {
	for _, s := range w.says {
		if s.Range.Prefix.Contains(a.Addr) && s.Range.Realm == a.Realm && s.Range.Has(port, proto) && s.Possible.Meets(q) {
			yield(s)
		}
	}
	return w.knows, w.err
}

func (witness) Clock(line.Span) int64 { return 0 }

func whole(addr string, h line.Holder) line.Session {
	p := netip.MustParsePrefix(addr + "/32")
	always := line.Span{From: 0, To: 1000}
	return line.Session{Range: line.Whole(p), Holder: h, Possible: always, Certain: always}
}

// TestWitnesses: what a source does not know, beside what another does.
func TestWitnesses(t *testing.T) {
	a, b := line.Holder{Line: 1}, line.Holder{Line: 2}
	inside := line.Holder{Inside: line.Address{Addr: netip.MustParseAddr("100.64.0.7"), Realm: "cgn"}}
	const outer, inner = "198.51.100.7", "100.64.0.7"
	block := whole(outer, inside)
	block.Range.Lo, block.Range.Hi = 1024, 2047
	private := whole(inner, a)
	private.Range.Realm = "cgn"
	var (
		sure   = witness{says: []line.Session{whole(outer, a)}}
		other  = witness{says: []line.Session{whole(outer, b)}}
		empty  = witness{}
		silent = witness{knows: line.Knowledge{Silent: true}}
		gap    = witness{knows: line.Knowledge{Gap: true}}
		gone   = witness{knows: line.Knowledge{Deleted: true}}
		nat    = witness{says: []line.Session{block}}
		behind = witness{says: []line.Session{private}}
	)
	for _, c := range []struct {
		name    string
		sources []line.Sessions
		port    uint16
		want    report.LineState
		reason  string
	}{
		{"one is sure", []line.Sessions{sure, empty}, 0, report.LineUnique, ""},
		{"the other has a gap", []line.Sessions{sure, gap}, 0, report.LineUnique, ""},
		{"the other has deleted it", []line.Sessions{sure, gone}, 0, report.LineUnique, ""},
		{"the other has not been heard", []line.Sessions{sure, silent}, 0, report.LineNone, "a source that knows lines did not answer: who held the address is not known until it does"},
		{"nobody else knows", []line.Sessions{silent, empty}, 0, report.LineNone, "a source that knows lines did not answer: who held the address is not known until it does"},
		{"silent before deleted", []line.Sessions{gone, silent}, 0, report.LineNone, "a source that knows lines did not answer: who held the address is not known until it does"},
		{"several are several", []line.Sessions{sure, silent, other}, 0, report.LineAmbiguous, "two sources disagree about who held the address"},
		{"the port is needed whatever it would say", []line.Sessions{nat, silent}, 0, report.LineAmbiguous, "many lines share the address: the source port is needed"},
		{"behind a NAT", []line.Sessions{nat, behind}, 1500, report.LineUnique, ""},
		{"behind a NAT, not heard", []line.Sessions{nat, behind, silent}, 1500, report.LineNone, "a source that knows lines did not answer: who held the address is not known until it does"},
	} {
		t.Run(c.name, func(t *testing.T) {
			room := line.Room{Sources: c.sources}
			got, holder, err := room.Look(t.Context(), &line.Selector{Addr: netip.MustParseAddr(outer), Port: c.port, Proto: "tcp", At: time.Unix(500, 0)})
			if err != nil || got.State != c.want || got.Reason != c.reason || (got.State == report.LineUnique) != (holder == a) {
				t.Errorf("%+v, %+v, %v; want %s %q", got, holder, err, c.want, c.reason)
			}
		})
	}
	broken := witness{err: errors.New("the database is away")}
	room := line.Room{Sources: []line.Sessions{sure, broken}}
	if got, holder, err := room.Look(t.Context(), &line.Selector{Addr: netip.MustParseAddr(outer), At: time.Unix(500, 0), Or: time.Unix(600, 0)}); err == nil || got.State != "" || !holder.IsZero() {
		t.Errorf("%+v, %+v, %v: there is no answer without the database", got, holder, err)
	}
}

// TestPortFirst: of an address that many share, with blocks of each protocol, the port is needed before the protocol.
func TestPortFirst(t *testing.T) {
	block := func(line_ line.ID, proto string, lo, hi uint16) line.Session {
		s := whole("198.51.100.7", line.Holder{Line: line_})
		s.Range.Proto, s.Range.Lo, s.Range.Hi = proto, lo, hi
		return s
	}
	room := line.Room{Sources: []line.Sessions{witness{says: []line.Session{block(1, "tcp", 1024, 2047), block(2, "udp", 1024, 2047), block(3, "icmp", 2048, 2048)}}}}
	for port, need := range map[uint16]report.Need{0: report.NeedPort, 1500: report.NeedProtocol} {
		got, _, err := room.Look(t.Context(), &line.Selector{Addr: netip.MustParseAddr("198.51.100.7"), Port: port, At: time.Unix(500, 0)})
		if err != nil || got.State != report.LineAmbiguous || got.Need != need {
			t.Errorf("port %d: %+v, %v; it needs the %s", port, got, err, need)
		}
	}
}

// TestSilentInTheFold: of two instants that may be meant, one was asked in vain. What can still be known is said.
func TestSilentInTheFold(t *testing.T) {
	late := lateWitness{silentBefore: 550}
	room := line.Room{Sources: []line.Sessions{late}}
	for _, times := range [][2]int64{{500, 600}, {600, 500}} {
		got, _, err := room.Look(t.Context(), &line.Selector{Addr: netip.MustParseAddr("198.51.100.7"), At: time.Unix(times[0], 0), Or: time.Unix(times[1], 0)})
		if err != nil || got.State != report.LineNone || got.Reason != "a source that knows lines did not answer: who held the address is not known until it does" {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// lateWitness answers only what is asked of a later time; it knows nobody.
type lateWitness struct{ silentBefore int64 }

func (w lateWitness) Each(_ context.Context, _ line.Address, _ uint16, _ string, q line.Span, _ func(line.Session)) (line.Knowledge, error) {
	return line.Knowledge{Silent: q.From < w.silentBefore}, nil
}

func (lateWitness) Clock(line.Span) int64 { return 0 }
