package world

import (
	"fmt"
	"net/netip"
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

// crlf writes lines as mail has them.
type crlf struct{ strings.Builder }

func (b *crlf) line(format string, args ...any) {
	fmt.Fprintf(b, format, args...)
	b.WriteString("\r\n") // RFC 5322 §2.1
}

// arfMail writes the complaint about one spam mail as RFC 5965 has it: a text for people, a feedback report and
// the mail complained about, its recipient blotted out (RFC 6590).
func (w *World) arfMail(c *content, reporter string) []byte {
	p := &w.problems[c.problem]
	m := complaint{reporter: reporter, agent: c.mail.agent, addr: w.addrOf(nil, c.sighting), at: c.at, device: p.device}
	if c.mail.port {
		m.port = &c.port
	}
	return m.mail()
}

// complaint is what a mail of a feedback loop says.
type complaint struct {
	reporter string
	agent    string
	addr     netip.Addr
	port     *uint16
	at       int64 // Unix seconds
	device   uint64
}

func (c *complaint) mail() []byte {
	at := time.Unix(c.at, 0).UTC()
	id := string(appendHex(nil, mix(c.device^uint64(c.at)), 10))
	boundary := "feedback-" + id
	domain := c.reporter + ".example"
	victim := string(appendHex(nil, mix(c.device+uint64(c.at)), 12)) + "@" + domain
	stamp := at.Add(time.Duration(60+c.device%500) * time.Second).Format(time.RFC1123Z)
	arrival := at.Format(time.RFC1123Z)

	var b crlf
	b.line("Received: from out1.%s (out1.%s [192.0.2.210])", domain, domain)
	b.line("\tby mx.examplenet.example (Postfix) with ESMTPS id %s", strings.ToUpper(id[:11]))
	b.line("\tfor <abuse@examplenet.example>; %s", stamp)
	b.line("From: Feedback Loop <feedbackloop@%s>", domain)
	b.line("To: abuse@examplenet.example")
	b.line("Date: %s", stamp)
	b.line("Subject: FW: %s", spamSubject(c.device))
	b.line("Message-ID: <fbl-%s@%s>", id, domain)
	b.line("MIME-Version: 1.0")
	b.line(`Content-Type: multipart/report; report-type=feedback-report; boundary="%s"`, boundary) // RFC 5965 §2
	b.line("\r\n--%s", boundary)
	b.line("Content-Type: text/plain; charset=us-ascii\r\n")
	b.line("This is an email abuse report for a message received from %s", c.addr)
	b.line("on %s. One of our users marked it as spam.\r\n", arrival)
	b.line("--%s", boundary)
	b.line("Content-Type: message/feedback-report\r\n")
	b.line("Feedback-Type: abuse") // the first three are required: RFC 5965 §3.1
	b.line("User-Agent: %s", c.agent)
	b.line("Version: 1")
	b.line("Original-Mail-From: <offers@bulk.example>")
	b.line("Original-Rcpt-To: <%s>", victim)
	b.line("Arrival-Date: %s", arrival)
	b.line("Reporting-MTA: dns; mx1.%s", domain)
	b.line("Source-IP: %s", c.addr)
	if c.port != nil {
		b.line("Source-Port: %d", *c.port)
	}
	b.line("Reported-Domain: bulk.example\r\n")
	b.line("--%s", boundary)
	b.line("Content-Type: message/rfc822")
	b.line("Content-Disposition: inline\r\n")
	b.line("Received: from unknown (HELO pc) (%s)", c.addr)
	b.line("\tby mx1.%s with SMTP; %s", domain, arrival)
	b.line(`From: "Special Offers" <offers@bulk.example>`)
	b.line("To: <%s>", victim)
	b.line("Subject: %s", spamSubject(c.device))
	b.line("Date: %s", arrival)
	b.line("Message-ID: <%s@bulk.example>\r\n", id)
	b.line("Dear customer, click here: http://www.bulk.example/offer/%s\r\n", id)
	b.line("--%s--", boundary)
	return []byte(b.String())
}

func spamSubject(device uint64) string {
	return [...]string{"You have been chosen", "Cheap watches", "Your parcel is waiting", "Earn from home"}[device%4]
}
