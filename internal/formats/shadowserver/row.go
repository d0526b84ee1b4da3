package shadowserver

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"tocsin/internal/report"
)

// read makes a row the parser's event. A row may lack columns at its end that only add details and tags: headers have
// grown before the rows did. One with too many is refused, as nobody knows which value is whose. A row whose time, address or port cannot be read is refused; another value
// that its member cannot hold stays in the details, as does each value that the member does not hold unchanged.
func (p *parser) read(fields []string) error {
	if p.tagAt >= 0 && p.tagAt < len(fields) {
		p.plan = p.choose(fields[p.tagAt])
	}
	if len(fields) > len(p.names) || len(fields) < p.plan.need {
		if len(fields) > maxColumns {
			return fmt.Errorf("the row has more than %d columns, the header %d", maxColumns, len(p.names))
		}
		if len(fields) == 1 {
			return fmt.Errorf("the row has 1 column, the header %d", len(p.names))
		}
		return fmt.Errorf("the row has %d columns, the header %d", len(fields), len(p.names))
	}
	e := &p.event
	*e = report.Event{
		Format: name, Feed: p.plan.feed, Kind: p.plan.kind, Tags: e.Tags[:0], Details: e.Details[:0],
	}
	p.found, p.cves = p.found[:0], p.cves[:0]
	lead := p.plan.tag
	for i, v := range fields {
		if v == "" {
			continue
		}
		r := p.plan.columns[i]
		whole := false // whether a member holds the value as it stands
		if r != roleDetail {
			var err error
			if whole, err = p.member(r&^roleTags, v, fields); err != nil {
				return err
			}
			if r&roleTags != 0 {
				if r&roleLead != 0 && lead == "" {
					lead = tagWord(firstWord(v))
				}
				p.collect(r, v)
			}
		}
		if !whole {
			e.Details = append(e.Details, report.Detail{Name: p.names[i], Value: v})
		}
	}
	if e.From.IsZero() {
		return fmt.Errorf("the row has no time in column \"timestamp\"")
	}
	if s := &e.Subject; !s.Addr.IsValid() && s.Domain == "" && s.URL == "" { // the AS number alone is no finding
		return errors.New("the row names no address, domain or URL")
	}
	if e.Subject.Proto == "" {
		e.Subject.Proto = p.plan.proto
	}
	if p.plan.rule != ruleNone {
		lead = p.decide(lead)
	}
	p.tags(lead)
	return nil
}

// member puts a value where its role says and reports whether nothing of it is lost there.
func (p *parser) member(r role, v string, fields []string) (whole bool, err error) {
	s, t := &p.event.Subject, &p.event.Target
	switch r {
	case roleTime:
		at, ok := p.clock.read(v)
		if !ok {
			return false, fmt.Errorf("%q is no time: write 2006-01-02 15:04:05, in UTC", short(v))
		}
		p.event.From = at
		return v[len(v)-1] != ' ' && v[0] != ' ', nil
	case roleAddr:
		a, err := address(v)
		if err != nil {
			s.Addr, err = oddAddress(v, err)
			return false, err
		}
		s.Addr = a
		return !a.Is4() || strings.IndexByte(v, ':') < 0, nil // IPv4-mapped IPv6 is told from IPv4 in the details
	case rolePort:
		n, ok := number(strings.Trim(v, " "), 65535)
		if !ok {
			return false, fmt.Errorf("%q is no port: write a number from 1 to 65535", short(v))
		}
		s.Port = uint16(n)
		return v[0] != '0' && v[0] != ' ' && v[len(v)-1] != ' ', nil
	case roleProto:
		if l := lower(v); word(l) {
			s.Proto = l
			return l == v, nil
		}
	case roleASN:
		n, ok := number(v, 1<<32-1)
		if ok {
			s.ASN = uint32(n)
		}
		return ok && v[0] != '0', nil
	case roleCC:
		if l := strings.ToUpper(v); country(l) {
			s.CC = l
			return l == v, nil
		}
	case roleDomain, roleURL, roleSite, roleEmail:
		return p.name(r, v, fields), nil
	case roleTargetAddr:
		if a, err := address(v); err == nil && !a.IsUnspecified() {
			t.Addr = a
			return !a.Is4() || strings.IndexByte(v, ':') < 0, nil
		}
	case roleTargetPort:
		n, ok := number(v, 65535)
		if ok {
			t.Port = uint16(n)
		}
		return ok && v[0] != '0', nil
	case roleTargetDomain:
		t.Domain = host(v)
		return t.Domain == v, nil
	case roleTargetURL:
		t.URL = p.url(v, fields)
		return t.URL == v, nil
	case roleSeverity:
		// "info" is below what our severities begin with: it stays in the details.
		if l := report.Severity(lower(v)); l.Rank() > 0 {
			p.event.Severity = l
			return string(l) == v, nil
		}
	}
	return false, nil
}

