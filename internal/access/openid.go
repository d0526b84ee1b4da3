package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"tocsin/internal/report"
)

// OpenIDPath is where issuers send people back to, with the issuer's name behind it: an address of its own for each, so
// that what one sends is never taken for another's (RFC 9700 §4.4).
const OpenIDPath = "/sign-in/openid/"

const (
	askFor     = 10 * time.Second // an issuer
	askAgain   = 10 * time.Second // after it did not answer
	foundFor   = 24 * time.Hour   // what it says of itself
	mostGroups = 20               // that a sentence names
)

// The faults of signing in by an issuer.
var (
	ErrNoIssuer = errors.New("no such organisation vouches for people here: go back to the sign-in page")
	ErrIssuer   = errors.New("the organisation that vouches for you does not answer as it should: try again in a minute, or sign in another way; the node's log says more")
	ErrVouch    = errors.New("the organisation that vouches for you did not let you in: go back and try again")
)

// GroupsError says that an issuer's person is in no group that has roles here.
type GroupsError struct {
	Issuer string   // its name
	Groups []string // that it says the person is in: for this person's eyes only; personal
}

// Error says nothing of the groups, as it may be logged.
func (e *GroupsError) Error() string {
	return "you are in no group that has a role here: ask an admin which group you need"
}

// Told is the sentence for the person themselves.
func (e *GroupsError) Told() string {
	if len(e.Groups) == 0 {
		return fmt.Sprintf("%s names no group of yours, and without one you have no role here: ask an admin which group you need", e.Issuer)
	}
	names := make([]string, 0, mostGroups)
	for _, g := range e.Groups[:min(len(e.Groups), mostGroups)] {
		names = append(names, report.Printable(g))
	}
	if more := len(e.Groups) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("none of the groups that %s says you are in has a role here (%s): ask an admin which group you need", e.Issuer, strings.Join(names, ", "))
}

// issuer is one that the config names.
type issuer struct {
	cfg      Issuer
	redirect string
	out      Outside
	now      func() time.Time

	mu       sync.Mutex // all below; held while it is asked who it is, by one for all
	provider *oidc.Provider
	found    time.Time
	failed   time.Time
}

func newIssuer(cfg Issuer, origin string, out Outside, now func() time.Time) *issuer {
	return &issuer{cfg: cfg, redirect: origin + OpenIDPath + cfg.Name, out: out, now: now}
}

// issuer is the one with a name, nil where there is none.
func (d *Door) issuer(name string) *issuer {
	for _, i := range d.issuers {
		if name != "" && (i.cfg.Name == name || i.cfg.Issuer == name) {
			return i
		}
	}
	return nil
}

// Issuers are the names of those that vouch for people, in the order of the config.
func (d *Door) Issuers() []string {
	all := make([]string, len(d.issuers))
	for i := range d.issuers {
		all[i] = d.issuers[i].cfg.Name
	}
	return all
}

// discover asks the issuer who it is, when that is first needed: a node starts without it. After it did not answer it is
// left alone for a while, so that those who wait for it do not wait one after the other.
func (i *issuer) discover(ctx context.Context) (*oidc.Provider, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.now()
	if i.provider != nil && now.Sub(i.found) < foundFor {
		return i.provider, nil
	}
	if !i.failed.IsZero() && now.Sub(i.failed) < askAgain {
		return nil, errors.New("it did not answer a moment ago")
	}
	p, err := oidc.NewProvider(ctx, i.cfg.Issuer)
	if err != nil {
		i.failed = now
		return nil, err
	}
	i.provider, i.found, i.failed = p, now, time.Time{}
	return p, nil
}

