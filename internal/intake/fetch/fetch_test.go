package fetch_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/intake/fetch"
	"tocsin/internal/intake/fetch/fetchtest"
)

// server is one of everything that a server may do.
func server(t *testing.T, seen *http.Header) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/list.txt", func(w http.ResponseWriter, r *http.Request) {
		*seen = r.Header.Clone()
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Last-Modified", "Sun, 01 Mar 2026 00:00:00 GMT")
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Disposition", `attachment; filename="../../etc/list-1.txt"`)
		fmt.Fprint(w, "192.0.2.7\n")
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("x"), 200<<10)) })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 32<<10)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/bomb", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(make([]byte, 64<<20))
		_ = z.Close()
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write(make([]byte, 500))
	})
	mux.HandleFunc("/cut-encoded", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		b := packed()
		_, _ = w.Write(b[:len(b)-20])
	})
	mux.HandleFunc("/cut.gz", func(w http.ResponseWriter, _ *http.Request) {
		b := packed()
		w.(http.Flusher).Flush() // no length is announced
		_, _ = w.Write(b[:len(b)-20])
	})
	mux.HandleFunc("/whole.gz", func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		_, _ = w.Write(packed())
	})
	mux.HandleFunc("/stall", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("192"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/silent", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/busy", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	mux.HandleFunc("/denied", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusForbidden)
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop?x", http.StatusFound) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/list.txt", http.StatusFound) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusTemporaryRedirect)
	})
	return mux
}

func packed() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for i := range 90 << 10 / 8 {
		fmt.Fprintf(z, "%07d\n", i*7919%1000003)
	}
	_ = z.Close()
	return b.Bytes()
}

