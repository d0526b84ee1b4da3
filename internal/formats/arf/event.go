package arf

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/formats/internal/mail"
	"tocsin/internal/report"
)

// kinds maps the feedback types of RFC 5965 §7.3, RFC 6591 §3.1 and RFC 6430, and the opt-out of the format's
// drafts, to a kind and the leading tag.
//
// auth-failure is other/other: that a mail fails SPF, DKIM or DMARC is as often a forwarder or a mistake in one's own
// DNS as somebody posing as the domain, and the report does not say which.
var kinds = map[string]struct {
	kind report.Kind
	tag  string
}{
	"abuse":        {report.Kind{Class: "abusive-content", Type: "spam"}, "spam-complaint"},
	"fraud":        {report.Kind{Class: "fraud", Type: "phishing"}, "fraud-complaint"},
	"virus":        {report.Kind{Class: "malicious-code", Type: "malware-distribution"}, "virus-complaint"},
	"not-spam":     {report.Kind{Class: "other", Type: "other"}, "not-spam"},
	"opt-out":      {report.Kind{Class: "other", Type: "other"}, "opt-out"},
	"opt-out-list": {report.Kind{Class: "other", Type: "other"}, "opt-out"},
	"auth-failure": {report.Kind{Class: "other", Type: "other"}, "auth-failure"},
	"other":        {report.Kind{Class: "other", Type: "other"}, "mail-complaint"},
}

// authFailures are the words of Auth-Failure (RFC 6591 §3.3, RFC 7489 §7.3.1) that become a tag.
var authFailures = map[string]bool{
	"adsp": true, "bodyhash": true, "revoked": true, "signature": true, "spf": true, "dmarc": true,
}

// once are the fields that a report has exactly once, later those it has at most once (RFC 5965 §3.1, §3.2;
// RFC 6591 §3.2; RFC 6692).
var (
	once       = []string{"feedback-type", "user-agent", "version"}
	atMostOnce = []string{
		"arrival-date", "received-date", "source-ip", "source-port", "incidents", "original-envelope-id",
		"original-mail-from", "reporting-mta", "auth-failure", "delivery-result",
	}
)

// event makes the mail's one event.
func (w *wire) event(strict bool) (report.Event, error) {
	feedback := w.feedback
	if feedback == nil {
		if feedback = w.inferred(); feedback == nil || strict {
			return report.Event{}, errors.New("the mail has no part of type message/feedback-report: send the report as RFC 5965 has it")
		}
	}
	if isXARF(feedback) {
		return report.Event{}, errors.New("the report is an XARF document in another part of the mail: send that document alone")
	}
	if strict {
		if err := conforms(feedback); err != nil {
			return report.Event{}, err
		}
	}
	e := report.Event{Row: 1}
	classify(&e, feedback)
	var err error
	if e.From, err = w.time(feedback); err != nil {
		return report.Event{}, err
	}
	if err := w.subject(&e, feedback); err != nil {
		return report.Event{}, err
	}
	e.Details = details(feedback, &e)
	e.Details = w.quoted.details(e.Details)
	if w.cut != nil {
		e.Details = append(e.Details, report.Detail{Name: "warning", Value: clean(report.Reason(w.cut))})
	}
	return e, nil
}

