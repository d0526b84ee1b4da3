package xarfmail_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"tocsin/internal/corpustest"
	"tocsin/internal/formats"
	"tocsin/internal/report"
)

var received = time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)

// opened is what formats.Open makes of a document.
func opened(t *testing.T, name string, text []byte) (events []report.Event, refused []string) {
	t.Helper()
	doc := report.Document{Reader: bytes.NewReader(text), Name: name, Received: received}
	for m, err := range (formats.Tables{}).Open(doc, formats.Limits{}) {
		if err != nil {
			refused = append(refused, err.Error())
			continue
		}
		for e, err := range m.Events() {
			if err != nil {
				refused = append(refused, err.Error())
				continue
			}
			e.Tags, e.Details = slices.Clone(e.Tags), slices.Clone(e.Details)
			events = append(events, e)
		}
	}
	return events, refused
}

// said is what a report says of its source, as strings.
type said struct{ addr, url, at, typ string }

// plainly reads the one report of a mail by the standard library and a plain decoder, and knows nothing of ours.
func plainly(t *testing.T, name string, text []byte) said {
	t.Helper()
	body := text
	if path.Ext(name) == ".eml" {
		body = nil
		text = bytes.TrimPrefix(text, []byte("\n"))
		if bytes.HasPrefix(text, []byte("From ")) {
			_, text, _ = bytes.Cut(text, []byte("\n"))
		}
		m, err := mail.ReadMessage(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		parts := multipart.NewReader(m.Body, params["boundary"])
		for body == nil {
			p, err := parts.NextRawPart()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if f := p.FileName(); f == "report.txt" || f == "xarf.json" || strings.Contains(p.Header.Get("Content-Type"), "name=\"report.txt\"") {
				if body, err = io.ReadAll(decoded(p.Header, p)); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
		}
	}
	fields := map[string]any{}
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		if err := json.Unmarshal(body, &fields); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	} else if err := yaml.Unmarshal(body, &fields); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if inner, ok := fields["Report"].(map[string]any); ok {
		fields = inner
	}
	get := func(names ...string) string {
		for _, n := range names {
			if v, ok := fields[n]; ok {
				return fmt.Sprint(v)
			}
		}
		return ""
	}
	s := said{
		addr: get("SourceIp", "source_identifier", "Source"), url: get("SourceUrl", "Download-Link"), at: get("Date", "timestamp"),
		typ: get("ReportType", "type", "Report-Type"),
	}
	if get("Source-Type") == "uri" {
		s.addr, s.url = "", s.addr
	}
	for _, layout := range []string{time.RFC3339, "Jan _2 2006 15:04:05 -0700"} {
		if at, err := time.Parse(layout, s.at); err == nil {
			s.at = at.UTC().Format(time.RFC3339)
		}
	}
	if a, err := report.ParseAddr(s.addr); err == nil {
		s.addr = a.String()
	}
	s.typ = kinds[s.typ]
	return s
}

func decoded(h textproto.MIMEHeader, r io.Reader) io.Reader {
	switch strings.ToLower(h.Get("Content-Transfer-Encoding")) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, r)
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	}
	return r
}

// kinds is what the types of the corpus mean in RSIT 1003.
var kinds = map[string]string{
	"login-attack": "intrusion-attempts/brute-force", "login_attack": "intrusion-attempts/brute-force",
	"phishing": "fraud/phishing", "Phishing": "fraud/phishing", "Malware": "malicious-code/malware-distribution",
	"malware-attack": "malicious-code/malware-distribution", "Spam": "abusive-content/spam", "spam": "abusive-content/spam",
}

// expected is an expected.json of the corpus.
type expected struct {
	At        string   `json:"detected_at"`
	Incidents int      `json:"incidents"`
	Addrs     []string `json:"source_ips"`
}

// TestCorpus holds every X-ARF mail of the corpus, YAML and JSON, and the YAML parts, against the expected results
// where there are some, and against a plain reading of the same report everywhere.
func TestCorpus(t *testing.T) {
	agreed, total := 0, 0
	for _, format := range []string{"xarf_mail", "xarf_v02_parts"} {
		for _, entry := range corpustest.Entries(t, format) {
			if path.Base(entry.Path) == "greeting.txt" {
				continue // the part for people: no report, and Open refuses it
			}
			total++
			text, err := os.ReadFile(corpustest.Dir(t, filepath.FromSlash(entry.Path)))
			if err != nil {
				t.Fatal(err)
			}
			events, refused := opened(t, path.Base(entry.Path), text)
			want := plainly(t, path.Base(entry.Path), text)
			if len(events) != 1 || len(refused) != 0 {
				t.Errorf("%s: %d events, refused: %v", entry.Path, len(events), refused)
				continue
			}
			e := events[0]
			got := said{url: e.Subject.URL, at: e.From.Format(time.RFC3339), typ: e.Kind.String()}
			if e.Subject.Addr.IsValid() {
				got.addr = e.Subject.Addr.String()
			}
			if got != want {
				t.Errorf("%s: got %+v, want %+v", entry.Path, got, want)
				continue
			}
			if strings.HasSuffix(entry.Expected, ".json") && !agrees(t, entry, events) {
				continue
			}
			agreed++
		}
	}
	corpustest.Agreed(t, "xarf_mail", agreed, total)
	if total == 0 {
		t.Error("the corpus has no X-ARF mails")
	}
}

func agrees(t *testing.T, entry corpustest.Entry, events []report.Event) bool {
	t.Helper()
	text, err := os.ReadFile(corpustest.Dir(t, filepath.FromSlash(entry.Expected)))
	if err != nil {
		t.Fatal(err)
	}
	var want expected
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for i := range events {
		addrs = append(addrs, events[i].Subject.Addr.String())
	}
	at, err := time.Parse(time.RFC3339, want.At)
	if len(events) != want.Incidents || !slices.Equal(addrs, want.Addrs) || err == nil && !at.Equal(events[0].From) {
		t.Errorf("%s: got %d events, %v at %v; want %+v", entry.Path, len(events), addrs, events[0].From, want)
		return false
	}
	return true
}
