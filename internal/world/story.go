package world

import (
	"fmt"
	"net/netip"
	"time"

	"tocsin/internal/report"
)

// Story is a report about an address that many lines share, as it comes in at first, and as it comes in again with what
// was missing. It is about a device that other reports are about too.
type Story struct {
	Without File // has no source port
	With    File // the same with it
	Line    int  // whose it truly is
	Count   int  // lines that the first could be about
	Addr    netip.Addr
	Port    uint16
	At      time.Time
}

// Story returns the story; false where the world is too small for one. Reports yields neither of its files. within is by
// how much its time may be off.
func (w *World) Story(within time.Duration) (s Story, ok bool) {
	var about int32
	most := 0
	for i := range w.problems {
		p := &w.problems[i]
		n := w.sites[p.site].line
		if troubles[p.kind].name != "windows" || n < 0 || w.lines[n].Access != Shared || len(p.spells) == 0 {
			continue
		}
		spell := p.spells[len(p.spells)-1]
		moves := 1 // the more addresses the better it shows
		for _, b := range w.access.byLine[n] {
			if spell.from < w.access.blocks[b].was.from && w.access.blocks[b].was.from < spell.to {
				moves++
			}
		}
		at := time.Unix(spell.to-600, 0).UTC()
		seen, connected := w.reach(&w.sites[p.site], at.Unix())
		if spell.to-spell.from < day || !connected || moves < most {
			continue
		}
		port := seen.first + uint16(p.device%portsPerLine)
		a, b := w.Answer(seen.v4, port, at, within), w.Answer(seen.v4, 0, at, within)
		if a.State == report.LineUnique && b.State == report.LineAmbiguous && b.Count > 1 {
			about, most = int32(i), moves
			s = Story{Line: a.Line, Count: b.Count, Addr: seen.v4, Port: port, At: at}
		}
	}
	if most == 0 {
		return s, false
	}
	x := findXARF("botnet")
	tell := func(name string, port uint16, after time.Duration) File {
		return File{
			Name:     fmt.Sprintf("%s-%s-%s-%s.json", s.At.Format(time.DateOnly), x.reporter, x.name, name),
			Reporter: x.reporter, Format: FormatXARF, Feed: x.category + "/" + x.typ, Received: w.End().Add(after),
			Rows: 1, Good: 1, content: &content{world: w, xarf: x, sighting: sighting{s.At.Unix(), about, port}},
		}
	}
	s.Without, s.With = tell("without-port", 0, time.Hour), tell("with-port", s.Port, 3*time.Hour)
	return s, true
}
