package world_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/corpustest"
	"tocsin/internal/report"
	"tocsin/internal/world"
)

// demo is the demo's world, made once for all tests: it does not change.
var demo = sync.OnceValue(func() *world.World { return world.New(1, world.Demo()) })

// fingerprint is the hash of every file's name, time and bytes.
func fingerprint(w *world.World) [32]byte {
	h := sha256.New()
	for f := range w.Reports() {
		h.Write([]byte(f.Name + "\n" + f.Reporter + "\n" + f.Received.String() + "\n"))
		h.Write(f.Body())
	}
	return [32]byte(h.Sum(nil))
}

func TestTheSeedSaysEverything(t *testing.T) {
	a := fingerprint(world.New(7, world.Small()))
	if b := fingerprint(world.New(7, world.Small())); a != b {
		t.Error("the same seed made two worlds")
	}
	if c := fingerprint(world.New(8, world.Small())); a == c {
		t.Error("two seeds made the same world")
	}
	later := world.Small()
	later.Start = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	for f := range world.New(7, later).Reports() {
		if f.Received.Before(later.Start) {
			t.Errorf("%s came in at %s, before the world began", f.Name, f.Received)
		}
	}
}

func TestSizes(t *testing.T) {
	for _, tt := range []struct {
		name string
		size world.Size
		want [2]int // lines and days
		docs [2]int // at least, at most
		rows [2]int
	}{
		{"demo", world.Demo(), [2]int{20_000, 14}, [2]int{350, 800}, [2]int{90_000, 200_000}},
		{"small", world.Small(), [2]int{200, 3}, [2]int{40, 150}, [2]int{200, 2000}},
		{"nothing", world.Size{}, [2]int{1, 1}, [2]int{4, 100}, [2]int{1, 1000}},
		{"too much", world.Size{Lines: 1 << 30, Days: 1}, [2]int{20_000, 1}, [2]int{10, 100}, [2]int{1000, 20_000}},
	} {
		for seed := range uint64(3) {
			w := world.New(seed, tt.size)
			if got := [2]int{w.Size().Lines, w.Size().Days}; got != tt.want {
				t.Errorf("%s: size %v, want %v", tt.name, got, tt.want)
			}
			truth := w.Truth()
			if truth.Documents < tt.docs[0] || truth.Documents > tt.docs[1] {
				t.Errorf("%s, seed %d: %d documents, want %v", tt.name, seed, truth.Documents, tt.docs)
			}
			if truth.Rows < tt.rows[0] || truth.Rows > tt.rows[1] {
				t.Errorf("%s, seed %d: %d rows, want %v", tt.name, seed, truth.Rows, tt.rows)
			}
		}
	}
}

func TestASmallWorldHasOneOfEach(t *testing.T) {
	for seed := range uint64(5) {
		w := world.New(seed, world.Small())
		truth := w.Truth()
		if truth.Duplicates == 0 || truth.Unreadable == 0 || truth.Repeats == 0 || truth.Refused == 0 || truth.Late == 0 {
			t.Errorf("seed %d: something is missing: %+v", seed, truth)
		}
		have := map[string]bool{}
		for f := range w.Reports() {
			have[f.Format] = true
			have[f.Name[strings.LastIndexByte(f.Name, '.')+1:]] = true
		}
		for _, x := range []string{
			world.FormatShadowserver, world.FormatXARF, world.FormatARF, "", "csv", "gz", "zip", "json", "eml",
		} {
			if !have[x] {
				t.Errorf("seed %d: no %q among the files", seed, x)
			}
		}
	}
}

