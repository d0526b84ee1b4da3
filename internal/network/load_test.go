package network_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tocsin/internal/network"
	"tocsin/internal/report"
)

// loads is one table file and what is then said of some addresses.
type loads struct {
	name    string
	text    string
	kind    network.Kind // what it turns out to be
	want    map[string]report.Holder
	refused []string // "line: reason"
}

func TestCSV(t *testing.T) {
	a := report.Holder{ASN: 64500, Org: "Example, Inc."}
	check(t, []loads{
		{
			"ranges", "192.0.2.0,192.0.2.255,64500,\"Example, Inc.\"\n198.51.100.0,198.51.100.2,64501,Second,GB\n",
			network.KindCSV,
			map[string]report.Holder{
				"192.0.2.77":   holder(a, "192.0.2.0/24"),
				"198.51.100.1": {Prefix: netip.MustParsePrefix("198.51.100.0/31"), ASN: 64501, Org: "Second", CC: "GB"},
				"198.51.100.2": {Prefix: netip.MustParsePrefix("198.51.100.2/32"), ASN: 64501, Org: "Second", CC: "GB"},
				"198.51.100.3": {},
				"203.0.113.1":  {},
			},
			nil,
		},
		{
			"prefixes, comments, BOM, CRLF, blanks and no newline at the end",
			"\ufeff# made by hand\r\n\r\n 192.0.2.0/24 , AS64500 , \"Example, Inc.\" \r\n2001:db8::/32,1.1,\"Say \"\"two\"\"\",ie,abuse@example.net",
			network.KindCSV,
			map[string]report.Holder{
				"192.0.2.77": holder(a, "192.0.2.0/24"),
				"2001:db8::1": {
					Prefix: netip.MustParsePrefix("2001:db8::/32"), ASN: 65537, Org: `Say "two"`, CC: "IE", Abuse: "abuse@example.net",
				},
			},
			nil,
		},
		{
			"header in its own order, a country's name beside its code",
			"Country,Country Code,AS-Name,ASN,End IP,Start IP\nUnited Kingdom,GB,\"Example, Inc.\",AS64500,192.0.2.255,192.0.2.0\n",
			network.KindCSV,
			map[string]report.Holder{"192.0.2.77": {
				Prefix: netip.MustParsePrefix("192.0.2.0/24"), ASN: 64500, Org: "Example, Inc.", CC: "GB",
			}},
			nil,
		},
		{
			"number and name in one field, both ways",
			"192.0.2.0/25,AS64500 Example\n192.0.2.128/25,,AS64501 - Second\n198.51.100.0/24,64502,AS64503 Third\n",
			network.KindCSV,
			map[string]report.Holder{
				"192.0.2.1":    {Prefix: netip.MustParsePrefix("192.0.2.0/25"), ASN: 64500, Org: "Example"},
				"192.0.2.129":  {Prefix: netip.MustParsePrefix("192.0.2.128/25"), ASN: 64501, Org: "Second"},
				"198.51.100.1": {Prefix: netip.MustParsePrefix("198.51.100.0/24"), ASN: 64502, Org: "AS64503 Third"},
			},
			nil,
		},
		{
			"countries only; ZZ is none", "192.0.2.0,192.0.2.255,AS\n198.51.100.0/24,gb\n203.0.113.0,203.0.113.255,ZZ\n",
			network.KindCSV,
			map[string]report.Holder{
				"192.0.2.1":    {Prefix: netip.MustParsePrefix("192.0.2.0/24"), CC: "AS"}, // American Samoa
				"198.51.100.1": {Prefix: netip.MustParsePrefix("198.51.100.0/24"), CC: "GB"},
				"203.0.113.1":  {},
			},
			[]string{"3: the line names no AS number, holder, country or abuse contact"},
		},
		{
			"IPv4 written as IPv6, and a name that is not UTF-8",
			"::ffff:192.0.2.0,::ffff:192.0.2.255,64500,Caf\xe9\n::ffff:198.51.100.0/120,64501,b\x01c\n",
			network.KindCSV,
			map[string]report.Holder{
				"192.0.2.9":           {Prefix: netip.MustParsePrefix("192.0.2.0/24"), ASN: 64500, Org: "Caf\ufffd"},
				"::ffff:198.51.100.9": {Prefix: netip.MustParsePrefix("198.51.100.0/24"), ASN: 64501, Org: "b c"},
			},
			nil,
		},
		{
			"the whole address space, and the same prefix again: the first stands, the second completes",
			"0.0.0.0,255.255.255.255,64500\n::,ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff,64501\n0.0.0.0/0,64500,Example\n0.0.0.0/0,64502,Other,GB",
			network.KindCSV,
			map[string]report.Holder{
				"192.0.2.9":   {Prefix: netip.MustParsePrefix("0.0.0.0/0"), ASN: 64500, Org: "Example", CC: "GB"},
				"2001:db8::1": {Prefix: netip.MustParsePrefix("::/0"), ASN: 64501},
			},
			nil,
		},
		{
			"bad lines",
			strings.Join([]string{
				"192.0.2.0,192.0.2.255,64500,Good",
				"192.0.2.0",
				"999.0.2.0,192.0.2.255,64500",
				"192.0.2.0,192.0.2.256,64500",
				"192.0.2.255,192.0.2.0,64500",
				"192.0.2.0,2001:db8::,64500",
				"192.0.2.0/33,64500",
				"fe80::1%eth0,fe80::2%eth0,64500",
				"192.0.2.0/24,4294967296",
				"192.0.2.0/24,AS",
				"192.0.2.0/24,\"open",
				"192.0.2.0/24,\"64500\"x",
				"192.0.2.0/24,64500," + strings.Repeat("n", 257),
				"192.0.2.0/24,64500,n,GBR",
				"192.0.2.0/24,64500,n,GB,nobody",
				"::ffff:0:0/95,64500",
				strings.Repeat("x", 70_000),
				strings.Repeat("y", 700_000),
				"198.51.100.0/24,64501,Good too",
			}, "\n"),
			network.KindCSV,
			map[string]report.Holder{
				"192.0.2.9":    {Prefix: netip.MustParsePrefix("192.0.2.0/24"), ASN: 64500, Org: "Good", CC: "AS"},
				"198.51.100.9": {Prefix: netip.MustParsePrefix("198.51.100.0/24"), ASN: 64501, Org: "Good too"},
			},
			[]string{
				"2: the line names no AS number, holder, country or abuse contact",
				"3: the first address is not an IP address",
				"4: the last address is not an IP address",
				"5: the first address comes after the last",
				"6: the first address is of another family than the last",
				"7: the prefix is not one like 192.0.2.0/24",
				"8: the first address is not an IP address",
				"9: the AS number is not a number like 64500 or AS64500",
				"11: a quotation mark is not closed on the line",
				"12: a quoted field is followed by something else than a comma",
				"13: the holder's name has more than 256 bytes",
				"14: the country is not a code of two letters",
				"15: the abuse contact is not a mail address",
				"16: the prefix mixes IPv4 and IPv6 addresses",
				"17: the line has more than 65536 bytes",
				"18: the line has more than 65536 bytes",
			},
		},
	})
}

