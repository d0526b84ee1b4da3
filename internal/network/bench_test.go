package network_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"tocsin/internal/network"
)

// fullTable writes a table of n prefixes, shaped like the Internet's: four in five IPv4, most of them /24, the rest
// spread from /12 to /23; IPv6 from /29 to /48. It returns the file and the prefixes.
func fullTable(tb testing.TB, n int) (string, []netip.Prefix) {
	tb.Helper()
	random := rand.New(rand.NewPCG(1, uint64(n)))
	seen := make(map[netip.Prefix]bool, n)
	prefixes := make([]netip.Prefix, 0, n)
	for len(prefixes) < n {
		p := randomPrefix(random)
		if !seen[p] {
			seen[p] = true
			prefixes = append(prefixes, p)
		}
	}
	slices.SortFunc(prefixes, netip.Prefix.Compare) // as publishers sort them
	path := filepath.Join(tb.TempDir(), "full.csv")
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	for _, p := range prefixes {
		asn := 65536 + random.IntN(80_000) // as many as announce something
		fmt.Fprintf(w, "%s,%d,\"Example Network %d, Inc.\",%c%c\n", p, asn, asn, 'A'+asn%7, 'A'+asn%11)
	}
	if err := w.Flush(); err != nil {
		tb.Fatal(err)
	}
	return path, prefixes
}

func randomPrefix(random *rand.Rand) netip.Prefix {
	if random.IntN(5) > 0 {
		bits := 24
		if random.IntN(5) > 2 {
			bits = 12 + random.IntN(12)
		}
		a := [4]byte{byte(1 + random.IntN(223)), byte(random.Uint32()), byte(random.Uint32()), 0}
		return netip.PrefixFrom(netip.AddrFrom4(a), bits).Masked()
	}
	bits := []int{48, 48, 48, 44, 40, 36, 32, 32, 32, 29}[random.IntN(10)]
	a := [16]byte{0x20, byte(random.IntN(64)), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32())}
	return netip.PrefixFrom(netip.AddrFrom16(a), bits).Masked()
}

// inside returns a random address of p.
func inside(random *rand.Rand, p netip.Prefix) netip.Addr {
	b := p.Addr().As16()
	first := 0
	if p.Addr().Is4() {
		first = 96
	}
	for i := first + p.Bits(); i < 128; i++ {
		if random.IntN(2) > 0 {
			b[i/8] |= 0x80 >> (i % 8)
		}
	}
	return netip.AddrFrom16(b).Unmap()
}

func addresses(prefixes []netip.Prefix, n int) []netip.Addr {
	random := rand.New(rand.NewPCG(2, 2))
	all := make([]netip.Addr, n)
	for i := range all {
		all[i] = inside(random, prefixes[random.IntN(len(prefixes))])
	}
	return all
}

func networks(tb testing.TB, path string) *network.Networks {
	tb.Helper()
	n, err := network.New(network.Config{Tables: []network.TableFile{{Path: path}}}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// BenchmarkLookup asks for addresses spread over the whole table, one after the other, and reads the answer.
func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{500_000, 1_000_000} {
		path, prefixes := fullTable(b, n)
		nets := networks(b, path)
		for _, family := range []string{"v4", "v6"} {
			mine := slices.DeleteFunc(slices.Clone(prefixes), func(p netip.Prefix) bool {
				return p.Addr().Is4() != (family == "v4")
			})
			asked := addresses(mine, 1<<20)
			b.Run(fmt.Sprintf("%dk/%s/value", n/1000, family), func(b *testing.B) {
				ask(b, asked, func(a netip.Addr) uint32 { return nets.Lookup(a).ASN })
			})
			b.Run(fmt.Sprintf("%dk/%s/cursor", n/1000, family), func(b *testing.B) {
				c := nets.Cursor()
				ask(b, asked, func(a netip.Addr) uint32 { return c.Lookup(a).ASN })
			})
		}
	}
}

// BenchmarkLookupRepeated asks for the same few addresses again and again, and for many in the order of their
// addresses, as reports list them.
func BenchmarkLookupRepeated(b *testing.B) {
	path, prefixes := fullTable(b, 1_000_000)
	nets := networks(b, path)
	few := addresses(prefixes, 1<<10)
	sorted := addresses(prefixes, 1<<18)
	slices.SortFunc(sorted, netip.Addr.Compare)
	for _, c := range []struct {
		name  string
		asked []netip.Addr
	}{{"one", few[:1]}, {"1k", few}, {"sorted", sorted}} {
		b.Run(c.name+"/value", func(b *testing.B) {
			ask(b, c.asked, func(a netip.Addr) uint32 { return nets.Lookup(a).ASN })
		})
		b.Run(c.name+"/cursor", func(b *testing.B) {
			cursor := nets.Cursor()
			ask(b, c.asked, func(a netip.Addr) uint32 { return cursor.Lookup(a).ASN })
		})
	}
}

func ask(b *testing.B, asked []netip.Addr, asn func(netip.Addr) uint32) {
	b.Helper()
	b.ReportAllocs()
	var sum uint32
	i := 0
	for b.Loop() {
		sum |= asn(asked[i])
		if i++; i == len(asked) {
			i = 0
		}
	}
	if sum == 0 {
		b.Error("nobody found")
	}
}

// BenchmarkLoadCSV reads half a million lines into a table. heap-MiB is what the table keeps.
func BenchmarkLoadCSV(b *testing.B) {
	const n = 500_000
	path, _ := fullTable(b, n)
	cfg := network.Config{Tables: []network.TableFile{{Path: path}}}
	var t *network.Table
	before := heapMiB()
	for b.Loop() {
		var err error
		if t, err = network.Load(b.Context(), cfg); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "lines/s")
	b.ReportMetric(heapMiB()-before, "heap-MiB")
	runtime.KeepAlive(t)
}

func heapMiB() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}
