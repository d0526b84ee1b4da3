// Package archive keeps what sources said of who held what: for each source a tracker of what is open, segment files of
// what has ended, and how far its log was read. All of these can be built anew from the log. Lines, their pseudonyms,
// handles and sealed names, are in the database.
package archive

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/internal/line"
)

// Pseudonym stands for the name that a source has for a subscriber's line: HMAC-SHA-256 under a key of the node, cut to
// 16 bytes. Without the key nobody can go from a name to it, nor back.
type Pseudonym [16]byte

// Keys are the secrets of the line room: one makes pseudonyms, one seals names. ID names the pair and is no secret.
type Keys struct {
	ID              string
	Pseudonym, Seal [32]byte
	Ended           bool // the secrets are gone: what is sealed under them stays so
}

// Table keeps lines for good, for all workers of a node. A line's number and handle never change. While keys overlap a
// line has a pseudonym under each, so that workers which have only one of them mean the same line.
type Table interface {
	// EnterLines returns the line of each entry, one of whose pseudonyms is known; for others it makes one, with the handle
	// and sealed name of the entry. Pseudonyms that are not known yet are entered, and the line is noted as seen on the
	// day. All of it is durable when it returns.
	EnterLines(ctx context.Context, day int64, entries []Entry) ([]Entered, error)

	// SeeLines notes lines as seen on a day, where they were not on a later one. Those that there are not are left out.
	SeeLines(ctx context.Context, day int64, lines []line.ID) error

	// SealedLines yields the lines behind a number, in the order of numbers, at most so many. The names of those that
	// are forgotten are empty.
	SealedLines(ctx context.Context, after line.ID, most int) ([]Sealed, error)

	// LineOfHandle returns the number of the line that has a handle, forgotten or not; zero where none has it.
	LineOfHandle(ctx context.Context, handle string) (line.ID, error)

	// RekeyLines replaces the sealed names of lines, and enters their pseudonyms under the new key.
	RekeyLines(ctx context.Context, lines []Rekeyed) error

	// DropLineNames deletes the pseudonyms of keys.
	DropLineNames(ctx context.Context, keys []string) error

	// ForgetLines deletes the names and pseudonyms of lines that were seen on no day from this one on, and says how many
	// they were. Their handles stay: they say nothing any more. Lines that a hold names are left alone.
	ForgetLines(ctx context.Context, day int64, now time.Time) (int64, error)
}

// Entry is a name on its way into the table.
type Entry struct {
	Pseudonyms []Keyed // newest key first; at least one
	Handle     string  // for the line, where it is new
	Sealed     []byte  // the name, for whoever has the key of Pseudonyms[0] and the handle
}

// Keyed is a pseudonym under a key.
type Keyed struct {
	Pseudonym Pseudonym
	Key       string // Keys.ID
}

// Entered is the line of an Entry.
type Entered struct {
	ID     line.ID
	Handle string
}

// Sealed is a line's name, as the table has it.
type Sealed struct {
	Entered
	Key  string // Keys.ID
	Name []byte // empty: forgotten
}

// Rekeyed is what RekeyLines writes of a line.
type Rekeyed struct {
	ID   line.ID
	Name []byte
	Keyed
}

// Lines numbers lines and keeps their names, sealed: they are needed when somebody may be told who it is, and at no other
// time. Any number of goroutines may use it.
type Lines struct {
	table Table
	now   func() time.Time
	keys  []pair // newest first

	mu      sync.RWMutex      // guards what follows
	handles []string          // by number; "": not known here yet
	names   map[string]lately // lately asked for; personal
}

// pair is Keys, ready for use.
type pair struct {
	Keys
	seal cipher.AEAD
}

// lately is when a name was asked for.
type lately struct {
	id  line.ID
	day int64
}

const (
	maxName   = 1024 // bytes of a name
	nameCache = 1_000_000
	readAt    = 5000 // lines
)

// ErrKeys says that the database has lines of a key that this node never had: without it, each of them would be another.
var ErrKeys = errors.New("the lines in the database are sealed with a key that keys/ does not have: " +
	"put back keys/line.pem from your backup (another worker's data directory has the same one)")

