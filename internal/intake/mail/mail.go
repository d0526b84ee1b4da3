// Package mail is what the mail channels share: it decides who sent a mail, as far as that can be known, and hands it
// to the door as one report.
package mail

import (
	"context"
	"io"
	"time"

	"tocsin/internal/intake"
)

// Envelope is what a channel knows of a mail beside the mail.
type Envelope struct {
	Channel    string    // imap, smtp
	Reporter   string    // where the channel itself says who sends, such as a mailbox of one source alone; else empty
	From       string    // MAIL FROM, where there was one; personal
	ReceivedAt time.Time // zero: now
}

// Desk is what the mail channels hand their mails to.
type Desk struct {
	door *intake.Door
}

// New makes the desk.
func New(door *intake.Door) *Desk { return &Desk{door: door} }

// Accept takes one mail in. The receipt means that it is durable; duplicate also where the same mail came with other
// trace headers. An error promises nothing: the channel leaves the mail where it is, and tries again.
func (d *Desk) Accept(ctx context.Context, e Envelope, r io.ReadSeeker) (intake.Receipt, error) {
	return d.door.Accept(ctx, intake.Delivery{
		Channel: e.Channel, Reporter: e.Reporter, ReceivedAt: e.ReceivedAt,
	}, r)
}
