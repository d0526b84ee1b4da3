package console

import (
	"net/http"
	"strings"

	"tocsin/internal/api"
)

// revealForm asks whose a line is, and why that has to be known.
type revealForm struct {
	Line   string
	Reason inputView
}

func newRevealForm(handle, reason string, wrong map[string]string) *revealForm {
	return &revealForm{handle, inputView{
		Name: "reveal-reason", Label: "Why you need to know", Value: reason, Wrong: otherFaults(wrong), Required: true,
		Hint: "it is kept with your name; the question is in the evidence log before you see the answer, and counts against the day's budget",
	}}
}

// revealView is whose a line is. It is shown once, on the page that answers, and kept nowhere.
type revealView struct {
	Handle string
	Asked  string
	Shown  *api.Revealed
	Waits  *waitsView
	Form   *revealForm // what was asked for has to be mended
}

// askReveal shows the form for a line, which an incident names: nobody is asked yet.
func (v *visit) askReveal() error {
	handle := strings.TrimPrefix(strings.TrimSpace(v.r.URL.Query().Get("line")), "line:")
	return v.show("reveal", revealView{Handle: handle, Form: newRevealForm(handle, "", nil)})
}

// reveal says whose a line is.
func (v *visit) reveal() error {
	in := map[string]any{"line": v.r.PostFormValue("line"), "reason": v.r.PostFormValue("reveal-reason")}
	handle := strings.TrimPrefix(strings.TrimSpace(v.r.PostFormValue("line")), "line:")
	view := revealView{Handle: handle, Asked: v.r.PostFormValue("reveal-reason")}
	var got api.Revealed
	err := v.post("/reveal", in, &got)
	if wrong := faultsOf(err); len(wrong) > 0 {
		view.Form = newRevealForm(handle, view.Asked, wrong)
		return v.render("reveal", http.StatusUnprocessableEntity, view)
	}
	if view.Waits = waitsOf(err); view.Waits != nil {
		return v.render("reveal", http.StatusTooManyRequests, view)
	}
	if err != nil {
		return err
	}
	view.Shown = &got
	return v.show("reveal", view)
}
