package line

import (
	"fmt"
	"net/netip"
	"time"

	"tocsin/internal/report"
)

// Action is what a record says has happened.
type Action uint8

// The actions. The zero value is none of them.
const (
	Start   Action = iota + 1 // begins to hold the range
	Alive                     // holds it still: an interim record, a renewed lease, a row of a table
	Stop                      // ends to hold it; without a Range every range of the session
	Reset                     // every session of the NAS has ended: it was started again, or goes down
	Swept                     // a table was read whole: sessions of the NAS that it did not say to be Alive have ended
	Missing                   // records of the NAS, or of all where NAS is "", may be missing from Since to At; of a Range's addresses, where it has one
)

// Moment is when something happened, by the source's own clock, in seconds of Unix time: at Earliest or later, and
// before or at Latest. They differ where the source says the time in local time and that hour came twice, or says it
// coarsely. The zero value is not known.
type Moment struct{ Earliest, Latest int64 }

// At is a moment that is known to the second.
func At(t time.Time) Moment { s := t.Unix(); return Moment{s, s} }

// IsZero reports whether the moment is not known.
func (m Moment) IsZero() bool { return m == Moment{} }

// Range is what one line holds alone: addresses of a prefix, and of these all ports, or some.
type Range struct {
	Prefix netip.Prefix // masked; IPv4 is never written as IPv4-in-IPv6
	Realm  string       // where the address means something: "" is the Internet, other names are private networks
	Proto  string       // lower case: tcp, udp; "": any
	Lo, Hi uint16       // ports Lo to Hi, both included; 0 and 65535 is all
}

// Whole is the range of all ports of a prefix on the Internet.
func Whole(p netip.Prefix) Range { return Range{Prefix: p.Masked(), Hi: 65535} }

// Held is who holds a range: a subscriber's line, or an address inside of a private network, which another source knows.
type Held struct {
	Line   string     // the source's own name for the line: a user name, a circuit, a hardware address; personal
	Inside netip.Addr // where Line is empty: the address behind the NAT
	Realm  string     // of Inside
}

// Record is one thing that a source says about who held what.
type Record struct {
	Action  Action
	NAS     string // whose sessions a Reset ends, and within which Session is unique
	Session string // the source's id of the session; empty: the range is it
	Range   Range
	Held    Held

	At    Moment // when it happened, or when it was seen to be so
	Since Moment // when the session began, where this says so and is no Start
	Until Moment // the session ends then unless it is renewed, as leases do; zero: it does not

	Received time.Time // when we got it: measures the source's clock; zero where that says nothing, as for a file
}

const maxText = 255 // bytes of a name

// Validate says what is wrong with a record, as a *report.FieldError; nil when it can be used.
func (r *Record) Validate() error {
	bad := func(field, rule string, args ...any) error {
		return &report.FieldError{Field: field, Rule: fmt.Sprintf(rule, args...)}
	}
	switch {
	case r.Action < Start || r.Action > Missing:
		return bad("action", "the record does not say what happened")
	case len(r.NAS) > maxText || len(r.Session) > maxText || len(r.Range.Realm) > maxText || len(r.Range.Proto) > maxText || len(r.Held.Realm) > maxText:
		return bad("session", "a name in the record is longer than %d characters", maxText)
	case r.At.IsZero():
		return bad("at", "the record says no time")
	case r.At.Latest < r.At.Earliest || r.Since.Latest < r.Since.Earliest || r.Until.Latest < r.Until.Earliest:
		return bad("at", "the record's time ends before it begins")
	case (r.Action == Reset || r.Action == Swept) && r.NAS == "":
		return bad("nas", "the record does not say which device or table it is about")
	case r.Action == Missing && (r.Since.IsZero() || r.Since.Earliest > r.At.Latest):
		return bad("since", "the record does not say since when records are missing")
	case r.Action >= Reset:
		return nil
	case !r.Range.Prefix.IsValid() && (r.Action != Stop || r.Session == ""):
		return bad("range", "the record says no address")
	case r.Range.Prefix.IsValid() && (r.Range.Prefix != r.Range.Prefix.Masked() || r.Range.Prefix.Addr().Is4In6()):
		return bad("range", "%s is no network", r.Range.Prefix)
	case r.Range.Hi < r.Range.Lo:
		return bad("range", "ports %d to %d are none", r.Range.Lo, r.Range.Hi)
	case r.Action != Stop && r.Held.Line == "" && !r.Held.Inside.IsValid():
		return bad("held", "the record does not say who holds the address")
	case !r.Since.IsZero() && r.Since.Earliest > r.At.Latest:
		return bad("since", "the session ends before it begins")
	case r.Action == Alive && !r.Until.IsZero() && r.Until.Latest < r.At.Earliest:
		return bad("until", "the lease ends before it begins")
	}
	return nil
}
