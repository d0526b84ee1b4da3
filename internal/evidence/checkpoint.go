package evidence

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// maxCheckpoint is more than a checkpoint has, with a dozen signatures of others on it.
const maxCheckpoint = 1 << 14

// Trust is whose checkpoints count.
type Trust struct {
	Origin string              // the log's; empty: whichever the checkpoint names
	Keys   []ed25519.PublicKey // any of them may have signed: keys are rotated, old checkpoints stay
}

// Checkpoint is a checkpoint whose signature was verified.
type Checkpoint struct {
	Head
	Origin string
	Key    ed25519.PublicKey // that signed it
}

// Parse reads a checkpoint and verifies that one of the keys signed it.
func (t Trust) Parse(raw []byte) (Checkpoint, error) {
	if len(raw) > maxCheckpoint {
		return Checkpoint{}, fmt.Errorf("it has %d bytes, which no checkpoint has", len(raw))
	}
	text, _, ok := strings.Cut(string(raw), "\n\n")
	lines := strings.Split(text, "\n")
	// C2SP tlog-checkpoint: origin, size, root. We write no extension lines, so there are none.
	if !ok || len(lines) != 3 {
		return Checkpoint{}, errors.New("it is not a checkpoint: origin, size and root, each on a line, an empty line, a signature")
	}
	c := Checkpoint{Origin: lines[0], Head: Head{Checkpoint: bytes.Clone(raw)}}
	if !validOrigin(c.Origin) || t.Origin != "" && c.Origin != t.Origin {
		return Checkpoint{}, fmt.Errorf("it is of the log %q, and this one is %q", c.Origin, t.Origin)
	}
	var err error
	if c.Key, err = t.signed(c.Origin, raw); err != nil {
		return Checkpoint{}, err
	}
	if c.Size, err = strconv.ParseUint(lines[1], 10, 62); err != nil || strconv.FormatUint(c.Size, 10) != lines[1] {
		return Checkpoint{}, errors.New("its size is not a number")
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != len(c.Root) {
		return Checkpoint{}, errors.New("its root is not a hash")
	}
	c.Root = Root(root)
	return c, nil
}

// signed returns the key that signed the note.
func (t Trust) signed(origin string, raw []byte) (ed25519.PublicKey, error) {
	for _, key := range t.Keys {
		n, err := note.Open(raw, note.VerifierList(noteVerifier{origin, key}))
		if err != nil {
			continue
		}
		// The bytes have to be ours, all of them, else a changed file would pass. Base64 has spare bits in its last letter, so
		// that two texts can be one signature; and what others have signed below it is not looked at.
		_, err = base64.StdEncoding.Strict().DecodeString(n.Sigs[0].Base64)
		if err != nil || len(n.UnverifiedSigs) > 0 || string(raw) != n.Text+"\n— "+origin+" "+n.Sigs[0].Base64+"\n" {
			return nil, errors.New("its signature is right and yet not written as this log writes it: somebody changed the file")
		}
		return key, nil
	}
	return nil, errors.New("no key of this log signed it")
}

func validOrigin(s string) bool {
	return s != "" && len(s) <= 200 && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r == '+' || unicode.IsSpace(r) || unicode.IsControl(r) // C2SP signed-note: key names have neither spaces nor plus
	})
}

// keyHash is the key id of C2SP signed-note, for Ed25519.
func keyHash(name string, key ed25519.PublicKey) uint32 {
	sum := hashOf([]byte(name), []byte("\n\x01"), key)
	return binary.BigEndian.Uint32(sum[:4])
}

// noteVerifier is a note.Verifier.
type noteVerifier struct {
	name string
	key  ed25519.PublicKey
}

func (v noteVerifier) Name() string                { return v.name }
func (v noteVerifier) KeyHash() uint32             { return keyHash(v.name, v.key) }
func (v noteVerifier) Verify(msg, sig []byte) bool { return ed25519.Verify(v.key, msg, sig) }

// noteSigner is a note.Signer.
type noteSigner struct {
	name   string
	signer crypto.Signer
	key    ed25519.PublicKey
}

func (s noteSigner) Name() string    { return s.name }
func (s noteSigner) KeyHash() uint32 { return keyHash(s.name, s.key) }
func (s noteSigner) Sign(msg []byte) ([]byte, error) {
	return s.signer.Sign(rand.Reader, msg, crypto.Hash(0)) // RFC 8032: Ed25519 takes the message itself
}

// sign makes the checkpoint of a tree.
func (s noteSigner) sign(size uint64, root Root) ([]byte, error) {
	raw, err := note.Sign(&note.Note{
		Text: fmt.Sprintf("%s\n%d\n%s\n", s.name, size, base64.StdEncoding.EncodeToString(root[:])),
	}, s)
	if err != nil {
		return nil, fmt.Errorf("sign the checkpoint: %w", err)
	}
	return raw, nil
}

// readHead reads the folder's checkpoint.
func readHead(dir string, trust Trust) (Head, error) {
	raw, err := readSmall(filepath.Join(dir, checkpointName))
	if errors.Is(err, fs.ErrNotExist) {
		return Head{}, fmt.Errorf("%w in %s", ErrNone, dir)
	}
	if err != nil {
		return Head{}, err
	}
	c, err := trust.Parse(raw)
	if err != nil {
		return Head{}, fmt.Errorf("the checkpoint is not to be trusted: %w: %w", err, ErrDamaged)
	}
	return c.Head, nil
}

// readSmall reads a file of the log that is small when it is whole.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxCheckpoint+1))
}
