package intelmq

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"tocsin/internal/formats/internal/mail"
	"tocsin/internal/report"
)

// What Encode adds so that nothing is lost on the way through IntelMQ. An event that has ownFormat is one of ours.
const (
	ownPrefix   = "extra.tocsin."
	ownFormat   = "extra.tocsin.format"
	ownTo       = "extra.tocsin.to"
	ownTags     = "extra.tocsin.tags"
	ownSeverity = "extra.tocsin.severity"
	ownMember   = "extra.tocsin.member." // a member whose value IntelMQ would refuse
	ownDetail   = "extra.tocsin.detail." // a detail whose name begins with tocsin.
)

const rawBytes = 4 << 10 // longer originals are kept as size and hash: the report itself is kept anyway

// build makes an event of one object, or says in a sentence why it cannot.
func build(raw []byte) (report.Event, string) {
	in := &input{}
	if wrong := in.read(raw); wrong != "" {
		return report.Event{}, wrong
	}
	if typ, used := in.get("__type"); typ != "" {
		if typ != "Event" {
			return report.Event{}, "the object is IntelMQ's " + quote(typ) + " and no event: have its parser make events of it"
		}
		*used = true
	}
	_, in.own = in.at[ownFormat]
	in.kind()
	if wrong := in.times(); wrong != "" {
		return report.Event{}, wrong
	}
	if wrong := in.subject(); wrong != "" {
		return report.Event{}, wrong
	}
	in.target()
	in.names()
	in.details()
	return in.event, ""
}

// input is one object while it becomes an event.
type input struct {
	flat
	own   bool // it has been an event of ours
	event report.Event
}

// member is get for a field that Encode may have put elsewhere.
func (in *input) member(name string) (string, *bool) {
	if v, used := in.get(name); v != "" {
		return v, used
	}
	if in.own {
		return in.get(ownMember + name)
	}
	return "", new(bool)
}

func (in *input) kind() {
	typ, used := in.get("classification.type")
	in.event.Kind = kindOf(typ)
	*used = typ == string(in.event.Kind.Type)
	taxonomy, used := in.get("classification.taxonomy")
	*used = taxonomy == string(in.event.Kind.Class)
}

// times reads when it was. IntelMQ lets time.source out where the source gives none, as blocklists do: then it is when
// IntelMQ took it in.
func (in *input) times() string {
	text, used := in.get("time.source")
	if text == "" {
		text, _ = in.get("time.observation") // stays a detail: it is not when it happened
	}
	if text == "" {
		return "the event has neither time.source nor time.observation"
	}
	t, _, ok := mail.ReadTime(text)
	if !ok {
		return "time.source " + quote(text) + " is no date and time"
	}
	in.event.From, *used = t, true
	if to, used := in.get(ownTo); to != "" {
		if t, err := time.Parse(time.RFC3339Nano, to); err == nil {
			in.event.To, *used = t.UTC(), true
		}
	}
	return ""
}

func (in *input) subject() string {
	s := &in.event.Subject
	if text, used := in.get("source.ip"); text != "" {
		a, err := report.ParseAddr(text)
		if err != nil {
			return "source.ip: " + err.Error()
		}
		s.Addr, *used = a, a.String() == text
	}
	in.port("source.port", &s.Port)
	in.domain("source.fqdn", &s.Domain)
	in.url("source.url", &s.URL)
	if text, used := in.get("source.asn"); text != "" {
		if n, err := strconv.ParseUint(strings.TrimPrefix(text, "AS"), 10, 32); err == nil && n > 0 {
			s.ASN = uint32(n)
			*used = strconv.FormatUint(n, 10) == text
		}
	}
	if text, used := in.get("source.geolocation.cc"); isCountry(strings.ToUpper(text)) {
		s.CC = strings.ToUpper(text)
		*used = s.CC == text
	}
	if text, used := in.member("protocol.transport"); text != "" && len(text) <= 32 {
		s.Proto = strings.ToLower(text)
		*used = s.Proto == text
	}
	if text, used := in.get("source.network"); text != "" && !s.Addr.IsValid() && s.Domain == "" && s.URL == "" {
		p, err := report.ParsePrefix(text)
		if err != nil {
			return "source.network: " + err.Error()
		}
		s.Prefix, *used = p, p.String() == text
	}
	if in.own || s.Addr.IsValid() || s.Prefix.IsValid() || s.Domain != "" {
		return ""
	}
	if u, err := url.Parse(s.URL); err == nil && s.URL != "" {
		if a, err := report.ParseAddr(u.Hostname()); err == nil {
			s.Addr = a
		} else if isFQDN(lowerName(u.Hostname())) {
			s.Domain = lowerName(u.Hostname())
		}
	}
	if s.URL != "" {
		return ""
	}
	if account, _ := in.get("source.account"); strings.LastIndexByte(account, '@') > 0 {
		if d := lowerName(account[strings.LastIndexByte(account, '@')+1:]); isFQDN(d) {
			s.Domain = d // who runs the mail domain answers for the account
			return ""
		}
	}
	return "the event names no source: source.ip, source.fqdn and source.url are missing"
}

