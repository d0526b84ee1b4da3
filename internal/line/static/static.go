// Package static reads tables of who has which address for good: a CSV file with a header, as a small provider keeps it
// or exports it from its customer database. Each reading says of each row that it still holds, and at its end that what
// was not in it does so no more.
package static

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/report"
)

// Spec says what the rows hold, by the names of their columns. Others are left aside.
const Spec = "CSV with a header: addr or prefix; line; from, to (optional)"

// Table is one table.
type Table struct {
	Name string         // of the table, within the node
	Zone *time.Location // of times without a zone; nil is UTC

	// Since is from when on rows without a time of their own hold. Zero: from the first reading on.
	Since time.Time
}

// columns are the names that a column may have.
var columns = map[string][]string{
	"prefix": {"prefix", "addr", "address", "ip", "ip_address", "network", "cidr"},
	"line":   {"line", "customer", "subscriber", "account", "circuit", "username"},
	"from":   {"from", "since", "valid_from", "start"},
	"to":     {"to", "until", "valid_to", "end"},
}

const (
	maxColumns = 100
	headBytes  = 64 << 10
)

// Read yields a record for each row, and a *report.RowError for each that cannot be used; rows count from 1 behind the
// header. now is when the table was read. The last record is line.Swept, unless the table could not be read to its end:
// then nothing of it is taken to be gone. A *report.RowError with Row 0 says that it is no such table.
//
// A row that cannot be used may give its addresses to somebody else. So the table is read twice, and rows about the same
// addresses are refused with it. What cannot be read twice, as standard input, is held in memory, up to 64 MiB.
func (t *Table) Read(r io.Reader, now time.Time) iter.Seq2[line.Record, error] {
	return func(yield func(line.Record, error) bool) {
		twice, ok := r.(io.ReadSeeker)
		if !ok {
			all, err := io.ReadAll(io.LimitReader(r, maxHeld+1))
			if err == nil && len(all) > maxHeld {
				err = errors.New("it has more than 64 MiB: give its file, unpacked")
			}
			if err != nil {
				yield(line.Record{}, &report.RowError{Reason: "the table cannot be read: " + report.Reason(err)})
				return
			}
			twice = bytes.NewReader(all)
		}
		begin, err := twice.Seek(0, io.SeekCurrent)
		first := t.first(twice, now)
		if err == nil {
			_, err = twice.Seek(begin, io.SeekStart)
		}
		if err != nil {
			yield(line.Record{}, &report.RowError{Reason: "the table cannot be read: " + report.Reason(err)})
			return
		}
		t.read(twice, now, yield, &first)
	}
}

// maxHeld is how many bytes of a table are held in memory, and maxDoubtful of how many rows it is known what they are about.
const (
	maxHeld     = 64 << 20
	maxDoubtful = 10_000
)

var errDoubtful = errors.New("another row about these addresses cannot be used: nobody knows which of the two holds")

// errPlanned says that a row holds only later. Until then it says of its addresses no more than when they change hands.
var errPlanned = errors.New("from lies in the future: the row is left aside until then")

// known is what a first reading found of addresses, for the second.
type known struct {
	doubtful []netip.Prefix // rows about them cannot be used
	planned  []planned
}

// planned is that somebody gets addresses at a time to come: whoever has them now has them until then.
type planned struct {
	prefix netip.Prefix
	from   line.Moment
}

// first reads the table for what is to be known of it before anything is told.
func (t *Table) first(r io.Reader, now time.Time) (k known) {
	t.read(r, now, func(rec line.Record, err error) bool {
		p := rec.Range.Prefix
		switch {
		case err == nil || !p.IsValid() || len(k.doubtful)+len(k.planned) >= maxDoubtful:
		case errors.Is(err, errPlanned):
			k.planned = append(k.planned, planned{p, rec.Since})
		case !slices.Contains(k.doubtful, p):
			k.doubtful = append(k.doubtful, p)
		}
		return true
	}, nil)
	return k
}

func overlaps(all []netip.Prefix, p netip.Prefix) bool {
	return slices.ContainsFunc(all, p.Overlaps)
}

// ends gives a row the end that a row to come gives it.
func (k *known) ends(r *line.Record) {
	for i := range k.planned {
		if p := &k.planned[i]; r.Action == line.Alive && p.prefix.Overlaps(r.Range.Prefix) && (r.Until.IsZero() || p.from.Earliest < r.Until.Earliest) {
			r.Until = p.from
		}
	}
}

// read yields what the rows say, one by one.
func (t *Table) read(r io.Reader, now time.Time, yield func(line.Record, error) bool, first *known) {
	whole := &ending{r: r}
	in, at, err := t.open(whole)
	if err != nil {
		yield(line.Record{}, &report.RowError{Reason: err.Error()})
		return
	}
	good := 0
	for row := int64(1); ; row++ {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, csv.ErrFieldCount) {
			yield(line.Record{}, &report.RowError{Row: row, Reason: "the row cannot be read, nor what follows it: " + broken(err)})
			return
		}
		if whole.open(in.InputOffset()) {
			yield(line.Record{}, &report.RowError{Row: row, Reason: "the last row has no end of line, so the table may be cut short: end it with one when it is whole"})
			return
		}
		rec, err := t.row(cells, at, now)
		if first != nil {
			if err == nil && overlaps(first.doubtful, rec.Range.Prefix) {
				err = errDoubtful
			}
			first.ends(&rec)
		}
		switch {
		case err == nil:
			good++
		case first != nil:
			err = &report.RowError{Row: row, Reason: err.Error()}
		}
		if !yield(rec, err) {
			return
		}
	}
	if good == 0 {
		yield(line.Record{}, &report.RowError{Reason: "the table has no row that can be used: nothing was changed"})
		return
	}
	yield(line.Record{Action: line.Swept, NAS: t.Name, At: line.At(now)}, nil)
}

