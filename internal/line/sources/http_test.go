package sources_test

import (
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"tocsin/internal/line/sources"
	"tocsin/internal/report"
)

// crm is an operator's own system, as the contract has it.
type crm struct {
	server  *httptest.Server
	down    atomic.Bool
	answer  atomic.Pointer[string] // instead of what it knows
	now     time.Time
	holders map[string]string // line by address, since the beginning of the year
}

func newCRM(t *testing.T, now time.Time, holders map[string]string) *crm {
	t.Helper()
	c := &crm{now: now, holders: holders}
	c.server = httptest.NewUnstartedServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		body, err := io.ReadAll(in.Body)
		if err != nil || in.Header.Get("Authorization") != "Bearer t0ken" || in.URL.String() != "/who" {
			t.Errorf("%v %v %v", err, in.Header, in.URL)
		}
		out.Header().Set("Date", c.now.Format(http.TimeFormat))
		switch text := c.answer.Load(); {
		case c.down.Load():
			out.WriteHeader(http.StatusBadGateway)
		case text != nil:
			_, _ = io.WriteString(out, *text)
		default:
			var sessions []string
			for addr, line := range c.holders {
				if strings.Contains(string(body), `"`+addr+`"`) {
					sessions = append(sessions, fmt.Sprintf(`{"line":%q,"address":%q,"certain":{"from":"2026-01-01T00:00:00Z"}}`, line, addr))
				}
			}
			_, _ = fmt.Fprintf(out, `{"complete":true,"known_until":%q,"sessions":[%s]}`, c.now.Format(time.RFC3339), strings.Join(sessions, ","))
		}
	}))
	c.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	c.server.StartTLS()
	t.Cleanup(c.server.Close)
	return c
}

// config names it, with its authority and its token in files.
func (c *crm) config(t *testing.T) sources.HTTP {
	t.Helper()
	dir := t.TempDir()
	h := sources.HTTP{Name: "crm", URL: c.server.URL + "/who", TokenFile: filepath.Join(dir, "token"), CAFile: filepath.Join(dir, "ca.pem"), Failures: 2}
	write(t, h.TokenFile, "t0ken\n")
	write(t, h.CAFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.server.Certificate().Raw})))
	return h
}

// TestHTTP: a system that is asked, beside a table. While it is silent nobody is named where it may know better.
func TestHTTP(t *testing.T) {
	now := time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)
	c := newCRM(t, now, map[string]string{"198.51.100.7": "shop", "198.51.100.8": "ann", "198.51.100.9": "bob"})
	table := filepath.Join(t.TempDir(), "lines.csv")
	write(t, table, "addr,line\n198.51.100.7,shop\n198.51.100.9,carol\n192.0.2.7,office\n")
	cfg := sources.Defaults()
	cfg.Tables = []sources.Table{{Name: "fixed", File: table, Since: ten.AddDate(0, -1, 0)}}
	h := c.config(t)
	h.Networks = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	cfg.HTTP = []sources.HTTP{h}
	n := newNode(t, cfg)
	n.poll()
	const when = "2026-03-03T10:30:00Z"
	shop, ann := n.handle("198.51.100.7", 0, when), n.handle("198.51.100.8", 0, when)
	if shop == ann {
		t.Error("two lines are one")
	}
	n.not("198.51.100.9", 0, when, report.LineAmbiguous, "two sources disagree")
	n.not("198.51.100.10", 0, when, report.LineNone, "nobody held")
	office := n.handle("192.0.2.7", 0, when)

	c.down.Store(true)
	if got := n.handle("198.51.100.7", 0, when); got != shop {
		t.Error("from the cache the line is another")
	}
	n.now = n.now.Add(time.Hour)
	for range 3 { // the third is not even put
		n.not("198.51.100.7", 0, when, report.LineNone, "a source that knows lines did not answer")
	}
	n.not("198.51.100.8", 0, when, report.LineNone, "a source that knows lines did not answer")
	if got := n.handle("192.0.2.7", 0, when); got != office {
		t.Error("outside of its networks it may be silent")
	}
	st := n.lines.Status()[1]
	if st.Kind != "http" || st.Health != sources.Resting || st.Rows != 4 || st.Refused != 2 || st.Unasked != 2 || st.Fault != "it answers with HTTP 502" {
		t.Errorf("%+v", st)
	}
	want := `# HELP tocsin_line_questions_total Questions to a source that is asked over the network, by what became of them.
# TYPE tocsin_line_questions_total counter
tocsin_line_questions_total{outcome="answered",source="crm"} 4
tocsin_line_questions_total{outcome="cached",source="crm"} 1
tocsin_line_questions_total{outcome="failed",source="crm"} 2
tocsin_line_questions_total{outcome="unasked",source="crm"} 2
# HELP tocsin_line_resting 1 while a source is not asked because it failed too often.
# TYPE tocsin_line_resting gauge
tocsin_line_resting{source="crm"} 1
`
	if err := testutil.GatherAndCompare(n.reg, strings.NewReader(want), "tocsin_line_questions_total", "tocsin_line_resting"); err != nil {
		t.Error(err)
	}
	c.down.Store(false)
	n.now = n.now.Add(time.Minute)
	c.now = n.now
	if got := n.handle("198.51.100.7", 0, when); got != shop || n.lines.Status()[1].Health != sources.Well {
		t.Errorf("%s, was %s; %+v", got, shop, n.lines.Status()[1])
	}
	n.open() // a line has its handle from the database, whoever asks
	n.poll()
	if got := n.handle("198.51.100.8", 0, when); got != ann {
		t.Error("after a crash the line is another")
	}
	for _, personal := range []string{"198.51.100", "shop", "ann", "t0ken", c.server.Listener.Addr().String()} {
		if strings.Contains(n.said.String(), personal) {
			t.Errorf("the log says %s: %s", personal, n.said.String())
		}
	}
}

