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
	last   map[string]line.Moment   // of each device that this reading has heard: its last record
	torn   map[netip.Prefix]bool    // addresses of which rows could not be used; the zero Prefix: nobody knows of which
	open   map[string][]line.Record // gaps of devices that this reading has not heard since
}

const (
	maxDevices = 64  // of which gaps are told one by one
	maxEnds    = 100 // readings of a device that are remembered
)

// gaps says what is missing before a record that is told next. The lost row may be any device's, and each has a clock of its
// own: so the gap of each goes from its own last word to its own next.
func (d *doubt) gaps(batch []line.Record, r *line.Record) []line.Record {
	d.begin(r.At)
	if r.NAS != "" { // of all devices none is waited for
		batch = d.tell(batch, "")
	}
	for i := range d.open[r.NAS] {
		d.open[r.NAS][i].At = r.At
	}
	return d.tell(batch, r.NAS)
}

// rest says what is missing of devices that were not heard again, where the reading ends: up to the next record of any, or to
// when the log was written last.
func (d *doubt) rest(batch []line.Record, written line.Moment) []line.Record {
	d.begin(written)
	for _, name := range slices.Sorted(maps.Keys(d.open)) {
		batch = d.tell(batch, name)
	}
	return batch
}

// tell tells of a device's gaps, none of which ends sooner than it begins.
func (d *doubt) tell(batch []line.Record, name string) []line.Record {
	for _, gap := range d.open[name] {
		gap.At = line.Moment{Earliest: max(gap.At.Earliest, gap.Since.Earliest), Latest: max(gap.At.Latest, gap.Since.Latest)}
		batch = append(batch, gap)
	}
	delete(d.open, name)
	return batch
}

// begin begins the gaps of rows that could not be used, before a record.
func (d *doubt) begin(to line.Moment) {
	if len(d.torn) == 0 {
		return
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
	for name, from := range since {
		for about := range d.torn {
			gap := line.Record{Action: line.Missing, NAS: name, Range: line.Range{Prefix: about}, Since: from, At: to}
			if i := slices.IndexFunc(d.open[name], func(o line.Record) bool { return o.Range == gap.Range }); i >= 0 {
				d.open[name][i].At = to // it goes on
				continue
			}
			d.open[name] = append(d.open[name], gap)
		}
	}
	clear(d.torn)
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
