package console

import "tocsin/internal/api"

// blockedView is the list of those of whom nothing more is wanted.
type blockedView struct {
	Tabs    []tab
	Senders []api.BlockedSender
	Freed   bool
}

// blocked lists them.
func (v *visit) blocked() error {
	var got api.BlockedList
	if err := v.get("/blocked", &got); err != nil {
		return err
	}
	var lists waitingView
	lists.tabs(nil)
	for i := range lists.Tabs {
		lists.Tabs[i].Here = lists.Tabs[i].Path == v.r.URL.Path
	}
	return v.show("blocked", blockedView{lists.Tabs, got.Items, v.r.URL.Query().Get("done") == "freed"})
}

// unblock takes a block back.
func (v *visit) unblock() error {
	if err := v.post("/blocked/remove", map[string]string{"sender": v.r.FormValue("sender")}, nil); err != nil {
		return err
	}
	return v.goTo("/waiting/blocked?done=freed")
}
