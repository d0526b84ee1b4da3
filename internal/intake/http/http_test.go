package http_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/desk"
	"tocsin/internal/intake"
	intakehttp "tocsin/internal/intake/http"
	"tocsin/internal/intake/intaketest"
	"tocsin/internal/report"
)

type node struct {
	url   string
	kept  *intaketest.Stream
	spool string
	log   *bytes.Buffer
}

func sum(token string) string {
	s := sha256.Sum256([]byte(token))
	return hex.EncodeToString(s[:])
}

func start(t *testing.T, change func(*intake.HTTP)) node {
	t.Helper()
	n := node{kept: &intaketest.Stream{}, spool: filepath.Join(t.TempDir(), "spool"), log: &bytes.Buffer{}}
	green := report.TLPGreen
	cfg := intake.Config{HTTP: intake.HTTP{Tokens: []intake.Token{
		{Name: "north", SHA256: sum("n-secret")}, {Name: "old", SHA256: strings.ToUpper(sum("s-secret")), Reporter: "south"},
	}, MaxBytes: 300_000}}.WithDefaults()
	if change != nil {
		change(&cfg.HTTP)
	}
	log := slog.New(slog.NewTextHandler(n.log, nil))
	src := intake.NewSources([]intake.Source{{Name: "north", TLP: &green}})
	door := intake.NewDoor(src, n.kept, func(string, io.Reader) string { return "" }, log)
	h, err := intakehttp.New(cfg.HTTP, []string{"arf", "xarf"}, door, known{}, n.spool, log)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/v1/reports", h)
	mux.HandleFunc("GET /api/v1/reports/{id}", h.Answer)
	srv := httptest.NewServer(mux)
	t.Cleanup(func() {
		srv.Close()
		if left, _ := os.ReadDir(n.spool); len(left) != 0 {
			t.Errorf("%d bodies are left in the spool", len(left))
		}
	})
	n.url = srv.URL + "/api/v1/reports"
	return n
}

// knownID is the one report of north's that was worked.
const knownID = "01a20a8c-ff1b-718d-8796-47c192c47166"

type known struct{}

func (known) Answer(_ context.Context, id report.ID, reporter string) (desk.Answer, error) {
	switch {
	case reporter == "south":
		return desk.Answer{}, errors.New("the disk is gone")
	case id.String() != knownID || reporter != "north":
		return desk.Answer{}, desk.ErrNoReport
	}
	a := desk.Answer{Report: id, State: report.StateWorked, Events: 3}
	a.Add(&desk.Unattributed{Row: 2, State: report.LineAmbiguous, Lines: 9, Reason: "many lines share the address: the source port is needed", Need: report.NeedPort})
	return a, nil
}

// TestAnswer: a sender hears what became of its own reports, and of nobody else's.
func TestAnswer(t *testing.T) {
	n := start(t, nil)
	ask := func(id, token, accept string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url+"/"+id, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Accept", accept)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
	if code, body := ask(knownID, "n-secret", "application/json"); code != http.StatusOK ||
		!strings.Contains(body, `"lacking":[{"reason":"many lines share the address: the source port is needed","state":"ambiguous","need":"port","lines":9,"rows":1,"first":[{"row":2}]}]`) ||
		!strings.Contains(body, `"text":"Your report`) {
		t.Errorf("%d %s", code, body)
	}
	if code, body := ask(knownID, "n-secret", "text/plain"); code != http.StatusOK || !strings.HasPrefix(body, "Your report") || !strings.Contains(body, "9 lines share") {
		t.Errorf("%d %s", code, body)
	}
	for _, c := range []struct {
		id, token string
		want      int
	}{
		{knownID, "wrong", http.StatusUnauthorized},
		{"nonsense", "n-secret", http.StatusNotFound},
		{"01a20a8c-ff1b-718d-8796-47c192c47167", "n-secret", http.StatusNotFound},
		{knownID, "s-secret", http.StatusInternalServerError},
	} {
		code, body := ask(c.id, c.token, "")
		if code != c.want || !strings.Contains(body, `"detail"`) || strings.Contains(body, "disk") {
			t.Errorf("%s with %s: %d %s", c.id, c.token, code, body)
		}
	}
}

type reply struct {
	Status    int         `json:"-"`
	Type      string      `json:"-"` // of the content
	ID        string      `json:"id"`
	State     string      `json:"state"`
	Duplicate bool        `json:"duplicate"`
	Title     string      `json:"title"`
	Detail    string      `json:"detail"`
	Code      int         `json:"status"`
	Header    http.Header `json:"-"`
}

func (n node) send(t *testing.T, query, body string, header ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.url+query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer n-secret")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return do(t, req)
}

func do(t *testing.T, req *http.Request) reply {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, res)
}

