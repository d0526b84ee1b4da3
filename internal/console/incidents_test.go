package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/api"
)

func someIncidents() []api.Incident {
	return []api.Incident{
		{
			ID: "019cf83c-2850-70c2-b377-fb4e300d7d48", Party: "line:f5merkjdn4xtl62w", Class: "malicious-code", Type: "infected-system", Tag: "gamarue",
			State: "open", LastSeen: now().Add(-2 * time.Hour), Events: 59, Days: 9, Severity: "high",
		},
		{
			ID: "019cf83c-2850-70c2-b377-fb4e300d7d49", Party: "as:64500", Subject: "http://192.0.2.1/<script>alert(1)</script>\u202e" + strings.Repeat("x", 300),
			Class: "vulnerable", Type: "vulnerable-system", State: "closed", Outcome: "not-ours", LastSeen: now().AddDate(0, -2, 0), Events: 1, Days: 1,
		},
	}
}

// TestIncidents: what is asked for is handed on to the API, an address never by a URL, and what it says is wrong stands
// beside the field.
func TestIncidents(t *testing.T) {
	h, f := open(t, map[string]any{"POST /incidents/search": map[string]any{"items": someIncidents(), "next": "AQI"}})
	golden(t, "incidents", request(t, h, access.Desk, "GET", "/incidents?kind=malicious-code%2Finfected-system&state=open&party=f5merkjdn4xtl62w&from=2026-03-01&to=2026-03-02", nil))
	if want := `{"party":"line:f5merkjdn4xtl62w","class":"malicious-code","type":"infected-system","state":"open","from":"2026-03-01T00:00:00+01:00","to":"2026-03-03T00:00:00+01:00","limit":50}`; f.bodies[0] != want {
		t.Errorf("asked for\n%s, want\n%s", f.bodies[0], want)
	}
	w := request(t, h, access.Desk, "POST", "/incidents", url.Values{"addr": {" 192.0.2.7 "}})
	if want := `{"limit":50,"addr":"192.0.2.7"}`; f.bodies[1] != want || w.Code != http.StatusOK {
		t.Errorf("asked for %s, want %s (%d)", f.bodies[1], want, w.Code)
	}
	if body := w.Body.String(); strings.Contains(body, "addr=192") || !strings.Contains(body, `name="after" value="AQI"`) {
		t.Error("the address leads on in a URL, or nothing leads on")
	}
	if request(t, h, access.Desk, "GET", "/incidents?addr=192.0.2.7", nil); f.bodies[2] != `{"limit":50}` {
		t.Errorf("an address of a URL was asked for: %s", f.bodies[2])
	}
	if w := request(t, h, access.Desk, "GET", "/incidents?from=yesterday", nil); w.Code != http.StatusUnprocessableEntity || len(f.bodies) != 3 {
		t.Errorf("a day that is none: %d", w.Code)
	}
	for _, role := range []access.Role{access.Admin, access.Officer, access.CSIRT, access.Association, access.Oversight} {
		if w := request(t, h, role, "GET", "/incidents", nil); w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", role, w.Code)
		}
	}
}
