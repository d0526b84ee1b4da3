package console

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"tocsin/internal/api"
	"tocsin/internal/formats/letter"
	"tocsin/internal/report"
)

// eventForm is what a person fills in to make events of a mail: a row for each.
type eventForm struct {
	Rows []eventRow
	More int // addresses of the mail for which no row was begun
}

// eventRow is one event, as it was typed. A row in which nothing stands is no event.
type eventRow struct {
	values [len(columns)]string
	faults [len(columns)]string
	Wrong  string // what is wrong with the row as a whole
}

// column is a field of a row. An event's member of this path is at fault where the API names it.
type column struct {
	name, label string
	members     []string
	class, hint string
}

// The columns of a row, by their place.
const (
	colType = iota
	colTag
	colFrom
	colAddr
	colPort
	colProto
	colDomain
	colURL
	colSeverity
)

var columns = [...]column{ //nolint:gochecknoglobals // table of plain data
	{"type", "What it is", []string{"type", "class"}, "", ""},
	{"tag", "Name of the thing", []string{"tag", "tags"}, "", "such as mirai"},
	{"from", "When, with zone", []string{"from", "to"}, "wide", "like 2026-03-01T02:10:00Z"},
	{"address", "Address", []string{"subject", "subject.addr", "subject.prefix"}, "", "or a network"},
	{"port", "Port", []string{"subject.port"}, "", ""},
	{"proto", "Protocol", []string{"subject.proto"}, "", ""},
	{"domain", "Domain", []string{"subject.domain"}, "", ""},
	{"url", "URL", []string{"subject.url"}, "wide", ""},
	{"severity", "Severity", []string{"severity"}, "", ""},
}

// Bounds of the form.
const (
	beginRows = 10  // that are begun from the suggestions
	maxRows   = 100 // more events than that are a list, for which there are formats
)

// kindGroups are all kinds, by class.
func kindGroups(none string) []optionGroup {
	all := []optionGroup{{Options: []option{{"", none}}}}
	for _, k := range report.Kinds() {
		if last := &all[len(all)-1]; last.Name == string(k.Class) {
			last.Options = append(last.Options, option{string(k.Type), string(k.Type)})
			continue
		}
		all = append(all, optionGroup{string(k.Class), []option{{string(k.Type), string(k.Type)}}})
	}
	return all
}

// firstForm begins a form with what stands in the mail. A person looks at each value before it becomes an event: what
// is proposed may be of somebody else.
func firstForm(all []letter.Suggestion) eventForm {
	f := eventForm{}
	for _, kind := range []letter.Kind{letter.KindAddr, letter.KindPrefix, letter.KindURL, letter.KindDomain} {
		some := begins(all, kind)
		f.More = max(len(some)-beginRows, 0)
		for _, i := range some[:min(len(some), beginRows)] {
			var r eventRow
			r.take(&all[i])
			r.values[colFrom] = timeBeside(all, &all[i])
			f.Rows = append(f.Rows, r)
		}
		if len(f.Rows) > 0 {
			return f
		}
	}
	f.Rows = []eventRow{{}}
	f.Rows[0].values[colFrom] = timeBeside(all, &letter.Suggestion{})
	return f
}

// begins are the suggestions of a kind that begin a row: seen by whoever read the mail, not named as the target, and
// good for something, if any is.
func begins(all []letter.Suggestion, kind letter.Kind) []int {
	var good, noted []int
	for i := range all {
		switch s := &all[i]; {
		case s.Kind != kind || s.Hidden || s.Role == "target":
		case s.Note != "":
			noted = append(noted, i)
		default:
			good = append(good, i)
		}
	}
	if len(good) == 0 {
		return noted
	}
	return good
}

// timeBeside is the time that stands in the line of a suggestion, or else the only one of the mail.
func timeBeside(all []letter.Suggestion, of *letter.Suggestion) string {
	only, n := "", 0
	for i := range all {
		s := &all[i]
		if s.Kind != letter.KindTime || s.Hidden {
			continue
		}
		if s.Part == of.Part && s.Line == of.Line {
			return s.Value
		}
		only = s.Value
		n++
	}
	if n == 1 {
		return only
	}
	return ""
}

// take puts a suggestion where it belongs, and reports whether there was room.
func (r *eventRow) take(s *letter.Suggestion) bool {
	at, ok := map[letter.Kind]int{
		letter.KindAddr: colAddr, letter.KindPrefix: colAddr, letter.KindPort: colPort, letter.KindTime: colFrom, letter.KindDomain: colDomain, letter.KindURL: colURL,
	}[s.Kind]
	if !ok || r.values[at] != "" {
		return false
	}
	r.values[at] = s.Value
	if s.Port != 0 && r.values[colPort] == "" {
		r.values[colPort] = strconv.Itoa(int(s.Port))
	}
	if s.Proto != "" && r.values[colProto] == "" {
		r.values[colProto] = s.Proto
	}
	return true
}

