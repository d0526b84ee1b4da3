package feed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/internal/formats/list"
	"tocsin/internal/intake"
	"tocsin/internal/intake/feed"
	"tocsin/internal/intake/fetch"
	"tocsin/internal/intake/fetch/fetchtest"
	"tocsin/internal/intake/intaketest"
	"tocsin/internal/report"
)

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// server serves one list.
type server struct {
	text    string
	etag    bool
	status  int
	cut     bool
	key     string // that it was sent last
	full    int    // bodies sent
	checked int    // 304s sent
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.key = r.Header.Get("Auth-Key")
	etag := fmt.Sprintf(`"%d-%x"`, len(s.text), s.text[:min(3, len(s.text))])
	switch {
	case s.status != 0:
		w.WriteHeader(s.status)
		return
	case s.etag && r.Header.Get("If-None-Match") == etag:
		s.checked++
		w.WriteHeader(http.StatusNotModified)
		return
	case s.etag:
		w.Header().Set("ETag", etag)
	}
	s.full++
	if s.cut {
		w.Header().Set("Content-Length", fmt.Sprint(len(s.text)+1))
	}
	_, _ = io.WriteString(w, s.text)
}

type node struct {
	kept   intaketest.Stream
	memory intaketest.Memory
	log    bytes.Buffer
	cfg    intake.Feed
	get    feed.Getter
	clock  func() time.Time
}

func newNode(t *testing.T, s http.Handler) *node {
	t.Helper()
	n := &node{get: fetchtest.New(t, s).Client(t)}
	n.cfg = feed.Complete(intake.Config{Feeds: []intake.Feed{{Name: "ours", URL: "https://example.com/list.txt", Format: "list/ipsum"}}}.
		WithDefaults().Feeds[0], list.Tables{})
	return n
}

