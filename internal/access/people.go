package access

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tocsin/internal/report"
)

// Profile is what an admin says of a person.
type Profile struct {
	Login string // personal
	Name  string // personal
	Party string
	Roles []Role
}

// canonical is a login as it is kept: people do not write theirs the same way each time.
func canonical(login string) string { return strings.ToLower(strings.TrimSpace(login)) }

// checkLogin says what is wrong with a canonical login, "" when nothing is. No spaces and brackets: what is done at the
// shell stands in the logs as NAME (USER), and nobody should be able to look like that.
func checkLogin(s string) string {
	const extra = ".@_+-='"
	if s == "" || len(s) > 254 || strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(extra, r)
	}) || strings.ContainsRune(extra, rune(s[0])) {
		return "write a login of letters a to z, digits and " + extra + ", such as a mail address; it begins with a letter or digit"
	}
	return ""
}

const longestName = 100 // characters

// checkName says what is wrong with a name of a person, a party, a passkey or a token.
func checkName(s string) string {
	if s == "" || utf8.RuneCountInString(s) > longestName || report.Printable(s) != s {
		return fmt.Sprintf("write a name of up to %d characters", longestName)
	}
	return ""
}

// checkRoles says what is wrong with the roles of somebody who belongs to a kind of party.
func checkRoles(k PartyKind, roles []Role) string {
	for _, r := range roles {
		if !slices.Contains(RolesOf(k), r) {
			return fmt.Sprintf("people of such a party cannot be %s: choose of %s", report.Printable(string(r)), words(RolesOf(k)))
		}
	}
	return ""
}

// ordered are roles in their order, each once.
func ordered(roles []Role) []Role {
	var all []Role
	for _, r := range Roles() {
		if slices.Contains(roles, r) {
			all = append(all, r)
		}
	}
	return all
}

// checkProfile reports every broken rule of a profile at once, in its canonical form.
func (d *Door) checkProfile(ctx context.Context, p *Profile) error {
	p.Login, p.Name = canonical(p.Login), strings.TrimSpace(p.Name)
	var f faults
	f.add("login", checkLogin(p.Login))
	f.add("name", checkName(p.Name))
	if len(p.Roles) == 0 {
		f.add("roles", "choose one role at least: without, nobody may do anything")
	}
	kind, err := d.kindOf(ctx, p.Party)
	switch {
	case err != nil:
		return err
	case kind == "":
		f.add("party", ErrNoParty.Error())
	default:
		f.add("roles", checkRoles(kind, p.Roles))
	}
	p.Roles = ordered(p.Roles)
	return f.err()
}

// kindOf is what a party is, "" where there is none.
func (d *Door) kindOf(ctx context.Context, party string) (PartyKind, error) {
	all, err := d.store.Parties(ctx)
	if err != nil {
		return "", err
	}
	for _, p := range all {
		if p.ID == party {
			return p.Kind, nil
		}
	}
	return "", nil
}

// Parties are all parties, own first.
func (d *Door) Parties(ctx context.Context) ([]Party, error) { return d.store.Parties(ctx) }

// AddParty makes a party. *report.FieldErrors, ErrPartyIs.
func (d *Door) AddParty(ctx context.Context, p *Party) error {
	p.Name = strings.TrimSpace(p.Name)
	var f faults
	if !isName(p.ID) {
		f.add("id", "write a short id of small letters, digits and hyphens")
	}
	f.add("name", checkName(p.Name))
	if RolesOf(p.Kind) == nil || p.Kind == OwnParty {
		f.add("kind", "choose what the party is: police, csirt, association or oversight; there is one own party")
	}
	if err := f.err(); err != nil {
		return err
	}
	return d.store.AddParty(ctx, p)
}

// RenameParty gives a party another name. What kind it is stays, as its people's roles depend on it.
func (d *Door) RenameParty(ctx context.Context, id, name string) error {
	name = strings.TrimSpace(name)
	var f faults
	f.add("name", checkName(name))
	if err := f.err(); err != nil {
		return err
	}
	return d.store.RenameParty(ctx, id, name)
}

// People are all people, by login.
func (d *Door) People(ctx context.Context) ([]Person, error) { return d.store.People(ctx) }

