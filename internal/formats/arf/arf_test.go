package arf_test

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/formats"
	"tocsin/internal/formats/arf"
	"tocsin/internal/report"
)

const complaint = `From: Feedback <feedback@example.net>
To: abuse@example.com
Date: %s
Subject: Abuse report
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: X/1
Version: 1
Source-IP: 198.51.100.7
Original-Mail-From: %s
Original-Rcpt-To: bob@example.net
Removal-Recipient: bob@example.net
Authentication-Results: mx.example.net; spf=pass smtp.mailfrom=x-bob=example.net@example.com
Reported-Domain: example.com
Reported-URI: https://www.example.com/unsubscribe?bob@example.net
Reported-URI: https://www.example.com/u/bob%%40example.net/x
Reported-URI: mailto:bob@example.net
Reported-URI: https://www.example.com/plain
X-Complainant: Bob Example

--b
Content-Type: message/rfc822

From: Shop <shop@example.com>
To: bob@example.net
Date: Sun, 01 Mar 2026 09:00:00 +0000
Subject: Dear Bob
Message-ID: <bob=example.net@example.com>

Buy, Bob.
--b--
`

func one(t *testing.T, date, from string) report.Event {
	t.Helper()
	for e, err := range arf.Parse(report.Document{Reader: strings.NewReader(fmt.Sprintf(complaint, date, from))}) {
		if err != nil {
			t.Fatal(err)
		}
		e.Format = "arf"
		return e
	}
	t.Fatal("no event")
	return report.Event{}
}

// TestRedact: nothing of Bob or of his mail is left, what the desk needs is, and the stored event is untouched.
func TestRedact(t *testing.T) {
	e := one(t, "Sun, 01 Mar 2026 10:00:00 +0000", "<shop@example.com>")
	e.Subject.URL = "https://www.example.com/login?user=bob"
	before := string(e.AppendJSON(nil))
	shown := e
	formats.Tables{}.Redact(&shown)
	if after := string(e.AppendJSON(nil)); after != before {
		t.Errorf("the event itself was changed: %s", after)
	}
	text := string(shown.AppendJSON(nil))
	for _, secret := range []string{"bob", "Bob", "Dear", "Shop"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is shown: %s", secret, text)
		}
	}
	want := []report.Detail{
		{Name: "feedback-type", Value: "abuse"},
		{Name: "user-agent", Value: "X/1"},
		{Name: "version", Value: "1"},
		{Name: "original-mail-from", Value: "<shop@example.com>"},
		{Name: "original-rcpt-to", Value: arf.Redacted},
		{Name: "removal-recipient", Value: arf.Redacted},
		{Name: "authentication-results", Value: arf.Redacted},
		{Name: "reported-domain", Value: "example.com"},
		{Name: "reported-uri", Value: "https://www.example.com/unsubscribe?[redacted]\nhttps://www.example.com/[redacted]\n" +
			"[redacted]\nhttps://www.example.com/plain"},
		{Name: "x-complainant", Value: arf.Redacted},
		{Name: "quoted-from", Value: arf.Redacted},
		{Name: "quoted-date", Value: arf.Redacted},
		{Name: "quoted-subject", Value: arf.Redacted},
		{Name: "quoted-message-id", Value: arf.Redacted},
		{Name: "quoted-bytes", Value: e.Detail("quoted-bytes")},
		{Name: "quoted-sha256", Value: e.Detail("quoted-sha256")},
	}
	if diff := cmp.Diff(want, shown.Details); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, verp := range []string{"x-bob=example.net@example.com", "list+bob@example.com", `"bob@example.net"@example.com`} {
		e := one(t, "Sun, 01 Mar 2026 10:00:00 +0000", verp)
		formats.Tables{}.Redact(&e)
		if got := e.Detail("original-mail-from"); got != arf.Redacted {
			t.Errorf("%s is shown as %s", verp, got)
		}
	}
}

