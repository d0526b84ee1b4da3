package smtp_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"tocsin/internal/intake"
	"tocsin/internal/intake/intaketest"
	"tocsin/internal/intake/mail"
	"tocsin/internal/intake/smtp"
)

// logged keeps what is logged.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer // mu
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// node is a server that runs, with a stream in memory behind it.
type node struct {
	smtp, lmtp, socket string
	server             *smtp.Server
	kept               *intaketest.Stream
	spool              string
	log                *logged
	metrics            *prometheus.Registry
	stop               func() // ends it and waits for that
}

const (
	abuse = "abuse@example.net"
	other = "abuse@reports.example.net"
)

// nowhere knows no signer's key.
type nowhere struct{}

func (nowhere) LookupTXT(context.Context, string) ([]string, error) {
	return nil, errors.New("nobody is asked")
}

// build makes a server that does not run yet.
func build(t testing.TB, change func(*intake.SMTP)) *node {
	t.Helper()
	dir := t.TempDir()
	n := &node{
		kept: &intaketest.Stream{}, spool: filepath.Join(dir, "spool"), log: &logged{}, metrics: prometheus.NewRegistry(),
		socket: filepath.Join(dir, "lmtp"),
	}
	cfg := intake.Config{SMTP: intake.SMTP{
		SMTP: []string{"127.0.0.1:0"}, LMTP: []string{"127.0.0.1:0"}, Socket: n.socket, Hostname: "tocsin.example.net",
		Recipients: []string{"Abuse@Example.net", "@reports.example.net"}, MaxBytes: 300_000,
	}}.WithDefaults()
	if change != nil {
		change(&cfg.SMTP)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(n.log, nil))
	door := intake.NewDoor(intake.NewSources(nil), n.kept, func(string, io.Reader) string { return "" }, log)
	var err error
	if n.server, err = smtp.New(t.Context(), cfg.SMTP, mail.New(intake.Mail{}, door, nowhere{}, log), n.spool, log, n.metrics); err != nil {
		t.Fatal(err)
	}
	all := n.server.Addresses()
	n.smtp, n.lmtp = all[0].String(), all[len(all)-2].String()
	return n
}

// start runs a server until the test ends; then nothing may lie in its spool.
func start(t testing.TB, change func(*intake.SMTP)) *node {
	t.Helper()
	n := build(t, change)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.server.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(n.spool); len(left) != 0 {
			t.Errorf("%d mails are left in the spool", len(left))
		}
	})
	t.Cleanup(n.stop)
	return n
}

func (n *node) refused(t *testing.T, reason string) float64 {
	t.Helper()
	return n.figure(t, "tocsin_smtp_refused_total", "reason", reason)
}

// figure is a metric's value, of the series with these labels.
func (n *node) figure(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	families, err := n.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			has := map[string]string{}
			for _, l := range m.GetLabel() {
				has[l.GetName()] = l.GetValue()
			}
			match := f.GetName() == name
			for i := 0; i < len(labels); i += 2 {
				match = match && has[labels[i]] == labels[i+1]
			}
			if match {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("there is no %s %v", name, labels)
	return 0
}

// client is a mail server at its plainest: bytes out, lines in.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func dial(t testing.TB, network, address string) *client {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{t, c, bufio.NewReader(c)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// answer reads one answer, all of its lines.
func (c *client) answer() string {
	c.t.Helper()
	all := ""
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("no answer (%v) after %q", err, all)
		}
		all += line
		if len(line) < 4 || line[3] != '-' {
			return all
		}
	}
}

// says checks how the next answers begin.
func (c *client) says(begins ...string) {
	c.t.Helper()
	for _, want := range begins {
		if got := c.answer(); !strings.HasPrefix(got, want) {
			c.t.Fatalf("the answer is %q, want %q", got, want)
		}
	}
}

// ends checks that the server closes the connection, and says nothing more.
func (c *client) ends() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
		c.t.Fatalf("the connection ends with %q, %v", rest, err)
	}
}

