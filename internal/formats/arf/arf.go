// Package arf reads feedback reports on mail: the Abuse Reporting Format of RFC 5965 with the authentication
// failures of RFC 6591 and the source port of RFC 6692, as the feedback loops of the large mailbox providers send
// it. One mail is one event.
package arf

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"tocsin/internal/formats/internal/mail"
	"tocsin/internal/report"
)

// Spec names the specification that this package follows.
const Spec = "Abuse Reporting Format: RFC 5965, RFC 6591, RFC 6650, RFC 6692, https://www.rfc-editor.org/rfc/rfc5965"

const (
	feedbackBytes = 1 << 20  // of the machine-readable part; real ones have under 4 KiB
	textBytes     = 64 << 10 // of the part for people that are looked at
)

// limits of one mail. The quoted mail is not taken apart, so its own parts do not count.
var limits = mail.Limits{HeaderBytes: 1 << 20, Depth: 20, Parts: 100}

// Detect reports whether head, the first bytes of the document, begins a feedback report. A bounce (RFC 3464) that
// quotes one is none: only the mail's own parts count, not those of mails inside. Nor is the envelope of an XARF
// report, which has the form of RFC 5965 around a JSON file: Open goes on to that file.
func Detect(_ report.Document, head []byte) bool {
	if !mail.Looks(head) {
		return false
	}
	h := mail.HeadHeader(head)
	typ, params := mail.MediaType(h.Get("Content-Type"))
	if !strings.HasPrefix(typ, "multipart/") {
		return false
	}
	declared := strings.EqualFold(params["report-type"], "feedback-report") // RFC 5965 §2
	if !declared && params["report-type"] != "" {
		return false
	}
	if _, ok := complaintSubject(h); ok {
		return true
	}
	r, err := mail.NewReader(bytes.NewReader(head), limits)
	if err != nil {
		return declared
	}
	defer r.Release()
	for {
		p, err := r.Next()
		if err != nil {
			return declared
		}
		switch {
		case p.Type == "message/feedback-report": // gateways and ticket systems rewrite the type of the whole
			text, _ := io.ReadAll(p.Body) // cut where head ends
			return !isXARF(mail.ParseHeader(text))
		case typ == "multipart/report" && p.Type == "text/plain" && !declared:
			text, _ := io.ReadAll(io.LimitReader(p.Body, textBytes))
			if isPlainReport(text) {
				return true
			}
		}
	}
}

// isXARF: the report proper is in another part.
func isXARF(h mail.Header) bool { return strings.EqualFold(firstWord(h.Get("Feedback-Type")), "xarf") }

// wire is a feedback report as it stands in the mail.
type wire struct {
	header   mail.Header // the mail's
	feedback mail.Header // of the message/feedback-report
	reports  int         // how many of these there are
	text     []byte      // the beginning of the first text/plain
	quoted   quoted
	cut      error // the mail ends early, after the feedback report
}

// quoted is what is kept of the mail that is complained about: enough to find it, not the mail.
type quoted struct {
	header mail.Header
	found  bool
	whole  bool
	bytes  int64
	sha256 string // of the part's bytes, its transfer encoding undone
}

// Parse reads the mail. Its one event is row 1.
func Parse(doc report.Document) iter.Seq2[report.Event, error] {
	return func(yield func(report.Event, error) bool) {
		w, err := read(doc.Reader)
		if err != nil {
			yield(report.Event{}, &report.RowError{Reason: report.Reason(err)})
			return
		}
		e, err := w.event(doc.Strict)
		if err != nil {
			if !yield(report.Event{}, &report.RowError{Row: 1, Reason: report.Reason(err)}) {
				return
			}
		} else if !yield(e, nil) {
			return
		}
		if w.reports > 1 { // RFC 5965 §2: one report a mail
			yield(report.Event{}, &report.RowError{Row: 2, Reason: fmt.Sprintf(
				"the mail has %d feedback reports where RFC 5965 allows one: the first is used, send the others in mails of their own", w.reports)})
		}
	}
}

// read walks through the mail once and holds no more of it than the limits say.
func read(in io.Reader) (*wire, error) {
	r, err := mail.NewReader(in, limits)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	w := &wire{header: r.Header()}
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return w, nil
		}
		if err == nil {
			err = w.part(p)
		}
		if err != nil && (w.feedback != nil || w.quoted.found) && !isLimit(err) {
			w.cut = err // what is needed stood before it
			return w, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func isLimit(err error) bool {
	var limit *mail.LimitError
	return errors.As(err, &limit)
}

func (w *wire) part(p *mail.Part) error {
	switch {
	case p.Type == "message/feedback-report":
		if w.reports++; w.reports > 1 {
			return nil
		}
		text, err := io.ReadAll(io.LimitReader(p.Body, feedbackBytes+1))
		if len(text) > feedbackBytes {
			return &mail.LimitError{Reason: fmt.Sprintf("the feedback report is larger than %d bytes: leave the mail itself out of it", feedbackBytes)}
		}
		if err != nil {
			return err // what was cut is not used
		}
		w.feedback = mail.ParseHeader(text)
	case p.Type == "message/rfc822" || p.Type == "message/global" || p.Type == "text/rfc822-headers":
		if !w.quoted.found {
			return w.quoted.read(p.Body)
		}
	case p.Type == "text/plain" && w.text == nil:
		text, err := io.ReadAll(io.LimitReader(p.Body, textBytes))
		w.text = text
		return err
	}
	return nil
}

// read hashes the quoted mail as a stream and keeps its header. A header beyond all measure is the offender's
// doing: the complaint stands without it.
func (q *quoted) read(body io.Reader) error {
	q.found = true
	sum := sha256.New()
	count := &counter{w: sum}
	tee := io.TeeReader(body, count)
	r, err := mail.NewReader(tee, limits)
	if err == nil {
		q.header = r.Header()
		r.Release() // the rest is read past it
	} else if !isLimit(err) {
		return err
	}
	if _, err := io.Copy(io.Discard, tee); err != nil {
		return err
	}
	q.whole, q.bytes, q.sha256 = true, count.n, hex.EncodeToString(sum.Sum(nil))
	return nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// details are the quoted mail's, all but the last two to be redacted on display. Its text is the offender's: what
// is no UTF-8 in it is replaced, so that it cannot get the complaint refused.
func (q *quoted) details(all []report.Detail) []report.Detail {
	for _, f := range [...]struct{ name, field string }{
		{"quoted-from", "From"}, {"quoted-date", "Date"}, {"quoted-subject", "Subject"}, {"quoted-message-id", "Message-ID"},
	} {
		if v := q.header.Get(f.field); v != "" {
			all = append(all, report.Detail{Name: f.name, Value: clean(mail.Decode(v))})
		}
	}
	if q.whole {
		all = append(all, report.Detail{Name: "quoted-bytes", Value: strconv.FormatInt(q.bytes, 10)},
			report.Detail{Name: "quoted-sha256", Value: q.sha256})
	}
	return all
}

// clean makes text of what a stranger wrote: valid, without NUL, no longer than a line can be.
func clean(s string) string {
	if len(s) > 4096 {
		s = s[:4096]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}
