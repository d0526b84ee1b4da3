package imap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/prometheus/client_golang/prometheus"

	"tocsin/internal/dovecottest"
	"tocsin/internal/intake"
	mailbox "tocsin/internal/intake/imap"
	"tocsin/internal/intake/intaketest"
	"tocsin/internal/intake/mail"
	"tocsin/internal/report"
)

// node is a mail desk in memory, whose reports are worked as soon as they are in: a mail with "person" in its subject
// waits until somebody deals with it.
type node struct {
	*mail.Desk
	kept *intaketest.Stream

	mu    sync.Mutex
	dealt bool
}

func newNode() *node {
	kept := &intaketest.Stream{}
	door := intake.NewDoor(intake.NewSources(nil), kept, func(string, io.Reader) string { return "" }, slog.New(slog.DiscardHandler))
	return &node{Desk: mail.New(intake.Mail{}, door, &net.Resolver{}, slog.New(slog.DiscardHandler)), kept: kept}
}

func (n *node) deal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dealt = true
}

func (n *node) state(_ context.Context, id report.ID) (report.State, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range n.kept.Kept() {
		if k.Report.ID == id {
			if strings.Contains(string(k.Bytes), "Subject: person") && !n.dealt {
				return report.StateWaiting, nil
			}
			return report.StateWorked, nil
		}
	}
	return report.StateReceived, nil
}

var quick = mailbox.Paces{Retry: 10 * time.Millisecond, Refused: 20 * time.Millisecond, Settle: time.Second}

func config(t *testing.T, addr string) intake.Mailbox {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte(dovecottest.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := intake.Config{IMAP: []intake.Mailbox{{
		Name: "abuse", Address: addr, TLS: intake.TLSNone, User: "abuse", PasswordFile: secret, MaxBytes: 64 << 10, Poll: 10 * time.Second,
	}}}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c.WithDefaults().IMAP[0]
}

// run reads the mailbox until stop is called.
func run(t *testing.T, cfg intake.Mailbox, n *node) (stop func(), log *logged) {
	t.Helper()
	log = &logged{}
	boxes, err := mailbox.New([]intake.Mailbox{cfg}, n, n.state, t.TempDir(), quick, slog.New(slog.NewTextHandler(log, nil)), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := boxes.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); wg.Wait() }) }
	t.Cleanup(stop)
	return stop, log
}

// logged is a log that may be read while it is written.
type logged struct {
	mu sync.Mutex
	strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Builder.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Builder.String()
}

