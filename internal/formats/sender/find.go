package sender

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/formats/internal/logline"
	"tocsin/internal/report"
)

// facts are what a mail says of one thing.
type facts struct {
	subject report.Subject
	target  report.Target
	at      logline.Stamp // when
	hasAt   bool
	until   logline.Stamp
	since   logline.Stamp
	period  bool
	service string
	level   report.Severity
	details []report.Detail
	clash   string // two statements that contradict each other
}

// letter yields what the sender's line of the table finds in the mail.
func (r *rows) letter(s *compiledSender, l *letter) {
	whole := l.whole()
	rule := ruleOf(l)
	f := facts{}
	for _, x := range s.facts {
		if m := x.FindStringSubmatch(whole); m != nil {
			f.take(x, m)
		}
	}
	if f.clash != "" {
		r.refuse(1, f.clash)
		return
	}
	kind, tag := s.kindOf(whole, &f)
	before := r.row
	r.table(s, whole, &f, rule, kind, tag)
	if s.google {
		r.google(s, l, kind, tag)
	}
	if s.csv {
		for _, c := range l.files {
			if c.csv && csvSource([]byte(c.text)) != "" {
				r.csv(s.feed, c.text, rule, s.sender.kinds)
			}
		}
	}
	if s.log && r.row == before {
		r.log(s, l, &f, rule)
	}
	if r.row == before {
		r.single(s, l, &f, rule, kind, tag)
	}
}

// ruleOf is the zone that the mail states, else that of its Date.
func ruleOf(l *letter) logline.Rule {
	rule := logline.Rule{Ref: l.sent, From: "the mail's date"}
	_, east := l.sent.Zone()
	rule.East = time.Duration(east) * time.Second
	for _, x := range compiledZones() {
		m := x.FindStringSubmatch(l.text)
		if m == nil {
			continue
		}
		if z, ok := logline.ParseZone(m[x.SubexpIndex("zone")]); ok {
			rule.East = z
			break
		}
	}
	return rule
}

func (s *compiledSender) kindOf(whole string, f *facts) (report.Kind, string) {
	return kindIn(s.sender.kinds, s.kinds, whole, f.service)
}

// kindIn is the first kind whose expression is found.
func kindIn(kinds []kindOf, exprs []*regexp.Regexp, text, service string) (report.Kind, string) {
	for i, x := range exprs {
		m := x.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		if j := x.SubexpIndex("service"); j >= 0 {
			service = m[j]
		}
		k := kinds[i]
		tag := strings.ToLower(strings.ReplaceAll(k.tag, "SERVICE", serviceOf(service)))
		return report.Kind{Class: report.Class(k.class), Type: report.Type(k.typ)}, strings.Trim(tag, "-")
	}
	return report.Undetermined, ""
}

// services are the tags of services by what the names of fail2ban's jails and of others begin with.
var services = []struct{ begins, tag string }{
	{"ssh", "ssh"},
	{"dropbear", "ssh"},
	{"dovecot", "imap"},
	{"courier", "imap"},
	{"imap", "imap"},
	{"pop3", "pop3"},
	{"postfix", "smtp"},
	{"exim", "smtp"},
	{"sendmail", "smtp"},
	{"sasl", "smtp"},
	{"smtp", "smtp"},
	{"mail", "smtp"},
	{"apache", "http"},
	{"nginx", "http"},
	{"http", "http"},
	{"wordpress", "http"},
	{"wp", "http"},
	{"proftpd", "ftp"},
	{"vsftpd", "ftp"},
	{"pure-ftpd", "ftp"},
	{"ftp", "ftp"},
	{"asterisk", "sip"},
	{"freeswitch", "sip"},
	{"sip", "sip"},
	{"mysql", "mysql"},
	{"named", "dns"},
	{"recidive", "fail2ban"},
}

func serviceOf(name string) string {
	name = strings.ToLower(name)
	for _, s := range services {
		if strings.HasPrefix(name, s.begins) {
			return s.tag
		}
	}
	return name
}

