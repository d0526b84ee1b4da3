package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tocsin/internal/access"
	"tocsin/internal/api"
)

func itoa(n int) string { return strconv.Itoa(n) }

// peopleView is who may come in, and the organisations that they belong to.
type peopleView struct {
	People  []personRow
	Next    string // link to the page behind this one
	State   string // only people in it
	States  []access.PersonState
	Parties []api.Party // empty where the visitor sees none
	Form    personForm
	Party   partyForm
	Kinds   []access.PartyKind // that can be added
	Link    *linkView          // of who has just been invited, shown this once
}

// personRow is a person in the list.
type personRow struct {
	api.Person

	PartyName string
}

// personForm is what an admin says of a person, as it was typed.
type personForm struct {
	Login, Name, Party string
	Roles              []roleChoice
	Wrong              fief
}

type roleChoice struct {
	Role   access.Role
	Words  string
	Chosen bool
}

// roleWords say what each role is for.
var roleWords = map[access.Role]string{
	access.Desk: "works incidents, and what needs a person", access.Approver: "the second person: approves what is above a budget or limit",
	access.Admin: "people, tokens, settings; no incidents", access.Officer: "of an authority: what was handed to it",
	access.CSIRT: "the national team: figures, partners", access.Association: "of the providers: figures",
	access.Oversight: "sees who asked what of whom, and why; changes nothing",
}

type partyForm struct {
	ID, Name, Kind string
	Wrong          fief
}

// linkView is a link to hand over.
type linkView struct{ Name, Link string }

// newPersonForm is a form with roles to choose from. Which of them an organisation's people can have the API says.
func newPersonForm(chosen ...access.Role) personForm {
	f := personForm{Party: access.Own, Wrong: fief{}}
	for _, r := range access.Roles() {
		f.Roles = append(f.Roles, roleChoice{r, roleWords[r], slices.Contains(chosen, r)})
	}
	return f
}

// typedPerson reads the form.
func (v *visit) typedPerson() (personForm, api.PersonInput) {
	_ = v.r.ParseForm() // what cannot be read is missing, and the API says so
	in := api.PersonInput{Login: v.r.PostFormValue("login"), Name: v.r.PostFormValue("name"), Party: v.r.PostFormValue("party"), Roles: []access.Role{}}
	for _, r := range v.r.PostForm["role"] {
		in.Roles = append(in.Roles, access.Role(r))
	}
	f := newPersonForm(in.Roles...)
	f.Login, f.Name, f.Party = in.Login, in.Name, in.Party
	return f, in
}

// take keeps what the API finds wrong with what was typed; false where it is another error.
func (w fief) take(err error) bool {
	declined, ok := errors.AsType[*api.Declined](err)
	if !ok || declined.Status >= http.StatusInternalServerError || declined.Status == http.StatusForbidden || declined.Status == http.StatusNotFound {
		return false
	}
	for _, f := range declined.Faults {
		w[strings.TrimPrefix(f.Location, "body.")] = f.Message
	}
	if len(w) == 0 {
		w[""] = declined.Detail
	}
	return true
}

// people lists who may come in.
func (v *visit) people() error {
	view, err := v.peopleView()
	if err != nil {
		return err
	}
	return v.show("people", view)
}

func (v *visit) peopleView() (*peopleView, error) {
	view := &peopleView{
		State: v.r.FormValue("state"), States: []access.PersonState{access.Active, access.Invited, access.Left},
		Form: newPersonForm(), Party: partyForm{Wrong: fief{}}, Kinds: slices.DeleteFunc(access.PartyKinds(), func(k access.PartyKind) bool { return k == access.OwnParty }),
	}
	if !slices.Contains(view.States, access.PersonState(view.State)) {
		view.State = ""
	}
	q := url.Values{}
	for name, value := range map[string]string{"state": view.State, "after": v.r.FormValue("after")} {
		if value != "" {
			q.Set(name, value)
		}
	}
	path := "/people"
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	var got struct {
		Items []api.Person `json:"items"`
		Next  string       `json:"next"`
	}
	if err := v.get(path, &got); err != nil {
		return nil, err
	}
	if v.may(access.See, access.Organisation) {
		var parties struct {
			Items []api.Party `json:"items"`
		}
		if err := v.get("/parties", &parties); err != nil {
			return nil, err
		}
		view.Parties = parties.Items
	}
	for i := range got.Items {
		view.People = append(view.People, personRow{got.Items[i], partyName(view.Parties, got.Items[i].Party)})
	}
	if got.Next != "" {
		q.Set("after", got.Next)
		view.Next = "/people?" + q.Encode()
	}
	return view, nil
}

// partyName is what an organisation is called; its id where the visitor sees no names.
func partyName(all []api.Party, id string) string {
	for _, p := range all {
		if p.ID == id {
			return p.Name
		}
	}
	return id
}

