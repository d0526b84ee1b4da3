package list

import (
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/internal/report"
)

// Detect reports whether a document that begins with head is a list that is known by its name, head or columns.
func (t Tables) Detect(doc report.Document, head []byte) bool {
	return t.recognise(doc, string(head)) != nil
}

// Which names the list that a document which begins with head is of; empty: of none.
func (t Tables) Which(doc report.Document, head []byte) string {
	if p := t.recognise(doc, string(head)); p != nil {
		return p.Name
	}
	return ""
}

// Detect is Tables.Detect for one list.
func (l List) Detect(doc report.Document, head []byte) bool {
	return l.plan.matches(fileName(doc.Name), string(head)) && l.plan.readable(doc, string(head))
}

// recognise returns the list that a document is of. What a list says of itself counts for more than a file's name.
func (t Tables) recognise(doc report.Document, head string) *plan {
	file := fileName(doc.Name)
	low := sync.OnceValue(func() string { return lower(head) }) // most documents are asked about by every plan
	for _, by := range []func(*plan) bool{
		func(p *plan) bool { return p.hasHead(head) },
		func(p *plan) bool { return p.hasColumns(head, low()) },
		func(p *plan) bool { return p.hasName(file) },
	} {
		for p := range t.plans() {
			if by(p) && p.readable(doc, head) {
				return p
			}
		}
	}
	return nil
}

func (p *plan) matches(file, head string) bool {
	return p.hasHead(head) || p.hasColumns(head, lower(head)) || p.hasName(file)
}

// fileName is the last part of a document's name, in lower case.
func fileName(name string) string {
	return lower(name[strings.LastIndexAny(name, `/\`)+1:])
}

func (p *plan) hasName(file string) bool {
	return file != "" && slices.ContainsFunc(p.names, func(n string) bool {
		ok, _ := path.Match(n, file)
		return ok
	})
}

func (p *plan) hasHead(head string) bool {
	if len(p.Recognise.Head) == 0 {
		return false
	}
	head = head[:min(len(head), headBytes)]
	return slices.ContainsFunc(p.Recognise.Head, func(h string) bool { return strings.Contains(head, h) })
}

// hasColumns reports whether the header row, or the first record of JSON, has the columns by which the list is known. low is
// the head in lower case.
func (p *plan) hasColumns(head, low string) bool {
	if len(p.known) == 0 || slices.ContainsFunc(p.known, func(c string) bool { return !strings.Contains(low, c) }) {
		return false
	}
	switch p.Shape {
	case JSON:
		if slices.ContainsFunc(p.known, func(c string) bool { return !strings.Contains(low, `"`+c+`"`) }) {
			return false
		}
		return len(p.known) > 2 || p.inFirst(head)
	case CSV:
		header := p.header(head)
		return !slices.ContainsFunc(p.known, func(c string) bool { return !slices.Contains(header, c) })
	}
	return false
}

// inFirst reports whether the first record of a JSON document has the columns by which the list is known, at any depth:
// two words may stand in many documents.
func (p *plan) inFirst(head string) bool {
	rec, err := p.open(strings.NewReader(head)).next()
	if err != nil {
		return false
	}
	has := map[string]bool{}
	for _, n := range rec.names {
		for part := range strings.SplitSeq(lower(n), ".") {
			has[part] = true
		}
	}
	return !slices.ContainsFunc(p.known, func(c string) bool { return !has[c] })
}

// header returns the first row of a csv document in lower case. A header that stands in a comment counts too.
func (p *plan) header(head string) []string {
	s := &textSource{lineReader: &lineReader{eof: true}, p: p} // lines are judged one by one
	var commented []string
	for line := range strings.Lines(strings.TrimPrefix(head, "\ufeff")) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		comment := s.comment(line)
		if comment {
			for _, c := range p.Comments {
				line = strings.TrimSpace(strings.TrimPrefix(line, c))
			}
		}
		if s.split(line, line) != nil {
			return nil
		}
		row := make([]string, len(s.fields))
		for i, f := range s.fields {
			row[i] = lower(strings.TrimSpace(f))
		}
		if !comment {
			if len(commented) > 0 {
				return commented
			}
			return row
		}
		if slices.Contains(row, p.known[0]) {
			commented = row
		}
	}
	return commented
}

// readable reports whether the first row of the document can be read as the list's, or is one that it leaves out.
// A first record that is larger than the head cannot be judged, and is believed.
func (p *plan) readable(doc report.Document, head string) bool {
	text := strings.TrimLeft(head, " \t\r\n\ufeff")
	if text == "" {
		return false
	}
	switch p.Shape {
	case HTML, XML:
		return text[0] == '<'
	case JSON:
		if text[0] != '{' && text[0] != '[' {
			return false
		}
	default:
		if start := lower(text[:min(len(text), 20)]); strings.HasPrefix(start, "<html") || strings.HasPrefix(start, "<!doctype") || strings.HasPrefix(start, "<?xml") {
			return false
		}
	}
	whole := len(head) < windowBytes
	doc.Reader = strings.NewReader(head)
	src := p.open(doc.Reader)
	if doc.Received.IsZero() {
		doc.Received = time.Unix(1<<31, 0)
	}
	b := newBuilder(p, doc, src)
	for range 100 {
		rec, err := src.next()
		if err != nil {
			return rec == nil && !whole && p.Shape == JSON
		}
		kept, err := b.read(rec)
		if err != nil {
			return false
		}
		if kept {
			return true
		}
	}
	return true
}
