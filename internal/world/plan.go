package world

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Outage is a feed that says nothing for some days although there was something to say.
type Outage struct {
	Reporter string
	Feed     string
	From     time.Time // half-open
	To       time.Time // the world's last day when the feed never comes back
}

// Outages returns the feeds that fail. Silence of one that is down proves nothing about a line.
func (w *World) Outages() []Outage {
	on := func(feed string, from, to int) Outage {
		return Outage{byShadowserver, feed, w.day(from), w.day(to)}
	}
	n := w.size.Days
	if n < 10 {
		return []Outage{on("event4_sinkhole_http", n/2, n/2+1)}
	}
	return []Outage{on("event4_sinkhole_http", 5, 8), on("scan_snmp", 9, n)}
}

func (w *World) day(n int) time.Time { return w.size.Start.AddDate(0, 0, n) }

func (w *World) down(feed string, at int64) bool {
	for _, o := range w.Outages() {
		if o.Feed == feed && at >= o.From.Unix() && at < o.To.Unix() {
			return true
		}
	}
	return false
}

// forwarded are the report types that the CSIRT sends on for the whole country.
var forwarded = []string{
	"event4_sinkhole", "event6_sinkhole", "event4_honeypot_brute_force", "scan_rdp", "compromised_website",
}

// bucket is what one file of Shadowserver's is about.
type bucket struct {
	day      int
	reporter string
	feed     string
}

// planner collects what was seen and lays it out as files.
type planner struct {
	*World
	rows   map[bucket][]sighting
	serial int
	done   map[string]bool // outlets that have reported something: each does, however small the world
	odd    [2]int          // how many were seen at an edge, and in a gap
}

