package xarf

import (
	"strings"
	"time"

	"tocsin/internal/report"
)

// use marks values that have become members of the event.
func (b *builder) use(values ...int) {
	for _, i := range values {
		if i != 0 {
			b.v[i].used = true
		}
	}
}

// first returns the first of these that is there below value i; a dot leads a level down.
func (b *builder) first(i int, paths ...string) int {
	for _, path := range paths {
		j := i
		for name := range strings.SplitSeq(path, ".") {
			if j = b.member(j, name); j == 0 {
				break
			}
		}
		if j != 0 {
			return j
		}
	}
	return 0
}

// v4Fields fills in what version 4 has members for; what cannot be used stays a detail.
func (b *builder) v4Fields(m meaning) {
	e := &b.event
	e.Kind, e.Feed = m.kind, m.feed
	b.port(b.at("source_port"), &e.Subject.Port)
	if strings.HasPrefix(m.feed, "vulnerability/") && e.Subject.Port == 0 {
		b.port(b.first(0, "service_port", "port"), &e.Subject.Port)
	}
	b.proto(b.at("protocol"))
	b.url(b.first(0, "url", "infringing_url"), &e.Subject.URL)
	b.domain(b.at("domain"), &e.Subject.Domain)
	b.asn(b.at("asn"))
	if cc := b.at("country_code"); cc != 0 && country.pattern.Match(b.v[cc].text) {
		e.Subject.CC = b.str(cc)
		b.use(cc)
	}
	b.target("destination_ip", "destination_port", 0)
	b.url(b.at("target_url"), &e.Target.URL)
	b.period("last_seen", 0)
	b.severity(0, "severity", "risk_level", "cvss_score")
	b.leadingTag(m, b.at("malware_family"), b.at("service"))
	b.cves(b.at("cve_id"), b.at("cve_ids"), b.at("exploit_cve"), b.at("vulnerability_cve"),
		b.first(0, "vulnerability_exploited.cve"))
	b.tag(m.tag)
	b.senderTags()
}

// legacyFields does the same for the versions before 4.
func (b *builder) legacyFields() {
	e, body := &b.event, b.at("Report")
	class, typ := b.first(body, "ReportClass"), b.first(body, "ReportType")
	m := legacyMeaning(b.str(class), b.str(typ))
	b.use(class, typ)
	e.Kind, e.Feed = m.kind, m.feed
	b.time(b.first(body, "Date"), &e.From)
	b.port(b.first(body, "SourcePort", "Source.Port"), &e.Subject.Port)
	b.proto(b.first(body, "TransportProtocol", "Protocol", "AdditionalInfo.Protocol"))
	b.url(b.first(body, "SourceUrl", "InfringingUrl", "Source.URL"), &e.Subject.URL)
	b.asn(b.first(body, "ASN"))
	b.target("DestinationIp", "DestinationPort", body)
	if e.Target == (report.Target{}) {
		if more := b.first(body, "AdditionalInfo"); more != 0 {
			b.target("DestinationIP", "DestinationPort", more)
		}
	}
	b.domain(b.first(body, "RpzDomain"), &e.Target.Domain)
	if more := b.first(body, "AdditionalInfo"); more != 0 {
		b.period("LastSeen", more)
	}
	b.severity(body, "ReporterSeverity", "CVSS.Severity", "CVSS.Score")
	b.leadingTag(m,
		b.first(body, "MalwareName", "BotnetName", "AdditionalInfo.MalwareFamily"),
		b.first(body, "ServiceName", "AdditionalInfo.Service"))
	b.cves(b.first(body, "CVE", "AdditionalInfo.CVE"))
	b.tag(m.tag)
}

func (b *builder) time(i int, to *time.Time) bool {
	t, ok := readTime(b.str(i))
	if ok {
		*to = t
		b.use(i)
	}
	return ok
}

// period reads the end of the time of observation. The report's own time is what the event happened at; only where
// the source was seen later than that is there a period.
func (b *builder) period(name string, i int) {
	last := b.member(i, name)
	if last == 0 {
		return
	}
	t, ok := readTime(b.str(last)) // stays a detail, as first_seen does
	if from := b.event.From; ok && !from.IsZero() && t.After(from) {
		b.event.To = t
	}
}

func (b *builder) port(i int, to *uint16) {
	if p := readPort(&b.v[i]); p != 0 {
		*to = p
		b.use(i)
	}
}

// proto takes over transport protocols; smtp or whatsapp say nothing about a port and stay details.
func (b *builder) proto(i int) {
	switch p := strings.ToLower(b.str(i)); p {
	case "tcp", "udp", "icmp", "sctp":
		b.event.Subject.Proto = p
		b.v[i].used = p == b.str(i)
	}
}

func (b *builder) url(i int, to *string) {
	if s := b.str(i); s != "" && len(s) <= report.MaxURLBytes {
		*to = s
		b.use(i)
	}
}

func (b *builder) domain(i int, to *string) {
	s := b.str(i)
	if d := domainOf(s); d != "" {
		*to = d
		b.v[i].used = d == s
	}
}

// domainOf returns the name as the event has it, "" when it is none. What ends in a number is an address gone
// wrong, not a name (WHATWG URL §3.5).
func domainOf(s string) string {
	d := strings.TrimSuffix(strings.ToLower(s), ".")
	last := d[strings.LastIndexByte(d, '.')+1:]
	if !report.ValidDomain(d) || strings.Trim(last, "0123456789") == "" {
		return ""
	}
	return d
}

func (b *builder) asn(i int) {
	v := &b.v[i]
	if v.kind != number {
		return
	}
	if d := readDecimal(v.text); !d.fraction && !d.less(1) && !d.more(1<<32-1) {
		b.event.Subject.ASN = uint32(d.whole)
		b.use(i)
	}
}

func (b *builder) target(addr, port string, parent int) {
	e := &b.event
	if i := b.member(parent, addr); i != 0 {
		if a, err := report.ParseAddr(b.str(i)); err == nil {
			e.Target.Addr = a
			b.v[i].used = a.String() == b.str(i)
		}
	}
	i := b.member(parent, port)
	if i == 0 {
		return
	}
	if b.v[i].kind == list && b.count(i) == 1 {
		b.port(i+1, &e.Target.Port)
		b.v[i].used = b.v[i+1].used
		return
	}
	b.port(i, &e.Target.Port)
}

// severity takes the first of these members that says how bad it is. They stay details: the words differ.
func (b *builder) severity(i int, paths ...string) {
	for _, path := range paths {
		j := b.first(i, path)
		if j == 0 {
			continue
		}
		if b.event.Severity = severityOf(&b.v[j]); b.event.Severity != "" {
			return
		}
	}
}

// severityOf reads a word, or a CVSS score by its qualitative scale (CVSS v3.1 §5).
func severityOf(v *value) report.Severity {
	if v.kind == number {
		switch d := readDecimal(v.text); {
		case d.negative || d.more(10):
			return ""
		case !d.less(9):
			return report.SeverityCritical
		case !d.less(7):
			return report.SeverityHigh
		case !d.less(4):
			return report.SeverityMedium
		case d.more(0):
			return report.SeverityLow
		}
		return ""
	}
	switch strings.ToLower(string(v.text)) {
	case "low", "info", "informational":
		return report.SeverityLow
	case "medium":
		return report.SeverityMedium
	case "high":
		return report.SeverityHigh
	case "critical":
		return report.SeverityCritical
	}
	return ""
}
