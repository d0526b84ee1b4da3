package xarf_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/formats/xarf"
	"tocsin/internal/report"
)

// plain is a valid report on one line, without the brace that closes it.
const plain = `{"xarf_version":"4.2.0","report_id":"0195a000-0000-4000-8000-000000000001",` +
	`"timestamp":"2026-03-01T02:10:00Z",` +
	`"reporter":{"org":"Example Org","contact":"abuse@reporter.example","domain":"reporter.example"},` +
	`"sender":{"org":"Example Org","contact":"abuse@reporter.example","domain":"reporter.example"},` +
	`"source_identifier":"198.51.100.7","category":"reputation","type":"blocklist","threat_type":"spam"`

const good = plain + "}"

func TestHostileInput(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for name, c := range map[string]struct {
		in     string
		events int
		want   []string
	}{
		"10,000 levels": {
			deep(10_000) + "\n" + good, 1,
			[]string{"objects and lists stand inside each other more than 64 deep"},
		},
		"100,000 levels": {
			deep(100_000) + "\n" + good, 1,
			[]string{"objects and lists stand inside each other more than 64 deep"},
		},
		"100,000 open lists": {
			plain + `,"x":` + strings.Repeat("[", 100_000), 0,
			[]string{"objects and lists stand inside each other more than 64 deep"},
		},
		"as deep as allowed": {plain + `,"x":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + "}", 1, nil},
		"NUL bytes": {
			strings.Repeat("\x00", 100), 0,
			[]string{`a report is a JSON object, and this is none: "` + strings.Repeat(`\x00`, 30) + `"`},
		},
		"NUL in a text": {
			plain + ",\"x\":\"a\x00b\"}\n" + good, 1,
			[]string{"the report is not JSON: invalid character '\\x00' in string (expecting non-control character) at its byte 406"},
		},
		"not UTF-8": {
			plain + ",\"x\":\"a\xffb\"}" + good, 1, []string{`the text "a\xffb" holds bytes that are not UTF-8`},
		},
		"member's name not UTF-8": {
			plain + ",\"\xff\":1}" + good, 1, []string{`the text "\xff" holds bytes that are not UTF-8`},
		},
		"huge numbers":    {plain + `,"source_port":1e999999999,"confidence":` + strings.Repeat("9", 1000) + "}", 1, nil},
		"repeated member": {plain + `,"type":"blocklist"}`, 0, []string{`the member "type" is there twice`}},
		"repeated among many": {
			plain + `,"x":{` + members(100) + `,"m7":1}}`, 0, []string{`the member "m7" is there twice`},
		},
		"too many members": {
			plain + `,"x":{` + members(1000) + "}}", 0,
			[]string{"the report has more than 1000 members or more than 1048576 bytes in them beside evidence: split it"},
		},
		"too many values": {
			plain + `,"x":[0` + strings.Repeat(",0", 60_000) + "]}", 0,
			[]string{"the report has more than 50000 values: split it"},
		},
		"long names inside each other": {
			plain + "," + strings.Repeat(`"`+strings.Repeat("n", 100_000)+`":{`, 20) + strings.Repeat("}", 20) + "}", 0,
			[]string{"the report has more than 1000 members or more than 1048576 bytes in them beside evidence: split it"},
		},
		"too long": {
			plain + `,"x":"` + strings.Repeat("a", xarf.MaxBytes) + `"}` + good, 1,
			[]string{"the report is longer than 16 MiB: split it or shorten its evidence"},
		},
		"long evidence": {plain + `,"evidence":[{"payload":"` + strings.Repeat("QUJD", 3<<20) + `"}]}` + good, 2, nil},
		"list not closed": {
			"[" + good + "," + good, 2, []string{"the list of reports is not closed: the document is cut short"},
		},
		"cut short":   {plain, 0, []string{"the report ends in the middle: the document is cut short"}},
		"white space": {" \r\n\t", 0, []string{"the document is empty: it holds no report"}},
		"empty list":  {"[ ]", 0, []string{"the document is empty: it holds no report"}},
		"UTF-16":      {"\xff\xfe{\x00", 0, []string{"the document is in UTF-16: send it in UTF-8 (RFC 8259 §8.1)"}},
		"list in a list": {
			"[[" + good + "]," + good + "]", 1,
			[]string{`a report is a JSON object, and this is none: "[{\"xarf_version\":\"4.2.0\",\"repo"`},
		},
		"broken inside a list on one line": {
			`[{"a":1,},` + good + "]", 1,
			[]string{"the report is not JSON: invalid character '}' at start of string (expecting '\"') at its byte 8"},
		},
		"a quote is missing": {
			"{\"a\":\"x,\n \"b\":\"{y\"}\n" + good, 1,
			[]string{"the report is not JSON: invalid character '\\n' in string (expecting non-control character) at its byte 9"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			readers := []io.Reader{strings.NewReader(c.in)}
			if len(c.in) < 10_000 {
				readers = append(readers, iotest.OneByteReader(strings.NewReader(c.in)), iotest.DataErrReader(strings.NewReader(c.in)))
			}
			for _, r := range readers {
				events, refused := outcome(report.Document{Reader: r})
				if len(events) != c.events || len(refused) != len(c.want) {
					t.Fatalf("%d events, refused %v", len(events), refused)
				}
				for i := range refused {
					if refused[i].Reason != c.want[i] {
						t.Errorf("got  %s\nwant %s", refused[i].Reason, c.want[i])
					}
				}
			}
		})
	}
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"m` + string(rune('0'+i%10)))
		if i >= 10 {
			b.WriteString(strings.Repeat("x", i/10))
		}
		b.WriteString(`":1`)
	}
	return b.String()
}

