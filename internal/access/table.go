package access

import "slices"

// Record is a kind of thing that the node keeps or shows.
type Record string

// Field is a part of a record.
type Field string

// Action is what somebody does with a record.
type Action string

// The actions.
const (
	See    Action = "see"
	Change Action = "change" // make, work, end
	Ask    Action = "ask"    // a question about a line: counted, and logged before it is answered
	Reveal Action = "reveal" // whose a line is: with a reason, counted, and logged before it is shown
	Decide Action = "decide" // be the second person
)

var actions = [...]Action{See, Change, Ask, Reveal, Decide}

// Actions returns all actions, in the order in which they are shown.
func Actions() []Action { return actions[:] }

// The records.
const (
	Incident     Record = "incident"
	Event        Record = "event"      // a row of a report that belongs to an incident
	Report       Record = "report"     // a document that was received
	Letter       Record = "letter"     // a mail that needs a person
	Sender       Record = "sender"     // of whom nothing more is wanted
	Quarantine   Record = "quarantine" // what could not be read
	Address      Record = "address"    // whose it is, by the tables
	Line         Record = "line"       // a subscriber line
	Question     Record = "question"   // that somebody asked about a line
	Hold         Record = "hold"       // keeps line sessions that a request names
	LineSource   Record = "line-source"
	Partner      Record = "partner"
	Figure       Record = "figure" // counts, which name nobody
	Organisation Record = "party"
	People       Record = "person"
	Tokens       Record = "token"
	Account      Record = "account" // one's own: ways to sign in, sessions, tokens
	Log          Record = "log"     // the evidence log
	Setting      Record = "setting" // the config, and what is wrong with it
	Rules        Record = "rule"    // this table
	Changes      Record = "change"  // that something changed, and what to ask for again
)

// fields are those of each record. What is personal says so here, and nobody sees it whom the rules do not name for it.
var fields = []struct {
	Record Record
	Words  string // what the record is, for people
	Fields []Field
}{
	{Incident, "one problem of one party", []Field{"id", "kind", "state", "times", "counts", "severity", "party", "subject", "sources", "acts"}},
	{Event, "one row of a report, as it was sent", []Field{"place", "what", "subject", "target", "details"}},
	{Report, "a document that was received", []Field{"id", "source", "name", "times", "state", "counts", "answer", "original"}},
	{Letter, "a mail that needs a person", []Field{"id", "sender", "times", "state", "text", "events"}},
	{Sender, "a sender of whom nothing more is wanted", []Field{"sender", "counts"}},
	{Quarantine, "what could not be read", []Field{"id", "source", "name", "times", "counts", "reason", "content"}},
	{Address, "whose an address is, by the tables", []Field{"address", "holder"}},
	{Line, "a subscriber line", []Field{"handle", "answer", "name", "contact"}},
	{Question, "what somebody asked about a line", []Field{"id", "kind", "times", "asker", "reason", "about", "state"}},
	{Hold, "an order to keep line sessions for a request", []Field{"id", "authority", "times", "about", "state"}},
	{LineSource, "where lines are known from", []Field{"name", "health", "sessions"}},
	{Partner, "another network in the partnership", []Field{"id", "name", "networks", "contact", "counts"}},
	{Figure, "counts that name nobody", []Field{"incidents", "timers", "lag", "switches"}},
	{Organisation, "an organisation whose people sign in", []Field{"id", "name", "kind"}},
	{People, "somebody who signs in", []Field{"id", "login", "name", "party", "roles", "state", "times", "sessions"}},
	{Tokens, "a token of a program", []Field{"id", "name", "owner", "scopes", "times"}},
	{Account, "one's own account", []Field{"profile", "credentials", "sessions", "tokens"}},
	{Log, "the log of what was done", []Field{"head", "entries", "proof"}},
	{Setting, "what is configured", []Field{"config", "faults", "health"}},
	{Rules, "this table", []Field{"rules"}},
	{Changes, "that something changed", []Field{"topic"}},
}

// Records returns all records, in the order in which they are shown.
func Records() []Record {
	all := make([]Record, len(fields))
	for i := range fields {
		all[i] = fields[i].Record
	}
	return all
}

// FieldsOf returns the fields of a record; none of one that there is not.
func FieldsOf(r Record) []Field {
	for i := range fields {
		if fields[i].Record == r {
			return fields[i].Fields
		}
	}
	return nil
}

// Words says what a record is.
func Words(r Record) string {
	for i := range fields {
		if fields[i].Record == r {
			return fields[i].Words
		}
	}
	return ""
}

// Rule says that people of some roles may do something with some fields of a record, and why.
type Rule struct {
	Roles  []Role
	Action Action
	Record Record
	Fields []Field // empty: all that the record has
	Why    string
}

// desk, second and everybody are roles that often stand together.
var (
	atDesk    = []Role{Desk, Approver}
	everybody = Roles()
)

