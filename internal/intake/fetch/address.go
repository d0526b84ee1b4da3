package fetch

import (
	"context"
	"net"
	"net/netip"
	"strconv"
)

// dial resolves a name and opens a connection to the first of its addresses that answers. Unless the host is meant to
// be inside, every address that is not public is left out, and it is the address that was looked at that is dialled.
func (c *Client) dial(ctx context.Context, address string, internal bool) (net.Conn, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, err
	}
	all := []netip.Addr{}
	if a, err := netip.ParseAddr(host); err == nil {
		all = append(all, a)
	} else if all, err = c.opts.Lookup(ctx, host); err != nil {
		return nil, err
	}
	last := leads(Refused, "has a private address only: if it is a machine of your own, say internal: true of it in the config")
	for _, a := range all {
		if !internal && !public(a) {
			continue
		}
		conn, err := c.opts.Dial(ctx, netip.AddrPortFrom(a.Unmap(), uint16(port)))
		if err == nil {
			return conn, nil
		}
		last = err
	}
	return nil, last
}

// special are the networks that no public server has (RFC 6890, IANA's registries of special-purpose addresses), beside
// those that netip knows. Documentation networks are left out: nothing is behind them.
func special() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),      // RFC 1122 §3.2.1.3
		netip.MustParsePrefix("100.64.0.0/10"),  // RFC 6598: behind our own carrier-grade NAT
		netip.MustParsePrefix("192.0.0.0/24"),   // RFC 6890
		netip.MustParsePrefix("198.18.0.0/15"),  // RFC 2544: benchmarks
		netip.MustParsePrefix("240.0.0.0/4"),    // RFC 1112 §4, and broadcast
		netip.MustParsePrefix("::/96"),          // RFC 4291 §2.5.5.1: IPv4 inside
		netip.MustParsePrefix("64:ff9b:1::/48"), // RFC 8215
		netip.MustParsePrefix("100::/64"),       // RFC 6666: discarded
		netip.MustParsePrefix("2001::/23"),      // RFC 2928, Teredo among them
		netip.MustParsePrefix("5f00::/16"),      // RFC 9602
		netip.MustParsePrefix("fec0::/10"),      // RFC 3879
	}
}

// public reports whether an address is one of the Internet at large.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range special() {
		if p.Contains(a) {
			return false
		}
	}
	b := a.As16()
	switch { // addresses that lead to an IPv4 address by translation
	case a.Is4():
		return true
	case b[0] == 0x20 && b[1] == 0x02: // RFC 3056: 6to4
		return public(netip.AddrFrom4([4]byte(b[2:6])))
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a): // RFC 6052
		return public(netip.AddrFrom4([4]byte(b[12:])))
	}
	return true
}
