package syslog_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tocsin/internal/line/syslog"
)

// program is the path of one that sends; without it a test skips on a laptop and fails in CI.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// TestLogger: util-linux's logger, in each of its ways.
func TestLogger(t *testing.T) {
	logger := program(t, "logger")
	for name, args := range map[string][]string{
		"UDP, RFC 5424": {"-d", "--rfc5424"}, "UDP, RFC 3164": {"-d", "--rfc3164"},
		"TCP, RFC 5424, a line": {"-T", "--rfc5424"}, "TCP, RFC 3164, a line": {"-T", "--rfc3164"},
		"TCP, RFC 5424, counted": {"-T", "--rfc5424", "--octet-count"}, "TCP, RFC 3164, counted": {"-T", "--rfc3164", "--octet-count"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, syslog.Config{UDP: "127.0.0.1:0", TCP: "127.0.0.1:0"}, nil)
			addr := s.Addrs()[0]
			if args[0] == "-T" {
				addr = s.Addrs()[1]
			}
			host, port, err := net.SplitHostPort(addr.String())
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), logger, append(slices.Clone(args), "-n", host, "-P", port, "-t", "nat", "A VRF 0 INT 10.0.0.1 EXT 198.51.100.7:1024-1535")...)
			cmd.Env = append(os.Environ(), "TZ=UTC")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			s.until("kept", 1)
			s.mu.Lock()
			defer s.mu.Unlock()
			name, err := os.Hostname()
			if err != nil {
				t.Fatal(err)
			}
			name, _, _ = strings.Cut(name, ".")
			if r := s.kept[0]; !strings.HasPrefix(r.NAS, name) || time.Since(time.Unix(r.At.Earliest, 0)).Abs() > time.Minute {
				t.Errorf("%+v: want it of %s, just now", r, name)
			}
		})
	}
}

// authority makes certificates.
type authority struct {
	t    *testing.T
	dir  string
	key  *ecdsa.PrivateKey
	root *x509.Certificate
}

func newAuthority(t *testing.T, dir, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: dir}
	a.key, a.root = a.issue(name, true)
	return a
}

// issue writes NAME.pem and NAME.key.
func (a *authority) issue(name string, root bool) (*ecdsa.PrivateKey, *x509.Certificate) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: root, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := a.root, a.key
	if root {
		c.KeyUsage, c.ExtKeyUsage, parent, signer = x509.KeyUsageCertSign, nil, c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{a.file(name + ".pem"): {Type: "CERTIFICATE", Bytes: der}, a.file(name + ".key"): {Type: "EC PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		a.t.Fatal(err)
	}
	return key, c
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// TestRsyslog: rsyslogd reads a log that grows and forwards it over TLS, with a certificate of its own. It is stopped and
// started again: what it did not forward meanwhile is a gap. One without a certificate of the right root is not read.
func TestRsyslog(t *testing.T) {
	rsyslogd := program(t, "rsyslogd")
	if found, err := filepath.Glob("/usr/lib/*/rsyslog/lmnsd_gtls.so"); err != nil || len(found) == 0 {
		t.Skip("rsyslog-gnutls is not installed")
	}
	dir := t.TempDir()
	ca := newAuthority(t, dir, "root")
	ca.issue("tocsin.example", false)
	ca.issue("nat.example", false)
	other := newAuthority(t, dir, "other")
	other.issue("stranger.example", false)
	certificates, err := syslog.Certificates(ca.file("tocsin.example.pem"), ca.file("tocsin.example.key"), ca.file("root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, syslog.Config{TLS: "127.0.0.1:0", Certificates: certificates}, nil)
	_, port, err := net.SplitHostPort(s.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	log := ca.file("nat.log")
	run := func(name string) (stop func()) {
		conf := fmt.Sprintf(`global(workDirectory=%q maxMessageSize="8k" defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile=%q defaultNetstreamDriverCertFile=%q defaultNetstreamDriverKeyFile=%q)
module(load="imfile" mode="inotify")
input(type="imfile" file=%q tag="nat" readMode="0" freshStartTail="off")
action(type="omfwd" target="127.0.0.1" port=%q protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"
	StreamDriver="gtls" StreamDriverMode="1" StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="tocsin.example" action.resumeRetryCount="2")
`, dir, ca.file("root.pem"), ca.file(name+".pem"), ca.file(name+".key"), log, port)
		if err := os.WriteFile(ca.file("conf"), []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		cmd := exec.CommandContext(t.Context(), rsyslogd, "-f", ca.file("conf"), "-i", ca.file("pid"), "-n")
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := false
		stop = func() {
			if !ended {
				ended = true
				_ = cmd.Process.Signal(syscall.SIGTERM)
				_ = cmd.Wait()
			}
			if t.Failed() {
				t.Log(said.String())
			}
		}
		t.Cleanup(stop)
		return stop
	}
	write := func(inside, lo int) {
		f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fmt.Fprintf(f, "A VRF 0 INT 10.0.0.%d EXT 198.51.100.7:%d-%d\n", inside, lo, lo+511)
	}
	write(1, 1024)
	stop := run("nat.example")
	s.until("kept", 1)
	write(2, 2048)
	s.until("kept", 2)
	stop()
	s.until("connection", 1)
	write(3, 3072)
	stop = run("nat.example")
	s.until("kept", 3)
	stop()
	s.until("connection", 2)
	s.mu.Lock()
	var order []string
	for _, r := range s.kept {
		order = append(order, fmt.Sprint(r.Action))
	}
	s.mu.Unlock()
	// The first, the second, a gap as far as now, a gap as far as the third, the third, a gap.
	if got := strings.Join(order, " "); got != "1 1 6 6 1 6" {
		t.Errorf("actions %s", got)
	}
	write(4, 4096)
	run("stranger.example")
	limit := time.Now().Add(20 * time.Second)
	for refused := false; !refused; {
		s.mu.Lock()
		refused = strings.Contains(s.log.String(), "has no TLS that is to be relied on")
		s.mu.Unlock()
		if time.Now().After(limit) {
			t.Fatal("the one with a certificate of another root was not refused")
		}
	}
	if n := s.count("kept"); n != 3 {
		t.Errorf("%v messages were kept", n)
	}
}

// TestCertificates: what is wrong is said, and a certificate that was changed is read again.
func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, dir, "root")
	if _, err := syslog.Certificates(ca.file("none.pem"), ca.file("none.key"), ""); err == nil {
		t.Error("there is no certificate")
	}
	_, first := ca.issue("tocsin.example", false)
	if _, err := syslog.Certificates(ca.file("tocsin.example.pem"), ca.file("tocsin.example.key"), ca.file("tocsin.example.key")); err == nil || !strings.Contains(err.Error(), "client_ca") {
		t.Errorf("%v: there is no root", err)
	}
	cfg, err := syslog.Certificates(ca.file("tocsin.example.pem"), ca.file("tocsin.example.key"), "")
	if err != nil {
		t.Fatal(err)
	}
	_, second := ca.issue("tocsin.example", false)
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(ca.file("tocsin.example.pem"), later, later); err != nil {
		t.Fatal(err)
	}
	got, err := cfg.GetCertificate(nil)
	if err != nil || bytes.Equal(got.Certificate[0], first.Raw) || !bytes.Equal(got.Certificate[0], second.Raw) {
		t.Errorf("it is not the new one: %v", err)
	}
}
