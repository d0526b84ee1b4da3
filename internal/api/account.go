package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/access"
	"tocsin/internal/report"
)

// Accounts is what people do with their own accounts. Faults are those of People.
type Accounts interface {
	Ways(ctx context.Context, person report.ID) (access.WaysIn, error)
	ChangeOwn(ctx context.Context, who *access.Caller, name, zone string) (access.Person, error)
	RemovePasskey(ctx context.Context, s *access.Session, id []byte) error
	RemovePassword(ctx context.Context, s *access.Session) error
	EndSession(ctx context.Context, who *access.Caller, person, id report.ID) error
	// AddToken makes a token, and returns its secret, which nobody can ask for again.
	AddToken(ctx context.Context, who *access.Caller, name string, scopes []access.Scope, until time.Time) (access.Token, access.Secret, error)
}

// Account is one's own account.
type Account struct {
	Login string `access:"profile" json:"login,omitempty"`
	Name  string `access:"profile" json:"name,omitempty"`
	Party string `access:"profile" json:"party,omitempty"`

	Organisation string           `access:"profile" json:"organisation,omitempty" doc:"what the party is called"`
	Roles        []access.Role    `access:"profile" json:"roles,omitempty"`
	Zone         string           `access:"profile" json:"zone,omitempty" doc:"IANA name of the zone in which times are shown; missing: UTC"`
	Passkeys     []AccountPasskey `json:"passkeys,omitempty"`
	Password     time.Time        `access:"credentials" json:"password,omitzero" doc:"when it was set; missing: there is none"`
	Issuer       string           `access:"credentials" json:"issuer,omitempty" doc:"who vouches for the person by OpenID Connect"`
	Codes        int              `access:"credentials" json:"codes,omitempty" doc:"recovery codes that are left"`
	Sessions     []AccountSession `json:"sessions,omitempty" doc:"the one that was used last first"`
	Tokens       []AccountToken   `json:"tokens,omitempty"`
}

// Record is access.Shown's.
func (Account) Record() access.Record { return access.Account }

// AccountPasskey is a passkey of one's own.
type AccountPasskey struct {
	ID      string    `access:"credentials" json:"id,omitempty"`
	Name    string    `access:"credentials" json:"name,omitempty"`
	Created time.Time `access:"credentials" json:"created,omitzero"`
	Used    time.Time `access:"credentials" json:"used,omitzero"`
	Suspect time.Time `access:"credentials" json:"suspect,omitzero" doc:"when it counted backwards, as a copy would"`
}

// Record is access.Shown's.
func (AccountPasskey) Record() access.Record { return access.Account }

// AccountSession is a session of one's own.
type AccountSession struct {
	ID      string    `access:"sessions" json:"id,omitempty"`
	This    bool      `access:"sessions" json:"this,omitempty" doc:"the one that asks"`
	Way     string    `access:"sessions" json:"way,omitempty" enum:"passkey,password,openid,recovery-code"`
	Created time.Time `access:"sessions" json:"created,omitzero"`
	Seen    time.Time `access:"sessions" json:"seen,omitzero"`
	Browser string    `access:"sessions" json:"browser,omitempty"`
	Network string    `access:"sessions" json:"network,omitempty"`
}

// Record is access.Shown's.
func (AccountSession) Record() access.Record { return access.Account }

// AccountToken is a token of one's own.
type AccountToken struct {
	ID      string         `access:"tokens" json:"id,omitempty"`
	Name    string         `access:"tokens" json:"name,omitempty"`
	Scopes  []access.Scope `access:"tokens" json:"scopes,omitempty"`
	Created time.Time      `access:"tokens" json:"created,omitzero"`
	Until   time.Time      `access:"tokens" json:"until,omitzero"`
	Used    time.Time      `access:"tokens" json:"used,omitzero"`
	Secret  string         `access:"tokens" json:"secret,omitempty" doc:"in the answer that made it only: it is not kept"`
}

// Record is access.Shown's.
func (AccountToken) Record() access.Record { return access.Account }

func (a *API) registerAccount() {
	op := func(id, method, path, summary string, errs ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Errors: append(errs, http.StatusConflict)}
	}
	see, change := need{access.See, access.Account}, need{access.Change, access.Account}
	add(a, see, op("show-account", http.MethodGet, "/account", "One's own account"), a.showAccount)
	add(a, change, op("change-account", http.MethodPut, "/account", "Change one's name and time zone"), a.changeAccount)
	add(a, change, op("remove-passkey", http.MethodDelete, "/account/passkeys/{id}", "Remove a passkey of one's own; only who is signed in", 404), a.removePasskey)
	add(a, change, op("remove-password", http.MethodDelete, "/account/password", "Remove one's password; only who is signed in"), a.removePassword)
	add(a, change, op("end-session", http.MethodDelete, "/account/sessions/{id}", "End a session of one's own", 404), a.endSession)
	add(a, change, op("end-other-sessions", http.MethodPost, "/account/sessions/end", "End all sessions of one's own but the one that asks"), a.endOtherSessions)
	add(a, change, op("make-token", http.MethodPost, "/account/tokens", "Make a token; only who is signed in, so that no token makes a wider one"), a.makeToken)
	add(a, change, op("end-own-token", http.MethodDelete, "/account/tokens/{id}", "End a token of one's own", 404), a.endOwnToken)
}

// person is who asks, where it is a person and not a token of the config, or a user of the system.
func person(ctx context.Context) (access.Caller, error) {
	c := access.From(ctx)
	if c.Person.IsZero() {
		return c, huma.Error409Conflict("whoever asks here is no person with an account: sign in as one")
	}
	return c, nil
}

