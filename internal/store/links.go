package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/report"
)

// PutLink is access.LinkStore's.
func (a *Access) PutLink(ctx context.Context, l *access.Link) error {
	return a.tx(ctx, "keep a link", func(tx *sql.Tx) error {
		if _, err := a.personIn(ctx, tx, l.Person); err != nil {
			return err
		}
		if _, err := a.exec(ctx, tx, `DELETE FROM invitations WHERE person = ?`, l.Person[:]); err != nil {
			return err
		}
		_, err := a.exec(ctx, tx, `INSERT INTO invitations (hash, first, person, until) VALUES (?, 0, ?, ?)`, l.Hash[:], l.Person[:], micros(l.Until))
		return err
	})
}

// PutFirst is access.LinkStore's.
func (a *Access) PutFirst(ctx context.Context, l *access.Link) (put bool, err error) {
	err = a.tx(ctx, "keep the first admin's link", func(tx *sql.Tx) error {
		for _, q := range [...]string{
			`DELETE FROM people WHERE state = 'invited' AND id IN (SELECT person FROM invitations WHERE first = 1)`,
			`DELETE FROM invitations WHERE first = 1`,
		} {
			if _, err := a.exec(ctx, tx, q); err != nil {
				return err
			}
		}
		there, err := a.hasAdmin(ctx, tx, report.ID{})
		if put = !there; err != nil || there {
			return err
		}
		_, err = a.exec(ctx, tx, `INSERT INTO invitations (hash, first, until) VALUES (?, 1, ?)`, l.Hash[:], micros(l.Until))
		return err
	})
	return put && err == nil, err
}

// Link is access.LinkStore's.
func (a *Access) Link(ctx context.Context, hash access.Hash, now time.Time) (access.Link, error) {
	l, err := a.link(ctx, a.db.read, hash, now)
	if err != nil {
		return access.Link{}, fmt.Errorf("look for a link: %w", plain(err))
	}
	return l, nil
}

func (a *Access) link(ctx context.Context, from querier, hash access.Hash, now time.Time) (access.Link, error) {
	l := access.Link{Hash: hash}
	var first int
	var person []byte
	var until int64
	err := from.QueryRowContext(ctx, a.db.dialect.sql(`SELECT first, person, until FROM invitations WHERE hash = ? AND until > ?`), hash[:], micros(now)).
		Scan(&first, &person, &until)
	if errors.Is(err, sql.ErrNoRows) {
		err = access.ErrLink
	}
	l.First, l.Until = first == 1, moment(until)
	copy(l.Person[:], person)
	return l, err
}

// ClaimFirst is access.LinkStore's.
func (a *Access) ClaimFirst(ctx context.Context, hash access.Hash, p *access.Person, now time.Time) (is access.Person, err error) {
	err = a.tx(ctx, "claim the first admin's link", func(tx *sql.Tx) error {
		l, err := a.firstLink(ctx, tx, hash, now)
		if err != nil {
			return err
		}
		is = *p
		if l.Person.IsZero() {
			if err := a.addPerson(ctx, tx, p, access.Identity{}); err != nil {
				return err
			}
			_, err := a.exec(ctx, tx, `UPDATE invitations SET person = ? WHERE hash = ?`, p.ID[:], hash[:])
			return err
		}
		was, err := a.personIn(ctx, tx, l.Person)
		if err != nil {
			return err
		}
		is.ID, is.Created = was.ID, was.Created
		return a.changed(ctx, tx, &was, &is)
	})
	return is, err
}

// firstLink is the first admin's link, while nobody is one.
func (a *Access) firstLink(ctx context.Context, tx *sql.Tx, hash access.Hash, now time.Time) (access.Link, error) {
	l, err := a.link(ctx, tx, hash, now)
	if err != nil {
		return l, err
	}
	there, err := a.hasAdmin(ctx, tx, report.ID{})
	if err == nil && (there || !l.First) {
		err = access.ErrLink
	}
	return l, err
}

// UseLink is access.LinkStore's.
func (a *Access) UseLink(ctx context.Context, hash access.Hash, k *access.Passkey, password string, now time.Time) (p access.Person, err error) {
	err = a.tx(ctx, "use a link", func(tx *sql.Tx) error {
		l, err := a.link(ctx, tx, hash, now)
		if err == nil && l.First {
			l, err = a.firstLink(ctx, tx, hash, now)
		}
		if err == nil && l.Person.IsZero() {
			err = access.ErrLink
		}
		if err != nil {
			return err
		}
		if p, err = a.personIn(ctx, tx, l.Person); err != nil {
			return err
		}
		if p.State == access.Left {
			return access.ErrLink
		}
		if err := a.one(ctx, tx, access.ErrLink, `DELETE FROM invitations WHERE hash = ?`, hash[:]); err != nil {
			return err
		}
		if k != nil {
			err = a.addPasskey(ctx, tx, p.ID, k)
		}
		if err == nil && password != "" {
			err = a.setPassword(ctx, tx, p.ID, password, now)
		}
		if err != nil {
			return err
		}
		p.State = access.Active
		_, err = a.exec(ctx, tx, `UPDATE people SET state = ? WHERE id = ?`, string(p.State), p.ID[:])
		return err
	})
	return p, err
}
