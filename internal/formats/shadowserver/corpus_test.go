package shadowserver_test

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

	"tocsin/internal/corpustest"
	"tocsin/internal/formats/shadowserver"
	"tocsin/internal/report"
)

// answer is what both sides must say about a row.
type answer struct {
	addr string
	port int
	at   string
	kind report.Kind // of a peer perhaps one that RSIT does not have
}

func (a answer) String() string { return fmt.Sprintf("%s:%d %s %s", a.addr, a.port, a.at, a.kind) }

// difference is an answer of one side only.
type difference struct {
	what string
	answer
}

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

// TestCorpusAgreement compares our events with those that IntelMQ and n6 expect, in every case of theirs. The list in
// docs/formats/shadowserver.md is exactly the differences. Where IntelMQ gives a class and a type that RSIT 1003 does
// not have together, no event of ours can agree, as DESIGN.md §5 wants a kind of RSIT: such rows are counted as
// differences, and apart from the rows that the goal is about.
func TestCorpusAgreement(t *testing.T) {
	listed := differencesInDocs(t)
	agreed, total, outside, cases := 0, 0, 0, 0
	for _, e := range corpustest.Entries(t, "shadowserver") {
		if !strings.HasSuffix(e.Expected, ".json") {
			continue
		}
		got, rows := parsed(t, e.Path)
		found := map[string]int{} // the most in any of its cases
		for _, want := range expected(t, e) {
			cases++
			ok, diffs := compare(want, got, rows)
			agreed += ok
			total += ok + len(diffs)
			once := map[string]int{}
			for _, d := range diffs {
				if d.kind != (report.Kind{}) && !d.kind.Valid() {
					outside++
				}
				line := filepath.Base(filepath.Dir(e.Path)) + "/" + filepath.Base(e.Path) + " " + d.what + " " + d.String()
				once[line]++
				found[line] = max(found[line], once[line])
			}
		}
		for line, n := range found {
			if listed[line] < n {
				t.Errorf("not explained in docs/formats/shadowserver.md: %s", line)
			}
			listed[line] -= n
		}
	}
	for line, n := range listed {
		if n > 0 {
			t.Errorf("explained in docs/formats/shadowserver.md, but no difference: %s", line)
		}
	}
	share := float64(agreed) / float64(max(total-outside, 1))
	corpustest.Agreed(t, "shadowserver", agreed, total)
	corpustest.Agreed(t, "shadowserver, kinds of RSIT", agreed, total-outside)
	if cases < 160 || share < 0.99 {
		t.Errorf("%d of %d events agree in %d cases, less than 99 %%", agreed, total-outside, cases)
	}
}

// compare counts the answers that agree and names the others. A peer that lists fewer events than its input has
// rows has tested some of them: surplus is more events than rows.
func compare(want, got []answer, rows int) (agreed int, diffs []difference) {
	left := map[answer]int{}
	for _, a := range got {
		left[a]++
	}
	for _, a := range want {
		if left[a] > 0 {
			left[a]--
			agreed++
			continue
		}
		diffs = append(diffs, difference{"wants", a})
	}
	surplus := len(got) - max(len(want), rows)
	for a, n := range left {
		for range n {
			if surplus > 0 {
				surplus--
				diffs = append(diffs, difference{"has too much", a})
			}
		}
	}
	return agreed, diffs
}

// expected returns the answers of each of the peer's cases on the entry's file; the same file comes twice where the
// peer tests it with other settings of its own.
func expected(t *testing.T, e corpustest.Entry) (cases [][]answer) {
	t.Helper()
	b, err := os.ReadFile(corpustest.Dir(t, strings.Split(e.Expected, "/")...))
	if err != nil {
		t.Fatal(err)
	}
	var x expectation
	if err := json.Unmarshal(b, &x); err != nil {
		t.Fatalf("%s: %v", e.Expected, err)
	}
	for _, c := range x.Cases {
		if len(c.Inputs) != 1 {
			t.Fatalf("%s: a case has %d inputs", e.Expected, len(c.Inputs))
		}
		if c.Inputs[0] != filepath.Base(e.Path) {
			continue
		}
		var want []answer
		folded := map[string]bool{}
		for _, ev := range c.Events {
			if !strings.Contains(e.Path, "/n6/") {
				want = append(want, intelmqAnswer(ev))
				continue
			}
			a := n6Answer(ev, x.Constant)
			// n6 makes one event of the row and one of each CVE number in its tag; ours has them as tags.
			key := fmt.Sprint(a.addr, a.port, a.at)
			if cve := strings.HasPrefix(text(ev["name"]), "cve-"); cve && folded[key] {
				continue
			}
			folded[key] = true
			want = append(want, a)
		}
		cases = append(cases, want)
	}
	return cases
}

func intelmqAnswer(ev map[string]any) answer {
	typ := text(ev["classification.type"])
	class := strings.ReplaceAll(text(ev["classification.taxonomy"]), " ", "-") // "malicious code" until IntelMQ 2
	return answer{
		addr: address(text(ev["source.ip"])), port: number(ev["source.port"]),
		at: instant(text(ev["time.source"])), kind: report.Kind{Class: report.Class(class), Type: report.KindOf(typ).Type},
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
	class, typ, _ := strings.Cut(n6Kinds[category], "/")
	a.kind = report.Kind{Class: report.Class(class), Type: report.Type(typ)}
	return a
}

// parsed returns what we make of a file and how many rows it has.
func parsed(t *testing.T, path string) (got []answer, rows int) {
	t.Helper()
	b, err := os.ReadFile(corpustest.Dir(t, strings.Split(path, "/")...))
	if err != nil {
		t.Fatal(err)
	}
	doc := report.Document{Reader: bytes.NewReader(b), Name: filepath.Base(path)}
	for ev, err := range (shadowserver.Tables{}).Parse(doc) {
		if err != nil {
			if !strings.Contains(string(b), "bad_data") {
				t.Logf("%s: %v", path, err)
			}
			continue
		}
		a := answer{port: int(ev.Subject.Port), at: instant(ev.From.Format(time.RFC3339)), kind: ev.Kind}
		if ev.Subject.Addr.IsValid() {
			a.addr = ev.Subject.Addr.String()
		}
		got = append(got, a)
	}
	return got, bytes.Count(bytes.TrimSpace(b), []byte("\n"))
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
func differencesInDocs(t *testing.T) map[string]int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "formats", "shadowserver.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]int{}
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
			listed[what]++
		}
	}
	return listed
}
