package shadowserver

import (
	"encoding/csv"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The tests of this file are inside the package because the scanner is private: encoding/csv is its slow, obvious
// twin.

// scan returns all records after the header and the reasons of the bad ones.
func scan(r io.Reader, want int) (records [][]string, bad []string, err error) {
	s := newScanner(r)
	s.want, s.began = want, true
	return all(s)
}

func all(s *scanner) (records [][]string, bad []string, err error) {
	for {
		fields, err := s.next()
		var b badRecord
		switch {
		case errors.Is(err, io.EOF):
			return records, bad, nil
		case errors.As(err, &b):
			bad = append(bad, string(b))
		case err != nil:
			return records, bad, err
		default:
			records = append(records, slices.Clone(fields))
		}
	}
}

// twin reads text with encoding/csv, which makes CRLF inside a value LF.
func twin(text string) ([][]string, error) {
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
	r.FieldsPerRecord = -1
	return r.ReadAll()
}

func sameAsTwin(t interface{ Fatalf(string, ...any) }, text string) {
	want, err := twin(text)
	if err != nil {
		// The twin is stricter about quotes; what matters then is that all of it is read and in bounds.
		if _, _, err := scan(strings.NewReader(text), 3); err != nil {
			t.Fatalf("scan %q: %v", text, err)
		}
		return
	}
	got, bad, err := scan(strings.NewReader(text), 0)
	if err != nil || bad != nil {
		t.Fatalf("scan %q: %v, %v", text, bad, err)
	}
	for _, record := range got {
		for i := range record {
			record[i] = strings.ReplaceAll(record[i], "\r\n", "\n")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("scan %q (-twin +scanner):\n%s", text, diff)
	}
}

func FuzzScan(f *testing.F) {
	for _, text := range []string{
		"", "\n", "a", "a,b\n", "a,\"b\"\r\n", "\"a\"\"b\",c", "\"a\nb\",c\n", "\ufeffa,b", "\"a", "\"a\"b,c\n", ",,\n,,", "a\r", "\r\n\r\n", "\"\",\"\"\n",
		"a,b\rc,d\r", "a\r\r\n\"b\rc\"\rd",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { sameAsTwin(t, text) })
}

func TestScanLikeTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{
			"a", "bc", ",", ",", "\n", "\r\n", `"`, `""`, `"x,y"`, "\"x\ny\"", `"a""b"`, " ", "\r", "é", "\x00", "\xff",
		}), 0, 40).Draw(t, "parts")
		sameAsTwin(t, strings.Join(parts, ""))
	})
}

// TestOldMac reads text whose lines end with CR like the same text with LF, whatever is in its quoted values.
func TestOldMac(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SampledFrom([]string{
			"", "a", "bc", `""`, `"x,y"`, "\"x\ny\"", "\"x\ry\"", "\"x\r\ny\"", `"a""b"`, " ", "é", "\x00",
		})
		ends := rapid.SampledFrom([]string{"\r", "\r", "\n", "\r\n", "\r\r\n", "\r\r"})
		lf, cr := "head,line\n", "head,line\r"
		for range rapid.IntRange(1, 10).Draw(t, "rows") {
			row := strings.Join(rapid.SliceOfN(value, 2, 5).Draw(t, "row"), ",")
			lf, cr = lf+row+"\n", cr+row+ends.Draw(t, "end")
		}
		if rapid.Bool().Draw(t, "no end") {
			cr = strings.TrimRight(cr, "\r\n")
		}
		want, bad, err := all(newScanner(strings.NewReader(lf)))
		if err != nil || bad != nil {
			t.Fatalf("scan %q: %q, %v", lf, bad, err)
		}
		for _, r := range []io.Reader{strings.NewReader(cr), iotest.OneByteReader(strings.NewReader(cr))} {
			got, bad, err := all(newScanner(r))
			if diff := cmp.Diff(want, got); diff != "" || err != nil || bad != nil {
				t.Fatalf("scan %q: %q, %v (-LF +CR):\n%s", cr, bad, err, diff)
			}
		}
	})
}

// TestOldMacAcrossWindows has more records than a window, and so many that they were taken for one giant row.
func TestOldMacAcrossWindows(t *testing.T) {
	const rows = 50_000
	row := "198.51.100.7,\"quoted\rvalue\",some more text to fill the row"
	for _, c := range []struct{ name, header, end string }{
		{"CR", "a,b,c\r", "\r"},
		{"CR after a header with LF", "a,b,c\n", "\r"},
		{"LF after a header with CR", "a,b,c\r", "\n"},
	} {
		s := newScanner(strings.NewReader(c.header + strings.Repeat(row+c.end, rows)))
		if _, err := s.next(); err != nil {
			t.Fatal(err)
		}
		s.want = 3
		got, bad, err := all(s)
		if len(got) != rows || bad != nil || err != nil || got[rows-1][1] != "quoted\rvalue" {
			t.Errorf("%s: %d records, %q, %v", c.name, len(got), bad, err)
		}
	}
}

