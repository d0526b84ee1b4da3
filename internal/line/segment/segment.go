// Package segment keeps the sessions of one source and day in a file that is written once, sealed by checksums, and read
// by mapping it: a question costs a few binary searches and no memory. A file holds every session that may have covered
// a second of its day, so whoever asks about that day needs no other, and deleting the file deletes the day.
package segment

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"net/netip"
	"sort"

	"tocsin/internal/line"
)

// The file, all numbers little-endian:
//
//	header    128 bytes: magic, day, how many of each of what follows, which prefix lengths occur
//	slots     what is held, in order: realm, length, address, first port, last port, protocol. IPv4 before IPv6
//	sessions  for each slot the sessions in the order of their beginning
//	insides   addresses behind NATs, which sessions name by their place
//	names     of realms and protocols, which slots name by their place: each a byte with its length and so many bytes
//	sums      CRC-32C of header, slots4, slots6, sessions, insides, names: 24 bytes
//
// A slot of IPv4 has 20 bytes: address 4, first session 4, realm 2, first port 2, last port 2, highest last port of all
// slots of the same address up to this one 2, length 1, protocol 1, none 2. One of IPv6 has 32: its address has 16. A
// session has 24: possible from, certain from, certain to, possible to, each in seconds from the day's beginning; the
// latest possible end of the slot's sessions up to this one; its holder.
const (
	magic      = "tocsin/line/1\n\x00\x00"
	headerSize = 128
	slot4Size  = 20
	slot6Size  = 32
	recordSize = 24
	insideSize = 20 // address 16, realm 2, IPv4 1, none 1
	sumSize    = 24
	insideBit  = 1 << 31 // in a holder: the rest is the place of an inside address
)

// Day is how many seconds a segment is about.
const Day = 24 * 3600

var (
	table = crc32.MakeTable(crc32.Castagnoli)
	le    = binary.LittleEndian
)

// ErrDamaged says that a file is not what was written. It can be built anew from the log.
var ErrDamaged = errors.New("the file is damaged: delete it, and it is built anew")

// Segment is an open file. Any number of goroutines may ask.
type Segment struct {
	data []byte // the whole file

	begin    int64 // of the day
	lengths4 uint64
	lengths6 [2]uint64 // bit n of [n/64]; 128 is kept as bit 0 of nothing: see hasLength
	has128   bool

	slots4, slots6, sessions, insides []byte
	names                             []string
	index4                            []uint64 // of every indexStep-th slot of IPv4, its key4
}

// indexStep is how many slots lie between two that the index names: it is small enough to stay in the processor's cache.
const indexStep = 32

// Parse reads a file that is in memory or mapped to it. It keeps data.
func Parse(data []byte) (*Segment, error) {
	if len(data) < headerSize+sumSize || string(data[:len(magic)]) != magic {
		return nil, ErrDamaged
	}
	s := &Segment{data: data, begin: int64(le.Uint64(data[16:]))}
	counts := [5]uint64{}
	for i := range counts {
		counts[i] = le.Uint64(data[24+8*i:])
	}
	s.lengths4, s.lengths6[0], s.lengths6[1] = le.Uint64(data[64:]), le.Uint64(data[72:]), le.Uint64(data[80:])
	s.has128 = data[88] == 1
	at := uint64(headerSize)
	sums := data[len(data)-sumSize:]
	if crc32.Checksum(data[:headerSize], table) != le.Uint32(sums) {
		return nil, ErrDamaged
	}
	var parts [5][]byte
	for i, size := range [5]uint64{slot4Size, slot6Size, recordSize, insideSize, 1} {
		if counts[i] > uint64(len(data))/size || at+counts[i]*size > uint64(len(data)-sumSize) {
			return nil, ErrDamaged
		}
		parts[i] = data[at : at+counts[i]*size]
		at += counts[i] * size
		if crc32.Checksum(parts[i], table) != le.Uint32(sums[4+4*i:]) {
			return nil, ErrDamaged
		}
	}
	if at != uint64(len(data)-sumSize) {
		return nil, ErrDamaged
	}
	s.slots4, s.slots6, s.sessions, s.insides = parts[0], parts[1], parts[2], parts[3]
	for rest := parts[4]; len(rest) > 0; {
		n := int(rest[0]) + 1
		if n > len(rest) {
			return nil, ErrDamaged
		}
		s.names = append(s.names, string(rest[1:n]))
		rest = rest[n:]
	}
	for i := 0; i < s.slots(true); i += indexStep {
		s.index4 = append(s.index4, s.key4(i))
	}
	return s, nil
}

