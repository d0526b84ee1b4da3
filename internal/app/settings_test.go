package app_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"

	"tocsin/internal/api"
	"tocsin/internal/app"
	"tocsin/internal/intake"
	"tocsin/internal/network"
)

// settingsByPerson: what people see of the node itself, each as far as their roles go.
func settingsByPerson(t *testing.T, p *person) {
	t.Helper()
	partners := items(p.want(200, "GET", "/partners", nil))
	if len(partners) != 2 || partners[0]["id"] != "east" || partners[1]["abuse"] != "abuse@north.example" {
		t.Errorf("%v", partners)
	}
	if first := p.want(200, "GET", "/partners?limit=1", nil); first["next"] != "east" || len(items(p.want(200, "GET", "/partners?limit=1&after=east", nil))) != 1 {
		t.Errorf("%v", first)
	}
	if one := p.want(200, "GET", "/partners/north", nil); one["name"] != "North Net" || one["country"] != "GB" || one["open"].(map[string]any)["n"] != 0.0 {
		t.Errorf("%v", one)
	}
	p.want(404, "GET", "/partners/west", nil)

	// Whoever works at the desk may keep a head of the log, and sees none of its entries.
	head := p.want(200, "GET", "/log", nil)
	if head["size"].(float64) < 5 || !strings.HasPrefix(head["checkpoint"].(string), head["origin"].(string)+"\n") {
		t.Errorf("%v", head)
	}
	p.want(403, "GET", "/log/entries", nil)
	p.want(403, "GET", "/log/entries/0", nil)
	p.want(403, "GET", "/settings", nil)

	admin, oversight := *p, *p
	admin.token, admin.done, oversight.token, oversight.done = "third", nil, "fourth", nil
	logByOversight(t, &oversight)
	askedByOversight(t, &oversight)
	admin.want(403, "GET", "/questions", nil)
	set := admin.want(200, "GET", "/settings", nil)
	config := set["config"].(string)
	if strings.Contains(config, hash("secret")) || !strings.Contains(config, "network:") || !strings.Contains(config, "originals: 720h") {
		t.Errorf("the config is shown as\n%s", config)
	}
	p.done = append(append(p.done, oversight.done...), admin.done...)
}

// logByOversight reads the log to its end in pages, and proves an entry by hand.
func logByOversight(t *testing.T, p *person) {
	t.Helper()
	at, pages := p.want(200, "GET", "/log", nil)["size"].(float64), 0
	for next := ""; ; pages++ {
		got := p.want(200, "GET", "/log/entries?limit=2&after="+next, nil)
		for _, e := range items(got) {
			if at--; e["index"].(float64) > at { // entries may be added meanwhile, at the front
				t.Fatalf("entry %v stands behind %v", e["index"], at)
			}
			at = e["index"].(float64)
		}
		var more bool
		if next, more = got["next"].(string); !more {
			break
		}
	}
	if at != 0 || pages < 2 {
		t.Errorf("the log ends at entry %v after %d pages", at, pages)
	}
	for _, kind := range []string{"reveal", "approval"} {
		for _, e := range items(p.want(200, "GET", "/log/entries?kind="+kind, nil)) {
			if e["kind"] != kind || strings.Contains(e["raw"].(string), "203.0.113") {
				t.Errorf("%v", e)
			}
		}
	}
	p.want(422, "GET", "/log/entries?kind=nosuch", nil)
	p.want(404, "GET", "/log/entries/99999999", nil)
	proof := p.want(200, "GET", "/log/entries/1", nil)
	entry := proof["entry"].(map[string]any)["raw"].(string)
	now := sha256.Sum256([]byte("\x00" + entry))
	for _, s := range proof["path"].([]any) {
		step := s.(map[string]any)
		other, err := base64.StdEncoding.DecodeString(step["hash"].(string))
		if err != nil {
			t.Fatal(err)
		}
		if step["left"] == true {
			now = sha256.Sum256(append(append([]byte{1}, other...), now[:]...))
		} else {
			now = sha256.Sum256(append(append([]byte{1}, now[:]...), other...))
		}
	}
	root := base64.StdEncoding.EncodeToString(now[:])
	if root != proof["root"] || strings.Split(proof["checkpoint"].(string), "\n")[2] != root {
		t.Errorf("the path leads to %s, the checkpoint says %v", root, proof["root"])
	}
}

// askedByOversight: every question with who and why, and none with about whom.
func askedByOversight(t *testing.T, p *person) {
	t.Helper()
	all := p.want(200, "GET", "/questions?all=true&limit=3", nil)
	rest := items(p.want(200, "GET", "/questions?all=true&after="+all["next"].(string), nil))
	states := map[any]int{}
	for _, q := range append(items(all), rest...) {
		states[q["state"]]++
		if q["about"] != nil || q["document"] != nil || q["who"] == "" {
			t.Errorf("oversight sees %v", q)
		}
	}
	if states["counted"] != 2 || states["answered"] != 1 || states["refused"] != 1 {
		t.Errorf("%v", states)
	}
	if old := items(p.want(200, "GET", "/questions?all=true&day=2020-01-01", nil)); len(old) != 0 {
		t.Errorf("%v", old)
	}
	p.want(422, "GET", "/questions?all=true&day=yesterday", nil)
}

// TestShownConfig: nothing that lets anybody in is shown, however it is written.
func TestShownConfig(t *testing.T) {
	cfg := app.Defaults("/var/lib/tocsin")
	cfg.API.Tokens = []api.Token{{Name: "ann", SHA256: strings.Repeat("a1", 32)}}
	cfg.Intake.HTTP.Tokens = []intake.Token{{Name: "cert", SHA256: strings.Repeat("12", 32)}} // all digits: a number to YAML
	cfg.Store.URL = "postgres://tocsin:hunter2@db.example.net/tocsin?sslpassword=hunter3"
	cfg.Stream.URL = "nats://one:hunter4@a.example.net:4222, tls://b.example.net:4222"
	cfg.Intake.Feeds = []intake.Feed{{Name: "x", URL: "https://lists.example.net/x.csv?key=hunter5#hunter6"}, {Name: "y", URL: "https://lists.example.net/y.csv"}}
	cfg.Intake.Shadowserver.SecretFile = "/etc/tocsin/secret"
	cfg.Network.Own = []network.Own{{Name: "Example", Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}
	got, err := app.ShownConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hunter", "a1a1", "1212"} {
		if strings.Contains(got, secret) {
			t.Errorf("%q is shown:\n%s", secret, got)
		}
	}
	for _, want := range []string{
		"name: ann", "192.0.2.0/24", "postgres://tocsin@db.example.net/tocsin (left out)", "nats://one@a.example.net:4222 (left out)",
		"tls://b.example.net:4222", "https://lists.example.net/y.csv", "/etc/tocsin/secret", "originals: 720h", "sha256: (left out)",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not shown:\n%s", want, got)
		}
	}
}