func TestDelegated(t *testing.T) {
	check(t, []loads{{
		"statistics",
		strings.Join([]string{
			"2.3|example|20260301|8|19930101|20260301|+0100",
			"# a comment",
			"example|*|ipv4|*|4|summary",
			"example|*|ipv6|*|2|summary",
			"example|GB|ipv4|192.0.2.0|128|20100101|allocated|a-1",
			"example|IE|ipv4|198.51.100.0|96|20100101|assigned|a-2|e-stats", // not a power of two
			"example||ipv4|203.0.113.0|256||available|",
			"example|ZZ|ipv4|203.0.113.0|256|20100101|reserved|",
			"example|NL|ipv6|2001:db8::|32|20100101|allocated|a-3",
			"example|FR|asn|64500|2|20100101|allocated|a-4",
			"example|EU|asn|64501|10|20100101|assigned|a-5", // overlaps: the lower start stands
			"example|GB|ipv4|192.0.2.0",
			"example|GB|ipv4|2001:db8::|256|20100101|allocated|x",
			"example|GB|ipv4|255.255.255.0|512|20100101|allocated|x",
			"example|GB|ipv4|192.0.2.0|0|20100101|allocated|x",
			"example|GB|ipv6|2001:db8::|129|20100101|allocated|x",
			"example|GB|asn|4294967295|2|20100101|allocated|x",
			"example|GB|dns|192.0.2.0|256|20100101|allocated|x",
			"example|GB|ipv4|192.0.2.0|256|20100101|lent|x",
			"example|GBR|ipv4|192.0.2.0|256|20100101|allocated|x",
		}, "\n"),
		network.KindDelegated,
		map[string]report.Holder{
			"192.0.2.127":   {Prefix: netip.MustParsePrefix("192.0.2.0/25"), CC: "GB"},
			"192.0.2.128":   {},
			"198.51.100.63": {Prefix: netip.MustParsePrefix("198.51.100.0/26"), CC: "IE"},
			"198.51.100.95": {Prefix: netip.MustParsePrefix("198.51.100.64/27"), CC: "IE"},
			"198.51.100.96": {},
			"203.0.113.1":   {},
			"2001:db8::1":   {Prefix: netip.MustParsePrefix("2001:db8::/32"), CC: "NL"},
		},
		[]string{
			"12: the line has fewer than 7 fields: registry|cc|type|start|value|date|status",
			"13: the start is not an address of the line's type",
			"14: the block runs past the last IPv4 address",
			"15: the value is not a number of addresses or a prefix length",
			"16: the value is not a prefix length of IPv6",
			"17: the start and value are not a range of AS numbers",
			"18: the type is not one of asn, ipv4, ipv6",
			"19: the status is not one of allocated, assigned, available, reserved",
			"20: the country is not a code of two letters",
		},
	}})
}

