package storetest

import (
	"testing"
	"time"

	"tocsin/internal/store"
)

// configSeen holds that a change of the config is told to the log once, and no start without one.
func configSeen(t *testing.T, db *store.DB) {
	for i, step := range []struct {
		worker, config string
		want           int64
	}{{"w1", "a: 1", 1}, {"w1", "a: 1", 1}, {"w1", "a: 2", 2}, {"w2", "a: 1", 3}, {"w1", "a: 2", 3}, {"w1", "a: 1", 4}} {
		if err := db.NoteConfig(t.Context(), step.worker, []byte(step.config), Start.Add(time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if n, _, err := db.Log().Waiting(t.Context()); err != nil || n != step.want {
			t.Errorf("start %d: the log is told of %d changes, want %d, %v", i, n, step.want, err)
		}
	}
}
