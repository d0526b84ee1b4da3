package archive

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"sync"

	"github.com/klauspost/compress/zstd"

	"tocsin/internal/line"
)

// numbered is a record whose line is a number: no name goes into the log.
type numbered struct {
	line.Record
	holder   line.Holder
	received int64 // Record.Received in seconds of Unix time; 0: not known
}

// A batch in the log is compressed. It begins with a version and the texts of its records (names of devices, realms,
// protocols), each once, to which records refer by their place. All numbers are varints, times differences to the record
// before.
const batchVersion = 1

const (
	recordBytes = 64 // of most records at the most, before they are compressed
	fewTexts    = 4  // so many are compared sooner than looked up
)

var errBatch = errors.New("a batch of the line log cannot be read: it was written by a newer program, or is damaged")

var packers = sync.Pool{New: func() any {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		panic(err) // the options are constant
	}
	return e
}}

func encode(records []numbered) []byte {
	texts, list := map[string]uint64{}, []string(nil)
	place := func(s string) uint64 {
		for n, have := range list[:min(len(list), fewTexts)] {
			if have == s {
				return uint64(n)
			}
		}
		n, ok := texts[s]
		if !ok {
			n = uint64(len(list))
			texts[s], list = n, append(list, s)
		}
		return n
	}
	b := make([]byte, 0, len(records)*recordBytes)
	last := int64(0)
	moment := func(m line.Moment) {
		if m.IsZero() {
			b = append(b, 0)
			return
		}
		b = append(b, 1)
		b = binary.AppendVarint(b, m.Earliest-last)
		b = binary.AppendUvarint(b, uint64(m.Latest-m.Earliest))
		last = m.Earliest
	}
	for i := range records {
		r := &records[i]
		b = append(b, byte(r.Action))
		b = binary.AppendUvarint(b, place(r.NAS))
		b = binary.AppendUvarint(b, place(r.Range.Realm))
		b = binary.AppendUvarint(b, place(r.Range.Proto))
		b = binary.AppendUvarint(b, uint64(len(r.Session)))
		b = append(b, r.Session...)
		b = address(b, r.Range.Prefix.Addr())
		b = append(b, byte(max(r.Range.Prefix.Bits(), 0)))
		b = binary.LittleEndian.AppendUint16(b, r.Range.Lo)
		b = binary.LittleEndian.AppendUint16(b, r.Range.Hi)
		b = binary.AppendUvarint(b, uint64(r.holder.Line))
		b = address(b, r.holder.Inside.Addr)
		b = binary.AppendUvarint(b, place(r.holder.Inside.Realm))
		moment(r.At)
		moment(r.Since)
		moment(r.Until)
		b = binary.AppendVarint(b, r.received)
	}
	head := append(make([]byte, 0, len(b)+recordBytes), batchVersion)
	head = binary.AppendUvarint(head, uint64(len(list)))
	for _, s := range list {
		head = binary.AppendUvarint(head, uint64(len(s)))
		head = append(head, s...)
	}
	head = binary.AppendUvarint(head, uint64(len(records)))
	z := packers.Get().(*zstd.Encoder)
	defer packers.Put(z)
	return z.EncodeAll(append(head, b...), nil)
}

// address appends an address with its length before it; none has no bytes.
func address(b []byte, a netip.Addr) []byte {
	raw := a.AsSlice()
	return append(append(b, byte(len(raw))), raw...)
}

const maxBatch = 64 << 20 // unpacked

var unpacker = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxBatch), zstd.WithDecoderConcurrency(1))
	if err != nil {
		panic(err) // the options are constant
	}
	return d
})

func decode(batch []byte) ([]numbered, error) {
	raw, err := unpacker().DecodeAll(batch, nil)
	if err != nil || len(raw) == 0 || raw[0] != batchVersion {
		return nil, errBatch
	}
	d := &decoder{b: raw[1:]}
	texts := make([]string, 0, 16)
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		texts = append(texts, string(d.bytes(d.uvarint())))
	}
	text := func() string {
		n := d.uvarint()
		if n >= uint64(len(texts)) {
			d.bad = true
			return ""
		}
		return texts[n]
	}
	count := d.uvarint()
	if count > uint64(len(raw)) {
		return nil, errBatch
	}
	out := make([]numbered, 0, count)
	for range count {
		var r numbered
		r.Action = line.Action(d.byte())
		r.NAS, r.Range.Realm, r.Range.Proto = text(), text(), text()
		r.Session = string(d.bytes(d.uvarint()))
		a := d.address()
		if bits := int(d.byte()); a.IsValid() {
			r.Range.Prefix = netip.PrefixFrom(a, bits)
		}
		r.Range.Lo, r.Range.Hi = d.uint16(), d.uint16()
		r.holder.Line = line.ID(d.uvarint())
		r.holder.Inside = line.Address{Addr: d.address(), Realm: text()}
		r.At, r.Since, r.Until = d.moment(), d.moment(), d.moment()
		r.received = d.varint()
		if d.bad {
			return nil, errBatch
		}
		out = append(out, r)
	}
	return out, nil
}

// decoder reads a batch; bad says that it has come to something that was never written.
type decoder struct {
	b    []byte
	last int64
	bad  bool
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.bad = true
		return nil
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) byte() byte {
	b := d.bytes(1)
	if b == nil {
		return 0
	}
	return b[0]
}

func (d *decoder) uint16() uint16 {
	b := d.bytes(2)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint16(b)
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) address() netip.Addr {
	a, _ := netip.AddrFromSlice(d.bytes(uint64(d.byte())))
	return a
}

func (d *decoder) moment() line.Moment {
	if d.byte() == 0 {
		return line.Moment{}
	}
	m := line.Moment{Earliest: d.last + d.varint()}
	m.Latest = m.Earliest + int64(d.uvarint())
	d.last = m.Earliest
	return m
}
