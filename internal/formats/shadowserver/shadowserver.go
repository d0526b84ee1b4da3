// Package shadowserver reads the CSV reports of The Shadowserver Foundation: one file a day, network and report
// type, a header row and one row per observation, times in UTC. What a report type means and which of its columns
// says what stands in a table (types.txt; older.txt for names and editions that are no longer sent), which the
// operator may replace by Shadowserver's own file intelmq.json (LoadTables).
//
// The specification is the report schema of https://github.com/The-Shadowserver-Foundation/report_schema, edition
// of 2026-03-24.
package shadowserver

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"tocsin/internal/report"
)

// Spec names the specification that this package follows.
const Spec = "Shadowserver report schema of 2026-03-24, https://github.com/The-Shadowserver-Foundation/report_schema"

// name is this format's, and the feed of a document whose report type cannot be told from others.
const name = "shadowserver"

// maxColumns is the most columns that a header or a row may have.
const maxColumns = 1000

// Parse yields the document's events in order, and a *report.RowError for each row that cannot be used. An event,
// its tags and its details are valid until the next step.
func (t Tables) Parse(doc report.Document) iter.Seq2[report.Event, error] {
	return func(yield func(report.Event, error) bool) {
		fail := func(row int64, reason string) bool {
			return yield(report.Event{}, &report.RowError{Row: row, Reason: reason})
		}
		s := newScanner(doc.Reader)
		header, err := s.next()
		if err != nil {
			fail(0, headerReason(err))
			return
		}
		p, err := t.known().parser(doc, header)
		if err != nil {
			fail(0, err.Error())
			return
		}
		s.want = len(header)
		for row := int64(1); ; row++ {
			fields, err := s.next()
			if err == nil {
				err = p.read(fields)
			}
			if err == nil {
				p.event.Row = row
				if !yield(p.event, nil) {
					return
				}
				continue
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if s.err != nil && errors.Is(err, s.err) {
				fail(0, fmt.Sprintf("the document breaks off after row %d: %v", row-1, err))
				return
			}
			if !fail(row, err.Error()) {
				return
			}
		}
	}
}

func headerReason(err error) string {
	var bad badRecord
	switch {
	case errors.Is(err, io.EOF):
		return "the document is empty: it has no header row"
	case errors.As(err, &bad):
		return "the header row cannot be read: " + string(bad)
	}
	return fmt.Sprintf("the document cannot be read (%v): fetch it again", err)
}
