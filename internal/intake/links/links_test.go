package links_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/incident"
	"tocsin/internal/intake"
	"tocsin/internal/intake/fetch"
	"tocsin/internal/intake/fetch/fetchtest"
	"tocsin/internal/intake/intaketest"
	"tocsin/internal/intake/links"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

var start = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

type desk struct {
	kept  intaketest.Stream
	store *store.DB
	log   bytes.Buffer
	cfg   intake.Links
	get   links.Getter
}

func newDesk(t *testing.T, get links.Getter, hosts ...intake.LinkHost) *desk {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{}, t.TempDir(), incident.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return &desk{store: db, get: get, cfg: intake.Config{Links: intake.Links{Hosts: hosts}}.WithDefaults().Links}
}

// follower is the follower of a program that has just started.
func (d *desk) follower() *links.Follower {
	log := slog.New(slog.NewTextHandler(&d.log, nil))
	door := intake.NewDoor(intake.NewSources(nil), &d.kept, func(string, io.Reader) string { return "" }, log)
	return links.New(d.cfg, d.get, door, d.store, log)
}

func mail() report.Report {
	return report.Report{
		ID: report.NewID(start), Reporter: "north", Authenticity: report.Aligned, Signer: "example.net", Exercise: true,
	}
}

func in(all ...string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, l := range all {
			if !yield(l, nil) {
				return
			}
		}
	}
}

func serve(mux map[string]http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := mux[r.URL.Path]; ok {
			h(w, r)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	})
}

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) }
}

func TestFollow(t *testing.T) {
	h := serve(map[string]http.HandlerFunc{"/a.csv": text("a"), "/b.csv": text("b")})
	n := fetchtest.New(t, h)
	n.Plain(t, "plain.example.net", "192.0.2.2", h)
	n.Plain(t, "inside.example.net", "10.0.0.1", h)
	n.Plain(t, "trap.example.net", "10.0.0.2", h)
	d := newDesk(t, n.Client(t),
		intake.LinkHost{Host: "example.com"}, intake.LinkHost{Host: "plain.example.net", HTTP: true, Reporter: "shadowserver"},
		intake.LinkHost{Host: "inside.example.net", HTTP: true, Internal: true}, intake.LinkHost{Host: "trap.example.net", HTTP: true})
	m := mail()
	all := in("https://example.com/a.csv", "https://example.com/a.csv", "https://evil.example.org/a.csv", "http://example.com/b.csv",
		"https://example.com:8443/b.csv", "https://u:p@example.com/b.csv", "https://example.com.evil.example.org/b.csv",
		"http://plain.example.net/b.csv", "http://inside.example.net/a.csv", "http://trap.example.net/a.csv")
	f := d.follower()
	for range 2 { // the work is done twice
		if err := f.Note(t.Context(), m, all, start); err != nil {
			t.Fatal(err)
		}
	}
	if more, err := d.follower().Follow(t.Context(), start); err != nil || !more {
		t.Fatal(more, err)
	}
	if more, err := d.follower().Follow(t.Context(), start); err != nil || more {
		t.Fatal(more, err)
	}
	var got []string
	for _, k := range d.kept.Kept() {
		got = append(got, strings.Join([]string{k.Report.Reporter, k.Report.Channel, k.Report.Name, string(k.Bytes), string(k.Report.Authenticity), k.Report.Signer}, " "))
		if !k.Report.Exercise {
			t.Error("what an exercise's mail leads to is of the exercise")
		}
	}
	slices.Sort(got)
	want := []string{"north link a.csv a aligned example.net", "shadowserver link b.csv b  "}
	if diff := cmp.Diff(want, got); diff != "" { // inside's is a duplicate of the first
		t.Error(diff)
	}
	of, err := d.store.LinksOf(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]intake.LinkState{}
	for _, l := range of {
		states[l.URL] = l.State
		if l.State == intake.LinkFetched && l.Report.IsZero() || l.State == intake.LinkFailed && !strings.Contains(l.Reason, "private address") {
			t.Errorf("%+v", l)
		}
	}
	if diff := cmp.Diff(map[string]intake.LinkState{
		"https://example.com/a.csv": "fetched", "http://plain.example.net/b.csv": "fetched",
		"http://inside.example.net/a.csv": "fetched", "http://trap.example.net/a.csv": "failed",
	}, states); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(d.log.String(), "a.csv") {
		t.Errorf("the log has a link: %s", &d.log)
	}
}

