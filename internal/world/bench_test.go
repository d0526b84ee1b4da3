package world_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"tocsin/internal/world"
)

func TestBenchIsWhatItSays(t *testing.T) {
	for _, tt := range []struct {
		name  string
		size  world.BenchSize
		files int
	}{
		{"even", world.BenchSize{Rows: 40_000, RowsPerFile: 2000}, 20},
		{"uneven", world.BenchSize{Rows: 33_333, RowsPerFile: 700, Pairs: 5001}, 60},
		{"few rows", world.BenchSize{Rows: 7}, 7},
		{"none but one a type", world.BenchSize{Rows: 20, Pairs: 1000}, 20},
		{"few pairs, crowded seconds", world.BenchSize{Rows: 100_000, Pairs: 20, Days: 1, RowsPerFile: 100_000}, 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := world.Bench(1, tt.size)
			rows, repeats, pairs := 0, 0, map[string]bool{}
			for _, f := range in.Files {
				n, rep := readBench(t, f, pairs)
				if n != f.Rows || rep != f.Repeats {
					t.Errorf("%s holds %d rows with %d repeats, said %d with %d", f.Name, n, rep, f.Rows, f.Repeats)
				}
				rows += n
				repeats += rep
			}
			if rows != in.Rows || rows != tt.size.Rows || repeats != in.Repeats || len(pairs) != in.Pairs || len(in.Files) != tt.files {
				t.Errorf("read %d rows, %d repeats, %d pairs, %d files; said %d, %d, %d; wanted %d files",
					rows, repeats, len(pairs), len(in.Files), in.Rows, in.Repeats, in.Pairs, tt.files)
			}
			if tt.size.Pairs != 0 && tt.size.Pairs < tt.size.Rows/2 && in.Pairs != tt.size.Pairs {
				t.Errorf("%d pairs, want %d", in.Pairs, tt.size.Pairs)
			}
		})
	}
}

// TestBenchSeveralRowsASecond reads one file of 300,000 rows in a day: more than three a second, none of them the same.
func TestBenchSeveralRowsASecond(t *testing.T) {
	f := world.Bench(1, world.BenchSize{Rows: 6_000_000, Pairs: 2000, Days: 1, RowsPerFile: 300_000}).Files[4]
	pairs := map[string]bool{}
	rows, repeats := readBench(t, f, pairs)
	if rows != 300_000 || rows != f.Rows || repeats != f.Repeats || repeats != 15_000 || len(pairs) != 100 || len(pairs) != f.NewPairs {
		t.Errorf("%d rows, %d repeats, %d pairs; said %d, %d, %d", rows, repeats, len(pairs), f.Rows, f.Repeats, f.NewPairs)
	}
}

// readBench counts a file's rows and repeats and adds its pairs of address, type and name of the thing.
func readBench(t *testing.T, f world.BenchFile, pairs map[string]bool) (rows, repeats int) {
	t.Helper()
	var b bytes.Buffer
	if n, err := f.WriteTo(&b); err != nil || n != int64(b.Len()) {
		t.Fatalf("%s: wrote %d of %d bytes: %v", f.Name, b.Len(), n, err)
	}
	lines := map[string]bool{}
	for line := range strings.Lines(b.String()) {
		if lines[line] {
			repeats++
		}
		lines[line] = true
	}
	r := csv.NewReader(&b)
	head, err := r.Read()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i, c := range head {
		at[strings.TrimPrefix(c, "src_")] = i
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, repeats
		}
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		rows++
		a, err := netip.ParseAddr(row[at["ip"]])
		when, err2 := time.Parse(time.DateTime, row[at["timestamp"]])
		if err != nil || err2 != nil || !benchAddress(a) || when.After(f.Received) {
			t.Fatalf("%s row %d: %v", f.Name, rows, row)
		}
		pair := a.String() + " " + f.Feed
		if i, ok := at["infection"]; ok {
			pair += " " + row[i]
		}
		pairs[pair] = true
	}
}

func benchAddress(a netip.Addr) bool {
	for _, p := range []string{"10.0.0.0/8", "198.18.0.0/15", "240.0.0.0/6", "2001:db8::/32"} {
		if netip.MustParsePrefix(p).Contains(a) {
			return true
		}
	}
	return false
}

