package segment_test

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/line"
	"tocsin/internal/line/segment"
)

const begin = 1_772_323_200 // a day in 2026

// random makes sessions of few addresses, so that they overlap in every way.
func random(r *rand.Rand, n int) []line.Session {
	all := make([]line.Session, n)
	for i := range all {
		s := &all[i]
		a := netip.AddrFrom4([4]byte{198, 51, 100, byte(r.IntN(5))})
		bits := []int{32, 32, 32, 30}[r.IntN(4)]
		if r.IntN(3) == 0 {
			a = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, byte(r.IntN(4)), 15: byte(r.IntN(2))})
			bits = []int{128, 64, 56}[r.IntN(3)]
		}
		s.Range = line.Whole(netip.PrefixFrom(a, bits))
		s.Range.Realm = []string{"", "", "cgn", "aa"}[r.IntN(4)]
		if r.IntN(2) == 0 {
			s.Range.Lo = uint16(r.IntN(8) * 8192)
			s.Range.Hi = s.Range.Lo + uint16([]int{0, 511, 8191}[r.IntN(3)])
			s.Range.Proto = []string{"", "tcp", "udp"}[r.IntN(3)]
		}
		if s.Holder.Line = line.ID(r.IntN(6)); s.Holder.Line == 0 {
			s.Holder.Inside = line.Address{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(3))}), Realm: "cgn"}
		}
		from := int64(begin + r.IntN(segment.Day) - 4000)
		s.Possible = line.Span{From: from, To: from + 1 + int64(r.IntN(20_000))}
		if r.IntN(20) == 0 {
			s.Possible.From = line.Ever
		}
		if r.IntN(20) == 0 {
			s.Possible.To = line.Never
		}
		s.Certain = line.Span{From: max(from, s.Possible.From) + int64(r.IntN(3)), To: min(s.Possible.To, from+10_000)}
	}
	return all
}

func write(t testing.TB, all []line.Session) string {
	t.Helper()
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b line.Session) int { return segment.Compare(&a, &b) })
	path := filepath.Join(t.TempDir(), "run")
	if err := segment.Write(path, begin, segment.Names(sorted), slices.Values(sorted)); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("%d files, %v", len(left), err)
	}
	return path
}

func open(t testing.TB, path string) *segment.File {
	t.Helper()
	f, err := segment.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestEach holds the answers of a file against looking at every session.
func TestEach(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		all := random(r, 1+r.IntN(600))
		f := open(t, write(t, all))
		if f.Len() != len(all) || f.Begin() != begin {
			t.Errorf("%d sessions, want %d", f.Len(), len(all))
		}
		for range 500 {
			a := line.Address{Addr: all[r.IntN(len(all))].Range.Prefix.Addr(), Realm: []string{"", "cgn", "aa", "none"}[r.IntN(4)]}
			if r.IntN(3) == 0 {
				a.Addr = a.Addr.Next()
			}
			port := uint16([]int{0, r.IntN(65536), r.IntN(8) * 8192, r.IntN(8)*8192 + 511}[r.IntN(4)])
			proto := []string{"", "tcp", "udp", "icmp"}[r.IntN(4)]
			from := int64(begin + r.IntN(segment.Day))
			q := line.Span{From: from, To: from + 1 + int64(r.IntN(200))}
			var want, got []line.Session
			for _, s := range all {
				rg := s.Range
				if rg.Realm == a.Realm && rg.Prefix.Contains(a.Addr) && (port == 0 || rg.Lo <= port && port <= rg.Hi) &&
					(proto == "" || rg.Proto == "" || rg.Proto == proto) && s.Possible.Meets(q) {
					want = append(want, masked(s))
				}
			}
			f.Each(a, port, proto, q, func(s line.Session) { got = append(got, s) })
			key := func(all []line.Session) map[line.Session]int {
				m := map[line.Session]int{}
				for _, s := range all {
					m[s]++
				}
				return m
			}
			if diff := gocmp.Diff(key(want), key(got), gocmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
				t.Fatalf("seed %d: %v port %d %q %v:\n%s", seed, a, port, proto, q, diff)
			}
		}
	}
}

func masked(s line.Session) line.Session {
	s.Range.Prefix = s.Range.Prefix.Masked()
	return s
}

// TestMerge: several files say together what one says.
func TestMerge(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	a, b := random(r, 400), random(r, 300)
	b = append(b, a[:50]...) // some are in both
	for i := range b {
		b[i].Range.Realm = map[string]string{"aa": "zz"}[b[i].Range.Realm] + b[i].Range.Realm
	}
	path := filepath.Join(t.TempDir(), "merged")
	if err := segment.Merge(path, []*segment.Segment{open(t, write(t, a)).Segment, open(t, write(t, b)).Segment}); err != nil {
		t.Fatal(err)
	}
	want := map[line.Session]bool{}
	for _, s := range append(slices.Clone(a), b...) {
		want[masked(s)] = true
	}
	got := map[line.Session]bool{}
	open(t, path).All(func(s line.Session) bool {
		got[s] = true
		return true
	})
	if len(got) != len(want) {
		t.Errorf("%d sessions, want %d", len(got), len(want))
	}
	for s := range want {
		if !got[s] {
			t.Fatalf("%+v is missing", s)
		}
	}
}

// TestDamaged flips each byte of a small file, and cuts it anywhere: it is always noticed.
func TestDamaged(t *testing.T) {
	path := write(t, random(rand.New(rand.NewPCG(1, 1)), 20))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		bad := slices.Clone(whole)
		bad[i] ^= 0x10
		if _, err := segment.Parse(bad); !errors.Is(err, segment.ErrDamaged) {
			t.Fatalf("byte %d: %v", i, err)
		}
		if _, err := segment.Parse(whole[:i]); !errors.Is(err, segment.ErrDamaged) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
}

// BenchmarkEach asks a day of a million sessions of port blocks.
func BenchmarkEach(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	all := make([]line.Session, 1_000_000)
	for i := range all {
		a := netip.AddrFrom4([4]byte{198, 51, byte(r.IntN(4)), byte(r.IntN(256))})
		lo := uint16(1024 + 512*r.IntN(126))
		from := int64(begin + r.IntN(segment.Day))
		all[i] = line.Session{
			Range:    line.Range{Prefix: netip.PrefixFrom(a, 32), Lo: lo, Hi: lo + 511},
			Holder:   line.Holder{Line: line.ID(1 + r.IntN(100_000))},
			Possible: line.Span{From: from, To: from + 1000}, Certain: line.Span{From: from + 1, To: from + 999},
		}
	}
	path := write(b, all)
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	f := open(b, path)
	b.ResetTimer()
	for b.Loop() {
		a := line.Address{Addr: netip.AddrFrom4([4]byte{198, 51, byte(r.IntN(4)), byte(r.IntN(256))})}
		from := int64(begin + r.IntN(segment.Day))
		f.Each(a, uint16(1024+r.IntN(64_000)), "", line.Span{From: from, To: from + 1}, func(line.Session) {})
	}
	b.ReportMetric(float64(info.Size())/float64(len(all)), "B/session")
}
