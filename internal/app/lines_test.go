package app_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/line/sources"
	"tocsin/internal/network"
)

// withLines gives a node a network of its own with one line that is known, and its contact.
func withLines(t *testing.T, cfg *app.Config) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"customers.csv": "addr,line\n203.0.113.7,shop\n", "contacts.csv": "line,name,mail,class\nshop,The Shop,shop@example.org,business\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg.Network.Own = []network.Own{{Name: "Example", Prefixes: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/29")}}}
	cfg.Network.Partners = []network.Partner{
		{ID: "north", Name: "North Net", ASNs: []network.ASN{64501}, Abuse: "abuse@north.example", Country: "GB"},
		{ID: "east", Prefixes: []netip.Prefix{netip.MustParsePrefix("198.51.100.128/25")}},
	}
	cfg.Lines.Tables = []sources.Table{{Name: "fixed", File: filepath.Join(dir, "customers.csv"), Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}}
	cfg.Lines.Keep = 10 * 365 * 24 * time.Hour
	cfg.Lines.Contact = sources.Contact{Kind: "csv", File: filepath.Join(dir, "contacts.csv")}
	cfg.Lines.Questions.Daily = 2
}

// linesByPerson: people ask of lines over HTTP, within the budget and above it, and hold what a request names.
func linesByPerson(t *testing.T, p *person) {
	t.Helper()
	known := items(p.want(200, "GET", "/lines/sources", nil))
	if len(known) != 1 || known[0]["name"] != "fixed" {
		t.Errorf("%v", known)
	}
	question := map[string]any{"addr": "203.0.113.7", "at": "2026-03-01T02:10:00Z", "reason": "a mail"}
	got := p.want(200, "POST", "/lookup", question)
	line, _ := got["line"].(map[string]any)
	handle, _ := line["handle"].(string)
	if line["state"] != "unique" || len(handle) != 16 || got["party"] != "line:"+handle {
		t.Fatalf("%v", got)
	}
	if got := p.want(200, "POST", "/lookup", map[string]any{"addr": "192.0.2.1"}); got["party"] != "unknown" || got["line"] != nil {
		t.Errorf("%v", got) // and nothing was counted
	}
	p.want(422, "POST", "/lookup", map[string]any{"addr": "203.0.113.0/24", "at": "2026-03-01T02:10:00Z"})
	p.want(422, "POST", "/reveal", map[string]any{"line": handle, "reason": " "})
	shown := p.want(200, "POST", "/reveal", map[string]any{"line": "line:" + handle, "reason": "call them"})
	if contact, _ := shown["contact"].(map[string]any); shown["name"] != "shop" || contact["name"] != "The Shop" || contact["class"] != "business" {
		t.Errorf("%v", shown)
	}

	over := p.want(429, "POST", "/lookup", question)
	if detail, _ := over["detail"].(string); !strings.Contains(detail, "second person") {
		t.Errorf("%v", over)
	}
	waiting := items(p.want(200, "GET", "/questions", nil))
	if len(waiting) != 1 || waiting[0]["who"] != "ann" {
		t.Fatalf("%v", waiting)
	}
	path := "/questions/" + waiting[0]["id"].(string)
	p.want(403, "POST", path+"/approve", nil)
	second := *p
	second.token, second.done = "other", nil
	second.want(200, "POST", path+"/approve", nil)
	second.want(409, "POST", path+"/approve", nil)
	p.want(200, "POST", "/lookup", question)
	p.want(429, "POST", "/lookup", question)
	waiting = items(p.want(200, "GET", "/questions", nil))
	second.want(200, "POST", "/questions/"+waiting[0]["id"].(string)+"/refuse", nil)
	p.done = append(p.done, second.done...)

	until := time.Now().AddDate(0, 1, 0).UTC().Format(time.RFC3339)
	hold := map[string]any{"request": "R-1", "addr": "203.0.113.7", "from": "2026-03-01T02:00:00Z", "to": "2026-03-01T03:00:00Z", "until": until}
	held := p.want(200, "POST", "/holds", hold)
	if held["sessions"] != 1.0 {
		t.Errorf("%v", held)
	}
	if all := items(p.want(200, "GET", "/holds", nil)); len(all) != 1 || all[0]["request"] != "R-1" || all[0]["who"] != "ann" {
		t.Errorf("%v", all)
	}
	p.want(200, "POST", "/lines/purge", map[string]any{})
	p.want(422, "POST", "/lines/purge", map[string]any{"sources": []string{"nosuch"}, "before": "2026-01-01"})
	p.want(204, "POST", "/holds/"+held["id"].(string)+"/lift", nil)
	p.want(404, "POST", "/holds/"+held["id"].(string)+"/lift", nil)
}
