package acns

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tocsin/internal/formats/internal/mail"
	"tocsin/internal/report"
)

// get returns the first of these elements that is there, and a mark to set when it has become a member of the event.
func (w *wire) get(keys ...string) (string, *bool) {
	for _, key := range keys {
		for i := range w.fields {
			if w.fields[i].key == key {
				return w.fields[i].value, &w.fields[i].used
			}
		}
	}
	return "", new(bool)
}

// event makes the event of one notice, or says in a sentence why it cannot.
func (w *wire) event() (report.Event, string) {
	e := report.Event{Kind: report.Kind{Class: "fraud", Type: "copyright"}}
	if why := w.subject(&e.Subject); why != "" {
		return e, why
	}
	if why := w.time(&e); why != "" {
		return e, why
	}
	w.name(&e)
	severity, _ := w.get("case.severity") // stays a detail: the words differ
	switch s := report.Severity(strings.ToLower(severity)); s {
	case report.SeverityLow, report.SeverityMedium, report.SeverityHigh, report.SeverityCritical:
		e.Severity = s
	}
	e.Details = w.details()
	return e, ""
}

// subject reads who shared: an address and its port, or the page that has it.
func (w *wire) subject(s *report.Subject) string {
	if text, used := w.get("source.ipaddress", "source.ipv6address", "source.ip", "source.ipaddr"); text != "" {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return "Source.IP_Address " + quote(text) + " is no IP address"
		}
		s.Addr = a.Unmap()
		*used = s.Addr.String() == text
	}
	if text, used := w.get("source.port"); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return "Source.Port " + quote(text) + " is no port from 0 to 65535" // without it a shared address names nobody
		}
		s.Port, *used = uint16(n), n != 0 && strconv.FormatUint(n, 10) == text
	}
	for _, key := range [...]string{"source.transport", "source.protocol", "source.subtype.protocol", "source.subtype.transport"} {
		text, used := w.get(key)
		switch p := strings.ToLower(text); p {
		case "tcp", "udp", "sctp":
			if s.Proto == "" {
				s.Proto, *used = p, p == text
			}
		}
	}
	if text, used := w.get("source.dnsname", "source.domain", "source.hostname"); text != "" {
		if d := strings.TrimSuffix(strings.ToLower(text), "."); report.ValidDomain(d) {
			s.Domain = d
			*used = d == text
		}
	}
	if text, used := w.get("source.url", "source.urlbase", "content.item.url"); text != "" && len(text) <= report.MaxURLBytes {
		if u, err := url.Parse(text); err == nil && (u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "ftp") && u.Host != "" {
			s.URL, *used = text, true
			host(s, u.Hostname())
		}
	}
	if !s.Addr.IsValid() && s.Domain == "" && s.URL == "" {
		return "the ACNS notice names no source: Source.IP_Address is missing"
	}
	return ""
}

// host gives a subject that is only a URL the host of it.
func host(s *report.Subject, name string) {
	if s.Addr.IsValid() || s.Domain != "" {
		return
	}
	if a, err := report.ParseAddr(name); err == nil {
		s.Addr = a
	} else if d := strings.TrimSuffix(strings.ToLower(name), "."); report.ValidDomain(d) {
		s.Domain = d
	}
}

// time reads when the source was seen to share; where it does not say, when the first work was.
func (w *wire) time(e *report.Event) string {
	text, used := w.get("source.timestamp", "source.datetime", "content.item.timestamp")
	if text == "" {
		return "the ACNS notice has no time: Source.TimeStamp is missing"
	}
	t, zoned, ok := mail.ReadTime(text)
	if !ok {
		return "Source.TimeStamp " + quote(text) + " is no date and time"
	}
	if !zoned {
		w.warnings = append(w.warnings, "TimeStamp has no zone and was read as UTC")
	}
	e.From, *used = t, true
	return ""
}

// name fills in feed and tags. The leading tag is that of XARF 4 for the same, so that either makes one incident.
func (w *wire) name(e *report.Event) {
	base, _ := w.get("source.subtype.basetype")
	typ, _ := w.get("source.type")
	protocol, _ := w.get("source.subtype.protocol", "source.protocol")
	tag := func(s string) {
		if s = slug(s); s != "" && !slices.Contains(e.Tags, s) {
			e.Tags = append(e.Tags, s)
		}
	}
	switch way := slug(base); {
	case way == "p2p" || way == "" && isP2P(slug(typ)):
		tag("p2p")
	case way == "usenet" || slug(typ) == "usenet":
		tag("usenet")
	default:
		tag("copyright")
	}
	e.Feed = "copyright/" + e.Tags[0]
	if p := slug(protocol); p != e.Subject.Proto {
		tag(protocol)
	}
	tag(typ)
}

func isP2P(typ string) bool {
	switch typ {
	case "p2p", "bittorrent", "torrent", "edonkey", "edonkey2000", "ed2k", "emule", "gnutella", "gnutella2", "kad", "dc", "directconnect",
		"fasttrack", "ares", "limewire":
		return true
	}
	return false
}

func (w *wire) details() []report.Detail {
	var all []report.Detail
	for i := range w.fields {
		if f := &w.fields[i]; !f.used {
			all = append(all, report.Detail{Name: f.name, Value: f.value})
		}
	}
	for i, s := range w.warnings {
		name := "warning"
		if i > 0 {
			name = fmt.Sprintf("warning.%d", i+1)
		}
		all = append(all, report.Detail{Name: name, Value: s})
	}
	return all
}

// slug makes a tag of a word.
func slug(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.':
			return r
		}
		return '-'
	}, s)
	s = strings.Trim(s, "-.")
	return s[:min(len(s), report.MaxTagBytes)]
}

func quote(s string) string { return strconv.Quote(cut(s)) }
