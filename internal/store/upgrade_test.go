package store_test

import (
	"bytes"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/zstd"
	"github.com/pressly/goose/v3"

	"tocsin/internal/evidence"
	"tocsin/internal/evidence/evidencetest"
	"tocsin/internal/incident"
	"tocsin/internal/postgrestest"
	"tocsin/internal/report"
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
	before := oldIncidents(t, old, "198.51.100.1")
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
	searchable(t, cfg, dir, old, before)
	// The old program goes on for a while: it notes no delivery, and what it writes proves no silence.
	if _, err := old.ExecContext(t.Context(), `INSERT INTO watermarks (feed, network, newest) VALUES (1, 'partner:north', $1)`, seen.UnixMicro()); err != nil {
		t.Fatal(err)
	}
	want[incident.Watermark{Feed: "test/telnet", Network: "partner:north"}] = incident.Mark{Newest: seen, Delivered: time.Time{}}
	if diff := cmp.Diff(want, marks()); diff != "" {
		t.Errorf("after the old program wrote (-want +got):\n%s", diff)
	}
}

// logsOldChunk checks that chunks from before there was a log get their entries, once, which say that they have no verdicts.
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
	if log.Size() != 2 {
		t.Errorf("the log has %d entries, want 2", log.Size())
	}
	for e := range log.Entries(t.Context(), 0, log.Size()) {
		if !bytes.Contains(e, []byte(`"events":"9","repeats":"0","refused":"0","verdicts":"none"`)) && !bytes.Contains(e, []byte(`"events":"2","repeats":"0","refused":"0","verdicts":"none"`)) {
			t.Errorf("%s", e)
		}
	}
}

// oldIncidents writes what a tocsin did that knew of no search: an incident of an address, and one of a line that was seen
// there as well. It returns their ids.
func oldIncidents(t *testing.T, old *sql.DB, addr string) [2]report.ID {
	t.Helper()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	var chunk int64
	body := enc.EncodeAll([]byte(`{"row":1,"class":"other","type":"other","from":"2026-03-01T00:00:00Z","subject":{"addr":"203.0.113.9"}}
{"row":2,"class":"other","type":"other","from":"2026-03-01T00:00:00Z","subject":{"addr":"`+addr+`"}}
`), nil)
	if err := old.QueryRowContext(t.Context(), `INSERT INTO chunks (report, generation, seq, day, document, name, from_row, to_row, events, repeats, refused, body)
		VALUES ($1, 1, $2, 20000, 0, '', 1, 2, 2, 0, 0, $3) RETURNING id`, make([]byte, 16), time.Now().UnixNano(), body).Scan(&chunk); err != nil {
		t.Fatal(err)
	}
	var ids [2]report.ID
	for i := range ids {
		ids[i] = report.NewID(storetest.Start)
		e := incident.Episode{Events: 1, Marks: incident.Marks{Days: []int32{20000}}, Links: incident.Links(nil).Append(chunk, 1, 1)}
		party, subject := report.PartyOwn, addr
		if i == 1 {
			party, subject = report.PartyLine("abc"), ""
		}
		if _, err := old.ExecContext(t.Context(), `INSERT INTO incidents (key, id, party, subject, class, type, tag, state, last_seen, updated, episode)
			VALUES ($1, $2, $3, $4, 'other', 'other', '', 0, $5, $5, $6)`, ids[i][:], ids[i][:], string(party), subject,
			storetest.Start.UnixMicro(), e.AppendBinary(nil)); err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

// searchable checks that what was there before is found, and after a sweep also what an old program did meanwhile.
func searchable(t *testing.T, cfg store.Config, dir string, old *sql.DB, before [2]report.ID) {
	t.Helper()
	db, err := store.Open(t.Context(), cfg, dir, incident.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	found := func(q incident.Query, want ...report.ID) {
		t.Helper()
		page, err := db.SearchIncidents(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		ids := []report.ID{}
		for _, in := range page.Incidents {
			ids = append(ids, in.ID)
		}
		if diff := cmp.Diff(want, ids, cmpopts.SortSlices(func(a, b report.ID) bool { return bytes.Compare(a[:], b[:]) < 0 }), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", q, diff)
		}
	}
	one, other := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
	found(incident.Query{Addr: one}, before[:]...)
	found(incident.Query{Addr: netip.MustParseAddr("203.0.113.9")}) // of the same chunk, and nobody's
	found(incident.Query{Party: "line:abc", State: incident.StateOpen}, before[1])
	after := oldIncidents(t, old, other.String())
	for _, q := range []string{`UPDATE incidents SET state = 3 WHERE id = $1`, `DELETE FROM incidents WHERE id = $1`} {
		if _, err := old.ExecContext(t.Context(), q, before[0][:]); err != nil {
			t.Fatal(err)
		}
		cfg := incident.Defaults()
		if _, err := db.Sweep(t.Context(), &cfg, storetest.Start); err != nil {
			t.Fatal(err)
		}
		found(incident.Query{Addr: other}, after[:]...)
		if strings.HasPrefix(q, "UPDATE") {
			found(incident.Query{State: incident.StateQuiet}, before[0])
			found(incident.Query{State: incident.StateOpen}, before[1], after[0], after[1])
		} else {
			found(incident.Query{Addr: one}, before[1])
			if n, err := db.StatesNow(t.Context()); err != nil || n[incident.StateQuiet] != 0 || n[incident.StateOpen] != 3 {
				t.Errorf("%v, %v", n, err)
			}
		}
	}
}
