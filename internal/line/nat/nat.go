// Package nat reads what NAT devices log: who has which ports of which outside address. It knows a table of vendors'
// layouts (layouts.go). The destinations of connections are not read.
package nat

import (
	"bufio"
	"errors"
	"io"
	"iter"
	"math"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/report"
)

// Logs are the logs of NAT devices.
type Logs struct {
	Realm string         // of the inside addresses: the source that knows whose they are has it too
	Zone  *time.Location // of times without a zone; nil is UTC
}

const (
	maxLine = 16 << 10

	// leastCut is from how many bytes on a line may have been cut off on its way: so much every receiver of syslog takes
	// (RFC 5424 §6.1). Of a port that is cut off, what is left is another port.
	leastCut = 480
)

// Read yields a record for each line that says who has which ports, and a *report.RowError for each that says so in a way
// that cannot be used. Other lines are left aside. year is when the file was written last: times in it that have no year
// are not after that. A line without its end, in a file that is still being written, is left out, and read next time.
func (l *Logs) Read(r io.Reader, written time.Time) iter.Seq2[line.Record, error] {
	return func(yield func(line.Record, error) bool) {
		in := bufio.NewReaderSize(r, maxLine)
		for row := int64(1); ; row++ {
			text, err := in.ReadSlice('\n')
			for errors.Is(err, bufio.ErrBufferFull) { // no device writes so much about one thing
				text = nil
				_, err = in.ReadSlice('\n')
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(line.Record{}, &report.RowError{Row: row, Reason: "the log cannot be read on: " + report.Reason(err)})
				return
			}
			rec, ok, err := l.Line(strings.TrimRight(string(text), "\r\n"), written)
			if err != nil {
				err = &report.RowError{Row: row, Reason: err.Error()}
			}
			if (ok || err != nil) && !yield(rec, err) {
				return
			}
		}
	}
}

type compiled struct {
	*layout
	re     *regexp.Regexp
	groups map[string]int
}

// table is compiled when it is first asked for.
var table = sync.OnceValue(func() []compiled {
	all := make([]compiled, len(layouts))
	for i := range layouts {
		all[i] = compiled{&layouts[i], regexp.MustCompile(layouts[i].pattern), map[string]int{}}
		for n, name := range all[i].re.SubexpNames() {
			if name != "" {
				all[i].groups[name] = n
			}
		}
	}
	return all
})

// Line reads one line, with or without the header of syslog; received is when it came at the latest. ok is false where
// it is of no layout. The error is one sentence that names no address.
func (l *Logs) Line(text string, received time.Time) (r line.Record, ok bool, err error) {
	for _, c := range table() {
		if !strings.Contains(text, c.mark) {
			continue
		}
		m := c.re.FindStringSubmatchIndex(text)
		if m == nil {
			continue
		}
		group := func(name string) string {
			n, ok := c.groups[name]
			if !ok || m[2*n] < 0 {
				return ""
			}
			return text[m[2*n]:m[2*n+1]]
		}
		if last := text[len(text)-1]; m[1] == len(text) && len(text) >= leastCut && last >= '0' && last <= '9' {
			return r, false, errors.New("the line ends within what it says, and may be cut off: let the syslog servers on its way take longer messages")
		}
		r, err = l.record(&c, group)
		if err != nil {
			return r, false, err
		}
		if epoch := group("epoch"); epoch != "" {
			n, err := strconv.ParseInt(epoch, 16, 64)
			if err != nil || n <= 0 || n > 1<<40 {
				return r, false, errors.New("the device's time is none")
			}
			r.At = line.Moment{Earliest: n, Latest: n}
		} else if r.At, err = l.at(text, received); err != nil {
			return r, false, err
		}
		r.NAS = host(text)
		if bad := r.Validate(); bad != nil {
			return r, false, errors.New(report.Reason(bad))
		}
		return r, true, nil
	}
	return r, false, nil
}

func (l *Logs) record(c *compiled, group func(string) string) (line.Record, error) {
	r := line.Record{Action: c.action}
	inside, err1 := netip.ParseAddr(group("inside"))
	outside, err2 := netip.ParseAddr(group("outside"))
	if err1 != nil || err2 != nil {
		return r, errors.New("an address of the line is none")
	}
	r.Held = line.Held{Inside: inside, Realm: l.Realm}
	r.Range = line.Whole(netip.PrefixFrom(outside, 32))
	if lo := group("lo"); lo != "" {
		hi := group("hi")
		if hi == "" {
			hi = lo
		}
		first, err1 := strconv.ParseUint(lo, 10, 16)
		last, err2 := strconv.ParseUint(hi, 10, 16)
		switch {
		case err1 != nil || err2 != nil:
			return r, errors.New("a port of the line is above 65535")
		case first == 0 || last < first:
			return r, errors.New("the ports of the line are none: they begin at 1, and the last is not below the first")
		}
		r.Range.Lo, r.Range.Hi = uint16(first), uint16(last)
	}
	switch proto := strings.ToLower(group("proto")); proto {
	case "", "0":
	case "6":
		r.Range.Proto = "tcp"
	case "17":
		r.Range.Proto = "udp"
	case "1":
		r.Range.Proto = "icmp"
	default:
		r.Range.Proto = proto
	}
	return r, nil
}

// at is the time in the header: RFC 5424 §6.2.3, which has a zone, or RFC 3164 §4.1.2, which has neither zone nor year.
func (l *Logs) at(text string, received time.Time) (line.Moment, error) {
	body := withoutPriority(text)
	if first, _, ok := strings.Cut(body, " "); ok {
		if at, err := time.Parse(time.RFC3339Nano, first); err == nil {
			return line.At(at), nil
		}
	}
	const old = "Jan _2 15:04:05"
	if len(body) > len(old) && body[len(old)] == ' ' {
		zone := l.Zone
		if zone == nil {
			zone = time.UTC
		}
		for year := received.In(zone).AddDate(0, 0, 1).Year(); year > received.Year()-2; year-- {
			full := strconv.Itoa(year) + " " + body[:len(old)]
			at, err := time.ParseInLocation("2006 "+old, full, zone)
			if err != nil || at.After(received.AddDate(0, 0, 1)) {
				continue
			}
			return line.Local(at, "2006 "+old, full)
		}
	}
	return line.Moment{}, errors.New("the line says no time: its header is neither that of RFC 5424 nor that of RFC 3164")
}

// withoutPriority leaves out <34> and, of RFC 5424, the version behind it.
func withoutPriority(text string) string {
	if strings.HasPrefix(text, "<") {
		if end := strings.IndexByte(text, '>'); end > 0 && end < 5 {
			text = text[end+1:]
			text = strings.TrimPrefix(text, "1 ")
		}
	}
	return text
}

// host is who wrote the line, by its header; "" where it has none.
func host(text string) string {
	words := strings.Fields(withoutPriority(text[:min(len(text), 400)]))
	at := 1 // RFC 5424: behind the time
	if len(words) > 0 {
		if _, err := time.Parse(time.RFC3339Nano, words[0]); err != nil {
			at = 3 // RFC 3164: behind month, day and time
		}
	}
	if len(words) <= at || len(words[at]) > math.MaxUint8 {
		return ""
	}
	return strings.Clone(words[at])
}
