// Package fixednat is a NAT that needs no log: which inside address has which port of which outside address follows from
// its configuration alone (RFC 7422).
package fixednat

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"

	"tocsin/internal/line"
	"tocsin/internal/report"
)

// NAT is one configuration of a device, for as long as it is in force. Inside addresses are dealt out in their order:
// the first PerAddress of them share the first outside address, and so on, each with a block of Ports ports, of which the
// first begins at FirstPort (RFC 7422 §2.1, "sequential").
type NAT struct {
	Inside    netip.Prefix // IPv4
	Realm     string       // of Inside
	Outside   netip.Prefix // IPv4
	FirstPort uint16       // ports below are nobody's; 1024 where 0 is given
	Ports     uint16       // of one inside address; at least 1
	Valid     line.Span    // when the configuration was in force: certain from end to end
}

const defaultFirst = 1024 // RFC 7422 §2: well-known ports are not handed out

// Validate says what is wrong, as a *report.FieldError: more inside addresses than there are ports for is wrong too.
func (n *NAT) Validate() error {
	bad := func(field, rule string, args ...any) error {
		return &report.FieldError{Field: field, Rule: fmt.Sprintf(rule, args...)}
	}
	switch {
	case !n.Inside.IsValid() || !n.Inside.Addr().Is4() || n.Inside != n.Inside.Masked():
		return bad("inside", "%s is no network of IPv4", n.Inside)
	case !n.Outside.IsValid() || !n.Outside.Addr().Is4() || n.Outside != n.Outside.Masked():
		return bad("outside", "%s is no network of IPv4", n.Outside)
	case n.Ports == 0:
		return bad("ports", "say how many ports an inside address has")
	case n.perAddress() == 0:
		return bad("ports", "an outside address has %d ports to give away, fewer than the %d of one inside address", 65536-n.first(), n.Ports)
	case size(n.Inside) > size(n.Outside)*n.perAddress():
		return bad("inside", "%s has %d addresses, and there are ports for %d", n.Inside, size(n.Inside), size(n.Outside)*n.perAddress())
	case n.Valid.Empty():
		return bad("valid", "it was never in force")
	}
	return nil
}

func (n *NAT) first() int {
	if n.FirstPort == 0 {
		return defaultFirst
	}
	return int(n.FirstPort)
}

// perAddress is how many inside addresses share an outside address.
func (n *NAT) perAddress() uint64 { return uint64((65536 - n.first()) / int(n.Ports)) }

func size(p netip.Prefix) uint64 { return 1 << (32 - p.Bits()) }

func number(a netip.Addr) uint64 {
	b := a.As4()
	return uint64(binary.BigEndian.Uint32(b[:]))
}

func address(n uint64) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(n))
	return netip.AddrFrom4(b)
}

// Of returns the outside address and the ports that an inside address has; false where it has none.
func (n *NAT) Of(inside netip.Addr) (outside netip.Addr, lo, hi uint16, ok bool) {
	if !n.Inside.Contains(inside) {
		return netip.Addr{}, 0, 0, false
	}
	i := number(inside) - number(n.Inside.Addr())
	per := n.perAddress()
	first := n.first() + int(i%per)*int(n.Ports)
	return address(number(n.Outside.Addr()) + i/per), uint16(first), uint16(first + int(n.Ports) - 1), true
}

// At returns the inside address that has a port of an outside address; false where nobody has it.
func (n *NAT) At(outside netip.Addr, port uint16) (inside netip.Addr, ok bool) {
	if !n.Outside.Contains(outside) || int(port) < n.first() {
		return netip.Addr{}, false
	}
	per := n.perAddress()
	block := uint64((int(port) - n.first()) / int(n.Ports))
	i := (number(outside)-number(n.Outside.Addr()))*per + block
	if block >= per || i >= size(n.Inside) {
		return netip.Addr{}, false
	}
	return address(number(n.Inside.Addr()) + i), true
}

// Each is line.Sessions. There is no log, so there is nothing that it does not know.
func (n *NAT) Each(_ context.Context, a line.Address, port uint16, _ string, q line.Span, yield func(line.Session)) (line.Knowledge, error) {
	if a.Realm != "" || !n.Outside.Contains(a.Addr) || !n.Valid.Meets(q) {
		return line.Knowledge{}, nil
	}
	one := func(inside netip.Addr) {
		_, lo, hi, _ := n.Of(inside)
		yield(line.Session{
			Range:    line.Range{Prefix: netip.PrefixFrom(a.Addr, 32), Lo: lo, Hi: hi},
			Holder:   line.Holder{Inside: line.Address{Addr: inside, Realm: n.Realm}},
			Possible: n.Valid, Certain: n.Valid,
		})
	}
	if port != 0 {
		if inside, ok := n.At(a.Addr, port); ok {
			one(inside)
		}
		return line.Knowledge{}, nil
	}
	first := (number(a.Addr) - number(n.Outside.Addr())) * n.perAddress()
	for i := first; i < min(first+n.perAddress(), size(n.Inside)); i++ {
		one(address(number(n.Inside.Addr()) + i))
	}
	return line.Knowledge{}, nil
}

// Clock is nought: no clock is asked.
func (n *NAT) Clock(line.Span) int64 { return 0 }
