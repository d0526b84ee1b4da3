package list

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits of one document. Memory is bounded by them and not by the document.
const (
	windowBytes = 64 << 10
	maxLine     = 1 << 20 // of a line, and of a csv row that runs over several
	maxColumns  = 1000
	headBytes   = 4 << 10 // of a document, that Recognise.Head and Time.Header look at
)

// badRecord is why one record cannot be read; reading goes on after it.
type badRecord string

func (b badRecord) Error() string { return string(b) }

const (
	errLongLine  = badRecord("the line is longer than 1 MiB: this is no row of a list")
	errOpenQuote = badRecord("a quoted value is not closed: write \" around the value and \"\" inside it")
	errForm      = badRecord("the line has not the form that this list's lines have")
)

// record is one row: its columns by name and value. Both are valid until the next record.
type record struct {
	names, values []string
}

// source yields the records of a document: io.EOF at the end, a badRecord where the next may be good, another error
// where nothing follows.
type source interface {
	next() (*record, error)
	head() string // the first headBytes
}

// peek returns the begin of a document and a reader that still has it.
func peek(r io.Reader) (string, io.Reader) {
	b := make([]byte, windowBytes)
	n := 0
	var err error
	for n < len(b) && err == nil {
		var m int
		m, err = r.Read(b[n:])
		n += m
	}
	rest := r
	if err != nil {
		rest = broken{err}
	}
	return string(b[:n]), io.MultiReader(bytes.NewReader(b[:n]), rest)
}

// broken is a reader that has ended, well or not.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// lineReader splits a document into lines. A line is a string of its own, so that what is cut out of it stays valid.
type lineReader struct {
	r          io.Reader
	buf        []byte
	start, end int // of what is in buf and not yet read
	eof        bool
	err        error // why nothing follows, nil at the end of the document
	first      string
	begun      bool
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: r}
}

// fill reads on; it makes room by moving what is left, or by a bigger buffer.
func (l *lineReader) fill() {
	if l.start > 0 {
		copy(l.buf, l.buf[l.start:l.end])
		l.end -= l.start
		l.start = 0
	}
	if l.end == len(l.buf) {
		l.buf = append(l.buf, make([]byte, max(len(l.buf), windowBytes))...)
	}
	for empty := 0; ; empty++ {
		n, err := l.r.Read(l.buf[l.end:])
		l.end += n
		if empty == 100 && n == 0 && err == nil {
			err = io.ErrNoProgress
		}
		if err != nil {
			l.eof = true
			if !errors.Is(err, io.EOF) {
				l.err = err
			}
		}
		if n > 0 || err != nil {
			return
		}
	}
}

func (l *lineReader) begin() {
	if l.begun {
		return
	}
	l.begun = true
	for l.end-l.start < headBytes && !l.eof {
		l.fill()
	}
	l.first = string(l.buf[l.start:min(l.end, l.start+headBytes)])
	if bytes.HasPrefix(l.buf[l.start:l.end], []byte("\ufeff")) {
		l.start += len("\ufeff")
	}
}

func (l *lineReader) head() string {
	l.begin()
	return l.first
}

// line returns the next line without its end, and how many bytes it takes.
func (l *lineReader) line() (string, error) {
	l.begin()
	n, err := l.lineFrom(0)
	if err != nil {
		return "", err
	}
	s := string(bytes.TrimSuffix(bytes.TrimSuffix(l.buf[l.start:l.start+n], []byte("\n")), []byte("\r")))
	l.start += n
	return s, nil
}

// lineFrom returns where the line ends that begins at offset from what is not yet read, with its line end.
func (l *lineReader) lineFrom(offset int) (int, error) {
	seen := offset
	for {
		if i := bytes.IndexByte(l.buf[l.start+seen:l.end], '\n'); i >= 0 {
			return seen + i + 1, nil
		}
		seen = l.end - l.start
		switch {
		case l.eof && l.err != nil: // nobody knows whether the line is whole
			return 0, l.err
		case l.eof && seen == offset:
			return 0, io.EOF
		case l.eof:
			return seen, nil
		case seen-offset >= maxLine:
			return 0, l.skip()
		}
		l.fill()
	}
}

