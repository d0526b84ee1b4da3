package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// ErrNoPasswords says that the config does not let people in by password.
var ErrNoPasswords = errors.New("nobody signs in by password here: use a passkey, or the organisation that vouches for you")

// cost is what hashing a password takes (RFC 9106 §3.1).
type cost struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
}

// standardCost takes about a tenth of a second. hashesAtOnce times two of them fit into the memory of a small node.
var standardCost = cost{memory: 32 << 10, passes: 3, threads: 1}

const (
	saltBytes = 16
	hashBytes = 32
)

// hash makes the text that is kept of a password, in the form that argon2's own program writes.
func (c cost) hash(password string) string {
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails since Go 1.24
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.memory, c.passes, c.threads,
		b.EncodeToString(salt), b.EncodeToString(c.key(password, salt, hashBytes)))
}

// key hashes a password. The same characters can be written in several ways, and keyboards differ in which they write.
func (c cost) key(password string, salt []byte, n uint32) []byte {
	return argon2.IDKey([]byte(norm.NFC.String(password)), salt, c.passes, c.memory, c.threads, n)
}

// kept is a hash as it was stored.
type kept struct {
	cost      cost
	salt, key []byte
}

// parseHash reads what hash writes, within limits: a row that somebody changed must not eat the memory.
func parseHash(s string) (kept, error) {
	var k kept
	var version int
	var m, t, p uint32
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return kept{}, errNoHash
	}
	if n, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &m, &t, &p); n != 4 || err != nil || version != argon2.Version {
		return kept{}, errNoHash
	}
	k.cost = cost{m, t, uint8(p)}
	if m < 8 || m > 256<<10 || t < 1 || t > 16 || p < 1 || p > 8 || fmt.Sprintf("v=%d m=%d,t=%d,p=%d", version, m, t, p) != parts[2]+" "+parts[3] {
		return kept{}, errNoHash
	}
	var bad, worse error
	k.salt, bad = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	k.key, worse = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if bad != nil || worse != nil || len(k.salt) < 8 || len(k.salt) > 64 || len(k.key) < 16 || len(k.key) > 64 {
		return kept{}, errNoHash
	}
	return k, nil
}

var errNoHash = errors.New("what is stored is no hash of a password")

// matches reports whether a password is the one of a hash, and whether the hash should be made anew, at today's cost.
// Where there is no hash it takes as long, so that nobody learns from the time which logins there are.
func (c cost) matches(hash, password string) (ok, stale bool) {
	k, err := parseHash(hash)
	if err != nil {
		c.key(password, make([]byte, saltBytes), hashBytes)
		return false, false
	}
	key := k.cost.key(password, k.salt, uint32(len(k.key)))
	return subtle.ConstantTimeCompare(key, k.key) == 1, k.cost != c || len(k.key) != hashBytes
}

// SignInByPassword lets a person in by login and password. ErrSignIn, ErrNoPasswords, *WaitError, ErrBusy.
func (d *Door) SignInByPassword(ctx context.Context, v *Visit, login, password string) (*Entered, error) {
	if d.cfg.NoPasswords {
		return nil, ErrNoPasswords
	}
	login = canonical(login)
	p, hash, err := d.passwordOf(ctx, login)
	if err != nil {
		return nil, err
	}
	if err := d.checkPassword(ctx, v, login, &p, hash, password); err != nil {
		return nil, err
	}
	return d.enter(ctx, v, &p, ByPassword)
}

// passwordOf is whose a login is; the zero person where it is nobody's.
func (d *Door) passwordOf(ctx context.Context, login string) (Person, string, error) {
	if checkLogin(login) != "" {
		return Person{}, "", nil // it is nobody's, and need not reach the database
	}
	p, hash, err := d.store.Password(ctx, login)
	if errors.Is(err, ErrNoPerson) {
		return Person{}, "", nil
	}
	return p, hash, err
}

// checkPassword is nil where a password is the right one. It renews the hash where the cost has changed since.
func (d *Door) checkPassword(ctx context.Context, v *Visit, login string, p *Person, hash, password string) error {
	known, success, err := d.attempt(ctx, v, login, p)
	if err != nil {
		return err
	}
	release, err := d.brake.acquire(ctx, v.From, known)
	if err != nil {
		success() // nothing was tried
		return err
	}
	defer release()
	if len(password) > longestPassword {
		password = "" // as much work as any other that is wrong
	}
	ok, stale := d.cost.matches(hash, password)
	if !ok || p.State != Active {
		return ErrSignIn
	}
	success()
	if stale {
		return d.store.SetPassword(ctx, p.ID, d.cost.hash(password), d.now().UTC(), nil)
	}
	return nil
}

// newPassword hashes a password that somebody has chosen, if it may be one.
func (d *Door) newPassword(ctx context.Context, v *Visit, p *Person, password string) (string, error) {
	var f faults
	f.add("password", weakness(password, p.Login, p.Name))
	if err := f.err(); err != nil {
		return "", err
	}
	release, err := d.brake.acquire(ctx, v.From, true) // they have signed in, or have a link
	if err != nil {
		return "", err
	}
	defer release()
	return d.cost.hash(password), nil
}

// SetPassword sets or changes the password of who is signed in. Whoever has one gives it, unless they came in by a
// recovery code. All their other sessions end. *report.FieldErrors, ErrSignIn where old is wrong.
func (d *Door) SetPassword(ctx context.Context, v *Visit, s *Session, old, password string) error {
	if d.cfg.NoPasswords {
		return ErrNoPasswords
	}
	p, err := d.store.Person(ctx, s.Person)
	if err != nil {
		return err
	}
	_, hash, err := d.passwordOf(ctx, p.Login)
	if err != nil {
		return err
	}
	if hash != "" && !s.Recovered {
		if err := d.checkPassword(ctx, v, p.Login, &p, hash, old); err != nil {
			return err
		}
	}
	if hash, err = d.newPassword(ctx, v, &p, password); err != nil {
		return err
	}
	if err := d.store.SetPassword(ctx, p.ID, hash, d.now().UTC(), nil); err != nil {
		return err
	}
	if _, err := d.store.EndSessions(ctx, p.ID, s.ID); err != nil {
		return err
	}
	return d.settle(ctx, s)
}

// RemovePassword takes a person's password away. ErrLastWay.
func (d *Door) RemovePassword(ctx context.Context, s *Session) error {
	return d.store.SetPassword(ctx, s.Person, "", d.now().UTC(), d.enough)
}

// enough reports whether somebody with these ways can still sign in. Recovery codes do not count: they run out.
func (d *Door) enough(w *WaysIn) bool {
	return len(w.Passkeys) > 0 || !w.Password.IsZero() && !d.cfg.NoPasswords || d.issuer(w.Issuer) != nil
}

// settle notes that a session that a recovery code began has led to a new way to sign in.
func (d *Door) settle(ctx context.Context, s *Session) error {
	if !s.Recovered {
		return nil
	}
	return d.store.SettleSession(ctx, s.ID)
}
