// Package nat reads what NAT devices log: who has which ports of which outside address. It knows a table of vendors'
// layouts (layouts.go). The destinations of connections are not read.
package nat

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io"
	"iter"
	"math"
	"net/netip"
	"regexp"
	"regexp/syntax"
	"slices"
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

	// VRFs are the realms of inside addresses in other VRFs than the device's main one, by the names that the device logs;
	// "*" stands for those that are not named. What is of another VRF is refused (ErrVRF): the same private address may be
	// somebody else there.
	VRFs map[string]string

	// OwnPorts says that each inside address has outside ports of its own, also behind devices that could do otherwise.
	// Else what those say is refused (ErrOverloads): the port alone would name the wrong line.
	OwnPorts bool
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
			damaged := bytes.IndexByte(text, 0) >= 0
			for errors.Is(err, bufio.ErrBufferFull) { // no device writes so much about one thing
				text, damaged = nil, true
				_, err = in.ReadSlice('\n')
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(line.Record{}, &report.RowError{Row: row, Reason: "the log cannot be read on: " + report.Reason(err)})
				return
			}
			if damaged { // a log that a crash left with a hole in it, most often
				if !yield(line.Record{}, &report.RowError{Row: row, Reason: "the line is damaged: it is longer than 16 KiB, or has zero bytes in it"}) {
					return
				}
				continue
			}
			records, err := l.Line(strings.TrimRight(string(text), "\r\n"), written)
			if err != nil && !yield(line.Record{}, &report.RowError{Row: row, Reason: err.Error()}) {
				return
			}
			for i := range records {
				if !yield(records[i], nil) {
					return
				}
			}
		}
	}
}

// compiled is a layout that is ready for use.
type compiled struct {
	*layout
	begins string // each match does; empty where attributes are quoted
	re     *regexp.Regexp
	prefix func() *regexp.Regexp // of what begins as a match does and is cut off; nil where attributes are quoted
	sign   *regexp.Regexp        // how.sign; nil: the mark is it
	groups [names]int            // of re; 0: none
	attrs  [names]string         // that hold what is named, where attributes are quoted
}

// name is what a pattern can name.
type name uint8

const (
	inside name = iota
	outside
	lo
	hi
	proto
	vrf
	tunnel
	epoch
	began
	names
)

var nameTexts = [names]string{"inside", "outside", "lo", "hi", "proto", "vrf", "tunnel", "epoch", "began"}

// table is compiled when it is first asked for.
var table = sync.OnceValue(func() []compiled {
	all := make([]compiled, len(layouts))
	for i := range layouts {
		c := &all[i]
		c.layout = &layouts[i]
		if c.how.sign != "" {
			c.sign = regexp.MustCompile(c.how.sign)
		}
		if c.how.quoted {
			for part := range strings.FieldsSeq(c.pattern) {
				what, attr, _ := strings.Cut(part, "=")
				c.attrs[slices.Index(nameTexts[:], what)] = attr + `="`
			}
			continue
		}
		c.begins, _ = regexp.MustCompile(c.pattern).LiteralPrefix()
		c.re = regexp.MustCompile("^(?:" + c.pattern + ")") // which is much quicker where it does not have to look for its beginning
		c.prefix = sync.OnceValue(func() *regexp.Regexp {
			whole, _ := syntax.Parse(c.pattern, syntax.Perl) // it was compiled just now
			return regexp.MustCompile("^(?:" + begun(whole) + ")$")
		})
		for n, what := range nameTexts {
			c.groups[n] = max(c.re.SubexpIndex(what), 0)
		}
	}
	return all
})

// signed reports whether a line with the mark says who has which ports, whole or not.
func (c *compiled) signed(text string) bool { return c.sign == nil || c.sign.MatchString(text) }

// values are what a line says, by name; empty: nothing.
type values [names]string

