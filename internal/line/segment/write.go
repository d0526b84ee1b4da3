package segment

import (
	"bytes"
	"cmp"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tocsin/internal/line"
)

// Compare is the order of sessions in a file.
func Compare(a, b *line.Session) int {
	ra, rb := &a.Range, &b.Range
	if a4, b4 := ra.Prefix.Addr().Is4(), rb.Prefix.Addr().Is4(); a4 != b4 {
		if a4 {
			return -1
		}
		return 1
	}
	return cmp.Or(
		strings.Compare(ra.Realm, rb.Realm), cmp.Compare(ra.Prefix.Bits(), rb.Prefix.Bits()), ra.Prefix.Addr().Compare(rb.Prefix.Addr()),
		cmp.Compare(ra.Lo, rb.Lo), cmp.Compare(ra.Hi, rb.Hi), strings.Compare(ra.Proto, rb.Proto),
		cmp.Compare(a.Possible.From, b.Possible.From), cmp.Compare(a.Certain.From, b.Certain.From), cmp.Compare(a.Possible.To, b.Possible.To),
	)
}

// Write writes the sessions, which come in the order of Compare, into a file that appears whole or not at all, and is
// durable when Write returns. begin is the day's first second. names are all realms and protocols that occur.
func Write(path string, begin int64, names []string, sessions iter.Seq[line.Session]) (err error) {
	w, err := newWriter(filepath.Dir(path), begin, names)
	if err != nil {
		return err
	}
	defer w.close()
	for s := range sessions {
		if err := w.add(&s); err != nil {
			return err
		}
	}
	return w.finish(path)
}

// Names are the realms and protocols of sessions, as Write wants them.
func Names(sessions []line.Session) []string {
	seen := map[string]bool{"": true}
	for i := range sessions {
		seen[sessions[i].Range.Realm], seen[sessions[i].Range.Proto], seen[sessions[i].Holder.Inside.Realm] = true, true, true
	}
	return inOrder(seen)
}

