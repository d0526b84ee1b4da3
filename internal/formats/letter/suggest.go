package letter

import (
	"cmp"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"

	"tocsin/internal/report"
)

// Kind is what a suggestion may be good for.
type Kind string

// The kinds.
const (
	KindAddr   Kind = "addr"
	KindPrefix Kind = "prefix"
	KindPort   Kind = "port"
	KindTime   Kind = "time"
	KindDomain Kind = "domain"
	KindURL    Kind = "url"
)

// Suggestion is something in the text of a letter that an event may be made of. It decides nothing: a person does.
type Suggestion struct {
	Kind  Kind   `json:"kind"`
	Value string `json:"value"`           // as an event writes it; a time without zone as 2026-03-01T02:10:00; personal
	Port  uint16 `json:"port,omitempty"`  // that stands at the address
	Proto string `json:"proto,omitempty"` // tcp or udp, that stands at the port
	Role  string `json:"role,omitempty"`  // source or target, where the text has such a word right before it
	Note  string `json:"note,omitempty"`  // why it may be good for nothing as it is
	Place
	Count int `json:"count"` // how often it stands in the letter; Place is the first
}

// Place is where in a letter something stands.
type Place struct {
	Part    string `json:"part"`             // Part.Number
	Line    int    `json:"line"`             // of the part's Text, from 1
	Column  int    `json:"column"`           // in letters, from 1
	Width   int    `json:"width"`            // in letters, as it is written there
	Context string `json:"context"`          // the text around it; personal
	Hidden  bool   `json:"hidden,omitempty"` // a mail program would not show it
}

// MaxSuggestions is how many suggestions one letter brings. A letter with more is a list.
const MaxSuggestions = 500

// Suggest looks through the texts of a letter for what events are made of, in the order in which it stands there, each
// thing once. Headers are not looked at: the addresses in them are those of mail servers.
func Suggest(parts []Part) []Suggestion {
	f := finder{seen: map[key]int{}}
	for i := range parts {
		f.part = &parts[i]
		off := 0
		for n, line := range enumerate(parts[i].Text) {
			f.lineNumber, f.lineStart = n, off
			f.line(line)
			if len(f.all) >= MaxSuggestions {
				return f.all
			}
			off += len(line) + 1
		}
	}
	return f.all
}

func enumerate(text string) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		n := 0
		for line := range strings.SplitSeq(text, "\n") {
			if n++; !yield(n, line) {
				return
			}
		}
	}
}

type key struct {
	kind        Kind
	value       string
	port        uint16
	proto, role string
}

type finder struct {
	all        []Suggestion
	seen       map[key]int
	part       *Part
	lineNumber int
	lineStart  int // byte of the part's text
}

// find is a suggestion with the bytes of the plain line that it takes.
type find struct {
	Suggestion
	from, to int
}

func (f *finder) line(line string) {
	if strings.TrimSpace(line) == "" {
		return
	}
	plain, origin := refang(line)
	var finds []find
	finds = times(finds, plain)
	finds = urls(finds, plain)
	finds = addresses(finds, plain)
	finds = ports(finds, plain)
	finds = domains(finds, plain)
	slices.SortStableFunc(finds, func(a, b find) int { return cmp.Compare(a.from, b.from) })
	for i := range finds {
		one := &finds[i].Suggestion
		k := key{one.Kind, one.Value, one.Port, one.Proto, one.Role}
		if at, ok := f.seen[k]; ok {
			f.all[at].Count++
			continue
		}
		if len(f.all) >= MaxSuggestions {
			return
		}
		one.Count = 1
		one.Place = f.place(line, at(origin, finds[i].from), at(origin, finds[i].to))
		f.seen[k] = len(f.all)
		f.all = append(f.all, *one)
	}
}

func (f *finder) place(line string, from, to int) Place {
	p := Place{
		Part: f.part.Number, Line: f.lineNumber, Column: utf8.RuneCountInString(line[:from]) + 1,
		Width: utf8.RuneCountInString(line[from:to]), Context: around(line, from, to),
	}
	for _, h := range f.part.Hidden {
		p.Hidden = p.Hidden || f.lineStart+from >= h[0] && f.lineStart+from < h[1]
	}
	return p
}

