package world

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"time"

	"tocsin/internal/report"
)

// Formats of files, as the formats' own names have it.
const (
	FormatShadowserver = "shadowserver"
	FormatXARF         = "xarf"
	FormatARF          = "arf"
)

// File is one document as it comes in.
type File struct {
	Name     string // unique in its world
	Reporter string // a Reporter.Name
	Format   string // empty for a document that no format reads
	Feed     string // report type of Shadowserver, category/type of XARF with hyphens, feedback type of ARF
	Received time.Time

	// What is in it. Rows = Good + Repeats + Refused; a duplicate has the counts of the file that it repeats.
	Rows    int
	Good    int // true observations, each counted once
	Repeats int // rows equal in every column to an earlier one of the same file
	Refused int // rows that cannot be used

	DuplicateOf string // name of the earlier file of this reporter with the same bytes
	Unreadable  bool   // nothing in it can be read: it belongs into the quarantine
	Late        bool   // days after what it tells

	content *content
}

// content is what the bytes of a file are made from. Duplicates share it.
type content struct {
	world *World
	typ   *reportType // of a CSV
	lines []line
	inner string // name of the CSV in a container
	wrap  string // gz, zip or empty

	xarf *xarfKind
	mail *mailKind
	sighting
	raw []byte
}

// sighting is one problem seen once.
type sighting struct {
	at      int64
	problem int32
	port    uint16
}

// fault is what is wrong with a line of a CSV.
type fault uint8

const (
	faultNone    fault = iota
	faultRepeat        // equal to an earlier line
	faultAddress       // 999.1.1.1
	faultYear          // the year 2100
	faultShort         // ends after two columns
)

// line is one line of a CSV.
type line struct {
	sighting
	fault fault
}

// Body makes the document. Each call makes it anew, so a world of any size stays small in memory.
func (f File) Body() []byte {
	c := f.content
	switch {
	case c.raw != nil:
		return bytes.Clone(c.raw)
	case c.xarf != nil:
		return c.world.xarfDocument(c)
	case c.mail != nil:
		return c.world.arfMail(c, f.Reporter)
	}
	body := c.world.csvDocument(c)
	var out bytes.Buffer
	switch c.wrap {
	case "gz":
		z := gzip.NewWriter(&out)
		z.Name, z.ModTime = c.inner, time.Unix(c.at, 0)
		mustWrite(z, body)
	case "zip":
		z := zip.NewWriter(&out)
		member, err := z.CreateHeader(&zip.FileHeader{
			Name: c.inner, Method: zip.Deflate, Modified: time.Unix(c.at, 0).UTC(),
		})
		if err != nil {
			panic(err) // a buffer does not fail
		}
		if _, err := member.Write(body); err != nil {
			panic(err)
		}
		if err := z.Close(); err != nil {
			panic(err)
		}
	default:
		return body
	}
	return out.Bytes()
}

