package intelmq_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"tocsin/internal/corpustest"
	"tocsin/internal/formats/intelmq"
	"tocsin/internal/report"
)

func parse(text []byte) (events []report.Event, refused []string) {
	for e, err := range intelmq.Parse(report.Document{Reader: bytes.NewReader(text), Name: "events.json"}) {
		if err != nil {
			refused = append(refused, err.Error())
			continue
		}
		events = append(events, e)
	}
	return events, refused
}

// same compares two events but for what IntelMQ cannot carry: format and row.
func same(a, b report.Event) string {
	a.Format, b.Format, a.Row, b.Row = "", "", 0, 0
	return cmp.Diff(a, b, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}))
}

// anEvent draws any event that Validate lets pass, details with the names of IntelMQ's own fields among them.
func anEvent(t *rapid.T) report.Event {
	addrs := []netip.Addr{{}, netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8::7")}
	domains := []string{"", "www.example.com", "localhost", "bücher.example", "_dmarc.example.com", "xn--bcher-kva.example"}
	urls := []string{"", "http://www.example.com/a?b=1#c", "xarf:some%20account", "tel:+15550100", "https://[2001:db8::7]/", "no url at all"}
	e := report.Event{
		Format:   rapid.SampledFrom([]string{"xarf", "shadowserver", "arf", "intelmq"}).Draw(t, "format"),
		Feed:     rapid.SampledFrom([]string{"", "scan_telnet", "connection/login-attack", "A feed, named"}).Draw(t, "feed"),
		Kind:     rapid.SampledFrom(report.Kinds()).Draw(t, "kind"),
		From:     time.Unix(rapid.Int64Range(800000000, 1770000000).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).UTC(),
		Severity: rapid.SampledFrom([]report.Severity{"", "low", "medium", "high", "critical"}).Draw(t, "severity"),
		Subject: report.Subject{
			Addr: rapid.SampledFrom(addrs).Draw(t, "addr"), Port: rapid.Uint16().Draw(t, "port"),
			Proto:  rapid.SampledFrom([]string{"", "tcp", "udp", "icmp", "tcp/udp", "quic"}).Draw(t, "proto"),
			Domain: rapid.SampledFrom(domains).Draw(t, "domain"), URL: rapid.SampledFrom(urls).Draw(t, "url"),
			ASN: rapid.Uint32().Draw(t, "asn"), CC: rapid.SampledFrom([]string{"", "GB", "ZZ"}).Draw(t, "cc"),
		},
		Target: report.Target{
			Addr: rapid.SampledFrom(addrs).Draw(t, "to addr"), Port: rapid.Uint16().Draw(t, "to port"),
			Domain: rapid.SampledFrom(domains).Draw(t, "to domain"), URL: rapid.SampledFrom(urls).Draw(t, "to url"),
		},
	}
	if e.Subject.Addr == (netip.Addr{}) && e.Subject.Domain == "" && e.Subject.URL == "" {
		e.Subject.Addr = addrs[1]
	}
	if rapid.Bool().Draw(t, "period") {
		e.To = e.From.Add(time.Duration(rapid.Int64Range(1, 1e15).Draw(t, "for")))
	}
	word := rapid.OneOf(rapid.SampledFrom([]string{"-", "N/A", "open-telnet", "cve-2024-1234", "a\"b\\c", "é"}), rapid.StringMatching(`[a-z0-9.:-]{1,20}`))
	e.Tags = rapid.SliceOfNDistinct(word, 0, 4, rapid.ID[string]).Draw(t, "tags")
	name := rapid.OneOf(
		rapid.SampledFrom([]string{
			"source.ip", "source.reverse_dns", "source.tor_node", "source.geolocation.latitude", "destination.asn", "malware.name", "malware.hash.md5",
			"raw", "feed.accuracy", "feed.name", "feed.code", "feed.url", "time.observation", "time.source", "severity", "extra", "extra.severity",
			"tocsin.format", "tocsin.detail.x", "tocsin.member.source.url", "classification.type", "classification.identifier", "__type", "banner", "rtir_id",
			"source.account", "source.network", "protocol.transport", "extra.tocsin.format", "warning.2", "a#2", "",
		}),
		rapid.StringMatching(`[A-Za-z_.#-]{0,12}`))
	value := rapid.OneOf(
		rapid.SampledFrom([]string{
			"", "-", "N/A", "high", "5", "05", "-0", "1e3", "47.08", "true", "True", "null", "{\"a\":1}", "[1]", "2026-03-01T00:00:00+00:00",
			"host.example.com", "Host.example.com", "zm9v", "Zm9v", strings.Repeat("Zm9v", 2000), "http://www.example.com/", "192.0.2.0/24", "other\nline", "\u2028",
		}),
		rapid.StringN(0, 20, -1).Filter(func(s string) bool { return !strings.Contains(s, "\x00") }))
	for _, n := range rapid.SliceOfNDistinct(name, 0, 8, rapid.ID[string]).Draw(t, "names") {
		e.Details = append(e.Details, report.Detail{Name: n, Value: value.Draw(t, "value")})
	}
	return e
}

// TestRoundTrip: an event that goes out and comes in again is the same.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := anEvent(t)
		if err := e.Validate(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).AddDate(1, 0, 0)); err != nil {
			t.Skip(err) // a period that ends in the future, and the like
		}
		text, err := intelmq.Encode(&e)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(text) || bytes.ContainsAny(text, "\n\r") {
			t.Fatalf("no line of JSON: %s", text)
		}
		if !intelmq.Detect(report.Document{}, text[:min(len(text), 64<<10)]) {
			t.Fatalf("not detected: %s", text)
		}
		back, refused := parse(text)
		if len(back) != 1 || len(refused) != 0 {
			t.Fatalf("%s\nrefused: %v", text, refused)
		}
		if diff := same(e, back[0]); diff != "" {
			t.Fatalf("%s\n(-out +in):\n%s", text, diff)
		}
	})
}

