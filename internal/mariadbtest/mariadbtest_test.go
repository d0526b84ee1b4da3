package mariadbtest_test

import (
	"fmt"
	"runtime"
	"testing"

	"tocsin/internal/mariadbtest"
)

// TestServer: what was committed is there after the server was killed.
func TestServer(t *testing.T) {
	s := mariadbtest.Start(t)
	s.Exec("", "CREATE DATABASE one")
	s.Exec("one", "CREATE TABLE here (a int)", "INSERT INTO here VALUES (1)")
	s.Restart()
	s.Exec("one", "INSERT INTO here SELECT a + 1 FROM here") // fails where the table is gone
	s.Stop()
	s.Stop()
}

// TestWithoutServer: what a test says where MariaDB is not installed. Debian's lies outside of PATH.
func TestWithoutServer(t *testing.T) {
	for _, c := range []struct{ ci, want string }{
		{"", "skipped: MariaDB is not installed: apt-get install mariadb-server"},
		{"true", "failed: MariaDB is not installed: apt-get install mariadb-server"},
	} {
		t.Setenv("PATH", t.TempDir()) // mariadb-install-db is in /usr/bin
		t.Setenv("CI", c.ci)
		f := &fake{TB: t}
		done := make(chan struct{})
		go func() { defer close(done); mariadbtest.Start(f) }()
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

func (f *fake) Skip(args ...any) {
	f.said = "skipped: " + fmt.Sprint(args...)
	runtime.Goexit()
}

func (f *fake) Fatal(args ...any) {
	f.said = "failed: " + fmt.Sprint(args...)
	runtime.Goexit()
}
