package access

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"strings"

	"tocsin/internal/report"
)

const (
	codes     = 10
	codeBytes = 10 // 80 bits: what is stored of a code cannot be tried out
)

// codeLetters has no letters that look like digits.
var codeLetters = base32.NewEncoding("abcdefghijkmnpqrstuvwxyz23456789").WithPadding(base32.NoPadding)

// RecoveryCodes makes ten codes, to be shown once. Each lets a person in once, when nothing else does. Those that they had
// end.
func (d *Door) RecoveryCodes(ctx context.Context, s *Session) ([]Secret, error) {
	all, hashes := make([]Secret, codes), make([]Hash, codes)
	for i := range all {
		var b [codeBytes]byte
		_, _ = rand.Read(b[:]) // never fails since Go 1.24
		text := codeLetters.EncodeToString(b[:])
		all[i] = Secret(text[:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:])
		hashes[i] = codeHash(s.Person, string(all[i]))
	}
	return all, d.store.SetCodes(ctx, s.Person, hashes)
}

// codeHash is of what is left of a code without how it is written down.
func codeHash(person report.ID, code string) Hash {
	code = strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToLower(strings.TrimSpace(code)))
	return hashOf("recovery code", Secret(person.String()+code))
}

// SignInByCode lets a person in by a recovery code, which ends. The session is Recovered: ask for a new way to sign in.
// ErrSignIn, *WaitError.
func (d *Door) SignInByCode(ctx context.Context, v *Visit, login string, code Secret) (*Entered, error) {
	login = canonical(login)
	p, _, err := d.passwordOf(ctx, login)
	if err != nil {
		return nil, err
	}
	_, success, err := d.attempt(ctx, v, login, &p)
	if err != nil {
		return nil, err
	}
	if len(code) > 64 {
		code = "" // as wrong as any other
	}
	hash := codeHash(p.ID, string(code))
	ok, err := d.store.HasCode(ctx, p.ID, hash)
	switch {
	case err != nil:
		return nil, err
	case !ok || p.State != Active:
		return nil, ErrSignIn
	}
	if err := d.note(ctx, &Act{Kind: "person", By: byPerson, Who: p.Login, About: p.Login, Note: actRecovery}); err != nil {
		return nil, err
	}
	err = d.store.UseCode(ctx, p.ID, hash)
	switch {
	case errors.Is(err, ErrNothing):
		return nil, ErrSignIn
	case err != nil:
		return nil, err
	}
	success()
	return d.enter(ctx, v, &p, ByCode)
}
