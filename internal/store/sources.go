package store

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"tocsin/internal/intake"
	"tocsin/internal/report"
)

// Source is one reporter, with what came from it.
type Source struct {
	Name         string
	Reports      int64
	Events       int64
	Last         time.Time                     // when its newest report came in; zero: none did
	Authenticity map[report.Authenticity]int64 // reports
	Feeds        []Feed                        // by name
	Grade        intake.Graded
}

// Feed is one feed of a source.
type Feed struct {
	Name      string    // format/feed
	Delivered time.Time // when the newest report with an event of it came in
}

// Sources yields every reporter, by name as the database orders it, and then those that have a grade and sent nothing.
func (db *DB) Sources(ctx context.Context) iter.Seq2[Source, error] {
	return func(yield func(Source, error) bool) {
		if err := db.eachSource(ctx, func(s Source) bool { return yield(s, nil) }); err != nil {
			yield(Source{}, fmt.Errorf("list the sources: %w", plain(err)))
		}
	}
}

func (db *DB) eachSource(ctx context.Context, yield func(Source) bool) error {
	grades, err := db.Grades(ctx)
	if err != nil {
		return err
	}
	feeds, err := db.feeds(ctx)
	if err != nil {
		return err
	}
	graded := map[string]intake.Graded{}
	for _, g := range grades {
		graded[g.Source] = g
	}
	whole := func(s Source) Source {
		s.Feeds = feeds[s.Name]
		if g, ok := graded[s.Name]; ok {
			s.Grade = g
			delete(graded, s.Name)
		}
		s.Grade.Source = s.Name
		return s
	}
	rows, err := db.read.QueryContext(ctx, `SELECT reporter, authenticity, count(*), CAST(sum(events) AS BIGINT), max(received_at)
		FROM reports GROUP BY reporter, authenticity ORDER BY reporter, authenticity`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var s Source
	for rows.Next() {
		var name string
		var a report.Authenticity
		var reports, events, last int64
		if err := rows.Scan(&name, &a, &reports, &events, &last); err != nil {
			return err
		}
		if s.Authenticity == nil || name != s.Name {
			if s.Authenticity != nil && !yield(whole(s)) {
				return nil
			}
			s = Source{Name: name, Authenticity: map[report.Authenticity]int64{}}
		}
		s.Reports, s.Events = s.Reports+reports, s.Events+events
		s.Authenticity[a] += reports
		if at := moment(last); at.After(s.Last) {
			s.Last = at
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if s.Authenticity != nil && !yield(whole(s)) {
		return nil
	}
	for _, g := range grades {
		if _, left := graded[g.Source]; left && !yield(whole(Source{Name: g.Source})) {
			return nil
		}
	}
	return nil
}

// feeds returns every source's feeds by name.
func (db *DB) feeds(ctx context.Context) (map[string][]Feed, error) {
	rows, err := db.read.QueryContext(ctx, `SELECT f.source, n.name, f.delivered FROM source_feeds f JOIN names n ON n.id = f.feed`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string][]Feed{}
	for rows.Next() {
		var source string
		var f Feed
		var delivered int64
		if err := rows.Scan(&source, &f.Name, &delivered); err != nil {
			return nil, err
		}
		f.Delivered = moment(delivered)
		all[source] = append(all[source], f)
	}
	for _, of := range all {
		slices.SortFunc(of, func(a, b Feed) int { return strings.Compare(a.Name, b.Name) })
	}
	return all, rows.Err()
}

// HasReports reports whether anything came from a reporter.
func (db *DB) HasReports(ctx context.Context, reporter string) (bool, error) {
	var n int
	err := db.read.QueryRowContext(ctx, db.dialect.sql(`SELECT count(*) FROM (SELECT 1 FROM reports WHERE reporter = ? LIMIT 1) one`), reporter).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("ask for reports of a source: %w", plain(err))
	}
	return n > 0, nil
}
