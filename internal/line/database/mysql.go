package database

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"tocsin/internal/line"
)

type mysqlEngine struct{}

// openMySQL reads mysql://user:password@host:port/database?socket=/path&tls=off. Where it says nothing of TLS and leads to
// another machine, the server has to prove who it is.
func openMySQL(text string) (engine, *sql.DB, error) {
	u, err := url.Parse(text)
	if err != nil || strings.Trim(u.Path, "/") == "" {
		return nil, nil, errURL // not err: it has the password
	}
	cfg := mysql.NewConfig()
	cfg.User, cfg.DBName = u.User.Username(), strings.Trim(u.Path, "/")
	cfg.Passwd, _ = u.User.Password()
	cfg.Net, cfg.Addr = "tcp", u.Host
	if u.Port() == "" {
		cfg.Addr = net.JoinHostPort(u.Hostname(), "3306")
	}
	host, mode := u.Hostname(), ""
	for key, values := range u.Query() {
		switch key {
		case "socket":
			cfg.Net, cfg.Addr, host = "unix", values[0], ""
		case "tls":
			mode = values[0]
		default:
			return nil, nil, errors.New("the URL has a parameter that is not known: there are socket and tls")
		}
	}
	switch {
	case mode == "off", mode == "" && local(host):
	case mode == "", mode == "verify":
		cfg.TLS = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	default:
		return nil, nil, errors.New("tls in the URL is verify or off")
	}
	cfg.Timeout, cfg.Logger = 10*time.Second, &mysql.NopLogger{}
	cfg.Params = map[string]string{"time_zone": "'+00:00'"} // of TIMESTAMP; DATETIME has none
	c, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, nil, errURL
	}
	return mysqlEngine{}, sql.OpenDB(c), nil
}

func (mysqlEngine) kind() Engine { return MySQL }

func (mysqlEngine) begin(ctx context.Context, conn *sql.Conn, _ *time.Location, limit time.Duration) (*sql.Tx, error) {
	var version string
	if err := conn.QueryRowContext(ctx, `SELECT VERSION()`).Scan(&version); err != nil {
		return nil, err
	}
	statement := fmt.Sprintf(`SET SESSION max_execution_time = %d`, limit.Milliseconds())
	if strings.Contains(version, "MariaDB") {
		statement = fmt.Sprintf(`SET SESSION max_statement_time = %.3f`, limit.Seconds())
	}
	// A statement that ends the transaction by itself begins another, which may not write either.
	for _, s := range []string{statement, `SET SESSION TRANSACTION READ ONLY`} {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			return nil, err
		}
	}
	return conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
}

func (mysqlEngine) mark(_ int, moment bool) (string, bool) {
	if moment {
		return "CAST(? AS DATETIME)", false
	}
	return "?", false
}

// moments are what the clock showed between two instants: where it was put back in between, it showed more.
func (mysqlEngine) moments(from, to time.Time, zone *time.Location) (any, any) {
	_, a := from.In(zone).Zone()
	_, b := to.In(zone).Zone()
	at := func(t time.Time, offset int) string {
		return t.UTC().Add(time.Duration(offset) * time.Second).Format(wallClock)
	}
	return at(from, min(a, b)), at(to, max(a, b))
}

func (mysqlEngine) time(typ string) (is, utc bool) {
	return typ == "TIMESTAMP" || typ == "DATETIME", typ == "TIMESTAMP"
}

func (mysqlEngine) moment(v any, typ string, zone *time.Location) (line.Moment, error) {
	b, ok := v.([]byte)
	if !ok {
		return line.Moment{}, errors.New("is no time")
	}
	text, _, _ := strings.Cut(string(b), ".")
	if strings.HasPrefix(text, "0000-00-00") { // as older servers write that there is none
		return line.Moment{}, nil
	}
	if typ == "TIMESTAMP" {
		zone = time.UTC
	}
	return wall(text, zone)
}

const wallClock = "2006-01-02 15:04:05"

// wall is the moment of a time without a zone.
func wall(text string, zone *time.Location) (line.Moment, error) {
	at, err := time.ParseInLocation(wallClock, text, zone)
	if err != nil {
		return line.Moment{}, errors.New("is no time")
	}
	return line.Local(at, wallClock, text)
}

// Numbers of MySQL's errors.
const (
	badField, noTable, badSyntax   = 1054, 1146, 1064
	noGrant, noColumnGrant         = 1142, 1143
	noAccess, noPassword, noSchema = 1044, 1045, 1049
	readOnly                       = 1792
	tooLong, tooLongMaria          = 3024, 1969
	interrupted, serverGoes        = 1317, 1053
)

func (mysqlEngine) fault(err error) error {
	my, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok {
		if unreachable(err) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) {
			return errAway
		}
		return &Error{Failed, "the database could not answer: its connection broke, or a value is of an odd kind"}
	}
	switch my.Number {
	case badField, noTable, badSyntax:
		return wrong(my.Message)
	case noGrant, noColumnGrant:
		return &Error{Refused, "the database does not let its user read what the query names: GRANT SELECT on it"} // its own words name the user
	case noAccess, noPassword, noSchema:
		return errDoor
	case readOnly:
		return errWrites
	case tooLong, tooLongMaria, interrupted:
		return errSlow
	case serverGoes:
		return errAway
	}
	return &Error{Failed, fmt.Sprintf("the database could not answer: it said error %d", my.Number)}
}
