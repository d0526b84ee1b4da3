package formats_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"

	"tocsin/internal/formats"
	"tocsin/internal/report"
)

var update = flag.Bool("update", false, "rewrite the events.json of the golden cases")

// received is when every golden case came in.
var received = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// golden is one case: internal/formats/NAME/testdata/*.txtar. The comment says what it shows; a line of it that is
// "strict", "subject: ..." or "base64" (of the input: for bytes that a text file cannot hold) sets just that. Then
// come the input, under the document's name, and events.json: an event a line, then the bad rows as "# ROW: reason".
type golden struct {
	path    string
	format  string
	archive *txtar.Archive
	doc     report.Document // without Reader
	input   []byte
}

func goldens(t testing.TB) []golden {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("*", "testdata", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	var all []golden
	for _, p := range paths {
		a, err := txtar.ParseFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Files) == 0 || len(a.Files) > 2 || len(a.Files) == 2 && a.Files[1].Name != "events.json" {
			t.Fatalf("%s: a case has one input and events.json", p)
		}
		g := golden{path: p, format: strings.Split(filepath.ToSlash(p), "/")[0], archive: a, input: a.Files[0].Data}
		g.doc = report.Document{Name: a.Files[0].Name, Received: received}
		for line := range strings.Lines(string(a.Comment)) {
			line = strings.TrimSpace(line)
			switch {
			case line == "strict":
				g.doc.Strict = true
			case line == "base64":
				if g.input, err = base64.StdEncoding.DecodeString(strings.ReplaceAll(string(g.input), "\n", "")); err != nil {
					t.Fatalf("%s: %v", p, err)
				}
			case strings.HasPrefix(line, "subject: "):
				g.doc.Subject = strings.TrimPrefix(line, "subject: ")
			}
		}
		all = append(all, g)
	}
	return all
}

// on returns the case's document, read from r.
func (g *golden) on(r io.Reader) report.Document {
	d := g.doc
	d.Reader = r
	return d
}

// render writes what Parse yields as events.json does, and checks each promise of Parse on the way.
func render(t testing.TB, events iter.Seq2[report.Event, error]) string {
	t.Helper()
	var good, bad strings.Builder
	last := int64(0)
	ended := false
	for e, err := range events {
		if ended {
			t.Fatal("something follows a RowError with row 0")
		}
		if err != nil {
			row := checkRowError(t, err)
			if ended = row.Row == 0; !ended && row.Row < last {
				t.Fatalf("row %d is refused after row %d", row.Row, last)
			}
			last = max(last, row.Row)
			fmt.Fprintf(&bad, "# %d: %s\n", row.Row, row.Reason)
			continue
		}
		if e.Row < max(last, 1) {
			t.Fatalf("row %d comes after row %d", e.Row, last)
		}
		last = e.Row
		checkEvent(t, &e)
		good.Write(e.AppendJSON(nil))
		good.WriteByte('\n')
	}
	return good.String() + bad.String()
}

func checkRowError(t testing.TB, err error) *report.RowError {
	t.Helper()
	var row *report.RowError
	if !errors.As(err, &row) {
		t.Fatalf("%T is no *report.RowError: %v", err, err)
	}
	if row.Row < 0 || strings.TrimSpace(row.Reason) == "" || strings.ContainsAny(row.Reason, "\n\r") {
		t.Fatalf("row %d, reason %q: want one line that is not empty", row.Row, row.Reason)
	}
	return row
}

// checkEvent: it is valid, has a format, and survives its JSON.
func checkEvent(t testing.TB, e *report.Event) {
	t.Helper()
	if err := e.Validate(received); err != nil {
		t.Fatalf("row %d is yielded although %v", e.Row, err)
	}
	if e.Format == "" {
		t.Fatalf("row %d has no format", e.Row)
	}
	var back report.Event
	if err := json.Unmarshal(e.AppendJSON(nil), &back); err != nil {
		t.Fatalf("row %d: %v", e.Row, err)
	}
	if diff := cmp.Diff(*e, back, cmp.Comparer(func(a, b report.Subject) bool { return a == b }),
		cmp.Comparer(func(a, b report.Target) bool { return a == b }), cmpopts.EquateEmpty(),
		cmpopts.EquateApproxTime(0)); diff != "" {
		t.Fatalf("row %d is changed by its JSON (-event +read back):\n%s", e.Row, diff)
	}
}

