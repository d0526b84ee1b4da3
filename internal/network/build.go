package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gaissmai/bart"

	"tocsin/internal/report"
)

// maxPrefixes bounds what one table may hold: four times the routes of today's Internet. More is a wrong file or a
// hostile one.
const maxPrefixes = 5_000_000

var errTooManyPrefixes = fmt.Errorf("the tables hold more than %d prefixes: is one of them the wrong file?", maxPrefixes)

// builder collects what the files say. Facts and texts are stored once however many prefixes share them.
type builder struct {
	tree  *bart.Table[uint32] // prefix -> index of list
	list  []fact
	ids   map[fact]uint32
	words []string
	texts map[string]uint32
	ccs   []asnCountry
	limit int // most prefixes and most AS ranges
}

// asnCountry says where the AS numbers first..last are registered.
type asnCountry struct {
	first, last uint32
	cc          uint32
}

func newBuilder() *builder {
	return &builder{
		tree:  new(bart.Table[uint32]),
		list:  make([]fact, 1),
		ids:   map[fact]uint32{{}: 0},
		words: make([]string, 1),
		texts: map[string]uint32{"": 0},
		limit: maxPrefixes,
	}
}

// word returns the index of s, which may be a piece of a longer string.
func (b *builder) word(s string) uint32 {
	if n, known := b.texts[s]; known {
		return n
	}
	n := uint32(len(b.words)) // at most a few for each prefix
	s = strings.Clone(s)
	b.words = append(b.words, s)
	b.texts[s] = n
	return n
}

// name is word for a text that people read: bytes that are not text are replaced, long ones refused.
func (b *builder) name(s string) (uint32, error) {
	if n, known := b.texts[s]; known {
		return n, nil
	}
	if len(s) > maxNameBytes {
		return 0, fmt.Errorf("the holder's name has more than %d bytes", maxNameBytes)
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		s = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, s)
	}
	return b.word(s), nil
}

func (b *builder) fact(f fact) uint32 {
	if n, known := b.ids[f]; known {
		return n
	}
	n := uint32(len(b.list)) // at most one for each prefix
	b.list = append(b.list, f)
	b.ids[f] = n
	return n
}

// add notes that a file says f of p. What was said of the same prefix before stands; f fills what it left out.
func (b *builder) add(p netip.Prefix, f fact) error {
	p, ok := unmapPrefix(p)
	if !ok {
		return errors.New("the prefix mixes IPv4 and IPv6 addresses")
	}
	full := false
	b.tree.Modify(p, func(before uint32, known bool) (uint32, bool) {
		if known {
			return b.fact(b.list[before].over(f)), false
		}
		full = b.tree.Size() >= b.limit
		return b.fact(f), full
	})
	if full {
		return errTooManyPrefixes
	}
	return nil
}

// addRange is add for the addresses first to last, both included.
func (b *builder) addRange(first, last netip.Addr, f fact) error {
	return eachPrefix(first, last, func(p netip.Prefix) error { return b.add(p, f) })
}

// addASNs notes where the AS numbers first to last are registered.
func (b *builder) addASNs(first, last, cc uint32) error {
	if len(b.ccs) >= b.limit {
		return errTooManyPrefixes
	}
	b.ccs = append(b.ccs, asnCountry{first, last, cc})
	return nil
}

// over is f with what it leaves out taken from g, which is said of the same prefix by a later file or of a wider
// prefix. A name and an abuse contact belong to a holder, so they are never taken from another AS number's.
func (f fact) over(g fact) fact {
	if f.asn == 0 || g.asn == 0 || f.asn == g.asn {
		f.asn = cmp.Or(f.asn, g.asn)
		f.org = cmp.Or(f.org, g.org)
		f.abuse = cmp.Or(f.abuse, g.abuse)
	}
	f.cc = cmp.Or(f.cc, g.cc)
	return f
}

