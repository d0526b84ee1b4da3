package desk

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"os"
	"slices"
)

// fingerprint stands for the content of a row. It is made with seeds that nobody outside the process knows, so a
// reporter cannot craft two rows that are taken for one.
type fingerprint struct{ hi, lo uint64 }

func (f fingerprint) compare(o fingerprint) int {
	return cmp.Or(cmp.Compare(f.hi, o.hi), cmp.Compare(f.lo, o.lo))
}

// heldRows is how many fingerprints are held in memory; the rest of a longer report spills to sorted runs on disk, so
// that memory stays bounded: 32 MiB, and then some 1.5 bytes a row.
const heldRows = 1 << 20

// repeats says whether a row of the report was there before. The zero value is not usable, see newRepeats.
type repeats struct {
	seeds [2]maphash.Seed
	slots []fingerprint // open addressing; the zero fingerprint is an empty slot
	held  int
	limit int
	runs  []*run
	dir   string
}

func newRepeats(dir string, limit int) *repeats {
	return &repeats{
		seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, dir: dir, limit: limit,
		slots: make([]fingerprint, 1<<10),
	}
}

// seen reports whether content was seen before under the same feed, and remembers it.
func (r *repeats) seen(feed int32, content []byte) (bool, error) {
	f := fingerprint{maphash.Bytes(r.seeds[0], content), maphash.Bytes(r.seeds[1], content)}
	f.lo ^= uint64(feed) * 0x9e3779b97f4a7c15
	if f == (fingerprint{}) {
		f.lo = 1
	}
	for _, run := range r.runs {
		if there, err := run.has(f); there || err != nil {
			return there, err
		}
	}
	if r.held*4 >= len(r.slots)*3 {
		r.grow()
	}
	if !insert(r.slots, f) {
		return true, nil
	}
	if r.held++; r.held >= r.limit {
		return false, r.spill()
	}
	return false, nil
}

func insert(slots []fingerprint, f fingerprint) bool {
	mask := uint64(len(slots) - 1)
	for i := f.hi & mask; ; i = (i + 1) & mask {
		switch slots[i] {
		case fingerprint{}:
			slots[i] = f
			return true
		case f:
			return false
		}
	}
}

func (r *repeats) grow() {
	bigger := make([]fingerprint, 2*len(r.slots))
	for _, f := range r.slots {
		if f != (fingerprint{}) {
			insert(bigger, f)
		}
	}
	r.slots = bigger
}

// spill writes what is held as one sorted run and begins anew.
func (r *repeats) spill() error {
	all := make([]fingerprint, 0, r.held)
	for _, f := range r.slots {
		if f != (fingerprint{}) {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, fingerprint.compare)
	one, err := writeRun(r.dir, all)
	if err != nil {
		return err
	}
	r.runs = append(r.runs, one)
	clear(r.slots)
	r.held = 0
	return nil
}

func (r *repeats) close() {
	for _, run := range r.runs {
		run.close()
	}
	r.runs = nil
}

// run is a sorted file of fingerprints with a Bloom filter before it: a row that is no repeat seldom costs a read.
type run struct {
	file  *os.File
	n     int64
	bloom []uint64
}

// bloomBits a row and bloomProbes give one false answer in a hundred.
const (
	bloomBits   = 10
	bloomProbes = 7
)

func writeRun(dir string, all []fingerprint) (*run, error) {
	f, err := os.CreateTemp(dir, "tocsin-repeats-*")
	if err != nil {
		return nil, fmt.Errorf("spill fingerprints of a long report: %w", err)
	}
	_ = os.Remove(f.Name()) // the open file stays until it is closed, also after a crash
	one := &run{file: f, n: int64(len(all)), bloom: make([]uint64, len(all)*bloomBits/64+1)}
	w := bufio.NewWriterSize(f, 1<<16)
	var b [16]byte
	for _, p := range all {
		binary.BigEndian.PutUint64(b[:8], p.hi)
		binary.BigEndian.PutUint64(b[8:], p.lo)
		if _, err = w.Write(b[:]); err != nil {
			break
		}
		for i := range uint64(bloomProbes) {
			bit := one.bit(p, i)
			one.bloom[bit/64] |= 1 << (bit % 64)
		}
	}
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		one.close()
		return nil, fmt.Errorf("spill fingerprints of a long report: %w", err)
	}
	return one, nil
}

func (r *run) bit(f fingerprint, i uint64) uint64 {
	return (f.hi + i*f.lo) % (uint64(len(r.bloom)) * 64)
}

func (r *run) has(f fingerprint) (bool, error) {
	for i := range uint64(bloomProbes) {
		if bit := r.bit(f, i); r.bloom[bit/64]&(1<<(bit%64)) == 0 {
			return false, nil
		}
	}
	var b [16]byte
	low, high := int64(0), r.n
	for low < high {
		mid := low + (high-low)/2
		if _, err := r.file.ReadAt(b[:], mid*16); err != nil {
			return false, fmt.Errorf("read fingerprints of a long report: %w", err)
		}
		switch got := (fingerprint{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}); got.compare(f) {
		case 0:
			return true, nil
		case -1:
			low = mid + 1
		default:
			high = mid
		}
	}
	return false, nil
}

func (r *run) close() { _ = r.file.Close() }
