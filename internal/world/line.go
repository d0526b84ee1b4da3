package world

import (
	"encoding/hex"
	"fmt"
	"net/netip"
)

// Class is what kind of customer a line serves.
type Class string

// The classes.
const (
	Residential Class = "residential"
	Business    Class = "business"
)

// Access is how a line comes by its IPv4 address.
type Access uint8

// The accesses.
const (
	Shared  Access = iota // an address inside by a DHCP lease, and outside some ports of one that many share
	Static                // an address of its own for good, which a table knows
	Dynamic               // another address each time that it dials in, which RADIUS accounting knows
)

// Line is one subscriber line of the ISP.
type Line struct {
	Number int    // from 0
	Name   string // as the ISP's own systems have it, the same in all of them; says nothing about a subscriber
	Class  Class
	Access Access
	Addr   netip.Addr   // its IPv4 address, where Access is Static
	Prefix netip.Prefix // its IPv6 /56, unless Access is Dynamic
	Region uint8        // which access network a shared line is in, and behind which NAT
}

const (
	staticLines  = 54 // at most: business lines
	dynamicLines = 50 // at most: residential lines, fewer than there are addresses for them
	businessOne  = 20 // one line in so many is a business
	dynamicOne   = 40 // and one in so many dials in, while there are addresses for it
)

func makeLines(n int) []Line {
	lines := make([]Line, n)
	static, dynamic := 0, 0
	for i := range lines {
		l := Line{Number: i, Class: Residential, Prefix: linePrefix(i), Region: uint8(i % len(regions))}
		if i%businessOne == 7 || n == 1 {
			l.Class = Business
		}
		switch {
		case l.Class == Business && static < staticLines:
			l.Access, l.Name = Static, fmt.Sprintf("leased-%03d", static+1)
			l.Addr = plus(staticPool.Addr(), uint64(8+static))
			static++
		case i%dynamicOne == 11 && dynamic < dynamicLines:
			l.Access, l.Name = Dynamic, fmt.Sprintf("dial%03d@examplenet.example", dynamic+1)
			l.Prefix = netip.Prefix{}
			dynamic++
		default: // the port of an access node, as DHCP servers write a circuit id (RFC 3046 §3.1)
			l.Name = hex.EncodeToString(fmt.Appendf(nil, "%s-%02d/%02d/%02d", regions[l.Region].name, i/4096, i/64%64, i%64))
		}
		lines[i] = l
	}
	return lines
}

// linePrefix is the n-th /56 of the lines. Those that dial in take theirs from the upper half.
func linePrefix(n int) netip.Prefix {
	a := linePool.Addr().As16()
	a[5] |= byte(n >> 8)
	a[6] = byte(n)
	return netip.PrefixFrom(netip.AddrFrom16(a), 56)
}

// site is a place on the network where a device can stand.
type site struct {
	net     *Network
	line    int32 // number of the line; -1 when it is not one of our lines, and then all below is fixed
	v4      netip.Addr
	v6      netip.Prefix // /56 or shorter
	town    int
	host    string // reverse name of v4
	urlHost string // a web site there
}

var towns = [...]struct{ region, city string }{
	{"NORTHSHIRE", "ALDERTON"},
	{"NORTHSHIRE", "BECKFORD"},
	{"NORTHSHIRE", "GREAT EXAMPLE"},
	{"HARBOUR", "PORT SAMPLE"},
	{"HARBOUR", "LITTLE QUAY"},
	{"HILLS", "UPPER TESTING"},
	{"HILLS", "LOWER TESTING"},
}

func (w *World) lineSite(n int) site {
	return site{
		net: &w.nets.Own, line: int32(n), town: int(mix(uint64(n)) % uint64(len(towns))),
		urlHost: fmt.Sprintf("shop%d.examplenet.example", n),
	}
}

// reach is how the Internet sees a site at an instant.
type reach struct {
	v4    netip.Addr
	first uint16 // ports that its connections leave from
	last  uint16
	v6    netip.Prefix
	host  string // reverse name of v4
}

// reach says how a site was seen; false where its line was not connected.
func (w *World) reach(s *site, at int64) (reach, bool) {
	if s.line < 0 {
		return reach{s.v4, 1024, 65535, s.v6, s.host}, true
	}
	l := &w.lines[s.line]
	r := reach{v4: l.Addr, first: 1024, last: 65535, v6: l.Prefix}
	kind := "static"
	switch l.Access {
	case Shared:
		b := w.access.blockAt(s.line, at)
		if b == nil {
			return reach{}, false
		}
		kind = "cgn"
		r.v4, r.first, r.last = w.access.outside(b.slot)
	case Dynamic:
		d := w.access.dialAt(s.line, at)
		if d == nil {
			return reach{}, false
		}
		kind = "dyn"
		r.v4, r.v6 = d.addr, d.prefix
	}
	b := r.v4.As4()
	r.host = fmt.Sprintf("%s-%d-%d-%d-%d.examplenet.example", kind, b[0], b[1], b[2], b[3])
	return r, true
}
