package formats

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"tocsin/internal/formats/list"
	"tocsin/internal/formats/xarf"
	"tocsin/internal/report"
)

// Detect says which format the document is of, and returns the document with a reader that begins where doc's did.
// The error is a *report.RowError with Row 0.
func (t Tables) Detect(doc report.Document) (Format, report.Document, error) {
	doc, head, err := peek(doc, bufio.NewReaderSize(nil, HeadBytes))
	if err != nil {
		return Format{}, doc, err
	}
	if f, ok := claim(t.List(), doc, head); ok {
		return f, doc, nil
	}
	return Format{}, doc, t.unknown(head)
}

// Parse detects the document's format and yields its events, each of them valid, and a *report.RowError for each
// row that cannot be used. After a RowError with Row 0 nothing follows; other rows never decrease.
func (t Tables) Parse(doc report.Document) iter.Seq2[report.Event, error] {
	return func(yield func(report.Event, error) bool) {
		f, doc, err := t.Detect(doc)
		if err != nil {
			yield(report.Event{}, err)
			return
		}
		f.events(doc)(yield)
	}
}

// ParseAs is Parse for a document whose format the caller names.
func (t Tables) ParseAs(name string, doc report.Document) iter.Seq2[report.Event, error] {
	return func(yield func(report.Event, error) bool) {
		f, ok := t.Format(name)
		if !ok {
			yield(report.Event{}, t.notListed(name))
			return
		}
		doc, _, err := peek(doc, bufio.NewReaderSize(nil, HeadBytes))
		if err != nil {
			yield(report.Event{}, err)
			return
		}
		f.events(doc)(yield)
	}
}

func (t Tables) notListed(name string) *report.RowError { return refuse("%s", t.NotListed(name)) }

// NotListed says in one sentence that there is no format of that name, and which ones are near.
func (t Tables) NotListed(name string) string {
	of, ok := strings.CutPrefix(name, list.Format+"/")
	if !ok {
		return fmt.Sprintf("%q is no format that Tocsin reads: name one of %s", name, t.Names())
	}
	if near := t.Lists.Nearest(of); len(near) > 0 {
		return fmt.Sprintf("%q is no list that Tocsin knows: did you mean list/%s?", name, strings.Join(near, ", list/"))
	}
	return fmt.Sprintf("%q is no list that Tocsin knows: docs/formats/list.md names them all, and says how to add one", name)
}

// claim asks the formats in their order.
func claim(list []Format, doc report.Document, head []byte) (Format, bool) {
	for _, f := range list {
		if f.Detect(doc, head) {
			return f, true
		}
	}
	return Format{}, false
}

// events runs the format's parser and holds it to its contract: every event has its format's name and passes
// Validate, every error is a *report.RowError, and an error of the reader is never swallowed.
func (f Format) events(doc report.Document) iter.Seq2[report.Event, error] {
	return func(yield func(report.Event, error) bool) {
		guard := &stickyReader{r: doc.Reader}
		doc.Reader = guard
		told := false // the reader's error has been yielded
		for e, err := range f.Parse(doc) {
			if err != nil {
				row := rowError(err)
				told = told || guard.err != nil && strings.Contains(row.Reason, guard.err.Error())
				if !yield(report.Event{}, row) || row.Row == 0 {
					return
				}
				continue
			}
			e.Format = f.Name
			if err := e.Validate(doc.Received); err != nil {
				if !yield(report.Event{}, &report.RowError{Row: e.Row, Reason: report.Reason(err)}) {
					return
				}
				continue
			}
			if !yield(e, nil) {
				return
			}
		}
		if guard.err != nil && !told {
			yield(report.Event{}, rowError(guard.err))
		}
	}
}

// peek returns the document with a reader that has not lost the head that it shows. An empty document and one that
// cannot be read at all are errors.
func peek(doc report.Document, br *bufio.Reader) (report.Document, []byte, error) {
	br.Reset(&stickyReader{r: doc.Reader})
	doc.Reader = br
	head, err := br.Peek(HeadBytes)
	if len(head) == 0 && err != nil && !errors.Is(err, io.EOF) {
		return doc, nil, rowError(err)
	}
	if errors.Is(err, io.EOF) && len(bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\ufeff")))) == 0 {
		return doc, nil, refuse("the document is empty")
	}
	return doc, head, nil
}

// stickyReader remembers the first error other than io.EOF and returns it for ever.
type stickyReader struct {
	r   io.Reader
	err error
}

func (s *stickyReader) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// refuse is an error about a whole document or container.
func refuse(format string, args ...any) *report.RowError {
	return &report.RowError{Reason: fmt.Sprintf(format, args...)}
}

// rowError makes a *report.RowError of one line from any error.
func rowError(err error) *report.RowError {
	var row *report.RowError
	if errors.As(err, &row) && !strings.ContainsAny(row.Reason, "\n\r") && row.Reason != "" {
		return row
	}
	out := &report.RowError{}
	if row != nil {
		out.Row = row.Row
	}
	out.Reason = strings.ReplaceAll(report.Reason(err), "\r", " ")
	if strings.TrimSpace(out.Reason) == "" {
		out.Reason = "the document cannot be read"
	}
	return out
}

// known names what people send by mistake, by its first bytes.
var known = []struct{ magic, what string }{
	{"BZh", "bzip2 data"},
	{"\xfd7zXZ\x00", "xz data"},
	{"\x28\xb5\x2f\xfd", "zstd data"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive"},
	{"Rar!\x1a\x07", "a RAR archive"},
	{"%PDF-", "a PDF"},
	{"\x89PNG", "an image"},
	{"\xff\xd8\xff", "an image"},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old office document"},
	{"\x78\x9f\x3e\x22", "a winmail.dat"},
	{"-----BEGIN PGP MESSAGE-----", "encrypted"},
	{"\xff\xfe", "text in UTF-16"},
	{"\xfe\xff", "text in UTF-16"},
}

// unknown is the refusal of a document that no format claims.
func (t Tables) unknown(head []byte) *report.RowError {
	for _, k := range known {
		if bytes.HasPrefix(head, []byte(k.magic)) {
			return refuse("the document is %s, which Tocsin does not open: send one of the formats %s, plain, as gzip or as zip",
				k.what, t.Names())
		}
	}
	if reason := xarf.Unclaimed(head); reason != "" {
		return refuse("%s", reason)
	}
	return refuse("the document is of no format that Tocsin knows (%s): name its format if it is one of them, "+
		"or keep it until its format is added", t.Names())
}
