package smtp_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/intake"
)

// pair is a certificate for this test's server, in files.
type pair struct{ cert, key string }

func newPair(t testing.TB) pair {
	t.Helper()
	dir := t.TempDir()
	p := pair{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	p.write(t, 1)
	return p
}

func (p pair) write(t testing.TB, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "tocsin.example.net"}, DNSNames: []string{"tocsin.example.net"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		name, kind string
		der        []byte
	}{{p.key, "PRIVATE KEY", private}, {p.cert, "CERTIFICATE", cert}} {
		if err := os.WriteFile(f.name, pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (p pair) trusted(t testing.TB) *tls.Config {
	t.Helper()
	pool := x509.NewCertPool()
	text, err := os.ReadFile(p.cert)
	if err != nil || !pool.AppendCertsFromPEM(text) {
		t.Fatal("no certificate", err)
	}
	return &tls.Config{RootCAs: pool, ServerName: "tocsin.example.net"}
}

func (p pair) offer(c *intake.SMTP) { c.Certificate, c.Key = p.cert, p.key }

// upgrade goes into TLS.
func (c *client) upgrade(cfg *tls.Config) *tls.Conn {
	c.t.Helper()
	c.send("STARTTLS\r\n")
	c.says("220 2.0.0")
	over := tls.Client(c.Conn, cfg)
	if err := over.HandshakeContext(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	c.Conn, c.r = over, bufio.NewReader(over)
	return over
}

// TestStartTLS: what was said before TLS counts no more (RFC 3207 §4.2), and nothing is taken that was put after
// STARTTLS by somebody in between.
func TestStartTLS(t *testing.T) {
	p := newPair(t)
	n := start(t, p.offer)
	c := n.greet(t, abuse)
	over := c.upgrade(p.trusted(t))
	if v := over.ConnectionState().Version; v < tls.VersionTLS12 {
		t.Errorf("version %x", v)
	}
	c.play("> RCPT TO:<abuse@example.net>|< 503|> MAIL FROM:<a@b>|< 503 5.5.1 greet|> EHLO mx|")
	if offers := c.answer(); strings.Contains(offers, "STARTTLS") || !strings.Contains(offers, "SIZE 300000") {
		t.Errorf("offered: %s", offers)
	}
	c.play("> STARTTLS|< 503|> MAIL FROM:<a@b>|< 250|> RCPT TO:<abuse@example.net>|< 250|> DATA|< 354|> in TLS|> .|< 250 2.0.0 taken|> QUIT|< 221|END")

	c = n.greet(t)
	c.send("STARTTLS\r\nMAIL FROM:<injected@example.com>\r\n")
	c.says("503")
	c = n.greet(t)
	c.send("STARTTLS now\r\n")
	c.says("501")
	c = n.greet(t)
	c.send("STARTTLS\r\n")
	c.says("220")
	c.send("MAIL FROM:<plain@example.com>\r\nRCPT TO:<abuse@example.net>\r\nDATA\r\n")
	_, _ = c.r.ReadString('\n') // an alert, or nothing: no answer to a command
	eventually(t, "the failure is counted", func() bool { return n.refused(t, "tls") == 1 })
	if diff := cmp.Diff([]string{"in TLS\r\n"}, n.bodies()); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

// TestCutInTLS: a mail that breaks off is no mail, also where the client takes its leave from TLS in form.
func TestCutInTLS(t *testing.T) {
	p := newPair(t)
	n := start(t, p.offer)
	for _, begin := range []string{"BDAT 1000 LAST\r\n", "DATA\r\n"} {
		c := n.greet(t)
		over := c.upgrade(p.trusted(t))
		c.play("> EHLO mx|< 250-")
		c.envelope(abuse)
		c.send(begin)
		if begin == "DATA\r\n" {
			c.says("354")
		}
		c.send("half a mail\r\n")
		if err := over.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		c.ends()
	}
	if got := n.bodies(); len(got) != 0 {
		t.Errorf("kept %q", got)
	}
}

// TestRenewal: a new certificate is used from the next connection on; half of a new one leaves the old.
func TestRenewal(t *testing.T) {
	p := newPair(t)
	n := start(t, p.offer)
	serial := func() int64 {
		c := n.greet(t)
		return c.upgrade(&tls.Config{InsecureSkipVerify: true}).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	later := time.Now()
	touch := func() {
		later = later.Add(time.Minute)
		for _, f := range []string{p.cert, p.key} {
			if err := os.Chtimes(f, later, later); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := serial(); got != 1 {
		t.Errorf("certificate %d", got)
	}
	whole, err := os.ReadFile(p.cert)
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, 2)
	if err := os.WriteFile(p.cert, whole[:100], 0o600); err != nil {
		t.Fatal(err)
	}
	touch()
	if got := serial(); got != 1 {
		t.Errorf("certificate %d while the new one is being written", got)
	}
	p.write(t, 3)
	touch()
	if got := serial(); got != 3 {
		t.Errorf("certificate %d", got)
	}
}
