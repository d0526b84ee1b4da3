// Package database asks a database of the operator's, PostgreSQL or MySQL (MariaDB), what it knows of lines. It only ever
// reads: one connection, in transactions in which the database itself refuses to write, for no longer than a limit. What
// it says in errors has no value of a row and nothing of the way in.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/line/secret"
)

// DB is the database. It connects when it is asked something. One question at a time: others wait.
type DB struct {
	engine  engine
	db      *sql.DB
	zone    *time.Location
	timeout time.Duration
}

// Engine is a kind of database.
type Engine string

// The engines.
const (
	PostgreSQL Engine = "PostgreSQL"
	MySQL      Engine = "MySQL" // and MariaDB
)

// Options are how to ask.
type Options struct {
	URLFile string         // holds the URL
	Zone    *time.Location // of times that the database keeps without a zone; nil is UTC
	Timeout time.Duration  // for one query, with all its rows; at least a second
}

// Open reads the URL. It does not connect.
func Open(o Options) (*DB, error) {
	text, err := secret.Read(o.URLFile)
	if err != nil {
		return nil, err
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	d := &DB{zone: o.Zone, timeout: max(o.Timeout, time.Second)}
	switch scheme, _, _ := strings.Cut(text, "://"); scheme {
	case "postgres", "postgresql":
		d.engine, d.db, err = openPostgres(text)
	case "mysql", "mariadb":
		d.engine, d.db, err = openMySQL(text)
	default:
		err = errURL
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.URLFile, err)
	}
	d.db.SetMaxOpenConns(1)
	d.db.SetConnMaxIdleTime(10 * time.Minute)
	return d, nil
}

var errURL = errors.New("it holds no URL of a database: write postgres://user:password@host/database or mysql://user:password@host/database into it, with % and two hex digits for what is special in the password")

// Engine says what kind it is.
func (d *DB) Engine() Engine { return d.engine.kind() }

// Close ends the connection.
func (d *DB) Close() error { return d.db.Close() }

// engine is what differs.
type engine interface {
	kind() Engine
	// begin makes the connection ready: what is asked in it may only read, and not for longer than the limit.
	begin(ctx context.Context, conn *sql.Conn, zone *time.Location, limit time.Duration) (*sql.Tx, error)
	// mark is the n-th parameter as it stands in the query, counted from 1, and whether one may stand in several places.
	mark(n int, moment bool) (text string, again bool)
	// moments are the parameters of a span.
	moments(from, to time.Time, zone *time.Location) (any, any)
	// moment reads a value of a column of a type, which is a time.
	moment(v any, typ string, zone *time.Location) (line.Moment, error)
	// time reports whether a column of the type is a time; utc that it has no need of a zone.
	time(typ string) (is, utc bool)
	// fault turns an error of the driver into one of ours.
	fault(err error) error
}

// Query is a question. The text has {from}, {to} and {name} where the values are to stand; they go to the database as
// parameters, and are never part of the text.
type Query struct {
	Text     string
	From, To time.Time
	Name     string
}

var place = regexp.MustCompile(`\{[a-z]*\}`)

// Places are the names in braces that stand in a query's text.
func Places(text string) []string {
	var all []string
	for _, p := range place.FindAllString(text, -1) {
		all = append(all, p[1:len(p)-1])
	}
	return all
}

func (d *DB) bind(q Query) (text string, args []any, err error) {
	from, to := d.engine.moments(q.From, q.To, d.zone)
	values := map[string]any{"{from}": from, "{to}": to, "{name}": q.Name}
	marks := map[string]string{}
	text = place.ReplaceAllStringFunc(q.Text, func(p string) string {
		v, ok := values[p]
		if !ok {
			err = &Error{Kind: Wrong, Reason: fmt.Sprintf("the query has %s, which stands for nothing: there are {from}, {to} and {name}", p)}
		}
		if m, ok := marks[p]; ok {
			return m
		}
		args = append(args, v)
		m, again := d.engine.mark(len(args), p != "{name}")
		if again {
			marks[p] = m
		}
		return m
	})
	return text, args, err
}

// Column is a column of an answer.
type Column struct {
	Name string // in small letters
	Time bool   // it holds times
}

// Row is a row of an answer, until the next is read.
type Row struct {
	db     *DB
	types  []string
	values []any
}

// Null reports whether there is no value.
func (r *Row) Null(i int) bool { return r.values[i] == nil }

// Text is a value as text; "" where there is none.
func (r *Row) Text(i int) string {
	switch v := r.values[i].(type) {
	case nil:
		return ""
	case []byte:
		return string(v)
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case time.Time:
		return v.Format(time.RFC3339)
	default:
		return fmt.Sprint(v)
	}
}

// Moment is a value of a column of times; zero where there is none.
func (r *Row) Moment(i int) (line.Moment, error) {
	if r.values[i] == nil {
		return line.Moment{}, nil
	}
	return r.db.engine.moment(r.values[i], r.types[i], r.db.zone)
}

// Read asks, has head judge the columns, and each take row by row, in the order of the answer. Memory does not grow with
// it. An error of theirs ends it and is returned. Any other is an *Error.
func (d *DB) Read(ctx context.Context, q Query, head func([]Column) error, each func(*Row) error) error {
	text, args, err := d.bind(q)
	if err != nil {
		return err
	}
	limit := fmt.Errorf("the answer took longer than %s", d.timeout)
	within, cancel := context.WithTimeoutCause(ctx, d.timeout+d.timeout/4+time.Second, limit) // the database is to say it first
	defer cancel()
	told, err := d.read(within, text, args, head, each)
	switch {
	case err == nil || told:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case within.Err() != nil:
		return &Error{Kind: Slow, Reason: limit.Error()}
	}
	return d.engine.fault(err)
}

// read reports in told that the error is one of head or each.
func (d *DB) read(ctx context.Context, text string, args []any, head func([]Column) error, each func(*Row) error) (told bool, err error) {
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	tx, err := d.engine.begin(ctx, conn, d.zone, d.timeout)
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	rows, err := tx.QueryContext(ctx, text, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return false, err
	}
	row := &Row{db: d, values: make([]any, len(types))}
	into := make([]any, len(types))
	columns := make([]Column, len(types))
	for i, t := range types {
		is, utc := d.engine.time(t.DatabaseTypeName())
		columns[i] = Column{Name: strings.ToLower(t.Name()), Time: is}
		row.types = append(row.types, t.DatabaseTypeName())
		into[i] = &row.values[i]
		if utc && d.zone != time.UTC && d.engine.kind() == MySQL {
			return true, &Error{Kind: Wrong, Reason: fmt.Sprintf("column %s is a TIMESTAMP, which the database gives in UTC: leave zone out", columns[i].Name)}
		}
	}
	if err := head(columns); err != nil {
		return true, err
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return false, err
		}
		if err := each(row); err != nil {
			return true, err
		}
	}
	return false, rows.Err()
}
