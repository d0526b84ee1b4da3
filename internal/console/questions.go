package console

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/api"
	"tocsin/internal/line/inquiry"
)

// questionsView is the questions about lines: those that wait for a second person and, for whoever watches over them, all.
type questionsView struct {
	Waiting []questionView
	Decides bool // the visitor may be the second person
	Mine    bool // only the visitor's own are shown
	About   bool // the visitor sees about what
	Done    string

	All   bool // those that were decided or answered are listed, too
	Day   inputView
	Days  []questionDay
	Next  string // path of the next page
	First string
}

// questionDay is what was asked on one day, UTC: the budget's day.
type questionDay struct {
	Day   time.Time
	Asked []questionView
}

// questionView is a question in words.
type questionView struct {
	api.QuestionEntry

	What string // what is asked for
	Over string // about what, where the visitor sees it
	Own  bool   // the visitor's own, which somebody else has to decide
	How  string // its state in words
}

// questions lists them.
func (v *visit) questions() error {
	view := questionsView{
		Decides: v.may(access.Decide, access.Question), Mine: !v.may(access.Decide, access.Question) && v.may(access.Ask, access.Line),
		About: v.sees(access.Question, "about"),
	}
	if done := v.r.URL.Query().Get("done"); done == "approved" || done == "refused" {
		view.Done = done
	}
	var waiting struct{ Items []api.QuestionEntry }
	if err := v.get("/questions", &waiting); err != nil {
		return err
	}
	for i := range waiting.Items {
		if q := v.questionOf(&waiting.Items[i]); q.Own || !view.Mine {
			view.Waiting = append(view.Waiting, q)
		}
	}
	if view.All = !view.Mine; view.All {
		if err := v.asked(&view); err != nil {
			return err
		}
	}
	return v.show("questions", view)
}

// asked lists all that was asked, by day.
func (v *visit) asked(view *questionsView) error {
	q := v.r.URL.Query()
	day, after := q.Get("day"), q.Get("after")
	view.Day = inputView{Name: "day", Label: "Of one day (UTC)", Kind: "date", Value: day}
	ask := url.Values{"all": {"true"}}
	for name, value := range map[string]string{"day": day, "after": after} {
		if value != "" {
			ask.Set(name, value)
		}
	}
	var got struct {
		Items []api.QuestionEntry
		Next  string
	}
	err := v.get("/questions?"+ask.Encode(), &got)
	if wrong := faultsOf(err); wrong["day"] != "" {
		view.Day.Wrong = wrong["day"]
		return nil
	}
	if err != nil {
		return err
	}
	for i := range got.Items {
		one := v.questionOf(&got.Items[i])
		of := one.At.UTC().Truncate(24 * time.Hour)
		if n := len(view.Days); n == 0 || !view.Days[n-1].Day.Equal(of) {
			view.Days = append(view.Days, questionDay{Day: of})
		}
		last := &view.Days[len(view.Days)-1]
		last.Asked = append(last.Asked, one)
	}
	here := url.Values{}
	if day != "" {
		here.Set("day", day)
	}
	if after != "" {
		view.First = "/questions?" + here.Encode()
	}
	if got.Next != "" {
		here.Set("after", got.Next)
		view.Next = "/questions?" + here.Encode()
	}
	return nil
}

// sees reports whether the visitor sees a field of a record.
func (v *visit) sees(r access.Record, field access.Field) bool {
	return slices.Contains(v.caller.Fields(access.See, r), field)
}

func (v *visit) questionOf(q *api.QuestionEntry) questionView {
	one := questionView{QuestionEntry: *q, Own: inquiry.Same(q.Who, v.caller.Name), Over: aboutOf(q.About), How: string(q.State)}
	switch q.Kind {
	case inquiry.Which:
		one.What = "which line held an address"
	case inquiry.Whose:
		one.What = "whose a line is"
	case inquiry.Purge:
		one.What = "sessions were deleted"
	default:
		one.What = string(q.Kind)
	}
	switch q.State {
	case inquiry.Counted:
		one.How = "answered within the budget"
	case inquiry.Waiting:
		one.How = "waits for a second person"
	case inquiry.Approved:
		one.How = "approved, not asked again yet"
	case inquiry.Answered:
		one.How = "approved and answered"
	case inquiry.Noted:
		one.How = "noted"
	}
	return one
}

// aboutOf says about what a question is: the address and the time, or the line.
func aboutOf(raw json.RawMessage) string {
	var about struct {
		Addr, Proto, Uncertainty, Zone, Line string
		Port                                 int
		At, Or                               time.Time
	}
	if len(raw) == 0 || json.Unmarshal(raw, &about) != nil {
		return ""
	}
	if about.Line != "" {
		return "line " + about.Line
	}
	words := []string{about.Addr}
	if about.Port != 0 {
		words = append(words, "port "+strconv.Itoa(about.Port))
	}
	if about.Proto != "" {
		words = append(words, about.Proto)
	}
	if !about.At.IsZero() {
		words = append(words, "at "+about.At.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	if !about.Or.IsZero() {
		words = append(words, "or "+about.Or.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	return strings.Join(words, ", ")
}

// approve is the second person's yes.
func (v *visit) approve() error { return v.decide("approve", "approved") }

// refuse is their no.
func (v *visit) refuse() error { return v.decide("refuse", "refused") }

func (v *visit) decide(verb, done string) error {
	if err := v.post("/questions/"+url.PathEscape(v.r.PathValue("id"))+"/"+verb, nil, nil); err != nil {
		return err
	}
	return v.goTo("/questions?done=" + done)
}