// rules is the whole of what anybody may. What stands in no row is not allowed. docs/access.md shows it as a table.
var rules = []Rule{
	// Everybody.
	{everybody, See, Account, nil, "everybody may see their own account"},
	{everybody, Change, Account, nil, "everybody may change how they sign in, and end their sessions"},
	{everybody, See, Rules, nil, "everybody may know who may what"},
	{everybody, See, Log, []Field{"head"}, "whoever keeps a head of the log can show later that nothing was changed behind it"},
	{everybody, See, Changes, nil, "a page renews itself; what it then asks for is decided anew"},

	// The desk works.
	{atDesk, See, Incident, nil, "incidents are the desk's work"},
	{atDesk, See, Event, nil, "what was seen is the ground of what is done"},
	{atDesk, See, Report, nil, "reports are what incidents come from"},
	{atDesk, See, Letter, nil, "a person has to read what no program can"},
	{atDesk, See, Sender, nil, "what is kept away has to be known"},
	{atDesk, See, Quarantine, nil, "nothing that could not be read may be lost"},
	{atDesk, See, Address, nil, "registers of addresses are public"},
	{atDesk, See, Partner, nil, "to know whom to tell"},
	{atDesk, See, Figure, nil, "to see whether the work helps"},
	{atDesk, See, LineSource, nil, "an answer is worth what its source is"},
	{atDesk, See, Question, nil, "colleagues' questions may wait for a second person"},
	{atDesk, See, Hold, nil, "what is kept longer, and until when"},
	{[]Role{Desk}, Change, Incident, []Field{"state", "acts"}, "the desk tells, closes and opens again; it cannot rewrite what was seen"},
	{[]Role{Desk}, Change, Report, []Field{"state"}, "a report that is in hand may be read again"},
	{[]Role{Desk}, Change, Letter, []Field{"state", "events"}, "a person makes events of a mail, or sets it aside"},
	{[]Role{Desk}, Change, Sender, nil, "a person may keep a sender away, and take that back"},
	{[]Role{Desk}, Change, Quarantine, []Field{"counts"}, "it may be read again, or dropped"},
	{[]Role{Desk}, Ask, Line, []Field{"handle", "answer"}, "which line it was: one at a time, within the day's budget"},
	{[]Role{Desk}, Reveal, Line, []Field{"name", "contact"}, "whose line it is: with a reason, within the day's budget"},

	// The second person.
	{[]Role{Approver}, Decide, Question, []Field{"state"}, "above the budget a second person decides, who is not the first"},
	{[]Role{Approver}, Change, Hold, nil, "a hold keeps data beyond its end, so it takes somebody with that charge"},
	{[]Role{Approver}, Change, LineSource, []Field{"sessions"}, "deleting ends what could be asked"},

	// The administrator: who may come in, and how the node is set. Not what it knows of subscribers.
	{[]Role{Admin}, See, Organisation, nil, "people belong to one"},
	{[]Role{Admin}, Change, Organisation, nil, "people belong to one"},
	{[]Role{Admin}, See, People, nil, "who may come in"},
	{[]Role{Admin}, Change, People, []Field{"login", "name", "party", "roles", "state", "sessions"}, "who may come in"},
	{[]Role{Admin}, See, Tokens, nil, "which programs may come in"},
	{[]Role{Admin}, Change, Tokens, nil, "which programs may come in"},
	{[]Role{Admin}, See, Setting, nil, "how the node is set, and what is wrong"},
	{[]Role{Admin}, See, Figure, nil, "whether the node does its work"},
	{[]Role{Admin}, See, LineSource, []Field{"name", "health"}, "whether its sources are well"},
	{[]Role{Admin}, See, Log, []Field{"entries", "proof"}, "whether the log is whole"},
	{[]Role{Admin}, See, Partner, []Field{"id", "name", "networks", "contact"}, "they stand in the config"},

	// Those outside.
	{[]Role{CSIRT, Association}, See, Figure, []Field{"incidents", "timers"}, "counts name nobody"},
	{[]Role{CSIRT}, See, Partner, []Field{"id", "name", "networks", "contact"}, "whom the partnership can reach"},

	// Oversight sees who asked, at once, and cannot ask itself.
	{[]Role{Oversight}, See, Question, []Field{"id", "kind", "times", "asker", "reason", "state"}, "who asked about a line, when and why; not about which"},
	{[]Role{Oversight}, See, Hold, []Field{"id", "authority", "times", "state"}, "what is kept longer and for whom; not about whom"},
	{[]Role{Oversight}, See, Log, []Field{"entries", "proof"}, "what was done, and that nothing of it was changed"},
	{[]Role{Oversight}, See, Figure, nil, "how much is done, and whether it helps"},
	{[]Role{Oversight}, See, People, []Field{"name", "party", "roles", "state"}, "who has which role"},
	{[]Role{Oversight}, See, Tokens, []Field{"name", "owner", "scopes", "times"}, "which programs may come in"},
}

// Table returns the rules, in the order in which they are shown.
func Table() []Rule {
	all := make([]Rule, len(rules))
	for i, r := range rules {
		if len(r.Fields) == 0 {
			r.Fields = FieldsOf(r.Record)
		}
		all[i] = r
	}
	return all
}

// Allowed reports whether a role may do something with a field of a record.
func Allowed(role Role, a Action, r Record, f Field) bool {
	return slices.Contains(FieldsOf(r), f) && slices.ContainsFunc(rules, func(rule Rule) bool {
		return rule.Action == a && rule.Record == r && slices.Contains(rule.Roles, role) &&
			(len(rule.Fields) == 0 || slices.Contains(rule.Fields, f))
	})
}
