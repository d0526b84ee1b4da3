package smtp

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"tocsin/internal/intake"
	"tocsin/internal/intake/mail"
)

// session is what was said on a connection.
type session struct {
	greeted bool
	faults  int  // rules broken
	spoken  int  // commands since the last mail that was taken
	over    bool // nothing more is read

	hasSender  bool
	sender     string // personal
	utf8       bool
	recipients []string  // personal; those that were accepted, as written
	chunks     *incoming // nil: no BDAT yet
	buf        []byte    // kept from mail to mail
}

// reset ends what there is of a mail.
func (c *conn) reset() {
	if c.chunks != nil {
		c.buf = c.chunks.close()
		c.chunks = nil
	}
	c.hasSender, c.sender, c.utf8, c.recipients = false, "", false, c.recipients[:0]
	c.end()
}

// handle answers one command. An error is the connection's end.
func (c *conn) handle(ctx context.Context, line string) error {
	verb, arg, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "EHLO", "HELO", "LHLO":
		c.greet(strings.ToUpper(verb), strings.TrimSpace(arg))
	case "MAIL":
		c.mail(arg)
	case "RCPT":
		c.rcpt(arg)
	case "DATA":
		return c.data(ctx, arg)
	case "BDAT":
		return c.bdat(ctx, arg)
	case "RSET":
		c.reset()
		c.say(&replyOK)
	case "NOOP":
		c.say(&replyOK)
	case "VRFY": // RFC 5321 §3.5.3: nobody is told who is here
		c.say(&replyCannotTell)
	case "STARTTLS":
		if arg != "" {
			c.say(&replyBadSyntax)
			return nil
		}
		c.startTLS(ctx)
	case "QUIT":
		c.last(&replyBye)
	case "GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT": // a browser that was made to speak to us: its next lines could be commands
		c.last(&replyUnknown)
	default:
		c.say(&replyUnknown)
	}
	return nil
}

func (c *conn) greet(verb, name string) {
	switch {
	case c.lmtp && verb != "LHLO":
		c.say(&replyWantLHLO)
		return
	case !c.lmtp && verb == "LHLO":
		c.say(&replyWantEHLO)
		return
	case name == "":
		c.say(&replyBadSyntax)
		return
	}
	c.reset() // RFC 5321 §4.1.4
	c.greeted = true
	if verb == "HELO" {
		_, _ = c.w.WriteString("250 " + c.s.host + "\r\n")
		return
	}
	offers := []string{
		c.s.host, "PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING",
		"SIZE " + strconv.FormatInt(c.s.cfg.MaxBytes, 10),
	}
	if c.s.tls != nil && c.rw == c.raw {
		offers = append(offers, "STARTTLS")
	}
	for i, o := range offers {
		between := "-"
		if i == len(offers)-1 {
			between = " "
		}
		_, _ = c.w.WriteString("250" + between + o + "\r\n")
	}
}

func (c *conn) mail(arg string) {
	switch {
	case !c.greeted:
		c.say(&replyNoGreeting)
		return
	case c.hasSender:
		c.say(&replyNotNow)
		return
	}
	rest, ok := cutFold(arg, "FROM:")
	address, rest, isPath := path(strings.TrimLeft(rest, " "))
	if !ok || !isPath {
		c.say(&replyBadSender)
		return
	}
	withUTF8 := false
	for p := range strings.FieldsSeq(rest) {
		if wrong := c.parameter(p, &withUTF8); wrong != nil {
			c.say(wrong)
			return
		}
	}
	if !plain(address, withUTF8) {
		c.say(&replyNoUTF8)
		return
	}
	c.hasSender, c.sender, c.utf8 = true, address, withUTF8
	c.say(&replySender)
}

// parameter looks at one parameter of MAIL.
func (c *conn) parameter(p string, withUTF8 *bool) *reply {
	key, value, _ := strings.Cut(p, "=")
	switch strings.ToUpper(key) {
	case "SIZE": // RFC 1870
		n, err := strconv.ParseUint(value, 10, 64)
		switch {
		case errors.Is(err, strconv.ErrRange) || err == nil && n > uint64(c.s.cfg.MaxBytes):
			return &replyTooLarge
		case err != nil:
			return &replyBadSyntax
		}
	case "BODY": // RFC 6152; bytes are kept as they are, whatever is announced
		if v := strings.ToUpper(value); v != "7BIT" && v != "8BITMIME" {
			return &replyNoParameter
		}
	case "SMTPUTF8": // RFC 6531
		if value != "" {
			return &replyBadSyntax
		}
		*withUTF8 = true
	default:
		return &replyNoParameter
	}
	return nil
}