// client is how the issuer knows us. The secret is read anew, so that a new one needs no restart.
func (i *issuer) client(p *oidc.Provider) (*oauth2.Config, error) {
	c := &oauth2.Config{ClientID: i.cfg.ClientID, Endpoint: p.Endpoint(), RedirectURL: i.redirect, Scopes: []string{oidc.ScopeOpenID}}
	for _, s := range i.cfg.Scopes {
		if s != oidc.ScopeOpenID {
			c.Scopes = append(c.Scopes, s)
		}
	}
	if len(i.cfg.Scopes) == 0 {
		c.Scopes = append(c.Scopes, "profile", "email")
	}
	var err error
	if i.cfg.ClientSecretFile != "" {
		c.ClientSecret, err = i.out.Secret(i.cfg.ClientSecretFile)
	}
	return c, err
}

// ask gives a context in which the issuer is asked.
func (i *issuer) ask(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(i.out.Client(ctx), askFor, errors.New("the issuer took too long"))
}

// going is somebody who was sent to an issuer.
type going struct {
	issuer          string
	nonce, verifier string
}

// BeginOpenID returns the address at an issuer to send a browser to. ErrNoIssuer, ErrIssuer.
func (d *Door) BeginOpenID(ctx context.Context, v *Visit, name string) (address string, err error) {
	i := d.issuer(name)
	if i == nil {
		return "", ErrNoIssuer
	}
	if v.Browser == "" {
		return "", ErrBegun
	}
	ctx, cancel := i.ask(ctx)
	defer cancel()
	p, err := i.discover(ctx)
	if err != nil {
		return "", d.issuerFault(i, "discovery", err)
	}
	c, err := i.client(p)
	if err != nil {
		return "", d.issuerFault(i, "client secret", err)
	}
	state, g := string(NewSecret()), &going{i.cfg.Name, string(NewSecret()), oauth2.GenerateVerifier()}
	d.begun.put("openid "+state, v.Browser, v.From, g)
	return c.AuthCodeURL(state, oidc.Nonce(g.nonce), oauth2.S256ChallengeOption(g.verifier)), nil // RFC 7636
}

// issuerFault logs what is wrong with an issuer, without what it said: that may name people.
func (d *Door) issuerFault(i *issuer, step string, err error) error {
	why := "it cannot be reached, or what it says is not what OpenID Connect asks for"
	if m, ok := errors.AsType[*oidc.IssuerMismatchError](err); ok {
		why = "it calls itself " + report.Printable(m.Discovered)
	} else if r, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		why = "it answers " + report.Printable(r.ErrorCode)
	} else if step == "client secret" {
		why = err.Error() // names the file only
	}
	d.logger.Warn("an issuer of openid connect is of no use", "issuer", i.cfg.Name, "step", step, "why", why)
	return ErrIssuer
}

// Back is what an issuer sends a browser back with.
type Back struct {
	State string
	Code  string
	Error string // of RFC 6749 §4.1.2.1; empty: none
	From  string // iss of RFC 9207; empty: it does not say
}

// SignInByOpenID lets in whom an issuer vouches for. ErrNoIssuer, ErrBegun, ErrVouch, ErrIssuer, ErrSignIn, *GroupsError.
func (d *Door) SignInByOpenID(ctx context.Context, v *Visit, name string, back Back) (*Entered, error) {
	i := d.issuer(name)
	if i == nil {
		return nil, ErrNoIssuer
	}
	value, ok := d.begun.take("openid "+back.State, v.Browser)
	if !ok {
		return nil, ErrBegun
	}
	g := value.(*going)
	switch {
	case g.issuer != i.cfg.Name || back.From != "" && back.From != i.cfg.Issuer: // RFC 9207 §2.4
		return nil, ErrBegun
	case back.Error != "" || back.Code == "":
		return nil, ErrVouch
	}
	c, err := d.claims(ctx, i, g, back.Code)
	if err != nil {
		return nil, err
	}
	p, err := d.vouched(ctx, i, c)
	if err != nil {
		return nil, err
	}
	return d.enter(ctx, v, &p, ByOpenID)
}

