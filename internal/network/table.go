package network

import (
	"cmp"
	"net/netip"

	"github.com/gaissmai/bart"

	"tocsin/internal/report"
)

// Table says of every address whose it is. It never changes once built, and any number of goroutines may ask it.
//
// It holds no Holder for each prefix, which would be 128 bytes a piece: a random lookup costs what its cache misses
// cost, so a small table is also a fast one. Holders are put together from what the prefixes share.
type Table struct {
	tree    *bart.Table[uint32] // prefix -> entry
	list    []answer            // every distinct answer
	words   []string            // countries and mail addresses of list
	claims  []claim
	byASN   map[uint32]answerer // of the AS numbers in the config, as far as a report's word goes
	sources []Source
}

// An entry is the index of an answer in its low 24 bits and the prefix's length above: maxPrefixes answers fit.
const (
	entryBits = 24
	entryMask = 1<<entryBits - 1
)

// answer is a Holder without its prefix. The name, which differs from answer to answer, stands in it to save a cache
// miss; the other texts are indexes of Table.words.
type answer struct {
	org   string
	asn   uint32
	cc    uint32
	abuse uint32
	claim uint32
}

// answerer is whose an AS number of the config is.
type answerer struct {
	holder report.Holder // without prefix; the country is the config's word
	cc     string        // where the tables say that the number is registered
}

// fact is what tables say of a prefix. The zero fact says nothing.
type fact struct {
	asn            uint32
	org, cc, abuse uint32 // indexes of words; 0 is ""
}

// Lookup says whose address a is; an address that nobody knows gets the zero Holder. Whoever asks for many addresses
// in a row takes a Cursor.
func (t *Table) Lookup(a netip.Addr) (h report.Holder) {
	a = a.Unmap()
	if e, ok := t.tree.Lookup(a); ok {
		t.fill(&h, a, e)
	}
	return h
}

// fill makes h the Holder of the entry e, under which the trie found a.
func (t *Table) fill(h *report.Holder, a netip.Addr, e uint32) {
	w := &t.list[e&entryMask]
	c := &t.claims[w.claim]
	h.Prefix, _ = a.Prefix(int(e >> entryBits)) // cannot fail: e has the length of a prefix that holds a
	h.ASN = w.asn
	h.Org, h.CC, h.Abuse = w.org, t.words[w.cc], t.words[w.abuse]
	h.Own, h.Partner, h.CGNAT = c.own, c.partner, c.cgnat
}

// LookupPrefix says whose the whole network p is: the holder of the most specific prefix that covers all of it. What
// is more specific than p is not asked: it is not what the report is about.
func (t *Table) LookupPrefix(p netip.Prefix) (h report.Holder) {
	if e, ok := t.tree.LookupPrefix(p); ok {
		t.fill(&h, p.Addr(), e)
	}
	return h
}

// Prefixes is how many prefixes the table knows, those of the config among them.
func (t *Table) Prefixes() int { return t.tree.Size() }

// Sources says what the files of the table held, in the order of the config.
func (t *Table) Sources() []Source { return t.sources }

// Cursor asks one table for one address after the other. It is for one goroutine, and remembers the last answer.
// Whoever works one chunk takes one, so that the whole chunk is answered by the same table.
type Cursor struct {
	table *Table
	addr  netip.Addr // asked last
	known bool       // holder is the Holder of entry
	entry uint32
	// holder answers; unknown stays zero and answers for everybody else.
	holder, unknown report.Holder
	reported        report.Holder // answers where the report's AS number is all that is known
	whole           report.Holder // answers for a network
	miss            bool
}

// Cursor returns a new cursor over the table.
func (t *Table) Cursor() *Cursor { return &Cursor{table: t} }

// Lookup says whose address a is. It never returns nil: an address that nobody knows gets the zero Holder. The Holder
// is the cursor's: it must not be changed, and is valid until the next Lookup.
func (c *Cursor) Lookup(a netip.Addr) *report.Holder {
	a = a.Unmap()
	if a != c.addr {
		c.addr = a
		e, ok := c.table.tree.Lookup(a)
		c.miss = !ok
		// The same entry may stand for many prefixes: the answers are shared.
		if ok && (!c.known || e != c.entry || !c.holder.Prefix.Contains(a)) {
			c.table.fill(&c.holder, a, e)
			c.known, c.entry = true, e
		}
	}
	if c.miss {
		return &c.unknown
	}
	return &c.holder
}

// Whose is Lookup for an address about which a report names an AS number, 0 when none; a may be no address at all.
// The report's number stands in for the one that a table would give, and only there: whatever an entry of the config
// lists by prefix, or a table gives an AS number to, is as Lookup says. So is an AS number that the config does not
// name. The Holder is the cursor's, as that of Lookup.
func (c *Cursor) Whose(a netip.Addr, reported uint32) *report.Holder {
	h := c.Lookup(a)
	listed := h.Prefix.IsValid() && c.table.list[c.entry&entryMask].claim != 0
	return c.orReported(h, listed, reported)
}

// LookupPrefix says whose the whole network p is, as Table.LookupPrefix does. The Holder is valid until the next
// question about a network.
func (c *Cursor) LookupPrefix(p netip.Prefix) *report.Holder {
	c.whole = c.table.LookupPrefix(p)
	return &c.whole
}

// WhosePrefix is Whose for a whole network.
func (c *Cursor) WhosePrefix(p netip.Prefix, reported uint32) *report.Holder {
	e, ok := c.table.tree.LookupPrefix(p)
	return c.orReported(c.LookupPrefix(p), ok && c.table.list[e&entryMask].claim != 0, reported)
}

// orReported is h, or the holder of the report's AS number where nothing else says whose it is. listed: an entry of
// the config lists it by prefix, perhaps without an AS number.
func (c *Cursor) orReported(h *report.Holder, listed bool, reported uint32) *report.Holder {
	if reported == 0 || h.ASN != 0 || listed {
		return h
	}
	k, ok := c.table.byASN[reported]
	if !ok {
		return h
	}
	r := &c.reported
	*r = k.holder
	r.Prefix, r.Org, r.Abuse = h.Prefix, cmp.Or(r.Org, h.Org), cmp.Or(r.Abuse, h.Abuse)
	r.CC = cmp.Or(r.CC, h.CC, k.cc)
	return r
}
