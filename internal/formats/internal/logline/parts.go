package logline

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// parts of a line: "TIME HOST PROGRAM[PID]: MESSAGE", of which any but the last may be missing.
type parts struct {
	at      Stamp
	hasTime bool
	prog    string
	pid     string
	rest    string // after the time
	msg     string // after the program
}

var (
	// wrapped is what stands before a time that does not begin its line.
	wrapped = regexp.MustCompile(`^(?:[\[(]|<[A-Z]>|<\d{1,3}>|L |t=|- |time=")`)
	// relay is what syslog daemons put between time and host.
	relay = regexp.MustCompile(`^\s*<[\w.]+>\s+`)
	// header is host, kernel's clock, vserver and program. The program is followed by its number or a colon.
	header = regexp.MustCompile(`^(?:([\w.:-]*[\w.-]) )?((?:[A-Za-z][\w./-]*)(?:\([^()\s]*\))?)(?: *\[(\d+)\])?(:)?(?: +|$)`)
	kernel = regexp.MustCompile(`^kernel: ?\[ *\d+\.\d+\]:? ?`)
	again  = regexp.MustCompile(`^\[\d+\] `)
)

func split(line string) parts {
	s := strings.TrimRight(line, " \t\r\n")
	s = strings.TrimLeft(s, " \t")
	s = strings.TrimPrefix(s, "\ufeff")
	l := parts{}
	l.at, s, l.hasTime = cutStamp(s)
	if l.hasTime {
		s = relay.ReplaceAllString(s, "")
	}
	l.rest, l.msg = s, s
	for range 2 { // a journal repeats the program's own header
		if !l.cutHeader() {
			break
		}
		inner, s, ok := cutStamp(l.msg)
		if !ok {
			continue
		}
		l.msg = s
		if !l.hasTime || !l.at.Year && inner.Year && sameDay(l.at, inner) {
			l.at, l.hasTime = inner, true // the program knows the year that syslog leaves out
		}
	}
	return l
}

func sameDay(a, b Stamp) bool {
	return a.Time.Month() == b.Time.Month() && a.Time.Day() == b.Time.Day()
}

// cutHeader takes host and program off the message.
func (l *parts) cutHeader() bool {
	m := header.FindStringSubmatchIndex(l.msg)
	if m == nil || m[6] < 0 && m[8] < 0 {
		return false
	}
	prog := l.msg[m[4]:m[5]]
	if i := strings.IndexByte(prog, '('); i > 0 {
		prog = prog[:i]
	}
	if l.prog != "" && prog != l.prog {
		return false
	}
	l.prog = prog
	if m[6] >= 0 {
		l.pid = l.msg[m[6]:m[7]]
	}
	l.msg = strings.TrimLeft(l.msg[m[1]:], " ")
	l.msg = kernel.ReplaceAllString(l.msg, "")
	l.msg = again.ReplaceAllString(l.msg, "")
	return true
}

// cutStamp reads the time at the beginning, and what is put around it.
func cutStamp(s string) (Stamp, string, bool) {
	in := s
	if m := wrapped.FindString(s); m != "" {
		in = s[len(m):]
	}
	at, rest, ok := CutStamp(in)
	if !ok {
		return Stamp{}, s, false
	}
	for rest != "" && strings.IndexByte(`])>:,"`, rest[0]) >= 0 {
		rest = rest[1:]
	}
	return at, strings.TrimLeft(rest, " \t"), true
}

// cowrieEvents are the events of the honeypot that show an attempt by themselves.
var cowrieEvents = map[string]kind{
	"cowrie.session.connect": scanner, "cowrie.login.failed": bruteForce,
	"cowrie.session.file_download": exploit, "cowrie.session.file_upload": exploit, "cowrie.direct-tcpip.request": misuse,
}

// cowrie reads a line of the honeypot's JSON log.
func cowrie(line string) (Hit, bool) {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "{") || !strings.Contains(line, `"cowrie.`) {
		return Hit{}, false
	}
	var w struct {
		Event     string `json:"eventid"`
		Protocol  string `json:"protocol"`
		Source    string `json:"src_ip"`
		Port      uint16 `json:"src_port"`
		Target    string `json:"dst_ip"`
		TPort     uint16 `json:"dst_port"`
		Timestamp string `json:"timestamp"`
	}
	if json.Unmarshal([]byte(line), &w) != nil {
		return Hit{}, false
	}
	k, known := cowrieEvents[w.Event]
	addr, err := parseAddr(w.Source)
	if !known || err != nil {
		return Hit{}, false
	}
	h := Hit{Kind: kinds[k], Service: "honeypot", Addr: addr, Port: w.Port}
	if w.Protocol == "ssh" || w.Protocol == "telnet" {
		h.Service, h.Proto = w.Protocol, "tcp"
	}
	h.Target.Port = w.TPort
	if a, err := parseAddr(w.Target); err == nil {
		h.Target.Addr = a
	}
	at, rest, ok := CutStamp(w.Timestamp)
	h.At, h.HasTime = at, ok && rest == ""
	return h, true
}

// Number reads a port; 0 is none.
func Number(s string) uint16 {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}
