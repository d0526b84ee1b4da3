// Package postgrestest gives tests databases of their own on the PostgreSQL server that `make test` starts, for
// tests only.
package postgrestest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Variable names the environment variable with the server's URL, of a role that may create databases.
const Variable = "TOCSIN_TEST_POSTGRES"

// New returns the URL of a fresh, empty database, which is dropped when the test and its subtests have ended,
// whoever is connected to it then. Without a server it skips the test, and under CI=true it fails it.
func New(t testing.TB) string {
	t.Helper()
	server := os.Getenv(Variable)
	if server == "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("a PostgreSQL server should be here: run the tests through `make test`, which starts one")
		}
		t.Skipf("no PostgreSQL server: run the tests through `make test`, or name one in %s", Variable)
	}
	name := databaseName(t.Name())
	run(t, server, "CREATE DATABASE "+name+" TEMPLATE template0") // template1 must be unused, template0 always is
	t.Cleanup(func() { run(t, server, "DROP DATABASE "+name+" WITH (FORCE)") })
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s is not a URL: %v", Variable, err)
	}
	u.Path = "/" + name
	return u.String()
}

// databaseName makes a name that nothing else on the server has and that says whose it is.
func databaseName(test string) string {
	word := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_'
	}, test)
	return fmt.Sprintf("t_%.30s_%s", word, strings.ToLower(rand.Text()[:16])) // PostgreSQL cuts names at 63 bytes
}

func run(t testing.TB, server, statement string) {
	t.Helper()
	// Not t.Context alone: it has ended when the clean-up runs.
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(t.Context()), time.Minute,
		errors.New("the PostgreSQL server did not answer within a minute"))
	defer cancel()
	db, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatalf("connect to the server that %s names: %v", Variable, err)
	}
	defer db.Close(ctx)
	if _, err := db.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
