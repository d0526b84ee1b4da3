// Package line says which subscriber line held an address, port and protocol at an instant: exactly one, several, none,
// or that what was known has been deleted. It never guesses (DESIGN.md §8.3): whatever may have been otherwise, because a
// log has a hole, a clock is off, a stop is missing or local time fell back, makes the answer less than unique.
//
// Sources (one folder each) say who held what as Records. A Tracker makes sessions of them, each with the time that it
// certainly covered and the time that it may have covered. Sessions lie in segment files, one set a source and day. A
// lookup puts the claims of all sources together.
package line

import (
	"cmp"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Selector is one question: who held this address, port and protocol at this instant?
type Selector struct {
	Addr  netip.Addr
	Port  uint16 // 0: not known
	Proto string // lower case: tcp, udp; "": not known

	At          time.Time
	Uncertainty time.Duration // At may be off by so much, either way; at least zero

	// Or is the other instant that the time as received may mean, where it fell into the hour that local time has
	// twice; else zero.
	Or       time.Time
	Zone     string // the zone as received, "" where none was: kept for whoever checks the answer
	Document string // what the question is taken from, for the log of questions
}

// protocols are those that are known by name, by their IANA numbers.
var protocols = map[string]string{
	"1": "icmp", "6": "tcp", "17": "udp", "33": "dccp", "47": "gre", "50": "esp", "51": "ah", "58": "icmpv6", "132": "sctp", "136": "udplite",
}

// Protocol is how a protocol is written here, of its name or its number as logs have it: its name in small letters, the
// number where there is none. "" is one that is not known. False where it is neither.
func Protocol(s string) (string, bool) {
	if s == "" {
		return "", true
	}
	if n, err := strconv.ParseUint(s, 10, 8); err == nil {
		number := strconv.FormatUint(n, 10)
		return cmp.Or(protocols[number], number), true
	}
	name := strings.ToLower(s)
	for _, known := range protocols {
		if known == name {
			return known, true
		}
	}
	return "", false
}
