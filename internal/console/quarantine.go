package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"tocsin/internal/api"
	"tocsin/internal/report"
)

// quarantineView is what could not be read.
type quarantineView struct {
	api.QuarantineList
	First string // path of the first page, where this is another
	Next  string // path of the next
	Done  string
	Gone  string // reports that could not be read again
	Sure  bool   // the visitor is asked whether they mean all
}

// quarantine lists it, oldest first.
func (v *visit) quarantine() error {
	q := v.r.URL.Query()
	ask := url.Values{"limit": {"50"}}
	view := quarantineView{Done: did[q.Get("done")]}
	if after := q.Get("after"); after != "" {
		ask.Set("after", after)
		view.First = "/quarantine"
	}
	if err := v.get("/quarantine?"+ask.Encode(), &view.QuarantineList); err != nil {
		return err
	}
	if next := view.QuarantineList.Next; next != "" {
		view.Next = "/quarantine?" + url.Values{"after": {next}}.Encode()
	}
	return v.show("quarantine", view)
}

// replayAll has all of it read again, and says how much that is.
func (v *visit) replayAll() error {
	var got api.Replayed
	if err := v.post("/quarantine/replay", nil, &got); err != nil {
		return err
	}
	var view quarantineView
	if err := v.get("/quarantine?limit=50", &view.QuarantineList); err != nil {
		return err
	}
	if next := view.QuarantineList.Next; next != "" {
		view.Next = "/quarantine?" + url.Values{"after": {next}}.Encode()
	}
	view.Done = fmt.Sprintf("%s handed to be read again. What can be read now leaves this list by itself: you need not wait.", report.Counted(got.Handed, "report"))
	if got.Gone > 0 {
		view.Gone = report.Counted(got.Gone, "report") + " cannot be read again: the originals are past their end date."
	}
	return v.show("quarantine", view)
}

// quarantineBack leads to the list whoever asks again for the page that replayAll answered with.
func (v *visit) quarantineBack() error { return v.goTo("/quarantine") }

// replay has one report read again.
func (v *visit) replay() error {
	err := v.post("/quarantine/"+url.PathEscape(v.r.PathValue("id"))+"/replay", nil, nil)
	if err != nil {
		return err
	}
	to := "/quarantine"
	if v.r.FormValue("from") == "report" {
		to = "/reports/" + url.PathEscape(v.r.PathValue("id"))
	}
	return v.goTo(to + "?done=replayed")
}

// dropView asks whether a report is to be dropped.
type dropView struct{ api.OpenReport }

// askDrop asks before something is lost from the list for good.
func (v *visit) askDrop() error {
	var view dropView
	if err := v.get("/received/"+url.PathEscape(v.r.PathValue("id")), &view.OpenReport); err != nil {
		return err
	}
	if !view.Quarantined {
		return &api.Declined{Status: http.StatusNotFound, Detail: "nothing of this report is in the quarantine: it was read meanwhile, or dropped"}
	}
	return v.show("drop", view)
}

// drop takes a report out of the quarantine. Where somebody was faster, it is out as well.
func (v *visit) drop() error {
	err := v.post("/quarantine/"+url.PathEscape(v.r.PathValue("id"))+"/drop", nil, nil)
	if said, ok := errors.AsType[*api.Declined](err); err != nil && (!ok || said.Status != http.StatusNotFound) {
		return err
	}
	return v.goTo("/quarantine?done=dropped")
}