// TestOrigin: what nobody sent in so many words is by its format, and a list by its own name.
func TestOrigin(t *testing.T) {
	var tables formats.Tables
	for text, want := range map[string]string{
		"; Spamhaus DROP List 2026/03/01\n192.0.2.0/24 ; SBL1\n": "list/spamhaus-drop",
		`{"xarf_version":"4.2.0"}`:                               "xarf",
	} {
		var got []string
		for m, err := range tables.Open(report.Document{Reader: strings.NewReader(text)}, formats.Limits{}) {
			if err == nil {
				got = append(got, tables.Origin(m))
			}
		}
		if d := cmp.Diff([]string{want}, got); d != "" {
			t.Errorf("%s\n%s", text, d)
		}
	}
}

func TestGolden(t *testing.T) {
	var tables formats.Tables
	for _, g := range goldens(t) {
		t.Run(g.format+"/"+strings.TrimSuffix(filepath.Base(g.path), ".txtar"), func(t *testing.T) {
			got := render(t, tables.ParseAs(g.format, g.on(bytes.NewReader(g.input))))
			slow := render(t, tables.ParseAs(g.format, g.on(iotest.OneByteReader(bytes.NewReader(g.input)))))
			if diff := cmp.Diff(got, slow); diff != "" {
				t.Errorf("read a byte at a time, the events differ (-whole +bytewise):\n%s", diff)
			}
			if *update {
				g.archive.Files = append(g.archive.Files[:1], txtar.File{Name: "events.json", Data: []byte(got)})
				if err := os.WriteFile(g.path, txtar.Format(g.archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if len(g.archive.Files) < 2 {
				t.Fatal("no events.json: run go test ./internal/formats -update and read the diff")
			}
			if diff := cmp.Diff(string(g.archive.Files[1].Data), got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// TestGoldenStops stops after each event: the parser must not go on.
func TestGoldenStops(t *testing.T) {
	var tables formats.Tables
	for _, g := range goldens(t) {
		for stop := 1; ; stop++ {
			n := 0
			for range tables.ParseAs(g.format, g.on(bytes.NewReader(g.input))) {
				if n++; n == stop {
					break // a parser that yields again panics
				}
			}
			if n < stop {
				break
			}
		}
	}
}

// TestListed: each folder is listed once, says what it follows, and shows a good case and a bad one.
func TestListed(t *testing.T) {
	var tables formats.Tables
	folders, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, f := range tables.List() {
		count[f.Name]++
	}
	for _, d := range folders {
		if !d.IsDir() || d.Name() == "internal" || d.Name() == "letter" || d.Name() == "testdata" { // a letter is what is in no format
			continue
		}
		if count[d.Name()] != 1 {
			t.Errorf("the folder %s is listed %d times in formats.go", d.Name(), count[d.Name()])
		}
		delete(count, d.Name())
	}
	for name := range count {
		t.Errorf("%s is listed and has no folder", name)
	}
	all := goldens(t)
	for _, f := range tables.List() {
		t.Run(f.Name, func(t *testing.T) {
			if f.Spec == "" {
				t.Skip("this format is not read yet") // make test counts skips, and CI allows none
			}
			good, bad := 0, 0
			for _, g := range all {
				if g.format != f.Name {
					continue
				}
				text := render(t, tables.ParseAs(f.Name, g.on(bytes.NewReader(g.input))))
				good += strings.Count("\n"+text, "\n{")
				bad += strings.Count("\n"+text, "\n# ")
			}
			if good == 0 || bad == 0 {
				t.Errorf("the golden cases have %d good and %d bad rows: want some of each", good, bad)
			}
		})
	}
}

// TestDetectIsMutual: no case of one format is taken for another's, and each that yields events is detected.
func TestDetectIsMutual(t *testing.T) {
	var tables formats.Tables
	for _, g := range goldens(t) {
		head := g.input[:min(len(g.input), formats.HeadBytes)]
		for _, f := range tables.List() {
			if f.Name != g.format && f.Detect(g.doc, head) {
				t.Errorf("%s is taken for %s", g.path, f.Name)
			}
		}
		text := render(t, tables.ParseAs(g.format, g.on(bytes.NewReader(g.input))))
		if f, _, err := tables.Detect(g.on(bytes.NewReader(g.input))); strings.HasPrefix(text, "{") && f.Name != g.format {
			t.Errorf("%s is detected as %q, %v", g.path, f.Name, err)
		}
	}
}

func TestParseUnknown(t *testing.T) {
	var tables formats.Tables
	for _, c := range []struct{ name, input, want string }{
		{"empty", "", "the document is empty"},
		{"white space", "\ufeff \r\n\t\n", "the document is empty"},
		{"prose", "Dear abuse desk, somebody is wrong on the Internet.\n", "of no format that Tocsin knows (" + tables.Names() + ")"},
		{"NUL bytes", "\x00\x00\x00", "of no format that Tocsin knows"},
		{"invalid UTF-8", "\xff\x80\xfe", "of no format that Tocsin knows"},
		{"PDF", "%PDF-1.7\n", "is a PDF, which Tocsin does not open"},
		{"7z", "7z\xbc\xaf\x27\x1c", "is a 7z archive"},
		{"UTF-16", "\xff\xfet\x00", "is text in UTF-16"},
		{"deep JSON", strings.Repeat("[", 10000), "stand inside each other more than 64 deep"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := render(t, tables.Parse(report.Document{Reader: strings.NewReader(c.input), Received: received}))
			if !strings.HasPrefix(got, "# 0: ") || !strings.Contains(got, c.want) || strings.Count(got, "\n") != 1 {
				t.Errorf("got %q, want one error with %q", got, c.want)
			}
		})
	}
	got := render(t, tables.ParseAs("nosuch", report.Document{Reader: strings.NewReader("x"), Received: received}))
	if want := "# 0: \"nosuch\" is no format that Tocsin reads: name one of " + tables.Names() + "\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	broken := iotest.ErrReader(errors.New("input/output error"))
	if got := render(t, tables.Parse(report.Document{Reader: broken})); got != "# 0: input/output error\n" {
		t.Errorf("a disk that cannot be read: %q", got)
	}
}

func TestDetectLosesNothing(t *testing.T) {
	for _, n := range []int{1, formats.HeadBytes - 1, formats.HeadBytes, formats.HeadBytes + 1, 3 * formats.HeadBytes} {
		in := bytes.Repeat([]byte("x"), n)
		_, doc, _ := formats.Tables{}.Detect(report.Document{Reader: iotest.HalfReader(bytes.NewReader(in))})
		if out, err := io.ReadAll(doc.Reader); err != nil || !bytes.Equal(in, out) {
			t.Errorf("of %d bytes %d are left, %v", n, len(out), err)
		}
	}
}

// TestEventsHoldsParsersToTheContract runs parsers that break it.
func TestEventsHoldsParsersToTheContract(t *testing.T) {
	parser := func(rows ...any) formats.Format {
		return formats.Format{Name: "test", Parse: func(doc report.Document) iter.Seq2[report.Event, error] {
			return func(yield func(report.Event, error) bool) {
				for i, r := range rows {
					e, _ := r.(report.Event)
					err, _ := r.(error)
					e.Row = int64(i + 1)
					if !yield(e, err) {
						return
					}
				}
				_, _ = io.ReadAll(doc.Reader) // swallows the reader's error
			}
		}}
	}
	good := report.Event{
		Kind: report.Undetermined, From: received, Subject: report.Subject{Domain: "www.example.com"},
	}
	late := good
	late.From = received.AddDate(74, 0, 0)
	late.Kind = report.Kind{}
	for _, c := range []struct {
		name string
		f    formats.Format
		err  error
		want string
	}{
		{"Validate's rules make one error", parser(good, late, good), io.EOF, `{"format":"test","row":1,"class":"other",` +
			`"type":"undetermined","from":"2026-03-02T00:00:00Z","subject":{"domain":"www.example.com"}}` + "\n" +
			`{"format":"test","row":3,"class":"other","type":"undetermined","from":"2026-03-02T00:00:00Z",` +
			`"subject":{"domain":"www.example.com"}}` + "\n" +
			`# 2: "/" is no kind of RSIT 1003; the time 2100-03-02T00:00:00Z is more than a day in the future: check the sender's clock` + "\n"},
		{"any error becomes one of a row", parser(errors.New("a\nb")), io.EOF, "# 0: a; b\n"},
		{"nothing follows row 0", parser(&report.RowError{Reason: "end"}, good), io.EOF, "# 0: end\n"},
		{"a reader's error is not swallowed", parser(), errors.New("cut"), "# 0: cut\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := render(t, c.f.Events(report.Document{Reader: iotest.ErrReader(c.err), Received: received}))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNamesAreUnique(t *testing.T) {
	names := strings.Split(formats.Tables{}.Names(), ", ")
	slices.Sort(names)
	if len(slices.Compact(names)) != len(formats.Tables{}.List()) {
		t.Errorf("two formats have one name: %v", names)
	}
}