// TestEveryLineBroken: what is refused costs as much as it is long, however small the pieces.
func TestEveryLineBroken(t *testing.T) {
	const lines = 200_000
	in := strings.Repeat("{,\n", lines) + plain + `,"x":"` + strings.Repeat("a", 1<<19) + "\"}\n" + strings.Repeat("{]\n", lines) + good
	events, refused := outcome(report.Document{Reader: strings.NewReader(in)})
	if len(events) != 2 || len(refused) != 2*lines || refused[len(refused)-1].Row != 2*lines+1 {
		t.Fatalf("%d events, %d refused, the last %+v", len(events), len(refused), refused[len(refused)-1])
	}
}

// endless is a text that never ends.
type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.left)
	copy(p, bytes.Repeat([]byte("a"), n))
	e.left -= n
	return n, nil
}

// TestMemoryIsBounded: a report of 32 MiB allocates no more than one at the limit.
func TestMemoryIsBounded(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	source := &endless{32 << 20}
	head := strings.NewReader(plain + `,"x":"`)
	_, refused := outcome(report.Document{Reader: io.MultiReader(head, source, strings.NewReader(`"}`))})
	runtime.ReadMemStats(&after)
	if len(refused) != 1 || source.left != 0 {
		t.Fatalf("refused %v, %d bytes not read", refused, source.left)
	}
	const readers = 32 << 20 // what endless itself allocates
	if got := after.TotalAlloc - before.TotalAlloc; got > readers+96<<20 {
		t.Errorf("%d MiB allocated", got>>20)
	}
}

func TestReaderFails(t *testing.T) {
	broken := errors.New("unexpected end of gzip data")
	in := io.MultiReader(strings.NewReader(good+"\n"+plain), iotest.ErrReader(broken))
	events, refused := outcome(report.Document{Reader: in})
	if len(events) != 1 || len(refused) != 1 || refused[0].Row != 0 ||
		!strings.Contains(refused[0].Reason, "cannot be read to its end") || !strings.Contains(refused[0].Reason, broken.Error()) {
		t.Fatalf("%d events, refused %v", len(events), refused)
	}
}

// TestStops: a consumer that has enough is left alone.
func TestStops(t *testing.T) {
	for _, in := range []string{good + good, "{,\n" + good, ""} {
		for range xarf.Parse(report.Document{Reader: strings.NewReader(in)}) {
			break
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{good, "[" + good + "]", good + "\n{,\n" + good, `{"Version":"3","ReporterInfo":{}}`, "\xef\xbb\xbf{}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var strict int
		for _, isStrict := range []bool{true, false} {
			last := int64(0)
			n := 0
			for e, err := range xarf.Parse(report.Document{Reader: bytes.NewReader(in), Strict: isStrict}) {
				row := e.Row
				if err != nil {
					bad := rowError(err)
					if row = bad.Row; bad.Reason == "" {
						t.Fatal("refused without a reason")
					}
				} else {
					n++
					if !json.Valid(e.AppendJSON(nil)) {
						t.Fatalf("not JSON: %s", e.AppendJSON(nil))
					}
				}
				if row <= last && row != 0 {
					t.Fatalf("row %d after %d", row, last)
				}
				last = row
			}
			if isStrict {
				strict = n
			} else if n < strict {
				t.Fatalf("a strict reading accepts %d, a lenient one %d", strict, n)
			}
		}
	})
}

// FuzzTree: what the tree takes apart is what encoding/json reads.
func FuzzTree(f *testing.F) {
	for _, s := range []string{good, `{"a":[1,-2.5e+3,true,null,"\u00e4\n\"\\"],"b":{}}`, `{"a":{"b":[[],{"c":""}]}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if !json.Valid(in) || bytes.TrimSpace(in)[0] != '{' {
			t.Skip()
		}
		got, wrong := xarf.Decode(bytes.TrimSpace(in))
		if wrong != "" {
			t.Skip() // repeated members, depth, NUL: our own limits
		}
		var want any
		dec := json.NewDecoder(bytes.NewReader(in))
		dec.UseNumber()
		if err := dec.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	one := plain + `,"evidence":[{"content_type":"text/plain","description":"log","payload":"` +
		strings.Repeat("bG9nIGxpbmU=", 80) + `","size":720}],"tags":["spam:commercial","language:english"],` +
		`"_internal":{"ticket":"A-1","queue":{"name":"spam","priority":3}}}` + "\n"
	const n = 100
	in := strings.Repeat(one, n)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		events := 0
		for _, err := range xarf.Parse(report.Document{Reader: strings.NewReader(in)}) {
			if err != nil {
				b.Fatal(err)
			}
			events++
		}
		if events != n {
			b.Fatal(events)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/report")
}
