package app_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"tocsin/internal/incident"
)

// incidentsByPerson finds incidents, and works one; it returns what it did.
func incidentsByPerson(t *testing.T) []string {
	t.Helper()
	p, _ := node(t, tableMail(1, good+strings.ReplaceAll(good, "198.51.100.7", "198.51.100.8")+strings.ReplaceAll(good, "198.51.100.7", "198.51.100.9")))
	all := items(p.want(200, "GET", "/incidents", nil))
	if len(all) < 2 {
		t.Fatalf("%d incidents", len(all))
	}
	page := p.want(200, "GET", "/incidents?limit=1", nil)
	if rest := items(p.want(200, "GET", "/incidents?limit=500&after="+page["next"].(string), nil)); len(rest) != len(all)-1 || rest[0]["id"] != all[1]["id"] {
		t.Errorf("behind the first of %d are %d", len(all), len(rest))
	}
	found := items(p.want(200, "POST", "/incidents/search", map[string]any{"addr": all[0]["subject"], "state": "open"}))
	if len(found) == 0 || found[0]["subject"] != all[0]["subject"] {
		t.Errorf("searched for %v, found %v", all[0]["subject"], found)
	}
	for _, query := range []string{"party=line:", "state=done", "class=none", "type=none", "after=x", "limit=0", "from=yesterday"} {
		p.want(422, "GET", "/incidents?"+query, nil)
	}
	p.want(422, "POST", "/incidents/search", map[string]any{"addr": "198.51.100.0/24"})

	id := all[0]["id"].(string)
	if one := p.want(200, "GET", "/incidents/"+id, nil); one["key"] != all[0]["key"] {
		t.Errorf("%v", one)
	}
	p.want(404, "GET", "/incidents/00000000-0000-7000-8000-000000000000", nil)
	events := items(p.want(200, "GET", "/incidents/"+id+"/events", nil))
	if len(events) == 0 || events[0]["report"] == nil || events[0]["row"] == nil {
		t.Errorf("%v", events)
	}
	act := func(what, outcome, text string) map[string]any {
		return map[string]any{"what": what, "outcome": outcome, "text": text}
	}
	p.want(422, "POST", "/incidents/"+id+"/acts", act("note", "", " "))
	p.want(422, "POST", "/incidents/"+id+"/acts", act("close", "won", "x"))
	p.want(409, "POST", "/incidents/"+id+"/acts", act("reopen", "", "x"))
	if got := p.want(200, "POST", "/incidents/"+id+"/acts", act("told", "", "by phone")); got["state"] != "told" {
		t.Errorf("%v", got)
	}
	p.want(200, "POST", "/incidents/"+id+"/acts", act("close", "cleaned", "they say so"))
	acts := items(p.want(200, "GET", "/incidents/"+id+"/acts", nil))
	if len(acts) != 2 || acts[0]["what"] != "told" || acts[1]["outcome"] != "cleaned" || acts[1]["who"] != "ann" {
		t.Errorf("%v", acts)
	}
	many := act("close", "false-alarm", "a test")
	many["ids"], many["try"] = []string{id, all[1]["id"].(string)}, true
	if tried := p.want(200, "POST", "/incidents/acts", many); tried["done"] != 2.0 {
		t.Errorf("%v", tried)
	}
	if one := p.want(200, "GET", "/incidents/"+all[1]["id"].(string), nil); one["state"] == string(incident.StateClosed) {
		t.Error("trying closed it")
	}
	many["try"] = false
	p.want(200, "POST", "/incidents/acts", many)
	if again := p.want(200, "POST", "/incidents/acts", many); again["done"] != 0.0 {
		t.Errorf("done again: %v", again)
	}
	figures := p.want(200, "GET", "/figures?days=366", nil)
	if figures["states"].(map[string]any)["closed"] != 2.0 || figures["told"].(map[string]any)["n"] != 1.0 {
		t.Errorf("%v", figures)
	}
	changesByPerson(t, p)
	return p.done
}

// changesByPerson looks on while something changes, goes away, and goes on where it was.
func changesByPerson(t *testing.T, p *person) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	look := func(last string) (*bufio.Scanner, func() error) {
		r, err := http.NewRequestWithContext(ctx, "GET", p.base+"/changes", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+p.token)
		r.Header.Set("Last-Event-ID", last)
		if last == "" {
			r.Header.Del("Last-Event-ID")
		}
		res, err := http.DefaultClient.Do(r) //nolint:bodyclose // whoever looks on leaves
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%d %s", res.StatusCode, res.Header.Get("Content-Type"))
		}
		return bufio.NewScanner(res.Body), res.Body.Close
	}
	event := func(s *bufio.Scanner) (id, topic string) {
		for s.Scan() {
			name, value, _ := strings.Cut(s.Text(), ": ")
			switch {
			case name == "id":
				id = value
			case name == "event":
				topic = value
			case s.Text() == "" && topic != "":
				return id, topic
			}
		}
		t.Fatalf("the stream ended: %v", s.Err())
		return "", ""
	}
	s, leave := look("")
	if _, topic := event(s); topic != "begun" {
		t.Errorf("it begins with %s", topic)
	}
	id := items(p.want(200, "GET", "/incidents", nil))[0]["id"].(string)
	note := map[string]any{"what": "note", "text": "look"}
	p.want(200, "POST", "/incidents/"+id+"/acts", note)
	last, topic := event(s)
	if topic != "incidents" {
		t.Errorf("a note is told as %s", topic)
	}
	if err := leave(); err != nil {
		t.Error(err)
	}
	p.want(200, "POST", "/incidents/"+id+"/acts", note)
	s, leave = look(last)
	if at, topic := event(s); at != last || topic != "begun" {
		t.Errorf("it goes on at %s with %s", at, topic)
	}
	if at, topic := event(s); at == last || topic != "incidents" {
		t.Errorf("what changed meanwhile is told as %s %s", at, topic)
	}
	if err := leave(); err != nil {
		t.Error(err)
	}
	s, leave = look("999999999")
	if _, topic := event(s); topic != "reset" {
		t.Errorf("who comes from elsewhere is told %s", topic)
	}
	if err := leave(); err != nil {
		t.Error(err)
	}
	p.done = append(p.done, "GET /changes")
}
