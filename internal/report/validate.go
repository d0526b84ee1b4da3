package report

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of one event; what exceeds them is refused, not cut.
const (
	MaxDetails     = 1000    // columns beside the named ones
	MaxDetailBytes = 1 << 20 // all names and values together
	MaxTags        = 64
	MaxTagBytes    = 128
	MaxURLBytes    = 8192
	maxDomainBytes = 253 // RFC 1035 §2.3.4
)

// FieldError is one broken rule: which field, and a sentence that the reporter can act on.
type FieldError struct {
	Field string
	Rule  string
}

// Error returns the sentence.
func (e *FieldError) Error() string { return e.Rule }

// FieldErrors finds every broken rule in an error, whether it is joined with others or wrapped, in their order.
func FieldErrors(err error) []*FieldError {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*FieldError
		for _, one := range joined.Unwrap() {
			all = append(all, FieldErrors(one)...)
		}
		return all
	}
	if f, ok := err.(*FieldError); ok { //nolint:errorlint // wrapped ones are unwrapped below, joined ones above
		return []*FieldError{f}
	}
	if inner := errors.Unwrap(err); inner != nil {
		return FieldErrors(inner)
	}
	return nil
}

// earliest is the year before which no abuse report is believed: clocks that start at 1970 are the usual cause.
var earliest = time.Date(1995, 1, 1, 0, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // constant

// Validate reports every broken rule at once, joined, each a *FieldError; nil when the event can be used.
// received is when its report came in.
func (e *Event) Validate(received time.Time) error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &FieldError{field, fmt.Sprintf(format, args...)})
	}
	if !e.Kind.Valid() {
		bad("type", "%q is no kind of RSIT 1003", e.Kind.String())
	}
	switch {
	case e.From.IsZero():
		bad("from", "the row has no time")
	case e.From.Before(earliest):
		bad("from", "the time %s is before 1995: check the sender's clock", e.From.Format(time.RFC3339))
	case e.From.After(received.Add(24 * time.Hour)):
		bad("from", "the time %s is more than a day in the future: check the sender's clock", e.From.Format(time.RFC3339))
	}
	if !e.To.IsZero() && !e.To.After(e.From) {
		bad("to", "the period ends at %s, which is not after its start", e.To.Format(time.RFC3339))
	}
	if !e.To.IsZero() && e.To.After(received.Add(24*time.Hour)) {
		bad("to", "the period ends at %s, more than a day in the future: check the sender's clock", e.To.Format(time.RFC3339))
	}
	e.validateSubject(bad)
	e.validateNames(bad)
	e.validateDetails(bad)
	switch e.Severity {
	case "", SeverityLow, SeverityMedium, SeverityHigh, SeverityCritical:
	default:
		bad("severity", "%s is no severity: low, medium, high or critical", quote(string(e.Severity)))
	}
	return errors.Join(errs...)
}

func (e *Event) validateSubject(bad func(field, format string, args ...any)) {
	s := &e.Subject
	if !s.Addr.IsValid() && !s.Prefix.IsValid() && s.Domain == "" && s.URL == "" && s.ASN == 0 {
		bad("subject", "the row names no address, domain or URL")
	}
	if why := unusable(s.Addr); why != "" {
		bad("subject.addr", "%s %s", s.Addr, why)
	}
	switch p := s.Prefix; {
	case p == netip.Prefix{}:
	case s.Addr.IsValid():
		bad("subject.prefix", "the row is about %s and about the network %s: one of them is the subject", s.Addr, p)
	case !p.IsValid() || p != p.Masked():
		bad("subject.prefix", "%s is no network: its host bits are not zero", p)
	case p.Bits() == 0:
		bad("subject.prefix", "%s is no network: it is all there is", p)
	default:
		if why := unusable(p.Addr()); why != "" && !p.Addr().IsUnspecified() { // 0.0.0.0/8 is on lists of bogons
			bad("subject.prefix", "%s begins with an address that %s", p, why)
		}
	}
}