// makeFiles plays the days and makes the files in which they are reported.
func (w *World) makeFiles() {
	p := &planner{World: w, rows: map[bucket][]sighting{}, done: map[string]bool{}}
	for i := range w.problems {
		for j, o := range troubles[w.problems[i].kind].outlets {
			p.see(int32(i), o, w.random("sighting "+o.name, i*16+j))
		}
	}
	w.templates = map[string]*[variants]template{}
	for b := range p.rows {
		if w.templates[b.feed] == nil {
			w.templates[b.feed] = findType(b.feed).compileAll()
		}
	}
	p.shadowserverFiles()
	p.unreadableFiles()
	slices.SortStableFunc(w.files, func(a, b *File) int {
		if c := a.Received.Compare(b.Received); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
}

// see decides when a problem is seen in one of its outlets.
func (p *planner) see(problem int32, o outlet, r *rand.Rand) {
	if findXARF(o.name) != nil || findMail(o.name) != nil {
		o.perDay *= min(max(2000/float64(p.size.Lines), 1), 10) // rare ones happen in a small world too
	}
	for _, sp := range p.problems[problem].spells {
		for d := range p.size.Days {
			lo := max(sp.from, p.day(d).Unix())
			hi := min(sp.to, p.day(d+1).Unix())
			if hi-lo < 3600 || r.IntN(8) == 0 && p.done[o.name] { // too short to be caught, or missed
				continue
			}
			n := count(o.perDay, r)
			if !p.done[o.name] {
				n, p.done[o.name] = max(n, 1), true
			}
			times := make([]int64, n)
			site := &p.sites[p.problems[problem].site]
			for i := range times {
				times[i] = p.connected(site, lo+r.Int64N(hi-lo-int64(len(times))))
			}
			if n > 0 {
				if at, ok := p.awkward(site, span{lo, hi}, r); ok {
					times[0] = at
				}
			}
			slices.Sort(times)
			for i := range times {
				if i > 0 && times[i] <= times[i-1] {
					times[i] = times[i-1] + 1 // two sightings are never the same line
				}
				if _, ok := p.reach(site, times[i]); ok && times[i] < hi {
					p.report(d, sighting{at: times[i], problem: problem}, o, r)
				}
			}
		}
	}
}

// connected is the instant, or where the site was not connected then, a moment after it was again.
func (p *planner) connected(s *site, at int64) int64 {
	if _, ok := p.reach(s, at); ok {
		return at
	}
	for _, i := range p.access.byLine[s.line] {
		if from := p.access.dials[i].was.from; from > at {
			return from + 5
		}
	}
	return at
}

// awkward is now and then an instant of which the ISP's logs cannot say for certain whose line it was.
func (p *planner) awkward(s *site, when span, r *rand.Rand) (at int64, ok bool) {
	if s.line < 0 {
		return 0, false
	}
	var edges, gaps []int64
	for _, i := range p.access.byLine[s.line] {
		if p.lines[s.line].Access == Shared {
			edges = append(edges, p.access.blocks[i].was.from)
			continue
		}
		d := &p.access.dials[i]
		edges = append(edges, d.was.from)
		if d.was.to-d.sure > 60 && !d.told && d.was.to < never {
			gaps = append(gaps, d.sure+(d.was.to-d.sure)/2)
		}
	}
	for i, all := range [...][]int64{edges, gaps} {
		all = slices.DeleteFunc(all, func(at int64) bool { return !when.has(at-1) || !when.has(at+2) })
		if len(all) == 0 || p.odd[i] > 0 && r.IntN(30) > 0 {
			continue
		}
		p.odd[i]++
		at, ok = all[r.IntN(len(all))], true
	}
	return at, ok
}

// count draws how often something is seen on a day: exactly once where a feed reports once a day, else as a
// Poisson process does.
func count(perDay float64, r *rand.Rand) int {
	if perDay == 1 {
		return 1
	}
	n := 0
	for x := r.Float64(); x > math.Exp(-perDay) && n < 100; n++ {
		x *= r.Float64()
	}
	return n
}

// report hands a sighting to those who report it.
func (p *planner) report(d int, s sighting, o outlet, r *rand.Rand) {
	pr := &p.problems[s.problem]
	at := &p.sites[pr.site]
	own := at.net.Role == RoleOwn
	seen, _ := p.reach(at, s.at)
	s.port = seen.first + uint16(r.UintN(uint(seen.last-seen.first)+1))
	if x := findXARF(o.name); x != nil {
		if own || r.IntN(5) == 0 { // a few are sent to us although they are not ours
			p.xarfFile(x, s, r)
		}
		return
	}
	if m := findMail(o.name); m != nil {
		p.mailFile(m, s, r)
		return
	}
	t := findType(o.name)
	if t.port != 0 {
		s.port = t.port
	}
	if own && !p.down(o.name, s.at) {
		b := bucket{d, byShadowserver, o.name}
		p.rows[b] = append(p.rows[b], s)
	}
	if pr.told && slices.Contains(forwarded, o.name) {
		b := bucket{d, byCSIRT, o.name}
		p.rows[b] = append(p.rows[b], s)
	}
}

// shadowserverFiles lays the rows out as daily files.
func (p *planner) shadowserverFiles() {
	all := make([]bucket, 0, len(p.rows))
	for b := range p.rows {
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b bucket) int {
		if a.day != b.day {
			return a.day - b.day
		}
		if c := strings.Compare(a.reporter, b.reporter); c != 0 {
			return c
		}
		return strings.Compare(a.feed, b.feed)
	})
	for i, b := range all {
		p.shadowserverFile(i, b)
	}
}

// shadowserverFile makes the number-th file of rows, with the faults that fall to it. Faults go by the number so
// that a small world has one of each.
func (p *planner) shadowserverFile(number int, b bucket) {
	r := p.random("file", number)
	rows := p.rows[b]
	slices.SortFunc(rows, func(a, b sighting) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return int(a.problem - b.problem)
	})
	name := fmt.Sprintf("%s-%s-examplenet-asn64500.csv", p.day(b.day).Format(time.DateOnly), b.feed)
	if b.reporter == byCSIRT {
		name = fmt.Sprintf("%s-%s-exampleland-geo.csv", p.day(b.day).Format(time.DateOnly), b.feed)
	}
	received := p.day(b.day + 1).Add(6*time.Hour + time.Duration(r.IntN(3*3600))*time.Second)
	f := &File{
		Name: name, Reporter: b.reporter, Format: FormatShadowserver, Feed: b.feed, Received: received,
		content: &content{world: p.World, typ: findType(b.feed), inner: name, sighting: sighting{at: received.Unix()}},
	}
	f.content.lines = p.spoil(f, number, rows, r)
	switch {
	case number%7 == 3:
		f.content.wrap = "gz"
	case number%11 == 5:
		f.content.wrap = "zip"
	}
	if f.content.wrap != "" {
		f.Name += "." + f.content.wrap
	}
	if number%31 == 17 && b.day < p.size.Days-1 {
		f.Late = true
		f.Received = p.day(p.size.Days + 1).Add(time.Duration(12+number%9)*time.Hour + time.Duration(number)*time.Second)
	}
	p.add(f, number%29 == 7)
}

