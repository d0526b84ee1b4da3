package acns

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of one notice.
const (
	maxDepth  = 16
	maxFields = 900 // elements with text and attributes; of the room for details in an event
)

// field is one element with text, or one attribute.
type field struct {
	name  string // local names with dots; a repeated element has its number: "Content.Item.2.Title"
	key   string // the name in lower case, without underscores and numbers, to look it up
	value string
	used  bool // has a member of the event, so it is no detail
}

// wire is a notice taken apart.
type wire struct {
	fields   []field
	warnings []string
}

// read takes a notice apart, or says in a sentence what is broken and where. Namespaces do not matter: the versions
// have several. Entities other than XML's own five are an error, as the document type that would declare them is not
// read.
func (n notice) read(charset string) (*wire, string) {
	if len(n.xml) > noticeBytes {
		return &wire{}, fmt.Sprintf("the ACNS notice is longer than %d bytes", noticeBytes)
	}
	w := &wire{}
	text := n.xml
	if !utf8.Valid(text) {
		if !strings.HasPrefix(strings.ToLower(charset), "iso-8859-1") && !strings.EqualFold(charset, "windows-1252") {
			w.warnings = append(w.warnings, "the notice is not UTF-8 and was read as ISO 8859-1")
		}
		text = latin1(text)
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	t := &taker{wire: w}
	for {
		tok, err := d.RawToken()
		if err == nil {
			err = t.token(tok)
		}
		if err == nil && (len(t.stack) > 0 || !t.begun) {
			continue
		}
		if err == nil {
			return w, ""
		}
		line, _ := d.InputPos()
		line += n.line - 1
		var bad *xml.SyntaxError
		switch {
		case errors.Is(err, io.EOF), n.cut && errors.As(err, &bad) && strings.Contains(bad.Msg, "unexpected EOF"):
			return w, fmt.Sprintf("the ACNS notice is not closed: it ends in line %d, inside of %s", line, t.where())
		case errors.As(err, &bad):
			return w, fmt.Sprintf("the ACNS notice is not XML: %s in line %d, inside of %s", bad.Msg, line, t.where())
		}
		return w, fmt.Sprintf("the ACNS notice is broken in line %d: %s", line, err)
	}
}

// taker follows the elements.
type taker struct {
	*wire
	stack []element
	begun bool
}

// element is an open element.
type element struct {
	raw      xml.Name
	path     string
	key      string
	text     []byte
	children map[string]int // how many of each name
}

func (t *taker) where() string {
	if len(t.stack) == 0 {
		return "nothing"
	}
	return strconv.Quote(t.stack[len(t.stack)-1].raw.Local)
}

func (t *taker) token(tok xml.Token) error {
	switch tok := tok.(type) {
	case xml.StartElement:
		return t.open(tok)
	case xml.EndElement:
		top := len(t.stack) - 1
		if top < 0 || t.stack[top].raw != tok.Name {
			return fmt.Errorf("</%s> closes what is not open; open is %s", cut(tok.Name.Local), t.where())
		}
		e := t.stack[top]
		t.stack = t.stack[:top]
		if v := tidy(e.text); v != "" && e.path != "" {
			return t.add(e.path, e.key, v)
		}
	case xml.CharData:
		if top := len(t.stack) - 1; top >= 0 {
			t.stack[top].text = append(t.stack[top].text, tok...)
		}
	case xml.Directive:
		return errors.New("a document type stands inside of it, which is not read")
	}
	return nil
}

func (t *taker) open(tok xml.StartElement) error {
	t.begun = true
	if len(t.stack) == maxDepth {
		return fmt.Errorf("elements stand inside each other more than %d deep", maxDepth)
	}
	e := element{raw: tok.Name, children: map[string]int{}}
	if len(t.stack) > 0 {
		up := &t.stack[len(t.stack)-1]
		up.children[tok.Name.Local]++
		e.path, e.key = join(up.path, tok.Name.Local), join(up.key, keyOf(tok.Name.Local))
		if k := up.children[tok.Name.Local]; k > 1 {
			e.path += "." + strconv.Itoa(k)
		}
	}
	t.stack = append(t.stack, e)
	for _, a := range tok.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		if v := tidy([]byte(a.Value)); v != "" {
			if err := t.add(join(e.path, a.Name.Local), join(e.key, keyOf(a.Name.Local)), v); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *taker) add(name, key, value string) error {
	if len(t.fields) == maxFields {
		return fmt.Errorf("it has more than %d elements and attributes", maxFields)
	}
	t.fields = append(t.fields, field{name: name, key: key, value: value})
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func keyOf(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

// tidy takes the white space around each line away: an address has several, and XML is indented.
func tidy(text []byte) string {
	var lines []string
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			lines = append(lines, string(line))
		}
	}
	return strings.ReplaceAll(strings.Join(lines, "\n"), "\x00", "\ufffd")
}

// key is the same for notices that say the same.
func (w *wire) key() [32]byte {
	h := sha256.New()
	for i := range w.fields {
		fmt.Fprintf(h, "%q=%q\n", w.fields[i].key, w.fields[i].value)
	}
	return [32]byte(h.Sum(nil))
}

func latin1(text []byte) []byte {
	out := make([]byte, 0, len(text)+len(text)/8)
	for _, c := range text {
		out = utf8.AppendRune(out, rune(c))
	}
	return out
}

func cut(s string) string {
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
