package world_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/netip"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tocsin/internal/report"
	"tocsin/internal/world"
)

// plain undoes the container.
func plain(t *testing.T, f world.File) []byte {
	t.Helper()
	body := f.Body()
	switch {
	case strings.HasSuffix(f.Name, ".gz"):
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		return all(t, f.Name, z)
	case strings.HasSuffix(f.Name, ".zip"):
		z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
		if err != nil || len(z.File) != 1 {
			t.Fatalf("%s: %v", f.Name, err)
		}
		r, err := z.File[0].Open()
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		return all(t, f.Name, r)
	}
	return body
}

func all(t *testing.T, name string, r io.Reader) []byte {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return b
}

// seen is what a row says, read from the bytes with nothing of the world's own.
type seen struct {
	addr netip.Addr
	port uint16
	at   time.Time
}

// counts is what a file holds, read from the bytes.
type counts struct {
	rows, good, repeats, refused int
	seen                         map[int64]seen // good rows by number
}

func read(t *testing.T, f world.File) counts {
	t.Helper()
	switch f.Format {
	case world.FormatXARF:
		return readXARF(t, f)
	case world.FormatARF:
		return readARF(t, f)
	}
	return readCSV(t, f)
}

func readCSV(t *testing.T, f world.File) counts {
	t.Helper()
	r := csv.NewReader(bytes.NewReader(plain(t, f)))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	column := func(names ...string) int {
		for i, c := range rows[0] {
			if slices.Contains(names, c) {
				return i
			}
		}
		return -1
	}
	at, ip, port := column("timestamp"), column("ip", "src_ip"), column("port", "src_port")
	c := counts{rows: len(rows) - 1, seen: map[int64]seen{}}
	known := map[string]bool{}
	for i, row := range rows[1:] {
		if len(row) != len(rows[0]) {
			c.refused++
			continue
		}
		a, err := netip.ParseAddr(row[ip])
		when, err2 := time.Parse(time.DateTime, row[at])
		if err2 != nil {
			t.Fatalf("%s row %d: %v", f.Name, i+1, err2)
		}
		if err != nil || when.After(f.Received) {
			c.refused++
			continue
		}
		if whole := strings.Join(row, "\x00"); known[whole] {
			c.repeats++
			continue
		} else {
			known[whole] = true
		}
		c.good++
		s := seen{addr: a, at: when}
		if port >= 0 {
			n, err := strconv.ParseUint(row[port], 10, 16)
			if err != nil {
				t.Fatalf("%s row %d: %v", f.Name, i+1, err)
			}
			s.port = uint16(n)
		}
		c.seen[int64(i+1)] = s
	}
	return c
}

func readXARF(t *testing.T, f world.File) counts {
	t.Helper()
	var d struct {
		Source string    `json:"source_identifier"`
		Port   uint16    `json:"source_port"`
		At     time.Time `json:"timestamp"`
	}
	if err := json.Unmarshal(f.Body(), &d); err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	return one(seen{netip.MustParseAddr(d.Source), d.Port, d.At})
}

func one(s seen) counts {
	return counts{rows: 1, good: 1, seen: map[int64]seen{1: s}}
}

func readARF(t *testing.T, f world.File) counts {
	t.Helper()
	body := f.Body()
	if n := bytes.Count(body, []byte("\n")); n != bytes.Count(body, []byte("\r\n")) {
		t.Fatalf("%s has bare line feeds", f.Name)
	}
	m, err := mail.ReadMessage(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	typ, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || typ != "multipart/report" || params["report-type"] != "feedback-report" {
		t.Fatalf("%s is %s: %v", f.Name, typ, err)
	}
	var types []string
	var s seen
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		typ, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		types = append(types, typ)
		text := all(t, f.Name, p)
		if typ == "message/feedback-report" {
			s = readFeedback(t, f, text)
		}
		if _, err := mail.ReadMessage(bytes.NewReader(text)); typ == "message/rfc822" && err != nil {
			t.Errorf("%s: the mail complained about: %v", f.Name, err)
		}
	}
	if want := []string{"text/plain", "message/feedback-report", "message/rfc822"}; !slices.Equal(types, want) {
		t.Errorf("%s has the parts %v, want %v", f.Name, types, want)
	}
	return one(s)
}

func readFeedback(t *testing.T, f world.File, text []byte) seen {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(append(text, "\r\n\r\n"...)))
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	h := textproto.MIMEHeader(m.Header)
	if h.Get("Feedback-Type") != "abuse" || h.Get("Version") != "1" || h.Get("User-Agent") == "" {
		t.Errorf("%s lacks what RFC 5965 §3.1 requires: %v", f.Name, h)
	}
	at, err := mail.ParseDate(h.Get("Arrival-Date"))
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	port, _ := strconv.ParseUint(h.Get("Source-Port"), 10, 16)
	return seen{netip.MustParseAddr(h.Get("Source-IP")), uint16(port), at}
}

