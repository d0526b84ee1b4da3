package console

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tocsin/internal/api"
	"tocsin/internal/report"
)

// reportsView is a list of what was received.
type reportsView struct {
	Tabs  []tab
	Asked reportFilter
	Form  []inputView
	Items []api.Report
	Next  string // path of the next page
	First string // path of the first, where this is another
	Part  bool   // there was much to go through: the list goes on
}

// reportFilter is what was typed into the filters.
type reportFilter struct{ Reporter, Channel, Format, State, From, To string }

// Any reports whether anything is left out of the list.
func (f reportFilter) Any() bool { return f != reportFilter{} }

// path is where the list stands that the filter makes.
func (f reportFilter) path(after string) string {
	q := url.Values{}
	for name, value := range map[string]string{
		"reporter": f.Reporter, "channel": f.Channel, "format": f.Format, "state": f.State, "from": f.From, "to": f.To, "after": after,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(q) == 0 {
		return "/reports"
	}
	return "/reports?" + q.Encode()
}

// reportTabs are the lists of what came in.
func reportTabs(here string) []tab {
	return []tab{{"All", "/reports", here == "/reports"}, {"By sender", "/reports/senders", here == "/reports/senders"}}
}

// states of reports, as they are chosen.
var reportStates = []report.State{ //nolint:gochecknoglobals // table of plain data
	report.StateWorking, report.StateWorked, report.StateWaiting, report.StateAside, report.StateQuarantined, report.StateDropped,
}

// reports lists what was received, newest first.
func (v *visit) reports() error {
	q := v.r.URL.Query()
	value := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	view := reportsView{Tabs: reportTabs("/reports"), Asked: reportFilter{
		value("reporter"), value("channel"), value("format"), value("state"), value("from"), value("to"),
	}}
	wrong := map[string]string{}
	f := view.Asked
	ask := url.Values{"limit": {"50"}}
	for name, what := range map[string]string{
		"reporter": f.Reporter, "channel": f.Channel, "format": f.Format, "state": f.State, "after": q.Get("after"),
		"from": v.dayOf("from", f.From, 0, wrong), "to": v.dayOf("to", f.To, 1, wrong),
	} {
		if what != "" {
			ask.Set(name, what)
		}
	}
	status := http.StatusOK
	if len(wrong) == 0 {
		var got api.ReportList
		err := v.get("/received?"+ask.Encode(), &got)
		if wrong = faultsOf(err); err != nil && (wrong == nil || wrong["after"] != "") {
			return err
		}
		view.Items, view.Part = got.Items, got.Partial
		if got.Next != "" {
			view.Next = f.path(got.Next)
		}
	}
	if len(wrong) > 0 {
		status = http.StatusUnprocessableEntity
	}
	if q.Get("after") != "" {
		view.First = f.path("")
	}
	view.form(wrong)
	return v.render("reports", status, view)
}

// dayOf is the beginning of a day that was typed, as the API writes it, or of a later one: days are those of whoever reads.
func (v *visit) dayOf(field, text string, later int, wrong map[string]string) string {
	if text == "" {
		return ""
	}
	t, err := time.ParseInLocation(time.DateOnly, text, zoneOf(&v.caller))
	if err != nil {
		wrong[field] = "write a day: 2026-03-01"
		return ""
	}
	return t.AddDate(0, 0, later).UTC().Format(time.RFC3339)
}

func (r *reportsView) form(wrong map[string]string) {
	f := r.Asked
	states := optionGroup{Options: []option{{"", "all"}}}
	for _, s := range reportStates {
		states.Options = append(states.Options, option{string(s), string(s)})
	}
	r.Form = []inputView{
		{Name: "reporter", Label: "Reporter", Value: f.Reporter, Wrong: wrong["reporter"]},
		{Name: "channel", Label: "Channel", Value: f.Channel, Wrong: wrong["channel"]},
		{Name: "format", Label: "Format", Value: f.Format, Wrong: wrong["format"]},
		{Name: "state", Label: "State", Value: f.State, Wrong: wrong["state"], Groups: []optionGroup{states}},
		{Name: "from", Label: "Came from", Value: f.From, Wrong: wrong["from"], Kind: "date"},
		{Name: "to", Label: "to", Value: f.To, Wrong: wrong["to"], Kind: "date"},
	}
}

// sendersView is what came in, by reporter and channel.
type sendersView struct {
	Tabs  []tab
	Days  int
	Items []api.SenderCount
}

// senderDays is how far back senders are counted.
const senderDays = 30

// senders counts what came in by reporter and channel.
func (v *visit) senders() error {
	since := v.c.opt.Now().UTC().Truncate(time.Hour).AddDate(0, 0, -senderDays)
	var got api.SenderList
	if err := v.get("/received/senders?"+url.Values{"since": {since.Format(time.RFC3339)}}.Encode(), &got); err != nil {
		return err
	}
	return v.show("senders", sendersView{reportTabs("/reports/senders"), senderDays, got.Items})
}

// Path is where the reports of a sender are listed.
func (sendersView) Path(s api.SenderCount) string {
	return reportFilter{Reporter: s.Reporter, Channel: s.Channel}.path("")
}

// reportView is one report.
type reportView struct {
	api.OpenReport
	Sure    sureView
	Refused []api.Refused
	Next    string // path of the next page of refused rows
	First   string // path of the first, where this is another
	Done    string
}

// Heading is what the report is called.
func (r *reportView) Heading() string { return cmp.Or(r.Name, "Report of "+r.Reporter) }

// Letter reports whether a person has to do with it, or had.
func (r *reportView) Letter() bool {
	return r.State == string(report.StateWaiting) || r.State == string(report.StateAside) || r.Assigned != ""
}

// report shows one report.
func (v *visit) report() error {
	id := url.PathEscape(v.r.PathValue("id"))
	view := &reportView{Done: did[v.r.URL.Query().Get("done")]}
	if err := v.get("/received/"+id, &view.OpenReport); err != nil {
		return err
	}
	view.Sure = sureOf(view.Authenticity, view.Signer)
	if view.OpenReport.Refused > 0 && v.may("see", "quarantine") {
		ask := url.Values{"limit": {"50"}}
		if after := v.r.URL.Query().Get("after"); after != "" {
			ask.Set("after", after)
			view.First = "/reports/" + id + "#refused"
		}
		var got api.RefusedList
		if err := v.get("/received/"+id+"/refused?"+ask.Encode(), &got); err != nil {
			return err
		}
		view.Refused = got.Items
		if got.Next != "" {
			view.Next = "/reports/" + id + "?" + url.Values{"after": {got.Next}}.Encode() + "#refused"
		}
	}
	return v.show("report", view)
}

// original hands on the bytes of a report as the API gives them: a file to keep, which no browser shows. It does not go
// through memory as a whole.
func (v *visit) original() error {
	r := v.r.Clone(v.ctx())
	r.URL.Path = api.Prefix + "/received/" + v.r.PathValue("id") + "/original"
	r.URL.RawPath, r.URL.RawQuery, r.RequestURI = "", "", ""
	w := &handed{ResponseWriter: v.w}
	v.c.opt.API.ServeHTTP(w, r)
	return w.declined()
}