// single is the one event that the facts make.
func (r *rows) single(s *compiledSender, l *letter, f *facts, rule logline.Rule, kind report.Kind, tag string) {
	if f.subject == (report.Subject{}) {
		r.refuse(1, fmt.Sprintf("the mail of %s names no address, domain or URL that is certain: ask the sender for it", s.feed))
		return
	}
	e := f.event(kind, tag, rule)
	if e.From.IsZero() {
		if !s.present || l.sent.IsZero() {
			r.refuse(1, fmt.Sprintf("the mail of %s does not say when it was that it complains about: ask the sender for the time with its zone", s.feed))
			return
		}
		e.From = l.sent.UTC()
		e.Details = append(e.Details, report.Detail{Name: logline.DetailAssumed, Value: "the time is that of the mail's date"})
	}
	r.event(s.feed, &e)
}

func (f *facts) event(kind report.Kind, tag string, rule logline.Rule) report.Event {
	e := report.Event{Kind: kind, Subject: f.subject, Target: f.target, Severity: f.level, Details: slices.Clone(f.details)}
	if tag != "" {
		e.Tags = []string{tag}
	}
	assumed := ""
	switch {
	case f.period:
		e.From, assumed = rule.Fill(f.since)
		if to, _ := rule.Fill(f.until); to.After(e.From) {
			e.To = to
		}
	case f.hasAt:
		e.From, assumed = rule.Fill(f.at)
	}
	if assumed != "" {
		e.Details = append(e.Details, report.Detail{Name: logline.DetailAssumed, Value: assumed})
	}
	return e
}

// table yields an event for each match of the sender's rows.
func (r *rows) table(s *compiledSender, whole string, base *facts, rule logline.Rule, kind report.Kind, tag string) {
	var merged []report.Event
	for _, x := range s.rows {
		for _, m := range x.FindAllStringSubmatch(whole, 10000) {
			f := *base
			f.details = slices.Clone(base.details)
			f.hasAt, f.period = false, false
			f.take(x, m)
			if f.clash != "" || !f.hasAt {
				continue // a row about somebody else than the mail
			}
			e := f.event(kind, tag, rule)
			if !s.merge {
				r.event(s.feed, &e)
				continue
			}
			merged = merge(merged, e)
		}
	}
	for i := range merged {
		r.event(s.feed, &merged[i])
	}
}

// merge makes one event of all those of one address and port: packets of one attack.
func merge(all []report.Event, e report.Event) []report.Event {
	for i := range all {
		o := &all[i]
		if o.Subject != e.Subject {
			continue
		}
		last := o.Last()
		if e.From.After(last) {
			last = e.From
		}
		if e.From.Before(o.From) {
			o.From = e.From
		}
		if last.After(o.From) {
			o.To = last
		}
		return all
	}
	return append(all, e)
}

// log yields the lines of logs that are about the address of the mail.
func (r *rows) log(s *compiledSender, l *letter, f *facts, rule logline.Rule) {
	if !f.subject.Addr.IsValid() {
		return
	}
	texts := []string{l.text}
	for _, t := range l.files {
		if !t.csv {
			texts = append(texts, t.text)
		}
	}
	scan := logline.Scanner{Complaint: true}
	for _, t := range texts {
		lines := strings.Split(t, "\n")
		for i := range lines {
			line := strings.TrimSpace(lines[i])
			h, ok, _ := scan.Line(line)
			// Mail programs break lines; the next one goes on unless it begins like a line of its own.
			for k := 1; !ok && k <= 3 && i+k < len(lines) && logline.IsLog(line) && goesOn(lines[i+k]); k++ {
				line += " " + strings.TrimSpace(lines[i+k])
				h, ok, _ = scan.Line(line)
			}
			if !ok || !h.HasTime || h.Addr != f.subject.Addr {
				continue
			}
			e := h.Event(rule, line)
			r.event(s.feed, &e)
			if r.ended {
				return
			}
		}
	}
}

func goesOn(line string) bool {
	return strings.TrimSpace(line) != "" && !logline.IsLog(strings.TrimSpace(line))
}

