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

// WaysOf is access.WayStore's.
func (a *Access) WaysOf(ctx context.Context, person report.ID) (access.WaysIn, error) {
	w, err := a.waysOf(ctx, a.db.read, person)
	if err != nil {
		return access.WaysIn{}, fmt.Errorf("read a person's ways to sign in: %w", plain(err))
	}
	return w, nil
}

func (a *Access) waysOf(ctx context.Context, from querier, person report.ID) (w access.WaysIn, err error) {
	var at int64
	err = from.QueryRowContext(ctx, a.db.dialect.sql(`SELECT password_at, issuer, (SELECT count(*) FROM recovery_codes WHERE person = people.id)
		FROM people WHERE id = ?`), person[:]).Scan(&at, &w.Issuer, &w.Codes)
	if errors.Is(err, sql.ErrNoRows) {
		return w, access.ErrNoPerson
	}
	if err != nil {
		return w, err
	}
	w.Password = moment(at)
	rows, err := from.QueryContext(ctx, a.db.dialect.sql(`SELECT `+passkeyColumns+` FROM passkeys WHERE person = ? ORDER BY created, id`), person[:])
	if err != nil {
		return w, err
	}
	defer rows.Close()
	for rows.Next() {
		var k passkeyInto
		if err := rows.Scan(k.into()...); err != nil {
			return w, err
		}
		w.Passkeys = append(w.Passkeys, k.passkey())
	}
	return w, rows.Err()
}

const passkeyColumns = `passkeys.id, passkeys.name, passkeys.created, passkeys.used, passkeys.suspect, passkeys.count, passkeys.record` //nolint:gosec // names of columns

// passkeyInto reads passkeyColumns.
type passkeyInto struct {
	access.Passkey
	created, used, suspect, count int64
}

func (k *passkeyInto) into() []any {
	return []any{&k.ID, &k.Name, &k.created, &k.used, &k.suspect, &k.count, &k.Record}
}

func (k *passkeyInto) passkey() access.Passkey {
	k.Created, k.Used, k.Suspect, k.Count = moment(k.created), moment(k.used), moment(k.suspect), uint32(k.count)
	return k.Passkey
}

// AddPasskey is access.WayStore's.
func (a *Access) AddPasskey(ctx context.Context, person report.ID, k *access.Passkey) error {
	return a.tx(ctx, "add a passkey", func(tx *sql.Tx) error { return a.addPasskey(ctx, tx, person, k) })
}

func (a *Access) addPasskey(ctx context.Context, tx *sql.Tx, person report.ID, k *access.Passkey) error {
	return a.one(ctx, tx, access.ErrKnownKey, `INSERT INTO passkeys (id, person, name, created, count, record) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO NOTHING`, k.ID, person[:], k.Name, micros(k.Created), int64(k.Count), k.Record)
}

// Passkey is access.WayStore's.
func (a *Access) Passkey(ctx context.Context, id []byte) (access.Person, access.Passkey, error) {
	var p personInto
	var k passkeyInto
	err := a.db.read.QueryRowContext(ctx, a.db.dialect.sql(`SELECT `+personColumns+`, `+passkeyColumns+`
		FROM passkeys JOIN people ON people.id = passkeys.person WHERE passkeys.id = ?`), id).Scan(append(p.into(), k.into()...)...)
	if err = orNothing(err); err != nil {
		return access.Person{}, access.Passkey{}, fmt.Errorf("look for a passkey: %w", err)
	}
	return p.person(), k.passkey(), nil
}

// orNothing is access.ErrNothing where there is no row.
func orNothing(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return access.ErrNothing
	}
	return plain(err)
}

// UsePasskey is access.WayStore's.
func (a *Access) UsePasskey(ctx context.Context, k *access.Passkey) error {
	backwards := false
	err := a.tx(ctx, "use a passkey", func(tx *sql.Tx) error {
		err := a.one(ctx, tx, access.ErrCount, `UPDATE passkeys SET count = ?, record = ?, used = ? WHERE id = ? AND (count < ? OR count = 0 AND ? = 1)`,
			int64(k.Count), k.Record, micros(k.Used), k.ID, int64(k.Count), number(k.Count == 0))
		if backwards = errors.Is(err, access.ErrCount); backwards {
			return a.one(ctx, tx, access.ErrNothing, `UPDATE passkeys SET suspect = ? WHERE id = ?`, micros(k.Used), k.ID)
		}
		return err
	})
	if err == nil && backwards {
		return access.ErrCount
	}
	return err
}

// DropPasskey is access.WayStore's.
func (a *Access) DropPasskey(ctx context.Context, person report.ID, id []byte, enough func(*access.WaysIn) bool) error {
	return a.tx(ctx, "remove a passkey", func(tx *sql.Tx) error {
		if err := a.one(ctx, tx, access.ErrNothing, `DELETE FROM passkeys WHERE person = ? AND id = ?`, person[:], id); err != nil {
			return err
		}
		return a.leaves(ctx, tx, person, enough)
	})
}

