package world

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// row is what one line of a Shadowserver report says beside the constants of its type. A line is a pure function
// of it, so the same row written twice is an exact repeat.
type row struct {
	at      int64 // Unix seconds
	addr    netip.Addr
	dst     netip.Addr // the sinkhole or honeypot that saw it
	port    uint16
	asn     uint32
	cc      string
	region  string
	city    string
	host    string // name of addr, empty when it has none
	thing   string // infection, or the service that is attacked
	url     string
	urlHost string
	device  uint64 // the same for every line about one device
	id      uint64 // of this line
	bogus   bool   // the address is none: 999.1.1.1
}

// variants is how many different-looking devices each report type knows.
const variants = 8

// op is what a segment writes after its text.
type op uint8

const (
	opNone op = iota
	opTime
	opTimeISO
	opTimeHTTP
	opAddr
	opDst
	opPort
	opASN
	opCC
	opRegion
	opCity
	opHost
	opThing
	opURL
	opURLHost
	opEvent
	opHex
	opSum
)

// ops are the words that a column's value is written with in the table of report types. A word may carry a number
// of bytes: "$sum20" is a fingerprint of twenty.
var ops = map[string]op{
	"$time": opTime, "$iso": opTimeISO, "$http": opTimeHTTP, "$addr": opAddr, "$dst": opDst, "$port": opPort,
	"$asn": opASN, "$cc": opCC, "$region": opRegion, "$city": opCity, "$host": opHost, "$thing": opThing,
	"$url": opURL, "$urlhost": opURLHost, "$event": opEvent, "$hex": opHex, "$sum": opSum,
}

// segment is constant text and then one value.
type segment struct {
	text string
	op   op
	size int    // bytes of a fingerprint
	salt uint64 // so that two fingerprints of one device differ
}

// template is one report type for one variant of device, ready to be written.
type template struct {
	header   string
	segments []segment
}

// compile makes the template of one variant of a report type. Text is quoted and numbers are bare, as
// Shadowserver writes them.
func (t *reportType) compile(variant int) template {
	columns := t.allColumns()
	out := template{header: `"` + strings.Join(columns, `","`) + "\"\n"}
	var text strings.Builder
	for i, c := range columns {
		if i > 0 {
			text.WriteByte(',')
		}
		v := t.value(c, variant)
		word := strings.TrimRight(v, "0123456789")
		o, dynamic := ops[word]
		switch {
		case dynamic:
			bare := o == opPort || o == opASN
			if !bare {
				text.WriteByte('"')
			}
			size, _ := strconv.Atoi(v[len(word):])
			out.segments = append(out.segments, segment{text.String(), o, size, uint64(i)})
			text.Reset()
			if !bare {
				text.WriteByte('"')
			}
		case isNumber(v):
			text.WriteString(v)
		default:
			text.WriteString(`"` + strings.ReplaceAll(v, `"`, `""`) + `"`)
		}
	}
	text.WriteByte('\n')
	out.segments = append(out.segments, segment{text: text.String()})
	return out
}

// compileAll makes the templates of all variants.
func (t *reportType) compileAll() *[variants]template {
	var all [variants]template
	for v := range all {
		all[v] = t.compile(v)
	}
	return &all
}

// isNumber holds for the empty value too, which is written bare.
func isNumber(v string) bool {
	return strings.Trim(v, "0123456789.") == "" && strings.Count(v, ".") <= 1
}

// writer appends the lines of one report type. It keeps the date that it wrote last, because making one costs
// more than the rest of a line.
type writer struct {
	templates *[variants]template
	day       int64 // days since 1970; -1 at first
	date      string
	httpDate  string
}

func newWriter(templates *[variants]template) *writer { return &writer{templates: templates, day: -1} }

func (w *writer) header() string { return w.templates[0].header }

// append appends the line of r, newline included.
func (w *writer) append(b []byte, r *row) []byte {
	if day := r.at / 86400; day != w.day {
		t := time.Unix(r.at, 0).UTC()
		w.day, w.date, w.httpDate = day, t.Format(time.DateOnly), t.Format("Mon, 02 Jan 2006 ")
	}
	t := &w.templates[r.device%variants]
	for i := range t.segments {
		s := &t.segments[i]
		b = append(b, s.text...)
		switch s.op {
		case opNone:
		case opTime:
			b = appendClock(append(append(b, w.date...), ' '), r.at)
		case opTimeISO:
			b = append(appendClock(append(append(b, w.date...), 'T'), r.at), ".000000Z"...)
		case opTimeHTTP:
			b = append(appendClock(append(b, w.httpDate...), r.at), " GMT"...)
		case opEvent:
			b = appendHex(b, r.id, s.size)
		case opHex:
			b = appendHex(b, mix(r.device+s.salt), s.size)
		case opSum:
			b = appendSum(b, mix(r.device+s.salt), s.size)
		default:
			b = r.appendField(b, s.op)
		}
	}
	return b
}

// appendField appends one value that the row holds as it is.
func (r *row) appendField(b []byte, o op) []byte {
	switch o {
	case opAddr:
		if r.bogus {
			return append(b, "999.1.1.1"...)
		}
		return r.addr.AppendTo(b)
	case opDst:
		return r.dst.AppendTo(b)
	case opPort:
		return strconv.AppendUint(b, uint64(r.port), 10)
	case opASN:
		return strconv.AppendUint(b, uint64(r.asn), 10)
	case opCC:
		return append(b, r.cc...)
	case opRegion:
		return append(b, r.region...)
	case opCity:
		return append(b, r.city...)
	case opHost:
		return append(b, r.host...)
	case opThing:
		return append(b, r.thing...)
	case opURL:
		return append(b, r.url...)
	case opURLHost:
		return append(b, r.urlHost...)
	}
	panic(fmt.Sprintf("world: no field for op %d", o))
}

// appendClock appends HH:MM:SS.
func appendClock(b []byte, at int64) []byte {
	s := int(at % 86400)
	h, m := s/3600, s/60%60
	s %= 60
	return append(b, '0'+byte(h/10), '0'+byte(h%10), ':', '0'+byte(m/10), '0'+byte(m%10), ':', '0'+byte(s/10), '0'+byte(s%10))
}

const (
	lowerHex = "0123456789abcdef"
	upperHex = "0123456789ABCDEF"
)

// appendHex appends size bytes that follow from x, in lower-case hex.
func appendHex(b []byte, x uint64, size int) []byte {
	var raw [8]byte
	for i := range size {
		if i%8 == 0 {
			x = mix(x)
			binary.LittleEndian.PutUint64(raw[:], x)
		}
		c := raw[i%8]
		b = append(b, lowerHex[c>>4], lowerHex[c&15])
	}
	return b
}

// appendSum appends size bytes that follow from x as certificate fingerprints are written: 04:FA:DE.
func appendSum(b []byte, x uint64, size int) []byte {
	var raw [8]byte
	for i := range size {
		if i%8 == 0 {
			x = mix(x)
			binary.LittleEndian.PutUint64(raw[:], x)
		}
		c := raw[i%8]
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, upperHex[c>>4], upperHex[c&15])
	}
	return b
}

// mix spreads the bits of x (the finalizer of splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
