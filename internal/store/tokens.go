package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/report"
)

// AddToken is access.TokenStore's.
func (a *Access) AddToken(ctx context.Context, t *access.Token, hash access.Hash) error {
	scopes := make([]string, len(t.Scopes))
	for i, s := range t.Scopes {
		scopes[i] = s.String()
	}
	return a.tx(ctx, "make a token", func(tx *sql.Tx) error {
		p, err := a.personIn(ctx, tx, t.Person)
		if err == nil && p.State != access.Active {
			err = access.ErrNoPerson
		}
		if err != nil {
			return err
		}
		_, err = a.exec(ctx, tx, `INSERT INTO people_tokens (id, hash, name, person, scopes, created, until) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			t.ID[:], hash[:], t.Name, t.Person[:], strings.Join(scopes, " "), micros(t.Created), micros(t.Until))
		return err
	})
}

const tokenColumns = `people_tokens.id, people_tokens.name, people_tokens.person, people_tokens.scopes, people_tokens.created, people_tokens.until, people_tokens.used`

// tokenInto reads tokenColumns.
type tokenInto struct {
	access.Token
	id, person           []byte
	scopes               string
	created, until, used int64
}

func (t *tokenInto) into() []any {
	return []any{&t.id, &t.Name, &t.person, &t.scopes, &t.created, &t.until, &t.used}
}

// token leaves out scopes that a later Tocsin knows and this one does not: they cover nothing here.
func (t *tokenInto) token() access.Token {
	copy(t.ID[:], t.id)
	copy(t.Person[:], t.person)
	for text := range strings.FieldsSeq(t.scopes) {
		if s, err := access.ParseScope(text); err == nil {
			t.Scopes = append(t.Scopes, s)
		}
	}
	t.Created, t.Until, t.Used = moment(t.created), moment(t.until), moment(t.used)
	return t.Token
}

// Token is access.TokenStore's.
func (a *Access) Token(ctx context.Context, hash access.Hash) (access.Token, access.Person, error) {
	var t tokenInto
	var p personInto
	err := a.db.read.QueryRowContext(ctx, a.db.dialect.sql(`SELECT `+tokenColumns+`, `+personColumns+`
		FROM people_tokens JOIN people ON people.id = people_tokens.person WHERE people_tokens.hash = ?`), hash[:]).Scan(append(t.into(), p.into()...)...)
	if err = orNothing(err); err != nil {
		return access.Token{}, access.Person{}, fmt.Errorf("look for a token: %w", err)
	}
	return t.token(), p.person(), nil
}

// TouchToken is access.TokenStore's.
func (a *Access) TouchToken(ctx context.Context, id report.ID, at time.Time) error {
	err := a.db.tx(ctx, func(tx *sql.Tx) error {
		_, err := a.exec(ctx, tx, `UPDATE people_tokens SET used = ? WHERE id = ? AND used < ?`, micros(at), id[:], micros(at))
		return err
	})
	if err != nil {
		return fmt.Errorf("note that a token is used: %w", err)
	}
	return nil
}

// TokensOf is access.TokenStore's.
func (a *Access) TokensOf(ctx context.Context, person report.ID) ([]access.Token, error) {
	q, args := `SELECT `+tokenColumns+` FROM people_tokens ORDER BY created, id`, []any{}
	if !person.IsZero() {
		q, args = `SELECT `+tokenColumns+` FROM people_tokens WHERE person = ? ORDER BY created, id`, []any{person[:]}
	}
	rows, err := a.db.read.QueryContext(ctx, a.db.dialect.sql(q), args...)
	if err != nil {
		return nil, fmt.Errorf("read tokens: %w", plain(err))
	}
	defer rows.Close()
	var all []access.Token
	for rows.Next() {
		var t tokenInto
		if err := rows.Scan(t.into()...); err != nil {
			return nil, fmt.Errorf("read tokens: %w", plain(err))
		}
		all = append(all, t.token())
	}
	return all, rows.Err()
}

// EndToken is access.TokenStore's.
func (a *Access) EndToken(ctx context.Context, id report.ID) error {
	return a.tx(ctx, "end a token", func(tx *sql.Tx) error {
		return a.one(ctx, tx, access.ErrNothing, `DELETE FROM people_tokens WHERE id = ?`, id[:])
	})
}
