package sources

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/line/archive"
	"tocsin/internal/report"
)

// reader is how the files of a kind are read.
type reader struct {
	read func(r io.Reader, written time.Time) iter.Seq2[line.Record, error]

	// end closes what can be read alone, in files that are only ever appended to: such a file is read on where it was
	// left. Empty: the file is read whole whenever it changed, and once a day: what stands in it still holds, and whose
	// name it is must not be forgotten.
	end    string
	header bool // the first line is needed to read on

	// whole says that whoever writes the file writes it anew from time to time, with all that holds then: what is lost with
	// the old one is about addresses that the new one says something new of.
	whole bool
}

// place is how far a file was read. Files are known by their inode: a log that is rotated keeps it under another name.
type place struct {
	Inode  uint64
	Offset int64 // behind the last thing that was whole
	Size   int64
	MTime  int64 // nanoseconds of Unix time
	Read   int64 // when it was read last, in seconds of Unix time, where it is read whole

	// Head stands for how the file begins, which tells it from another that has its inode now. What stands in it is
	// personal, so it is a MAC under a key of the room, of so many bytes. Nil: not known.
	Head   []byte
	HeadOf int

	Tail   []byte // the same of what was read last, up to Offset; nil: not known
	Path   string // under which it was found last
	Newest bool   // in its folder, of those that were found with it: what it had to say since it was read last may be lost with it
}

const (
	headBytes  = 256      // of the beginning of a file
	tailWindow = 64 << 10 // in which the end of the last whole thing is looked for
	tellBatch  = 4000     // records
	maxFaults  = 10       // that are logged of a file in one reading
)

// files is what a source reads.
type files struct {
	source   *source
	patterns []string
	how      reader
	keys     []archive.Keys // the one in use first
	path     string         // of the places, on the disk
	places   []place
}

func (f *files) load() error {
	b, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && json.Unmarshal(b, &f.places) != nil {
		f.places = nil // all is read again, which is told once
	}
	return err
}