// TestWindows lets records fall across the edges of the window and readers give what they like.
func TestWindows(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for b.Len() < 5*windowBytes {
		switch n := rnd.IntN(40); {
		case n == 0:
			b.WriteString(`"` + strings.Repeat("long ", rnd.IntN(windowBytes/2)) + `"`)
		case n < 4:
			b.WriteString("\"a\"\"b\r\nc\"")
		case n < 20:
			b.WriteString("plain")
		default:
			b.WriteString(`"quoted"`)
		}
		b.WriteString([]string{",", ",", "\n", "\r\n"}[rnd.IntN(4)])
	}
	text := b.String()
	want, _, err := scan(strings.NewReader(text), 0)
	if err != nil {
		t.Fatal(err)
	}
	sameAsTwin(t, text)
	for _, r := range []io.Reader{
		iotest.OneByteReader(strings.NewReader(text)), iotest.DataErrReader(strings.NewReader(text)),
		iotest.HalfReader(strings.NewReader(text)),
	} {
		got, bad, err := scan(r, 0)
		if err != nil || bad != nil || !cmp.Equal(want, got) {
			t.Errorf("%T: %d records, %v, %v", r, len(got), bad, err)
		}
	}
}

func TestRecovery(t *testing.T) {
	giant := strings.Repeat("x", maxRecord+10)
	for _, c := range []struct {
		name, text string
		rows       []string // the first column of each record
		bad        int
	}{
		{"open quote at the end", "a,1\n\"b,2\nc,3\nd,4", []string{"a", "c", "d"}, 1},
		{"open quote costs one row", "a,1\n\"b,2\nc,\"3\"\nd,4\n", []string{"a", "c", "d"}, 1},
		{"giant line", "a,1\n" + giant + ",2\nc,3\n", []string{"a", "c"}, 1},
		{"giant line at the end", "a,1\n" + giant, []string{"a"}, 1},
		{"giant quoted value", "a,1\n\"b\n" + giant + "\n\"\nc,3\n", []string{"a", "c"}, 1},
		{"rows that a CR ends among others", "a,1\nb,2\rc,3\rd,4\ne,5\r\nf,6\rg,7", []string{"a", "b", "c", "d", "e", "f", "g"}, 0},
		{"a CR in a value", "a\rx,1\nb,\"2\r2\"\n", []string{"a\rx", "b"}, 0},
		{"open quote in a row that a CR ends", "a,1\nb,2\r\"c,3\rd,4\ne,5\n", []string{"a", "b", "d", "e"}, 1},
		{"text after a quote", "a,1\n\"b\"c,2\nd,3\n", []string{"a", `"b"c`, "d"}, 0},
	} {
		got, bad, err := scan(strings.NewReader(c.text), 2)
		var first []string
		for _, r := range got {
			first = append(first, r[0])
		}
		if err != nil || len(bad) != c.bad || !cmp.Equal(first, c.rows) {
			for i := range first {
				first[i] = first[i][:min(len(first[i]), 20)]
			}
			t.Errorf("%s: records %q, bad %q, %v", c.name, first, bad, err)
		}
	}
}

func TestReaderBreaksOff(t *testing.T) {
	r := io.MultiReader(strings.NewReader("a,1\nb,2\nc,"), iotest.ErrReader(io.ErrUnexpectedEOF))
	got, _, err := scan(r, 2)
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(got) != 2 {
		t.Errorf("%q, %v", got, err)
	}
}

// BenchmarkStrayQuotes reads text in which every line looks like the middle of a quoted value from inside and like the
// start of one from outside: without a budget each would be read a thousand times.
func BenchmarkStrayQuotes(b *testing.B) {
	line := `x","` + strings.Repeat("y", 900) + "\n"
	text := `"` + strings.Repeat(line, 10_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, bad, err := scan(strings.NewReader(text), maxColumns); err != nil || len(bad) == 0 {
			b.Fatalf("%d bad, %v", len(bad), err)
		}
	}
}

// TestBounded reads a document of 12 MiB that is one row, one of as many quotes, commas, line feeds.
func TestBounded(t *testing.T) {
	for _, unit := range []string{"x", `"`, ",", "\n", `""`, `x"`, "\r"} {
		const size = 12 << 20
		r := io.LimitReader(&repeat{unit: []byte(unit)}, size)
		s := newScanner(r)
		s.want = 30
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for {
			if _, err := s.next(); errors.Is(err, io.EOF) {
				break
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 6<<20 || cap(s.fields) > 4*maxColumns {
			t.Errorf("%q: %d MiB more, %d columns", unit, grown>>20, cap(s.fields))
		}
	}
}

type repeat struct {
	unit []byte
	at   int
}

func (r *repeat) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = r.unit[r.at]
		r.at = (r.at + 1) % len(r.unit)
	}
	return len(b), nil
}
