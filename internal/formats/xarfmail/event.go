package xarfmail

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"tocsin/internal/formats/internal/mail"
	"tocsin/internal/report"
)

// reading is one report while it becomes an event.
type reading struct {
	fields   []field
	event    report.Event
	warnings []string
}

// at returns the place of a field, -1 when it is not there. Names are compared without case: senders differ.
func (r *reading) at(name string) int {
	for i := range r.fields {
		if strings.EqualFold(r.fields[i].name, name) {
			return i
		}
	}
	return -1
}

// get returns a field's value and a mark to set when it has become a member of the event unchanged.
func (r *reading) get(name string) (string, *bool) {
	if i := r.at(name); i >= 0 {
		return strings.TrimSpace(r.fields[i].value), &r.fields[i].used
	}
	return "", new(bool)
}

// event makes the event of one report, or says in a sentence why it cannot.
func (w *wire) event(text []byte, strict bool) (report.Event, string) {
	all, why := fields(text)
	if why != "" {
		return report.Event{}, why
	}
	r := &reading{fields: all}
	typ, usedType := r.get("Report-Type")
	category, usedCategory := r.get("Category")
	if typ == "" {
		return report.Event{}, "the X-ARF report says no Report-Type"
	}
	r.warnings = r.broken(typ)
	if strict && len(r.warnings) > 0 {
		return report.Event{}, "not valid X-ARF: " + strings.Join(r.warnings, "; ")
	}
	r.event.Feed = strings.ToLower(strings.Trim(category+"/"+typ, "/"))
	*usedType, *usedCategory = typ == strings.ToLower(typ), category == strings.ToLower(category)
	if why := r.date(); why != "" {
		return report.Event{}, why
	}
	m := meaningOf(typ)
	if m.kind == infected && r.hosts() {
		m = meanings["malware"]
	}
	if why := r.source(); why != "" {
		return report.Event{}, why
	}
	r.more()
	if m.kind == hosting {
		r.download()
	}
	r.event.Kind = m.kind
	if m.tag != "" {
		r.event.Tags = []string{m.tag}
	}
	r.target(m)
	r.event.Details = r.details(w)
	return r.event, ""
}

// date reads Date: by the specification as RFC 3339 has it, by what senders do as RFC 5322 or ctime. A time without
// a zone is UTC, with a warning.
func (r *reading) date() string {
	s, used := r.get("Date")
	if s == "" {
		return "the X-ARF report has no Date"
	}
	t, zoned, ok := mail.ReadTime(s)
	if !ok {
		return "Date " + quote(s) + " is no date: write it as RFC 3339 has it"
	}
	if !zoned {
		r.warnings = append(r.warnings, "Date has no zone and was read as UTC")
	}
	r.event.From, *used = t, true
	return ""
}

// source reads Source by what it is; Source-Type only says what the sender thinks that it is.
func (r *reading) source() string {
	s := &r.event.Subject
	id, used := r.get("Source")
	says, _ := r.get("Source-Type")
	if id == "" {
		return "the X-ARF report has no Source"
	}
	switch a, p, why := address(id); {
	case why != "":
		return "Source " + quote(id) + " " + why
	case a.IsValid():
		s.Addr, s.Port = a, p
		*used = a.String() == id
	case strings.Contains(id, "://"):
		u, err := url.Parse(id)
		if err != nil || u.Host == "" || len(id) > report.MaxURLBytes {
			return "Source " + quote(id) + " is no URL"
		}
		s.URL, *used = id, true
		r.host(u)
	case strings.LastIndexByte(id, '@') > 0:
		if s.Domain = domain(id[strings.LastIndexByte(id, '@')+1:]); s.Domain == "" {
			return "Source " + quote(id) + " is no address, URL, e-mail address or domain"
		}
	default:
		if s.Domain = domain(id); s.Domain == "" || strings.HasPrefix(strings.ToLower(says), "ip") {
			return "Source " + quote(id) + " is no address, URL, e-mail address or domain"
		}
		*used = s.Domain == id
	}
	if d, used := r.get("Domain"); s.Domain == "" && d != "" {
		s.Domain = domain(d)
		*used = s.Domain == d
	} else if d != "" && d == s.Domain {
		*used = true
	}
	return ""
}

// more reads what some schemas say of the source besides.
func (r *reading) more() {
	s := &r.event.Subject
	if p, used := r.get("Source-Port"); s.Port == 0 && p != "" {
		s.Port = port(p)
		*used = s.Port != 0
	}
	if asn, used := r.get("ASN"); asn != "" {
		if n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToUpper(asn), "AS"), 10, 32); err == nil && n > 0 {
			s.ASN = uint32(n)
			*used = strconv.FormatUint(n, 10) == asn
		}
	}
	if proto, used := r.get("Protocol"); proto != "" {
		switch p := strings.ToLower(proto); p {
		case "tcp", "udp", "icmp", "sctp":
			s.Proto, *used = p, p == proto
		}
	}
}

