package formats

import (
	"bufio"
	"bytes"
	"errors"
	"html"
	"io"
	"iter"

	"tocsin/internal/formats/internal/mail"
	"tocsin/internal/formats/letter"
	"tocsin/internal/report"
)

// How much of a mail's text is searched for links, and what is no link any more.
const (
	linksText  = 1 << 20
	linksMost  = 1000
	linkLength = 4 << 10
)

// Links yields the http and https addresses in the text of a mail, each as often as it stands there. A report that is no
// mail has none; nor has a mail that is no report, such as a bounce. Mails inside of the mail are left alone: what they
// say is the offender's word. An error is one of reading doc.
func (t Tables) Links(doc report.Document, lim Limits) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		lim := lim.withDefaults()
		sticky := &stickyReader{r: doc.Reader}
		br := bufio.NewReaderSize(sticky, HeadBytes)
		head, _ := br.Peek(HeadBytes) // sticky has the error
		if mail.Looks(head) {
			if err := linksIn(br, lim, func(link string) bool { return yield(link, nil) }); err == nil {
				return
			}
		}
		if sticky.err != nil && !errors.Is(sticky.err, io.EOF) {
			yield("", sticky.err)
		}
	}
}

var errEnough = errors.New("enough")

// linksIn searches a mail. What is wrong with the mail is said by those who open it.
func linksIn(br *bufio.Reader, lim Limits, yield func(string) bool) error {
	r, err := mail.NewReader(br, mail.Limits{HeaderBytes: lim.HeaderBytes, Depth: lim.MIMEDepth, Parts: lim.MIMEParts})
	if err != nil {
		return err
	}
	defer r.Release()
	if letter.Aside(r.Header()) != nil || letter.Spam(r.Header()) != nil {
		return nil
	}
	left, most := int64(linksText), linksMost
	for left > 0 {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if p.Disposition == "attachment" || p.Type != "text/plain" && p.Type != "text/html" {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(p.Body, left))
		left -= int64(len(text))
		for link := range addresses(text) {
			if p.Type == "text/html" {
				link = html.UnescapeString(link)
			}
			if most--; most < 0 || !yield(link) {
				return errEnough
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addresses yields what looks like an address of http or https in a text (RFC 3986 appendix C).
func addresses(text []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			i := bytes.Index(text, []byte("://"))
			if i < 0 {
				return
			}
			scheme := ""
			for _, s := range [...]string{"https", "http"} {
				if i >= len(s) && bytes.EqualFold(text[i-len(s):i], []byte(s)) {
					scheme = s
					break
				}
			}
			rest := text[i+3:]
			end := bytes.IndexFunc(rest, func(r rune) bool {
				return r <= ' ' || r >= 0x7f || r == '<' || r == '>' || r == '"' || r == '\'' || r == '`' || r == '\\'
			})
			if end < 0 {
				end = len(rest)
			}
			text = rest[end:]
			link := bytes.TrimRight(rest[:end], ".,;:!?*_|")
			// A bracket at the end is the text's, unless the address opens it.
			for _, pair := range [...]string{"()", "[]", "{}"} {
				if bytes.HasSuffix(link, []byte(pair[1:])) && bytes.IndexByte(link, pair[0]) < 0 {
					link = bytes.TrimRight(link[:len(link)-1], ".,;:!?")
				}
			}
			if scheme != "" && len(link) > 0 && len(link) <= linkLength && !yield(scheme+"://"+string(link)) {
				return
			}
		}
	}
}