// feed is the feed in a program that has just started.
func (n *node) feed(t *testing.T) *feed.Feed {
	t.Helper()
	log := slog.New(slog.NewTextHandler(&n.log, nil))
	door := intake.NewDoor(intake.NewSources(nil), at{&n.kept, n}, func(string, io.Reader) string { return "" }, log)
	f, err := feed.New(n.cfg, n.get, door, &n.memory, log)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFetch(t *testing.T) {
	s := &server{text: "192.0.2.7\n", etag: true}
	n := newNode(t, s)
	fetch := func(at time.Time, reports, full int) {
		t.Helper()
		n.clock = func() time.Time { return at }
		if err := n.feed(t).Fetch(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		if got := len(n.kept.Kept()); got != reports || s.full != full {
			t.Errorf("%s: %d reports after %d bodies, want %d after %d", at, got, s.full, reports, full)
		}
	}
	fetch(noon, 1, 1)
	fetch(noon.Add(time.Hour), 1, 1) // unchanged: not sent, also after a restart
	if last, _, _ := n.memory.Fetched(t.Context(), "feed/ours", ""); !last.At.Equal(noon.Add(time.Hour)) {
		t.Errorf("that it was found unchanged is not remembered: %+v", last)
	}
	s.text = "192.0.2.8\n192.0.2.9\n"
	fetch(noon.Add(2*time.Hour), 2, 2)
	fetch(noon.Add(3*time.Hour), 2, 2)
	fetch(noon.Add(13*time.Hour), 3, 3) // the next day: the same list is said again
	fetch(noon.Add(14*time.Hour), 3, 3)
	s.text = "192.0.2.7\n"
	fetch(noon.Add(15*time.Hour), 4, 4) // it goes back to what it was the day before
	k := n.kept.Kept()[0]
	if r := k.Report; r.Reporter != "ours" || r.Channel != "feed" || r.Format != "list/ipsum" || r.Name != "list.txt" || string(k.Bytes) != "192.0.2.7\n" {
		t.Errorf("%+v: %s", r, k.Bytes)
	}
	s.etag = false // a server that cannot say whether it has changed
	fetch(noon.Add(16*time.Hour), 4, 5)
	s.text = ""
	fetch(noon.Add(17*time.Hour), 4, 6)
}

func TestFaults(t *testing.T) {
	s := &server{text: "192.0.2.7\n", etag: true, cut: true}
	n := newNode(t, s)
	if err := n.feed(t).Fetch(t.Context(), noon); err == nil || !strings.Contains(err.Error(), "broke off") || len(n.kept.Kept()) != 0 {
		t.Error(err)
	}
	s.cut = false
	// The program ends after the stream has the report and before that is remembered.
	n.memory.Fail(errors.New("killed"))
	if err := n.feed(t).Fetch(t.Context(), noon); err == nil {
		t.Error("nothing failed")
	}
	n.memory.Fail(nil)
	if err := n.feed(t).Fetch(t.Context(), noon); err != nil || len(n.kept.Kept()) != 1 || !strings.Contains(n.log.String(), "duplicate=true") {
		t.Errorf("%v, %d reports, %s", err, len(n.kept.Kept()), &n.log)
	}
	s.text = "192.0.2.8\n192.0.2.9\n"
	n.kept.Fail(errors.New("full"))
	if err := n.feed(t).Fetch(t.Context(), noon); err == nil {
		t.Error("what was not accepted counts as fetched")
	}
	n.kept.Fail(nil)
	if err := n.feed(t).Fetch(t.Context(), noon); err != nil || len(n.kept.Kept()) != 2 {
		t.Errorf("%v, %d reports", err, len(n.kept.Kept()))
	}
}

func TestHeaders(t *testing.T) {
	s := &server{text: "192.0.2.7\n"}
	n := newNode(t, s)
	n.cfg.HeadersFile = filepath.Join(t.TempDir(), "headers")
	write := func(text string, mode os.FileMode) {
		t.Helper()
		if err := errors.Join(os.WriteFile(n.cfg.HeadersFile, []byte(text), 0o600), os.Chmod(n.cfg.HeadersFile, mode)); err != nil {
			t.Fatal(err)
		}
	}
	write("# abuse.ch\nAuth-Key: s3cret\n", 0o600)
	if err := n.feed(t).Fetch(t.Context(), noon); err != nil || s.key != "s3cret" {
		t.Error(err, s.key)
	}
	for text, mode := range map[string]os.FileMode{"Auth-Key: s3cret": 0o644, "s3cret": 0o600, "a b: s3cret": 0o600, "": 0o600} {
		write(text, mode)
		if _, err := feed.New(n.cfg, n.get, nil, nil, slog.New(slog.DiscardHandler)); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q, mode %o: %v", text, mode, err)
		}
	}
}

// TestRun holds when a list is asked for: now at first, then about once an hour, later and later after failures, and
// after a restart not before its time.
func TestRun(t *testing.T) {
	s := &server{text: "192.0.2.7\n"}
	n := newNode(t, s)
	synctest.Test(t, func(t *testing.T) {
		n.clock = time.Now
		var asked []time.Time
		fail := false
		n.get = getter(func(context.Context, fetch.Request) (*fetch.Answer, error) {
			asked = append(asked, time.Now())
			if fail {
				return nil, &fetch.Error{Kind: fetch.Failed, Reason: "no"}
			}
			return &fetch.Answer{Body: &fetch.Body{ReadSeeker: strings.NewReader(s.text), Size: int64(len(s.text))}}, nil
		})
		run := func(d time.Duration) {
			t.Helper()
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			f := n.feed(t)
			go func() { done <- f.Run(ctx) }()
			time.Sleep(d)
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		run(150 * time.Minute)
		run(20 * time.Minute) // not asked: it was less than 54 minutes ago, or it was its time
		if len(asked) < 3 || len(asked) > 4 {
			t.Fatalf("asked at %v", asked)
		}
		for i := 1; i < len(asked); i++ {
			if g := asked[i].Sub(asked[i-1]); g < 54*time.Minute || g > 66*time.Minute {
				t.Errorf("asked again after %s", g)
			}
		}
		fail, asked = true, nil
		run(5 * time.Hour)
		for i, want := 1, time.Minute; i < len(asked); i, want = i+1, min(2*want, time.Hour) {
			if g := asked[i].Sub(asked[i-1]); g != want {
				t.Errorf("tried again after %s, want %s", g, want)
			}
		}
		if len(asked) < 8 {
			t.Errorf("tried %d times", len(asked))
		}
	})
}

func TestComplete(t *testing.T) {
	lists := list.Tables{}
	f := feed.Complete(intake.Feed{Name: "spamhaus-drop"}, lists)
	if f.Format != "list/spamhaus-drop" || !strings.HasPrefix(f.URL, "https://www.spamhaus.org/") || f.Every != 12*time.Hour {
		t.Errorf("%+v", f)
	}
	if f := feed.Complete(intake.Feed{Name: "spamhaus-drop", URL: "https://mirror.example.net/drop.txt"}, lists); f.URL != "https://mirror.example.net/drop.txt" || f.Every != time.Hour {
		t.Errorf("%+v", f)
	}
	err := feed.Check([]intake.Feed{
		{Name: "spamhaus-drop"},
		{Name: "ours"},
		{Name: "a", URL: "https://a.example/", Format: "list/none"},
		{Name: "b", URL: "https://b.example/", Format: "none"},
		{Name: "c", URL: "http://c.example/", HeadersFile: "x"},
		{Name: "d", URL: "https://d.example/", Format: "xarf"},
	}, lists, []string{"xarf"})
	want := "intake.feeds[1].url: nothing is known of where \"ours\" is to be had: write its address\n" +
		"intake.feeds[2].format: \"none\" is no list that Tocsin knows: docs/formats/list.md names them all, and formats.lists holds your own\n" +
		"intake.feeds[3].format: \"none\" is no format: write one of xarf, or list/NAME\n" +
		"intake.feeds[4].url: keys are not sent without TLS: use https"
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

type getter func(ctx context.Context, r fetch.Request) (*fetch.Answer, error)

func (g getter) Get(ctx context.Context, r fetch.Request) (*fetch.Answer, error) { return g(ctx, r) }

// at receives reports at the node's time.
type at struct {
	*intaketest.Stream
	n *node
}

func (a at) Accept(ctx context.Context, rep report.Report, r io.Reader) (report.Report, bool, error) {
	if a.n.clock != nil {
		rep.ReceivedAt = a.n.clock()
	} else {
		rep.ReceivedAt = noon
	}
	return a.Stream.Accept(ctx, rep, r)
}
