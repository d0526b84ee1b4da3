package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
)

// dialect is all that differs between the two engines beside the schema.
type dialect struct {
	name     string
	goose    goose.Dialect
	numbered bool               // parameters are $1, $2, ... instead of ?
	bytes    string             // type of a byte string in CAST
	integer  string             // type of a 64-bit number in CAST
	place    string             // type of a place in a byte string in CAST
	fold     string             // statement that makes folding wait for its turn; empty where there is one writer anyway
	grades   string             // statement that makes changes of grades wait for their turn; empty likewise
	lines    string             // statement that makes new lines wait for their turn; empty likewise
	asking   string             // statement that makes questions of people wait for their turn; empty likewise
	changes  string             // statement that makes notes of changes wait for their turn; empty likewise
	people   string             // statement that makes changes of people wait for their turn; empty likewise
	snapshot sql.IsolationLevel // in which a transaction reads one state
	days     bool               // chunks are partitioned by day
}

var sqlite = dialect{name: "sqlite", goose: goose.DialectSQLite3, bytes: "BLOB", integer: "INTEGER", place: "INTEGER"}

// foldLock is the number of the advisory lock under which one worker at a time folds: two workers that meet the same
// new key must not both make an incident of it.
const foldLock = 0x70c51

// gradesLock likewise for changes of grades: a source that has none yet has no row that could be locked.
const gradesLock = 0x70c52

// linesLock likewise for new lines: two workers that meet the same new name must not both make a line of it.
const linesLock = 0x70c53

// askingLock likewise for questions of people: two at once must not both be the last of a day's budget.
const askingLock = 0x70c55

// changesLock likewise for notes of changes: their numbers grow in the order of commits.
const changesLock = 0x70c56

// peopleLock likewise for changes of people: two at once must not each leave the other as the last admin.
const peopleLock = 0x70c57

var postgres = dialect{
	name: "postgres", snapshot: sql.LevelRepeatableRead, goose: goose.DialectPostgres, numbered: true, bytes: "BYTEA", integer: "BIGINT", place: "INTEGER",
	fold: "SELECT pg_advisory_xact_lock(" + strconv.Itoa(foldLock) + ")", days: true,
	grades:  "SELECT pg_advisory_xact_lock(" + strconv.Itoa(gradesLock) + ")",
	lines:   "SELECT pg_advisory_xact_lock(" + strconv.Itoa(linesLock) + ")",
	changes: "SELECT pg_advisory_xact_lock(" + strconv.Itoa(changesLock) + ")",
	people:  "SELECT pg_advisory_xact_lock(" + strconv.Itoa(peopleLock) + ")",
	asking:  "SELECT pg_advisory_xact_lock(" + strconv.Itoa(askingLock) + ")",
}

// openSQLite opens the database for a node. synchronous=FULL: a commit that returned survives a power cut. The
// checkpoint comes late because each one writes every page changed since the last.
func (db *DB) openSQLite(path string) error {
	db.dialect = sqlite
	var err error
	if db.write, err = sql.Open("sqlite", dsn(path, "journal_mode(wal)", "synchronous(full)", "cache_size(-16384)", "wal_autocheckpoint(16384)", "temp_store(memory)")+"&_txlock=immediate"); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	db.write.SetMaxOpenConns(1)
	// The first connection makes the file, which a reader cannot.
	if err := db.write.Ping(); err != nil { //nolint:noctx // opening is quick and has nothing to wait for
		return fmt.Errorf("open database: %w", plain(err))
	}
	if db.read, err = sql.Open("sqlite", dsn(path, "query_only(1)", "cache_size(-4096)")); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	db.read.SetMaxOpenConns(4)
	return nil
}

// readSQLite opens the database beside a node that runs. On a file system that is mounted read-only SQLite cannot make
// its shared memory; without a write-ahead log to read it needs none, because nobody can be writing there.
func (db *DB) readSQLite(ctx context.Context, path string) error {
	db.dialect = sqlite
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("open database: %w", fs.ErrNotExist)
	}
	source := dsn(path, "query_only(1)", "cache_size(-16384)")
	var err error
	if db.read, err = sql.Open("sqlite", source); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	if db.read.PingContext(ctx) == nil {
		return nil
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		return nil // whoever opened us finds the same fault again, and says it
	}
	if err := db.read.Close(); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	if db.read, err = sql.Open("sqlite", source+"&immutable=1"); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	return nil
}

func dsn(path string, pragmas ...string) string {
	q := url.Values{"_pragma": append([]string{"busy_timeout(10000)", "foreign_keys(1)"}, pragmas...)}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

func (db *DB) openPostgres(u string) error {
	db.dialect = postgres
	var err error
	if db.write, err = sql.Open("pgx", u); err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	db.write.SetMaxOpenConns(12)
	db.read = db.write
	return nil
}

// sql numbers the parameters where the engine wants it.
func (d *dialect) sql(q string) string {
	if !d.numbered {
		return q
	}
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(q, "?") {
		if n > 0 {
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}

// among says that a column has one of some values, numbers or byte strings. PostgreSQL gets them as one array: so the text
// is the same whatever their number, and is planned once.
func among[T int64 | []byte](d *dialect, column string, values []T) (text string, args []any) {
	if d.numbered {
		return column + ` = ANY(?)`, []any{values}
	}
	for _, v := range values {
		args = append(args, v)
	}
	return column + ` IN (` + marks(len(values)) + `)`, args
}

// rows writes n rows of parameters for VALUES. Types, where given, are cast in the first row, from which PostgreSQL
// takes the types of them all.
func (d *dialect) rows(n, columns int, types ...string) string {
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", columns), ",") + ")"
	first := row
	if len(types) > 0 {
		cast := make([]string, len(types))
		for i, t := range types {
			cast[i] = "CAST(? AS " + t + ")"
		}
		first = "(" + strings.Join(cast, ",") + ")"
	}
	return first + strings.Repeat(","+row, n-1)
}

// dayPartition makes room for the chunks of a day.
func (db *DB) dayPartition(ctx context.Context, day int32) error {
	if !db.dialect.days {
		return nil
	}
	q := fmt.Sprintf("CREATE TABLE IF NOT EXISTS chunks_%d PARTITION OF chunks FOR VALUES FROM (%d) TO (%d)", day, day, day+1)
	_, err := db.write.ExecContext(ctx, q)
	return err
}
