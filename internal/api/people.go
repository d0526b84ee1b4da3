package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/access"
	"tocsin/internal/report"
)

// People is who may come in, and the links and tokens by which they do. Faults are those of access, and a
// *report.FieldError, joined, for what can be mended.
type People interface {
	People(ctx context.Context) ([]access.Person, error)
	Person(ctx context.Context, id report.ID) (access.Person, error)
	Invite(ctx context.Context, who *access.Caller, to access.Profile) (access.Person, access.Secret, error)
	// InviteAgain makes a new link for somebody, and ends those that they had.
	InviteAgain(ctx context.Context, who *access.Caller, id report.ID) (access.Secret, error)
	// First makes the link of the first admin; empty where there is an admin.
	First(ctx context.Context) (access.Secret, error)
	Change(ctx context.Context, who *access.Caller, id report.ID, to access.Profile) (access.Person, error)
	Leave(ctx context.Context, who *access.Caller, id report.ID) error

	Sessions(ctx context.Context, person report.ID) ([]access.Session, error)
	// EndSessions ends all of a person's sessions but one, zero: none.
	EndSessions(ctx context.Context, who *access.Caller, person, but report.ID) (int64, error)

	Parties(ctx context.Context) ([]access.Party, error)
	AddParty(ctx context.Context, p *access.Party) error
	RenameParty(ctx context.Context, id, name string) error

	// Tokens are a person's, or everybody's where the person is zero.
	Tokens(ctx context.Context, person report.ID) ([]access.Token, error)
	// EndToken ends a token of a person's, or anybody's where whose is zero.
	EndToken(ctx context.Context, who *access.Caller, whose, id report.ID) error
}

// Person is somebody who signs in.
type Person struct {
	ID      string        `access:"id" json:"id,omitempty"`
	Login   string        `access:"login" json:"login,omitempty"`
	Name    string        `access:"name" json:"name,omitempty"`
	Party   string        `access:"party" json:"party,omitempty" doc:"id of the organisation"`
	Roles   []access.Role `access:"roles" json:"roles,omitempty"`
	State   string        `access:"state" json:"state,omitempty" enum:"invited,active,left"`
	Created time.Time     `access:"times" json:"created,omitzero"`
	Seen    time.Time     `access:"times" json:"seen,omitzero" doc:"when they last signed in; missing: never"`

	Sessions []PersonSession `json:"sessions,omitempty" doc:"of one person only"`
}

// Record is access.Shown's.
func (Person) Record() access.Record { return access.People }

func personOf(p *access.Person) Person {
	return Person{
		ID: p.ID.String(), Login: p.Login, Name: p.Name, Party: p.Party, Roles: p.Roles, State: string(p.State), Created: p.Created, Seen: p.Seen,
	}
}

// PersonSession is somebody who is signed in, in a browser.
type PersonSession struct {
	Way     string    `access:"sessions" json:"way,omitempty" enum:"passkey,password,openid,recovery-code"`
	Created time.Time `access:"sessions" json:"created,omitzero"`
	Seen    time.Time `access:"sessions" json:"seen,omitzero"`
	Browser string    `access:"sessions" json:"browser,omitempty" doc:"kind and system"`
	Network string    `access:"sessions" json:"network,omitempty" doc:"where it began: /24 or /48"`
}

// Record is access.Shown's.
func (PersonSession) Record() access.Record { return access.People }

// Invited is somebody, and the link by which they come in.
type Invited struct {
	Person Person `json:"person"`
	Link   string `access:"login" json:"link,omitempty" doc:"works once, and for a day: hand it to the person, it is not shown again"`
}

// Record is access.Shown's.
func (Invited) Record() access.Record { return access.People }

// Party is an organisation whose people sign in.
type Party struct {
	ID   string `access:"id" json:"id,omitempty"`
	Name string `access:"name" json:"name,omitempty"`
	Kind string `access:"kind" json:"kind,omitempty" enum:"own,police,csirt,association,oversight"`
}

// Record is access.Shown's.
func (Party) Record() access.Record { return access.Organisation }

// ProgramToken is a token by which a program comes in, without its secret, which nobody has any more.
type ProgramToken struct {
	ID      string         `access:"id" json:"id,omitempty"`
	Name    string         `access:"name" json:"name,omitempty"`
	Owner   string         `access:"owner" json:"owner,omitempty" doc:"name of the person"`
	Scopes  []access.Scope `access:"scopes" json:"scopes,omitempty"`
	Created time.Time      `access:"times" json:"created,omitzero"`
	Until   time.Time      `access:"times" json:"until,omitzero"`
	Used    time.Time      `access:"times" json:"used,omitzero" doc:"to the minute; missing: never"`
}

