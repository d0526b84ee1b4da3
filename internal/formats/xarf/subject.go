package xarf

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"tocsin/internal/report"
)

// v4Source fills in the subject from source_identifier, after url and domain. What is no address, domain, URL, e-mail
// address or telephone number (XARF allows any identifier, such as an account's name) becomes the subject only where
// url and domain name nothing either, as a URL of the scheme xarf. An address gone wrong is refused: guessing whose
// it is would be worse.
func (b *builder) v4Source() (wrong string) {
	i, s := b.at("source_identifier"), &b.event.Subject
	id := b.str(i)
	switch {
	case i == 0:
		return "source_identifier is missing"
	case id == "":
		return "source_identifier says nothing"
	}
	understood, why := b.identify(id)
	if why != "" {
		return "source_identifier " + quote(id) + " " + why
	}
	if !understood && s.URL == "" && s.Domain == "" {
		s.URL = "xarf:" + url.PathEscape(id)
	}
	b.v[i].used = s.Addr.IsValid() && s.Addr.String() == id || s.Domain == id || s.URL == id
	if d := b.at("domain"); d != 0 && b.v[d].used {
		b.v[d].used = s.Domain == b.str(d) // the identifier's own domain goes first
	}
	b.hostOfURL()
	return ""
}

// legacySource fills in the subject of a version before 4. A report on an account has no address of the source: the
// account's mail domain answers for it, else the host that it is on, else the attacker.
func (b *builder) legacySource() (wrong string) {
	body, s := b.at("Report"), &b.event.Subject
	for _, path := range [...]string{
		"SourceIp", "Source.IP", "SourceUrl", "InfringingUrl", "Source.URL",
		"Account.AccountEmail", "DestinationIp", "AttackerIp",
	} {
		i := b.first(body, path)
		id := b.str(i)
		if id == "" {
			continue
		}
		understood, why := b.identify(id)
		if why != "" {
			wrong = "Report." + path + " " + quote(id) + " " + why
		}
		if understood {
			b.v[i].used = s.Addr.IsValid() && s.Addr.String() == id || s.URL == id
			break
		}
	}
	b.hostOfURL()
	switch {
	case s.Addr.IsValid() || s.Domain != "" || s.URL != "":
		return ""
	case wrong != "":
		return wrong
	}
	return "the report names no source: no address, domain or URL"
}

// identify puts what id names into the subject. It reports whether id was understood; why says that it is an
// address that cannot be one host's.
func (b *builder) identify(id string) (understood bool, why string) {
	s := &b.event.Subject
	if id = strings.TrimSpace(id); id == "" {
		return false, "says nothing"
	}
	if a, err := netip.ParseAddr(id); err == nil {
		if a.Zone() != "" {
			return false, "has a zone, which means nothing to others: leave it out"
		}
		s.Addr = a.Unmap() // RFC 4291 §2.5.5.2
		return true, ""
	}
	if a, err := netip.ParseAddrPort(id); err == nil && a.Addr().Zone() == "" {
		s.Addr = a.Addr().Unmap()
		if s.Port == 0 {
			s.Port = a.Port()
		}
		return true, ""
	}
	if p, err := netip.ParsePrefix(id); err == nil {
		if !p.IsSingleIP() {
			return false, "is a network, not one address: report each address"
		}
		s.Addr = p.Addr().Unmap()
		return true, ""
	}
	if likeAddress(id) {
		return false, "is not an IP address"
	}
	return b.identifyName(id), ""
}

func (b *builder) identifyName(id string) bool {
	s := &b.event.Subject
	switch {
	case strings.Contains(id, "://") && isURI(id):
		if s.URL == "" && len(id) <= report.MaxURLBytes {
			s.URL = id
		}
		b.host(id)
		return true
	case strings.LastIndexByte(id, '@') > 0:
		d := domainOf(id[strings.LastIndexByte(id, '@')+1:])
		if d != "" {
			s.Domain = d
		}
		return d != ""
	case id[0] == '+':
		n := telephone(id)
		if n != "" && s.URL == "" {
			s.URL = n
		}
		return n != ""
	}
	d := domainOf(id)
	if d != "" {
		s.Domain = d
	}
	return d != ""
}

// likeAddress reports whether somebody meant an address: nothing but digits and dots, hexadecimal digits with
// colons, or two colons side by side.
func likeAddress(s string) bool {
	if strings.Trim(s, "0123456789.") == "" {
		return strings.Contains(s, ".")
	}
	return strings.Count(s, ":") > 1 && strings.Trim(s, "0123456789abcdefABCDEF:.") == "" ||
		strings.Contains(s, "::") && !strings.ContainsAny(s, " /@")
}

// telephone writes a number as RFC 3966 §3 does, "" when it is none.
func telephone(s string) string {
	digits := strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", ".", "", "/", "").Replace(s[1:])
	if len(digits) < 5 || len(digits) > 20 || strings.Trim(digits, "0123456789") != "" {
		return ""
	}
	return "tel:+" + digits
}

// hostOfURL gives a subject that has only a URL the host of it.
func (b *builder) hostOfURL() {
	if s := &b.event.Subject; s.URL != "" && !s.Addr.IsValid() && s.Domain == "" {
		b.host(s.URL)
	}
}

func (b *builder) host(rawURL string) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return
	}
	s := &b.event.Subject
	if a, err := report.ParseAddr(u.Hostname()); err == nil {
		if !s.Addr.IsValid() {
			s.Addr = a
		}
	} else if d := domainOf(u.Hostname()); d != "" && s.Domain == "" {
		s.Domain = d
	}
}

// leadingTag adds the name of the thing where the type has one and the report says it.
func (b *builder) leadingTag(m meaning, malware, service int) {
	switch m.lead {
	case byMalware:
		b.tag(slug(b.str(malware)))
	case byService:
		if name := slug(b.str(service)); name != "" {
			b.tag("open-" + strings.TrimPrefix(name, "open-"))
		}
	case byType, byCVE: // the type and the CVE follow for every report
	}
	if m.lead == byType {
		b.tag(m.tag)
	}
}

// cves adds what these texts and lists of texts name, in lower case.
func (b *builder) cves(values ...int) {
	for _, i := range values {
		if i == 0 {
			continue
		}
		for j := i; j < b.v[i].end; j++ {
			if id := strings.ToLower(b.str(j)); isCVE(id) {
				b.tag(id)
			}
		}
	}
}

func isCVE(s string) bool {
	rest, ok := strings.CutPrefix(s, "cve-")
	return ok && len(rest) > 5 && len(rest) < 20 && rest[4] == '-' &&
		strings.Trim(rest[:4], "0123456789") == "" && strings.Trim(rest[5:], "0123456789") == ""
}

// maxTags leaves room for what later rooms add.
const maxTags = report.MaxTags - 8

// senderTags takes over the sender's own tags.
func (b *builder) senderTags() {
	i := b.at("tags")
	if i == 0 || b.v[i].kind != list {
		return
	}
	for j := i + 1; j < b.v[i].end; j = b.v[j].end {
		if s := b.str(j); s != "" && b.tag(s) {
			b.use(j)
		}
	}
}

// tag adds a tag once and reports whether the event has it.
func (b *builder) tag(s string) bool {
	if s == "" || len(s) > report.MaxTagBytes {
		return false
	}
	if slices.Contains(b.event.Tags, s) {
		return true
	}
	if len(b.event.Tags) == maxTags {
		return false
	}
	b.event.Tags = append(b.event.Tags, s)
	return true
}