// find finds the first match, and where it ends.
func (c *compiled) find(text string) (v values, end int) {
	if c.how.quoted {
		return c.attributes(text)
	}
	for from := 0; ; {
		at := strings.Index(text[from:], c.begins)
		if at < 0 {
			return v, -1
		}
		at += from
		if m := c.re.FindStringSubmatchIndex(text[at:]); m != nil {
			for n, g := range c.groups {
				if g > 0 && m[2*g] >= 0 {
					v[n] = text[at+m[2*g] : at+m[2*g+1]]
				}
			}
			return v, at + m[1]
		}
		from = at + 1
	}
}

func (c *compiled) attributes(text string) (v values, end int) {
	for n, attr := range c.attrs {
		if attr == "" {
			continue
		}
		if v[n] = attribute(text, attr); v[n] == "" && name(n) != vrf && name(n) != epoch && name(n) != began {
			return v, -1
		}
	}
	if !strings.Contains(text[strings.LastIndexByte(text, '"')+1:], "]") {
		return v, -1 // RFC 5424 §6.3: the element has no end
	}
	return v, len(text)
}

// twice reports whether an attribute that is read occurs twice: then the line is made of two.
func (c *compiled) twice(text string) bool {
	for _, attr := range c.attrs {
		if attr == "" {
			continue
		}
		if at := place(text, attr); at >= 0 && place(text[at:], attr) >= 0 {
			return true
		}
	}
	return false
}

// attribute is the value of an attribute, "" where there is none.
func attribute(text, attr string) string {
	at := place(text, attr)
	if at < 0 {
		return ""
	}
	value, _, ok := strings.Cut(text[at:], `"`)
	if !ok {
		return ""
	}
	return value
}

// place is where the value of an attribute begins, -1 where there is none; before its name is a space or a bracket.
func place(text, attr string) int {
	for from := 0; ; {
		at := strings.Index(text[from:], attr)
		if at < 0 {
			return -1
		}
		at += from
		from = at + len(attr)
		if at > 0 && (text[at-1] == ' ' || text[at-1] == '[') {
			return from
		}
	}
}

// Line reads one line, with or without the header of syslog; received is when it came at the latest. There are no records
// where it is of no layout. The error is one sentence that names no address.
func (l *Logs) Line(text string, received time.Time) ([]line.Record, error) {
	records, err := l.Message(nil, text, line.Moment{}, "")
	if len(records) == 0 && err == nil {
		err = unfinished(text)
	}
	if err != nil || len(records) == 0 {
		return nil, err
	}
	nas := host(text)
	var at line.Moment
	for i := range records {
		r := &records[i]
		r.NAS = nas
		if r.At.IsZero() {
			if at.IsZero() {
				if at, err = l.at(text, received); err != nil {
					return nil, err
				}
			}
			r.At = at
		}
		if bad := r.Validate(); bad != nil {
			return nil, errors.New(report.Reason(bad))
		}
	}
	return records, nil
}

// Message appends to records what a line says that came without its header: by whom and when the header said it. Where at
// is not known the records have the time that stands in the line, or none. Nothing is appended where the line is of no
// layout. The error is one sentence that names no address: the line says who has which ports, and not so that it can be
// used.
func (l *Logs) Message(records []line.Record, text string, at line.Moment, nas string) ([]line.Record, error) {
	torn, checked, none := false, false, len(records)
	all := table()
	for i := range all {
		c := &all[i]
		if !strings.Contains(text, c.mark) {
			continue
		}
		if !checked && together(text, true) {
			return records, errTogether
		}
		checked = true
		rest, before, found := text, len(records), false
		for {
			v, end := c.find(rest)
			if end < 0 {
				break
			}
			found = true
			if !c.how.many && (strings.Count(text, c.mark) > 1 || c.twice(text)) {
				return records[:none], errTogether
			}
			if last := text[len(text)-1]; end == len(rest) && !c.how.quoted && len(text) >= leastCut && last >= '0' && last <= '9' {
				return records[:before], errCut
			}
			r, err := l.record(c, &v, at)
			r.NAS = nas
			if err == nil && !r.At.IsZero() {
				err = r.Validate()
			}
			if err != nil {
				return records[:before], errors.New(report.Reason(err))
			}
			if r.Range.Prefix.Addr() != r.Held.Inside { // else nothing was translated
				if c.how.overloads && !l.OwnPorts {
					return records[:none], ErrOverloads
				}
				records = append(records, r)
			}
			if rest = rest[end:]; !c.how.many {
				break
			}
		}
		torn = torn || c.how.sure && (!found && c.signed(text) || c.how.many && (strings.Contains(rest, c.mark) || found && !strings.HasSuffix(strings.TrimRight(text, " "), "]")))
		if found && !c.how.joined {
			return records, nil
		}
	}
	if torn || len(records) == none && text != "" && ends(text) { // what it says is not to be relied on, as far as it can be read
		return records[:none], errTorn
	}
	return records, nil
}

