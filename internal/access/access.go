// Package access says who may see and do what. People belong to parties and have roles; one table (table.go) says which
// role may do what with which field of which record, and what it does not say nobody may. Whoever makes a request is a
// Caller; what a caller is shown has been through Trim.
package access

import (
	"context"
	"slices"
	"time"

	"tocsin/internal/report"
)

// Role is what somebody is here for. The zero value is none, and may nothing.
type Role string

// The roles.
const (
	Desk        Role = "desk"        // works incidents and what needs a person
	Approver    Role = "approver"    // the second person: approves what is above the budget or the limits
	Admin       Role = "admin"       // people, tokens, settings; no incidents and no subscribers
	Officer     Role = "officer"     // of an authority: what was handed to it
	CSIRT       Role = "csirt"       // the national team: figures, and what was agreed
	Association Role = "association" // of the ISPs: figures without members' secrets
	Oversight   Role = "oversight"   // who asked what of whom, and why; changes nothing
)

var roles = [...]Role{Desk, Approver, Admin, Officer, CSIRT, Association, Oversight}

// Roles returns all roles, in the order in which they are shown.
func Roles() []Role { return roles[:] }

// PartyKind is what an organisation is.
type PartyKind string

// The kinds of parties.
const (
	OwnParty         PartyKind = "own" // whoever runs this node
	PoliceParty      PartyKind = "police"
	CSIRTParty       PartyKind = "csirt"
	AssociationParty PartyKind = "association"
	OversightParty   PartyKind = "oversight"
)

// kinds says which roles people of a party may have: nobody from outside works our incidents.
var kinds = []struct {
	Kind  PartyKind
	Roles []Role
}{
	{OwnParty, []Role{Desk, Approver, Admin, Oversight}},
	{PoliceParty, []Role{Officer}},
	{CSIRTParty, []Role{CSIRT}},
	{AssociationParty, []Role{Association}},
	{OversightParty, []Role{Oversight}},
}

// PartyKinds returns all kinds of parties, in the order in which they are shown.
func PartyKinds() []PartyKind {
	all := make([]PartyKind, len(kinds))
	for i, k := range kinds {
		all[i] = k.Kind
	}
	return all
}

// RolesOf returns the roles that people of a kind of party may have; none of a kind that there is not.
func RolesOf(k PartyKind) []Role {
	for _, one := range kinds {
		if one.Kind == k {
			return one.Roles
		}
	}
	return nil
}

// Own is the id of the party that runs the node. It is there from the beginning.
const Own = "own"

// Party is an organisation whose people sign in here.
type Party struct {
	ID   string // short, of small letters, digits and hyphens
	Name string
	Kind PartyKind
}

// Person is somebody who signs in.
type Person struct {
	ID      report.ID
	Login   string // what they sign in with, unique, most often a mail address; personal
	Name    string // as others see them; personal
	Party   string // id
	Roles   []Role
	State   PersonState
	Zone    string // IANA name of the zone in which they read times; empty is UTC
	Created time.Time
	Seen    time.Time // when they last signed in; zero: never
}

// PersonState is whether somebody may sign in. The zero value is nothing that may.
type PersonState string

// The states of people.
const (
	Invited PersonState = "invited" // has a link, and has not used it yet
	Active  PersonState = "active"
	Left    PersonState = "left" // may not sign in any more; what they did stays theirs
)

// Via is how a caller came in.
type Via string

// The ways in.
const (
	BySession Via = "session" // signed in, in a browser
	ByToken   Via = "token"
	BySocket  Via = "socket" // a user of this machine who may open the data directory
)

// Caller is who makes a request. The zero value is nobody, and may nothing.
type Caller struct {
	Name   string    // as logs and acts name them: a person's login, a token's or a system user's name; personal
	Person report.ID // zero where it is no person: a token of the config, or a user of the system
	Party  string    // id
	Roles  []Role
	Via    Via
	Scopes []Scope // what a token may use of its roles; read only where Via is ByToken
	Zone   string  // see Person

	Session report.ID // by which they come; zero where Via is not BySession
}

type callerKey struct{}

// With says who makes a request.
func With(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// From is who makes a request: nobody where nothing says so.
func From(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// Has reports whether the caller has a role.
func (c *Caller) Has(r Role) bool { return slices.Contains(c.Roles, r) }

// Tag is how the node's own log names the caller: a person by their id, as a login is personal.
func (c *Caller) Tag() string {
	if c.Person.IsZero() {
		return c.Name
	}
	return "person " + c.Person.String()
}

// May reports whether the caller may do something with a record, in some field of it at least.
func (c *Caller) May(a Action, r Record) bool { return len(c.Fields(a, r)) > 0 }

// Fields are those of a record with which the caller may do something, in the order of the record.
func (c *Caller) Fields(a Action, r Record) []Field {
	if c.Via == "" || c.Via == ByToken && !slices.ContainsFunc(c.Scopes, func(s Scope) bool { return s.Covers(a, r) }) {
		return nil
	}
	var all []Field
	for _, f := range FieldsOf(r) {
		if slices.ContainsFunc(c.Roles, func(role Role) bool { return Allowed(role, a, r, f) }) {
			all = append(all, f)
		}
	}
	return all
}
