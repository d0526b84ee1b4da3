package world

import (
	"encoding/csv"
	"io"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
)

// Role is what a member of the world does.
type Role string

// The roles.
const (
	RoleOwn         Role = "own"         // the ISP that runs the node
	RoleISP         Role = "isp"         // another provider
	RoleHoster      Role = "hoster"      // rents out servers
	RoleBusiness    Role = "business"    // a company with a network of its own
	RoleCSIRT       Role = "csirt"       // the national team; no networks
	RoleAssociation Role = "association" // the providers' trade association; no networks
	RoleOther       Role = "other"       // outside the partnership
)

// Network is one organisation and the addresses that it holds.
type Network struct {
	ID       string // short and unique, fit for a config key
	Name     string
	Role     Role
	ASN      uint32 // RFC 5398; 0 for those without a network
	CC       string // user-assigned code of ISO 3166-1: no real country
	Abuse    string // mail address; RFC 2606
	Domain   string
	Prefixes []netip.Prefix // documentation ranges: RFC 5737, RFC 3849
	CGNAT    []netip.Prefix // those of Prefixes that many lines share
}

// Networks is who holds which part of the world, in the shape that a node's config needs.
type Networks struct {
	Own      Network
	Partners []Network
	Others   []Network // outside the partnership, named in the address table only
}

// Where the lines and the networks without a holder lie.
var (
	linePool   = netip.MustParsePrefix("2001:db8:100::/40") // one /56 a line
	ownSpace   = netip.MustParsePrefix("2001:db8::/48")     // our own servers
	nobody     = netip.MustParsePrefix("2001:db8:f000::/36")
	cgnatPool  = netip.MustParsePrefix("203.0.113.0/25")
	staticPool = netip.MustParsePrefix("203.0.113.128/26")
	dialPool   = netip.MustParsePrefix("203.0.113.192/26")
	sinkholes  = netip.MustParsePrefix("192.0.2.224/28")
)

// networks is the whole map. RFC 5737 offers three /24s only, so everybody's part of IPv4 is small.
func networks() Networks {
	return Networks{
		Own: network("examplenet", "Example Net", RoleOwn, 64500, "XA",
			"2001:db8::/36", cgnatPool.String(), staticPool.String(), dialPool.String()),
		Partners: []Network{
			network("northline", "Northline Broadband", RoleISP, 64501, "XA", "2001:db8:1000::/36", "198.51.100.0/25"),
			network("rivercom", "Rivercom", RoleISP, 64502, "XA", "2001:db8:2000::/36", "198.51.100.128/26"),
			network("hillfibre", "Hill Fibre Cooperative", RoleISP, 65540, "XA", "2001:db8:3000::/36", "192.0.2.0/26"),
			network("cloudbarn", "Cloudbarn Hosting", RoleHoster, 65541, "XA", "2001:db8:4000::/36", "198.51.100.192/26"),
			network("harbourbank", "First Harbour Bank", RoleBusiness, 64510, "XA", "2001:db8:5000::/40", "192.0.2.64/27"),
			network("csirt-xa", "CSIRT of Exampleland", RoleCSIRT, 0, "XA"),
			network("ispa-xa", "Internet Providers of Exampleland", RoleAssociation, 0, "XA"),
		},
		Others: []Network{
			network("sinkhole", "Sinkhole Operators", RoleOther, 64496, "XC", "2001:db8:8000::/40", sinkholes.String()),
			network("farnet", "Far Net", RoleOther, 65536, "XB", "2001:db8:9000::/36", "192.0.2.96/27"),
			network("eastmobile", "East Mobile", RoleOther, 65537, "XB", "2001:db8:a000::/36", "192.0.2.128/27"),
			network("budgethost", "Budget Host", RoleOther, 65551, "XC", "2001:db8:b000::/36", "192.0.2.160/27"),
			network("campus", "Exampleland Universities", RoleOther, 64511, "XA", "2001:db8:c000::/36", "192.0.2.192/28"),
		},
	}
}

func network(id, name string, role Role, asn uint32, cc string, prefixes ...string) Network {
	n := Network{ID: id, Name: name, Role: role, ASN: asn, CC: cc, Domain: id + ".example"}
	n.Abuse = "abuse@" + n.Domain
	for _, p := range prefixes {
		n.Prefixes = append(n.Prefixes, netip.MustParsePrefix(p))
	}
	if role == RoleOwn {
		n.CGNAT = []netip.Prefix{cgnatPool}
	}
	return n
}

// TableHeader is the first line of the address tables that WriteTable and BenchTable write.
const TableHeader = "start,end,asn,org,cc"

// WriteTable writes an address table as an operator would supply it: every network of the world that has one, in
// the order of its addresses, first and last address inclusive.
func (w *World) WriteTable(out io.Writer) error {
	type span struct {
		p netip.Prefix
		n *Network
	}
	var all []span
	for n := range w.everybody() {
		for _, p := range n.Prefixes {
			all = append(all, span{p, n})
		}
	}
	slices.SortFunc(all, func(a, b span) int { return a.p.Addr().Compare(b.p.Addr()) })
	c := csv.NewWriter(out)
	if _, err := io.WriteString(out, TableHeader+"\n"); err != nil {
		return err
	}
	for _, s := range all {
		if err := c.Write([]string{
			s.p.Addr().String(), last(s.p).String(), strconv.FormatUint(uint64(s.n.ASN), 10), s.n.Name, s.n.CC,
		}); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// everybody yields our own network, the partners and the others.
func (w *World) everybody() func(yield func(*Network) bool) {
	return func(yield func(*Network) bool) {
		if !yield(&w.nets.Own) {
			return
		}
		for _, list := range [2][]Network{w.nets.Partners, w.nets.Others} {
			for i := range list {
				if !yield(&list[i]) {
					return
				}
			}
		}
	}
}

// last is the last address of a prefix.
func last(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(a)*8; i++ {
		a[i/8] |= 1 << (7 - i%8)
	}
	end, _ := netip.AddrFromSlice(a)
	return end
}

// plus is the address n after a.
func plus(a netip.Addr, n uint64) netip.Addr {
	sum := new(big.Int).SetBytes(a.AsSlice())
	sum.Add(sum, new(big.Int).SetUint64(n))
	b := a.AsSlice()
	end, _ := netip.AddrFromSlice(sum.FillBytes(b))
	return end
}