// TestCountryOfASN: where no table says in which country a prefix is registered, that of its AS number stands in.
func TestCountryOfASN(t *testing.T) {
	table := load(t, network.Config{},
		"192.0.2.0/25,64500,One\n192.0.2.128/25,64502,Two\n198.51.100.0/24,64511,Three,GB\n203.0.113.0/24,64512,Four",
		"example|FR|asn|64500|2|20100101|allocated|a\nexample|IE|asn|64501|11|20100101|assigned|b\n",
	)
	for a, want := range map[string]string{"192.0.2.1": "FR", "192.0.2.129": "IE", "198.51.100.1": "GB", "203.0.113.1": ""} {
		if got := table.Lookup(netip.MustParseAddr(a)).CC; got != want {
			t.Errorf("%s: %q, want %q", a, got, want)
		}
	}
}

func TestMMDB(t *testing.T) {
	asn := map[string]any{"autonomous_system_number": uint32(64500), "autonomous_system_organization": "Example"}
	check(t, []loads{
		{
			"ASN database of both families", string(mmdb(6,
				leaf{"192.0.2.0/24", asn},
				leaf{"2001:db8::/32", asn},
				leaf{"198.51.100.0/25", map[string]any{"autonomous_system_number": uint16(64501)}},
				leaf{"198.51.100.128/25", map[string]any{"something": "else"}},
				leaf{"203.0.113.0/24", map[string]any{"autonomous_system_number": "many"}},
			)),
			network.KindMMDB,
			map[string]report.Holder{
				"192.0.2.1":      {Prefix: netip.MustParsePrefix("192.0.2.0/24"), ASN: 64500, Org: "Example"},
				"2001:db8::1":    {Prefix: netip.MustParsePrefix("2001:db8::/32"), ASN: 64500, Org: "Example"},
				"198.51.100.1":   {Prefix: netip.MustParsePrefix("198.51.100.0/25"), ASN: 64501},
				"198.51.100.129": {},
				"203.0.113.1":    {},
			},
			[]string{"4: the AS number is not a number like 64500 or AS64500"},
		},
		{
			"country database of IPv4: where it is registered comes before where it is used", string(mmdb(4,
				leaf{"192.0.2.0/25", map[string]any{
					"country": map[string]any{"iso_code": "GB"}, "registered_country": map[string]any{"iso_code": "IE"},
				}},
				leaf{"192.0.2.128/25", map[string]any{"country": map[string]any{"iso_code": "GB"}}},
			)),
			network.KindMMDB,
			map[string]report.Holder{
				"192.0.2.1":   {Prefix: netip.MustParsePrefix("192.0.2.0/25"), CC: "IE"},
				"192.0.2.129": {Prefix: netip.MustParsePrefix("192.0.2.128/25"), CC: "GB"},
			},
			nil,
		},
		{
			"records of 28 bits", string(mmdbSized(28, 6, leaf{"192.0.2.0/24", asn}, leaf{"2001:db8::/32", asn})),
			network.KindMMDB,
			map[string]report.Holder{
				"192.0.2.1":   {Prefix: netip.MustParsePrefix("192.0.2.0/24"), ASN: 64500, Org: "Example"},
				"2001:db8::1": {Prefix: netip.MustParsePrefix("2001:db8::/32"), ASN: 64500, Org: "Example"},
			},
			nil,
		},
		{
			"records of 32 bits", string(mmdbSized(32, 4, leaf{"192.0.2.0/24", asn}, leaf{"198.51.100.0/24", asn})),
			network.KindMMDB,
			map[string]report.Holder{
				"192.0.2.1":    {Prefix: netip.MustParsePrefix("192.0.2.0/24"), ASN: 64500, Org: "Example"},
				"198.51.100.1": {Prefix: netip.MustParsePrefix("198.51.100.0/24"), ASN: 64500, Org: "Example"},
			},
			nil,
		},
		{
			"flat records", string(mmdb(6,
				leaf{"192.0.2.0/25", map[string]any{
					"asn": "AS64500", "as_name": "Example", "country": "United Kingdom", "country_code": "GB",
				}},
				leaf{"192.0.2.128/25", map[string]any{"asn": "AS64501", "name": "Second", "country": "ie"}},
				leaf{"198.51.100.0/24", map[string]any{"traits": map[string]any{
					"autonomous_system_number": uint64(64502), "autonomous_system_organization": "Third",
				}}},
			)),
			network.KindMMDB,
			map[string]report.Holder{
				"192.0.2.1":    {Prefix: netip.MustParsePrefix("192.0.2.0/25"), ASN: 64500, Org: "Example", CC: "GB"},
				"192.0.2.129":  {Prefix: netip.MustParsePrefix("192.0.2.128/25"), ASN: 64501, Org: "Second", CC: "IE"},
				"198.51.100.1": {Prefix: netip.MustParsePrefix("198.51.100.0/24"), ASN: 64502, Org: "Third"},
			},
			nil,
		},
	})
}

