package sender_test

import (
	"strings"
	"testing"
	"time"

	"tocsin/internal/formats/sender"
	"tocsin/internal/report"
)

// TestHostileMails: no mail takes long, whatever its text. The bound is far above what it takes.
func TestHostileMails(t *testing.T) {
	date := "Date: Sun, 01 Mar 2026 12:00:00 +0000\n"
	for name, in := range map[string]string{
		"nfoservers": "From: a@nfoservers.com\nSubject: Compromised host used for an attack: 198.51.100.7\n" + date + "\nNFOservers.com\n" +
			strings.Repeat("2026-03-01 10:00:00.1 IP (tos 0x0, proto UDP (17), length 9", 18000),
		"netcraft": "From: a@netcraft.com\nSubject: Issue 1: Phishing attack at 198.51.100.7\n" + date + "\n" +
			strings.Repeat("hxxp://x originating from the following IP address: ", 20000),
		"fail2ban": "From: a@example.com\nSubject: Abuse from 198.51.100.7\n" + date + "\nWe have detected abuse from \n" +
			strings.Repeat("Mar  1 02:10:00 mx sshd[1]: Failed password for x from\n", 18000),
		"html": "From: a@abuseipdb.com\nSubject: report\nContent-Type: text/html\n" + date + "\n" + strings.Repeat("<p hidde <!-- <script>", 45000),
		"from": "From: " + strings.Repeat("a@<", 100000) + "\nSubject: " + strings.Repeat("[a #1] ", 100000) + "\n" + date + "\nx\n",
	} {
		start := time.Now()
		n := 0
		for range sender.Parse(report.Document{Reader: strings.NewReader(in)}) {
			n++
		}
		sender.Detect(report.Document{}, []byte(in[:min(len(in), 64<<10)]))
		took := time.Since(start)
		t.Logf("%s: %d rows in %s", name, n, took)
		if took > 5*time.Second {
			t.Errorf("%s takes %s", name, took)
		}
	}
}

func BenchmarkDetect(b *testing.B) {
	head := []byte("From: a@example.com\nTo: b@example.com\nDate: Sun, 01 Mar 2026 12:00:00 +0000\nSubject: Hello\n\n" + strings.Repeat("Some text of a mail for a person.\n", 100))
	b.SetBytes(int64(len(head)))
	for b.Loop() {
		sender.Detect(report.Document{}, head)
	}
}
