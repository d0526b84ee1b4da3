package access_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/incident"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

// house is a door with a real store, a clock that stands until it is moved, and a log that keeps what it is told.
type house struct {
	*access.Door
	t     testing.TB
	store *store.Access
	out   strings.Builder // the node's log

	mu   sync.Mutex // all below
	now  time.Time
	acts []access.Act
	down error // of the log
}

func (h *house) clock() time.Time { h.mu.Lock(); defer h.mu.Unlock(); return h.now }
func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// Record is access.ActLog's.
func (h *house) Record(_ context.Context, a *access.Act) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down == nil {
		h.acts = append(h.acts, *a)
	}
	return h.down
}

// did are the acts since it was asked last.
func (h *house) did() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []string
	for _, a := range h.acts {
		if a.ID.IsZero() || a.Salt == [32]byte{} {
			h.t.Error("an act without id or salt")
		}
		all = append(all, fmt.Sprintf("%s %s by %s (%s) about %s %v", a.Kind, a.Note, a.By, a.Who, a.About, a.Roles))
	}
	h.acts = nil
	return strings.Join(all, "\n")
}

func build(t testing.TB, change func(*access.Config), out access.Outside) *house {
	t.Helper()
	db, err := store.Open(context.Background(), store.Config{}, t.TempDir(), incident.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	cfg := access.Defaults()
	if change != nil {
		change(&cfg)
	}
	h := &house{t: t, store: db.Access(), now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	h.Door, err = access.New(cfg, h.store, h, h.clock, slog.New(slog.NewTextHandler(&h.out, nil)), out)
	if err != nil {
		t.Fatal(err)
	}
	access.SetCost(h.Door, 8, 1)
	return h
}

const (
	good  = "four words nobody joins"
	other = "quite another thing 7"
)

// visit is a browser at an address.
func visit(from string) *access.Visit {
	return &access.Visit{From: netip.MustParseAddr(from), Agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Browser: access.NewSecret()}
}

// after is the same browser when somebody has signed in.
func after(v *access.Visit, e *access.Entered) *access.Visit {
	w := *v
	w.Known, w.Session = e.Known, e.Secret
	return &w
}

// admin is the first one.
func (h *house) admin() *access.Entered {
	h.t.Helper()
	v, ctx := visit("192.0.2.1"), h.t.Context()
	link, err := h.First(ctx)
	if err != nil || link == "" {
		h.t.Fatal("no first link", err)
	}
	if _, err := h.Claim(ctx, link, "Ada", "Ada A."); err != nil {
		h.t.Fatal(err)
	}
	e, err := h.LinkPassword(ctx, v, link, good)
	if err != nil {
		h.t.Fatal(err)
	}
	return e
}

// person invites somebody, who sets a password.
func (h *house) person(by *access.Entered, v *access.Visit, login string, roles ...access.Role) *access.Entered {
	h.t.Helper()
	_, link, err := h.Invite(h.t.Context(), &by.Caller, access.Profile{Login: login, Name: "N " + login, Party: access.Own, Roles: roles})
	if err != nil {
		h.t.Fatal(err)
	}
	e, err := h.LinkPassword(h.t.Context(), v, link, good)
	if err != nil {
		h.t.Fatal(err)
	}
	return e
}

func wants(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// fields are those that an error finds fault with.
func fields(err error) string {
	var all []string
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			if f, ok := errors.AsType[*report.FieldError](e); ok {
				all = append(all, f.Field)
			}
		}
	}
	return strings.Join(all, " ")
}

// TestFirst: the first admin comes in by a link that is there while there is none, once, and within a day.
func TestFirst(t *testing.T) {
	h, v, ctx := build(t, nil, access.Outside{}), visit("192.0.2.1"), t.Context()
	old, err := h.First(ctx)
	if err != nil || old == "" {
		t.Fatal(err)
	}
	link, err := h.First(ctx)
	if err != nil || link == old {
		t.Fatal("a new start has the old link", err)
	}
	_, err = h.Claim(ctx, old, "ada", "Ada")
	wants(t, "a link of an older start", err, access.ErrLink)
	if p, err := h.Invited(ctx, link); err != nil || !p.ID.IsZero() {
		t.Error(p, err)
	}
	_, err = h.LinkPassword(ctx, v, link, good)
	wants(t, "a password of nobody", err, access.ErrLink)
	if _, err := h.Claim(ctx, link, "a (b)", ""); fields(err) != "login name" {
		t.Error(err)
	}
	if _, err := h.Claim(ctx, link, " Ada@isp.example ", "Ada"); err != nil {
		t.Fatal(err)
	}
	if got := h.did(); got != "role first-admin by node () about ada@isp.example [admin]" {
		t.Error(got)
	}
	if _, err := h.LinkPassword(ctx, v, link, "short"); fields(err) != "password" {
		t.Error(err)
	}
	h.pass(access.LinkFor)
	_, err = h.LinkPassword(ctx, v, link, good)
	wants(t, "a day later", err, access.ErrLink)

	if link, err = h.First(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Claim(ctx, link, "ada", "Ada"); err != nil {
		t.Fatal("who never came has the login still:", err)
	}
	e, err := h.LinkPassword(ctx, v, link, good)
	if err != nil || !e.Caller.Has(access.Admin) || e.Caller.Name != "ada" || e.Caller.Via != access.BySession {
		t.Fatal(e, err)
	}
	_, err = h.LinkPassword(ctx, v, link, good)
	wants(t, "a second time", err, access.ErrLink)
	if link, err := h.First(ctx); err != nil || link != "" {
		t.Error("there is a link beside an admin", err)
	}
}

// TestPeople: who may be what, who leaves, and that each step is in the log before it is taken.
func TestPeople(t *testing.T) {
	h, ctx := build(t, nil, access.Outside{}), t.Context()
	ada := h.admin()
	who := &ada.Caller
	h.did()
	for _, p := range []access.Profile{
		{Login: "x y", Name: "", Party: "none"},
		{Login: "ben", Name: "B", Party: access.Own, Roles: []access.Role{access.Officer}},
	} {
		_, _, err := h.Invite(ctx, who, p)
		if err == nil {
			t.Errorf("%+v was let in", p)
		}
	}
	wants(t, "party", h.AddParty(ctx, &access.Party{ID: "police", Name: "Police", Kind: access.PoliceParty}), nil)
	if err := h.AddParty(ctx, &access.Party{ID: "A b", Kind: access.OwnParty}); fields(err) != "id name kind" {
		t.Error(err)
	}
	wants(t, "its name", h.RenameParty(ctx, "police", "The police"), nil)
	_, _, err := h.Invite(ctx, who, access.Profile{Login: "off", Name: "O", Party: "police", Roles: []access.Role{access.Officer}})
	wants(t, "an officer", err, nil)
	_, _, err = h.Invite(ctx, who, access.Profile{Login: "OFF", Name: "O", Party: "police", Roles: []access.Role{access.Officer}})
	wants(t, "the same login", err, access.ErrTaken)
	h.did()

	v := visit("198.51.100.7")
	ben := h.person(ada, v, "ben", access.Desk, access.Approver)
	if got := h.did(); got != "person invited by admin (ada) about ben []\nrole roles by admin (ada) about ben [desk approver]" {
		t.Error(got)
	}
	tok, secret, err := h.AddToken(ctx, &ben.Caller, "loader", []access.Scope{{Action: access.See}}, h.clock().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	h.did()

	// Roles change: the token has them at once, and the session too, with a new secret.
	_, err = h.Change(ctx, who, ben.Caller.Person, access.Profile{Login: "ben", Name: "N ben", Party: access.Own, Roles: []access.Role{access.Oversight}})
	wants(t, "roles", err, nil)
	if got := h.did(); got != "role roles by admin (ada) about ben [oversight]" {
		t.Error(got)
	}
	c, err := h.Token(ctx, secret)
	if err != nil || !slices.Equal(c.Roles, []access.Role{access.Oversight}) || c.Name != "ben" || c.Person != ben.Caller.Person || c.Via != access.ByToken {
		t.Error(c, err)
	}
	c, s, err := h.Session(ctx, ben.Secret)
	if err != nil || !c.Has(access.Oversight) || s.Renewed == "" || s.Renewed == ben.Secret {
		t.Error(c, s, err)
	}
	_, again, err := h.Session(ctx, ben.Secret)
	if err != nil || again.Renewed != "" {
		t.Error("a request that was on its way", again, err)
	}
	h.pass(time.Minute)
	_, _, err = h.Session(ctx, ben.Secret)
	wants(t, "the old secret", err, access.ErrSession)
	_, _, err = h.Session(ctx, s.Renewed)
	wants(t, "the new secret", err, nil)

	// The log is down: nothing happens.
	h.down = errors.New("no log")
	wants(t, "leave", h.Leave(ctx, who, ben.Caller.Person), h.down)
	if p, err := h.Person(ctx, ben.Caller.Person); err != nil || p.State != access.Active {
		t.Error("somebody left without an entry", err)
	}
	h.down = nil
	wants(t, "the last admin leaves", h.Leave(ctx, who, who.Person), access.ErrLastAdmin)
	_, err = h.Change(ctx, who, who.Person, access.Profile{Login: "ada", Name: "A", Party: access.Own, Roles: []access.Role{access.Desk}})
	wants(t, "the last admin is none", err, access.ErrLastAdmin)
	if got := h.did(); got != "" {
		t.Error("what was refused is in the log:", got)
	}

	wants(t, "leave", h.Leave(ctx, who, ben.Caller.Person), nil)
	if got := h.did(); got != "person left by admin (ada) about ben []" {
		t.Error(got)
	}
	_, _, err = h.Session(ctx, s.Renewed)
	wants(t, "a session of who left", err, access.ErrSession)
	_, err = h.Token(ctx, secret)
	wants(t, "a token of who left", err, access.ErrToken)
	_, err = h.SignInByPassword(ctx, after(v, ben), "ben", good)
	wants(t, "a password of who left", err, access.ErrSignIn)
	wants(t, "an ended token", h.EndToken(ctx, who, report.ID{}, tok.ID), access.ErrNothing)

	link, err := h.InviteAgain(ctx, who, ben.Caller.Person)
	wants(t, "come back", err, nil)
	if _, err := h.LinkPassword(ctx, v, link, other); err != nil {
		t.Error(err)
	}
	if p, err := h.ChangeOwn(ctx, &ben.Caller, "Ben", "Europe/Warsaw"); err != nil || p.Zone != "Europe/Warsaw" || p.Name != "Ben" {
		t.Error(p, err)
	}
	if _, err := h.ChangeOwn(ctx, &ben.Caller, "", "Nowhere"); fields(err) != "name zone" {
		t.Error(err)
	}
}

// TestSessions: a session ends when it is idle, when it is old, and when somebody ends it; and each has its own secret.
func TestSessions(t *testing.T) {
	h, v, ctx := build(t, nil, access.Outside{}), visit("203.0.113.9"), t.Context()
	ada := h.admin()
	one := h.person(ada, v, "ben", access.Desk)
	two, err := h.SignInByPassword(ctx, after(v, one), " BEN", good)
	if err != nil {
		t.Fatal(err)
	}
	if two.Secret == one.Secret || two.Known != one.Known {
		t.Error("a sign-in goes on with the secret that the browser had, or its browser is not known")
	}
	_, _, err = h.Session(ctx, one.Secret)
	wants(t, "the one before", err, access.ErrSession)
	c, s, err := h.Session(ctx, two.Secret)
	if err != nil || c.Name != "ben" || s.Network != netip.MustParsePrefix("203.0.113.0/24") || s.Browser != "Firefox on Linux" || s.Way != access.ByPassword {
		t.Error(c, s, err)
	}
	for range 12 {
		h.pass(59 * time.Minute)
		if _, _, err := h.Session(ctx, two.Secret); err != nil {
			t.Fatal("not idle, and not old:", err)
		}
	}
	h.pass(12*time.Hour - 12*59*time.Minute - time.Second)
	_, _, err = h.Session(ctx, two.Secret)
	wants(t, "at the last second", err, nil)
	h.pass(time.Second)
	_, _, err = h.Session(ctx, two.Secret)
	wants(t, "too old", err, access.ErrSession)

	v6 := visit("2001:db8:1:2::3")
	three, err := h.SignInByPassword(ctx, v6, "ben", good)
	if err != nil || three.Session.Network.String() != "2001:db8:1::/48" {
		t.Fatal(three, err)
	}
	h.pass(time.Hour)
	_, _, err = h.Session(ctx, three.Secret)
	wants(t, "idle", err, access.ErrSession)

	var in [3]*access.Entered
	for i := range in {
		if in[i], err = h.SignInByPassword(ctx, v, "ben", good); err != nil {
			t.Fatal(err)
		}
	}
	all, err := h.Sessions(ctx, in[0].Caller.Person)
	if err != nil || len(all) != 3 {
		t.Error(all, err)
	}
	h.did()
	wants(t, "somebody else's", h.EndSession(ctx, &in[0].Caller, ada.Caller.Person, in[0].Session.ID), access.ErrNothing)
	h.did()
	wants(t, "one", h.EndSession(ctx, &in[0].Caller, in[0].Caller.Person, in[0].Session.ID), nil)
	if n, err := h.EndSessions(ctx, &in[1].Caller, in[1].Caller.Person, in[1].Session.ID); n != 3 || err != nil { // two of which had run out
		t.Error(n, err)
	}
	_, _, err = h.Session(ctx, in[2].Secret)
	wants(t, "the others", err, access.ErrSession)
	_, _, err = h.Session(ctx, in[1].Secret)
	wants(t, "this one", err, nil)
	if got := h.did(); got != "" {
		t.Error("one's own sessions are in the log:", got)
	}
	wants(t, "sign out", h.SignOut(ctx, in[1].Secret), nil)
	wants(t, "sign out twice", h.SignOut(ctx, in[1].Secret), nil)
	for _, s := range []access.Secret{in[1].Secret, "", "x", access.Secret(strings.Repeat("y", 1<<20))} {
		_, _, err := h.Session(ctx, s)
		wants(t, "nobody", err, access.ErrSession)
	}
	h.pass(access.KnownFor + 400*24*time.Hour)
	if n, err := h.DeleteEnded(ctx); n == 0 || err != nil {
		t.Error(n, err)
	}
	if n, err := h.DeleteEnded(ctx); n != 0 || err != nil {
		t.Error("what has ended was left:", n, err)
	}
}

// TestTokens: a token lets in its owner, for what it says, until its end.
func TestTokens(t *testing.T) {
	h, ctx := build(t, nil, access.Outside{}), t.Context()
	ada := h.admin()
	ben := h.person(ada, visit("198.51.100.7"), "ben", access.Desk)
	h.did()
	scopes := []access.Scope{{Action: access.See, Record: access.Incident}}
	for _, c := range []struct {
		name   string
		scopes []access.Scope
		until  time.Duration
		want   string
	}{
		{"", nil, 0, "name scopes until"},
		{"x", []access.Scope{{Action: "fly"}}, 366 * 24 * time.Hour, "scopes until"},
	} {
		if _, _, err := h.AddToken(ctx, &ben.Caller, c.name, c.scopes, h.clock().Add(c.until)); fields(err) != c.want {
			t.Error(err)
		}
	}
	if _, _, err := h.AddToken(ctx, &access.Caller{Via: access.BySocket, Name: "root"}, "x", scopes, h.clock().Add(time.Hour)); fields(err) != "owner" {
		t.Error(err)
	}
	tok, secret, err := h.AddToken(ctx, &ben.Caller, "loader", scopes, h.clock().Add(365*24*time.Hour))
	if err != nil || !access.IsToken(secret) {
		t.Fatal(err)
	}
	if got := h.did(); got != "token made by person (ben) about ben []" {
		t.Error(got)
	}
	c, err := h.Token(ctx, secret)
	if err != nil || !c.May(access.See, access.Incident) || c.May(access.See, access.Report) || c.May(access.Change, access.Incident) {
		t.Error(c, err)
	}
	used := func() time.Time {
		all, err := h.Tokens(ctx, ben.Caller.Person)
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		return all[0].Used
	}
	first := used()
	h.pass(59 * time.Second)
	_, _ = h.Token(ctx, secret)
	if !used().Equal(first) {
		t.Error("noted twice within a minute")
	}
	h.pass(time.Second)
	_, _ = h.Token(ctx, secret)
	if used().Equal(first) {
		t.Error("not noted after a minute")
	}
	wrong := access.Secret(string(secret[:20]) + "a" + string(secret[21:]))
	if wrong == secret {
		wrong = access.Secret(string(secret[:20]) + "b" + string(secret[21:]))
	}
	for _, s := range []access.Secret{"", "tcsn_", wrong, secret + "a", secret[1:], ben.Secret, access.Secret(strings.ToUpper(string(secret)))} {
		if access.IsToken(s) {
			t.Errorf("%q has the form of a token", string(s))
		}
		_, err := h.Token(ctx, s)
		wants(t, "no token", err, access.ErrToken)
	}
	other, secret2, err := h.AddToken(ctx, &ben.Caller, "other", scopes, h.clock().Add(time.Hour))
	wants(t, "another", err, nil)
	wants(t, "somebody else's", h.EndToken(ctx, &ada.Caller, ada.Caller.Person, other.ID), access.ErrNothing)
	h.did()
	wants(t, "an admin ends it", h.EndToken(ctx, &ada.Caller, report.ID{}, other.ID), nil)
	if got := h.did(); got != "token revoked by admin (ada) about ben []" {
		t.Error(got)
	}
	_, err = h.Token(ctx, secret2)
	wants(t, "one that was ended", err, access.ErrToken)
	h.pass(tok.Until.Sub(h.clock()))
	_, err = h.Token(ctx, secret)
	wants(t, "one that has ended", err, access.ErrToken)
}

// TestSecret: a secret is not printed, however it is asked.
func TestSecret(t *testing.T) {
	s := access.NewSecret()
	e := access.Entered{Secret: s, Known: s}
	var out strings.Builder
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "secret", s, "entered", e)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "secret", s, "entered", e)
	fmt.Fprintf(&out, "%v %+v %#v %s %q %x", s, e, e, s, s, s)
	if strings.Contains(out.String(), string(s)) || strings.Contains(out.String(), fmt.Sprintf("%x", string(s))) {
		t.Error("a secret was printed")
	}
}

// TestBrowser: a browser is its kind and system, and nothing else of what it says.
func TestBrowser(t *testing.T) {
	for agent, want := range map[string]string{
		"": "another browser",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0": "Edge on Windows",
		"Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36":              "Chrome on Android",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile Safari/604.1":          "Safari on iOS",
		"<script>alert(1)</script>": "another browser",
	} {
		if got := access.Browser(agent); got != want {
			t.Errorf("%q: %q, want %q", agent, got, want)
		}
	}
}