func TestMany(t *testing.T) {
	d := newDesk(t, nil, intake.LinkHost{Host: "example.com"})
	var all []string
	for i := range 50 {
		all = append(all, "https://example.com/"+strings.Repeat("x", i+1))
	}
	if err := d.follower().Note(t.Context(), mail(), in(all...), start); err != nil {
		t.Fatal(err)
	}
	if due, err := d.store.DueLinks(t.Context(), start, 100); err != nil || len(due) != 20 || !strings.Contains(d.log.String(), "left_out=30") {
		t.Errorf("%d, %v, %s", len(due), err, &d.log)
	}
	broken := errors.New("the disk is broken")
	err := d.follower().Note(t.Context(), mail(), func(yield func(string, error) bool) { yield("", broken) }, start)
	if !errors.Is(err, broken) {
		t.Errorf("a mail that could not be read counts as searched: %v", err)
	}
}

// TestRetries follows links that fail, through restarts, until they work or are given up.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		tries := map[string]int{}
		d := newDesk(t, getter(func(_ context.Context, r fetch.Request) (*fetch.Answer, error) {
			mu.Lock()
			defer mu.Unlock()
			tries[r.URL]++
			switch {
			case strings.HasSuffix(r.URL, "gone"):
				return nil, &fetch.Error{Kind: fetch.Gone, Reason: "gone"}
			case strings.HasSuffix(r.URL, "busy") && tries[r.URL] < 2:
				return nil, &fetch.Error{Kind: fetch.Busy, After: 3 * time.Hour, Reason: "busy"}
			case strings.HasSuffix(r.URL, "broken"):
				return nil, &fetch.Error{Kind: fetch.Failed, Reason: "broken"}
			}
			return &fetch.Answer{Body: &fetch.Body{ReadSeeker: strings.NewReader(r.URL), Size: 1}}, nil
		}), intake.LinkHost{Host: "example.com"})
		begin := time.Now()
		if err := d.follower().Note(t.Context(), mail(), in("https://example.com/gone", "https://example.com/busy", "https://example.com/broken", "https://example.com/fine"), begin); err != nil {
			t.Fatal(err)
		}
		for range 20 { // a restart every four hours
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			f := d.follower()
			go func() { done <- f.Run(ctx) }()
			time.Sleep(4 * time.Hour)
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if got := len(d.kept.Kept()); got != 2 {
			t.Errorf("%d reports", got)
		}
		if tries["https://example.com/gone"] != 3 || tries["https://example.com/busy"] != 2 || tries["https://example.com/fine"] != 1 {
			t.Errorf("tries: %v", tries)
		}
		if n := tries["https://example.com/broken"]; n < 15 || n > 25 {
			t.Errorf("what is broken was tried %d times in three days", n)
		}
		if due, err := d.store.DueLinks(t.Context(), time.Now().Add(1000*time.Hour), 10); err != nil || len(due) != 0 {
			t.Errorf("%v, %v: still open after %s", due, err, time.Since(begin))
		}
	})
}

// TestKilled shows that a link is followed again when the program ended between accepting and noting it.
func TestKilled(t *testing.T) {
	n := fetchtest.New(t, serve(map[string]http.HandlerFunc{"/a.csv": text("a")}))
	d := newDesk(t, n.Client(t), intake.LinkHost{Host: "example.com"})
	if err := d.follower().Note(t.Context(), mail(), in("https://example.com/a.csv"), start); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	door := intake.NewDoor(intake.NewSources(nil), &d.kept, func(string, io.Reader) string { return "" }, log)
	if _, err := links.New(d.cfg, d.get, door, forgetful{d.store}, log).Follow(t.Context(), start); err == nil {
		t.Fatal("nothing failed")
	}
	if _, err := d.follower().Follow(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	due, err := d.store.DueLinks(t.Context(), start.Add(time.Hour), 10)
	if err != nil || len(due) != 0 || len(d.kept.Kept()) != 1 || !strings.Contains(d.log.String(), "duplicate=true") {
		t.Errorf("%v, %v, %d reports, %s", due, err, len(d.kept.Kept()), &d.log)
	}
}

type forgetful struct{ *store.DB }

func (forgetful) UpdateLink(context.Context, intake.Link) error { return errors.New("killed") }

type getter func(ctx context.Context, r fetch.Request) (*fetch.Answer, error)

func (g getter) Get(ctx context.Context, r fetch.Request) (*fetch.Answer, error) { return g(ctx, r) }
