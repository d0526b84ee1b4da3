package formats_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/formats"
	"tocsin/internal/report"
)

func TestLinks(t *testing.T) {
	const head = "From: a@example.net\r\nTo: b@example.org\r\nSubject: report\r\nDate: Sun, 01 Mar 2026 00:00:00 +0000\r\n"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"no mail": {"https://example.net/a", nil},
		"plain": {
			head + "\r\nSee https://example.net/a?x=1&y=2, (HTTPS://Example.net/b). <http://example.org/c>\r\nhttps://example.net/d(e)\r\nftp://example.net/ https:// xhttp://example.net/f\r\n",
			[]string{"https://example.net/a?x=1&y=2", "https://Example.net/b", "http://example.org/c", "https://example.net/d(e)", "http://example.net/f"},
		},
		"quoted-printable": {
			head + "Content-Transfer-Encoding: quoted-printable\r\n\r\nhttps://example.net/very-=\r\nlong?a=3Db\r\n",
			[]string{"https://example.net/very-long?a=b"},
		},
		"html": {
			head + "Content-Type: text/html\r\n\r\n<a href=\"https://example.net/a?x=1&amp;y=2\">https://example.net/b</a>\r\n",
			[]string{"https://example.net/a?x=1&y=2", "https://example.net/b"},
		},
		"parts": {
			head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhttps://example.net/a\r\n--b\r\nContent-Disposition: attachment\r\n\r\nhttps://example.net/attached\r\n" +
				"--b\r\nContent-Type: message/rfc822\r\n\r\n" + head + "\r\nhttps://example.net/evidence\r\n--b\r\nContent-Type: text/html\r\n\r\nhttps://example.net/c\r\n--b--\r\n",
			[]string{"https://example.net/a", "https://example.net/c"},
		},
		"auto-reply": {head + "Auto-Submitted: auto-replied\r\n\r\nhttps://example.net/a\r\n", nil},
		"cut":        {head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhttps://example.net/a\r\n", []string{"https://example.net/a"}},
		"too long":   {head + "\r\nhttps://example.net/" + strings.Repeat("a", 5000) + " https://example.net/b\r\n", []string{"https://example.net/b"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for link, err := range (formats.Tables{}).Links(report.Document{Reader: strings.NewReader(c.text)}, formats.Limits{}) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, link)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
	broken := errors.New("the disk is broken")
	var last error
	for _, err := range (formats.Tables{}).Links(report.Document{Reader: io.MultiReader(strings.NewReader(head+"\r\nhttps://example.net/a\r\n"), iotest.ErrReader(broken))}, formats.Limits{}) {
		last = err
	}
	if !errors.Is(last, broken) {
		t.Errorf("a mail that could not be read to its end: %v", last)
	}
	n := 0
	for range (formats.Tables{}).Links(report.Document{Reader: strings.NewReader(head + "\r\n" + strings.Repeat("https://a.example ", 200_000))}, formats.Limits{}) {
		n++
	}
	if n != 1000 {
		t.Errorf("%d links", n)
	}
}