// ending notes how what is read ends. A table that is being written, or was cut short, most often ends within a row, and
// half a name is another name.
type ending struct {
	r       io.Reader
	n       int64
	skipped int64 // bytes that are no row's
	last    byte
	done    bool
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if n > 0 {
		e.n, e.last = e.n+int64(n), p[n-1]
	}
	e.done = e.done || errors.Is(err, io.EOF)
	return n, err
}

// open reports whether a row that ends there is the last one, and has no end of line.
func (e *ending) open(end int64) bool {
	return e.done && e.last != '\n' && e.skipped+end >= e.n
}

// open reads the header.
func (t *Table) open(r *ending) (*csv.Reader, map[string]int, error) {
	br := bufio.NewReaderSize(r, headBytes)
	head, err := br.Peek(headBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("the table cannot be read: %w", err)
	}
	if bytes.HasPrefix(head, []byte("\ufeff")) {
		_, _ = br.Discard(3)
		r.skipped = 3
		head = head[3:]
	}
	first, _, _ := bytes.Cut(head, []byte("\n"))
	in := csv.NewReader(br)
	in.TrimLeadingSpace, in.ReuseRecord = true, true
	in.Comma = ','
	for _, c := range []rune{';', '\t'} {
		if bytes.Count(first, []byte(string(c))) > bytes.Count(first, []byte(string(in.Comma))) {
			in.Comma = c
		}
	}
	names, err := in.Read()
	if err != nil {
		return nil, nil, errors.New("the table is empty: its first row names the columns, as prefix,line,from,to")
	}
	if len(names) > maxColumns {
		return nil, nil, fmt.Errorf("the table has %d columns, more than %d", len(names), maxColumns)
	}
	at := map[string]int{}
	for i, n := range names {
		for field, known := range columns {
			for _, k := range known {
				if _, there := at[field]; !there && strings.EqualFold(strings.TrimSpace(n), k) {
					at[field] = i
				}
			}
		}
	}
	for _, need := range []string{"prefix", "line"} {
		if _, ok := at[need]; !ok {
			return nil, nil, fmt.Errorf("no column is named %s: the first row names the columns, as prefix,line,from,to", strings.Join(columns[need], ", "))
		}
	}
	return in, at, nil
}

// row makes a record of a row. Its errors name no subscriber.
func (t *Table) row(cells []string, at map[string]int, now time.Time) (line.Record, error) {
	cell := func(field string) string {
		if i, ok := at[field]; ok && i < len(cells) {
			return strings.TrimSpace(cells[i])
		}
		return ""
	}
	prefix, err := prefixOf(cell("prefix"))
	if err != nil {
		return line.Record{Range: line.Range{Prefix: prefix.Masked()}}, err // what it is about, where that can be read
	}
	r := line.Record{
		Action: line.Alive, NAS: t.Name, Range: line.Whole(prefix), Held: line.Held{Line: strings.Clone(cell("line"))}, At: line.At(now),
	}
	// A table may give an address to one after the other: these are sessions of one id, told apart by who holds them. The
	// name does not belong into the id, which is kept as it is.
	r.Session = prefix.String()
	if r.Held.Line == "" {
		return r, errors.New("line is empty")
	}
	if from := cell("from"); from != "" {
		if r.Since, err = t.moment("from", from); err != nil {
			return r, err
		}
	} else if !t.Since.IsZero() {
		r.Since = line.At(t.Since)
	}
	if r.Since.Earliest > r.At.Latest {
		return r, errPlanned
	}
	if to := cell("to"); to != "" {
		end, err := t.moment("to", to)
		if err != nil {
			return r, err
		}
		if !r.Since.IsZero() && end.Earliest < r.Since.Latest {
			return r, errors.New("to lies before from")
		}
		if end.Earliest <= r.At.Earliest {
			r.Action, r.At = line.Stop, end
		} else {
			r.Until = end
		}
	}
	if err := r.Validate(); err != nil {
		return r, errors.New(report.Reason(err))
	}
	return r, nil
}

func prefixOf(text string) (netip.Prefix, error) {
	if text == "" {
		return netip.Prefix{}, errors.New("prefix is empty")
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, errors.New("prefix is neither an address nor a network: write 198.51.100.7 or 2001:db8:7::/48")
	}
	if p != p.Masked() {
		return p, fmt.Errorf("prefix has bits behind its /%d: which addresses are meant?", p.Bits())
	}
	if p.Addr().Is4In6() {
		return p, errors.New("prefix is IPv4 written as IPv6: write it as IPv4")
	}
	return p, nil
}

// layouts are how times are written, most of them without a zone.
var layouts = []string{time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}

// moment reads a time. One that local time has twice is two; one that it skips is none.
func (t *Table) moment(field, text string) (line.Moment, error) {
	zone := t.Zone
	if zone == nil {
		zone = time.UTC
	}
	for _, layout := range layouts {
		at, err := time.ParseInLocation(layout, text, zone)
		if err != nil {
			continue
		}
		if strings.Contains(layout, "Z07:00") {
			return line.At(at), nil
		}
		return line.Local(at, layout, text)
	}
	return line.Moment{}, fmt.Errorf("%s is no time: write 2026-03-01T09:00:00Z, or 2026-03-01 09:00 in the table's zone", field)
}

func broken(err error) string {
	if pe, ok := errors.AsType[*csv.ParseError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}