// leaves is access.ErrLastWay where what a person has left is not enough.
func (a *Access) leaves(ctx context.Context, tx *sql.Tx, person report.ID, enough func(*access.WaysIn) bool) error {
	w, err := a.waysOf(ctx, tx, person)
	if err == nil && !enough(&w) {
		err = access.ErrLastWay
	}
	return err
}

// Password is access.WayStore's.
func (a *Access) Password(ctx context.Context, login string) (access.Person, string, error) {
	var p personInto
	var hash string
	err := a.db.read.QueryRowContext(ctx, a.db.dialect.sql(`SELECT `+personColumns+`, people.password FROM people WHERE login = ?`), login).
		Scan(append(p.into(), &hash)...)
	if errors.Is(err, sql.ErrNoRows) {
		err = access.ErrNoPerson
	}
	if err != nil {
		return access.Person{}, "", fmt.Errorf("look for a login: %w", plain(err))
	}
	return p.person(), hash, nil
}

// SetPassword is access.WayStore's.
func (a *Access) SetPassword(ctx context.Context, person report.ID, hash string, at time.Time, enough func(*access.WaysIn) bool) error {
	return a.tx(ctx, "set a password", func(tx *sql.Tx) error {
		if err := a.setPassword(ctx, tx, person, hash, at); err != nil || enough == nil {
			return err
		}
		return a.leaves(ctx, tx, person, enough)
	})
}

func (a *Access) setPassword(ctx context.Context, tx *sql.Tx, person report.ID, hash string, at time.Time) error {
	if hash == "" {
		at = time.Time{}
	}
	return a.one(ctx, tx, access.ErrNoPerson, `UPDATE people SET password = ?, password_at = ? WHERE id = ?`, hash, micros(at), person[:])
}

// SetCodes is access.WayStore's.
func (a *Access) SetCodes(ctx context.Context, person report.ID, codes []access.Hash) error {
	return a.tx(ctx, "make recovery codes", func(tx *sql.Tx) error {
		if _, err := a.exec(ctx, tx, `DELETE FROM recovery_codes WHERE person = ?`, person[:]); err != nil {
			return err
		}
		for _, c := range codes {
			if _, err := a.exec(ctx, tx, `INSERT INTO recovery_codes (person, hash) VALUES (?, ?)`, person[:], c[:]); err != nil {
				return err
			}
		}
		return nil
	})
}

// HasCode is access.WayStore's.
func (a *Access) HasCode(ctx context.Context, person report.ID, code access.Hash) (bool, error) {
	var n int
	if err := a.db.read.QueryRowContext(ctx, a.db.dialect.sql(`SELECT count(*) FROM recovery_codes WHERE person = ? AND hash = ?`), person[:], code[:]).Scan(&n); err != nil {
		return false, fmt.Errorf("look for a recovery code: %w", plain(err))
	}
	return n > 0, nil
}

// UseCode is access.WayStore's.
func (a *Access) UseCode(ctx context.Context, person report.ID, code access.Hash) error {
	return a.tx(ctx, "use a recovery code", func(tx *sql.Tx) error {
		return a.one(ctx, tx, access.ErrNothing, `DELETE FROM recovery_codes WHERE person = ? AND hash = ?`, person[:], code[:])
	})
}

// KnownBrowser is access.WayStore's.
func (a *Access) KnownBrowser(ctx context.Context, browser access.Hash) (id report.ID, err error) {
	var person []byte
	err = a.db.read.QueryRowContext(ctx, a.db.dialect.sql(`SELECT person FROM known_browsers WHERE hash = ?`), browser[:]).Scan(&person)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return id, fmt.Errorf("look for a browser: %w", plain(err))
	}
	copy(id[:], person)
	return id, nil
}

// KnowBrowser is access.WayStore's.
func (a *Access) KnowBrowser(ctx context.Context, browser access.Hash, person report.ID, at time.Time, most int) error {
	return a.tx(ctx, "note a browser", func(tx *sql.Tx) error {
		if _, err := a.exec(ctx, tx, `INSERT INTO known_browsers (hash, person, at) VALUES (?, ?, ?)
			ON CONFLICT (hash) DO UPDATE SET person = excluded.person, at = excluded.at`, browser[:], person[:], micros(at)); err != nil {
			return err
		}
		_, err := a.exec(ctx, tx, `DELETE FROM known_browsers WHERE person = ? AND hash NOT IN
			(SELECT hash FROM known_browsers WHERE person = ? ORDER BY at DESC, hash LIMIT ?)`, person[:], person[:], most)
		return err
	})
}
