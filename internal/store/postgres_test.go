package store_test

import (
	"errors"
	"testing"
	"time"

	"tocsin/internal/desk"
	"tocsin/internal/incident"
	"tocsin/internal/postgrestest"
	"tocsin/internal/report"
	"tocsin/internal/store"
	"tocsin/internal/store/storetest"
)

func TestPostgres(t *testing.T) {
	storetest.Run(t, func(t *testing.T) *store.DB {
		t.Helper()
		db, err := store.Open(t.Context(), store.Config{URL: postgrestest.New(t)}, "", incident.Defaults())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return db
	})
}

// TestPostgresPoison: what PostgreSQL cannot hold is told from what may be tried again, and leaves no trace.
func TestPostgresPoison(t *testing.T) {
	db, err := store.Open(t.Context(), store.Config{URL: postgrestest.New(t)}, "", incident.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	at := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
	chunk := func(name string) []*desk.Chunk {
		return []*desk.Chunk{{
			Report:  report.Report{ID: report.NewID(at), Reporter: "a", Name: name, ReceivedAt: at, SHA256: [32]byte{byte(len(name))}},
			FromRow: 1, ToRow: 1, Refused: 1, Name: name, Final: true,
		}}
	}
	for _, name := range []string{"a\x00b", "a\xffb"} {
		if err := db.Commit(t.Context(), chunk(name)); !errors.Is(err, desk.ErrPoison) {
			t.Errorf("a chunk named %q: %v", name, err)
		}
		if _, err := db.Names(t.Context(), name); !errors.Is(err, desk.ErrPoison) {
			t.Errorf("the name %q: %v", name, err)
		}
	}
	if err := db.Commit(t.Context(), chunk("good")); err != nil {
		t.Errorf("a good chunk after them: %v", err)
	}
	n := 0
	for _, err := range db.Quarantine(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("%d reports are stored, want 1", n)
	}
}
