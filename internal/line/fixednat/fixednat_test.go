package fixednat_test

import (
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tocsin/internal/line"
	"tocsin/internal/line/fixednat"
)

var always = line.Span{From: line.Ever, To: line.Never}

// TestInverse: each port is one inside address's, and that inside address's ports are the block it lies in.
func TestInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := fixednat.NAT{
			Inside: netip.MustParsePrefix("10.9.0.0/24"), Outside: netip.MustParsePrefix("198.51.100.0/28"), Valid: always,
			FirstPort: uint16(rapid.IntRange(0, 40_000).Draw(t, "first")), Ports: uint16(rapid.IntRange(1, 9000).Draw(t, "ports")),
		}
		if err := n.Validate(); err != nil {
			return
		}
		port := uint16(rapid.IntRange(1, 65535).Draw(t, "port"))
		outside := netip.AddrFrom4([4]byte{198, 51, 100, byte(rapid.IntRange(0, 15).Draw(t, "outside"))})
		if inside, ok := n.At(outside, port); ok {
			a, lo, hi, ok := n.Of(inside)
			if !ok || a != outside || port < lo || port > hi {
				t.Fatalf("%v:%d is %v's, whose ports are %v:%d-%d", outside, port, inside, a, lo, hi)
			}
		}
		inside := netip.AddrFrom4([4]byte{10, 9, 0, byte(rapid.IntRange(0, 255).Draw(t, "inside"))})
		a, lo, hi, ok := n.Of(inside)
		if !ok || int(hi-lo)+1 != int(n.Ports) {
			t.Fatalf("%v has %d-%d, %v", inside, lo, hi, ok)
		}
		for _, p := range []uint16{lo, hi} {
			if back, ok := n.At(a, p); !ok || back != inside {
				t.Fatalf("%v:%d is %v's, want %v", a, p, back, inside)
			}
		}
		// Whoever asks without a port hears of all who share the address, this one among them, and no port twice.
		var taken [65536]bool
		found := false
		_, err := n.Each(t.Context(), line.Address{Addr: a}, 0, "", always, func(s line.Session) {
			found = found || s.Holder.Inside.Addr == inside
			for p := int(s.Range.Lo); p <= int(s.Range.Hi); p++ {
				if taken[p] {
					t.Fatalf("port %d is given twice", p)
				}
				taken[p] = true
			}
		})
		if err != nil || !found {
			t.Fatalf("%v is not among those who share %v", inside, a)
		}
	})
}

func TestValidate(t *testing.T) {
	good := fixednat.NAT{Inside: netip.MustParsePrefix("10.9.0.0/24"), Outside: netip.MustParsePrefix("198.51.100.0/28"), Ports: 2000, Valid: always}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*fixednat.NAT){
		"no network of IPv4":    func(n *fixednat.NAT) { n.Inside = netip.MustParsePrefix("2001:db8::/64") },
		"is no network":         func(n *fixednat.NAT) { n.Outside = netip.MustParsePrefix("198.51.100.1/28") },
		"how many ports":        func(n *fixednat.NAT) { n.Ports = 0 },
		"fewer than":            func(n *fixednat.NAT) { n.FirstPort, n.Ports = 60_000, 6000 },
		"there are ports for":   func(n *fixednat.NAT) { n.Inside = netip.MustParsePrefix("10.0.0.0/8") },
		"it was never in force": func(n *fixednat.NAT) { n.Valid = line.Span{} },
	} {
		n := good
		change(&n)
		if err := n.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, ok := good.At(netip.MustParseAddr("198.51.100.1"), 80); ok {
		t.Error("a well-known port is somebody's")
	}
}
