package console_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/api"
	"tocsin/internal/line/inquiry"
	"tocsin/internal/report"
)

const (
	handle     = "ojb5xr4zko5fpctt"
	questionID = "019cdf06-4a00-7000-8000-0000000000b1"
)

// unwilling declines some of what a fake API is asked.
func unwilling(all map[string]problem) func(*fake) http.Handler {
	return func(f *fake) http.Handler { return refusing{f, all} }
}

func uniqueAnswer() api.Lookup {
	return api.Lookup{
		Addr: "203.0.113.5", Party: report.PartyLine(handle), Prefix: "203.0.113.0/25", Org: hostile, CGNAT: true,
		Line: &api.LineAnswer{State: report.LineUnique, Handle: handle},
	}
}

func lookupForm() url.Values {
	return url.Values{
		"addr": {" 203.0.113.5 "}, "port": {"3000"}, "proto": {"tcp"}, "at": {"2026-03-03 11:30:00"}, "zone": {"Europe/Berlin"},
		"uncertainty": {""}, "reason": {hostile}, "document": {"mail 7"},
	}
}

// TestLookup: an address and its answer are on one page, and in no URL.
func TestLookup(t *testing.T) {
	h, f := open(t, map[string]any{"POST /lookup": uniqueAnswer()})
	golden(t, "lookup", request(t, h, access.Desk, "GET", "/lookup", nil))
	golden(t, "lookup-unique", request(t, h, access.Desk, "POST", "/lookup", lookupForm()))
	var body map[string]any
	if err := json.Unmarshal([]byte(f.bodies[0]), &body); err != nil {
		t.Fatal(err)
	}
	if body["addr"] != "203.0.113.5" || body["port"] != 3000.0 || body["at"] != "2026-03-03 11:30:00" || body["zone"] != "Europe/Berlin" || body["reason"] != hostile {
		t.Errorf("%v", body)
	}
	if _, ok := body["uncertainty"]; ok {
		t.Errorf("what was left out is asked for: %v", body)
	}
	for at, want := range map[string]string{
		"2026-03-03T10:30:00Z": "2026-03-03T10:30:00Z", "2026-03-03 10:30:00 UTC": "2026-03-03T10:30:00Z",
		"2026-03-03 11:30:00 +0100": "2026-03-03T11:30:00+01:00", "yesterday": "yesterday",
	} {
		form := lookupForm()
		form.Set("at", at)
		request(t, h, access.Desk, "POST", "/lookup", form)
		var body map[string]any
		if err := json.Unmarshal([]byte(f.bodies[len(f.bodies)-1]), &body); err != nil || body["at"] != want || (body["zone"] == nil) != (at != "yesterday") {
			t.Errorf("%q is asked as %v", at, body)
		}
	}
	n := len(f.bodies)
	form := lookupForm()
	form.Set("port", "many")
	if w := request(t, h, access.Desk, "POST", "/lookup", form); w.Code != http.StatusUnprocessableEntity || len(f.bodies) != n || !strings.Contains(w.Body.String(), "up to 65535") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := request(t, h, access.Approver, "GET", "/lookup", nil); strings.Contains(w.Body.String(), `name="at"`) {
		t.Error("an approver, who may not ask for a line, is asked for a time")
	}
	for _, role := range []access.Role{access.Admin, access.Officer, access.CSIRT, access.Association, access.Oversight} {
		for path, method := range map[string]string{"/lookup": "GET", "/reveal": "POST"} {
			if w := request(t, h, role, method, path, url.Values{}); w.Code != http.StatusForbidden {
				t.Errorf("%s %s, as %s: %d", method, path, role, w.Code)
			}
		}
	}
}

