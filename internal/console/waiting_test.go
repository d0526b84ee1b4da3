package console_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/access"
	"tocsin/internal/api"
	"tocsin/internal/desk"
	"tocsin/internal/formats/letter"
)

const (
	firstMail  = "019cdf06-4a00-7000-8000-000000000001"
	secondMail = "019cdf06-4a00-7000-8000-000000000002"
	incidentID = "019cdf06-4a00-7000-8000-0000000000aa"
)

// hostile is what whoever writes to a desk may put into any text.
const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(1)> {{.}} \u202e`

func mails() []api.Mail {
	return []api.Mail{
		{
			ID: firstMail, ReceivedAt: now().Add(-50 * time.Hour), State: "waiting", Reason: "no format that Tocsin reads claims this mail", Channel: "imap",
			Reporter: "unlisted", From: "ann@example.net", Name: "Attacks from your network", Authenticity: "aligned", Signer: "example.net", TLP: "AMBER", Thread: firstMail,
		},
		{
			ID: secondMail, ReceivedAt: now().Add(-20 * time.Minute), State: "waiting", Reason: hostile, Channel: "smtp", Reporter: "unproven",
			From: "eve@" + strings.Repeat("long.", 40) + "example.com", Name: hostile, Authenticity: "unsigned", TLP: "RED", Exercise: true,
		},
	}
}

// openMail is a mail with text and what was found in it.
func openMail() api.OpenMail {
	text := "Dear all,\nsince 2026-03-14 02:10:00 UTC your 198.51.100.7 port 40022 tries passwords on ours (203.0.113.9).\n" +
		"2026-03-14 02:12:09 198[.]51.100.8 did the same.\n[hidden: " + hostile + " 192.0.2.66]\nSee http://example.org/log?a=<b>\n"
	hidden := strings.Index(text, "[hidden")
	reading := &letter.Reading{
		Head: letter.Head{From: "Ann <ann@example.net>", ReplyTo: "team@example.net", To: "abuse@example.com", Date: "Sat, 14 Mar 2026 19:00:00 +0100", Subject: "Attacks from your network", Address: "ann@example.net"},
		Parts: []letter.Part{
			{Number: "1", Type: "text/plain", Text: text, Hidden: [][2]int{{hidden, hidden + strings.IndexByte(text[hidden:], '\n')}}},
			{Number: "2", Type: "image/png", Name: "screen.png"},
		},
		Faults: []string{"part 3 could not be read: its base64 breaks off"},
	}
	all := mails()
	return api.OpenMail{
		Mail: all[0], Letter: reading, Suggestions: letter.Suggest(reading.Parts), InThread: all,
		Answers: []api.OfferedAnswer{{Name: "thanks", Title: "say that we act"}, {Name: "logs", Title: "ask for the log lines"}},
	}
}

func TestWaiting(t *testing.T) {
	h, _ := open(t, map[string]any{
		"GET /waiting?limit=50":                 api.MailPage{Items: mails(), Apart: map[string]int{"copyright": 41}, Next: "n1"},
		"GET /waiting?after=n1&limit=50":        api.MailPage{},
		"GET /aside?apart=copyright&limit=50":   api.MailPage{Items: mails()[:1]},
		"GET /waiting?after=%3Cb%3E&limit=50":   http.StatusUnprocessableEntity,
		"GET /aside?limit=50":                   api.MailPage{},
		"GET /waiting?apart=copyright&limit=50": api.MailPage{},
	})
	golden(t, "waiting", request(t, h, access.Desk, "GET", "/waiting", nil))
	for path, want := range map[string]string{
		"/waiting?after=n1":                    "Nothing follows",
		"/waiting?state=aside&apart=copyright": "Set aside, about copyright (0)",
		"/waiting?state=aside":                 "Nothing is set aside here",
		"/waiting?apart=copyright":             "Nothing of this kind waits",
		"/waiting?after=%3Cb%3E":               "this is what the API says",
	} {
		if w := request(t, h, access.Desk, "GET", path, nil); !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s does not say %q:\n%s", path, want, w.Body)
		}
	}
	if w := request(t, h, access.Admin, "GET", "/waiting", nil); w.Code != http.StatusForbidden {
		t.Errorf("an administrator gets %d", w.Code)
	}
}

func TestLetter(t *testing.T) {
	aside, done := openMail(), openMail()
	aside.State, aside.NoAnswer, aside.Answers, aside.Letter, aside.Suggestions = "set-aside", "it is set aside", nil, nil, nil
	done.State, done.Assigned = "worked", &api.AssignedMail{Who: "ann", At: now().Add(-time.Hour), Incident: incidentID}
	answers := map[string]any{"GET /waiting/" + firstMail: openMail()}
	h, _ := open(t, answers)
	golden(t, "letter", request(t, h, access.Desk, "GET", "/waiting/"+firstMail, nil))
	if page := request(t, h, access.Approver, "GET", "/waiting/"+firstMail, nil).Body.String(); strings.Contains(page, "Make the event") ||
		strings.Contains(page, "Set it aside") || strings.Contains(page, "Block ") || !strings.Contains(page, "Draw it up") {
		t.Error("whoever may not change a mail is offered to")
	}
	answers["GET /waiting/"+firstMail] = aside
	if page := request(t, h, access.Desk, "GET", "/waiting/"+firstMail, nil).Body.String(); !strings.Contains(page, "Bring it back") ||
		strings.Contains(page, "events-form") || !strings.Contains(page, "past its end date") {
		t.Errorf("a mail that is set aside shows as\n%s", page)
	}
	answers["GET /waiting/"+firstMail] = done
	if page := request(t, h, access.Desk, "GET", "/waiting/"+firstMail+"?done=events", nil).Body.String(); !strings.Contains(page, "Events were made") ||
		!strings.Contains(page, "/incidents/"+incidentID) || strings.Contains(page, "events-form") {
		t.Errorf("a mail that is worked shows as\n%s", page)
	}
}

// problem is an answer of the API with faults.
type problem struct {
	Status int         `json:"status"`
	Detail string      `json:"detail"`
	Errors []api.Fault `json:"errors,omitempty"`
}

// refusing is a fake API that declines some requests with a problem of its own.
type refusing struct {
	*fake
	problems map[string]problem
}

func (r refusing) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	p, ok := r.problems[q.Method+" "+strings.TrimPrefix(q.URL.RequestURI(), "/api/v1")]
	if !ok {
		r.fake.ServeHTTP(w, q)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	if err := json.NewEncoder(w).Encode(p); err != nil {
		r.t.Error(err)
	}
}

func row(form url.Values, i, typ, from, addr, port string) {
	form.Set("type-"+i, typ)
	form.Set("from-"+i, from)
	form.Set("address-"+i, addr)
	form.Set("port-"+i, port)
}

// TestEventForm: rows come and go without anything that was typed being lost, and what the API wants mended stands
// beside the field of the row that has it.
func TestEventForm(t *testing.T) {
	path := "/waiting/" + firstMail
	problems := map[string]problem{}
	h, f := over(t, func(f *fake) http.Handler { return refusing{f, problems} }, map[string]any{"GET " + path: openMail(), "POST " + path + "/events": api.MailDone{Events: 2}})
	form := url.Values{"rows": {"3"}, "do": {"add"}}
	row(form, "0", "brute-force", "2026-03-14T02:10:00Z", "198.51.100.7", "40022")
	row(form, "2", "", "2026-03-14T02:12:09Z", "198.51.100.0/28", "")
	w := request(t, h, access.Desk, "POST", path+"/events", form)
	page := w.Body.String()
	if w.Code != http.StatusOK || strings.Count(page, `class="event"`) != 4 || !strings.Contains(page, `value="198.51.100.0/28"`) || !strings.Contains(page, `name="rows" value="4"`) {
		t.Errorf("a row more: %d\n%s", w.Code, page)
	}
	form.Set("do", "drop-0")
	if page := request(t, h, access.Desk, "POST", path+"/events", form).Body.String(); strings.Count(page, `class="event"`) != 2 || strings.Contains(page, `name="address-0" type="text" value="198.51.100.7"`) {
		t.Errorf("a row less:\n%s", page)
	}
	form.Set("do", "use-1") // the first address: row 1 has none
	if page := request(t, h, access.Desk, "POST", path+"/events", form).Body.String(); !strings.Contains(page, `id="address-1" name="address-1" type="text" value="198.51.100.7"`) {
		t.Errorf("a suggestion taken:\n%s", page)
	}
	for _, do := range []string{"drop-99", "drop-x", "use-999", "use--1", "", "add-add", hostile} {
		form.Set("do", do)
		if w := request(t, h, access.Desk, "POST", path+"/events", form); w.Code != http.StatusOK {
			t.Errorf("%q: %d", do, w.Code)
		}
	}

	form.Set("do", "make")
	if w := request(t, h, access.Desk, "POST", path+"/events", form); w.Code != http.StatusSeeOther || w.Header().Get("Location") != path+"?done=events" {
		t.Fatalf("made: %d %s\n%s", w.Code, w.Header(), w.Body)
	}
	want := `{"events":[{"type":"brute-force","from":"2026-03-14T02:10:00Z","subject":{"addr":"198.51.100.7","port":40022}},` +
		`{"type":"brute-force","from":"2026-03-14T02:12:09Z","subject":{"prefix":"198.51.100.0/28"}}]}`
	if diff := cmp.Diff(want, f.bodies[len(f.bodies)-1]); diff != "" {
		t.Error(diff)
	}

	problems["POST "+path+"/events"] = problem{422, "mend it", []api.Fault{
		{Location: "body.events[1].subject.prefix", Message: "it is all there is"}, {Location: "body.events[0].severity", Message: "is none"}, {Location: "body.events[1].details", Message: "too many"},
	}}
	w = request(t, h, access.Desk, "POST", path+"/events", form)
	page = w.Body.String()
	for _, say := range []string{
		`aria-describedby="address-2-wrong" aria-invalid="true"`, `<p class="wrong" id="address-2-wrong">it is all there is</p>`,
		`id="severity-0-wrong">is none`, `<p class="wrong">details: too many</p>`, `value="40022"`,
	} {
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(page, say) {
			t.Errorf("%d, and it does not say %s\n%s", w.Code, say, page)
		}
	}
	problems["POST "+path+"/events"] = problem{Status: 409, Detail: "somebody was faster"}
	if w := request(t, h, access.Desk, "POST", path+"/events", form); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), `role="alert" tabindex="-1">somebody was faster.`) {
		t.Errorf("a conflict: %d\n%s", w.Code, w.Body)
	}

	asked := len(f.asked)
	row(form, "0", "", "x", "198.51.100.7", "70000")
	w = request(t, h, access.Desk, "POST", path+"/events", form)
	if page := w.Body.String(); w.Code != http.StatusUnprocessableEntity || !strings.Contains(page, `id="port-0-wrong">write a number`) || !strings.Contains(page, `id="type-0-wrong">choose what it is`) {
		t.Errorf("a port that is none: %d\n%s", w.Code, page)
	}
	if w := request(t, h, access.Desk, "POST", path+"/events", url.Values{"rows": {"1e9"}, "do": {"make"}}); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("nothing typed: %d", w.Code)
	}
	for _, what := range f.asked[asked:] {
		if strings.HasPrefix(what, "POST") {
			t.Errorf("the API was asked for %s", what)
		}
	}
	if w := request(t, h, access.Desk, "POST", path+"/events", url.Values{"tag-0": {strings.Repeat("x", 3<<20)}, "do": {"make"}}); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a form of 3 MB: %d", w.Code)
	}
}

// TestLetterActs: each form asks the API for what it says, and what the API wants mended stands beside its field.
func TestLetterActs(t *testing.T) {
	path := "/waiting/" + firstMail
	fault := func(member string) problem {
		return problem{422, "mend it", []api.Fault{{Location: "body." + member, Message: "this is to be mended"}}}
	}
	for name, act := range map[string]struct {
		to, done string
		form     url.Values
		asks     string
		body     string
		member   string // that the API may find fault with
	}{
		"merge": {
			"/merge", "merged",
			url.Values{"incident": {" https://abuse.example.net/incidents/" + incidentID + " "}, "at": {"2026-03-01T02:10:00Z\r\n\r\n 2026-03-01T02:11:00Z"}},
			"POST " + path + "/merge", `{"at":["2026-03-01T02:10:00Z","2026-03-01T02:11:00Z"],"incident":"` + incidentID + `"}`, "at[1]",
		},
		"aside": {"/aside", "aside", url.Values{"reason": {"sells cars"}}, "POST " + path + "/aside", `{"reason":"sells cars"}`, "reason"},
		"bring": {"/bring", "brought", url.Values{"reason": {"about us"}}, "POST " + path + "/bring", `{"reason":"about us"}`, ""},
		"again": {"/read-again", "again", url.Values{}, "POST " + path + "/read-again", "", ""},
		"block": {"/block", "blocked", url.Values{"sender": {"ann@example.net"}, "do": {"block"}}, "POST /blocked", `{"sender":"ann@example.net","try":false}`, "sender"},
	} {
		t.Run(name, func(t *testing.T) {
			problems := map[string]problem{}
			h, f := over(t, func(f *fake) http.Handler { return refusing{f, problems} }, map[string]any{"GET " + path: openMail(), act.asks: map[string]string{}})
			w := request(t, h, access.Desk, "POST", path+act.to, act.form)
			if w.Code != http.StatusSeeOther || w.Header().Get("Location") != path+"?done="+act.done || f.asked[0] != act.asks || f.bodies[0] != act.body {
				t.Errorf("%d to %s, asked %v with %v", w.Code, w.Header().Get("Location"), f.asked, f.bodies)
			}
			if w := request(t, h, access.Desk, "GET", path+"?done="+act.done, nil); !strings.Contains(w.Body.String(), `role="status"`) {
				t.Error("nothing says that it was done")
			}
			if w := request(t, h, access.Approver, "POST", path+act.to, act.form); w.Code != http.StatusForbidden {
				t.Errorf("an approver is answered %d", w.Code)
			}
			problems[act.asks] = problem{Status: http.StatusConflict, Detail: "somebody was faster"}
			if w := request(t, h, access.Desk, "POST", path+act.to, act.form); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "somebody was faster.") {
				t.Errorf("a conflict: %d", w.Code)
			}
			if act.member == "" {
				return
			}
			problems[act.asks] = fault(act.member)
			w = request(t, h, access.Desk, "POST", path+act.to, act.form)
			if page := w.Body.String(); w.Code != http.StatusUnprocessableEntity || strings.Count(page, "this is to be mended") != 1 || !strings.Contains(page, "<details open>") {
				t.Errorf("a fault: %d\n%s", w.Code, page)
			}
		})
	}
}

// TestBlockTry: what a block would concern is shown before it can be made.
func TestBlockTry(t *testing.T) {
	path := "/waiting/" + firstMail
	h, f := open(t, map[string]any{"GET " + path: openMail(), "POST /blocked": api.BlockDone{Sender: "@example.net", Sent: desk.Sent{Reports: 12, Waiting: 3, Aside: 1}}})
	typed := url.Values{"rows": {"1"}, "tag-0": {"typed before"}, "sender": {"@example.net"}, "do": {"try"}}
	if page := request(t, h, access.Desk, "POST", path+"/block", typed).Body.String(); !strings.Contains(page, `value="typed before"`) {
		t.Error("what was typed into the events is lost")
	}
	if page := request(t, h, access.Desk, "GET", path, nil).Body.String(); strings.Contains(page, `value="block"`) {
		t.Error("a sender can be blocked before anybody says what that concerns")
	}
	page := request(t, h, access.Desk, "POST", path+"/block", url.Values{"sender": {"@example.net"}, "do": {"try"}}).Body.String()
	if !strings.Contains(page, "12 reports came from @example.net until now; 3 wait") || !strings.Contains(page, `value="@example.net" checked`) || !strings.Contains(page, `value="block"`) {
		t.Errorf("tried:\n%s", page)
	}
	if got := f.bodies[0]; got != `{"sender":"@example.net","try":true}` {
		t.Error(got)
	}
}

// TestBack: a page that a form was answered with can be asked for again.
func TestBack(t *testing.T) {
	h, _ := open(t, nil)
	for path, to := range map[string]string{
		"/waiting/" + firstMail + "/events": "/waiting/" + firstMail, "/waiting/" + firstMail + "/answer": "/waiting/" + firstMail,
		"/waiting/%2F%2Fevil.example.com/block": "/waiting/%2F%2Fevil.example.com", "/quarantine/replay": "/quarantine",
	} {
		if w := request(t, h, access.Desk, "GET", path, nil); w.Code != http.StatusSeeOther || w.Header().Get("Location") != to {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Location"))
		}
	}
}

// TestDrawAnswer: an answer is shown to copy, and is not sent.
func TestDrawAnswer(t *testing.T) {
	path := "/waiting/" + firstMail
	problems := map[string]problem{}
	h, _ := over(t, func(f *fake) http.Handler { return refusing{f, problems} }, map[string]any{
		"GET " + path: openMail(), "POST " + path + "/answers/thanks": api.DrawnAnswer{To: "ann@example.net", Subject: "Re: Attacks", Text: "Hello,\n\n" + hostile + "\n[YOUR NAME]"},
	})
	page := request(t, h, access.Approver, "POST", path+"/answer", url.Values{"template": {"thanks"}, "addr": {"198.51.100.7"}}).Body.String()
	if !strings.Contains(page, "Hello,\n\n&lt;script&gt;") || !strings.Contains(page, "Nothing is sent") || !strings.Contains(page, `value="198.51.100.7"`) {
		t.Errorf("drawn up:\n%s", page)
	}
	problems["POST "+path+"/answers/thanks"] = problem{422, "mend it", []api.Fault{{Location: "body.addr", Message: "this is no address"}}}
	w := request(t, h, access.Desk, "POST", path+"/answer", url.Values{"template": {"thanks"}, "addr": {"x"}})
	if page := w.Body.String(); w.Code != http.StatusUnprocessableEntity || !strings.Contains(page, `id="addr-wrong">this is no address`) || !strings.Contains(page, `value="x"`) {
		t.Errorf("an address that is none: %d\n%s", w.Code, page)
	}
}

func TestBlocked(t *testing.T) {
	h, f := open(t, map[string]any{
		"GET /blocked": api.BlockedList{Items: []api.BlockedSender{{Sender: "@sales.example.com", At: now().Add(-72 * time.Hour), Who: "ann"}}}, "POST /blocked/remove": map[string]string{},
	})
	golden(t, "blocked", request(t, h, access.Desk, "GET", "/waiting/blocked", nil))
	w := request(t, h, access.Desk, "POST", "/waiting/blocked", url.Values{"sender": {"@sales.example.com"}})
	if w.Code != http.StatusSeeOther || f.bodies[len(f.bodies)-1] != `{"sender":"@sales.example.com"}` {
		t.Errorf("%d, %v", w.Code, f.bodies)
	}
	if page := request(t, h, access.Approver, "GET", "/waiting/blocked", nil).Body.String(); strings.Contains(page, "Take back") {
		t.Error("whoever may not take a block back is offered to")
	}
}

// TestHostileText: nothing that a mail says becomes part of a page.
func TestHostileText(t *testing.T) {
	h, _ := open(t, map[string]any{"GET /waiting?limit=50": api.MailPage{Items: mails()}, "GET /waiting/" + firstMail: openMail()})
	for _, path := range []string{"/waiting", "/waiting/" + firstMail} {
		unharmed(t, path, request(t, h, access.Desk, "GET", path, nil))
	}
}

// unharmed fails where hostile has become markup.
func unharmed(t *testing.T, path string, w *httptest.ResponseRecorder) {
	t.Helper()
	page := w.Body.String()
	if w.Code != http.StatusOK || !strings.Contains(page, "alert(1)") {
		t.Errorf("%s does not show the text: %d", path, w.Code)
	}
	for _, bad := range []string{"<script>alert", "<img src=x", "\u202e"} {
		if strings.Contains(page, bad) {
			t.Errorf("%s has %q in it", path, bad)
		}
	}
}
