package access

import (
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// Failures are counted where they come from, never by login alone: a count by login would let anybody lock anybody out.
// From a browser that has signed in to the login before, only that browser's own failures count. From any other, those of
// its network with this login, and those of its network. So whoever fails elsewhere slows nobody down, and whoever sits in
// the same network (a carrier-grade NAT is one for many people) does not slow a browser that is known.

// rate is how many attempts may fail at once, and how long it takes until one more may.
type rate struct {
	burst int
	every time.Duration
}

var (
	perNetwork = rate{120, 2 * time.Second} // many people may share one
	perLogin   = rate{10, 2 * time.Minute}  // of a login, from one network
	perDevice  = rate{20, time.Minute}      // of a login, from a browser that it knows
)

// mostCounted is how many counters of a rate are kept. When there are more, the one that was used longest ago goes: an
// attacker who has that many networks has fresh ones anyway.
const mostCounted = 1 << 16

// WaitError says that too many attempts failed, and when the next may be made.
type WaitError struct{ After time.Duration }

// Error says what to do next.
func (e *WaitError) Error() string {
	return fmt.Sprintf("too many attempts from here have failed: try again in %s, or use a passkey, which never has to wait", e.After.Round(time.Second))
}

// counters count attempts at one rate, by key.
type counters struct {
	rate rate
	now  func() time.Time

	mu    sync.Mutex // all below
	byKey map[Hash]*list.Element
	order *list.List // of *counter, the one that was used last in front
}

type counter struct {
	key  Hash
	left float64 // attempts that may be made
	at   time.Time
}

func newCounters(r rate, now func() time.Time) *counters {
	return &counters{rate: r, now: now, byKey: map[Hash]*list.Element{}, order: list.New()}
}

// take counts an attempt as failed before it is made, so that many at once are not more than one after the other. It
// returns how long to wait where none may be made.
func (c *counters) take(key Hash) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.get(key)
	if one.left < 1 {
		return max(time.Duration((1-one.left)*float64(c.rate.every)), time.Second)
	}
	one.left--
	return 0
}

// giveBack says that the attempt did not fail.
func (c *counters) giveBack(key Hash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.get(key)
	one.left = min(one.left+1, float64(c.rate.burst))
}

// get needs mu.
func (c *counters) get(key Hash) *counter {
	now := c.now()
	if e, ok := c.byKey[key]; ok {
		c.order.MoveToFront(e)
		one := e.Value.(*counter)
		if past := now.Sub(one.at); past > 0 { // a clock that is set back gives nothing, and takes nothing
			one.left = min(one.left+float64(past)/float64(c.rate.every), float64(c.rate.burst))
		}
		one.at = now
		return one
	}
	if len(c.byKey) >= mostCounted {
		last := c.order.Remove(c.order.Back()).(*counter)
		delete(c.byKey, last.key)
	}
	one := &counter{key, float64(c.rate.burst), now}
	c.byKey[key] = c.order.PushFront(one)
	return one
}

// limits are the counters of signing in.
type limits struct{ networks, logins, devices *counters }

func newLimits(now func() time.Time) limits {
	return limits{newCounters(perNetwork, now), newCounters(perLogin, now), newCounters(perDevice, now)}
}

// attempt counts an attempt to sign in. device is the hash of the browser's cookie where it has signed in to this login
// before. success has to be called when the attempt did not fail.
func (l *limits) attempt(from netip.Addr, login string, device *Hash) (success func(), err error) {
	if device != nil {
		if wait := l.devices.take(*device); wait > 0 {
			return nil, &WaitError{wait}
		}
		return func() { l.devices.giveBack(*device) }, nil
	}
	network, both := networkKey(from), loginKey(from, login)
	if wait := l.networks.take(network); wait > 0 {
		return nil, &WaitError{wait}
	}
	if wait := l.logins.take(both); wait > 0 {
		l.networks.giveBack(network)
		return nil, &WaitError{wait}
	}
	return func() { l.networks.giveBack(network); l.logins.giveBack(both) }, nil
}

// networkOf is the network that an address is counted as: the least that one customer has of IPv6, and of IPv4 what is
// often one site. It is also all that a session's list says of an address.
func networkOf(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address: all that have none are one
	}
	return p
}

// Keys are hashes, so that what is kept in memory names nobody.
func networkKey(from netip.Addr) Hash { return sha256.Sum256([]byte(networkOf(from).String())) }

func loginKey(from netip.Addr, login string) Hash {
	return sha256.Sum256([]byte(networkOf(from).String() + "\x00" + login))
}

// ErrBusy says that too many sign in at this moment.
var ErrBusy = errors.New("many are signing in at this moment: try again in a minute, or use a passkey, which does not have to wait")

const (
	hashesAtOnce = 2                // of each kind: see brake
	mostWaiting  = 32               // attempts that wait for a hash
	perSource    = mostWaiting / 4  // of them from one network
	longestWait  = 10 * time.Second // for a hash
)

// brake lets few passwords be hashed at once: each takes memory and time on purpose. Browsers that are known have slots
// of their own, which no stranger can take.
type brake struct {
	strangers, known chan struct{}

	mu      sync.Mutex // all below
	waiting int
	byNet   map[Hash]int
}

func newBrake() *brake {
	return &brake{
		strangers: make(chan struct{}, hashesAtOnce), known: make(chan struct{}, hashesAtOnce),
		byNet: map[Hash]int{},
	}
}

// acquire waits for a slot, which release gives back. A browser that is known was counted before, so that only few of
// its attempts can wait.
func (b *brake) acquire(ctx context.Context, from netip.Addr, known bool) (release func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, longestWait, ErrBusy)
	defer cancel()
	slots := b.strangers
	if known {
		slots = b.known
	} else {
		net := networkKey(from)
		if !b.enqueue(net) {
			return nil, ErrBusy
		}
		defer b.dequeue(net)
	}
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (b *brake) enqueue(net Hash) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting >= mostWaiting || b.byNet[net] >= perSource {
		return false
	}
	b.waiting++
	b.byNet[net]++
	return true
}

func (b *brake) dequeue(net Hash) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting--
	if b.byNet[net]--; b.byNet[net] == 0 {
		delete(b.byNet, net)
	}
}
