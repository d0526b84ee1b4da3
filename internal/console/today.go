package console

import (
	"time"

	"tocsin/internal/access"
	"tocsin/internal/api"
)

// todayView is what needs a human, oldest first, and how the loop runs.
type todayView struct {
	Needs []needView
	Calm  bool // nothing needs this visitor
	Desk  bool // they work incidents
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