func TestTheTruthIsInTheBytes(t *testing.T) {
	worlds := map[string]*world.World{"demo": demo()}
	for seed := range uint64(8) {
		worlds["small "+strconv.FormatUint(seed, 10)] = world.New(seed, world.Small())
	}
	for name, w := range worlds {
		t.Run(name, func(t *testing.T) {
			said := map[string]map[int64]seen{}
			for o := range w.Observations() {
				if said[o.File] == nil {
					said[o.File] = map[int64]seen{}
				}
				said[o.File][o.Row] = seen{o.Addr, o.Port, o.At}
			}
			var got world.Truth
			for f := range w.Reports() {
				got.Documents++
				if f.Unreadable {
					got.Unreadable++
					continue
				}
				c := read(t, f)
				if c.rows != f.Rows || c.good != f.Good || c.repeats != f.Repeats || c.refused != f.Refused {
					t.Errorf("%s holds %d rows, %d good, %d repeats, %d refused; said %d, %d, %d, %d", f.Name,
						c.rows, c.good, c.repeats, c.refused, f.Rows, f.Good, f.Repeats, f.Refused)
				}
				if f.DuplicateOf != "" {
					got.Duplicates++
					continue
				}
				if f.Late {
					got.Late++
				}
				got.Rows += c.rows
				got.Observations += c.good
				got.Repeats += c.repeats
				got.Refused += c.refused
				compare(t, f.Name, said[f.Name], c.seen)
			}
			if got != w.Truth() {
				t.Errorf("read %+v, said %+v", got, w.Truth())
			}
		})
	}
}

// compare checks the observations of a file against its good rows. A repeat may stand before the row that the
// world calls the first: then both say the same.
func compare(t *testing.T, name string, said, got map[int64]seen) {
	t.Helper()
	if len(said) != len(got) {
		t.Errorf("%s: %d observations, %d good rows", name, len(said), len(got))
	}
	for row, s := range said {
		g, ok := got[row]
		if !ok || s.addr != g.addr || s.port != g.port || !s.at.Equal(g.at) {
			t.Errorf("%s row %d: said %v, holds %v", name, row, s, g)
			return
		}
	}
}

// TestObservationsKnowTheirLine holds the world's answers to what it knows of each observation: whoever is named is
// right, and nobody is named where the port is missing.
func TestObservationsKnowTheirLine(t *testing.T) {
	worlds := map[string]*world.World{"demo": demo()}
	for seed := range uint64(5) {
		worlds["small "+strconv.FormatUint(seed, 10)] = world.New(seed, world.Small())
	}
	for name, w := range worlds {
		t.Run(name, func(t *testing.T) {
			own := w.Networks().Own
			unique, noPort, edges, gaps, elsewhere := 0, 0, 0, 0, 0
			for o := range w.Observations() {
				a := w.Answer(o.Addr, o.Port, o.At, time.Second)
				switch {
				case o.Line < 0:
					elsewhere++
					if a.State != report.LineNone {
						t.Fatalf("%s row %d is said to be line %d's, and is nobody's", o.File, o.Row, a.Line)
					}
				case o.Holder != own.ID:
					t.Fatalf("%s row %d is line %d's, at an address of %s", o.File, o.Row, o.Line, o.Holder)
				case a.State == report.LineUnique:
					unique++
					if a.Line != o.Line || a.Count != 0 {
						t.Fatalf("%s row %d is line %d's, said %d's", o.File, o.Row, o.Line, a.Line)
					}
				case o.Port == 0 && own.CGNAT[0].Contains(o.Addr):
					noPort++
					if a.State != report.LineAmbiguous || a.Count < 2 || a.Count > 161 || a.Line != -1 {
						t.Fatalf("%s row %d names no port, and is %+v", o.File, o.Row, a)
					}
				case a.State == report.LineAmbiguous:
					edges++
				default:
					gaps++
				}
			}
			t.Logf("%d unique, %d without a port, %d at an edge, %d in a gap, %d elsewhere", unique, noPort, edges, gaps, elsewhere)
			if unique == 0 || noPort == 0 || edges == 0 || gaps == 0 || elsewhere == 0 {
				t.Error("one of each is wanted")
			}
		})
	}
}

func TestFeedsFail(t *testing.T) {
	w := demo()
	outages := w.Outages()
	if len(outages) == 0 {
		t.Fatal("no feed fails")
	}
	type feedDay struct {
		feed string
		day  time.Time
	}
	days := map[feedDay]bool{}
	for o := range w.Observations() {
		if o.Reporter == outages[0].Reporter {
			days[feedDay{o.Feed, o.At.Truncate(24 * time.Hour)}] = true
		}
	}
	for _, o := range outages {
		for d := range w.Size().Days {
			day := w.Size().Start.AddDate(0, 0, d)
			down := !day.Before(o.From) && day.Before(o.To)
			if days[feedDay{o.Feed, day}] == down {
				t.Errorf("%s on %s: seen %v, down %v", o.Feed, day.Format(time.DateOnly), !down, down)
			}
		}
	}
}

// TestLives checks that there is something to tell of every fate: devices seen to the end, devices that stop, and
// devices that stop for days and come back.
func TestLives(t *testing.T) {
	w := demo()
	days := map[uint64]map[int]bool{}
	for o := range w.Observations() {
		if days[o.Device] == nil {
			days[o.Device] = map[int]bool{}
		}
		days[o.Device][int(o.At.Sub(w.Size().Start)/(24*time.Hour))] = true
	}
	var stays, stops, returns int
	for _, on := range days {
		quiet, back := 0, false
		for d := range w.Size().Days {
			if on[d] {
				back = back || quiet >= 5 && quiet < d
				quiet = 0
			} else {
				quiet++
			}
		}
		switch {
		case back:
			returns++
		case quiet >= 5:
			stops++
		default:
			stays++
		}
	}
	t.Logf("%d devices: %d to the end, %d stop, %d come back after five days", len(days), stays, stops, returns)
	if stays < 200 || stops < 200 || returns < 50 {
		t.Error("too few of one of them")
	}
}
