package sender

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"path"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"tocsin/internal/formats/internal/htmltext"
	imail "tocsin/internal/formats/internal/mail"
	"tocsin/internal/report"
)

const (
	textBytes = 1 << 20 // of the text that is read; abuse mails have a few KiB
	fileBytes = 8 << 20 // of the files that hang on a mail, together
)

var limits = imail.Limits{HeaderBytes: 1 << 20, Depth: 20, Parts: 100}

// letter is a mail as a person would read it.
type letter struct {
	domains []string // who may have sent it: From's, and whom a ticket system names
	subject string
	text    string // without lines that quote other mails
	files   []file // texts that hang on it
	sent    time.Time
	why     string // it is none that this format reads, and why
}

type file struct {
	name string
	text string
	csv  bool
}

var errNoText = errors.New("the mail has only HTML with text that is hidden from its reader: ask the sender for plain text")

// open reads the mail. One that is cut is read up to its last whole line, with the error.
func open(in io.Reader) (*letter, error) {
	r, err := imail.NewReader(in, limits)
	if err != nil {
		return nil, err
	}
	l := &letter{}
	l.envelope(r.Header())
	var html string
	left := int64(fileBytes)
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return l.close(html), err
		}
		if l.foreign(p) {
			return l, nil
		}
		if !strings.HasPrefix(p.Type, "text/") {
			continue
		}
		body, err := io.ReadAll(io.LimitReader(p.Body, min(left, textBytes)))
		left -= int64(len(body))
		if err != nil { // a line that is cut may name another address than the whole
			body = body[:bytes.LastIndexByte(body, '\n')+1]
		}
		text := decodeText(body, p.Params["charset"])
		switch ext := strings.ToLower(path.Ext(p.FileName)); {
		case p.Type == "text/csv" || ext == ".csv":
			l.files = append(l.files, file{p.FileName, text, true})
		case p.Type == "text/html" && html == "" && p.Disposition != "attachment":
			html = text
		case p.Type == "text/plain" && p.FileName == "" && p.Disposition != "attachment":
			l.text += text + "\n"
		case p.Type == "text/plain" || ext == ".txt" || ext == ".log":
			l.files = append(l.files, file{p.FileName, text, false})
		}
		if err != nil {
			return l.close(html), err
		}
	}
	return l.close(html), nil
}

// originators are fields in which ticket systems and lists say whose mail they hand on.
var originators = [...]string{"From", "X-RT-Originator", "X-Original-From", "X-Original-Sender", "X-Zammad-Original-From"}

// ticket is what ticket systems and forwarding put before a subject.
var ticket = regexp.MustCompile(`^(?i:\s*(?:\[[\w.-]+ #\d+\]|\[#\d+\]|\[ticket[#: ]*\w+\]|fwd?:|wg:|ticket #?\d+:))+\s*`)

func (l *letter) envelope(h imail.Header) {
	for _, name := range originators {
		l.domains = append(l.domains, domainOf(h.Get(name)))
	}
	l.subject = ticket.ReplaceAllString(strings.Join(strings.Fields(imail.Decode(h.Get("Subject"))), " "), "")
	l.sent, _ = h.Date()
	switch typ, params := imail.MediaType(h.Get("Content-Type")); {
	case strings.EqualFold(params["report-type"], "feedback-report"), strings.EqualFold(h.Get("X-ARF"), "yes"),
		h.Get("X-XARF") != "", h.Get("X-ARF") != "":
		l.why = "it is a feedback report"
	case typ == "multipart/report":
		l.why = "it is a delivery report"
	case h.Get("In-Reply-To") != "" && strings.HasPrefix(strings.ToLower(l.subject), "re:"):
		l.why = "it is an answer"
	case h.Get("Auto-Submitted") == "auto-replied":
		l.why = "it is an automatic answer"
	}
}

// foreign reports parts that another format reads: the mail is its.
func (l *letter) foreign(p *imail.Part) bool {
	name := strings.ToLower(p.FileName)
	switch {
	case p.Type == "message/feedback-report", strings.Contains(name, "xarf"), strings.Contains(name, "x-arf"),
		p.Type == "text/xml" && strings.Contains(name, "acns"), strings.HasSuffix(name, ".json"),
		p.Type == "text/yaml", p.Type == "application/x-yaml", p.Type == "application/json":
		l.why = "it carries a report of another format"
	}
	return l.why != ""
}

func (l *letter) close(html string) *letter {
	if strings.TrimSpace(l.text) == "" && html != "" {
		text, hidden := htmltext.Text(html)
		if len(hidden) > 0 {
			l.why = errNoText.Error()
		}
		l.text = text
	}
	var b strings.Builder
	for line := range strings.Lines(l.text) {
		if strings.HasPrefix(line, "[ Offending message ]") {
			break // SpamCop's: what follows is the spammer's
		}
		if !strings.HasPrefix(line, ">") {
			b.WriteString(strings.TrimRight(line, " \t\r\n"))
			b.WriteByte('\n')
		}
	}
	l.text = b.String()
	return l
}

// whole is what expressions look at.
func (l *letter) whole() string { return l.subject + "\n\n" + l.text }

func domainOf(field string) string {
	field = imail.Decode(field)
	addr := field
	if a, err := mail.ParseAddress(field); err == nil {
		addr = a.Address
	} else if i := strings.LastIndexByte(field, '<'); i >= 0 {
		addr = strings.TrimRight(field[i+1:], "> ")
	}
	_, domain, _ := strings.Cut(addr[strings.LastIndexByte(addr, ' ')+1:], "@")
	return strings.ToLower(strings.TrimRight(domain, "."))
}

func (l *letter) isFrom(domains []string) bool {
	for _, have := range l.domains {
		for _, d := range domains {
			if have == d || strings.HasSuffix(have, "."+d) {
				return true
			}
		}
	}
	return false
}

// decodeText makes UTF-8 of a text. A charset that is not known is read as Latin 1, which has all bytes: what this
// format looks for is ASCII.
func decodeText(b []byte, charset string) string {
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	if utf8.Valid(b) {
		return strings.ReplaceAll(string(b), "\x00", "")
	}
	if strings.EqualFold(charset, "utf-8") {
		return strings.ReplaceAll(strings.ToValidUTF8(string(b), "\ufffd"), "\x00", "")
	}
	var out strings.Builder
	for _, c := range b {
		if c != 0 {
			out.WriteRune(rune(c))
		}
	}
	return out.String()
}

// rowsOf reads a CSV file with a header.
func rowsOf(text string) (header []string, rows func(func(int, []string, error) bool)) {
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	if first, _, _ := strings.Cut(text, "\n"); strings.Count(first, ";") > strings.Count(first, ",") {
		r.Comma = ';'
	}
	header, err := r.Read()
	if err != nil {
		return nil, func(func(int, []string, error) bool) {}
	}
	for i := range header {
		header[i] = strings.ToLower(strings.TrimSpace(header[i]))
	}
	return header, func(yield func(int, []string, error) bool) {
		for n := 1; ; n++ {
			row, err := r.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				err = fmt.Errorf("the row is no CSV: %s", report.Reason(err))
			}
			if !yield(n, row, err) {
				return
			}
		}
	}
}
