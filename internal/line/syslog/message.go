package syslog

import (
	"errors"
	"strings"
	"time"

	"tocsin/internal/line"
)

// Message is what the header of a message says, and what stands behind it.
type Message struct {
	At       line.Moment // zero: it says no time
	Host     string      // "": it says none
	App      string      // of RFC 5424
	Sequence uint32      // meta sequenceId (RFC 5424 §7.3.1); 0: none
	Text     string      // behind the host, without a line's end
}

// Header reads headers: those of RFC 5424, and the older ones that RFC 3164 describes and devices vary. It is one
// goroutine's.
type Header struct {
	Zone *time.Location // of times without a zone; nil is UTC

	last struct { // local time is dear to find out, and most messages are of the second of the one before
		zone       *time.Location
		year, text string
		minute     int64 // of the receipt
		at         line.Moment
	}
}

// The errors are a sentence each, which says nothing of what the message is about.
var (
	errPriority = errors.New("the message does not begin with a priority from <0> to <191>")
	errVersion  = errors.New("the message is of a version of syslog that is not 1")
	errStamp    = errors.New("the message's time is none (RFC 5424 §6.2.3)")
	errField    = errors.New("a field of the message's header is missing or too long (RFC 5424 §6)")
	errData     = errors.New("the message's structured data do not end (RFC 5424 §6.3)")
	errAbbrev   = errors.New("the message names another time zone than the config: write the device's into zone, or let it log in UTC")
)

// Read reads a message that was received at a time.
func (h *Header) Read(text string, received time.Time) (m Message, err error) {
	text = strings.TrimRight(text, "\r\n\x00") // RFC 6587 §3.4.2 and RFC 3164: some senders end with such
	rest, err := priority(text)
	if err != nil {
		return m, err
	}
	if len(rest) > 1 && digit(rest[0]) && rest[1] == ' ' {
		if rest[0] != '1' {
			return m, errVersion
		}
		if at, ok, err := h.named(rest[2:], received); ok {
			return at, err // a version, and then an old time
		}
		return h.structured(rest[2:])
	}
	m, ok, err := h.named(rest, received)
	if ok || err != nil {
		return m, err
	}
	if first, more, _ := strings.Cut(rest, " "); len(first) >= len("2006-01-02T15:04:05Z") && digit(first[0]) && first[4] == '-' {
		if m.At, err = stamp(first); err != nil { // as relays write it, without a version
			return m, err
		}
		m.Host, m.Text = host(more)
		return m, nil
	}
	m.Text = rest // RFC 3164 §4.3.3: it has no header, or one that nobody knows
	return m, nil
}