// OpenLines reads the table. The first of keys is in use, the others are those that it replaced. As long as they overlap,
// what is sealed under them is sealed anew, and every line gets its pseudonym under the key in use; the pseudonyms of
// those that have ended are deleted. Where a line is sealed under none of keys nothing is changed, and the error is
// ErrKeys.
func OpenLines(ctx context.Context, table Table, now func() time.Time, keys ...Keys) (*Lines, error) {
	l := &Lines{table: table, now: now, names: map[string]lately{}}
	var ended []string
	for i := range keys {
		if keys[i].Ended {
			ended = append(ended, keys[i].ID)
			continue
		}
		block, err := aes.NewCipher(keys[i].Seal[:])
		if err != nil {
			return nil, fmt.Errorf("open the lines: %w", err)
		}
		seal, err := cipher.NewGCM(block)
		if err != nil {
			return nil, fmt.Errorf("open the lines: %w", err)
		}
		l.keys = append(l.keys, pair{keys[i], seal})
	}
	if len(keys) == 0 || keys[0].Ended {
		return nil, errors.New("open the lines: there is no key")
	}
	known := func(id string) bool { return slices.ContainsFunc(keys, func(k Keys) bool { return k.ID == id }) }
	if err := l.read(ctx, known); err != nil {
		return nil, fmt.Errorf("open the lines: %w", err)
	}
	if len(ended) == 0 {
		return l, nil
	}
	if err := table.DropLineNames(ctx, ended); err != nil {
		return nil, fmt.Errorf("open the lines: %w", err)
	}
	return l, nil
}

func (l *Lines) learn(e Entered) {
	for int(e.ID) >= len(l.handles) {
		l.handles = append(l.handles, make([]string, max(int(e.ID)+1-len(l.handles), len(l.handles)/4))...)
	}
	l.handles[e.ID] = e.Handle
}

// read reads the table, and puts under the key in use what is under one that it replaced, once it has seen that all of
// the keys are known.
func (l *Lines) read(ctx context.Context, known func(key string) bool) error {
	behind := false // something is under a key that was replaced
	err := l.each(ctx, func(part []Sealed) error {
		for i := range part {
			s := &part[i]
			l.learn(s.Entered)
			if len(s.Name) == 0 || s.Key == l.keys[0].ID {
				continue
			}
			if !known(s.Key) {
				return ErrKeys
			}
			behind = true
		}
		return nil
	})
	if err != nil || !behind {
		return err
	}
	return l.each(ctx, func(part []Sealed) error { return l.rekey(ctx, part) })
}

// each hands all lines to do, in parts.
func (l *Lines) each(ctx context.Context, do func([]Sealed) error) error {
	for after := line.ID(0); ; {
		part, err := l.table.SealedLines(ctx, after, readAt)
		if err != nil || len(part) == 0 {
			return err
		}
		if err := do(part); err != nil {
			return err
		}
		after = part[len(part)-1].ID
	}
}

// rekey puts lines under the key in use.
func (l *Lines) rekey(ctx context.Context, part []Sealed) error {
	var again []Rekeyed
	for i := range part {
		s := &part[i]
		if len(s.Name) == 0 || s.Key == l.keys[0].ID {
			continue
		}
		name, err := l.open(s)
		if err != nil {
			continue // its key has ended: nobody can say any more whose it is
		}
		again = append(again, Rekeyed{s.ID, l.sealed(name, s.Handle), Keyed{l.keys[0].pseudonym(name), l.keys[0].ID}})
	}
	if len(again) == 0 {
		return nil
	}
	return l.table.RekeyLines(ctx, again)
}

func (k *pair) pseudonym(name string) Pseudonym {
	h := hmac.New(sha256.New, k.Pseudonym[:])
	h.Write([]byte(name))
	return Pseudonym(h.Sum(nil)[:16])
}

// sealed is the name for the table. The handle is bound to it, so that names cannot be exchanged there.
func (l *Lines) sealed(name, handle string) []byte {
	k := l.keys[0]
	nonce := make([]byte, k.seal.NonceSize())
	_, _ = rand.Read(nonce) // never fails: crypto/rand ends the program instead
	return k.seal.Seal(nonce, nonce, []byte(name), []byte(handle))
}

var errKey = errors.New("open the name of a line: the key has ended, is another, or the database was changed")

func (l *Lines) open(s *Sealed) (string, error) {
	for i := range l.keys {
		k := &l.keys[i]
		if k.ID != s.Key || len(s.Name) < k.seal.NonceSize() {
			continue
		}
		name, err := k.seal.Open(nil, s.Name[:k.seal.NonceSize()], s.Name[k.seal.NonceSize():], []byte(s.Handle))
		if err != nil {
			return "", errKey
		}
		return string(name), nil
	}
	return "", errKey
}