// skip leaves out a line that is too long.
func (l *lineReader) skip() error {
	for {
		if i := bytes.IndexByte(l.buf[l.start:l.end], '\n'); i >= 0 {
			l.start += i + 1
			return errLongLine
		}
		l.start = l.end
		if l.eof {
			if l.err != nil {
				return l.err
			}
			return errLongLine
		}
		l.fill()
	}
}

// textSource reads the shapes that are lines: lines, csv and pairs.
type textSource struct {
	*lineReader
	p      *plan
	rec    record
	fields []string
	header bool // the names are known
	skip   int
}

func newTextSource(p *plan, r io.Reader) *textSource {
	s := &textSource{lineReader: newLineReader(r), p: p, skip: p.Skip}
	switch p.Shape {
	case Lines:
		s.rec.names = []string{lineColumn, "remark"}
		s.header = true
	case CSV:
		if len(p.Columns) > 0 {
			s.rec.names = named(p.Columns)
			s.header = true
		}
	}
	return s
}

// named gives columns without a name the one of their place, and each its own.
func named(columns []string) []string {
	seen := map[string]bool{}
	all := make([]string, len(columns))
	for i, c := range columns {
		if c = strings.TrimSpace(c); c == "" {
			c = fmt.Sprintf("column_%d", i+1)
		}
		name := c
		for n := 2; seen[name]; n++ {
			name = fmt.Sprintf("%s_%d", c, n)
		}
		seen[name] = true
		all[i] = name
	}
	return all
}

func (s *textSource) next() (*record, error) {
	for {
		s.begin()
		line, err := s.line()
		if err != nil {
			return nil, err
		}
		text := strings.TrimSpace(line)
		if text == "" || s.comment(text) {
			continue
		}
		if s.skip > 0 {
			s.skip--
			continue
		}
		if err := s.split(line, text); err != nil {
			return nil, err
		}
		if !s.header {
			if len(s.fields) > maxColumns {
				return nil, fmt.Errorf("the header row has more than %d columns", maxColumns)
			}
			s.rec.names, s.header = named(s.fields), true
			continue
		}
		if s.p.Shape == CSV {
			if len(s.p.Columns) > 0 && s.isHeader() {
				continue
			}
			if len(s.fields) > len(s.rec.names) {
				return nil, badRecord(fmt.Sprintf("the row has %d columns, the list %d", len(s.fields), len(s.rec.names)))
			}
		}
		s.rec.values = s.fields
		return &s.rec, nil
	}
}

// isHeader reports whether a row is the header of a list whose columns the mapping names: some publishers write it,
// others do not, and a few began to at some time.
func (s *textSource) isHeader() bool {
	same := 0
	for i, f := range s.fields {
		if i < len(s.rec.names) && strings.EqualFold(f, s.rec.names[i]) {
			same++
		}
	}
	return same > 0 && same*2 > len(s.fields)
}

func (s *textSource) comment(text string) bool {
	for _, c := range s.p.Comments {
		if strings.HasPrefix(text, c) {
			return true
		}
	}
	return false
}

func (s *textSource) split(line, text string) error {
	s.fields = s.fields[:0]
	switch s.p.Shape {
	case Lines:
		value, remark := s.remark(text)
		s.fields = append(s.fields, value, remark)
		return nil
	case Pairs:
		s.pairs(text)
		return nil
	}
	if s.p.sep == space {
		s.fields = append(s.fields, strings.Fields(text)...)
		return nil
	}
	return s.csv(line)
}

// remark cuts off what follows a comment mark that stands after a blank. Without a blank it is part of the value: a
// URL may have a #.
func (s *textSource) remark(text string) (value, remark string) {
	if len(s.p.extracts) > 0 {
		return text, ""
	}
	for _, c := range s.p.Comments {
		for i := 0; ; {
			k := strings.Index(text[i:], c)
			if k < 0 {
				break
			}
			if i += k; i > 0 && (text[i-1] == ' ' || text[i-1] == '\t') {
				return strings.TrimSpace(text[:i]), strings.TrimSpace(text[i+len(c):])
			}
			i += len(c)
		}
	}
	return text, ""
}