// greet begins, up to the recipients.
func (n *node) greet(t testing.TB, recipients ...string) *client {
	t.Helper()
	c := dial(t, "tcp", n.smtp)
	c.says("220 tocsin.example.net ESMTP")
	c.send("EHLO mx.example.net\r\n")
	c.says("250-tocsin.example.net\r\n250-")
	if len(recipients) > 0 {
		c.envelope(recipients...)
	}
	return c
}

func (c *client) envelope(recipients ...string) {
	c.t.Helper()
	c.send("MAIL FROM:<someone@sender.example>\r\n")
	c.says("250 2.1.0")
	for _, r := range recipients {
		c.send("RCPT TO:<" + r + ">\r\n")
		c.says("250 2.1.5")
	}
}

// stuffed is a mail as DATA sends it (RFC 5321 §4.5.2): lines are what CR LF ends, and nothing else.
func stuffed(body string) string {
	lines := strings.SplitAfter(body, "\r\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = "." + l
		}
	}
	return strings.Join(lines, "") + ".\r\n"
}

func (n *node) bodies() []string {
	var all []string
	for _, k := range n.kept.Kept() {
		all = append(all, string(k.Bytes))
	}
	return all
}

const letter = "From: someone@sender.example\r\nSubject: attack\r\n\r\nStop it.\r\n"

