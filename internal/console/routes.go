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
	door bool // the same, where people sign in: not in a demo
	self bool // only for who has signed in, in a browser: not in a demo

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
		{pattern: "GET /people", do: (*visit).people, action: access.See, record: access.People, title: "People", nav: "/people", key: "e"},
		{pattern: "POST /people", do: (*visit).invitePerson, action: access.Change, record: access.People},
		{pattern: "GET /people/{id}", do: (*visit).person, action: access.See, record: access.People},
		{pattern: "POST /people/{id}", do: (*visit).changePerson, action: access.Change, record: access.People},
		{pattern: "POST /people/{id}/link", do: (*visit).linkPerson, action: access.Change, record: access.People},
		{pattern: "POST /people/{id}/leave", do: (*visit).leavePerson, action: access.Change, record: access.People},
		{pattern: "POST /people/{id}/sessions/end", do: (*visit).endSessionsOf, action: access.Change, record: access.People},
		{pattern: "POST /parties", do: (*visit).addParty, action: access.Change, record: access.Organisation},
		{pattern: "POST /parties/{id}", do: (*visit).renameParty, action: access.Change, record: access.Organisation},
		{pattern: "GET /tokens", do: (*visit).tokens, action: access.See, record: access.Tokens},
		{pattern: "POST /tokens/{id}/end", do: (*visit).endToken, action: access.Change, record: access.Tokens},
		{pattern: "GET /account", do: (*visit).account, action: access.See, record: access.Account},
		{pattern: "POST /account", do: (*visit).changeAccount, action: access.Change, record: access.Account},
		{pattern: "POST /account/passkeys/begin", do: (*visit).beginPasskey, action: access.Change, record: access.Account, self: true},
		{pattern: "POST /account/passkeys", do: (*visit).addPasskey, action: access.Change, record: access.Account, self: true},
		{pattern: "POST /account/passkeys/remove", do: (*visit).removePasskey, action: access.Change, record: access.Account},
		{pattern: "POST /account/password", do: (*visit).setPassword, action: access.Change, record: access.Account, self: true},
		{pattern: "POST /account/password/remove", do: (*visit).removePassword, action: access.Change, record: access.Account},
		{pattern: "POST /account/codes", do: (*visit).makeCodes, action: access.Change, record: access.Account, self: true},
		{pattern: "POST /account/sessions/end", do: (*visit).endSession, action: access.Change, record: access.Account},
		{pattern: "POST /account/tokens", do: (*visit).makeToken, action: access.Change, record: access.Account},
		{pattern: "POST /account/tokens/end", do: (*visit).endOwnToken, action: access.Change, record: access.Account},
		{pattern: "GET /signin", do: (*visit).askSignIn, open: true},
		{pattern: "POST /signin/passkey/begin", do: (*visit).beginSignIn, door: true},
		{pattern: "POST /signin/passkey", do: (*visit).signInByPasskey, door: true},
		{pattern: "POST /signin/password", do: (*visit).signInByPassword, door: true},
		{pattern: "POST /signin/code", do: (*visit).signInByCode, door: true},
		{pattern: "GET " + access.OpenIDPath + "{name}/begin", do: (*visit).beginOpenID, door: true},
		{pattern: "GET " + access.OpenIDPath + "{name}", do: (*visit).signInByOpenID, door: true},
		{pattern: "GET /first/{token}", do: (*visit).first, door: true},
		{pattern: "POST /first/{token}", do: (*visit).claim, door: true},
		{pattern: "GET /invite/{token}", do: (*visit).invite, door: true},
		{pattern: "POST /invite/{token}/password", do: (*visit).inviteByPassword, door: true},
		{pattern: "POST /invite/{token}/passkey/begin", do: (*visit).beginInvite, door: true},
		{pattern: "POST /invite/{token}/passkey", do: (*visit).inviteByPasskey, door: true},
		{pattern: "POST /signout", do: (*visit).signOut, open: true},
		{pattern: "GET /waiting", do: (*visit).waiting, action: access.See, record: access.Letter, title: "Needs a person", nav: "/waiting", key: "w"},
		{pattern: "GET /waiting/blocked", do: (*visit).blocked, action: access.See, record: access.Sender, title: "Blocked senders"},
		{pattern: "POST /waiting/blocked", do: (*visit).unblock, action: access.Change, record: access.Sender},
		{pattern: "GET /waiting/{id}", do: (*visit).letter, action: access.See, record: access.Letter},
		{pattern: "GET /waiting/{id}/{act}", do: (*visit).letterBack, action: access.See, record: access.Letter},
		{pattern: "POST /waiting/{id}/events", do: (*visit).letterEvents, action: access.Change, record: access.Letter},
		{pattern: "POST /waiting/{id}/merge", do: (*visit).letterMerge, action: access.Change, record: access.Letter},
		{pattern: "POST /waiting/{id}/aside", do: (*visit).letterAside, action: access.Change, record: access.Letter},
		{pattern: "POST /waiting/{id}/bring", do: (*visit).letterBring, action: access.Change, record: access.Letter},
		{pattern: "POST /waiting/{id}/read-again", do: (*visit).letterAgain, action: access.Change, record: access.Letter},
		{pattern: "POST /waiting/{id}/block", do: (*visit).letterBlock, action: access.Change, record: access.Sender},
		{pattern: "POST /waiting/{id}/answer", do: (*visit).letterAnswer, action: access.See, record: access.Letter},
		{pattern: "GET /reports", do: (*visit).reports, action: access.See, record: access.Report, title: "Reports", nav: "/reports", key: "r"},
		{pattern: "GET /reports/senders", do: (*visit).senders, action: access.See, record: access.Report},
		{pattern: "GET /reports/{id}", do: (*visit).report, action: access.See, record: access.Report},
		{pattern: "GET /reports/{id}/original", do: (*visit).original, action: access.See, record: access.Report},
		{pattern: "GET /quarantine", do: (*visit).quarantine, action: access.See, record: access.Quarantine, title: "Quarantine", nav: "/quarantine", key: "q"},
		{pattern: "GET /quarantine/replay", do: (*visit).quarantineBack, action: access.See, record: access.Quarantine},
		{pattern: "POST /quarantine/replay", do: (*visit).replayAll, action: access.Change, record: access.Quarantine},
		{pattern: "POST /quarantine/{id}/replay", do: (*visit).replay, action: access.Change, record: access.Quarantine},
		{pattern: "GET /quarantine/{id}/drop", do: (*visit).askDrop, action: access.Change, record: access.Quarantine},
		{pattern: "POST /quarantine/{id}/drop", do: (*visit).drop, action: access.Change, record: access.Quarantine},
		{pattern: "GET /lookup", do: (*visit).lookup, action: access.See, record: access.Address, title: "Lookup", nav: "/lookup", key: "l"},
		{pattern: "POST /lookup", do: (*visit).look, action: access.See, record: access.Address},
		{pattern: "GET /reveal", do: (*visit).askReveal, action: access.Reveal, record: access.Line},
		{pattern: "POST /reveal", do: (*visit).reveal, action: access.Reveal, record: access.Line},
		{pattern: "GET /questions", do: (*visit).questions, action: access.See, record: access.Question, title: "Questions", nav: "/questions", key: "u"},
		{pattern: "POST /questions/{id}/approve", do: (*visit).approve, action: access.Decide, record: access.Question},
		{pattern: "POST /questions/{id}/refuse", do: (*visit).refuse, action: access.Decide, record: access.Question},
		{pattern: "GET /holds", do: (*visit).holds, action: access.See, record: access.Hold, title: "Holds", nav: "/holds", key: "h"},
		{pattern: "POST /holds", do: (*visit).hold, action: access.Change, record: access.Hold},
		{pattern: "POST /holds/{id}/lift", do: (*visit).lift, action: access.Change, record: access.Hold},
		{pattern: "GET /partners", do: (*visit).partners, action: access.See, record: access.Partner, title: "Partners", nav: "/partners", key: "p"},
		{pattern: "GET /partners/{id}", do: (*visit).partner, action: access.See, record: access.Partner},
		{pattern: "GET /log", do: (*visit).log, action: access.See, record: access.Log, title: "Log", nav: "/log", key: "o"},
		{pattern: "GET /log/checkpoint", do: (*visit).checkpoint, action: access.See, record: access.Log},
		{pattern: "GET /log/{index}", do: (*visit).logEntry, action: access.See, record: access.Log},
		{pattern: "GET /settings", do: (*visit).settings, action: access.See, record: access.Setting, title: "Settings", nav: "/settings", key: "s"},
		{pattern: "GET /rules", do: (*visit).rules, action: access.See, record: access.Rules, title: "Who may what"},
		{pattern: "GET /live", do: (*visit).live, action: access.See, record: access.Changes},
		{pattern: "POST /actor", do: (*visit).chooseActor, open: true},
		{pattern: "POST /theme", do: (*visit).chooseTheme, open: true},
		{pattern: "GET /assets/{name}", do: (*visit).asset, open: true},
		{pattern: "/", do: (*visit).nothing, open: true},
	}
}
