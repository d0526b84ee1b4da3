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

// TestReported tells what the AS number in a report decides: only what config and tables leave open.
func TestReported(t *testing.T) {
	prefix := netip.MustParsePrefix
	cfg := network.Config{
		Own: []network.Own{
			{Name: "Pool", Prefixes: []netip.Prefix{prefix("192.0.2.192/26")}, ASNs: []network.ASN{64500}, CGNAT: true},
			{Name: "Ours", ASNs: []network.ASN{64500, 64501}, Abuse: "abuse@isp.example"},
		},
		Partners: []network.Partner{{ID: "north", Name: "North", ASNs: []network.ASN{65536}, Country: "NO"}},
		Others: []network.Other{
			{Name: "Customer", Prefixes: []netip.Prefix{prefix("192.0.2.32/28")}},
			{Name: "Hoster", ASNs: []network.ASN{65537}},
		},
	}
	cursor := load(t, cfg,
		"198.51.100.0/25,64511,Stranger,FR\n198.51.100.128/26,,,IE,table@example.net\n198.51.100.192/26,64501,T,DE\n",
	).Cursor()
	for _, c := range []struct {
		addr     string
		reported uint32
		why      string
		party    report.Party
		want     report.Holder
	}{
		{"203.0.113.1", 64501, "no table knows it, the report names a number of ours", "own", report.Holder{
			ASN: 64501, Org: "Ours", Abuse: "abuse@isp.example", Own: true, Reported: true,
		}},
		{"203.0.113.1", 65536, "or of a partner", "partner:north", report.Holder{
			ASN: 65536, Org: "North", CC: "NO", Partner: "north", Reported: true,
		}},
		{"203.0.113.1", 65537, "or of another that the config names", "as:65537", report.Holder{
			ASN: 65537, Org: "Hoster", Reported: true,
		}},
		{"203.0.113.1", 64511, "or of nobody we know", "as:64511", report.Holder{}},
		{"203.0.113.1", 0, "or none", "unknown", report.Holder{}},
		{"203.0.113.1", 64500, "the pool's flag does not spread by a report", "own", report.Holder{
			ASN: 64500, Org: "Ours", Abuse: "abuse@isp.example", Own: true, Reported: true,
		}},
		{"::ffff:203.0.113.1", 64500, "IPv4 written as IPv6", "own", report.Holder{
			ASN: 64500, Org: "Ours", Abuse: "abuse@isp.example", Own: true, Reported: true,
		}},
		{"", 64500, "a subject that is no address", "own", report.Holder{
			ASN: 64500, Org: "Ours", Abuse: "abuse@isp.example", Own: true, Reported: true,
		}},
		{"198.51.100.1", 64500, "the table says otherwise", "as:64511", report.Holder{
			Prefix: prefix("198.51.100.0/25"), ASN: 64511, Org: "Stranger", CC: "FR",
		}},
		{"198.51.100.200", 65536, "the table says ours", "own", report.Holder{
			Prefix: prefix("198.51.100.192/26"), ASN: 64501, Org: "Ours", CC: "DE", Abuse: "abuse@isp.example", Own: true,
		}},
		{"198.51.100.129", 65536, "the table gives no AS number: the rest of it still fills", "partner:north", report.Holder{
			Prefix: prefix("198.51.100.128/26"), ASN: 65536, Org: "North", CC: "NO", Abuse: "table@example.net",
			Partner: "north", Reported: true,
		}},
		{"192.0.2.33", 64500, "the config takes it out", "as:64500", report.Holder{
			Prefix: prefix("192.0.2.32/28"), Org: "Customer",
		}},
		{"192.0.2.200", 65536, "the config lists it", "own", report.Holder{
			Prefix: prefix("192.0.2.192/26"), ASN: 64500, Org: "Pool", Own: true, CGNAT: true,
		}},
	} {
		var a netip.Addr
		if c.addr != "" {
			a = netip.MustParseAddr(c.addr)
		}
		got := *cursor.Whose(a, c.reported)
		if diff := cmp.Diff(c.want, got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
			t.Errorf("%s reported as AS%d: %s (-want +got):\n%s", c.addr, c.reported, c.why, diff)
		}
		if got := got.Party(c.reported); got != c.party {
			t.Errorf("%s reported as AS%d: %s: party %s, want %s", c.addr, c.reported, c.why, got, c.party)
		}
	}
	bare := load(t, network.Config{Own: []network.Own{{ASNs: []network.ASN{64500}}}}) // no prefix anywhere
	for _, a := range []netip.Addr{{}, netip.MustParseAddr("203.0.113.1"), {}} {
		if got := bare.Cursor().Whose(a, 64500).Party(64500); got != report.PartyOwn {
			t.Errorf("a config of one AS number, %s: party %s", a, got)
		}
	}
}

// TestCursorAllocatesNothing, whatever it is asked.
func TestCursorAllocatesNothing(t *testing.T) {
	c := load(t, network.Config{Own: []network.Own{{ASNs: []network.ASN{64502}}}},
		"192.0.2.0/25,64500,A\n192.0.2.128/25,64501,B\n").Cursor()
	all := []netip.Addr{
		netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.129"), netip.MustParseAddr("198.51.100.1"),
	}
	i := 0
	if n := testing.AllocsPerRun(1000, func() { c.Whose(all[i%len(all)], 64502); i++ }); n > 0 {
		t.Errorf("%v allocations a lookup", n)
	}
}
