package world

import (
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

// Line is one subscriber line of the ISP. Its addresses stay the same for all the world's days.
type Line struct {
	Number    int    // from 0
	Handle    string // random, says nothing about the subscriber
	Class     Class
	Prefix    netip.Prefix // its IPv6 /56
	Addr      netip.Addr   // its IPv4 address, or the one that it shares
	Shared    bool         // Addr belongs to the CGNAT
	FirstPort uint16       // of its port block, inclusive; 0 when Addr is its own
	LastPort  uint16
}

// Deterministic port blocks in the manner of RFC 7422: the line's number alone says address and block, so the
// operator logs nothing.
const (
	firstPort    = 1024 // RFC 7422 §2: well-known ports are not handed out
	portsPerLine = 400
	linesPerAddr = (1<<16 - firstPort) / portsPerLine
	staticLines  = 100 // business lines with an IPv4 address of their own
	businessOne  = 20  // one line in so many is a business
)

func makeLines(seed uint64, n int) []Line {
	lines := make([]Line, n)
	shared, static := 0, 0
	for i := range lines {
		l := Line{Number: i, Class: Residential, Handle: handle(seed, i)}
		a := linePool.Addr().As16()
		a[5] |= byte(i >> 8)
		a[6] = byte(i)
		l.Prefix = netip.PrefixFrom(netip.AddrFrom16(a), 56)
		if i%businessOne == 7 || n == 1 {
			l.Class = Business
		}
		if l.Class == Business && static < staticLines {
			l.Addr = plus(staticPool.Addr(), uint64(16+static))
			static++
		} else {
			l.Shared = true
			l.Addr = plus(cgnatPool.Addr(), uint64(1+shared/linesPerAddr))
			l.FirstPort = uint16(firstPort + portsPerLine*(shared%linesPerAddr))
			l.LastPort = l.FirstPort + portsPerLine - 1
			shared++
		}
		lines[i] = l
	}
	return lines
}

func handle(seed uint64, line int) string {
	return fmt.Sprintf("%016x", mix(mix(seed^0x6c696e65)+uint64(line)))
}

// LineAt returns the line that had this address and port; false when none had. A shared address without a port
// (0) is nobody's.
func (w *World) LineAt(a netip.Addr, port uint16) (Line, bool) {
	if linePool.Contains(a) {
		b := a.As16()
		if n := int(b[5])<<8 | int(b[6]); n < len(w.lines) { // the two bytes that makeLines sets
			return w.lines[n], true
		}
		return Line{}, false
	}
	here := w.at[a]
	if len(here) == 0 {
		return Line{}, false
	}
	if l := w.lines[here[0]]; !l.Shared {
		return l, true
	}
	block := (int(port) - firstPort) / portsPerLine
	if port < firstPort || block >= len(here) {
		return Line{}, false
	}
	return w.lines[here[block]], true
}

// site is a place on the network where a device can stand.
type site struct {
	net     *Network
	line    int32 // number of the line; -1 when it is not one of our lines
	v4      netip.Addr
	first   uint16 // ports that the site's connections leave from
	last    uint16
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
	l := &w.lines[n]
	s := site{
		net: &w.nets.Own, line: int32(n), v4: l.Addr, v6: l.Prefix, first: l.FirstPort, last: l.LastPort,
		town:    int(mix(uint64(n)) % uint64(len(towns))),
		urlHost: fmt.Sprintf("shop%d.examplenet.example", n),
	}
	b := l.Addr.As4()
	s.host = fmt.Sprintf("cgn-%d-%d-%d-%d.examplenet.example", b[0], b[1], b[2], b[3])
	if !l.Shared {
		s.first, s.last = 1024, 65535
		s.host = fmt.Sprintf("static-%d-%d-%d-%d.examplenet.example", b[0], b[1], b[2], b[3])
	}
	return s
}
