package main_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
	diff "github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"tocsin/internal/corpustest"
	"tocsin/internal/dovecottest"
	"tocsin/internal/incident"
	"tocsin/internal/postfixtest"
	"tocsin/internal/report"
	"tocsin/internal/store"
	"tocsin/internal/world"
)

// way is how a mail comes to the node.
type way int

const (
	byIMAP    way = iota // lies in a mailbox of dovecot
	byPostfix            // is forwarded by LMTP
	bySwaks              // is sent by SMTP
	ways
)

// incoming is a mail on its way.
type incoming struct {
	world.Mail
	way way
}

// incomingMails are all mails of the corpus and as many of the world as make n. A mail that repeats another comes the
// same way: on another it would be another sender's.
func incomingMails(t *testing.T, n int) []incoming {
	t.Helper()
	var all []incoming
	seen := map[[32]byte]bool{}
	for _, format := range []string{"generic_mail", "xarf_mail", "shadowserver_mail", "arf_mail", "not_arf_mail"} {
		for _, e := range corpustest.Entries(t, format) {
			body, err := os.ReadFile(corpustest.Dir(t, e.Path))
			if err != nil {
				t.Fatal(err)
			}
			if bytes.HasPrefix(body, []byte("From ")) { // of the mbox that it was in (RFC 4155)
				_, body, _ = bytes.Cut(body, []byte("\n"))
			}
			body = lineEnd.ReplaceAll(body, []byte("\r\n")) // no mail server passes on others as they are
			if sum := sha256.Sum256(body); !seen[sum] {
				seen[sum] = true
				all = append(all, incoming{world.Mail{Kind: format, From: "sender@example.com", Repeat: -1, Body: body}, way(len(all)) % ways})
			}
		}
	}
	corpus := len(all)
	for m := range world.Mailbox(7, n-corpus) {
		in := incoming{m, way(len(all)) % ways}
		switch {
		case m.Repeat >= 0:
			in.way = all[corpus+m.Repeat].way
		case m.Kind == "headers without end": // Postfix cuts them off (header_size_limit)
			in.way = byIMAP
		}
		all = append(all, in)
	}
	return all
}

var lineEnd = regexp.MustCompile(`\r\n|\r|\n`)

// cutter passes connections on to a server, and cuts most of them after a while.
type cutter struct {
	net.Listener
	to   string
	calm atomic.Bool // it cuts no more
	cuts atomic.Int64
}

func newCutter(t *testing.T, to string) *cutter {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: l, to: to}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.pass(conn)
		}
	}()
	return c
}

func (c *cutter) pass(conn net.Conn) {
	defer conn.Close()
	to, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer to.Close()
	go func() { _, _ = io.Copy(to, conn) }()
	if c.calm.Load() || rand.IntN(4) == 0 { // some mails are larger than what is let through
		_, _ = io.Copy(conn, to)
		return
	}
	c.cuts.Add(1)
	_, _ = io.CopyN(conn, to, 5_000+rand.Int64N(150_000))
}

// mailNode is a node that takes mails by three ways, and may be killed.
type mailNode struct {
	program
	data, config string
	lmtp, smtp   string
	cmd          *exec.Cmd
	log          bytes.Buffer
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// newMailNode configures a node. Nobody answers for DNS at its resolver.
func newMailNode(t *testing.T, p program, imap string) *mailNode {
	t.Helper()
	dir := t.TempDir()
	n := &mailNode{program: p, data: filepath.Join(dir, "data"), config: filepath.Join(dir, "tocsin.yaml"), lmtp: freeAddress(t), smtp: freeAddress(t)}
	file(t, filepath.Join(dir, "password"), text(dovecottest.Password))
	if err := os.Chmod(filepath.Join(dir, "password"), 0o600); err != nil {
		t.Fatal(err)
	}
	file(t, n.config, text(fmt.Sprintf(`data: data
listen: "off"
intake:
  mail:
    resolver: %q
  imap:
    - {name: abuse, address: %q, tls: none, user: abuse, password_file: password, poll: 10s}
  smtp:
    lmtp: [%q]
    smtp: [%q]
    recipients: [abuse@examplenet.example]
`, freeAddress(t), imap, n.lmtp, n.smtp)))
	t.Cleanup(func() {
		if n.cmd != nil {
			n.kill(t)
		}
		if t.Failed() {
			t.Logf("what the node logged:\n%.20000s", n.log.String())
		}
	})
	return n
}

func (n *mailNode) start(t *testing.T) {
	t.Helper()
	n.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), n.path, "serve", "--config", n.config)
	n.cmd.Stderr = &n.log
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

func (n *mailNode) kill(t *testing.T) {
	t.Helper()
	if err := n.cmd.Process.Kill(); err != nil {
		t.Errorf("the node ended by itself: %v", err)
	}
	_ = n.cmd.Wait() // it was killed
	n.cmd = nil
}

