package acns_test

import (
	"bytes"
	"encoding/xml"
	"net/mail"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/corpustest"
	"tocsin/internal/formats"
	"tocsin/internal/formats/acns"
	"tocsin/internal/report"
)

// plain is a notice as encoding/xml reads it, without anything of ours.
type plain struct {
	ID     string `xml:"Case>ID"`
	Addr   string `xml:"Source>IP_Address"`
	Port   uint16 `xml:"Source>Port"`
	At     string `xml:"Source>TimeStamp"`
	Titles string `xml:"Content>Item>Title"`
	Hash   string `xml:"Content>Item>Hash"`
}

// TestCorpus holds the notices in the corpus's mails against a plain reading of their XML: one event each, though the
// notice stands in the text and hangs on the mail. No other mail there is taken for a notice or a letter.
func TestCorpus(t *testing.T) {
	agreed, total, others := 0, 0, 0
	for _, entry := range corpustest.Entries(t, "generic_mail") {
		text, err := os.ReadFile(corpustest.Dir(t, filepath.FromSlash(entry.Path)))
		if err != nil {
			t.Fatal(err)
		}
		begin, end := bytes.Index(text, []byte("<Infringement")), bytes.Index(text, []byte("</Infringement>"))
		if begin < 0 || end < begin {
			others++
			if acns.Detect(report.Document{}, text[:min(len(text), formats.HeadBytes)]) {
				t.Errorf("%s is taken for a notice", entry.Path)
			}
			if letter(t, text) {
				t.Errorf("%s is taken for a letter", entry.Path)
			}
			continue
		}
		total++
		var want plain
		if err := xml.Unmarshal(text[begin:end+len("</Infringement>")], &want); err != nil {
			t.Fatal(err)
		}
		var events []report.Event
		doc := report.Document{Reader: bytes.NewReader(text), Name: path.Base(entry.Path), Received: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
		for m, err := range (formats.Tables{}).Open(doc, formats.Limits{}) {
			if err != nil {
				t.Errorf("%s: %v", entry.Path, err)
				continue
			}
			for e, err := range m.Events() {
				if err != nil {
					t.Errorf("%s: %v", entry.Path, err)
				}
				e.Details = slices.Clone(e.Details)
				events = append(events, e)
			}
		}
		if len(events) != 1 {
			t.Errorf("%s: %d events", entry.Path, len(events))
			continue
		}
		e := events[0]
		got := plain{
			e.Detail("Case.ID"), e.Subject.Addr.String(), e.Subject.Port, e.From.Format(time.RFC3339),
			e.Detail("Content.Item.Title"), e.Detail("Content.Item.Hash"),
		}
		if got != want || e.Kind.String() != "fraud/copyright" {
			t.Errorf("%s: got %+v %v, want %+v", entry.Path, got, e.Kind, want)
			continue
		}
		agreed++
	}
	corpustest.Agreed(t, "generic_mail, ACNS", agreed, total)
	t.Logf("of %d other mails none is taken", others)
	if total == 0 {
		t.Error("the corpus has no notices")
	}
}

// letter asks Letter about a whole mail as it is: its text is not decoded, which hides no English words.
func letter(t *testing.T, text []byte) bool {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		return acns.Letter(&report.Mail{}, string(text))
	}
	_, body, _ := bytes.Cut(text, []byte("\n\n"))
	return acns.Letter(&report.Mail{Subject: m.Header.Get("Subject")}, string(body))
}

func TestLetter(t *testing.T) {
	const dmca = `To whom it may concern,
This is a notice pursuant to the Digital Millennium
Copyright Act. I have a good faith belief that use of the material in the manner complained of is not authorized by
the copyright owner. I swear, under penalty of
perjury, that I am the owner of an exclusive right that is allegedly infringed.
http://www.example.com/a.mkv`
	quoted := "> " + strings.ReplaceAll(dmca, "\n", "\n> ")
	about := func(subject string, references ...string) report.Mail {
		return report.Mail{Subject: subject, References: references}
	}
	for _, c := range []struct {
		name string
		m    report.Mail
		text string
		want bool
	}{
		{"a letter", about("Notice"), dmca, true},
		{"the claim in the subject", about("DMCA Takedown"), strings.ReplaceAll(dmca, "Digital Millennium\nCopyright Act", "law"), true},
		{"the claim in the subject in other words", about("Notice of Claimed Infringement"), dmca, true},
		{"a reply", about("Re: Notice"), dmca, false},
		{"a reply by its header", about("Notice", "a@example.com"), dmca, false},
		{"quoted", about("What is this?"), "What is this?\n" + quoted, false},
		{"a question about the law", about("DMCA notice"), "Do you accept a notice by mail? A good faith belief is enough?", false},
		{"the formula of another law", about("Trademark"), "I have a good faith belief. Under penalty of perjury I say so.", false},
		{"nothing", about(""), "", false},
	} {
		if got := acns.Letter(&c.m, c.text); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestRedact(t *testing.T) {
	e := report.Event{Details: []report.Detail{
		{Name: "Case.ID", Value: "1"},
		{Name: "Complainant.Entity", Value: "x"},
		{Name: "Complainant.Email", Value: "x"},
		{Name: "Service_Provider.Email", Value: "x"},
		{Name: "Source.UserName", Value: "x"},
		{Name: "Source.MAC_Address", Value: "x"},
		{Name: "Source.Type", Value: "BitTorrent"},
		{Name: "Content.Item.2.Title", Value: "t"},
		{Name: "Notes", Value: "x"},
		{Name: "warning", Value: "w"},
	}}
	acns.Redact(&e)
	for _, d := range e.Details {
		if hide := d.Value == acns.Redacted; hide == slices.Contains([]string{"Case.ID", "Source.Type", "Content.Item.2.Title", "warning"}, d.Name) {
			t.Errorf("%s is shown as %q", d.Name, d.Value)
		}
	}
}

// TestHostile: whatever is sent is answered, within bounds.
func TestHostile(t *testing.T) {
	const begin = "<Infringement xmlns=\"http://www.acns.net/ACNS\">"
	for name, text := range map[string]string{
		"never closed":    begin + strings.Repeat("<a>", 100000),
		"many fields":     begin + strings.Repeat("<a>1</a>", 10000) + "</Infringement>",
		"many attributes": strings.TrimSuffix(begin, ">") + strings.Repeat(" a=\"1\"", 10000) + "></Infringement>",
		"many notices":    strings.Repeat(begin+"</Infringement>\n", 5000),
		"many beginnings": strings.Repeat(begin+"\n", 20000),
		"half beginnings": begin + strings.Repeat("\n<Infringement", 100000),
		"too long":        begin + strings.Repeat("x", 300<<10) + "</Infringement>",
		"much text":       begin + "</Infringement>" + strings.Repeat("x\n", 3<<20),
		"names":           strings.Repeat("a", 100000) + "Infringement>",
		"a NUL":           begin + "<Case><ID>\x00</ID></Case></Infringement>",
		"empty":           "",
	} {
		n := 0
		for _, err := range acns.Parse(report.Document{Reader: strings.NewReader(text)}) {
			if n++; err != nil && len(err.Error()) > 1000 {
				t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
			}
		}
		if n == 0 || n > 1001 {
			t.Errorf("%s: %d rows", name, n)
		}
	}
}