func (e *Event) validateNames(bad func(field, format string, args ...any)) {
	for _, d := range [2]struct{ field, name string }{
		{"subject.domain", e.Subject.Domain}, {"target.domain", e.Target.Domain},
	} {
		if d.name != "" && !ValidDomain(d.name) {
			bad(d.field, "%s is not a domain name", quote(d.name))
		}
	}
	for _, u := range [2]struct{ field, url string }{{"subject.url", e.Subject.URL}, {"target.url", e.Target.URL}} {
		if len(u.url) > MaxURLBytes {
			bad(u.field, "the URL has %d bytes, more than %d", len(u.url), MaxURLBytes)
		} else if u.url != "" && !usableText(u.url) {
			bad(u.field, "the URL holds bytes that are not text")
		}
	}
	if !word(e.Subject.Proto, 32) {
		bad("subject.proto", "%s is not a protocol name", quote(e.Subject.Proto))
	}
	if e.Subject.CC != "" && !twoCapitals(e.Subject.CC) {
		bad("subject.cc", "%s is not a country code of two letters", quote(e.Subject.CC))
	}
	if len(e.Tags) > MaxTags {
		bad("tags", "the row has %d tags, more than %d", len(e.Tags), MaxTags)
	}
	for _, t := range e.Tags {
		if t == "" || len(t) > MaxTagBytes || !usableText(t) {
			bad("tags", "%s is not a tag: 1 to %d bytes of text", quote(t), MaxTagBytes)
			break
		}
	}
}

func (e *Event) validateDetails(bad func(field, format string, args ...any)) {
	if len(e.Details) > MaxDetails {
		bad("details", "the row has %d more columns than its format knows, more than %d", len(e.Details), MaxDetails)
		return
	}
	n := 0
	for i := range e.Details {
		d := &e.Details[i]
		n += len(d.Name) + len(d.Value)
		if !usableText(d.Name) || !usableText(d.Value) {
			bad("details", "column %s holds a NUL byte or bytes that are not UTF-8", quote(d.Name))
			return
		}
	}
	if n > MaxDetailBytes {
		bad("details", "the row's columns have %d bytes, more than %d", n, MaxDetailBytes)
	}
}

// unusable says why an address cannot be anybody's on the Internet; "" when it can. Private space is let through:
// it is somebody's on the inside, and the network room says whose.
func unusable(a netip.Addr) string {
	switch {
	case !a.IsValid():
		return ""
	case a.IsUnspecified():
		return "is no host: it means any address" // RFC 1122 §3.2.1.3, RFC 4291 §2.5.2
	case a.IsLoopback():
		return "is every host's own loopback address" // RFC 1122 §3.2.1.3, RFC 4291 §2.5.3
	case a.IsMulticast():
		return "is a multicast group, not a host" // RFC 5771, RFC 4291 §2.7
	case a.Is4() && a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "is the broadcast address, not a host" // RFC 919 §7
	}
	return ""
}

// ValidDomain reports whether s is a host name in lower case, letters, digits, hyphens and underscores
// (RFC 1035 §2.3.1, RFC 2181 §11), with at least one dot or a single label.
func ValidDomain(s string) bool {
	if s == "" || len(s) > maxDomainBytes {
		return false
	}
	label, ascii := 0, true
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '.':
			if label == 0 {
				return false
			}
			label = 0
			continue
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
		case c >= 0x80: // a name in Unicode, not yet in its A-label form: kept as the source wrote it
			ascii = false
		default:
			return false
		}
		if label++; label > 63 {
			return false
		}
	}
	return label > 0 && (ascii || utf8.ValidString(s))
}

// usableText reports whether s is UTF-8 without NUL: what both databases and every reader can hold.
func usableText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c == 0 || c >= utf8.RuneSelf {
			return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
		}
	}
	return true
}

func word(s string, limit int) bool {
	if len(s) > limit {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '/' && c != '.' {
			return false
		}
	}
	return true
}

func twoCapitals(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}

// quote puts a value into a sentence, cut so that a hostile one cannot fill a screen.
func quote(s string) string {
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "") + "…"
	}
	return strconv.Quote(s)
}

// Reason turns what Validate or ParseAddr returned into the one sentence of a RowError.
func Reason(err error) string {
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}
