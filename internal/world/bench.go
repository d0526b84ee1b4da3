package world

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// BenchSize is how much input a benchmark gets. The zero value of a member is its default.
type BenchSize struct {
	Rows        int       // in all files, repeats included; 1,000,000
	RowsPerFile int       // at most; 50,000
	Pairs       int       // different pairs of address and report type; three tenths of Rows
	Start       time.Time // of the rows, UTC; 2026-03-01
	Days        int       // that the rows of one file spread over, longer where Pairs are very few; 3
}

// BenchFile is one Shadowserver report of the benchmark. It is made anew each time it is written, so files may
// be written at the same time and in any order.
type BenchFile struct {
	Name     string
	Reporter string
	Format   string
	Feed     string
	Received time.Time
	Rows     int
	Repeats  int // rows that are equal in every column to an earlier one of this file
	NewPairs int // pairs that no earlier file of the type has

	typ  *reportType
	part pairRange
	seed uint64
	from int64 // Unix seconds of the first row
	span int64 // seconds
}

// BenchInput is the files of a benchmark and exactly what is in them.
type BenchInput struct {
	Files   []BenchFile
	Rows    int
	Repeats int
	Pairs   int // every one of them is in at least one row
}

// benchTypes are twenty types, six of them about IPv6: three rows in ten.
var benchTypes = []string{
	"scan_telnet", "scan6_snmp", "scan_rdp", "scan_dns", "scan6_http", "scan_ssdp", "scan_mdns", "event6_sinkhole",
	"scan_snmp", "scan_ntp", "scan6_cwmp", "scan_smb", "scan_cwmp", "scan6_rdp", "scan_http", "scan_netbios",
	"compromised_iot6", "scan_isakmp", "event4_sinkhole", "event4_honeypot_brute_force",
}

// repeatOne is how many rows there are to one repeat: 5 %.
const repeatOne = 20

// pairRange is the pairs of one report type that a file draws from.
type pairRange struct {
	first  int // number of the type's first address
	seen   int // pairs that the type's earlier files brought
	fresh  int // pairs that this file brings
	total  int // pairs of the type
	spread int // different addresses of the type's family
}

// Bench plans the input: rows of twenty report types in files of at most RowsPerFile, a twentieth of them exact
// repeats, the rest drawn evenly from the pairs. A quarter more pairs than addresses, so that many addresses have
// more than one problem.
func Bench(seed uint64, size BenchSize) *BenchInput {
	size = size.withDefaults()
	in := &BenchInput{}
	families := [2]int{}
	for i, name := range benchTypes {
		t := findType(name)
		rows, pairs := share(size.Rows, i), share(size.Pairs, i)
		// No more pairs than rows that are not repeats; a type without rows has no pairs.
		pairs = min(max(pairs, min(rows, 1)), rows-rows/repeatOne)
		family := 0
		if t.onIPv6() {
			family = 1
		}
		part := pairRange{first: families[family], total: pairs, spread: max(size.Pairs*4/5*[2]int{14, 6}[family]/20, pairs)}
		families[family] += pairs
		in.addFiles(seed, size, t, rows, part)
	}
	return in
}

func (s BenchSize) withDefaults() BenchSize {
	if s.Rows <= 0 {
		s.Rows = 1_000_000
	}
	if s.RowsPerFile <= 0 {
		s.RowsPerFile = 50_000
	}
	if s.Pairs <= 0 {
		s.Pairs = s.Rows * 3 / 10
	}
	if s.Start.IsZero() {
		s.Start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	}
	if s.Days <= 0 {
		s.Days = 3
	}
	return s
}

// share is the i-th type's part of n.
func share(n, i int) int {
	k := len(benchTypes)
	return n*(i+1)/k - n*i/k
}

func (in *BenchInput) addFiles(seed uint64, size BenchSize, t *reportType, rows int, part pairRange) {
	files := (rows + size.RowsPerFile - 1) / size.RowsPerFile
	for i := range files {
		n := rows*(i+1)/files - rows*i/files
		f := BenchFile{
			Reporter: "bench", Format: FormatShadowserver, Feed: t.name, Rows: n, Repeats: n / repeatOne,
			Name: fmt.Sprintf("%s-%s-bench-%04d.csv", size.Start.Format(time.DateOnly), t.name, i+1),
			typ:  t, part: part, seed: mix(seed ^ mix(uint64(len(in.Files)))),
			from: size.Start.Unix(), span: int64(size.Days) * day,
		}
		if int64(n)/f.span+2 > int64(part.total/files) {
			f.span = max(f.span, int64(n)) // so few pairs that no second can hold two rows
		}
		f.part.seen = part.total * i / files
		f.part.fresh = part.total*(i+1)/files - f.part.seen
		f.NewPairs = f.part.fresh
		f.Received = time.Unix(f.from+f.span, 0).UTC().Add(6 * time.Hour)
		in.Files = append(in.Files, f)
		in.Rows += n
		in.Repeats += f.Repeats
		in.Pairs += f.NewPairs
	}
}

