// Package sender reads abuse mails of common senders who write for people: fail2ban, blocklist.de, SpamCop, Netcraft,
// LeakIX and others. What is known of them is one table (table.go): how their mails are recognised, and where they say
// what. A mail of theirs in which address or time is not certain is refused with what is missing. Nothing is guessed,
// and no address that the table does not point at becomes a subject.
package sender

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"strings"
	"sync"

	"tocsin/internal/formats/internal/logline"
	imail "tocsin/internal/formats/internal/mail"
	"tocsin/internal/report"
)

// Spec names the specification that this package follows.
const Spec = "Abuse mails of common senders: docs/formats/sender.md"

// headBytes is enough to tell a mail from a CSV file.
const headBytes = 16 << 10

// Detect reports whether head begins a mail of a sender of the table, or a CSV file as one of them sends it.
func Detect(_ report.Document, head []byte) bool {
	if !imail.Looks(head) {
		return csvSource(head) != ""
	}
	l, err := open(bytes.NewReader(head))
	return l != nil && (err == nil || !isLimit(err)) && recognise(l) != nil
}

func isLimit(err error) bool {
	var limit *imail.LimitError
	return errors.As(err, &limit)
}

// recognise returns the sender of the table whose mail it is, nil when it is nobody's.
func recognise(l *letter) *compiledSender {
	if l.why != "" && l.why != errNoText.Error() {
		return nil
	}
	for i := range compiled() {
		s := &compiled()[i]
		from, subject, said := l.isFrom(s.from), s.subject.MatchString(l.subject), 0
		if !from && !subject {
			continue
		}
		for _, p := range s.phrases {
			if p.MatchString(l.text) {
				said++
			}
		}
		switch {
		case from && (subject || said > 0):
			return s
		case s.from == nil && subject && said > 0:
			return s
		case subject && said > 1: // handed on by somebody who does not say whose mail it was
			return s
		}
	}
	return nil
}

// compiledSender is a line of the table, ready to be used.
type compiledSender struct {
	sender
	subject *regexp.Regexp
	phrases []*regexp.Regexp
	facts   []*regexp.Regexp
	rows    []*regexp.Regexp
	kinds   []*regexp.Regexp
}

var compiled = sync.OnceValue(func() []compiledSender {
	all := make([]compiledSender, len(table))
	for i, s := range table {
		c := compiledSender{sender: s, subject: expand(s.subject)}
		for _, x := range s.phrases {
			c.phrases = append(c.phrases, expand(x))
		}
		for _, x := range s.facts {
			c.facts = append(c.facts, expand(x))
		}
		for _, x := range s.rows {
			c.rows = append(c.rows, expand(x))
		}
		for _, k := range s.kinds {
			c.kinds = append(c.kinds, expand(k.expr))
		}
		all[i] = c
	}
	return all
})

var compiledZones = sync.OnceValue(func() []*regexp.Regexp {
	var all []*regexp.Regexp
	for _, x := range zones {
		all = append(all, expand(x))
	}
	return all
})

// expand writes out the words of the table.
func expand(expr string) *regexp.Regexp {
	const addr = `\[?(?P<addr>` + logline.AddrExpr + `)\]?`
	return regexp.MustCompile(`(?im)` + strings.NewReplacer(
		"TADDR", `\[?(?P<taddr>`+logline.AddrExpr+`)\]?`, "TPORT", `(?P<tport>\d{1,5})`,
		"ADDR", addr, "PLACE", `(?P<place>[^\s|)]+)`, "PORT", `(?P<port>\d{1,5})`, "PROTO", `(?P<proto>\w{2,8})`,
		"WHEN", `\D{0,3}(?P<when>[^\n]{8,80})`, "SINCE", `(?P<since>[^\n]{8,60})`, "UNTIL", `(?P<until>[^\n]{8,60})`,
		"SERVICE", `(?P<service>[\w.-]{1,40})`, "SEVERITY", `(?P<severity>\w+)`,
		"ZONE", `(?P<zone>[A-Z]{0,5} ?(?:[+-]\d{1,2}:?(?:\d\d)?)?)`,
	).Replace(expr))
}

// Parse reads the mail, or the CSV file.
func Parse(doc report.Document) iter.Seq2[report.Event, error] {
	return func(yield func(report.Event, error) bool) {
		in := bufio.NewReaderSize(doc.Reader, headBytes)
		head, err := in.Peek(headBytes)
		if err != nil && !errors.Is(err, io.EOF) {
			return // the reader's error is the caller's to tell
		}
		out := &rows{yield: yield}
		if source := csvSource(head); source != "" && !imail.Looks(head) {
			text, err := io.ReadAll(io.LimitReader(in, fileBytes+1))
			if err != nil {
				return
			}
			if len(text) > fileBytes {
				out.refuse(0, fmt.Sprintf("the file is larger than %d bytes: send it in several", fileBytes))
				return
			}
			rule := logline.Rule{Ref: doc.Received, From: "when the report came in"}
			out.csv(source, decodeText(text, ""), rule, byWord)
			return
		}
		l, err := open(in)
		switch {
		case l == nil:
			out.refuse(0, report.Reason(err))
			return
		case err != nil && !errors.Is(err, imail.ErrTruncated):
			out.refuse(0, report.Reason(err))
			return
		case errors.Is(err, imail.ErrTruncated): // what stood before the cut is whole
			defer func() { out.refuse(0, report.Reason(err)) }()
		}
		s := recognise(l)
		switch {
		case s == nil:
			out.refuse(0, "the mail is of no sender that Tocsin knows: answer it by hand, or add the sender")
		case l.why != "":
			out.refuse(1, l.why)
		default:
			out.letter(s, l)
		}
	}
}

// rows numbers what a mail brings and stops when the consumer does.
type rows struct {
	yield func(report.Event, error) bool
	row   int64
	ended bool
	seen  map[string]bool
}

// refuse reports what cannot be used; row 0 ends the document.
func (r *rows) refuse(row int64, reason string) {
	if r.ended {
		return
	}
	if row != 0 {
		r.row++
		row = r.row
	}
	r.ended = !r.yield(report.Event{}, &report.RowError{Row: row, Reason: reason}) || row == 0
}

// event hands on an event, unless the mail has said the same before: many say it in two languages.
func (r *rows) event(feed string, e *report.Event) {
	line, content := e.AppendLine(nil)
	key := string(line[content:])
	if r.ended || r.seen[key] {
		return
	}
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	r.seen[key] = true
	r.row++
	e.Format, e.Feed, e.Row = "sender", feed, r.row
	r.ended = !r.yield(*e, nil)
}
