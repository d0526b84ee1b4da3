package network_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tocsin/internal/network"
	"tocsin/internal/report"
)

// TestWhose tells the rules of docs/network.md by example.
func TestWhose(t *testing.T) {
	prefix := netip.MustParsePrefix
	table := load(t, network.Config{
		Own: []network.Own{
			{
				Name: "Pool", Prefixes: []netip.Prefix{prefix("192.0.2.192/26")}, ASNs: []network.ASN{64500}, CGNAT: true,
			},
			{
				Name: "Ours", Prefixes: []netip.Prefix{prefix("192.0.2.0/24")}, ASNs: []network.ASN{64500, 64501},
				Abuse: "abuse@isp.example", Country: "GB",
			},
		},
		Partners: []network.Partner{
			{ID: "north", Name: "North", ASNs: []network.ASN{65536}, Abuse: "abuse@north.example"},
			{ID: "south", Prefixes: []netip.Prefix{prefix("198.51.100.0/25"), prefix("192.0.2.16/28")}},
		},
		Others: []network.Other{
			{Name: "Customer", Prefixes: []netip.Prefix{prefix("192.0.2.32/28")}, Abuse: "abuse@customer.example"},
			{Name: "Hoster", ASNs: []network.ASN{65537}, Abuse: "abuse@hoster.example"},
		},
	},
		"192.0.2.0/25,64501,Table's name,IE,table@example.net\n"+
			"192.0.2.128/26,64511,Stranger,FR,stranger@example.net\n"+
			"198.51.100.0/24,64505,Southern,NL\n"+
			"203.0.113.0/26,65536,N,IE\n203.0.113.64/26,65537,H,DE\n203.0.113.128/26,64500,O,FR,table@example.net\n"+
			"2001:db8::/32,64506,Six\n",
		"192.0.2.0/24,64500,Wide\n198.51.100.64/26,,,IE,sub@example.net\n2001:db8:1::/48,64507,,GB\n",
	)
	for _, c := range []struct {
		addr, why string
		want      report.Holder
	}{
		{"192.0.2.1", "a table's more specific prefix inside ours is still ours", report.Holder{
			Prefix: prefix("192.0.2.0/25"), ASN: 64501, Org: "Ours", CC: "GB", Abuse: "abuse@isp.example", Own: true,
		}},
		{"192.0.2.130", "even where the table names a stranger's AS number: nothing of the stranger's is taken", report.Holder{
			Prefix: prefix("192.0.2.128/26"), ASN: 64500, Org: "Ours", CC: "GB", Abuse: "abuse@isp.example", Own: true,
		}},
		{"192.0.2.200", "a pool inside takes over what it leaves out", report.Holder{
			Prefix: prefix("192.0.2.192/26"), ASN: 64500, Org: "Pool", CC: "GB", Abuse: "abuse@isp.example", Own: true, CGNAT: true,
		}},
		{"192.0.2.17", "a more specific entry of a partner takes its part out; the table fills the rest", report.Holder{
			Prefix: prefix("192.0.2.16/28"), ASN: 64501, Org: "Table's name", CC: "IE", Abuse: "table@example.net", Partner: "south",
		}},
		{"192.0.2.33", "so does another network's", report.Holder{
			Prefix: prefix("192.0.2.32/28"), ASN: 64501, Org: "Customer", CC: "IE", Abuse: "abuse@customer.example",
		}},
		{"198.51.100.1", "a partner's prefix inside a table's wider one", report.Holder{
			Prefix: prefix("198.51.100.0/25"), ASN: 64505, Org: "Southern", CC: "NL", Partner: "south",
		}},
		{"198.51.100.65", "a later table's more specific line, completed by the wider one", report.Holder{
			Prefix: prefix("198.51.100.64/26"), ASN: 64505, Org: "Southern", CC: "IE", Abuse: "sub@example.net", Partner: "south",
		}},
		{"203.0.113.1", "a partner by AS number", report.Holder{
			Prefix: prefix("203.0.113.0/26"), ASN: 65536, Org: "North", CC: "IE", Abuse: "abuse@north.example", Partner: "north",
		}},
		{"203.0.113.65", "another network by AS number", report.Holder{
			Prefix: prefix("203.0.113.64/26"), ASN: 65537, Org: "Hoster", CC: "DE", Abuse: "abuse@hoster.example",
		}},
		{"203.0.113.129", "ours by AS number: the network's name that is no pool, and never the flag", report.Holder{
			Prefix: prefix("203.0.113.128/26"), ASN: 64500, Org: "Ours", CC: "GB", Abuse: "abuse@isp.example", Own: true,
		}},
		{"203.0.113.200", "nobody knows", report.Holder{}},
		{"2001:db8:1::1", "a name is not taken from another AS number's line", report.Holder{
			Prefix: prefix("2001:db8:1::/48"), ASN: 64507, CC: "GB",
		}},
		{"::ffff:198.51.100.1", "IPv4 written as IPv6", report.Holder{
			Prefix: prefix("198.51.100.0/25"), ASN: 64505, Org: "Southern", CC: "NL", Partner: "south",
		}},
	} {
		got := table.Lookup(netip.MustParseAddr(c.addr))
		if diff := cmp.Diff(c.want, got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", c.addr, c.why, diff)
		}
	}
	if got := table.Lookup(netip.Addr{}); got != (report.Holder{}) {
		t.Errorf("no address at all: %+v", got)
	}
	if got := *table.Cursor().Lookup(netip.Addr{}); got != (report.Holder{}) {
		t.Errorf("no address at all through the cursor: %+v", got)
	}
}

// TestCursorAllocatesNothing, whatever it is asked.
func TestCursorAllocatesNothing(t *testing.T) {
	c := load(t, network.Config{}, "192.0.2.0/25,64500,A\n192.0.2.128/25,64501,B\n").Cursor()
	all := []netip.Addr{
		netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.129"), netip.MustParseAddr("198.51.100.1"),
	}
	i := 0
	if n := testing.AllocsPerRun(1000, func() { c.Lookup(all[i%len(all)]); i++ }); n > 0 {
		t.Errorf("%v allocations a lookup", n)
	}
}
