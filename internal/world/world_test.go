package world_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"fmt"
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
	for _, l := range w.Logs() {
		h.Write([]byte(l.Name + "\n"))
		_, _ = l.WriteTo(h) // a hash takes everything
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
	names, addrs, sixes, kinds := map[string]bool{}, map[netip.Addr]bool{}, map[netip.Prefix]bool{}, map[world.Access]int{}
	for i, l := range w.Lines() {
		kinds[l.Access]++
		if l.Number != i || l.Name == "" || names[l.Name] {
			t.Fatalf("line %d is odd: %+v", i, l)
		}
		names[l.Name] = true
		if (l.Access == world.Static) != l.Addr.IsValid() || (l.Access != world.Dynamic) != l.Prefix.IsValid() {
			t.Fatalf("line %d has the wrong addresses for good: %+v", i, l)
		}
		if l.Addr.IsValid() && (addrs[l.Addr] || !own.Prefixes[2].Contains(l.Addr)) {
			t.Fatalf("line %d has another's address: %+v", i, l)
		}
		addrs[l.Addr] = true
		if !l.Prefix.IsValid() {
			continue
		}
		if sixes[l.Prefix] || l.Prefix.Bits() != 56 || l.Prefix != l.Prefix.Masked() || !own.Prefixes[0].Contains(l.Prefix.Addr()) {
			t.Fatalf("line %d has another's prefix: %+v", i, l)
		}
		sixes[l.Prefix] = true
	}
	if kinds[world.Static] != 54 || kinds[world.Dynamic] != 50 || kinds[world.Shared] != 19_896 {
		t.Errorf("lines by access: %v", kinds)
	}
}

// TestLogs reads the logs with nothing of the world's own: no two lines hold the same at a time, blocks of ports are as
// the NAT deals them out, and the addresses are nobody's.
func TestLogs(t *testing.T) {
	for name, w := range map[string]*world.World{"demo": demo(), "small": world.New(2, world.Small()), "one": world.New(1, world.Size{}), "two": world.New(1, world.Size{Lines: 2})} {
		t.Run(name, func(t *testing.T) {
			blocks := 0
			for _, l := range w.Logs() {
				var b strings.Builder
				n, err := l.WriteTo(&b)
				if err != nil || n != int64(b.Len()) {
					t.Fatalf("%s: %d bytes of %d, %v", l.Name, n, b.Len(), err)
				}
				switch l.Kind {
				case world.LogNAT:
					blocks += checkBlocks(t, b.String())
				case world.LogDetail:
					lost, crashed := checkDetail(t, b.String())
					if t.Logf("%d stops lost, %d sessions in a crash", lost, crashed); crashed == 0 || name == "demo" && lost < 10 {
						t.Error("too few")
					}
				}
				for _, a := range regexp.MustCompile(`\b\d+\.\d+\.\d+\.\d+\b`).FindAllString(b.String(), -1) {
					if addr := netip.MustParseAddr(a); !documented(addr) && !netip.MustParsePrefix("100.64.0.0/10").Contains(addr) {
						t.Fatalf("%s holds %s", l.Name, a)
					}
				}
			}
			if name == "demo" && blocks < 25_000 {
				t.Errorf("%d blocks", blocks)
			}
		})
	}
}

// checkDetail plays an access server's log and says how many stops were lost, and how many sessions a restart ended.
func checkDetail(t *testing.T, text string) (lost, crashed int) {
	t.Helper()
	type holder struct{ who, session string }
	open, holds := map[string]string{}, map[string]holder{} // sessions by line, who had an address last
	for q := range strings.SplitSeq(strings.TrimSuffix(text, "\n\n"), "\n\n") {
		has := map[string]string{}
		for l := range strings.Lines(q) {
			if name, v, ok := strings.Cut(strings.TrimSpace(l), " = "); ok {
				has[name] = strings.Trim(v, `"`)
			}
		}
		who, session, addr := has["User-Name"], has["Acct-Session-Id"], has["Framed-IP-Address"]
		switch kind := has["Acct-Status-Type"]; {
		case kind == "Accounting-On":
			crashed += len(open)
			clear(open)
			clear(holds)
		case kind == "Start":
			if open[who] != "" {
				lost++
			}
			if was := holds[addr]; was.who != "" && open[was.who] == was.session {
				t.Fatalf("%s gets the address of %s", who, was.who)
			}
			open[who], holds[addr] = session, holder{who, session}
		case open[who] != session || session == "":
			t.Fatalf("%s of a session that is not open: %s", kind, q)
		case kind == "Stop":
			delete(open, who)
			delete(holds, addr)
		}
	}
	return lost, crashed
}

// checkBlocks plays a NAT's log and says how many blocks it gave.
func checkBlocks(t *testing.T, text string) (given int) {
	t.Helper()
	holds := map[string]string{} // inside address by block
	before := ""
	for l := range strings.Lines(text) {
		w := strings.Fields(l)
		if len(w) != 14 || w[1] < before {
			t.Fatalf("odd line, or out of order: %s", l)
		}
		before = w[1]
		inside, block := w[11], w[13]
		var lo, hi int
		if _, err := fmt.Sscanf(block[strings.IndexByte(block, ':'):], ":%d-%d", &lo, &hi); err != nil || lo < 1024 || hi-lo != 399 || (lo-1024)%400 != 0 {
			t.Fatalf("block %s: %v", block, err)
		}
		switch {
		case w[7] == "A" && holds[block] == "":
			holds[block] = inside
			given++
		case w[7] == "D" && holds[block] == inside:
			delete(holds, block)
		default:
			t.Fatalf("%s has the block: %s", holds[block], l)
		}
	}
	return given
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