// keep makes the places durable enough: where a power cut takes them back, some is read twice, and told once.
func (f *files) keep() error {
	b, err := json.Marshal(f.places)
	if err != nil {
		return err
	}
	if err := os.WriteFile(f.path+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(f.path+".new", f.path)
}

// found is a file that is there now.
type found struct {
	path string
	info fs.FileInfo
	is   place
	was  place // zero where nothing is known of it
}

// fresh is 1 where nothing of the file was read before.
func (x *found) fresh() int {
	if x.was.Offset == 0 {
		return 1
	}
	return 0
}

// poll reads what is new in all files, those that were written first before the others. Where a log is rotated while it is
// written, both are of the same moment: the one that was read before goes first.
func (f *files) poll(ctx context.Context, now time.Time) error {
	all, err := f.find()
	errs := []error{err}
	if len(all) == 0 {
		return err
	}
	slices.SortFunc(all, func(a, b found) int {
		return cmp.Or(a.info.ModTime().Compare(b.info.ModTime()), a.fresh()-b.fresh())
	})
	gone := f.gone(all, now)
	left := slices.Clone(gone)
	for i := range all {
		x := &all[i]
		var lost []place // whose end may be lost before this one begins
		if x.was.Offset == 0 && f.how.end != "" {
			lost = slices.DeleteFunc(slices.Clone(gone), func(p place) bool { return !x.follows(&p, all) })
		}
		at, err := f.readOn(ctx, x, len(lost) > 0, now)
		errs = append(errs, err)
		at.Path = x.path
		at.Newest = !slices.ContainsFunc(all, func(o found) bool {
			return filepath.Dir(o.path) == filepath.Dir(x.path) && o.info.ModTime().After(x.info.ModTime())
		})
		left = append(left, at)
		if at.Offset > 0 && err == nil {
			left = slices.DeleteFunc(left, func(p place) bool { return slices.ContainsFunc(lost, p.same) })
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	f.places = left
	return errors.Join(append(errs, f.keep(), f.source.keepClocks())...)
}

// find finds the files, with how far each was read. A file that was read and has left the patterns is looked for in its
// folder, so that its end is not lost when it is rotated.
func (f *files) find() (all []found, err error) {
	var errs []error
	add := func(path string) {
		info, err := os.Stat(path)
		if err == nil && info.Mode().IsRegular() && !slices.ContainsFunc(all, func(x found) bool { return x.path == path }) {
			all = append(all, found{path: path, info: info})
		}
		errs = append(errs, err)
	}
	for _, pattern := range f.patterns {
		paths, err := filepath.Glob(pattern)
		if err == nil && len(paths) == 0 {
			err = fmt.Errorf("%s: there is no such file yet", pattern)
		}
		errs = append(errs, err)
		for _, p := range paths {
			add(p)
		}
	}
	if f.how.end != "" && len(all) > 0 {
		for i := range f.places {
			p := &f.places[i]
			if p.Path == "" || slices.ContainsFunc(all, func(x found) bool { return inode(x.info) == p.Inode }) {
				continue
			}
			entries, _ := os.ReadDir(filepath.Dir(p.Path)) // where there is none the file is gone
			for _, e := range entries {
				if info, err := e.Info(); err == nil && info.Mode().IsRegular() && inode(info) == p.Inode && p.Inode != 0 {
					x := found{path: filepath.Join(filepath.Dir(p.Path), e.Name()), info: info}
					f.look(&x)
					if x.was.Path != "" {
						all = append(all, x)
					}
				}
			}
		}
	}
	for i := range all {
		f.look(&all[i])
	}
	return all, errors.Join(errs...)
}

// look says how far a file was read before: by its inode, or as a copy of what was read that stands in its place. What is
// wrong with one that cannot be opened is said when it is read.
func (f *files) look(x *found) {
	in, err := os.Open(x.path)
	if err != nil {
		return
	}
	defer in.Close()
	head := make([]byte, headBytes)
	n, _ := in.ReadAt(head, 0)
	x.is = place{Inode: inode(x.info), Size: x.info.Size(), MTime: x.info.ModTime().UnixNano(), Head: headOf(&f.keys[0], head[:n]), HeadOf: n}
	x.was = f.was(&x.is, head[:n], in)
}

// gone are the places of files that are nowhere any more, or have been written anew. One that nothing has followed for a
// week is forgotten.
func (f *files) gone(all []found, now time.Time) (gone []place) {
	for _, p := range f.places {
		if slices.ContainsFunc(all, func(x found) bool { return x.was.same(p) }) || p.Path == "" || p.Offset == 0 || now.UnixNano()-p.MTime > int64(7*24*time.Hour) {
			continue
		}
		if x := slices.IndexFunc(all, func(x found) bool { return x.path == p.Path }); x >= 0 && all[x].was.Offset > 0 && all[x].was.Path != p.Path {
			continue // another that was read has taken its name: it had been rotated away before
		}
		gone = append(gone, p)
	}
	return gone
}

// follows reports whether a file, of which nothing was read, goes on where one that is gone ended: it has its name, or is
// new in the folder in which that was the newest.
func (x *found) follows(p *place, all []found) bool {
	if x.path == p.Path {
		return true
	}
	return p.Newest && filepath.Dir(x.path) == filepath.Dir(p.Path) && !slices.ContainsFunc(all, func(o found) bool { return o.path == p.Path })
}

// same reports whether two places are of one file, as it was read once.
func (p place) same(o place) bool {
	return p.Inode == o.Inode && p.Offset == o.Offset && p.Path == o.Path
}

// readOn reads what is new in one file and returns how far it came. lost says that something may be missing before it.
func (f *files) readOn(ctx context.Context, x *found, lost bool, now time.Time) (place, error) {
	was := x.was
	in, err := os.Open(x.path)
	if err != nil {
		return was, err
	}
	defer in.Close()
	is := x.is
	is.Offset, is.Read, is.Tail = was.Offset, was.Read, was.Tail
	same := was.Size == is.Size && was.MTime == is.MTime
	if same && (f.how.end != "" || was.Read/86400 == now.Unix()/86400) {
		return is, nil
	}
	end := is.Size
	if f.how.end != "" {
		if end, err = lastEnd(in, is.Offset, is.Size, f.how.end); err != nil || end == is.Offset {
			is.Size, is.MTime = was.Size, was.MTime
			return is, err
		}
	} else {
		is.Offset, is.Read = 0, now.Unix()
	}
	var from io.Reader = io.NewSectionReader(in, is.Offset, end-is.Offset)
	if f.how.header && is.Offset > 0 {
		first, err := bufio.NewReader(io.NewSectionReader(in, 0, tailWindow)).ReadString('\n')
		if err != nil {
			return was, err
		}
		from = io.MultiReader(bytes.NewReader([]byte(first)), from)
	}
	written := x.info.ModTime()
	if f.how.end == "" {
		written = now
	}
	records := f.how.read(from, written)
	rows := newRows(f)
	if f.how.end == "" {
		records = rows.corrected(records)
	}
	if same {
		records = standing(records, was.Read)
	}
	if lost && !f.how.whole {
		f.source.log.Warn("a log was rotated away before it was read to its end: there is a gap", "source", f.source.name, "file", filepath.Base(x.path))
	}
	if lost && f.how.whole {
		records, lost = f.source.doubted(records), false
	}
	told, err := f.source.tell(ctx, records, written, lost)
	for _, fault := range told.Faults {
		f.source.log.Warn("a line of a source cannot be used", "source", f.source.name, "file", filepath.Base(x.path), "from_byte", is.Offset, "row", fault.Row, "reason", fault.Reason)
	}
	if err != nil {
		return was, fmt.Errorf("%s: %w", x.path, err)
	}
	if err := rows.keep(); err != nil {
		return was, err
	}
	is.Offset = end
	is.Tail = f.tailOf(&f.keys[0], in, end)
	return is, nil
}

// doubted says before each record that is later than all that is known that its address may have been somebody else's since:
// a lease that was given back and given away again, all within a file that is gone, left no trace in the one that followed.
func (s *source) doubted(records iter.Seq2[line.Record, error]) iter.Seq2[line.Record, error] {
	known := s.archive.Health(time.Time{}).Latest
	return func(yield func(line.Record, error) bool) {
		for r, err := range records {
			if err == nil && !known.IsZero() && r.Range.Prefix.IsValid() && r.At.Earliest > known.Unix() {
				missing := line.Record{Action: line.Missing, NAS: r.NAS, Range: line.Range{Prefix: r.Range.Prefix}, Since: line.At(known), At: r.At}
				if !yield(missing, nil) {
					return
				}
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// standing leaves out what had ended when a file was read last, and was told then.
func standing(records iter.Seq2[line.Record, error], last int64) iter.Seq2[line.Record, error] {
	return func(yield func(line.Record, error) bool) {
		for r, err := range records {
			if err == nil && r.Action == line.Stop && r.At.Latest < last {
				continue
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// headOf stands for the beginning of a file.
func headOf(k *archive.Keys, head []byte) []byte {
	h := hmac.New(sha256.New, k.Pseudonym[:])
	h.Write([]byte("beginning of a file\x00")) // no pseudonym of a name
	h.Write(head)
	return h.Sum(nil)
}

// was is how far the file was read before; zero where it is new, or another by now.
func (f *files) was(is *place, head []byte, in io.ReaderAt) place {
	var copied place
	for _, p := range f.places {
		if p.Offset > is.Size || p.HeadOf > len(head) {
			continue
		}
		for i := range f.keys {
			k := &f.keys[i]
			if !hmac.Equal(p.Head, headOf(k, head[:p.HeadOf])) || p.Tail != nil && !hmac.Equal(p.Tail, f.tailOf(k, in, p.Offset)) {
				continue
			}
			if p.Inode == is.Inode {
				return p
			}
			if f.how.end != "" && p.HeadOf == headBytes && p.Tail != nil && p.Offset > copied.Offset {
				copied = p // as logrotate's copytruncate makes it
			}
		}
	}
	return copied
}

// tailOf stands for what lies before an offset.
func (f *files) tailOf(k *archive.Keys, in io.ReaderAt, offset int64) []byte {
	tail := make([]byte, min(offset, headBytes))
	if _, err := in.ReadAt(tail, offset-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	return headOf(k, tail)
}

// lastEnd is the offset behind the last end within [from, to); from where there is none.
func lastEnd(in io.ReaderAt, from, to int64, end string) (int64, error) {
	for hi := to; hi > from; {
		lo := max(from, hi-tailWindow)
		b := make([]byte, hi-lo)
		if _, err := in.ReadAt(b, lo); err != nil && !errors.Is(err, io.EOF) {
			return from, err
		}
		if i := bytes.LastIndex(b, []byte(end)); i >= 0 {
			return lo + int64(i+len(end)), nil
		}
		if lo == from {
			return from, nil
		}
		hi = lo + int64(len(end)) - 1 // it may lie across
	}
	return from, nil
}

// Told is what became of what was read.
type Told struct {
	Rows    int64              `json:"rows"` // records kept
	Refused int64              `json:"refused"`
	Faults  []*report.RowError `json:"-"` // the first of them
}

// tell keeps records in batches. A row that cannot be used may have said that somebody else has an address now: from the
// last record of each device before it to its next one behind it the log has a gap. Where it has none, up to the next one of
// any device, or to when the file was written last. Where the row still says of which address it is, only that is in doubt. Tables and queries have no such
// order. lost says that rows are missing before the first.
func (s *source) tell(ctx context.Context, records iter.Seq2[line.Record, error], written time.Time, lost bool) (told Told, err error) {
	batch := make([]line.Record, 0, tellBatch)
	flush := func() error {
		refused, err := s.archive.Tell(ctx, batch)
		told.Rows -= int64(refused)
		told.Refused += int64(refused)
		batch = batch[:0]
		return err
	}
	d := doubt{source: s, last: map[string]line.Moment{}, torn: map[netip.Prefix]bool{}, open: map[string][]line.Record{}}
	if lost {
		d.torn[netip.Prefix{}] = true
	}
	for r, err := range records {
		if row, ok := errors.AsType[*report.RowError](err); ok {
			told.Refused++
			if s.logs {
				d.torn[r.Range.Prefix] = true
			}
			if len(told.Faults) < maxFaults {
				told.Faults = append(told.Faults, row)
			}
			continue
		}
		if err != nil {
			return told, err
		}
		if !r.At.IsZero() {
			batch = d.gaps(batch, &r)
			d.last[r.NAS] = r.At
		}
		s.clocks.Widen(&r)
		told.Rows++
		if batch = append(batch, r); len(batch) >= tellBatch {
			if err := flush(); err != nil {
				return told, err
			}
		}
	}
	batch = d.rest(batch, line.At(written))
	if len(batch) > 0 {
		err = flush()
	}
	d.end()
	s.refused.Add(told.Refused)
	return told, err
}
