package formats

import (
	"iter"

	"tocsin/internal/report"
)

// OpenWith is Open with formats that a test brings along.
func OpenWith(list []Format, doc report.Document, lim Limits) iter.Seq2[Member, error] {
	return func(yield func(Member, error) bool) {
		o := &opener{list: list, lim: lim.withDefaults(), yield: yield}
		o.left = o.lim.Bytes
		o.open(node{Document: doc})
	}
}

// Events is what Tables.Parse does once the format is known.
func (f Format) Events(doc report.Document) iter.Seq2[report.Event, error] { return f.events(doc) }