// claims is what the issuer says of a person.
type claims struct {
	Subject  string   // personal
	Login    string   // personal
	Mail     string   // personal
	Verified bool     // that Mail is theirs
	Name     string   // personal
	Groups   []string // personal
}

// claims exchanges the code, and checks what comes back (OpenID Connect Core §3.1.3.7).
func (d *Door) claims(ctx context.Context, i *issuer, g *going, code string) (*claims, error) {
	ctx, cancel := i.ask(ctx)
	defer cancel()
	p, err := i.discover(ctx)
	if err != nil {
		return nil, d.issuerFault(i, "discovery", err)
	}
	c, err := i.client(p)
	if err != nil {
		return nil, d.issuerFault(i, "client secret", err)
	}
	got, err := c.Exchange(ctx, code, oauth2.VerifierOption(g.verifier))
	if err != nil {
		return nil, d.issuerFault(i, "code", err)
	}
	raw, _ := got.Extra("id_token").(string)
	id, err := p.Verifier(&oidc.Config{ClientID: i.cfg.ClientID, Now: d.now}).Verify(ctx, raw)
	if err != nil {
		return nil, d.issuerFault(i, "id token", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(g.nonce)) == 0 {
		return nil, d.issuerFault(i, "nonce", errors.New("another nonce"))
	}
	all := map[string]any{}
	if err := id.Claims(&all); err != nil {
		return nil, d.issuerFault(i, "claims", err)
	}
	if azp, ok := all["azp"]; len(id.Audience) > 1 && !ok || ok && azp != i.cfg.ClientID {
		return nil, d.issuerFault(i, "azp", errors.New("for another client"))
	}
	if _, ok := all[i.cfg.claim()]; !ok && p.UserInfoEndpoint() != "" { // many say it there only
		info, err := p.UserInfo(ctx, oauth2.StaticTokenSource(got))
		more := map[string]any{}
		if err != nil || info.Subject != id.Subject || info.Claims(&more) != nil { // §5.3.2
			return nil, d.issuerFault(i, "userinfo", errors.Join(err, errors.New("of another person")))
		}
		for k, v := range more {
			if _, ok := all[k]; !ok {
				all[k] = v
			}
		}
	}
	return claimsOf(id.Subject, i.cfg.claim(), all), nil
}

// claimsOf picks what we read. Issuers write one group as a text, and email_verified as a text too.
func claimsOf(subject, groups string, all map[string]any) *claims {
	text := func(key string) string { s, _ := all[key].(string); return s }
	c := &claims{
		Subject: subject, Login: text("preferred_username"), Mail: text("email"), Name: text("name"),
		Verified: all["email_verified"] == true || all["email_verified"] == "true",
	}
	switch g := all[groups].(type) {
	case string:
		c.Groups = []string{g}
	case []any:
		for _, one := range g {
			if s, ok := one.(string); ok {
				c.Groups = append(c.Groups, s)
			}
		}
	}
	return c
}

// vouched is the person of claims: made when they first come, with the roles of their groups each time.
func (d *Door) vouched(ctx context.Context, i *issuer, c *claims) (Person, error) {
	if c.Subject == "" || len(c.Subject) > 255 || strings.ContainsFunc(c.Subject, func(r rune) bool { return r < ' ' || r > '~' }) { // OpenID Connect Core §2
		return Person{}, d.issuerFault(i, "claims", errors.New("no subject that is one"))
	}
	kind, err := d.kindOf(ctx, i.cfg.party())
	switch {
	case err != nil:
		return Person{}, err
	case kind == "":
		d.logger.Warn("an issuer vouches for people of a party that there is not: make it", "issuer", i.cfg.Name, "party", i.cfg.party())
		return Person{}, ErrIssuer
	}
	var roles []Role
	for _, g := range c.Groups {
		for _, r := range i.cfg.Roles[g] {
			if slices.Contains(RolesOf(kind), r) {
				roles = append(roles, r)
			}
		}
	}
	roles = ordered(roles)
	as := Identity{i.cfg.Issuer, c.Subject}
	p, err := d.store.PersonOf(ctx, as)
	switch {
	case errors.Is(err, ErrNoPerson) && len(roles) == 0:
		return Person{}, &GroupsError{i.cfg.Name, c.Groups}
	case errors.Is(err, ErrNoPerson):
		return d.addVouched(ctx, i, c, as, roles)
	case err != nil:
		return Person{}, err
	case p.State == Left:
		return Person{}, ErrSignIn
	}
	if p, err = d.follow(ctx, i, p, roles); err != nil {
		return Person{}, err
	}
	if len(roles) == 0 {
		return Person{}, &GroupsError{i.cfg.Name, c.Groups}
	}
	return p, nil
}

// addVouched makes a person. Their login is what the issuer calls them, where nobody has it: what an issuer says never
// makes somebody another person who is here already.
func (d *Door) addVouched(ctx context.Context, i *issuer, c *claims, as Identity, roles []Role) (Person, error) {
	now := d.now().UTC()
	sum := sha256.Sum256([]byte(c.Subject))
	logins := []string{i.cfg.Name + "." + hex.EncodeToString(sum[:8])}
	if mail := canonical(c.Mail); c.Verified && checkLogin(mail) == "" {
		logins = slices.Insert(logins, 0, mail)
	}
	if login := canonical(c.Login); checkLogin(login) == "" {
		logins = slices.Insert(logins, 0, login)
	}
	name := strings.TrimSpace(c.Name)
	if checkName(name) != "" {
		name = logins[0]
	}
	if checkName(name) != "" {
		name = i.cfg.Name
	}
	people, err := d.store.People(ctx)
	if err != nil {
		return Person{}, err
	}
	for _, login := range logins {
		if slices.ContainsFunc(people, func(p Person) bool { return p.Login == login }) {
			continue
		}
		p := &Person{ID: report.NewID(now), Login: login, Name: name, Party: i.cfg.party(), Roles: roles, State: Active, Created: now}
		if err := d.note(ctx, &Act{Kind: "person", By: byNode, About: login, Note: actVouched}); err != nil {
			return Person{}, err
		}
		if err := d.note(ctx, &Act{Kind: "role", By: byNode, About: login, Note: actRoles, Roles: roles}); err != nil {
			return Person{}, err
		}
		return *p, d.store.AddPerson(ctx, p, as)
	}
	return Person{}, ErrTaken
}

// follow gives a person the roles of their groups. Without any their sessions end. The last admin stays admin: else
// nobody could let anybody in, and a slip at the issuer would take the node away.
func (d *Door) follow(ctx context.Context, i *issuer, p Person, roles []Role) (Person, error) {
	err := d.keepsAdmin(ctx, &p, roles, p.State)
	switch {
	case errors.Is(err, ErrLastAdmin):
		d.logger.Warn("an issuer says that the last admin is none any more: they stay, as nobody else could let people in", "issuer", i.cfg.Name, "person", p.ID)
		roles = ordered(append(slices.Clone(roles), Admin))
	case err != nil:
		return p, err
	}
	if slices.Equal(p.Roles, roles) && p.State == Active {
		return p, nil
	}
	if err := d.note(ctx, &Act{Kind: "role", By: byNode, About: p.Login, Note: actRoles, Roles: roles}); err != nil {
		return p, err
	}
	_, is, err := d.store.ChangePerson(ctx, p.ID, func(p *Person) error {
		p.Roles = roles
		if p.State == Invited && len(roles) > 0 {
			p.State = Active
		}
		return nil
	})
	if err != nil {
		return p, err
	}
	if len(roles) == 0 {
		if _, err := d.store.EndSessions(ctx, p.ID, report.ID{}); err != nil {
			return p, err
		}
	}
	return is, nil
}
