package network_test

import (
	"bytes"
	"net/netip"
	"testing"
	"unicode"
	"unicode/utf8"

	"tocsin/internal/network"
)

// fuzz reads whatever comes as one kind of table. Either it is refused, or what it answers is sound.
func fuzz(f *testing.F, kind network.Kind) {
	f.Helper()
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<16 {
			return
		}
		table, err := network.ReadTable(t.Context(), kind, bytes.NewReader(text), 5000)
		if err != nil {
			return
		}
		if table.Prefixes() > 5000 || table.Sources()[0].Rows == 0 {
			t.Fatalf("%d prefixes, %d rows", table.Prefixes(), table.Sources()[0].Rows)
		}
		cursor := table.Cursor()
		for _, s := range []string{"192.0.2.1", "2001:db8::1", "0.0.0.0", "255.255.255.255", "::", "1.2.3.4", "2002::1"} {
			a := netip.MustParseAddr(s)
			h := table.Lookup(a)
			if h != *cursor.Lookup(a) {
				t.Fatalf("%s: the cursor says %+v, the table %+v", a, *cursor.Lookup(a), h)
			}
			if h.Prefix.IsValid() && !h.Prefix.Contains(a) {
				t.Fatalf("%s is not in %s", a, h.Prefix)
			}
			if h.CC != "" && (len(h.CC) != 2 || h.CC[0] < 'A' || h.CC[0] > 'Z' || h.CC[1] < 'A' || h.CC[1] > 'Z') {
				t.Fatalf("country %q", h.CC)
			}
			if !utf8.ValidString(h.Org) || len(h.Org) > 1024 || bytes.ContainsFunc([]byte(h.Org), unicode.IsControl) {
				t.Fatalf("holder %q", h.Org)
			}
		}
	})
}

func FuzzCSV(f *testing.F) {
	for _, s := range []string{
		"192.0.2.0,192.0.2.255,64500,\"Example, Inc.\",GB,abuse@example.net\n",
		"prefix,asn,org\n2001:db8::/32,AS64500,Example\n",
		"0.0.0.0,255.255.255.255,64500\n::1,2001:db8::,1.1,\"a\"\"b\"\n",
		"192.0.2.0/24,AS64500 - Example\n192.0.2.0/24,gb",
	} {
		f.Add([]byte(s))
		f.Add(zipped(f, []byte(s)))
	}
	fuzz(f, network.KindCSV)
}

func FuzzDelegated(f *testing.F) {
	for _, s := range []string{
		"2|example|20260301|2|19930101|20260301|+0000\nexample|*|ipv4|*|1|summary\n",
		"example|GB|ipv4|192.0.2.0|100|20100101|allocated|a\nexample|IE|ipv6|2001:db8::|32|20100101|assigned\n",
		"example|FR|asn|1.1|4294901759|20100101|allocated|a\nexample|FR|asn|4294967295|1|20100101|allocated|a\n",
	} {
		f.Add([]byte(s))
	}
	fuzz(f, network.KindDelegated)
}

func FuzzMMDB(f *testing.F) {
	for _, size := range []int{24, 28, 32} {
		f.Add(mmdbSized(size, 6,
			leaf{"192.0.2.0/24", map[string]any{"asn": "AS64500", "as_name": "Example", "country_code": "GB"}},
			leaf{"2001:db8::/32", map[string]any{
				"autonomous_system_number": uint32(64501), "registered_country": map[string]any{"iso_code": "IE"},
			}},
		))
	}
	f.Add(mmdb(4, leaf{"192.0.2.0/24", map[string]any{"country": map[string]any{"iso_code": "GB"}, "x": []any{"y"}}}))
	fuzz(f, network.KindMMDB)
}
