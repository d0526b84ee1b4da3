package network

import (
	"bufio"
	"context"
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// readDelegated reads the statistics that the regional registries publish, plain or extended ("RIR Statistics
// Exchange Format", version 2):
//
//	registry|cc|type|start|value|date|status[|opaque-id[|...]]
//
// They say in which country a block or an AS number is registered, never who announces it.
func (t *intoTable) readDelegated(ctx context.Context, in *bufio.Reader) error {
	return t.eachLine(ctx, in, func(n int64, line string) error {
		var fields [8]string
		got := splitBars(line, &fields)
		switch {
		case got >= 6 && isVersion(fields[0]): // the version line
			return nil
		case got >= 6 && fields[1] == "*" && fields[5] == "summary":
			return nil
		case got < 7:
			t.refuse(n, "the line has fewer than 7 fields: registry|cc|type|start|value|date|status")
			return nil
		}
		switch fields[6] {
		case "available", "reserved": // nobody holds it
			t.src.Rows++
			return nil
		case "allocated", "assigned":
		default:
			t.refuse(n, "the status is not one of allocated, assigned, available, reserved")
			return nil
		}
		return t.took(n, t.b.addDelegated(fields[1], fields[2], fields[3], fields[4]))
	})
}

func splitBars(line string, fields *[8]string) int {
	for n := range fields {
		f, rest, more := strings.Cut(line, "|")
		fields[n] = strings.TrimSpace(f)
		if !more {
			return n + 1
		}
		line = rest
	}
	return len(fields)
}

// isVersion reports whether a line's first field is the format's version, such as 2 or 2.3, and not a registry.
func isVersion(s string) bool {
	_, err := strconv.ParseFloat(s, 32)
	return err == nil && s[0] >= '0' && s[0] <= '9'
}

func (b *builder) addDelegated(cc, kind, start, value string) error {
	word, err := b.countryWord(cc)
	if err != nil {
		return err
	}
	switch kind {
	case "asn":
		return b.addDelegatedASNs(start, value, word)
	case "ipv4", "ipv6":
	default:
		return errors.New("the type is not one of asn, ipv4, ipv6")
	}
	first, err := netip.ParseAddr(start)
	if err != nil || first.Is4() != (kind == "ipv4") || first.Zone() != "" {
		return errors.New("the start is not an address of the line's type")
	}
	n, err := strconv.ParseUint(value, 10, 33)
	if err != nil || n == 0 {
		return errors.New("the value is not a number of addresses or a prefix length")
	}
	f := fact{cc: word}
	if kind == "ipv6" { // the value is the prefix length
		if n > 128 {
			return errors.New("the value is not a prefix length of IPv6")
		}
		return b.add(netip.PrefixFrom(first, int(n)), f)
	}
	// The value is the number of addresses, which need not be a power of two.
	last := number(first).lo + n - 1
	if last > 1<<32-1 {
		return errors.New("the block runs past the last IPv4 address")
	}
	return b.addRange(first, u128{0, last}.addr(true), f)
}

func (b *builder) addDelegatedASNs(start, value string, cc uint32) error {
	first, ok := parseASN(start)
	n, err := strconv.ParseUint(value, 10, 32)
	if !ok || err != nil || n == 0 || uint64(first)+n-1 > 1<<32-1 {
		return errors.New("the start and value are not a range of AS numbers")
	}
	if cc == 0 {
		return nil
	}
	return b.addASNs(first, first+uint32(n)-1, cc)
}