// TestLookupWords: each answer says what it means and what to send next time, and no other than a unique one leads to a
// name.
func TestLookupWords(t *testing.T) {
	for name, c := range map[string]struct {
		line api.LineAnswer
		want []string
	}{
		"port":     {api.LineAnswer{State: report.LineAmbiguous, Count: 3, Need: report.NeedPort, Reason: "many lines share the address"}, []string{"one of 3 lines", "Why: many lines share the address.", "source port"}},
		"one":      {api.LineAnswer{State: report.LineAmbiguous, Count: 1, Need: report.NeedTime}, []string{"one line or nobody", "more exact time"}},
		"zone":     {api.LineAnswer{State: report.LineAmbiguous, Count: 2, Need: report.NeedZone}, []string{"time in UTC"}},
		"protocol": {api.LineAnswer{State: report.LineAmbiguous, Count: 2, Need: report.NeedProtocol}, []string{"tcp or udp"}},
		"disagree": {api.LineAnswer{State: report.LineAmbiguous, Count: 2}, []string{"Nothing that could be sent would help"}},
		"none":     {api.LineAnswer{State: report.LineNone, Reason: "log gap"}, []string{"No line is known", "Why: log gap."}},
		"outside":  {api.LineAnswer{State: report.LineOutsideRetention}, []string{"has been deleted", "Nothing is to be done"}},
	} {
		answer := uniqueAnswer()
		answer.Line, answer.Party = &c.line, report.PartyOwn
		h, _ := open(t, map[string]any{"POST /lookup": answer})
		got := html.UnescapeString(request(t, h, access.Desk, "POST", "/lookup", lookupForm()).Body.String())
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s does not say %q", name, want)
			}
		}
		if strings.Contains(got, "Whose line is it") {
			t.Errorf("%s offers a name", name)
		}
	}
}

// TestReveal: whose a line is stands on the page that answers, once, and what is wrong beside the field.
func TestReveal(t *testing.T) {
	h, f := open(t, map[string]any{"POST /reveal": api.Revealed{
		Line: handle, Name: hostile, Contact: &api.Contact{Name: "The Shop", Mail: "shop@example.org", Class: "business"},
	}})
	form := url.Values{"line": {"line:" + handle}, "reveal-reason": {"call them about incident 7"}}
	w := request(t, h, access.Desk, "POST", "/reveal", form)
	golden(t, "reveal", w)
	if w.Header().Get("Cache-Control") != "no-store" || !strings.Contains(f.bodies[0], "call them about incident 7") {
		t.Errorf("%v, asked %s", w.Header(), f.bodies[0])
	}
	n := len(f.asked)
	if w := request(t, h, access.Desk, "GET", "/reveal?line="+handle, nil); w.Code != http.StatusOK || len(f.asked) != n || !strings.Contains(w.Body.String(), `value="`+handle+`"`) {
		t.Errorf("the form of an incident's line: %d, asked %v", w.Code, f.asked)
	}
	h, _ = over(t, unwilling(map[string]problem{"POST /reveal": {422, "mend", []api.Fault{{Location: "body.reason", Message: "say why: it is kept"}}}}), nil)
	form.Set("reveal-reason", " ")
	if w := request(t, h, access.Desk, "POST", "/reveal", form); w.Code != 422 || !strings.Contains(w.Body.String(), `aria-invalid="true"`) || !strings.Contains(w.Body.String(), "say why: it is kept") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestOverBudget: who asks too much is told by which id the second person finds the question.
func TestOverBudget(t *testing.T) {
	over429 := problem{429, "a second person has to approve this question, because today's 2 questions about lines are used up", []api.Fault{{Location: "question", Message: "waits for a second person", Value: questionID}}}
	h, _ := over(t, unwilling(map[string]problem{"POST /lookup": over429, "POST /reveal": over429}), nil)
	golden(t, "lookup-waits", request(t, h, access.Desk, "POST", "/lookup", lookupForm()))
	if w := request(t, h, access.Desk, "POST", "/reveal", url.Values{"line": {handle}, "reveal-reason": {"x"}}); w.Code != 429 || !strings.Contains(w.Body.String(), questionID) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	wrong := []api.Fault{{Location: "body.addr", Message: "it is a prefix"}, {Location: "body.lines", Message: "no source"}}
	h, _ = over(t, unwilling(map[string]problem{"POST /lookup": {422, "mend", wrong}}), nil)
	w := request(t, h, access.Desk, "POST", "/lookup", lookupForm())
	for _, want := range []string{`id="addr-wrong">it is a prefix`, `<p>no source.</p>`, `aria-describedby="addr-hint addr-wrong" aria-invalid="true"`, `value=" 203.0.113.5 "`} {
		if w.Code != 422 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%d, without %s", w.Code, want)
		}
	}
}

