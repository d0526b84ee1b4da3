package sources

import (
	"maps"
	"net/netip"
	"slices"

	"tocsin/internal/line"
)

// doubt is what may be missing from a log that is being read.
type doubt struct {
	source *source
	last   map[string]line.Moment // of each device that this reading has heard: its last record
	torn   map[netip.Prefix]bool  // addresses of which rows could not be used; the zero Prefix: nobody knows of which
}

const (
	maxDevices = 64  // of which gaps are told one by one
	maxEnds    = 100 // readings of a device that are remembered
)

// gaps says that records are missing, up to a record that is told next. The lost row may be any device's, and each has a
// clock of its own: so the gap of each begins with its own last word.
func (d *doubt) gaps(batch []line.Record, to line.Moment) []line.Record {
	if len(d.torn) == 0 {
		return batch
	}
	since := map[string]line.Moment{}
	for name, mark := range d.source.archive.Heard() {
		since[name] = d.before(name, mark, to)
	}
	maps.Copy(since, d.last)
	if len(since) > maxDevices {
		first := line.Moment{}
		for _, m := range since {
			if first.IsZero() || m.Earliest < first.Earliest {
				first = m
			}
		}
		since = map[string]line.Moment{"": first}
	}
	for _, name := range slices.Sorted(maps.Keys(since)) {
		from := since[name]
		for about := range d.torn {
			batch = append(batch, line.Record{
				Action: line.Missing, NAS: name, Range: line.Range{Prefix: about}, Since: from,
				At: line.Moment{Earliest: max(to.Earliest, from.Earliest), Latest: max(to.Latest, from.Latest)},
			})
		}
	}
	clear(d.torn)
	return batch
}

// before is the last that a device is known to have said before a record of a log in which it was not heard yet: of an
// older log that is read later, what was read before says nothing, unless it is what ended there. Nobody knows then how
// far back the gap reaches.
func (d *doubt) before(name string, mark int64, to line.Moment) line.Moment {
	if mark > to.Earliest {
		mark = 1
		for _, end := range d.source.ends[name] {
			if end <= to.Earliest {
				mark = max(mark, end)
			}
		}
	}
	return line.Moment{Earliest: mark, Latest: mark}
}

// end notes where the reading ended.
func (d *doubt) end() {
	if d.source.ends == nil {
		d.source.ends = map[string][]int64{}
	}
	for name, at := range d.last {
		ends := append(d.source.ends[name], at.Earliest)
		d.source.ends[name] = ends[max(0, len(ends)-maxEnds):]
	}
}
