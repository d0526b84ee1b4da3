package shadowserver_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/intake"
	"tocsin/internal/intake/fetch"
	"tocsin/internal/intake/fetch/fetchtest"
	"tocsin/internal/intake/intaketest"
	"tocsin/internal/intake/shadowserver"
)

const (
	key    = "11111111-2222"
	secret = "s3cret"
)

var now = time.Date(2026, 3, 10, 6, 0, 0, 0, time.UTC)

// server is the reports API, as its documentation and the programs of its makers describe it.
type server struct {
	mu      sync.Mutex // held to read and to change what follows
	reports map[string][]entry
	files   map[string]string // by id
	asked   []string          // method and what was asked for
	cut     map[string]int    // by id: how often a download is still cut
	status  int               // of every answer, 0 for what fits
	after   string
	limit   int
}

type entry struct {
	ID        string `json:"id"`
	Timestamp string `json:"timestamp"`
	Type      string `json:"type"`
	Report    string `json:"report"`
	File      string `json:"file"`
	URL       string `json:"url"`
}

func newServer() *server {
	return &server{reports: map[string][]entry{}, files: map[string]string{}, cut: map[string]int{}, limit: 1000}
}

// add adds a report of a day, so many days before now.
func (s *server) add(days int, typ, text string) string {
	day := now.AddDate(0, 0, -days).Format(time.DateOnly)
	id := fmt.Sprintf("id-%d-%s", days, typ)
	file := fmt.Sprintf("%s-%s-examplenet-asn.csv", day, typ)
	s.reports[day] = append(s.reports[day], entry{id, day, typ, "examplenet", file, "https://example.com/" + id})
	s.files[id] = "\"timestamp\",\"ip\"\n" + text + "\n"
	return id
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status != 0 {
		w.Header().Set("Retry-After", s.after)
		w.WriteHeader(s.status)
		return
	}
	if id, ok := strings.CutPrefix(r.URL.Path, "/dl/"); ok && r.Method == http.MethodGet {
		s.download(w, id)
		return
	}
	body, _ := io.ReadAll(r.Body)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	var q struct{ APIKey, Date, Type, ID string }
	if json.Unmarshal(body, &q) != nil || r.Method != http.MethodPost || q.APIKey != key || r.Header.Get("HMAC2") != hex.EncodeToString(mac.Sum(nil)) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch method := strings.TrimPrefix(r.URL.Path, "/api2/"); method {
	case "reports/list":
		s.asked = append(s.asked, strings.TrimSpace("list "+q.Date+" "+q.Type))
		all := []entry{}
		for _, e := range s.reports[q.Date] {
			if (q.Type == "" || q.Type == e.Type) && len(all) < s.limit {
				all = append(all, e)
			}
		}
		_ = json.NewEncoder(w).Encode(all)
	case "reports/types":
		types := map[string]bool{}
		for _, e := range s.reports[q.Date] {
			types[e.Type] = true
		}
		list := []string{}
		for t := range types {
			list = append(list, t)
		}
		_ = json.NewEncoder(w).Encode(list)
	case "reports/download":
		s.download(w, q.ID)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *server) download(w http.ResponseWriter, id string) {
	s.asked = append(s.asked, "download "+id)
	text, ok := s.files[id]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if s.cut[id] > 0 {
		s.cut[id]--
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		_, _ = io.WriteString(w, text[:len(text)-3])
		return
	}
	_, _ = io.WriteString(w, text)
}

// answer has the server answer everything with a status; 0 ends that.
func (s *server) answer(status int, after string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.after = status, after
}

func (s *server) took() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.asked
	s.asked = nil
	return slices.DeleteFunc(all, func(a string) bool { return strings.HasPrefix(a, "list") })
}

// desk is what a puller works for.
type desk struct {
	kept   intaketest.Stream
	memory intaketest.Memory
	log    bytes.Buffer
	cfg    intake.Shadowserver
	get    shadowserver.Getter
}

