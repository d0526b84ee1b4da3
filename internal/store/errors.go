package store

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"tocsin/internal/desk"
)

// ErrFull says that the disk of the database is full. Nothing of the transaction was kept, and nothing before is lost.
var ErrFull = errors.New("the disk that holds the database is full: free some space")

// ErrReadOnly says that the database cannot be written.
var ErrReadOnly = errors.New("the database cannot be written: check the owner and the mount of the data directory")

// ErrDamaged says that the file of the database is not what was written.
var ErrDamaged = errors.New("the database is damaged: check the disk, and put back a backup of the data directory; until then every original is safe in the stream")

// ErrUnreachable says that PostgreSQL does not answer.
var ErrUnreachable = errors.New("the PostgreSQL database of store.url cannot be reached: check the address and that it runs")

// plain turns what an engine says about the disk into a sentence for the operator, and what it says about the data
// into desk.ErrPoison.
func plain(err error) error {
	if err == nil || errors.Is(err, ErrFull) || errors.Is(err, ErrReadOnly) || errors.Is(err, ErrDamaged) || errors.Is(err, ErrUnreachable) || errors.Is(err, desk.ErrPoison) {
		return err
	}
	switch known := sentinel(err); {
	case known == nil:
		return err
	case errors.Is(known, desk.ErrPoison): // which value it is, only the engine says
		return fmt.Errorf("%w (%w)", known, err)
	default:
		return &worded{known, err}
	}
}

// worded is a sentence of ours for what an engine said.
type worded struct{ known, cause error }

// Error is our sentence alone: the engine's is for whoever reads its manual.
func (w *worded) Error() string { return w.known.Error() }

// Unwrap gives both.
func (w *worded) Unwrap() []error { return []error{w.known, w.cause} }

// refusedEntry reports whether PostgreSQL answered and did not let us in, for good.
func refusedEntry(pg *pgconn.PgError, err error) bool {
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	return connecting && (strings.HasPrefix(pg.Code, "28") || pg.Code == "3D000") // invalid authorization, no such database
}

// sentinel is the error of this room that an engine's error means; nil when it is one to try again.
func sentinel(err error) error {
	// PostgreSQL, Appendix A. Constraints are not among what refuses data: two nodes that make the same partition at the
	// same time meet one.
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case pg.Code == "53100": // disk_full
			return ErrFull
		case pg.Code == "25006": // read_only_sql_transaction
			return ErrReadOnly
		case pg.Code == "XX001", pg.Code == "XX002": // data_corrupted, index_corrupted
			return ErrDamaged
		case strings.HasPrefix(pg.Code, "22"), strings.HasPrefix(pg.Code, "54"): // data exception, program limit
			return desk.ErrPoison
		case refusedEntry(pg, err):
			return fmt.Errorf("PostgreSQL lets nobody in by store.url: %s: check its user, password and database", pg.Message)
		}
	} else if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return ErrUnreachable
	}
	lite, ok := errors.AsType[*driver.Error](err)
	if !ok {
		return nil
	}
	switch code := lite.Code(); code & 0xff { // the rest says more: sqlite.org/rescode.html
	case sqlite3.SQLITE_FULL:
		return ErrFull
	case sqlite3.SQLITE_IOERR:
		if code == sqlite3.SQLITE_IOERR_SHMSIZE {
			return ErrFull // of the file beside the database: its space is taken before it is mapped
		}
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return ErrReadOnly
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return ErrDamaged
	case sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH:
		return desk.ErrPoison
	}
	return nil
}
