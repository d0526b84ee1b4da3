package line

import "net/netip"

// Session is that somebody held a range. Certain lies within Possible: for all of Certain the source says so, and
// outside of Possible it was somebody else or nobody. In between the log does not say.
type Session struct {
	Range    Range
	Holder   Holder
	Possible Span
	Certain  Span // may be empty
}

// Holder is who holds a range, as the room keeps it: a line, or an address behind a NAT. It is comparable. The zero value
// is nobody.
type Holder struct {
	Line   ID
	Inside Address // where Line is zero
}

// IsZero reports whether the holder is nobody.
func (h Holder) IsZero() bool { return h == Holder{} }

// ID numbers a line within one node and all its workers, from 1, for good. It means nothing outside of them.
type ID uint32

// Address is an address in a realm.
type Address struct {
	Addr  netip.Addr
	Realm string // "" is the Internet
}
