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

// plain turns what an engine says about the disk into a sentence for the operator, and what it says about the data
// into desk.ErrPoison.
func plain(err error) error {
	if err == nil || errors.Is(err, ErrFull) || errors.Is(err, ErrReadOnly) || errors.Is(err, ErrDamaged) || errors.Is(err, desk.ErrPoison) {
		return err
	}
	if known := sentinel(err); known != nil {
		return fmt.Errorf("%w (%w)", known, err)
	}
	return err
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
		}
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
