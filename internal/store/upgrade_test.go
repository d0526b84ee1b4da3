package store_test

import (
	"bytes"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"tocsin/internal/evidence"
	"tocsin/internal/evidence/evidencetest"
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
		{
			`INSERT INTO chunks (report, generation, seq, day, document, name, from_row, to_row, events, repeats, refused)
			VALUES ($1, 0, 1, 20000, 0, '', 1, 9, 9, 0, 0)`, []any{make([]byte, 16)},
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
	logsOldChunk(t, cfg, dir)
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

// logsOldChunk checks that a chunk from before there was a log gets its entry, once, which says that it has no verdicts.
func logsOldChunk(t *testing.T, cfg store.Config, dir string) {
	t.Helper()
	db, err := store.Open(t.Context(), cfg, dir, incident.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var log evidencetest.Log
	for range 3 { // started anew each time
		w := evidence.NewWriter(&log, db.Log(), db.Log(), "w", time.Now, slog.New(slog.DiscardHandler), nil)
		if _, err := w.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if log.Size() != 1 {
		t.Errorf("the log has %d entries, want 1", log.Size())
	}
	for e := range log.Entries(t.Context(), 0, log.Size()) {
		if !bytes.Contains(e, []byte(`"events":"9","repeats":"0","refused":"0","verdicts":"none"`)) {
			t.Errorf("%s", e)
		}
	}
}