func read(t *testing.T, res *http.Response) reply {
	t.Helper()
	defer res.Body.Close()
	r := reply{Status: res.StatusCode, Type: res.Header.Get("Content-Type"), Header: res.Header}
	if err := json.NewDecoder(res.Body).Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAccepted(t *testing.T) {
	for _, size := range []int{1, 64 << 10, 64<<10 + 1, 300_000} {
		n := start(t, nil)
		body := strings.Repeat("x", size)
		first := n.send(t, "?name=week.csv&format=xarf", body)
		if first.Status != http.StatusAccepted || first.Duplicate || first.State != "received" || first.Type != "application/json" {
			t.Fatalf("%d bytes: %+v", size, first)
		}
		again := n.send(t, "?name=other.csv&format=xarf", body)
		if again.Status != http.StatusAccepted || !again.Duplicate || again.ID != first.ID {
			t.Errorf("%d bytes, the second time: %+v", size, again)
		}
		other := n.send(t, "?format=xarf", body, "Authorization", "bearer s-secret")
		if other.Duplicate || other.ID == first.ID {
			t.Errorf("%d bytes, another reporter: %+v", size, other)
		}
		k := n.kept.Kept()
		if len(k) != 2 || string(k[0].Bytes) != body {
			t.Fatalf("%d bytes: kept %d", size, len(k))
		}
		got := k[0].Report
		if got.ID.String() != first.ID || got.Reporter != "north" || got.TLP != report.TLPGreen || got.Channel != "http" || got.Name != "week.csv" || got.Format != "xarf" {
			t.Errorf("kept as %+v", got)
		}
		if got := k[1].Report; got.Reporter != "south" || got.TLP != report.TLPRed {
			t.Errorf("kept as %+v", got)
		}
		for _, secret := range []string{"week.csv", "n-secret", sum("n-secret")} {
			if strings.Contains(n.log.String(), secret) {
				t.Errorf("the log tells %s:\n%s", secret, n.log)
			}
		}
	}
}

func TestNames(t *testing.T) {
	n := start(t, nil)
	for i, c := range []struct{ query, disposition, want string }{
		{"", "", ""},
		{"?name=a.csv", `attachment; filename="b.csv"`, "a.csv"},
		{"", `attachment; filename="b.csv"`, "b.csv"},
		{"", `attachment; filename*=UTF-8''na%C3%AFve.csv`, "naïve.csv"},
		{"?name=../../etc/passwd", "", "passwd"},
		{`?name=C:\reports\x.csv`, "", "x.csv"},
		{"?name=..", "", ""},
		{"?name=a%00b%0Ac%FFd", "", "abcd"},
		{"?name=%E2%80%AEvsc.a%E2%80%8B%1B[2J.csv", "", "vsc.a[2J.csv"},
		{"?name=" + strings.Repeat("n", 1000) + ".csv", "", strings.Repeat("n", 251) + ".csv"},
	} {
		if r := n.send(t, c.query, fmt.Sprint("body ", i), "Content-Disposition", c.disposition); r.Status != http.StatusAccepted {
			t.Fatalf("%+v: %+v", c, r)
		}
		if got := n.kept.Kept()[i].Report.Name; got != c.want {
			t.Errorf("%+v: kept as %q", c, got)
		}
	}
}

func TestGzipIsKeptAsItCame(t *testing.T) {
	n := start(t, nil)
	if r := n.send(t, "", "\x1f\x8b not undone", "Content-Encoding", "gzip"); r.Status != http.StatusAccepted {
		t.Fatalf("%+v", r)
	}
	if k := n.kept.Kept(); string(k[0].Bytes) != "\x1f\x8b not undone" {
		t.Errorf("kept %q", k[0].Bytes)
	}
}

func TestRefused(t *testing.T) {
	n := start(t, nil)
	for name, c := range map[string]struct {
		query, body string
		header      []string
		status      int
		detail      string
	}{
		"no token":          {"", "x", []string{"Authorization", ""}, 401, "send your token: Authorization: Bearer TOKEN"},
		"another scheme":    {"", "x", []string{"Authorization", "Basic n-secret"}, 401, "send your token: Authorization: Bearer TOKEN"},
		"wrong token":       {"", "x", []string{"Authorization", "Bearer n-secreT"}, 401, "this token is not known here: ask the operator of this node for one"},
		"the hash as token": {"", "x", []string{"Authorization", "Bearer " + sum("n-secret")}, 401, "this token is not known here: ask the operator of this node for one"},
		"a form":            {"", "x", []string{"Content-Type", "multipart/form-data; boundary=x"}, 415, "a form was sent: send the file itself as the body (curl --data-binary @FILE)"},
		"brotli":            {"", "x", []string{"Content-Encoding", "br"}, 415, "this content encoding cannot be undone here: send the body as it is, or with gzip"},
		"no such format":    {"?format=iodef", "x", nil, 400, "there is no such format: leave format out to have it detected, or write one of arf, xarf"},
		"nothing":           {"", "", nil, 400, "the body is empty: send the report as the body"},
		"too large":         {"", strings.Repeat("x", 300_001), nil, 413, "the report has more than 300000 bytes, the most that this node takes: send it in parts, each with its header line"},
	} {
		t.Run(name, func(t *testing.T) {
			r := n.send(t, c.query, c.body, c.header...)
			if r.Status != c.status || r.Code != c.status || r.Detail != c.detail || r.Type != "application/problem+json" || r.Title != http.StatusText(c.status) {
				t.Errorf("%+v", r)
			}
			if log := n.log.String(); !strings.Contains(log, strconv.Quote(c.detail)) || strings.Contains(log, "cause=") {
				t.Errorf("the log does not say what the sender was told, or speaks of a cause where there is none:\n%s", log)
			}
			if (c.status == 401) != strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("WWW-Authenticate: %q", r.Header.Get("WWW-Authenticate"))
			}
		})
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r := do(t, req); r.Status != 405 || r.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %+v", r)
	}
	// Without a length, the limit is met while reading.
	req, err = http.NewRequestWithContext(t.Context(), http.MethodPost, n.url, io.MultiReader(strings.NewReader(strings.Repeat("x", 300_001))))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer n-secret")
	if r := do(t, req); r.Status != 413 {
		t.Errorf("too large without saying so: %+v", r)
	}
	if k := n.kept.Kept(); len(k) != 0 {
		t.Errorf("kept %d", len(k))
	}
}