// contextBytes is how much of a line is shown on each side.
const contextBytes = 60

func around(line string, from, to int) string {
	from, to = max(from-contextBytes, 0), min(to+contextBytes, len(line))
	for from > 0 && !utf8.RuneStart(line[from]) {
		from--
	}
	for to < len(line) && !utf8.RuneStart(line[to]) {
		to++
	}
	return strings.TrimSpace(line[from:to])
}

// at is where a byte of the plain line stood.
func at(origin []int, i int) int {
	if origin == nil {
		return i
	}
	return origin[i]
}

// defanged are the ways in which people write an address so that nobody follows it by chance.
var defanged = regexp.MustCompile(`(?i)\[\.\]|\(\.\)|\{\.\}|\[dot\]|\(dot\)|\{dot\}|\[:\]|\[://\]|\[:/\]/|\bhxxp|\bfxp`)

// refang undoes that, and says for each byte of the plain line, and its end, where it stood; nil where it is the same.
func refang(line string) (plain string, origin []int) {
	found := defanged.FindAllStringIndex(line, -1)
	if found == nil {
		return line, nil
	}
	var b strings.Builder
	from := 0
	copyTo := func(to int) {
		for ; from < to; from++ {
			b.WriteByte(line[from])
			origin = append(origin, from)
		}
	}
	for _, m := range found {
		copyTo(m[0])
		with := "."
		switch strings.ToLower(line[m[0]:m[1]]) {
		case "hxxp":
			with = "http"
		case "fxp":
			with = "ftp"
		case "[:]":
			with = ":"
		case "[://]", "[:/]/":
			with = "://"
		}
		b.WriteString(with)
		for range with {
			origin = append(origin, m[0])
		}
		from = m[1]
	}
	copyTo(len(line))
	return b.String(), append(origin, len(line))
}

func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

var urlShape = regexp.MustCompile("(?i)\\b(?:https?|ftps?|sftp)://[^\\s<>\"'`{}|\\\\^]+")

// urls also finds the address or domain that a URL leads to.
func urls(finds []find, s string) []find {
	for _, m := range urlShape.FindAllStringIndex(s, -1) {
		text := trimURL(s[m[0]:m[1]])
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" || len(text) > report.MaxURLBytes {
			continue
		}
		finds = append(finds, find{Suggestion{Kind: KindURL, Value: text}, m[0], m[0] + len(text)})
		host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
		if _, err := netip.ParseAddr(host); err != nil && report.ValidDomain(host) && strings.Contains(host, ".") {
			from := m[0] + strings.Index(strings.ToLower(text), host)
			finds = append(finds, find{Suggestion{Kind: KindDomain, Value: host}, from, from + len(host)})
		}
	}
	return finds
}

// trimURL takes off what belongs to the sentence around a URL.
func trimURL(s string) string {
	for s != "" {
		last := s[len(s)-1]
		switch {
		case strings.IndexByte(".,;:!?*", last) >= 0:
		case last == ')' && strings.Count(s, "(") < strings.Count(s, ")"):
		case last == ']' && strings.Count(s, "[") < strings.Count(s, "]"):
		default:
			return s
		}
		s = s[:len(s)-1]
	}
	return s
}

var (
	v4Shape = regexp.MustCompile(`\d{1,3}(?:\.\d{1,3}){3}`)
	v6Shape = regexp.MustCompile(`[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*`)
	bits    = regexp.MustCompile(`^/(\d{1,3})\b`)
	// tcpdump writes a port behind a fifth dot.
	atPort = regexp.MustCompile(`^(?::(\d{1,5})\b|\.(\d{1,5})(?: >|:\s)|[,;]?\s*\(?(?:on\s+|from\s+|via\s+|using\s+)?(?:(tcp|udp)[ /]+)?(?:(?:source|src|destination|dest|dst|remote)[ _-]?)?port\s*(?:number\s*)?[:=#]?\s*(\d{1,5})\b(?:\s*/?\s*\(?(tcp|udp)\b)?)`)
	// The words right before an address or port that say which side it is on.
	roleWord = regexp.MustCompile(`(?i)(?:\b(src|source|attacker|attacking|offend(?:er|ing))|\b(dst|dest|destination|target|victim|attacked))[ _-]?(?:ip|ipv4|ipv6|host|addr|address)?s?["']?\s*[:=]?\s*["'(\[]?$`)
)

