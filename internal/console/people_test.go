package console_test

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/console"
	"tocsin/internal/report"
)

// Issuers is console.Door's.
func (door) Issuers() []string { return []string{"staff"} }

// Invited is console.Door's: a token is the first admin's where it says so, and whatever else it says is a login.
func (door) Invited(_ context.Context, token access.Secret) (access.Person, error) {
	switch token {
	case "first":
		return access.Person{}, nil
	case "old":
		return access.Person{}, access.ErrLink
	}
	return access.Person{ID: report.NewID(now()), Login: string(token) + "@example.net", Name: "Dana <i>Desk</i>", Party: access.Own, Roles: []access.Role{access.Desk}, State: access.Invited}, nil
}

// TestSignInPages: who is not signed in is shown how to, and nothing else; who is goes on.
func TestSignInPages(t *testing.T) {
	h, _ := open(t, nil)
	w := request(t, h, "", "GET", "/signin?next=/rules", nil)
	golden(t, "signin", w)
	cookie := w.Result().Cookies()
	if len(cookie) != 1 || cookie[0].Name != "__Host-tocsin-browser" || !cookie[0].Secure || !cookie[0].HttpOnly || cookie[0].Path != "/" || cookie[0].SameSite != http.SameSiteLaxMode {
		t.Errorf("the browser is to keep %v", cookie)
	}
	golden(t, "first", request(t, h, "", "GET", "/first/first", nil))
	golden(t, "invite", request(t, h, "", "GET", "/invite/dana", nil))
	for path, code := range map[string]int{"/invite/old": 404, "/first/old": 404, "/invite/first": 404} {
		if w := request(t, h, "", "GET", path, nil); w.Code != code || !strings.Contains(w.Body.String(), "ask for another") {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	for next, want := range map[string]string{"/rules": "/rules", "//evil.example": "/", "https://evil.example/": "/", "": "/"} {
		w := request(t, h, access.Desk, "GET", "/signin?"+url.Values{"next": {next}}.Encode(), nil)
		if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != want {
			t.Errorf("who is signed in is sent from next=%s to %s (%d)", next, got, w.Code)
		}
	}
}

// TestPeoplePages: an admin sees and changes people; oversight sees who has which role.
func TestPeoplePages(t *testing.T) {
	at := now().Add(-3 * time.Hour)
	ann := map[string]any{"id": "019cf83c-2850-70c2-b377-fb4e300d7d48", "login": "ann@example.net", "name": "Ann", "party": "own", "roles": []string{"desk", "approver"}, "state": "active", "created": at, "seen": at}
	parties := map[string]any{"items": []any{map[string]any{"id": "own", "name": "Our desk", "kind": "own"}, map[string]any{"id": "police", "name": "Police of Example", "kind": "police"}}}
	answers := map[string]any{
		"GET /people":  map[string]any{"items": []any{ann, map[string]any{"id": "019cf83c-2850-70c2-b377-fb4e300d7d49", "login": "olga@example.org", "name": strings.Repeat("Olga \u202eO", 30), "party": "police", "roles": []string{"officer"}, "state": "invited"}}, "next": "100"},
		"GET /parties": parties,
		"GET /tokens":  map[string]any{"items": []any{map[string]any{"id": "019cf83c-2850-70c2-b377-fb4e300d7d50", "name": "monitoring", "owner": "Ann", "scopes": []string{"figure:see", "see"}, "created": at, "until": at.AddDate(0, 1, 0)}}},
		"GET /people/019cf83c-2850-70c2-b377-fb4e300d7d48": with(ann, "sessions", []any{map[string]any{"way": "passkey", "created": at, "seen": at, "browser": "Firefox on Linux", "network": "192.0.2.0/24"}}),
		"POST /people": wrong{"body.roles", "people of such a party cannot be desk: choose of officer"},
		"POST /people/019cf83c-2850-70c2-b377-fb4e300d7d48/link":  map[string]any{"person": ann, "link": "https://abuse.example.net/invite/token"},
		"POST /people/019cf83c-2850-70c2-b377-fb4e300d7d48/leave": 409,
		"DELETE /tokens/019cf83c-2850-70c2-b377-fb4e300d7d50":     204,
	}
	h, f := open(t, answers)
	golden(t, "people", request(t, h, access.Admin, "GET", "/people", nil))
	golden(t, "people-wrong", request(t, h, access.Admin, "POST", "/people", url.Values{"login": {"x@example.org"}, "name": {"X"}, "party": {"police"}, "role": {"desk"}}))
	if got := f.bodies[len(f.bodies)-3]; got != `{"login":"x@example.org","name":"X","party":"police","roles":["desk"]}` {
		t.Errorf("the API is asked to invite %s", got)
	}
	golden(t, "person", request(t, h, access.Admin, "GET", "/people/019cf83c-2850-70c2-b377-fb4e300d7d48", nil))
	golden(t, "person-link", request(t, h, access.Admin, "POST", "/people/019cf83c-2850-70c2-b377-fb4e300d7d48/link", url.Values{}))
	if w := request(t, h, access.Admin, "POST", "/people/019cf83c-2850-70c2-b377-fb4e300d7d48/leave", url.Values{}); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "this is what the API says") {
		t.Errorf("what cannot be done is answered %d", w.Code)
	}
	golden(t, "tokens", request(t, h, access.Admin, "GET", "/tokens", nil))
	if w := request(t, h, access.Admin, "POST", "/tokens/019cf83c-2850-70c2-b377-fb4e300d7d50/end", url.Values{}); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/tokens" {
		t.Errorf("ending a token leads to %s (%d)", w.Header().Get("Location"), w.Code)
	}

	// Oversight is shown what the API leaves of it.
	answers["GET /people"] = map[string]any{"items": []any{map[string]any{"name": "Ann", "party": "own", "roles": []string{"desk"}, "state": "active"}}}
	h, f = open(t, answers)
	golden(t, "people-oversight", request(t, h, access.Oversight, "GET", "/people", nil))
	if len(f.asked) != 1 {
		t.Errorf("the page asks for %v", f.asked)
	}
	for _, role := range []access.Role{access.Desk, access.Approver, access.Officer, access.CSIRT, access.Association} {
		for _, path := range []string{"/people", "/tokens"} {
			if w := request(t, h, role, "GET", path, nil); w.Code != http.StatusForbidden {
				t.Errorf("%s sees %s: %d", role, path, w.Code)
			}
		}
	}
}