// check loads each case plain and as gzip, and with its kind named and not.
func check(t *testing.T, cases []loads) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, zip := range []bool{false, true} {
				for _, kind := range []network.Kind{c.kind, network.KindAuto} {
					text := []byte(c.text)
					if zip {
						text = zipped(t, text)
					}
					table, err := network.ReadTable(t.Context(), kind, bytes.NewReader(text), 1000)
					if err != nil {
						t.Fatal(err)
					}
					c.verify(t, table)
				}
			}
		})
	}
}

func (c loads) verify(t *testing.T, table *network.Table) {
	t.Helper()
	for a, want := range c.want {
		got := table.Lookup(netip.MustParseAddr(a))
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", a, diff)
		}
	}
	src := table.Sources()[0]
	if src.Kind != c.kind || src.Refused != int64(len(c.refused)) {
		t.Errorf("%s with %d lines refused, want %s with %d: %v", src.Kind, src.Refused, c.kind, len(c.refused), src.Problems)
	}
	for i, p := range src.Problems {
		want := "table:" + c.refused[i]
		if p.Error() != want {
			t.Errorf("refused %q, want %q", p.Error(), want)
		}
	}
}

// TestRefusedFiles: a file that cannot be a table is an error that names it and says what to do.
func TestRefusedFiles(t *testing.T) {
	good := []byte("192.0.2.0/24,64500,Example\n")
	database := mmdb(6, leaf{"192.0.2.0/24", map[string]any{"autonomous_system_number": uint32(64500)}})
	for _, c := range []struct {
		name string
		text []byte
		kind network.Kind
		want string
	}{
		{"empty", nil, "", "it is empty, read as csv"},
		{"comments only", []byte("# nothing\n"), "", "it is empty, read as csv"},
		{"cut gzip", zipped(t, bytes.Repeat(good, 100))[:40], "", "it is cut off: fetch it again"},
		{"damaged gzip", damaged(zipped(t, good)), "", "it is damaged: fetch it again"},
		{"no lines that can be used", []byte("<html>\nnot found\n"), "", "nothing in it can be used as csv; line 1:"},
		{"header without addresses", []byte("asn,org\n64500,Example\n"), "", "its header names no address column"},
		{"CSV as database", good, network.KindMMDB, "open as MMDB"},
		{"database cut off", database[:len(database)/2], network.KindMMDB, "open as MMDB"},
		{"database as CSV", database, network.KindCSV, "nothing in it can be used as csv"},
		{"too many prefixes", []byte("::1,ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe,64500\n"), "", "the tables hold more than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := network.ReadTable(t.Context(), c.kind, bytes.NewReader(c.text), 100)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

// TestTreeThatMeetsItself: every node of the tree leads to the next one on both sides, so there are 2^100 ways down.
func TestTreeThatMeetsItself(t *testing.T) {
	// A chain of 100 nodes whose last one is the only network.
	b := mmdb(6, leaf{"2001:db8::/100", map[string]any{"asn": uint32(64500)}})
	for n := range uint32(99) {
		for side := range uint32(2) {
			at := (n*2 + side) * 3
			b[at], b[at+1], b[at+2] = 0, 0, byte(n+1)
		}
	}
	if _, err := network.ReadTable(t.Context(), network.KindMMDB, bytes.NewReader(b), 1000); err == nil {
		t.Error("a tree with 2^100 leaves was read")
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "absent.csv"), dir} {
		_, err := network.Load(t.Context(), network.Config{Tables: []network.TableFile{{Path: path}}})
		if err == nil || strings.Count(err.Error(), path) != 1 {
			t.Errorf("%v: should name %s once", err, path)
		}
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	path, _ := fullTable(t, 10_000)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := network.Load(ctx, network.Config{Tables: []network.TableFile{{Path: path}}}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want canceled", err)
	}
}

func holder(h report.Holder, prefix string) report.Holder {
	h.Prefix = netip.MustParsePrefix(prefix)
	return h
}

// load builds a table from the config and the texts of its files.
func load(t *testing.T, cfg network.Config, texts ...string) *network.Table {
	t.Helper()
	for _, text := range texts {
		f, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		f.Close()
		cfg.Tables = append(cfg.Tables, network.TableFile{Path: f.Name()})
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	table, err := network.Load(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func zipped(tb testing.TB, text []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		tb.Fatal(err)
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func damaged(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)-8] ^= 0xff // the checksum, RFC 1952 §2.3.1
	return b
}