// TestDialogues plays short conversations. What begins with > is sent, what begins with < is how the answer begins.
func TestDialogues(t *testing.T) {
	const hello = "> EHLO mx.example.net|< 250-|"
	const ready = hello + "> MAIL FROM:<a@sender.example>|< 250 2.1.0|> RCPT TO:<abuse@example.net>|< 250 2.1.5|"
	for _, d := range []struct {
		name, lines string
		kept        int
	}{
		{"a mail", ready + "> DATA|< 354|> Subject: x||> |> .|< 250 2.0.0 taken as |> QUIT|< 221 2.0.0|END", 1},
		{"two mails", ready + "> DATA|< 354|> x|> .|< 250 2.0.0|> MAIL FROM:<>|< 250|> RCPT TO:<x@Reports.Example.NET>|< 250|> DATA|< 354|> y|> .|< 250", 2},
		{"HELO", "> HELO mx|< 250 tocsin.example.net|> MAIL FROM:<a@b>|< 250", 0},
		{"no name", "> EHLO|< 501 5.5.4|> HELO |< 501", 0},
		{"LMTP's greeting", "> LHLO mx|< 500 5.5.1", 0},
		{"no greeting", "> MAIL FROM:<a@b>|< 503 5.5.1", 0},
		{"no relay", hello + "> MAIL FROM:<a@b>|< 250|> RCPT TO:<abuse@example.com>|< 550 5.1.1|> RCPT TO:<abuse@sub.example.net>|< 550|" +
			"> RCPT TO:<reports.example.net>|< 550|> RCPT TO:<@reports.example.net>|< 501|> RCPT TO:<abuse%example.com@example.net>|< 550|" +
			"> RCPT TO:<\"abuse@example.com\"@example.net>|< 550|> RCPT TO:<@evil.example:abuse@example.com>|< 550|> RCPT TO:<postmaster>|< 550|> DATA|< 503 5.5.1", 0},
		{"a source route is ignored", hello + "> MAIL FROM:<@one.example,@two.example:a@b>|< 250|> RCPT TO:<@one.example:abuse@example.net>|< 250", 0},
		{"one of two recipients", hello + "> MAIL FROM:<a@b>|< 250|> RCPT TO:<abuse@example.net>|< 250|> RCPT TO:<nobody@example.net>|< 550|> DATA|< 354|> x|> .|< 250", 1},
		{"order", hello + "> RCPT TO:<abuse@example.net>|< 503|> DATA|< 503|> MAIL FROM:<a@b>|< 250|> MAIL FROM:<c@d>|< 503|> DATA|< 503|> RCPT TO:<abuse@example.net>|< 250|> DATA now|< 501|> RSET|< 250|> DATA|< 503", 0},
		{"greeting again", ready + "> EHLO again|< 250-|> DATA|< 503", 0},
		{"parameters", hello + "> MAIL FROM:<a@b> SIZE=300000 BODY=8BITMIME SMTPUTF8|< 250|> RSET|< 250|> MAIL FROM:<a@b> SIZE=300001|< 552 5.3.4|" +
			"> MAIL FROM:<a@b> SIZE=99999999999999999999999|< 552|> MAIL FROM:<a@b> SIZE=-1|< 501|> MAIL FROM:<a@b> BODY=BINARYMIME|< 555|" +
			"> MAIL FROM:<a@b> RET=FULL|< 555 5.5.4|> MAIL FROM:<a@b>X|< 501 5.1.7|> MAIL FROM:<a@b> SMTPUTF8=1|< 501", 0},
		{"addresses", hello + "> MAIL FROM:a@b|< 501 5.1.7|> MAIL FROM:<a@b|< 501|> MAIL FROM:<a b@c>|< 501|> MAIL TO:<a@b>|< 501|> MAIL|< 501|" +
			"> mail from: <\"a > b\\\"\"@c>|< 250|> RCPT TO:<>|< 501|> RCPT TO:<abuse@example.net> NOTIFY=NEVER|< 555|> rcpt to:<ABUSE@EXAMPLE.NET>|< 250", 0},
		{"UTF-8", hello + "> MAIL FROM:<ü@b>|< 553 5.6.7|> MAIL FROM:<ü@b> SMTPUTF8|< 250|> RCPT TO:<ä@reports.example.net>|< 250", 0},
		{"broken UTF-8", hello + "> MAIL FROM:<\xff@b> SMTPUTF8|< 553", 0},
		{"header injection", hello + "> MAIL FROM:<a@b\rBcc: c@d>|< 501 5.5.2|> MAIL FROM:<\"a\\\r@\"@b>|< 501|> MAIL FROM:<a\x00@b>|< 501|> DATA|< 503", 0},
		{"what else there is", hello + "> NOOP|< 250|> VRFY abuse|< 252|> EXPN list|< 500|> HELP|< 500|> AUTH PLAIN AAAA|< 500|> STARTTLS|< 502|> |< 500", 0},
		{"a browser", "> POST / HTTP/1.1|< 500|END", 0},
		{"errors", hello + strings.Repeat("> X|< 500|", 10) + "< 421 4.7.0|END", 0},
		{"control characters are errors too", hello + strings.Repeat("> X\r|< 501|", 10) + "< 421 4.7.0|END", 0},
		{"for ever", hello + strings.Repeat("> NOOP|< 250|", 400) + "< 421 4.5.3|END", 0},
		{"a long command", "> EHLO " + strings.Repeat("x", 2040) + "|< 250-|> EHLO " + strings.Repeat("x", 2042) + "|< 500 5.5.2|END", 0},
		{"an endless command", "> " + strings.Repeat("x", 20_000) + "|< 500 5.5.2", 0},
		{"an empty mail", ready + "> DATA|< 354|> .|< 554 5.6.0|> MAIL FROM:<a@b>|< 250", 0},
		{"BDAT", ready + "> BDAT 3|- abc|< 250|> BDAT 2 last|- de|< 250 2.0.0 taken as", 1},
		{"BDAT LAST of nothing", ready + "> BDAT 3|- abc|< 250|> BDAT 0 LAST|< 250 2.0.0 taken as", 1},
		{"BDAT and others", ready + "> BDAT 3|- abc|< 250|> DATA|< 503|> RCPT TO:<abuse@example.net>|< 503|> MAIL FROM:<a@b>|< 503|> NOOP|< 250|> BDAT 0 LAST|< 250", 1},
		{"BDAT and RSET", ready + "> BDAT 3|- abc|< 250|> RSET|< 250|> BDAT 3 LAST|- abc|< 503", 0},
		{"BDAT of commands", hello + "> BDAT 6 LAST|- QUIT\r\n|< 503|> BDAT 6|- QUIT\r\n|< 503|> NOOP|< 250", 0},
		{"BDAT that cannot be read", ready + "> BDAT x LAST|< 501|END", 0},
		{"BDAT of a negative length", ready + "> BDAT -1 LAST|< 501|END", 0},
		{"BDAT and nonsense", ready + "> BDAT 4 NEXT|< 501|END", 0},
		{"BDAT too large", ready + "> BDAT 300001 LAST|- " + strings.Repeat("x\r\n", 100_000) + "y|< 552 5.3.4|> NOOP|< 250", 0},
		{"BDAT far too large, unasked", hello + "> BDAT 9999999999|< 503|END", 0},
	} {
		t.Run(d.name, func(t *testing.T) {
			n := start(t, nil)
			c := dial(t, "tcp", n.smtp)
			c.says("220 ")
			c.play(d.lines)
			if got := len(n.kept.Kept()); got != d.kept {
				t.Errorf("%d mails were kept, want %d: %q", got, d.kept, n.bodies())
			}
		})
	}
}