func inOrder(seen map[string]bool) []string {
	names := make([]string, 0, len(seen))
	for n := range seen {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Merge writes one file that says what several of the same day say.
func Merge(path string, all []*Segment) error {
	if len(all) == 0 {
		return nil
	}
	seen := map[string]bool{"": true}
	for _, s := range all {
		for _, n := range s.names {
			seen[n] = true
		}
	}
	return Write(path, all[0].begin, inOrder(seen), merged(all))
}

// merged yields the sessions of several files in order, each once.
func merged(all []*Segment) iter.Seq[line.Session] {
	return func(yield func(line.Session) bool) {
		type head struct {
			next func() (line.Session, bool)
			s    line.Session
		}
		var heads []*head
		for _, s := range all {
			next, stop := iter.Pull(iter.Seq[line.Session](s.All))
			defer stop()
			if first, ok := next(); ok {
				heads = append(heads, &head{next, first})
			}
		}
		var last line.Session
		for len(heads) > 0 {
			least := 0
			for i := range heads {
				if Compare(&heads[i].s, &heads[least].s) < 0 {
					least = i
				}
			}
			h := heads[least]
			if h.s != last && !yield(h.s) {
				return
			}
			last = h.s
			var ok bool
			if h.s, ok = h.next(); !ok {
				heads = slices.Delete(heads, least, least+1)
			}
		}
	}
}

// writer puts the parts of a file together.
type writer struct {
	dir      string
	begin    int64
	names    map[string]int
	list     []string
	parts    [4]*spool // slots4, slots6, sessions, insides
	insides  map[line.Address]uint32
	sessions uint32
	lengths4 uint64
	lengths6 [2]uint64
	has128   bool

	last    line.Session // what was added last
	any     bool
	highest uint16 // of the slots of its address
	latest  int32  // of the sessions of its slot
	b       []byte
}

func newWriter(dir string, begin int64, names []string) (*writer, error) {
	w := &writer{dir: dir, begin: begin, names: map[string]int{}, list: names, insides: map[line.Address]uint32{}}
	for i, n := range names {
		if len(n) > 255 {
			return nil, fmt.Errorf("the name of a realm has %d characters, more than 255", len(n))
		}
		w.names[n] = i
	}
	for i := range w.parts {
		w.parts[i] = &spool{dir: dir}
	}
	return w, nil
}

func (w *writer) add(s *line.Session) error {
	if w.any && Compare(&w.last, s) > 0 {
		return fmt.Errorf("the sessions of day %d are not in order", w.begin/Day)
	}
	if !w.any || w.last.Range != s.Range {
		if err := w.slot(s); err != nil {
			return err
		}
	}
	w.last, w.any = *s, true
	holder, err := w.holder(s.Holder)
	if err != nil {
		return err
	}
	w.latest = max(w.latest, w.seconds(s.Possible.To))
	w.b = w.b[:0]
	for _, at := range [...]int32{w.seconds(s.Possible.From), w.seconds(s.Certain.From), w.seconds(s.Certain.To), w.seconds(s.Possible.To), w.latest} {
		w.b = le.AppendUint32(w.b, uint32(at))
	}
	w.b = le.AppendUint32(w.b, holder)
	if w.sessions++; w.sessions == 0 {
		return fmt.Errorf("day %d has more sessions than a file can hold", w.begin/Day)
	}
	return w.parts[2].write(w.b)
}

func (w *writer) slot(s *line.Session) error {
	p := s.Range.Prefix
	is4 := p.Addr().Is4()
	if !w.any || w.last.Range.Prefix != p || w.last.Range.Realm != s.Range.Realm {
		w.highest = 0
	}
	w.highest, w.latest = max(w.highest, s.Range.Hi), math.MinInt32
	part := w.parts[1]
	switch {
	case is4:
		part = w.parts[0]
		w.lengths4 |= 1 << p.Bits()
	case p.Bits() == 128:
		w.has128 = true
	default:
		w.lengths6[p.Bits()/64] |= 1 << (p.Bits() % 64)
	}
	w.b = append(w.b[:0], p.Addr().AsSlice()...)
	w.b = le.AppendUint32(w.b, w.sessions)
	for _, v := range [...]uint16{uint16(w.names[s.Range.Realm]), s.Range.Lo, s.Range.Hi, w.highest} {
		w.b = le.AppendUint16(w.b, v)
	}
	w.b = append(w.b, byte(p.Bits()), byte(w.names[s.Range.Proto]), 0, 0)
	return part.write(w.b)
}

func (w *writer) holder(h line.Holder) (uint32, error) {
	if h.Line != 0 {
		return uint32(h.Line), nil
	}
	if n, ok := w.insides[h.Inside]; ok {
		return n | insideBit, nil
	}
	n := uint32(len(w.insides))
	w.insides[h.Inside] = n
	a := h.Inside.Addr
	var b [insideSize]byte
	copy(b[:], a.AsSlice())
	le.PutUint16(b[16:], uint16(w.names[h.Inside.Realm]))
	if a.Is4() {
		b[18] = 1
	}
	return n | insideBit, w.parts[3].write(b[:])
}

// seconds is a time from the day's beginning; what is decades away is as good as never.
func (w *writer) seconds(at int64) int32 {
	return int32(min(max(at-w.begin, math.MinInt32), math.MaxInt32))
}

func (w *writer) finish(path string) error {
	f, err := os.CreateTemp(w.dir, ".segment-*")
	if err != nil {
		return fmt.Errorf("write sessions: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // not there any more where all went well
	err = w.assemble(f)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = syncDir(w.dir)
	}
	if err != nil {
		return fmt.Errorf("write sessions: %w", err)
	}
	return nil
}

func (w *writer) assemble(to io.Writer) error {
	var names []byte
	for _, n := range w.list {
		names = append(append(names, byte(len(n))), n...)
	}
	header := make([]byte, headerSize)
	copy(header, magic)
	le.PutUint64(header[16:], uint64(w.begin))
	sizes := [4]int64{slot4Size, slot6Size, recordSize, insideSize}
	for i, p := range w.parts {
		le.PutUint64(header[24+8*i:], uint64(p.size/sizes[i]))
	}
	le.PutUint64(header[56:], uint64(len(names)))
	le.PutUint64(header[64:], w.lengths4)
	le.PutUint64(header[72:], w.lengths6[0])
	le.PutUint64(header[80:], w.lengths6[1])
	if w.has128 {
		header[88] = 1
	}
	sums := le.AppendUint32(nil, crc32.Checksum(header, table))
	if _, err := to.Write(header); err != nil {
		return err
	}
	for _, p := range w.parts {
		if err := p.copyTo(to); err != nil {
			return err
		}
		sums = le.AppendUint32(sums, p.sum)
	}
	sums = le.AppendUint32(sums, crc32.Checksum(names, table))
	for _, b := range [...][]byte{names, sums} {
		if _, err := to.Write(b); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) close() {
	for _, p := range w.parts {
		p.close()
	}
}

// spool is a part on its way: in memory while it is small, else in a file that has no name any more.
type spool struct {
	dir  string
	buf  bytes.Buffer
	file *os.File
	size int64
	sum  uint32
}

const spoolMemory = 1 << 20

func (s *spool) write(b []byte) error {
	s.size += int64(len(b))
	s.sum = crc32.Update(s.sum, table, b)
	s.buf.Write(b)
	if s.buf.Len() < spoolMemory {
		return nil
	}
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, ".segment-*")
		if err != nil {
			return fmt.Errorf("write sessions: %w", err)
		}
		s.file = f
		if err := os.Remove(f.Name()); err != nil {
			return fmt.Errorf("write sessions: %w", err)
		}
	}
	if _, err := s.file.Write(s.buf.Bytes()); err != nil {
		return fmt.Errorf("write sessions: %w", err)
	}
	s.buf.Reset()
	return nil
}

func (s *spool) copyTo(w io.Writer) error {
	if s.file != nil {
		if _, err := s.file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.Copy(w, s.file); err != nil {
			return err
		}
	}
	_, err := w.Write(s.buf.Bytes())
	return err
}

func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close()
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
