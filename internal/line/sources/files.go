package sources

import (
	"bufio"
	"bytes"
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

// poll reads what is new in all files, those that were written first before the others.
func (f *files) poll(ctx context.Context, now time.Time) error {
	type found struct {
		path string
		info fs.FileInfo
	}
	var all []found
	var errs []error
	for _, pattern := range f.patterns {
		paths, err := filepath.Glob(pattern)
		if err == nil && len(paths) == 0 {
			err = fmt.Errorf("%s: there is no such file yet", pattern)
		}
		errs = append(errs, err)
		for _, p := range paths {
			info, err := os.Stat(p)
			if err == nil && info.Mode().IsRegular() && !slices.ContainsFunc(all, func(x found) bool { return x.path == p }) {
				all = append(all, found{p, info})
			}
			errs = append(errs, err)
		}
	}
	slices.SortFunc(all, func(a, b found) int { return a.info.ModTime().Compare(b.info.ModTime()) })
	var left []place
	for _, x := range all {
		at, err := f.readOn(ctx, x.path, now)
		errs = append(errs, err)
		left = append(left, at)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if len(all) > 0 {
		f.places = left
		errs = append(errs, f.keep())
	}
	return errors.Join(errs...)
}

// readOn reads what is new in one file and returns how far it came.
func (f *files) readOn(ctx context.Context, path string, now time.Time) (place, error) {
	in, err := os.Open(path)
	if err != nil {
		return place{}, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return place{}, err
	}
	head := make([]byte, headBytes)
	n, _ := in.ReadAt(head, 0)
	is := place{Inode: inode(info), Size: info.Size(), MTime: info.ModTime().UnixNano(), Head: headOf(&f.keys[0], head[:n]), HeadOf: n}
	was := f.was(&is, head[:n])
	is.Offset, is.Read = was.Offset, was.Read
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
	written := info.ModTime()
	if f.how.end == "" {
		written = now
	}
	records := f.how.read(from, written)
	if same {
		records = standing(records, was.Read)
	}
	told, err := f.source.tell(ctx, records, written)
	for _, fault := range told.Faults {
		f.source.log.Warn("a line of a source cannot be used", "source", f.source.name, "file", filepath.Base(path), "from_byte", is.Offset, "row", fault.Row, "reason", fault.Reason)
	}
	if err != nil {
		return was, fmt.Errorf("%s: %w", path, err)
	}
	is.Offset = end
	return is, nil
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
func (f *files) was(is *place, head []byte) place {
	for _, p := range f.places {
		if p.Inode != is.Inode || p.Offset > is.Size || p.HeadOf > len(head) {
			continue
		}
		for i := range f.keys {
			if hmac.Equal(p.Head, headOf(&f.keys[i], head[:p.HeadOf])) {
				return p
			}
		}
	}
	return place{}
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
// record before it to the one behind it the log has a gap, or to when the file was written last where none is behind it.
// Where the row still says of which address it is, only that is in doubt. Tables and queries have no such order.
func (s *source) tell(ctx context.Context, records iter.Seq2[line.Record, error], written time.Time) (told Told, err error) {
	batch := make([]line.Record, 0, tellBatch)
	flush := func() error {
		refused, err := s.archive.Tell(ctx, batch)
		told.Rows -= int64(refused)
		told.Refused += int64(refused)
		batch = batch[:0]
		return err
	}
	latest := line.Moment{}
	if h := s.archive.Health(written); !h.Latest.IsZero() {
		latest = line.At(h.Latest)
	}
	read := false                   // latest is of this reading
	torn := map[netip.Prefix]bool{} // addresses of which rows could not be used; the zero Prefix: nobody knows of which
	gap := func(to line.Moment) {
		if !read && latest.Latest > to.Latest { // an older file: what was told before says nothing of its time
			latest = line.Moment{}
		}
		from := latest
		if from.IsZero() || from.Earliest > to.Earliest {
			from = to
		}
		for about := range torn {
			batch = append(batch, line.Record{
				Action: line.Missing, Range: line.Range{Prefix: about}, Since: from, At: line.Moment{Earliest: to.Earliest, Latest: max(to.Latest, latest.Latest)},
			})
		}
		clear(torn)
	}
	for r, err := range records {
		if row, ok := errors.AsType[*report.RowError](err); ok {
			told.Refused++
			if s.logs {
				torn[r.Range.Prefix] = true
			}
			if len(told.Faults) < maxFaults {
				told.Faults = append(told.Faults, row)
			}
			continue
		}
		if err != nil {
			return told, err
		}
		if len(torn) > 0 && !r.At.IsZero() {
			gap(r.At)
		}
		if !read || r.At.Latest > latest.Latest {
			latest, read = r.At, true
		}
		told.Rows++
		if batch = append(batch, r); len(batch) >= tellBatch {
			if err := flush(); err != nil {
				return told, err
			}
		}
	}
	if len(torn) > 0 && !latest.IsZero() {
		gap(line.At(written))
	}
	if len(batch) > 0 {
		err = flush()
	}
	s.refused.Add(told.Refused)
	return told, err
}