// readForm reads what was typed.
func readForm(r *http.Request) eventForm {
	n, err := strconv.Atoi(r.FormValue("rows"))
	if err != nil {
		n = 1
	}
	f := eventForm{Rows: make([]eventRow, min(max(n, 1), maxRows))}
	for i := range f.Rows {
		for c := range columns {
			f.Rows[i].values[c] = strings.TrimSpace(r.FormValue(columns[c].name + "-" + strconv.Itoa(i)))
		}
	}
	return f
}

// change does what a button of the form says: one more row, one less, or a suggestion put where there is room for it.
func (f *eventForm) change(what string, n int, suggestions []letter.Suggestion) {
	switch {
	case what == "add" && len(f.Rows) < maxRows:
		f.Rows = append(f.Rows, eventRow{})
	case what == "drop" && n >= 0 && n < len(f.Rows):
		if f.Rows = slices.Delete(f.Rows, n, n+1); len(f.Rows) == 0 {
			f.Rows = []eventRow{{}}
		}
	case what == "use" && n >= 0 && n < len(suggestions):
		for i := range f.Rows {
			if f.Rows[i].take(&suggestions[n]) {
				return
			}
		}
		if len(f.Rows) < maxRows {
			f.Rows = append(f.Rows, eventRow{})
			f.Rows[len(f.Rows)-1].take(&suggestions[n])
		}
	}
}

// events are those that the form asks for, with the row of each. wrong is what cannot even be asked for, by row and member.
func (f *eventForm) events() (events []api.EventInput, rows []int, wrong map[string]string) {
	typ := ""
	for i := range f.Rows {
		r := &f.Rows[i]
		if r.values == ([len(columns)]string{}) {
			continue
		}
		v := r.values
		if v[colType] == "" { // as in the row above
			v[colType] = typ
		}
		typ = v[colType]
		e := api.EventInput{Type: v[colType], Tag: v[colTag], From: v[colFrom], Severity: v[colSeverity]}
		e.Subject = api.SubjectInput{Proto: v[colProto], Domain: v[colDomain], URL: v[colURL]}
		if strings.Contains(v[colAddr], "/") {
			e.Subject.Prefix = v[colAddr]
		} else {
			e.Subject.Addr = v[colAddr]
		}
		at := func(member, why string) {
			if wrong == nil {
				wrong = map[string]string{}
			}
			wrong[fmt.Sprintf("events[%d].%s", i, member)] = why
		}
		if v[colPort] != "" {
			port, err := strconv.ParseUint(v[colPort], 10, 16)
			if err != nil || port == 0 {
				at("subject.port", "write a number from 1 to 65535")
			}
			e.Subject.Port = uint16(port)
		}
		if e.Type == "" {
			at("type", "choose what it is")
		}
		events, rows = append(events, e), append(rows, i)
	}
	if len(events) == 0 {
		wrong = map[string]string{"events[0].subject": "say at least what it is, when it was and which address it is about"}
	}
	return events, rows, wrong
}

// wrong puts what is wrong beside its fields. rows says which row each event is; nil where they are counted as rows.
func (f *eventForm) wrong(all map[string]string, rows []int) eventForm {
	for where, why := range all {
		var n int
		var member string
		if _, err := fmt.Sscanf(where, "events[%d]", &n); err == nil {
			_, member, _ = strings.Cut(where, "].")
			if rows != nil && n < len(rows) {
				n = rows[n]
			}
		}
		if n < 0 || n >= len(f.Rows) {
			n = 0
		}
		f.Rows[n].put(member, why)
	}
	return *f
}

func (r *eventRow) put(member, why string) {
	for c := range columns {
		if slices.ContainsFunc(columns[c].members, func(m string) bool { return member == m || strings.HasPrefix(member, m+"[") }) {
			r.faults[c] = joined(r.faults[c], why)
			return
		}
	}
	r.Wrong = joined(r.Wrong, strings.TrimPrefix(member+": "+why, ": "))
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// Fields are those of one row, for the page.
func (f *eventForm) Fields(row int) []inputView {
	r := &f.Rows[row]
	all := make([]inputView, len(columns))
	for c := range columns {
		col := &columns[c]
		all[c] = inputView{Name: col.name + "-" + strconv.Itoa(row), Label: col.label, Value: r.values[c], Wrong: r.faults[c], Class: col.class}
		if row == 0 { // once is enough
			all[c].Hint = col.hint
		}
	}
	none := "choose"
	if row > 0 {
		none = "as above"
	}
	all[colType].Groups = kindGroups(none)
	all[colPort].Mode = "numeric"
	all[colSeverity].Groups = options("not said", "low", "medium", "high", "critical")
	return all
}
