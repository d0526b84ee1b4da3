package letter

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"

	"tocsin/internal/formats/internal/htmltext"
	message "tocsin/internal/formats/internal/mail"
	"tocsin/internal/report"
)

// Reading is what a person is shown of a mail. It is made to be displayed: nothing in it can move a cursor, turn the
// direction of writing or be run. All of it is personal.
type Reading struct {
	Head   Head     `json:"head"`
	Parts  []Part   `json:"parts"`
	Faults []string `json:"faults,omitempty"` // what of the mail could not be read, a sentence each
}

// Head is what stands above the text. Nothing in it is checked: anybody can write it.
type Head struct {
	From       string `json:"from,omitempty"`
	ReplyTo    string `json:"reply_to,omitempty"`
	To         string `json:"to,omitempty"`
	Cc         string `json:"cc,omitempty"`
	Date       string `json:"date,omitempty"`
	Subject    string `json:"subject,omitempty"`
	MessageID  string `json:"message_id,omitempty"` // without angle brackets
	Address    string `json:"address,omitempty"`    // of the first author, in lower case
	References string `json:"references,omitempty"` // message ids, oldest first, each in angle brackets

	// Loop says why an answer would begin a loop, or reach nobody; empty when the mail can be answered (RFC 3834 §2).
	Loop string `json:"loop,omitempty"`
}

// Part is one leaf of the mail.
type Part struct {
	Number string   `json:"number"` // as IMAP counts, with a slash between a mail and one inside of it: "2/1"
	Type   string   `json:"type"`
	Name   string   `json:"name,omitempty"`
	Text   string   `json:"text,omitempty"`   // empty for what is no text
	Hidden [][2]int `json:"hidden,omitempty"` // bytes [from, to) of Text that a mail program would not show
	Cut    bool     `json:"cut,omitempty"`    // there is more of it
}

// Bounds of a reading, whatever the mail.
const (
	maxText      = 512 << 10 // bytes of all texts together, before what is escaped
	maxRead      = 64 << 20  // bytes of the mail walked through
	maxParts     = 200
	maxMails     = 4 // mails inside of mails
	maxHeadBytes = 4 << 20
	maxFaults    = 20
)

// Text reads a mail for display: every readable text in it, transfer encoding and charset undone, HTML as text with
// what it hides marked. A mail that is broken is read as far as it goes. The error is the reader's own.
func Text(r io.Reader) (Reading, error) {
	t := &reading{left: maxText}
	src := &source{r: r}
	in := bufio.NewReaderSize(src, 4096)
	if head, _ := in.Peek(3); bytes.HasPrefix(head, []byte("\x1f\x8b\x08")) { // RFC 1952 §2.3.1
		if z, err := gzip.NewReader(in); err == nil {
			in = bufio.NewReader(z)
		}
	}
	if head, _ := in.Peek(4); bytes.HasPrefix(head, []byte("PK\x03\x04")) {
		t.fault("the mail lies in an archive: unpack it to see its text")
		return t.Reading, src.err
	}
	t.mail(io.LimitReader(in, maxRead), "", 0)
	return t.Reading, src.err
}

// source remembers an error that is ours and not the mail's.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

type reading struct {
	Reading
	left int // of maxText
}

func (t *reading) fault(format string, args ...any) {
	if len(t.Faults) < maxFaults {
		t.Faults = append(t.Faults, fmt.Sprintf(format, args...))
	}
}

// mail reads one mail; within is the number of the part that it is, empty for the outermost.
func (t *reading) mail(r io.Reader, within string, depth int) {
	m, err := message.NewReader(r, message.Limits{HeaderBytes: maxHeadBytes, Depth: 50, Parts: maxParts})
	if err != nil {
		t.fault("%v", err)
		return
	}
	if depth == 0 {
		t.Head = head(m.Header())
	} else if s := Display(message.Decode(m.Header().Get("Subject"))); s != "" {
		within += "/"
		t.add(Part{Number: within + "0", Type: "message/rfc822"}, "Subject: "+m.Header().Get("Subject"), nil)
	} else {
		within += "/"
	}
	for {
		p, err := m.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.fault("%v", err)
			return
		}
		if len(t.Parts) >= maxParts {
			t.fault("the mail has more than %d parts: the others are not shown", maxParts)
			return
		}
		t.part(p, within, depth)
	}
}

func (t *reading) part(p *message.Part, within string, depth int) {
	one := Part{Number: within + p.Number, Type: report.CleanName(p.Type), Name: p.FileName}
	switch {
	case (p.Type == "message/rfc822" || p.Type == "message/global") && depth < maxMails:
		t.mail(p.Body, one.Number, depth+1)
	case !readable(p):
		t.Parts = append(t.Parts, one)
	case p.Type == "text/html":
		text, cut := t.decoded(p, one.Number)
		one.Cut = cut
		shown, hidden := htmltext.Text(text)
		t.add(one, shown, hidden)
	default:
		text, cut := t.decoded(p, one.Number)
		one.Cut = cut
		t.add(one, text, nil)
	}
}

// readable reports whether a part is text, or is called so.
func readable(p *message.Part) bool {
	switch p.Type {
	case "message/delivery-status", "message/disposition-notification", "message/feedback-report", "application/json", "application/xml":
		return true
	case "application/octet-stream", "application/x-unknown", "":
		switch strings.ToLower(path.Ext(p.FileName)) {
		case ".txt", ".log", ".csv", ".json", ".xml":
			return true
		}
		return false
	}
	return strings.HasPrefix(p.Type, "text/")
}

