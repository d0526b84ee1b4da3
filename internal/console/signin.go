package console

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/api"
)

// signInView is the page to sign in.
type signInView struct {
	Wrong     string // what is wrong; empty: nothing yet
	Login     string // as it was typed
	Next      string // where to go then
	Issuers   []issuerView
	Passwords bool
	Code      bool // a recovery code was tried
}

// issuerView is an organisation that vouches for people.
type issuerView struct{ Name, Path string }

func (v *visit) signInPage(next string) signInView {
	view := signInView{Next: here(next), Passwords: !v.c.opt.NoPasswords}
	for _, name := range v.c.opt.Door.Issuers() {
		to := access.OpenIDPath + name + "/begin"
		if view.Next != "/" {
			to += "?" + url.Values{"next": {view.Next}}.Encode()
		}
		view.Issuers = append(view.Issuers, issuerView{name, to})
	}
	return view
}

// askSignIn shows how to sign in.
func (v *visit) askSignIn() error {
	if v.c.opt.Door == nil || len(v.c.opt.Actors) > 0 { // in a demo nobody signs in
		return v.goTo("/")
	}
	if v.come(v.ctx()) == nil {
		return v.goTo(v.r.FormValue("next"))
	}
	v.bring()
	return v.show("signin", v.signInPage(v.r.FormValue("next")))
}

// doSignIn lets somebody in, or says on the page why not.
func (v *visit) doSignIn(way func(*access.Visit) (*access.Entered, error)) error {
	e, err := way(v.bring())
	if err == nil {
		return v.enter(e, v.r.PostFormValue("next"))
	}
	view := v.signInPage(v.r.PostFormValue("next"))
	view.Login, view.Code = v.r.PostFormValue("login"), v.r.PostForm.Has("code")
	status, said, ok := v.doorFault(err)
	if !ok {
		return err
	}
	view.Wrong = said
	return v.render("signin", status, view)
}

func (v *visit) signInByPassword() error {
	return v.doSignIn(func(b *access.Visit) (*access.Entered, error) {
		return v.c.opt.Door.SignInByPassword(v.ctx(), b, v.r.PostFormValue("login"), v.r.PostFormValue("password"))
	})
}

func (v *visit) signInByCode() error {
	return v.doSignIn(func(b *access.Visit) (*access.Entered, error) {
		return v.c.opt.Door.SignInByCode(v.ctx(), b, v.r.PostFormValue("login"), access.Secret(v.r.PostFormValue("code")))
	})
}

func (v *visit) signInByPasskey() error {
	return v.doSignIn(func(b *access.Visit) (*access.Entered, error) {
		return v.c.opt.Door.SignInByPasskey(v.ctx(), b, []byte(v.r.PostFormValue("answer")))
	})
}

// beginSignIn asks the browser for a passkey.
func (v *visit) beginSignIn() error {
	return v.begin(func(b *access.Visit) ([]byte, error) { return v.c.opt.Door.BeginSignIn(b) })
}

// begin answers the script with what the browser is to be asked, or with why not.
func (v *visit) begin(what func(*access.Visit) ([]byte, error)) error {
	options, err := what(v.bring())
	v.w.Header().Set("Content-Type", "application/json")
	if err != nil {
		status, said, ok := v.doorFault(err)
		if !ok {
			status, said = http.StatusInternalServerError, "something went wrong here: try again in a minute"
			v.c.opt.Log.Error("a passkey could not be asked for", "route", v.route.pattern, "error", err)
		}
		v.w.WriteHeader(status)
		return json.NewEncoder(v.w).Encode(struct {
			Detail string `json:"detail"`
		}{said})
	}
	_, _ = v.w.Write(options) // the visitor may be gone
	return nil
}

// beginOpenID sends the visitor to an organisation that vouches for them. It is a link, as a form that leads to another
// site is what the pages' Content-Security-Policy forbids; another site's link does not work.
func (v *visit) beginOpenID() error {
	if site := v.r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return v.goTo("/signin")
	}
	address, err := v.c.opt.Door.BeginOpenID(v.ctx(), v.bring(), v.r.PathValue("name"))
	if err != nil {
		return v.notVouched(err)
	}
	v.setCookie(nextCookie, access.Secret(url.QueryEscape(here(v.r.FormValue("next")))), 10*time.Minute)
	http.Redirect(v.w, v.r, address, http.StatusSeeOther)
	return nil
}

// signInByOpenID is where an organisation sends the visitor back to.
func (v *visit) signInByOpenID() error {
	q := v.r.URL.Query()
	e, err := v.c.opt.Door.SignInByOpenID(v.ctx(), v.bring(), v.r.PathValue("name"), access.Back{
		State: q.Get("state"), Code: q.Get("code"), Error: q.Get("error"), From: q.Get("iss"),
	})
	if err != nil {
		return v.notVouched(err)
	}
	next, err := url.QueryUnescape(string(v.cookie(nextCookie)))
	if err != nil {
		next = "/"
	}
	v.setCookie(nextCookie, "", -1)
	return v.enter(e, next)
}

func (v *visit) notVouched(err error) error {
	status, said, ok := v.doorFault(err)
	if !ok {
		return err
	}
	view := v.signInPage("/")
	view.Wrong = said
	return v.render("signin", status, view)
}

// signOut ends the session of the browser. The browser stays known.
func (v *visit) signOut() error {
	if secret := v.cookie(sessionCookie); secret != "" && v.c.opt.Door != nil {
		if err := v.c.opt.Door.SignOut(v.ctx(), secret); err != nil {
			return err
		}
	}
	v.setCookie(sessionCookie, "", -1)
	return v.goTo("/signin")
}

// doorFault is what a visitor is told of a fault of the door, and with which status. ok is false where it is our fault.
func (v *visit) doorFault(err error) (status int, said string, ok bool) {
	if wait, is := errors.AsType[*access.WaitError](err); is {
		v.w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.After.Seconds()))))
		return http.StatusTooManyRequests, wait.Error(), true
	}
	if groups, is := errors.AsType[*access.GroupsError](err); is {
		return http.StatusForbidden, groups.Told(), true
	}
	for _, known := range []struct {
		fault  error
		status int
	}{
		{access.ErrSignIn, http.StatusUnprocessableEntity},
		{access.ErrPasskey, http.StatusUnprocessableEntity},
		{access.ErrBegun, http.StatusUnprocessableEntity},
		{access.ErrCount, http.StatusUnprocessableEntity},
		{access.ErrKnownKey, http.StatusUnprocessableEntity},
		{access.ErrNoPasswords, http.StatusUnprocessableEntity},
		{access.ErrLink, http.StatusNotFound},
		{access.ErrNoIssuer, http.StatusNotFound},
		{access.ErrVouch, http.StatusForbidden},
		{access.ErrTaken, http.StatusConflict},
		{access.ErrIssuer, http.StatusBadGateway},
		{access.ErrBusy, http.StatusServiceUnavailable},
	} {
		if errors.Is(err, known.fault) {
			return known.status, known.fault.Error(), true
		}
	}
	return 0, "", false
}

// asDeclined makes a page of a fault of the door.
func (v *visit) asDeclined(err error) error {
	if status, said, ok := v.doorFault(err); ok {
		return &api.Declined{Status: status, Detail: said}
	}
	return err
}
