package network_test

import (
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tocsin/internal/corpustest"
	"tocsin/internal/network"
	"tocsin/internal/report"
)

// row is one line of a table file.
type row struct {
	first, last netip.Addr
	said        report.Holder // ASN, Org, CC and Abuse only
}

func (r row) csv() string {
	asn := ""
	if r.said.ASN != 0 {
		asn = strconv.FormatUint(uint64(r.said.ASN), 10)
	}
	return fmt.Sprintf("%s,%s,%s,%s,%s,%s\n", r.first, r.last, asn, r.said.Org, r.said.CC, r.said.Abuse)
}

// piece is the widest prefix around a inside the row, found by trying all of them.
func (r row) piece(a netip.Addr) (netip.Prefix, bool) {
	if a.Less(r.first) || r.last.Less(a) { // IPv4 sorts before IPv6
		return netip.Prefix{}, false
	}
	for bits := range a.BitLen() + 1 {
		p := netip.PrefixFrom(a, bits).Masked()
		if !p.Addr().Less(r.first) && !r.last.Less(lastOf(p)) {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().As16()
	for i := 128 - p.Addr().BitLen() + p.Bits(); i < 128; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	if p.Addr().Is4() {
		return netip.AddrFrom16(b).Unmap()
	}
	return netip.AddrFrom16(b)
}

// linear answers by looking at every line of every file and every prefix of the config: the slow twin of Table.
// It follows docs/network.md sentence by sentence. reported is the AS number that a report names, 0 none.
func linear(files [][]row, cfg network.Config, a netip.Addr, reported uint32) report.Holder {
	type said struct {
		prefix netip.Prefix
		report.Holder
	}
	var all []said
	for _, rows := range files {
		for _, r := range rows {
			if p, ok := r.piece(a); ok {
				all = append(all, said{p, r.said})
			}
		}
	}
	// The more specific one first; at the same prefix the one listed first.
	slices.SortStableFunc(all, func(x, y said) int { return cmp.Compare(y.prefix.Bits(), x.prefix.Bits()) })
	// One answer a prefix, then from the widest to the narrowest.
	var h report.Holder
	for len(all) > 0 {
		p := all[len(all)-1].prefix
		i := slices.IndexFunc(all, func(s said) bool { return s.prefix == p })
		one := all[i].Holder
		for _, s := range all[i+1:] {
			one = complete(one, s.Holder)
		}
		h = complete(one, h)
		h.Prefix = p
		all = all[:i]
	}
	return configured(cfg, a, h, reported)
}

// complete fills what first leaves out; a name and a contact never from another AS number's line.
func complete(first, then report.Holder) report.Holder {
	if first.ASN != 0 && then.ASN != 0 && first.ASN != then.ASN {
		then.Org, then.Abuse = "", ""
	}
	return report.Holder{
		ASN: cmp.Or(first.ASN, then.ASN), Org: cmp.Or(first.Org, then.Org), CC: cmp.Or(first.CC, then.CC),
		Abuse: cmp.Or(first.Abuse, then.Abuse),
	}
}

// entry is what one entry of the config says.
type entry struct {
	party    string
	prefixes []netip.Prefix
	asns     []network.ASN
	report.Holder
}

func entries(cfg network.Config) []entry {
	var all []entry
	for _, o := range cfg.Own {
		all = append(all, entry{"own", o.Prefixes, o.ASNs, report.Holder{
			Own: true, CGNAT: o.CGNAT, Org: o.Name, Abuse: o.Abuse, CC: o.Country,
		}})
	}
	for _, p := range cfg.Partners {
		all = append(all, entry{p.ID, p.Prefixes, p.ASNs, report.Holder{
			Partner: p.ID, Org: p.Name, Abuse: p.Abuse, CC: p.Country,
		}})
	}
	for _, o := range cfg.Others {
		all = append(all, entry{"", o.Prefixes, o.ASNs, report.Holder{Org: o.Name, Abuse: o.Abuse, CC: o.Country}})
	}
	return all
}

func configured(cfg network.Config, a netip.Addr, h report.Holder, reported uint32) report.Holder {
	all := entries(cfg)
	var claim *entry
	bits := -1
	for wide := 0; wide <= a.BitLen(); wide++ { // from the widest to the narrowest
		p := netip.PrefixFrom(a, wide).Masked()
		for _, e := range all {
			if !slices.Contains(e.prefixes, p) {
				continue
			}
			if claim != nil && claim.party == e.party && e.party != "" {
				if len(e.asns) == 0 {
					e.asns = claim.asns
				}
				e.Org, e.Abuse, e.CC = cmp.Or(e.Org, claim.Org), cmp.Or(e.Abuse, claim.Abuse), cmp.Or(e.CC, claim.CC)
			}
			claim, bits = &e, wide
		}
	}
	if bits >= 0 && bits >= h.Prefix.Bits() {
		h.Prefix = netip.PrefixFrom(a, bits).Masked()
	}
	if claim == nil && h.ASN == 0 && slices.ContainsFunc(all, func(e entry) bool {
		return slices.Contains(e.asns, network.ASN(reported))
	}) {
		h.ASN, h.Reported = reported, true
	}
	for _, cgnat := range []bool{false, true} { // by AS number, pools last
		for _, e := range all {
			if claim == nil && e.CGNAT == cgnat && slices.Contains(e.asns, network.ASN(h.ASN)) {
				e.CGNAT = false
				claim = &e
			}
		}
	}
	if claim == nil {
		return h
	}
	if len(claim.asns) > 0 && !slices.Contains(claim.asns, network.ASN(h.ASN)) {
		if h.ASN != 0 {
			h.Org, h.Abuse = "", ""
		}
		h.ASN = uint32(claim.asns[0])
	}
	h.Org, h.Abuse, h.CC = cmp.Or(claim.Org, h.Org), cmp.Or(claim.Abuse, h.Abuse), cmp.Or(claim.CC, h.CC)
	h.Own, h.CGNAT, h.Partner = claim.Own, claim.CGNAT, claim.Partner
	return h
}

// place is address number x of a world of 256, in IPv4 or across the middle of an IPv6 address; low fills the bits
// behind it.
func place(v6 bool, x int, low uint64) netip.Addr {
	if !v6 {
		return netip.AddrFrom4([4]byte{192, 0, 2, byte(x)})
	}
	b := [16]byte{0x20, 0x01, 0x0d, 0xb8, 7: byte(x >> 4), 8: byte(x << 4)}
	b[8] |= byte(low>>56) & 15
	for i := 9; i < 16; i++ {
		b[i] = byte(low >> (8 * (15 - i)))
	}
	return netip.AddrFrom16(b)
}

func drawFiles(t *rapid.T) [][]row {
	return rapid.SliceOfN(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) row {
		v6 := rapid.Bool().Draw(t, "v6")
		x := rapid.IntRange(0, 255).Draw(t, "x")
		y := rapid.IntRange(x, 255).Draw(t, "y")
		if rapid.Bool().Draw(t, "aligned") {
			n := rapid.IntRange(0, 8).Draw(t, "n")
			x = x >> n << n
			y = x | (1<<n - 1)
		}
		said := report.Holder{
			ASN:   rapid.SampledFrom([]uint32{0, 64500, 64501, 64502, 64503}).Draw(t, "asn"),
			Org:   rapid.SampledFrom([]string{"", "North", "South"}).Draw(t, "org"),
			CC:    rapid.SampledFrom([]string{"", "GB", "IE"}).Draw(t, "cc"),
			Abuse: rapid.SampledFrom([]string{"", "abuse@example.net", "abuse@example.org"}).Draw(t, "abuse"),
		}
		if said == (report.Holder{}) {
			said.ASN = 64504
		}
		return row{place(v6, x, 0), place(v6, y, ^uint64(0)), said}
	}), 1, 12), 0, 3).Draw(t, "files")
}

