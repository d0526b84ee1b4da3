// Package archive keeps what sources said of who held what: the pseudonyms of lines, and for each source a tracker of
// what is open, segment files of what has ended, and how far its log was read. All of it but the pseudonyms can be built
// anew from the log.
package archive

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"

	"tocsin/internal/line"
)

// Pseudonym stands for a subscriber's line outside of the source that knows it: HMAC-SHA-256 under a key of the node,
// cut to 16 bytes. Without the key nobody can go from a name to it, nor back.
type Pseudonym [16]byte

// Keys are the secrets of the line room, 32 bytes each: one makes pseudonyms, one seals names.
type Keys struct{ Pseudonym, Seal [32]byte }

// Lines numbers lines and keeps their names, sealed: they are needed when somebody may be told who it is, and at no other
// time. Any number of goroutines may use it.
type Lines struct {
	keys Keys
	seal cipher.AEAD
	path string

	mu    sync.RWMutex
	file  *os.File
	size  int64 // of what is durable and whole
	known map[Pseudonym]line.ID
	names map[string]line.ID // lately asked for; personal
	order []Pseudonym        // by number, from 1
	where []int64            // place of the sealed name in the file; -1: forgotten
}

const (
	maxName   = 1024 // bytes of a name
	nameCache = 1_000_000
)

// OpenLines opens the table, making it where there is none. What a crash left half-written at its end is cut off: it was
// never acknowledged.
func OpenLines(dir string, keys Keys) (*Lines, error) {
	block, err := aes.NewCipher(keys.Seal[:])
	if err != nil {
		return nil, fmt.Errorf("open the lines: %w", err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("open the lines: %w", err)
	}
	l := &Lines{keys: keys, seal: seal, path: filepath.Join(dir, "lines"), known: map[Pseudonym]line.ID{}, names: map[string]line.ID{}}
	if l.file, err = os.OpenFile(l.path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, fmt.Errorf("open the lines: %w", err)
	}
	if err := l.read(); err != nil {
		_ = l.file.Close()
		return nil, err
	}
	return l, nil
}

// Close closes the table.
func (l *Lines) Close() error { return l.file.Close() }

// The file is a row of batches, each what one call of Numbers entered: magic, length, checksum, and then for each line
// the length of its sealed name, its pseudonym, and the name. A batch is whole or it was never acknowledged.
const (
	batchMagic = "\x00lines1\n"
	batchHead  = len(batchMagic) + 4 + 4
	lineHead   = 2 + len(Pseudonym{})
)

func (l *Lines) read() error {
	data, err := io.ReadAll(l.file)
	if err != nil {
		return fmt.Errorf("read the lines: %w", err)
	}
	at := 0
	for {
		batch := whole(data[at:])
		if batch == nil {
			break
		}
		for from := at + batchHead; from < at+len(batch); {
			n := int(binary.LittleEndian.Uint16(data[from:]))
			l.enter(Pseudonym(data[from+2:from+lineHead]), int64(from), n)
			from += lineHead + n
		}
		at += len(batch)
	}
	l.size = int64(at)
	rest := data[at:]
	for next := rest; len(next) > 0; { // a batch behind one that cannot be read: that is no crash
		i := bytes.Index(next[1:], []byte(batchMagic))
		if i < 0 {
			break
		}
		if next = next[1+i:]; whole(next) != nil {
			return fmt.Errorf("%s is damaged at byte %d: restore it from a backup, as incidents refer to it", l.path, at)
		}
	}
	if len(rest) == 0 {
		return nil
	}
	if err := l.file.Truncate(l.size); err != nil {
		return fmt.Errorf("cut off what was never acknowledged of the lines: %w", err)
	}
	return nil
}

// whole returns the batch with which data begins; nil where there is no whole one.
func whole(data []byte) []byte {
	if len(data) < batchHead || string(data[:len(batchMagic)]) != batchMagic {
		return nil
	}
	n := int(binary.LittleEndian.Uint32(data[len(batchMagic):]))
	if n > len(data)-batchHead || crc32.Checksum(data[batchHead:batchHead+n], table) != binary.LittleEndian.Uint32(data[len(batchMagic)+4:]) {
		return nil
	}
	return data[:batchHead+n]
}

var table = crc32.MakeTable(crc32.Castagnoli)

func (l *Lines) enter(p Pseudonym, at int64, n int) line.ID {
	l.order = append(l.order, p)
	where := at + int64(lineHead)
	if n == 0 {
		where = -1
	}
	l.where = append(l.where, where)
	id := line.ID(len(l.order))
	l.known[p] = id
	return id
}

func (l *Lines) pseudonym(name string) Pseudonym {
	h := hmac.New(sha256.New, l.keys.Pseudonym[:])
	h.Write([]byte(name))
	return Pseudonym(h.Sum(nil)[:16])
}

// Numbers returns the numbers of lines by their names, entering those that are new; these are durable when it returns.
func (l *Lines) Numbers(names []string) ([]line.ID, error) {
	out := make([]line.ID, len(names))
	for _, n := range names {
		if n == "" || len(n) > maxName {
			return nil, fmt.Errorf("the name of a line has %d characters: it may have 1 to %d", len(n), maxName)
		}
	}
	missing := false
	l.mu.RLock()
	for i, n := range names {
		out[i] = l.names[n]
		missing = missing || out[i] == 0
	}
	l.mu.RUnlock()
	if !missing {
		return out, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := make([]byte, batchHead)
	var added []string
	for i, n := range names {
		if out[i] != 0 {
			continue
		}
		p := l.pseudonym(n)
		id, ok := l.known[p]
		if !ok {
			at := l.size + int64(len(b))
			b = l.frame(b, p, n)
			id = l.enter(p, at, len(n)+l.seal.NonceSize()+l.seal.Overhead())
			added = append(added, n)
		}
		if len(l.names) >= nameCache {
			clear(l.names)
		}
		out[i], l.names[n] = id, id
	}
	if len(added) == 0 {
		return out, nil
	}
	copy(b, batchMagic)
	binary.LittleEndian.PutUint32(b[len(batchMagic):], uint32(len(b)-batchHead))
	binary.LittleEndian.PutUint32(b[len(batchMagic)+4:], crc32.Checksum(b[batchHead:], table))
	if err := l.append(b); err != nil {
		l.forget(added)
		return nil, err
	}
	return out, nil
}

// frame appends a line to the bytes of the file.
func (l *Lines) frame(b []byte, p Pseudonym, name string) []byte {
	nonce := make([]byte, l.seal.NonceSize())
	_, _ = rand.Read(nonce) // never fails: crypto/rand ends the program instead
	sealed := l.seal.Seal(nonce, nonce, []byte(name), p[:])
	b = binary.LittleEndian.AppendUint16(b, uint16(len(sealed)))
	return append(append(b, p[:]...), sealed...)
}

func (l *Lines) append(b []byte) error {
	_, err := l.file.WriteAt(b, l.size)
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("enter lines: %w", err), l.file.Truncate(l.size))
	}
	l.size += int64(len(b))
	return nil
}

