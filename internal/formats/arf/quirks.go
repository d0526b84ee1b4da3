package arf

import (
	"bytes"
	"strings"

	"tocsin/internal/formats/internal/mail"
)

// inferred builds the fields of a feedback report for the loops that send none, out of what they say in words of
// their own; nil when the mail is of no such loop.
func (w *wire) inferred() mail.Header {
	if a, ok := complaintSubject(w.header); ok {
		return mail.Header{{Name: "Feedback-Type", Value: "abuse"}, {Name: "Source-IP", Value: a}}
	}
	if isPlainReport(w.text) {
		return plainReport(w.text)
	}
	return nil
}

// complaintSubject: Microsoft's Junk Mail Reporting Program sends the mail as it was, and the address in the subject.
func complaintSubject(h mail.Header) (addr string, ok bool) {
	rest, ok := strings.CutPrefix(strings.ToLower(h.Get("Subject")), "complaint about message from ")
	if !ok {
		return "", false
	}
	switch from := domainOf(h.Get("From")); from {
	case "hotmail.com", "outlook.com", "live.com", "microsoft.com":
	default:
		return "", false
	}
	addr = firstWord(rest)
	_, err := address(addr)
	return addr, err == nil
}

// plainLead opens the failure reports of mail gateways that write RFC 6591's facts as lines for people.
const plainLead = "has failed the published DMARC policy for your domain"

// plainFields are the labels of these lines, and the field that each stands for.
var plainFields = map[string]string{
	"sender domain":     "Reported-Domain",
	"sender ip address": "Source-IP",
	"received date":     "Arrival-Date",
	"spf alignment":     "SPF-Alignment",
	"dkim alignment":    "DKIM-Alignment",
	"dmarc results":     "DMARC-Results",
}

func isPlainReport(text []byte) bool {
	lead, _, _ := bytes.Cut(text, []byte("\n------"))
	return bytes.Contains(lead, []byte(plainLead)) && bytes.Contains(lead, []byte("Sender IP Address:"))
}

// plainReport reads the lines up to the copy of the headers: below it the offender writes.
func plainReport(text []byte) mail.Header {
	lead, _, _ := bytes.Cut(text, []byte("\n------"))
	h := mail.Header{{Name: "Feedback-Type", Value: "auth-failure"}, {Name: "Auth-Failure", Value: "dmarc"}}
	for line := range strings.Lines(string(lead)) {
		label, value, ok := strings.Cut(line, ":")
		if name := plainFields[strings.ToLower(strings.TrimSpace(label))]; ok && name != "" {
			h = append(h, mail.Field{Name: name, Value: strings.TrimSpace(value)})
		}
	}
	return h
}
