package world

import (
	"fmt"
	"strings"
	"time"
)

// mailKind is one provider's feedback loop.
type mailKind struct {
	name     string // as the troubles' outlets have it
	reporter string
	agent    string
	port     bool // says the source port (RFC 6692 §2): without it nobody behind a CGNAT is found
}

var mailKinds = []mailKind{
	{"arf", byMailhaven, "Mailhaven-FBL/2.1", true},
	{"arf-noport", byPostbox, "PostboxFeedback/1.0", false},
}

func findMail(name string) *mailKind {
	for i := range mailKinds {
		if mailKinds[i].name == name {
			return &mailKinds[i]
		}
	}
	return nil
}

// portOf is the port that the mail gives.
func (m *mailKind) portOf(s sighting) uint16 {
	if m.port {
		return s.port
	}
	return 0
}

// arfMail writes the complaint about one spam mail as RFC 5965 has it: a text for people, a feedback report and
// the mail complained about, its recipient blotted out (RFC 6590).
func (w *World) arfMail(c *content, reporter string) []byte {
	p := &w.problems[c.problem]
	addr := w.addrOf(nil, c.sighting)
	at := time.Unix(c.at, 0).UTC()
	sent := at.Add(time.Duration(600+p.device%7200) * time.Second)
	id := string(appendHex(nil, mix(p.device^uint64(c.at)), 10))
	boundary := "feedback-" + id
	domain := reporter + ".example"
	victim := string(appendHex(nil, mix(p.device+uint64(c.at)), 12)) + "@" + domain
	stamp, arrival := sent.Format(time.RFC1123Z), at.Format(time.RFC1123Z)

	var b strings.Builder
	line := func(format string, args ...any) {
		fmt.Fprintf(&b, format, args...)
		b.WriteString("\r\n") // RFC 5322 §2.1
	}
	line("Received: from out1.%s (out1.%s [192.0.2.210])", domain, domain)
	line("\tby mx.examplenet.example (Postfix) with ESMTPS id %s", strings.ToUpper(id[:11]))
	line("\tfor <abuse@examplenet.example>; %s", stamp)
	line("From: Feedback Loop <feedbackloop@%s>", domain)
	line("To: abuse@examplenet.example")
	line("Date: %s", stamp)
	line("Subject: FW: %s", spamSubject(p))
	line("Message-ID: <fbl-%s@%s>", id, domain)
	line("MIME-Version: 1.0")
	line(`Content-Type: multipart/report; report-type=feedback-report; boundary="%s"`, boundary) // RFC 5965 §2
	line("")
	line("--%s", boundary)
	line("Content-Type: text/plain; charset=us-ascii")
	line("")
	line("This is an email abuse report for a message received from %s", addr)
	line("on %s. One of our users marked it as spam.", arrival)
	line("")
	line("--%s", boundary)
	line("Content-Type: message/feedback-report")
	line("")
	line("Feedback-Type: abuse") // the first three are required: RFC 5965 §3.1
	line("User-Agent: %s", c.mail.agent)
	line("Version: 1")
	line("Original-Mail-From: <offers@bulk.example>")
	line("Original-Rcpt-To: <%s>", victim)
	line("Arrival-Date: %s", arrival)
	line("Reporting-MTA: dns; mx1.%s", domain)
	line("Source-IP: %s", addr)
	if c.mail.port {
		line("Source-Port: %d", c.port)
	}
	line("Reported-Domain: bulk.example")
	line("")
	line("--%s", boundary)
	line("Content-Type: message/rfc822")
	line("Content-Disposition: inline")
	line("")
	line("Received: from unknown (HELO pc) (%s)", addr)
	line("\tby mx1.%s with SMTP; %s", domain, arrival)
	line(`From: "Special Offers" <offers@bulk.example>`)
	line("To: <%s>", victim)
	line("Subject: %s", spamSubject(p))
	line("Date: %s", arrival)
	line("Message-ID: <%s@bulk.example>", id)
	line("")
	line("Dear customer, click here: http://www.bulk.example/offer/%s", id)
	line("")
	line("--%s--", boundary)
	return []byte(b.String())
}

func spamSubject(p *problem) string {
	return [...]string{"You have been chosen", "Cheap watches", "Your parcel is waiting", "Earn from home"}[p.device%4]
}
