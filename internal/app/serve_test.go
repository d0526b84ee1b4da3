package app_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/incident"
	"tocsin/internal/intake"
	"tocsin/internal/report"
	"tocsin/internal/store"
	"tocsin/internal/world"
)

const secret = "the-token-of-this-test"

// served is a node that serves HTTP.
type served struct {
	*running
	url  string
	log  *logged
	drop string
}

// logged keeps what a node logs.
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

// servedConfig is a config with a port, a token for the reporter and a drop folder that is looked at often.
func servedConfig(data string) app.Config {
	cfg := app.Defaults(data)
	cfg.Listen = "127.0.0.1:0"
	sum := sha256.Sum256([]byte(secret))
	cfg.Intake.HTTP.Tokens = []intake.Token{{Name: "honeypots", SHA256: hex.EncodeToString(sum[:])}}
	cfg.Intake.Folder.Settle = 100 * time.Millisecond
	return cfg
}

func serve(t *testing.T, cfg app.Config, now func() time.Time) *served {
	t.Helper()
	s := &served{log: &logged{}, drop: filepath.Join(cfg.Data, "drop")}
	log, err := app.NewLog(s.log, "info")
	if err != nil {
		t.Fatal(err)
	}
	a := openLog(t, cfg, now, log)
	l, err := app.OpenPort(t.Context(), cfg.Listen)
	if err != nil {
		t.Fatal(err)
	}
	a.ListenOn(l)
	s.url = "http://" + l.Addr().String()
	s.running = run(t, a)
	eventually(t, "the node is ready", func() bool { return s.get(t, "/readyz").status == http.StatusOK })
	return s
}

// answer is what the node said.
type answer struct {
	status    int
	body      string
	ID        report.ID `json:"id"`
	Duplicate bool      `json:"duplicate"`
}

