// Package formats is the table of every wire format that Tocsin reads. A format is one folder below this one and
// one line in List; nothing registers itself.
package formats

import (
	"iter"

	"tocsin/internal/formats/arf"
	"tocsin/internal/formats/shadowserver"
	"tocsin/internal/formats/xarf"
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
	// when the consumer stops, and holds no more than one record in memory.
	Parse func(doc report.Document) iter.Seq2[report.Event, error]
}

// HeadBytes is how much of a document Detect is shown.
const HeadBytes = 64 << 10

// Tables is what the formats look up while parsing. The zero value works: the facts compiled in.
type Tables struct {
	Shadowserver shadowserver.Tables
}

// List returns every format, in the order in which they are asked whether a document is theirs.
func (t Tables) List() []Format {
	return []Format{
		{"arf", arf.Spec, arf.Detect, arf.Parse},
		{"xarf", xarf.Spec, xarf.Detect, xarf.Parse},
		{"shadowserver", shadowserver.Spec, t.Shadowserver.Detect, t.Shadowserver.Parse},
	}
}
