package network

import (
	"cmp"
	"net/netip"
	"slices"
)

// claim is what one entry of the config says of an address. The zero claim says nothing.
type claim struct {
	own, cgnat bool
	partner    string // partner's id
	party      string // whose the entry is; a claim inside another one of the same party takes over what it leaves out
	asns       []ASN
	org        string
	abuse      string
	cc         string
}

// claims is the config as the table's builder needs it. Index 0 of list is the zero claim.
type claims struct {
	list     []claim
	byPrefix map[netip.Prefix]uint32
	byASN    map[uint32]uint32
}

// newClaims expects a config that Validate lets through.
func newClaims(cfg Config) *claims {
	c := &claims{
		list:     make([]claim, 1),
		byPrefix: make(map[netip.Prefix]uint32),
		byASN:    make(map[uint32]uint32),
	}
	// Pools come last, so that an address known by AS number alone is named after a network that is no pool.
	own := slices.SortedStableFunc(slices.Values(cfg.Own), func(a, b Own) int {
		return cmp.Compare(rank(a.CGNAT), rank(b.CGNAT))
	})
	for _, o := range own {
		c.add(claim{
			own: true, cgnat: o.CGNAT, party: "own", asns: o.ASNs, org: o.Name, abuse: o.Abuse, cc: o.Country,
		}, o.Prefixes)
	}
	for _, p := range cfg.Partners {
		c.add(claim{
			partner: p.ID, party: "partner:" + p.ID, asns: p.ASNs, org: p.Name, abuse: p.Abuse, cc: p.Country,
		}, p.Prefixes)
	}
	for _, o := range cfg.Others {
		c.add(claim{asns: o.ASNs, org: o.Name, abuse: o.Abuse, cc: o.Country}, o.Prefixes)
	}
	return c
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (c *claims) add(k claim, prefixes []netip.Prefix) {
	n := c.put(k)
	for _, p := range prefixes {
		c.byPrefix[p.Masked()] = n
	}
	if k.cgnat { // the flag belongs to the prefixes
		k.cgnat = false
		n = c.put(k)
	}
	for _, a := range k.asns {
		if _, taken := c.byASN[uint32(a)]; !taken {
			c.byASN[uint32(a)] = n
		}
	}
}

func (c *claims) put(k claim) uint32 {
	c.list = append(c.list, k)
	return uint32(len(c.list) - 1) // a config has few entries
}

// within returns claim n as it stands inside the claim outer: of the same party it takes over what n leaves out.
// The cgnat flag is not taken over: a network inside a pool that is not marked is not shared.
func (c *claims) within(n, outer uint32) uint32 {
	k, o := c.list[n], c.list[outer]
	if k.party == "" || k.party != o.party {
		return n
	}
	if len(k.asns) == 0 {
		k.asns = o.asns
	}
	k.org = cmp.Or(k.org, o.org)
	k.abuse = cmp.Or(k.abuse, o.abuse)
	k.cc = cmp.Or(k.cc, o.cc)
	return c.put(k)
}