func (s *served) get(t *testing.T, path string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ask(req)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func ask(req *http.Request) (answer, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	got := answer{status: resp.StatusCode, body: string(body)}
	if err == nil && resp.StatusCode == http.StatusAccepted {
		err = json.Unmarshal(body, &got)
	}
	return got, err
}

// post sends a report.
func post(ctx context.Context, url, with, name string, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/api/v1/reports?name="+name, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+with)
	return ask(req)
}

func (s *served) post(t *testing.T, with, name string, body []byte) answer {
	t.Helper()
	got, err := post(t.Context(), s.url, with, name, body)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// telnet is a report about one address.
func telnet(when time.Time, addr string) []byte {
	return fmt.Appendf(nil, `"timestamp","severity","ip","protocol","port","hostname","tag","asn","geo","region","city","naics","hostname_source","sector","banner"
"%s","medium","%s","tcp",23,"somebody.example.net","telnet",64500,"GB",,,,,,"login:"
`, when.Format(time.DateTime), addr)
}

const telnetName = "2026-03-01-scan_telnet-examplenet.csv"

func incidents(t *testing.T, db *store.DB) map[string]incident.Incident {
	t.Helper()
	all := map[string]incident.Incident{}
	for in, err := range db.Incidents(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		all[in.Subject] = in
	}
	return all
}

// gauge reads one figure of the node's metrics.
func (s *served) gauge(t *testing.T, name string) float64 {
	t.Helper()
	for line := range strings.Lines(s.get(t, "/metrics").body) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// TestServe tells a day of a node: reports over HTTP and through the drop folder become incidents, which can be read
// beside it; it says how it is; nothing personal is logged.
func TestServe(t *testing.T) {
	c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	cfg := servedConfig(t.TempDir())
	s := serve(t, cfg, c.Now)
	body := telnet(c.Now().Add(-time.Hour), "198.51.100.7")
	first := s.post(t, secret, telnetName, body)
	if first.status != http.StatusAccepted || first.Duplicate || first.ID.IsZero() {
		t.Fatalf("posted: %+v", first)
	}
	if again := s.post(t, secret, "other-name.csv", body); again.status != http.StatusAccepted || again.ID != first.ID || !again.Duplicate {
		t.Errorf("posted again: %+v, first %+v", again, first)
	}
	if wrong := s.post(t, "wrong", telnetName, body); wrong.status != http.StatusUnauthorized {
		t.Errorf("with a wrong token: %+v", wrong)
	}
	eventually(t, "the report is worked", func() bool { return worked(t, s.App, first.ID) })
	in := incidents(t, s.Store())["198.51.100.7"]
	if in.Events != 1 || in.Tag != "open-telnet" || len(in.Sources) != 1 || in.Sources[0] != "honeypots" {
		t.Errorf("incident %+v", in)
	}

	dropped := telnet(c.Now().Add(-2*time.Hour), "2001:db8::17")
	if err := os.WriteFile(filepath.Join(s.drop, telnetName), dropped, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the dropped file is worked", func() bool { return incidents(t, s.Store())["2001:db8::17"].Events == 1 })
	eventually(t, "the dropped file is put away", func() bool {
		_, err := os.Stat(filepath.Join(s.drop, telnetName))
		return os.IsNotExist(err)
	})
	beside, err := app.OpenReader(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(incidents(t, beside)); n != 2 {
		t.Errorf("beside the node %d incidents are seen", n)
	}
	if err := beside.Close(); err != nil {
		t.Error(err)
	}

	if got := s.get(t, "/healthz"); got.status != http.StatusOK {
		t.Errorf("healthz: %+v", got)
	}
	eventually(t, "nothing waits", func() bool {
		return s.gauge(t, "tocsin_reports_waiting") == 0 && s.gauge(t, "tocsin_oldest_report_waiting_seconds") == 0
	})
	s.end(t)
	checkLog(t, s.log.String(), "198.51.100.7", "2001:db8::17", "somebody", secret, telnetName, "other-name")
}

// checkLog looks for what may not be in a log, and for what has to be.
func checkLog(t *testing.T, log string, personal ...string) {
	t.Helper()
	for _, p := range personal {
		if strings.Contains(log, p) {
			t.Errorf("the log has %s:\n%s", p, log)
		}
	}
	for line := range strings.Lines(log) {
		var entry struct{ Level, Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Msg == "" {
			t.Errorf("no JSON line: %q (%v)", line, err)
		}
	}
	for _, want := range []string{`"msg":"listening"`, `"msg":"report taken over HTTP"`, `"msg":"report taken from the drop folder"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s", want)
		}
	}
}

// TestStopLosesNothing stops a node while several senders send, and starts it again: whatever was answered with 202 is
// worked.
func TestStopLosesNothing(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	cfg := servedConfig(t.TempDir())
	rounds, least := 2, 20
	if prove() {
		rounds, least = 5, 200
	}
	promised := map[report.ID]bool{}
	for round := range rounds {
		s := serve(t, cfg, at(now))
		var mu sync.Mutex
		enough := make(chan struct{})
		var senders sync.WaitGroup
		for sender := range 4 {
			senders.Go(func() {
				for i := 0; ; i++ {
					body := telnet(now.Add(-time.Duration(i)*time.Second), fmt.Sprintf("2001:db8:%x:%x::%x", round, sender, i))
					got, err := post(t.Context(), s.url, secret, telnetName, body)
					if err != nil || got.status != http.StatusAccepted {
						return // it has stopped
					}
					mu.Lock()
					promised[got.ID] = true
					if len(promised) == (round+1)*least {
						close(enough)
					}
					mu.Unlock()
				}
			})
		}
		<-enough
		s.end(t)
		senders.Wait()
	}
	s := serve(t, cfg, at(now))
	for id := range promised {
		eventually(t, "what was promised is worked", func() bool { return worked(t, s.App, id) })
	}
	if n := len(incidents(t, s.Store())); n < len(promised) {
		t.Errorf("%d reports were promised, each about another address, and there are %d incidents", len(promised), n)
	}
	t.Logf("%d reports promised", len(promised))
	s.end(t)
}

// deletions is what the node recorded as deleted, by class.
func deletions(t *testing.T, a *app.App) map[string]int64 {
	t.Helper()
	all, err := a.Store().Deletions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum := map[string]int64{}
	for _, d := range all {
		sum[d.Class] += d.Deleted
		if d.At.IsZero() || !d.Until.Before(d.At) {
			t.Errorf("deletion %+v", d)
		}
	}
	return sum
}

// TestTimePasses tells the end of an incident and of all that was known of it. The node looks after both when it starts,
// so the test starts it anew at each station.
func TestTimePasses(t *testing.T) {
	c := &clock{now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	const day = 24 * time.Hour
	cfg := servedConfig(t.TempDir())
	s := serve(t, cfg, c.Now)
	body := telnet(c.Now().Add(-time.Hour), "198.51.100.7")
	id := s.post(t, secret, telnetName, body).ID
	eventually(t, "the report is worked", func() bool { return worked(t, s.App, id) })
	state := func() incident.State { return incidents(t, s.Store())["198.51.100.7"].State }

	// The feed goes on and does not show it any more: quiet after three days, closed after its window of fourteen.
	for _, station := range []struct {
		days time.Duration
		want incident.State
	}{{2, incident.StateOpen}, {3, incident.StateQuiet}, {10, incident.StateClosed}} {
		s.end(t)
		c.advance(station.days * day)
		s = serve(t, cfg, c.Now)
		if station.want != incident.StateOpen && state() == incident.StateClosed {
			t.Error("closed by the clock alone")
		}
		other := s.post(t, secret, telnetName, telnet(c.Now().Add(-time.Minute), "198.51.100.8")).ID
		eventually(t, "the feed goes on", func() bool { return worked(t, s.App, other) })
		s.end(t)
		s = serve(t, cfg, c.Now)
		eventually(t, "it is "+string(station.want), func() bool { return state() == station.want })
	}
	if out := incidents(t, s.Store())["198.51.100.7"].Outcome; out != "not-ours" {
		t.Errorf("closed with the outcome %q", out)
	}

	// Originals go after 30 days; the same bytes are known all the same.
	s.end(t)
	c.advance(16 * day) // 31 since the first report
	s = serve(t, cfg, c.Now)
	eventually(t, "the first original is deleted", func() bool { return deletions(t, s.App)["originals"] == 1 })
	if again := s.post(t, secret, telnetName, body); again.ID != id || !again.Duplicate {
		t.Errorf("posted again after its original was deleted: %+v", again)
	}
	if len(incidents(t, s.Store())) != 2 {
		t.Error("incidents went with the originals")
	}

	// Incidents go a year after they were closed, reports after 400 days; then nothing is known.
	s.end(t)
	c.advance(350 * day)
	s = serve(t, cfg, c.Now)
	eventually(t, "the incident is deleted", func() bool { _, there := incidents(t, s.Store())["198.51.100.7"]; return !there })
	if !worked(t, s.App, id) {
		t.Error("the report went before its time")
	}
	s.end(t)
	c.advance(400 * day)
	s = serve(t, cfg, c.Now)
	eventually(t, "all is deleted", func() bool {
		d := deletions(t, s.App)
		return d["originals"] == 4 && d["reports"] == 4 && d["incidents"] == 2 && len(incidents(t, s.Store())) == 0
	})
	eventually(t, "the bytes are forgotten", func() bool {
		got := s.post(t, secret, telnetName, body)
		return got.ID != id && !got.Duplicate
	})
	s.end(t)
}

// TestSecondWriter opens a data directory twice.
func TestSecondWriter(t *testing.T) {
	p := newPartnership(t, 9, world.Size{Lines: 20, Days: 1})
	cfg := p.config(t.TempDir())
	a := open(t, cfg, at(p.world.End()))
	_, err := app.New(t.Context(), cfg, nil, time.Now)
	if err == nil || !strings.Contains(err.Error(), app.ErrBusy.Error()) {
		t.Errorf("a second writer: %v", err)
	}
	importAll(t, a, byReporter(p.documents)) // the first is unharmed
	shut(t, a)
	b := open(t, cfg, at(p.world.End()))
	shut(t, b)
}
