package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
)

// Secret is something that lets whoever has it in: the value of a cookie, a link's token, a password. It is not printed
// by accident; string(s) is what it is.
type Secret string

// String keeps a secret out of what is printed by accident.
func (Secret) String() string { return "secret" }

// GoString is String.
func (Secret) GoString() string { return "secret" }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue("secret") }

// MarshalText is String: where a secret is shown for once, string(s) is written on purpose.
func (Secret) MarshalText() ([]byte, error) { return []byte("secret"), nil }

// NewSecret makes a secret of 32 random bytes, which can stand in a cookie or a link.
func NewSecret() Secret {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return Secret(base64.RawURLEncoding.EncodeToString(b[:]))
}

// Hash is what is kept of a secret: whoever reads the database cannot come in by it. What is hashed has 80 random bits
// at least, so there is nothing to try. It is found by this hash, so no comparison tells by its time how near a guess is.
type Hash [sha256.Size]byte

// hashOf is the hash of a secret of one use, so that a session's is never a token's.
func hashOf(use string, s Secret) Hash {
	return sha256.Sum256([]byte("tocsin " + use + "\x00" + string(s)))
}
