package mail

import (
	"bytes"
	"fmt"
	"mime"
	netmail "net/mail"
	"path"
	"strings"
	"time"

	"tocsin/internal/report"
)

// Field is one header field, unfolded (RFC 5322 §2.2.3).
type Field struct {
	Name  string // as written
	Value string // without white space around it
}

// Header is a header's fields in their order.
type Header []Field

// Get returns the value of the first field of that name, "" when there is none. Case does not matter.
func (h Header) Get(name string) string {
	for i := range h {
		if strings.EqualFold(h[i].Name, name) {
			return h[i].Value
		}
	}
	return ""
}

// Date returns the mail's Date (RFC 5322 §3.6.1) in the zone that it is written in.
func (h Header) Date() (time.Time, bool) {
	v := h.Get("Date")
	if v == "" || len(v) > 200 {
		return time.Time{}, false
	}
	at, err := netmail.ParseDate(v)
	return at, err == nil
}

// readHeader reads up to the empty line. A line that is no field ends nothing: it is left out.
func (m *Reader) readHeader(top bool) (Header, error) {
	c := collector{limit: m.limits.HeaderBytes}
	first := top
	for m.next() {
		if m.boundary() { // the empty line is missing: the part has no body
			m.found = -1
			m.unread = true
			break
		}
		if !m.atStart { // further pieces of an overlong line: they count, and are cut
			if !c.fits(m.line) {
				return nil, m.headerTooLong()
			}
			continue
		}
		line := bytes.TrimRight(m.line, "\r\n")
		if len(line) == 0 && len(c.fields) == 0 && first {
			continue // empty lines before the mail
		}
		if len(line) == 0 {
			break
		}
		if first && isMboxLine(line) {
			first = false
			continue
		}
		first = false
		if !c.line(line) {
			return nil, m.headerTooLong()
		}
	}
	if m.err != nil {
		return nil, m.err
	}
	return c.end(), nil
}

func (m *Reader) headerTooLong() error {
	return &LimitError{fmt.Sprintf("a header of the mail is longer than %d bytes: send the attachment alone", m.limits.HeaderBytes)}
}

// ParseHeader reads a header that stands alone, such as the body of a message/feedback-report. Empty lines in it
// are skipped where fields follow.
func ParseHeader(text []byte) Header {
	c := collector{limit: len(text) + 1}
	for line := range bytes.Lines(text) {
		if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
			c.line(line)
		}
	}
	return c.end()
}

type collector struct {
	fields      Header
	value       []byte // of the last field, while it may be continued
	size, limit int
	skipped     bool // the line before was no field, so its continuation is none
}

// fits counts a piece; false means that the header is longer than its limit.
func (c *collector) fits(piece []byte) bool {
	c.size += len(piece)
	return c.size <= c.limit
}

// line takes one line that is not empty; false means that the header is longer than its limit.
func (c *collector) line(line []byte) bool {
	if !c.fits(line) {
		return false
	}
	if line[0] == ' ' || line[0] == '\t' {
		if text := bytes.TrimSpace(line); len(c.fields) > 0 && !c.skipped && len(text) > 0 {
			if len(c.value) > 0 {
				c.value = append(c.value, ' ')
			}
			c.value = append(c.value, text...)
		}
		return true
	}
	name, value, ok := bytes.Cut(line, []byte(":"))
	name = bytes.TrimRight(name, " \t") // RFC 5322 §4.5.8 lets old mail have white space before the colon
	if c.skipped = !ok || !isFieldName(name); c.skipped {
		return true
	}
	c.end()
	c.fields = append(c.fields, Field{Name: string(name)})
	c.value = append(c.value[:0], bytes.TrimSpace(value)...)
	return true
}

// end completes the last field and returns them all.
func (c *collector) end() Header {
	if n := len(c.fields); n > 0 {
		c.fields[n-1].Value = string(c.value)
	}
	return c.fields
}

// isMboxLine recognises the line that an mbox file puts before each mail (RFC 4155), also in its quoted form.
func isMboxLine(line []byte) bool {
	return bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From "))
}

// isFieldName: printable ASCII but the colon (RFC 5322 §3.6.8).
func isFieldName(name []byte) bool {
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(name) > 0
}