// stop ends the node as a service manager does.
func (n *mailNode) stop(t *testing.T) {
	t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Wait(); err != nil {
		t.Errorf("the node does not stop well: %v", err)
	}
	n.cmd = nil
}

// states says how many reports have ended how.
func states(t *testing.T, data string) (all map[report.State]int64, sum int64) {
	t.Helper()
	db, err := store.OpenReader(t.Context(), store.Config{}, filepath.Join(data, "db"), incident.Config{})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, store.ErrOlder) { // the node is making it
		return nil, 0
	}
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if all, err = db.States(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, n := range all {
		sum += n
	}
	return all, sum
}

// await looks again and again until a condition holds, which is a matter of seconds.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("after %s still not: %s", patience, what)
		}
	}
}

// mailbox is dovecot as the desk's mail program sees it.
func mailbox(t *testing.T, s *dovecottest.Server) *imapclient.Client {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	c := imapclient.New(conn, nil)
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Login("abuse", dovecottest.Password).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

func appendMail(t *testing.T, c *imapclient.Client, body []byte) {
	t.Helper()
	cmd := c.Append("INBOX", int64(len(body)), nil)
	_, err := cmd.Write(body)
	if err = errors.Join(err, cmd.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

// inFolder says how many mails are in a folder.
func inFolder(t *testing.T, s *dovecottest.Server, name string) int {
	t.Helper()
	c := mailbox(t, s)
	defer c.Close()
	box, err := c.Select(name, nil).Wait()
	if err != nil {
		return 0 // it is made when it is needed
	}
	return int(box.NumMessages)
}

// swaks sends mails by SMTP, each until it is taken, as a mail server would.
func swaks(t *testing.T, ctx context.Context, to string, mails []incoming) error {
	t.Helper()
	dir := t.TempDir()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, m := range mails {
		path := filepath.Join(dir, fmt.Sprintf("%03d.data", i))
		dotted := bytes.ReplaceAll(append([]byte("\r\n"), m.Body...), []byte("\r\n."), []byte("\r\n.."))[2:] // RFC 5321 §4.5.2
		if !bytes.HasSuffix(dotted, []byte("\r\n")) {
			dotted = append(dotted, "\r\n"...)
		}
		file(t, path, func(w io.Writer) error { _, err := w.Write(append(dotted, ".\r\n"...)); return err })
		g.Go(func() error {
			for {
				cmd := exec.CommandContext(ctx, "swaks", "--server", to, "--ehlo", "mx.example.com", "--from", cmp.Or(m.From, "<>"),
					"--to", "abuse@examplenet.example", "--no-data-fixup", "--data", "@"+path, "--suppress-data")
				out, err := cmd.CombinedOutput()
				if err == nil {
					return nil
				}
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if bytes.Contains(out, []byte("<** 5")) {
					return fmt.Errorf("%s was refused for good:\n%s", m.Kind, out)
				}
				select {
				case <-time.After(200 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		})
	}
	return g.Wait()
}

// TestMailbox: 400 mixed mails come by IMAP from a real dovecot, by LMTP from a real Postfix and by SMTP from swaks, while
// connections are cut and the node is killed. Each ends where a quiet import of the same mails ends it, once.
func TestMailbox(t *testing.T) {
	const all = 400
	kills := int(sized(4, 20))
	mails := incomingMails(t, all)
	if len(mails) != all {
		t.Fatalf("%d mails, want %d", len(mails), all)
	}
	p := buildProgram(t)
	quietly := filepath.Join(t.TempDir(), "data")
	want, repeats := quiet(t, p, quietly, mails)

	box := dovecottest.Start(t, "")
	cut := newCutter(t, box.Addr)
	node := newMailNode(t, p, cut.Addr().String())
	post := postfixtest.Start(t, postfixtest.Config{
		Routes: map[string]string{"examplenet.example": "lmtp:inet:" + node.lmtp},
		// A mail is forwarded as it came, but for its trace.
		Settings: map[string]string{"local_header_rewrite_clients": "", "maximal_queue_lifetime": "1h"},
	})
	c := mailbox(t, box)
	var bySMTP []incoming
	for _, m := range mails {
		switch m.way {
		case byIMAP:
			appendMail(t, c, m.Body)
		case byPostfix:
			if err := smtp.SendMail(post.Address, nil, m.From, []string{"abuse@examplenet.example"}, m.Body); err != nil {
				t.Fatalf("Postfix takes no %s: %v", m.Kind, err)
			}
		case bySwaks:
			bySMTP = append(bySMTP, m)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var sender sync.WaitGroup
	sender.Go(func() {
		if err := swaks(t, ctx, node.smtp, bySMTP); err != nil {
			t.Error(err)
		}
	})

	sum := int64(all - repeats)
	for i := range kills {
		node.start(t)
		least := sum * int64(i+1) / int64(kills+1)
		await(t, fmt.Sprintf("%d reports are worked", least), func() bool { _, n := states(t, node.data); return n >= least })
		node.kill(t)
		_, n := states(t, node.data)
		t.Logf("killed with %d of %d reports worked, %d mails in INBOX, %d in Postfix", n, sum, inFolder(t, box, "INBOX"), post.Waiting(t))
		if n >= sum {
			t.Errorf("kill %d came after the end: it shows nothing", i+1)
		}
	}
	cut.calm.Store(true)
	node.start(t)
	sender.Wait()
	await(t, "Postfix has nothing left", func() bool { return post.Waiting(t) == 0 })
	await(t, "INBOX is empty", func() bool { return inFolder(t, box, "INBOX") == 0 })
	await(t, fmt.Sprintf("%d reports are worked", sum), func() bool { _, n := states(t, node.data); return n >= sum })
	node.stop(t)

	got, n := states(t, node.data)
	t.Logf("%d mails, %d repeats; %d connections were cut, the node killed %d times: %v", all, repeats, cut.cuts.Load(), kills, got)
	if n != sum {
		t.Errorf("%d reports, want %d", n, sum)
	}
	if d := diff.Diff(want, got); d != "" {
		t.Errorf("they end otherwise than in a quiet import (-quiet +mailbox):\n%s", d)
	}
	if d := diff.Diff(reasons(t, p, quietly), reasons(t, p, node.data)); d != "" {
		t.Errorf("the reasons are others than in a quiet import (-quiet +mailbox):\n%s", d)
	}
	_, wantEvents := p.incidents(t, quietly)
	if _, events := p.incidents(t, node.data); events != wantEvents || events == 0 {
		t.Errorf("the incidents have %d events, want %d", events, wantEvents)
	}
}

// quiet imports the mails one after the other from a folder, checks what the world says of its own, and returns how
// they ended and how many repeat another.
func quiet(t *testing.T, p program, data string, mails []incoming) (ends map[report.State]int64, repeats int) {
	t.Helper()
	dir := t.TempDir()
	fates := map[report.State]int64{}
	for i, m := range mails {
		if m.Repeat >= 0 { // a file is another one by any byte
			repeats++
			continue
		}
		if m.Fate == "" { // the corpus says nothing of it
			continue
		}
		fates[fate[m.Fate]]++
		file(t, filepath.Join(dir, fmt.Sprintf("%03d.eml", i)), text(string(m.Body)))
	}
	p.run(t, "import", "--json", "--data", data, dir)
	if got, _ := states(t, data); !maps.Equal(got, fates) {
		t.Errorf("the world's mails end as %v, want %v", got, fates)
	}
	for i, m := range mails {
		if m.Fate == "" {
			file(t, filepath.Join(dir, fmt.Sprintf("%03d.eml", i)), text(string(m.Body)))
		}
	}
	p.run(t, "import", "--json", "--data", data, dir)
	ends, _ = states(t, data)
	return ends, repeats
}

var fate = map[world.Fate]report.State{
	world.FateParsed: report.StateWorked, world.FateWaiting: report.StateWaiting,
	world.FateAside: report.StateAside, world.FateQuarantined: report.StateQuarantined,
}

// importName is what a mail is called in the folder of a quiet import.
var importName = regexp.MustCompile(`\b\d{3}\.eml/`)

// reasons counts why mails wait, are set aside, or are in the quarantine. Each has a reason.
func reasons(t *testing.T, p program, data string) map[string]int {
	t.Helper()
	all := map[string]int{}
	for _, args := range [][]string{{"waiting", "list"}, {"waiting", "list", "--aside"}} {
		r := p.run(t, slices.Concat(args, []string{"--json", "--data", data})...)
		r.ends(t, 0)
		for _, line := range objects(t, r.out) {
			why, _ := line["reason"].(string)
			why = importName.ReplaceAllString(why, "")
			if why == "" {
				t.Errorf("%v has no reason", line["id"])
			}
			all[strings.Join(args, " ")+": "+why]++
		}
	}
	r := p.run(t, "quarantine", "list", "--json", "--data", data)
	r.ends(t, 0)
	for _, line := range objects(t, r.out) {
		rows, _ := line["refusals"].([]any)
		if len(rows) == 0 {
			t.Errorf("%v was refused without a reason", line["id"])
		}
		for _, row := range rows {
			why, _ := row.(map[string]any)["reason"].(string)
			all["quarantine: "+importName.ReplaceAllString(why, "")]++
		}
	}
	return all
}

// objects decodes what --json printed.
func objects(t *testing.T, out string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(out) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, o)
	}
	return all
}
