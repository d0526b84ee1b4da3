package letter

import (
	"strings"

	"tocsin/internal/report"

	message "tocsin/internal/formats/internal/mail"
)

// Aside says of a mail whether a machine answers one of ours with it: a bounce, an auto-reply, a receipt. These are
// never reports, whatever they quote, and an answer to one would begin a loop (RFC 3834 §2). Nil: it may be a report.
func Aside(h message.Header) *report.Letter {
	media, params := message.MediaType(h.Get("Content-Type"))
	switch kind := strings.ToLower(params["report-type"]); {
	case media == "multipart/report" && kind == "feedback-report": // RFC 5965: a report, whoever sent it how
		return nil
	case media == "multipart/report" && (kind == "delivery-status" || kind == "global-delivery-status"): // RFC 6522, RFC 3464
		return aside("a mail server says what became of a mail of ours (a bounce): nothing is reported")
	case media == "multipart/report" && kind == "disposition-notification": // RFC 8098
		return aside("a mail program says that a mail of ours was read (a receipt): nothing is reported")
	}
	switch {
	case h.Get("X-Failed-Recipients") != "", fromDaemon(h) && bounceSubject(h):
		return aside("a mail server says what became of a mail of ours (a bounce): nothing is reported")
	case autoReplied(h):
		return aside("a machine answers a mail of ours (an auto-reply): nothing is reported")
	}
	return nil
}

func aside(reason string) *report.Letter {
	return &report.Letter{State: report.StateAside, Reason: reason}
}

// Spam says of a mail that no format claims whether our own mail server took it for spam. Reports quote spam, so this
// is asked last.
func Spam(h message.Header) *report.Letter {
	for _, field := range [...]string{"X-Spam-Flag", "X-Spam-Status", "X-Spam"} {
		if v := strings.ToLower(h.Get(field)); v == "yes" || strings.HasPrefix(v, "yes,") || v == "true" {
			return aside("our mail server marked the mail as spam (" + field + "), and it is in no format that Tocsin knows")
		}
	}
	return nil
}

// autoReplied reports whether a machine answered. "auto-generated" is no answer: reports are generated too.
func autoReplied(h message.Header) bool {
	auto := strings.ToLower(h.Get("Auto-Submitted"))
	if end := strings.IndexAny(auto, ";("); end >= 0 { // RFC 3834 §5.1: parameters and comments may follow
		auto = auto[:end]
	}
	auto = strings.TrimSpace(auto)
	if auto == "auto-replied" || auto == "auto-notified" { // RFC 5436 §2.7.1
		return true
	}
	if strings.EqualFold(h.Get("Precedence"), "auto_reply") {
		return true
	}
	for _, field := range [...]string{"X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Auto-Reply-From", "X-MS-Exchange-Inbox-Rules-Loop"} {
		if v := h.Get(field); v != "" && !strings.EqualFold(v, "no") {
			return true
		}
	}
	// Programs that mark nothing else: the subject alone proves nothing, a person may quote it.
	// "auto-generated" together with such a subject is an answer (RFC 3834 §5 has auto-replied for it; Exchange's rules
	// and ticket systems do not).
	precedence := strings.ToLower(h.Get("Precedence"))
	marked := auto == "auto-generated" || h.Get("X-Auto-Response-Suppress") != "" || precedence == "bulk" || precedence == "junk" || h.Get("Return-Path") == "<>"
	return marked && begins(h.Get("Subject"), autoSubjects)
}

var autoSubjects = []string{
	"automatic reply:", "auto-reply:", "autoreply:", "auto reply:", "out of office", "out of the office", "vacation",
	"automatische antwort:", "abwesenheitsnotiz", "réponse automatique", "respuesta automática", "risposta automatica",
	"automatisch antwoord", "automatisch svar", "autosvar", "odpowiedź automatyczna", "automatická odpověď", "resposta automática",
}

// fromDaemon reports whether a mail server itself is the author (RFC 3464 §2: the envelope's sender is empty).
func fromDaemon(h message.Header) bool {
	local, _, _ := strings.Cut(address(h.Get("From")), "@")
	return local == "mailer-daemon" || (local == "postmaster" && (h.Get("Return-Path") == "<>" || h.Get("Return-Path") == ""))
}

var bounceSubjects = []string{
	"undeliver", "undelivered mail", "delivery status notification", "mail delivery", "delivery failure", "delivery notification",
	"failure notice", "returned mail", "message delivery", "warning: could not send", "warning: message", "nondeliverable",
	"mail system error", "unzustellbar", "non remis", "delivery has failed", "delayed mail", "rejected",
}

func bounceSubject(h message.Header) bool { return begins(h.Get("Subject"), bounceSubjects) }

func begins(subject string, with []string) bool {
	subject = strings.ToLower(strings.TrimSpace(message.Decode(subject)))
	for _, w := range with {
		if strings.HasPrefix(subject, w) {
			return true
		}
	}
	return false
}
