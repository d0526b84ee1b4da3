package console

import "tocsin/internal/api"

// settingsView is how the node is set, what is wrong with it, and how its sources of lines are.
type settingsView struct {
	api.Settings

	Bad     int // how much of what is wrong keeps something from being done
	Sources []api.LineSource
}

// settings shows it.
func (v *visit) settings() error {
	var view settingsView
	if err := v.get("/settings", &view.Settings); err != nil {
		return err
	}
	var got struct{ Items []api.LineSource }
	if err := v.get("/lines/sources", &got); err != nil {
		return err
	}
	view.Sources = got.Items
	for _, w := range view.Wrong {
		if w.Bad {
			view.Bad++
		}
	}
	return v.show("settings", view)
}