// key4 is realm, length and address of a slot of IPv4 as a number.
func (s *Segment) key4(i int) uint64 {
	b := s.slots4[i*slot4Size:]
	return uint64(le.Uint16(b[8:]))<<40 | uint64(b[16])<<32 | uint64(binary.BigEndian.Uint32(b))
}

// Begin is the first second of the segment's day.
func (s *Segment) Begin() int64 { return s.begin }

// Len is how many sessions it has.
func (s *Segment) Len() int { return len(s.sessions) / recordSize }

// slot is what is held.
type slot struct {
	address  [16]byte // IPv4 in the first 4
	is4      bool
	bits     int
	realm    int
	proto    int
	lo, hi   uint16
	highest  uint16
	first, n int // sessions
}

func (s *Segment) slots(is4 bool) int {
	if is4 {
		return len(s.slots4) / slot4Size
	}
	return len(s.slots6) / slot6Size
}

func (s *Segment) slot(is4 bool, i int) slot {
	raw, size, addr := s.slots6, slot6Size, 16
	if is4 {
		raw, size, addr = s.slots4, slot4Size, 4
	}
	b := raw[i*size : (i+1)*size]
	x := slot{is4: is4}
	copy(x.address[:], b[:addr])
	b = b[addr:]
	x.first, x.realm, x.lo, x.hi = int(le.Uint32(b)), int(le.Uint16(b[4:])), le.Uint16(b[6:]), le.Uint16(b[8:])
	x.highest, x.bits, x.proto = le.Uint16(b[10:]), int(b[12]), int(b[13])
	switch {
	case i+1 < len(raw)/size:
		x.n = int(le.Uint32(raw[(i+1)*size+addr:])) - x.first
	case is4 && len(s.slots6) > 0:
		x.n = int(le.Uint32(s.slots6[16:])) - x.first
	default:
		x.n = s.Len() - x.first
	}
	return x
}

// Each yields the sessions that may have held a port of an address at some time within q; see line.Sessions.
func (s *Segment) Each(a line.Address, port uint16, proto string, q line.Span, yield func(line.Session)) {
	realm := s.name(a.Realm)
	if realm < 0 {
		return
	}
	is4 := a.Addr.Is4()
	for bits := a.Addr.BitLen(); bits >= 0; bits-- {
		if !s.hasLength(is4, bits) {
			continue
		}
		p, err := a.Addr.Prefix(bits)
		if err != nil {
			continue
		}
		w := wanted(realm, p)
		s.held(&w, port, proto, q, yield)
	}
}

func (s *Segment) hasLength(is4 bool, bits int) bool {
	switch {
	case is4:
		return s.lengths4>>bits&1 == 1
	case bits == 128:
		return s.has128
	}
	return s.lengths6[bits/64]>>(bits%64)&1 == 1
}

func (s *Segment) name(n string) int {
	for i := range s.names {
		if s.names[i] == n {
			return i
		}
	}
	return -1
}

// want is a prefix of a realm, to be looked for.
type want struct {
	prefix netip.Prefix
	is4    bool
	head   uint64   // realm and length, and the address where that is IPv4: as key4
	six    [16]byte // the address, where it is IPv6
}

func wanted(realm int, p netip.Prefix) want {
	w := want{prefix: p, is4: p.Addr().Is4(), head: uint64(realm)<<40 | uint64(p.Bits())<<32}
	if !w.is4 {
		w.six = p.Addr().As16()
		return w
	}
	a := p.Addr().As4()
	w.head |= uint64(binary.BigEndian.Uint32(a[:]))
	return w
}

// held yields the sessions of a prefix. Of the slots that begin at or below the port, those that end below it are left out;
// where no slot before has a higher port either, none is left.
func (s *Segment) held(w *want, port uint16, proto string, q line.Span, yield func(line.Session)) {
	for i := s.behind(w, port) - 1; i >= 0 && s.compare(i, w) == 0; i-- {
		x := s.slot(w.is4, i)
		if port != 0 && x.highest < port {
			return
		}
		if port != 0 && x.hi < port || proto != "" && s.names[x.proto] != "" && s.names[x.proto] != proto {
			continue
		}
		s.within(&x, w.prefix, q, yield)
	}
}

