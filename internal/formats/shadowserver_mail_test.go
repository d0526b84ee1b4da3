package formats_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/internal/corpustest"
	"tocsin/internal/formats"
	"tocsin/internal/report"
)

// answers are the events of a document and what is refused of it, in its order.
func answers(doc report.Document, text []byte) (events, refused []string) {
	doc.Reader = bytes.NewReader(text)
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
			events = append(events, string(e.AppendJSON(nil)))
		}
	}
	return events, refused
}

// attachedCSV takes the CSV out of a mail by the standard library, and out of its zip archive.
func attachedCSV(t *testing.T, text []byte) (name string, csv []byte) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := parts.NextRawPart()
		if err != nil {
			t.Fatalf("no CSV hangs on the mail: %v", err)
		}
		var body io.Reader = p
		if strings.EqualFold(p.Header.Get("Content-Transfer-Encoding"), "base64") {
			body = base64.NewDecoder(base64.StdEncoding, p)
		}
		file, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		switch path.Ext(p.FileName()) {
		case ".csv":
			return p.FileName(), file
		case ".zip":
			z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
			if err != nil || len(z.File) != 1 {
				t.Fatalf("%d files, %v", len(z.File), err)
			}
			r, err := z.File[0].Open()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if file, err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
			return z.File[0].Name, file
		}
	}
}

// TestShadowserverMails: a CSV gives the same events and the same refusals whether it hangs on a mail, in a zip archive,
// or stands alone. The samples in which nothing is an event are those of docs/formats/shadowserver.md.
func TestShadowserverMails(t *testing.T) {
	agreed, total, rows := 0, 0, 0
	var without []string
	for _, entry := range corpustest.Entries(t, "shadowserver_mail") {
		total++
		text, err := os.ReadFile(corpustest.Dir(t, filepath.FromSlash(entry.Path)))
		if err != nil {
			t.Fatal(err)
		}
		doc := report.Document{Name: path.Base(entry.Path), Received: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)}
		events, refused := answers(doc, text)
		doc.Name, text = attachedCSV(t, text)
		wantEvents, wantRefused := answers(doc, text)
		if len(events) == 0 && len(refused) == 1 && len(wantRefused) == 1 && strings.HasSuffix(refused[0], wantRefused[0]) {
			refused = wantRefused // the mail waits for a person, with that reason
		}
		if fmt.Sprint(events, refused) != fmt.Sprint(wantEvents, wantRefused) || len(events)+len(refused) == 0 {
			t.Errorf("%s: %d events, refused %q; the CSV alone: %d events, refused %q", entry.Path,
				len(events), refused, len(wantEvents), wantRefused)
			continue
		}
		agreed++
		rows += len(events)
		if len(events) == 0 {
			without = append(without, entry.Path)
		}
		t.Logf("%s: %d events, %d refused", entry.Path, len(events), len(refused))
	}
	corpustest.Agreed(t, "shadowserver_mail", agreed, total)
	t.Logf("%d events", rows)
	if total == 0 {
		t.Error("the corpus has no mails of Shadowserver")
	}
	listed(t, "## In mails", without)
}

// listed: the section of docs/formats/shadowserver.md names exactly these files, each with its reason.
func listed(t *testing.T, section string, want []string) {
	t.Helper()
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "formats", "shadowserver.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(doc), section)
	text, _, _ = strings.Cut(text, "\n## ")
	var got []string
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "- `"); ok {
			name, _, _ := strings.Cut(rest, "`")
			got = append(got, "shadowserver_mail/"+name)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("docs/formats/shadowserver.md lists %q, the test finds %q", got, want)
	}
}
