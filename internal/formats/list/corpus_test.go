package list_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/corpustest"
	"tocsin/internal/formats/list"
	"tocsin/internal/report"
)

// answer is what both sides must say about a row.
type answer struct {
	subject string // address, network or AS number; "" where the source has only names
	port    int
	domain  string
	url     string
	at      string
	kinds   []string // any of them; none means that the peer does not say
}

func (a answer) String() string {
	return strings.Join(strings.Fields(fmt.Sprintf("%s :%d %s %s %s %s", a.subject, a.port, a.domain, a.url, a.at, strings.Join(a.kinds, "|"))), " ")
}

// n6Kinds maps n6's categories. They are coarser than RSIT types: n6 has none for brute force, and "other" says nothing.
var n6Kinds = map[string][]string{
	"amplifier": {"vulnerable/ddos-amplifier"}, "bots": {"malicious-code/infected-system"}, "dos-victim": {"availability/ddos"},
	"malurl": {"malicious-code/malware-distribution"}, "phish": {"fraud/phishing"}, "scam": {"fraud/masquerade"},
	"scanning": {"information-gathering/scanner", "intrusion-attempts/brute-force"}, "spam": {"abusive-content/spam"}, "tor": {"other/other"},
}

// elders are words of IntelMQ before version 3 that its later versions, and we, make more precise.
var elders = map[string][]string{
	"malware":    {"malicious-code/malware-distribution", "malicious-code/infected-system", "fraud/phishing", "malicious-code/c2-server"},
	"dga-domain": {"other/other"},
}

// named says how an input of the corpus is read where its name and its content do not: as an operator would, who says
// which list a source sends. The key is the input's name up to its number.
var named = map[string]string{
	"blocklistde__test_parser": "blocklistde-imap", "alienvault__test_parser": "alienvault-reputation",
	"ci_army__test_parser": "ci-army", "dan-tv__tor.": "dan-tor", "malwaredomainlist__test_parser": "malwaredomainlist",
}

type expectation struct {
	Created  string         `json:"message_created"` // n6
	Constant map[string]any `json:"constant_items"`  // n6: the same for all events
	Cases    []struct {
		Inputs []string         `json:"input_files"`
		Events []map[string]any `json:"expected_events"`
		Params map[string]any   `json:"parameters"`
		Fields []map[string]any `json:"report_fields"`
	} `json:"cases"`
}

func TestCorpusAgreement(t *testing.T) {
	listed := differencesInDocs(t)
	agreed, total, inputs := 0, 0, 0
	var unlisted []string
	for _, e := range corpustest.Entries(t, "feeds") {
		inputs++
		body := read(t, e.Path)
		var x expectation
		if err := json.Unmarshal(read(t, e.Expected), &x); err != nil {
			t.Fatal(err)
		}
		seen := false
		for _, c := range x.Cases {
			if len(c.Inputs) == 0 || c.Inputs[0] != filepath.Base(e.Path) || seen && !generic(e.Path) {
				continue // the same input once more, with other settings of the peer
			}
			seen = true
			received := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			var want [][]answer
			if strings.Contains(e.Path, "/n6/") {
				want = n6Rows(c.Events, x.Constant)
			} else {
				want = intelmqRows(c.Events)
			}
			got := parsed(t, e.Path, body, c.Params, received)
			ok, diffs := compare(want, got, max(bytes.Count(bytes.TrimSpace(body), []byte("\n"))+1, bytes.Count(body, []byte("<tr"))))
			agreed += ok
			total += ok + len(diffs)
			for _, d := range diffs {
				line := filepath.Base(filepath.Dir(e.Path)) + "/" + filepath.Base(e.Path) + " " + d
				if !listed.has(line) {
					unlisted = append(unlisted, line)
				}
			}
		}
	}
	share := float64(agreed) / float64(max(total, 1))
	corpustest.Agreed(t, "feeds", agreed, total)
	if inputs < 100 || share < 0.95 {
		t.Errorf("%d of %d rows agree in %d files, less than 95 %%", agreed, total, inputs)
	}
	for _, d := range unlisted {
		t.Errorf("not explained in docs/formats/list.md: %s", d)
	}
	for _, d := range listed.unused() {
		t.Errorf("explained in docs/formats/list.md, but no difference: %s", d)
	}
}

