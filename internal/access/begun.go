package access

import (
	"container/list"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/netip"
	"sync"
	"time"
)

// ErrBegun says that nothing was begun that could be finished.
var ErrBegun = errors.New("this took longer than five minutes, or was begun in another browser: begin again")

const (
	begunFor     = 5 * time.Minute
	mostBegun    = 1 << 15
	begunPerSite = 256 // from one network
)

// begun keeps what a browser has begun and not finished: a challenge for a passkey, a visit to an issuer. Each can be
// finished once, by the same browser, within begunFor. It is kept in memory, so a browser has to finish at the worker
// where it began, and begins again after a restart.
type begun struct {
	now func() time.Time

	mu     sync.Mutex // all below
	byKey  map[Hash]*list.Element
	order  *list.List // of *ceremony, the oldest in front
	bySite map[Hash]int
}

type ceremony struct {
	key, browser, site Hash
	until              time.Time
	value              any
}

func newBegun(now func() time.Time) *begun {
	return &begun{now: now, byKey: map[Hash]*list.Element{}, order: list.New(), bySite: map[Hash]int{}}
}

// put keeps a value under what the browser brings back. Whoever begins too much loses their own network's oldest.
func (b *begun) put(key string, browser Secret, from netip.Addr, value any) {
	one := &ceremony{sha256.Sum256([]byte(key)), hashOf("browser", browser), networkKey(from), b.now().Add(begunFor), value}
	b.mu.Lock()
	defer b.mu.Unlock()
	for e := b.order.Front(); e != nil && !b.now().Before(e.Value.(*ceremony).until); e = b.order.Front() {
		b.remove(e)
	}
	if b.bySite[one.site] >= begunPerSite {
		for e := b.order.Front(); e != nil; e = e.Next() {
			if e.Value.(*ceremony).site == one.site {
				b.remove(e)
				break
			}
		}
	}
	if len(b.byKey) >= mostBegun {
		b.remove(b.order.Front())
	}
	b.byKey[one.key] = b.order.PushBack(one)
	b.bySite[one.site]++
}

// take returns what was kept, once.
func (b *begun) take(key string, browser Secret) (any, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.byKey[sha256.Sum256([]byte(key))]
	if !ok {
		return nil, false
	}
	one, by := e.Value.(*ceremony), hashOf("browser", browser)
	if subtle.ConstantTimeCompare(one.browser[:], by[:]) == 0 {
		return nil, false // and it stays for whoever began it
	}
	b.remove(e)
	return one.value, b.now().Before(one.until)
}

// remove needs mu.
func (b *begun) remove(e *list.Element) {
	one := b.order.Remove(e).(*ceremony)
	delete(b.byKey, one.key)
	if b.bySite[one.site]--; b.bySite[one.site] == 0 {
		delete(b.bySite, one.site)
	}
}
