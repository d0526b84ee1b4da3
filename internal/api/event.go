package api

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tocsin/internal/desk"
	"tocsin/internal/report"
)

// EventInput is an event as DESIGN.md §6 writes it, without what the node fills in itself. Values are text here, so
// that all that is wrong with them can be said at once.
type EventInput struct {
	Class    string            `json:"class,omitempty" doc:"RSIT class; follows from the type where it is left out"`
	Type     string            `json:"type" doc:"RSIT 1003 type, such as brute-force"`
	Tag      string            `json:"tag,omitempty" doc:"the first of tags; needs not be given where these are"`
	Tags     []string          `json:"tags,omitempty" nullable:"false" doc:"names of the thing, the leading one first"`
	From     string            `json:"from" doc:"when it was seen, with the zone: 2026-03-01T02:10:00Z"`
	To       string            `json:"to,omitempty" doc:"end of the period, where it is one"`
	Subject  SubjectInput      `json:"subject" doc:"what misbehaves, is weak or is hit"`
	Target   TargetInput       `json:"target,omitzero" doc:"what the subject did it to"`
	Severity string            `json:"severity,omitempty" doc:"low, medium, high or critical"`
	Details  map[string]string `json:"details,omitempty"`
}

// SubjectInput is the subject of an EventInput.
type SubjectInput struct {
	Addr   string `json:"addr,omitempty"`
	Prefix string `json:"prefix,omitempty" doc:"a whole network, where it is not about one address"`
	Port   uint16 `json:"port,omitempty" maximum:"65535"`
	Proto  string `json:"proto,omitempty"`
	Domain string `json:"domain,omitempty"`
	URL    string `json:"url,omitempty"`
	ASN    uint32 `json:"asn,omitempty" maximum:"4294967295"`
	CC     string `json:"cc,omitempty"`
}

// TargetInput is the target of an EventInput.
type TargetInput struct {
	Addr   string `json:"addr,omitempty"`
	Port   uint16 `json:"port,omitempty" maximum:"65535"`
	Domain string `json:"domain,omitempty"`
	URL    string `json:"url,omitempty"`
}

// event reads the values; the error joins a *report.FieldError for each that cannot be read.
func (in *EventInput) event(where string) (report.Event, error) {
	var faults []error
	bad := func(field string, err error) {
		faults = append(faults, &report.FieldError{Field: where + "." + field, Rule: err.Error()})
	}
	e := report.Event{
		Kind: report.Kind{Class: report.Class(in.Class), Type: report.Type(in.Type)}, Tags: in.Tags, Severity: report.Severity(in.Severity),
		Subject: report.Subject{
			Port: in.Subject.Port, Proto: strings.ToLower(in.Subject.Proto), Domain: name(in.Subject.Domain), URL: in.Subject.URL,
			ASN: in.Subject.ASN, CC: strings.ToUpper(in.Subject.CC),
		},
		Target: report.Target{Port: in.Target.Port, Domain: name(in.Target.Domain), URL: in.Target.URL},
	}
	if in.Class == "" {
		for _, k := range report.Kinds() {
			if k.Type == e.Kind.Type {
				e.Kind = k
			}
		}
	}
	if in.Tag != "" && (len(in.Tags) == 0 || in.Tags[0] != in.Tag) {
		e.Tags = append([]string{in.Tag}, in.Tags...)
	}
	addr := func(field, s string, to *netip.Addr) {
		if s == "" {
			return
		}
		var err error
		if *to, err = report.ParseAddr(s); err != nil {
			bad(field, err)
		}
	}
	addr("subject.addr", in.Subject.Addr, &e.Subject.Addr)
	addr("target.addr", in.Target.Addr, &e.Target.Addr)
	var err error
	if in.Subject.Prefix != "" {
		if e.Subject.Prefix, err = report.ParsePrefix(in.Subject.Prefix); err != nil {
			bad("subject.prefix", err)
		}
	}
	if in.From != "" { // else the event's own rules say that it has none
		if e.From, err = instant(in.From); err != nil {
			bad("from", err)
		}
	}
	if in.To != "" {
		if e.To, err = instant(in.To); err != nil {
			bad("to", err)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(in.Details)) {
		e.Details = append(e.Details, report.Detail{Name: k, Value: in.Details[k]})
	}
	return e, errors.Join(faults...)
}

func name(s string) string { return strings.TrimSuffix(strings.ToLower(s), ".") }

// instant reads a time, which needs its zone: without it, it is another time for everybody who reads it.
func instant(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, errors.New("write the time with its zone, like 2026-03-01T02:10:00Z or 2026-03-01T03:10:00+01:00")
	}
	return t.UTC(), nil
}

// alsoWrong is what the rules of events find beside values that could not be read, so that everything is said at once.
func (a *API) alsoWrong(ctx context.Context, id report.ID, events []report.Event, unread error) error {
	o, err := a.rooms.Letters.Letter(ctx, id)
	if err != nil {
		return nil //nolint:nilerr // what could not be read is said in any case
	}
	said := report.FieldErrors(unread)
	var more []error
	for _, f := range report.FieldErrors(desk.Faults(events, o.ReceivedAt)) {
		follows := slices.ContainsFunc(said, func(s *report.FieldError) bool {
			return s.Field == f.Field || strings.HasPrefix(s.Field, f.Field+".") // missing because it could not be read
		})
		if !follows {
			more = append(more, f)
		}
	}
	return errors.Join(more...)
}