func TestFilesComeInOrderAndHaveOneName(t *testing.T) {
	w := demo()
	known := map[string]bool{}
	for _, r := range w.Reporters() {
		known[r.Name] = true
	}
	var before time.Time
	names := map[string]world.File{}
	for f := range w.Reports() {
		if _, twice := names[f.Name]; twice {
			t.Errorf("two files are called %s", f.Name)
		}
		names[f.Name] = f
		if f.Received.Before(before) {
			t.Errorf("%s came in at %s, after a later one", f.Name, f.Received)
		}
		before = f.Received
		if !known[f.Reporter] {
			t.Errorf("%s is from %s, who is no reporter", f.Name, f.Reporter)
		}
		if f.DuplicateOf != "" {
			first, ok := names[f.DuplicateOf]
			if !ok || first.Reporter != f.Reporter || !bytes.Equal(first.Body(), f.Body()) {
				t.Errorf("%s is no duplicate of %s", f.Name, f.DuplicateOf)
			}
		}
	}
	if end := w.End(); !end.After(before) {
		t.Errorf("the world ends at %s, before its last report at %s", end, before)
	}
}

// documentation is RFC 5737 and RFC 3849.
var documentation = []netip.Prefix{
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32"),
}

func documented(a netip.Addr) bool {
	for _, p := range documentation {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// RFC 5398.
func documentedASN(n uint64) bool { return n >= 64496 && n <= 64511 || n >= 65536 && n <= 65551 }

func TestNothingIsAnybodys(t *testing.T) {
	w := world.New(1, world.Size{Lines: 4000, Days: 4})
	quads := regexp.MustCompile(`[^-.0-9a-zA-Z][0-9]{1,3}(\.[0-9]{1,3}){3}[^-.0-9a-zA-Z]`)
	sixes := regexp.MustCompile(`[^-.:0-9a-zA-Z][0-9a-f]{1,4}(:[0-9a-f]{0,4}){3,7}[^-.:0-9a-zA-Z]`)
	found := 0
	for f := range w.Reports() {
		text := plain(t, f)
		for _, m := range append(quads.FindAll(text, -1), sixes.FindAll(text, -1)...) {
			s := string(m[1 : len(m)-1])
			if a, err := netip.ParseAddr(s); s == "999.1.1.1" || err == nil && documented(a) {
				found++
				continue
			}
			if _, err := time.Parse("15:04:05", s); err != nil {
				t.Fatalf("%s holds %s", f.Name, s)
			}
		}
	}
	if found < 5_000 {
		t.Errorf("only %d addresses were found", found)
	}
	nets := w.Networks()
	for _, n := range append(append([]world.Network{nets.Own}, nets.Partners...), nets.Others...) {
		if n.ASN != 0 && !documentedASN(uint64(n.ASN)) {
			t.Errorf("%s has AS%d", n.ID, n.ASN)
		}
		for _, p := range n.Prefixes {
			if !documented(p.Addr()) || p != p.Masked() {
				t.Errorf("%s has %s", n.ID, p)
			}
		}
	}
	for o := range w.Observations() {
		if o.ASN != 0 && !documentedASN(uint64(o.ASN)) {
			t.Fatalf("%s row %d has AS%d", o.File, o.Row, o.ASN)
		}
	}
}

func TestNetworksDoNotOverlap(t *testing.T) {
	nets := world.New(1, world.Small()).Networks()
	var all []netip.Prefix
	for _, n := range append(append([]world.Network{nets.Own}, nets.Partners...), nets.Others...) {
		for _, p := range n.Prefixes {
			for _, q := range all {
				if p.Overlaps(q) {
					t.Errorf("%s overlaps %s", p, q)
				}
			}
			all = append(all, p)
		}
	}
}

func TestLines(t *testing.T) {
	w := demo()
	own := w.Networks().Own
	type block struct {
		a    netip.Addr
		port uint16
	}
	taken, sixes, shared := map[block]bool{}, map[netip.Prefix]bool{}, 0
	for i, l := range w.Lines() {
		if l.Number != i || len(l.Handle) != 16 || l.Prefix.Bits() != 56 || l.Prefix != l.Prefix.Masked() {
			t.Fatalf("line %d is odd: %+v", i, l)
		}
		b := block{l.Addr, l.FirstPort}
		if taken[b] || sixes[l.Prefix] {
			t.Fatalf("line %d shares its addresses with another: %+v", i, l)
		}
		taken[b], sixes[l.Prefix] = true, true
		if !own.Prefixes[0].Contains(l.Prefix.Addr()) {
			t.Fatalf("line %d has the foreign prefix %s", i, l.Prefix)
		}
		if l.Shared != own.CGNAT[0].Contains(l.Addr) || !l.Shared && !own.Prefixes[2].Contains(l.Addr) {
			t.Fatalf("line %d has the wrong address: %+v", i, l)
		}
		if l.Shared {
			shared++
			if l.FirstPort < 1024 || l.LastPort <= l.FirstPort || (l.FirstPort-1024)%400 != 0 || l.LastPort-l.FirstPort != 399 {
				t.Fatalf("line %d has the block %d to %d", i, l.FirstPort, l.LastPort)
			}
		}
	}
	if shared != 19_900 {
		t.Errorf("%d lines share an address, want 19900", shared)
	}
	if _, ok := w.LineAt(w.Lines()[0].Addr, 0); ok {
		t.Error("a shared address without a port named a line")
	}
}

func TestHeadersAreTheSchemas(t *testing.T) {
	b, err := os.ReadFile(corpustest.Dir(t, "shadowserver_schema", "report_schema", "reports.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]struct {
		Fields []string `json:"fields"`
	}
	if err := json.Unmarshal(b, &schema); err != nil {
		t.Fatal(err)
	}
	check := func(feed string, body []byte) {
		got, err := csv.NewReader(bytes.NewReader(body)).Read()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(schema[feed].Fields, got); d != "" {
			t.Errorf("header of %s (-schema +ours):\n%s", feed, d)
		}
	}
	seen := map[string]bool{}
	for f := range demo().Reports() {
		if f.Format == world.FormatShadowserver && !seen[f.Feed] {
			seen[f.Feed] = true
			check(f.Feed, plain(t, f))
		}
	}
	for _, f := range world.Bench(1, world.BenchSize{Rows: 100}).Files {
		seen[f.Feed] = true
		var b bytes.Buffer
		if _, err := f.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		check(f.Feed, b.Bytes())
	}
	if len(seen) < 24 {
		t.Errorf("only %d report types are used", len(seen))
	}
}

func TestKindsAreTheSchemas(t *testing.T) {
	b, err := os.ReadFile(corpustest.Dir(t, "shadowserver_schema", "report_schema", "intelmq.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	type facts struct {
		File     string            `json:"file_name"`
		Constant map[string]string `json:"constant_fields"`
	}
	schema := map[string]facts{}
	for name, raw := range all {
		var f facts
		if name != "_meta" && json.Unmarshal(raw, &f) == nil {
			schema[f.File] = f
		}
	}
	for o := range demo().Observations() {
		if o.Format != world.FormatShadowserver {
			if !o.Kind.Valid() {
				t.Fatalf("%s is no kind of RSIT", o.Kind)
			}
			continue
		}
		c := schema[o.Feed].Constant
		want := report.KindOf(c["classification.type"])
		if o.Kind != want {
			t.Fatalf("%s is %s, want %s", o.Feed, o.Kind, want)
		}
		if id := c["classification.identifier"]; id != "" && id != o.Thing {
			t.Fatalf("%s is about %s, want %s", o.Feed, o.Thing, id)
		}
	}
}

func TestAddressTable(t *testing.T) {
	w := world.New(1, world.Small())
	var b strings.Builder
	if err := w.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(rows[0], ","); got != world.TableHeader {
		t.Errorf("header %s", got)
	}
	nets := w.Networks()
	n := 0
	for _, net := range append(append([]world.Network{nets.Own}, nets.Partners...), nets.Others...) {
		for _, p := range net.Prefixes {
			n++
			first, end := p.Addr().String(), ""
			for a := range rows[1:] {
				if rows[a+1][0] == first && rows[a+1][2] == strconv.Itoa(int(net.ASN)) && rows[a+1][3] == net.Name {
					end = rows[a+1][1]
				}
			}
			last, err := netip.ParseAddr(end)
			if err != nil || !p.Contains(last) || p.Contains(last.Next()) {
				t.Errorf("%s of %s ends at %q", p, net.ID, end)
			}
		}
	}
	if n != len(rows)-1 {
		t.Errorf("%d rows for %d prefixes", len(rows)-1, n)
	}
}