// name puts a domain or URL into the subject.
func (p *parser) name(r role, v string, fields []string) (whole bool) {
	s := &p.event.Subject
	switch r {
	case roleEmail:
		if _, at, ok := strings.Cut(v, "@"); ok {
			s.Domain = host(at)
		}
		return false
	case roleURL:
		s.URL = p.url(v, fields)
		return s.URL == v
	case roleSite:
		if s.Domain = host(v); s.Domain == "" {
			s.URL = p.url(v, fields)
			return s.URL == v
		}
	default:
		s.Domain = host(v)
	}
	return s.Domain == v
}

// url returns the URL that a column means. Some reports write the path or the first line of the HTTP request and
// the host in another column; where the host is missing there is no URL.
func (p *parser) url(v string, fields []string) string {
	if strings.Contains(v, "://") {
		if len(v) > report.MaxURLBytes {
			return ""
		}
		return v
	}
	at := strings.IndexByte(v, '/')
	if at < 0 || at > 0 && v[at-1] != ' ' || p.httpAt < 0 || p.httpAt >= len(fields) || fields[p.httpAt] == "" {
		return ""
	}
	path := v[at:]
	if end := strings.IndexByte(path, ' '); end >= 0 {
		path = path[:end]
	}
	scheme := "http://"
	if p.appAt >= 0 && p.appAt < len(fields) && fields[p.appAt] == "https" {
		scheme = "https://"
	}
	if u := scheme + fields[p.httpAt] + path; len(u) <= report.MaxURLBytes {
		return u
	}
	return ""
}

// collect keeps what a column adds to the tags.
func (p *parser) collect(r role, v string) {
	if r&roleName != 0 && len(p.found) < report.MaxTags/4 {
		if w := tagWord(v); w != "" {
			p.found = append(p.found, w)
		}
	}
	if r&roleCVE == 0 {
		return
	}
	for v != "" && len(p.cves) < report.MaxTags/2 {
		word := v
		if i := strings.IndexByte(v, ';'); i >= 0 {
			word, v = v[:i], v[i+1:]
		} else {
			v = ""
		}
		if len(word) < len("cve-0-0") || word[0]|0x20 != 'c' || word[3] != '-' {
			continue
		}
		if word = lower(word); cve(word) && len(word) <= report.MaxTagBytes {
			p.cves = append(p.cves, word)
		}
	}
}

// tagWord makes a value a tag; "" when it names nothing or is too long for one, and then stays in the details only.
func tagWord(v string) string {
	v = lower(strings.TrimSpace(v))
	if v == "0" || v == "unknown" || v == "-" || len(v) > report.MaxTagBytes {
		return ""
	}
	return v
}

// tags lists the leading tag, the families and the CVE numbers, each once.
func (p *parser) tags(lead string) {
	e := &p.event
	if lead != "" {
		e.Tags = append(e.Tags, lead)
	}
	for _, list := range [2][]string{p.found, p.cves} {
	next:
		for _, w := range list {
			for _, have := range e.Tags {
				if have == w {
					continue next
				}
			}
			e.Tags = append(e.Tags, w)
		}
	}
}

// Kinds that rules choose between.
var (
	infected   = report.Kind{Class: "malicious-code", Type: "infected-system"}
	vulnerable = report.Kind{Class: "vulnerable", Type: "vulnerable-system"}
	taken      = report.Kind{Class: "intrusions", Type: "system-compromise"}
	spam       = report.Kind{Class: "abusive-content", Type: "spam"}
)

// decide gives the event the kind that follows from its row, and returns the leading tag.
func (p *parser) decide(lead string) string {
	e := &p.event
	switch p.plan.rule {
	case ruleExchange, ruleExchange2021:
		if strings.Contains(lower(e.Detail("tag")), "webshell") {
			e.Kind = taken
			return "exchange-server-webshell"
		}
		e.Kind = vulnerable
		if p.plan.rule == ruleExchange2021 && slices.Contains(p.cves, "cve-2021-26855") {
			e.Kind = infected // as reported at the time: these servers were being taken over as they were found
		}
		return "vulnerable-exchange-server"
	case ruleDrone:
		e.Kind = infected
		if e.Detail("infection") == "spam" {
			e.Kind = spam
		}
	}
	return lead
}

// short is a value cut so that a hostile one does not fill a screen.
func short(v string) string {
	if len(v) > 80 {
		return strings.ToValidUTF8(v[:80], "") + "…"
	}
	return v
}
