package console

import (
	"net/http"

	"tocsin/internal/api"
	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// bulkView shows what would be done about several incidents, before it is.
type bulkView struct {
	Form     actForm
	IDs      []string
	Items    []api.ActedOn
	Done     int
	Tried    bool // shown, not done yet
	Acts     []incident.What
	Outcomes []report.Outcome
}

// actOnMany shows what would be done about the incidents that were chosen, and does it when that is confirmed.
func (v *visit) actOnMany() error {
	view := bulkView{
		Form: newActForm(), Acts: []incident.What{incident.ActClose, incident.ActTold, incident.ActReopen, incident.ActNote}, Outcomes: incident.Ruled(),
	}
	if err := v.r.ParseForm(); err != nil {
		return &api.Declined{Status: http.StatusBadRequest, Detail: "this form cannot be read"}
	}
	if view.IDs = v.r.PostForm["id"]; len(view.IDs) == 0 {
		return &api.Declined{Status: http.StatusUnprocessableEntity, Detail: "choose the incidents first: each has a box in front"}
	}
	f := &view.Form
	f.What, f.Outcome, f.Text = v.r.PostFormValue("what"), v.r.PostFormValue("outcome"), v.r.PostFormValue("text")
	if key := v.r.PostFormValue("key"); key != "" {
		f.Key = key
	}
	if f.What == "" { // chosen, and nothing said yet
		f.What = string(incident.ActClose)
		return v.show("bulk", view)
	}
	if f.What != string(incident.ActClose) {
		f.Outcome = ""
	}
	var got struct {
		Items []api.ActedOn `json:"items"`
		Done  int           `json:"done"`
		Tried bool          `json:"tried"`
	}
	err := v.postOnce("/incidents/acts", f.Key, struct {
		api.ActInput

		IDs []string `json:"ids"`
		Try bool     `json:"try"`
	}{api.ActInput{What: f.What, Text: f.Text, Outcome: f.Outcome}, view.IDs, v.r.PostFormValue("sure") == ""}, &got)
	if f.take(err) {
		return v.render("bulk", http.StatusUnprocessableEntity, view)
	}
	if err != nil {
		return err
	}
	view.Items, view.Done, view.Tried = got.Items, got.Done, got.Tried
	return v.show("bulk", view)
}
