package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tocsin/internal/desk"
	"tocsin/internal/intake"
	"tocsin/internal/report"
)

const gradeColumns = `source, set_reliability, set_credibility, pinned, set_at, who, reason, reliability, was, moved_at,
	confirmed, refuted, neither`

func scanGrade(scan func(...any) error) (intake.Graded, error) {
	var g intake.Graded
	var set, credibility, now, was uint8
	var pinned, setAt, moved int64
	err := scan(&g.Source, &set, &credibility, &pinned, &setAt, &g.Who, &g.Reason, &now, &was, &moved,
		&g.Record.Confirmed, &g.Record.Refuted, &g.Record.Neither)
	if err != nil {
		return g, err
	}
	g.Grade = report.Grade{Reliability: report.Reliability(set), Credibility: report.Credibility(credibility)}
	g.Pinned, g.Reliability, g.Was = pinned != 0, report.Reliability(now), report.Reliability(was)
	g.SetAt, g.Moved = moment(setAt), moment(moved)
	return g, nil
}

// moment is the time that a column holds: 0 is none.
func moment(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Grades returns the sources that have a grade of their own, by name: the others are F6.
func (db *DB) Grades(ctx context.Context) ([]intake.Graded, error) {
	rows, err := db.read.QueryContext(ctx, `SELECT `+gradeColumns+` FROM source_grades`)
	if err != nil {
		return nil, fmt.Errorf("read the sources' grades: %w", plain(err))
	}
	defer rows.Close()
	var all []intake.Graded
	for rows.Next() {
		g, err := scanGrade(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("read the sources' grades: %w", plain(err))
		}
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b intake.Graded) int { return strings.Compare(a.Source, b.Source) })
	return all, rows.Err()
}

// grade returns a source's grade in a transaction; one that it does not have is F6.
func (db *DB) grade(ctx context.Context, tx *sql.Tx, source string) (intake.Graded, error) {
	g, err := scanGrade(tx.QueryRowContext(ctx, db.dialect.sql(`SELECT `+gradeColumns+` FROM source_grades WHERE source = ?`), source).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return intake.Graded{Source: source}, nil
	}
	return g, err
}

func (db *DB) putGrade(ctx context.Context, tx *sql.Tx, g *intake.Graded) error {
	_, err := tx.ExecContext(ctx, db.dialect.sql(`INSERT INTO source_grades (`+gradeColumns+`) VALUES `+db.dialect.rows(1, 13)+`
		ON CONFLICT (source) DO UPDATE SET set_reliability = excluded.set_reliability,
		set_credibility = excluded.set_credibility, pinned = excluded.pinned, set_at = excluded.set_at,
		who = excluded.who, reason = excluded.reason, reliability = excluded.reliability, was = excluded.was,
		moved_at = excluded.moved_at, confirmed = excluded.confirmed, refuted = excluded.refuted, neither = excluded.neither`),
		g.Source, int(g.Grade.Reliability), int(g.Grade.Credibility), number(g.Pinned), micros(g.SetAt), g.Who, g.Reason,
		int(g.Reliability), int(g.Was), micros(g.Moved), g.Record.Confirmed, g.Record.Refuted, g.Record.Neither)
	return err
}

// lockGrades makes changes of grades wait for each other, where there may be several writers.
func (db *DB) lockGrades(ctx context.Context, tx *sql.Tx) error {
	if db.dialect.grades == "" {
		return nil
	}
	_, err := tx.ExecContext(ctx, db.dialect.grades)
	return err
}

// SetGrade gives a source the grade that a person sets. It goes before the config's, and outcomes move it from there
// unless it is pinned.
func (db *DB) SetGrade(ctx context.Context, s intake.Setting) error {
	if err := s.Validate(); err != nil {
		return err
	}
	err := db.tx(ctx, func(tx *sql.Tx) error {
		if err := db.lockGrades(ctx, tx); err != nil {
			return err
		}
		g, err := db.grade(ctx, tx, s.Source)
		if err != nil {
			return err
		}
		set(&g, s.Start, s.Who, s.Reason, s.At)
		return db.putGrade(ctx, tx, &g)
	})
	if err != nil {
		return fmt.Errorf("set the grade of %s: %w", s.Source, plain(err))
	}
	return nil
}

