package line_test

import (
	"net/netip"
	"strconv"
	"testing"

	"tocsin/internal/line"
)

// BenchmarkTake is a session of one of 200,000 addresses, from its start to where the tracker lets go of it: of RADIUS,
// with a name, or of a NAT, a block of ports without one.
func BenchmarkTake(b *testing.B) {
	const (
		ranges  = 200_000
		lasting = 6 * 3600
	)
	for name, block := range map[string]uint16{"named": 0, "block": 512} {
		b.Run(name, func(b *testing.B) {
			emitted := 0
			t := line.NewTracker(line.Rules{}, nil, func(line.Session) { emitted++ })
			rec := func(n int, what line.Action, at int64) *line.Record {
				i := n % ranges
				r := &line.Record{Action: what, NAS: "n", At: line.Moment{Earliest: at, Latest: at}}
				if block == 0 {
					r.Session = strconv.Itoa(n)
					r.Range = line.Whole(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32))
					return r
				}
				a := netip.AddrFrom4([4]byte{100, 64, byte(i >> 14), byte(i >> 6)})
				r.Range = line.Range{Prefix: netip.PrefixFrom(a, 32), Lo: uint16(i%64) * block, Hi: uint16(i%64)*block + block - 1}
				return r
			}
			at := func(n int) int64 { return int64(n)*lasting/ranges + 1_772_323_200 }
			for n := range ranges {
				t.Take(rec(n, line.Start, at(n)), line.Holder{Line: line.ID(n%1000 + 1)})
			}
			b.ReportAllocs()
			n := ranges
			for b.Loop() {
				t.Take(rec(n-ranges, line.Stop, at(n)-40), line.Holder{Line: line.ID(n%1000 + 1)})
				t.Take(rec(n, line.Start, at(n)), line.Holder{Line: line.ID(n%1000 + 1)})
				n++
			}
		})
	}
}
