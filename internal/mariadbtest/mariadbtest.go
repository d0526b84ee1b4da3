// Package mariadbtest runs a real MariaDB for tests: without a port, with all that it has in a temporary folder.
package mariadbtest

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Server is a running MariaDB. Its user root may do everything, and has no password.
type Server struct {
	Socket string

	t   testing.TB
	dir string
	bin string
	as  string
	mu  sync.Mutex
	cmd *exec.Cmd
}

// Start starts a server that ends with the test. Without MariaDB a test is skipped, and under CI it fails.
func Start(t testing.TB) *Server {
	t.Helper()
	const missing = "MariaDB is not installed: apt-get install mariadb-server"
	server, err := look("mariadbd")
	installer, err2 := look("mariadb-install-db")
	if err != nil || err2 != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir: the path of a socket has to stay under 108 bytes (unix(7)).
	dir, err := os.MkdirTemp("/tmp", "tocsin-mariadb-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &Server{t: t, dir: dir, bin: server, as: me.Username, Socket: filepath.Join(dir, "s")}
	// --no-defaults: whatever the machine's own server is told. --user: it refuses to run as root unless told to.
	out, err := exec.Command(installer, "--no-defaults", "--datadir="+s.data(), "--user="+s.as,
		"--auth-root-authentication-method=normal", "--skip-test-db").CombinedOutput()
	if err != nil {
		t.Fatalf("make a MariaDB server: %v\n%s", err, out)
	}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// look finds root's programs too, which are not in everybody's PATH.
func look(name string) (string, error) {
	bin, err := exec.LookPath(name)
	if err != nil {
		return exec.LookPath("/usr/sbin/" + name)
	}
	return bin, nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Start starts a server that was stopped, and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(s.bin, "--no-defaults", "--datadir="+s.data(), "--user="+s.as, "--skip-networking", "--socket="+s.Socket,
		"--pid-file="+filepath.Join(s.dir, "pid"), "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M", "--secure-file-priv="+s.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.cmd = cmd
	s.mu.Unlock()
	for end := time.Now().Add(time.Minute); ; {
		db := s.open("")
		err := db.PingContext(s.t.Context())
		_ = db.Close()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			said, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			s.t.Fatalf("MariaDB does not answer: %v\n%s", err, said)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *Server) open(database string) *sql.DB {
	s.t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.DBName, cfg.Logger = "root", "unix", s.Socket, database, &mysql.NopLogger{}
	c, err := mysql.NewConnector(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	return sql.OpenDB(c)
}

// URL is that of a database, for a user. The password may be empty.
func (s *Server) URL(database, name, password string) string {
	return (&url.URL{
		Scheme: "mysql", User: url.UserPassword(name, password), Host: "localhost", Path: "/" + database,
		RawQuery: url.Values{"socket": {s.Socket}}.Encode(),
	}).String()
}

// Exec runs statements in a database, as root; "" is none.
func (s *Server) Exec(database string, statements ...string) {
	s.t.Helper()
	db := s.open(database)
	defer db.Close()
	for _, text := range statements {
		if _, err := db.ExecContext(context.WithoutCancel(s.t.Context()), text); err != nil {
			s.t.Fatalf("%s: %v", text, err)
		}
	}
}

// Stop kills the server, in the middle of whatever it does.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Restart kills the server and starts it again.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.Start()
}
