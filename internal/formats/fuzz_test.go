package formats_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"tocsin/internal/formats"
	"tocsin/internal/report"
)

// FuzzParse reads anything as each format: whatever comes out keeps the promises that render checks, and is the
// same when the document comes a byte at a time.
func FuzzParse(f *testing.F) {
	var tables formats.Tables
	list := tables.List()
	for _, g := range goldens(f) {
		for i := range list {
			if list[i].Name == g.format {
				f.Add(uint8(i), g.doc.Name, g.doc.Subject, g.doc.Strict, g.input)
			}
		}
	}
	f.Add(uint8(0), "", "", false, []byte("\x00"))
	f.Fuzz(func(t *testing.T, which uint8, name, subject string, strict bool, input []byte) {
		doc := report.Document{Name: name, Subject: subject, Strict: strict, Received: received}
		format := list[int(which)%len(list)]
		whole, slow := doc, doc
		whole.Reader = bytes.NewReader(input)
		slow.Reader = iotest.OneByteReader(bytes.NewReader(input))
		a := render(t, tables.ParseAs(format.Name, whole))
		if b := render(t, tables.ParseAs(format.Name, slow)); a != b {
			t.Errorf("%s: whole\n%s\na byte at a time\n%s", format.Name, a, b)
		}
	})
}

// FuzzOpen opens anything: it ends, numbers rise and are unique, errors are sentences, and the limits hold.
func FuzzOpen(f *testing.F) {
	for _, s := range []string{
		two, gzipped(two), zipped("a", two, "b.gz", gzipped(two)), mixed(prose, "Type: text/csv\r\n\r\n"+two),
		mixed("Type: message/rfc822\r\n\r\n" + nested(mixed("Type: text/csv\r\nContent-Transfer-Encoding: base64\r\n\r\n"+in64(two)))),
		mixed("Type: text/csv\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + quoted(two)), deepMail(20),
	} {
		f.Add([]byte(s))
	}
	for _, g := range goldens(f) {
		f.Add(g.input)
	}
	lim := formats.Limits{Bytes: 1 << 20, Members: 200, MIMEParts: 100}
	f.Fuzz(func(t *testing.T, input []byte) {
		last, n := -1, 0
		seen := map[int]bool{}
		list := append(formats.Tables{}.List(), lines()...)
		for m, err := range formats.OpenWith(list, report.Document{Reader: bytes.NewReader(input), Received: received}, lim) {
			if seen[m.Index] || err == nil && m.Index <= last {
				t.Fatalf("index %d comes after %d", m.Index, last)
			}
			seen[m.Index], last = true, max(last, m.Index)
			if n++; n > 2*lim.Members {
				t.Fatal("more members than the limit lets through")
			}
			if strings.ContainsAny(m.Name, "\n\r\x1b\x00") || strings.ContainsAny(m.Subject, "\n\r\x1b\x00") {
				t.Fatalf("the name %q is not fit to be shown", m.Name)
			}
			if l, ok := errors.AsType[*report.Letter](err); ok {
				if l.State != report.StateWaiting && l.State != report.StateAside || l.Reason == "" || m.Mail == nil {
					t.Fatalf("a letter without state, reason or head: %+v", l)
				}
				continue
			}
			if err != nil {
				checkRowError(t, err)
				continue
			}
			render(t, m.Events())
		}
	})
}
