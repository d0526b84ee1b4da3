package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tocsin/internal/access"
	"tocsin/internal/report"
)

// Access keeps who may come in, and how: it is access.Store.
type Access struct{ db *DB }

// Access returns the people who sign in, and what lets them in.
func (db *DB) Access() *Access { return &Access{db} }

// tx runs f in one transaction, after others that change people: two at once must not each leave the other as the last
// admin, or the last way to sign in.
func (a *Access) tx(ctx context.Context, what string, f func(*sql.Tx) error) error {
	err := a.db.tx(ctx, func(tx *sql.Tx) error {
		if a.db.dialect.people != "" {
			if _, err := tx.ExecContext(ctx, a.db.dialect.people); err != nil {
				return err
			}
		}
		return f(tx)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (a *Access) exec(ctx context.Context, tx *sql.Tx, q string, args ...any) (sql.Result, error) {
	return tx.ExecContext(ctx, a.db.dialect.sql(q), args...)
}

// one runs a statement that changes one row, and is otherwise where it changes none.
func (a *Access) one(ctx context.Context, tx *sql.Tx, otherwise error, q string, args ...any) error {
	res, err := a.exec(ctx, tx, q, args...)
	return changedOne(res, err, otherwise)
}

// Parties is access.PeopleStore's.
func (a *Access) Parties(ctx context.Context) ([]access.Party, error) {
	rows, err := a.db.read.QueryContext(ctx, `SELECT id, name, kind FROM parties ORDER BY CASE WHEN id = 'own' THEN 0 ELSE 1 END, id`)
	if err != nil {
		return nil, fmt.Errorf("read parties: %w", plain(err))
	}
	defer rows.Close()
	var all []access.Party
	for rows.Next() {
		var p access.Party
		if err := rows.Scan(&p.ID, &p.Name, &p.Kind); err != nil {
			return nil, fmt.Errorf("read parties: %w", plain(err))
		}
		all = append(all, p)
	}
	return all, rows.Err()
}

// AddParty is access.PeopleStore's.
func (a *Access) AddParty(ctx context.Context, p *access.Party) error {
	return a.tx(ctx, "make a party", func(tx *sql.Tx) error {
		return a.one(ctx, tx, access.ErrPartyIs, `INSERT INTO parties (id, name, kind) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING`,
			p.ID, p.Name, string(p.Kind))
	})
}

// RenameParty is access.PeopleStore's.
func (a *Access) RenameParty(ctx context.Context, id, name string) error {
	return a.tx(ctx, "rename a party", func(tx *sql.Tx) error {
		return a.one(ctx, tx, access.ErrNoParty, `UPDATE parties SET name = ? WHERE id = ?`, name, id)
	})
}

const personColumns = `people.id, people.login, people.name, people.party, people.roles, people.state, people.zone, people.created, people.seen`

// personInto reads personColumns.
type personInto struct {
	access.Person
	id            []byte
	roles         string
	created, seen int64
}

func (p *personInto) into() []any {
	return []any{&p.id, &p.Login, &p.Name, &p.Party, &p.roles, &p.State, &p.Zone, &p.created, &p.seen}
}

func (p *personInto) person() access.Person {
	copy(p.ID[:], p.id)
	for role := range strings.FieldsSeq(p.roles) {
		p.Roles = append(p.Roles, access.Role(role))
	}
	p.Created, p.Seen = moment(p.created), moment(p.seen)
	return p.Person
}

func rolesText(roles []access.Role) string {
	all := make([]string, len(roles))
	for i, r := range roles {
		all[i] = string(r)
	}
	return strings.Join(all, " ")
}

func scanPerson(row scanner) (access.Person, error) {
	var p personInto
	err := row.Scan(p.into()...)
	if errors.Is(err, sql.ErrNoRows) {
		err = access.ErrNoPerson
	}
	return p.person(), err
}

// People is access.PeopleStore's.
func (a *Access) People(ctx context.Context) ([]access.Person, error) {
	rows, err := a.db.read.QueryContext(ctx, `SELECT `+personColumns+` FROM people ORDER BY login`)
	if err != nil {
		return nil, fmt.Errorf("read people: %w", plain(err))
	}
	defer rows.Close()
	var all []access.Person
	for rows.Next() {
		p, err := scanPerson(rows)
		if err != nil {
			return nil, fmt.Errorf("read people: %w", plain(err))
		}
		all = append(all, p)
	}
	return all, rows.Err()
}

// Person is access.PeopleStore's.
func (a *Access) Person(ctx context.Context, id report.ID) (access.Person, error) {
	return a.person(ctx, `people.id = ?`, id[:])
}

// PersonOf is access.PeopleStore's.
func (a *Access) PersonOf(ctx context.Context, as access.Identity) (access.Person, error) {
	return a.person(ctx, `people.issuer = ? AND people.subject = ? AND people.issuer <> ''`, as.Issuer, as.Subject)
}

func (a *Access) person(ctx context.Context, where string, args ...any) (access.Person, error) {
	p, err := scanPerson(a.db.read.QueryRowContext(ctx, a.db.dialect.sql(`SELECT `+personColumns+` FROM people WHERE `+where), args...))
	if err != nil {
		return access.Person{}, fmt.Errorf("look for a person: %w", plain(err))
	}
	return p, nil
}

// AddPerson is access.PeopleStore's.
func (a *Access) AddPerson(ctx context.Context, p *access.Person, as access.Identity) error {
	return a.tx(ctx, "add a person", func(tx *sql.Tx) error { return a.addPerson(ctx, tx, p, as) })
}

func (a *Access) addPerson(ctx context.Context, tx *sql.Tx, p *access.Person, as access.Identity) error {
	if err := a.hasParty(ctx, tx, p.Party); err != nil {
		return err
	}
	return a.one(ctx, tx, access.ErrTaken, `INSERT INTO people (id, login, name, party, roles, state, zone, created, seen, issuer, subject)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		p.ID[:], p.Login, p.Name, p.Party, rolesText(p.Roles), string(p.State), p.Zone, micros(p.Created), micros(p.Seen), as.Issuer, as.Subject)
}

func (a *Access) hasParty(ctx context.Context, tx *sql.Tx, id string) error {
	var n int
	if err := tx.QueryRowContext(ctx, a.db.dialect.sql(`SELECT count(*) FROM parties WHERE id = ?`), id).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return access.ErrNoParty
	}
	return nil
}

// ChangePerson is access.PeopleStore's.
func (a *Access) ChangePerson(ctx context.Context, id report.ID, change func(*access.Person) error) (was, is access.Person, err error) {
	err = a.tx(ctx, "change a person", func(tx *sql.Tx) error {
		if was, err = a.personIn(ctx, tx, id); err != nil {
			return err
		}
		is = was
		is.Roles = slices.Clone(was.Roles)
		if err := change(&is); err != nil {
			return err
		}
		is.ID = id
		return a.changed(ctx, tx, &was, &is)
	})
	return was, is, err
}

func (a *Access) personIn(ctx context.Context, tx *sql.Tx, id report.ID) (access.Person, error) {
	return scanPerson(tx.QueryRowContext(ctx, a.db.dialect.sql(`SELECT `+personColumns+` FROM people WHERE id = ?`), id[:]))
}

func isAdmin(p *access.Person) bool {
	return p.State == access.Active && slices.Contains(p.Roles, access.Admin)
}

// changed stores what a person is now, and what follows from it.
func (a *Access) changed(ctx context.Context, tx *sql.Tx, was, is *access.Person) error {
	if isAdmin(was) && !isAdmin(is) {
		if other, err := a.hasAdmin(ctx, tx, is.ID); err != nil || !other {
			return errors.Join(err, access.ErrLastAdmin)
		}
	}
	if err := a.hasParty(ctx, tx, is.Party); err != nil {
		return err
	}
	var same int
	if err := tx.QueryRowContext(ctx, a.db.dialect.sql(`SELECT count(*) FROM people WHERE login = ? AND id <> ?`), is.Login, is.ID[:]).Scan(&same); err != nil {
		return err
	}
	if same > 0 {
		return access.ErrTaken
	}
	if _, err := a.exec(ctx, tx, `UPDATE people SET login = ?, name = ?, party = ?, roles = ?, state = ?, zone = ? WHERE id = ?`,
		is.Login, is.Name, is.Party, rolesText(is.Roles), string(is.State), is.Zone, is.ID[:]); err != nil {
		return err
	}
	if is.Party != was.Party || !slices.Equal(is.Roles, was.Roles) {
		if _, err := a.exec(ctx, tx, `UPDATE people_sessions SET stale = 1 WHERE person = ?`, is.ID[:]); err != nil {
			return err
		}
	}
	if is.State != access.Left || was.State == access.Left {
		return nil
	}
	for _, q := range [...]string{
		`DELETE FROM people_sessions WHERE person = ?`, `DELETE FROM people_tokens WHERE person = ?`, `DELETE FROM invitations WHERE person = ?`,
		`DELETE FROM known_browsers WHERE person = ?`, `DELETE FROM recovery_codes WHERE person = ?`,
	} {
		if _, err := a.exec(ctx, tx, q, is.ID[:]); err != nil {
			return err
		}
	}
	return nil
}

// hasAdmin reports whether somebody other than but is an active admin.
func (a *Access) hasAdmin(ctx context.Context, tx *sql.Tx, but report.ID) (bool, error) {
	var n int
	err := tx.QueryRowContext(ctx, a.db.dialect.sql(`SELECT count(*) FROM people WHERE state = ? AND ' ' || roles || ' ' LIKE ? AND id <> ?`),
		string(access.Active), "% "+string(access.Admin)+" %", but[:]).Scan(&n)
	return n > 0, err
}

// NoteAct is access.PeopleStore's.
func (a *Access) NoteAct(ctx context.Context, act *access.Act) error {
	err := a.db.tx(ctx, func(tx *sql.Tx) error {
		_, err := a.exec(ctx, tx, `INSERT INTO people_acts (id, kind, at, who, about, roles, note, salt) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			act.ID[:], act.Kind, micros(act.At), act.Who, act.About, rolesText(act.Roles), act.Note, act.Salt[:])
		return err
	})
	if err != nil {
		return fmt.Errorf("keep what is done about a person: %w", err)
	}
	return nil
}
