package mail

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Resolver is what asks for keys: a *net.Resolver.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// ResolverAt returns what asks the DNS server at an address and port; empty: those that the machine uses.
func ResolverAt(address string) *net.Resolver {
	if address == "" {
		return net.DefaultResolver
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
}

const (
	keyTimeout = 5 * time.Second  // for one key
	keyKept    = 10 * time.Minute // an answer, also that there is none
	keysKept   = 4096             // answers
	maxKey     = 4096             // bytes of a record: an RSA key of 16384 bits is 3 KiB
)

// keys asks for the keys of signers and remembers the answers for a while.
type keys struct {
	resolver Resolver
	log      *slog.Logger
	now      func() time.Time

	mu    sync.Mutex // held for a few assignments
	known map[string]answer
}

type answer struct {
	until time.Time
	txt   []string
	err   error
}

func newKeys(r Resolver, log *slog.Logger) *keys {
	return &keys{resolver: r, log: log, now: time.Now, known: map[string]answer{}}
}

// lookup is the library's question. An answer that may change soon is not remembered.
func (k *keys) lookup(ctx context.Context) func(name string) ([]string, error) {
	return func(name string) ([]string, error) {
		k.mu.Lock()
		a, ok := k.known[name]
		k.mu.Unlock()
		if ok && k.now().Before(a.until) {
			return a.txt, a.err
		}
		asking, cancel := context.WithTimeout(ctx, keyTimeout)
		defer cancel()
		txt, err := k.resolver.LookupTXT(asking, name)
		if err != nil && !gone(err) {
			k.log.Debug("the key of a signer could not be asked for", "err", err)
			return nil, &net.DNSError{Err: "no answer", Name: name, IsTemporary: true}
		}
		for _, t := range txt {
			if len(t) > maxKey {
				txt, err = nil, errors.New("the record is too long")
			}
		}
		k.keep(name, answer{k.now().Add(keyKept), txt, err})
		return txt, err
	}
}

// keep remembers an answer. Where there is no room it forgets them all: they are cheap to ask for again.
func (k *keys) keep(name string, a answer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.known) >= keysKept {
		clear(k.known)
	}
	k.known[name] = a
}

// gone reports whether the answer is that there is no such record.
func gone(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}
