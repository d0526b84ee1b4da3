package xarf

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// format is a form of text that the specification names, and that its own validators assert.
type format struct {
	is   string // after "is not"
	fits func(string) bool
}

var (
	asUUID     = &format{"a UUID (RFC 9562)", isUUID}
	asDateTime = &format{"a date and time with zone (RFC 3339), like 2026-03-01T02:10:00Z", isDateTime}
	asDate     = &format{"a date like 2026-03-01 (RFC 3339)", isDate}
	asEmail    = &format{"an e-mail address", isEmail}
	asHostname = &format{"a host name", isHostname}
	asIPv4     = &format{"an IPv4 address", isIPv4}
	asIPv6     = &format{"an IPv6 address", isIPv6}
	asIP       = &format{"an IP address", func(s string) bool { return isIPv4(s) || isIPv6(s) }}
	asURI      = &format{"a URL with scheme (RFC 3986)", isURI}
)

// isUUID: RFC 9562 §4, any version.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return true
}

func isDate(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

// isDateTime: RFC 3339 §5.6, leap seconds only where one can be (§5.7).
func isDateTime(s string) bool {
	if len(s) < 20 || s[10]|0x20 != 't' || !isDate(s[:10]) || s[13] != ':' || s[16] != ':' {
		return false
	}
	hour, minute, second := twoDigits(s[11:]), twoDigits(s[14:]), twoDigits(s[17:])
	rest := s[19:]
	if rest[0] == '.' {
		n := 1
		for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		if n == 1 {
			return false
		}
		rest = rest[n:]
	}
	offset := 0 // minutes
	if rest != "Z" && rest != "z" {
		if len(rest) != 6 || rest[3] != ':' || rest[0] != '+' && rest[0] != '-' {
			return false
		}
		h, m := twoDigits(rest[1:]), twoDigits(rest[4:])
		if h < 0 || h > 23 || m < 0 || m > 59 {
			return false
		}
		offset = h*60 + m
		if rest[0] == '-' {
			offset = -offset
		}
	}
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 {
		return false
	}
	const day = 24 * 60
	return second < 60 || (hour*60+minute-offset+day)%day == day-1
}

// twoDigits is the number that s begins with, -1 when it does not begin with two digits.
func twoDigits(s string) int {
	if s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9' {
		return -1
	}
	return int(s[0]-'0')*10 + int(s[1]-'0')
}

// isEmail: the Mailbox of RFC 5321 §4.1.2 in ASCII, with the length limits of §4.5.3.1.
func isEmail(s string) bool {
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at > 64 || len(s) > 254 {
		return false
	}
	local, domain := s[:at], s[at+1:]
	if len(local) > 1 && local[0] == '"' && local[at-1] == '"' {
		if strings.ContainsAny(local[1:at-1], `\"`) {
			return false
		}
	} else if !isDotAtom(local) {
		return false
	}
	if inner, ok := strings.CutPrefix(domain, "["); ok && strings.HasSuffix(inner, "]") {
		inner = inner[:len(inner)-1]
		if v6, ok := strings.CutPrefix(inner, "IPv6:"); ok {
			return isIPv6(v6)
		}
		return isIPv4(inner)
	}
	return isHostname(domain)
}

func isDotAtom(s string) bool {
	if s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !letterOrDigit(c) && strings.IndexByte(".!#$%&'*+-/=?^_`{|}~", c) < 0 {
			return false
		}
	}
	return true
}

// isHostname: RFC 1123 §2.1, a dot at the end allowed.
func isHostname(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if !letterOrDigit(label[i]) && label[i] != '-' {
				return false
			}
		}
	}
	return true
}

func letterOrDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// isIPv4: four decimals without leading zeros, which some readers take for octal (RFC 6943 §3.1.1).
func isIPv4(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is4()
}

// isIPv6: RFC 4291 §2.2 without a zone.
func isIPv6(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is6() && a.Zone() == ""
}

// isURI: RFC 3986 as far as Go's parser checks it, with a scheme.
func isURI(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" {
		return false
	}
	host := u.Hostname()
	if !strings.Contains(host, ":") {
		return true
	}
	return strings.Contains(u.Host, "[") && strings.Contains(u.Host, "]") && isIPv6(host)
}

// readTime reads a time of a report. RFC 3339 is what XARF demands; of the deviations that senders make, a space
// for the T and a missing zone, which then is UTC, are read as well.
func readTime(s string) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UTC(), true
	}
	b := []byte(strings.ToUpper(s))
	if len(b) < 19 || b[10] != 'T' && b[10] != ' ' {
		return time.Time{}, false
	}
	b[10] = 'T'
	leap := b[17] == '6' && b[18] == '0' // RFC 3339 §5.7; Go has no such second
	if leap {
		b[17], b[18] = '5', '9'
	}
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, string(b)); err == nil {
			if leap {
				t = t.Add(time.Second)
			}
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// readPort reads a port from a number or a text of digits; 0 is none.
func readPort(v *value) uint16 {
	if v.kind != number && v.kind != text {
		return 0
	}
	if n, err := strconv.ParseUint(string(v.text), 10, 16); err == nil {
		return uint16(n)
	}
	if v.kind != number {
		return 0
	}
	d := readDecimal(v.text) // 443.0 is the whole number 443 too
	if d.fraction || d.negative || d.more(65535) {
		return 0
	}
	return uint16(d.whole)
}
