package list

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// htmlSource reads the rows of tables as columns. Pages are read as a stream of tags: a browser's tree of a broken page
// has no bound.
type htmlSource struct {
	p       *plan
	z       *html.Tokenizer
	first   string
	attr    string // of the table that has the rows; "" for any
	value   string
	skip    int
	depth   int // tables that we are in, 0 outside of the one that has the rows
	rec     record
	cells   []string
	heading bool // a cell of the row is a heading or spans columns
	cell    strings.Builder
	inCell  bool
	inRow   bool
}

func newHTMLSource(p *plan, r io.Reader) *htmlSource {
	s := &htmlSource{p: p, skip: p.Skip}
	head, r := peek(r)
	s.first = head[:min(len(head), headBytes)]
	s.z = html.NewTokenizer(r)
	s.z.SetMaxBuf(maxLine)
	s.attr, s.value, _ = strings.Cut(p.Records, "=")
	if len(p.Columns) > 0 {
		s.rec.names = named(p.Columns)
	}
	return s
}

func (s *htmlSource) head() string { return s.first }

func (s *htmlSource) next() (*record, error) {
	for {
		switch s.z.Next() {
		case html.ErrorToken:
			if err := s.z.Err(); !errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("the page cannot be read on: %w", err)
			}
			if rec := s.row(); rec != nil { // the last row's end may be missing
				return rec, nil
			}
			return nil, io.EOF
		case html.TextToken:
			if s.inCell && s.cell.Len() < maxLine {
				s.cell.Write(s.z.Raw()) // unescaped together: a comment may stand in the middle of an entity
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			if rec := s.open(); rec != nil {
				return rec, nil
			}
		case html.EndTagToken:
			name, _ := s.z.TagName()
			if rec := s.shut(string(name)); rec != nil {
				return rec, nil
			}
		}
	}
}

// open takes a start tag; it returns a row that ends with it because its end tag is missing.
func (s *htmlSource) open() (rec *record) {
	raw, more := s.z.TagName()
	name := string(raw)
	fits, spans := s.attr == "", false
	for more {
		var k, v []byte
		k, v, more = s.z.TagAttr()
		key, value := string(k), strings.TrimSpace(string(v))
		fits = fits || key == s.attr && (value == s.value || key == "class" && slices.Contains(strings.Fields(value), s.value))
		spans = spans || key == "colspan" && value != "1"
		if name == "input" && key == "value" && s.inCell { // a page that shows its values in fields
			s.cell.WriteString(value)
		}
	}
	switch name {
	case "table":
		if s.depth > 0 || fits {
			s.depth++
		}
	case "tr":
		if s.depth == 0 {
			return nil
		}
		rec = s.row()
		s.inRow = true
	case "td", "th":
		if s.inRow {
			s.endCell()
			s.inCell = true
			s.heading = s.heading || spans || name == "th" && len(s.rec.names) > 0
		}
	case "br":
		if s.inCell {
			s.cell.WriteByte(' ')
		}
	}
	return rec
}

func (s *htmlSource) shut(name string) *record {
	switch name {
	case "td", "th":
		s.endCell()
	case "tr":
		return s.row()
	case "table":
		if s.depth == 0 {
			return nil
		}
		rec := s.row()
		s.depth--
		return rec
	}
	return nil
}

func (s *htmlSource) endCell() {
	if s.inCell && len(s.cells) <= maxColumns {
		s.cells = append(s.cells, strings.Join(strings.Fields(html.UnescapeString(s.cell.String())), " "))
	}
	s.cell.Reset()
	s.inCell = false
}

// row ends a row. Headings are none: a row of <th>, and one with a cell that spans several columns.
func (s *htmlSource) row() *record {
	s.endCell()
	cells, heading := s.cells, s.heading
	s.cells, s.heading, s.inRow = s.cells[:0], false, false
	switch {
	case len(cells) == 0 || heading || strings.Join(cells, "") == "":
		return nil
	case s.skip > 0:
		s.skip--
		return nil
	case len(s.rec.names) == 0:
		s.rec.names = named(cells)
		return nil
	}
	s.rec.values = cells[:min(len(cells), len(s.rec.names))]
	return &s.rec
}

// xmlSource reads an element a record, its children's texts as columns.
type xmlSource struct {
	p     *plan
	d     *xml.Decoder
	fuel  *fuel
	first string
	path  []string // from the root
	rec   record
}

func newXMLSource(p *plan, r io.Reader) *xmlSource {
	s := &xmlSource{p: p}
	head, r := peek(r)
	s.first = head[:min(len(head), headBytes)]
	s.fuel = &fuel{r: r, left: maxRecordBytes}
	s.d = xml.NewDecoder(s.fuel)
	s.d.CharsetReader = charset
	return s
}

func (s *xmlSource) head() string { return s.first }

// charset reads the ISO 8859 sets as Latin-1, which they are where lists use them: in names of organisations.
func charset(name string, r io.Reader) (io.Reader, error) {
	if n := lower(name); strings.HasPrefix(n, "iso-8859-") || n == "windows-1252" || n == "us-ascii" {
		return &latin1{r: r}, nil
	}
	return nil, fmt.Errorf("the character set %q is not read: send UTF-8", name)
}

type latin1 struct {
	r   io.Reader
	buf [512]byte
}

func (l *latin1) Read(b []byte) (int, error) {
	if len(b) < 2 {
		return 0, io.ErrShortBuffer
	}
	n, err := l.r.Read(l.buf[:min(len(l.buf), len(b)/2)])
	out := b[:0]
	for _, c := range l.buf[:n] {
		out = append(out, string(rune(c))...)
	}
	return len(out), err
}

func (s *xmlSource) next() (*record, error) {
	for {
		s.fuel.left = maxRecordBytes
		t, err := s.d.Token()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(s.path) >= maxDepth {
				return nil, fmt.Errorf("elements stand more than %d deep", maxDepth)
			}
			s.path = append(s.path, t.Name.Local)
			for _, want := range s.p.paths {
				if slices.Equal(want, s.path) {
					return s.element()
				}
			}
		case xml.EndElement:
			s.path = s.path[:len(s.path)-1]
		}
	}
}

// element reads a record to its end.
func (s *xmlSource) element() (*record, error) {
	s.rec.names, s.rec.values = s.rec.names[:0], s.rec.values[:0]
	var inside []string
	var text strings.Builder
	for {
		t, err := s.d.Token()
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(inside) >= maxDepth || len(s.rec.names) >= maxColumns {
				return nil, errors.New("a record has too many elements")
			}
			inside = append(inside, t.Name.Local)
			text.Reset()
		case xml.CharData:
			text.Write(t)
		case xml.EndElement:
			if len(inside) == 0 {
				s.path = s.path[:len(s.path)-1]
				return &s.rec, nil
			}
			if v := strings.TrimSpace(text.String()); v != "" {
				s.rec.names = append(s.rec.names, strings.Join(inside, "."))
				s.rec.values = append(s.rec.values, v)
			}
			inside = inside[:len(inside)-1]
			text.Reset()
		}
	}
}

// open returns what reads a document of the list.
func (p *plan) open(r io.Reader) source {
	switch p.Shape {
	case JSON:
		return newJSONSource(p, r)
	case HTML:
		return newHTMLSource(p, r)
	case XML:
		return newXMLSource(p, r)
	}
	return newTextSource(p, r)
}
