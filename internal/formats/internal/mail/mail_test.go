package mail_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/formats/internal/mail"
)

var limits = mail.Limits{HeaderBytes: 4096, Depth: 5, Parts: 20}

// leaves lists a mail's leaves: "NUMBER TYPE NAME: body", then the error that is not io.EOF.
func leaves(r io.Reader) []string {
	var all []string
	m, err := mail.NewReader(r, limits)
	for err == nil {
		var p *mail.Part
		if p, err = m.Next(); err != nil {
			break
		}
		body, readErr := io.ReadAll(p.Body)
		line := fmt.Sprintf("%s %s %s: %q", p.Number, p.Type, p.FileName, body)
		if readErr != nil {
			line += " " + readErr.Error()
		}
		all = append(all, line)
	}
	if !errors.Is(err, io.EOF) {
		all = append(all, err.Error())
	}
	return all
}

func TestLeaves(t *testing.T) {
	for _, c := range []struct {
		name, input string
		want        []string
	}{
		{"no header", "", []string{`1 text/plain : ""`}},
		{"header only", "From: a", []string{`1 text/plain : ""`}},
		{"text", "From: a\n\none\n\ntwo", []string{`1 text/plain : "one\n\ntwo"`}},
		{"the last line end is the boundary's", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n\r\n--b\r\n\r\ntwo\r\n--b--", []string{
			`1 text/plain : "one\r\n"`, `2 text/plain : "two"`,
		}},
		{"no empty line before the boundary", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/csv\n--b\n\ntwo\n--b--", []string{
			`1 text/csv : ""`, `2 text/plain : "two"`,
		}},
		{"white space after the boundary", "Content-Type: multipart/mixed; boundary=b\n\n--b  \n\none\n--b-- \n", []string{`1 text/plain : "one"`}},
		{"one boundary begins another", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=bb\n\n" +
			"--bb\n\none\n--bb--\n--b\n\ntwo\n--b--", []string{`1.1 text/plain : "one"`, `2 text/plain : "two"`}},
		{"header line without a colon", "garbage\nFrom: a\nmore garbage\n folded garbage\nContent-Type: text/csv;\n name=\"a b.csv\"\n\nx", []string{
			`1 text/csv a b.csv: "x"`,
		}},
		{"parameters against the grammar", "Content-Type: text/csv; name=a b.csv; name=\"c;d.csv\"; charset\n\nx", []string{`1 text/csv a b.csv: "x"`}},
		{"disposition before type", "Content-Type: text/csv; name=a\nContent-Disposition: attachment; filename=\"..\\\\x/b\x01.csv\"\n\nx", []string{
			`1 text/csv b.csv: "x"`,
		}},
		{"base64 with rubbish and no padding", "Content-Transfer-Encoding: BASE64\n\nb25l!!\r\n IHR3\r\nbw\n", []string{`1 text/plain : "one two"`}},
		{"base64 twice", "Content-Transfer-Encoding: base64\n\nb25lIA==\nb25l\n", []string{`1 text/plain : "one one"`}},
		{"quoted-printable", "Content-Transfer-Encoding: quoted-printable\n\na=3Db=\n c=\r\nd=zz= \t\ne \t\nf=C3=A9=c3=a9 =", []string{
			`1 text/plain : "a=b cd=zze\nfé` + `é "`,
		}},
		{"unknown encoding", "Content-Transfer-Encoding: x-uuencode\n\nabc", []string{`1 text/plain : "abc"`}},
		{"cut in a part", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\ntw", []string{
			`1 text/plain : "one\ntw" ` + mail.ErrTruncated.Error(), mail.ErrTruncated.Error(),
		}},
		{"cut before any part", "Content-Type: multipart/mixed; boundary=b\n\nnothing", []string{mail.ErrTruncated.Error()}},
		{"nothing unpacked", "Content-Type: multipart/mixed\n\nnothing", []string{`1 text/plain : "nothing"`}},
		{"long line", "A: b\n\n" + strings.Repeat("x", 200000), []string{`1 text/plain : "` + strings.Repeat("x", 200000) + `"`}},
		{"header too long", "A: b\n" + strings.Repeat(" c\n", 4000) + "\nx", []string{"a header of the mail is longer than 4096 bytes: send the attachment alone"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, leaves(strings.NewReader(c.input))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.want, leaves(iotest.OneByteReader(strings.NewReader(c.input)))); diff != "" {
				t.Errorf("a byte at a time (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNextSkips: whoever does not read a body finds the next part all the same.
func TestNextSkips(t *testing.T) {
	m, err := mail.NewReader(strings.NewReader("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\nmore\n--b\n\ntwo\n--b--"), limits)
	if err != nil {
		t.Fatal(err)
	}
	for want := 1; ; want++ {
		p, err := m.Next()
		if errors.Is(err, io.EOF) {
			if want != 3 {
				t.Errorf("%d parts", want-1)
			}
			break
		}
		if err != nil || p.Number != fmt.Sprint(want) {
			t.Fatalf("part %+v, %v", p, err)
		}
		if _, err := p.Body.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReaderError(t *testing.T) {
	broken := errors.New("input/output error")
	head := "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n"
	got := leaves(io.MultiReader(strings.NewReader(head), iotest.ErrReader(broken)))
	want := []string{`1 text/plain : "one\n" input/output error`, "input/output error"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLooks(t *testing.T) {
	for in, want := range map[string]bool{
		"From: a\nTo: b\n\n":                      true,
		"From a@b Mon\nFrom: a\nTo: b\n":          true,
		"From: a\rTo: b\r\r":                      true,
		"\n\nReceived: x\n y\nDate: z\n":          true,
		"timestamp,ip\n1,2\n":                     false,
		`{"from": "a", "to": "b"}`:                false,
		"Version: 4\nCategory: x\n":               false,
		"":                                        false,
		"Dear desk,\nFrom: a\nTo: b\n":            false,
		"Subject: only one known field\nFoo: b\n": false,
	} {
		if got := mail.Looks([]byte(in)); got != want {
			t.Errorf("Looks(%q) = %v", in, got)
		}
	}
}

func BenchmarkBase64(b *testing.B) {
	text := "Content-Transfer-Encoding: base64\n\n" + strings.Repeat(strings.Repeat("QUJD", 19)+"\r\n", 20000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		m, err := mail.NewReader(strings.NewReader(text), limits)
		if err != nil {
			b.Fatal(err)
		}
		p, err := m.Next()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, p.Body); err != nil {
			b.Fatal(err)
		}
	}
}

func TestUnarmour(t *testing.T) {
	const message = "before\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\none\r\n- -----\n- - two\n- From three\n" +
		"-----BEGIN PGP SIGNATURE-----\nVersion: x\n\nAAAA\n-----END PGP SIGNATURE-----\nafter\n"
	for in, want := range map[string]string{
		"":           "",
		"- one\n":    "- one\n",
		message:      "before\none\r\n-----\n- two\nFrom three\n",
		message[:54]: "before\n",
		message[:len("before\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\none\r\n- --")]: "before\none\r\n--",
	} {
		if got := string(mail.Unarmour([]byte(in))); got != want {
			t.Errorf("Unarmour(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestReadTime(t *testing.T) {
	for in, want := range map[string]string{
		"2026-03-01T02:10:00Z":                 "2026-03-01T02:10:00Z true",
		"2026-03-01T02:10:00.25+01:00":         "2026-03-01T01:10:00.25Z true",
		"2026-03-01 02:10:00 +0100":            "2026-03-01T01:10:00Z true",
		"2026-03-01 02:10:00 UTC":              "2026-03-01T02:10:00Z true",
		"2026-03-01 02:10:00":                  "2026-03-01T02:10:00Z false",
		"2026-03-01T02:10:00":                  "2026-03-01T02:10:00Z false",
		"Sun, 01 Mar 2026 02:10:00 -0500":      "2026-03-01T07:10:00Z true",
		"Sun, 01 Mar 2026 02:10:00 CET":        "2026-03-01T01:10:00Z true",
		"Sun, 01 Mar 2026 02:10:00":            "2026-03-01T02:10:00Z false",
		"Mar  1 2026 02:10:00 +0100":           "2026-03-01T01:10:00Z true",
		"Mar 1, 2026 02:10:00 GMT":             "2026-03-01T02:10:00Z true",
		"Sun Mar  1 02:10:00 2026":             "2026-03-01T02:10:00Z false",
		"March":                                "",
		"":                                     "",
		"yesterday":                            "",
		"2026-02-30T02:10:00Z":                 "",
		"31 Feb 2026 02:10:00 +0000":           "",
		"Feb 31 2026 02:10:00 +0000":           "",
		"1772331000":                           "",
		strings.Repeat("Mar ", 2000):           "",
		"Mar 1 2026 99:10:00 +0000":            "",
		"Sun, Sun, 01 Mar 2026 02:10:00 +0000": "2026-03-01T02:10:00Z true",
	} {
		at, zoned, ok := mail.ReadTime(in)
		got := ""
		if ok {
			got = fmt.Sprintf("%s %v", at.Format(time.RFC3339Nano), zoned)
		}
		if got != want {
			t.Errorf("ReadTime(%q) = %q, want %q", in, got, want)
		}
	}
}
