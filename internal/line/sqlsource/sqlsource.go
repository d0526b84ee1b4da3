// Package sqlsource reads sessions from a database of the operator's, by a query that only reads: FreeRADIUS's radacct, or
// any table that can be put into the same columns. Rows are changed in place there: a row is told again whenever it has
// changed, as far as it says something new.
package sqlsource

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"tocsin/internal/line"
	"tocsin/internal/line/database"
	"tocsin/internal/report"
)

// Spec names what this package follows.
const Spec = "FreeRADIUS 3 radacct, or a query with its columns: line, session, start, updated, stop, address"

// row is a row of the query, by its columns.
type row struct {
	line    string // personal
	nas     string // the device within which session is unique; "" is the source
	session string
	ranges  []string // addresses or networks, as text
	lo, hi  string   // ports, as text; "": all
	proto   string
	cause   string // why the session ended, as RADIUS says it

	start   line.Moment // since when the session is
	updated line.Moment // when it was last heard of; zero: at its start
	stop    line.Moment // zero: it is open
}

// columns are the columns that a query gives, in any order. Others are left aside.
var columns = []struct {
	name           string
	time, required bool
	put            func(*row, string)
	moment         func(*row) *line.Moment
}{
	{name: "line", required: true, put: func(r *row, v string) { r.line = v }},
	{name: "session", required: true, put: func(r *row, v string) { r.session = v }},
	{name: "start", time: true, required: true, moment: func(r *row) *line.Moment { return &r.start }},
	{name: "updated", time: true, required: true, moment: func(r *row) *line.Moment { return &r.updated }},
	{name: "stop", time: true, required: true, moment: func(r *row) *line.Moment { return &r.stop }},
	{name: "address", put: func(r *row, v string) { r.ranges = append(r.ranges, v) }},
	{name: "address6", put: func(r *row, v string) { r.ranges = append(r.ranges, v) }},
	{name: "prefix", put: func(r *row, v string) { r.ranges = append(r.ranges, v) }},
	{name: "delegated", put: func(r *row, v string) { r.ranges = append(r.ranges, v) }},
	{name: "nas", put: func(r *row, v string) { r.nas = v }},
	{name: "port_lo", put: func(r *row, v string) { r.lo = v }},
	{name: "port_hi", put: func(r *row, v string) { r.hi = v }},
	{name: "proto", put: func(r *row, v string) { r.proto = protocol(v) }},
	{name: "cause", put: func(r *row, v string) { r.cause = v }},
}

var rangeColumns = []string{"address", "address6", "prefix", "delegated"}

// CheckQuery says what is wrong with the text of a query, as far as can be seen without a database.
func CheckQuery(text string) error {
	first, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	first, _, _ = strings.Cut(first, "\n")
	if !strings.EqualFold(first, "select") && !strings.EqualFold(first, "with") {
		return errors.New("a query begins with SELECT or WITH")
	}
	for _, p := range database.Places(text) {
		if p != "from" && p != "to" {
			return fmt.Errorf("{%s} stands for nothing: there are {from} and {to}", p)
		}
	}
	for _, p := range []string{"from", "to"} {
		if !slices.Contains(database.Places(text), p) {
			return fmt.Errorf("the query has no {%s}: only rows that changed between {from} and {to} are to be read", p)
		}
	}
	return checkWords(text)
}

var word = regexp.MustCompile(`[a-z_0-9]+`)

// checkWords looks for the names of columns: one that stands nowhere in the text cannot be in the answer.
func checkWords(text string) error {
	if strings.Contains(text, "*") {
		return nil
	}
	words := word.FindAllString(strings.ToLower(text), -1)
	var missing []string
	for _, c := range columns {
		if c.required && !slices.Contains(words, c.name) {
			missing = append(missing, c.name)
		}
	}
	if !slices.ContainsFunc(rangeColumns, func(c string) bool { return slices.Contains(words, c) }) {
		missing = append(missing, anyRange)
	}
	return lacks(missing)
}

const anyRange = "address (or address6, prefix, delegated)"

// lacks says that columns are missing.
func lacks(missing []string) error {
	if len(missing) == 0 {
		return nil
	}
	return &database.Error{Kind: database.Wrong, Reason: "the query gives no column named " + strings.Join(missing, ", nor ") + ": name what it selects, as in `SELECT username AS line`"}
}

// shape is where the columns stand in an answer.
type shape []int // by place in columns; -1: not there