func TestBenchMillion(t *testing.T) {
	if testing.Short() {
		t.Skip("a million rows")
	}
	start := time.Now()
	in := world.Bench(1, world.BenchSize{})
	if in.Rows != 1_000_000 || in.Pairs != 300_000 || in.Repeats != 50_000 || len(in.Files) != 20 {
		t.Errorf("%d rows, %d pairs, %d repeats, %d files", in.Rows, in.Pairs, in.Repeats, len(in.Files))
	}
	var size int64
	for _, f := range in.Files {
		n, err := f.WriteTo(io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		size += n
	}
	t.Logf("%d rows, %d bytes each, in %s", in.Rows, size/int64(in.Rows), time.Since(start))
	pairs, addrs := map[string]bool{}, map[string]bool{}
	for _, f := range in.Files {
		var b bytes.Buffer
		if _, err := f.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(b.Bytes()) {
			a := string(bytes.SplitN(line, []byte(","), 4)[2]) // every type has it there
			pairs[f.Feed+a], addrs[a] = true, true
		}
	}
	if n := len(pairs) - len(in.Files); n != 300_000 { // less the headers
		t.Errorf("the rows are about %d pairs", n)
	}
	if n := len(addrs) - 2; n != 240_000 { // less the two names of the column
		t.Errorf("the rows are about %d addresses", n)
	}
	if mean := size / int64(in.Rows); mean < 200 || mean > 500 {
		t.Errorf("a row has %d bytes", mean)
	}
}

func TestBenchIsRepeatable(t *testing.T) {
	body := func(seed uint64, i int) []byte {
		var b bytes.Buffer
		if _, err := world.Bench(seed, world.BenchSize{Rows: 2000}).Files[i].WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	if !bytes.Equal(body(1, 3), body(1, 3)) {
		t.Error("the same seed made two files")
	}
	if bytes.Equal(body(1, 3), body(2, 3)) {
		t.Error("two seeds made the same file")
	}
}

func TestBenchTable(t *testing.T) {
	const n = 500_000
	var b bytes.Buffer
	if err := world.BenchTable(&b, n, 1); err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(&b)
	r.ReuseRecord = true
	if _, err := r.Read(); err != nil {
		t.Fatal(err)
	}
	type span struct{ first, last netip.Addr }
	spans := make(map[span]bool, n)
	var v4, v6 int
	before := netip.Addr{}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		s := span{netip.MustParseAddr(row[0]), netip.MustParseAddr(row[1])}
		if spans[s] || s.last.Less(s.first) || s.first.Less(before) {
			t.Fatalf("%v is there twice or out of order", s)
		}
		spans[s] = true
		before = s.first
		if s.first.Is4() {
			v4++
		} else {
			v6++
		}
	}
	if v4+v6 != n || v4 < n*65/100 || v6 < n*25/100 {
		t.Errorf("%d IPv4 and %d IPv6 prefixes, want %d in all, about seven to three", v4, v6, n)
	}
	// Every address of the benchmark lies below a /16 or the /32.
	for _, f := range world.Bench(1, world.BenchSize{Rows: 20_000}).Files {
		var body bytes.Buffer
		if _, err := f.WriteTo(&body); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&body).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows[1:] {
			a, err := netip.ParseAddr(row[2])
			if err != nil {
				continue // not a scan: the others have the same addresses
			}
			bits := 32
			if a.Is4() {
				bits = 16
			}
			p, _ := a.Prefix(bits)
			if !spans[span{p.Addr(), lastOf(p)}] {
				t.Fatalf("no prefix covers %s", a)
			}
		}
	}
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func TestSmallBenchTables(t *testing.T) {
	for _, n := range []int{0, 1, 10, 1283, 2000, 900_000} {
		var b bytes.Buffer
		if err := world.BenchTable(&b, n, 3); err != nil {
			t.Fatal(err)
		}
		if got := bytes.Count(b.Bytes(), []byte("\n")) - 1; got != n {
			t.Errorf("%d prefixes, want %d", got, n)
		}
	}
}

func BenchmarkBench(b *testing.B) {
	in := world.Bench(1, world.BenchSize{Rows: 200_000})
	var size int64
	for b.Loop() {
		size = 0
		for _, f := range in.Files {
			n, err := f.WriteTo(io.Discard)
			if err != nil {
				b.Fatal(err)
			}
			size += n
		}
	}
	b.SetBytes(size)
	b.ReportMetric(float64(in.Rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkDemo(b *testing.B) {
	n := 0
	for b.Loop() {
		n = 0
		for f := range world.New(1, world.Demo()).Reports() {
			n += len(f.Body())
		}
	}
	b.SetBytes(int64(n))
}
