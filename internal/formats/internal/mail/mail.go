// Package mail reads Internet mail (RFC 5322) and its parts (RFC 2045, RFC 2046) as a stream: one leaf after the
// other, in the order in which they stand, with no more than one line in memory.
//
// It is our own because abuse reports are broken in ways that the readers at hand end at: mime/multipart and
// go-message stop at the first header line without a colon, enmime forgives more but holds the mail in memory.
// What is forgiven here: a "From " line of an mbox, LF and CR for CRLF, header lines without a colon, a multipart
// without a usable boundary parameter, parts that are not closed before the part around them goes on, characters
// that do not belong into base64 and quoted-printable. A mail that ends inside of a multipart is said to do so.
package mail

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Limits bound what one mail may make us hold or walk through.
type Limits struct {
	HeaderBytes int // of one header, the mail's or a part's
	Depth       int // multiparts inside multiparts
	Parts       int // leaves and multiparts
}

// LimitError says that a mail exceeds a limit; nothing more of it is read.
type LimitError struct{ Reason string }

// Error returns the sentence.
func (e *LimitError) Error() string { return e.Reason }

// ErrTruncated is what Next, and the body of the part concerned, return where the mail ends before the last
// boundary of a multipart.
var ErrTruncated = errors.New("the mail ends inside of a part: ask the sender for it again")

const (
	lineBytes     = 64 << 10 // longer lines are handed on in pieces
	boundaryBytes = 1000     // RFC 2046 §5.1.1 allows 70
)

// Part is one leaf of a mail: anything but a multipart. A message/rfc822 is a leaf as well.
type Part struct {
	Header      Header
	Type        string            // media type in lower case, "text/plain" where the part gives none
	Params      map[string]string // of the Content-Type
	Disposition string            // "attachment", "inline" or empty
	FileName    string            // as the sender wrote it, decoded; no path; empty when not given
	Number      string            // place in the tree as IMAP counts (RFC 9051 §6.4.5): "2.1"
	Body        io.Reader         // transfer encoding undone; valid until the next call of Next
}

// Reader walks through the leaves of a mail.
type Reader struct {
	br     *bufio.Reader
	own    *bufio.Reader // what Release gives back
	limits Limits
	header Header

	line    []byte // the fragment read last
	atStart bool   // line is the beginning of a line
	fresh   bool   // the next fragment begins a line
	unread  bool   // line is to be read again
	eof     bool
	err     error // of the reader below, sticky

	stack   []level
	found   int    // level of the boundary met, -1 none
	closing bool   // it was the closing one
	parts   int    // met so far
	eol     []byte // line end held back: it belongs to a boundary that may follow (RFC 2046 §5.1.1)
	rest    []byte // of line, not yet handed on
	started bool
}

type level struct {
	boundary string
	count    int // parts met
}

// NewReader reads the mail's header.
func NewReader(r io.Reader, limits Limits) (*Reader, error) {
	var own *bufio.Reader
	br, ok := r.(*bufio.Reader)
	if !ok || br.Size() < lineBytes {
		own = buffers.Get().(*bufio.Reader)
		own.Reset(r)
		br = own
	}
	if head, _ := br.Peek(lineBytes); bytes.IndexByte(head, '\n') < 0 && bytes.IndexByte(head, '\r') >= 0 {
		br = bufio.NewReaderSize(&carriageReturns{r: br}, lineBytes) // line ends of the classic Mac OS
	}
	m := &Reader{br: br, own: own, limits: limits, fresh: true, found: -1}
	var err error
	m.header, err = m.readHeader(true)
	return m, err
}

// buffers holds what readers gave back: a buffer is larger than most mails.
var buffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, lineBytes) }}

// Release gives back the reader's buffer. It may be left out. Nothing of the reader is used after it, its parts' bodies
// included; headers stay.
func (m *Reader) Release() {
	if m.own != nil {
		m.own.Reset(nil)
		buffers.Put(m.own)
		m.own, m.br = nil, nil
	}
}

// Header is the mail's own.
func (m *Reader) Header() Header { return m.header }

// Next returns the next leaf, io.EOF after the last one, ErrTruncated where the mail ends too early, a *LimitError,
// or what the reader below returned.
func (m *Reader) Next() (*Part, error) {
	if !m.started {
		m.started = true
		if p, err := m.entity(m.header, ""); p != nil || err != nil {
			return p, err
		}
	}
	for {
		if err := m.skip(); err != nil {
			return nil, err
		}
		i, closing := m.found, m.closing
		m.found, m.eol = -1, nil
		m.stack = m.stack[:i+1] // what was opened inside and not closed ends here
		if closing {
			m.stack = m.stack[:i]
			continue
		}
		m.stack[i].count++
		h, err := m.readHeader(false)
		if err != nil {
			return nil, err
		}
		if p, err := m.entity(h, m.number()); p != nil || err != nil {
			return p, err
		}
	}
}

func (m *Reader) number() string {
	var b []byte
	for i := range m.stack {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendInt(b, int64(m.stack[i].count), 10)
	}
	return string(b)
}

