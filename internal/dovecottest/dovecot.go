// Package dovecottest runs a real dovecot for tests: on loopback, with all that it has in a temporary folder.
package dovecottest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Password is every user's.
const Password = "pear-and-plum"

// Server is a running dovecot. Each user name is a mailbox.
type Server struct {
	Addr string // of IMAP, without TLS

	t    testing.TB
	dir  string
	conf string
	mu   sync.Mutex
	cmd  *exec.Cmd
}

// Start starts a server that ends with the test. tokens is the address of a page that says whose an access token is
// (XOAUTH2); empty: there are passwords only. Without dovecot a test is skipped, and under CI it fails.
func Start(t testing.TB, tokens string) *Server {
	t.Helper()
	bin, err := exec.LookPath("dovecot")
	if err != nil {
		if bin = "/usr/sbin/dovecot"; !exists(bin) {
			if os.Getenv("CI") == "true" {
				t.Fatal("dovecot is not installed: apt-get install dovecot-imapd")
			}
			t.Skip("dovecot is not installed: apt-get install dovecot-imapd")
		}
	}
	// Not t.TempDir: dovecot's processes, which are not ours, must come into it, and its sockets need a short path.
	dir, err := os.MkdirTemp("/tmp", "tocsin-dovecot-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &Server{t: t, dir: dir, conf: filepath.Join(dir, "dovecot.conf"), Addr: freeAddr(t)}
	s.configure(tokens)
	s.start(bin)
	t.Cleanup(s.Stop)
	return s
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *Server) configure(tokens string) {
	s.t.Helper()
	me, err := user.Current()
	if err != nil {
		s.t.Fatal(err)
	}
	owner := me
	if os.Geteuid() == 0 { // dovecot reads no mail as root
		if owner, err = user.Lookup("nobody"); err != nil {
			s.t.Fatal(err)
		}
	}
	group, err := user.LookupGroupId(owner.Gid)
	if err != nil {
		s.t.Fatal(err)
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(owner.Gid)
	mails := filepath.Join(s.dir, "mails")
	for _, err := range []error{os.Mkdir(mails, 0o700), os.Chown(mails, uid, gid), os.Chmod(s.dir, 0o755)} {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	_, port, _ := net.SplitHostPort(s.Addr)
	mechanisms, tokenDB := "plain", ""
	if tokens != "" {
		mechanisms = "plain xoauth2 oauthbearer"
		ext := filepath.Join(s.dir, "oauth2.conf")
		s.write(ext, fmt.Sprintf("introspection_mode = post\nintrospection_url = %s\nforce_introspection = yes\nusername_attribute = username\nactive_attribute = active\nactive_value = true\n", tokens))
		tokenDB = "passdb {\n driver = oauth2\n mechanisms = xoauth2 oauthbearer\n args = " + ext + "\n}\n"
	}
	s.write(s.conf, fmt.Sprintf(`protocols = imap
listen = 127.0.0.1
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
ssl = no
disable_plaintext_auth = no
auth_mechanisms = %[2]s
mail_location = maildir:%[1]s/mails/%%u
default_internal_user = %[3]s
default_internal_group = %[4]s
default_login_user = %[3]s
first_valid_uid = 1
mail_max_userip_connections = 100
auth_failure_delay = 0
%[5]spassdb {
 driver = static
 args = password=%[6]s
}
userdb {
 driver = static
 args = uid=%[7]s gid=%[8]s home=%[1]s/mails/%%u
}
service imap-login {
 chroot =
 inet_listener imap {
  port = %[9]s
 }
 inet_listener imaps {
  port = 0
 }
}
service anvil {
 chroot =
}
namespace inbox {
 inbox = yes
}
`, s.dir, mechanisms, owner.Username, group.Name, tokenDB, Password, owner.Uid, owner.Gid, port))
}

func (s *Server) write(path, text string) {
	s.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// start starts the processes and waits until the server greets.
func (s *Server) start(bin string) {
	s.t.Helper()
	cmd := exec.Command(bin, "-F", "-c", s.conf)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.cmd = cmd
	s.mu.Unlock()
	for end := time.Now().Add(30 * time.Second); ; {
		c, err := net.DialTimeout("tcp", s.Addr, time.Second)
		if err == nil {
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			_, err = c.Read(make([]byte, 16))
			_ = c.Close()
		}
		if err == nil {
			return
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			s.t.Fatalf("dovecot does not answer: %v\n%s", err, log)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Stop kills the server with all its processes, in the middle of whatever they do.
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
	s.mu.Lock()
	bin := s.cmd.Path
	s.mu.Unlock()
	s.Stop()
	_ = os.RemoveAll(filepath.Join(s.dir, "run"))
	s.start(bin)
}

// Log is what the server wrote.
func (s *Server) Log() string {
	b, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return string(b)
}
