package console

import "tocsin/internal/access"

// route is one thing that can be asked for.
type route struct {
	pattern string // of http.ServeMux
	do      func(*visit) error

	// Whoever may do this with something of that record is let in; what they then see the API decides.
	action access.Action
	record access.Record

	open bool // for everybody, signed in or not

	// title and nav make it a page of the menu; key is what is typed behind g to go there.
	title, nav, key string
}

// table is everything that the console answers to. A test enumerates it.
func table() []route {
	return []route{
		{pattern: "GET /{$}", do: (*visit).today, action: access.See, record: access.Account, title: "Today", nav: "/", key: "t"},
		{pattern: "GET /incidents", do: (*visit).incidents, action: access.See, record: access.Incident, title: "Incidents", nav: "/incidents", key: "i"},
		{pattern: "POST /incidents", do: (*visit).incidents, action: access.See, record: access.Incident},
		{pattern: "GET /incidents/{id}", do: (*visit).incident, action: access.See, record: access.Incident},
		{pattern: "POST /incidents/{id}/acts", do: (*visit).actOnIncident, action: access.Change, record: access.Incident},
		{pattern: "POST /incidents/acts", do: (*visit).actOnMany, action: access.Change, record: access.Incident},
		{pattern: "GET /rules", do: (*visit).rules, action: access.See, record: access.Rules, title: "Who may what"},
		{pattern: "GET /live", do: (*visit).live, action: access.See, record: access.Changes},
		{pattern: "POST /actor", do: (*visit).chooseActor, open: true},
		{pattern: "POST /theme", do: (*visit).chooseTheme, open: true},
		{pattern: "GET /assets/{name}", do: (*visit).asset, open: true},
		{pattern: "/", do: (*visit).nothing, open: true},
	}
}