// Looks reports whether head, the beginning of a document, is that of a mail: its first line is a field, and two
// fields are such as mails have.
func Looks(head []byte) bool {
	h := headOf(head)
	known := 0
	for i := range h {
		if mailFields[strings.ToLower(h[i].Name)] {
			known++
		}
	}
	return known >= 2
}

// HeadHeader returns the mail header at the beginning of a document, as far as head goes; nil when it begins with
// none.
func HeadHeader(head []byte) Header { return headOf(head) }

func headOf(head []byte) Header {
	if bytes.IndexByte(head, '\n') < 0 {
		head = bytes.ReplaceAll(head, []byte("\r"), []byte("\n"))
	}
	c := collector{limit: len(head) + 1}
	begun := false
	for line := range bytes.Lines(head) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			if begun {
				break
			}
			continue
		}
		if !begun && isMboxLine(line) {
			begun = true
			continue
		}
		c.line(line)
		if !begun && len(c.fields) == 0 {
			return nil
		}
		begun = true
	}
	return c.end()
}

var mailFields = map[string]bool{
	"from": true, "to": true, "cc": true, "date": true, "subject": true, "received": true, "return-path": true,
	"message-id": true, "mime-version": true, "content-type": true, "content-transfer-encoding": true,
	"delivered-to": true, "reply-to": true, "sender": true, "x-original-to": true, "dkim-signature": true,
	"authentication-results": true, "received-spf": true, "auto-submitted": true, "precedence": true,
	"x-apparently-to": true,
}

// newPart reads what the header says of the part.
func newPart(h Header) *Part {
	p := &Part{Header: h}
	p.Type, p.Params = mediaType(h.Get("Content-Type"))
	if !strings.Contains(p.Type, "/") {
		p.Type = "text/plain" // RFC 2045 §5.2
	}
	disposition, params := mediaType(h.Get("Content-Disposition"))
	p.Disposition = disposition
	p.FileName = fileName(params["filename"])
	if p.FileName == "" {
		p.FileName = fileName(p.Params["name"])
	}
	return p
}

// MediaType reads a Content-Type as tolerantly as this package does.
func MediaType(value string) (string, map[string]string) { return mediaType(value) }

// mediaType reads "type/subtype; name=value" with RFC 2231's continuations and, where it breaks the grammar, as
// much of it as there is.
func mediaType(value string) (string, map[string]string) {
	if value == "" {
		return "", nil
	}
	value = value[:min(len(value), valueBytes)]
	if t, params, err := mime.ParseMediaType(value); err == nil {
		return t, params
	}
	t, rest, _ := strings.Cut(value, ";")
	params := map[string]string{}
	for len(params) < 64 {
		var param string
		param, rest = cutParam(rest)
		name, v, ok := strings.Cut(param, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, have := params[name]; ok && !have {
			params[name] = strings.Trim(strings.TrimSpace(v), `"`)
		}
		if rest == "" {
			break
		}
	}
	return strings.ToLower(strings.TrimSpace(t)), params
}

// cutParam cuts at the next semicolon outside of quotes.
func cutParam(s string) (param, rest string) {
	quoted := false
	for i := range len(s) {
		switch s[i] {
		case '"':
			quoted = !quoted
		case ';':
			if !quoted {
				return s[:i], s[i+1:]
			}
		}
	}
	return s, ""
}

// fileName is a name fit to be shown: decoded, without folders and control characters, of a sane length.
func fileName(s string) string {
	s = Decode(s) // RFC 2047 in a parameter is against RFC 2231 §5 and common
	s = path.Base(strings.ReplaceAll(s, `\`, "/"))
	if s == "." || s == "/" || s == ".." {
		return ""
	}
	return report.CleanName(s)
}

// valueBytes is how much of a field's value is looked at: more serves only to keep us busy.
const valueBytes = 8 << 10

// Decode undoes RFC 2047's encoded words, in the first 8 KiB; what cannot be decoded stays as it is.
func Decode(s string) string {
	s = s[:min(len(s), valueBytes)]
	if !strings.Contains(s, "=?") {
		return s
	}
	d := new(mime.WordDecoder)
	if t, err := d.DecodeHeader(s); err == nil {
		return t
	}
	return s
}
