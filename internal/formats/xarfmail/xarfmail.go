// Package xarfmail reads X-ARF 0.1 and 0.2, the mail format that came before XARF: a mail with a text for people, a
// report in YAML and the evidence. It reads the mail as a whole, and a report in YAML that stands alone. The JSON
// versions, in mails or not, are read by package xarf. docs/formats/xarfmail.md says what becomes of each field.
package xarfmail

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"tocsin/internal/formats/internal/mail"
	"tocsin/internal/report"
)

// Spec names the specification that this package follows.
const Spec = "X-ARF 0.1 and 0.2 with a report in YAML (http://www.x-arf.org/specification.html)"

const (
	reportBytes = 64 << 10 // of one report; real ones have under 2 KiB
	textBytes   = 1 << 20  // of all reports in a document
	peekBytes   = 16 << 10 // of a part that is looked at for a report
)

// limits of one mail. The evidence is not taken apart, so its own parts do not count.
var limits = mail.Limits{HeaderBytes: 1 << 20, Depth: 20, Parts: 100}

// Detect reports whether head, the first bytes of the document, begins a mail with an X-ARF report in YAML, or such a
// report alone. A mail that says it is X-ARF in its header, and whose reports are packed or mails of their own (BULK),
// is left to Open, which goes on to those.
func Detect(_ report.Document, head []byte) bool {
	if !mail.Looks(head) {
		return isReport(head, false)
	}
	r, err := mail.NewReader(bytes.NewReader(head), limits)
	if err != nil {
		return false
	}
	says := declared(r.Header())
	for {
		p, err := r.Next()
		if err != nil {
			return false
		}
		switch {
		case says && isSealed(p):
			return true // to be refused with a reason of its own
		case !mayBeReport(p):
			continue
		}
		text, _ := io.ReadAll(io.LimitReader(p.Body, peekBytes)) // cut where head ends
		if isReport(mail.Unarmour(text), says) {
			return true
		}
	}
}

// declared reports whether the mail's header says that it is X-ARF: "X-XARF: PLAIN", "SECURE" or "BULK" of version
// 0.2, "X-ARF: YES" of 0.1.
func declared(h mail.Header) bool {
	switch strings.ToUpper(strings.TrimSpace(h.Get("X-XARF"))) {
	case "PLAIN", "SECURE", "BULK":
		return true
	}
	return strings.EqualFold(strings.TrimSpace(h.Get("X-ARF")), "yes")
}

// mayBeReport: the report is text/plain by the specification; gateways and careful senders call it other things.
func mayBeReport(p *mail.Part) bool {
	switch p.Type {
	case "text/plain", "text/yaml", "text/x-yaml", "application/yaml", "application/x-yaml", "application/octet-stream":
		return true
	}
	return false
}

// isSealed: SECURE mails that are encrypted, or signed so that the text cannot be read beside the signature.
func isSealed(p *mail.Part) bool {
	switch p.Type {
	case "application/pgp-encrypted":
		return true
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		return true
	}
	return false
}

// wire is a mail, or a document without one, taken apart.
type wire struct {
	secure   bool // the mail says that it is signed or encrypted
	sealed   bool // and nothing in it can be read
	reports  [][]byte
	taken    int // bytes of reports
	evidence evidence
	cut      error // the mail ends early, after a report
}

// evidence is what is kept of the part after the report: enough to find it, not the part.
type evidence struct {
	found  bool
	whole  bool
	name   string
	typ    string
	bytes  int64
	sha256 string // of the part's bytes, its transfer encoding undone
}

// Parse reads the document. Each report in it is one event; rows count from 1.
func Parse(doc report.Document) iter.Seq2[report.Event, error] {
	return func(yield func(report.Event, error) bool) {
		w, err := read(doc.Reader)
		if err != nil {
			yield(report.Event{}, &report.RowError{Reason: report.Reason(err)})
			return
		}
		for i, text := range w.reports {
			e, why := w.event(text, doc.Strict)
			e.Row = int64(i + 1)
			var err error
			if why != "" {
				e, err = report.Event{}, &report.RowError{Row: int64(i + 1), Reason: why}
			}
			if !yield(e, err) {
				return
			}
		}
		if w.cut != nil {
			yield(report.Event{}, &report.RowError{Row: int64(len(w.reports) + 1), Reason: report.Reason(w.cut)})
		}
	}
}

// read walks through the document once and keeps the reports, within the limits.
func read(in io.Reader) (*wire, error) {
	head := make([]byte, peekBytes)
	n, err := io.ReadFull(in, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	w := &wire{}
	whole := io.MultiReader(bytes.NewReader(head[:n]), in)
	if !mail.Looks(head[:n]) {
		text, err := io.ReadAll(io.LimitReader(whole, textBytes+1))
		if err != nil {
			return nil, err
		}
		return w, w.take(text)
	}
	r, err := mail.NewReader(whole, limits)
	if err != nil {
		return nil, err
	}
	if err := w.mail(r); err != nil {
		return nil, err
	}
	switch {
	case len(w.reports) > 0:
		return w, nil
	case w.sealed:
		return nil, errors.New("the X-ARF mail is encrypted, or signed in a way that hides its text: ask the sender for X-XARF: PLAIN")
	}
	return nil, errors.New("no part of the mail is an X-ARF report in YAML: send the report as the second part, of type text/plain")
}

func (w *wire) mail(r *mail.Reader) error {
	says := declared(r.Header())
	w.secure = strings.EqualFold(strings.TrimSpace(r.Header().Get("X-XARF")), "secure")
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = w.part(p, says)
		}
		var limit *mail.LimitError
		switch {
		case err == nil:
		case len(w.reports) > 0 && !errors.As(err, &limit):
			w.cut = err // what stood before it is used
			return nil
		default:
			return err
		}
	}
}

func (w *wire) part(p *mail.Part, says bool) error {
	w.sealed = w.sealed || isSealed(p)
	var head []byte
	if mayBeReport(p) {
		var err error
		if head, err = io.ReadAll(io.LimitReader(p.Body, peekBytes)); err != nil {
			return err
		}
		if isReport(mail.Unarmour(head), says) {
			text, err := io.ReadAll(io.LimitReader(io.MultiReader(bytes.NewReader(head), p.Body), textBytes+1))
			if err != nil {
				return err
			}
			return w.take(text)
		}
	}
	if len(w.reports) == 0 || w.evidence.found || strings.HasSuffix(p.Type, "-signature") {
		return nil
	}
	return w.evidence.read(p, io.MultiReader(bytes.NewReader(head), p.Body))
}

// take adds the reports of a text: one, or several with lines of "---" between them.
func (w *wire) take(text []byte) error {
	if w.taken += len(text); w.taken > textBytes {
		return fmt.Errorf("the X-ARF reports have more than %d bytes: send the evidence as a part of its own, and fewer reports in a mail", textBytes)
	}
	for _, one := range documents(mail.Unarmour(text)) {
		if len(w.reports) == maxReports {
			return fmt.Errorf("the mail has more than %d X-ARF reports: send them in several mails", maxReports)
		}
		w.reports = append(w.reports, one)
	}
	return nil
}

func (e *evidence) read(p *mail.Part, body io.Reader) error {
	e.found, e.name, e.typ = true, p.FileName, p.Type
	sum := sha256.New()
	n, err := io.Copy(sum, body)
	if err != nil {
		return err
	}
	e.whole, e.bytes, e.sha256 = true, n, hex.EncodeToString(sum.Sum(nil))
	return nil
}
