package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// ErrOlder says that the database has an older schema than this program reads.
var ErrOlder = errors.New("the database was left by an older Tocsin: start the node, which brings it up to date within moments")

func (db *DB) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations/"+db.dialect.name)
	if err != nil {
		return fmt.Errorf("bring the schema up to date: %w", plain(err))
	}
	p, err := goose.NewProvider(db.dialect.goose, db.write, files)
	if err != nil {
		return fmt.Errorf("bring the schema up to date: %w", plain(err))
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema up to date: %w", plain(err))
	}
	return db.placeAll(ctx)
}

// current checks for one who only reads that the schema is there and up to date. A newer one can be read: what is added
// is added beside what was there.
func (db *DB) current(ctx context.Context) error {
	files, err := migrations.ReadDir("migrations/" + db.dialect.name)
	if err != nil {
		return err
	}
	var there bool
	exists := `SELECT count(*) > 0 FROM sqlite_master WHERE name = 'goose_db_version'`
	if db.dialect.numbered {
		exists = `SELECT to_regclass('goose_db_version') IS NOT NULL`
	}
	if err := db.read.QueryRowContext(ctx, exists).Scan(&there); err != nil {
		return plain(err)
	}
	version := 0
	if there {
		if err := db.read.QueryRowContext(ctx, `SELECT COALESCE(max(version_id), 0) FROM goose_db_version`).Scan(&version); err != nil {
			return plain(err)
		}
	}
	switch {
	case version == 0: // the node that makes it has just begun
		return fs.ErrNotExist
	case version < len(files):
		return ErrOlder
	}
	return nil
}