// priority leaves it out (RFC 5424 §6.2.1, RFC 3164 §4.1.1).
func priority(text string) (string, error) {
	if len(text) < 3 || text[0] != '<' {
		return "", errPriority
	}
	n, i := 0, 1
	for ; i < len(text) && i < 4 && digit(text[i]); i++ {
		n = n*10 + int(text[i]-'0')
	}
	if i == 1 || i == len(text) || text[i] != '>' || n > 191 || text[1] == '0' && i > 2 {
		return "", errPriority
	}
	return text[i+1:], nil
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// structured reads what stands behind the version (RFC 5424 §6).
func (h *Header) structured(rest string) (m Message, err error) {
	field := func(longest int) string {
		f, more, _ := strings.Cut(rest, " ")
		if f == "" || len(f) > longest {
			err = errors.Join(err, errField)
		}
		for i := range len(f) {
			if f[i] < 33 || f[i] > 126 {
				err = errors.Join(err, errField)
				break
			}
		}
		rest = more
		return f
	}
	if at := field(64); err == nil && at != "-" {
		if m.At, err = stamp(at); err != nil {
			return m, err
		}
	}
	if m.Host = field(255); m.Host == "-" {
		m.Host = ""
	}
	m.Text = rest
	m.App = field(48)
	field(128)
	field(32)
	if err != nil {
		return m, errField
	}
	m.Sequence, err = data(rest)
	return m, err
}

// stamp reads a time of RFC 5424 §6.2.3, with up to nine digits of a fraction, as some senders have them.
func stamp(s string) (line.Moment, error) {
	num := func(from, to int) (n int) {
		for i := from; i < to; i++ {
			if !digit(s[i]) {
				return -1 << 20
			}
			n = n*10 + int(s[i]-'0')
		}
		return n
	}
	if len(s) < len("2006-01-02T15:04:05Z") || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return line.Moment{}, errStamp
	}
	year, month, day, hour, minute, second := num(0, 4), num(5, 7), num(8, 10), num(11, 13), num(14, 16), num(17, 19)
	i := 19
	if s[i] == '.' {
		from := i + 1
		for i = from; i < len(s) && digit(s[i]); i++ {
		}
		if i == from || i > from+9 || i == len(s) {
			return line.Moment{}, errStamp
		}
	}
	offset := 0
	switch {
	case s[i:] == "Z":
	case len(s) == i+6 && (s[i] == '+' || s[i] == '-') && s[i+3] == ':':
		hours, minutes := num(i+1, i+3), num(i+4, i+6)
		if hours < 0 || hours > 23 || minutes < 0 || minutes > 59 {
			return line.Moment{}, errStamp
		}
		if offset = hours*3600 + minutes*60; s[i] == '-' {
			offset = -offset
		}
	default:
		return line.Moment{}, errStamp
	}
	if year < 1 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return line.Moment{}, errStamp // leap seconds are none either
	}
	at := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	if at.Day() != day {
		return line.Moment{}, errStamp
	}
	unix := at.Unix() - int64(offset)
	return line.Moment{Earliest: unix, Latest: unix}, nil
}

// data goes over structured data and returns the sequenceId of meta (RFC 5424 §6.3, §7.3.1); what stands in other
// elements is a layout's business. A message may end right behind it.
func data(s string) (sequence uint32, err error) {
	if s == "-" || strings.HasPrefix(s, "- ") {
		return 0, nil
	}
	if s == "" || s[0] != '[' {
		return 0, errData
	}
	for s != "" && s[0] == '[' {
		end := element(s)
		if end < 0 {
			return 0, errData
		}
		if strings.HasPrefix(s, "[meta ") {
			if _, v, ok := strings.Cut(s[:end], ` sequenceId="`); ok {
				for i := 0; i < len(v) && digit(v[i]) && i < 10; i++ {
					sequence = sequence*10 + uint32(v[i]-'0')
				}
			}
		}
		s = s[end:]
	}
	if s != "" && s[0] != ' ' {
		return 0, errData
	}
	return sequence & (1<<31 - 1), nil
}

// element is the length of the structured data element that s begins with; -1: it does not end. Within quotes, a
// backslash keeps a quote or a bracket from ending something.
func element(s string) int {
	quoted := false
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && c == ']':
			return i + 1
		}
	}
	return -1
}

const old = "Jan _2 15:04:05"