// csv splits a row. One whose quoted value has line ends in it goes on in the next lines: up to one with an odd number
// of quotes, since an even number leaves us inside of the value. So each line is looked at a few times at most, however
// the document is written.
func (s *textSource) csv(line string) error {
	if s.columns(line) {
		return nil
	}
	n := 0 // bytes of further lines
	for tries := 0; tries < 8 && len(line)+n < maxLine; {
		end, err := s.lineFrom(n)
		if err != nil {
			break // the first line is refused and reading goes on after it
		}
		odd := bytes.Count(s.buf[s.start+n:s.start+end], []byte{'"'})%2 == 1
		if n = end; !odd {
			continue
		}
		tries++
		s.fields = s.fields[:0]
		if s.columns(line + "\n" + strings.TrimRight(string(s.buf[s.start:s.start+n]), "\r\n")) {
			if s.header && len(s.fields) > len(s.rec.names) {
				break // the quote that seems to close is the next row's
			}
			s.start += n
			return nil
		}
	}
	return errOpenQuote
}

// columns cuts a row into s.fields; false when a quote is not closed. A quote inside a value that does not begin with
// one stands for itself (RFC 4180 §2.5 leaves it open; many lists have user agents and the like).
func (s *textSource) columns(row string) bool {
	sep := s.p.sep
	for len(s.fields) <= maxColumns {
		row = strings.TrimLeft(row, " \t"[:1+b2i(sep != "\t")])
		if strings.HasPrefix(row, `"`) {
			value, rest, ok := quoted(row[1:])
			if !ok {
				return false
			}
			s.fields = append(s.fields, value)
			_, after, more := strings.Cut(rest, sep)
			if !more {
				return true
			}
			row = after
			continue
		}
		value, after, more := strings.Cut(row, sep)
		s.fields = append(s.fields, strings.TrimSpace(value))
		if !more {
			return true
		}
		row = after
	}
	return true
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// quoted reads a value up to its closing quote, with "" for a quote in it.
func quoted(s string) (value, rest string, ok bool) {
	i := strings.IndexByte(s, '"')
	if i < 0 {
		return "", "", false
	}
	if i+1 == len(s) || s[i+1] != '"' {
		return s[:i], s[i+1:], true
	}
	var b strings.Builder
	for {
		b.WriteString(s[:i])
		s = s[i+1:]
		if s == "" || s[0] != '"' {
			return b.String(), s, true
		}
		b.WriteByte('"')
		s = s[1:]
		if i = strings.IndexByte(s, '"'); i < 0 {
			return "", "", false
		}
	}
}

// pairs reads key=value; a value may stand in double quotes. Words without an = are no pairs and left out.
func (s *textSource) pairs(text string) {
	s.rec.names = s.rec.names[:0]
	s.header = true
	for text != "" && len(s.fields) < maxColumns {
		text = strings.TrimLeft(text, " \t")
		end := s.pairEnd(text)
		word := text[:end]
		text = text[end:]
		if s.p.sep != space {
			text = strings.TrimPrefix(text, s.p.sep)
		}
		key, value, ok := strings.Cut(word, s.p.Assign)
		if key = strings.TrimSpace(key); !ok || key == "" {
			continue
		}
		value = strings.TrimSpace(value)
		if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		s.rec.names = append(s.rec.names, key)
		s.fields = append(s.fields, value)
	}
}

// pairEnd returns where a pair ends: at the separator that is not inside of quotes.
func (s *textSource) pairEnd(text string) int {
	inside := false
	for i := range len(text) {
		switch {
		case text[i] == '"':
			inside = !inside
		case inside:
		case s.p.sep == space && (text[i] == ' ' || text[i] == '\t'),
			s.p.sep != space && strings.HasPrefix(text[i:], s.p.sep):
			return i
		}
	}
	return len(text)
}
