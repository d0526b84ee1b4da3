// Package mail is what the mail channels share: it decides who sent a mail, as far as that can be known, and hands it
// to the door as one report.
//
// Anybody can write any From. A mail speaks for a source of the config only when a DKIM signature of the author's own
// domain proves the author (RFC 6376, aligned as RFC 7489 §3.1.1 says), or when the operator says that the source does
// not sign. What hangs on a mail speaks for whoever sent the mail: a mail that is forwarded speaks for the forwarder.
package mail

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"tocsin/internal/intake"
	"tocsin/internal/report"
)

// Reporters of mails that are no source's.
const (
	Unlisted = "unlisted" // the author is proven, but no source has the address
	Unproven = "unproven" // nobody vouches for the author
)

// Envelope is what a channel knows of a mail beside the mail.
type Envelope struct {
	Channel    string    // imap, smtp
	Reporter   string    // where the channel itself says who sends, such as a mailbox of one source alone; else empty
	From       string    // MAIL FROM, where there was one; personal
	ReceivedAt time.Time // zero: now
}

// Desk is what the mail channels hand their mails to. Its methods may be called from many goroutines.
type Desk struct {
	door    *intake.Door
	trusted []string // authserv-ids
	keys    *keys
}

// New makes the desk. resolver is asked for the keys of signers.
func New(cfg intake.Mail, door *intake.Door, resolver Resolver, log *slog.Logger) *Desk {
	return &Desk{door: door, trusted: cfg.TrustedAuthserv, keys: newKeys(resolver, log)}
}

// Accept takes one mail in. The receipt means that it is durable; duplicate also where the same mail came with other
// trace headers. An error promises nothing: the channel leaves the mail where it is, and tries again. r is read from
// its beginning, several times.
func (d *Desk) Accept(ctx context.Context, e Envelope, r io.ReadSeeker) (intake.Receipt, error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return intake.Receipt{}, fmt.Errorf("read the mail: %w", err)
	}
	h, identity, err := look(r)
	if err != nil {
		return intake.Receipt{}, fmt.Errorf("read the mail: %w", err)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return intake.Receipt{}, fmt.Errorf("read the mail: %w", err)
	}
	proof, err := d.authenticate(ctx, h, r)
	if err != nil {
		return intake.Receipt{}, fmt.Errorf("check the mail's signatures: %w", err)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return intake.Receipt{}, fmt.Errorf("read the mail: %w", err)
	}
	del := intake.Delivery{
		Channel: e.Channel, Reporter: e.Reporter, ReceivedAt: e.ReceivedAt,
		Authenticity: proof.authenticity, Signer: proof.signer, Identity: identity,
	}
	if del.Reporter == "" {
		del.Reporter, del.Otherwise = d.reporter(h, proof)
	}
	return d.door.Accept(ctx, del, r)
}

// reporter is the source that the mail speaks for; where it speaks for none, the name that it has unless the operator
// gave all mails of its format on this channel to a source.
func (d *Desk) reporter(h *head, p proof) (reporter, otherwise string) {
	author, ok := h.author()
	if !ok {
		return "", Unproven
	}
	src, listed := d.door.Sources().OfAuthor(author)
	switch {
	case p.authenticity == report.Aligned && listed:
		return src.Name, ""
	case p.authenticity == report.Aligned:
		return "", Unlisted
	case p.authenticity == report.Unsigned && listed && src.Unsigned:
		return src.Name, ""
	}
	return "", Unproven
}
