// Package acns reads copyright notices in the XML of the Automated Copyright Notice System, versions 0.6 to 2: alone, in
// a mail as attachment, and in a text, with PGP armour around it or without. docs/formats/acns.md says what becomes of
// each element.
package acns

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"tocsin/internal/formats/internal/mail"
	"tocsin/internal/report"
)

// Spec names the specification that this package follows.
const Spec = "Automated Copyright Notice System (ACNS) 2.0, and before (http://www.acns.net/spec.html)"

const (
	noticeBytes = 256 << 10 // of one notice; real ones have under 4 KiB
	textBytes   = 4 << 20   // of one text, or file, with notices
	maxNotices  = 1000      // in one document
)

var limits = mail.Limits{HeaderBytes: 1 << 20, Depth: 20, Parts: 100}

// Detect reports whether head, the first bytes of the document, begins a notice, a text with one, or a mail with one
// in its text or as attachment. A notice in a mail inside of the mail is that mail's.
func Detect(_ report.Document, head []byte) bool {
	if !mail.Looks(head) {
		text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")
		return len(text) > 0 && text[0] != '{' && text[0] != '[' && hasNotice(text)
	}
	r, err := mail.NewReader(bytes.NewReader(head), limits)
	if err != nil {
		return false
	}
	for {
		p, err := r.Next()
		if err != nil {
			return false
		}
		if !mayHold(p) {
			continue
		}
		text, _ := io.ReadAll(p.Body) // cut where head ends
		if hasNotice(text) {
			return true
		}
	}
}

// mayHold: a notice is text or XML, whatever the file is called; in HTML it would be shown, not sent.
func mayHold(p *mail.Part) bool {
	switch p.Type {
	case "text/html":
		return false
	case "application/xml", "application/octet-stream", "application/acns+xml":
		return true
	}
	return strings.HasPrefix(p.Type, "text/") || strings.HasSuffix(p.Type, "+xml")
}

// hasNotice reports whether a notice begins in the text at the begin of a line, or behind the XML declaration. The
// name Infringement alone is not enough: the notice says that it is ACNS, or has one of its elements.
func hasNotice(text []byte) bool {
	for {
		i, name := findStart(text)
		if i < 0 {
			return false
		}
		text = text[i:]
		if marks(text[:min(len(text), 4<<10)]) {
			return true
		}
		text = text[len(name)+1:]
	}
}

func marks(notice []byte) bool {
	for _, mark := range [...]string{"ACNS", "acns", "Case>", "Complainant>", "Service_Provider>", "IP_Address>"} {
		if bytes.Contains(notice, []byte(mark)) {
			return true
		}
	}
	return false
}

// findStart returns where the next element Infringement begins and its name with the prefix, -1 when there is none.
func findStart(text []byte) (at int, name string) {
	const root = "Infringement"
	for from := 0; ; {
		i := bytes.Index(text[from:], []byte(root))
		if i < 0 {
			return -1, ""
		}
		i += from
		from = i + len(root)
		if from < len(text) && strings.IndexByte(" \t\r\n>/", text[from]) < 0 {
			continue
		}
		open := i
		for open > 0 && i-open < 64 && isNameByte(text[open-1]) {
			open--
		}
		if open < i && text[i-1] != ':' || open == 0 || text[open-1] != '<' {
			continue
		}
		line := bytes.TrimSpace(text[bytes.LastIndexByte(text[:open-1], '\n')+1 : open-1])
		if len(line) == 0 || line[len(line)-1] == '>' && (line[0] == '<' || bytes.HasPrefix(line, []byte("\ufeff<"))) {
			return open - 1, string(text[open:from])
		}
	}
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == ':' || c == '_' || c == '-' || c == '.'
}

// notice is one notice: the bytes of its element, and where they begin.
type notice struct {
	xml  []byte
	line int  // of its text in which it begins, from 1
	cut  bool // its end is missing
}

// notices cuts a text into its notices.
func notices(text []byte) (all []notice, err error) {
	for line := 1; ; {
		i, name := findStart(text)
		if i < 0 {
			return all, nil
		}
		line += bytes.Count(text[:i], []byte("\n"))
		text = text[i:]
		n := notice{line: line}
		end := bytes.Index(text, []byte("</"+name))
		switch {
		case end >= 0:
			last := bytes.IndexByte(text[end:], '>')
			if last < 0 {
				last = len(text) - end - 1
			}
			n.xml = text[:end+last+1]
		case emptyElement(text):
			n.xml = text[:bytes.IndexByte(text, '>')+1]
		default:
			n.xml, n.cut = text, true
		}
		if len(all) == maxNotices {
			return all, fmt.Errorf("the document has more than %d notices: send it in several", maxNotices)
		}
		all = append(all, n)
		line += bytes.Count(n.xml, []byte("\n"))
		text = text[len(n.xml):]
	}
}

func emptyElement(text []byte) bool {
	i := bytes.IndexByte(text, '>')
	return i > 0 && text[i-1] == '/'
}

// Parse reads the document. Each notice in it is one event; rows count from 1. A mail says the same in its text and
// in the attachment: what is said twice counts once.
func Parse(doc report.Document) iter.Seq2[report.Event, error] {
	return func(yield func(report.Event, error) bool) {
		p := &reader{yield: yield, seen: map[[32]byte]bool{}}
		err := p.read(doc.Reader)
		if err != nil && !p.stopped {
			yield(report.Event{}, &report.RowError{Reason: report.Reason(err)})
		}
	}
}

// reader goes through a document and yields what it finds.
type reader struct {
	yield   func(report.Event, error) bool
	seen    map[[32]byte]bool // contents of notices yielded
	row     int64
	stopped bool
}

func (p *reader) read(in io.Reader) error {
	head := make([]byte, 16<<10)
	n, err := io.ReadFull(in, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	whole := io.MultiReader(bytes.NewReader(head[:n]), in)
	if mail.Looks(head[:n]) {
		return p.mail(whole)
	}
	text, err := readText(whole)
	if err != nil {
		return err
	}
	if err := p.text(text, ""); err != nil {
		return err
	}
	return p.some()
}

// some: a document without any notice is an error.
func (p *reader) some() error {
	if p.row == 0 && !p.stopped {
		return errors.New("the document holds no ACNS notice: send the XML element Infringement in the mail or as attachment")
	}
	return nil
}

func (p *reader) mail(in io.Reader) error {
	r, err := mail.NewReader(in, limits)
	if err != nil {
		return err
	}
	for !p.stopped {
		part, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if !mayHold(part) {
			continue
		}
		text, err := readText(part.Body)
		if err != nil {
			return err // what was cut is not used
		}
		if err := p.text(text, part.Params["charset"]); err != nil {
			return err
		}
	}
	return p.some()
}

func readText(in io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(in, textBytes+1))
	if len(text) > textBytes {
		return nil, fmt.Errorf("the text around the ACNS notices has more than %d bytes: send the notices alone", textBytes)
	}
	return text, err
}

// text yields the notices of one text.
func (p *reader) text(text []byte, charset string) error {
	all, err := notices(mail.Unarmour(text))
	for _, n := range all {
		w, why := n.read(charset)
		key := w.key()
		if why == "" && p.seen[key] {
			continue
		}
		p.row++
		var e report.Event
		if why == "" {
			p.seen[key] = true
			e, why = w.event()
		}
		var bad error
		if why != "" {
			e, bad = report.Event{}, &report.RowError{Row: p.row, Reason: why}
		}
		e.Row = p.row
		if !p.yield(e, bad) {
			p.stopped = true
			return nil
		}
	}
	return err
}
