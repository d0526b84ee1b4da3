package shadowserver

import (
	"errors"
	"io"
	"math"
	"strings"
)

// Limits of the scanner.
const (
	windowBytes = 64 << 10 // how much of the document is looked at together
	maxRecord   = 1 << 20  // a longer record is refused
	rescanBytes = 16 << 20 // how much of one document may be read again after stray quotes

	maxEmptyReads = 100 // of a reader that gives nothing and no error
)

// badRecord is why one record cannot be read; reading goes on after it.
type badRecord string

func (b badRecord) Error() string { return string(b) }

const (
	errOpenQuote = badRecord("a quoted value is not closed: write \" around the value and \"\" inside it")
	errGiant     = badRecord("the row is longer than 1 MiB: a quote is not closed or the row is not a report's")
	errLines     = badRecord("the row runs on into the next lines and has too many columns: a quote is not closed")
)

// errMore says that the window ends before the record does.
var errMore = errors.New("the record goes on after the window")

// scanner splits a document into records and columns by RFC 4180, and like encoding/csv it takes a bare LF for the
// end of a record, skips empty lines, and drops the CR before an LF. A quote inside a value that does not begin
// with one stands for itself, and so does text after a closing quote. A bare CR belongs to its value, unless the
// header ends with one: then the document was written by an old Mac or by a tool that takes CRLF for two ends, and CR
// and LF both end a record. Where both are in one document, a record with too many columns is cut at its CRs, too.
// Columns are substrings of a window of the document, which is one allocation for some hundred records.
type scanner struct {
	r       io.Reader
	buf     []byte // what the window is read into
	window  string // what is looked at
	pos     int    // start of the next record in window
	last    bool   // nothing comes after window
	err     error  // why nothing comes after it, nil at the end of the document
	want    int    // columns that a record should have, 0 while not known
	rescan  int    // bytes that may still be read again
	began   bool   // the header has been returned
	crUntil int    // before this position in window a bare CR ends a record, too
	fields  []string
}

// crAlways is the crUntil of a document whose header ends with a bare CR: beyond any document's end.
const crAlways = math.MaxInt

func newScanner(r io.Reader) *scanner {
	s := &scanner{r: r, buf: make([]byte, windowBytes), rescan: rescanBytes}
	s.fill()
	s.window = strings.TrimPrefix(s.window, "\ufeff") // byte order mark, RFC 3629 §6
	return s
}

// fill moves the window to the next record and reads on.
func (s *scanner) fill() {
	rest := s.window[s.pos:]
	if size := max(windowBytes, 2*len(rest)); size > len(s.buf) {
		s.buf = make([]byte, size)
	}
	n := copy(s.buf, rest)
	empty := 0
	for n < len(s.buf) && !s.last {
		m, err := s.r.Read(s.buf[n:])
		n += m
		if empty++; m > 0 {
			empty = 0
		}
		if empty >= maxEmptyReads && err == nil {
			err = io.ErrNoProgress
		}
		if err != nil {
			s.last = true
			if !errors.Is(err, io.EOF) { // not io.ReadFull: it cannot tell a short document from a truncated gzip
				s.err = err
			}
		}
	}
	if s.crUntil != crAlways {
		s.crUntil = max(s.crUntil-s.pos, 0)
	}
	s.window, s.pos = string(s.buf[:n]), 0
}

// next returns the columns of the next record, valid until the next call; a badRecord after which it can be called
// again; io.EOF at the end; or the reader's error.
func (s *scanner) next() ([]string, error) {
	for {
		text := s.window[s.pos:]
		if text == "" && s.last {
			return nil, s.end()
		}
		used, err := s.split(text)
		if s.doubtful(err, text) && s.cutAtCR(text[:used]) {
			continue
		}
		switch {
		case err == nil && s.last && s.err != nil && !s.endsLine(text[used-1]):
			return nil, s.end() // the reader broke off: nobody knows whether the row is whole
		case err == nil && used > maxRecord:
			s.pos += used
			return nil, errGiant
		case err == nil && len(s.fields) == 0:
			s.pos += used // an empty line
		case err == nil:
			s.pos += used
			s.began = true
			return s.fields, nil
		case !errors.Is(err, errMore):
			s.resume(used)
			return nil, err
		case len(text) >= maxRecord:
			s.skip(text)
			return nil, errGiant
		case s.last && s.err != nil:
			return nil, s.end()
		case s.last:
			s.resume(used)
			return nil, errOpenQuote
		default:
			s.fill()
		}
	}
}

// doubtful reports whether a record, as split from the start of text, may have been several that CRs end.
func (s *scanner) doubtful(err error, text string) bool {
	if errors.Is(err, errMore) {
		return s.last || len(text) >= maxRecord
	}
	return err != nil || !s.began || s.want > 0 && len(s.fields) > s.want
}

// cutAtCR lets bare CRs end the lines of what was taken for one record, if it has any: up to the end of the document
// where it was taken for the header.
func (s *scanner) cutAtCR(record string) bool {
	if s.pos < s.crUntil || !bareCR(record) {
		return false
	}
	s.crUntil = s.pos + len(record)
	if !s.began {
		s.crUntil = crAlways
	}
	return true
}