// shapeOf says which column is missing, or is of the wrong kind.
func shapeOf(cols []database.Column) (shape, error) {
	s := make(shape, len(columns))
	ranges := 0
	var missing []string
	for i, c := range columns {
		s[i] = slices.IndexFunc(cols, func(x database.Column) bool { return x.Name == c.name })
		switch {
		case s[i] < 0 && c.required:
			missing = append(missing, c.name)
		case s[i] >= 0 && c.time && !cols[s[i]].Time:
			return nil, &database.Error{Kind: database.Wrong, Reason: fmt.Sprintf("column %s of the query holds no times: CAST it to a timestamp", c.name)}
		case s[i] >= 0 && slices.Contains(rangeColumns, c.name):
			ranges++
		}
	}
	if ranges == 0 {
		missing = append(missing, anyRange)
	}
	if err := lacks(missing); err != nil {
		return nil, err
	}
	return s, nil
}

// read reads a row of an answer. With an error it has what can be read.
func (s shape) read(from *database.Row) (*row, error) {
	r := &row{}
	var wrong error
	for i, c := range columns {
		at := s[i]
		if at < 0 || from.Null(at) {
			continue
		}
		if !c.time {
			c.put(r, strings.TrimSpace(from.Text(at)))
			continue
		}
		m, err := from.Moment(at)
		if err != nil {
			wrong = cmp.Or(wrong, fmt.Errorf("%s %w", c.name, err))
			continue
		}
		*c.moment(r) = m
	}
	return r, wrong
}

// changed is when the row says something new: that it has ended, or else that it goes on.
func (r *row) changed() line.Moment {
	switch {
	case !r.stop.IsZero():
		return r.stop
	case r.updated.Latest > r.start.Latest:
		return r.updated
	}
	return r.start
}

// rebooted is what FreeRADIUS writes of sessions that a device has lost: they ended before it was back, and nobody knows
// when (RFC 2866 §5.10). Some of its queries leave the time of the last word in the row, and some do not.
const rebooted = "NAS-Reboot"

// records are what a row says. An error is one sentence that names no subscriber.
func (t *Table) records(r *row) ([]line.Record, error) {
	switch {
	case r.line == "":
		return nil, errors.New("line is empty: nobody knows whose the session is")
	case r.session == "":
		return nil, errors.New("session is empty: the row cannot be told from others")
	case r.start.IsZero() && r.updated.IsZero() && r.stop.IsZero():
		return nil, errors.New("start, updated and stop are empty: the row says no time")
	}
	ranges, err := t.ranges(r)
	if err != nil {
		return nil, err
	}
	base := line.Record{NAS: cmp.Or(r.nas, t.Name), Session: r.session, Held: line.Held{Line: r.line}, At: r.changed()}
	base.Since = t.since(r, base.At)
	switch {
	case !r.stop.IsZero():
		base.Action = line.Stop
	case base.At == r.start:
		base.Action, base.Since = line.Start, line.Moment{}
	default:
		base.Action = line.Alive
	}
	if len(ranges) == 0 {
		if base.Action != line.Stop { // it has no address yet
			return nil, nil
		}
		base.Since = line.Moment{} // it ends all that the session had
		ranges = []line.Range{{}}
	}
	if base.Action == line.Stop && r.cause == rebooted {
		if r.updated.IsZero() || r.updated.Latest >= r.stop.Earliest {
			return t.reset(r, base, ranges)
		}
		base.At.Earliest = max(r.updated.Earliest, r.start.Earliest)
	}
	return each(base, ranges)
}

// doubts are what a row leaves in doubt that cannot be used: somebody may have had its addresses, for as long as it says, and
// it is not known who. Whoever else is said to have had them is not named for that time.
func (t *Table) doubts(r *row) []line.Record {
	at := r.changed()
	if at.IsZero() {
		return nil
	}
	base := line.Record{Action: line.Stop, NAS: cmp.Or(r.nas, t.Name), Session: cmp.Or(r.session, "none"), At: at, Since: r.start}
	if r.start.Earliest > at.Earliest {
		base.Since = line.Moment{} // nobody knows
	}
	row := *r
	if _, _, err := ports(row.lo, row.hi); err != nil {
		if row.hi = "65535"; row.lo == "" {
			row.lo = "0"
		}
		if _, _, err := ports(row.lo, row.hi); err != nil {
			row.lo = "0"
		}
	}
	var all []line.Record
	for _, text := range r.ranges {
		row.ranges = []string{text}
		ranges, err := t.ranges(&row)
		for i := range ranges {
			one := base
			one.Session += " refused"
			if one.Range = ranges[i]; err == nil && one.Validate() == nil {
				all = append(all, one)
			}
		}
		if err != nil { // of which addresses nobody knows
			missing := line.Record{Action: line.Missing, NAS: base.NAS, Since: base.Since, At: at}
			if base.Since.IsZero() {
				missing.Since = at
			}
			if missing.Validate() == nil {
				all = append(all, missing)
			}
		}
	}
	return all
}

