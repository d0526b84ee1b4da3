package app_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/api"
	"tocsin/internal/app"
	"tocsin/internal/desk"
	"tocsin/internal/report"
)

// person is a client of the API with a token.
type person struct {
	t     *testing.T
	base  string
	token string
	node  *app.App
	done  []string // method and path of what succeeded
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   map[string]any
}

func (p *person) do(method, path string, body any) reply {
	p.t.Helper()
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			p.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.base+path, &b)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	out := reply{status: res.StatusCode, header: res.Header}
	var raw bytes.Buffer
	if _, err := raw.ReadFrom(res.Body); err != nil {
		p.t.Fatal(err)
	}
	if raw.Len() > 0 {
		if err := json.Unmarshal(raw.Bytes(), &out.body); err != nil {
			p.t.Fatalf("%s %s: %q is no JSON: %v", method, path, raw.String(), err)
		}
	}
	return out
}

// want does what do does, and holds the answer to a status.
func (p *person) want(status int, method, path string, body any) map[string]any {
	p.t.Helper()
	got := p.do(method, path, body)
	if got.status != status {
		p.t.Fatalf("%s %s: %d %v, want %d", method, path, got.status, got.body, status)
	}
	if status >= 400 && got.header.Get("Content-Type") != "application/problem+json" {
		p.t.Errorf("%s %s: a fault is told as %s", method, path, got.header.Get("Content-Type"))
	}
	if status < 300 {
		p.done = append(p.done, method+" "+path)
	}
	if got.header.Get("Cache-Control") != "no-store" {
		p.t.Errorf("%s %s may be kept", method, path)
	}
	return got.body
}

// locked is a buffer that several goroutines write.
type locked struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// node runs a node into which mails were imported, in their order.
func node(t *testing.T, mails ...string) (*person, *locked) {
	t.Helper()
	return nodeWith(t, func(*app.Config) {}, mails...)
}

// both roles of the desk.
var both = []access.Role{access.Desk, access.Approver}

