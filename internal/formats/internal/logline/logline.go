// Package logline recognises lines of logs that show an attack: whose address made it, at which service, and when.
// What it knows is two tables: patterns of lines (table.go) and ways to write a time (stamp.go).
//
// Lines hold text that the attacker chose, such as the name under which he tried to log in, and he may choose a name
// that looks like the end of another line. So patterns are anchored, run in linear time (RE2), and a line that gives
// two addresses, depending on how much of it is taken for the attacker's text, names nobody: it is ambiguous.
package logline

import (
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"tocsin/internal/report"
)

// MaxBytes is the longest line that is looked at.
const MaxBytes = 16 << 10

// Hit is what a line shows.
type Hit struct {
	Kind    report.Kind
	Service string     // leading tag: "ssh", "imap", "http"
	Addr    netip.Addr // the attacker's, invalid where the line has only his name
	Host    string     // his name, where the line has no address
	Port    uint16
	Proto   string
	Target  report.Target
	At      Stamp
	HasTime bool
}

// Faults of a line that shows an attack and cannot be used.
var (
	ErrAmbiguous = errors.New("the line names two addresses, one of which may be part of what the attacker wrote: it is used for neither")
	ErrNoAddress = errors.New("the line shows an attack and names no address that can be read")
)

// Scanner reads the lines of one log in their order.
type Scanner struct {
	// Complaint: the lines are given as what somebody's address did, so lines count that show no attack alone.
	Complaint bool

	progs   map[string][]int
	stories map[string]*state
}

// state is what is known of one connection.
type state struct {
	addr   netip.Addr
	port   uint16
	failed bool
	user   string // who failed, in doubt
	doubt  bool
}

const (
	maxStates = 4096 // connections and programs remembered; the log's writer does not decide our memory
)

// Line returns what the line shows. ok is false where it shows nothing.
func (s *Scanner) Line(line string) (Hit, bool, error) {
	if len(line) > MaxBytes || len(line) < 8 {
		return Hit{}, false, nil
	}
	if h, ok := cowrie(line); ok {
		return h, true, nil
	}
	l := split(line)
	h, ok, err := s.match(&l)
	if !ok && err == nil {
		h, ok = s.story(&l)
	}
	if ok && !h.HasTime {
		h.At, h.HasTime = l.at, l.hasTime
	}
	return h, ok, err
}

// IsLog reports whether the line begins as lines of logs do, with a time, or is one of cowrie's.
func IsLog(line string) bool {
	l := split(line)
	return l.hasTime || strings.HasPrefix(line, "{") && strings.Contains(line, `"eventid":"cowrie.`)
}

func (s *Scanner) match(l *parts) (Hit, bool, error) {
	c := compiled()
	for _, i := range s.candidates(c, l.prog) {
		p := &c.patterns[i]
		if p.complaint && !s.Complaint || !strings.Contains(l.rest, p.has) {
			continue
		}
		if p.service == "login" && !s.Complaint && strings.HasPrefix(l.msg, "pam_unix(sshd:") {
			continue // OpenSSH asks on: its own lines say how it ended (stories)
		}
		h, ok, err := p.find(l.msg)
		if !ok && err == nil && p.progs == nil && len(l.rest) != len(l.msg) {
			h, ok, err = p.find(l.rest)
		}
		if !ok && err == nil {
			continue
		}
		if h.Service == "login" {
			h.Service = loginService(l.prog)
		}
		if svc, cut := strings.CutSuffix(l.prog, "-login"); cut && p.service == "imap" {
			h.Service = svc
		}
		return h, ok, err
	}
	return Hit{}, false, nil
}

// candidates are the patterns that a line of that program may be of.
func (s *Scanner) candidates(c *tables, prog string) []int {
	if list, ok := s.progs[prog]; ok {
		return list
	}
	var list []int
	for i := range c.patterns {
		if p := &c.patterns[i]; p.progs == nil || prog != "" && p.progs.MatchString(prog) {
			list = append(list, i)
		}
	}
	if s.progs == nil || len(s.progs) >= maxStates {
		s.progs = map[string][]int{}
	}
	s.progs[prog] = list
	return list
}

// loginService names the service for which a program asked PAM.
func loginService(prog string) string {
	for _, p := range [...]struct{ in, service string }{
		{"ssh", "ssh"},
		{"ftp", "ftp"},
		{"dovecot", "imap"},
		{"imap", "imap"},
		{"pop", "pop3"},
		{"smtp", "smtp"},
		{"saslauthd", "smtp"},
		{"cron", "login"},
		{"xrdp", "rdp"},
	} {
		if strings.Contains(prog, p.in) {
			return p.service
		}
	}
	return "login"
}