func newDesk(t *testing.T, s *server) *desk {
	t.Helper()
	d := &desk{get: fetchtest.New(t, s).Client(t)}
	d.cfg = intake.Config{Shadowserver: intake.Shadowserver{
		KeyFile: file(t, key+"\n"), SecretFile: file(t, secret), URL: "https://example.com/api2/", MaxBytes: 1 << 20,
	}}.WithDefaults().Shadowserver
	return d
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// puller is a puller of a program that has just started.
func (d *desk) puller(t *testing.T) *shadowserver.Puller {
	t.Helper()
	log := slog.New(slog.NewTextHandler(&d.log, nil))
	door := intake.NewDoor(intake.NewSources(nil), &d.kept, func(string, io.Reader) string { return "" }, log)
	p, err := shadowserver.New(d.cfg, d.get, door, &d.memory, log)
	if err != nil {
		t.Fatal(err)
	}
	if _, waits := d.get.(*fetch.Client); waits {
		p.SetPace(0)
	}
	return p
}

func (d *desk) names() (all []string) {
	for _, k := range d.kept.Kept() {
		all = append(all, k.Report.Name)
	}
	return all
}

func TestPull(t *testing.T) {
	for _, files := range []string{"", "https://example.com/dl/"} {
		t.Run(files, func(t *testing.T) {
			s := newServer()
			s.add(8, "scan_telnet", "too old")
			s.add(7, "scan_telnet", "a")
			s.add(1, "scan_telnet", "b")
			s.add(1, "scan_ssh", "c")
			s.add(1, "device_id", "not wanted")
			d := newDesk(t, s)
			d.cfg.Files, d.cfg.Exclude = files, []string{"device_id"}
			if n, err := d.puller(t).Pull(t.Context(), now); err != nil || n != 3 {
				t.Fatal(n, err)
			}
			want := []string{
				"2026-03-03-scan_telnet-examplenet-asn.csv", "2026-03-09-scan_telnet-examplenet-asn.csv",
				"2026-03-09-scan_ssh-examplenet-asn.csv",
			}
			if diff := cmp.Diff(want, d.names()); diff != "" {
				t.Error(diff)
			}
			k := d.kept.Kept()[0]
			if r := k.Report; r.Reporter != "shadowserver" || r.Channel != "shadowserver" || r.TLP.String() != "amber" || string(k.Bytes) != "\"timestamp\",\"ip\"\na\n" {
				t.Errorf("%+v: %s", r, k.Bytes)
			}
			s.took()
			// A new program, an hour later: only what is new.
			s.add(0, "scan_rdp", "d")
			if n, err := d.puller(t).Pull(t.Context(), now.Add(time.Hour)); err != nil || n != 1 {
				t.Error(n, err)
			}
			if diff := cmp.Diff([]string{"download id-0-scan_rdp"}, s.took()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestStandstill shows that a node which stood still for three weeks misses nothing.
func TestStandstill(t *testing.T) {
	s := newServer()
	d := newDesk(t, s)
	if _, err := d.puller(t).Pull(t.Context(), now.AddDate(0, 0, -21)); err != nil {
		t.Fatal(err)
	}
	s.add(22, "scan_ssh", "late")
	s.add(10, "scan_ssh", "b")
	s.add(24, "scan_ssh", "long gone")
	if n, err := d.puller(t).Pull(t.Context(), now); err != nil || n != 2 {
		t.Error(n, err)
	}
}

func TestCutAndKilled(t *testing.T) {
	s := newServer()
	a, b := s.add(2, "scan_a", "a"), s.add(1, "scan_b", "b")
	s.cut[a] = 1
	d := newDesk(t, s)
	p := d.puller(t)
	if n, err := p.Pull(t.Context(), now); err == nil || n != 1 || !strings.Contains(err.Error(), "broke off before the end") {
		t.Fatal(n, err)
	}
	if diff := cmp.Diff([]string{"download " + a, "download " + b}, s.took()); diff != "" {
		t.Error("the cut one held up the other", diff)
	}
	if _, complete, _ := d.memory.Fetched(t.Context(), "shadowserver", ""); complete {
		t.Error("a run that missed something counts as complete")
	}
	// The program is killed after the stream has the report and before that is remembered.
	d.memory.Fail(errors.New("killed"))
	if _, err := p.Pull(t.Context(), now); err == nil {
		t.Fatal("nothing failed")
	}
	d.memory.Fail(nil)
	if n, err := d.puller(t).Pull(t.Context(), now); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if got := d.names(); len(got) != 2 || !strings.Contains(d.log.String(), "duplicate=true") {
		t.Errorf("kept %v", got)
	}
	s.took()
	// The stream refuses: the report is not remembered, and comes once more.
	c := s.add(0, "scan_c", "c")
	d.kept.Fail(errors.New("full"))
	if _, err := d.puller(t).Pull(t.Context(), now); err == nil {
		t.Error("a report that was not accepted counts as taken")
	}
	d.kept.Fail(nil)
	if n, err := d.puller(t).Pull(t.Context(), now); err != nil || n != 1 {
		t.Error(n, err)
	}
	if diff := cmp.Diff([]string{"download " + c, "download " + c}, s.took()); diff != "" {
		t.Error(diff)
	}
}

func TestManyReports(t *testing.T) {
	s := newServer()
	for i := range 700 {
		s.add(1, "scan_ssh", fmt.Sprint("ssh", i))
		s.add(1, "scan_rdp", fmt.Sprint("rdp", i))
	}
	day := now.AddDate(0, 0, -1).Format(time.DateOnly)
	for i := range s.reports[day] {
		e := &s.reports[day][i]
		e.ID = fmt.Sprintf("%s-%d", e.ID, i)
		s.files[e.ID] = fmt.Sprint("\"timestamp\"\n", i, "\n")
	}
	d := newDesk(t, s)
	d.get = direct{s}
	synctest.Test(t, func(t *testing.T) {
		if n, err := d.puller(t).Pull(t.Context(), now); err != nil || n != 1400 {
			t.Error(n, err)
		}
	})
}

// direct asks the server without a network.
type direct struct{ h http.Handler }

func (d direct) Get(ctx context.Context, r fetch.Request) (*fetch.Answer, error) {
	method := http.MethodGet
	if r.Body != nil {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	for k, v := range r.Header {
		req.Header.Set(k, v)
	}
	w := &recorder{status: http.StatusOK, header: http.Header{}}
	d.h.ServeHTTP(w, req)
	if w.status != http.StatusOK {
		kind := fetch.Failed
		if w.status == http.StatusTooManyRequests {
			kind = fetch.Busy
		}
		after, _ := time.ParseDuration(w.header.Get("Retry-After") + "s")
		return nil, &fetch.Error{Kind: kind, Status: w.status, After: after, Reason: "refused"}
	}
	return &fetch.Answer{Body: &fetch.Body{ReadSeeker: bytes.NewReader(w.body.Bytes()), Size: int64(w.body.Len())}}, nil
}

type recorder struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
func (r *recorder) WriteHeader(status int)      { r.status = status }

func TestWords(t *testing.T) {
	answer := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "download") || text == "" || text[0] != '|' {
				_, _ = io.WriteString(w, strings.TrimPrefix(text, "|"))
				return
			}
			_, _ = io.WriteString(w, `[{"id":"x","type":"scan_ssh","file":"2026-03-09-scan_ssh-a.csv"}]`)
		}
	}
	for name, c := range map[string]struct {
		h    http.Handler
		key  string
		want string
	}{
		"wrong key":       {newServer(), "other", "example.com lets us not in (HTTP 401): check the key and the secret"},
		"error in a 200":  {answer(`{"error":"Invalid apikey 11111111-2222"}`), key, `Shadowserver lets us not in ("Invalid apikey KEY")`},
		"another error":   {answer(`{"error":"date out of range"}`), key, `reports/list is answered with the error "date out of range"`},
		"no JSON":         {answer("<html>"), key, "reports/list is not answered in the documented form"},
		"nothing":         {answer(""), key, "reports/list is not answered in the documented form"},
		"id that climbs":  {answer(`[{"id":"../x"}]`), key, "without an id that can be asked for"},
		"no id":           {answer(`[{"file":"x"}]`), key, "without an id that can be asked for"},
		"a page":          {answer("|<html>"), key, "a web page comes in the place of a report"},
		"an empty report": {answer("|\n"), key, "a report is empty"},
		"JSON":            {answer(`|[{"ip":"192.0.2.7"}]`), key, "name the place of the CSV files in intake.shadowserver.files"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, newServer())
			d.get = fetchtest.New(t, c.h).Client(t)
			d.cfg.KeyFile, d.cfg.Days = file(t, c.key), 1
			_, err := d.puller(t).Pull(t.Context(), now)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v; want %q", err, c.want)
			}
			if len(d.names()) != 0 || strings.Contains(d.log.String(), key) || strings.Contains(fmt.Sprint(err), key) {
				t.Errorf("kept %v, logged %s", d.names(), &d.log)
			}
		})
	}
}

// TestMovedFiles shows that files are fetched from where they moved to when the operator says so, and only then.
func TestMovedFiles(t *testing.T) {
	s := newServer()
	s.add(1, "scan_a", "a")
	n := fetchtest.New(t, s)
	n.Plain(t, "dl.example.net", "192.0.2.2", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://example.com"+r.URL.Path, http.StatusFound)
	}))
	d := newDesk(t, s)
	d.get, d.cfg.Files = n.Client(t), "http://dl.example.net/dl/"
	if _, err := d.puller(t).Pull(t.Context(), now); err == nil || !strings.Contains(err.Error(), "redirects to example.com, which is not followed") {
		t.Error(err)
	}
	d.cfg.Redirects = []string{"example.com"}
	if taken, err := d.puller(t).Pull(t.Context(), now); err != nil || taken != 1 {
		t.Error(taken, err)
	}
}

