package console

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/api"
	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// todayView is what needs a human, oldest first, and how the loop runs.
type todayView struct {
	Needs []needView
	Calm  bool // nothing needs this visitor
	Desk  bool // they work incidents

	Figures *api.Figures // nil where the visitor sees none
	Chart   *chart
	States  []stateCount
	Told    string // how long it takes; empty where nothing is known
	Clean   string
}

// stateCount is how many incidents are in a state.
type stateCount struct {
	State incident.State
	N     int64
}

// needView is something that waits for a human.
type needView struct {
	What  string // what to do about it, as the link says
	Path  string
	Since time.Time
	About string // as far as it says of what; may be empty
	Bad   bool   // it is a fault of the node or of what it listens to
}

// oldest is how many of a kind stand on the first page; the others are behind a link.
const oldest = 5

// today is the first page.
func (v *visit) today() error {
	var view todayView
	for _, find := range []func(*visit, *todayView) error{(*visit).needLetters, (*visit).needDecisions, (*visit).needSources} {
		if err := find(v, &view); err != nil {
			return err
		}
	}
	if err := v.figures(&view); err != nil {
		return err
	}
	view.Calm, view.Desk = len(view.Needs) == 0, v.may(access.See, access.Incident)
	return v.show("today", view)
}

// needLetters finds the mails that wait.
func (v *visit) needLetters(view *todayView) error {
	if !v.may(access.Change, access.Letter) {
		return nil
	}
	var got struct {
		Items []struct {
			ID         string    `json:"id"`
			ReceivedAt time.Time `json:"received_at"`
			Reason     string    `json:"reason"`
			Name       string    `json:"name"`
		} `json:"items"`
	}
	if err := v.get("/waiting?limit=5", &got); err != nil {
		return err
	}
	for _, l := range got.Items {
		about := l.Name
		if about == "" {
			about = l.Reason
		}
		view.Needs = append(view.Needs, needView{What: "Read a mail that no program can", Path: "/waiting/" + l.ID, Since: l.ReceivedAt, About: about})
	}
	return nil
}

// needDecisions finds questions that wait for a second person.
func (v *visit) needDecisions(view *todayView) error {
	if !v.may(access.Decide, access.Question) {
		return nil
	}
	var got struct {
		Items []api.QuestionEntry `json:"items"`
	}
	if err := v.get("/questions", &got); err != nil {
		return err
	}
	for _, q := range got.Items[:min(len(got.Items), oldest)] {
		view.Needs = append(view.Needs, needView{What: "Decide on a question about a line", Path: "/questions", Since: q.At, About: q.Reason})
	}
	return nil
}

// needSources finds what knows lines and is not well.
func (v *visit) needSources(view *todayView) error {
	if !v.may(access.See, access.Setting) {
		return nil
	}
	var got struct {
		Items []api.LineSource `json:"items"`
	}
	if err := v.get("/lines/sources", &got); err != nil {
		return err
	}
	for _, s := range got.Items {
		if s.Health != "well" {
			view.Needs = append(view.Needs, needView{What: "See to a source of lines: " + s.Name + " is " + s.Health, Path: "/settings", Since: s.Latest, About: s.Fault, Bad: true})
		}
	}
	return nil
}

// figures are those of the last thirty days.
func (v *visit) figures(view *todayView) error {
	if !v.may(access.See, access.Figure) {
		return nil
	}
	var f api.Figures
	if err := v.get("/figures?days=30", &f); err != nil {
		return err
	}
	view.Figures, view.Chart = &f, dayChart(&f)
	for _, s := range incident.States() {
		view.States = append(view.States, stateCount{s, f.States[string(s)]})
	}
	view.Told, view.Clean = span(f.Told), span(f.Clean)
	return nil
}

// dayChart draws how many incidents began a day, the kinds of which there are most first.
func dayChart(f *api.Figures) *chart {
	c := &chart{ID: "days", Title: "Incidents by kind and the UTC day on which they began"}
	at := map[string]int{}
	for d := f.From; !d.After(f.To) && len(c.Columns) < 366; d = d.AddDate(0, 0, 1) {
		at[d.Format(time.DateOnly)] = len(c.Columns)
		c.Columns = append(c.Columns, d.Format("2 Jan"))
	}
	kinds := map[string]*series{}
	for _, d := range f.Days {
		s := kinds[d.Type]
		if s == nil {
			s = &series{d.Type, make([]int64, len(c.Columns))}
			kinds[d.Type] = s
		}
		if i, ok := at[d.Day]; ok {
			s.Values[i] += d.N
		}
	}
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		c.Series = append(c.Series, *kinds[name])
	}
	slices.SortStableFunc(c.Series, func(a, b series) int { return cmp.Compare(b.Sum(), a.Sum()) })
	c.fold()
	return c
}

// span says between which times the median lies, with how many it was found from; empty where nothing is known.
func span(t *api.Timer) string {
	if t == nil || t.N == 0 {
		return ""
	}
	low, high := spoken(time.Duration(t.Low)*time.Second), spoken(time.Duration(t.High)*time.Second)
	if low == high {
		return "about " + low
	}
	return low + " to " + high
}

// spoken says a length of time in one unit.
func spoken(d time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := int64((d + unit.of/2) / unit.of); n >= 2 || n == 1 && d >= unit.of {
			return report.Counted(n, unit.name)
		}
	}
	return report.Counted(int64(d/time.Second), "second")
}
