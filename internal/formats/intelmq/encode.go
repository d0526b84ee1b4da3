package intelmq

import (
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"tocsin/internal/report"
)

// Encode writes an event as IntelMQ's JSON parser reads it, on one line without a newline. Every member and detail
// goes out: what IntelMQ has no field for, or would refuse in its field, stands under extra. Parse makes the same event
// of it again, but for its format, which becomes intelmq, and its row.
//
// It is for whoever owns the event. What leaves the node for others goes through sharing first.
func Encode(e *report.Event) ([]byte, error) {
	w := &writer{b: make([]byte, 0, 1024), names: map[string]bool{}}
	w.b = append(w.b, '{')
	w.text("__type", "Event")
	w.text("classification.taxonomy", string(e.Kind.Class))
	w.text("classification.type", string(e.Kind.Type))
	w.member("classification.identifier", e.Tag(), e.Tag() != "-" && e.Tag() != "N/A")
	w.optional("feed.name", e.Feed)
	w.time("time.source", e.From)
	s, t := &e.Subject, &e.Target
	if s.Addr.IsValid() {
		w.text("source.ip", s.Addr.String())
	}
	if s.Prefix.IsValid() {
		w.text("source.network", s.Prefix.String())
	}
	w.number("source.port", uint64(s.Port))
	w.member("source.fqdn", s.Domain, isFQDN(s.Domain))
	w.member("source.url", s.URL, isURL(s.URL))
	w.number("source.asn", uint64(s.ASN))
	w.optional("source.geolocation.cc", s.CC)
	w.member("protocol.transport", s.Proto, transports[s.Proto])
	if t.Addr.IsValid() {
		w.text("destination.ip", t.Addr.String())
	}
	w.number("destination.port", uint64(t.Port))
	w.member("destination.fqdn", t.Domain, isFQDN(t.Domain))
	w.member("destination.url", t.URL, isURL(t.URL))
	w.text(ownFormat, e.Format)
	w.time(ownTo, e.To)
	w.optional(ownSeverity, string(e.Severity))
	if len(e.Tags) > 1 {
		w.tags(e.Tags)
	}
	for i := range e.Details {
		w.detail(&e.Details[i])
	}
	if w.err != nil {
		return nil, w.err
	}
	return append(w.b, '}'), nil
}

// writer appends fields to an object.
type writer struct {
	b     []byte
	names map[string]bool // of details, so that no name stands twice
	err   error
}

func (w *writer) name(name string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.quote(name)
	w.b = append(w.b, ':')
}

func (w *writer) quote(s string) {
	if !utf8.ValidString(s) {
		w.err = errors.New("the event holds bytes that are not UTF-8, which JSON cannot")
		return
	}
	w.b, _ = jsontext.AppendQuote(w.b, s) // it fails on what is not UTF-8 only
}

func (w *writer) text(name, v string) {
	w.name(name)
	w.quote(v)
}

func (w *writer) optional(name, v string) {
	if v != "" {
		w.text(name, v)
	}
}

// member writes a member where IntelMQ takes the value in that field, and else under extra.
func (w *writer) member(name, v string, fits bool) {
	if !fits {
		name = ownMember + name
	}
	w.optional(name, v)
}

func (w *writer) number(name string, n uint64) {
	if n != 0 {
		w.name(name)
		w.b = strconv.AppendUint(w.b, n, 10)
	}
}

// time writes what Python's isoformat does: the zone as +00:00.
func (w *writer) time(name string, t time.Time) {
	if t.IsZero() {
		return
	}
	w.text(name, strings.TrimSuffix(t.UTC().Format(time.RFC3339Nano), "Z")+"+00:00")
}

func (w *writer) tags(tags []string) {
	w.name(ownTags)
	w.b = append(w.b, '[')
	for i, t := range tags {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.quote(t)
	}
	w.b = append(w.b, ']')
}

// detail writes a detail under its own name where that is a field of the harmonisation and the value one that it
// takes, else under extra.
func (w *writer) detail(d *report.Detail) {
	quoted, fits := types[d.Name].literal(d.Value)
	name := d.Name
	switch {
	case fits:
	case strings.HasPrefix(name, "tocsin."):
		name, quoted = ownDetail+name, true
	default:
		name, quoted = "extra."+name, true
	}
	base := name
	for n := 2; w.names[name]; n++ {
		name = base + "#" + strconv.Itoa(n)
	}
	w.names[name] = true
	w.name(name)
	if quoted {
		w.quote(d.Value)
		return
	}
	w.b = append(w.b, d.Value...)
}
