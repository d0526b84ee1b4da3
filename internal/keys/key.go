package keys

import (
	"crypto"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Key is one Ed25519 key. However it is printed, logged or encoded, it shows its purpose and id and nothing else.
type Key struct {
	// ID is the SHA-256 of the public key as SubjectPublicKeyInfo, its first 16 bytes in hex:
	// openssl pkey -in node.pem -pubout -outform DER | sha256sum
	ID      string
	Purpose Purpose
	Created time.Time // UTC, whole seconds
	Ends    time.Time // UTC, whole seconds; signatures made at or after it do not count; zero while the key is in use

	public string  // the 32 bytes of the public key; a string so that keys can be compared
	hidden *secret // nil when only the public half is kept
}

// secret holds the private half behind a second pointer: fmt follows one, when it prints an unexported field of some
// other struct with a verb that it finds wrong.
type secret struct{ key *ed25519.PrivateKey }

func newKey(p Purpose, now time.Time) (Key, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return Key{}, fmt.Errorf("make a key: %w", err)
	}
	return Key{
		ID: keyID(public), Purpose: p, Created: stamp(now), public: string(public), hidden: &secret{&private},
	}, nil
}

// stamp is t as the file can hold it.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func keyID(public ed25519.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		panic(err) // Ed25519 always marshals
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:16])
}

// PublicKey returns the public half.
func (k Key) PublicKey() ed25519.PublicKey { return ed25519.PublicKey(k.public) }

// ValidAt reports whether a signature that was made at t counts: t lies in [Created, Ends).
func (k Key) ValidAt(t time.Time) bool {
	return !t.Before(k.Created) && (k.Ends.IsZero() || t.Before(k.Ends))
}

// Verify reports whether signature is this key's over message. Whether the key was in use then is ValidAt's.
func (k Key) Verify(message, signature []byte) bool {
	return k.public != "" && ed25519.Verify(k.PublicKey(), message, signature)
}

// Sign signs message. It fails where the private half has been forgotten.
func (k Key) Sign(message []byte) ([]byte, error) {
	if k.hidden == nil {
		return nil, k.forgotten()
	}
	return ed25519.Sign(*k.hidden.key, message), nil
}

// Signer returns the key for what takes a crypto.Signer: certificates, TLS. It fails where the private half has been
// forgotten.
func (k Key) Signer() (crypto.Signer, error) {
	if k.hidden == nil {
		return nil, k.forgotten()
	}
	return signer{k}, nil
}

// Derive returns a secret of 32 bytes for one use, named by label: the same for the same key and label, and of no help in
// finding another (RFC 5869, HKDF with SHA-256). It fails where the private half has been forgotten.
func (k Key) Derive(label string) (secret [32]byte, err error) {
	if k.hidden == nil {
		return secret, k.forgotten()
	}
	b, err := hkdf.Key(sha256.New, k.hidden.key.Seed(), nil, "tocsin "+string(k.Purpose)+" "+label, len(secret))
	if err != nil {
		return secret, fmt.Errorf("derive a secret of %s: %w", k, err)
	}
	return [32]byte(b), nil
}

func (k Key) forgotten() error {
	return fmt.Errorf("%s has ended and only verifies: use the current key", k)
}

// signer hands out signatures, where ed25519.PrivateKey itself would hand out the key.
type signer struct{ key Key }

func (s signer) Public() crypto.PublicKey { return s.key.PublicKey() }

func (s signer) Sign(rand io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.key.hidden.key.Sign(rand, message, opts)
}

// String is the key's purpose and id.
func (k Key) String() string { return string(k.Purpose) + " key " + k.ID }

// Format implements fmt.Formatter, so that no verb shows more than String.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue implements slog.LogValuer.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText implements encoding.TextMarshaler, which JSON and YAML follow.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