// forget takes back what could not be made durable.
func (l *Lines) forget(added []string) {
	for _, n := range added {
		delete(l.known, l.pseudonym(n))
	}
	clear(l.names)
	l.order = l.order[:len(l.order)-len(added)]
	l.where = l.where[:len(l.where)-len(added)]
}

// Pseudonym returns that of a line; false where there is no such line.
func (l *Lines) Pseudonym(id line.ID) (Pseudonym, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if id == 0 || int(id) > len(l.order) {
		return Pseudonym{}, false
	}
	return l.order[id-1], true
}

// ErrForgotten says that a line's name has come to its end date.
var ErrForgotten = errors.New("the name of the line has come to its end date")

// Name opens the name of a line. Whoever calls it has had that logged before.
func (l *Lines) Name(id line.ID) (string, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if id == 0 || int(id) > len(l.order) || l.where[id-1] < 0 {
		return "", ErrForgotten
	}
	at := l.where[id-1]
	head := make([]byte, 2)
	if _, err := l.file.ReadAt(head, at-int64(lineHead)); err != nil {
		return "", fmt.Errorf("read a line: %w", err)
	}
	sealed := make([]byte, binary.LittleEndian.Uint16(head))
	if _, err := l.file.ReadAt(sealed, at); err != nil {
		return "", fmt.Errorf("read a line: %w", err)
	}
	p := l.order[id-1]
	name, err := l.seal.Open(nil, sealed[:l.seal.NonceSize()], sealed[l.seal.NonceSize():], p[:])
	if err != nil {
		return "", fmt.Errorf("open the name of a line: the key is another, or the file was changed: %w", err)
	}
	return string(name), nil
}

// Len is how many lines there are.
func (l *Lines) Len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.order)
}
