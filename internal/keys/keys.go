// Package keys keeps the node's own signing keys: one file a purpose in a folder that only its owner can read, each
// with the key in use first and those it replaced behind it.
//
// A file changes only by being replaced whole, so at any moment, also after a crash, it is the old one or the new
// one. Nothing in this package writes a private key anywhere else: not into an error, not into a log.
package keys

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Purpose is what a key is for. A key of one purpose is never used for another, so that a signature made for one
// reader cannot be shown to another as something else.
type Purpose string

// The purposes. A new one is a constant and a line in purposes.
const (
	Node Purpose = "node" // this node's identity towards partners
	Log  Purpose = "log"  // signs the heads of the evidence log
	Line Purpose = "line" // signs nothing: the secrets of the line room are derived from it
)

var purposes = []Purpose{Node, Log, Line}

// Purposes returns every purpose, in the order in which they are listed to people.
func Purposes() []Purpose { return slices.Clone(purposes) }

var (
	// ErrNone is returned where a purpose has no key yet.
	ErrNone = errors.New("no key yet")
	// ErrExists is returned by Create where a purpose has a key already.
	ErrExists = errors.New("there is a key already")
)

// Ring is the folder of keys, opened. It may be used from several goroutines, and several processes may have the
// same folder open: whoever changes a file first reads what the others left there. What another process changed is
// seen at the next change or the next Open.
type Ring struct {
	dir string

	// mu guards held: held for reading while keys are looked up, for writing during the whole of one change.
	mu   sync.RWMutex
	held map[Purpose][]Key // newest first
}

// Open reads the keys in dir and writes nothing. A folder that does not exist yet is an empty ring. It refuses a
// folder or a file that others can read, and a file that is damaged: never does it go on without a key that was
// there before.
func Open(dir string) (*Ring, error) {
	r := &Ring{dir: dir, held: map[Purpose][]Key{}}
	err := checkFolder(dir)
	if errors.Is(err, os.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	for _, p := range purposes {
		if r.held[p], err = read(r.path(p), p); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Current returns the key to sign with, and ErrNone where the purpose has none yet.
func (r *Ring) Current(p Purpose) (Key, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if held := r.held[p]; len(held) > 0 {
		return held[0], nil
	}
	return Key{}, fmt.Errorf("%s key in %s: %w: `tocsin init` makes one", p, r.dir, ErrNone)
}

// All returns every key that the purpose has had, the one in use first: whoever verifies looks here for the key that
// was in use at the time.
func (r *Ring) All(p Purpose) []Key {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Clone(r.held[p])
}

// Create makes the purpose's first key, durable when it returns. Where there is one already, whoever made it, that
// one stays and the error is ErrExists.
func (r *Ring) Create(p Purpose, now time.Time) (Key, error) {
	return r.change(p, func(held []Key) ([]Key, error) {
		if len(held) > 0 {
			return nil, fmt.Errorf("%w in %s: rotate it instead", ErrExists, r.path(p))
		}
		return withNew(held, p, now)
	})
}

// Ensure returns the key to sign with and makes it where there is none: what a node without any configuration does
// when it starts. Of several that call it at once, all get the same key.
func (r *Ring) Ensure(p Purpose, now time.Time) (Key, error) {
	if k, err := r.Current(p); err == nil {
		return k, nil
	}
	return r.change(p, func(held []Key) ([]Key, error) {
		if len(held) > 0 {
			return held, nil
		}
		return withNew(held, p, now)
	})
}

// Rotate makes a new key for a purpose that has one, and returns it. The key that it replaces ends after overlap:
// until then it still signs, for those who have not heard of the new one, and its signatures count as those of the
// new one do. Afterwards only its public half is kept, to verify what it signed. An overlap of 0 is for a key that
// somebody else may know.
func (r *Ring) Rotate(p Purpose, now time.Time, overlap time.Duration) (Key, error) {
	if overlap < 0 {
		return Key{}, fmt.Errorf("rotate the %s key: an overlap of %s lies in the past: give 0 or more", p, overlap)
	}
	return r.change(p, func(held []Key) ([]Key, error) {
		if len(held) == 0 {
			return nil, fmt.Errorf("%w in %s: create it first", ErrNone, r.path(p))
		}
		held[0].Ends = stamp(now.Add(overlap))
		held, _ = expired(held, now)
		return withNew(held, p, now)
	})
}

// Expire forgets the private halves of keys whose end has come. It is idempotent, and writes only where there is
// something to forget.
func (r *Ring) Expire(now time.Time) error {
	var errs []error
	for _, p := range purposes {
		if _, due := expired(r.All(p), now); !due {
			continue
		}
		_, err := r.change(p, func(held []Key) ([]Key, error) {
			held, _ = expired(held, now)
			return held, nil
		})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// change replaces the keys of one purpose by what edit makes of those on disk, and returns the one then in use.
func (r *Ring) change(p Purpose, edit func([]Key) ([]Key, error)) (Key, error) {
	if !slices.Contains(purposes, p) {
		return Key{}, fmt.Errorf("there is no purpose %q: keys are for %v", string(p), purposes)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	unlock, err := lockFolder(r.dir)
	if err != nil {
		return Key{}, fmt.Errorf("change the %s key: %w", p, err)
	}
	defer unlock()
	held, err := read(r.path(p), p)
	if err != nil {
		return Key{}, err
	}
	next, err := edit(slices.Clone(held))
	if err != nil {
		return Key{}, fmt.Errorf("change the %s key: %w", p, err)
	}
	if !slices.Equal(held, next) {
		if err := write(r.path(p), next); err != nil {
			return Key{}, fmt.Errorf("change the %s key: %w", p, err)
		}
	}
	r.held[p] = next
	return next[0], nil
}

func (r *Ring) path(p Purpose) string { return filepath.Join(r.dir, string(p)+".pem") }

// expired returns the keys without the private halves of those that have ended, and whether there were any.
func expired(held []Key, now time.Time) ([]Key, bool) {
	due := false
	for i := range held {
		if held[i].hidden != nil && !held[i].Ends.IsZero() && !now.Before(held[i].Ends) {
			held[i].hidden = nil
			due = true
		}
	}
	return held, due
}

func withNew(held []Key, p Purpose, now time.Time) ([]Key, error) {
	k, err := newKey(p, now)
	if err != nil {
		return nil, err
	}
	return append([]Key{k}, held...), nil
}