func TestGet(t *testing.T) {
	var seen http.Header
	n := fetchtest.New(t, server(t, &seen))
	c := n.Client(t)
	first, err := c.Get(t.Context(), fetch.Request{For: "x", URL: "https://example.com/list.txt?key=s3cret", Header: map[string]string{"X-Key": "k"}, MaxBytes: 100})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(first.Body)
	if err != nil || string(b) != "192.0.2.7\n" || first.Name != "list-1.txt" || first.Type != "text/plain" || first.ETag != `"1"` || first.Body.Size != 10 {
		t.Errorf("%q, %v, %+v", b, err, first)
	}
	if a := seen.Get("User-Agent"); a != "tocsin/1.2.3 (+abuse@example.net)" || seen.Get("X-Key") != "k" {
		t.Errorf("sent %v", seen)
	}
	again, err := c.Get(t.Context(), fetch.Request{For: "x", URL: "https://example.com/list.txt", ETag: first.ETag, Modified: first.Modified, MaxBytes: 100})
	if err != nil || !again.Unchanged || again.Body != nil || again.ETag != first.ETag || again.Modified != first.Modified {
		t.Errorf("%+v, %v", again, err)
	}
	large, err := c.Get(t.Context(), fetch.Request{For: "x", URL: "https://example.com/large", MaxBytes: 200 << 10})
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(n.Spool); len(left) != 1 {
		t.Errorf("%d files in the spool while a large body is open", len(left))
	}
	if b, err := io.ReadAll(large.Body); err != nil || len(b) != 200<<10 || large.Body.Size != 200<<10 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if err := large.Body.Close(); err != nil {
		t.Error(err)
	}
	whole, err := c.Get(t.Context(), fetch.Request{For: "x", URL: "https://example.com/whole.gz", MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(whole.Body); err != nil || !bytes.Equal(b, packed()) {
		t.Errorf("a gzip file is not kept as it is: %d bytes, %v", len(b), err)
	}
	_ = whole.Body.Close()
	want := map[string]float64{
		"fetched_bytes x": float64(10 + 200<<10 + len(packed())), "fetches x ok": 3, "fetches x unchanged": 1,
	}
	if d := cmp.Diff(want, counts(t, n)); d != "" {
		t.Error(d)
	}
}

func counts(t *testing.T, n *fetchtest.Net) map[string]float64 {
	t.Helper()
	all, err := n.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range all {
		for _, m := range f.GetMetric() {
			name := strings.TrimSuffix(strings.TrimPrefix(f.GetName(), "tocsin_"), "_total")
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			if m.GetCounter() != nil {
				got[name] = m.GetCounter().GetValue()
			}
		}
	}
	return got
}

func TestRefusals(t *testing.T) {
	var seen http.Header
	h := server(t, &seen)
	n := fetchtest.New(t, h)
	n.Plain(t, "plain.example.net", "192.0.2.2", h)
	n.Plain(t, "inside.example.net", "10.0.0.1", h)
	n.Names["rebound.example.net"] = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::ffff:169.254.169.254"), netip.MustParseAddr("64:ff9b::a00:1")}
	c := n.Client(t)
	for _, x := range []struct {
		name string
		r    fetch.Request
		kind fetch.Kind
		want string
	}{
		{"endless", fetch.Request{URL: "https://example.com/endless"}, fetch.Failed, "more than 100000 bytes"},
		{"bomb", fetch.Request{URL: "https://example.com/bomb"}, fetch.Failed, "more than 100000 bytes"},
		{"announced too large", fetch.Request{URL: "https://example.com/large"}, fetch.Failed, "more than 100000 bytes"},
		{"cut", fetch.Request{URL: "https://example.com/cut"}, fetch.Failed, "broke off before the end"},
		{"cut while encoded", fetch.Request{URL: "https://example.com/cut-encoded"}, fetch.Failed, "broke off before the end"},
		{"cut gzip file", fetch.Request{URL: "https://example.com/cut.gz"}, fetch.Failed, "broke off before the end"},
		{"stalled", fetch.Request{URL: "https://example.com/stall", Idle: 50 * time.Millisecond}, fetch.Failed, "has sent nothing for 50ms"},
		{"silent", fetch.Request{URL: "https://example.com/silent", Idle: 50 * time.Millisecond}, fetch.Failed, "has sent nothing for 50ms"},
		{"slow", fetch.Request{URL: "https://example.com/stall", Timeout: 50 * time.Millisecond}, fetch.Failed, "not delivered all of it in 50ms"},
		{"busy", fetch.Request{URL: "https://example.com/busy"}, fetch.Busy, "come back later (HTTP 429)"},
		{"denied", fetch.Request{URL: "https://example.com/denied"}, fetch.Denied, "clock is 1h0m"},
		{"nothing there", fetch.Request{URL: "https://example.com/none"}, fetch.Gone, "HTTP 404"},
		{"loop", fetch.Request{URL: "https://example.com/loop"}, fetch.Denied, "redirects too often"},
		{"elsewhere", fetch.Request{URL: "https://example.com/away?to=https://other.example.net/?key"}, fetch.Denied, "redirects to other.example.net, which"},
		{"to http", fetch.Request{URL: "https://example.com/away?to=http://plain.example.net/", Plain: true, Follow: []string{"plain.example.net"}}, fetch.Denied, "redirects to http"},
		{"to inside", fetch.Request{URL: "http://plain.example.net/away?to=http://inside.example.net/", Plain: true, Follow: []string{"inside.example.net"}}, fetch.Refused, "private address"},
		{"post is not redirected", fetch.Request{URL: "https://example.com/away?to=/list.txt", Body: []byte("{}")}, fetch.Denied, "redirects to another address"},
		{"inside", fetch.Request{URL: "http://inside.example.net/list.txt", Plain: true}, fetch.Refused, "private address only"},
		{"inside by number", fetch.Request{URL: "http://[::1]/list.txt", Plain: true}, fetch.Refused, "private address only"},
		{"every address inside", fetch.Request{URL: "https://rebound.example.net/"}, fetch.Refused, "private address only"},
		{"http", fetch.Request{URL: "http://plain.example.net/list.txt"}, fetch.Refused, "without TLS"},
		{"file", fetch.Request{URL: "file:///etc/passwd"}, fetch.Refused, "only https"},
		{"password", fetch.Request{URL: "https://a:s3cret@example.com/"}, fetch.Refused, "password"},
		{"no name", fetch.Request{URL: "https://nobody.example.net/?s3cret"}, fetch.Failed, "not known to the name server"},
		{"another's certificate", fetch.Request{URL: "https://wrong.example.org/?s3cret"}, fetch.Failed, "no certificate that can be trusted"},
	} {
		t.Run(x.name, func(t *testing.T) {
			n.Names["wrong.example.org"] = n.Names[fetchtest.Host]
			x.r.For, x.r.MaxBytes = "x", 100_000
			got, err := c.Get(t.Context(), x.r)
			if err == nil {
				t.Fatalf("got %+v", got)
			}
			if e, ok := errors.AsType[*fetch.Error](err); !ok || fetch.KindOf(err) != x.kind || !strings.Contains(e.Error(), x.want) {
				t.Errorf("%s: %v, want %s: %q", fetch.KindOf(err), err, x.kind, x.want)
			}
			if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "?") || strings.Contains(err.Error(), "\n") {
				t.Errorf("it says too much: %v", err)
			}
		})
	}
	if left, _ := os.ReadDir(n.Spool); len(left) != 0 {
		t.Errorf("left in the spool: %v", left)
	}
}

func TestAllowed(t *testing.T) {
	var seen http.Header
	h := server(t, &seen)
	n := fetchtest.New(t, h)
	n.Plain(t, "plain.example.net", "192.0.2.2", h)
	n.Plain(t, "other.example.net", "192.0.2.3", h)
	n.Plain(t, "inside.example.net", "10.0.0.1", h)
	c := n.Client(t)
	key := map[string]string{"X-Key": "k"}
	for _, x := range []struct {
		r   fetch.Request
		key string
	}{
		{fetch.Request{URL: "https://example.com/moved"}, "k"},
		{fetch.Request{URL: "http://plain.example.net/list.txt", Plain: true}, "k"},
		{fetch.Request{URL: "http://inside.example.net/list.txt", Plain: true, Internal: true}, "k"},
		{fetch.Request{URL: "http://plain.example.net/away?to=http://other.example.net/list.txt", Plain: true, Follow: []string{"other.example.net"}}, ""},
	} {
		x.r.For, x.r.MaxBytes, x.r.Header = "x", 1000, key
		got, err := c.Get(t.Context(), x.r)
		if err != nil {
			t.Errorf("%s: %v", x.r.URL, err)
			continue
		}
		_ = got.Body.Close()
		if seen.Get("X-Key") != x.key || seen.Get("Referer") != "" {
			t.Errorf("%s: %v was sent to the last host", x.r.URL, seen)
		}
	}
}

func TestCancelled(t *testing.T) {
	var seen http.Header
	c := fetchtest.New(t, server(t, &seen)).Client(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Get(ctx, fetch.Request{For: "x", URL: "https://example.com/silent", MaxBytes: 10}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestPause(t *testing.T) {
	busy := &fetch.Error{Kind: fetch.Busy, After: 3 * time.Hour}
	for _, c := range []struct {
		err      error
		failures int
		want     time.Duration
	}{
		{errors.New("x"), 1, time.Minute},
		{errors.New("x"), 3, 4 * time.Minute},
		{errors.New("x"), 1000, time.Hour},
		{busy, 1, 3 * time.Hour},
		{&fetch.Error{Kind: fetch.Busy, After: time.Second}, 1, time.Minute},
		{&fetch.Error{Kind: fetch.Busy, After: 1000 * time.Hour}, 1, 24 * time.Hour},
		{&fetch.Error{Kind: fetch.Denied}, 1, time.Hour},
	} {
		if got := fetch.Pause(c.err, c.failures, time.Minute, time.Hour); got != c.want {
			t.Errorf("%v after %d: %s, want %s", c.err, c.failures, got, c.want)
		}
	}
}

func TestAgent(t *testing.T) {
	if a := fetch.Agent("v1 (evil)\r\nX: y", ""); a != "tocsin/v1evilXy" {
		t.Error(a)
	}
}
