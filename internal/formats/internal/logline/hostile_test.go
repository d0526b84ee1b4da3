package logline_test

import (
	"strings"
	"testing"

	"tocsin/internal/formats/internal/logline"
)

// BenchmarkHostileLines: no line takes long, whatever stands in it.
func BenchmarkHostileLines(b *testing.B) {
	words := `PAM: Failed user not allowed because Received disconnect Disconnecting Connection pam_ rip= auth( authenticator failed rejected SMTP ` +
		`LOGIN FAILED badlogin "POST "GET " 400 " 401 " 40 =http client: (attacker ' |user| Access denied failed for ' sofia_reg.c SRC= DST= ` +
		`File does not exist ModSecurity in request request failed not found Login failed for user USER_ SecurityEvent Rejected connection Ban `
	for name, line := range map[string]string{
		"words":    "Mar  1 02:10:00 mx sshd[1]: " + strings.Repeat(words, 60),
		"apache":   "[Sun Mar 01 02:10:00 2026] [error] [client 198.51.100.7] " + strings.Repeat("ModSecurity: user x not found: ", 500),
		"access":   "198.51.100.7 - - [01/Mar/2026:02:10:00 +0100] " + strings.Repeat(`"GET /?=http " 400 `, 800),
		"dovecot":  "Mar  1 02:10:00 mx dovecot: imap-login: Disconnected" + strings.Repeat(" (auth failed", 1200) + " rip=",
		"firewall": "Mar  1 02:10:00 fw kernel: IN= OUT= SRC=198.51.100.7 DST=203.0.113.9 " + strings.Repeat("LEN=4 ", 2500) + "PROTO=",
		"sshd":     "Mar  1 02:10:00 mx sshd[1]: Failed password for " + strings.Repeat("x from 198.51.100.7 port 1 ssh2: ", 450),
		"colons":   "Mar  1 02:10:00 mx sshd[1]: Failed password for x from " + strings.Repeat(":", 15000),
		"spaces":   strings.Repeat(" ", 15000) + "x",
	} {
		line = line[:min(len(line), logline.MaxBytes)]
		s := logline.Scanner{Complaint: true}
		s.Line("Mar  1 02:10:00 mx sshd[1]: x") // the tables are made ready once
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				s.Line(line)
			}
		})
	}
}
