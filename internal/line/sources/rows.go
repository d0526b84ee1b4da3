package sources

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/gob"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tocsin/internal/line"
)

// rows are what a table said when it was read last, so that it is noticed when a row is corrected: what was told of it
// before cannot be taken back, and what two readings say differently is certain of nobody.
type rows struct {
	files *files
	path  string
	was   map[rowKey][]line.Span
	is    map[rowKey][]line.Span
	about map[rowKey]line.Record // one of each, of those that are corrected, perhaps
	whole bool                   // the table was read to its end
}

// rowKey stands for the addresses and the line of a row. It is a MAC under a key of the room: both are personal.
type rowKey [16]byte

func newRows(f *files) *rows {
	r := &rows{files: f, path: filepath.Join(filepath.Dir(f.path), "rows"), was: map[rowKey][]line.Span{}, is: map[rowKey][]line.Span{}, about: map[rowKey]line.Record{}}
	if b, err := os.ReadFile(r.path); err == nil && gob.NewDecoder(bytes.NewReader(b)).Decode(&r.was) != nil {
		r.was = map[rowKey][]line.Span{} // it is not known any more
	}
	return r
}

func (r *rows) key(rec *line.Record, i int) rowKey {
	h := hmac.New(sha256.New, r.files.keys[i].Pseudonym[:])
	h.Write([]byte("row of a table\x00" + rec.Session + "\x00" + rec.Held.Line))
	return rowKey(h.Sum(nil)[:16])
}

// corrected notes what rows say, and puts behind them what is in doubt since they were told before: the time that a line
// had an address by the reading before and has it no more by this one. A row that is gone has ended just now, and is none.
func (r *rows) corrected(records iter.Seq2[line.Record, error]) iter.Seq2[line.Record, error] {
	return func(yield func(line.Record, error) bool) {
		for rec, err := range records {
			if err == nil && rec.Session != "" {
				span := line.Span{From: line.Ever, To: line.Never}
				if !rec.Since.IsZero() {
					span.From = rec.Since.Earliest
				}
				if rec.Action == line.Stop {
					span.To = rec.At.Latest
				} else if !rec.Until.IsZero() {
					span.To = rec.Until.Latest
				}
				k := r.key(&rec, 0)
				r.is[k] = append(r.is[k], span)
				if before, ok := r.before(&rec); ok && !slices.Contains(before, span) {
					r.about[k] = rec
				}
			}
			if err == nil && rec.Action == line.Swept {
				r.whole = true
				if !r.doubts(rec.At, yield) {
					return
				}
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}

// before is what the reading before said of a row's addresses and line.
func (r *rows) before(rec *line.Record) ([]line.Span, bool) {
	for i := range r.files.keys {
		if spans, ok := r.was[r.key(rec, i)]; ok {
			return spans, true
		}
	}
	return nil, false
}

func (r *rows) doubts(now line.Moment, yield func(line.Record, error) bool) bool {
	for k, rec := range r.about {
		before, _ := r.before(&rec)
		for _, was := range before {
			was.To = min(was.To, now.Latest)
			for _, part := range without(was, r.is[k]) {
				if part.From < now.Earliest-10*365*24*3600 { // it was said to hold ever since
					part.From = now.Earliest - 10*365*24*3600
				}
				doubt := line.Record{
					Action: line.Stop, NAS: rec.NAS, Session: rec.Session + " corrected", Range: rec.Range,
					Since: line.Moment{Earliest: part.From, Latest: part.From}, At: line.Moment{Earliest: part.To, Latest: part.To},
				}
				if part.To > part.From && !yield(doubt, nil) {
					return false
				}
			}
		}
	}
	return true
}

// without is what is left of a span when others are taken away.
func without(s line.Span, by []line.Span) []line.Span {
	left := []line.Span{s}
	for _, b := range by {
		var next []line.Span
		for _, l := range left {
			for _, part := range [...]line.Span{{From: l.From, To: min(l.To, b.From)}, {From: max(l.From, b.To), To: l.To}} {
				if !part.Empty() {
					next = append(next, part)
				}
			}
		}
		left = next
	}
	return left
}

// keep keeps what a whole reading said.
func (r *rows) keep() error {
	if !r.whole {
		return nil
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(r.is); err != nil {
		return err
	}
	if err := os.WriteFile(r.path+".new", b.Bytes(), 0o600); err != nil {
		return err
	}
	return os.Rename(r.path+".new", r.path)
}

// has reports whether a reader is of the file that the source reads by itself.
func (f *files) has(r io.Reader) bool {
	in, ok := r.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return false
	}
	info, err := in.Stat()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(f.patterns, func(p string) bool {
		own, err := os.Stat(p)
		return err == nil && os.SameFile(own, info)
	})
}

// tellWhole reads a table out of its turn.
func (f *files) tellWhole(ctx context.Context, in io.Reader, now time.Time) (Told, error) {
	rows := newRows(f)
	told, err := f.source.tell(ctx, rows.corrected(f.how.read(in, now)), now, false)
	if err == nil {
		err = rows.keep()
	}
	return told, err
}