// set makes a grade begin anew where it is set; its record stays.
func set(g *intake.Graded, start intake.Start, who, reason string, at time.Time) {
	g.Start, g.Who, g.Reason, g.SetAt = start, who, reason, at.UTC().Truncate(time.Microsecond)
	g.Reliability, g.Was, g.Moved = start.Grade.Reliability, report.ReliabilityF, time.Time{}
}

// UnsetGrade gives a source back to the config, with the grade that this sets, or none. ErrNotSet says that no person
// had set it.
func (db *DB) UnsetGrade(ctx context.Context, source string, config intake.Start, now time.Time) error {
	err := db.tx(ctx, func(tx *sql.Tx) error {
		if err := db.lockGrades(ctx, tx); err != nil {
			return err
		}
		g, err := db.grade(ctx, tx, source)
		if err != nil {
			return err
		}
		if g.Who == "" {
			return ErrNotSet
		}
		setByConfig(&g, config, now)
		return db.putGrade(ctx, tx, &g)
	})
	if err != nil && !errors.Is(err, ErrNotSet) {
		err = fmt.Errorf("give the grade of %s back to the config: %w", source, plain(err))
	}
	return err
}

// ErrNotSet says that a source's grade was set by no person.
var ErrNotSet = errors.New("nobody has set this source's grade")

func setByConfig(g *intake.Graded, config intake.Start, now time.Time) {
	set(g, config, "", "", now)
	if config == (intake.Start{}) {
		g.SetAt = time.Time{}
	}
}

// StartGrades keeps the grades that the config sets: see intake.GradeStore.
func (db *DB) StartGrades(ctx context.Context, config map[string]intake.Start, now time.Time) error {
	err := db.tx(ctx, func(tx *sql.Tx) error {
		if err := db.lockGrades(ctx, tx); err != nil {
			return err
		}
		names, err := db.setByConfig(ctx, tx)
		if err != nil {
			return err
		}
		names = append(names, slices.Collect(maps.Keys(config))...)
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			g, err := db.grade(ctx, tx, name)
			if err != nil {
				return err
			}
			if start := config[name]; g.Who == "" && g.Start != start {
				setByConfig(&g, start, now)
				if err := db.putGrade(ctx, tx, &g); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep the grades of intake.sources: %w", plain(err))
	}
	return nil
}

func (db *DB) setByConfig(ctx context.Context, tx *sql.Tx) ([]string, error) {
	rows, err := tx.QueryContext(ctx, `SELECT source FROM source_grades WHERE who = '' AND set_at <> 0`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var n string
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		names = append(names, n)
	}
	return names, rows.Err()
}

// Regrade keeps what a judgement found: see intake.GradeStore.
func (db *DB) Regrade(ctx context.Context, was, now intake.Graded) (kept bool, err error) {
	err = db.tx(ctx, func(tx *sql.Tx) error {
		if err := db.lockGrades(ctx, tx); err != nil {
			return err
		}
		have, err := db.grade(ctx, tx, was.Source)
		if err != nil || have != was {
			return err
		}
		kept = true
		now.Moved = now.Moved.UTC().Truncate(time.Microsecond)
		return db.putGrade(ctx, tx, &now)
	})
	if err != nil {
		return false, fmt.Errorf("keep the grade of %s: %w", was.Source, plain(err))
	}
	return kept, nil
}

// noteFeeds notes when a source delivered each of its feeds.
func (db *DB) noteFeeds(ctx context.Context, tx *sql.Tx, chunks []*desk.Chunk) error {
	type delivery struct {
		source string
		feed   int32
	}
	latest := map[delivery]int64{}
	for _, c := range chunks {
		for _, n := range c.Newest {
			d := delivery{c.Report.Reporter, n.Feed}
			latest[d] = max(latest[d], c.Report.ReceivedAt.UnixMicro())
		}
	}
	order := slices.SortedFunc(maps.Keys(latest), func(a, b delivery) int {
		if a.source != b.source {
			return strings.Compare(a.source, b.source)
		}
		return int(a.feed) - int(b.feed)
	})
	q := db.dialect.sql(`INSERT INTO source_feeds (source, feed, delivered) VALUES (?, ?, ?)
		ON CONFLICT (source, feed) DO UPDATE SET delivered = excluded.delivered WHERE excluded.delivered > source_feeds.delivered`)
	for _, d := range order {
		if _, err := tx.ExecContext(ctx, q, d.source, d.feed, latest[d]); err != nil {
			return fmt.Errorf("note the delivery of a feed: %w", err)
		}
	}
	return nil
}