// Person is one. ErrNoPerson.
func (d *Door) Person(ctx context.Context, id report.ID) (Person, error) {
	return d.store.Person(ctx, id)
}

// Change makes a person what a profile says. *report.FieldErrors, ErrNoPerson, ErrTaken, ErrLastAdmin.
func (d *Door) Change(ctx context.Context, who *Caller, id report.ID, to Profile) (Person, error) {
	p, err := d.store.Person(ctx, id)
	if err != nil {
		return Person{}, err
	}
	if err := d.checkProfile(ctx, &to); err != nil {
		return Person{}, err
	}
	if err := d.keepsAdmin(ctx, &p, to.Roles, p.State); err != nil {
		return Person{}, err
	}
	if p.Login != to.Login || p.Name != to.Name || p.Party != to.Party {
		if err := d.note(ctx, &Act{Kind: "person", By: by(who, id), Who: who.Name, About: p.Login, Note: actChanged}); err != nil {
			return Person{}, err
		}
	}
	if !slices.Equal(p.Roles, to.Roles) {
		if err := d.note(ctx, &Act{Kind: "role", By: by(who, id), Who: who.Name, About: p.Login, Note: actRoles, Roles: to.Roles}); err != nil {
			return Person{}, err
		}
	}
	_, is, err := d.store.ChangePerson(ctx, id, func(p *Person) error {
		p.Login, p.Name, p.Party, p.Roles = to.Login, to.Name, to.Party, to.Roles
		return nil
	})
	return is, err
}

// keepsAdmin refuses what would leave no admin, before it is logged. The store refuses it too, whatever happens meanwhile.
func (d *Door) keepsAdmin(ctx context.Context, p *Person, roles []Role, state PersonState) error {
	if p.State != Active || !slices.Contains(p.Roles, Admin) || state == Active && slices.Contains(roles, Admin) {
		return nil
	}
	all, err := d.store.People(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(o Person) bool {
		return o.ID != p.ID && o.State == Active && slices.Contains(o.Roles, Admin)
	}) {
		return ErrLastAdmin
	}
	return nil
}

// ChangeOwn changes what people may change of themselves: how others see them, and their zone.
func (d *Door) ChangeOwn(ctx context.Context, who *Caller, name, zone string) (Person, error) {
	name = strings.TrimSpace(name)
	var f faults
	f.add("name", checkName(name))
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
		f.add("zone", "write the zone as in Europe/Warsaw, or leave it empty for UTC")
	}
	if err := f.err(); err != nil {
		return Person{}, err
	}
	p, err := d.store.Person(ctx, who.Person)
	if err != nil {
		return Person{}, err
	}
	if p.Name != name {
		if err := d.note(ctx, &Act{Kind: "person", By: byPerson, Who: who.Name, About: p.Login, Note: actChanged}); err != nil {
			return Person{}, err
		}
	}
	_, is, err := d.store.ChangePerson(ctx, p.ID, func(p *Person) error {
		p.Name, p.Zone = name, zone
		return nil
	})
	return is, err
}

// Leave ends what a person may: sessions and tokens at once, and their links. What they did stays theirs. ErrLastAdmin.
func (d *Door) Leave(ctx context.Context, who *Caller, id report.ID) error {
	p, err := d.store.Person(ctx, id)
	if err != nil {
		return err
	}
	if err := d.keepsAdmin(ctx, &p, p.Roles, Left); err != nil {
		return err
	}
	if err := d.note(ctx, &Act{Kind: "person", By: by(who, id), Who: who.Name, About: p.Login, Note: actLeft}); err != nil {
		return err
	}
	_, _, err = d.store.ChangePerson(ctx, id, func(p *Person) error {
		p.State = Left
		return nil
	})
	return err
}

// noteAbout notes an act about a person.
func (d *Door) noteAbout(ctx context.Context, who *Caller, person report.ID, a *Act) error {
	p, err := d.store.Person(ctx, person)
	if err != nil {
		return err
	}
	a.By, a.Who, a.About = by(who, person), who.Name, p.Login
	return d.note(ctx, a)
}