// compare counts the rows that agree and names the others. A peer that lists fewer events than its input has lines has
// tested some of them: surplus is more events than lines.
func compare(want [][]answer, got []answer, lines int) (agreed int, diffs []string) {
	left := slices.Clone(got)
	for _, row := range want {
		i := slices.IndexFunc(left, func(g answer) bool {
			return slices.ContainsFunc(row, func(w answer) bool { return same(w, g) })
		})
		if i >= 0 {
			left = slices.Delete(left, i, i+1)
			agreed++
			continue
		}
		diffs = append(diffs, "wants "+row[0].String())
	}
	for len(left) > 0 && len(got) > max(len(want), lines) {
		diffs = append(diffs, "has too much "+left[0].String())
		left, got = left[1:], got[1:]
	}
	return agreed, diffs
}

// same compares what the peer says with ours. Where the peer has only a URL with an address or a name in it, ours may
// say that too.
func same(w, g answer) bool {
	if w.url != g.url && strings.TrimSuffix(w.url, "/") != strings.TrimSuffix(g.url, "/") {
		return false
	}
	if w.subject != g.subject && (w.subject != "" || w.url == "" || !strings.Contains(w.url, g.subject)) {
		return false
	}
	if w.port != g.port && (w.port != 0 || !strings.Contains(w.url, fmt.Sprint(":", g.port))) {
		return false
	}
	if w.domain != g.domain && (g.domain != "" || !strings.Contains(g.url, "//"+w.domain)) && (w.domain != "" || !strings.Contains(w.url, g.domain)) {
		return false
	}
	if w.at != g.at && w.at != "" {
		return false
	}
	return len(w.kinds) == 0 || slices.Contains(w.kinds, g.kinds[0])
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(corpustest.Dir(t, strings.Split(path, "/")...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// intelmqRows are IntelMQ's events by input row: it makes an event of each of a row's ports or tags, where ours is one
// event with all of them. Events of a row about different subjects are rows of their own.
func intelmqRows(events []map[string]any) [][]answer {
	var rows [][]answer
	at := map[string]int{}
	for _, e := range events {
		typ := text(e["classification.type"])
		kinds := elders[typ]
		if kinds == nil && typ != "" && typ != "unknown" { // before version 3 "unknown" said nothing
			kinds = []string{report.KindOf(typ).String()}
		}
		subject := text(e["source.ip"])
		if subject == "" {
			subject = masked(text(e["source.network"]))
		}
		domain, url := text(e["source.fqdn"]), text(e["source.url"])
		if subject == "" && domain == "" && url == "" && e["source.asn"] != nil {
			subject = fmt.Sprint("AS", number(e["source.asn"]))
		}
		port := number(e["source.port"])
		if port == 0 && e["protocol.transport"] != nil { // the port beside the address, which IntelMQ files under another name
			port = number(e["extra.source.local_port"])
			var extra map[string]any
			if json.Unmarshal([]byte(text(e["extra"])), &extra) == nil && port == 0 {
				port = number(extra["source.local_port"])
			}
		}
		a := answer{subject: subject, port: port, domain: domain, url: url, at: instant(text(e["time.source"])), kinds: kinds}
		key := fmt.Sprint(text(e["raw"]), "|", a.subject, a.domain, a.url)
		if i, ok := at[key]; ok && text(e["raw"]) != "" && (len(rows[i]) > 0 && number(e["destination.port"]) != 0 || text(e["protocol.application"]) != "" || !slices.Equal(kinds, rows[i][0].kinds)) {
			rows[i] = append(rows[i], a)
			continue
		}
		at[key] = len(rows)
		rows = append(rows, []answer{a})
	}
	return rows
}

func n6Rows(events []map[string]any, constant map[string]any) [][]answer {
	var rows [][]answer
	for _, e := range events {
		a := answer{domain: text(e["fqdn"]), url: text(e["url"]), at: instant(text(e["time"]))}
		if list, ok := e["address"].([]any); ok && len(list) > 0 {
			a.subject = text(list[0].(map[string]any)["ip"])
		}
		if n := text(e["ip_network"]); n != "" {
			a.subject = masked(n)
		}
		category := text(e["category"])
		if category == "" {
			category = text(constant["category"])
		}
		a.kinds = n6Kinds[category]
		switch category {
		case "bots":
			a.port, a.domain = number(e["sport"]), "" // n6's fqdn is the controller, ours the target
		case "amplifier":
			a.port = number(constant["dport"])
		default:
			a.port = number(e["dport"])
		}
		if e["expires"] != nil && strings.HasPrefix(a.at, "2014-01-10") || strings.HasPrefix(a.at, "2023-12-21") {
			a.at = "" // n6 takes the time when the list came in
		}
		rows = append(rows, []answer{a})
	}
	return rows
}

func parsed(t *testing.T, path string, body []byte, params map[string]any, received time.Time) []answer {
	t.Helper()
	var tables list.Tables
	doc := report.Document{Reader: bytes.NewReader(body), Name: filepath.Base(path), Received: received}
	events := tables.Parse(doc)
	if generic(path) {
		m := translated(t, path, params)
		own, err := list.New([]list.Mapping{m})
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		l, _ := own.List(m.Name)
		events = l.Parse(doc)
	}
	for prefix, name := range named {
		if strings.HasPrefix(doc.Name, prefix+".") {
			l, ok := tables.List(name)
			if !ok {
				t.Fatalf("no list %s", name)
			}
			events = l.Parse(doc)
		}
	}
	var got []answer
	for e, err := range events {
		if err != nil {
			if testing.Verbose() {
				t.Logf("%s: %v", path, err)
			}
			continue
		}
		s := e.Subject
		a := answer{port: int(s.Port), domain: s.Domain, url: s.URL, kinds: []string{e.Kind.String()}}
		switch {
		case s.Addr.IsValid():
			a.subject = s.Addr.String()
		case s.Prefix.IsValid():
			a.subject = s.Prefix.String()
		case s.Domain == "" && s.URL == "":
			a.subject = s.String()
		}
		if !e.From.Equal(received) {
			a.at = e.From.UTC().Format("2006-01-02T15:04:05")
		}
		got = append(got, a)
	}
	return got
}

// generic tells the inputs that IntelMQ reads by settings of the operator's, which the test makes mappings of.
func generic(path string) bool {
	base := filepath.Base(path)
	for _, p := range []string{"generic__", "html_table__", "key_value__", "json__"} {
		if strings.HasPrefix(base, p) {
			return true
		}
	}
	return false
}

var memberOf = map[string]string{
	"source.ip": "subject.addr", "source.port": "subject.port", "source.fqdn": "subject.domain", "source.url": "subject.url",
	"source.asn": "subject.asn", "source.geolocation.cc": "subject.cc", "source.network": "subject.prefix", "destination.ip": "target.addr",
	"destination.port": "target.port", "time.source": "from", "malware.name": "tag", "classification.type": "type",
	"source.ip|source.network": "subject", "source.ip|source.url": "subject",
}

// translated makes a mapping of IntelMQ's settings: it shows that the mapping says what they say.
func translated(t *testing.T, path string, p map[string]any) list.Mapping {
	t.Helper()
	m := list.Mapping{Name: "own", Shape: list.CSV, Comments: []string{"#"}, Fields: map[string]string{}, Empty: []string{"-", "."}, Type: text(p["type"])}
	if d, ok := p["default_fields"].(map[string]any); ok && m.Type == "" {
		m.Type = text(d["classification.type"])
	}
	base := filepath.Base(path)
	switch {
	case strings.HasPrefix(base, "json__"):
		m.Shape = list.JSON
		for _, k := range []string{"source.ip", "classification.type"} {
			m.Fields[memberOf[k]] = k
		}
		m.Fields["from"], m.Time.Missing = "time.source", "received"
		return typed(m)
	case strings.HasPrefix(base, "key_value__"):
		m.Shape, m.Separator, m.Assign = list.Pairs, text(p["pair_separator"]), text(p["kv_separator"])
		for k, v := range p["keys"].(map[string]any) {
			if member := memberOf[text(v)]; member != "" {
				m.Fields[member] = k
			}
		}
		m.Time.Missing = "received"
		return typed(m)
	case strings.HasPrefix(base, "html_table__"):
		m.Shape, m.Comments = list.HTML, nil
		if a := text(p["attribute_name"]); a != "" {
			m.Records = a + "=" + text(p["attribute_value"])
		}
		if strings.Contains(base, "feodo") {
			m.Records = "id=botnet_c2s"
		}
		m.LeaveOut = map[string][]string{"time.source": {"-::DATE"}}
		m.Time.Layout = []string{"%Y-%m-%d %H:%M:%S", "%d-%m-%Y", "%m-%d"}
	}
	columns := strings.Split(text(p["columns"]), ",")
	if all, ok := p["columns"].([]any); ok {
		columns = columns[:0]
		for _, c := range all {
			columns = append(columns, text(c))
		}
	}
	for i, c := range columns {
		if c = strings.TrimSpace(c); c == "__IGNORE__" {
			c = fmt.Sprint("column", i)
		}
		m.Columns = append(m.Columns, strings.ReplaceAll(c, "|", " "))
		if member := memberOf[c]; member != "" {
			m.Fields[member] = m.Columns[i]
		}
	}
	if m.Separator = text(p["delimiter"]); m.Separator == "\t" {
		m.Separator = "tab"
	}
	switch skip := p["skip_header"].(type) {
	case bool:
		m.Skip = map[bool]int{true: 1}[skip]
	case float64:
		m.Skip = int(skip)
	}
	if compose, ok := p["compose_fields"].(map[string]any); ok && compose["source.url"] != nil {
		m.Fields["subject.url"] = "http://{source.fqdn}{source.urlpath}"
	}
	if text(p["time_format"]) == "windows_nt" {
		m.Time.Layout = []string{"windows"}
	}
	if text(p["split_separator"]) != "" {
		m.Extract = []list.Extract{{Column: "source.url", Pattern: `\[D\]\s*(?P<split>.+)$`}}
		m.Fields["subject.url"] = "split|source.url"
	}
	if f := text(p["filter_text"]); f != "" {
		m = list.Mapping{
			Name: "own", Shape: list.Lines, Comments: []string{"#"}, Type: "other", Fields: map[string]string{"subject": "ip"},
			Extract: []list.Extract{{Column: "line", Pattern: `^ipset add \S+ (?P<ip>\S+)`}},
		}
		if text(p["filter_type"]) == "blacklist" {
			m.LeaveOut = map[string][]string{"line": {"*" + f + "*"}}
		} else {
			m.LeaveOut = map[string][]string{"line": {"iptables *", "ipset create *"}}
		}
	}
	if tr := p["type_translation"]; tr != nil && m.Fields["type"] != "" {
		m.Values = map[string]map[string]string{"type": {"Testing": "malware-distribution"}}
	}
	return typed(m)
}

// typed maps IntelMQ's words for the types to RSIT's.
func typed(m list.Mapping) list.Mapping {
	if m.Type != "" {
		m.Type = string(report.KindOf(m.Type).Type)
	}
	if m.Fields["from"] != "" {
		m.Time.Missing = "received"
	}
	return m
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func number(v any) int {
	n, _ := v.(float64)
	return int(n)
}

func masked(s string) string {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked().String()
	}
	return s
}

func instant(s string) string {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, s); err == nil {
			return at.UTC().Format("2006-01-02T15:04:05")
		}
	}
	return s
}

// differences are the lines "- `FILE DIFFERENCE`: reason" of the document; a * in one stands for anything.
type differences map[string]bool

func (d differences) has(line string) bool {
	found := false
	for what := range d {
		before, after, star := strings.Cut(what, "*")
		if what == line || star && strings.HasPrefix(line, before) && strings.HasSuffix(line, after) {
			d[what], found = true, true
		}
	}
	return found
}

func (d differences) unused() (all []string) {
	for what, used := range d {
		if !used {
			all = append(all, what)
		}
	}
	return all
}

func differencesInDocs(t *testing.T) differences {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "formats", "list.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := differences{}
	for line := range strings.SplitSeq(string(b), "\n") {
		rest, ok := strings.CutPrefix(line, "- `")
		if !ok {
			continue
		}
		what, reason, ok := strings.Cut(rest, "`: ")
		if ok && (strings.Contains(what, " wants ") || strings.Contains(what, " has too much ")) {
			if strings.TrimSpace(reason) == "" {
				t.Errorf("%s has no reason", what)
			}
			all[what] = false
		}
	}
	return all
}