// invitePerson invites somebody, and shows the link this once.
func (v *visit) invitePerson() error {
	form, in := v.typedPerson()
	var made api.Invited
	err := v.post("/people", in, &made)
	if err != nil && !form.Wrong.take(err) {
		return err
	}
	view, fault := v.peopleView()
	if fault != nil {
		return fault
	}
	if err != nil {
		view.Form = form
		return v.render("people", http.StatusUnprocessableEntity, view)
	}
	view.Link = &linkView{made.Person.Name, made.Link}
	return v.show("people", view)
}

func (v *visit) addParty() error {
	form := partyForm{v.r.PostFormValue("id"), v.r.PostFormValue("name"), v.r.PostFormValue("kind"), fief{}}
	err := v.post("/parties", map[string]string{"id": form.ID, "name": form.Name, "kind": form.Kind}, nil)
	return v.toPeople(form, err)
}

func (v *visit) renameParty() error {
	form := partyForm{Wrong: fief{}}
	err := v.c.api.Ask(v.ctx(), http.MethodPut, "/parties/"+pathPart(v.r.PathValue("id")), map[string]string{"name": v.r.PostFormValue("name")}, nil)
	return v.toPeople(form, err)
}

func (v *visit) toPeople(form partyForm, err error) error {
	switch {
	case err == nil:
		return v.goTo("/people")
	case !form.Wrong.take(err):
		return err
	}
	view, fault := v.peopleView()
	if fault != nil {
		return fault
	}
	view.Party = form
	return v.render("people", http.StatusUnprocessableEntity, view)
}

// personView is one person.
type personView struct {
	Person  api.Person
	Party   string // name of the organisation
	Parties []api.Party
	Form    personForm
	Wrong   fief      // of what is done with the person as a whole
	Link    *linkView // made this moment, shown this once
	Self    bool      // the visitor
}

// person shows one.
func (v *visit) person() error {
	view, err := v.personView()
	if err != nil {
		return err
	}
	return v.show("person", view)
}

func (v *visit) personPath() string { return "/people/" + pathPart(v.r.PathValue("id")) }

func (v *visit) personView() (*personView, error) {
	view := &personView{Wrong: fief{}}
	if err := v.get(v.personPath(), &view.Person); err != nil {
		return nil, err
	}
	if v.may(access.See, access.Organisation) {
		var parties struct {
			Items []api.Party `json:"items"`
		}
		if err := v.get("/parties", &parties); err != nil {
			return nil, err
		}
		view.Parties = parties.Items
	}
	p := &view.Person
	view.Form = newPersonForm(p.Roles...)
	view.Form.Login, view.Form.Name, view.Form.Party = p.Login, p.Name, p.Party
	view.Party, view.Self = partyName(view.Parties, p.Party), p.ID != "" && p.ID == v.caller.Person.String()
	return view, nil
}

func (v *visit) changePerson() error {
	form, in := v.typedPerson()
	err := v.c.api.Ask(v.ctx(), http.MethodPut, v.personPath(), in, nil)
	switch {
	case err == nil:
		return v.goTo(v.personPath())
	case !form.Wrong.take(err):
		return err
	}
	view, fault := v.personView()
	if fault != nil {
		return fault
	}
	view.Form = form
	return v.render("person", http.StatusUnprocessableEntity, view)
}

// linkPerson makes a new link, and shows it this once.
func (v *visit) linkPerson() error {
	var made api.Invited
	if err := v.post(v.personPath()+"/link", nil, &made); err != nil {
		return err
	}
	view, err := v.personView()
	if err != nil {
		return err
	}
	view.Link = &linkView{made.Person.Name, made.Link}
	return v.show("person", view)
}

func (v *visit) leavePerson() error { return v.doWithPerson("/leave") }

func (v *visit) endSessionsOf() error { return v.doWithPerson("/sessions/end") }

func (v *visit) doWithPerson(what string) error {
	err, wrong := v.post(v.personPath()+what, nil, nil), fief{}
	switch {
	case err == nil:
		return v.goTo(v.personPath())
	case !wrong.take(err):
		return err
	}
	view, fault := v.personView()
	if fault != nil {
		return fault
	}
	view.Wrong = wrong
	return v.render("person", http.StatusConflict, view)
}

// tokensView is the tokens of all programs.
type tokensView struct {
	Tokens []api.ProgramToken
	Next   string
}

func (v *visit) tokens() error {
	path, view := "/tokens", tokensView{}
	if after := v.r.FormValue("after"); after != "" {
		path += "?" + url.Values{"after": {after}}.Encode()
	}
	var got struct {
		Items []api.ProgramToken `json:"items"`
		Next  string             `json:"next"`
	}
	if err := v.get(path, &got); err != nil {
		return err
	}
	view.Tokens = got.Items
	if got.Next != "" {
		view.Next = "/tokens?" + url.Values{"after": {got.Next}}.Encode()
	}
	return v.show("tokens", view)
}

func (v *visit) endToken() error {
	if err := v.c.api.Ask(v.ctx(), http.MethodDelete, "/tokens/"+pathPart(v.r.PathValue("id")), nil, nil); err != nil {
		return err
	}
	return v.goTo("/tokens")
}
