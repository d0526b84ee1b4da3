package main_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// A mail of a feedback loop in pieces, each of which can be spoilt.
const (
	badHead = "From: Loop <loop@mail.example.net>\r\nTo: abuse@example.org\r\nDate: Fri, 1 Mar 2024 02:00:00 +0000\r\n" +
		"Message-ID: <1@mail.example.net>\r\nMIME-Version: 1.0\r\n"
	badSubject = "Subject: complaint\r\n"
	badLetter  = "Content-Type: text/plain\r\n\r\nSomebody at 198.51.100.7 sends mail in my name.\r\n"
	loopHead   = "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n"
	loopParts  = "\r\n--b\r\nContent-Type: text/plain\r\n\r\nabuse\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n" +
		"Feedback-Type: abuse\r\nUser-Agent: x/1\r\nVersion: 1\r\nSource-IP: 203.0.113.7\r\nArrival-Date: Fri, 1 Mar 2024 01:00:00 +0000\r\n" +
		"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: a@b.example\r\nSubject: buy\r\n\r\nBuy\r\n"
	loopEnd  = "--b--\r\n"
	personal = "the mail is in no format that Tocsin knows: read it, and make events of what it says"
)

// hostileMails are mails that try to be something else, to break their reader or to hide. Every one ends as an event, as
// a letter for a person, or in the quarantine with a reason.
func hostileMails() map[string]struct {
	body       string
	event      bool
	waits, bad string // the reason, which may be cut
} {
	type end = struct {
		body       string
		event      bool
		waits, bad string
	}
	nested := badHead + badSubject + badLetter
	for range 60 {
		nested = badHead + badSubject + "Content-Type: message/rfc822\r\n\r\n" + nested
	}
	return map[string]end{
		"a header that an encoded word injects": {badHead + "Subject: =?utf-8?q?x=0D=0AX-Spam-Flag:_YES=0D=0AFrom:_boss@example.org?=\r\n" + loopHead + loopParts + loopEnd, true, "", ""},
		"10,000 headers":                        {badHead + manyHeaders(10_000) + badSubject + badLetter, false, personal, ""},
		"boundary that never comes":             {badHead + badSubject + strings.Replace(loopHead, "=b\r", "=nowhere\r", 1) + loopParts + loopEnd, false, "", "the mail ends inside of a part"},
		"boundary of nothing":                   {badHead + badSubject + strings.Replace(loopHead, "=b\r", "=\r", 1) + loopParts + loopEnd, true, "", ""},
		"no end":                                {badHead + badSubject + loopHead + loopParts, true, "", ""},
		"a charset that there is not":           {badHead + badSubject + "Content-Type: text/plain; charset=utf-99\r\n\r\nSomebody at 198.51.100.7 \xff\xfe\x80 attacks.\r\n", false, personal, ""},
		"UTF-7 in an unknown encoding":          {badHead + badSubject + "Content-Type: text/plain; charset=utf-7\r\nContent-Transfer-Encoding: x-unknown\r\n\r\n+ADw-script+AD4-\r\n", false, personal, ""},
		"base64 that is none":                   {badHead + badSubject + "Content-Type: text/csv; name=" + telnetName + "\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!notbase64\r\n", false, "nothing in the mail is in a format that Tocsin knows; of what hangs on it,", ""},
		"a NUL":                                 {badHead + badSubject + "Content-Type: text/plain\r\n\r\nhel\x00lo\r\n", false, personal, ""},
		"HTML with hidden text":                 {badHead + badSubject + "Content-Type: text/html\r\n\r\n<p>Hello</p><div style=\"display:none\">Abuse from 198.51.100.77, Fri, 1 Mar 2024 01:00:00 +0000</div>\r\n", false, personal, ""},
		"60 mails in one another":               {nested, false, "", "the report is packed more than 8 times over"},
		"an encrypted zip":                      {badHead + badSubject + "Content-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n" + encryptedZip + "\r\n", false, "", "the zip member is encrypted"},
		"a mail of a trusted sender's name":     {strings.Replace(badHead, "loop@mail.example.net", "reports@trusted.example", 1) + badSubject + loopHead + loopParts + loopEnd, true, "", ""},
	}
}

// encryptedZip is a zip of one empty file whose flags say that it is encrypted (APPNOTE 4.4.4, bit 0).
const encryptedZip = "UEsDBAoAAQAAAAAAIQAAAAAAAAAAAAAAAAABAAAAYVBLAQIUAAoAAQAAAAAAIQAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAABhUEsFBgAAAAABAAEALwAAAB8AAAAAAA=="

func manyHeaders(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "X-Filler-%d: y\r\n", i)
	}
	return b.String()
}

// TestBadMail: each hostile mail is answered in a sentence, costs little, and is there afterwards.
func TestBadMail(t *testing.T) {
	p := buildProgram(t)
	for name, m := range hostileMails() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "bad.eml")
			file(t, path, text(m.body))

			r := p.run(t, "parse", path)
			r.under(t, parseMiB)
			want, code := summary{Reports: 1}, 0
			switch {
			case m.event:
				want.Events = 1
				if !strings.Contains(r.out, `"addr":"203.0.113.7"`) || strings.Count(r.out, "\n") != 1 {
					t.Errorf("parse prints %.1000s", r.out)
				}
			case m.waits != "":
				want.Waiting = 1
				if !strings.Contains(r.out+r.errs, "bad.eml:0: waits for a person: "+m.waits) {
					t.Errorf("parse says %.1000s, want that it waits: %s", r.out+r.errs, m.waits)
				}
			default:
				want.Rejected, code = 1, 1
				if !strings.Contains(r.errs, m.bad) || strings.Count(r.errs, "\n") != 1 {
					t.Errorf("parse says %.1000s, want %s", r.errs, m.bad)
				}
			}
			r.ends(t, 1-int(want.Events)) // was everything an event?

			data := filepath.Join(dir, "data")
			r = p.run(t, "import", "--json", "--data", data, path)
			r.under(t, importMiB)
			r.ends(t, code)
			if got := r.summary(t); got != want {
				t.Errorf("import counts %+v, want %+v", got, want)
			}
			r = p.run(t, "import", "--json", "--data", data, path)
			r.ends(t, 0)
			if got := r.summary(t); got != (summary{Reports: 1, Duplicates: 1}) {
				t.Errorf("a second import counts %+v", got)
			}
		})
	}
}