func nodeWith(t *testing.T, change func(*app.Config), mails ...string) (*person, *locked) {
	t.Helper()
	log := &locked{}
	cfg := app.Defaults(t.TempDir())
	cfg.Listen = "127.0.0.1:0"
	cfg.API.Tokens = []api.Token{
		{Name: "ann", SHA256: hash("secret"), Roles: both},
		{Name: "bob", SHA256: hash("other"), Roles: both},
		{Name: "ada", SHA256: hash("third"), Roles: []access.Role{access.Admin}},
		{Name: "ove", SHA256: hash("fourth"), Roles: []access.Role{access.Oversight}},
	}
	change(&cfg)
	a, err := app.New(t.Context(), cfg, slog.New(slog.NewJSONHandler(log, nil)), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range mails {
		file := filepath.Join(t.TempDir(), fmt.Sprintf("%d.eml", i))
		if err := os.WriteFile(file, []byte(m), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Import(t.Context(), []string{file}, app.ImportOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	l, err := app.OpenPort(t.Context(), cfg.Listen)
	if err != nil {
		t.Fatal(err)
	}
	a.ListenOn(l)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return &person{t: t, base: "http://" + l.Addr().String() + api.Prefix, token: "secret", node: a}, log
}

func letterFrom(n int, from, body string) string {
	return fmt.Sprintf("From: %s\nTo: abuse@example.org\nMessage-ID: <%d@example.net>\nDate: Sun, 1 Mar 2026 10:00:00 +0000\nSubject: attack %d\n\n%s\n", from, n, n, body)
}

func items(body map[string]any) []map[string]any {
	var all []map[string]any
	for _, one := range body["items"].([]any) {
		all = append(all, one.(map[string]any))
	}
	return all
}

// TestWaitingAPI: a person deals with mails over HTTP.
func TestWaitingAPI(t *testing.T) {
	p, log := nodeWith(t, func(cfg *app.Config) { withLines(t, cfg) },
		letterFrom(1, "Ann <ann@example.net>", "198.51.100.7 attacks us at 2026-03-01 02:10:00 UTC"),
		letterFrom(2, "no-reply@example.com", "198.51.100.8"),
		letterFrom(3, "bob@sales.example.com", "cars"),
		letterFrom(4, "ann@example.net", "198.51.100.7 and 198.51.100.9"),
		letterFrom(5, "ann@example.net", "again"),
		"From: MAILER-DAEMON@example.net\nMessage-ID: <9@example.net>\nSubject: Undelivered Mail\n\nx\n",
		letterFrom(6, "legal@example.net", dmca),
	)
	var list []map[string]any
	for after := ""; ; {
		page := p.want(200, "GET", "/waiting?limit=2&after="+after, nil)
		list = append(list, items(page)...)
		if page["next"] == nil {
			break
		}
		after = page["next"].(string)
	}
	if len(list) != 5 || list[0]["from"] != "ann@example.net" || list[2]["from"] != "bob@sales.example.com" {
		t.Fatalf("%+v", list)
	}
	id := func(n int) string { return list[n-1]["id"].(string) }
	apart(t, p)

	one := p.want(200, "GET", "/waiting/"+id(1), nil)
	head := one["letter"].(map[string]any)["head"].(map[string]any)
	if head["subject"] != "attack 1" || len(one["suggestions"].([]any)) != 2 || len(one["answers"].([]any)) != 4 {
		t.Errorf("%+v", one)
	}
	eventsOf(t, p, id(1))
	answers(t, p, id)
	merge(t, p, id(1), id(4))
	asides(t, p, id(3))
	blocks(t, p)

	p.want(202, "POST", "/waiting/"+id(5)+"/read-again", nil)
	p.want(409, "POST", "/waiting/"+id(1)+"/read-again", nil)
	for deadline := time.Now().Add(20 * time.Second); ; { // read again: still in no format, so it waits
		if err := p.do("POST", "/waiting/"+id(5)+"/aside", map[string]any{"reason": "old"}); err.status == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it never waits again")
		}
	}

	linesByPerson(t, p)
	p.done = append(p.done, receivedByPerson(t)...)
	settingsByPerson(t, p)
	p.done = append(p.done, incidentsByPerson(t)...)
	p.covered()

	said := log.String()
	for _, want := range []string{"events were made of a letter", "a letter was read", "a letter was set aside", "a letter was brought back", "an author was blocked", `"by":"ann"`} {
		if !strings.Contains(said, want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	for _, personal := range []string{"example.net", "198.51.100", "secret", "sold us", "attack 1"} {
		if strings.Contains(said, personal) {
			t.Errorf("the log says %q", personal)
		}
	}
}

const dmca = `This is a notice under 17 U.S.C. § 512. We have a good faith belief that 198.51.100.7 shares our work. Under
penalty of perjury: we are authorized to act on behalf of the owner.`

// apart: a copyright notice waits on a shelf of its own, and the others' list counts it.
func apart(t *testing.T, p *person) {
	t.Helper()
	rest := p.want(200, "GET", "/waiting", nil)
	if n := rest["apart"].(map[string]any)["copyright"]; len(items(rest)) != 5 || n != 1.0 {
		t.Errorf("%+v", rest)
	}
	if got := items(p.want(200, "GET", "/waiting?apart=copyright", nil)); len(got) != 1 || got[0]["apart"] != "copyright" || got[0]["from"] != "legal@example.net" {
		t.Errorf("%+v", got)
	}
	if got := items(p.want(200, "GET", "/aside?apart=copyright", nil)); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	for _, typ := range []string{"phishing", "nonsense", "unknown"} {
		p.want(422, "GET", "/waiting?apart="+typ, nil)
	}
}

func eventsOf(t *testing.T, p *person, id string) {
	t.Helper()
	bad := p.want(422, "POST", "/waiting/"+id+"/events", map[string]any{"events": []any{
		map[string]any{"type": "nonsense", "from": "yesterday", "subject": map[string]any{"addr": "300.1.1.1"}},
		map[string]any{"type": "brute-force", "from": "2026-03-01T02:10:00Z", "subject": map[string]any{}},
		map[string]any{"type": "brute-force", "from": "2099-03-01T02:10:00Z", "subject": map[string]any{"addr": "127.0.0.1"}},
	}})
	var where []string
	for _, e := range bad["errors"].([]any) {
		where = append(where, e.(map[string]any)["location"].(string))
	}
	want := "body.events[0].subject.addr body.events[0].from body.events[0].type body.events[1].subject body.events[2].from body.events[2].subject.addr"
	if got := strings.Join(where, " "); got != want {
		t.Errorf("faults at %s, want %s", got, want)
	}
	good := map[string]any{"events": []any{
		map[string]any{"type": "brute-force", "tag": "ssh", "from": "2026-03-01T03:10:00+01:00", "subject": map[string]any{"addr": "198.51.100.7", "asn": 64500}},
	}}
	for _, again := range []bool{false, true} {
		got := p.want(200, "POST", "/waiting/"+id+"/events", good)
		if got["events"] != 1.0 || got["state"] != "worked" || got["again"] != again {
			t.Errorf("%+v", got)
		}
	}
	other := map[string]any{"events": []any{map[string]any{"type": "spam", "from": "2026-03-01T02:10:00Z", "subject": map[string]any{"addr": "198.51.100.7"}}}}
	p.want(409, "POST", "/waiting/"+id+"/events", other)
	p.want(409, "POST", "/waiting/"+id+"/aside", map[string]any{"reason": "x"})
	if got := p.want(200, "GET", "/waiting/"+id, nil); got["assigned"].(map[string]any)["who"] != "ann" || got["events"] != 1.0 {
		t.Errorf("%+v", got)
	}
}

func incidentOf(t *testing.T, p *person) string {
	t.Helper()
	for in, err := range p.node.Store().Incidents(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		return in.ID.String()
	}
	t.Fatal("there is no incident")
	return ""
}

func merge(t *testing.T, p *person, done, id string) {
	t.Helper()
	incident := incidentOf(t, p)
	p.want(422, "POST", "/waiting/"+id+"/merge", map[string]any{"incident": "x", "at": []any{"noon"}})
	p.want(422, "POST", "/waiting/"+id+"/merge", map[string]any{"incident": done}) // a report's id
	p.want(404, "POST", "/waiting/0195a000-0000-7000-8000-000000000001/merge", map[string]any{"incident": incident})
	far := p.want(422, "POST", "/waiting/"+id+"/merge", map[string]any{"incident": incident, "at": []any{"2025-03-01T02:10:00Z"}})
	if fault := far["errors"].([]any)[0].(map[string]any); fault["location"] != "body.at[0]" || !strings.Contains(fault["message"].(string), "another one") {
		t.Errorf("%+v", far)
	}
	for _, again := range []bool{false, true} {
		got := p.want(200, "POST", "/waiting/"+id+"/merge", map[string]any{"incident": incident, "at": []any{"2026-03-01T05:10:00+01:00"}})
		if got["events"] != 1.0 || got["state"] != "worked" || got["again"] != again {
			t.Errorf("%+v", got)
		}
	}
	p.want(409, "POST", "/waiting/"+id+"/merge", map[string]any{"incident": incident}) // something else than was said
	if got := p.want(200, "GET", "/waiting/"+id, nil); got["assigned"].(map[string]any)["incident"] != incident {
		t.Errorf("%+v", got)
	}
	for in, err := range p.node.Store().Incidents(t.Context(), "") {
		if err != nil || in.Events != 2 || in.Feeds[0] != desk.Person {
			t.Errorf("%+v, %v", in, err)
		}
	}
}

func answers(t *testing.T, p *person, id func(int) string) {
	t.Helper()
	got := p.want(200, "POST", "/waiting/"+id(1)+"/answers/port-and-time", map[string]any{})
	text := got["text"].(string)
	if got["to"] != "ann@example.net" || got["subject"] != "Re: attack 1" || got["in_reply_to"] != "<1@example.net>" ||
		!strings.Contains(text, "198.51.100.7") || !strings.Contains(text, id(1)) || strings.Contains(text, "{{") {
		t.Errorf("%+v", got)
	}
	// Two addresses: which of them is meant, a person says.
	got = p.want(200, "POST", "/waiting/"+id(4)+"/answers/not-ours", map[string]any{})
	if !strings.Contains(got["text"].(string), "[ADDRESS]") {
		t.Errorf("%s", got["text"])
	}
	got = p.want(200, "POST", "/waiting/"+id(4)+"/answers/not-ours", map[string]any{"addr": "198.51.100.9"})
	if !strings.Contains(got["text"].(string), "The address 198.51.100.9 is not") {
		t.Errorf("%s", got["text"])
	}
	p.want(422, "POST", "/waiting/"+id(4)+"/answers/not-ours", map[string]any{"addr": "x"})
	for _, a := range []string{"logs", "thanks"} {
		p.want(200, "POST", "/waiting/"+id(4)+"/answers/"+a, map[string]any{})
	}
	p.want(404, "POST", "/waiting/"+id(4)+"/answers/nothing", map[string]any{})
	p.want(409, "POST", "/waiting/"+id(2)+"/answers/thanks", map[string]any{})
	no := p.want(200, "GET", "/waiting/"+id(2), nil)
	if len(no["answers"].([]any)) != 0 || !strings.Contains(no["no_answer"].(string), "takes no answers") {
		t.Errorf("an answer to nobody: %+v", no)
	}
	for _, aside := range items(p.want(200, "GET", "/aside", nil)) {
		p.want(409, "POST", "/waiting/"+aside["id"].(string)+"/answers/thanks", map[string]any{})
	}
}

func asides(t *testing.T, p *person, id string) {
	t.Helper()
	p.want(422, "POST", "/waiting/"+id+"/aside", map[string]any{"reason": " \x1b"})
	for range 2 {
		p.want(200, "POST", "/waiting/"+id+"/aside", map[string]any{"reason": "sold us a car"})
	}
	all := items(p.want(200, "GET", "/aside", nil))
	if len(all) != 2 || all[0]["reason"] != "sold us a car" || !strings.Contains(all[1]["reason"].(string), "bounce") {
		t.Errorf("%+v", all)
	}
	p.want(409, "POST", "/waiting/"+id+"/read-again", nil)
	p.want(200, "POST", "/waiting/"+id+"/bring", map[string]any{"reason": "not so"})
	p.want(200, "POST", "/waiting/"+all[1]["id"].(string)+"/bring", map[string]any{"reason": "look at it"})
}

func blocks(t *testing.T, p *person) {
	t.Helper()
	p.want(422, "POST", "/blocked", map[string]any{"sender": "bob"})
	for _, try := range []bool{true, false} {
		got := p.want(200, "POST", "/blocked", map[string]any{"sender": "@Sales.example.com", "try": try})
		if got["blocked"] == try || got["sent"].(map[string]any)["reports"] != 1.0 || got["sender"] != "@sales.example.com" {
			t.Errorf("%+v", got)
		}
		if all := items(p.want(200, "GET", "/blocked", nil)); (len(all) == 0) != try {
			t.Errorf("%+v", all)
		}
	}
	p.want(204, "POST", "/blocked/remove", map[string]any{"sender": "@sales.example.com"})
	if all := items(p.want(200, "GET", "/blocked", nil)); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

// TestWaitingAPIDoor: without a person's token there is nothing, and what is asked wrongly is answered as a problem.
func TestWaitingAPIDoor(t *testing.T) {
	p, _ := node(t)
	for _, token := range []string{"", "wrong"} {
		stranger := &person{t: t, base: p.base, token: token}
		got := stranger.do("GET", "/waiting", nil)
		if got.status != 401 || !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer") || got.body["detail"] == "" {
			t.Errorf("token %q: %+v", token, got)
		}
	}
	p.want(404, "GET", "/nothing", nil)
	p.want(404, "GET", "/waiting/nonsense", nil)
	p.want(404, "GET", "/waiting/0195a000-0000-7000-8000-000000000001", nil)
	p.want(422, "GET", "/waiting?after=nonsense", nil)
	p.want(422, "GET", "/waiting?limit=0", nil)
	p.want(422, "POST", "/waiting/0195a000-0000-7000-8000-000000000001/events", map[string]any{"evnts": 1})
	p.want(404, "POST", "/waiting/0195a000-0000-7000-8000-000000000001/aside", map[string]any{"reason": "x"})
	p.want(400, "POST", "/waiting/0195a000-0000-7000-8000-000000000001/aside", nil)
	doc := p.want(200, "GET", "/openapi.json", nil)
	if doc["openapi"] != "3.1.0" || len(doc["paths"].(map[string]any)) < 10 {
		t.Errorf("%v", doc["openapi"])
	}
	if got := p.do("POST", "/reports", map[string]any{}); got.status != 401 {
		t.Errorf("a person's token hands in reports: %+v", got)
	}
}

// TestAssignSurvives: what a person said is there after a restart, once, whether or not the answer was heard.
func TestAssignSurvives(t *testing.T) {
	cfg := app.Defaults(t.TempDir())
	cfg.Listen = "off"
	file := filepath.Join(t.TempDir(), "a.eml")
	if err := os.WriteFile(file, []byte(letterFrom(1, "ann@example.net", "x")), 0o600); err != nil {
		t.Fatal(err)
	}
	events := []report.Event{{
		Kind: report.KindOf("spam"), From: time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC), Subject: report.Subject{Domain: "example.net"},
	}}
	for round := range 3 {
		a, err := app.New(t.Context(), cfg, slog.New(slog.DiscardHandler), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Import(t.Context(), []string{file}, app.ImportOptions{}); err != nil {
			t.Fatal(err)
		}
		var id report.ID
		for _, state := range []report.State{report.StateWaiting, report.StateWorked} {
			for r, err := range a.Store().Letters(t.Context(), state) {
				if err != nil {
					t.Fatal(err)
				}
				id = r.ID
			}
		}
		cut, cancel := context.WithCancel(t.Context())
		if round == 0 { // the request breaks off: all of it or nothing
			cancel()
		}
		got, err := a.Waiting().Assign(cut, id, events, "ann")
		cancel()
		if (err != nil) != (round == 0) || err == nil && got.Again != (round == 2) {
			t.Errorf("round %d: %+v, %v", round, got, err)
		}
		n := 0
		for in, err := range a.Store().Incidents(t.Context(), "") {
			if err != nil || in.Events != 1 {
				t.Errorf("%+v, %v", in, err)
			}
			n++
		}
		if n != min(round, 1) {
			t.Errorf("round %d: %d incidents", round, n)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
