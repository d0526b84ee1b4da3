package keys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A key file is RFC 7468 text: for each key, newest first, a PRIVATE KEY block (PKCS #8, RFC 8410) or, once it has
// ended, a PUBLIC KEY block. The lines before a block (RFC 7468 §2 calls them explanatory text) say its dates, so
// that openssl reads the file as it is and finds the key in use.
const (
	privateBlock = "PRIVATE KEY"
	publicBlock  = "PUBLIC KEY"
	maxFileBytes = 1 << 20 // thousands of rotations
)

func encode(held []Key) ([]byte, error) {
	var b bytes.Buffer
	for _, k := range held {
		fmt.Fprintf(&b, "purpose: %s\nid: %s\ncreated: %s\n", k.Purpose, k.ID, k.Created.Format(time.RFC3339))
		if !k.Ends.IsZero() {
			fmt.Fprintf(&b, "ends: %s\n", k.Ends.Format(time.RFC3339))
		}
		block := &pem.Block{Type: publicBlock}
		var err error
		if k.hidden != nil {
			block.Type = privateBlock
			block.Bytes, err = x509.MarshalPKCS8PrivateKey(*k.hidden.key)
		} else {
			block.Bytes, err = x509.MarshalPKIXPublicKey(k.PublicKey())
		}
		if err != nil {
			return nil, err
		}
		if err := pem.Encode(&b, block); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// decode is encode's inverse. Its errors quote nothing of the file.
func decode(data []byte, p Purpose) ([]Key, error) {
	var held []Key
	for len(bytes.TrimSpace(data)) > 0 {
		begin := bytes.Index(data, []byte("-----BEGIN "))
		if begin < 0 {
			return nil, errors.New("it ends in the middle of a key")
		}
		block, rest := pem.Decode(data[begin:])
		// pem.Decode skips a block that it cannot read: the key in use would silently be the one before.
		if block == nil || bytes.Count(data[begin:len(data)-len(rest)], []byte("-----BEGIN ")) != 1 {
			return nil, errors.New("a block of it is not PEM")
		}
		k := Key{Purpose: p}
		if err := k.readBlock(block); err != nil {
			return nil, err
		}
		if err := k.readDates(string(data[:begin])); err != nil {
			return nil, err
		}
		held = append(held, k)
		data = rest
	}
	if len(held) == 0 {
		return nil, errors.New("it is empty")
	}
	if held[0].hidden == nil {
		return nil, errors.New("its first key has no private half")
	}
	return held, nil
}

func (k *Key) readBlock(block *pem.Block) error {
	var public ed25519.PublicKey
	switch block.Type {
	case privateBlock:
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		private, ok := parsed.(ed25519.PrivateKey)
		if err != nil || !ok {
			return errors.New("a private key of it is not Ed25519 in PKCS #8")
		}
		public = private.Public().(ed25519.PublicKey)
		k.hidden = &secret{&private}
	case publicBlock:
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		var ok bool
		if public, ok = parsed.(ed25519.PublicKey); err != nil || !ok {
			return errors.New("a public key of it is not Ed25519")
		}
	default:
		return errors.New("it holds something that is not a key")
	}
	k.public, k.ID = string(public), keyID(public)
	return nil
}

func (k *Key) readDates(text string) error {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		var err error
		switch name {
		case "purpose":
			if value != string(k.Purpose) {
				return errors.New("it holds a key of another purpose")
			}
		case "id":
			if value != k.ID {
				return errors.New("a key of it is not the one that its id names")
			}
		case "created":
			k.Created, err = time.Parse(time.RFC3339, value)
		case "ends":
			k.Ends, err = time.Parse(time.RFC3339, value)
		}
		if err != nil {
			return fmt.Errorf("a %q date of it is not one", name)
		}
	}
	if k.Created.IsZero() {
		return errors.New("a key of it has no creation date")
	}
	return nil
}

// read returns the keys in the file, none where there is no file.
func read(path string, p Purpose) ([]Key, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("key file %s is a link: put the file itself there", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the %s key: %w", p, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the %s key: %w", p, err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("key file %s is not a file: move it away", path)
	case info.Size() > maxFileBytes:
		return nil, fmt.Errorf("key file %s has %d bytes, which no key file has: restore it from your backup",
			path, info.Size())
	}
	if err := ownerOnly("key file", path, info.Mode(), "600"); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes))
	if err != nil {
		return nil, fmt.Errorf("read the %s key: %w", p, err)
	}
	held, err := decode(data, p)
	clear(data)
	if err != nil {
		return nil, fmt.Errorf("key file %s is damaged (%w): restore it from your backup", path, err)
	}
	return held, nil
}

// write replaces the file so that, whenever the machine stops, the old or the new one is there whole. The caller
// holds the folder's lock, so a temporary file that is there already is a dead writer's.
func write(path string, held []Key) (err error) {
	data, err := encode(held)
	if err != nil {
		return err
	}
	defer clear(data)
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp)
		}
	}()
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("open the keys: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s should be the folder of the keys, and is a file: move it away", dir)
	}
	return ownerOnly("key folder", dir, info.Mode(), "700")
}

func ownerOnly(what, path string, mode fs.FileMode, want string) error {
	if mode.Perm()&0o077 != 0 {
		return fmt.Errorf("%s %s is open to others (mode %04o): run `chmod %s %s`, and rotate its keys if somebody "+
			"may have read them", what, path, mode.Perm(), want, path)
	}
	return nil
}

// lockFolder makes the folder where it is missing and takes its lock, which ends with the process if need be. The
// wait is short: whoever holds it does no more than write one small file.
func lockFolder(dir string) (unlock func(), err error) {
	if err := makeFolder(dir); err != nil {
		return nil, err
	}
	if err := checkFolder(dir); err != nil {
		return nil, err
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(d.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), d.Close())
	}
	return func() { _ = d.Close() }, nil
}

// makeFolder makes dir and what is missing above it, each entry durable.
func makeFolder(dir string) error {
	var missing []string
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); err == nil || !errors.Is(err, os.ErrNotExist) {
			break
		}
		missing = append(missing, d)
	}
	for _, d := range slices.Backward(missing) {
		if err := os.Mkdir(d, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		if err := syncFolder(filepath.Dir(d)); err != nil {
			return err
		}
	}
	return nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