// conforms is what parse --strict asks for beyond what an event needs.
func conforms(h mail.Header) error {
	var errs []error
	for _, name := range once {
		if n := count(h, name); n != 1 {
			errs = append(errs, fmt.Errorf("the report has %s %d times, not once (RFC 5965 §3.1)", name, n))
		}
	}
	for _, name := range atMostOnce {
		if n := count(h, name); n > 1 {
			errs = append(errs, fmt.Errorf("the report has %s %d times, not at most once (RFC 5965 §3.2)", name, n))
		}
	}
	if v := h.Get("Version"); v != "" && v != "1" && v != "0.1" {
		errs = append(errs, fmt.Errorf("the report's version is %s, not 1 (RFC 5965 §3.1)", quote(v)))
	}
	if v := h.Get("Source-IP"); v != "" {
		if _, err := address(v); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func count(h mail.Header, name string) int {
	n := 0
	for i := range h {
		if strings.EqualFold(h[i].Name, name) {
			n++
		}
	}
	return n
}

// classify sets kind, tags and feed. A type that nobody registered is "other" (RFC 5965 §7.3); none at all is
// undetermined, unless the loops that write Abuse-Type beside it say that somebody complained.
func classify(e *report.Event, h mail.Header) {
	typ := strings.ToLower(firstWord(h.Get("Feedback-Type")))
	if typ == "" && strings.EqualFold(h.Get("Abuse-Type"), "complaint") {
		typ = "abuse"
	}
	k, ok := kinds[typ]
	switch {
	case typ == "":
		k.kind, k.tag = report.Undetermined, "mail-complaint"
	case !ok:
		k = kinds["other"]
		typ = "other"
	}
	e.Feed, e.Kind, e.Tags = typ, k.kind, []string{k.tag}
	if f := strings.ToLower(firstWord(h.Get("Auth-Failure"))); authFailures[f] {
		e.Tags = append(e.Tags, "auth-failure-"+f)
	}
}

// time is when the mail complained about arrived (RFC 5965 §3.2), else when the report was written.
func (w *wire) time(h mail.Header) (time.Time, error) {
	for _, v := range [...]string{h.Get("Arrival-Date"), h.Get("Received-Date")} {
		if v != "" {
			return mail.ParseDate(v)
		}
	}
	if v := w.header.Get("Date"); v != "" {
		return mail.ParseDate(v)
	}
	return time.Time{}, errors.New("neither the report nor its mail has a date")
}

// subject is the address that the mail came from; without one the domain, else the URL that the report names.
func (w *wire) subject(e *report.Event, h mail.Header) error {
	given := h.Get("Source-IP")
	a, err := address(given)
	if given == "" {
		a, err = w.recorded()
	}
	if err == nil {
		e.Subject.Addr = a
		if port, err := strconv.ParseUint(firstWord(h.Get("Source-Port")), 10, 16); err == nil && port > 0 { // RFC 6692
			e.Subject.Port, e.Subject.Proto = uint16(port), "tcp"
		}
		return nil
	}
	if e.Subject.Domain = w.domain(h); e.Subject.Domain != "" {
		return nil
	}
	for i := range h {
		if u := strings.Trim(h[i].Value, "<> "); strings.EqualFold(h[i].Name, "Reported-URI") && isWeb(u) {
			e.Subject.URL = u
			return nil
		}
	}
	if given != "" {
		return fmt.Errorf("%w, and the report names no domain or URL in its place", err)
	}
	return errors.New("the report has no Source-IP, and names no domain or URL in its place")
}

// domain is the first Reported-Domain. Some loops write the complainant's own provider there: that is not it.
func (w *wire) domain(h mail.Header) string {
	_, complainant, _ := strings.Cut(strings.Trim(h.Get("Original-Rcpt-To"), "<> "), "@")
	for i := range h {
		if !strings.EqualFold(h[i].Name, "Reported-Domain") {
			continue
		}
		d := strings.TrimSuffix(strings.ToLower(firstWord(h[i].Value)), ".")
		if d != "" && !strings.EqualFold(d, complainant) && report.ValidDomain(d) {
			return d
		}
	}
	return ""
}

// details are the report's fields but those that became members, in lower case. A field that is repeated is one
// detail with a line for each.
func details(h mail.Header, e *report.Event) []report.Detail {
	all := make([]report.Detail, 0, len(h)+8)
	repeated := make(map[string][]string, len(h))
	taken := map[string]bool{}
	for i := range h {
		name := strings.ToLower(h[i].Name)
		if !taken[name] && became(name, e) {
			taken[name] = true // a second one is kept
			continue
		}
		if repeated[name] == nil {
			all = append(all, report.Detail{Name: name, Value: h[i].Value})
		}
		repeated[name] = append(repeated[name], h[i].Value)
	}
	for i := range all {
		if values := repeated[all[i].Name]; len(values) > 1 {
			all[i].Value = strings.Join(values, "\n")
		}
	}
	return all
}

// became reports whether the field's value stands in a member of the event, whole.
func became(name string, e *report.Event) bool {
	switch name {
	case "source-ip":
		return e.Subject.Addr.IsValid()
	case "source-port":
		return e.Subject.Port != 0
	}
	return false
}

// address reads a Source-IP as it is written: alone, as a literal of RFC 5321 §4.1.3, with a comment behind it.
func address(s string) (netip.Addr, error) {
	s, _, _ = strings.Cut(s, "(")
	s = strings.Trim(strings.TrimSpace(s), "[]<>")
	if len(s) > 5 && strings.EqualFold(s[:5], "IPv6:") {
		s = s[5:]
	}
	return report.ParseAddr(s)
}

func isWeb(u string) bool {
	scheme, _, ok := strings.Cut(u, "://")
	switch strings.ToLower(scheme) {
	case "http", "https", "ftp":
		return ok
	}
	return false
}

func firstWord(s string) string {
	s, _, _ = strings.Cut(s, "(")
	s, _, _ = strings.Cut(strings.TrimSpace(s), ";")
	if f := strings.Fields(s); len(f) > 0 {
		return f[0]
	}
	return ""
}

func quote(s string) string {
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "") + "…"
	}
	return strconv.Quote(s)
}
