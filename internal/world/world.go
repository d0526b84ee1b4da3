// Package world makes up a partnership and the reports about it, from a seed: for the demo, the benchmark, tests
// and exercises. The same seed gives the same bytes. Its addresses are those of RFC 5737 and RFC 3849, its AS numbers
// those of RFC 5398, its names those of RFC 2606, so nothing in it is anybody's.
//
// New makes the world: an ISP whose lines have addresses for good, dial in, or share them behind a CGNAT; partners;
// devices that fall ill and are cleaned; and feeds that see them, miss them, fail and repeat themselves. Reports are the
// documents as they would come in, Observations what they truthfully say, Truth the totals. Logs are what the ISP's own
// systems write of who held which address, and Answer what these honestly say. Bench and BenchTable make larger, plainer
// input.
package world

import (
	"iter"
	"math/rand/v2"
	"net/netip"
	"time"

	"tocsin/internal/report"
)

// Limits of a world: what IPv4 for documentation has room for, and what a person wants to look at.
const (
	MaxLines = 20_000
	MaxDays  = 60
)

// Size is how much there is of a world. What is out of bounds is brought to the nearest bound.
type Size struct {
	Lines int       // subscriber lines of the ISP, 1 to MaxLines
	Days  int       // days of reports, 1 to MaxDays
	Start time.Time // the first day, UTC; zero is 2026-03-01
}

// Demo is the world of `tocsin demo`.
func Demo() Size { return Size{Lines: MaxLines, Days: 14} }

// Small is a world for tests: every format and every fault, little of each.
func Small() Size { return Size{Lines: 200, Days: 3} }

// World is a made-up partnership and what was reported about it. It does not change once it is made, so any
// number of goroutines may read it.
type World struct {
	seed     uint64
	size     Size
	nets     Networks
	lines    []Line
	static   map[netip.Addr]int32 // numbers of the lines that have an IPv4 address for good
	access   *access
	sites    []site
	problems []problem
	files    []*File // in order of arrival

	templates map[string]*[variants]template // by report type
}

// New makes the world of a seed.
func New(seed uint64, size Size) *World {
	size.Lines = min(max(size.Lines, 1), MaxLines)
	size.Days = min(max(size.Days, 1), MaxDays)
	if size.Start.IsZero() {
		size.Start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	}
	size.Start = size.Start.UTC().Truncate(24 * time.Hour)
	w := &World{seed: seed, size: size, nets: networks()}
	w.lines = makeLines(size.Lines)
	w.static = map[netip.Addr]int32{}
	for i, l := range w.lines {
		if l.Access == Static {
			w.static[l.Addr] = int32(i)
		}
	}
	w.makeProblems()
	sick := make([]bool, len(w.lines))
	for i := range w.sites {
		if n := w.sites[i].line; n >= 0 {
			sick[n] = true
		}
	}
	w.makeAccess(sick)
	w.makeFiles()
	return w
}

// Size returns the size that the world has.
func (w *World) Size() Size { return w.size }

// Networks returns who holds which addresses.
func (w *World) Networks() Networks { return w.nets }

// Lines returns the ISP's subscriber lines, by number.
func (w *World) Lines() []Line { return w.lines }

// End returns the instant after the last report has come in.
func (w *World) End() time.Time { return w.files[len(w.files)-1].Received.Add(time.Second) }

// Reports yields every document in the order in which it came in.
func (w *World) Reports() iter.Seq[File] {
	return func(yield func(File) bool) {
		for _, f := range w.files {
			if !yield(*f) {
				return
			}
		}
	}
}

// Reporter is one source of reports.
type Reporter struct {
	Name    string // as File.Reporter has it
	Org     string
	Contact string     // mail address; RFC 2606
	Domain  string     // of the organisation
	TLP     report.TLP // default label of what it sends
}

// The reporters by name.
const (
	byShadowserver = "shadowserver"
	byCSIRT        = "csirt-xa"
	byTrapline     = "trapline"
	byBank         = "harbourbank"
	byNorthline    = "northline"
	byMailhaven    = "mailhaven"
	byPostbox      = "postbox"
)

// Reporters returns every source of the world's reports.
func (w *World) Reporters() []Reporter { return reporters() }

func reporters() []Reporter {
	r := func(name, org, mailbox string, tlp report.TLP) Reporter {
		return Reporter{name, org, mailbox + "@" + name + ".example", name + ".example", tlp}
	}
	return []Reporter{
		r(byShadowserver, "Shadowserver (made up)", "reports", report.TLPAmber),
		r(byCSIRT, "CSIRT of Exampleland", "reports", report.TLPAmber),
		r(byTrapline, "Trapline Honeypots", "abuse-reports", report.TLPGreen),
		r(byBank, "First Harbour Bank", "security", report.TLPAmber),
		r(byNorthline, "Northline Broadband", "abuse", report.TLPAmber),
		r(byMailhaven, "Mailhaven", "feedbackloop", report.TLPAmber),
		r(byPostbox, "Postbox Mail", "fbl", report.TLPRed),
	}
}

// random returns a generator of its own for one purpose, so that a change to one part of the world leaves the
// others as they were.
func (w *World) random(purpose string, n int) *rand.Rand {
	h := mix(w.seed)
	for _, c := range []byte(purpose) {
		h = mix(h ^ uint64(c))
	}
	return rand.New(rand.NewPCG(h, uint64(n))) //nolint:gosec // a made-up world wants to be repeated, not secret
}
