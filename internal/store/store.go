// Package store keeps what is known: reports, chunks of events, incidents. One text of SQL serves SQLite, embedded, and
// PostgreSQL, when the node has outgrown it; where they differ, dialect.go says how. An exported method is one
// transaction.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// Config says where the database is.
type Config struct {
	// URL of a PostgreSQL database, postgres://user@host/database: make it empty, Tocsin makes its tables.
	// Left out, the database is SQLite in the data directory, which needs nothing else. A password is better kept in
	// ~/.pgpass, or in the file that PGPASSFILE names, than here.
	URL string `yaml:"url"`
}

// Validate reports every broken rule at once.
func (c *Config) Validate() error {
	if c.URL != "" && !strings.HasPrefix(c.URL, "postgres://") && !strings.HasPrefix(c.URL, "postgresql://") {
		return &report.FieldError{Field: "store.url", Rule: "write postgres://user@host/database, or leave it out for SQLite in the data directory"}
	}
	return nil
}

// DB is an open database. Its methods may be called by several goroutines.
type DB struct {
	write   *sql.DB // SQLite: one connection
	read    *sql.DB
	dialect dialect
	windows *incident.Config
	writes  statements // of write
	reads   statements // of read
	copies  copies

	mu    sync.Mutex
	names map[string]int32 // committed numbers of names; mu
}

// Open opens or makes the database: the one that cfg names, or SQLite in dir. The schema is brought up to date.
func Open(ctx context.Context, cfg Config, dir string, episodes incident.Config) (*DB, error) {
	db := &DB{windows: &episodes, names: map[string]int32{}}
	var err error
	if cfg.URL == "" {
		err = db.openSQLite(filepath.Join(dir, "tocsin.db"))
	} else {
		err = db.openPostgres(cfg.URL)
	}
	if err != nil {
		return nil, err
	}
	if err := db.migrate(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// OpenReader opens the SQLite database in dir, or the PostgreSQL database that cfg names, for reading beside a node
// that runs. fs.ErrNotExist says that there is none yet, and ErrOlder that it was left by an older Tocsin.
func OpenReader(ctx context.Context, cfg Config, dir string, episodes incident.Config) (*DB, error) {
	db := &DB{windows: &episodes, names: map[string]int32{}}
	var err error
	if cfg.URL == "" {
		err = db.readSQLite(ctx, filepath.Join(dir, "tocsin.db"))
	} else {
		err = db.openPostgres(cfg.URL)
	}
	if err != nil {
		return nil, err
	}
	if err := db.read.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", plain(err)), db.Close())
	}
	if err := db.current(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", err), db.Close())
	}
	return db, nil
}

// Close closes the database; what was committed stays.
func (db *DB) Close() error {
	var errs []error
	db.writes.close()
	db.reads.close()
	if db.read != nil {
		errs = append(errs, db.read.Close())
	}
	if db.write != nil && db.write != db.read {
		errs = append(errs, db.write.Close())
	}
	return errors.Join(errs...)
}

// Ready reports whether the database answers.
func (db *DB) Ready(ctx context.Context) error {
	var one int
	if err := db.read.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("ask the database: %w", plain(err))
	}
	return nil
}

// tx runs f in one transaction on the writing connection.
func (db *DB) tx(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", plain(err))
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // what led here says more, and a full disk has undone it already
		return plain(err)
	}
	if err := tx.Commit(); err != nil {
		_ = tx.Rollback() // likewise
		return fmt.Errorf("commit: %w", plain(err))
	}
	return nil
}