// spoil makes lines of the rows: some twice, some that nobody can use.
func (p *planner) spoil(f *File, number int, rows []sighting, r *rand.Rand) []line {
	lines := make([]line, len(rows), len(rows)+len(rows)/80+4)
	for i, s := range rows {
		lines[i] = line{sighting: s}
	}
	f.Good = len(lines)
	if number%3 == 0 || len(rows) > 60 {
		for range max(1, len(rows)/80) {
			from := r.IntN(len(lines))
			l := lines[from]
			l.fault = faultRepeat
			lines = slices.Insert(lines, from+1+r.IntN(len(lines)-from), l)
			f.Repeats++
		}
	}
	if number%4 == 1 {
		for i := range 1 + r.IntN(3) {
			l := line{rows[r.IntN(len(rows))], faultAddress + fault((number/4+i)%3)}
			if l.fault == faultShort && f.content.typ.layout == "" {
				l.fault = faultAddress // its first two columns may hold a URL, which is a subject too
			}
			lines = slices.Insert(lines, r.IntN(len(lines)+1), l)
			f.Refused++
		}
	}
	f.Rows = len(lines)
	return lines
}

// add puts a file into the world, and where again says so, once more a day later under another name.
func (p *planner) add(f *File, again bool) {
	p.files = append(p.files, f)
	if !again {
		return
	}
	dup := *f
	stem, rest, _ := strings.Cut(f.Name, ".")
	dup.Name = stem + "-resent." + rest
	dup.Received = f.Received.Add(24 * time.Hour)
	dup.DuplicateOf = f.Name
	dup.Late = false
	p.files = append(p.files, &dup)
}

// xarfFile makes the document of one sighting.
func (p *planner) xarfFile(x *xarfKind, s sighting, r *rand.Rand) {
	p.serial++
	if x.port != 0 {
		s.port = x.port
	}
	at := time.Unix(s.at, 0).UTC()
	p.add(&File{
		Name:     fmt.Sprintf("%s-%s-%s-%05d.json", at.Format(time.DateOnly), x.reporter, strings.ReplaceAll(x.name, "_", "-"), p.serial),
		Reporter: x.reporter, Format: FormatXARF, Feed: x.category + "/" + strings.ReplaceAll(x.typ, "_", "-"),
		Received: at.Add(time.Duration(300+r.IntN(6*3600)) * time.Second),
		Rows:     1, Good: 1, content: &content{world: p.World, xarf: x, sighting: s},
	}, p.serial%23 == 5)
}

// mailFile makes the feedback-loop mail of one sighting.
func (p *planner) mailFile(m *mailKind, s sighting, r *rand.Rand) {
	p.serial++
	at := time.Unix(s.at, 0).UTC()
	p.add(&File{
		Name:     fmt.Sprintf("%s-%s-%05d.eml", at.Format(time.DateOnly), m.reporter, p.serial),
		Reporter: m.reporter, Format: FormatARF, Feed: "abuse",
		Received: at.Add(time.Duration(600+r.IntN(10*3600)) * time.Second),
		Rows:     1, Good: 1, content: &content{world: p.World, mail: m, sighting: s},
	}, p.serial%19 == 4)
}

// unreadableFiles adds what no format can read.
func (p *planner) unreadableFiles() {
	for i, u := range []struct{ name, reporter, format, body string }{
		{"no-source.json", byTrapline, FormatXARF, `{"xarf_version":"4.2.0","category":"connection","type":"login_attack",` +
			`"report_id":"7b0ad54f-61c1-4b0f-9d13-2f6f5f6f7f10","timestamp":"2026-03-01T10:00:00Z",` +
			`"reporter":{"org":"Trapline Honeypots","contact":"abuse-reports@trapline.example","domain":"trapline.example"}}` + "\n"},
		{"cut-off.json", byNorthline, FormatXARF, `{"xarf_version":"4.2.0","category":"messaging","ty`},
		{"out-of-office.txt", byPostbox, "", "I am away until Monday. Please write to the team mailbox.\n"},
	} {
		p.add(&File{
			Name:     p.size.Start.Format(time.DateOnly) + "-" + u.reporter + "-" + u.name,
			Reporter: u.reporter, Format: u.format, Unreadable: true,
			Received: p.size.Start.Add(time.Duration(11+i) * time.Hour),
			content:  &content{world: p.World, raw: []byte(u.body)},
		}, false)
	}
}