// kinds is what the types of IntelMQ 1 to 3 mean in RSIT 1003, where the word itself is no type of it.
var kinds = map[string]string{
	"blacklist": "other/other", "botnet drone": "malicious-code/infected-system", "c&c": "malicious-code/c2-server",
	"c2server": "malicious-code/c2-server", "dga-domain": "other/other", "infected system": "malicious-code/infected-system",
	"malware": "malicious-code/infected-system", "proxy": "other/other", "ransomware": "malicious-code/infected-system",
	"unknown": "other/undetermined", "vulnerable service": "vulnerable/vulnerable-system",
}

// TestCorpus reads the events that IntelMQ expects of its own parsers, of eight of its releases, as if they came in. Those
// with a source and a time become events that say the same, and the same again after going out and in; the others are
// refused.
func TestCorpus(t *testing.T) {
	agreed, total, without := 0, 0, 0
	seen := map[string]bool{} // several inputs share a file
	for _, format := range []string{"feeds", "shadowserver"} {
		for _, entry := range corpustest.Entries(t, format) {
			if !strings.Contains(entry.Path, "/intelmq") || !strings.HasSuffix(entry.Expected, ".json") || seen[entry.Expected] {
				continue
			}
			seen[entry.Expected] = true
			for i, object := range expectations(t, entry.Expected) {
				name := fmt.Sprintf("%s event %d", entry.Expected, i+1)
				text, err := json.Marshal(object)
				if err != nil {
					t.Fatal(err)
				}
				total++
				events, refused := parse(text)
				want, usable := wanted(object)
				if !usable {
					without++
					if len(events) != 0 || len(refused) != 1 {
						t.Errorf("%s has no source or no time and is not refused: %s", name, text)
						continue
					}
					agreed++
					continue
				}
				if len(events) != 1 {
					t.Errorf("%s: refused: %v", name, refused)
					continue
				}
				e := events[0]
				addr := ""
				if e.Subject.Addr.IsValid() {
					addr = e.Subject.Addr.String()
				} else if e.Subject.Prefix.IsValid() {
					addr = e.Subject.Prefix.String()
				}
				got := fmt.Sprintf("%s %d %s %s %s %s", addr, e.Subject.Port, e.Subject.URL, e.From.Format(time.RFC3339), e.Kind, e.Subject.Proto)
				if got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
					continue
				}
				out, err := intelmq.Encode(&e)
				if err != nil {
					t.Fatal(err)
				}
				back, _ := parse(out)
				if len(back) != 1 || same(e, back[0]) != "" {
					t.Errorf("%s: changed by going out and in: %s\n%v", name, out, refusedOrDiff(e, back))
					continue
				}
				agreed++
			}
		}
	}
	corpustest.Agreed(t, "intelmq", agreed, total)
	t.Logf("%d of them have no source or no time and are refused", without)
	if total == 0 {
		t.Error("the corpus has no events of IntelMQ")
	}
}

