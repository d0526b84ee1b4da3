package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/internal/desk"
	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// ReportQuery says which reports are listed. What is zero is not asked for; what is asked for has to hold all together.
type ReportQuery struct {
	Reporter string
	Channel  string
	Format   string // found
	State    report.State
	From, To time.Time    // received within [From, To); either may be zero
	After    report.Place // goes on behind another page
	Limit    int          // reports of a page at most, as of incident.Query
}

// ReportPage is a page of reports: the one that came in last is the first.
type ReportPage struct {
	Reports []Row
	Next    report.Place // where the next page begins; zero: nothing follows
	Partial bool         // as of incident.Found
}

// How many reports are read for one page at first, and at most.
const (
	firstReports = 200
	maxReports   = 10_000
)

// ReportsPage returns a page of reports with their counts.
func (db *DB) ReportsPage(ctx context.Context, q ReportQuery) (ReportPage, error) {
	var page ReportPage
	limit := incident.PageSize(q.Limit)
	where, args := q.drive()
	last := q.After
	for read, size := 0, firstReports; ; size *= 4 {
		size = min(size, maxReports-read)
		n := 0
		for r, err := range db.reports(ctx, "list reports", where(last), args(last, size)...) {
			if err != nil {
				return ReportPage{}, err
			}
			n++
			if q.matches(&r) {
				if len(page.Reports) == limit {
					end := &page.Reports[limit-1]
					page.Next = report.Place{ReceivedAt: end.ReceivedAt, ID: end.ID}
					return page, nil
				}
				page.Reports = append(page.Reports, r)
			}
			last = report.Place{ReceivedAt: r.ReceivedAt, ID: r.ID}
		}
		if n < size {
			return page, nil
		}
		if read += n; read >= maxReports {
			page.Next, page.Partial = last, true
			return page, nil
		}
	}
}

// drive returns the condition by whose index reports are read: that which is true of few, as far as one can know
// without looking. The others are looked at report by report.
func (q *ReportQuery) drive() (where func(report.Place) string, args func(after report.Place, size int) []any) {
	var is []string
	var values []any
	switch {
	case q.State != "" && q.State != report.StateWorked:
		is, values = append(is, `state <> 'worked' AND state = ?`), append(values, string(q.State)) // the index has no worked ones
	case q.Reporter != "":
		is, values = append(is, `reporter = ?`), append(values, q.Reporter)
	case q.Format != "":
		is, values = append(is, `format = ?`), append(values, q.Format)
	case q.Channel != "":
		is, values = append(is, `channel = ?`), append(values, q.Channel)
	}
	if !q.From.IsZero() {
		is, values = append(is, `received_at >= ?`), append(values, q.From.UnixMicro())
	}
	if !q.To.IsZero() {
		is, values = append(is, `received_at < ?`), append(values, q.To.UnixMicro())
	}
	where = func(after report.Place) string {
		all := is
		if !after.IsZero() {
			all = append(slices.Clone(is), `(received_at, id) < (?, ?)`)
		}
		text := ""
		if len(all) > 0 {
			text = `WHERE ` + strings.Join(all, ` AND `)
		}
		return text + ` ORDER BY received_at DESC, id DESC LIMIT ?`
	}
	args = func(after report.Place, size int) []any {
		all := slices.Clone(values)
		if !after.IsZero() {
			all = append(all, after.ReceivedAt.UnixMicro(), after.ID[:])
		}
		return append(all, size)
	}
	return where, args
}

func (q *ReportQuery) matches(r *Row) bool {
	return (q.Reporter == "" || r.Reporter == q.Reporter) && (q.Channel == "" || r.Channel == q.Channel) &&
		(q.Format == "" || r.Found == q.Format) && (q.State == "" || r.State == q.State)
}

// Contents is a report with what it holds.
type Contents struct {
	Row
	Documents    []DocumentRow // in their order, at most MaxDocuments
	Unattributed bool          // it has events of which nobody can say whose line it was, see EachUnattributed
	Readable     bool          // it is a letter of which Reading returns what can be read
	Verdicts     bool          // what was decided about its events can be proven, see Verdicts
	Assigned     *desk.Assignment
}

// MaxDocuments is how many documents of a report are listed.
const MaxDocuments = 500

// DocumentRow is a document of a report.
type DocumentRow struct {
	Number  int    // inside the report, from 0
	Name    string // personal
	Rows    int64  // the last that was read
	Events  int64
	Repeats int64
	Refused int64 // that still cannot be read
}

// Contents returns a report with what it holds. ErrNoReport says that there is none.
func (db *DB) Contents(ctx context.Context, id report.ID) (Contents, error) {
	row, err := db.Report(ctx, id)
	if err != nil {
		return Contents{}, err
	}
	c := Contents{Row: row}
	if err := db.documents(ctx, &c); err != nil {
		return Contents{}, fmt.Errorf("read what is in report %s: %w", id, plain(err))
	}
	var unattributed, proven, readable sql.NullInt64
	err = db.read.QueryRowContext(ctx, db.dialect.sql(`SELECT
		(SELECT 1 FROM chunks WHERE report = ? AND day = ? AND unattributed IS NOT NULL LIMIT 1),
		(SELECT 1 FROM chunks WHERE report = ? AND day = ? AND verdicts IS NOT NULL LIMIT 1),
		(SELECT 1 FROM letters WHERE report = ?)`), id[:], dayOf(c.ReceivedAt), id[:], dayOf(c.ReceivedAt), id[:]).
		Scan(&unattributed, &proven, &readable)
	if err != nil {
		return Contents{}, fmt.Errorf("read what is in report %s: %w", id, plain(err))
	}
	c.Unattributed, c.Verdicts, c.Readable = unattributed.Valid, proven.Valid, readable.Valid
	a, err := db.Assignment(ctx, id)
	switch {
	case err == nil:
		c.Assigned = &a
	case !errors.Is(err, ErrNoReport):
		return Contents{}, err
	}
	return c, nil
}

// documents reads what the chunks of a report say of its documents.
func (db *DB) documents(ctx context.Context, c *Contents) error {
	rows, err := db.read.QueryContext(ctx, db.dialect.sql(`SELECT document, max(name), max(to_row), sum(events), sum(repeats),
		sum(CASE WHEN generation = ? THEN refused ELSE 0 END)
		FROM chunks WHERE report = ? AND day = ? GROUP BY document ORDER BY document LIMIT ?`),
		c.Generation, c.ID[:], dayOf(c.ReceivedAt), MaxDocuments)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var d DocumentRow
		if err := rows.Scan(&d.Number, &d.Name, &d.Rows, &d.Events, &d.Repeats, &d.Refused); err != nil {
			return err
		}
		c.Documents = append(c.Documents, d)
	}
	return rows.Err()
}