// TestHTTPPurge: a node that keeps no sessions itself keeps the handles of lines as long as others do.
func TestHTTPPurge(t *testing.T) {
	now := time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)
	c := newCRM(t, now, map[string]string{"198.51.100.8": "ann"})
	cfg := sources.Defaults()
	cfg.HTTP = []sources.HTTP{c.config(t)}
	n := newNode(t, cfg)
	ann := n.handle("198.51.100.8", 0, "2026-03-03T10:30:00Z")
	n.now = n.now.AddDate(0, 0, 100)
	c.now = n.now
	if _, err := n.lines.Purge(t.Context(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got := n.handle("198.51.100.8", 0, "2026-03-03T10:30:00Z"); got != ann {
		t.Error("after a hundred days the line is another")
	}
	n.now = n.now.AddDate(0, 0, 100)
	n.not("198.51.100.8", 0, "2026-03-03T10:30:00Z", report.LineOutsideRetention, "deleted")
}

// TestHTTPFiles: what is wrong with the files that it needs, one sentence, when the node begins.
func TestHTTPFiles(t *testing.T) {
	c := newCRM(t, time.Now(), nil)
	for _, x := range []struct {
		name   string
		change func(h *sources.HTTP)
		want   string
	}{
		{"no token", func(h *sources.HTTP) { h.TokenFile += "x" }, "lines.http[0].token_file: there is no file"},
		{"an empty token", func(h *sources.HTTP) { must(t, os.Truncate(h.TokenFile, 0)) }, "holds no token: write it in one line"},
		{"two tokens", func(h *sources.HTTP) { write(t, h.TokenFile, "another") }, "holds no token: write it in one line"},
		{"open to others", func(h *sources.HTTP) { must(t, os.Chmod(h.TokenFile, 0o644)) }, "others can read"},
		{"no authority", func(h *sources.HTTP) { h.CAFile += "x" }, "lines.http[0].ca_file: "},
		{"no certificate", func(h *sources.HTTP) { h.CAFile = h.TokenFile }, "holds no certificate: write them in PEM"},
	} {
		cfg := sources.Defaults()
		h := c.config(t)
		x.change(&h)
		cfg.HTTP = []sources.HTTP{h}
		n := &node{t: t, dir: t.TempDir(), cfg: cfg}
		if err := n.try(); err == nil || !strings.Contains(err.Error(), x.want) || strings.Contains(err.Error(), "t0ken") {
			t.Errorf("%s: %v; want %s", x.name, err, x.want)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestHTTPValidate: everything that is wrong, at once.
func TestHTTPValidate(t *testing.T) {
	cfg := sources.Defaults()
	cfg.HTTP = []sources.HTTP{
		{Name: "A", Realm: "B", URL: "crm", Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.7/24")}, Timeout: time.Hour, Cache: 2 * time.Hour, Concurrent: 1000, Failures: -1, Pause: time.Millisecond, Keep: time.Hour},
		{Name: "b", URL: "http://crm.example.net/x"},
		{Name: "b", URL: "https://user:hunter2@crm.example.net/x"},
		{Name: "d", URL: "https://crm.example.net/x?key=hunter2"},
	}
	said := cfg.Validate().Error()
	for _, key := range []string{
		"[0].name", "[0].realm", "[0].url", "[0].networks[0]", "[0].timeout", "[0].cache", "[0].concurrent", "[0].failures", "[0].pause", "[0].keep",
		"[1].url", "[2].name", "[2].url", "[3].url",
	} {
		if !strings.Contains(said, "lines.http"+key+": ") {
			t.Errorf("nothing is said of %s:\n%s", key, said)
		}
	}
	if strings.Contains(said, "hunter2") {
		t.Errorf("it says the password: %s", said)
	}
	cfg.HTTP = []sources.HTTP{{Name: "a", URL: "http://127.0.0.1:8080/x"}, {Name: "b", URL: "https://crm.example.net/x", TokenFile: "t", CAFile: "c"}}
	if err := cfg.Validate(); err != nil || !cfg.Any() {
		t.Error(err)
	}
	if got := cfg.Rebase("/etc/tocsin").HTTP[1]; got.TokenFile != "/etc/tocsin/t" || got.CAFile != "/etc/tocsin/c" || cfg.HTTP[1].CAFile != "c" {
		t.Errorf("%+v", got)
	}
}
