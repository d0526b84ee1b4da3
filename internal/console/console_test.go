package console_test

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/access"
	"tocsin/internal/api"
	"tocsin/internal/console"
)

var update = flag.Bool("update", false, "write the golden pages")

// now is when all golden pages are looked at.
func now() time.Time { return time.Date(2026, 3, 16, 20, 0, 0, 0, time.UTC) }

// fake is an API that answers with what a test says, by method and path; and it keeps what it was asked.
type fake struct {
	t       *testing.T
	answers map[string]any // "GET /incidents?limit=50": what; an int is a status
	asked   []string
	bodies  []string
	keys    []string // of requests that are to do their thing once
}

// wrong is an answer that says what is wrong with one member of the request.
type wrong struct{ location, message string }

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	what := r.Method + " " + strings.TrimPrefix(r.URL.RequestURI(), "/api/v1")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	f.asked, f.bodies, f.keys = append(f.asked, what), append(f.bodies, string(body)), append(f.keys, r.Header.Get("Idempotency-Key"))
	answer, ok := f.answers[what]
	if !ok {
		f.t.Errorf("nobody was to ask for %s", what)
		answer = http.StatusNotFound
	}
	if status, ok := answer.(int); ok {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		answer = map[string]any{"status": status, "detail": "this is what the API says"}
	}
	if fault, ok := answer.(wrong); ok {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		answer = map[string]any{"status": 422, "detail": "mend it", "errors": []any{map[string]any{"location": fault.location, "message": fault.message}}}
	}
	if text, ok := answer.(string); ok {
		_, _ = io.WriteString(w, text)
		return
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		f.t.Error(err)
	}
}

// door lets in whoever has a role's name as their session.
type door struct{ console.Door }

func (door) Session(_ context.Context, secret access.Secret) (access.Caller, access.Session, error) {
	for _, r := range access.Roles() {
		if string(r) == string(secret) {
			return access.Caller{Name: string(secret) + "@example.net", Party: access.Own, Roles: []access.Role{r}, Via: access.BySession, Zone: "Europe/Berlin"}, access.Session{}, nil
		}
	}
	return access.Caller{}, access.Session{}, access.ErrSession
}

// open makes a console over a fake API.
func open(t *testing.T, answers map[string]any) (http.Handler, *fake) {
	t.Helper()
	return over(t, func(f *fake) http.Handler { return f }, answers)
}

