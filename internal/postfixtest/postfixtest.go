// Package postfixtest runs a Postfix of a test's own: a real mail server that takes mails by SMTP and forwards them to
// where the test says, trying again until it is told that they are taken. For tests only.
//
// Postfix changes users, so it needs root: CI has it. For everybody else, and where Postfix is not installed, such a
// test skips; under CI=true it fails instead. `make test` installs Postfix.
package postfixtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Postfix is one instance: its config, its queue and its log are in a folder of its own, its port is on loopback, and
// no other instance on the machine is touched. It looks up nothing in the DNS.
type Postfix struct {
	// Address and port where it takes mails to anybody by SMTP, from this machine.
	Address string

	folder string
	cmd    *exec.Cmd
	ended  chan struct{}
}

// Config is what an instance is told.
type Config struct {
	// Routes are transport(5) next hops by domain, "*" for all others: "lmtp:inet:127.0.0.1:2424",
	// "lmtp:unix:/path/of/socket", "smtp:[127.0.0.1]:2525". Mails to other domains are refused.
	Routes map[string]string
	// Settings go to main.cf after everything else.
	Settings map[string]string
}

// Start starts an instance, which ends with the test. Mails that cannot be forwarded are tried again every second.
func Start(t testing.TB, cfg Config) *Postfix {
	t.Helper()
	if why := missing(); why != "" {
		if os.Getenv("CI") == "true" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	// Not t.TempDir, which is the test's user's alone, and whose path may be too long for Postfix's sockets (unix(7)).
	folder, err := os.MkdirTemp("/tmp", "tocsin-postfix-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	p := &Postfix{Address: freePort(t), folder: folder, ended: make(chan struct{})}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what Postfix logged:\n%.20000s", p.Log())
		}
		if err := errors.Join(p.stop(), os.RemoveAll(folder)); err != nil {
			t.Error(err)
		}
	})
	if err := p.configure(cfg); err != nil {
		t.Fatal(err)
	}
	if err := p.start(t.Context()); err != nil {
		t.Fatalf("start Postfix: %v\n%s", err, p.Log())
	}
	return p
}

func missing() string {
	if _, err := exec.LookPath("postfix"); err != nil {
		return "Postfix should be here: run the tests through `make test`, which installs it"
	}
	if os.Geteuid() != 0 {
		return "Postfix has to be started by root"
	}
	return ""
}

func freePort(t testing.TB) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

const mainCF = `compatibility_level = 3.6
queue_directory = FOLDER/queue
data_directory = FOLDER/data
maillog_file = FOLDER/log
maillog_file_prefixes = FOLDER
myhostname = mx.example.net
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
transport_maps = texthash:FOLDER/transport
default_transport = error:no route to this domain
local_transport = error:nobody lives here
notify_classes =
message_size_limit = 0
mailbox_size_limit = 0
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
default_transport_retry_time = 1s
default_destination_concurrency_failed_cohort_limit = 1000
`

const masterCF = `127.0.0.1:PORT inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

func (p *Postfix) configure(cfg Config) error {
	_, port, err := net.SplitHostPort(p.Address)
	if err != nil {
		return err
	}
	if err := os.Chmod(p.folder, 0o755); err != nil {
		return err
	}
	fill := strings.NewReplacer("FOLDER", p.folder, "PORT", port)
	settings, routes := fill.Replace(mainCF), ""
	for key, value := range cfg.Settings {
		settings += key + " = " + value + "\n"
	}
	for domain, hop := range cfg.Routes {
		routes += domain + " " + hop + "\n"
	}
	var errs []error
	for name, text := range map[string]string{"main.cf": settings, "master.cf": fill.Replace(masterCF), "transport": routes} {
		errs = append(errs, os.WriteFile(filepath.Join(p.folder, name), []byte(text), 0o644))
	}
	for _, name := range []string{"queue", "data"} {
		errs = append(errs, os.Mkdir(filepath.Join(p.folder, name), 0o755))
	}
	if out, err := exec.Command("chown", "postfix", filepath.Join(p.folder, "data")).CombinedOutput(); err != nil {
		errs = append(errs, fmt.Errorf("give Postfix its data folder: %w: %s", err, out))
	}
	return errors.Join(errs...)
}

func (p *Postfix) start(ctx context.Context) error {
	said, err := os.Create(filepath.Join(p.folder, "said"))
	if err != nil {
		return err
	}
	defer said.Close()
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), "postfix", "-c", p.folder, "start-fg")
	p.cmd.Stdout, p.cmd.Stderr = said, said                 // a file: its children, who hold it too, need not be waited for
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the test; then we stop it
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = p.cmd.Wait() // stop says whether it ended
		close(p.ended)
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("it was not ready after a minute"))
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var d net.Dialer
	for {
		if c, err := d.DialContext(ctx, "tcp", p.Address); err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.ended:
			text, _ := os.ReadFile(said.Name())
			return fmt.Errorf("it ended: %s", text)
		case <-tick.C:
		}
	}
}

// stop ends the instance by its master, which ends its children; the command that started it ends with that.
func (p *Postfix) stop() error {
	if p.cmd == nil || p.cmd.Process == nil {
		return nil
	}
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, 10 * time.Second}, {syscall.SIGKILL, 10 * time.Second}} {
		if err := p.signal(step.signal); err != nil {
			return err
		}
		select {
		case <-p.ended:
			return nil
		case <-time.After(step.wait):
		}
	}
	return fmt.Errorf("stop Postfix: it does not end: end its master, then remove %s", p.folder)
}

// signal tells the master, which has a session of its own. Before there is one, it tells the command that starts it.
func (p *Postfix) signal(s syscall.Signal) error {
	pid := -p.cmd.Process.Pid
	if text, err := os.ReadFile(filepath.Join(p.folder, "queue", "pid", "master.pid")); err == nil {
		if pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil || pid <= 1 {
			return fmt.Errorf("stop Postfix: %q is no process", text)
		}
	}
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop Postfix: %w", err)
	}
	return nil
}

// Flush has Postfix try at once what waits.
func (p *Postfix) Flush(t testing.TB) {
	t.Helper()
	p.run(t, "postqueue", "-c", p.folder, "-f")
}

// Waiting says how many mails wait in the queue.
func (p *Postfix) Waiting(t testing.TB) int {
	t.Helper()
	return strings.Count(p.run(t, "postqueue", "-c", p.folder, "-j"), "\n") // one JSON object a line
}

// Log is what it logged so far.
func (p *Postfix) Log() string {
	text, _ := os.ReadFile(filepath.Join(p.folder, "log"))
	return string(text)
}

func (p *Postfix) run(t testing.TB, name string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, &errs)
	}
	return out.String()
}