// take adds what an expression has found.
func (f *facts) take(x *regexp.Regexp, m []string) {
	for i, name := range x.SubexpNames() {
		v := strings.TrimSpace(m[i])
		if i == 0 || name == "" || v == "" {
			continue
		}
		switch name {
		case "addr":
			if a, err := report.ParseAddr(v); err == nil {
				f.setAddr(a)
			}
		case "place":
			f.place(v)
		case "when":
			if at, ok := logline.FindStamp(v); ok && at.Clock && !f.hasAt {
				f.at, f.hasAt = at, true
			}
		case "since", "until":
			f.bound(name, v)
		case "port":
			f.subject.Port = logline.Number(v)
		case "proto":
			f.subject.Proto = strings.ToLower(v)
		case "service":
			f.service = v
		case "asn":
			n, _ := strconv.ParseUint(v, 10, 32) // an AS number that is none is left out
			f.subject.ASN = uint32(n)
		case "taddr":
			if a, err := report.ParseAddr(v); err == nil {
				f.target.Addr = a
			}
		case "tport":
			f.target.Port = logline.Number(v)
		case "severity":
			f.level = severities[strings.ToLower(v)]
			f.detail(name, v)
		default:
			f.detail(name, v)
		}
	}
}

var severities = map[string]report.Severity{
	"low": report.SeverityLow, "medium": report.SeverityMedium, "moderate": report.SeverityMedium,
	"high": report.SeverityHigh, "critical": report.SeverityCritical,
}

func (f *facts) detail(name, v string) {
	for i := range f.details {
		if f.details[i].Name == name {
			return
		}
	}
	f.details = append(f.details, report.Detail{Name: name, Value: logline.Clean(v)})
}

func (f *facts) bound(name, v string) {
	at, ok := logline.FindStamp(v)
	if !ok || !at.Clock {
		return
	}
	if name == "since" {
		f.since = at
	} else {
		f.until = at
		f.at, f.hasAt = at, true
	}
	f.period = !f.since.Time.IsZero() && !f.until.Time.IsZero()
}

func (f *facts) setAddr(a netip.Addr) {
	if f.subject.Addr.IsValid() && f.subject.Addr != a {
		f.clash = fmt.Sprintf("the mail names two addresses, %s and %s, and does not say which it is about: ask the sender", f.subject.Addr, a)
		return
	}
	f.subject.Addr = a
}

// place reads an address, a URL or a domain, also in the forms that are written so that nobody follows them.
func (f *facts) place(v string) {
	v = strings.Trim(strings.NewReplacer("[.]", ".", "(.)", ".", "[:]", ":", "hxxp", "http", "hXXp", "http").Replace(v), "<>,;\"'")
	if a, err := report.ParseAddr(strings.Trim(v, "[]")); err == nil {
		f.setAddr(a)
		return
	}
	if strings.HasPrefix(strings.ToLower(v), "http://") || strings.HasPrefix(strings.ToLower(v), "https://") {
		if f.subject.URL == "" {
			f.setURL(v)
		}
		return
	}
	if d := strings.ToLower(strings.TrimRight(v, ".")); strings.Contains(d, ".") && report.ValidDomain(d) && f.subject.Domain == "" {
		if ap, err := netip.ParseAddrPort(v); err == nil {
			f.setAddr(ap.Addr().Unmap())
			return
		}
		f.subject.Domain = d
	}
}

// setURL takes the URL, and from it the name or the address of its host.
func (f *facts) setURL(v string) {
	f.subject.URL = v
	host, port := hostOf(v)
	if a, err := report.ParseAddr(host); err == nil {
		f.setAddr(a)
	} else if d := strings.ToLower(strings.TrimRight(host, ".")); strings.Contains(d, ".") && report.ValidDomain(d) {
		f.subject.Domain = d
	}
	f.subject.Port = logline.Number(port)
}

// hostOf takes a URL's authority apart. An IPv6 address without brackets is read where it has all its eight groups, so
// that a ninth is the port (against RFC 3986 §3.2.2, and found in reports).
func hostOf(v string) (host, port string) {
	if u, err := url.Parse(v); err == nil {
		if _, err := report.ParseAddr(u.Hostname()); err == nil || strings.Count(u.Host, ":") < 2 {
			return u.Hostname(), u.Port()
		}
	}
	_, rest, _ := strings.Cut(v, "://")
	host = rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host = rest[:i]
	}
	switch i := strings.LastIndexByte(host, ':'); {
	case strings.Count(host, ":") == 7:
		return host, ""
	case strings.Count(host, ":") == 8:
		return host[:i], host[i+1:]
	}
	return "", ""
}