func TestDates(t *testing.T) {
	for in, want := range map[string]string{
		"Sun, 01 Mar 2026 10:00:00 +0100":                  "2026-03-01T09:00:00Z",
		"1 Mar 2026 10:00 -0430":                           "2026-03-01T14:30:00Z",
		"Mon, 1 Mar 2026 7:01:13 GMT":                      "2026-03-01T07:01:13Z", // wrong day, one digit
		"Thu, 8 Mar 2005 14:00:00 EDT":                     "2005-03-08T18:00:00Z",
		"Sun, 1 Mar 2026 23:34:45 JST":                     "2026-03-01T14:34:45Z",
		"Sun, 1 Mar 2026 23:34:45 XYZ":                     "2026-03-01T23:34:45Z", // RFC 5322 §4.3
		"Sun, 1 Mar 2026 23:34:45 -0000 (EST)":             "2026-03-01T23:34:45Z",
		"Sun (a (nested) comment), 1 Mar 2026 23:34:45 +0": "2026-03-01T23:34:45Z",
		"1 Mar 26 08:00 UT":                                "2026-03-01T08:00:00Z",
		"1 Mar 99 08:00 UT":                                "1999-03-01T08:00:00Z",
		"1 Mar 126 08:00 UT":                               "2026-03-01T08:00:00Z",
		"1 March 2026 08:00:60 Z":                          "2026-03-01T08:01:00Z",
		"2026-03-01T10:00:00+02:00":                        "2026-03-01T08:00:00Z",
		"1 Mar 2026 08:00":                                 "2026-03-01T08:00:00Z",
	} {
		if e := one(t, in, "a@example.com"); e.From.Format("2006-01-02T15:04:05Z07:00") != want {
			t.Errorf("%q is %s, want %s", in, e.From, want)
		}
	}
	for _, in := range []string{
		"x", "1", ",", "Sun,", "1 Mar", "32 Mar 2026 00:00 Z", "1 Foo 2026 00:00 Z", "1 Mar 2026 24:00 Z",
		"1 Mar 2026 00:61 Z", "1 Mar 2026 00 Z", "1 Mar 2026 00:00 +99", "1 Mar 2026 00:00 +9999", "1 Mar 2026 -1:00 Z", "((((", "1 Ma 2026 00:00 Z",
	} {
		for e, err := range arf.Parse(report.Document{Reader: strings.NewReader(fmt.Sprintf(complaint, in, "a@example.com"))}) {
			if in != "1 Mar 2026 00:00 +99" && (err == nil || !strings.Contains(err.Error(), "is no date of RFC 5322")) {
				t.Errorf("%q is taken for %s, %v", in, e.From, err)
			}
		}
	}
}

// TestBounceOfAReport: a bounce that quotes a feedback report is none, whatever its own type.
func TestBounceOfAReport(t *testing.T) {
	inner := strings.ReplaceAll(fmt.Sprintf(complaint, "Sun, 01 Mar 2026 10:00:00 +0000", "a@example.com"), "\n", "\n")
	for _, typ := range []string{"multipart/report; report-type=delivery-status", "multipart/report", "multipart/mixed"} {
		bounce := "From: MAILER-DAEMON@example.com\nTo: feedback@example.net\nContent-Type: " + typ + "; boundary=o\n\n" +
			"--o\nContent-Type: text/plain\n\nundeliverable\n--o\nContent-Type: message/rfc822\n\n" + inner + "--o--\n"
		if detected([]byte(bounce)) {
			t.Errorf("%s is taken for a feedback report", typ)
		}
	}
}

// TestHugeQuotedMail: 256 MiB of quoted mail passes through, and nothing of it stays.
func TestHugeQuotedMail(t *testing.T) {
	head, tail, _ := strings.Cut(fmt.Sprintf(complaint, "Sun, 01 Mar 2026 10:00:00 +0000", "a@example.com"), "Buy, Bob.\n")
	const size = 1 << 28
	line := strings.Repeat("x", 75) + "\n"
	body := io.LimitReader(&endless{strings.Repeat(line, 800)}, size/76*76)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n := 0
	for e, err := range arf.Parse(report.Document{Reader: io.MultiReader(strings.NewReader(head), body, strings.NewReader(tail))}) {
		if n++; err != nil || len(e.Detail("quoted-bytes")) != len(fmt.Sprint(size)) {
			t.Errorf("%s, %v", e.Detail("quoted-bytes"), err)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; n != 1 || grown > 4<<20 {
		t.Errorf("%d events, %d bytes allocated", n, grown)
	}
}

// endless repeats whole lines.
type endless struct{ text string }

func (e *endless) Read(p []byte) (int, error) {
	if len(p) < len(e.text) {
		n := len(p) / 76 * 76
		if n == 0 {
			return 0, io.ErrShortBuffer
		}
		return copy(p[:n], e.text), nil
	}
	return copy(p, e.text), nil
}

// TestBigReport: the machine-readable part has a limit of its own.
func TestBigReport(t *testing.T) {
	text := strings.Replace(fmt.Sprintf(complaint, "Sun, 01 Mar 2026 10:00:00 +0000", "a@example.com"),
		"Version: 1\n", "Version: 1\nX: "+strings.Repeat("y", 2<<20)+"\n", 1)
	for _, err := range arf.Parse(report.Document{Reader: strings.NewReader(text)}) {
		if err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
			t.Errorf("got %v", err)
		}
	}
}

// TestManyFields: a field repeated a quarter of a million times takes no time worth a word.
func TestManyFields(t *testing.T) {
	text := strings.Replace(fmt.Sprintf(complaint, "Sun, 01 Mar 2026 10:00:00 +0000", "a@example.com"),
		"Version: 1\n", "Version: 1\n"+strings.Repeat("X:y\n", 250000), 1)
	for e, err := range arf.Parse(report.Document{Reader: strings.NewReader(text)}) {
		if err != nil || len(e.Detail("x")) != 2*250000-1 {
			t.Errorf("%d bytes, %v", len(e.Detail("x")), err)
		}
	}
}
