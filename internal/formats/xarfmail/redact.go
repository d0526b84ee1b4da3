package xarfmail

import (
	"strings"

	"tocsin/internal/report"
)

// Redacted stands in place of what is not shown.
const Redacted = "[redacted]"

// shown are the fields, in lower case, that say nothing of the person who reported nor of whom it happened to.
// Everything else is redacted, fields that nobody knows yet included: the safe side is not to show.
var shown = map[string]bool{
	"category": true, "report-type": true, "report-id": true, "user-agent": true, "date": true, "source": true,
	"source-type": true, "source-port": true, "domain": true, "port": true, "service": true, "protocol": true,
	"destination-type": true, "destination-system": true, "destination-port": true, "attachment": true,
	"schema-url": true, "version": true, "occurrences": true, "tlp": true, "asn": true, "download-link": true,
	"download-port": true, "malware-md5": true, "antivirus-result": true, "antivirus-vendor": true,
	"evidence.type": true, "evidence.bytes": true, "evidence.sha256": true,
	"occurances": true, //nolint:misspell // fail2ban spells it so
}

// Redact takes the reporter and the victim out of an event that is shown to people.
func Redact(e *report.Event) {
	for i := range e.Details {
		d := &e.Details[i]
		name := strings.ToLower(d.Name)
		if !shown[name] && name != "warning" && !strings.HasPrefix(name, "warning.") {
			d.Value = Redacted
		}
	}
}