// download reads where the malware is on offer. Only then is the link the source's own: an infected machine loads
// from anywhere.
func (r *reading) download() {
	s := &r.event.Subject
	link, used := r.get("Download-Link")
	u, err := url.Parse(link)
	if s.URL != "" || err != nil || u.Host == "" || len(link) > report.MaxURLBytes {
		return
	}
	s.URL, *used = link, true
	r.host(u)
	if p, used := r.get("Download-Port"); s.Port == 0 && p != "" {
		s.Port = port(p)
		*used = s.Port != 0
	}
}

// host gives a subject the host of its URL, where nothing names it yet.
func (r *reading) host(u *url.URL) {
	s := &r.event.Subject
	if a, err := report.ParseAddr(u.Hostname()); err == nil {
		if !s.Addr.IsValid() {
			s.Addr = a
		}
	} else if s.Domain == "" {
		s.Domain = domain(u.Hostname())
	}
}

// hosts reports whether a malware-attack is about malware that the source has on offer, which takedown services report
// under that name. The schema means an infected source that attacked a honeypot, and has Destination-System for it.
func (r *reading) hosts() bool {
	link, _ := r.get("Download-Link")
	system, _ := r.get("Destination-System")
	return link != "" && system == ""
}

// target reads what was hit. Port is the service that was attacked, or the one that the source offers.
func (r *reading) target(m meaning) {
	t := &r.event.Target
	if d, used := r.get("Destination"); d != "" {
		if a, p, why := address(d); why == "" && a.IsValid() {
			t.Addr, t.Port = a, p
			*used = a.String() == d
		} else if why == "" && strings.Contains(d, "://") && len(d) <= report.MaxURLBytes {
			t.URL, *used = d, true
		} else if t.Domain = domain(d); t.Domain == d {
			*used = true
		}
	}
	if p, used := r.get("Destination-Port"); p != "" && t.Port == 0 {
		t.Port = port(p)
		*used = t.Port != 0
	}
	to := &r.event.Subject.Port
	if m.hits {
		to = &t.Port
	}
	if p, used := r.get("Port"); p != "" && *to == 0 {
		*to = port(p)
		*used = *to != 0
	}
}

// details are the fields that became no member, what is known of the evidence, and what the schema would refuse.
func (r *reading) details(w *wire) []report.Detail {
	var all []report.Detail
	for i := range r.fields {
		if f := &r.fields[i]; !f.used {
			all = append(all, report.Detail{Name: f.name, Value: f.value})
		}
	}
	if e := &w.evidence; e.whole {
		all = append(all, report.Detail{Name: "evidence.type", Value: clean(e.typ)})
		if e.name != "" {
			all = append(all, report.Detail{Name: "evidence.name", Value: clean(e.name)})
		}
		all = append(all, report.Detail{Name: "evidence.bytes", Value: strconv.FormatInt(e.bytes, 10)},
			report.Detail{Name: "evidence.sha256", Value: e.sha256})
	}
	for i, s := range r.warnings {
		name := "warning"
		if i > 0 {
			name = fmt.Sprintf("warning.%d", i+1)
		}
		all = append(all, report.Detail{Name: name, Value: s})
	}
	return all
}

// address reads an address, also with a port. why says that it is one gone wrong.
func address(s string) (a netip.Addr, port uint16, why string) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		if a.Zone() != "" {
			return netip.Addr{}, 0, "has a zone, which means nothing to others: leave it out"
		}
		return a.Unmap(), 0, "" // RFC 4291 §2.5.5.2
	}
	if a, err := netip.ParseAddrPort(s); err == nil && a.Addr().Zone() == "" {
		return a.Addr().Unmap(), a.Port(), ""
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		if !p.IsSingleIP() {
			return netip.Addr{}, 0, "is a network, not one address: report each address"
		}
		return p.Addr().Unmap(), 0, ""
	}
	if strings.Trim(s, "0123456789.") == "" || strings.Count(s, ":") > 1 && strings.Trim(s, "0123456789abcdefABCDEF:.") == "" {
		return netip.Addr{}, 0, "is no IP address"
	}
	return netip.Addr{}, 0, ""
}

func port(s string) uint16 {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

// domain returns a name as the event has it, "" when it is none. What ends in a number is an address gone wrong.
func domain(s string) string {
	d := strings.TrimSuffix(strings.ToLower(s), ".")
	if last := d[strings.LastIndexByte(d, '.')+1:]; !report.ValidDomain(d) || strings.Trim(last, "0123456789") == "" {
		return ""
	}
	return d
}

// clean makes text of what a part's header says: valid, without NUL.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

func quote(s string) string {
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "") + "…"
	}
	return strconv.Quote(s)
}