func questionEntries() (waiting, all []api.QuestionEntry) {
	about := json.RawMessage(`{"addr":"203.0.113.5","port":3000,"proto":"tcp","at":"2026-03-03T10:30:00Z"}`)
	one := func(id string, kind inquiry.Kind, ago time.Duration, who, why string, state inquiry.State) api.QuestionEntry {
		return api.QuestionEntry{ID: questionID[:len(questionID)-1] + id, Kind: kind, At: now().Add(-ago), Who: who, Reason: why, About: about, State: state}
	}
	waiting = []api.QuestionEntry{
		one("1", inquiry.Which, 2*time.Hour, "desk@example.net", "mail of 3 March", inquiry.Waiting),
		one("2", inquiry.Whose, time.Hour, "approver@example.net", hostile, inquiry.Waiting),
	}
	waiting[1].About = json.RawMessage(`{"line":"` + handle + `"}`)
	decided := one("3", inquiry.Which, 30*time.Hour, "desk@example.net", "", inquiry.Answered)
	decided.By, decided.Decided = "approver@example.net", now().Add(-29*time.Hour)
	return waiting, []api.QuestionEntry{waiting[1], waiting[0], decided, one("4", inquiry.Purge, 31*time.Hour, "root", "", inquiry.Noted)}
}

type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

// TestQuestions: the second person decides, the desk sees its own, oversight sees all of them.
func TestQuestions(t *testing.T) {
	waiting, all := questionEntries()
	trimmed := slices.Clone(all)
	for i := range trimmed {
		trimmed[i].About = nil
	}
	h, f := open(t, map[string]any{
		"GET /questions": list[api.QuestionEntry]{Items: waiting}, "GET /questions?all=true": list[api.QuestionEntry]{all, "n1"},
		"GET /questions?after=n1&all=true&day=2026-03-15": list[api.QuestionEntry]{Items: []api.QuestionEntry{}},
		"POST /questions/" + waiting[0].ID + "/approve":   waiting[0], "POST /questions/" + waiting[0].ID + "/refuse": waiting[0],
	})
	golden(t, "questions-approver", request(t, h, access.Approver, "GET", "/questions", nil))
	golden(t, "questions-desk", request(t, h, access.Desk, "GET", "/questions", nil))
	for _, verb := range []string{"approve", "refuse"} {
		w := request(t, h, access.Approver, "POST", "/questions/"+waiting[0].ID+"/"+verb, url.Values{})
		if w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), "/questions?done=") || !strings.HasSuffix(f.asked[len(f.asked)-1], verb) {
			t.Errorf("%s: %d %s", verb, w.Code, w.Header().Get("Location"))
		}
		for _, role := range []access.Role{access.Desk, access.Oversight, access.Admin} {
			if w := request(t, h, role, "POST", "/questions/"+waiting[0].ID+"/"+verb, url.Values{}); w.Code != http.StatusForbidden {
				t.Errorf("%s decides: %d", role, w.Code)
			}
		}
	}
	if w := request(t, h, access.Approver, "GET", "/questions?day=2026-03-15&after=n1", nil); !strings.Contains(w.Body.String(), "Nobody asked anything then") {
		t.Errorf("%s", w.Body)
	}
	h, _ = open(t, map[string]any{
		"GET /questions": list[api.QuestionEntry]{Items: []api.QuestionEntry{}}, "GET /questions?all=true": list[api.QuestionEntry]{trimmed, ""},
	})
	golden(t, "questions-oversight", request(t, h, access.Oversight, "GET", "/questions", nil))
}

// TestHolds: whoever may makes and lifts them; times without a zone are the visitor's own.
func TestHolds(t *testing.T) {
	held := api.HoldEntry{
		ID: questionID, Request: hostile, Addr: "203.0.113.5", Port: 3000, From: now().Add(-48 * time.Hour), To: now().Add(-47 * time.Hour),
		Until: now().AddDate(0, 3, 0), Who: "approver@example.net", At: now().Add(-time.Hour), Sessions: 2,
	}
	h, f := open(t, map[string]any{
		"GET /holds": list[api.HoldEntry]{Items: []api.HoldEntry{held}}, "POST /holds": held, "POST /holds/" + questionID + "/lift": "",
	})
	golden(t, "holds", request(t, h, access.Approver, "GET", "/holds", nil))
	form := url.Values{"request": {"R-1"}, "addr": {"203.0.113.5"}, "from": {"2026-03-03 11:30"}, "to": {"2026-03-03T11:00:00Z"}, "until": {"2026-06-01"}}
	if w := request(t, h, access.Approver, "POST", "/holds", form); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/holds?done=made" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(f.bodies[len(f.bodies)-1]), &body); err != nil || body["from"] != "2026-03-03T10:30:00Z" || body["to"] != "2026-03-03T11:00:00Z" || body["until"] != "2026-05-31T22:00:00Z" {
		t.Errorf("%v", body)
	}
	n := len(f.asked)
	for field, values := range map[string][]string{
		"from": {"", "soon", "2026-03-29 02:30", "2025-10-26 02:30", strings.Repeat("1", 1<<20)}, "addr": {"", "203.0.113.0/24", "x"}, "port": {"-1", "65536"},
	} {
		for _, value := range values {
			bad := maps.Clone(form)
			bad.Set(field, value)
			w := request(t, h, access.Approver, "POST", "/holds", bad)
			if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `id="`+field+`-wrong"`) {
				t.Errorf("%s %.40q: %d", field, value, w.Code)
			}
		}
	}
	if slices.Contains(f.asked[n:], "POST /holds") {
		t.Error("a hold was made of what has to be mended")
	}
	if w := request(t, h, access.Approver, "POST", "/holds/"+questionID+"/lift", url.Values{}); w.Header().Get("Location") != "/holds?done=lifted" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, role := range []access.Role{access.Desk, access.Oversight} {
		if w := request(t, h, role, "GET", "/holds", nil); strings.Contains(w.Body.String(), "Lift it now") || strings.Contains(w.Body.String(), "Hold it") {
			t.Errorf("%s is offered what they may not do", role)
		}
		if w := request(t, h, role, "POST", "/holds", form); w.Code != http.StatusForbidden {
			t.Errorf("%s makes a hold: %d", role, w.Code)
		}
	}
}

