package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tocsin/internal/access"
	"tocsin/internal/api"
)

const someID = "019cf83c-2850-70c2-b377-fb4e300d7d48"

func incidentAnswers() map[string]any {
	in := someIncidents()[0]
	in.FirstSeen, in.Sources, in.Credibility = now().AddDate(0, 0, -9), []string{"shadowserver"}, "3"
	return map[string]any{
		"GET /incidents/" + someID: in,
		"GET /incidents/" + someID + "/acts": map[string]any{"items": []api.Act{
			{At: now().AddDate(0, 0, -1), What: "note", Who: "dana@example.net", Text: "<i>called</i>, no answer"},
		}},
		"GET /incidents/" + someID + "/events?limit=20": map[string]any{"next": "AQI", "items": []api.EventRow{{
			Report: someID, Name: "drone.csv", Row: 2, Channel: "mail", Reporter: "shadowserver", From: now().AddDate(0, 0, -9), Type: "infected-system",
			Tags: []string{"gamarue"}, Where: "203.0.113.86:13385/tcp", Target: "192.0.2.7:443",
			Details: []api.Column{{Name: "http_agent", Value: strings.Repeat("A", 1<<20)}, {Name: "note", Value: "</dd><script>alert(1)</script>\u202egnp.exe"}},
		}}},
		"POST /incidents/" + someID + "/acts": in,
	}
}

// TestIncident: one incident from first report to what was done last, and the form that does the next thing once.
func TestIncident(t *testing.T) {
	h, f := open(t, incidentAnswers())
	w := request(t, h, access.Desk, "GET", "/incidents/"+someID, nil)
	body := w.Body.String()
	if len(body) > 40_000 || strings.Contains(body, "<script>alert") || strings.Contains(body, "\u202e") || !strings.Contains(body, "1048576 bytes in all") {
		t.Errorf("%d bytes: a value that is long, or not text, is shown as it is", len(body))
	}
	key := between(body, `name="key" value="`, `"`)
	w.Body.Reset()
	w.Body.WriteString(strings.NewReplacer(key, "KEY", strings.Repeat("A", 4000), "AAAA").Replace(body))
	golden(t, "incident", w)

	form := url.Values{"key": {key}, "what": {"told"}, "text": {"by phone"}, "outcome": {"cleaned"}}
	w = request(t, h, access.Desk, "POST", "/incidents/"+someID+"/acts", form)
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/incidents/"+someID || f.bodies[len(f.bodies)-1] != `{"what":"told","text":"by phone"}` {
		t.Errorf("%d to %s, asked for %s", w.Code, w.Header().Get("Location"), f.bodies[len(f.bodies)-1])
	}
	if f.keys[len(f.keys)-1] != key {
		t.Errorf("the key was %q, want %q", f.keys[len(f.keys)-1], key)
	}
	f.answers["POST /incidents/"+someID+"/acts"] = wrong{"body.text", "say it in a sentence"}
	w = request(t, h, access.Desk, "POST", "/incidents/"+someID+"/acts", url.Values{"key": {key}, "what": {"note"}, "text": {"<kept>"}})
	if body := w.Body.String(); w.Code != http.StatusUnprocessableEntity || !strings.Contains(body, "say it in a sentence") || !strings.Contains(body, "&lt;kept&gt;") || !strings.Contains(body, key) {
		t.Errorf("%d: what is wrong does not stand there, or what was typed is lost", w.Code)
	}
	if w := request(t, h, access.Approver, "POST", "/incidents/"+someID+"/acts", form); w.Code != http.StatusForbidden {
		t.Errorf("an approver acts: %d", w.Code)
	}
	f.answers["GET /incidents/other"] = someIncidents()[0] // it was joined into another
	f.answers["GET /incidents/other/acts"], f.answers["GET /incidents/other/events?limit=20"] = map[string]any{}, map[string]any{}
	if w := request(t, h, access.Desk, "GET", "/incidents/other", nil); w.Header().Get("Location") != "/incidents/"+someID {
		t.Errorf("an id that was joined leads to %q", w.Header().Get("Location"))
	}
}

// TestBulk: what would be done about several is shown first, and done when somebody is sure.
func TestBulk(t *testing.T) {
	all := someIncidents()
	h, f := open(t, map[string]any{"POST /incidents/acts": map[string]any{
		"items": []api.ActedOn{{Incident: all[0]}, {Incident: all[1], Not: "it is closed with this outcome already"}}, "done": 1, "tried": true,
	}})
	form := url.Values{"id": {all[0].ID, all[1].ID}}
	if w := request(t, h, access.Desk, "POST", "/incidents/acts", form); w.Code != http.StatusOK || len(f.asked) != 0 {
		t.Errorf("%d, and asked %v before anything was said", w.Code, f.asked)
	}
	form.Set("what", "close")
	form.Set("outcome", "cleaned")
	form.Set("text", "all of one street")
	form.Set("key", "KEY")
	golden(t, "bulk", request(t, h, access.Desk, "POST", "/incidents/acts", form))
	form.Set("sure", "yes")
	f.answers["POST /incidents/acts"] = map[string]any{"items": []api.ActedOn{{Incident: all[0]}}, "done": 1}
	w := request(t, h, access.Desk, "POST", "/incidents/acts", form)
	if !strings.Contains(f.bodies[0], `"try":true`) || !strings.Contains(f.bodies[1], `"try":false`) || !strings.Contains(w.Body.String(), "Done about 1 incident.") {
		t.Errorf("%v: %s", f.bodies, w.Body)
	}
	if w := request(t, h, access.Desk, "POST", "/incidents/acts", url.Values{}); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("nothing was chosen: %d", w.Code)
	}
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}
