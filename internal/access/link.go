package access

import (
	"context"
	"errors"
	"strings"
	"time"

	"tocsin/internal/report"
)

// LinkFor is how long a link of an invitation can be used.
const LinkFor = 24 * time.Hour

// First makes the link token of the first admin while nobody is an active admin, and is empty when somebody is. Each call
// ends the one before, and forgets whom that had made.
func (d *Door) First(ctx context.Context) (Secret, error) {
	s := NewSecret()
	made, err := d.store.PutFirst(ctx, &Link{Hash: hashOf("link", s), First: true, Until: d.now().UTC().Add(LinkFor)})
	if err != nil || !made {
		return "", err
	}
	return s, nil
}

// Claim says who the first admin is. The same token then lets them register a way to sign in. *report.FieldErrors,
// ErrLink, ErrTaken.
func (d *Door) Claim(ctx context.Context, token Secret, login, name string) (Person, error) {
	login, name = canonical(login), strings.TrimSpace(name)
	var f faults
	f.add("login", checkLogin(login))
	f.add("name", checkName(name))
	if err := f.err(); err != nil {
		return Person{}, err
	}
	l, err := d.link(ctx, token)
	switch {
	case err != nil:
		return Person{}, err
	case !l.First:
		return Person{}, ErrLink
	}
	now := d.now().UTC()
	p := &Person{ID: report.NewID(now), Login: login, Name: name, Party: Own, Roles: []Role{Admin}, State: Invited, Created: now}
	if err := d.note(ctx, &Act{Kind: "role", By: byNode, About: login, Note: actFirst, Roles: p.Roles}); err != nil {
		return Person{}, err
	}
	return d.store.ClaimFirst(ctx, l.Hash, p, now)
}

// Invite makes a person and the token of their link. *report.FieldErrors, ErrTaken.
func (d *Door) Invite(ctx context.Context, who *Caller, to Profile) (Person, Secret, error) {
	if err := d.checkProfile(ctx, &to); err != nil {
		return Person{}, "", err
	}
	now := d.now().UTC()
	p := &Person{ID: report.NewID(now), Login: to.Login, Name: to.Name, Party: to.Party, Roles: to.Roles, State: Invited, Created: now}
	if err := d.note(ctx, &Act{Kind: "person", By: byAdmin, Who: who.Name, About: p.Login, Note: actInvited}); err != nil {
		return Person{}, "", err
	}
	if err := d.note(ctx, &Act{Kind: "role", By: byAdmin, Who: who.Name, About: p.Login, Note: actRoles, Roles: p.Roles}); err != nil {
		return Person{}, "", err
	}
	if err := d.store.AddPerson(ctx, p, Identity{}); err != nil {
		return Person{}, "", err
	}
	s, err := d.putLink(ctx, p.ID)
	return *p, s, err
}

// InviteAgain makes a new link for a person: who has not used theirs, lost their ways to sign in, or had left. Links that
// they had are ended. ErrNoPerson.
func (d *Door) InviteAgain(ctx context.Context, who *Caller, id report.ID) (Secret, error) {
	if err := d.noteAbout(ctx, who, id, &Act{Kind: "person", Note: actInvited}); err != nil {
		return "", err
	}
	if _, _, err := d.store.ChangePerson(ctx, id, func(p *Person) error {
		if p.State == Left {
			p.State = Invited
		}
		return nil
	}); err != nil {
		return "", err
	}
	return d.putLink(ctx, id)
}

func (d *Door) putLink(ctx context.Context, id report.ID) (Secret, error) {
	s := NewSecret()
	return s, d.store.PutLink(ctx, &Link{Hash: hashOf("link", s), Person: id, Until: d.now().UTC().Add(LinkFor)})
}

// Invited says whom a link is for; the zero person where it is the first admin's and waits for Claim. ErrLink.
func (d *Door) Invited(ctx context.Context, token Secret) (Person, error) {
	l, err := d.link(ctx, token)
	if err != nil || l.Person.IsZero() {
		return Person{}, err
	}
	return d.linked(ctx, &l)
}

func (d *Door) linked(ctx context.Context, l *Link) (Person, error) {
	p, err := d.store.Person(ctx, l.Person)
	if errors.Is(err, ErrNoPerson) || err == nil && p.State == Left {
		return Person{}, ErrLink
	}
	return p, err
}

// link returns a link that can be used. It has no limit: there is nothing to guess, and so nobody can be kept from it.
func (d *Door) link(ctx context.Context, token Secret) (Link, error) {
	return d.store.Link(ctx, hashOf("link", token), d.now().UTC())
}

// LinkPassword uses a link: its person has a password from then on, and is signed in. *report.FieldErrors, ErrLink.
func (d *Door) LinkPassword(ctx context.Context, v *Visit, token Secret, password string) (*Entered, error) {
	if d.cfg.NoPasswords {
		return nil, ErrNoPasswords
	}
	p, err := d.Invited(ctx, token)
	switch {
	case err != nil:
		return nil, err
	case p.ID.IsZero():
		return nil, ErrLink
	}
	hash, err := d.newPassword(ctx, v, &p, password)
	if err != nil {
		return nil, err
	}
	return d.useLink(ctx, v, token, nil, hash, ByPassword)
}

func (d *Door) useLink(ctx context.Context, v *Visit, token Secret, k *Passkey, hash string, way Way) (*Entered, error) {
	p, err := d.store.UseLink(ctx, hashOf("link", token), k, hash, d.now().UTC())
	if err != nil {
		return nil, err
	}
	return d.enter(ctx, v, &p, way)
}
