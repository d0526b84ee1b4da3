package postgrestest_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tocsin/internal/postgrestest"
)

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	db, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// TestNew: databases are empty, apart from each other, and gone after their test even while somebody is connected.
func TestNew(t *testing.T) {
	url := postgrestest.New(t)
	var inner string
	t.Run("a subtest, with a NAME that SQL would not take'; and a long one at that, longer than a name may be", func(t *testing.T) {
		inner = postgrestest.New(t)
		if inner == url {
			t.Fatal("two databases have the same URL")
		}
		db := connect(t, inner) // left open on purpose
		if _, err := db.Exec(t.Context(), "CREATE TABLE here (a int)"); err != nil {
			t.Fatal(err)
		}
	})
	db := connect(t, url)
	defer db.Close(t.Context())
	var tables int
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&tables); err != nil {
		t.Fatal(err)
	}
	if tables != 0 {
		t.Errorf("a fresh database has %d tables", tables)
	}
	if db, err := pgx.Connect(t.Context(), inner); err == nil {
		db.Close(t.Context())
		t.Error("the subtest's database is still there")
	} else if !strings.Contains(err.Error(), "does not exist") {
		t.Error(err)
	}
}

// TestCollation: the server that make test starts orders text as a person would, so that a query that relies on the
// order of bytes without saying so fails here and not at an operator's.
func TestCollation(t *testing.T) {
	db := connect(t, postgrestest.New(t))
	defer db.Close(t.Context())
	var less bool
	if err := db.QueryRow(t.Context(), "SELECT 'a' < 'B'").Scan(&less); err != nil {
		t.Fatal(err)
	}
	if !less && os.Getenv("CI") == "true" {
		t.Error("the server compares bytes")
	}
}

// TestWithoutServer: what a test says where there is no server.
func TestWithoutServer(t *testing.T) {
	for _, c := range []struct{ ci, want string }{
		{"", "skipped: no PostgreSQL server: run the tests through `make test`, or name one in TOCSIN_TEST_POSTGRES"},
		{"true", "failed: a PostgreSQL server should be here: run the tests through `make test`, which starts one"},
	} {
		t.Setenv(postgrestest.Variable, "")
		t.Setenv("CI", c.ci)
		f := &fake{TB: t}
		done := make(chan struct{})
		go func() { defer close(done); postgrestest.New(f) }()
		<-done
		if f.said != c.want {
			t.Errorf("with CI=%s it %s, want %s", c.ci, f.said, c.want)
		}
	}
}

// fake is a test that remembers how it ended.
type fake struct {
	testing.TB
	said string
}

func (f *fake) Skipf(format string, args ...any) {
	f.said = "skipped: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (f *fake) Fatalf(format string, args ...any) {
	f.said = "failed: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}