// bareCR reports whether text goes on after a CR that is outside of quotes and not half of a CRLF.
func bareCR(text string) bool {
	quoted := false
	for i := 0; i < len(text)-1; i++ {
		switch text[i] {
		case '"':
			quoted = !quoted
		case '\r':
			if !quoted && text[i+1] != '\n' {
				return true
			}
		}
	}
	return false
}

// endsLine reports whether a record that ends with c ends with its line.
func (s *scanner) endsLine(c byte) bool { return c == '\n' || c == '\r' && s.crUntil == crAlways }

// newline returns where text's first line ends, -1 where it does not. The text begins at position at of the window.
func (s *scanner) newline(text string, at int) int {
	if at < s.crUntil {
		return strings.IndexAny(text, "\r\n") // the LF of a CRLF is an empty line then
	}
	return strings.IndexByte(text, '\n')
}

func (s *scanner) end() error {
	s.pos = len(s.window)
	if s.err != nil {
		return s.err
	}
	return io.EOF
}

// resume goes on at the line after the one on which the bad record began, so that one stray quote costs one row.
// Text crafted so that each line is such a row would be read again and again: past a budget all of it is left out.
func (s *scanner) resume(used int) {
	text := s.window[s.pos:]
	line := s.newline(text, s.pos) + 1
	switch {
	case line == 0:
		line = len(text)
	case s.rescan < used-line:
		line = used
		if i := s.newline(text[used:], s.pos+used); i >= 0 {
			line += i + 1
		} else {
			line = len(text)
		}
	default:
		s.rescan -= max(used-line, 0)
	}
	s.pos += line
}

// skip leaves out a record that is too long.
func (s *scanner) skip(text string) {
	if s.newline(text, s.pos) >= 0 {
		s.resume(len(text))
		return
	}
	for {
		s.pos = len(s.window)
		if s.last {
			return
		}
		s.fill()
		if line := s.newline(s.window, 0) + 1; line > 0 {
			s.pos = line
			return
		}
	}
}

// split cuts the record at the start of text into s.fields and returns how many bytes it looked at: on success the
// whole record with its line end.
func (s *scanner) split(text string) (used int, err error) {
	s.fields = s.fields[:0]
	eol, lines := -1, 0 // end of the line that i is on; a record has several where values have line feeds
	n := 0              // columns, of which at most maxColumns+1 are kept
	for i := 0; ; i++ {
		if i > eol {
			if eol, err = s.lineEnd(text, i); err != nil {
				return len(text), err
			}
			lines++
			if n == 0 && (eol == i || eol == i+1 && text[i] == '\r') {
				return min(eol+1, len(text)), nil
			}
		}
		var value string
		ended := false
		rest := text[i:eol]
		if rest == "" || rest[0] != '"' {
			if k := strings.IndexByte(rest, ','); k >= 0 {
				value, i = rest[:k], i+k
			} else {
				value, i, ended = strings.TrimSuffix(rest, "\r"), eol, true
			}
		} else if k := strings.IndexByte(rest[1:], '"') + 1; k > 0 && k+1 < len(rest) && rest[k+1] == ',' {
			value, i = rest[1:k], i+k+1 // the usual quoted value
		} else if value, i, ended, err = s.quoted(text, i, eol); err != nil {
			return i, err
		}
		if n++; n <= maxColumns+1 {
			s.fields = append(s.fields, value)
		}
		if ended {
			return min(i+1, len(text)), nil
		}
		if lines > 1 && s.want > 0 && n > s.want {
			return i, errLines
		}
	}
}

// lineEnd returns where the line ends that i is on.
func (s *scanner) lineEnd(text string, i int) (int, error) {
	if k := s.newline(text[i:], s.pos+i); k >= 0 {
		return i + k, nil
	}
	if !s.last {
		return 0, errMore
	}
	return len(text), nil
}

// quoted reads the quoted value that begins at i, on a line that ends at eol, and returns it with the position
// after it and whether the record ends there.
func (s *scanner) quoted(text string, i, eol int) (value string, after int, ended bool, err error) {
	escaped := false
	j := i + 1
	for {
		k := strings.IndexByte(text[j:], '"')
		if k < 0 {
			return "", len(text), false, errMore
		}
		j += k + 1
		if j == len(text) || text[j] != '"' {
			break
		}
		escaped = true
		j++
	}
	if j >= len(text)-1 && !s.last {
		return "", len(text), false, errMore // whether a quote or a line feed follows is not known yet
	}
	value = text[i+1 : j-1]
	if escaped {
		value = strings.ReplaceAll(value, `""`, `"`)
	}
	switch {
	case j == len(text) || text[j] == '\n':
		return value, j, true, nil
	case text[j] == ',':
		return value, j, false, nil
	case text[j] == '\r' && s.pos+j < s.crUntil:
		return value, j, true, nil
	case text[j] == '\r' && (j+1 == len(text) || text[j+1] == '\n'):
		return value, j + 1, true, nil
	case j > eol:
		return "", j, false, errLines
	}
	// Text after the closing quote: the sender did not double the quotes inside the value. Up to the next comma all
	// of it is the value as it stands, as other readers of these reports take it.
	after, ended = eol, true
	if k := strings.IndexByte(text[j:eol], ','); k >= 0 {
		after, ended = j+k, false
	}
	value = strings.TrimSuffix(text[i:after], "\r")
	if strings.HasSuffix(value, `"`) {
		value = value[1 : len(value)-1]
	}
	return value, after, ended, nil
}
