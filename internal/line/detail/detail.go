// Package detail reads the files in which FreeRADIUS keeps accounting requests (rlm_detail): a line with the local time,
// then an attribute a line behind a tab, then an empty line.
package detail

import (
	"bufio"
	"errors"
	"io"
	"iter"
	"regexp"
	"strings"
	"sync"
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
	Zone     *time.Location // of the server; nil is UTC. It matters only where a request does not say it itself
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

// glued finds the first line of a request on a line of another: that was cut off, and what followed it is lost.
var glued = sync.OnceValue(func() *regexp.Regexp {
	const day, month = `(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)`, `(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)`
	return regexp.MustCompile(day + ` ` + month + ` [ \d]\d \d\d:\d\d:\d\d \d{4}$`)
})

var errTogether = errors.New("it is made of two, as a full disk or a crash leaves them, and others may be lost")

func (q *request) line(text string) {
	if strings.IndexByte(text, 0) >= 0 {
		q.wrong = errors.New("it has zero bytes in it, as a crash leaves them")
		return
	}
	if at := glued().FindStringIndex(text); at != nil && at[0] > 0 && text[0] != '\t' && text[0] != ' ' && day(text[:at[0]]) {
		q.wrong = errTogether
		return
	} else if at != nil && at[0] > 0 && (text[0] == '\t' || text[0] == ' ') {
		q.wrong = errTogether
		return
	}
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
	if len(value) > 0 && (value[0] == '"' || value[0] == '\'') && !closed(value) {
		q.wrong = errors.New("a value of it has no end: the request was cut off")
		return
	}
	name, _, _ = strings.Cut(name, ":") // a tag
	q.attributes[name] = append(q.attributes[name], unquoted(value))
}

// day reports whether a text is a part of a first line: then the rest of it is lost.
func day(text string) bool {
	return len(text) >= 2 && strings.Contains("Mon Tue Wed Thu Fri Sat Sun", text[:min(len(text), 3)]) || len(text) == 1
}

// closed reports whether quotes end where the value does, and nowhere before.
func closed(v string) bool {
	for i := 1; i < len(v); i++ {
		switch v[i] {
		case '\\':
			i++
		case v[0]:
			return i == len(v)-1
		}
	}
	return false
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
	if q.attributes.Get("Acct-Status-Type") == "" && q.attributes.Get("Packet-Type") == "" {
		// rlm_detail writes the type of what is no accounting request; those have a status (RFC 2866 §5.1).
		return nil, errors.New("Acct-Status-Type is missing: a part of it is lost")
	}
	received, err := f.received(q)
	if err != nil {
		return nil, err
	}
	at, ok, err := f.event(q, received)
	if err != nil {
		return nil, err
	}
	if ok {
		delete(q.attributes, "Acct-Delay-Time")
	}
	records, err := acct.Records(q.attributes, f.Identity, at)
	if ok && received.Earliest == received.Latest { // two clocks are known
		for i := range records {
			records[i].Received = time.Unix(received.Earliest, 0)
		}
	}
	return records, err
}

const (
	// head is how the first line of a request says the time, in the server's local time.
	head = "Mon Jan _2 15:04:05 2006"

	// event is how FreeRADIUS writes a date, in the server's local time, with the zone's abbreviation behind it.
	event = "Jan _2 2006 15:04:05"

	minute, hour = 60, 3600    // seconds
	quarter      = 15 * minute // by which zones differ
	slack        = 5           // between the time in the first line and the Timestamp
)

// event is when the device says that it happened, where it does (RFC 2869 §5.3): by its clock, which has no delay.
func (f *Files) event(q *request, received line.Moment) (line.Moment, bool, error) {
	v := q.attributes.Get("Event-Timestamp")
	if v == "" {
		return received, false, nil
	}
	if v[0] >= '0' && v[0] <= '9' {
		at, err := acct.Received(v)
		return at, true, err
	}
	clock, abbrev := v, ""
	if i := strings.LastIndexByte(v, ' '); i > 0 && !strings.Contains(v[i:], ":") {
		clock, abbrev = v[:i], v[i+1:]
	}
	at, err := time.Parse(event, clock)
	if err != nil {
		return received, false, errors.New("its Event-Timestamp is no time")
	}
	if abbrev == "UTC" || abbrev == "GMT" {
		return line.At(at), true, nil
	}
	zone := f.Zone
	if zone == nil {
		zone = time.UTC
	}
	if here, err := time.ParseInLocation(event, clock, zone); err == nil && abbrev != "" {
		m, err := line.Local(here, event, clock)
		for _, one := range [...]int64{m.Earliest, m.Latest} {
			if name, _ := time.Unix(one, 0).In(zone).Zone(); err == nil && name == abbrev {
				return line.At(time.Unix(one, 0)), true, nil
			}
		}
	}
	// Another zone than the config's, or none that is named so: how far it is off stands in the request, as its first line
	// is in the same zone and its Timestamp in none.
	if first, err := time.Parse(head, q.head); err == nil && received.Earliest == received.Latest {
		off := first.Unix() - received.Earliest
		if rest := ((off+slack)%quarter + quarter) % quarter; rest <= 2*slack {
			m := line.At(at.Add(-time.Duration(off+slack-rest) * time.Second))
			if late := received.Earliest - m.Latest; late > minute || late < -minute { // clocks may have been put back in between
				m = line.Moment{Earliest: m.Earliest - hour, Latest: m.Latest + hour}
			}
			return m, true, nil
		}
	}
	return received, false, errors.New("its Event-Timestamp is in another time zone than the config: write that of the server into zone")
}

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
