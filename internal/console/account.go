package console

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/api"
)

// accountView is one's own account.
type accountView struct {
	api.Account

	Recovered bool            // came in by a recovery code: a new way to sign in comes first
	Codes     []string        // recovery codes, shown this once
	Made      *madeToken      // a token, shown this once
	Profile   profileForm     // as it was typed
	Token     tokenForm       // as it was typed
	Scopes    []scopeChoice   // what a token can be given
	Days      []int           // for how long
	Wrong     map[string]fief // what is wrong, by form and field
	Passwords bool
}

// fief is what is wrong in one form, by field.
type fief map[string]string

type profileForm struct{ Name, Zone string }

type tokenForm struct {
	Name string
	Days int
}

// madeToken is a token with its secret.
type madeToken struct {
	Name, Secret string
	Until        time.Time
}

// scopeChoice is something that a token may be given: what its owner may.
type scopeChoice struct {
	Scope  string
	Words  string
	Chosen bool
}

// tokenDays are for how many days a token may be made.
var tokenDays = []int{7, 30, 90, 365}

// account shows one's own account.
func (v *visit) account() error {
	view, err := v.accountView()
	if err != nil {
		return err
	}
	return v.show("account", view)
}

func (v *visit) accountView() (*accountView, error) {
	view := &accountView{Recovered: v.session.Recovered, Days: tokenDays, Wrong: map[string]fief{}, Passwords: !v.c.opt.NoPasswords, Token: tokenForm{Days: 90}}
	if err := v.get("/account", &view.Account); err != nil {
		return nil, err
	}
	view.Profile = profileForm{view.Name, view.Zone}
	for _, r := range access.Records() {
		for _, a := range access.Actions() {
			if v.may(a, r) {
				s := access.Scope{Action: a, Record: r}
				view.Scopes = append(view.Scopes, scopeChoice{Scope: s.String(), Words: string(a) + ": " + access.Words(r)})
			}
		}
	}
	return view, nil
}

// wrongAccount shows the account again with what is wrong in one form. A fault without a field is shown on top of it.
func (v *visit) wrongAccount(form string, err error, keep func(*accountView)) error {
	status, faults := http.StatusUnprocessableEntity, fief(fieldFaults(err))
	if declined, ok := errors.AsType[*api.Declined](err); ok && declined.Status < http.StatusInternalServerError {
		status = declined.Status
		for _, f := range declined.Faults {
			faults[strings.TrimPrefix(f.Location, "body.")] = f.Message
		}
		if len(faults) == 0 {
			faults[""] = declined.Detail
		}
	}
	if code, said, ok := v.doorFault(err); ok {
		status, faults[""] = code, said
	}
	if len(faults) == 0 {
		return err
	}
	view, fault := v.accountView()
	if fault != nil {
		return fault
	}
	view.Wrong[form] = faults
	if keep != nil {
		keep(view)
	}
	return v.render("account", status, view)
}

// backToAccount goes back to the account where nothing is wrong.
func (v *visit) backToAccount(form string, err error) error {
	if err != nil {
		return v.wrongAccount(form, err, nil)
	}
	return v.goTo("/account")
}

func (v *visit) changeAccount() error {
	typed := profileForm{v.r.PostFormValue("name"), strings.TrimSpace(v.r.PostFormValue("zone"))}
	err := v.c.api.Ask(v.ctx(), http.MethodPut, "/account", map[string]string{"name": typed.Name, "zone": typed.Zone}, nil)
	if err != nil {
		return v.wrongAccount("profile", err, func(view *accountView) { view.Profile = typed })
	}
	return v.goTo("/account")
}

func (v *visit) beginPasskey() error {
	return v.begin(func(b *access.Visit) ([]byte, error) { return v.c.opt.Door.BeginPasskey(v.ctx(), b, &v.session) })
}

func (v *visit) addPasskey() error {
	return v.backToAccount("passkeys", v.c.opt.Door.AddPasskey(v.ctx(), v.bring(), &v.session, v.r.PostFormValue("name"), []byte(v.r.PostFormValue("answer"))))
}

func (v *visit) removePasskey() error {
	return v.backToAccount("passkeys", v.c.api.Ask(v.ctx(), http.MethodDelete, "/account/passkeys/"+pathPart(v.r.PostFormValue("id")), nil, nil))
}

func (v *visit) setPassword() error {
	return v.backToAccount("password", v.c.opt.Door.SetPassword(v.ctx(), v.bring(), &v.session, v.r.PostFormValue("old"), v.r.PostFormValue("password")))
}

func (v *visit) removePassword() error {
	return v.backToAccount("password", v.c.api.Ask(v.ctx(), http.MethodDelete, "/account/password", nil, nil))
}

// makeCodes makes recovery codes, and shows them this once.
func (v *visit) makeCodes() error {
	codes, err := v.c.opt.Door.RecoveryCodes(v.ctx(), &v.session)
	if err != nil {
		return err
	}
	view, err := v.accountView()
	if err != nil {
		return err
	}
	for _, c := range codes {
		view.Codes = append(view.Codes, string(c))
	}
	return v.show("account", view)
}

// endSession ends one session of one's own, or all others.
func (v *visit) endSession() error {
	if id := v.r.PostFormValue("id"); id != "" {
		return v.backToAccount("sessions", v.c.api.Ask(v.ctx(), http.MethodDelete, "/account/sessions/"+pathPart(id), nil, nil))
	}
	return v.backToAccount("sessions", v.post("/account/sessions/end", nil, nil))
}

// makeToken makes a token, and shows it this once.
func (v *visit) makeToken() error {
	if err := v.r.ParseForm(); err != nil {
		return &api.Declined{Status: http.StatusBadRequest, Detail: "this form cannot be read"}
	}
	days := 0
	for _, d := range tokenDays {
		if v.r.PostFormValue("days") == itoa(d) {
			days = d
		}
	}
	scopes := v.r.PostForm["scope"]
	if scopes == nil {
		scopes = []string{}
	}
	var made api.AccountToken
	err := v.post("/account/tokens", struct {
		Name   string    `json:"name"`
		Scopes []string  `json:"scopes"`
		Until  time.Time `json:"until"`
	}{v.r.PostFormValue("name"), scopes, v.c.opt.Now().AddDate(0, 0, days)}, &made)
	if err != nil {
		return v.wrongAccount("token", err, func(view *accountView) {
			view.Token = tokenForm{v.r.PostFormValue("name"), days}
			for i := range view.Scopes {
				view.Scopes[i].Chosen = slices.Contains(scopes, view.Scopes[i].Scope)
			}
		})
	}
	view, err := v.accountView()
	if err != nil {
		return err
	}
	view.Made = &madeToken{made.Name, made.Secret, made.Until}
	return v.show("account", view)
}

func (v *visit) endOwnToken() error {
	return v.backToAccount("token", v.c.api.Ask(v.ctx(), http.MethodDelete, "/account/tokens/"+pathPart(v.r.PostFormValue("id")), nil, nil))
}
