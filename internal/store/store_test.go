package store_test

import (
	"context"
	"testing"

	"tocsin/internal/incident"
	"tocsin/internal/store"
	"tocsin/internal/store/storetest"
)

func openSQLite(t *testing.T) *store.DB { return openBench(t) }

func openBench(t testing.TB) *store.DB {
	t.Helper()
	db, err := store.Open(context.Background(), store.Config{}, t.TempDir(), incident.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestSQLite(t *testing.T) { storetest.Run(t, openSQLite) }