func addresses(finds []find, s string) []find {
	for _, m := range v4Shape.FindAllStringIndex(s, -1) {
		before, behind := m[0]-1, m[1]
		if before >= 0 && (alnum(s[before]) || s[before] == '_' || s[before] == '.' && before > 0 && alnum(s[before-1])) {
			continue
		}
		if behind < len(s) && (alnum(s[behind]) || s[behind] == '_') {
			continue
		}
		five := atPort.FindStringSubmatch(s[behind:])
		tcpdump := five != nil && five[2] != ""
		if behind+1 < len(s) && s[behind] == '.' && alnum(s[behind+1]) && !tcpdump {
			continue // the beginning of a name, or of a version number
		}
		finds = oneAddress(finds, s, m[0], m[1], 32)
	}
	for _, m := range v6Shape.FindAllStringIndex(s, -1) {
		for m[1] > m[0] && (s[m[1]-1] == '.' || s[m[1]-1] == ':' && !strings.HasSuffix(s[m[0]:m[1]], "::")) {
			m[1]--
		}
		if m[0] > 0 && (alnum(s[m[0]-1]) || s[m[0]-1] == '.') || m[1] < len(s) && (alnum(s[m[1]]) || s[m[1]] == '_') {
			continue
		}
		if groups := len(strings.FieldsFunc(s[m[0]:m[1]], func(r rune) bool { return r == ':' })); groups < 2 {
			continue // "::" and "a::" are more often something else
		}
		finds = oneAddress(finds, s, m[0], m[1], 128)
	}
	return finds
}

// oneAddress takes the address at s[from:to] with what stands behind it.
func oneAddress(finds []find, s string, from, to, width int) []find {
	a, err := report.ParseAddr(s[from:to])
	if err != nil {
		return finds
	}
	one := find{Suggestion{Kind: KindAddr, Value: a.String(), Note: special(a)}, from, to}
	rest := s[to:]
	if m := bits.FindStringSubmatch(rest); m != nil {
		if n, _ := strconv.Atoi(m[1]); n < width && n > 0 && a.BitLen() == width {
			one.Kind, one.Value = KindPrefix, netip.PrefixFrom(a, n).Masked().String()
			one.to += len(m[0])
			return append(finds, one)
		}
	}
	if from > 0 && s[from-1] == '[' && strings.HasPrefix(rest, "]") { // RFC 3986 §3.2.2
		rest = rest[1:]
	}
	if m := atPort.FindStringSubmatch(strings.ToLower(rest[:min(len(rest), 60)])); m != nil {
		if n, err := strconv.ParseUint(cmp.Or(m[1], m[2], m[4]), 10, 16); err == nil && n > 0 {
			one.Port, one.Proto = uint16(n), cmp.Or(m[3], m[5])
		}
	}
	one.Role = role(s[max(from-30, 0):from])
	return append(finds, one)
}

func role(before string) string {
	m := roleWord.FindStringSubmatch(before)
	switch {
	case m == nil:
		return ""
	case m[1] != "":
		return "source"
	}
	return "target"
}

var portShape = regexp.MustCompile(`(?i)\b(?:(source|src|local)|(destination|dest|dst|target|remote))?[ _-]?ports?\s*(?:number\s*)?["']?\s*[:=#]?\s*["']?(\d{1,5})\b(?:\s*/\s*(tcp|udp)\b)?|\b(SPT|sport)=(\d{1,5})\b|\b(DPT|dport)=(\d{1,5})\b|\b(\d{1,5})/(tcp|udp)\b|\b(tcp|udp)/(\d{1,5})\b`)