// mustWrite writes all of b to a compressor above a buffer, which does not fail.
func mustWrite(z io.WriteCloser, b []byte) {
	if _, err := z.Write(b); err != nil {
		panic(err)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
}

// csvDocument writes the lines of a Shadowserver report.
func (w *World) csvDocument(c *content) []byte {
	out := newWriter(w.templates[c.typ.name])
	b := append(make([]byte, 0, 400*(len(c.lines)+1)), out.header()...)
	for _, l := range c.lines {
		r := w.rowOf(c.typ, l.sighting)
		start := len(b)
		switch l.fault {
		case faultAddress:
			r.bogus = true
		case faultYear:
			at := time.Unix(r.at, 0).UTC()
			r.at = at.AddDate(2100-at.Year(), 0, 0).Unix()
		}
		b = out.append(b, &r)
		if l.fault == faultShort {
			b = cutAfter(b, start, 2)
		}
	}
	return b
}

// cutAfter ends the line that begins at start after n columns; their values hold no comma.
func cutAfter(b []byte, start, n int) []byte {
	for i := start; i < len(b); i++ {
		if b[i] != ',' {
			continue
		}
		if n--; n == 0 {
			return append(b[:i], '\n')
		}
	}
	return b
}

// rowOf is what a sighting looks like in a report of this type.
func (w *World) rowOf(t *reportType, s sighting) row {
	p := &w.problems[s.problem]
	at := &w.sites[p.site]
	seen, _ := w.reach(at, s.at) // what is reported was connected
	town := towns[at.town]
	r := row{
		at: s.at, addr: w.addrOf(t, s), port: s.port, dst: plus(sinkholes.Addr(), 1+p.device%14),
		asn: at.net.ASN, cc: at.net.CC, region: town.region, city: town.city, host: seen.host, thing: p.thing,
		urlHost: at.urlHost, url: "http://" + at.urlHost + "/" + fmt.Sprintf("wp-content/%x", p.device>>40),
		device: p.device, id: mix(p.device ^ uint64(s.at)<<16 ^ uint64(s.port)),
	}
	if !r.addr.Is4() {
		r.host = "" // nobody names the addresses of a /56
		r.dst = plus(w.nets.Others[0].Prefixes[0].Addr(), 1+p.device%14)
	}
	return r
}

// addrOf is the subject's address in a report of this type.
func (w *World) addrOf(t *reportType, s sighting) netip.Addr {
	p := &w.problems[s.problem]
	seen, _ := w.reach(&w.sites[p.site], s.at)
	if t != nil && t.onIPv6() {
		return p.v6Addr(seen.v6, s.at)
	}
	return seen.v4
}

// Observation is one thing truly seen: what a good row says, read from the world and not from its bytes.
type Observation struct {
	File     string
	Row      int64 // in the document, from 1, a CSV's header not counted
	Reporter string
	Format   string
	Feed     string
	Received time.Time

	// What the problem is. A format's own table may name it otherwise where the document leaves room.
	Kind  report.Kind
	Thing string // e.g. open-telnet or mirai

	At     time.Time
	Addr   netip.Addr
	Port   uint16 // 0 when the document gives none
	Proto  string // empty when the document gives none
	Device uint64 // which device it truly is, whatever its address
	Holder string // Network.ID of who holds Addr; empty where nobody in the world does
	ASN    uint32 // as the document says; 0 when it does not
	Line   int    // which line it truly is, -1 when none of ours; more than Addr and Port may tell
}

// Observations yields every true observation once, in the order of arrival: neither repeats nor refused rows nor
// the contents of duplicates.
func (w *World) Observations() iter.Seq[Observation] {
	return func(yield func(Observation) bool) {
		for _, f := range w.files {
			if f.DuplicateOf != "" || f.Unreadable {
				continue
			}
			if f.content.typ == nil {
				if !yield(w.observe(f, f.content.sighting, 1)) {
					return
				}
				continue
			}
			for i, l := range f.content.lines {
				if l.fault == faultNone && !yield(w.observe(f, l.sighting, int64(i+1))) {
					return
				}
			}
		}
	}
}

func (w *World) observe(f *File, s sighting, number int64) Observation {
	p := &w.problems[s.problem]
	at := &w.sites[p.site]
	c := f.content
	o := Observation{
		File: f.Name, Row: number, Reporter: f.Reporter, Format: f.Format, Feed: f.Feed, Received: f.Received,
		At: time.Unix(s.at, 0).UTC(), Addr: w.addrOf(c.typ, s), Port: s.port, Device: p.device,
		Line: int(at.line), Thing: p.thing,
	}
	if n := w.holder(o.Addr); n != nil {
		o.Holder = n.ID
	}
	switch {
	case c.typ != nil:
		o.Kind, o.Proto, o.ASN = c.typ.kind, c.typ.proto, at.net.ASN
		if c.typ.thing != "" {
			o.Thing = c.typ.thing
		}
		if !c.typ.hasPort() {
			o.Port = 0
		}
	case c.xarf != nil:
		o.Kind, o.Proto = c.xarf.kind, c.xarf.proto
		if c.xarf.thing != "" {
			o.Thing = c.xarf.thing
		}
	default:
		o.Kind, o.Port = kindSpam, c.mail.portOf(s)
	}
	return o
}

// holder is the network with the address, nil when nobody's.
func (w *World) holder(a netip.Addr) *Network {
	for n := range w.everybody() {
		for _, p := range n.Prefixes {
			if p.Contains(a) {
				return n
			}
		}
	}
	return nil
}

// Truth is what a correct import of all reports, each once, must count.
type Truth struct {
	Documents    int // all that came in
	Duplicates   int // of them, same bytes from the same reporter again
	Unreadable   int // of them, nothing in it can be read
	Rows         int // in all others: Observations + Repeats + Refused
	Observations int
	Repeats      int
	Refused      int
	Late         int // documents that came days after what they tell
}

// Truth returns the totals.
func (w *World) Truth() Truth {
	var t Truth
	for _, f := range w.files {
		t.Documents++
		switch {
		case f.DuplicateOf != "":
			t.Duplicates++
			continue
		case f.Unreadable:
			t.Unreadable++
			continue
		case f.Late:
			t.Late++
		}
		t.Rows += f.Rows
		t.Observations += f.Good
		t.Repeats += f.Repeats
		t.Refused += f.Refused
	}
	return t
}
