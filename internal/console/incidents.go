package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tocsin/internal/api"
	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// incidentsView is a list of incidents, and what was asked for.
type incidentsView struct {
	Asked  filterView
	Items  []api.Incident
	Next   string // link to the page behind this one; empty on the last
	More   string // the same where an address was asked for: by a form
	Part   bool   // there was much to go through
	Kinds  []kindsView
	States []incident.State
	Wrong  map[string]string // what is wrong, by field
}

// filterView is what was asked for, as it was typed.
type filterView struct{ Addr, Party, Kind, Tag, State, From, To string }

// Any reports whether anything was asked for.
func (f filterView) Any() bool { return f != filterView{} }

// kindsView are the kinds of one class.
type kindsView struct {
	Class report.Class
	Kinds []report.Kind
}

// incidents lists incidents.
func (v *visit) incidents() error {
	asked := v.filter()
	view := incidentsView{Asked: asked, Kinds: kindsByClass(), States: incident.States(), Wrong: map[string]string{}}
	filter, after := v.apiFilter(&view), v.r.FormValue("after")
	filter.After = after
	if len(view.Wrong) > 0 {
		return v.render("incidents", http.StatusUnprocessableEntity, view)
	}
	var got struct {
		Items   []api.Incident `json:"items"`
		Next    string         `json:"next"`
		Partial bool           `json:"partial"`
	}
	err := v.post("/incidents/search", struct {
		api.IncidentFilter

		Addr string `json:"addr,omitempty"`
	}{filter, asked.Addr}, &got)
	if declined, ok := errors.AsType[*api.Declined](err); ok && declined.Wrong() {
		for _, f := range declined.Faults {
			view.Wrong[strings.TrimPrefix(f.Location, "body.")] = f.Message
		}
		return v.render("incidents", http.StatusUnprocessableEntity, view)
	}
	if err != nil {
		return err
	}
	view.Items, view.Part = got.Items, got.Partial
	switch {
	case got.Next != "" && asked.Addr != "": // an address stands in no URL
		view.More = got.Next
	case got.Next != "":
		q := asked.values()
		q.Set("after", got.Next)
		view.Next = "/incidents?" + q.Encode()
	}
	return v.show("incidents", view)
}

// filter reads what was typed. An address comes by a form that is posted, and never stands in a URL.
func (v *visit) filter() filterView {
	value := func(name string) string { return strings.TrimSpace(v.r.FormValue(name)) }
	return filterView{
		strings.TrimSpace(v.r.PostFormValue("addr")), value("party"), value("kind"), value("tag"), value("state"), value("from"), value("to"),
	}
}

// values are those of the filter that may stand in a URL.
func (f filterView) values() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"party": f.Party, "kind": f.Kind, "tag": f.Tag, "state": f.State, "from": f.From, "to": f.To} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// apiFilter reads the filter for the API: days are those of whoever reads.
func (v *visit) apiFilter(view *incidentsView) api.IncidentFilter {
	f := view.Asked
	class, typ, _ := strings.Cut(f.Kind, "/")
	day := func(field, text string, later int) time.Time {
		if text == "" {
			return time.Time{}
		}
		t, err := time.ParseInLocation(time.DateOnly, text, zoneOf(&v.caller))
		if err != nil {
			view.Wrong[field] = "write a day: 2026-03-01"
			return t
		}
		return t.AddDate(0, 0, later)
	}
	return api.IncidentFilter{
		Party: party(f.Party), Class: class, Type: typ, Tag: f.Tag, State: f.State, From: day("from", f.From, 0), To: day("to", f.To, 1), Limit: 50,
	}
}

// party lets a line's handle be typed alone.
func party(typed string) string {
	if len(typed) == 16 && !strings.Contains(typed, ":") {
		return "line:" + typed
	}
	return typed
}

func kindsByClass() []kindsView {
	var all []kindsView
	for _, k := range report.Kinds() {
		if n := len(all); n == 0 || all[n-1].Class != k.Class {
			all = append(all, kindsView{Class: k.Class})
		}
		last := &all[len(all)-1]
		last.Kinds = append(last.Kinds, k)
	}
	return all
}