// with is a view with one more member.
func with(m map[string]any, name string, value any) map[string]any {
	out := map[string]any{name: value}
	maps.Copy(out, m)
	return out
}

// TestAccountPage: one's own account, and what was typed wrong.
func TestAccountPage(t *testing.T) {
	at := now().Add(-50 * time.Hour)
	answers := map[string]any{
		"GET /account": map[string]any{
			"login": "ann@example.net", "name": "Ann", "party": "own", "organisation": "Our desk", "roles": []string{"csirt"}, "zone": "Europe/Berlin", "password": at, "issuer": "https://login.example.net", "codes": 9,
			"passkeys": []any{map[string]any{"id": "AAEC", "name": "phone", "created": at, "used": at}, map[string]any{"id": "AAED", "name": "<b>", "created": at, "suspect": at}},
			"sessions": []any{map[string]any{"id": "1", "this": true, "way": "passkey", "created": at, "seen": at, "browser": "Firefox on Linux", "network": "192.0.2.0/24"}, map[string]any{"id": "2", "way": "password", "created": at, "seen": at, "browser": "another browser"}},
			"tokens":   []any{map[string]any{"id": "3", "name": "monitoring", "scopes": []string{"see"}, "created": at, "until": now().AddDate(0, 1, 0), "used": at}},
		},
		"PUT /account":                    wrong{"body.zone", "write the zone as in Europe/Warsaw, or leave it empty for UTC"},
		"POST /account/tokens":            wrong{"body.scopes", "choose what the token may do"},
		"DELETE /account/passkeys/AAEC":   409,
		"DELETE /account/sessions/..%2Fx": 404,
	}
	h, f := open(t, answers)
	golden(t, "account", request(t, h, access.CSIRT, "GET", "/account", nil))
	golden(t, "account-wrong", request(t, h, access.CSIRT, "POST", "/account", url.Values{"name": {"Ann B."}, "zone": {"Mars"}}))
	w := request(t, h, access.CSIRT, "POST", "/account/tokens", url.Values{"name": {"mine"}, "days": {"30"}, "scope": {"figure:see"}})
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `value="figure:see" checked`) || !strings.Contains(w.Body.String(), `value="mine"`) {
		t.Errorf("what was typed is not kept (%d)", w.Code)
	}
	if got := f.bodies[len(f.bodies)-2]; got != `{"name":"mine","scopes":["figure:see"],"until":"2026-04-15T20:00:00Z"}` {
		t.Errorf("the API is asked for %s", got)
	}
	if w := request(t, h, access.CSIRT, "POST", "/account/passkeys/remove", url.Values{"id": {"AAEC"}}); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "this is what the API says") {
		t.Errorf("what cannot be removed is answered %d", w.Code)
	}
	request(t, h, access.CSIRT, "POST", "/account/sessions/end", url.Values{"id": {"../x"}}) // fake says when it is another path
}

// TestFrom: only a proxy of ours says where somebody comes from, and only what it has seen itself.
func TestFrom(t *testing.T) {
	home, err := url.Parse("https://abuse.example.net")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ peer, said, want string }{
		{"192.0.2.7:1234", "", "192.0.2.7"},
		{"192.0.2.7:1234", "198.51.100.1", "192.0.2.7"},
		{"127.0.0.1:1234", "198.51.100.1", "198.51.100.1"},
		{"127.0.0.1:1234", "203.0.113.9, 198.51.100.1", "198.51.100.1"},
		{"127.0.0.1:1234", "203.0.113.9, 198.51.100.1, 127.0.0.1", "198.51.100.1"},
		{"127.0.0.1:1234", "nonsense", "127.0.0.1"},
		{"127.0.0.1:1234", "198.51.100.1, nonsense", "127.0.0.1"},
		{"127.0.0.1:1234", "", "127.0.0.1"},
		{"[::1]:1234", "2001:db8::7", "2001:db8::7"},
		{"[::ffff:127.0.0.1]:1234", "::ffff:198.51.100.1", "198.51.100.1"},
	} {
		seen := &seer{}
		h, err := console.New(console.Options{
			Door: seen, Origin: home, Log: slog.New(slog.DiscardHandler), Now: now,
			Behind: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")},
		})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), "POST", "https://abuse.example.net/signin/password", strings.NewReader("login=a&password=b"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.RemoteAddr = c.peer
		if c.said != "" {
			r.Header.Set("X-Forwarded-For", c.said)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if seen.from.String() != c.want || w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "90" {
			t.Errorf("from %s, which says %q: %s, want %s (%d)", c.peer, c.said, seen.from, c.want, w.Code)
		}
	}
}

// seer keeps where somebody comes from, and has them wait.
type seer struct {
	door

	from netip.Addr
}

// SignInByPassword is console.Door's.
func (s *seer) SignInByPassword(_ context.Context, v *access.Visit, _, _ string) (*access.Entered, error) {
	s.from = v.From
	return nil, &access.WaitError{After: 90 * time.Second}
}
