package shadowserver_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"tocsin/internal/corpustest"
	"tocsin/internal/formats/shadowserver"
	"tocsin/internal/report"
)

// answer is what both sides must say about a row.
type answer struct {
	addr string
	port int
	at   string
	kind string
}

func (a answer) String() string { return fmt.Sprintf("%s:%d %s %s", a.addr, a.port, a.at, a.kind) }

// expectation is an expected.json of the corpus, of either peer.
type expectation struct {
	Constant map[string]any `json:"constant_items"` // n6: the same for all events
	Cases    []struct {
		Inputs []string         `json:"input_files"`
		Error  string           `json:"expected_error"`
		Events []map[string]any `json:"expected_events"`
		Params struct {
			Feed string `json:"feedname"`
		} `json:"parameters"`
		Reports []map[string]any `json:"report_fields"`
	} `json:"cases"`
}

// n6Kinds maps n6's categories. They are coarser than RSIT types: an amplifier is an open service, which
// Shadowserver's schema classifies as a vulnerable system like any other.
var n6Kinds = map[string]string{
	"vulnerable": "vulnerable/vulnerable-system",
	"amplifier":  "vulnerable/vulnerable-system",
	"bots":       "malicious-code/infected-system",
	"exposed":    "other/undetermined",
}

func TestCorpusAgreement(t *testing.T) {
	listed := differencesInDocs(t)
	agreed, total, inputs := 0, 0, 0
	var unlisted []string
	for _, e := range corpustest.Entries(t, "shadowserver") {
		if !strings.HasSuffix(e.Expected, ".json") {
			continue
		}
		inputs++
		want, rows := expected(t, e)
		got := parsed(t, e.Path)
		ok, diffs := compare(want, got, rows)
		agreed += ok
		total += ok + len(diffs)
		for _, d := range diffs {
			line := filepath.Base(filepath.Dir(e.Path)) + "/" + filepath.Base(e.Path) + " " + d
			if !listed[line] {
				unlisted = append(unlisted, line)
			}
			delete(listed, line)
		}
	}
	share := float64(agreed) / float64(max(total, 1))
	t.Logf("shadowserver: %d of %d events agree (%.2f %%) in %d files", agreed, total, 100*share, inputs)
	if inputs < 100 || share < 0.99 {
		t.Errorf("%d of %d events agree in %d files, less than 99 %%", agreed, total, inputs)
	}
	for _, d := range unlisted {
		t.Errorf("not explained in docs/formats/shadowserver.md: %s", d)
	}
	for d := range listed {
		t.Errorf("explained in docs/formats/shadowserver.md, but no difference: %s", d)
	}
}

// compare counts the answers that agree and names the others. A peer that lists fewer events than its input has
// rows has tested some of them: surplus is more events than rows.
func compare(want, got []answer, rows int) (agreed int, diffs []string) {
	left := map[answer]int{}
	for _, a := range got {
		left[a]++
	}
	missing := 0
	for _, a := range want {
		if left[a] > 0 {
			left[a]--
			agreed++
			continue
		}
		missing++
		diffs = append(diffs, "wants "+a.String())
	}
	surplus := len(got) - max(len(want), rows)
	for a, n := range left {
		for range n {
			if surplus > 0 {
				surplus--
				diffs = append(diffs, "has too much "+a.String())
			}
		}
	}
	sort.Strings(diffs)
	return agreed, diffs
}

func expected(t *testing.T, e corpustest.Entry) (want []answer, rows int) {
	t.Helper()
	b, err := os.ReadFile(corpustest.Dir(t, strings.Split(e.Expected, "/")...))
	if err != nil {
		t.Fatal(err)
	}
	var x expectation
	if err := json.Unmarshal(b, &x); err != nil {
		t.Fatalf("%s: %v", e.Expected, err)
	}
	n6 := strings.Contains(e.Path, "/n6/")
	for i, c := range x.Cases {
		if len(c.Inputs) == 0 || c.Inputs[0] != filepath.Base(e.Path) {
			continue
		}
		if i > 0 && x.Cases[i-1].Inputs[0] == c.Inputs[0] {
			continue // the same input once more, with other settings of the peer
		}
		folded := map[string]bool{}
		for _, ev := range c.Events {
			a := intelmqAnswer(ev)
			if n6 {
				a = n6Answer(ev, x.Constant)
				// n6 makes one event of the row and one of each CVE number in its tag; ours has them as tags.
				key := fmt.Sprint(a.addr, a.port, a.at)
				if cve := strings.HasPrefix(text(ev["name"]), "cve-"); cve && folded[key] {
					continue
				}
				folded[key] = true
			}
			want = append(want, a)
		}
	}
	return want, countRows(t, e.Path)
}

func intelmqAnswer(ev map[string]any) answer {
	typ := text(ev["classification.type"])
	return answer{
		addr: address(text(ev["source.ip"])), port: number(ev["source.port"]),
		at: instant(text(ev["time.source"])), kind: report.KindOf(typ).String(),
	}
}

func n6Answer(ev, constant map[string]any) answer {
	a := answer{port: number(ev["dport"]), at: instant(text(ev["time"]))}
	if list, ok := ev["address"].([]any); ok && len(list) > 0 {
		a.addr = address(text(list[0].(map[string]any)["ip"]))
	}
	category := text(ev["category"])
	if category == "" {
		category = text(constant["category"])
	}
	if category == "bots" || ev["sport"] != nil {
		a.port = number(ev["sport"])
	}
	a.kind = n6Kinds[category]
	return a
}

func parsed(t *testing.T, path string) []answer {
	t.Helper()
	b, err := os.ReadFile(corpustest.Dir(t, strings.Split(path, "/")...))
	if err != nil {
		t.Fatal(err)
	}
	var got []answer
	doc := report.Document{Reader: bytes.NewReader(b), Name: filepath.Base(path)}
	for ev, err := range (shadowserver.Tables{}).Parse(doc) {
		if err != nil {
			if !strings.Contains(string(b), "bad_data") {
				t.Logf("%s: %v", path, err)
			}
			continue
		}
		a := answer{port: int(ev.Subject.Port), at: instant(ev.From.Format(time.RFC3339)), kind: ev.Kind.String()}
		if ev.Subject.Addr.IsValid() {
			a.addr = ev.Subject.Addr.String()
		}
		got = append(got, a)
	}
	return got
}

func countRows(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile(corpustest.Dir(t, strings.Split(path, "/")...))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(bytes.TrimSpace(b), []byte("\n"))
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func number(v any) int {
	switch n := v.(type) {
	case float64:
		return int(n)
	case string:
		var i int
		fmt.Sscan(n, &i)
		return i
	}
	return 0
}

func address(s string) string {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().String()
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

// differencesInDocs reads the lines of the list of differences: "- `FILE wants ADDR:PORT TIME KIND`: reason".
func differencesInDocs(t *testing.T) map[string]bool {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "formats", "shadowserver.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for line := range strings.SplitSeq(string(b), "\n") {
		rest, ok := strings.CutPrefix(line, "- `")
		if !ok {
			continue
		}
		what, reason, ok := strings.Cut(rest, "`: ")
		if ok && strings.Contains(what, ".csv ") {
			if strings.TrimSpace(reason) == "" {
				t.Errorf("%s has no reason", what)
			}
			listed[what] = true
		}
	}
	return listed
}