// named reads a header whose time has the name of its month: RFC 3164 §4.1.2 and what devices made of it. ok is false
// where there is none.
//
//	Mar  1 02:10:00 nat1 text                      RFC 3164
//	123: nat1: *Mar  1 02:10:00.123 UTC: text      Cisco IOS: a number, perhaps a name; *: the clock was never set
//	2026 Mar 1 02:10:00 nat1 - - NAT44 - text      Cisco CGN, behind a version
func (h *Header) named(s string, received time.Time) (m Message, ok bool, err error) {
	rest, cisco := s, false
	if n := strings.IndexByte(rest, ':'); n > 0 && n <= 10 && numeric(rest[:n]) && strings.HasPrefix(rest[n:], ": ") {
		rest, cisco = rest[n+2:], true
		if name, more, found := strings.Cut(rest, ": "); found && name != "" && !strings.ContainsAny(name, " %*") && more != "" {
			m.Host, rest = name, more
		}
	}
	unset := strings.HasPrefix(rest, "*")
	if unset || strings.HasPrefix(rest, ".") {
		rest = rest[1:]
	}
	year := ""
	if len(rest) > 5 && numeric(rest[:4]) && rest[4] == ' ' {
		year, rest = rest[:4], rest[5:]
	}
	if len(rest) < len("Jan 2 15:04:05") || !monthly(rest[:3]) || rest[3] != ' ' {
		return Message{}, false, nil
	}
	day, more, _ := strings.Cut(strings.TrimLeft(rest[3:], " "), " ")
	if year == "" && len(more) > 5 && numeric(more[:4]) && more[4] == ' ' {
		year, more = more[:4], more[5:]
	}
	if len(day) < 1 || len(day) > 2 || !numeric(day) || len(more) < 8 || more[2] != ':' || more[5] != ':' {
		return Message{}, false, nil
	}
	clock := more[:8]
	more = more[8:]
	if len(more) > 1 && more[0] == '.' {
		i := 1
		for i < len(more) && digit(more[i]) {
			i++
		}
		more = more[i:]
	}
	zone := h.Zone
	if zone == nil {
		zone = time.UTC
	}
	if cisco { // a zone's abbreviation, perhaps, and a colon
		head, behind, found := strings.Cut(more, ": ")
		if !found || strings.Count(head, " ") > 1 {
			return Message{}, false, nil
		}
		more = behind
		if abbrev := strings.TrimSpace(head); abbrev != "" {
			if zone, err = abbreviated(abbrev, zone, received); err != nil {
				return m, true, err
			}
		}
	} else if !strings.HasPrefix(more, " ") {
		return Message{}, false, nil
	}
	if len(day) == 1 {
		day = " " + day
	}
	full := rest[:3] + " " + day + " " + clock // a copy: it keeps no message in memory
	if !unset {
		if m.At, err = h.moment(zone, year, full, received); err != nil {
			return m, true, err
		}
	}
	if m.Text = more; !cisco {
		m.Host, m.Text = host(more[1:])
	}
	return m, true, nil
}

func (h *Header) moment(zone *time.Location, year, text string, received time.Time) (at line.Moment, err error) {
	minute := received.Unix() / 60
	if l := &h.last; l.text == text && l.year == year && l.minute == minute && l.zone == zone {
		return l.at, nil
	}
	if year == "" {
		at, err = line.Yearless(zone, old, text, received)
	} else {
		full := year + " " + text
		t, bad := time.ParseInLocation("2006 "+old, full, zone)
		if bad != nil {
			return at, errStamp
		}
		at, err = line.Local(t, "2006 "+old, full)
	}
	if err == nil {
		h.last.zone, h.last.year, h.last.text, h.last.minute, h.last.at = zone, strings.Clone(year), text, minute, at
	}
	return at, err
}

// abbreviated is the zone that a device names by an abbreviation, which means one place only where the config says so.
func abbreviated(name string, zone *time.Location, received time.Time) (*time.Location, error) {
	if name == "UTC" || name == "GMT" || name == "Z" {
		return time.UTC, nil
	}
	for _, at := range [...]time.Time{received, received.AddDate(0, 6, 0)} { // in summer and in winter
		if abbrev, _ := at.In(zone).Zone(); abbrev == name {
			return zone, nil
		}
	}
	return nil, errAbbrev
}

// host is the first word, where it can be one: devices that leave their name out begin with the name of a program.
func host(s string) (name, rest string) {
	name, rest, ok := strings.Cut(s, " ")
	if !ok || name == "" || len(name) > 255 || strings.HasSuffix(name, ":") || strings.ContainsAny(name, "[]<>%=|,") {
		return "", s
	}
	if name == "-" {
		name = ""
	}
	return name, rest
}

func numeric(s string) bool {
	for i := range len(s) {
		if !digit(s[i]) {
			return false
		}
	}
	return s != ""
}

func monthly(s string) bool {
	return strings.Contains("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", s) && !strings.Contains(s, " ")
}
