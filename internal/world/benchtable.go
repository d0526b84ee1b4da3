package world

import (
	"bufio"
	"encoding/binary"
	"io"
	"net/netip"
	"slices"
	"strconv"
)

// The address space of benchmarks: nobody's on the Internet, and wide enough for half a million prefixes.
var benchSpace4 = [...]struct{ first, size uint32 }{
	{10 << 24, 1 << 24},         // RFC 1918
	{198<<24 | 18<<16, 1 << 17}, // RFC 2544
	{240 << 24, 1 << 26},        // RFC 1112 §4, reserved
}

const benchSize4 = 1<<24 + 1<<17 + 1<<26

// benchOffset4 is the address at a place in the space, as if it were in one piece.
func benchOffset4(n uint32) uint32 {
	for _, s := range benchSpace4 {
		if n < s.size {
			return s.first + n
		}
		n -= s.size
	}
	panic("world: outside the benchmark's addresses")
}

// benchAddr4 is the n-th address: all different for n below the size of the space, which is 641<<17. The factor is
// odd and no multiple of 641, so the product permutes the places.
func benchAddr4(n uint64) netip.Addr {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], benchOffset4(uint32(n*48_271_003%benchSize4)))
	return netip.AddrFrom4(a)
}

// benchAddr6 is the n-th address, all different for n below 1<<24: a /56 of 2001:db8::/32 (RFC 3849) each.
func benchAddr6(n uint64) netip.Addr {
	k := n * 0x9e3779b1 & (1<<24 - 1) // odd, so a permutation
	a := [16]byte{0x20, 0x01, 0x0d, 0xb8, byte(k >> 16), byte(k >> 8), byte(k)}
	binary.BigEndian.PutUint64(a[8:], mix(n)|1)
	return netip.AddrFrom16(a)
}

// benchASN is a private AS number (RFC 6996): fifty thousand of them.
func benchASN(x uint64) uint32 { return 4_200_000_000 + uint32(x%50_000) }

// tableRow is one line of the table.
type tableRow struct {
	first, last netip.Addr
	asn         uint32
}

// lengths says how many in a thousand prefixes have which length; the first takes what the others leave, and the
// last has room for any number. As in the tables of the Internet, most are the longest that are let through.
var (
	lengths4 = []struct{ bits, perMille int }{{24, 0}, {23, 130}, {22, 120}, {21, 80}, {20, 50}, {19, 25}, {18, 10}, {17, 5}}
	lengths6 = []struct{ bits, perMille int }{{48, 0}, {47, 60}, {46, 50}, {44, 100}, {42, 40}, {40, 60}, {36, 30}}
)

// BenchTable writes an address table of n prefixes, in the order of their addresses, the shorter before the
// longer: the /16s of the benchmark's IPv4 addresses and the /32 of its IPv6 addresses cover every address of
// Bench, and more specific ones below them fill up to n, seven in ten of them IPv4. It holds the table in memory.
func BenchTable(out io.Writer, n int, seed uint64) error {
	rows := make([]tableRow, 0, n)
	add := func(first netip.Addr, bits int) {
		if len(rows) < n {
			p := netip.PrefixFrom(first, bits)
			rows = append(rows, tableRow{first, last(p), benchASN(mix(seed ^ uint64(len(rows))))})
		}
	}
	add(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8}), 32)
	for i := range uint32(benchSize4 >> 16) {
		add(benchPlace4(i, 16), 16)
	}
	rest := n - len(rows)
	six := rest * 3 / 10
	six += specifics(rest-six, seed, lengths4,
		func(bits int) int { return benchSize4 >> (32 - bits) },
		func(i uint32, bits int) { add(benchPlace4(i, bits), bits) })
	specifics(six, seed+1, lengths6, func(bits int) int { return 1<<(bits-32) + 1<<(bits-20) },
		func(i uint32, bits int) { add(benchPlace6(i, bits), bits) })
	slices.SortFunc(rows, func(a, b tableRow) int {
		if c := a.first.Compare(b.first); c != 0 {
			return c
		}
		return b.last.Compare(a.last)
	})
	return writeTable(out, rows)
}

// specifics adds n different prefixes of the lengths' shares and returns how many found no room.
func specifics(n int, seed uint64, lengths []struct{ bits, perMille int }, room func(bits int) int, add func(i uint32, bits int)) int {
	rest := n
	for _, l := range slices.Backward(lengths) {
		k := n * l.perMille / 1000
		if l.perMille == 0 {
			k = rest
		}
		size := room(l.bits)
		k = min(k, size)
		rest -= k
		step := coprime(uint64(size), mix(seed+uint64(l.bits)))
		at := mix(seed^uint64(l.bits)) % uint64(size)
		for range k {
			add(uint32(at), l.bits)
			at = (at + step) % uint64(size)
		}
	}
	return rest
}

// coprime is a number below size that shares no factor with it, so that steps of it meet every place once.
func coprime(size, x uint64) uint64 {
	if size <= 2 {
		return 1
	}
	for x %= size; ; x = (x + 1) % size {
		a, b := size, x
		for b != 0 {
			a, b = b, a%b
		}
		if a == 1 {
			return x
		}
	}
}

func benchPlace4(i uint32, bits int) netip.Addr {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], benchOffset4(i<<(32-bits)))
	return netip.AddrFrom4(a)
}

// benchPlace6 is the i-th prefix of that length: first those of 2001:db8::/32, then those of 3fff::/20 (RFC 9637).
func benchPlace6(i uint32, bits int) netip.Addr {
	var a [16]byte
	if n := uint32(1) << (bits - 32); i < n {
		binary.BigEndian.PutUint64(a[:], 0x20010db8<<32|uint64(i)<<(64-bits))
	} else {
		binary.BigEndian.PutUint64(a[:], 0x3fff<<48|uint64(i-n)<<(64-bits))
	}
	return netip.AddrFrom16(a)
}

// writeTable writes the rows as CSV; no value needs quotes.
func writeTable(out io.Writer, rows []tableRow) error {
	w := bufio.NewWriterSize(out, 1<<16)
	b := append(make([]byte, 0, 256), TableHeader+"\n"...)
	for _, r := range rows {
		if _, err := w.Write(b); err != nil {
			return err
		}
		b = append(r.first.AppendTo(b[:0]), ',')
		b = append(r.last.AppendTo(b), ',')
		b = append(strconv.AppendUint(b, uint64(r.asn), 10), ",Organisation "...)
		b = append(strconv.AppendUint(b, uint64(r.asn-4_200_000_000), 10), ",XA\n"...)
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	return w.Flush()
}
