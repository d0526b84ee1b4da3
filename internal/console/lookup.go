package console

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/api"
	"tocsin/internal/report"
)

// lookupView is the form of a question about an address, and its answer. Neither stands in a URL: those are kept in logs
// and histories.
type lookupView struct {
	Asks     bool // the visitor may ask which line it was, too
	Addr     inputView
	Port     inputView
	Proto    inputView
	At       inputView
	Zone     inputView
	Unsure   inputView
	Reason   inputView
	Document inputView

	Other  string // what is wrong, of which no field knows
	Answer *foundView
	Waits  *waitsView
}

// foundView is what is known of an address.
type foundView struct {
	api.Lookup

	Whose  string // in words
	Line   *lineView
	Reveal *revealForm // nil: there is no line, or the visitor may not know whose it is
}

// lineView is which line it was, in words.
type lineView struct {
	api.LineAnswer

	Title, Class string
	Next         string // what to do, or what to ask for, so that the next question has an answer
}

// waitsView is a question that waits for a second person.
type waitsView struct{ ID, Why string }

// lookup shows the empty form.
func (v *visit) lookup() error {
	return v.show("lookup", v.lookupForm(nil))
}

// lookupForm is the form with what was typed, and what is wrong with it.
func (v *visit) lookupForm(wrong map[string]string) *lookupView {
	value := v.r.PostFormValue
	zone := value("zone")
	if v.r.Method == http.MethodGet {
		zone = zoneOf(&v.caller).String()
	}
	in := func(name, label, value, hint string) inputView {
		return inputView{Name: name, Label: label, Value: value, Hint: hint, Wrong: wrong[name]}
	}
	view := &lookupView{
		Asks:     v.may(access.Ask, access.Line),
		Addr:     in("addr", "Address", value("addr"), "one: 192.0.2.7 or 2001:db8::7"),
		Port:     in("port", "Source port", value("port"), "needed where many lines share the address"),
		Proto:    in("proto", "Protocol", value("proto"), "tcp or udp"),
		At:       in("at", "When", value("at"), "2026-03-01 02:10:00, or with its zone behind it: Z, +01:00"),
		Zone:     in("zone", "In which zone", zone, "of a time without one: Europe/London, UTC"),
		Unsure:   in("uncertainty", "May be off by", value("uncertainty"), "either way: 2s, 5m. Empty: as the config says"),
		Reason:   in("reason", "Why you ask", value("reason"), "it is kept with your name, for whoever asks later"),
		Document: in("document", "Taken from", value("document"), "the mail or the number of the case"),
	}
	view.Addr.Required, view.Port.Mode = true, "numeric"
	view.Other = otherFaults(wrong, "addr", "port", "proto", "at", "zone", "uncertainty", "reason", "document")
	return view
}

// look asks, and shows the answer on the same page.
func (v *visit) look() error {
	body, wrong := v.question()
	var got api.Lookup
	var err error
	if len(wrong) == 0 {
		err = v.post("/lookup", body, &got)
		wrong = faultsOf(err)
	}
	view := v.lookupForm(wrong)
	waits := waitsOf(err)
	switch {
	case len(wrong) > 0:
		return v.render("lookup", http.StatusUnprocessableEntity, view)
	case waits != nil:
		view.Waits = waits
		return v.render("lookup", http.StatusTooManyRequests, view)
	case err != nil:
		return err
	}
	view.Answer = v.found(&got)
	return v.show("lookup", view)
}

// otherFaults are those that stand beside no field.
func otherFaults(wrong map[string]string, fields ...string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(wrong)) {
		if !slices.Contains(fields, name) {
			all = append(all, wrong[name])
		}
	}
	return strings.Join(all, "; ")
}