// client is another program with the same mailbox open, such as the desk's mail program.
func client(t *testing.T, addr string) *imapclient.Client {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c := imapclient.New(conn, nil)
	if err := c.Login("abuse", dovecottest.Password).Wait(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func put(t *testing.T, c *imapclient.Client, text string) {
	t.Helper()
	cmd := c.Append("INBOX", int64(len(text)), nil)
	if _, err := io.WriteString(cmd, text); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

func text(subject string, i int) string {
	return fmt.Sprintf("From: a@b.example\r\nSubject: %s %d\r\nDate: Sun, 01 Mar 2026 12:00:00 +0000\r\nMessage-ID: <%d@b.example>\r\n\r\nText %d\r\n", subject, i, i, i)
}

// folder returns the subjects in a folder, sorted, and whether one was marked as read.
func folder(t *testing.T, addr, name string) (subjects []string, read bool) {
	t.Helper()
	c := client(t, addr)
	defer c.Close()
	data, err := c.Select(name, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil || data.NumMessages == 0 {
		return nil, false
	}
	all, err := c.Fetch(imap.SeqSet{imap.SeqRange{Start: 1}}, &imap.FetchOptions{Envelope: true, Flags: true}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		subjects = append(subjects, m.Envelope.Subject)
		read = read || slices.Contains(m.Flags, imap.FlagSeen)
	}
	slices.Sort(subjects)
	return subjects, read
}

// until waits for a condition, for a minute at most.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after a minute still not: %s", what)
		}
	}
}

func count(t *testing.T, addr, name string) int {
	t.Helper()
	all, _ := folder(t, addr, name)
	return len(all)
}

// TestMailbox takes what is there and what comes, and files it by what becomes of its report.
func TestMailbox(t *testing.T) {
	s := dovecottest.Start(t, "")
	c := client(t, s.Addr)
	put(t, c, text("machine", 1))
	put(t, c, text("person", 2))
	put(t, c, text("large", 3)+strings.Repeat("x", 70<<10))
	n := newNode()
	_, log := run(t, config(t, s.Addr), n)
	until(t, "one is done and one waits", func() bool { return count(t, s.Addr, "tocsin-done") == 1 && count(t, s.Addr, "tocsin-waiting") == 1 })
	put(t, c, text("machine", 4)) // IDLE tells of it, long before the next look
	until(t, "the one that came is done", func() bool { return count(t, s.Addr, "tocsin-done") == 2 })
	if left, _ := folder(t, s.Addr, "INBOX"); !slices.Equal(left, []string{"large 3"}) {
		t.Errorf("the folder has %q", left)
	}
	n.deal()
	put(t, c, text("machine", 5)) // so that it looks
	until(t, "what waited is done", func() bool { return count(t, s.Addr, "tocsin-done") == 4 })
	done, read := folder(t, s.Addr, "tocsin-done")
	if want := []string{"machine 1", "machine 4", "machine 5", "person 2"}; !slices.Equal(done, want) || read {
		t.Errorf("done has %q, read %v", done, read)
	}
	k := n.kept.Kept()
	if len(k) != 4 || !slices.ContainsFunc(k, func(k intaketest.Kept) bool { return string(k.Bytes) == text("machine", 1) }) {
		t.Errorf("%d reports, or other bytes", len(k))
	}
	if n := strings.Count(log.String(), "is larger than"); n != 1 {
		t.Errorf("the large mail was told of %d times:\n%s", n, log)
	}
}

// proxy stands between and cuts connections after a random number of bytes.
type proxy struct {
	net.Listener
	to  string
	mu  sync.Mutex
	off bool // it cuts no more
	cut int
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, to: to}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.pass(c)
		}
	}()
	return p
}

func (p *proxy) pass(c net.Conn) {
	defer c.Close()
	to, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer to.Close()
	p.mu.Lock()
	limit := int64(2000 + rand.IntN(30_000))
	if p.off {
		limit = 1 << 40
	} else {
		p.cut++
	}
	p.mu.Unlock()
	go func() { _, _ = io.Copy(to, c) }()
	_, _ = io.CopyN(c, to, limit)
}

// TestCuts takes 300 mails over connections that are cut again and again, while the server is killed in between, and
// the program too: each is there once, in the folder and at the desk.
func TestCuts(t *testing.T) {
	const mails = 300
	s := dovecottest.Start(t, "")
	c := client(t, s.Addr)
	var want []string
	for i := range mails {
		put(t, c, text("mail", i))
		want = append(want, fmt.Sprintf("mail %d", i))
	}
	slices.Sort(want)
	_ = c.Close()
	p := newProxy(t, s.Addr)
	n := newNode()
	for range 4 {
		before := len(n.kept.Kept())
		stop, _ := run(t, config(t, p.Addr().String()), n)
		until(t, "some are taken", func() bool { return len(n.kept.Kept()) >= min(before+50, mails) })
		s.Restart()
		before = len(n.kept.Kept())
		until(t, "some more are taken", func() bool { return len(n.kept.Kept()) >= min(before+10, mails) })
		stop()
	}
	p.mu.Lock()
	p.off = true
	cuts := p.cut
	p.mu.Unlock()
	run(t, config(t, p.Addr().String()), n)
	until(t, "all are done", func() bool { return count(t, s.Addr, "tocsin-done") >= mails })
	if done, _ := folder(t, s.Addr, "tocsin-done"); !slices.Equal(done, want) {
		t.Errorf("done has %d mails, want each of %d once", len(done), mails)
	}
	if left := count(t, s.Addr, "INBOX"); left != 0 {
		t.Errorf("%d mails are left", left)
	}
	if got := len(n.kept.Kept()); got != mails {
		t.Errorf("%d reports of %d mails", got, mails)
	}
	t.Logf("%d connections were cut", cuts)
}

