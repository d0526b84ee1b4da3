package console

import (
	"errors"
	"net/http"
	"strings"

	"tocsin/internal/access"
	"tocsin/internal/report"
)

// inviteView is where somebody who was given a link says how they will sign in.
type inviteView struct {
	Token     string
	Person    access.Person
	First     bool   // the first admin, who says themselves who they are
	Wrong     string // what is wrong as a whole
	Rule      string // what is wrong with the password
	Passwords bool
}

// claimView is where the first admin says who they are.
type claimView struct {
	Token       string
	Login, Name string
	Wrong       map[string]string // by field
}

// token is that of the link. It stands in the path: it can be used once, pages send no Referer, and logs have the route.
func (v *visit) token() access.Secret { return access.Secret(v.r.PathValue("token")) }

// first shows the first admin's link.
func (v *visit) first() error {
	p, err := v.c.opt.Door.Invited(v.ctx(), v.token())
	if err != nil {
		return v.asDeclined(err)
	}
	return v.show("first", claimView{Token: string(v.token()), Login: p.Login, Name: p.Name})
}

// claim takes down who the first admin is, and goes on to how they sign in.
func (v *visit) claim() error {
	view := claimView{Token: string(v.token()), Login: v.r.PostFormValue("login"), Name: v.r.PostFormValue("name")}
	_, err := v.c.opt.Door.Claim(v.ctx(), v.token(), view.Login, view.Name)
	view.Wrong = fieldFaults(err)
	if errors.Is(err, access.ErrTaken) {
		view.Wrong = map[string]string{"login": access.ErrTaken.Error()}
	}
	switch {
	case len(view.Wrong) > 0:
		return v.render("first", http.StatusUnprocessableEntity, view)
	case err != nil:
		return v.asDeclined(err)
	}
	return v.goTo("/invite/" + pathPart(view.Token))
}

// fieldFaults are those of what somebody typed, by field.
func fieldFaults(err error) map[string]string {
	all := map[string]string{}
	for _, f := range report.FieldErrors(err) {
		all[f.Field] = f.Rule
	}
	return all
}

// invite shows a link to whom it is for.
func (v *visit) invite() error {
	view, err := v.invited()
	if err != nil {
		return v.asDeclined(err)
	}
	v.bring()
	return v.show("invite", view)
}

func (v *visit) invited() (inviteView, error) {
	p, err := v.c.opt.Door.Invited(v.ctx(), v.token())
	if err == nil && p.ID.IsZero() {
		err = access.ErrLink
	}
	return inviteView{
		Token: string(v.token()), Person: p, Passwords: !v.c.opt.NoPasswords,
		First: p.State == access.Invited && p.Party == access.Own && len(p.Roles) == 1 && p.Roles[0] == access.Admin,
	}, err
}

func (v *visit) inviteByPassword() error {
	e, err := v.c.opt.Door.LinkPassword(v.ctx(), v.bring(), v.token(), v.r.PostFormValue("password"))
	return v.useInvite(e, err)
}

func (v *visit) beginInvite() error {
	return v.begin(func(b *access.Visit) ([]byte, error) { return v.c.opt.Door.BeginLinkPasskey(v.ctx(), b, v.token()) })
}

func (v *visit) inviteByPasskey() error {
	e, err := v.c.opt.Door.LinkPasskey(v.ctx(), v.bring(), v.token(), "", []byte(v.r.PostFormValue("answer")))
	return v.useInvite(e, err)
}

// useInvite lets somebody in by their link, or says on its page why not.
func (v *visit) useInvite(e *access.Entered, err error) error {
	if err == nil {
		return v.enter(e, "/account")
	}
	view, gone := v.invited()
	if gone != nil {
		return v.asDeclined(gone)
	}
	if rules := fieldFaults(err); rules["password"] != "" {
		view.Rule = rules["password"]
		return v.render("invite", http.StatusUnprocessableEntity, view)
	}
	status, said, ok := v.doorFault(err)
	if !ok {
		return err
	}
	view.Wrong = strings.TrimSuffix(said, ".")
	return v.render("invite", status, view)
}
