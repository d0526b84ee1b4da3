package report

import (
	"net/netip"
	"strconv"
	"time"
)

// Event is one row of a report: one observation about one subject. It is valid until the parser's next step:
// whoever keeps it longer clones it.
type Event struct {
	Format   string // which format read it, e.g. "shadowserver"
	Feed     string // which of the source's products, e.g. "scan_telnet"
	Row      int64  // record in the document, from 1
	Kind     Kind
	Tags     []string  // names of the thing, the leading one first: "open-telnet", "cve-2020-10188"
	From     time.Time // UTC; when it was seen
	To       time.Time // UTC; end of the period [From, To), zero where the source gives an instant
	Subject  Subject
	Target   Target
	Severity Severity
	Details  []Detail // every other column of the source, unchanged, in the source's order
}

// Subject is the address, domain or URL that misbehaves, is weak or is hit; where the source speaks of a network as a
// whole, its prefix, and where it speaks of nothing smaller than an autonomous system, that.
type Subject struct {
	Addr   netip.Addr   // IPv4-mapped undone; personal
	Prefix netip.Prefix // a whole network, only where there is no address; host bits are zero
	Port   uint16       // 0 when not given
	Proto  string       // transport, lower case: tcp, udp, icmp
	Domain string       // lower case, no trailing dot; personal
	URL    string       // personal
	ASN    uint32       // as the report says, not as our tables say; 0 when not given
	CC     string       // ISO 3166-1 alpha-2, upper case
}

// Target is what the subject did it to, where the source says.
type Target struct {
	Addr   netip.Addr // personal
	Port   uint16
	Domain string // personal
	URL    string // personal
}

// Detail is one column of the source that has no member of its own.
type Detail struct {
	Name  string
	Value string // as the source wrote it; personal
}

// Severity is how bad the source says it is; "" when it does not say.
type Severity string

// The severities.
const (
	SeverityLow      Severity = "low"
	SeverityMedium   Severity = "medium"
	SeverityHigh     Severity = "high"
	SeverityCritical Severity = "critical"
)

// Rank orders severities: 0 not given, 1 low to 4 critical.
func (s Severity) Rank() int {
	switch s {
	case SeverityLow:
		return 1
	case SeverityMedium:
		return 2
	case SeverityHigh:
		return 3
	case SeverityCritical:
		return 4
	}
	return 0
}

// Tag returns the leading tag, "" when there is none.
func (e *Event) Tag() string {
	if len(e.Tags) == 0 {
		return ""
	}
	return e.Tags[0]
}

// Detail returns the value of the named detail, "" when there is none.
func (e *Event) Detail(name string) string {
	for i := range e.Details {
		if e.Details[i].Name == name {
			return e.Details[i].Value
		}
	}
	return ""
}

// Last is the last instant that the event speaks of: To where there is a period, else From.
func (e *Event) Last() time.Time {
	if e.To.IsZero() {
		return e.From
	}
	return e.To
}

// String is the subject as one word: the first that it has of address, prefix, domain, URL, and AS number as AS64500.
func (s Subject) String() string {
	switch {
	case s.Addr.IsValid():
		return s.Addr.String()
	case s.Prefix.IsValid():
		return s.Prefix.String()
	case s.Domain != "":
		return s.Domain
	case s.URL != "":
		return s.URL
	case s.ASN != 0:
		return "AS" + strconv.FormatUint(uint64(s.ASN), 10)
	}
	return ""
}

// ParseAddr reads an address as reports write it: IPv4-mapped IPv6 becomes IPv4 (RFC 4291 §2.5.5.2), a zone is
// refused because it means nothing outside the sender's host.
func ParseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, &FieldError{"addr", quote(s) + " is not an IP address"}
	}
	if a.Zone() != "" {
		return netip.Addr{}, &FieldError{"addr", quote(s) + " has a zone, which means nothing to others: leave it out"}
	}
	return a.Unmap(), nil
}

// ParsePrefix reads a network as reports write it: IPv4-mapped IPv6 becomes IPv4, and host bits that are set are
// cleared, because many lists write the network by any of its addresses.
func ParsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, &FieldError{"prefix", quote(s) + " is no network: write it like 198.51.100.0/24 or 2001:db8::/32"}
	}
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// RankedSeverity undoes Severity.Rank.
func RankedSeverity(rank int) Severity {
	all := [...]Severity{"", SeverityLow, SeverityMedium, SeverityHigh, SeverityCritical}
	if rank < 0 || rank >= len(all) {
		return ""
	}
	return all[rank]
}
