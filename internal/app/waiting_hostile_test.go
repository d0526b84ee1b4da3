package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/postgrestest"
)

// operation is one of those that the API says it has.
type operation struct{ method, path string }

func (p *person) operations() []operation {
	p.t.Helper()
	var all []operation
	for path, methods := range p.want(200, "GET", "/openapi.json", nil)["paths"].(map[string]any) {
		for method := range methods.(map[string]any) {
			all = append(all, operation{strings.ToUpper(method), strings.TrimPrefix(path, "/api/v1")})
		}
	}
	return all
}

var parameter = regexp.MustCompile(`\{[a-z]+\}`)

// ofPeople reports whether an operation is one on people and what is their own.
func ofPeople(op operation) bool {
	for _, begin := range []string{"/people", "/parties", "/tokens", "/account"} {
		if strings.HasPrefix(op.path, begin) {
			return true
		}
	}
	return false
}

// covered fails for each operation that was never answered with success.
func (p *person) covered() {
	p.t.Helper()
	for _, op := range p.operations() {
		if ofPeople(op) { // they need somebody who has signed in: TestSignIn works them in a browser
			continue
		}
		one := regexp.MustCompile("^" + op.method + " " + parameter.ReplaceAllString(op.path, "[^/?]+") + `(\?.*)?$`)
		found := false
		for _, done := range p.done {
			found = found || one.MatchString(done)
		}
		if !found {
			p.t.Errorf("no test sees %s %s succeed", op.method, op.path)
		}
	}
}

// raw sends bytes as they are; path is not cleaned.
func (p *person) raw(method, path, contentType string, body []byte) (int, string, []byte) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.base, bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.URL.Opaque = strings.TrimPrefix(p.base, "http:") + path // sent as it is
	req.Header.Set("Authorization", "Bearer "+p.token)
	req.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatalf("%s %.80s: %v", method, path, err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("Content-Type"), got
}

// hostileTexts go wherever a text can stand.
func hostileTexts() []string {
	return []string{
		`"\u0000"`, `"a\u0000b"`, "\"\xff\xfe\"", `"\ud800"`, `"\r\nBcc: x@example.net\r\n\r\nx"`, `"\u202e\u001b[2J"`, `"'; DROP TABLE reports; --"`,
		`"%"`, `"{{.}}"`, `"../../etc/passwd"`, `"` + strings.Repeat("x", 900<<10) + `"`, `"` + strings.Repeat("1.", 10_000) + `"`,
		`"@"`, `"@\u0000.example.net"`, `"a\u0000@example.net"`, `"fe80::1%eth0"`, `"0.0.0.0/0"`, `"198.51.100.7/99"`, `"::ffff:198.51.100.7"`,
		`"http://\u0000/"`, `"http://[::1"`, `"9999-12-31T23:59:59Z"`, `"0000-01-01T00:00:00Z"`, `"2026-03-01T02:10:00.9999999999999Z"`,
		`null`, `0`, `-1`, `1e400`, `99999999999999999999`, `true`, `[]`, `{}`, `[[["x"]]]`,
	}
}

