package xarf

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"tocsin/internal/formats/internal/jsondoc"
)

// Limits of one report, so that a hostile one takes bounded memory and time.
const (
	maxBytes  = 16 << 20 // of JSON text
	maxDepth  = 64       // objects and lists inside each other
	maxValues = 50_000   // values of any kind, nested ones too
)

var limits = jsondoc.Limits{Bytes: maxBytes, Depth: maxDepth, Noun: "report"}

// kind is what a JSON value is; a rule's kinds are several of them.
type kind uint8

const (
	object kind = 1 << iota
	list
	text
	number
	boolean
	null
)

// value is one JSON value of a report.
type value struct {
	kind kind
	used bool   // has a member of the event, so it is no detail
	end  int    // index after its last descendant
	name []byte // as a member of an object
	text []byte // the characters of a text; anything else as it is written
}

// tree holds the values of one report, each before its members: the report itself is 0, and because it is nobody's
// member, 0 also says "no such value". It is reused from report to report.
type tree struct {
	v     []value
	spare []byte // texts whose escapes were undone
}

// read takes apart raw, which is one complete object that jsontext has checked. What is wrong with it beyond the
// grammar is returned as a sentence.
func (t *tree) read(raw []byte) (wrong string) {
	t.v, t.spare = t.v[:0], t.spare[:0]
	p := parser{tree: t, raw: raw}
	p.value(nil, 0)
	return p.wrong
}

// parser walks over JSON known to be well formed, so nothing in it checks the grammar a second time.
type parser struct {
	*tree
	raw   []byte
	pos   int
	wrong string
}

func (p *parser) fail(format string, args ...any) {
	if p.wrong == "" {
		p.wrong = fmt.Sprintf(format, args...)
	}
	p.pos = len(p.raw) // every loop below ends here
}

// space skips white space, commas and colons: their places are known to be right.
func (p *parser) space() byte {
	for ; p.pos < len(p.raw); p.pos++ {
		switch c := p.raw[p.pos]; c {
		case ' ', '\t', '\r', '\n', ',', ':':
		default:
			return c
		}
	}
	return 0
}

func (p *parser) value(name []byte, depth int) {
	switch c := p.space(); {
	case c == 0:
		return
	case len(p.v) == maxValues:
		p.fail("the report has more than %d values: split it", maxValues)
		return
	case c == '{' || c == '[':
		p.nested(name, c, depth+1)
		return
	case c == '"':
		s := p.text()
		p.v = append(p.v, value{kind: text, end: len(p.v) + 1, name: name, text: s})
		return
	}
	start := p.pos
	for p.pos < len(p.raw) && p.raw[p.pos] > ' ' && p.raw[p.pos] != ',' && p.raw[p.pos] != '}' && p.raw[p.pos] != ']' {
		p.pos++
	}
	v := value{kind: number, end: len(p.v) + 1, name: name, text: p.raw[start:p.pos]}
	switch v.text[0] {
	case 't', 'f':
		v.kind = boolean
	case 'n':
		v.kind = null
	}
	p.v = append(p.v, v)
}

func (p *parser) nested(name []byte, open byte, depth int) {
	if depth > maxDepth {
		p.fail("%s", limits.TooDeep())
		return
	}
	self, start, kind := len(p.v), p.pos, list
	if open == '{' {
		kind = object
	}
	p.v = append(p.v, value{kind: kind, name: name})
	p.pos++
	for c := p.space(); c != 0 && c != '}' && c != ']'; c = p.space() {
		var member []byte
		if kind == object {
			member = p.text()
		}
		p.value(member, depth)
	}
	if p.wrong != "" {
		return
	}
	p.pos++
	p.v[self].end, p.v[self].text = len(p.v), p.raw[start:p.pos]
	if kind == object {
		p.distinct(self)
	}
}

// text reads one JSON string, RFC 8259 §7. A NUL is refused because neither database holds one; half a surrogate
// pair has no UTF-8, RFC 3629 §3.
func (p *parser) text() []byte {
	start := p.pos
	p.pos++
	escaped := false
	for {
		i := bytes.IndexByte(p.raw[p.pos:], '"')
		chunk := p.raw[p.pos : p.pos+i]
		p.pos += i + 1
		escaped = escaped || bytes.IndexByte(chunk, '\\') >= 0
		if !oddBackslashes(chunk) {
			break // else the quote itself is escaped
		}
	}
	s := p.raw[start+1 : p.pos-1]
	if escaped {
		from := len(p.spare)
		all, err := jsontext.AppendUnquote(p.spare, p.raw[start:p.pos])
		if err != nil {
			p.fail("the text %s holds bytes that are not UTF-8", quote(s))
			return nil
		}
		p.spare, s = all, all[from:]
		if bytes.IndexByte(s, 0) >= 0 {
			p.fail("the text %s holds a NUL character", quote(s))
			return nil
		}
		return s
	}
	if !utf8.Valid(s) {
		p.fail("the text %s holds bytes that are not UTF-8", quote(s))
		return nil
	}
	return s
}

// oddBackslashes reports whether b ends in an odd number of backslashes.
func oddBackslashes(b []byte) bool {
	n := 0
	for n < len(b) && b[len(b)-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

// distinct refuses two members of one name: readers differ in which of them they believe (RFC 8259 §4).
func (p *parser) distinct(self int) {
	const few = 48 // up to here comparing all pairs is faster than a map
	n, end := 0, p.v[self].end
	for i := self + 1; i < end && n <= few; i = p.v[i].end {
		for j := self + 1; j < i; j = p.v[j].end {
			if bytes.Equal(p.v[i].name, p.v[j].name) {
				p.fail("the member %s is there twice", quote(p.v[i].name))
				return
			}
		}
		n++
	}
	if n <= few {
		return
	}
	seen := make(map[string]struct{}, 4*few)
	for i := self + 1; i < end; i = p.v[i].end {
		if _, twice := seen[string(p.v[i].name)]; twice {
			p.fail("the member %s is there twice", quote(p.v[i].name))
			return
		}
		seen[string(p.v[i].name)] = struct{}{}
	}
}

// member returns the member of that name of the object i, 0 when there is none.
func (t *tree) member(i int, name string) int {
	if t.v[i].kind != object {
		return 0
	}
	for j, end := i+1, t.v[i].end; j < end; j = t.v[j].end {
		if string(t.v[j].name) == name {
			return j
		}
	}
	return 0
}

// at follows member names down from the report; 0 when one is missing.
func (t *tree) at(names ...string) int {
	i := 0
	for _, name := range names {
		if i = t.member(i, name); i == 0 {
			return 0
		}
	}
	return i
}

// str returns the characters of value i when it is a text, else "".
func (t *tree) str(i int) string {
	if t.v[i].kind != text {
		return ""
	}
	return string(t.v[i].text)
}

// count is how many members the object or list i has.
func (t *tree) count(i int) int {
	n := 0
	for j, end := i+1, t.v[i].end; j < end; j = t.v[j].end {
		n++
	}
	return n
}

// quote puts a value into a sentence, cut so that a hostile one cannot fill a screen.
func quote[S ~string | ~[]byte](s S) string {
	const most = 60
	if len(s) > most {
		return fmt.Sprintf("%q…", bytes.ToValidUTF8([]byte(s[:most]), nil))
	}
	return fmt.Sprintf("%q", string(s))
}