// benchWindow is how many rows a file remembers for its repeats: an even sample of all that were written.
const benchWindow = 4096

// drawn is a row that was written: enough to write it again.
type drawn struct {
	at   int64
	pair int
}

// WriteTo writes the CSV. It needs the same few hundred KiB whatever the number of rows.
func (f BenchFile) WriteTo(out io.Writer) (int64, error) {
	var (
		w    = newWriter(f.typ.compileAll())
		r    = rand.New(rand.NewPCG(f.seed, 0)) //nolint:gosec // repeated, not secret
		buf  = bufio.NewWriterSize(out, 1<<17)
		b    = append(make([]byte, 0, 4096), w.header()...)
		past = make([]drawn, 0, benchWindow)
		d    = drawer{part: f.part, rest: f.Rows - f.Repeats}
		rep  = f.Repeats
		sum  = int64(len(b))
	)
	if _, err := buf.Write(b); err != nil {
		return 0, err
	}
	for i := range f.Rows {
		var x drawn
		if left := f.Rows - i; rep > 0 && len(past) > 0 && r.IntN(left) < rep || d.rest == 0 {
			rep--
			x = past[r.IntN(len(past))]
		} else {
			x = drawn{at: f.from + int64(i)*f.span/int64(f.Rows)}
			x.pair = d.next(x.at, r)
			if len(past) < benchWindow {
				past = append(past, x)
			} else if k := r.IntN(i + 1); k < benchWindow {
				past[k] = x
			}
		}
		line := benchRow(f.typ, f.part, x)
		b = w.append(b[:0], &line)
		n, err := buf.Write(b)
		sum += int64(n)
		if err != nil {
			return sum, err
		}
	}
	return sum, buf.Flush()
}

// drawer draws pairs so that each new one comes up at least once and no row is made twice.
type drawer struct {
	part pairRange
	rest int // rows still to draw
	used int // new pairs drawn so far
	at   int64
	now  []int // pairs drawn for the instant at
}

// next draws the pair of a row of this time. Rows come in the order of their time.
func (d *drawer) next(at int64, r *rand.Rand) int {
	if at != d.at {
		d.at, d.now = at, d.now[:0]
	}
	known := d.part.seen + d.used
	fresh := d.part.fresh - d.used
	p := known
	if fresh > 0 && (known <= len(d.now) || r.IntN(d.rest) < fresh) {
		d.used++
	} else {
		for p = r.IntN(known); slices.Contains(d.now, p); { // addFiles sees to it that another is left
			p = (p + 1) % known
		}
	}
	d.rest--
	d.now = append(d.now, p)
	return p
}

// benchRow is the row of a pair at a time.
func benchRow(t *reportType, part pairRange, x drawn) row {
	// An odd factor permutes the type's addresses, so neighbours in a file are not neighbours in the network.
	number := (part.first + x.pair) % part.spread
	device := mix(uint64(part.first+x.pair)<<8 ^ uint64(len(t.name)))
	r := row{
		at: x.at, port: t.port, cc: "XA", region: "NORTHSHIRE", city: towns[device>>8%uint64(len(towns))].city,
		device: device, id: mix(device ^ uint64(x.at)), thing: benchThings[device>>16%uint64(len(benchThings))],
		asn: benchASN(device >> 32),
	}
	if t.kind == kindBruteForce {
		r.thing = [...]string{"ssh", "telnet"}[device>>16&1]
	}
	if t.port == 0 {
		r.port = uint16(1024 + device>>40%60_000)
	}
	if t.onIPv6() {
		r.addr = benchAddr6(uint64(number))
		r.dst = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0x80, 15: byte(device)})
		return r
	}
	r.addr = benchAddr4(uint64(number))
	r.dst = netip.AddrFrom4([4]byte{192, 0, 2, byte(224 + device%16)})
	r.host = benchHosts[device>>24%uint64(len(benchHosts))]
	return r
}

var (
	benchThings = [...]string{"mirai", "mozi", "android.badbox2", "qakbot", "gamarue", "android.vo1d", "ramnit"}
	benchHosts  = [...]string{"", "dsl.access.example", "static.business.example", "host.pool-7.cable.example"}
)

// BenchMails yields the bodies of n different mails of a feedback loop, one event in each: the small reports of the
// benchmark. Three in ten are the first about their address.
func BenchMails(n int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Unix()
		addrs := max(n*3/10, 1)
		for i := range n {
			number := uint64(i % addrs)
			m := complaint{
				reporter: "bench", agent: mailKinds[0].agent, addr: benchAddr4(number), at: start + int64(i),
				device: mix(number),
			}
			if !yield(m.mail()) {
				return
			}
		}
	}
}
