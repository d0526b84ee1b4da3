package app_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// tableMail is a mail with a table of which some rows cannot be read.
func tableMail(n int, rows string) string {
	return fmt.Sprintf("From: feed@example.net\nTo: abuse@example.org\nMessage-ID: <t%d@example.net>\nDate: Sun, 1 Mar 2026 10:00:00 +0000\nSubject: table %d\n"+
		"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/csv\nContent-Transfer-Encoding: base64\n"+
		"Content-Disposition: attachment; filename=\"2024-03-01-scan_telnet-%d.csv\"\n\n%s\n--b--\n",
		n, n, n, base64.StdEncoding.EncodeToString([]byte(header+rows)))
}

// bad is a row that cannot be read.
const bad = "2024-03-01 02:10:00,300.1.1.1,23,telnet,64500,GB,,\n"

// tables are two mails for receivedByPerson: of one some rows can be read, of the other none.
func tables() []string {
	return []string{tableMail(1, good+strings.Repeat(bad, 3)), tableMail(2, bad)}
}

// TestReportsAPI: a person reads what was received, and deals with the quarantine.
func TestReportsAPI(t *testing.T) { receivedByPerson(t) }

// receivedByPerson returns what the person asked for with success.
func receivedByPerson(t *testing.T) []string {
	t.Helper()
	p, log := node(t, append([]string{letterFrom(1, "ann@example.net", "198.51.100.7"), letterFrom(2, "bob@example.net", "cars")}, tables()...)...)
	var all []map[string]any
	for after := ""; ; {
		page := p.want(200, "GET", "/received?limit=2&after="+after, nil)
		all = append(all, items(page)...)
		if page["next"] == nil {
			break
		}
		after = page["next"].(string)
	}
	for i := 1; i < len(all); i++ {
		if all[i]["received_at"].(string) > all[i-1]["received_at"].(string) {
			t.Errorf("report %d is newer than the one before", i)
		}
	}
	if whole := items(p.want(200, "GET", "/received?limit=200", nil)); len(whole) != len(all) || len(all) != 4 {
		t.Fatalf("%d by page, %d at once", len(all), len(whole))
	}
	some := items(p.want(200, "GET", "/received?format=shadowserver&state=worked&channel=import&from=2020-01-01T00:00:00Z&to=2099-01-01T00:00:00Z", nil))
	none := items(p.want(200, "GET", "/received?state=quarantined", nil))
	if len(some) != 1 || len(none) != 1 || some[0]["events"] != 1.0 || some[0]["refused"] != 3.0 || some[0]["quarantined"] != true {
		t.Fatalf("%v\n%v", some, none)
	}
	for _, q := range []string{"reporter=nobody", "channel=imap", "format=x", "to=2020-01-01T00:00:00Z", "from=2099-01-01T00:00:00Z", "state=dropped"} {
		if got := items(p.want(200, "GET", "/received?"+q, nil)); len(got) != 0 {
			t.Errorf("%s finds %v", q, got)
		}
	}
	p.want(422, "GET", "/received?after=x", nil)
	p.want(422, "GET", "/received?state=nonsense", nil)
	id := some[0]["id"].(string)
	one := p.want(200, "GET", "/received/"+id, nil)
	found := one["incidents"].([]any)
	if len(found) != 1 || found[0].(map[string]any)["tag"] != "open-telnet" || one["kept"] != true || one["readings"] != 1.0 || !strings.Contains(one["answer"].(string), "3 refused") {
		t.Errorf("%+v", one)
	}
	p.want(404, "GET", "/received/0195a000-0000-7000-8000-000000000001", nil)
	p.want(404, "GET", "/received/x", nil)

	page := p.want(200, "GET", "/received/"+id+"/refused?limit=2", nil)
	rest := p.want(200, "GET", "/received/"+id+"/refused?limit=2&after="+page["next"].(string), nil)
	if rows := append(items(page), items(rest)...); len(rows) != 3 || rest["next"] != nil || rows[0]["place"] != "row 2" || rows[2]["place"] != "row 4" || !strings.Contains(rows[2]["reason"].(string), "300.1.1.1") {
		t.Errorf("%v", rows)
	}
	p.want(422, "GET", "/received/"+id+"/refused?after=x", nil)

	var senders float64
	for _, s := range items(p.want(200, "GET", "/received/senders?since=2020-01-01T00:00:00Z", nil)) {
		senders += s["reports"].(float64)
	}
	if int(senders) != len(all) {
		t.Errorf("%v reports by sender, %d in the list", senders, len(all))
	}
	p.want(422, "GET", "/received/senders", nil)

	original(t, p, id)
	quarantineByPerson(t, p, id, none[0]["id"].(string))
	for _, want := range []string{"an original was read", "a report is read again", "the quarantine is read again", "a report was dropped from the quarantine"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
	return p.done
}

// original: the bytes come as they came in, as a file that no browser shows.
func original(t *testing.T, p *person, id string) {
	t.Helper()
	get := func(tag string) (status int, h http.Header, body []byte) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", p.base+"/received/"+id+"/original", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+p.token)
		req.Header.Set("If-None-Match", tag)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		got, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Header, got
	}
	status, h, got := get("")
	if status != http.StatusOK || !bytes.Equal(got, []byte(tables()[0])) {
		t.Errorf("%d, %d bytes of %d", status, len(got), len(tables()[0]))
	}
	if h.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment;") || h.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.HasPrefix(h.Get("Content-Security-Policy"), "sandbox;") || h.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", h)
	}
	if status, _, got := get(h.Get("ETag")); status != http.StatusNotModified || len(got) > 0 {
		t.Errorf("the same again: %d, %d bytes", status, len(got))
	}
	p.done = append(p.done, "GET /received/"+id+"/original")
	p.want(404, "GET", "/received/x/original", nil)
}