func drawConfig(t *rapid.T) network.Config {
	taken := make(map[netip.Prefix]bool)
	prefixes := func(label string) []netip.Prefix {
		var mine []netip.Prefix
		for range rapid.IntRange(0, 3).Draw(t, label) {
			v6 := rapid.Bool().Draw(t, "v6")
			bits := rapid.IntRange(24, 32).Draw(t, "bits")
			if v6 {
				bits += 36 - 1 // the window of place begins at bit 60
			}
			p := netip.PrefixFrom(place(v6, rapid.IntRange(0, 255).Draw(t, "x"), 0), bits).Masked()
			if !taken[p] {
				taken[p] = true
				mine = append(mine, p)
			}
		}
		return mine
	}
	text := func(all ...string) string { return rapid.SampledFrom(append(all, "")).Draw(t, "text") }
	numbers := func(all ...network.ASN) []network.ASN {
		return all[:rapid.IntRange(0, len(all)).Draw(t, "asns")]
	}
	var cfg network.Config
	for i := range rapid.IntRange(0, 3).Draw(t, "own") {
		o := network.Own{Name: text("Ours", "Ours too"), Prefixes: prefixes("own prefixes"), Abuse: text("us@example.com")}
		o.Country, o.ASNs = text("FR"), numbers(64500, 64510)
		o.CGNAT = len(o.Prefixes) > 0 && i > 0 && rapid.Bool().Draw(t, "cgnat")
		if len(o.Prefixes)+len(o.ASNs) > 0 {
			cfg.Own = append(cfg.Own, o)
		}
	}
	for i, id := range []string{"east", "west"} {
		p := network.Partner{ID: id, Name: text("Partner"), Prefixes: prefixes("partner prefixes"), Abuse: text("p@example.com")}
		p.Country, p.ASNs = text("NL"), numbers(network.ASN(64501+i))
		if len(p.Prefixes)+len(p.ASNs) > 0 {
			cfg.Partners = append(cfg.Partners, p)
		}
	}
	o := network.Other{Name: "Other", Prefixes: prefixes("other prefixes"), ASNs: numbers(64503)}
	if len(o.Prefixes)+len(o.ASNs) > 0 {
		cfg.Others = append(cfg.Others, o)
	}
	return cfg
}

