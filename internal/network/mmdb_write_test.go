package network_test

import (
	"cmp"
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
)

// node is where the tree goes on, left and right.
type node [2]uint32

func (n node) append(b []byte, size int) []byte {
	l, r := n[0], n[1]
	b = append(b, byte(l>>16), byte(l>>8), byte(l))
	switch size {
	case 28:
		b = append(b, byte(l>>24)<<4|byte(r>>24)&15)
	case 32:
		b = append(b[:len(b)-3], byte(l>>24), byte(l>>16), byte(l>>8), byte(l), byte(r>>24))
	}
	return append(b, byte(r>>16), byte(r>>8), byte(r))
}

// leaf is one network of a database and what it says.
type leaf struct {
	prefix string
	record map[string]any
}

// mmdb is mmdbSized with records of 24 bits.
func mmdb(version int, leaves ...leaf) []byte { return mmdbSized(24, version, leaves...) }

// mmdbSized writes a database in the MaxMind DB format 2.0. The networks must not overlap. In a database of version 6
// IPv4 stands under ::/96.
func mmdbSized(size, version int, leaves ...leaf) []byte {
	const empty, data = 1 << 30, 1 << 31
	nodes := []node{{empty, empty}}
	var section []byte
	for _, l := range leaves {
		p := netip.MustParsePrefix(l.prefix)
		at := uint32(len(section))
		section = appendValue(section, l.record)
		b := p.Addr().As16()
		first, bits := 0, p.Bits()
		switch {
		case version == 4:
			first = 96
		case p.Addr().Is4():
			bits += 96
			b[10], b[11] = 0, 0 // ::a.b.c.d and not ::ffff:a.b.c.d
		}
		n := 0
		for i := range bits {
			bit := b[(first+i)/8] >> (7 - (first+i)%8) & 1
			if i == bits-1 {
				nodes[n][bit] = data | at
				break
			}
			if nodes[n][bit] == empty {
				nodes = append(nodes, node{empty, empty})
				nodes[n][bit] = uint32(len(nodes) - 1)
			}
			n = int(nodes[n][bit])
		}
	}
	var out []byte
	count := uint32(len(nodes))
	for _, n := range nodes {
		for i, r := range n {
			switch {
			case r == empty:
				n[i] = count
			case r&data != 0:
				n[i] = count + 16 + r&^data
			}
		}
		out = n.append(out, size)
	}
	out = append(out, make([]byte, 16)...)
	out = append(out, section...)
	out = append(out, "\xab\xcd\xefMaxMind.com"...)
	return appendValue(out, map[string]any{
		"binary_format_major_version": uint16(2),
		"binary_format_minor_version": uint16(0),
		"build_epoch":                 uint64(1_772_323_200),
		"database_type":               "Example-ASN",
		"description":                 map[string]any{"en": "made for a test"},
		"ip_version":                  uint16(version),
		"languages":                   []any{"en"},
		"node_count":                  count,
		"record_size":                 uint16(size),
	})
}

// appendValue encodes a value of the data section.
func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return append(appendControl(b, 2, len(v)), v...)
	case uint16:
		return binary.BigEndian.AppendUint16(appendControl(b, 5, 2), v)
	case uint32:
		return binary.BigEndian.AppendUint32(appendControl(b, 6, 4), v)
	case uint64:
		return binary.BigEndian.AppendUint64(appendControl(b, 9, 8), v)
	case map[string]any:
		b = appendControl(b, 7, len(v))
		for _, k := range slices.SortedFunc(maps.Keys(v), cmp.Compare[string]) {
			b = appendValue(appendValue(b, k), v[k])
		}
		return b
	case []any:
		b = appendControl(b, 11, len(v))
		for _, e := range v {
			b = appendValue(b, e)
		}
		return b
	}
	panic("a type that the tests do not use")
}

func appendControl(b []byte, kind byte, size int) []byte {
	var extra []byte
	if size >= 29 {
		extra = []byte{byte(size - 29)}
		size = 29
	}
	if kind > 7 {
		return append(append(b, byte(size), kind-7), extra...)
	}
	return append(append(b, kind<<5|byte(size)), extra...)
}