func TestGoneHoldsNothingUp(t *testing.T) {
	s := newServer()
	a := s.add(2, "scan_a", "a")
	s.add(1, "scan_b", "b")
	delete(s.files, a)
	d := newDesk(t, s)
	if n, err := d.puller(t).Pull(t.Context(), now); err != nil || n != 1 {
		t.Error(n, err)
	}
	if !strings.Contains(d.log.String(), "HTTP 404") {
		t.Errorf("nobody was told: %s", &d.log)
	}
}

func TestSecretFiles(t *testing.T) {
	d := newDesk(t, newServer())
	open := file(t, key)
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{open: "chmod 600", filepath.Join(t.TempDir(), "none"): "no such file", file(t, " \n"): "is empty"} {
		cfg := d.cfg
		cfg.KeyFile = path
		if _, err := shadowserver.New(cfg, d.get, nil, nil, nil); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "key_file") {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

// TestRun holds the times at which the server is asked: once an hour, and after what it asks for.
func TestRun(t *testing.T) {
	s := newServer()
	d := newDesk(t, s)
	d.get = direct{s}
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		count := getter(func(ctx context.Context, r fetch.Request) (*fetch.Answer, error) {
			if len(at) == 0 || time.Since(start)-at[len(at)-1] > 30*time.Second { // a run asks for several days
				at = append(at, time.Since(start))
			}
			return d.get.Get(ctx, r)
		})
		get := d.get
		d.get = count
		p := d.puller(t)
		d.get = get
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		time.Sleep(30 * time.Minute)
		s.answer(http.StatusTooManyRequests, "7200")
		time.Sleep(time.Hour) // one run, which is told to come back
		s.answer(http.StatusInternalServerError, "")
		time.Sleep(3 * time.Hour) // one that fails two hours later, and those after it
		s.answer(0, "")
		time.Sleep(2 * time.Hour)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(at) < 3 {
			t.Fatal(at)
		}
		gap := func(i int) time.Duration { return at[i] - at[i-1] }
		if g := gap(1); g < time.Hour || g > 70*time.Minute {
			t.Errorf("asked again after %s", g)
		}
		if g := gap(2); g < 2*time.Hour || g > 2*time.Hour+time.Minute {
			t.Errorf("came back after %s, and was asked for two hours", g)
		}
		for i, want := 3, 2*time.Minute; want < time.Hour && i < len(at); i, want = i+1, want*2 {
			if g := gap(i); g < want || g > want+time.Minute {
				t.Errorf("failure %d: tried again after %s, want %s", i-1, g, want)
			}
		}
	})
}

type getter func(ctx context.Context, r fetch.Request) (*fetch.Answer, error)

func (g getter) Get(ctx context.Context, r fetch.Request) (*fetch.Answer, error) { return g(ctx, r) }