func ports(finds []find, s string) []find {
	for _, m := range portShape.FindAllStringSubmatchIndex(s, -1) {
		group := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return s[m[2*i]:m[2*i+1]]
		}
		n, err := strconv.ParseUint(cmp.Or(group(3), group(6), group(8), group(9), group(12)), 10, 16)
		if err != nil || n == 0 {
			continue
		}
		one := Suggestion{
			Kind: KindPort, Value: strconv.FormatUint(n, 10), Port: uint16(n),
			Proto: strings.ToLower(cmp.Or(group(4), group(10), group(11))),
		}
		switch {
		case group(1) != "" || group(5) != "":
			one.Role = "source"
		case group(2) != "" || group(7) != "":
			one.Role = "target"
		}
		finds = append(finds, find{one, m[0], m[1]})
	}
	return finds
}

var domainShape = regexp.MustCompile(`(?i)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]`)

// fileNames are ends of file names that are top-level domains too.
var fileNames = map[string]bool{
	"py": true, "sh": true, "pl": true, "zip": true, "mov": true, "rs": true, "md": true, "so": true, "cc": true, "ps": true,
	"ai": false, "app": false,
}

func domains(finds []find, s string) []find {
	for _, m := range domainShape.FindAllStringIndex(s, -1) {
		inside := slices.ContainsFunc(finds, func(f find) bool { return f.Kind == KindURL && m[0] >= f.from && m[0] < f.to })
		if inside || m[0] > 0 && (strings.IndexByte("@/\\.-%&_+", s[m[0]-1]) >= 0 || s[m[0]-1] >= utf8.RuneSelf) ||
			m[1] < len(s) && (s[m[1]] == '@' || s[m[1]] == '_' || s[m[1]] == '-' || s[m[1]] >= utf8.RuneSelf) {
			continue // part of a mail address, a path or another word
		}
		d := strings.ToLower(s[m[0]:m[1]])
		suffix, icann := publicsuffix.PublicSuffix(d)
		top := d[strings.LastIndexByte(d, '.')+1:]
		if !icann && !strings.Contains(suffix, ".") && top != "onion" || suffix == d ||
			fileNames[top] && strings.Count(d, ".") == 1 || !report.ValidDomain(d) {
			continue
		}
		finds = append(finds, find{Suggestion{Kind: KindDomain, Value: d}, m[0], m[1]})
	}
	return finds
}

// reserved are the networks of which nobody on the Internet is the holder (IANA's special-purpose registries, RFC 6890).
var reserved = []struct {
	prefix netip.Prefix
	note   string
}{
	{netip.MustParsePrefix("10.0.0.0/8"), "private (RFC 1918)"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private (RFC 1918)"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private (RFC 1918)"},
	{netip.MustParsePrefix("100.64.0.0/10"), "shared inside a provider (RFC 6598)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "every host's own (RFC 1122)"},
	{netip.MustParsePrefix("169.254.0.0/16"), "of one link only (RFC 3927)"},
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved (RFC 6890)"},
	{netip.MustParsePrefix("192.0.2.0/24"), "for documentation (RFC 5737)"},
	{netip.MustParsePrefix("198.51.100.0/24"), "for documentation (RFC 5737)"},
	{netip.MustParsePrefix("203.0.113.0/24"), "for documentation (RFC 5737)"},
	{netip.MustParsePrefix("198.18.0.0/15"), "for benchmarks (RFC 2544)"},
	{netip.MustParsePrefix("0.0.0.0/8"), "reserved (RFC 1122)"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast (RFC 5771)"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved (RFC 1112)"},
	{netip.MustParsePrefix("::1/128"), "every host's own (RFC 4291)"},
	{netip.MustParsePrefix("::/128"), "no host (RFC 4291)"},
	{netip.MustParsePrefix("fe80::/10"), "of one link only (RFC 4291)"},
	{netip.MustParsePrefix("fc00::/7"), "private (RFC 4193)"},
	{netip.MustParsePrefix("ff00::/8"), "multicast (RFC 4291)"},
	{netip.MustParsePrefix("2001:db8::/32"), "for documentation (RFC 3849)"},
	{netip.MustParsePrefix("3fff::/20"), "for documentation (RFC 9637)"},
	{netip.MustParsePrefix("100::/64"), "discarded (RFC 6666)"},
}

// special says why an address is nobody's on the Internet; empty for all others.
func special(a netip.Addr) string {
	for _, r := range reserved {
		if r.prefix.Contains(a) {
			return r.note
		}
	}
	return ""
}