// hostileBodies put them into each member that any operation knows, and are broken in other ways.
func hostileBodies(incident string) [][]byte {
	all := [][]byte{
		nil, []byte("null"), []byte("x"), []byte("{"), []byte(`{"a":1}`), []byte(`[]`), []byte("\xef\xbb\xbf{}"), []byte(`{"reason":"a","reason":"b"}`),
		bytes.Repeat([]byte("["), 200_000), bytes.Repeat([]byte(`{"events":`), 100_000), bytes.Repeat([]byte("x"), 3<<20),
		[]byte(`{"events":[` + strings.TrimSuffix(strings.Repeat("{},", 100_000), ",") + `]}`),
		[]byte(`{"incident":"` + incident + `","at":[` + strings.TrimSuffix(strings.Repeat(`"2026-03-01T02:10:00Z",`, 1001), ",") + `]}`),
	}
	event := `{"type":"spam","from":"2026-03-01T02:10:00Z","subject":{"addr":"198.51.100.7"},"target":{}}`
	for _, text := range hostileTexts() {
		for _, m := range []string{"reason", "sender", "try", "incident", "at", "events", "addr"} {
			all = append(all, fmt.Appendf(nil, `{%q:%s}`, m, text))
		}
		all = append(all, fmt.Appendf(nil, `{"incident":%q,"at":[%s]}`, incident, text), fmt.Appendf(nil, `{"events":[%s]}`, text))
		for _, m := range []string{"class", "type", "tag", "from", "to", "severity"} {
			all = append(all, fmt.Appendf(nil, `{"events":[{%q:%s,%s]}`, m, text, event[1:]), fmt.Appendf(nil, `{"events":[%s,%q:%s}]}`, event[:len(event)-1], m, text))
		}
		for _, m := range []string{"addr", "prefix", "port", "proto", "domain", "url", "asn", "cc"} {
			for _, of := range []string{"subject", "target"} {
				all = append(all, fmt.Appendf(nil, `{"events":[%s]}`, strings.Replace(event, `"`+of+`":{`, fmt.Sprintf(`"%s":{%q:%s,"x`, of, m, text), 1)),
					fmt.Appendf(nil, `{"events":[%s,%q:{%q:%s}}]}`, event[:len(event)-1], of, m, text))
			}
		}
		all = append(all, fmt.Appendf(nil, `{"events":[%s,"tags":[%s]}]}`, event[:len(event)-1], text),
			fmt.Appendf(nil, `{"events":[%s,"details":{"a":%s}}]}`, event[:len(event)-1], text))
		if strings.HasPrefix(text, `"`) {
			all = append(all, fmt.Appendf(nil, `{"events":[%s,"details":{%s:"a"}}]}`, event[:len(event)-1], text))
		}
	}
	return all
}

// hostileLineBodies do the same for what is asked of lines.
func hostileLineBodies() [][]byte {
	all := [][]byte{nil, []byte("null"), []byte("{"), []byte("{}"), []byte(`[]`), bytes.Repeat([]byte("["), 200_000)}
	until := time.Now().AddDate(0, 1, 0).UTC().Format(time.RFC3339)
	for _, text := range hostileTexts() {
		if len(text) > 100<<10 { // enough of it once
			all = append(all, fmt.Appendf(nil, `{"addr":"203.0.113.7","at":"2026-03-01T02:10:00Z","reason":%s}`, text))
			continue
		}
		for _, m := range []string{"addr", "port", "proto", "at", "zone", "uncertainty", "reason", "document"} {
			all = append(all, fmt.Appendf(nil, `{%q:%s,"addr":"203.0.113.7","at":"2026-03-01T02:10:00Z"}`, m, text))
		}
		for _, m := range []string{"request", "addr", "port", "proto", "from", "to", "until"} {
			all = append(all, fmt.Appendf(nil, `{%q:%s,"request":"R","addr":"203.0.113.7","from":"2026-03-01T02:10:00Z","to":"2026-03-01T02:20:00Z","until":%q}`, m, text, until))
		}
		all = append(all, fmt.Appendf(nil, `{"line":%s,"reason":"x"}`, text), fmt.Appendf(nil, `{"line":"aaaaaaaaaaaaaaaa","reason":%s}`, text),
			fmt.Appendf(nil, `{"what":%s,"text":"x"}`, text), fmt.Appendf(nil, `{"what":"note","text":%s}`, text), fmt.Appendf(nil, `{"what":"close","outcome":%s,"text":"x"}`, text),
			fmt.Appendf(nil, `{"what":"note","text":"x","ids":[%s]}`, text), fmt.Appendf(nil, `{"party":%s}`, text), fmt.Appendf(nil, `{"tag":%s,"state":"open"}`, text),
			fmt.Appendf(nil, `{"sources":[%s],"before":"2020-01-01"}`, text), fmt.Appendf(nil, `{"before":%s}`, text))
	}
	return all
}

// ofLines reports whether an operation is one on lines.
func ofLines(op operation) bool {
	return !strings.HasPrefix(op.path, "/waiting") && !strings.HasPrefix(op.path, "/aside") && !strings.HasPrefix(op.path, "/blocked")
}