func (c *client) play(lines string) {
	c.t.Helper()
	for line := range strings.SplitSeq(lines, "|") {
		switch text := line[min(2, len(line)):]; {
		case line == "":
		case line == "END":
			c.ends()
		case line[0] == '>':
			c.send(text + "\r\n")
		case line[0] == '-':
			c.send(text)
		default:
			c.says(text)
		}
	}
}

// TestEndOfMail: a mail ends with CR LF . CR LF and nothing else, whatever somebody puts into it (RFC 5321 §4.1.1.4).
func TestEndOfMail(t *testing.T) {
	const second = "MAIL FROM:<boss@example.net>\r\nRCPT TO:<abuse@example.net>\r\nDATA\r\nforged\r\n"
	for _, end := range []string{
		"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\n.\r", "\r\r\n.\n", "\x00\r\n.\x00\r\n", "\r\n.\r\r\n", "\r\n\x00.\r\n", "\r\n. \r\n", "\r\n.\t\r\n",
	} {
		t.Run(fmt.Sprintf("%q", end), func(t *testing.T) {
			n := start(t, nil)
			c := n.greet(t, abuse)
			body := "Subject: x\r\n\r\none" + end + second
			c.send("DATA\r\n")
			c.says("354")
			// As a mail server sends it that takes these for text: its own line ends are CR LF alone.
			c.send(stuffed(body) + "QUIT\r\n")
			c.says("250 2.0.0 taken", "221 ")
			c.ends()
			if diff := cmp.Diff([]string{body}, n.bodies()); diff != "" {
				t.Errorf("kept (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUnstuffedEnds: as above, where the sender's mail server does not stuff what it holds for no line of its own.
func TestUnstuffedEnds(t *testing.T) {
	for _, end := range []string{"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n"} {
		n := start(t, nil)
		c := n.greet(t, abuse)
		c.send("DATA\r\n")
		c.says("354")
		c.send("one" + end + "MAIL FROM:<boss@example.net>\r\n.\r\nQUIT\r\n")
		c.says("250 2.0.0 taken", "221 ")
		c.ends()
		// Of a line that CR LF began the full stop goes; no other byte does.
		want := "one" + strings.Replace(end, "\r\n.\n", "\r\n\n", 1) + "MAIL FROM:<boss@example.net>\r\n"
		if diff := cmp.Diff([]string{want}, n.bodies()); diff != "" {
			t.Errorf("%q: kept (-want +got):\n%s", end, diff)
		}
	}
}

// TestBareLineEndsInCommands: a command that ends with a bare LF, or holds a bare CR, is none.
func TestBareLineEndsInCommands(t *testing.T) {
	n := start(t, nil)
	for _, command := range []string{"NOOP\n", "RSET\nNOOP\r\n", "MAIL FROM:<a@b>\nRCPT TO:<abuse@example.net>\r\n"} {
		c := n.greet(t)
		c.send(command)
		c.says("500 5.5.2 lines end in CR LF")
	}
	c := n.greet(t)
	c.send("NOOP\rQUIT\r\n")
	c.says("501 5.5.2")
}

// TestPipelining sends everything at once (RFC 2920), parts of BDAT included.
func TestPipelining(t *testing.T) {
	n := start(t, nil)
	c := n.greet(t)
	mail := func(rest string) string {
		return "MAIL FROM:<a@b>\r\nRCPT TO:<abuse@example.net>\r\nRCPT TO:<no@example.com>\r\n" + rest
	}
	long := strings.Repeat("x", 30_000) + "\r\n"
	c.send(mail("BDAT 5\r\none\r\nBDAT 30002 LAST\r\n"+long) + mail("DATA\r\n"))
	c.says("250 2.1.0", "250 2.1.5", "550", "250 2.0.0 ok", "250 2.0.0 taken", "250 2.1.0", "250 2.1.5", "550", "354")
	c.send("three\r\n.\r\nQUIT\r\n")
	c.says("250 2.0.0 taken", "221")
	if diff := cmp.Diff([]string{"one\r\n" + long, "three\r\n"}, n.bodies()); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

// TestCut cuts the connection inside a mail, politely or not: nothing of it is kept, and another is taken.
func TestCut(t *testing.T) {
	part := strings.Repeat("0123456789\r\n", 10_000) // enough for the spool's disk
	for _, begin := range []string{"DATA\r\n", "BDAT 200000 LAST\r\n", "BDAT 200000\r\n"} {
		for _, how := range []string{"half", "reset"} {
			n := start(t, nil)
			c := n.greet(t, abuse)
			if begin == "DATA\r\n" {
				c.send(begin)
				c.says("354")
			} else { // a reset takes with it what has not been read, so the mail is begun first
				c.send("BDAT 5\r\nzero\n")
				c.says("250 2.0.0 ok")
				c.send(begin)
			}
			c.send(part)
			tcp := c.Conn.(*net.TCPConn)
			if how == "half" {
				if err := tcp.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				c.ends()
			} else {
				if err := errors.Join(tcp.SetLinger(0), tcp.Close()); err != nil {
					t.Fatal(err)
				}
			}
			c = n.greet(t, abuse)
			c.send("DATA\r\n" + letter + ".\r\n")
			c.says("354", "250 2.0.0 taken")
			n.stop()
			if diff := cmp.Diff([]string{letter}, n.bodies()); diff != "" {
				t.Errorf("%q, %s: kept (-want +got):\n%s", begin, how, diff)
			}
			if n.refused(t, "cut") != 1 {
				t.Errorf("%q, %s: %v cut", begin, how, n.refused(t, "cut"))
			}
		}
	}
}

// TestNotKept: what goes wrong here leaves the mail with its mail server, and is over when it is over.
func TestNotKept(t *testing.T) {
	n := start(t, nil)
	c := n.greet(t)
	for _, step := range []struct {
		fail error
		want string
	}{
		{fmt.Errorf("%w: 3 MiB left", intake.ErrFull), "452 4.3.1"},
		{errors.New("the stream is broken"), "451 4.3.0"},
		{nil, "250 2.0.0 taken"},
	} {
		n.kept.Fail(step.fail)
		c.envelope(abuse)
		c.send("DATA\r\n" + letter + ".\r\n")
		c.says("354", step.want)
	}
	if diff := cmp.Diff([]string{letter}, n.bodies()); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if n.refused(t, "full") != 1 || n.refused(t, "node") != 1 {
		t.Error("the refusals are not counted")
	}
}

// TestSpoolFull: a mail that the spool cannot hold is read to its end and refused for now.
func TestSpoolFull(t *testing.T) {
	n := start(t, nil)
	if err := os.Remove(n.spool); err != nil {
		t.Fatal(err)
	}
	c := n.greet(t, abuse)
	c.send("DATA\r\n" + strings.Repeat("0123456789\r\n", 10_000) + ".\r\n")
	c.says("354", "451 4.3.0")
	c.envelope(abuse)
	c.send("DATA\r\n" + letter + ".\r\n")
	c.says("354", "250 2.0.0 taken")
}

// TestLMTP: each recipient has its own answer, in order (RFC 2033 §4.2).
func TestLMTP(t *testing.T) {
	n := start(t, nil)
	for _, to := range [][2]string{{"tcp", n.lmtp}, {"unix", n.socket}} {
		c := dial(t, to[0], to[1])
		c.says("220 tocsin.example.net LMTP")
		c.play("> EHLO mx|< 500 5.5.1|> LHLO mx|< 250-tocsin|> MAIL FROM:<a@b>|< 250|> RCPT TO:<abuse@example.net>|< 250|> RCPT TO:<no@example.net>|< 550|" +
			"> RCPT TO:<abuse@reports.example.net>|< 250|> DATA|< 354|> x|> .|< 250 2.0.0 <abuse@example.net> taken as|< 250 2.0.0 <abuse@reports.example.net> taken as|" +
			"> MAIL FROM:<a@b>|< 250|> RCPT TO:<no@example.net>|< 550|> DATA|< 503|> RSET|< 250|" +
			"> MAIL FROM:<a@b>|< 250|> RCPT TO:<abuse@example.net>|< 250|> RCPT TO:<abuse@example.net>|< 250|> BDAT 1|- y|< 250 2.0.0 ok|> BDAT 2 LAST|- \r\n|< 250 2.0.0 <abuse@example.net> taken|< 250 2.0.0 <abuse@example.net> taken")
		n.kept.Fail(errors.New("no"))
		c.play("> MAIL FROM:<a@b>|< 250|> RCPT TO:<abuse@example.net>|< 250|> RCPT TO:<abuse@reports.example.net>|< 250|> DATA|< 354|> x|> .|" +
			"< 451 4.3.0 <abuse@example.net>|< 451 4.3.0 <abuse@reports.example.net>|> QUIT|< 221|END")
		n.kept.Fail(nil)
	}
	if diff := cmp.Diff([]string{"x\r\n", "y\r\n"}, n.bodies()); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if got := n.figure(t, "tocsin_smtp_mails_total", "protocol", "lmtp", "fate", "duplicate"); got != 2 {
		t.Errorf("%v duplicates", got)
	}
}

// TestSize: a mail of exactly the largest size is taken, one byte more is not, and the connection goes on.
func TestSize(t *testing.T) {
	n := start(t, nil)
	c := n.greet(t)
	for _, size := range []int{300_000, 300_001, 200_000, 65_536, 65_537} {
		body := strings.Repeat("0123456789abcde\r\n", size/17+1)[:size-2] + "\r\n"
		want := "250 2.0.0 taken"
		if size > 300_000 {
			want = "552 5.3.4"
		}
		c.envelope(abuse)
		c.send("DATA\r\n")
		c.says("354")
		c.send(stuffed(body))
		c.says(want)
		if size <= 300_000 {
			if k := n.kept.Kept(); string(k[len(k)-1].Bytes) != body {
				t.Errorf("%d bytes: not the same bytes", size)
			}
		}
	}
	if n.refused(t, "size") != 1 || len(n.kept.Kept()) != 4 {
		t.Errorf("%v refused, %d kept", n.refused(t, "size"), len(n.kept.Kept()))
	}
	c.envelope(abuse)
	c.send("DATA\r\n")
	c.says("354")
	c.send(strings.Repeat("0123456789abcde\r\n", 600_000/17+1))
	c.says("421 4.3.4")
}

// TestLongLine refuses a line that is too long, in DATA and in BDAT, wherever it is cut.
func TestLongLine(t *testing.T) {
	n := start(t, func(c *intake.SMTP) { c.MaxLine = 1000 })
	c := n.greet(t)
	for _, step := range []struct {
		length int
		want   string
	}{{1000, "250 2.0.0 taken"}, {1001, "554 5.6.0"}, {50_000, "554 5.6.0"}} {
		body := "a\r\n" + strings.Repeat("x", step.length-2) + "\r\nb\r\n"
		c.envelope(abuse)
		c.send("DATA\r\n" + body + ".\r\n")
		c.says("354", step.want)
		c.envelope(abuse)
		c.send(fmt.Sprintf("BDAT 500\r\n%sBDAT %d LAST\r\n%s", body[:500], len(body)-500, body[500:]))
		c.says("250 2.0.0 ok", step.want)
	}
}

// TestRecipients: as many as allowed are taken, further ones are told to come with another mail.
func TestRecipients(t *testing.T) {
	n := start(t, func(c *intake.SMTP) { c.MaxRecipients = 2 })
	c := n.greet(t, abuse, other)
	c.send("RCPT TO:<third@reports.example.net>\r\n")
	c.says("452 4.5.3")
	c.send("DATA\r\n" + letter + ".\r\n")
	c.says("354", "250 2.0.0 taken")
}

// TestConnections holds the limits, and gives places back.
func TestConnections(t *testing.T) {
	n := start(t, func(c *intake.SMTP) { c.MaxConnections, c.MaxConnectionsPerNetwork = 3, 2 })
	one, two := n.greet(t), n.greet(t)
	third := dial(t, "tcp", n.lmtp)
	third.says("421 4.7.0 too many connections from your network")
	third.ends()
	socket := dial(t, "unix", n.socket) // counts to no network
	socket.says("220 ")
	fourth := dial(t, "unix", n.socket)
	fourth.says("421 4.7.0 too many connections: ")
	if got := n.figure(t, "tocsin_smtp_connections"); got != 3 {
		t.Errorf("%v connections are open", got)
	}
	one.send("QUIT\r\n")
	one.says("221")
	one.ends()
	if err := two.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "places are free", func() bool { return n.figure(t, "tocsin_smtp_connections") == 1 })
	n.greet(t, abuse)
	if n.refused(t, "connections") != 2 {
		t.Errorf("%v refused", n.refused(t, "connections"))
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); !is(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

// TestStranger: who is in no network that was named is told to come back, and says nothing here.
func TestStranger(t *testing.T) {
	n := start(t, func(c *intake.SMTP) {
		c.Clients = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	})
	c := dial(t, "tcp", n.smtp)
	c.says("421 4.7.1")
	c.ends()
	s := dial(t, "unix", n.socket)
	s.says("220 ")
	if n.refused(t, "client") != 1 {
		t.Errorf("%v refused", n.refused(t, "client"))
	}
	if strings.Contains(n.log.String(), c.LocalAddr().String()) {
		t.Error("the log has the stranger's address")
	}
}

// TestStop: when the node stops, who waits is sent away, who comes is told to come back, and a mail that is being sent
// is taken.
func TestStop(t *testing.T) {
	n := build(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.server.Run(ctx) }()
	idle, sending := n.greet(t, abuse), n.greet(t, abuse)
	chunks := n.greet(t, other)
	sending.send("DATA\r\n")
	sending.says("354")
	sending.send("one\r\n")
	chunks.send("BDAT 3\r\ntwo")
	chunks.says("250 2.0.0 ok")
	cancel()
	idle.says("421 4.3.2")
	idle.ends()
	late := dial(t, "tcp", n.smtp)
	late.says("421 4.3.2")
	late.ends()
	sending.send("more\r\n.\r\n")
	sending.says("250 2.0.0 taken", "421 4.3.2")
	sending.ends()
	chunks.send("BDAT 2 LAST\r\n\r\n")
	chunks.says("250 2.0.0 taken", "421 4.3.2")
	chunks.ends()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one\r\nmore\r\n", "two\r\n"}, n.bodies()); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if _, err := net.DialTimeout("tcp", n.smtp, time.Second); err == nil {
		t.Error("it still listens")
	}
}

// TestNothingPersonal: addresses, names and subjects are in no log; what an operator needs is.
func TestNothingPersonal(t *testing.T) {
	n := start(t, func(c *intake.SMTP) { c.MaxLine = 1000 })
	c := n.greet(t)
	for _, body := range []string{letter, strings.Repeat("x", 2000) + "\r\n"} {
		c.envelope(abuse)
		c.send("RCPT TO:<victim@example.com>\r\n")
		c.says("550")
		c.send("DATA\r\n" + body + ".\r\n")
		c.says("354")
		c.answer()
	}
	n.kept.Fail(errors.New("no"))
	c.envelope(abuse)
	c.send("DATA\r\n" + letter + ".\r\n")
	c.says("354", "451")
	log := n.log.String()
	for _, p := range []string{"someone", "sender.example", "victim", "abuse@", "attack", "mx.example"} {
		if strings.Contains(log, p) {
			t.Errorf("the log has %s:\n%s", p, log)
		}
	}
	for _, want := range []string{"listening for mails", "mail taken", "reporter=unproven", "mail refused", "reason=line", "could not be kept"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %q:\n%s", want, log)
		}
	}
}

// TestEnvelope: the desk is told who sent, and by which channel.
func TestEnvelope(t *testing.T) {
	told := &desk{}
	address, stop := serveTo(t, told, nil)
	n := &node{smtp: address}
	c := n.greet(t, abuse)
	c.send("DATA\r\n" + letter + ".\r\n")
	c.says("354", "250")
	c.send("MAIL FROM:<>\r\nRCPT TO:<" + abuse + ">\r\nBDAT 3 LAST\r\nx\r\n")
	c.says("250", "250", "250")
	told.panics = true
	c.envelope(abuse)
	c.send("DATA\r\n" + letter + ".\r\n")
	c.says("354", "451 4.3.0")
	stop()
	want := []mail.Envelope{{Channel: "smtp", From: "someone@sender.example"}, {Channel: "smtp"}}
	if diff := cmp.Diff(want, told.envelopes); diff != "" {
		t.Errorf("envelopes (-want +got):\n%s", diff)
	}
}

// serveTo runs a server for a desk of the test's own.
func serveTo(t testing.TB, d smtp.Desk, change func(*intake.SMTP)) (address string, stop func()) {
	t.Helper()
	cfg := intake.Config{SMTP: intake.SMTP{
		SMTP: []string{"127.0.0.1:0"}, Recipients: []string{abuse}, Hostname: "tocsin.example.net",
	}}.WithDefaults().SMTP
	if change != nil {
		change(&cfg)
	}
	s, err := smtp.New(t.Context(), cfg, d, t.TempDir(), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return s.Addresses()[0].String(), func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// desk notes envelopes.
type desk struct {
	envelopes []mail.Envelope
	panics    bool
}

func (d *desk) Accept(_ context.Context, e mail.Envelope, r io.ReadSeeker) (intake.Receipt, error) {
	if d.panics {
		panic("a fault")
	}
	d.envelopes = append(d.envelopes, e)
	_, err := io.Copy(io.Discard, r)
	return intake.Receipt{}, err
}

// TestRestart: what a crash left in the spool and as a socket is cleared away; a port that is taken is said so.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	spool, socket := filepath.Join(dir, "spool"), filepath.Join(dir, "lmtp")
	if err := os.Mkdir(spool, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(spool, "mail-123"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	cfg := intake.Config{SMTP: intake.SMTP{Socket: socket, SocketMode: "0620", Recipients: []string{abuse}}}.WithDefaults().SMTP
	open := func() (*smtp.Server, error) {
		return smtp.New(t.Context(), cfg, &desk{}, spool, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	}
	if _, err := open(); err == nil || !strings.Contains(err.Error(), "intake.smtp.socket") {
		t.Errorf("while another listens: %v", err)
	}
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if all, _ := os.ReadDir(spool); len(all) != 0 {
		t.Errorf("%d files are left in the spool", len(all))
	}
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o620 {
		t.Errorf("the socket: %v %v", info, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(); err == nil {
		t.Error("a file was taken for a socket")
	}
	if _, err := os.Stat(socket); err != nil {
		t.Errorf("the file is gone: %v", err)
	}
}

// TestMetrics: the names are an operator's to rely on.
func TestMetrics(t *testing.T) {
	n := start(t, nil)
	c := n.greet(t, abuse)
	c.send("DATA\r\n" + letter + ".\r\n")
	c.says("354", "250")
	for _, m := range []struct {
		want float64
		name string
		of   []string
	}{
		{1, "tocsin_smtp_mails_total", []string{"protocol", "smtp", "fate", "new"}},
		{0, "tocsin_smtp_mails_total", []string{"protocol", "lmtp", "fate", "new"}},
		{float64(len(letter)), "tocsin_smtp_bytes_total", nil},
		{1, "tocsin_smtp_connections_total", []string{"protocol", "smtp"}},
		{1, "tocsin_smtp_connections", nil},
	} {
		if got := n.figure(t, m.name, m.of...); got != m.want {
			t.Errorf("%s %v is %v, want %v", m.name, m.of, got, m.want)
		}
	}
}