// expectations are all expected events of a file, once each.
func expectations(t *testing.T, path string) (all []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(corpustest.Dir(t, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, one := range v {
				walk(one)
			}
		case map[string]any:
			for name, one := range v {
				if name != "expected_events" {
					walk(one)
					continue
				}
				list, _ := one.([]any)
				for _, e := range list {
					if e, ok := e.(map[string]any); ok && len(e) > 0 {
						delete(e, "_pos") // the corpus's own
						all = append(all, e)
					}
				}
			}
		}
	}
	walk(doc)
	return all
}

// wanted is what the event must say, read plainly; ok is false where it has no source or no time.
func wanted(object map[string]any) (want string, ok bool) {
	get := func(name string) string {
		if v, ok := object[name]; ok && v != nil {
			return fmt.Sprint(v)
		}
		return ""
	}
	addr, link, name := get("source.ip"), get("source.url"), get("source.fqdn")
	if account := get("source.account"); name == "" && strings.Contains(account, "@") {
		name = account
	}
	at := get("time.source")
	if at == "" {
		at = get("time.observation")
	}
	when, err := time.Parse(time.RFC3339, at)
	if addr == "" && link == "" && name == "" {
		addr = get("source.network")
	}
	if addr == "" && link == "" && name == "" || err != nil {
		return "", false
	}
	if addr == "" && name == "" { // the host of the URL may be an address
		_, rest, _ := strings.Cut(link, "://")
		host := strings.FieldsFunc(rest, func(r rune) bool { return strings.ContainsRune("/:?#", r) })
		if len(host) > 0 {
			if a, err := netip.ParseAddr(host[0]); err == nil {
				addr = a.String()
			}
		}
	}
	if a, err := netip.ParseAddr(addr); err == nil {
		addr = a.String()
	}
	port := "0"
	if p := get("source.port"); p != "" {
		port = p
	}
	kind := kinds[get("classification.type")]
	for _, k := range report.Kinds() {
		if string(k.Type) == get("classification.type") {
			kind = k.String()
		}
	}
	return fmt.Sprintf("%s %s %s %s %s %s", addr, port, link, when.UTC().Format(time.RFC3339), kind, get("protocol.transport")), true
}

// TestNeverTaken: JSON of other formats is not IntelMQ's.
func TestNeverTaken(t *testing.T) {
	for _, format := range []string{"xarf_v3", "xarf_v4", "shadowserver", "misp_event", "stix", "idea", "xarf_mail", "attack_log"} {
		for _, entry := range corpustest.Entries(t, format) {
			text, err := os.ReadFile(corpustest.Dir(t, filepath.FromSlash(entry.Path)))
			if err != nil {
				t.Fatal(err)
			}
			if intelmq.Detect(report.Document{Name: filepath.Base(entry.Path)}, text[:min(len(text), 64<<10)]) {
				t.Errorf("%s is taken for IntelMQ's", entry.Path)
			}
		}
	}
}

// TestKindTable: every type of IntelMQ 3 has the kind that docs/formats/intelmq.md says.
func TestKindTable(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "formats", "intelmq.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(doc)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 3 || !strings.Contains(cells[0], "/") {
			continue
		}
		want := strings.TrimSpace(cells[0])
		for _, cell := range cells[1:] {
			for typ := range strings.SplitSeq(cell, ",") {
				if typ = strings.TrimSpace(typ); typ == "" {
					continue
				}
				rows++
				events, refused := parse(fmt.Appendf(nil, `{"classification.type":%q,"source.ip":"198.51.100.7","time.source":"2026-03-01T00:00:00+00:00"}`, typ))
				if len(events) != 1 || events[0].Kind.String() != want {
					t.Errorf("%s: got %v %v, want %s", typ, events, refused, want)
				}
			}
		}
	}
	if rows < len(report.Kinds()) {
		t.Errorf("the table has %d types, fewer than RSIT", rows)
	}
}

func refusedOrDiff(e report.Event, back []report.Event) string {
	if len(back) != 1 {
		return "refused"
	}
	return same(e, back[0])
}
