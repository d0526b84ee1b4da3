package network

import (
	"fmt"
	"strconv"
	"strings"
)

// ASN is the number of an autonomous system, 32 bits wide (RFC 6793). In the config it may be written 64500, AS64500
// or, for four bytes, 1.10 (RFC 5396). 0 is none.
type ASN uint32

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *ASN) UnmarshalText(b []byte) error {
	n, ok := parseASN(string(b))
	if !ok {
		return fmt.Errorf("%s is not an AS number: write it like 64500 or AS64500", strconv.Quote(clip(string(b))))
	}
	*a = ASN(n)
	return nil
}

// reserved says why nobody can hold the number; "" when somebody can. Numbers for private use are let through:
// they are somebody's on the inside.
func (a ASN) reserved() string {
	switch a {
	case 0:
		return "marks space that is not routed (RFC 7607)"
	case 23456:
		return "stands for numbers that do not fit 16 bits (RFC 6793)"
	case 65535, 4294967295:
		return "is reserved as the last of its size (RFC 7300)"
	}
	return ""
}

// parseASN reads a number as config and tables write it: 64500, AS64500, 1.10.
func parseASN(s string) (uint32, bool) {
	if len(s) > 2 && (s[0] == 'A' || s[0] == 'a') && (s[1] == 'S' || s[1] == 's') {
		s = s[2:]
	}
	if s == "" || s[0] < '0' || s[0] > '9' {
		return 0, false
	}
	if high, low, dotted := strings.Cut(s, "."); dotted {
		h, err := strconv.ParseUint(high, 10, 16)
		if err != nil {
			return 0, false
		}
		l, err := strconv.ParseUint(low, 10, 16)
		if err != nil {
			return 0, false
		}
		return uint32(h<<16 | l), true // both have 16 bits
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil
}

// clip cuts a value for a sentence, so that a hostile one cannot fill a screen.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
