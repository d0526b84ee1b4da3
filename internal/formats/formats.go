// Package formats is the table of every wire format that Tocsin reads. A format is one folder below this one and
// one line in List; nothing registers itself. Its golden cases lie in its testdata/*.txtar, and formats_test.go holds
// every listed format to them and to the contract below: "go test ./internal/formats -update" rewrites what they
// expect. What formats share to read mail is in internal/mail; it is no format.
package formats

import (
	"bufio"
	"iter"
	"slices"
	"strings"

	"tocsin/internal/formats/acns"
	"tocsin/internal/formats/arf"
	"tocsin/internal/formats/attacklog"
	"tocsin/internal/formats/intelmq"
	"tocsin/internal/formats/list"
	"tocsin/internal/formats/sender"
	"tocsin/internal/formats/shadowserver"
	"tocsin/internal/formats/xarf"
	"tocsin/internal/formats/xarfmail"
	"tocsin/internal/report"
)

// Format is one wire format.
type Format struct {
	Name string // as the config, the command line and Event.Format write it
	Spec string // the specification that it follows: name, version, URL

	// Detect reports whether a document that begins with head (at most HeadBytes) is of this format. It looks at
	// doc's Name and Subject too and never reads doc.Reader.
	Detect func(doc report.Document, head []byte) bool

	// Parse yields the document's events in order, and a *report.RowError for each record that cannot be used;
	// after a RowError with Row 0 nothing follows. It checks shape only: Tables.Parse validates. It stops reading
	// when the consumer stops, and holds no more than one record in memory. An error of doc.Reader other than
	// io.EOF means that the record being read is not whole: it is yielded as a RowError and never as an event.
	Parse func(doc report.Document) iter.Seq2[report.Event, error]

	// Redact takes out of an event what a display must not show unasked: the person who complained, the mail that
	// was quoted. It may overwrite the elements of e.Details. Nil where the format carries no such thing.
	Redact func(e *report.Event)
}

// HeadBytes is how much of a document Detect is shown.
const HeadBytes = 64 << 10

// Tables is what the formats look up while parsing. The zero value works: the facts compiled in.
type Tables struct {
	Shadowserver shadowserver.Tables
	Lists        list.Tables
}

// List returns every format, in the order in which they are asked whether a document is theirs.
func (t Tables) List() []Format {
	return []Format{
		{"arf", arf.Spec, arf.Detect, arf.Parse, arf.Redact},
		{"xarf", xarf.Spec, xarf.Detect, xarf.Parse, arf.Redact},
		{"xarfmail", xarfmail.Spec, xarfmail.Detect, xarfmail.Parse, xarfmail.Redact},
		{"acns", acns.Spec, acns.Detect, acns.Parse, acns.Redact},
		{"intelmq", intelmq.Spec, intelmq.Detect, intelmq.Parse, nil},
		{"shadowserver", shadowserver.Spec, t.Shadowserver.Detect, t.Shadowserver.Parse, nil},
		{"sender", sender.Spec, sender.Detect, sender.Parse, nil},
		{"attacklog", attacklog.Spec, attacklog.Detect, attacklog.Parse, nil},
		{list.Format, list.Spec, t.Lists.Detect, t.Lists.Parse, nil}, // last: a list says the least of itself
	}
}

// Format returns the format of that name: one of List, or one list as list/NAME.
func (t Tables) Format(name string) (Format, bool) {
	if of, ok := strings.CutPrefix(name, list.Format+"/"); ok {
		l, ok := t.Lists.List(of)
		return Format{list.Format, list.Spec, l.Detect, l.Parse, nil}, ok
	}
	for _, f := range t.List() {
		if f.Name == name {
			return f, true
		}
	}
	return Format{}, false
}

// Origin is what a member says of who wrote it where nothing else does: its format, or its list as list/NAME. It reads
// the member's beginning.
func (t Tables) Origin(m Member) string {
	if m.Format.Name == list.Format {
		if doc, head, err := peek(m.Document, bufio.NewReaderSize(nil, HeadBytes)); err == nil {
			if name := t.Lists.Which(doc, head); name != "" {
				return list.Format + "/" + name
			}
		}
	}
	return m.Format.Name
}

// Names lists the formats as a sentence can: "arf, xarf, shadowserver, list".
func (t Tables) Names() string {
	list := t.List()
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].Name
	}
	return strings.Join(names, ", ")
}

// Redact takes out of an event what a display must not show unasked (Format.Redact). Every page, list and message
// that shows details goes through it; `tocsin parse`, the stored original and the evidence package do not. The
// event's details are copied before they are changed.
func (t Tables) Redact(e *report.Event) {
	f, ok := t.Format(e.Format)
	if !ok || f.Redact == nil {
		return
	}
	e.Details = slices.Clone(e.Details)
	f.Redact(e)
}