// protocol is the text of a column as others write it.
func protocol(v string) string {
	if known, ok := line.Protocol(v); ok {
		return known
	}
	return strings.ToLower(v)
}

// each is a record for each of the ranges.
func each(base line.Record, ranges []line.Range) ([]line.Record, error) {
	all := make([]line.Record, len(ranges))
	for i := range ranges {
		all[i] = base
		all[i].Range = ranges[i]
		if err := all[i].Validate(); err != nil {
			return nil, errors.New(report.Reason(err))
		}
	}
	return all, nil
}

// since is since when the addresses of a row are its session's. A row has those of the latest record only: where a session
// may get others, they were its from the start only if there was no later record.
func (t *Table) since(r *row, at line.Moment) line.Moment {
	if r.start.IsZero() || t.FixedAddresses {
		return r.start
	}
	return line.Moment{Earliest: r.start.Earliest, Latest: max(r.start.Latest, at.Latest)}
}

// reset is what a row says of a session that ended at an unknown time before its device was back, where the row does not
// have the session's last word any more: what is certain is what was said before.
func (t *Table) reset(r *row, base line.Record, ranges []line.Range) ([]line.Record, error) {
	switch {
	case r.start.IsZero():
		return nil, errors.New("start is empty, and the device was started again: nobody knows when the session ended")
	case r.start.Earliest > r.stop.Latest:
		return nil, errors.New("the session ends before it begins")
	case r.nas == "":
		base.At.Earliest = r.start.Earliest
		return each(base, ranges)
	}
	end := line.Record{Action: line.Reset, NAS: r.nas, At: r.stop}
	if !t.FixedAddresses || !ranges[0].Prefix.IsValid() { // nor is it known which address it had first
		return []line.Record{end}, nil
	}
	base.Action, base.At, base.Since = line.Alive, r.start, r.start
	all, err := each(base, ranges)
	return append(all, end), err
}

// ranges are what the session holds.
func (t *Table) ranges(r *row) ([]line.Range, error) {
	lo, hi, err := ports(r.lo, r.hi)
	if err != nil {
		return nil, err
	}
	var all []line.Range
	for _, text := range r.ranges {
		p, err := prefix(text)
		if err != nil {
			return nil, err
		}
		rng := line.Range{Prefix: p, Realm: t.Realm, Proto: r.proto, Lo: lo, Hi: hi}
		if p.IsValid() && !slices.Contains(all, rng) {
			all = append(all, rng)
		}
	}
	return all, nil
}

func ports(lo, hi string) (uint16, uint16, error) {
	if lo == "" && hi == "" {
		return 0, 65535, nil
	}
	a, err := strconv.ParseUint(lo, 10, 16)
	b, err2 := strconv.ParseUint(hi, 10, 16)
	if err != nil || err2 != nil || b < a {
		return 0, 0, errors.New("port_lo and port_hi are no range of ports: both are numbers from 0 to 65535, or both empty")
	}
	return uint16(a), uint16(b), nil
}

// prefix reads an address or a network. None is valid where the text is empty, or an address that says "choose yourself"
// (RFC 2865 §5.8).
func prefix(text string) (netip.Prefix, error) {
	if text == "" {
		return netip.Prefix{}, nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, errors.New("an address is none: the columns hold 198.51.100.7 or 2001:db8:7::/48")
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if a := p.Addr().Unmap(); p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, errors.New("a network is IPv4 written as IPv6: write it as IPv4")
		}
		p = netip.PrefixFrom(a, p.Bits()-96)
	}
	if p.IsSingleIP() {
		switch p.Addr() {
		case netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.AddrFrom4([4]byte{255, 255, 255, 255}), netip.AddrFrom4([4]byte{255, 255, 255, 254}):
			return netip.Prefix{}, nil
		}
	}
	if p.Bits() == 0 {
		return netip.Prefix{}, errors.New("a network is the whole Internet")
	}
	return p.Masked(), nil
}
