package list

import (
	"fmt"
	"math/bits"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"tocsin/internal/report"
)

func lower(s string) string { return strings.ToLower(s) }

// short quotes a value for a sentence.
func short(s string) string {
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "") + "…"
	}
	return strconv.Quote(s)
}

// refang undoes what people do to addresses so that nobody clicks on them: hxxp://www[.]example[.]com.
func refang(s string) string {
	if strings.ContainsAny(s, "[({") {
		s = dots.Replace(s)
	}
	if len(s) > 4 && (s[0] == 'h' || s[0] == 'H') && (s[1] == 'x' || s[1] == 'X') && strings.EqualFold(s[:4], "hxxp") {
		s = "http" + s[4:]
	}
	return s
}

var dots = strings.NewReplacer("[.]", ".", "(.)", ".", "{.}", ".", "[dot]", ".", "(dot)", ".", "[:]", ":", "[://]", "://")

// whatever reads a value that may be an address, a network, a URL, an AS number, an address and port, or a domain.
func whatever(v string) (report.Subject, error) {
	var s report.Subject
	v = refang(v)
	if a, err := report.ParseAddr(v); err == nil {
		s.Addr = a
		return s, nil
	}
	if strings.Contains(v, "://") {
		u, ok := address(v)
		if !ok {
			return s, fmt.Errorf("%s is no URL", short(v))
		}
		s.URL = u
		s.Addr, s.Port = literal(u)
		return s, nil
	}
	if p, ok := network(v); ok {
		setPrefix(&s, p)
		return s, nil
	}
	if ap, err := netip.ParseAddrPort(v); err == nil && ap.Addr().Zone() == "" {
		s.Addr, s.Port = ap.Addr().Unmap(), ap.Port()
		return s, nil
	}
	if len(v) > 2 && (v[0] == 'A' || v[0] == 'a') && (v[1] == 'S' || v[1] == 's') {
		if n, ok := asNumber(v); ok {
			s.ASN = n
			return s, nil
		}
	}
	if host, port, ok := strings.Cut(v, ":"); ok && !strings.Contains(port, "/") {
		if n, fits := number(port, 65535); fits && n > 0 {
			if d, is := domain(host); is && strings.Contains(d, ".") {
				s.Domain, s.Port = d, uint16(n)
				return s, nil
			}
		}
	}
	if host, _, ok := strings.Cut(v, "/"); ok {
		if u, fits := address(v); fits && strings.Contains(host, ".") {
			s.URL = u
			s.Addr, s.Port = literal(u)
			return s, nil
		}
	}
	if d, ok := domain(v); ok && isName(d) {
		s.Domain = d
		return s, nil
	}
	return s, fmt.Errorf("%s is no address, network, domain or URL", short(v))
}

// isName tells a domain from a word: it has a dot, and its last label is no number (RFC 3696 §2).
func isName(d string) bool {
	i := strings.LastIndexByte(d, '.')
	if i < 0 {
		return false
	}
	last := d[i+1:]
	return strings.Trim(last, "0123456789") != ""
}

// domain reads a host name: lower case, without a final dot; a leading *. or dot means the names below it.
func domain(v string) (string, bool) {
	v = strings.TrimSuffix(lower(refang(v)), ".")
	v = strings.TrimPrefix(strings.TrimPrefix(v, "*"), ".")
	if !report.ValidDomain(v) || !isName(v) {
		return "", false
	}
	return v, true
}

// address reads a URL. One without a scheme is taken for http, which is what those lists mean.
func address(v string) (string, bool) {
	v = refang(v)
	if !strings.Contains(v, "://") {
		v = "http://" + v
	}
	scheme, rest, _ := strings.Cut(v, "://")
	for i := range len(scheme) {
		if c := scheme[i] | 0x20; (c < 'a' || c > 'z') && (i == 0 || (scheme[i] < '0' || scheme[i] > '9') && scheme[i] != '+' && scheme[i] != '-' && scheme[i] != '.') {
			return "", false // RFC 3986 §3.1
		}
	}
	if scheme == "" || rest == "" || rest[0] == '/' || rest[0] == '?' || len(v) > report.MaxURLBytes || !utf8.ValidString(v) {
		return "", false
	}
	return v, true
}

