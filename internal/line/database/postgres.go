package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"tocsin/internal/line"
)

type postgres struct{}

// openPostgres takes libpq's parameters. Where the URL says nothing of TLS and leads to another machine, the server has to
// prove who it is.
func openPostgres(text string) (engine, *sql.DB, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, nil, errURL // not err: it has the password
	}
	q := u.Query()
	host := u.Hostname()
	if h := q.Get("host"); h != "" {
		host = h
	}
	if q.Get("sslmode") == "" && !local(host) {
		q.Set("sslmode", "verify-full")
		u.RawQuery = q.Encode()
	}
	cfg, err := pgx.ParseConfig(u.String())
	if err != nil {
		return nil, nil, errURL
	}
	// No prepared statements that outlive a transaction: a pooler may stand in between.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	cfg.RuntimeParams["application_name"] = "tocsin"
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 10 * time.Second
	}
	return postgres{}, stdlib.OpenDB(*cfg), nil
}

func (postgres) kind() Engine { return PostgreSQL }

func (postgres) begin(ctx context.Context, conn *sql.Conn, zone *time.Location, limit time.Duration) (*sql.Tx, error) {
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	// For this transaction only: what the database keeps without a zone, it compares with our times in this one.
	if _, err := tx.ExecContext(ctx, `SELECT set_config('timezone', $1, true), set_config('statement_timeout', $2, true)`,
		zone.String(), strconv.FormatInt(limit.Milliseconds(), 10)); err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return tx, nil
}

func (postgres) mark(n int, moment bool) (string, bool) {
	if moment {
		return fmt.Sprintf("CAST($%d AS timestamptz)", n), true
	}
	return fmt.Sprintf("$%d", n), true
}

func (postgres) moments(from, to time.Time, _ *time.Location) (any, any) { return from, to }

func (postgres) time(typ string) (is, utc bool) {
	return typ == "TIMESTAMPTZ" || typ == "TIMESTAMP", typ == "TIMESTAMPTZ"
}

func (postgres) moment(v any, typ string, zone *time.Location) (line.Moment, error) {
	at, ok := v.(time.Time)
	if !ok {
		return line.Moment{}, errors.New("is no time")
	}
	if typ == "TIMESTAMPTZ" {
		return line.At(at), nil
	}
	return wall(at.Format(wallClock), zone)
}

func (postgres) fault(err error) error {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	switch {
	case ok && (strings.HasPrefix(pg.Code, "28") || pg.Code == "3D000"): // invalid authorization, no such database
		return errDoor
	case ok && pg.Code == "25006": // read-only transaction
		return errWrites
	case ok && pg.Code == "57014": // cancelled, by the statement's timeout
		return errSlow
	case ok && pg.Code == "42501": // permission
		return &Error{Refused, "the database does not let its user read that: " + pg.Message}
	case ok && strings.HasPrefix(pg.Code, "42"): // syntax or access rule: of the text, before any row is read
		return wrong(pg.Message)
	case connecting || unreachable(err) || errors.Is(err, driver.ErrBadConn) || ok && (strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "57P")):
		return errAway
	case ok:
		return &Error{Failed, "the database could not answer: it said SQLSTATE " + pg.Code}
	}
	return &Error{Failed, "the database could not answer: its connection broke, or a value is of an odd kind"}
}
