package attacklog_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/internal/corpustest"
	"tocsin/internal/formats/attacklog"
	"tocsin/internal/report"
)

// undetected are files of the corpus in which no line shows an attack by the rules of attacklog.md.
var undetected = map[string]bool{
	"apache-fakegooglebot": true, "zzz-generic-example": true, "zzz-sshd-obsolete-multiline": true, "abuseipdb.conf": true,
}

func TestDetectCorpus(t *testing.T) {
	for _, entry := range corpustest.Entries(t, "attack_log") {
		b := read(t, entry.Path)
		name := filepath.Base(entry.Path)
		if got := attacklog.Detect(report.Document{Name: name}, b[:min(len(b), 64<<10)]); got == undetected[name] {
			t.Errorf("%s: detected %v", entry.Path, got)
		}
	}
}

// TestNotLogs: nothing else of the corpus is taken for a log.
func TestNotLogs(t *testing.T) {
	n := 0
	for _, kind := range []string{
		"arf_mail", "not_arf_mail", "generic_mail", "shadowserver_mail", "xarf_mail", "dmarc_tlsrpt", "shadowserver", "xarf_v3",
		"xarf_v4", "feeds", "feeds_full", "idea", "stix", "misp_event", "iodef_v1", "cgnat", "dhcp", "radius",
	} {
		for _, entry := range corpustest.Entries(t, kind) {
			b := read(t, entry.Path)
			if n++; attacklog.Detect(report.Document{}, b[:min(len(b), 64<<10)]) {
				t.Errorf("%s is taken for a log", entry.Path)
			}
		}
	}
	if n < 500 {
		t.Errorf("only %d files seen", n)
	}
}

// TestQuotedIsNoLog: prose that quotes lines is for a person, however many lines it quotes.
func TestQuotedIsNoLog(t *testing.T) {
	line := "Mar  1 02:10:00 mx sshd[1]: Failed password for root from 198.51.100.7 port 40022 ssh2\n"
	for name, text := range map[string]string{
		"prose":  "Hello,\n\nsomebody tries our server:\n\n" + line + "\nPlease help.\nBest regards\n",
		"quoted": "> " + strings.Repeat(line, 1) + "> " + line + "\nWe have seen your mail.\n",
		"mail":   "From: a@example.com\nTo: b@example.com\nSubject: log\n\n" + line + line,
	} {
		if attacklog.Detect(report.Document{}, []byte(text)) {
			t.Errorf("%s is taken for a log", name)
		}
	}
}

// TestTime: what a time leaves out is filled in by the mail's date, and the event says so.
func TestTime(t *testing.T) {
	cest := time.FixedZone("", 2*60*60)
	for _, c := range []struct {
		name, line string
		sent       time.Time
		want       string
		assumed    string
	}{
		{
			"by the mail", "Jan  1 00:30:00 mx sshd[1]: Invalid user a from 198.51.100.7", time.Date(2026, 1, 1, 1, 0, 0, 0, cest),
			"2025-12-31T22:30:00Z", "the year is that of the mail's date, the zone is +0200",
		},
		{
			"last year", "Dec 31 23:30:00 mx sshd[1]: Invalid user a from 198.51.100.7", time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC),
			"2025-12-31T23:30:00Z", "the year is that of the mail's date, the zone is UTC",
		},
		{
			"by arrival", "Feb 28 23:30:00 mx sshd[1]: Invalid user a from 198.51.100.7",
			time.Time{},
			"2026-02-28T23:30:00Z", "the year is that of when the report came in, the zone is UTC",
		},
		{
			"nothing is missing", "2026-02-28T23:30:00-05:00 mx sshd[1]: Invalid user a from 198.51.100.7",
			time.Date(2026, 3, 1, 1, 0, 0, 0, cest), "2026-03-01T04:30:00Z", "",
		},
		{
			"no time", "mx sshd[1]: Invalid user a from 198.51.100.7", time.Date(2026, 3, 1, 1, 0, 0, 0, cest),
			"2026-02-28T23:00:00Z", "the time is that of the mail's date",
		},
	} {
		doc := report.Document{Reader: strings.NewReader(c.line), Sent: c.sent, Received: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)}
		n := 0
		for e, err := range attacklog.Parse(doc) {
			if n++; err != nil || e.From.Format(time.RFC3339) != c.want || e.Detail("assumed") != c.assumed {
				t.Errorf("%s: %s, %q, %v; want %s, %q", c.name, e.From.Format(time.RFC3339), e.Detail("assumed"), err, c.want, c.assumed)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d events", c.name, n)
		}
	}
}