func TestPartners(t *testing.T) {
	north := api.Partner{ID: "north", Name: hostile, Country: "GB", ASNs: []uint32{64501, 64502, 64503, 64504, 64505}, Prefixes: []string{"198.51.100.0/25"}, Abuse: "abuse@north.example", Open: &api.OpenCount{N: 100, More: true}}
	h, _ := open(t, map[string]any{
		"GET /partners": list[api.Partner]{[]api.Partner{{ID: "east", ASNs: []uint32{}, Prefixes: []string{}}, north}, "north"}, "GET /partners?after=north": list[api.Partner]{},
		"GET /partners/north": north, "GET /partners/west": http.StatusNotFound,
	})
	golden(t, "partners", request(t, h, access.CSIRT, "GET", "/partners", nil))
	golden(t, "partner", request(t, h, access.Desk, "GET", "/partners/north", nil))
	if w := request(t, h, access.Desk, "GET", "/partners?after=north", nil); !strings.Contains(w.Body.String(), "no partners") {
		t.Errorf("%s", w.Body)
	}
	if w := request(t, h, access.Desk, "GET", "/partners/west", nil); w.Code != http.StatusNotFound {
		t.Errorf("%d", w.Code)
	}
	if w := request(t, h, access.CSIRT, "GET", "/partners/north", nil); strings.Contains(w.Body.String(), "/incidents") {
		t.Error("a CSIRT is led to incidents, which it may not see")
	}
}

// proved is an entry, and a proof of it among three: the first of them.
func proved() api.LogProof {
	raw := `{"v":1,"id":"019cdf06-4a00-7000-8000-000000000001","at":"2026-03-16T19:00:00.000Z","kind":"reveal","by":"desk","fields":{"who":"` + strings.Repeat("ab", 32) + `"}}`
	leaf := sha256.Sum256([]byte("\x00" + raw))
	second, third := sha256.Sum256([]byte("\x00second")), sha256.Sum256([]byte("\x00third"))
	both := sha256.Sum256(slices.Concat([]byte{1}, second[:], leaf[:]))
	root := sha256.Sum256(slices.Concat([]byte{1}, both[:], third[:]))
	text := func(h [32]byte) string { return base64.StdEncoding.EncodeToString(h[:]) }
	return api.LogProof{
		Entry: api.LogEntry{Index: 1, ID: "019cdf06-4a00-7000-8000-000000000001", At: now().Add(-time.Hour), Kind: "reveal", What: "a person was shown who a line belongs to", By: "desk", Fields: []api.LogField{{Name: "who", Value: strings.Repeat("ab", 32)}}, Raw: raw},
		Leaf:  text(leaf), Path: []api.LogStep{{Hash: text(second), Left: true, Then: text(both)}, {Hash: text(third), Then: text(root)}},
		Size: 3, Root: text(root), Checkpoint: "tocsin/log/1\n3\n" + text(root) + "\n\n— tocsin/log/1 c2lnbmVk\n",
	}
}