// quarantineByPerson: what could not be read is read again while the node runs, and dropped.
func quarantineByPerson(t *testing.T, p *person, some, none string) {
	t.Helper()
	page := p.want(200, "GET", "/quarantine?limit=1", nil)
	rest := p.want(200, "GET", "/quarantine?limit=1&after="+page["next"].(string), nil)
	all := append(items(page), items(rest)...)
	if len(all) != 2 || rest["next"] != nil || page["total"] != 2.0 || all[0]["id"] != some || all[1]["id"] != none {
		t.Fatalf("%v", all)
	}
	if first := all[0]["first"].(map[string]any); first["place"] != "row 2" || !strings.Contains(first["document"].(string), "scan_telnet") {
		t.Errorf("%v", first)
	}
	readings := func(id string, n float64) {
		t.Helper()
		deadline := time.Now().Add(20 * time.Second)
		for p.want(200, "GET", "/received/"+id, nil)["readings"] != n {
			if time.Now().After(deadline) {
				t.Fatalf("report %s is not read again", id)
			}
		}
	}
	p.want(202, "POST", "/quarantine/"+some+"/replay", nil)
	readings(some, 2)
	if got := p.want(202, "POST", "/quarantine/replay", nil); got["handed"] != 2.0 || got["gone"] != 0.0 {
		t.Errorf("%v", got)
	}
	readings(some, 3)
	readings(none, 2)
	if again := p.want(200, "GET", "/received/"+some, nil); again["events"] != 1.0 || again["refused"] != 3.0 {
		t.Errorf("read three times: %v", again)
	}
	p.want(200, "GET", "/received/"+some+"/refused", nil)
	for _, id := range []string{some, none} {
		if got := p.do("POST", "/quarantine/"+id+"/drop", nil); got.status != 204 {
			t.Errorf("dropped: %d %v", got.status, got.body)
		}
		p.done = append(p.done, "POST /quarantine/"+id+"/drop")
		p.want(404, "POST", "/quarantine/"+id+"/drop", nil)
		p.want(404, "POST", "/quarantine/"+id+"/replay", nil)
	}
	p.want(404, "POST", "/quarantine/x/replay", nil)
	if left := p.want(200, "GET", "/quarantine", nil); left["total"] != 0.0 || len(items(left)) != 0 {
		t.Errorf("%v", left)
	}
	if got := items(p.want(200, "GET", "/received?state=dropped", nil)); len(got) != 1 || got[0]["id"] != none {
		t.Errorf("%v", got)
	}
}
