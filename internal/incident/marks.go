package incident

import (
	"encoding/binary"
	"errors"
	"slices"
)

// Marks is the evidence of an episode beyond its counts: on which days it was seen, by whom, in which feeds. Each is a
// small sorted set of numbers: days since 1970-01-01 UTC, and the store's numbers for names.
type Marks struct {
	Days    []int32
	Sources []int32
	Feeds   []int32
}

// Add unites the marks with others.
func (m *Marks) Add(o *Marks) {
	m.Days = unite(m.Days, o.Days)
	m.Sources = unite(m.Sources, o.Sources)
	m.Feeds = unite(m.Feeds, o.Feeds)
}

// unite returns the sorted union of two sorted sets. The first is reused where nothing is new, and never written to:
// several marks may share it.
func unite(a, b []int32) []int32 {
	i := 0
	for _, v := range b {
		for i < len(a) && a[i] < v {
			i++
		}
		if i == len(a) || a[i] != v {
			u := make([]int32, 0, len(a)+len(b))
			u = append(append(u, a...), b...)
			slices.Sort(u)
			return slices.Compact(u)
		}
	}
	return a
}

// AppendBinary appends the marks as the store keeps them: days as runs, because an infection is seen day after day.
func (m *Marks) AppendBinary(b []byte) []byte {
	runs := 0
	for i := range m.Days {
		if i == 0 || m.Days[i] != m.Days[i-1]+1 {
			runs++
		}
	}
	b = binary.AppendUvarint(b, uint64(runs))
	prev := int32(0)
	for i := 0; i < len(m.Days); {
		n := 1
		for i+n < len(m.Days) && m.Days[i+n] == m.Days[i]+int32(n) {
			n++
		}
		b = binary.AppendVarint(b, int64(m.Days[i]-prev))
		b = binary.AppendUvarint(b, uint64(n))
		prev = m.Days[i] + int32(n) - 1
		i += n
	}
	for _, set := range [2][]int32{m.Sources, m.Feeds} {
		b = binary.AppendUvarint(b, uint64(len(set)))
		for _, v := range set {
			b = binary.AppendUvarint(b, uint64(v))
		}
	}
	return b
}

var errMarks = errors.New("the marks of an incident cannot be read: the database is damaged")

// maxDays bounds what a damaged row can make us allocate: some 270 years of days.
const maxDays = 100_000

// ReadMarks reads what AppendBinary wrote.
func ReadMarks(b []byte) (Marks, error) {
	r := reader{b: b}
	var m Marks
	prev := int64(0)
	for runs := r.uvarint(); runs > 0 && !r.bad; runs-- {
		start, n := prev+r.varint(), r.uvarint()
		if n == 0 || n > maxDays || len(m.Days) > maxDays {
			return Marks{}, errMarks
		}
		for i := range int64(n) {
			m.Days = append(m.Days, int32(start+i))
		}
		prev = start + int64(n) - 1
	}
	for _, set := range [2]*[]int32{&m.Sources, &m.Feeds} {
		for n := r.uvarint(); n > 0 && !r.bad; n-- {
			*set = append(*set, int32(r.uvarint()))
		}
	}
	if r.bad || len(r.b) > 0 {
		return Marks{}, errMarks
	}
	return m, nil
}

// Links is where an episode's events stand: for each part its chunk, the place of its first event in the chunk's body,
// and how many there are.
type Links []byte

// Append adds one part and returns the longer links.
func (l Links) Append(chunk int64, start, n int) Links {
	b := binary.AppendUvarint(l, uint64(chunk))
	b = binary.AppendUvarint(b, uint64(start))
	return binary.AppendUvarint(b, uint64(n))
}

// Link is one entry of Links.
type Link struct {
	Chunk      int64
	Start, Len int
}

// Read returns the entries.
func (l Links) Read() ([]Link, error) {
	r := reader{b: l}
	var all []Link
	for len(r.b) > 0 {
		one := Link{int64(r.uvarint()), int(r.uvarint()), int(r.uvarint())}
		if r.bad {
			return nil, errors.New("the links of an incident cannot be read: the database is damaged")
		}
		all = append(all, one)
	}
	return all, nil
}

// reader takes varints off a slice; bad says that it ended early.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}