// Record is access.Shown's.
func (ProgramToken) Record() access.Record { return access.Tokens }

func (a *API) registerPeople() {
	op := func(id, method, path, summary string, errs ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Errors: errs}
	}
	see, change := need{access.See, access.People}, need{access.Change, access.People}
	add(a, see, op("list-people", http.MethodGet, "/people", "Who may come in, by login", 422), a.listPeople)
	add(a, change, op("invite-person", http.MethodPost, "/people", "Invite somebody; the answer has a link for them. A second time the login is taken", 409), a.invitePerson)
	add(a, change, op("first-link", http.MethodPost, "/people/first", "Make the link of the first admin, while there is none; it ends the one before", 409), a.firstLink)
	add(a, see, op("show-person", http.MethodGet, "/people/{id}", "One person, and where they are signed in", 404), a.showPerson)
	add(a, change, op("change-person", http.MethodPut, "/people/{id}", "Change login, name, party and roles; with the roles, sessions get new secrets", 404, 409), a.changePerson)
	add(a, change, op("link-person", http.MethodPost, "/people/{id}/link", "Make a new link: for who lost every way to sign in, or had left. Links before it end", 404), a.linkPerson)
	add(a, change, op("leave-person", http.MethodPost, "/people/{id}/leave", "Let somebody in no more: sessions, tokens and links end at once; what they did stays theirs", 404, 409), a.leavePerson)
	add(a, change, op("end-sessions", http.MethodPost, "/people/{id}/sessions/end", "Sign somebody out everywhere", 404), a.endSessions)

	parties := need{access.Change, access.Organisation}
	add(a, need{access.See, access.Organisation}, op("list-parties", http.MethodGet, "/parties", "Organisations whose people sign in, the own first"), a.listParties)
	add(a, parties, op("add-party", http.MethodPost, "/parties", "Add an organisation; what kind it is stays", 409), a.addParty)
	add(a, parties, op("rename-party", http.MethodPut, "/parties/{id}", "Give an organisation another name", 404), a.renameParty)

	add(a, need{access.See, access.Tokens}, op("list-tokens", http.MethodGet, "/tokens", "Tokens of programs, oldest first; those of the config are not among them", 422), a.listTokens)
	add(a, need{access.Change, access.Tokens}, op("end-token", http.MethodDelete, "/tokens/{id}", "End anybody's token", 404), a.endToken)
}

