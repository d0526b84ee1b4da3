package line_test

import (
	"net/netip"
	"testing"

	"tocsin/internal/line"
)

// TestDoubt: a source may leave in doubt what it has said, however long ago. Nobody is certain then against that, whether it
// is told before the others or after, once or as it grows; and it names nobody.
func TestDoubt(t *testing.T) {
	rng := line.Whole(netip.MustParsePrefix("198.51.100.7/32"))
	at := func(s int64) line.Moment { return line.Moment{Earliest: s, Latest: s} }
	const hour = 3600
	doubt := func(from, to int64) line.Record {
		return line.Record{Action: line.Stop, NAS: "nas", Session: "1 refused", Range: rng, Since: at(from), At: at(to)}
	}
	ann := func(action line.Action, when int64) line.Record {
		return line.Record{Action: action, NAS: "nas", Session: "2", Range: rng, At: at(when)}
	}
	other := line.Record{Action: line.Alive, NAS: "nas", Session: "3", Range: line.Whole(netip.MustParsePrefix("198.51.100.8/32")), At: at(40 * hour)}
	own := []line.Record{ann(line.Start, 10*hour), ann(line.Alive, 11*hour), ann(line.Stop, 12*hour)}
	for name, all := range map[string][]line.Record{
		"late":          append(own[:3:3], other, doubt(10*hour, 12*hour)),
		"late, grown":   append(own[:3:3], other, doubt(10*hour, 10*hour+1800), doubt(10*hour, 12*hour)),
		"in time":       append(own[:3:3], doubt(10*hour, 12*hour), other),
		"grown":         {own[0], doubt(10*hour, 10*hour+1800), own[1], doubt(10*hour, 11*hour), own[2], doubt(10*hour, 12*hour), other},
		"the other one": {other, doubt(10*hour, 12*hour), own[0], own[1], own[2]},
	} {
		for _, interim := range []bool{false, true} {
			var done []line.Session
			past := func(r line.Range, q line.Span, yield func(line.Session)) {
				for _, s := range done {
					if s.Range == r && s.Possible.Meets(q) {
						yield(s)
					}
				}
			}
			tr := line.NewTracker(line.Rules{Interim: interim}, past, func(s line.Session) { done = append(done, s) })
			for i := range all {
				h := line.Holder{}
				if all[i].Session != "1 refused" {
					h.Line = 1
				}
				tr.Take(&all[i], h)
			}
			for _, when := range []int64{10*hour + 60, 11*hour - 60, 11*hour + 1800, 12*hour - 60} {
				named, unknown := false, false
				q := line.Span{From: when, To: when + 1}
				look := func(s line.Session) {
					named = named || !s.Holder.IsZero() && s.Possible.Meets(q)
					unknown = unknown || s.Holder.IsZero() && s.Certain.Meets(q)
				}
				past(rng, q, look)
				tr.Each(line.Address{Addr: rng.Prefix.Addr()}, 0, "", q, look)
				if !named || !unknown {
					t.Errorf("%s, interim %t, at %d: told of %t, in doubt %t", name, interim, when, named, unknown)
				}
			}
		}
	}
}
