package shadowserver

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"tocsin/internal/report"
)

// clock reads the times of a document. Most rows of a report are of the same day, so the day is kept.
type clock struct {
	day  string // the last one read, "2026-03-01"
	unix int64  // its start
}

// layouts are the other forms in which times have been seen. A time without a zone is UTC: "timestamp" is UTC by
// Shadowserver's documentation, and intelmq.json says so for each type.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 MST", "2006-01-02T15:04:05",
	"2006-01-02 15:04:05.999999999", "2006-01-02 15:04:05Z0700", "2006-01-02T15:04:05Z0700",
	"2006-01-02 15:04:05Z07", "2006-01-02 15:04:05 -07:00", "2006-01-02 15:04:05 -0700",
}

// read returns the time that s names.
func (c *clock) read(s string) (time.Time, bool) {
	if len(s) == len("2006-01-02 15:04:05") && s[10] == ' ' && s[13] == ':' && s[16] == ':' {
		h, m, sec := two(s[11:]), two(s[14:]), two(s[17:])
		if (s[:10] == c.day || c.setDay(s[:10])) && h < 24 && m < 60 && sec < 60 {
			return time.Unix(c.unix+int64(h*3600+m*60+sec), 0).UTC(), true
		}
		return time.Time{}, false
	}
	s = strings.Trim(s, " ")
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			if zone, _ := t.Zone(); layout == "2006-01-02 15:04:05 MST" && zone != "UTC" && zone != "GMT" {
				continue // an abbreviation that is not UTC names no zone for certain
			}
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func (c *clock) setDay(s string) bool {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return false
	}
	c.day, c.unix = strings.Clone(s), t.Unix()
	return true
}

// two reads two digits; what is not two digits is 100 or more.
func two(s string) uint {
	a, b := uint(s[0]-'0'), uint(s[1]-'0')
	if a > 9 || b > 9 {
		return 100
	}
	return a*10 + b
}

// address reads an address; the usual dotted form without the detour.
func address(s string) (netip.Addr, error) {
	var four [4]byte
	part, value, digits := 0, uint(0), 0
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			if digits++; digits > 1 && value == 0 { // a leading zero: octal to some, so nobody's
				return report.ParseAddr(s)
			}
			if value = value*10 + uint(c-'0'); value > 255 {
				return report.ParseAddr(s)
			}
		case c == '.' && digits > 0 && part < 3:
			four[part] = byte(value)
			part, value, digits = part+1, 0, 0
		default:
			return report.ParseAddr(s)
		}
	}
	if part != 3 || digits == 0 {
		return report.ParseAddr(s)
	}
	four[3] = byte(value)
	return netip.AddrFrom4(four), nil
}

// oddAddress reads an address in a form that is not the usual one: between spaces, or as a network of one address.
// Otherwise it says what is wrong, or what was wrong with the usual form.
func oddAddress(s string, err error) (netip.Addr, error) {
	s = strings.Trim(s, " ")
	network, bad := netip.ParsePrefix(s)
	if bad == nil && network.IsSingleIP() {
		return network.Addr().Unmap(), nil
	}
	if bad == nil {
		return netip.Addr{}, fmt.Errorf("%s is a network: an event is about one address", network)
	}
	if a, bad := report.ParseAddr(s); bad == nil {
		return a, nil
	}
	return netip.Addr{}, err
}

// number reads digits up to limit.
func number(s string, limit uint64) (uint64, bool) {
	if s == "" || len(s) > 10 {
		return 0, false
	}
	n := uint64(0)
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + uint64(c)
	}
	return n, n <= limit
}

// lower is strings.ToLower without its cost for the usual value that is in lower case already.
func lower(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'Z' || c >= 0x80 {
			return strings.ToLower(s)
		}
	}
	return s
}

// word reports whether s can be the name of a transport protocol.
func word(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// country reports whether s is a country code as ISO 3166-1 writes it.
func country(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}

// host returns the domain name that s is, "" when it is none: an address, an empty name, something else.
func host(s string) string {
	s = strings.TrimSuffix(lower(s), ".")
	if !report.ValidDomain(s) || strings.IndexByte(s, '.') < 0 {
		return ""
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return ""
	}
	return s
}

// cve reports whether s is the name of a vulnerability in lower case.
func cve(s string) bool {
	rest, ok := strings.CutPrefix(s, "cve-")
	if !ok {
		return false
	}
	year, serial, ok := strings.Cut(rest, "-")
	return ok && digits(year) && digits(serial)
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
