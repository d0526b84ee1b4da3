// Package detail reads the files in which FreeRADIUS keeps accounting requests (rlm_detail): a line with the local time,
// then an attribute a line behind a tab, then an empty line.
package detail

import (
	"bufio"
	"errors"
	"io"
	"iter"
	"strings"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/line/acct"
	"tocsin/internal/report"
)

// Spec names what this package follows.
const Spec = "FreeRADIUS 3 rlm_detail, default format"

// Files are the detail files of one server.
type Files struct {
	Identity acct.Identity
	Zone     *time.Location // of the server; nil is UTC. It matters only where a request has no Timestamp
}

const (
	maxLine       = 64 << 10
	maxAttributes = 500 // RFC 2865 §3: a packet has 4096 bytes
)

// Read yields the records of a file, and a *report.RowError for each request that cannot be used; requests count from 1.
// A request that is not whole, at the end of a file that is still being written, is left out, and read next time.
func (f *Files) Read(r io.Reader) iter.Seq2[line.Record, error] {
	return func(yield func(line.Record, error) bool) {
		in := bufio.NewScanner(r)
		in.Buffer(make([]byte, 0, 4096), maxLine)
		var one request
		row := int64(0)
		for in.Scan() {
			text := strings.TrimRight(in.Text(), "\r")
			if text != "" {
				one.line(text)
				continue
			}
			if one.head == "" && one.attributes == nil {
				continue
			}
			row++
			if !f.tell(&one, row, yield) {
				return
			}
			one = request{}
		}
		if err := in.Err(); err != nil {
			reason := "the file cannot be read on: " + err.Error()
			if errors.Is(err, bufio.ErrTooLong) {
				reason = "a line of the request is longer than 64 KiB, and nothing can be read behind it"
			}
			yield(line.Record{}, &report.RowError{Row: row + 1, Reason: reason})
		}
	}
}

// request is one request being read.
type request struct {
	head       string
	attributes acct.Attributes
	wrong      error
	n          int
}

func (q *request) line(text string) {
	if text[0] != '\t' && text[0] != ' ' {
		if q.head != "" {
			q.wrong = errors.New("two lines of it do not begin with a tab: an empty line is missing before the second")
		}
		q.head = text
		return
	}
	name, value, ok := strings.Cut(strings.TrimSpace(text), " = ")
	if !ok {
		q.wrong = errors.New("a line of it is no attribute: it says Name = value")
		return
	}
	if q.n++; q.n > maxAttributes {
		q.wrong = errors.New("it has more than 500 attributes")
		return
	}
	if q.attributes == nil {
		q.attributes = acct.Attributes{}
	}
	name, _, _ = strings.Cut(name, ":") // a tag
	q.attributes[name] = append(q.attributes[name], unquoted(value))
}

// unquoted undoes the quotes of a string, with C's escapes.
func unquoted(v string) string {
	if len(v) < 2 || (v[0] != '"' && v[0] != '\'') || v[len(v)-1] != v[0] {
		return v
	}
	v = v[1 : len(v)-1]
	if !strings.Contains(v, `\`) {
		return v
	}
	var b strings.Builder
	for i := 0; i < len(v); i++ {
		if v[i] != '\\' || i+1 == len(v) {
			b.WriteByte(v[i])
			continue
		}
		i++
		switch c := v[i]; {
		case c == 'n':
			b.WriteByte('\n')
		case c == 'r':
			b.WriteByte('\r')
		case c == 't':
			b.WriteByte('\t')
		case octal(c) && i+2 < len(v) && octal(v[i+1]) && octal(v[i+2]):
			b.WriteByte((c-'0')<<6 | (v[i+1]-'0')<<3 | (v[i+2] - '0'))
			i += 2
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func octal(c byte) bool { return c >= '0' && c <= '7' }

// tell yields the records of a request.
func (f *Files) tell(q *request, row int64, yield func(line.Record, error) bool) bool {
	records, err := f.records(q)
	if err != nil {
		return errors.Is(err, acct.ErrOther) || yield(line.Record{}, &report.RowError{Row: row, Reason: report.Reason(err)})
	}
	for i := range records {
		if !yield(records[i], nil) {
			return false
		}
	}
	return true
}

func (f *Files) records(q *request) ([]line.Record, error) {
	if q.wrong != nil {
		return nil, q.wrong
	}
	received, err := f.received(q)
	if err != nil {
		return nil, err
	}
	return acct.Records(q.attributes, f.Identity, received)
}

// head is how the first line of a request says the time, in the server's local time.
const head = "Mon Jan _2 15:04:05 2006"

func (f *Files) received(q *request) (line.Moment, error) {
	if v := q.attributes.Get("Timestamp"); v != "" {
		return acct.Received(v)
	}
	zone := f.Zone
	if zone == nil {
		zone = time.UTC
	}
	at, err := time.ParseInLocation(head, q.head, zone)
	if err != nil {
		return line.Moment{}, errors.New("it says no time: its first line is none, and there is no Timestamp")
	}
	return line.Local(at, head, q.head)
}
