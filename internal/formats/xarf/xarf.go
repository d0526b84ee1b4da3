// Package xarf is about to read its format.
package xarf

import (
	"iter"

	"tocsin/internal/report"
)

// Spec names the specification that this package follows.
const Spec = ""

// Detect reports whether head, the first bytes of the document, is this format's.
func Detect(doc report.Document, head []byte) bool { return false }

// Parse reads the document.
func Parse(doc report.Document) iter.Seq2[report.Event, error] {
	return func(yield func(report.Event, error) bool) {}
}