// PageIn says which part of a list is wanted, where the list is short and grows at its end.
type PageIn struct {
	After string `query:"after" doc:"what next said on the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

// part cuts a list, and says how to go on. The cursor counts: nobody is ever removed from these lists, and a cursor that
// names somebody would stand in URLs.
func part[T any](in *PageIn, all []T) (items []T, next string, err error) {
	from := 0
	if in.After != "" {
		if from, err = strconv.Atoi(in.After); err != nil || from < 0 {
			return nil, "", &report.FieldError{Field: "after", Rule: "give what next said on the page before"}
		}
	}
	all = all[min(from, len(all)):]
	if limit := in.Limit; len(all) > limit {
		return all[:limit], strconv.Itoa(from + limit), nil
	}
	return all, "", nil
}

type peopleOutput struct {
	Body struct {
		Items []Person `json:"items"`
		Next  string   `json:"next,omitempty" doc:"give this as after to see what follows; missing on the last page"`
	}
}

func (a *API) listPeople(ctx context.Context, in *struct {
	PageIn

	Party string `query:"party" doc:"only people of this organisation"`
	State string `query:"state" enum:"invited,active,left"`
},
) (*peopleOutput, error) {
	all, err := a.rooms.People.People(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	all = slices.DeleteFunc(all, func(p access.Person) bool {
		return in.Party != "" && p.Party != in.Party || in.State != "" && string(p.State) != in.State
	})
	out := &peopleOutput{}
	all, out.Body.Next, err = part(&in.PageIn, all)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out.Body.Items = make([]Person, len(all))
	for i := range all {
		out.Body.Items[i] = personOf(&all[i])
	}
	return out, nil
}

type personOutput struct{ Body Person }

func (a *API) showPerson(ctx context.Context, in *PathID) (*personOutput, error) {
	id, err := personID(in.ID)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	p, err := a.rooms.People.Person(ctx, id)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	sessions, err := a.rooms.People.Sessions(ctx, id)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &personOutput{personOf(&p)}
	for i := range sessions {
		s := &sessions[i]
		out.Body.Sessions = append(out.Body.Sessions, PersonSession{string(s.Way), s.Created, s.Seen, s.Browser, networkText(s)})
	}
	return out, nil
}

func networkText(s *access.Session) string {
	if !s.Network.IsValid() {
		return ""
	}
	return s.Network.String()
}

// personID reads the id of a person in a path: what is none is nobody's.
func personID(text string) (report.ID, error) {
	id, err := report.ParseID(text)
	if err != nil || id.IsZero() {
		return id, access.ErrNoPerson
	}
	return id, nil
}

// PersonInput is what an admin says of somebody.
type PersonInput struct {
	Login string        `json:"login" doc:"what they sign in with, most often a mail address"`
	Name  string        `json:"name" doc:"as others see them"`
	Party string        `json:"party" doc:"id of the organisation; own is the one that runs this node"`
	Roles []access.Role `json:"roles" nullable:"false" doc:"docs/access.md says what each may"`
}

func (in *PersonInput) profile() access.Profile {
	return access.Profile{Login: in.Login, Name: in.Name, Party: in.Party, Roles: in.Roles}
}

type invitedOutput struct{ Body Invited }

func (a *API) invitePerson(ctx context.Context, in *struct{ Body PersonInput }) (*invitedOutput, error) {
	c := access.From(ctx)
	p, secret, err := a.rooms.People.Invite(ctx, &c, in.Body.profile())
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	a.log.InfoContext(ctx, "somebody was invited", "by", by(ctx), "person", p.ID)
	return &invitedOutput{Invited{personOf(&p), a.link("/invite/", secret)}}, nil
}

// link is the address of a page for whoever has a secret.
func (a *API) link(path string, secret access.Secret) string {
	return a.rooms.Origin + path + string(secret)
}

func (a *API) firstLink(ctx context.Context, _ *struct{}) (*invitedOutput, error) {
	secret, err := a.rooms.People.First(ctx)
	switch {
	case err != nil:
		return nil, a.problem(ctx, err)
	case secret == "":
		return nil, huma.Error409Conflict("there is an admin, who invites everybody else; somebody who lost every way to sign in gets a new link with tocsin people link LOGIN")
	}
	a.log.InfoContext(ctx, "a link for the first admin was made", "by", by(ctx))
	return &invitedOutput{Invited{Link: a.link("/first/", secret)}}, nil
}

func (a *API) changePerson(ctx context.Context, in *struct {
	PathID

	Body PersonInput
},
) (*personOutput, error) {
	id, err := personID(in.ID)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	c := access.From(ctx)
	p, err := a.rooms.People.Change(ctx, &c, id, in.Body.profile())
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	a.log.InfoContext(ctx, "a person was changed", "by", by(ctx), "person", id)
	return &personOutput{personOf(&p)}, nil
}

func (a *API) linkPerson(ctx context.Context, in *PathID) (*invitedOutput, error) {
	id, err := personID(in.ID)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	c := access.From(ctx)
	secret, err := a.rooms.People.InviteAgain(ctx, &c, id)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	p, err := a.rooms.People.Person(ctx, id)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	a.log.InfoContext(ctx, "a new link for a person was made", "by", by(ctx), "person", id)
	return &invitedOutput{Invited{personOf(&p), a.link("/invite/", secret)}}, nil
}

func (a *API) leavePerson(ctx context.Context, in *PathID) (*struct{}, error) {
	id, err := personID(in.ID)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	c := access.From(ctx)
	if err := a.rooms.People.Leave(ctx, &c, id); err != nil {
		return nil, a.problem(ctx, err)
	}
	a.log.InfoContext(ctx, "a person left", "by", by(ctx), "person", id)
	return nil, nil
}

type endedOutput struct {
	Body struct {
		Done int64 `json:"done" doc:"sessions that were ended"`
	}
}

func (a *API) endSessions(ctx context.Context, in *PathID) (*endedOutput, error) {
	id, err := personID(in.ID)
	if err == nil {
		_, err = a.rooms.People.Person(ctx, id)
	}
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	c := access.From(ctx)
	out := &endedOutput{}
	if out.Body.Done, err = a.rooms.People.EndSessions(ctx, &c, id, report.ID{}); err != nil {
		return nil, a.problem(ctx, err)
	}
	a.log.InfoContext(ctx, "a person was signed out everywhere", "by", by(ctx), "person", id)
	return out, nil
}

type partiesOutput struct {
	Body struct {
		Items []Party `json:"items"`
	}
}

func (a *API) listParties(ctx context.Context, _ *struct{}) (*partiesOutput, error) {
	all, err := a.rooms.People.Parties(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &partiesOutput{}
	out.Body.Items = make([]Party, len(all))
	for i, p := range all {
		out.Body.Items[i] = Party{p.ID, p.Name, string(p.Kind)}
	}
	return out, nil
}

type partyOutput struct{ Body Party }

func (a *API) addParty(ctx context.Context, in *struct {
	Body struct {
		ID   string `json:"id" doc:"short, of small letters, digits and hyphens"`
		Name string `json:"name"`
		Kind string `json:"kind" doc:"police, csirt, association or oversight"`
	}
},
) (*partyOutput, error) {
	p := &access.Party{ID: in.Body.ID, Name: in.Body.Name, Kind: access.PartyKind(in.Body.Kind)}
	if err := a.rooms.People.AddParty(ctx, p); err != nil {
		return nil, a.problem(ctx, err)
	}
	a.log.InfoContext(ctx, "a party was added", "by", by(ctx), "party", p.ID)
	return &partyOutput{Party{p.ID, p.Name, string(p.Kind)}}, nil
}

func (a *API) renameParty(ctx context.Context, in *struct {
	PathID

	Body struct {
		Name string `json:"name"`
	}
},
) (*struct{}, error) {
	if err := a.rooms.People.RenameParty(ctx, in.ID, in.Body.Name); err != nil {
		return nil, a.problem(ctx, err)
	}
	return nil, nil
}

type tokensOutput struct {
	Body struct {
		Items []ProgramToken `json:"items"`
		Next  string         `json:"next,omitempty" doc:"give this as after to see what follows; missing on the last page"`
	}
}

func (a *API) listTokens(ctx context.Context, in *PageIn) (*tokensOutput, error) {
	all, err := a.rooms.People.Tokens(ctx, report.ID{})
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	people, err := a.rooms.People.People(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	names := map[report.ID]string{}
	for i := range people {
		names[people[i].ID] = people[i].Name
	}
	out := &tokensOutput{}
	all, out.Body.Next, err = part(in, all)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out.Body.Items = make([]ProgramToken, len(all))
	for i := range all {
		t := &all[i]
		out.Body.Items[i] = ProgramToken{t.ID.String(), t.Name, names[t.Person], t.Scopes, t.Created, t.Until, t.Used}
	}
	return out, nil
}

func (a *API) endToken(ctx context.Context, in *PathID) (*struct{}, error) {
	return nil, a.dropToken(ctx, in.ID, report.ID{})
}

// dropToken ends a token: of one person, or anybody's where whose is zero.
func (a *API) dropToken(ctx context.Context, text string, whose report.ID) error {
	id, err := report.ParseID(text)
	if err != nil {
		return a.problem(ctx, access.ErrNothing)
	}
	c := access.From(ctx)
	if err := a.rooms.People.EndToken(ctx, &c, whose, id); err != nil {
		return a.problem(ctx, err)
	}
	a.log.InfoContext(ctx, "a token was ended", "by", by(ctx), "token", id)
	return nil
}

// accessFault is the problem of what cannot be done with people; nil where the error is another.
func accessFault(err error) error {
	for _, known := range []struct {
		fault error
		say   func(string, ...error) huma.StatusError
	}{
		{access.ErrNoPerson, huma.Error404NotFound},
		{access.ErrNoParty, huma.Error404NotFound},
		{access.ErrNothing, huma.Error404NotFound},
		{access.ErrLastAdmin, huma.Error409Conflict},
		{access.ErrLastWay, huma.Error409Conflict},
	} {
		if errors.Is(err, known.fault) {
			return known.say(known.fault.Error())
		}
	}
	for field, fault := range map[string]error{"login": access.ErrTaken, "id": access.ErrPartyIs} {
		if errors.Is(err, fault) {
			return huma.Error409Conflict(fault.Error(), &huma.ErrorDetail{Location: "body." + field, Message: fault.Error()})
		}
	}
	return nil
}
