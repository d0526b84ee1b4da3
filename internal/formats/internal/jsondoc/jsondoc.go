// Package jsondoc cuts a document of JSON objects into these, as a stream: one object, objects one after the other (JSON
// Lines), or a list of objects.
package jsondoc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits bound one object.
type Limits struct {
	Bytes int    // of its JSON text
	Depth int    // objects and lists inside each other; what lies deeper is for the caller to refuse
	Noun  string // what an object is called in sentences: report, event
}

// Reader cuts a document into its objects. Each byte is looked at a fixed number of times, and no more than one object
// is in memory.
type Reader struct {
	limits Limits
	src    source
	dec    *jsontext.Decoder
	begun  bool
	inList bool
	row    int64
}

// NewReader reads the document r.
func NewReader(r io.Reader, limits Limits) *Reader {
	return &Reader{
		limits: limits, dec: new(jsontext.Decoder),
		src: source{r: r, buf: make([]byte, 4*maxChunk), most: limits.Bytes + maxChunk},
	}
}

// Row is the number of the object that Next returned last, from 1.
func (r *Reader) Row() int64 { return r.row }

// TooDeep is the sentence for an object that is nested too deep.
func (l Limits) TooDeep() string {
	return fmt.Sprintf("objects and lists stand inside each other more than %d deep", l.Depth)
}

func (l Limits) tooLong() string {
	return fmt.Sprintf("the %s is longer than %d MiB: split it or shorten its evidence", l.Noun, l.Bytes>>20)
}

// Next returns the JSON of the next object, valid until the next call, or in a sentence why it cannot be read, after
// which Next goes on with the one that follows. It ends with io.EOF or the error of the document's reader.
func (r *Reader) Next() (raw []byte, wrong string, err error) {
	if !r.begun {
		r.begun = true
		if wrong := r.skipBOM(); wrong != "" {
			return nil, wrong, nil
		}
	}
	for {
		c, ok := r.src.peek()
		switch {
		case !ok && !errors.Is(r.src.err, io.EOF):
			return nil, "", r.src.err
		case !ok && r.inList:
			r.inList = false
			r.row++
			return nil, "the list of " + r.limits.Noun + "s is not closed: the document is cut short", nil
		case !ok:
			return nil, "", io.EOF
		case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',' && r.inList:
			r.src.pos++
		case c == '[' && !r.inList:
			r.inList = true
			r.src.pos++
		case c == ']' && r.inList:
			r.inList = false
			r.src.pos++
		case c == '{':
			r.row++
			return r.object()
		default:
			r.row++
			return nil, r.garbage(), nil
		}
	}
}

// skipBOM drops a byte order mark, which RFC 8259 §8.1 lets readers ignore.
func (r *Reader) skipBOM() (wrong string) {
	for r.src.end < 3 && r.src.fill() {
		continue
	}
	head := r.src.buf[:r.src.end]
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		r.src.pos += 3
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		r.src.pos = r.src.end
		r.src.err = io.EOF
		return "the document is in UTF-16: send it in UTF-8 (RFC 8259 §8.1)"
	}
	return ""
}