// newHandle is 80 random bits in 16 letters and digits.
func newHandle() string {
	b := make([]byte, 10)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return strings.ToLower(base32.StdEncoding.EncodeToString(b))
}

// Numbers returns the numbers of lines by their names, entering those that are new; these are durable when it returns.
func (l *Lines) Numbers(ctx context.Context, names []string) ([]line.ID, error) {
	out := make([]line.ID, len(names))
	for _, n := range names {
		if n == "" || len(n) > maxName {
			return nil, fmt.Errorf("the name of a line has %d characters: it may have 1 to %d", len(n), maxName)
		}
	}
	day := l.now().Unix() / 86400
	var missing []string
	places := map[string][]int{}
	l.mu.RLock()
	for i, n := range names {
		if have := l.names[n]; have.id != 0 && have.day >= day {
			out[i] = have.id
			continue
		}
		if _, ok := places[n]; !ok {
			missing = append(missing, n)
		}
		places[n] = append(places[n], i)
	}
	l.mu.RUnlock()
	if len(missing) == 0 {
		return out, nil
	}
	entries := make([]Entry, len(missing))
	for i, n := range missing {
		e := &entries[i]
		e.Handle = newHandle()
		e.Sealed = l.sealed(n, e.Handle)
		for k := range l.keys {
			e.Pseudonyms = append(e.Pseudonyms, Keyed{l.keys[k].pseudonym(n), l.keys[k].ID})
		}
	}
	got, err := l.table.EnterLines(ctx, day, entries)
	if err != nil {
		return nil, fmt.Errorf("enter lines: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, n := range missing {
		l.learn(got[i])
		if len(l.names) >= nameCache {
			clear(l.names)
		}
		l.names[n] = lately{got[i].ID, day}
		for _, at := range places[n] {
			out[at] = got[i].ID
		}
	}
	return out, nil
}

// see notes until when lines are known to hold something, in seconds of Unix time.
func (l *Lines) see(ctx context.Context, until map[line.ID]int64) error {
	today := l.now().Unix() / 86400
	days := map[int64][]line.ID{}
	for id, to := range until {
		day := min((to-1)/86400, today)
		days[day] = append(days[day], id)
	}
	for day, ids := range days {
		slices.Sort(ids) // so that two workers that do the same do not wait for each other
		if err := l.table.SeeLines(ctx, day, ids); err != nil {
			return err
		}
	}
	return nil
}

// Handle returns the random handle of a line, by which all other rooms know it. "" says that there is no such line.
func (l *Lines) Handle(ctx context.Context, id line.ID) (string, error) {
	l.mu.RLock()
	if int(id) < len(l.handles) && l.handles[id] != "" {
		defer l.mu.RUnlock()
		return l.handles[id], nil
	}
	l.mu.RUnlock()
	if id == 0 {
		return "", nil
	}
	s, err := l.table.SealedLines(ctx, id-1, 1) // another worker may have entered it
	if err != nil || len(s) == 0 || s[0].ID != id {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.learn(s[0].Entered)
	return s[0].Handle, nil
}

// ByHandle returns the line that has a handle; zero where none has it.
func (l *Lines) ByHandle(ctx context.Context, handle string) (line.ID, error) {
	if handle == "" {
		return 0, nil
	}
	id, err := l.table.LineOfHandle(ctx, handle)
	if err != nil {
		return 0, fmt.Errorf("find a line: %w", err)
	}
	return id, nil
}

// ErrForgotten says that a line's name has come to its end date.
var ErrForgotten = errors.New("the name of the line has come to its end date")

// Name opens the name of a line. Whoever calls it has had that logged before.
func (l *Lines) Name(ctx context.Context, id line.ID) (string, error) {
	if id == 0 {
		return "", ErrForgotten
	}
	s, err := l.table.SealedLines(ctx, id-1, 1)
	if err != nil {
		return "", fmt.Errorf("read a line: %w", err)
	}
	if len(s) == 0 || s[0].ID != id || len(s[0].Name) == 0 {
		return "", ErrForgotten
	}
	return l.open(&s[0])
}

// Forget deletes the names of lines of which no source has said anything since a moment, and says how many they were.
func (l *Lines) Forget(ctx context.Context, before time.Time) (int64, error) {
	n, err := l.table.ForgetLines(ctx, before.Unix()/86400, l.now())
	if err != nil {
		return 0, fmt.Errorf("forget lines: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.names)
	return n, nil
}
