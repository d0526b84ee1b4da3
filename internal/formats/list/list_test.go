package list_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/internal/corpustest"
	"tocsin/internal/formats/list"
	"tocsin/internal/report"
)

// TestBuiltin: every list of the tables is valid, has a name of its own, says whose it is, and stands in the document.
func TestBuiltin(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "formats", "list.md"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range list.Builtin() {
		if err := m.Validate(); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
		if seen[m.Name] {
			t.Errorf("%s is there twice", m.Name)
		}
		seen[m.Name] = true
		if m.About == "" || !bytes.Contains(doc, []byte("| "+m.Name+" | "+m.About+" |")) {
			t.Errorf("docs/formats/list.md lacks the row | %s | %s |", m.Name, m.About)
		}
	}
	if n := bytes.Count(doc, []byte("\n| ")) - bytes.Count(doc, []byte("\n| list |")); n < len(seen) {
		t.Errorf("%d rows for %d lists", n, len(seen))
	}
}

// TestNothingIsStolen: no document of another format is taken for a list, and what says nothing of itself is not guessed.
func TestNothingIsStolen(t *testing.T) {
	var tables list.Tables
	n := 0
	for _, format := range []string{
		"shadowserver", "xarf_v4", "xarf_v3", "arf_mail", "not_arf_mail", "xarf_mail", "generic_mail", "attack_log", "shadowserver_mail", "idea", "idmef", "stix", "iodef_v2",
	} {
		for _, e := range corpustest.Entries(t, format) {
			b := read(t, e.Path)
			n++
			if tables.Detect(report.Document{Name: filepath.Base(e.Path)}, b[:min(len(b), 64<<10)]) {
				for ev, err := range tables.Parse(report.Document{Name: filepath.Base(e.Path), Reader: bytes.NewReader(b)}) {
					t.Errorf("%s is taken for the list %s, %v", e.Path, ev.Feed, err)
					break
				}
			}
		}
	}
	if n < 200 {
		t.Errorf("only %d documents", n)
	}
	for _, c := range []struct{ name, text string }{
		{"addresses.txt", "192.0.2.1\n192.0.2.2\n"},
		{"", "192.0.2.1\n192.0.2.2\n"},
		{"urls.txt", "http://www.example.com/a\n"},
		{"data.csv", "ip,port\n192.0.2.1,80\n"},
		{"data.json", `[{"ip":"192.0.2.1"}]`},
		{"drop.txt", "Dear abuse desk,\n192.0.2.0/24 ; SBL1\n"},
		{"drop.txt", "<html>404</html>"},
		{"mail.eml", "From: a@example.com\nSubject: x\n\n; Spamhaus DROP List\n192.0.2.0/24 ; SBL1\n"},
	} {
		if tables.Detect(report.Document{Name: c.name}, []byte(c.text)) {
			t.Errorf("%s %q is taken for a list", c.name, c.text)
		}
	}
}

