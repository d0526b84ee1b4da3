package arf

import (
	"strings"

	"tocsin/internal/report"
)

// Redacted stands in place of what is not shown.
const Redacted = "[redacted]"

// shown are the details that say nothing of the person who complained nor of the mail. Everything else is redacted,
// fields that nobody knows yet included: the safe side is not to show.
var shown = map[string]bool{
	"feedback-type": true, "abuse-type": true, "user-agent": true, "version": true, "incidents": true,
	"arrival-date": true, "received-date": true, "source-ip": true, "source-port": true, "source": true,
	"reporting-mta": true, "reported-domain": true, "auth-failure": true, "delivery-result": true,
	"identity-alignment": true, "dkim-domain": true, "dkim-selector": true, "dkim-adsp-dns": true,
	"dkim-selector-dns": true, "spf-dns": true, "spf-alignment": true, "dkim-alignment": true, "dmarc-results": true,
	"quoted-bytes": true, "quoted-sha256": true, "warning": true,
}

// Redact takes the complainant and the quoted mail out of an event that is shown to people (RFC 6590 says why). The sender's address stays unless it carries the recipient's inside, as mailing lists write it; links lose
// what follows their path, where they too name the recipient.
func Redact(e *report.Event) {
	for i := range e.Details {
		d := &e.Details[i]
		switch {
		case shown[d.Name]:
		case d.Name == "original-mail-from" && !strings.ContainsAny(d.Value, "=+#\n") && strings.Count(d.Value, "@") < 2:
		case d.Name == "reported-uri":
			lines := strings.Split(d.Value, "\n")
			for i := range lines {
				lines[i] = redactLink(strings.Trim(lines[i], "<> "))
			}
			d.Value = strings.Join(lines, "\n")
		default:
			d.Value = Redacted
		}
	}
	e.Subject.URL = redactLink(e.Subject.URL)
}

func redactLink(u string) string {
	if u == "" {
		return ""
	}
	if !isWeb(u) {
		return Redacted
	}
	if i := strings.IndexAny(u, "?#"); i >= 0 {
		u = u[:i+1] + Redacted
	}
	if strings.ContainsRune(u, '@') || strings.Contains(strings.ToLower(u), "%40") {
		scheme, rest, _ := strings.Cut(u, "://")
		host, _, _ := strings.Cut(rest, "/")
		host = host[strings.LastIndexByte(host, '@')+1:]
		u = scheme + "://" + host + "/" + Redacted
	}
	return u
}