// TestRefused: a wrong password is one sentence in the log, without names, and nothing is tried in haste.
func TestRefused(t *testing.T) {
	s := dovecottest.Start(t, "")
	cfg := config(t, s.Addr)
	if err := os.WriteFile(cfg.PasswordFile, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := newNode()
	stop, log := run(t, cfg, n)
	until(t, "it is refused twice", func() bool { return strings.Count(s.Log(), "auth failed") >= 2 })
	if err := os.WriteFile(cfg.PasswordFile, []byte(dovecottest.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, client(t, s.Addr), text("machine", 1))
	until(t, "the new password is used", func() bool { return len(n.kept.Kept()) == 1 })
	stop()
	if n := strings.Count(log.String(), "refuses the sign-in"); n != 1 || strings.Contains(log.String(), "user=") || strings.Contains(log.String(), "wrong") {
		t.Errorf("the log says\n%s", log)
	}
}

// TestXOAUTH2 signs in with a token that a refresh token got; the provider hands out a new one each time.
func TestXOAUTH2(t *testing.T) {
	var mu sync.Mutex
	refresh, access := "refresh-0", "none"
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		switch {
		case r.URL.Path == "/introspect":
			fmt.Fprintf(w, `{"active":%v,"username":"abuse"}`, r.PostForm.Get("token") == access)
		case r.PostForm.Get("grant_type") == "refresh_token" && r.PostForm.Get("refresh_token") == refresh:
			refresh, access = refresh+"0", access+"1"
			fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":60,"refresh_token":%q}`, access, refresh)
		default:
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"invalid_grant"}`)
		}
	}))
	defer provider.Close()
	s := dovecottest.Start(t, provider.URL+"/introspect")
	put(t, client(t, s.Addr), text("machine", 1))
	cfg := config(t, s.Addr)
	cfg.PasswordFile = ""
	cfg.OAuth2 = intake.OAuth2{TokenURL: provider.URL + "/token", ClientID: "tocsin", RefreshTokenFile: filepath.Join(t.TempDir(), "refresh")}
	if err := os.WriteFile(cfg.OAuth2.RefreshTokenFile, []byte(refresh), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		n := newNode()
		stop, log := run(t, cfg, n)
		put(t, client(t, s.Addr), text("machine", 2+i))
		until(t, "the mail is taken: "+log.String(), func() bool { return len(n.kept.Kept()) >= 1 })
		stop()
	}
	kept, err := os.ReadFile(cfg.OAuth2.RefreshTokenFile)
	if mu.Lock(); err != nil || strings.TrimSpace(string(kept)) != refresh {
		t.Errorf("kept is %q, the provider's last is %q, %v", kept, refresh, err)
	}
	mu.Unlock()
}

// TestDeskFails: while mails cannot be kept they stay where they are.
func TestDeskFails(t *testing.T) {
	s := dovecottest.Start(t, "")
	put(t, client(t, s.Addr), text("machine", 1))
	n := newNode()
	n.kept.Fail(errors.New("the disk is full"))
	_, log := run(t, config(t, s.Addr), n)
	until(t, "it was tried twice", func() bool { return n.kept.Calls() >= 2 })
	if count(t, s.Addr, "INBOX") != 1 || count(t, s.Addr, "tocsin-done") != 0 {
		t.Error("the mail was moved")
	}
	n.kept.Fail(nil)
	until(t, "it is done", func() bool { return count(t, s.Addr, "tocsin-done") == 1 })
	if !strings.Contains(log.String(), "the disk is full") {
		t.Errorf("the log says\n%s", log)
	}
}