// TestAgainstLinearScan draws configs and files that nest and overlap, and compares every address of their world with
// the slow twin, through the cursor and without.
func TestAgainstLinearScan(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		files := drawFiles(t)
		cfg := drawConfig(t)
		for i, rows := range files {
			var text strings.Builder
			for _, r := range rows {
				text.WriteString(r.csv())
			}
			path := filepath.Join(dir, fmt.Sprint(i, ".csv"))
			if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg.Tables = append(cfg.Tables, network.TableFile{Path: path})
		}
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		table, err := network.Load(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		low := rapid.Uint64().Draw(t, "low")
		reported := rapid.SliceOfN(rapid.SampledFrom([]uint32{0, 64500, 64501, 64502, 64503, 64505, 64510}), 1, 7).Draw(t, "reported")
		cursor := table.Cursor()
		for x := range 512 {
			a := place(x >= 256, x%256, low)
			want := linear(files, cfg, a, 0)
			if got := table.Lookup(a); got != want {
				t.Fatalf("%s:\n got %+v\nwant %+v", a, got, want)
			}
			if got := *cursor.Lookup(a); got != want {
				t.Fatalf("%s through the cursor:\n got %+v\nwant %+v", a, got, want)
			}
			// A network is its covering prefix's: a host's own prefix is what its address finds.
			whole := netip.PrefixFrom(a, a.BitLen())
			if got := *cursor.LookupPrefix(whole); got != want {
				t.Fatalf("%s as a network:\n got %+v\nwant %+v", a, got, want)
			}
			for bits := a.BitLen() - 1; bits > 0; bits-- { // wider networks: never a holder of a part of them
				p := netip.PrefixFrom(a, bits).Masked()
				h := table.LookupPrefix(p)
				if h.Prefix.IsValid() && (h.Prefix.Bits() > bits || !h.Prefix.Contains(p.Addr())) {
					t.Fatalf("%s is said to be in %s", p, h.Prefix)
				}
				if want.Prefix.IsValid() && want.Prefix.Bits() <= bits && h != want {
					t.Fatalf("%s:\n got %+v\nwant %+v", p, h, want)
				}
			}
			if got := *cursor.Lookup(netip.AddrFrom16(a.As16())); got != want { // ::ffff:a.b.c.d is a.b.c.d
				t.Fatalf("%s mapped:\n got %+v\nwant %+v", a, got, want)
			}
			asn := reported[x%len(reported)]
			want = linear(files, cfg, a, asn)
			if got := *cursor.Whose(a, asn); got != want {
				t.Fatalf("%s, reported as AS%d:\n got %+v\nwant %+v", a, asn, got, want)
			}
		}
	})
}