// behind is the first slot that comes behind all that a prefix has at or below a port.
func (s *Segment) behind(w *want, port uint16) int {
	if port == 0 {
		port = math.MaxUint16
	}
	from, to := 0, s.slots(w.is4)
	if w.is4 {
		block := sort.Search(len(s.index4), func(i int) bool {
			return s.index4[i] > w.head || s.index4[i] == w.head && s.low(true, i*indexStep) > port
		})
		from, to = max(block-1, 0)*indexStep, min(block*indexStep, to)
	}
	return from + sort.Search(to-from, func(i int) bool {
		c := s.compare(from+i, w)
		return c > 0 || c == 0 && s.low(w.is4, from+i) > port
	})
}

// low is the first port of a slot.
func (s *Segment) low(is4 bool, i int) uint16 {
	if is4 {
		return le.Uint16(s.slots4[i*slot4Size+10:])
	}
	return le.Uint16(s.slots6[i*slot6Size+22:])
}

// compare compares the realm, length and address of a slot with those wanted.
func (s *Segment) compare(i int, w *want) int {
	if w.is4 {
		return cmp.Compare(s.key4(i), w.head)
	}
	b := s.slots6[i*slot6Size:]
	head := uint64(le.Uint16(b[20:]))<<40 | uint64(b[28])<<32
	if c := cmp.Compare(head, w.head); c != 0 {
		return c
	}
	return bytes.Compare(b[:16], w.six[:])
}

// within yields the sessions of a slot that meet q.
func (s *Segment) within(x *slot, p netip.Prefix, q line.Span, yield func(line.Session)) {
	rng := line.Range{Prefix: p, Realm: s.names[x.realm], Proto: s.names[x.proto], Lo: x.lo, Hi: x.hi}
	begins := sort.Search(x.n, func(i int) bool { return s.time(s.record(x.first+i), 0) >= q.To })
	for i := begins - 1; i >= 0; i-- {
		b := s.record(x.first + i)
		if s.time(b, 4) <= q.From { // the latest end of this one and all before it
			return
		}
		one := line.Session{
			Range: rng, Possible: line.Span{From: s.time(b, 0), To: s.time(b, 3)}, Certain: line.Span{From: s.time(b, 1), To: s.time(b, 2)},
		}
		if one.Possible.Meets(q) {
			one.Holder = s.holder(le.Uint32(b[20:]))
			yield(one)
		}
	}
}

func (s *Segment) record(i int) []byte { return s.sessions[i*recordSize : (i+1)*recordSize] }

// time is the nth time of a record, in seconds of Unix time.
func (s *Segment) time(b []byte, n int) int64 {
	switch v := int32(le.Uint32(b[4*n:])); v {
	case math.MinInt32:
		return line.Ever
	case math.MaxInt32:
		return line.Never
	default:
		return s.begin + int64(v)
	}
}

func (s *Segment) holder(v uint32) line.Holder {
	if v&insideBit == 0 {
		return line.Holder{Line: line.ID(v)}
	}
	b := s.insides[(v&^insideBit)*insideSize:]
	h := line.Holder{Inside: line.Address{Realm: s.names[le.Uint16(b[16:])]}}
	if b[18] == 1 {
		h.Inside.Addr = netip.AddrFrom4([4]byte(b[:4]))
	} else {
		h.Inside.Addr = netip.AddrFrom16([16]byte(b[:16]))
	}
	return h
}

// Lines calls yield with each line that a session names, perhaps several times.
func (s *Segment) Lines(yield func(line.ID)) {
	for i := range s.Len() {
		if v := le.Uint32(s.record(i)[20:]); v&insideBit == 0 {
			yield(line.ID(v))
		}
	}
}

// All yields every session in the order of the file.
func (s *Segment) All(yield func(line.Session) bool) {
	for _, is4 := range [...]bool{true, false} {
		for i := range s.slots(is4) {
			x := s.slot(is4, i)
			p := netip.PrefixFrom(netip.AddrFrom16(x.address), x.bits)
			if is4 {
				p = netip.PrefixFrom(netip.AddrFrom4([4]byte(x.address[:4])), x.bits)
			}
			rng := line.Range{Prefix: p, Realm: s.names[x.realm], Proto: s.names[x.proto], Lo: x.lo, Hi: x.hi}
			for j := range x.n {
				b := s.record(x.first + j)
				if !yield(line.Session{
					Range: rng, Possible: line.Span{From: s.time(b, 0), To: s.time(b, 3)},
					Certain: line.Span{From: s.time(b, 1), To: s.time(b, 2)}, Holder: s.holder(le.Uint32(b[20:])),
				}) {
					return
				}
			}
		}
	}
}

// String says what a segment is, for logs.
func (s *Segment) String() string { return fmt.Sprintf("%d sessions of day %d", s.Len(), s.begin/Day) }