// object reads the object that begins here. Repeated names and bytes that are not UTF-8 are let through: the tree
// refuses them with a sentence of its own and reading goes on in step.
func (r *Reader) object() (raw []byte, wrong string, err error) {
	r.src.given = 0
	r.dec.Reset(&r.src, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	raw, err = r.dec.ReadValue()
	read := r.dec.UnreadBuffer()
	if err == nil {
		r.src.back(len(read))
		if len(raw) > r.limits.Bytes {
			return nil, r.limits.tooLong(), nil
		}
		return raw, "", nil
	}
	var m matcher
	if errors.Is(err, errTooLong) {
		m.all(read)
		r.resync(m, false)
		return nil, r.limits.tooLong(), nil
	}
	var bad *jsontext.SyntacticError
	switch {
	case !errors.As(err, &bad):
		return nil, "", err
	case errors.Is(bad.Err, io.ErrUnexpectedEOF):
		return nil, "the " + r.limits.Noun + " ends in the middle: the document is cut short", nil
	}
	at := min(int(bad.ByteOffset), len(read))
	m.all(read[:at])
	r.src.back(len(read) - at)
	r.resync(m, true)
	return nil, r.limits.syntaxFault(bad, at), nil
}

// syntaxFault is what the decoder says, in words for the sender. Its own limit of depth lies above ours.
func (l Limits) syntaxFault(bad *jsontext.SyntacticError, at int) string {
	s := strings.TrimPrefix(bad.Err.Error(), "jsontext: ")
	if strings.Contains(s, "exceeded max depth") {
		return l.TooDeep()
	}
	return fmt.Sprintf("the %s is not JSON: %s at its byte %d", l.Noun, s, at+1)
}

// resync moves on to where the broken object ends by its brackets or, with lines, to the first line that begins
// with a brace, whichever comes first.
func (r *Reader) resync(m matcher, lines bool) {
	for {
		c, ok := r.src.peek()
		if !ok || lines && m.last == '\n' && c == '{' {
			return
		}
		r.src.pos++
		if m.step(c); m.depth <= 0 {
			return
		}
	}
}

// garbage skips what is no object, up to a line that begins with a brace or, in a list, the next member.
func (r *Reader) garbage() string {
	var m matcher
	var sample []byte
	for {
		c, ok := r.src.peek()
		if !ok || m.last == '\n' && c == '{' {
			break
		}
		if r.inList && m.depth <= 0 && !m.quoted && (c == ',' || c == ']') {
			break
		}
		if len(sample) < 30 {
			sample = append(sample, c)
		}
		r.src.pos++
		m.step(c)
		m.depth = max(m.depth, 0)
	}
	return fmt.Sprintf("%s %s is a JSON object, and this is none: %q", article(r.limits.Noun), r.limits.Noun, bytes.TrimSpace(sample))
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an"
	}
	return "a"
}

// matcher follows brackets and quotes through text that may be broken.
type matcher struct {
	depth   int
	quoted  bool
	escaped bool
	last    byte
}

func (m *matcher) all(b []byte) {
	for _, c := range b {
		m.step(c)
	}
}

func (m *matcher) step(c byte) {
	m.last = c
	switch {
	case m.escaped:
		m.escaped = false
	case c == '\n':
		m.quoted = false // no JSON text spans lines: a quote is missing
	case m.quoted:
		m.escaped = c == '\\'
		m.quoted = c != '"'
	case c == '"':
		m.quoted = true
	case c == '{', c == '[':
		m.depth++
	case c == '}', c == ']':
		m.depth--
	}
}

// Unclaimed says why a document that looks like JSON may not have been known for what it is; "" when there is nothing
// to say.
func (l Limits) Unclaimed(head []byte) string {
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")
	if len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return ""
	}
	var m matcher
	for _, c := range text {
		if m.step(c); m.depth > l.Depth+1 { // one list may stand around all
			return l.TooDeep()
		}
	}
	return ""
}

var errTooLong = errors.New("object too long")

// The decoder gets its input in chunks, small ones first: what it read too much is little, so going back is cheap even
// when every line is broken. Long reports get larger ones.
const (
	minChunk = 1 << 10
	maxChunk = 8 << 10
)

// source is a buffer over the document that can go back a little.
type source struct {
	r        io.Reader
	buf      []byte
	pos, end int
	most     int   // bytes of one object, and a chunk
	given    int   // bytes handed to the decoder since the object began
	err      error // why there is no more
}

// peek returns the next byte and whether there is one.
func (s *source) peek() (byte, bool) {
	if s.pos == s.end && !s.fill() {
		return 0, false
	}
	return s.buf[s.pos], true
}

// fill reads on, keeping the last bytes for back.
func (s *source) fill() bool {
	keep := max(0, s.pos-2*maxChunk)
	s.end = copy(s.buf, s.buf[keep:s.end])
	s.pos -= keep
	for tries := 0; s.err == nil; tries++ {
		var n int
		n, s.err = s.r.Read(s.buf[s.end:])
		s.end += n
		if n > 0 {
			return true
		}
		if s.err == nil && tries == 100 {
			s.err = io.ErrNoProgress
		}
	}
	return false
}

// Read implements io.Reader for the decoder.
func (s *source) Read(p []byte) (int, error) {
	if s.given > s.most {
		return 0, errTooLong
	}
	if s.pos == s.end && !s.fill() {
		return 0, s.err
	}
	chunk := min(minChunk+s.given/8, maxChunk, len(p))
	n := copy(p[:chunk], s.buf[s.pos:s.end])
	s.pos += n
	s.given += n
	return n, nil
}

// back takes back the last n bytes handed out, as far as they are still there.
func (s *source) back(n int) { s.pos -= min(n, s.pos) }
