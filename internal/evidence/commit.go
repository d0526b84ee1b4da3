package evidence

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

// Salt makes a commitment one. It is kept beside the value, never in the log, and is deleted with it.
type Salt [32]byte

// NewSalt makes a salt. Each value gets its own: with a shared one, deleting a value would leave the salt by which it can
// be found again.
func NewSalt() (s Salt) {
	rand.Read(s[:]) // never fails since Go 1.24
	return s
}

// Commitment stands in the log for a value that must not stand there. Whoever has value and salt can show that it is
// this one and no other; whoever has the log alone learns nothing; and when the salt is deleted nobody can say any more
// what it stood for.
type Commitment [sha256.Size]byte

// Commit makes the commitment to a value.
//
// A bare hash would not do. There are 4.3 billion IPv4 addresses, and fewer names, telephone numbers and mail addresses in a
// town: hashing them all takes seconds, so the hash of an address is the address, written in another way. The same hash
// in two entries would say as well that both are about the same line. With 32 random bytes that are nowhere in the log
// there is nothing to try.
//
// It is HMAC-SHA-256 under the salt, of a fixed text and the value: hiding because a salt has 256 random bits, binding
// because SHA-256 has no collisions that anybody can find.
func Commit(salt Salt, value []byte) Commitment {
	mac := hmac.New(sha256.New, salt[:])
	mac.Write([]byte("tocsin evidence commitment v1\n")) // so that it is never the MAC of something else
	mac.Write(value)
	return Commitment(mac.Sum(nil))
}

// Opens reports whether the commitment is the one to this value.
func (c Commitment) Opens(salt Salt, value []byte) bool {
	again := Commit(salt, value)
	return hmac.Equal(c[:], again[:])
}

// String is the commitment as it stands in an entry.
func (c Commitment) String() string { return hex.EncodeToString(c[:]) }

// ParseCommitment reads what String writes.
func ParseCommitment(s string) (c Commitment, err error) {
	raw, err := hex.DecodeString(s)
	if err != nil || len(raw) != len(c) || hex.EncodeToString(raw) != s {
		return Commitment{}, errors.New("a commitment has 64 digits from 0 to 9 and a to f")
	}
	return Commitment(raw), nil
}

// String keeps a salt out of what is printed by accident.
func (Salt) String() string { return "salt" }

// GoString is String.
func (Salt) GoString() string { return "salt" }
