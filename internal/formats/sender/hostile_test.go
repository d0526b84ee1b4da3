package sender_test

import (
	"fmt"
	"strings"
	"testing"

	"tocsin/internal/formats/sender"
	"tocsin/internal/report"
)

// hostile are mails that would take long if anything looked at their text more than a few times; n is their length in
// bytes, about.
func hostile(n int) map[string]string {
	const date = "Date: Sun, 01 Mar 2026 12:00:00 +0000\n"
	fill := func(s string) string { return strings.Repeat(s, n/len(s)) }
	return map[string]string{
		"nfoservers": "From: a@nfoservers.com\nSubject: Compromised host used for an attack: 198.51.100.7\n" + date + "\nNFOservers.com\n" +
			fill("2026-03-01 10:00:00.1 IP (tos 0x0, proto UDP (17), length 9"),
		"netcraft": "From: a@netcraft.com\nSubject: Issue 1: Phishing attack at 198.51.100.7\n" + date + "\n" +
			fill("hxxp://x originating from the following IP address: "),
		"fail2ban": "From: a@example.com\nSubject: Abuse from 198.51.100.7\n" + date + "\nWe have detected abuse from \n" +
			fill("Mar  1 02:10:00 mx sshd[1]: Failed password for x from\n"),
		"html": "From: a@abuseipdb.com\nSubject: report\nContent-Type: text/html\n" + date + "\n" + fill("<p hidde <!-- <script>"),
		"from": "From: " + fill("a@<") + "\nSubject: " + fill("[a #1] ") + "\n" + date + "\nx\n",
	}
}

// TestHostileMails: a mail of any text comes to its end, with one event or refusal. What it takes is measured by BenchmarkHostile.
func TestHostileMails(t *testing.T) {
	for name, in := range hostile(1 << 20) {
		n := 0
		for range sender.Parse(report.Document{Reader: strings.NewReader(in)}) {
			n++
		}
		if n != 1 {
			t.Errorf("%s: %d rows, want 1", name, n)
		}
		sender.Detect(report.Document{}, []byte(in[:min(len(in), 64<<10)]))
	}
}

// BenchmarkHostile: MB/s stays the same when the mail is four times as long.
func BenchmarkHostile(b *testing.B) {
	for _, n := range []int{1 << 18, 1 << 20} {
		for name, in := range hostile(n) {
			b.Run(fmt.Sprintf("%s-%dKiB", name, n>>10), func(b *testing.B) {
				b.SetBytes(int64(len(in)))
				for b.Loop() {
					for range sender.Parse(report.Document{Reader: strings.NewReader(in)}) {
					}
				}
			})
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