// TestFullSize compares a table of half a million nested prefixes with a map that is asked for every length in turn.
func TestFullSize(t *testing.T) {
	path, prefixes := fullTable(t, 500_000)
	table, err := network.Load(t.Context(), network.Config{Tables: []network.TableFile{{Path: path}}})
	if err != nil {
		t.Fatal(err)
	}
	if table.Prefixes() != len(prefixes) {
		t.Errorf("%d prefixes, want %d", table.Prefixes(), len(prefixes))
	}
	byPrefix := make(map[netip.Prefix]uint32, len(prefixes))
	for r := range eachRow(t, path) {
		asn, err := strconv.ParseUint(r[1], 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		byPrefix[netip.MustParsePrefix(r[0])] = uint32(asn)
	}
	random := rand.New(rand.NewPCG(3, 3))
	cursor := table.Cursor()
	found := 0
	for range 100_000 {
		a := inside(random, prefixes[random.IntN(len(prefixes))])
		if random.IntN(4) == 0 { // anywhere, mostly where nobody is
			a = inside(random, netip.PrefixFrom(a, 4).Masked())
		}
		var want netip.Prefix
		var asn uint32
		for bits := a.BitLen(); bits >= 0 && !want.IsValid(); bits-- {
			p := netip.PrefixFrom(a, bits).Masked()
			if n, ok := byPrefix[p]; ok {
				want, asn = p, n
				found++
			}
		}
		if h := cursor.Lookup(a); h.Prefix != want || h.ASN != asn {
			t.Fatalf("%s: %s AS%d, want %s AS%d", a, h.Prefix, h.ASN, want, asn)
		}
	}
	if found < 50_000 {
		t.Errorf("only %d of the addresses are known: the test looks past the table", found)
	}
}

// TestCorpusTables loads the full tables of the corpus and asks for the first and last address of every fifth line,
// as another parser reads it.
func TestCorpusTables(t *testing.T) {
	names := []string{"asn-ipv4.csv.gz", "asn-ipv6.csv", "asn-country-ipv4.csv.gz", "asn-country-ipv6.csv.gz"}
	var cfg network.Config
	for _, n := range names {
		path := corpustest.Dir(t, "asn_prefix", "ip-location-db", n)
		cfg.Tables = append(cfg.Tables, network.TableFile{Path: path})
	}
	table, err := network.Load(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	cursor := table.Cursor()
	for i, src := range table.Sources() {
		if src.Refused > 0 {
			t.Errorf("%s: %d lines refused, the first: %v", names[i], src.Refused, src.Problems[0].Error())
		}
		var lines int64
		for r := range eachRow(t, src.Path) {
			if lines++; lines%5 != 0 {
				continue
			}
			for _, end := range r[:2] {
				h := cursor.Lookup(netip.MustParseAddr(end))
				if len(r) == 3 && h.CC != r[2] {
					t.Fatalf("%s %s: country %q, want %q", names[i], end, h.CC, r[2])
				}
				if len(r) == 4 && (fmt.Sprint(h.ASN) != r[2] || h.Org != plainName(r[3], r[2])) {
					t.Fatalf("%s %s: AS%d %q, want AS%s %q", names[i], end, h.ASN, h.Org, r[2], r[3])
				}
			}
		}
		if src.Rows != lines {
			t.Errorf("%s: %d lines used, want %d", names[i], src.Rows, lines)
		}
	}
	t.Logf("%d prefixes", table.Prefixes())
}

// plainName is the name without the AS number that some publishers put before it, and without their words for none.
func plainName(name, asn string) string {
	name = strings.TrimSpace(name)
	if name == "N/A" || name == "-" {
		return ""
	}
	if rest, ok := strings.CutPrefix(name+" ", "AS"+asn+" "); ok {
		return strings.TrimPrefix(strings.TrimSpace(rest), "- ")
	}
	return name
}

func eachRow(tb testing.TB, path string) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		f, err := os.Open(path)
		if err != nil {
			tb.Fatal(err)
		}
		defer f.Close()
		in := io.Reader(f)
		if strings.HasSuffix(path, ".gz") {
			if in, err = gzip.NewReader(f); err != nil {
				tb.Fatal(err)
			}
		}
		r := csv.NewReader(in)
		r.ReuseRecord = true
		for {
			fields, err := r.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				tb.Fatal(err)
			}
			if !yield(fields) {
				return
			}
		}
	}
}

// TestEachPrefix cuts ranges and checks that the pieces follow each other without gap, and that none could be wider.
func TestEachPrefix(t *testing.T) {
	for _, c := range []struct {
		first, last string
		pieces      int
	}{
		{"192.0.2.0", "192.0.2.255", 1},
		{"192.0.2.1", "192.0.2.254", 14},
		{"192.0.2.7", "192.0.2.7", 1},
		{"0.0.0.0", "255.255.255.255", 1},
		{"0.0.0.1", "255.255.255.254", 62},
		{"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1},
		{"::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 254},
		{"2001:db8::ffff:ffff:ffff:ffff", "2001:db8:0:1::", 2},
		{"2001:db8::", "2001:db8:0:2:ffff:ffff:ffff:ffff", 2},
	} {
		next := netip.MustParseAddr(c.first)
		last := netip.MustParseAddr(c.last)
		n := 0
		err := network.EachPrefix(next, last, func(p netip.Prefix) error {
			if p.Addr() != next || p != p.Masked() {
				t.Fatalf("%s-%s: piece %s, want one that begins at %s", c.first, c.last, p, next)
			}
			if n++; lastOf(p) == last {
				next = netip.Addr{}
				return nil
			}
			next = lastOf(p).Next()
			return nil
		})
		if err != nil || next.IsValid() || n != c.pieces {
			t.Errorf("%s-%s: %d pieces, want %d; next %v, error %v", c.first, c.last, n, c.pieces, next, err)
		}
	}
}
