package smtp

import (
	"errors"
	"strconv"
	"syscall"

	"tocsin/internal/intake"
)

// reply is one answer: code, enhanced code (RFC 2034, RFC 3463) and what a person is told. reason is the class under
// which a refusal is counted; answers that refuse nothing have none.
type reply struct {
	code     int
	enhanced string
	text     string
	reason   string
}

// line is the reply as it is sent, about the recipient to, if any.
func (r *reply) line(to string) string {
	s := strconv.Itoa(r.code) + " "
	if r.enhanced != "" {
		s += r.enhanced + " "
	}
	if to != "" {
		s += "<" + to + "> "
	}
	return s + r.text + "\r\n"
}

// Reasons that refusals are counted under.
const (
	reasonClient      = "client"      // connects from where nobody may
	reasonConnections = "connections" // too many at once
	reasonStopping    = "stopping"    // the node ends
	reasonProtocol    = "protocol"    // breaks the rules of SMTP
	reasonRecipient   = "recipient"   // a mail for somebody else
	reasonRecipients  = "recipients"  // a mail for too many
	reasonSize        = "size"
	reasonLine        = "line"
	reasonEmpty       = "empty"
	reasonFull        = "full" // no space here
	reasonNode        = "node" // something else here
	reasonTime        = "time" // too slow
	reasonCut         = "cut"  // the connection ended inside a mail
	reasonTLS         = "tls"  // STARTTLS came to nothing
)

func reasons() []string {
	return []string{
		reasonClient, reasonConnections, reasonStopping, reasonProtocol, reasonRecipient, reasonRecipients, reasonSize,
		reasonLine, reasonEmpty, reasonFull, reasonNode, reasonTime, reasonCut, reasonTLS,
	}
}

var (
	replyStranger    = reply{421, "4.7.1", "this node takes no mails from your address: its operator lists mail servers under intake.smtp.clients", reasonClient}
	replyStopping    = reply{421, "4.3.2", "this node is stopping: try again later", reasonStopping}
	replyBusy        = reply{421, "4.7.0", "too many connections: try again later", reasonConnections}
	replyBusyNetwork = reply{421, "4.7.0", "too many connections from your network: try again later", reasonConnections}
	replySilent      = reply{421, "4.4.2", "nothing was heard for too long", reasonTime}
	replySlow        = reply{421, "4.4.2", "the mail took too long: try again later", reasonTime}
	replyTooMuch     = reply{421, "4.5.3", "too much was said and no mail sent", reasonProtocol}

	replyOK         = reply{250, "2.0.0", "ok", ""}
	replyBye        = reply{221, "2.0.0", "bye", ""}
	replySender     = reply{250, "2.1.0", "ok", ""}
	replyRecipient  = reply{250, "2.1.5", "ok", ""}
	replyGoAhead    = reply{354, "", "send the mail, and a line with a full stop after it", ""}
	replyCannotTell = reply{252, "2.5.0", "send a mail and see", ""}
	replyTLS        = reply{220, "2.0.0", "go ahead", ""}

	replyLongCommand = reply{500, "5.5.2", "the line is too long", reasonProtocol}
	replyBareLF      = reply{500, "5.5.2", "lines end in CR LF", reasonProtocol} // RFC 5321 §2.3.8
	replyControl     = reply{501, "5.5.2", "a command holds no control characters", reasonProtocol}
	replyUnknown     = reply{500, "5.5.2", "there is no such command here", reasonProtocol}
	replyBadSyntax   = reply{501, "5.5.4", "this is not how the command is written", reasonProtocol}
	replyBadSender   = reply{501, "5.1.7", "write MAIL FROM:<address>", reasonProtocol}
	replyBadAddress  = reply{501, "5.1.3", "write RCPT TO:<address>", reasonProtocol}
	replyNoUTF8      = reply{553, "5.6.7", "this address needs SMTPUTF8", reasonProtocol}
	replyNoParameter = reply{555, "5.5.4", "this parameter is not known here", reasonProtocol}
	replyNoGreeting  = reply{503, "5.5.1", "greet first", reasonProtocol}
	replyWantLHLO    = reply{500, "5.5.1", "this is LMTP: say LHLO", reasonProtocol} // RFC 2033 §4.1
	replyWantEHLO    = reply{500, "5.5.1", "this is SMTP: say EHLO", reasonProtocol}
	replyNotNow      = reply{503, "5.5.1", "not at this point", reasonProtocol}
	replyNoRecipient = reply{503, "5.5.1", "no recipient was accepted", reasonProtocol}
	replyNoTLS       = reply{502, "5.5.1", "STARTTLS is not offered", reasonProtocol}
	replyErrors      = reply{421, "4.7.0", "too many errors", reasonProtocol}

	replyNotHere      = reply{550, "5.1.1", "no mails for this address are taken here", reasonRecipient}
	replyTooManyRcpts = reply{452, "4.5.3", "too many recipients: send the mail to the others again", reasonRecipients}
	replyTooLarge     = reply{552, "5.3.4", "the mail is larger than this node takes", reasonSize}
	replyFarTooLarge  = reply{421, "4.3.4", "the mail is far larger than this node takes", reasonSize}
	replyLongLine     = reply{554, "5.6.0", "a line of the mail is longer than this node takes", reasonLine}
	replyEmpty        = reply{554, "5.6.0", "the mail is empty", reasonEmpty}
	replyFull         = reply{452, "4.3.1", "there is no space for the mail: try again later", reasonFull}
	replyNode         = reply{451, "4.3.0", "the mail could not be kept: try again later", reasonNode}
)

// notKept is what a client is told of a failure of ours: never for good, so that the mail stays where it is.
func notKept(err error) *reply {
	if errors.Is(err, intake.ErrFull) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &replyFull
	}
	return &replyNode
}
