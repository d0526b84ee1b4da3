package access

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"tocsin/internal/report"
)

// ErrPasskey says that a passkey's answer is not one that lets somebody in, or that could be kept.
var ErrPasskey = errors.New("this passkey did not give an answer that can be used: try again, or use another that checks who you are by PIN, finger or face")

// mostAnswer is how long a browser's answer may be.
const mostAnswer = 64 << 10

// mostPasskeys is how many somebody may have.
const mostPasskeys = 20

// account is a person as WebAuthn sees them. Its handle for them is the person's id, which says nothing of them.
type account struct {
	person Person
	keys   []webauthn.Credential
}

// WebAuthnID implements webauthn.User.
func (a *account) WebAuthnID() []byte { return a.person.ID[:] }

// WebAuthnName implements webauthn.User.
func (a *account) WebAuthnName() string { return a.person.Login }

// WebAuthnDisplayName implements webauthn.User.
func (a *account) WebAuthnDisplayName() string { return a.person.Name }

// WebAuthnCredentials implements webauthn.User.
func (a *account) WebAuthnCredentials() []webauthn.Credential { return a.keys }

// credential is a passkey as WebAuthn sees it.
func (k *Passkey) credential() (webauthn.Credential, error) {
	var c webauthn.Credential
	if err := json.Unmarshal(k.Record, &c); err != nil || !bytes.Equal(c.ID, k.ID) {
		return c, errors.New("a passkey in the database is not what was stored")
	}
	c.Authenticator.SignCount = k.Count
	return c, nil
}

// registering is what is begun when a passkey is to be added: by who is signed in, or by a link.
type registering struct {
	session webauthn.SessionData
	person  report.ID
	link    Secret // empty: signed in
}

// BeginPasskey begins to add a passkey for who is signed in. It returns the options for navigator.credentials.create, as
// JSON.
func (d *Door) BeginPasskey(ctx context.Context, v *Visit, s *Session) ([]byte, error) {
	p, err := d.store.Person(ctx, s.Person)
	if err != nil {
		return nil, err
	}
	return d.register(ctx, v, &p, "")
}

// BeginLinkPasskey likewise for whom a link is for. ErrLink.
func (d *Door) BeginLinkPasskey(ctx context.Context, v *Visit, token Secret) ([]byte, error) {
	p, err := d.Invited(ctx, token)
	switch {
	case err != nil:
		return nil, err
	case p.ID.IsZero():
		return nil, ErrLink
	}
	return d.register(ctx, v, &p, token)
}

