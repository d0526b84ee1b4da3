package line_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
	"tocsin/internal/line"
)

func dbg(n *network, addr string, port uint16, ms int64, w int64) {
	a := netip.MustParseAddr(addr)
	fmt.Println("==", addr, port, unix(ms)-beginSim.Unix())
	u := unix(ms)
	q := line.Span{u - w, u + w + 1}
	show := func(name string, fs []*fact) {
		for _, f := range fs {
			if f.to/1000 > ms/1000-w-4000 && f.from/1000 < ms/1000+w+4000 {
				var s []line.Span
				for _, x := range f.sure { s = append(s, line.Span{x.From - u, x.To - u}) }
				fmt.Println("  fact", name, f.from/1000-ms/1000, f.to/1000-ms/1000, f.line, f.inside, s)
			}
		}
	}
	show("radius", n.radius[a]); show("lease", n.leases[a])
	if port >= 1024 { show("block", n.blocks[block{a, (port-1024)/blockSize*blockSize + 1024}]) }
	for i, s := range n.logs {
		for _, realm := range []string{"", cgnRealm} {
			p := port
			if realm != "" { p = 0 }
			s.Each(line.Address{a, realm}, p, "", line.Span{q.From - 4000, q.To + 4000}, func(x line.Session) {
				fmt.Println("  claim", i, x.Range, x.Holder, x.Possible.From-u, x.Possible.To-u, x.Certain.From-u, x.Certain.To-u)
			})
		}
		for _, g := range n.gaps[i] { fmt.Println("  gap", i, g.From-u, g.To-u) }
		for _, r := range n.records[i] {
			if r.r.Range.Prefix.Contains(a) && r.r.Range.Lo <= port && port <= r.r.Range.Hi && r.r.At.Latest > u-4000 && r.r.At.Earliest < u+4000 {
				fmt.Println("  rec", i, r.r.Action, r.r.Session, r.holder, r.r.At.Earliest-u, r.r.At.Latest-u, r.r.Until.Earliest-u, "comes", r.comes-u)
			}
		}
	}
}

func TestDbg(t *testing.T) {
	n := simulate(0)
	ms := int64(0)
	for _, c := range []struct{a string; p uint16; at string}{{"192.0.2.1",24178,"2026-10-25T00:10:24.205Z"},{"192.0.2.1",54004,"2026-10-25T05:05:56.256Z"},{"192.0.2.1",41866,"2026-10-25T07:49:53.432Z"}} {
		x, _ := time.Parse(time.RFC3339Nano, c.at)
		ms = x.UnixMilli()-beginSim.UnixMilli()
		dbg(n, c.a, c.p, ms, 5)
		for _, f := range n.blocks[block{netip.MustParseAddr(c.a), (c.p-1024)/blockSize*blockSize + 1024}] {
			if f.from-10000<ms && f.to+10000>ms { dbg(n, f.inside.String(), 0, ms, 5) }
		}
	}
}
