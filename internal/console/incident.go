package console

import (
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/api"
	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// incidentView is one incident: what it is, what was done, what to do next.
type incidentView struct {
	Incident api.Incident
	Line     string // handle of the line that it is of; empty where it is no line's
	Timeline []momentView
	Events   []api.EventRow
	Next     string // cursor of older events
	Form     actForm
	Act      bool // the visitor may act
	Ask      bool // the visitor may ask whose line it is
	Best     bestView
	Outcomes []report.Outcome
}

// momentView is a point of the timeline.
type momentView struct {
	At   time.Time
	What string
	Who  string
	Text string
	Done bool // somebody did it; else it was seen
}

// bestView is what would help most now.
type bestView struct {
	What    incident.What
	Outcome report.Outcome
	Label   string // of the main button
	Why     string
}

// actForm is what a visitor typed, kept where it has to be mended. Key makes it happen once, however often it is sent.
type actForm struct {
	What, Outcome, Text, Key string
	Wrong                    map[string]string
}

func newActForm() actForm { return actForm{Key: rand.Text(), Wrong: map[string]string{}} }

// incident shows one.
func (v *visit) incident() error { return v.showIncident(http.StatusOK, newActForm()) }

func (v *visit) showIncident(status int, form actForm) error {
	view := incidentView{Form: form, Act: v.may(access.Change, access.Incident), Ask: v.may(access.Reveal, access.Line), Outcomes: incident.Ruled()}
	path := "/incidents/" + pathPart(v.r.PathValue("id"))
	if err := v.get(path, &view.Incident); err != nil {
		return err
	}
	if at := "/incidents/" + view.Incident.ID; v.r.Method == http.MethodGet && v.r.URL.Path != at { // it was joined into another
		return v.goTo(at)
	}
	var acts struct {
		Items []api.Act `json:"items"`
	}
	if err := v.get(path+"/acts", &acts); err != nil {
		return err
	}
	if err := v.eventsOf(path, &view); err != nil {
		return err
	}
	view.Line, _ = strings.CutPrefix(view.Incident.Party, "line:")
	if view.Line == view.Incident.Party {
		view.Line = ""
	}
	view.Timeline, view.Best = timeline(&view.Incident, acts.Items), best(&view.Incident)
	return v.render("incident", status, view)
}

// eventsOf reads the newest events, or those behind a place.
func (v *visit) eventsOf(path string, view *incidentView) error {
	if !v.may(access.See, access.Event) {
		return nil
	}
	var got struct {
		Items []api.EventRow `json:"items"`
		Next  string         `json:"next"`
	}
	query := "?limit=20"
	if after := v.r.FormValue("after"); after != "" {
		query += "&after=" + pathPart(after)
	}
	if err := v.get(path+"/events"+query, &got); err != nil {
		return err
	}
	slices.SortStableFunc(got.Items, func(a, b api.EventRow) int { return b.From.Compare(a.From) })
	view.Events, view.Next = got.Items, got.Next
	return nil
}

// timeline is what was seen and what was done, oldest first.
func timeline(in *api.Incident, acts []api.Act) []momentView {
	all := []momentView{{At: in.FirstSeen, What: "first seen"}}
	if !in.LastSeen.Equal(in.FirstSeen) {
		all = append(all, momentView{At: in.LastSeen, What: "last seen, " + report.Counted(in.Events, "event") + " on " + report.Counted(int64(in.Days), "day")})
	}
	words := map[string]string{"note": "noted", "told": "the party was told", "close": "closed", "reopen": "opened again"}
	byHand := false
	for _, a := range acts {
		what := words[a.What]
		if a.Outcome != "" {
			what += ": " + a.Outcome
		}
		byHand = byHand || a.What == "close"
		all = append(all, momentView{a.At, what, a.Who, a.Text, true})
	}
	switch {
	case in.State == string(incident.StateQuiet):
		all = append(all, momentView{At: in.Updated, What: "no longer seen by a feed that is alive"})
	case in.State == string(incident.StateClosed) && !byHand:
		all = append(all, momentView{At: in.Updated, What: "closed by what the feeds show: " + in.Outcome, Done: true})
	}
	slices.SortStableFunc(all, func(a, b momentView) int { return a.At.Compare(b.At) })
	return all
}

// best is what would help most now.
func best(in *api.Incident) bestView {
	switch incident.State(in.State) {
	case incident.StateOpen:
		if in.Party == string(report.PartyOwn) || in.Party == string(report.PartyUnknown) {
			return bestView{incident.ActNote, "", "Note what you found out", "Nobody knows yet whose it is: ask the sender for port and time, or look it up."}
		}
		return bestView{incident.ActTold, "", "Say that they were told", "Nobody has told them yet, as far as this node knows."}
	case incident.StateTold, incident.StateContained:
		return bestView{incident.ActClose, report.OutcomeCleaned, "Close it as cleaned", "They were told. When they have cleaned it, say so, or let the feeds show it."}
	case incident.StateQuiet:
		return bestView{incident.ActClose, report.OutcomeCleaned, "Close it as cleaned", "It is no longer seen. Left alone, it closes by itself."}
	case incident.StateClosed:
		return bestView{incident.ActReopen, "", "Open it again", "If it is not over after all, open it again."}
	}
	return bestView{What: incident.ActNote, Label: "Note something"}
}

// actOnIncident does what the form says.
func (v *visit) actOnIncident() error {
	form := actForm{v.r.PostFormValue("what"), v.r.PostFormValue("outcome"), v.r.PostFormValue("text"), v.r.PostFormValue("key"), map[string]string{}}
	if form.What != string(incident.ActClose) {
		form.Outcome = ""
	}
	id := pathPart(v.r.PathValue("id"))
	err := v.postOnce("/incidents/"+id+"/acts", form.Key, api.ActInput{What: form.What, Text: form.Text, Outcome: form.Outcome}, nil)
	if form.take(err) {
		return v.showIncident(http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return v.goTo("/incidents/" + id)
}

// take keeps what the API says is wrong with the form, and reports whether it was that.
func (f *actForm) take(err error) bool {
	declined, ok := errors.AsType[*api.Declined](err)
	if !ok || !declined.Wrong() {
		return false
	}
	for _, one := range declined.Faults {
		f.Wrong[strings.TrimPrefix(one.Location, "body.")] = one.Message
	}
	return true
}
