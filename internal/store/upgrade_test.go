package store_test

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"tocsin/internal/incident"
	"tocsin/internal/postgrestest"
	"tocsin/internal/store"
	"tocsin/internal/store/storetest"
)

// TestUpgrade brings a database of every older schema up to date: what it knew of its feeds stays, and none of them
// counts as silent because nobody noted when it delivered.
func TestUpgrade(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		upgrade(t, "sqlite", filepath.Join(dir, "tocsin.db"), goose.DialectSQLite3, store.Config{}, dir)
	})
	t.Run("postgres", func(t *testing.T) {
		url := postgrestest.New(t)
		upgrade(t, "pgx", url, goose.DialectPostgres, store.Config{URL: url}, "")
	})
}

func upgrade(t *testing.T, driver, source string, dialect goose.Dialect, cfg store.Config, dir string) {
	t.Helper()
	old, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	folder := "sqlite"
	if cfg.URL != "" {
		folder = "postgres"
	}
	p, err := goose.NewProvider(dialect, old, os.DirFS(filepath.Join("migrations", folder)))
	if err != nil {
		t.Fatal(err)
	}
	reads := func(want error) {
		t.Helper()
		db, err := store.OpenReader(t.Context(), cfg, dir, incident.Defaults())
		if !errors.Is(err, want) {
			t.Errorf("a reader is told %v, want %v", err, want)
		}
		if err == nil {
			_ = db.Close()
		}
	}
	if err := old.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	reads(fs.ErrNotExist) // it was just made
	if _, err := p.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	reads(store.ErrOlder)
	seen, received := storetest.Start.AddDate(-1, 0, 0), storetest.Start
	for _, q := range []struct {
		text string
		args []any
	}{
		{`INSERT INTO names (name) VALUES ('test/telnet')`, nil},
		{`INSERT INTO watermarks (feed, network, newest) VALUES (1, 'own', $1)`, []any{seen.UnixMicro()}},
		{
			`INSERT INTO reports (id, channel, reporter, received_at, name, named, format, sha256, size, tlp, state, exercise,
			generation, documents, events, repeats, refused)
			VALUES ($1, '', 'north', $2, '', '', 'test', $3, 1, 0, 'worked', 0, 0, 1, 1, 0, 0)`,
			[]any{make([]byte, 16), received.UnixMicro(), make([]byte, 32)},
		},
	} {
		if _, err := old.ExecContext(t.Context(), q.text, q.args...); err != nil {
			t.Fatal(err)
		}
	}
	marks := func() incident.Watermarks {
		db, err := store.Open(t.Context(), cfg, dir, incident.Defaults())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		marks, err := db.Watermarks(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return marks
	}
	own := incident.Watermark{Feed: "test/telnet", Network: "own"}
	want := incident.Watermarks{own: {Newest: seen, Delivered: received}}
	if diff := cmp.Diff(want, marks()); diff != "" {
		t.Errorf("after the upgrade (-want +got):\n%s", diff)
	}
	// The old program goes on for a while: it notes no delivery, and what it writes proves no silence.
	if _, err := old.ExecContext(t.Context(), `INSERT INTO watermarks (feed, network, newest) VALUES (1, 'partner:north', $1)`, seen.UnixMicro()); err != nil {
		t.Fatal(err)
	}
	want[incident.Watermark{Feed: "test/telnet", Network: "partner:north"}] = incident.Mark{Newest: seen, Delivered: time.Time{}}
	if diff := cmp.Diff(want, marks()); diff != "" {
		t.Errorf("after the old program wrote (-want +got):\n%s", diff)
	}
}