// literal returns the address that a URL has instead of a host name, and the port beside it.
func literal(u string) (netip.Addr, uint16) {
	_, host, _ := strings.Cut(u, "://")
	if i := strings.IndexAny(host, "/?#"); i >= 0 {
		host = host[:i]
	}
	host = host[strings.LastIndexByte(host, '@')+1:]
	if host == "" || (host[0] < '0' || host[0] > '9') && host[0] != '[' {
		return netip.Addr{}, 0
	}
	parsed := url.URL{Host: host}
	a, err := report.ParseAddr(parsed.Hostname())
	if err != nil {
		return netip.Addr{}, 0
	}
	port, _ := number(parsed.Port(), 65535)
	return a, uint16(port)
}

// network reads a prefix, or a range from-to that is exactly one.
func network(v string) (netip.Prefix, bool) {
	v = refang(v)
	if strings.IndexByte(v, '/') > 0 {
		host, length, _ := strings.Cut(v, "/")
		v = strings.TrimSpace(host) + "/" + strings.TrimSpace(length)
		p, err := report.ParsePrefix(v)
		return p, err == nil
	}
	first, last, ok := strings.Cut(v, "-")
	if !ok {
		return netip.Prefix{}, false
	}
	a, err := report.ParseAddr(strings.TrimSpace(first))
	if err != nil {
		return netip.Prefix{}, false
	}
	z, err := report.ParseAddr(strings.TrimSpace(last))
	if err != nil || a.BitLen() != z.BitLen() {
		return netip.Prefix{}, false
	}
	return between(a, z)
}

// between returns the prefix whose first and last address these are.
func between(a, z netip.Addr) (netip.Prefix, bool) {
	x, y := a.AsSlice(), z.AsSlice()
	n := 0
	for n < len(x) && x[n] == y[n] {
		n++
	}
	length := n * 8
	if n < len(x) {
		length += bits.LeadingZeros8(x[n] ^ y[n])
	}
	p := netip.PrefixFrom(a, length)
	if p.Masked().Addr() != a {
		return netip.Prefix{}, false
	}
	for i := n; i < len(y); i++ {
		host := byte(0xff)
		if i == n {
			host = 0xff >> (length % 8)
		}
		if y[i]&host != host {
			return netip.Prefix{}, false
		}
	}
	return p, true
}

// unpad takes leading zeros off the numbers of an IPv4 address.
func unpad(s string) string {
	if strings.IndexByte(s, ':') >= 0 {
		return s
	}
	var b strings.Builder
	for i, part := range strings.Split(s, ".") {
		if i > 0 {
			b.WriteByte('.')
		}
		if t := strings.TrimLeft(part, "0"); t != "" || part == "" {
			part = t
		} else {
			part = "0"
		}
		b.WriteString(part)
	}
	return b.String()
}

// number reads a decimal number up to limit.
func number(s string, limit uint64) (uint64, bool) {
	if s == "" || len(s) > 20 || s[0] == '+' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && n <= limit
}

// asNumber reads 64500, AS64500 and ASN64500, and what RFC 5396 §2 calls asdot.
func asNumber(s string) (uint32, bool) {
	s = strings.TrimSpace(s)
	if len(s) > 2 && strings.EqualFold(s[:2], "as") {
		s = strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(s[2:], "N"), "n"), " ")
	}
	if i := strings.IndexAny(s, " \t,"); i > 0 { // AS64500 Example Networks
		s = s[:i]
	}
	if high, low, ok := strings.Cut(s, "."); ok {
		h, fits := number(high, 65535)
		l, also := number(low, 65535)
		return uint32(h<<16 | l), fits && also && h|l != 0
	}
	n, ok := number(s, 1<<32-1)
	return uint32(n), ok && n != 0
}

// country returns a country code of two letters in upper case; "" for anything else.
func country(s string) string {
	if len(s) != 2 {
		return ""
	}
	s = strings.ToUpper(s)
	if s[0] < 'A' || s[0] > 'Z' || s[1] < 'A' || s[1] > 'Z' {
		return ""
	}
	return s
}

func protoWord(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return strings.Trim(s, "0123456789") != ""
}

// tagWord makes a tag of a name: lower case, a hyphen for blanks.
func tagWord(s string) string {
	return strings.Join(strings.FieldsFunc(lower(s), func(r rune) bool { return r <= ' ' || r == ',' || r == ';' }), "-")
}