// TestLog: everybody sees the head, and those who may the entries, each with its proof.
func TestLog(t *testing.T) {
	proof := proved()
	head := api.LogHead{Origin: "tocsin/log/1", Size: 3, Root: proof.Root, Key: "1", Newest: now().Add(-time.Hour), Checkpoint: proof.Checkpoint}
	odd := api.LogEntry{Index: 0, Raw: hostile, Error: "it is no entry: " + hostile}
	h, f := open(t, map[string]any{
		"GET /log": head, "GET /log/entries?limit=50": list[api.LogEntry]{[]api.LogEntry{proof.Entry, odd}, "5"},
		"GET /log/entries?after=5&kind=reveal&limit=50": list[api.LogEntry]{[]api.LogEntry{}, "4"}, "GET /log/entries?after=5&limit=50": list[api.LogEntry]{},
		"GET /log/entries/1": proof, "GET /log/entries/7": http.StatusNotFound,
	})
	golden(t, "log", request(t, h, access.Oversight, "GET", "/log", nil))
	golden(t, "log-officer", request(t, h, access.Officer, "GET", "/log", nil))
	if got := f.asked[len(f.asked)-1]; got != "GET /log" {
		t.Errorf("an officer's page asks for %s", got)
	}
	golden(t, "logentry", request(t, h, access.Admin, "GET", "/log/1", nil))
	for path, want := range map[string]string{"/log?kind=reveal&after=5": "goes further back", "/log?after=5": "Nothing is older"} {
		if w := request(t, h, access.Oversight, "GET", path, nil); !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s does not say %q", path, want)
		}
	}
	if w := request(t, h, access.Oversight, "GET", "/log/7", nil); w.Code != http.StatusNotFound {
		t.Errorf("%d", w.Code)
	}
	w := request(t, h, access.Association, "GET", "/log/checkpoint", nil)
	if w.Body.String() != proof.Checkpoint || w.Header().Get("Content-Disposition") != `attachment; filename="checkpoint-2026-03-16"` || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
}

var script = regexp.MustCompile(`(?s)<pre class="script"[^>]*>(.*?)</pre>`)

// TestProofByHand runs what the page says to type: it ends with the hash of the checkpoint.
func TestProofByHand(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip(err)
	}
	proof := proved()
	h, _ := open(t, map[string]any{"GET /log/entries/1": proof})
	found := script.FindStringSubmatch(request(t, h, access.Oversight, "GET", "/log/1", nil).Body.String())
	if found == nil {
		t.Fatal("there is nothing to type")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "check.sh"), []byte(html.UnescapeString(found[1])), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "sh", "check.sh")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != proof.Root {
		t.Errorf("%s, %v: want %s", out, err, proof.Root)
	}
	proof.Root = proof.Leaf
	h, _ = open(t, map[string]any{"GET /log/entries/1": proof})
	if w := request(t, h, access.Oversight, "GET", "/log/1", nil); !strings.Contains(w.Body.String(), "does not end at the hash") {
		t.Error("a proof that proves nothing is shown as one")
	}
}

func TestSettings(t *testing.T) {
	set := api.Settings{
		Config: "listen: 127.0.0.1:8420\nintake:\n  http:\n    tokens:\n    - name: cert\n      sha256: (left out)\n# " + hostile + "\n", Version: "v1", Folder: "/var/lib/tocsin",
		Wrong: []api.Wrong{
			{Bad: true, Of: "lines", Name: "nat", What: "it does not answer", Do: "look at it", At: now().Add(-3 * time.Hour)},
			{Of: "config", What: hostile, Do: "change it in tocsin.yaml, and restart the node"},
		},
		Health: api.Health{Waiting: 3, Oldest: now().Add(-time.Minute), Feeds: 12, Lines: 2},
	}
	sources := []api.LineSource{{Name: "nat", Kind: "nat", Health: "down", Rows: 12000, Latest: now().Add(-3 * time.Hour)}, {Name: "fixed", Kind: "table", Health: "well", Rows: 3}}
	h, _ := open(t, map[string]any{"GET /settings": set, "GET /lines/sources": list[api.LineSource]{Items: sources}})
	golden(t, "settings", request(t, h, access.Admin, "GET", "/settings", nil))
	h, _ = open(t, map[string]any{"GET /settings": api.Settings{}, "GET /lines/sources": list[api.LineSource]{}})
	if w := request(t, h, access.Admin, "GET", "/settings", nil); !strings.Contains(w.Body.String(), "Nothing is wrong") || !strings.Contains(w.Body.String(), "Nothing knows lines") {
		t.Errorf("%s", w.Body)
	}
	for _, role := range access.Roles() {
		if w := request(t, h, role, "GET", "/settings", nil); (w.Code == http.StatusOK) != (role == access.Admin) {
			t.Errorf("%s: %d", role, w.Code)
		}
	}
}
