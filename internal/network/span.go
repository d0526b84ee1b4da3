package network

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// u128 is an address as a number; IPv4 uses the low 32 bits.
type u128 struct{ hi, lo uint64 }

func (a u128) less(b u128) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

func (a u128) sub(b u128) u128 {
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	hi, _ := bits.Sub64(a.hi, b.hi, borrow)
	return u128{hi, lo}
}

// addBit adds 1<<n; n is at most 127.
func (a u128) addBit(n int) u128 {
	var b u128
	if n < 64 {
		b.lo = 1 << n
	} else {
		b.hi = 1 << (n - 64)
	}
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, _ := bits.Add64(a.hi, b.hi, carry)
	return u128{hi, lo}
}

// zeros counts the zero bits at the low end, 128 for 0.
func (a u128) zeros() int {
	if a.lo != 0 {
		return bits.TrailingZeros64(a.lo)
	}
	return 64 + bits.TrailingZeros64(a.hi)
}

// fits is the largest n for which 2^n-1 is at most a.
func (a u128) fits() int {
	if a.hi == ^uint64(0) && a.lo == ^uint64(0) {
		return 128
	}
	b := a.addBit(0)
	if b.hi != 0 {
		return 63 + bits.Len64(b.hi)
	}
	return bits.Len64(b.lo) - 1
}

func number(a netip.Addr) u128 {
	if a.Is4() {
		b := a.As4()
		return u128{0, uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return u128{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (a u128) addr(is4 bool) netip.Addr {
	if is4 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(a.lo)) // IPv4 uses the low 32 bits
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	return netip.AddrFrom16(b)
}

// eachPrefix cuts first..last, both included, into the fewest prefixes and yields them in order: at most 62 for IPv4
// and 254 for IPv6. Both addresses are of one family and first is not after last. It stops at the first error.
func eachPrefix(first, last netip.Addr, yield func(netip.Prefix) error) error {
	is4 := first.Is4()
	width := first.BitLen()
	from, to := number(first), number(last)
	for {
		n := min(from.zeros(), to.sub(from).fits(), width)
		if err := yield(netip.PrefixFrom(from.addr(is4), width-n)); err != nil {
			return err
		}
		if n == width {
			return nil
		}
		next := from.addBit(n)
		if to.less(next) || next == (u128{}) { // next is 0 after the last address of IPv6
			return nil
		}
		from = next
	}
}