func TestStreamIsNotAble(t *testing.T) {
	n := start(t, nil)
	n.kept.Fail(errors.New("the disk is full"))
	r := n.send(t, "", "x")
	if r.Status != 503 || r.Header.Get("Retry-After") == "" || strings.Contains(r.Detail, "disk") {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(n.log.String(), "the disk is full") {
		t.Errorf("the log does not say why:\n%s", n.log)
	}
	n.kept.Fail(nil)
	if r := n.send(t, "", "x"); r.Status != http.StatusAccepted || r.Duplicate {
		t.Errorf("afterwards: %+v", r)
	}
}

// raw sends the beginning of a request and returns the connection.
func (n node) raw(t *testing.T, request string) net.Conn {
	t.Helper()
	addr := strings.TrimPrefix(strings.TrimSuffix(n.url, "/api/v1/reports"), "http://")
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBrokenOff(t *testing.T) {
	for _, sent := range []int{10, 100_000} {
		n := start(t, nil)
		c := n.raw(t, "POST /api/v1/reports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer n-secret\r\nContent-Length: 200000\r\n\r\n"+strings.Repeat("x", sent))
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if r := read(t, res); r.Status != 400 {
			t.Errorf("%d of 200000 bytes: %+v", sent, r)
		}
		if n.kept.Calls() != 0 {
			t.Error("half a report reached the stream")
		}
		c.Close()
	}
}

func TestTooManyAtOnce(t *testing.T) {
	n := start(t, func(c *intake.HTTP) { c.MaxUploads = 1 })
	c := n.raw(t, "POST /api/v1/reports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer n-secret\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
	defer c.Close()
	line, err := bufio.NewReader(c).ReadString('\n') // it reads the body now
	if err != nil || !strings.Contains(line, "100") {
		t.Fatal(line, err)
	}
	if r := n.send(t, "", "y"); r.Status != 503 {
		t.Errorf("a second one: %+v", r)
	}
}

func TestNewRemovesWhatACrashLeft(t *testing.T) {
	spool := t.TempDir()
	for _, name := range []string{"upload-1", "other"} {
		if err := os.WriteFile(filepath.Join(spool, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := intakehttp.New(intake.Config{}.WithDefaults().HTTP, nil, nil, nil, spool, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	var left []string
	entries, err := os.ReadDir(spool)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if d := cmp.Diff([]string{"other"}, left); d != "" || err != nil {
		t.Error(d, err)
	}
}