func (in *input) port(name string, to *uint16) {
	text, used := in.get(name)
	if n, err := strconv.ParseUint(text, 10, 16); err == nil && n > 0 {
		*to = uint16(n)
		*used = strconv.FormatUint(n, 10) == text
	}
}

func (in *input) domain(name string, to *string) {
	text, used := in.member(name)
	if d := lowerName(text); report.ValidDomain(d) && (in.own || isFQDN(d)) {
		*to, *used = d, d == text
	}
}

func (in *input) url(name string, to *string) {
	if text, used := in.member(name); text != "" && len(text) <= report.MaxURLBytes {
		*to, *used = text, true
	}
}

func lowerName(s string) string { return strings.TrimSuffix(strings.ToLower(s), ".") }

func (in *input) target() {
	t := &in.event.Target
	if text, used := in.get("destination.ip"); text != "" {
		if a, err := report.ParseAddr(text); err == nil {
			t.Addr, *used = a, a.String() == text
		}
	}
	in.port("destination.port", &t.Port)
	in.domain("destination.fqdn", &t.Domain)
	in.url("destination.url", &t.URL)
}

// names reads feed, tags and severity.
func (in *input) names() {
	e := &in.event
	feed, used := in.get("feed.name")
	if e.Feed = feed; feed == "" && !in.own {
		e.Feed, _ = in.get("feed.code")
	}
	*used = true
	identifier, used := in.member("classification.identifier")
	if in.tag(identifier) {
		*used = true
	}
	if list, used := in.get(ownTags); list != "" {
		var tags []string
		if json.Unmarshal([]byte(list), &tags) == nil {
			e.Tags, *used = tags[:min(len(tags), report.MaxTags)], true
		}
	}
	if in.own {
		severity, used := in.get(ownSeverity)
		e.Severity, *used = report.Severity(severity), true
		return
	}
	malware, _ := in.get("malware.name") // stays a detail: it goes out again under its name
	in.tag(malware)
	for _, name := range [...]string{"severity", "extra.severity"} {
		text, _ := in.get(name) // stays a detail too: IntelMQ has no fixed words
		if s := report.Severity(strings.ToLower(text)); e.Severity == "" && s.Rank() > 0 {
			e.Severity = s
		}
	}
}

func (in *input) tag(s string) bool {
	if s == "" || len(s) > report.MaxTagBytes {
		return false
	}
	if !slices.Contains(in.event.Tags, s) {
		in.event.Tags = append(in.event.Tags, s)
	}
	return true
}

// details are all other fields. What IntelMQ keeps under extra has its own name.
func (in *input) details() {
	seen := map[string]int{}
	add := func(name, value string) {
		if seen[name]++; seen[name] > 1 {
			name += "#" + strconv.Itoa(seen[name]) // a field that is both in extra and beside it
		}
		in.event.Details = append(in.event.Details, report.Detail{Name: name, Value: value})
	}
	for i := range in.fields {
		f := &in.fields[i]
		name := f.name
		switch {
		case f.used:
			continue
		case in.own && strings.HasPrefix(name, ownDetail):
			name = strings.TrimPrefix(name, ownDetail)
		case in.own && strings.HasPrefix(name, ownPrefix):
			continue
		case name == "raw" && len(f.value) > rawBytes && !in.own:
			size, sum := digest(f.value)
			add("raw.size", strconv.Itoa(size))
			add("raw.sha256", sum)
			continue
		default:
			name = strings.TrimPrefix(name, "extra.")
		}
		add(name, f.value)
	}
}

func digest(s string) (size int, sum string) {
	text, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		text = []byte(s)
	}
	h := sha256.Sum256(text)
	return len(text), hex.EncodeToString(h[:])
}

func quote(s string) string {
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "") + "…"
	}
	return strconv.Quote(s)
}
