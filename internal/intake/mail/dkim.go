package mail

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/dkim"
	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"tocsin/internal/report"
)

// maxSignatures is how many signatures of one mail are checked; each may cost a question to a stranger's name server.
const maxSignatures = 5

// proof is what is known of who sent a mail.
type proof struct {
	authenticity report.Authenticity
	signer       string // domain that signed; empty: none
}

// authenticate checks the mail's signatures; where they prove nothing it believes our own mail servers' word. The
// library refuses rsa-sha1 and keys of less than 1024 bits (RFC 8301 §3), expired signatures, and those of a part of the
// text (l=, RFC 6376 §8.2); a signature must cover From (§5.4).
func (d *Desk) authenticate(ctx context.Context, h *head, r io.Reader) (proof, error) {
	if h.long {
		return proof{authenticity: report.Unchecked}, nil
	}
	author, ok := h.author()
	own, err := d.signatures(ctx, h, author, ok, r)
	if err != nil || own.authenticity == report.Aligned || !ok {
		return own, err
	}
	if signer, ok := d.vouched(h, author); ok {
		return proof{report.Aligned, signer}, nil
	}
	return own, nil
}

// signatures checks the DKIM signatures of a mail.
func (d *Desk) signatures(ctx context.Context, h *head, author string, single bool, r io.Reader) (proof, error) {
	if len(h.get("dkim-signature")) == 0 {
		return proof{authenticity: report.Unsigned}, nil
	}
	src := &source{r: r}
	all, err := dkim.VerifyWithOptions(src, &dkim.VerifyOptions{
		LookupTXT: d.keys.lookup(ctx), MaxVerifications: maxSignatures,
	})
	if src.err != nil {
		return proof{}, src.err
	}
	if err != nil && !errors.Is(err, dkim.ErrTooManySignatures) {
		return proof{authenticity: report.Failed}, nil // it is no mail to the library
	}
	if err := ctx.Err(); err != nil {
		return proof{}, err
	}
	best := proof{authenticity: report.Failed}
	for _, v := range all {
		switch {
		case v.Err != nil && dkim.IsTempFail(v.Err):
			if best.authenticity == report.Failed {
				best.authenticity = report.Unresolved
			}
		case v.Err != nil:
		case single && covers(h, v.HeaderKeys) && aligned(v.Domain, domainOf(author)):
			return proof{report.Aligned, strings.ToLower(v.Domain)}, nil
		case best.authenticity != report.Unaligned:
			best = proof{report.Unaligned, strings.ToLower(v.Domain)}
		}
	}
	return best, nil
}

// covers reports whether the signed fields are those that decide what a report says: with a Subject that is not signed,
// a mail can be sent again as one about something else.
func covers(h *head, signed []string) bool {
	if len(h.get("subject")) == 0 {
		return true
	}
	return len(h.get("subject")) == 1 && slices.ContainsFunc(signed, func(k string) bool { return strings.EqualFold(k, "subject") })
}

// aligned reports whether both domains are of one organisation (RFC 7489 §3.1.1, relaxed; §3.2).
func aligned(signer, author string) bool {
	signer, err := idna.Lookup.ToASCII(strings.TrimSuffix(signer, "."))
	if err != nil {
		return false
	}
	if strings.EqualFold(signer, author) {
		return true
	}
	a, err1 := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(signer))
	b, err2 := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(author))
	return err1 == nil && err2 == nil && a == b
}

// source reads on for the library, which leaves goroutines behind when reading fails: it sees an end instead.
type source struct {
	r   io.Reader
	err error
}

// Read reads.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err, err = err, io.EOF
	}
	return n, err
}