// entity returns the leaf that h begins, or opens the multipart and returns nil.
func (m *Reader) entity(h Header, number string) (*Part, error) {
	if m.parts++; m.parts > m.limits.Parts {
		return nil, &LimitError{fmt.Sprintf("the mail has more than %d parts: send its attachments one by one", m.limits.Parts)}
	}
	p := newPart(h)
	if strings.HasPrefix(p.Type, "multipart/") {
		b := p.Params["boundary"]
		if b == "" || len(b) > boundaryBytes {
			b = m.guessBoundary()
		}
		if b != "" {
			if len(m.stack) >= m.limits.Depth {
				return nil, &LimitError{fmt.Sprintf("the mail's parts are nested more than %d deep: send the attachment alone", m.limits.Depth)}
			}
			m.stack = append(m.stack, level{boundary: b})
			return nil, nil
		}
		p.Type = "text/plain" // a multipart without any boundary is text, whatever it calls itself
	}
	if number == "" {
		number = "1"
	}
	p.Number = number
	m.eol, m.rest = nil, nil
	p.Body = decode((*body)(m), p.Header.Get("Content-Transfer-Encoding"))
	return p, nil
}

// guessBoundary takes the first line that looks like a boundary for one: some senders' mail gateways cut the
// Content-Type line.
func (m *Reader) guessBoundary() string {
	head, _ := m.br.Peek(lineBytes)
	if m.unread {
		head = append(append([]byte{}, m.line...), head...)
	}
	for line := range bytes.Lines(head) {
		line = bytes.TrimRight(line, " \t\r\n")
		if len(line) > 2 && len(line) <= boundaryBytes+2 && bytes.HasPrefix(line, []byte("--")) {
			return string(line[2:])
		}
	}
	return ""
}

// skip goes on to the next boundary.
func (m *Reader) skip() error {
	for m.found < 0 {
		if !m.next() {
			return m.end()
		}
		m.boundary()
	}
	return nil
}

// end is the error at the end of the data: io.EOF only when nothing is missing.
func (m *Reader) end() error {
	switch {
	case m.err != nil:
		return m.err
	case len(m.stack) > 0:
		return ErrTruncated
	}
	return io.EOF
}

// next reads the next fragment into m.line: a line with its end, or a piece of one that is longer than the buffer.
func (m *Reader) next() bool {
	if m.unread {
		m.unread = false
		return true
	}
	if m.eof {
		return false
	}
	frag, err := m.br.ReadSlice('\n')
	m.line, m.atStart = frag, m.fresh
	m.fresh = err == nil
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		m.eof = true
		if !errors.Is(err, io.EOF) {
			m.err = err
		}
	}
	return len(frag) > 0
}

// boundary reports whether m.line is a boundary of any open multipart, and notes which. The innermost is asked first.
func (m *Reader) boundary() bool {
	if !m.atStart || !bytes.HasPrefix(m.line, []byte("--")) {
		return false
	}
	line := bytes.TrimRight(m.line[2:], " \t\r\n") // RFC 2046 §5.1.1: transport padding is ignored
	for i, l := range slices.Backward(m.stack) {
		rest, ok := bytes.CutPrefix(line, []byte(l.boundary))
		if ok && (len(rest) == 0 || string(rest) == "--") {
			m.found, m.closing = i, len(rest) > 0
			return true
		}
	}
	return false
}

// body is the current leaf's bytes as they stand in the mail.
type body Reader

func (b *body) Read(p []byte) (int, error) {
	m := (*Reader)(b)
	n := 0
	for n < len(p) {
		switch {
		case len(m.rest) > 0:
			k := copy(p[n:], m.rest)
			m.rest = m.rest[k:]
			n += k
		case m.found >= 0:
			return n, io.EOF
		case !m.next():
			if len(m.eol) == 0 {
				return n, m.end()
			}
			m.rest, m.eol = m.eol, nil // the mail's last line end, with no boundary after it
		case m.boundary():
			m.eol = nil
		case len(m.eol) > 0: // no boundary followed: the line end was the text's own
			m.rest, m.eol = m.eol, nil
			m.unread = true
		default:
			m.rest, m.eol = cutEOL(m.line)
		}
	}
	return n, nil
}

// cutEOL parts a line from its end. The end is one of two constants, so that it outlives the buffer.
func cutEOL(line []byte) (text, eol []byte) {
	switch {
	case bytes.HasSuffix(line, crlf):
		return line[:len(line)-2], crlf
	case bytes.HasSuffix(line, crlf[1:]):
		return line[:len(line)-1], crlf[1:]
	}
	return line, nil
}

var crlf = []byte("\r\n")

// carriageReturns turns the line ends of a mail that knows CR only into LF.
type carriageReturns struct{ r io.Reader }

func (c *carriageReturns) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	for i, b := range p[:n] {
		if b == '\r' {
			p[i] = '\n'
		}
	}
	return n, err
}