func (c *conn) rcpt(arg string) {
	if !c.hasSender || c.chunks != nil {
		c.say(&replyNotNow)
		return
	}
	rest, ok := cutFold(arg, "TO:")
	address, rest, isPath := path(strings.TrimLeft(rest, " "))
	switch {
	case !ok || !isPath || address == "":
		c.say(&replyBadAddress)
	case strings.TrimSpace(rest) != "":
		c.say(&replyNoParameter)
	case !plain(address, c.utf8):
		c.say(&replyNoUTF8)
	case !c.s.taken(address):
		c.say(&replyNotHere)
	case len(c.recipients) >= c.s.cfg.MaxRecipients:
		c.say(&replyTooManyRcpts)
	default:
		c.recipients = append(c.recipients, address)
		c.say(&replyRecipient)
	}
}

// finish hands the mail that has ended to the desk, and answers: once by SMTP, once a recipient by LMTP (RFC 2033 §4.2).
func (c *conn) finish(ctx context.Context, m *incoming) {
	answer := c.accept(ctx, m)
	if c.lmtp {
		for _, to := range c.recipients {
			c.sayTo(answer, to)
		}
	} else {
		c.say(answer)
	}
	c.buf = m.close()
	c.chunks = nil
	c.reset()
}

func (c *conn) accept(ctx context.Context, m *incoming) *reply {
	proto := protocol(c.lmtp)
	if m.wrong == nil && m.size == 0 {
		m.refuse(&replyEmpty, nil)
	}
	if m.wrong != nil {
		if m.cause != nil {
			c.s.log.Error("a mail could not be kept, its mail server tries again", "protocol", proto, "error", m.cause)
		} else {
			c.s.log.Info("mail refused", "protocol", proto, "reason", m.wrong.reason, "bytes", m.size)
		}
		return m.wrong
	}
	var got intake.Receipt
	body, err := m.whole()
	if err == nil {
		err = intake.Guard(c.s.log, func() error {
			var err error
			got, err = c.s.desk.Accept(ctx, mail.Envelope{Channel: intake.ChannelSMTP, From: c.sender}, body)
			return err
		})
	}
	if err != nil {
		c.s.log.Error("a mail could not be kept, its mail server tries again", "protocol", proto, "error", err)
		return notKept(err)
	}
	c.spoken = 0
	c.s.metrics.take(proto, got.Duplicate, m.size)
	c.s.log.Info("mail taken", "protocol", proto, "report", got.Report.ID, "reporter", got.Report.Reporter,
		"bytes", m.size, "duplicate", got.Duplicate)
	return &reply{250, "2.0.0", fmt.Sprintf("taken as %s", got.Report.ID), ""}
}

// path reads a path in angle brackets (RFC 5321 §4.1.2) and what is after it. Of a source route nothing is kept (§4.1.1.3).
func path(s string) (address, rest string, ok bool) {
	if !strings.HasPrefix(s, "<") {
		return "", "", false
	}
	s = s[1:]
	if strings.HasPrefix(s, "@") {
		route, after, found := strings.Cut(s, ":")
		if !found || strings.ContainsAny(route, "<> ") {
			return "", "", false
		}
		s = after
	}
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case quoted && s[i] == '\\':
			i++
		case quoted:
		case s[i] == '>':
			rest = s[i+1:]
			return s[:i], rest, rest == "" || rest[0] == ' '
		case s[i] == '<' || s[i] == ' ' || s[i] == '\t':
			return "", "", false
		}
	}
	return "", "", false
}

// plain reports whether an address holds what it may: beyond ASCII only where SMTPUTF8 says so (RFC 6531 §3.1).
func plain(address string, withUTF8 bool) bool {
	if withUTF8 {
		return utf8.ValidString(address)
	}
	return !strings.ContainsFunc(address, func(r rune) bool { return r >= utf8.RuneSelf })
}

func cutFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}