// ErrOverloads is why a line of a device is refused that may give one port to several inside addresses at a time.
var ErrOverloads = errors.New("each subscriber has ports of its own: say so with own_ports: true, else a port names nobody, as this device may give one to several at a time")

// ErrVRF is why a line is refused that is about an address in a VRF of which nobody has said what it is.
var ErrVRF = errors.New("the inside address is in a VRF that vrfs does not name, and may be another line's there: say which realm each VRF of the device is, as vrfs: {\"1\": cgn}")

// realm is that of a VRF; false where nobody knows. The main one has no name, or one of these.
func (l *Logs) realm(vrf string) (string, bool) {
	if realm, ok := l.VRFs[vrf]; ok {
		return realm, true
	}
	if slices.Contains([]string{"", "-", "0", "N/A", "default"}, vrf) {
		return l.Realm, true
	}
	realm, ok := l.VRFs["*"]
	return realm, ok
}

func (l *Logs) record(c *compiled, v *values, at line.Moment) (line.Record, error) {
	r := line.Record{Action: c.action, At: at}
	in, err1 := netip.ParseAddr(v[inside])
	out, err2 := netip.ParseAddr(v[outside])
	if err1 != nil || err2 != nil || in.Zone() != "" || !out.Is4() {
		return r, errors.New("an address of the line is none")
	}
	if b4, err := netip.ParseAddr(v[tunnel]); err == nil && b4.Is6() && b4.Zone() == "" {
		in = b4
	}
	realm, ok := l.realm(v[vrf])
	if !ok {
		return r, ErrVRF
	}
	r.Held = line.Held{Inside: in.Unmap(), Realm: realm}
	r.Range = line.Whole(netip.PrefixFrom(out, 32))
	if v[lo] != "" {
		first, err1 := strconv.ParseUint(v[lo], 10, 16)
		last, err2 := strconv.ParseUint(cmp.Or(v[hi], v[lo]), 10, 16)
		switch {
		case err1 != nil || err2 != nil:
			return r, errors.New("a port of the line is above 65535")
		case first == 0 || last < first:
			return r, errors.New("the ports of the line are none: they begin at 1, and the last is not below the first")
		}
		r.Range.Lo, r.Range.Hi = uint16(first), uint16(last)
	}
	r.Range.Proto = protocol(v[proto])
	var err error
	if v[epoch] != "" {
		r.At, err = seconds(v[epoch])
	}
	if v[began] != "" && err == nil {
		r.Since, err = seconds(v[began])
	}
	return r, err
}

// protocol is that of a name or number. It is no part of the line, which would be kept in memory for it.
func protocol(s string) string {
	switch { // the usual ones without making a text
	case s == "" || s == "0" || s == "-":
		return ""
	case s == "6" || strings.EqualFold(s, "tcp"):
		return "tcp"
	case s == "17" || strings.EqualFold(s, "udp"):
		return "udp"
	}
	if known, ok := line.Protocol(s); ok {
		return known
	}
	return strings.Clone(strings.ToLower(s))
}

func seconds(hexadecimal string) (line.Moment, error) {
	n, err := strconv.ParseInt(hexadecimal, 16, 64)
	if err != nil || n <= 0 || n > 1<<40 {
		return line.Moment{}, errors.New("the device's time is none")
	}
	return line.Moment{Earliest: n, Latest: n}, nil
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
		at, err := line.Yearless(l.Zone, old, body[:len(old)], received)
		if err == nil || errors.Is(err, line.ErrSkipped) {
			return at, err
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