// TestWaitingAPIHostile: whatever is sent, to any operation, is refused as the sender's fault or is harmless, on both
// databases; and then the API works as before.
func TestWaitingAPIHostile(t *testing.T) {
	for engine, url := range map[string]func(*testing.T) string{
		"sqlite":   func(*testing.T) string { return "" },
		"postgres": func(t *testing.T) string { return postgrestest.New(t) },
	} {
		t.Run(engine, func(t *testing.T) { hostileRequests(t, url(t)) })
	}
}

func hostileRequests(t *testing.T, url string) {
	p, log := nodeWith(t, func(cfg *app.Config) {
		cfg.Store.URL = url
		withLines(t, cfg)
		cfg.Lines.Questions.Daily = 300 // some are answered, some wait
	},
		letterFrom(1, "ann@example.net", "198.51.100.7 at 2026-03-01 02:10:00 UTC"), letterFrom(2, "ann@example.net", "198.51.100.8"),
		letterFrom(3, "ann@example.net", "198.51.100.9"))
	list := items(p.want(200, "GET", "/waiting", nil))
	id := func(n int) string { return list[n]["id"].(string) }
	p.want(200, "POST", "/waiting/"+id(0)+"/events", map[string]any{"events": []any{
		map[string]any{"type": "spam", "from": "2026-03-01T02:10:00Z", "subject": map[string]any{"addr": "198.51.100.7"}},
	}})
	incident := incidentOf(t, p)
	ask := func(op operation, path, contentType string, body []byte) {
		t.Helper()
		status, kind, got := p.raw(op.method, path, contentType, body)
		// net/http itself turns away what is no path at all, in plain text.
		plain := status == http.StatusBadRequest && kind == "text/plain; charset=utf-8"
		if status >= 500 || status >= 400 && !plain && (kind != "application/problem+json" || !json.Valid(got)) {
			t.Errorf("%s %.100s with %.200q: %d %s %.200s", op.method, path, body, status, kind, got)
		}
	}
	bodies, lineBodies := hostileBodies(incident), hostileLineBodies()
	for _, op := range p.operations() {
		if op.path == "/changes" { // it does not end; TestWaitingAPI and the console's tests look at it
			continue
		}
		for _, param := range []string{
			"x", "%00", "%ff", "%", "..", "%2e%2e%2f", "%0d%0aX:%20y", strings.Repeat("a", 8000), "00000000-0000-0000-0000-000000000000",
			"ffffffff-ffff-ffff-ffff-ffffffffffff", "{id}", "port-and-time%00", "%F0%9F%92%A9", "*",
		} {
			ask(op, parameter.ReplaceAllString(op.path, param), "application/json", []byte(`{"reason":"x"}`))
		}
		path := parameter.ReplaceAllString(strings.Replace(op.path, "{id}", id(1), 1), "logs")
		if op.method == http.MethodGet {
			for _, q := range []string{"after=%00", "after=%ff", "after=" + strings.Repeat("A", 32), "after=" + strings.Repeat("_", 32), "limit=1e9", "limit=-1", "limit=99999999999999999999", "limit=%00", "a=b&a=c;d", "after=" + strings.Repeat("x", 8000)} {
				ask(op, path+"?"+q, "application/json", nil)
			}
			continue
		}
		some := bodies
		if ofLines(op) {
			some = lineBodies
		}
		for _, body := range some {
			ask(op, path, "application/json", body)
		}
		for _, contentType := range []string{"", "text/plain", "application/cbor", "application/xml", "multipart/form-data", "x/\x7f"[:2], "application/json; charset=utf-7"} {
			ask(op, path, contentType, []byte(`{"reason":"x"}`))
		}
	}
	p.want(200, "POST", "/waiting/"+id(2)+"/merge", map[string]any{"incident": incident})
	for _, fault := range []string{"its handler fail", "a request of a person failed", `"level":"ERROR"`} {
		if strings.Contains(log.String(), fault) {
			t.Errorf("the log says %q:\n%.3000s", fault, log.String())
		}
	}
}
