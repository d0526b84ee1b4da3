// Package shadowserver is about to read its format.
package shadowserver

import (
	"iter"

	"tocsin/internal/report"
)

// Spec names the specification that this package follows.
const Spec = ""

// Tables is what is known of the report types. The zero value is the facts compiled in.
type Tables struct{}

// Detect reports whether head, the first bytes of the document, is this format's.
func (t Tables) Detect(doc report.Document, head []byte) bool { return false }

// Parse reads the document.
func (t Tables) Parse(doc report.Document) iter.Seq2[report.Event, error] {
	return func(yield func(report.Event, error) bool) {}
}