// add takes a part with its text; hidden are bytes of text.
func (t *reading) add(p Part, text string, hidden [][2]int) {
	p.Text, p.Hidden = escape(text, hidden)
	t.Parts = append(t.Parts, p)
}

// decoded reads a part's text as UTF-8.
func (t *reading) decoded(p *message.Part, number string) (text string, cut bool) {
	b, err := io.ReadAll(io.LimitReader(p.Body, int64(t.left)+1))
	if err != nil && len(b) == 0 {
		return "", false // the mail's own reader says it again
	}
	if cut = len(b) > t.left; cut {
		b = b[:t.left]
		for i := 0; i < utf8.UTFMax && len(b) > 0 && !utf8.RuneStart(b[len(b)-1]); i++ {
			b = b[:len(b)-1]
		}
	}
	t.left -= len(b)
	charset := strings.ToLower(strings.TrimSpace(p.Params["charset"]))
	enc, known := charsetOf(charset)
	if !known && charset != "" {
		t.fault("part %s is in the charset %s, which nobody knows: what is not ASCII in it may be wrong", number, report.Printable(report.CleanName(charset)))
	}
	if enc == nil || utf8.Valid(b) && enc == charmap.Windows1252 { // mislabelled as ASCII or Latin-1, as is common
		if utf8.Valid(b) || charset == "utf-8" || charset == "utf8" {
			return strings.ToValidUTF8(string(b), "\ufffd"), cut
		}
		enc = charmap.Windows1252
	}
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil {
		t.fault("part %s is not in the charset %s that it names", number, report.Printable(report.CleanName(charset)))
	}
	return strings.ToValidUTF8(string(out), "\ufffd"), cut
}

// charsetOf returns nil for UTF-8, and for what nobody knows.
func charsetOf(name string) (enc encoding.Encoding, known bool) {
	switch name {
	case "", "utf-8", "utf8", "unicode-1-1-utf-8":
		return nil, true
	}
	if enc, err := htmlindex.Get(name); err == nil {
		return enc, true
	}
	if enc, err := ianaindex.MIME.Encoding(name); err == nil && enc != nil {
		return enc, true
	}
	return nil, false
}

// Display makes one line of a header's value that can be printed anywhere.
func Display(s string) string {
	s, _ = escape(strings.Join(strings.Fields(strings.ToValidUTF8(s, "\ufffd")), " "), nil)
	if len(s) > 998 { // RFC 5322 §2.1.1
		s = strings.ToValidUTF8(s[:998], "") + "…"
	}
	return s
}

// escape writes what has no shape of its own (control characters, marks that turn the direction of writing, letters of
// no width) as \u and its number, and ends lines with LF. hidden is moved along.
func escape(s string, hidden [][2]int) (string, [][2]int) {
	var b strings.Builder
	b.Grow(len(s))
	moved := make([][2]int, len(hidden))
	next := 0 // of hidden
	move := func(at int) {
		for next < 2*len(hidden) && hidden[next/2][next%2] <= at {
			moved[next/2][next%2] = b.Len()
			next++
		}
	}
	for i, r := range s {
		move(i)
		switch {
		case r == '\r':
			if !strings.HasPrefix(s[i:], "\r\n") {
				b.WriteByte('\n')
			}
		case r == '\n' || r == '\t' || unicode.IsPrint(r):
			b.WriteRune(r)
		case unicode.Is(unicode.Zs, r):
			b.WriteByte(' ')
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	move(len(s))
	if len(moved) == 0 {
		moved = nil
	}
	return b.String(), moved
}

func head(h message.Header) Head {
	m := Mail(h)
	show := func(field string) string { return Display(message.Decode(h.Get(field))) }
	refs := make([]string, 0, len(m.References)+1)
	for _, id := range append(m.References, m.MessageID) {
		if id = report.CleanName(id); id != "" && !strings.ContainsAny(id, "<> ") {
			refs = append(refs, "<"+id+">")
		}
	}
	return Head{
		From: show("From"), ReplyTo: show("Reply-To"), To: show("To"), Cc: show("Cc"), Date: show("Date"),
		Subject: show("Subject"), MessageID: strings.Trim(report.CleanName(m.MessageID), "<>"), Address: m.From,
		References: strings.Join(refs, " "), Loop: loop(h, m.From),
	}
}

// loop says why a mail must not be answered.
func loop(h message.Header, from string) string {
	if Aside(h) != nil {
		return "a machine wrote it in answer to something: an answer would begin a loop"
	}
	local, _, ok := strings.Cut(from, "@")
	if !ok || local == "" {
		return "it names no author to answer"
	}
	if h.Get("Return-Path") == "<>" { // RFC 3834 §2: no answer to an empty return path
		return "its sender takes no answers (an empty return path, as bounces have)"
	}
	flat := strings.NewReplacer("-", "", "_", "", ".", "").Replace(local)
	for _, no := range [...]string{"noreply", "donotreply", "dontreply", "neverreply", "mailerdaemon", "nobody", "devnull", "bounce", "autoreply", "autoresponder"} {
		if strings.HasPrefix(flat, no) || strings.HasSuffix(flat, no) || strings.HasSuffix(flat, no+"s") {
			return "its address takes no answers (" + Display(from) + ")"
		}
	}
	return ""
}