func (d *Door) register(ctx context.Context, v *Visit, p *Person, link Secret) ([]byte, error) {
	if v.Browser == "" {
		return nil, ErrBegun
	}
	ways, err := d.store.WaysOf(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	if len(ways.Passkeys) >= mostPasskeys {
		return nil, fmt.Errorf("there are %d passkeys: remove one first", mostPasskeys)
	}
	a := &account{person: *p}
	var have []protocol.CredentialDescriptor
	for i := range ways.Passkeys {
		c, err := ways.Passkeys[i].credential()
		if err != nil {
			return nil, err
		}
		have = append(have, c.Descriptor())
	}
	options, session, err := d.keys.BeginRegistration(a, webauthn.WithExclusions(have))
	if err != nil {
		return nil, fmt.Errorf("begin to add a passkey: %w", err)
	}
	d.begun.put("register "+session.Challenge, v.Browser, v.From, &registering{*session, p.ID, link})
	return json.Marshal(options)
}

// AddPasskey adds the passkey that a browser answers with. ErrBegun, ErrPasskey, ErrKnownKey.
func (d *Door) AddPasskey(ctx context.Context, v *Visit, s *Session, name string, answer []byte) error {
	r, k, err := d.registered(ctx, v, name, answer)
	switch {
	case err != nil:
		return err
	case r.link != "" || r.person != s.Person:
		return ErrBegun
	}
	if err := d.store.AddPasskey(ctx, s.Person, k); err != nil {
		return err
	}
	return d.settle(ctx, s)
}

// LinkPasskey uses a link: its person has the passkey that a browser answers with, and is signed in. ErrBegun, ErrPasskey,
// ErrKnownKey, ErrLink.
func (d *Door) LinkPasskey(ctx context.Context, v *Visit, token Secret, name string, answer []byte) (*Entered, error) {
	r, k, err := d.registered(ctx, v, name, answer)
	switch {
	case err != nil:
		return nil, err
	case r.link == "" || r.link != token:
		return nil, ErrBegun
	}
	return d.useLink(ctx, v, token, k, "", ByPasskey)
}

// registered checks what a browser answers (WebAuthn §7.1).
func (d *Door) registered(ctx context.Context, v *Visit, name string, answer []byte) (*registering, *Passkey, error) {
	if len(answer) > mostAnswer {
		return nil, nil, ErrPasskey
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, nil, ErrPasskey
	}
	value, ok := d.begun.take("register "+parsed.Response.CollectedClientData.Challenge, v.Browser)
	if !ok {
		return nil, nil, ErrBegun
	}
	r := value.(*registering)
	p, err := d.store.Person(ctx, r.person)
	if err != nil {
		return nil, nil, err
	}
	c, err := d.keys.CreateCredential(&account{person: p}, r.session, parsed)
	if err != nil {
		return nil, nil, ErrPasskey
	}
	k := &Passkey{ID: c.ID, Name: d.passkeyName(name, v), Created: d.now().UTC(), Count: c.Authenticator.SignCount}
	c.Attestation = webauthn.CredentialAttestation{} // says whose make it is, and is as long as the rest
	if k.Record, err = json.Marshal(c); err != nil {
		return nil, nil, fmt.Errorf("keep a passkey: %w", err)
	}
	return r, k, nil
}

// passkeyName is what a person calls a passkey, else where it was made.
func (d *Door) passkeyName(name string, v *Visit) string {
	if name = strings.TrimSpace(name); checkName(name) == "" {
		return name
	}
	return browserWords(v.Agent)
}

// BeginSignIn begins to sign in by passkey: which, the browser asks the person. It returns the options for
// navigator.credentials.get, as JSON.
func (d *Door) BeginSignIn(v *Visit) ([]byte, error) {
	if v.Browser == "" {
		return nil, ErrBegun
	}
	options, session, err := d.keys.BeginDiscoverableLogin()
	if err != nil {
		return nil, fmt.Errorf("begin to sign in: %w", err)
	}
	d.begun.put("sign-in "+session.Challenge, v.Browser, v.From, session)
	return json.Marshal(options)
}

// SignInByPasskey lets in whose passkey a browser answers with (WebAuthn §7.2). ErrBegun, ErrPasskey, ErrCount. It has no
// limit: there is nothing to guess, and so nobody can be kept from it.
func (d *Door) SignInByPasskey(ctx context.Context, v *Visit, answer []byte) (*Entered, error) {
	if len(answer) > mostAnswer {
		return nil, ErrPasskey
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return nil, ErrPasskey
	}
	value, ok := d.begun.take("sign-in "+parsed.Response.CollectedClientData.Challenge, v.Browser)
	if !ok {
		return nil, ErrBegun
	}
	p, k, err := d.store.Passkey(ctx, parsed.RawID)
	switch {
	case errors.Is(err, ErrNothing):
		return nil, ErrPasskey
	case err != nil:
		return nil, err
	}
	stored, err := k.credential()
	if err != nil {
		return nil, err
	}
	find := func(_, handle []byte) (webauthn.User, error) {
		if !bytes.Equal(handle, p.ID[:]) {
			return nil, ErrPasskey
		}
		return &account{p, []webauthn.Credential{stored}}, nil
	}
	_, c, err := d.keys.ValidatePasskeyLogin(find, *value.(*webauthn.SessionData), parsed)
	if err != nil {
		return nil, ErrPasskey
	}
	if p.State != Active {
		return nil, ErrSignIn
	}
	return d.usePasskey(ctx, v, &p, &k, c, parsed.Response.AuthenticatorData.Counter)
}

// usePasskey refuses one that counts backwards (WebAuthn §7.2 step 22): two have the same key.
func (d *Door) usePasskey(ctx context.Context, v *Visit, p *Person, k *Passkey, c *webauthn.Credential, count uint32) (*Entered, error) {
	record, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("keep a passkey: %w", err)
	}
	k.Count, k.Record, k.Used = count, record, d.now().UTC()
	err = d.store.UsePasskey(ctx, k)
	if errors.Is(err, ErrCount) {
		d.logger.Warn("a passkey counts backwards, as a copy of it would", "person", p.ID)
		if err := d.note(ctx, &Act{Kind: "person", By: byNode, About: p.Login, Note: actSuspect}); err != nil {
			return nil, err
		}
		return nil, ErrCount
	}
	if err != nil {
		return nil, err
	}
	return d.enter(ctx, v, p, ByPasskey)
}

// Ways are a person's ways to sign in.
func (d *Door) Ways(ctx context.Context, person report.ID) (WaysIn, error) {
	return d.store.WaysOf(ctx, person)
}

// RemovePasskey removes one of a person's. ErrNothing, ErrLastWay.
func (d *Door) RemovePasskey(ctx context.Context, s *Session, id []byte) error {
	return d.store.DropPasskey(ctx, s.Person, id, d.enough)
}
