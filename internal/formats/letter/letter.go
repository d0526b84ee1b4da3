// Package letter knows mails that are in no format: which of them are no reports at all, and what a person who reads
// the others may want to know. It decides nothing about a report that a format claims.
package letter

import (
	"net/mail"
	"strings"

	message "tocsin/internal/formats/internal/mail"
	"tocsin/internal/report"
)

// Mail returns what the head of a mail says of itself.
func Mail(h message.Header) *report.Mail {
	m := &report.Mail{
		MessageID: messageID(h.Get("Message-ID")), From: address(h.Get("From")),
		Subject: report.CleanName(message.Decode(h.Get("Subject"))),
	}
	// RFC 5322 §3.6.4: a reply names its parent in In-Reply-To, and all before it in References. Some give one only.
	for _, field := range [...]string{"References", "In-Reply-To"} {
		for id := range strings.FieldsFuncSeq(h.Get(field), between) {
			if strings.Contains(id, "@") && len(id) <= maxID && id != m.MessageID {
				m.References = append(m.References, id)
			}
		}
	}
	if n := len(m.References); n > report.MaxReferences {
		m.References = append(m.References[:1:1], m.References[n-report.MaxReferences+1:]...)
	}
	return m
}

const maxID = 998 // RFC 5322 §2.1.1: of a line

func between(r rune) bool {
	return r == '<' || r == '>' || r == ' ' || r == '\t' || r == ',' || r == ';'
}

func messageID(v string) string {
	for id := range strings.FieldsFuncSeq(v, between) {
		if len(id) <= maxID {
			return id
		}
	}
	return ""
}

// address is the address of the first author; what is no address is searched for one.
func address(from string) string {
	from = message.Decode(from)
	if list, err := mail.ParseAddressList(from); err == nil && len(list) > 0 {
		return clean(list[0].Address)
	}
	for word := range strings.FieldsFuncSeq(from, func(r rune) bool { return between(r) || r == '"' }) {
		if local, domain, ok := strings.Cut(word, "@"); ok && local != "" && domain != "" {
			return clean(word)
		}
	}
	return ""
}

func clean(address string) string { return strings.ToLower(report.CleanName(address)) }
