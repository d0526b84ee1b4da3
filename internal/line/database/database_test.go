package database_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"tocsin/internal/line"
	"tocsin/internal/line/database"
	"tocsin/internal/mariadbtest"
	"tocsin/internal/postgrestest"
)

func secret(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, url, zone string, timeout time.Duration) *database.DB {
	t.Helper()
	z, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	db, err := database.Open(database.Options{URLFile: secret(t, url), Zone: z, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// rows asks, and returns each row as text.
func rows(t *testing.T, db *database.DB, q database.Query) (all []string, err error) {
	t.Helper()
	var cols []database.Column
	err = db.Read(t.Context(), q, func(c []database.Column) error { cols = c; return nil }, func(r *database.Row) error {
		var parts []string
		for i, c := range cols {
			switch {
			case r.Null(i):
				parts = append(parts, c.Name+" none")
			case c.Time:
				m, err := r.Moment(i)
				if err != nil {
					return err
				}
				parts = append(parts, fmt.Sprintf("%s %d..%d", c.Name, m.Earliest, m.Latest))
			default:
				parts = append(parts, c.Name+" "+r.Text(i))
			}
		}
		all = append(all, strings.Join(parts, ", "))
		return nil
	})
	return all, err
}

// TestEngines: the same on real servers of each kind.
func TestEngines(t *testing.T) {
	all := func(t *testing.T, url string, e database.Engine) {
		t.Run("read", func(t *testing.T) { read(t, url, e) })
		t.Run("memory", func(t *testing.T) { memory(t, url, e) })
		t.Run("zones", func(t *testing.T) { zones(t, url, e) })
		t.Run("door", func(t *testing.T) { door(t, url) })
	}
	t.Run("PostgreSQL", func(t *testing.T) { all(t, postgrestest.New(t), database.PostgreSQL) })
	t.Run("MariaDB", func(t *testing.T) {
		s := mariadbtest.Start(t)
		s.Exec("", "CREATE DATABASE d", "SET GLOBAL time_zone = '+05:00'")
		all(t, s.URL("d", "root", ""), database.MySQL)
		t.Run("timestamp", func(t *testing.T) { timestamp(t, s) })
	})
}

// read: values, parameters and limits, on real servers.
func read(t *testing.T, url string, e database.Engine) {
	t.Helper()
	db := open(t, url, "Europe/London", time.Second)
	if db.Engine() != e {
		t.Errorf("it is %s", db.Engine())
	}
	name := "ann' OR '1'='1"
	typ, wait, wall := "timestamp", "SELECT pg_sleep(30)", "CAST('2025-10-26 01:30:00' AS timestamp)"
	if e == database.MySQL {
		typ, wait, wall = "datetime", "SELECT COUNT(*) FROM seq_1_to_1000000000 a, seq_1_to_1000000000 b", "CAST('2025-10-26 01:30:00' AS datetime)"
	}
	text := "CAST({name} AS text)"
	if e == database.MySQL {
		text = "CONCAT({name}, '')"
	}
	got, err := rows(t, db, database.Query{
		Name: name, From: time.Unix(1_780_000_000, 0), To: time.Unix(1_780_000_060, 0),
		Text: "SELECT " + text + " AS Who, 7 AS n, NULL AS nothing, {from} AS f, {to} AS t, {from} AS f2, " + wall + " AS fold",
	})
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	want := "who " + name + ", n 7, nothing none, f 1780000000..1780000000, t 1780000060..1780000060, f2 1780000000..1780000000, fold 1761438600..1761442200"
	if got[0] != want {
		t.Errorf("%q, want %q", got[0], want)
	}
	begun := time.Now()
	if _, err := rows(t, db, database.Query{Text: wait}); !database.TooSlow(err) || time.Since(begun) > 20*time.Second {
		t.Errorf("%v after %s", err, time.Since(begun))
	}
	if _, err := rows(t, db, database.Query{Text: "SELECT 1"}); err != nil { // the connection is still good
		t.Error(err)
	}
	for _, c := range []struct{ text, want string }{
		{"CREATE TABLE mine (a " + typ + ")", "because it writes"},
		{"SELECT nosuch FROM nowhere", "cannot understand the query"},
		{"SELECT {nosuch}", "{nosuch}, which stands for nothing"},
		{"SELECT 1; SELECT 2", "cannot understand the query"},
	} {
		if _, err := rows(t, db, database.Query{Text: c.text}); err == nil || !strings.Contains(err.Error(), c.want) || !database.Lasting(err) {
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
	}
	if e == database.PostgreSQL { // an engine names the value that is wrong
		_, err := rows(t, db, database.Query{Text: "SELECT CAST({name} AS text)::int", Name: "ann@isp.example"})
		if err == nil || strings.Contains(err.Error(), "ann") || database.Lasting(err) {
			t.Error(err)
		}
	}
	mine := errors.New("mine")
	err = db.Read(t.Context(), database.Query{Text: "SELECT 1"}, func([]database.Column) error { return mine }, nil)
	if !errors.Is(err, mine) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Read(ctx, database.Query{Text: "SELECT 1"}, nil, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// memory: an answer of 300,000 rows is never in memory as a whole.
func memory(t *testing.T, url string, e database.Engine) {
	t.Helper()
	db := open(t, url, "UTC", time.Minute)
	text := "SELECT repeat('x', 100) AS a FROM generate_series(1, 300000)"
	if e == database.MySQL {
		text = "SELECT REPEAT('x', 100) AS a FROM seq_1_to_300000"
	}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n, most := 0, uint64(0)
	err := db.Read(t.Context(), database.Query{Text: text}, func([]database.Column) error { return nil }, func(*database.Row) error {
		if n++; n%50_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
		}
		return nil
	})
	if err != nil || n != 300_000 || most > 8<<20 {
		t.Errorf("%d rows, %d bytes, %v", n, most, err)
	}
}

// zones: what the database keeps without a zone is asked for and understood in the zone of the config, also where
// clocks were put back.
func zones(t *testing.T, url string, e database.Engine) {
	t.Helper()
	typ := "timestamp"
	if e == database.MySQL {
		typ = "datetime"
	}
	db := open(t, url, "Europe/London", time.Minute)
	in := func(text string, from, to time.Time) bool {
		got, err := rows(t, db, database.Query{
			Text: "SELECT CAST('" + text + "' AS " + typ + ") AS at FROM (SELECT 1 AS one) x WHERE CAST('" + text + "' AS " + typ + ") >= {from} AND CAST('" + text + "' AS " + typ + ") < {to}",
			From: from, To: to,
		})
		if err != nil {
			t.Fatal(err)
		}
		return len(got) == 1
	}
	summer := time.Date(2026, 6, 3, 9, 0, 0, 0, time.UTC)
	if !in("2026-06-03 10:00:00", summer, summer.Add(time.Second)) || in("2026-06-03 09:00:00", summer, summer.Add(time.Second)) {
		t.Error("summer time is not understood")
	}
	// 01:50 came at 00:50 and at 01:50 UTC. Whoever asks while the clock shows it the second time gets it.
	fold := time.Date(2025, 10, 26, 0, 0, 0, 0, time.UTC)
	if !in("2025-10-26 01:50:00", fold.Add(100*time.Minute), fold.Add(115*time.Minute)) {
		t.Error("what was written in the hour that came twice is never seen")
	}
	if e == database.MySQL && !in("2025-10-26 01:10:00", fold.Add(55*time.Minute), fold.Add(75*time.Minute)) {
		t.Error("what was written after clocks were put back is not seen")
	}
	_, err := rows(t, db, database.Query{Text: "SELECT CAST('2026-03-29 01:30:00' AS " + typ + ") AS at"})
	if !errors.Is(err, line.ErrSkipped) {
		t.Errorf("%v", err)
	}
}

// timestamp: MySQL's TIMESTAMP is UTC, whatever the zone of the server, and no zone can be meant besides.
func timestamp(t *testing.T, s *mariadbtest.Server) {
	t.Helper()
	s.Exec("d", "CREATE TABLE x (at timestamp NULL, z datetime)", "SET time_zone = '+05:00'", "INSERT INTO x VALUES (FROM_UNIXTIME(1780000000), '0000-00-00 00:00:00')")
	got, err := rows(t, open(t, s.URL("d", "root", ""), "UTC", time.Minute), database.Query{Text: "SELECT at, z FROM x WHERE at >= {from} AND at < {to}", From: time.Unix(1_780_000_000, 0), To: time.Unix(1_780_000_001, 0)})
	if err != nil || len(got) != 1 || got[0] != "at 1780000000..1780000000, z 0..0" {
		t.Error(got, err)
	}
	if _, err := rows(t, open(t, s.URL("d", "root", ""), "Europe/London", time.Minute), database.Query{Text: "SELECT at FROM x"}); !database.Lasting(err) || !strings.Contains(err.Error(), "column at is a TIMESTAMP") {
		t.Error(err)
	}
}

// TestDoor: who is not let in, and what a file may hold. Nothing of the password is said.
func TestDoor(t *testing.T) {
	for text, want := range map[string]string{
		"":                                             "is empty",
		"radius.isp.example":                           "holds no URL",
		"sqlite:///x":                                  "holds no URL",
		"postgres://u:pear%zz@db.isp.example/x":        "holds no URL",
		"postgres://u:pear@db.isp.example:x/y":         "holds no URL",
		"mysql://u:pear%zz@db.isp.example/x":           "holds no URL",
		"mysql://u:pear@db.isp.example":                "holds no URL",
		"mysql://u:pear@db.isp.example/x?pear=1":       "parameter that is not known",
		"mysql://u:pear@db.isp.example/x?tls=maybe":    "verify or off",
		"postgres://u:pear@db.isp.example/x?sslmode=q": "holds no URL",
	} {
		_, err := database.Open(database.Options{URLFile: secret(t, text)})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pear") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	path := secret(t, "postgres://u:pear@localhost/x")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := database.Open(database.Options{URLFile: path}); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Error(err)
	}
	for _, text := range []string{"postgres://u:pear@127.0.0.1:1/x", "mysql://u:pear@127.0.0.1:1/x", "mysql://u:pear@localhost/x?socket=/nowhere/s"} {
		_, err := rows(t, open(t, text, "UTC", time.Minute), database.Query{Text: "SELECT 1"})
		if err == nil || database.Lasting(err) || !strings.Contains(err.Error(), "cannot be reached") || strings.Contains(err.Error(), "pear") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// door: a server that answers and lets nobody in.
func door(t *testing.T, text string) {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	u.User, u.Path = url.UserPassword("nobody", "pear"), "/nowhere"
	_, err = rows(t, open(t, u.String(), "UTC", time.Minute), database.Query{Text: "SELECT 1"})
	if err == nil || !database.Lasting(err) || !strings.Contains(err.Error(), "lets nobody in") || strings.Contains(err.Error(), "pear") {
		t.Error(err)
	}
}