// question is the body of the question that was typed.
func (v *visit) question() (body map[string]any, wrong map[string]string) {
	body = map[string]any{"addr": strings.TrimSpace(v.r.PostFormValue("addr"))}
	for _, name := range []string{"proto", "uncertainty", "reason", "document"} {
		if value := strings.TrimSpace(v.r.PostFormValue(name)); value != "" {
			body[name] = value
		}
	}
	if text := strings.TrimSpace(v.r.PostFormValue("port")); text != "" {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return nil, map[string]string{"port": "write a number up to 65535"}
		}
		body["port"] = port
	}
	if at := strings.TrimSpace(v.r.PostFormValue("at")); at != "" {
		if t, ok := zoned(at); ok {
			body["at"] = t.Format(time.RFC3339)
		} else {
			body["at"], body["zone"] = at, strings.TrimSpace(v.r.PostFormValue("zone"))
		}
	}
	return body, nil
}

// zoned reads a time that says its zone itself, as people and logs write it.
func zoned(text string) (time.Time, bool) {
	for _, utc := range []string{" UTC", " GMT"} {
		if t, ok := strings.CutSuffix(text, utc); ok {
			text = t + "Z"
		}
	}
	for _, layout := range [...]string{time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05 -0700", "2006-01-02T15:04Z07:00", "2006-01-02 15:04Z07:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// waitsOf is the question that an error speaks of; nil where it speaks of none.
func waitsOf(err error) *waitsView {
	said, ok := errors.AsType[*api.Declined](err)
	if !ok || said.Status != http.StatusTooManyRequests || len(said.Faults) == 0 {
		return nil
	}
	id, _ := said.Faults[0].Value.(string)
	if _, err := report.ParseID(id); err != nil {
		return nil
	}
	why := "Every question about a line needs one here."
	if strings.Contains(said.Detail, "used up") {
		why = "What people may ask in a day (UTC), all of them together, is used up."
	}
	return &waitsView{ID: id, Why: why}
}

// found is an answer in words.
func (v *visit) found(l *api.Lookup) *foundView {
	f := &foundView{Lookup: *l, Whose: whoseOf(l)}
	if l.Line == nil {
		return f
	}
	f.Line = lineOf(l.Line)
	if l.Line.Handle != "" && v.may(access.Reveal, access.Line) {
		f.Reveal = newRevealForm(l.Line.Handle, v.r.PostFormValue("reason"), nil)
	}
	return f
}

func whoseOf(l *api.Lookup) string {
	switch {
	case l.Party == report.PartyUnknown:
		return "nobody knows"
	case l.Partner != "":
		return "a partner's"
	case l.Line != nil || l.Party == report.PartyOwn || l.CGNAT:
		return "ours"
	}
	return "another network's"
}

// lineOf says what an answer means, and what to send next time.
func lineOf(a *api.LineAnswer) *lineView {
	l := &lineView{LineAnswer: *a}
	switch a.State {
	case report.LineUnique:
		l.Title, l.Class = "One line held it, and no other can it have been.", "good"
		return l
	case report.LineAmbiguous:
		l.Title, l.Class = "It was one of "+strconv.Itoa(a.Count)+" lines, and nobody can say which.", "warn"
		if a.Count == 1 {
			l.Title = "It was one line or nobody, and nobody can say which."
		}
		l.Next = "Nothing that could be sent would help. Do not take any of them for the answer, and see whether two of your sources disagree."
	case report.LineOutsideRetention:
		l.Title, l.Class = "It was known once, and has been deleted.", "warn"
		l.Next = "Nothing is to be done: what was known of that time has come to its end date, and nobody has it any more."
	default:
		l.Title, l.Class = "No line is known.", "warn"
		l.Next = "See whether one of your sources covers this address and this time, and whether the time and the zone are right. What a log does not hold yet may still come: ask again later."
	}
	switch a.Need {
	case report.NeedPort:
		l.Next = "Ask whoever reported it for the source port: behind an address that many lines share, nothing else names one (RFC 6302)."
	case report.NeedProtocol:
		l.Next = "Ask whoever reported it for the protocol: tcp or udp."
	case report.NeedTime:
		l.Next = "Ask whoever reported it for a more exact time, to the second and of a clock that is kept right."
	case report.NeedZone:
		l.Next = "Ask whoever reported it for the time in UTC: in their zone that hour comes twice."
	}
	return l
}