// unmapPrefix writes IPv4-mapped prefixes as IPv4 (RFC 4291 §2.5.5.2) and undoes host bits; false where the prefix
// holds more than the mapped addresses.
func unmapPrefix(p netip.Prefix) (netip.Prefix, bool) {
	if a := p.Addr(); a.Is4In6() {
		if p.Bits() < 96 {
			return p, false
		}
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	p = p.Masked()
	return p, p.IsValid()
}

// level is one prefix on the way down to the one that is being settled.
type level struct {
	prefix netip.Prefix
	fact   uint32
	claim  uint32 // by prefix, 0 none
}

// settle works out once and for all what every prefix inherits from the wider ones around it, so that a lookup needs
// the most specific prefix only. The builder cannot be used afterwards.
func (b *builder) settle(ctx context.Context, c *claims) (*Table, error) {
	for p := range c.byPrefix {
		if _, known := b.tree.Get(p); !known {
			b.tree.Insert(p, 0)
		}
	}
	b.sortASNs()
	// A new trie, because one must not be changed while it is walked; filled in order, it also lies in memory in order.
	t := &Table{tree: new(bart.Table[uint32])}
	known := make(map[[2]uint32]uint32) // by fact and claim
	var way []level
	n := 0
	for p, f := range b.tree.AllSorted() { // a wider prefix comes before those inside it
		if n++; n%4096 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		for len(way) > 0 && !way[len(way)-1].prefix.Overlaps(p) {
			way = way[:len(way)-1]
		}
		here := level{prefix: p, fact: f, claim: c.byPrefix[p]}
		if len(way) > 0 {
			b.inherit(&here, way[len(way)-1], c)
		}
		way = append(way, here)

		of := here.claim
		if of == 0 {
			of = c.byASN[b.list[here.fact].asn]
		}
		key := [2]uint32{here.fact, of}
		w, seen := known[key]
		if !seen {
			w = uint32(len(t.list)) // at most one for each prefix
			t.list = append(t.list, b.answer(b.list[here.fact], of, &c.list[of]))
			known[key] = w
		}
		t.tree.Insert(p, uint32(p.Bits())<<entryBits|w) // 0 to 128
	}
	t.byASN = b.reported(c)
	t.list, t.words, t.claims = slices.Clip(t.list), slices.Clip(b.words), c.list
	return t, nil
}

// reported says who answers for the AS numbers of the config where only a report names them.
func (b *builder) reported(c *claims) map[uint32]answerer {
	all := make(map[uint32]answerer, len(c.byASN))
	for asn, n := range c.byASN {
		k := &c.list[n]
		all[asn] = answerer{report.Holder{
			ASN: asn, Org: k.org, CC: k.cc, Abuse: k.abuse, Own: k.own, Partner: k.partner, Reported: true,
		}, b.words[b.country(asn)]}
	}
	return all
}

func (b *builder) inherit(here *level, outer level, c *claims) {
	if outer.fact != 0 {
		here.fact = b.fact(b.list[here.fact].over(b.list[outer.fact]))
	}
	switch {
	case here.claim == 0:
		here.claim = outer.claim
	case outer.claim != 0:
		here.claim = c.within(here.claim, outer.claim)
	}
}

// answer lays the claim k over what the tables say. The config's word stands; of the tables' only what speaks of the
// same AS number can complete it.
func (b *builder) answer(f fact, n uint32, k *claim) answer {
	said := f
	if len(k.asns) > 0 && !slices.Contains(k.asns, ASN(f.asn)) {
		f.asn = uint32(k.asns[0])
		if said.asn != 0 {
			f.org, f.abuse = 0, 0
		}
	}
	if k.org != "" {
		f.org = b.word(k.org)
	}
	if k.abuse != "" {
		f.abuse = b.word(k.abuse)
	}
	switch {
	case k.cc != "":
		f.cc = b.word(k.cc)
	case f.cc == 0:
		f.cc = b.country(f.asn)
	}
	return answer{b.words[f.org], f.asn, f.cc, f.abuse, n}
}

// sortASNs makes the AS ranges disjoint and sorted; where two overlap the one that begins lower stands.
func (b *builder) sortASNs() {
	slices.SortStableFunc(b.ccs, func(x, y asnCountry) int { return cmp.Compare(x.first, y.first) })
	kept := b.ccs[:0]
	for _, r := range b.ccs {
		if n := len(kept); n > 0 && r.first <= kept[n-1].last {
			if kept[n-1].last == math.MaxUint32 {
				break
			}
			r.first = kept[n-1].last + 1
		}
		if r.first <= r.last {
			kept = append(kept, r)
		}
	}
	b.ccs = kept
}

func (b *builder) country(asn uint32) uint32 {
	if asn == 0 {
		return 0
	}
	i, _ := slices.BinarySearchFunc(b.ccs, asn, func(r asnCountry, n uint32) int { return cmp.Compare(r.last, n) })
	if i < len(b.ccs) && b.ccs[i].first <= asn {
		return b.ccs[i].cc
	}
	return 0
}