// TestFullFeeds reads whole lists as their senders publish them: of each at least 99 in 100 rows become events.
func TestFullFeeds(t *testing.T) {
	var tables list.Tables
	byName := map[string]string{
		"outbound.txt": "bitwire-outbound", "sip.txt": "cps-sip", "predict.txt": "cps-predict", "feed.txt": "openphish",
		"3.txt": "stamparm-levels", "4.txt": "stamparm-levels", "6.txt": "stamparm-levels", "7.txt": "stamparm-levels",
	}
	for _, e := range corpustest.Entries(t, "feeds_full") {
		name := byName[filepath.Base(e.Path)]
		switch {
		case strings.Contains(e.Path, "/static/malware/"):
			name = "maltrail-malware"
		case strings.Contains(e.Path, "/static/suspicious/"):
			name = "maltrail-suspicious"
		}
		doc := report.Document{Reader: bytes.NewReader(read(t, e.Path)), Name: filepath.Base(e.Path), Received: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
		events := tables.Parse(doc)
		if name != "" {
			l, ok := tables.List(name)
			if !ok {
				t.Fatalf("no list %s", name)
			}
			events = l.Parse(doc)
		}
		good, bad, first := 0, 0, ""
		for ev, err := range events {
			if err == nil {
				err = ev.Validate(doc.Received)
			}
			if err == nil {
				good++
			} else if bad++; first == "" {
				first = err.Error()
			}
		}
		if good == 0 || bad*100 > good {
			t.Errorf("%s: %d events, %d refused, the first because %s", e.Path, good, bad, first)
		}
	}
}

func TestMappingSaysAllThatIsWrong(t *testing.T) {
	m := list.Mapping{
		Name: "My List", Shape: "table", Fields: map[string]string{"subject.ip": "x", "from": "when"}, Set: map[string]string{"target.port": "70000"},
		Values: map[string]map[string]string{"type": {"a": "bad-type"}}, Type: "malware", Extract: []list.Extract{{Column: "x", Pattern: "("}},
		Time:      list.Time{Layout: []string{"dd/mm/yyyy"}, Zone: "Mars/Olympus", Header: "no group", Missing: "guess"},
		Recognise: list.Recognise{Names: []string{"*"}, Head: []string{"#"}},
	}
	err := m.Validate()
	if err == nil {
		t.Fatal("it is valid")
	}
	for _, want := range []string{
		`"My List" cannot name a list`, `"table" is no shape`, "there is no member subject.ip", `"70000" is no port`, "no column fills type",
		`"malware" is no type of RSIT 1003`, "missing closing )", `"dd/mm/yyyy" is no layout`, `"Mars/Olympus" is no zone`, "needs one group",
		`"guess" is neither`, "the name of every file", "too short to tell", "say which column is the subject",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not said: %s\nin: %v", want, err)
		}
	}
}

func TestNearest(t *testing.T) {
	var tables list.Tables
	for in, want := range map[string]string{"spamhaus-dorp": "spamhaus-drop", "openfish": "openphish", "urlhaus": "abusech-urlhaus", "xqzzyw": ""} {
		if got := strings.Join(tables.Nearest(in), " "); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("near %s: %q, want %q", in, got, want)
		}
	}
}

// TestMemoryIsBounded: endless lines, cells, records and depth end in a refusal.
func TestMemoryIsBounded(t *testing.T) {
	const size = 40 << 20
	for _, c := range []struct{ name, begin, fill string }{
		{"blocklistde-all", "", "1"},
		{"phishtank", "phish_id,url\n\"", "a\n"},
		{"phishtank", "", "a,"},
		{"phishtank", "phish_id,url\n\"a\n", "\"\"\n"},
		{"phishtank", "phish_id,url\n", "\"a\"\"\n"},
		{"phishtank", "phish_id,url\n", "\"a,\n"},
		{"phishtank", "phish_id,url\n", "\"a\n\"b\"c,\n"},
		{"phishtank-json", "[{\"url\":\"", "a"},
		{"phishtank-json", "", "["},
		{"phishtank-json", "[{\"a\":", "{\"a\":"},
		{"cleanmx", "<output><entries><entry><a>", "<a>"},
		{"cleanmx", "<output><entries><entry><url>", "x"},
		{"viriback", "<table class=panelstable><tr><td>", "<td>x"},
		{"viriback", "<table class=panelstable><tr><td>", "x"},
		{"viriback", "", "<table class=panelstable>"},
	} {
		l, ok := list.Tables{}.List(c.name)
		if !ok {
			t.Fatalf("no list %s", c.name)
		}
		r := io.LimitReader(io.MultiReader(strings.NewReader(c.begin), &endless{text: c.fill}), size)
		n := 0
		for range l.Parse(report.Document{Reader: r, Received: time.Now()}) {
			if n++; n > 1000 {
				break
			}
		}
	}
}

type endless struct {
	text string
	at   int
}

func (e *endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = e.text[e.at]
		e.at = (e.at + 1) % len(e.text)
	}
	return len(b), nil
}

// BenchmarkPlain reads a plain list of a million addresses.
func BenchmarkPlain(b *testing.B) {
	var text strings.Builder
	const rows = 1_000_000
	for i := range rows {
		fmt.Fprintf(&text, "198.%d.%d.%d\n", 18+i>>16&1, i>>8&255, i&255)
	}
	l, ok := list.Tables{}.List("blocklistde-all")
	if !ok {
		b.Fatal("no such list")
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for _, err := range l.Parse(report.Document{Reader: strings.NewReader(text.String()), Received: time.Unix(1<<30, 0)}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
}