// over makes a console over something that stands before a fake API.
func over(t *testing.T, before func(*fake) http.Handler, answers map[string]any) (http.Handler, *fake) {
	t.Helper()
	f := &fake{t: t, answers: answers}
	origin, err := url.Parse("https://abuse.example.net")
	if err != nil {
		t.Fatal(err)
	}
	c, err := console.New(console.Options{API: before(f), Door: door{}, Origin: origin, Name: "Example Net", Log: slog.New(slog.DiscardHandler), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return c, f
}

// request is one of a browser in which somebody of a role is signed in; nobody where role is empty.
func request(t *testing.T, h http.Handler, role access.Role, method, path string, form url.Values) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(context.WithoutCancel(t.Context()), method, "https://abuse.example.net"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if role != "" {
		r.AddCookie(&http.Cookie{Name: "__Host-tocsin", Value: string(role)})
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// golden compares a page with testdata/NAME.html.
func golden(t *testing.T, name string, w *httptest.ResponseRecorder) {
	t.Helper()
	path := filepath.Join("testdata", name+".html")
	if *update {
		if err := os.WriteFile(path, w.Body.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), w.Body.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// TestRules: everybody who is signed in can read the table, and nobody else.
func TestRules(t *testing.T) {
	h, _ := open(t, nil)
	golden(t, "rules", request(t, h, access.Officer, "GET", "/rules", nil))
	if w := request(t, h, "", "GET", "/rules", nil); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/signin?next=%2Frules" {
		t.Errorf("nobody gets %d %s", w.Code, w.Header().Get("Location"))
	}
}

// TestOtherSites: a form of another site does nothing, and no page sends its visitor to one.
func TestOtherSites(t *testing.T) {
	h, _ := open(t, nil)
	for _, site := range []string{"cross-site", "same-site"} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "https://abuse.example.net/theme", strings.NewReader("theme=dark"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", site)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden || len(w.Result().Cookies()) > 0 {
			t.Errorf("a form of a %s is answered %d", site, w.Code)
		}
	}
	for next, want := range map[string]string{
		"/rules": "/rules", "/rules?a=b": "/rules?a=b", "": "/", "rules": "/", "//evil.example.com": "/", `/\evil.example.com`: "/",
		"https://evil.example.com/": "/", "javascript:alert(1)": "/", "/\n/evil.example.com": "/", "/%0a": "/%0a", "\\\\evil.example.com": "/",
		"https:evil.example.com": "/", "///evil.example.com": "/", "/\t/evil.example.com": "/",
	} {
		w := request(t, h, access.Desk, "POST", "/theme", url.Values{"theme": {"dark"}, "next": {next}})
		if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != want {
			t.Errorf("next %q leads to %q, want %q (%d)", next, got, want, w.Code)
		}
	}
}

// TestHeaders: each answer has them, of a page, a picture, a fault and a redirect alike.
func TestHeaders(t *testing.T) {
	h, _ := open(t, nil)
	for path, code := range map[string]int{"/rules": 200, "/assets/bell.svg": 200, "/assets/none": 404, "/nothing": 404, "/assets/..%2fconsole.go": 404} {
		w := request(t, h, access.Desk, "GET", path, nil)
		if w.Code != code {
			t.Errorf("%s: %d, want %d", path, w.Code, code)
		}
		csp := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") ||
			w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Referrer-Policy") != "no-referrer" ||
			w.Header().Get("X-Frame-Options") != "DENY" || w.Header().Get("Strict-Transport-Security") == "" {
			t.Errorf("%s: %v", path, w.Header())
		}
	}
}

// TestToday: each sees what waits for them, and is told when nothing does.
func TestToday(t *testing.T) {
	at := now().Add(-3 * time.Hour)
	answers := map[string]any{
		"GET /waiting?limit=5": map[string]any{"items": []any{map[string]any{"id": "019cf83c-2850-70c2-b377-fb4e300d7d48", "received_at": at, "name": "<b>attack</b>"}}},
		"GET /questions":       map[string]any{"items": []any{map[string]any{"id": "1", "at": at, "reason": "call them"}}},
		"GET /figures?days=30": api.Figures{
			From: now().AddDate(0, 0, -29), To: now(), States: map[string]int64{"open": 7, "closed": 1}, Told: &api.Timer{N: 12, Low: 7000, High: 8200}, Clean: &api.Timer{},
			Days: []api.DayCount{{Day: "2026-03-15", Class: "vulnerable", Type: "vulnerable-system", N: 5}, {Day: "2026-03-16", Class: "vulnerable", Type: "vulnerable-system", N: 3}, {Day: "2026-03-16", Class: "malicious-code", Type: "infected-system", N: 9}},
			Lag:  &api.Lag{Reports: 2, Oldest: at}, Off: []string{"notices to subscribers"},
		},
		"GET /lines/sources": map[string]any{"items": []any{map[string]any{"name": "radius", "health": "silent"}, map[string]any{"name": "nat", "health": "well"}}},
	}
	for role, asks := range map[access.Role]int{access.Desk: 2, access.Approver: 2, access.Admin: 2, access.Officer: 0, access.CSIRT: 1, access.Association: 1, access.Oversight: 1} {
		h, f := open(t, answers)
		golden(t, "today-"+string(role), request(t, h, role, "GET", "/", nil))
		if len(f.asked) != asks {
			t.Errorf("%s: the page asks %v", role, f.asked)
		}
	}
}