func (s *Scanner) story(l *parts) (Hit, bool) {
	for i := range compiled().stories {
		t := &compiled().stories[i]
		if !strings.Contains(l.msg, t.has) || t.progs != nil && !t.progs.MatchString(l.prog) {
			continue
		}
		m := t.re.FindStringSubmatchIndex(l.msg)
		if m == nil {
			continue
		}
		g := t.groups.of(l.msg, m)
		key := l.prog + "/" + l.pid
		if g.key != "" {
			key = l.prog + "/" + g.key
		}
		addr, _ := parseAddr(g.addr)
		port, _ := strconv.ParseUint(g.port, 10, 16)
		h := Hit{Kind: kinds[storyKinds[t.about].kind], Service: storyKinds[t.about].service}
		ok := s.tell(t.act, key, addr, uint16(port), cmpOr(g.user, g.user2))
		if st := s.stories[key]; ok && st != nil {
			h.Addr, h.Port = st.addr, st.port
		}
		if t.act == accept {
			delete(s.stories, key)
		}
		return h, ok && h.Addr.IsValid()
	}
	return Hit{}, false
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// tell goes on with one connection's story and reports whether it has become an attack.
func (s *Scanner) tell(a act, key string, addr netip.Addr, port uint16, user string) bool {
	if s.stories == nil || len(s.stories) >= maxStates {
		s.stories = map[string]*state{}
	}
	st := s.stories[key]
	if st == nil {
		st = &state{}
		s.stories[key] = st
	}
	if addr.IsValid() {
		st.addr, st.port = addr, port
	}
	switch a {
	case note:
	case fail:
		if st.addr.IsValid() {
			st.failed, st.doubt = false, false
			return true
		}
		st.failed = true
	case doubt:
		other := st.doubt && st.user != user
		st.doubt, st.user = true, user
		return other
	case end:
		hit := st.failed || st.doubt
		st.failed, st.doubt = false, false
		return hit
	case accept:
		return st.doubt && st.user != user
	}
	return false
}

// tables are the tables of this package, ready to be used.
type tables struct {
	patterns []compiledPattern
	stories  []compiledStory
}

type compiledPattern struct {
	kind      kind
	service   string
	progs     *regexp.Regexp
	has       string
	short     *regexp.Regexp // the shortest TEXT
	long      *regexp.Regexp // the longest; nil where there is none
	groups    groups
	complaint bool
}

type compiledStory struct {
	story
	progs  *regexp.Regexp
	re     *regexp.Regexp
	groups groups
}

var compiled = sync.OnceValue(func() *tables {
	t := &tables{}
	add := func(list []pattern, complaint bool) {
		for _, p := range list {
			c := compiledPattern{kind: p.kind, service: p.service, has: p.has, complaint: complaint}
			c.progs = programs(p.progs)
			c.short = regexp.MustCompile(expand(p.expr, `.*?`))
			if strings.Contains(p.expr, "TEXT") {
				c.long = regexp.MustCompile(expand(p.expr, `.*`))
			}
			c.groups = namesOf(c.short)
			t.patterns = append(t.patterns, c)
		}
	}
	add(table, false)
	add(complaints, true)
	for _, s := range stories {
		re := regexp.MustCompile(expand(s.expr, `.*`))
		t.stories = append(t.stories, compiledStory{s, programs(s.progs), re, namesOf(re)})
	}
	return t
})

func programs(expr string) *regexp.Regexp {
	if expr == "" {
		return nil
	}
	return regexp.MustCompile(`^(?:` + expr + `)$`)
}

const (
	v4 = `\d{1,3}(?:\.\d{1,3}){3}`
	v6 = `[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,8}(?:\.\d{1,3}){0,3}`
)

// expand writes out the words of the table.
func expand(expr, text string) string {
	const addr = AddrExpr
	return strings.NewReplacer(
		"TADDR", `\[?(?P<d>`+addr+`)\]?`, "TPORT", `(?P<q>\d{1,5})`,
		"ADDR", `\[?(?P<a>`+addr+`)\]?`, "PORT", `(?P<p>\d{1,5})`,
		"HOST", `(?P<a>`+addr+`|[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?)`,
		"STAMP", `(?P<t>[^\]")]{6,60}?)`, "TEXT", text,
	).Replace(expr)
}

// groups are the numbers of the named groups of an expression, 0 for those that it has not.
type groups struct{ addr, port, target, targetPort, time, service, proto, key, user, user2, jail int }

func namesOf(re *regexp.Regexp) groups {
	n := func(name string) int { return max(re.SubexpIndex(name), 0) }
	return groups{n("a"), n("p"), n("d"), n("q"), n("t"), n("s"), n("proto"), n("k"), n("u"), n("v"), n("j")}
}

// found are the texts of the groups.
type found struct{ addr, port, target, targetPort, time, service, proto, key, user, user2, jail string }

func (g *groups) of(s string, m []int) found {
	at := func(i int) string {
		if i == 0 || m[2*i] < 0 {
			return ""
		}
		return s[m[2*i]:m[2*i+1]]
	}
	return found{
		at(g.addr), at(g.port), at(g.target), at(g.targetPort), at(g.time), at(g.service), at(g.proto), at(g.key),
		at(g.user), at(g.user2), at(g.jail),
	}
}

func (p *compiledPattern) find(s string) (Hit, bool, error) {
	m := p.short.FindStringSubmatchIndex(s)
	if m == nil {
		return Hit{}, false, nil
	}
	g := p.groups.of(s, m)
	if p.long != nil {
		if o := p.groups.of(s, p.long.FindStringSubmatchIndex(s)); o.addr != g.addr || o.port != g.port {
			return Hit{}, false, ErrAmbiguous
		}
	}
	if g.jail == "recidive" { // fail2ban's own count of its bans
		return Hit{}, false, nil
	}
	h := Hit{Kind: kinds[p.kind], Service: p.service, Proto: strings.ToLower(g.proto)}
	if g.service != "" {
		h.Service = serviceNames[strings.ToLower(g.service)]
		if h.Service == "" {
			h.Service = p.service
		}
	}
	addr, err := parseAddr(g.addr)
	switch {
	case err == nil:
		h.Addr = addr
	case isName(g.addr):
		h.Host = strings.ToLower(g.addr)
	default:
		return Hit{}, false, ErrNoAddress
	}
	if n, err := strconv.ParseUint(g.port, 10, 16); err == nil {
		h.Port = uint16(n)
	}
	if a, err := parseAddr(g.target); err == nil && !a.IsUnspecified() {
		h.Target.Addr = a
	}
	if n, err := strconv.ParseUint(g.targetPort, 10, 16); err == nil {
		h.Target.Port = uint16(n)
	}
	if g.time != "" {
		h.At, _, h.HasTime = CutStamp(strings.TrimSpace(g.time))
	}
	return h, true, nil
}

// serviceNames are the tags of services whose logs name them otherwise.
var serviceNames = map[string]string{
	"imap": "imap", "pop3": "pop3", "managesieve": "sieve", "sieve": "sieve", "submission": "smtp", "lmtp": "smtp",
	"smtp": "smtp", "dovecot": "imap", "vsftpd": "ftp", "proftpd": "ftp", "pure-ftpd": "ftp", "wu-ftpd": "ftp",
	"sshd": "ssh", "http/webdav": "http", "webmail": "http",
}

func parseAddr(s string) (netip.Addr, error) {
	a, err := report.ParseAddr(s)
	if err != nil && strings.HasSuffix(s, ":") {
		a, err = report.ParseAddr(s[:len(s)-1])
	}
	return a, err
}

// isName reports whether s is the name of a host on the Internet: it has a dot and does not look like an address.
func isName(s string) bool {
	s = strings.ToLower(s)
	last := s[strings.LastIndexByte(s, '.')+1:]
	return strings.Contains(s, ".") && report.ValidDomain(s) && strings.ContainsFunc(last, func(r rune) bool { return r >= 'a' && r <= 'z' })
}

var kinds = [...]report.Kind{
	bruteForce: {Class: "intrusion-attempts", Type: "brute-force"},
	exploit:    {Class: "intrusion-attempts", Type: "exploit"},
	scanner:    {Class: "information-gathering", Type: "scanner"},
	spam:       {Class: "abusive-content", Type: "spam"},
	dos:        {Class: "availability", Type: "dos"},
	misuse:     {Class: "fraud", Type: "unauthorised-use-of-resources"},
}

// Services lists the services of the table, each once, sorted.
func Services() []string {
	var all []string
	for _, p := range table {
		all = append(all, p.service)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// AddrExpr is an expression for an address without brackets, for texts around lines.
const AddrExpr = `(?:::ffff:` + v4 + `|` + v4 + `|` + v6 + `)`
