// Package line says which subscriber line held an address, port and protocol at an instant: exactly one, several, none,
// or that what was known has been deleted. It never guesses (DESIGN.md §8.3): whatever may have been otherwise, because a
// log has a hole, a clock is off, a stop is missing or local time fell back, makes the answer less than unique.
//
// Sources (one folder each) say who held what as Records. A Tracker makes sessions of them, each with the time that it
// certainly covered and the time that it may have covered. Sessions lie in segment files, one set a source and day. A
// lookup puts the claims of all sources together.
package line

import (
	"net/netip"
	"regexp"
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

var protoShape = regexp.MustCompile(`^[a-z0-9-]{0,16}$`)

// IsProto reports whether a text can name a protocol, as tcp; "" is one that is not known.
func IsProto(s string) bool { return protoShape.MatchString(s) }
