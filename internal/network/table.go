package network

import (
	"net/netip"
	"sync/atomic"

	"github.com/gaissmai/bart"

	"tocsin/internal/report"
)

// Table says of every address whose it is. It never changes once built, and any number of goroutines may ask it.
//
// A prefix costs 13 bytes beside the trie. The Holder of a prefix is made when the first address in it is asked for
// and kept from then on: reports touch few of the Internet's prefixes, and a million ready Holders would take 120 MB.
type Table struct {
	tree    *bart.Table[uint32]             // prefix -> index of the next three
	answers []uint32                        // index of list
	bits    []uint8                         // the prefix's length
	cells   []atomic.Pointer[report.Holder] // nil until asked for
	list    []answer                        // every distinct answer
	words   []string                        // names, countries and mail addresses of list
	claims  []claim
	unknown report.Holder // stays zero
	sources []Source
}

// answer is a Holder without its prefix, its texts as indexes of Table.words.
type answer struct {
	fact
	claim uint32
}

// fact is what tables say of a prefix. The zero fact says nothing.
type fact struct {
	asn            uint32
	org, cc, abuse uint32 // indexes of words; 0 is ""
}

// Lookup says whose address a is. It never returns nil: an address that nobody knows gets the zero Holder. The
// Holder belongs to the table and must not be changed; it stays valid for as long as somebody holds it.
func (t *Table) Lookup(a netip.Addr) *report.Holder {
	a = a.Unmap()
	i, ok := t.tree.Lookup(a)
	if !ok {
		return &t.unknown
	}
	if h := t.cells[i].Load(); h != nil {
		return h
	}
	return t.make(i, a)
}

// make fills the cell of prefix i, in which a lies. Whoever comes first wins, so that one prefix has one Holder.
func (t *Table) make(i uint32, a netip.Addr) *report.Holder {
	prefix, err := a.Prefix(int(t.bits[i]))
	if err != nil { // cannot be: the trie found a under a prefix of this length
		return &t.unknown
	}
	w := t.list[t.answers[i]]
	c := &t.claims[w.claim]
	h := &report.Holder{
		Prefix: prefix, ASN: w.asn, Org: t.words[w.org], CC: t.words[w.cc], Abuse: t.words[w.abuse],
		Own: c.own, Partner: c.partner, CGNAT: c.cgnat,
	}
	if t.cells[i].CompareAndSwap(nil, h) {
		return h
	}
	return t.cells[i].Load()
}

// Prefixes is how many prefixes the table knows, those of the config among them.
func (t *Table) Prefixes() int { return t.tree.Size() }

// Sources says what the files of the table held, in the order of the config.
func (t *Table) Sources() []Source { return t.sources }
