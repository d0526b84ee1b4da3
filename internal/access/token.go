package access

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"tocsin/internal/report"
)

// Token lets a program in as its owner, for a while and for some of what they may. Who made something and who approves it
// are the same person, whichever of the two comes: the caller has the owner's login.
type Token struct {
	ID      report.ID // names it in lists; nobody comes in by it
	Name    string    // what the owner calls it; personal
	Person  report.ID // owner
	Scopes  []Scope
	Created time.Time
	Until   time.Time
	Used    time.Time // to the minute; zero: never
}

// ErrToken says that a token lets nobody in, whatever the reason.
var ErrToken = errors.New("this token lets nobody in: it was never made, has ended, or its owner has left; make another under your account")

// tokenPrefix is known to programs that look for secrets in the wrong places.
const tokenPrefix = "tcsn_"

const mostTokens = 50 // of a person

var tokenLetters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newToken makes the secret of a token: prefix, 32 random bytes and their CRC, by which a slip is told without asking.
func newToken() Secret {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return Secret(tokenPrefix + tokenLetters.EncodeToString(binary.BigEndian.AppendUint32(b[:], crc32.ChecksumIEEE(b[:]))))
}

// IsToken reports whether a text has the form of one of our tokens.
func IsToken(s Secret) bool {
	text, ok := strings.CutPrefix(string(s), tokenPrefix)
	if !ok || len(text) != tokenLetters.EncodedLen(36) {
		return false
	}
	b, err := tokenLetters.DecodeString(text)
	return err == nil && len(b) == 36 && binary.BigEndian.Uint32(b[32:]) == crc32.ChecksumIEEE(b[:32]) && tokenLetters.EncodeToString(b) == text
}

// AddToken makes a token for who is signed in. Its secret is shown once. *report.FieldErrors.
func (d *Door) AddToken(ctx context.Context, who *Caller, name string, scopes []Scope, until time.Time) (Token, Secret, error) {
	now := d.now().UTC()
	t := Token{ID: report.NewID(now), Name: strings.TrimSpace(name), Person: who.Person, Scopes: scopes, Created: now, Until: until.UTC()}
	var f faults
	f.add("name", checkName(t.Name))
	if len(scopes) == 0 {
		f.add("scopes", "choose what the token may do, as see or incident:change")
	}
	for _, s := range scopes {
		if again, err := ParseScope(s.String()); err != nil || again != s {
			f.add("scopes", fmt.Sprintf("%s is no scope: write an action, as see, or a record and an action, as incident:change", report.Printable(s.String())))
		}
	}
	if !t.Until.After(now) || t.Until.Sub(now) > d.cfg.Longest {
		f.add("until", fmt.Sprintf("choose an end within %d hours", int(d.cfg.Longest.Hours())))
	}
	have, err := d.store.TokensOf(ctx, who.Person)
	switch {
	case who.Person.IsZero():
		f.add("owner", "sign in as the person whose token it is to be")
	case err != nil:
		return Token{}, "", err
	case len(have) >= mostTokens:
		f.add("name", fmt.Sprintf("you have %d tokens: end one first", mostTokens))
	}
	if err := f.err(); err != nil {
		return Token{}, "", err
	}
	slices.SortFunc(t.Scopes, func(a, b Scope) int { return strings.Compare(a.String(), b.String()) })
	t.Scopes = slices.Compact(t.Scopes)
	if err := d.note(ctx, &Act{Kind: "token", By: byPerson, Who: who.Name, About: who.Name, Note: actToken}); err != nil {
		return Token{}, "", err
	}
	secret := newToken()
	return t, secret, d.store.AddToken(ctx, &t, hashOf("token", secret))
}

// Token says who comes with a token: its owner, with the roles that they have now. ErrToken.
func (d *Door) Token(ctx context.Context, secret Secret) (Caller, error) {
	if !IsToken(secret) {
		return Caller{}, ErrToken
	}
	t, p, err := d.store.Token(ctx, hashOf("token", secret))
	switch {
	case errors.Is(err, ErrNothing):
		return Caller{}, ErrToken
	case err != nil:
		return Caller{}, err
	}
	now := d.now().UTC()
	if p.State != Active || !now.Before(t.Until) {
		return Caller{}, ErrToken
	}
	if now.Sub(t.Used) >= touchedEvery {
		if err := d.store.TouchToken(ctx, t.ID, now); err != nil {
			return Caller{}, err
		}
	}
	c := callerOf(&p, ByToken)
	c.Scopes = t.Scopes
	return c, nil
}

// Tokens are a person's, or everybody's where the person is zero.
func (d *Door) Tokens(ctx context.Context, person report.ID) ([]Token, error) {
	return d.store.TokensOf(ctx, person)
}

// EndToken ends a token: one of the caller's own, or anybody's where whose says so. ErrNothing.
func (d *Door) EndToken(ctx context.Context, who *Caller, whose, id report.ID) error {
	all, err := d.store.TokensOf(ctx, whose)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(t Token) bool { return t.ID == id })
	if i < 0 {
		return ErrNothing
	}
	if err := d.noteAbout(ctx, who, all[i].Person, &Act{Kind: "token", Note: actRevoked}); err != nil {
		return err
	}
	return d.store.EndToken(ctx, id)
}
