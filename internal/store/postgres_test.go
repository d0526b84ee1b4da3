package store_test

import (
	"testing"

	"tocsin/internal/incident"
	"tocsin/internal/postgrestest"
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