// signedIn is who asks, where they have signed in. What makes new ways in, or takes old ones away, a token may not do: it
// could be exchanged for one that may more, and lock its owner out.
func signedIn(ctx context.Context) (access.Caller, error) {
	c, err := person(ctx)
	if err == nil && c.Via != access.BySession {
		err = huma.Error409Conflict("a token cannot do this: sign in, and do it under Account")
	}
	return c, err
}

type accountOutput struct{ Body Account }

func (a *API) showAccount(ctx context.Context, _ *struct{}) (*accountOutput, error) {
	c, err := person(ctx)
	if err != nil {
		return nil, err
	}
	p, err := a.rooms.People.Person(ctx, c.Person)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	parties, err := a.rooms.People.Parties(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	ways, err := a.rooms.Accounts.Ways(ctx, c.Person)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	sessions, err := a.rooms.People.Sessions(ctx, c.Person)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	tokens, err := a.rooms.People.Tokens(ctx, c.Person)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &accountOutput{Account{
		Login: p.Login, Name: p.Name, Party: p.Party, Roles: p.Roles, Zone: p.Zone, Password: ways.Password, Issuer: ways.Issuer, Codes: ways.Codes,
	}}
	b := &out.Body
	for _, one := range parties {
		if one.ID == p.Party {
			b.Organisation = one.Name
		}
	}
	for i := range ways.Passkeys {
		k := &ways.Passkeys[i]
		b.Passkeys = append(b.Passkeys, AccountPasskey{keyText(k.ID), k.Name, k.Created, k.Used, k.Suspect})
	}
	for i := range sessions {
		s := &sessions[i]
		b.Sessions = append(b.Sessions, AccountSession{s.ID.String(), s.ID == c.Session, string(s.Way), s.Created, s.Seen, s.Browser, networkText(s)})
	}
	for i := range tokens {
		b.Tokens = append(b.Tokens, ownToken(&tokens[i]))
	}
	return out, nil
}

func ownToken(t *access.Token) AccountToken {
	return AccountToken{ID: t.ID.String(), Name: t.Name, Scopes: t.Scopes, Created: t.Created, Until: t.Until, Used: t.Used}
}

// keyText is the id of a passkey as it stands in paths.
func keyText(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }

func (a *API) changeAccount(ctx context.Context, in *struct {
	Body struct {
		Name string `json:"name"`
		Zone string `json:"zone,omitempty" doc:"as Europe/Warsaw; empty: UTC"`
	}
},
) (*accountOutput, error) {
	c, err := person(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := a.rooms.Accounts.ChangeOwn(ctx, &c, in.Body.Name, in.Body.Zone); err != nil {
		return nil, a.problem(ctx, err)
	}
	return a.showAccount(ctx, nil)
}

func (a *API) removePasskey(ctx context.Context, in *struct {
	ID string `path:"id" maxLength:"2000"`
},
) (*struct{}, error) {
	c, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	id, err := base64.RawURLEncoding.DecodeString(in.ID)
	if err != nil {
		return nil, a.problem(ctx, access.ErrNothing)
	}
	return nil, a.problem(ctx, a.rooms.Accounts.RemovePasskey(ctx, &access.Session{ID: c.Session, Person: c.Person}, id))
}

func (a *API) removePassword(ctx context.Context, _ *struct{}) (*struct{}, error) {
	c, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	return nil, a.problem(ctx, a.rooms.Accounts.RemovePassword(ctx, &access.Session{ID: c.Session, Person: c.Person}))
}

func (a *API) endSession(ctx context.Context, in *PathID) (*struct{}, error) {
	c, err := person(ctx)
	if err != nil {
		return nil, err
	}
	id, err := report.ParseID(in.ID)
	if err != nil {
		return nil, a.problem(ctx, access.ErrNothing)
	}
	return nil, a.problem(ctx, a.rooms.Accounts.EndSession(ctx, &c, c.Person, id))
}

func (a *API) endOtherSessions(ctx context.Context, _ *struct{}) (*endedOutput, error) {
	c, err := person(ctx)
	if err != nil {
		return nil, err
	}
	out := &endedOutput{}
	out.Body.Done, err = a.rooms.People.EndSessions(ctx, &c, c.Person, c.Session)
	return out, a.problem(ctx, err)
}

func (a *API) makeToken(ctx context.Context, in *struct {
	Body struct {
		Name   string    `json:"name" doc:"what it is for"`
		Scopes []string  `json:"scopes" nullable:"false" maxItems:"200" doc:"an action, as see, or a record and an action, as incident:change; never more than the roles of its owner"`
		Until  time.Time `json:"until" doc:"when it ends"`
	}
},
) (*struct{ Body AccountToken }, error) {
	c, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	scopes := make([]access.Scope, len(in.Body.Scopes))
	for i, text := range in.Body.Scopes {
		if scopes[i], err = access.ParseScope(text); err != nil {
			return nil, a.problem(ctx, &report.FieldError{Field: "scopes", Rule: err.Error()})
		}
	}
	t, secret, err := a.rooms.Accounts.AddToken(ctx, &c, in.Body.Name, scopes, in.Body.Until)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	a.log.InfoContext(ctx, "a token was made", "by", by(ctx), "token", t.ID)
	view := ownToken(&t)
	view.Secret = string(secret)
	return &struct{ Body AccountToken }{view}, nil
}

func (a *API) endOwnToken(ctx context.Context, in *PathID) (*struct{}, error) {
	c, err := person(ctx)
	if err != nil {
		return nil, err
	}
	return nil, a.dropToken(ctx, in.ID, c.Person)
}
