package list

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones by name, also where the system has none: the static binary runs in empty containers

	"tocsin/internal/report"
)

// clock reads times as a mapping says they are written. It remembers the last one, as lists have runs of equal times.
type clock struct {
	read   []func(string, *time.Location) (time.Time, bool)
	zone   *time.Location
	header *regexp.Regexp
}

func newClock(t *Time) (clock, error) {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &report.FieldError{Field: "time." + field, Rule: "time." + field + ": " + fmt.Sprintf(format, args...)})
	}
	c := clock{zone: time.UTC}
	for i, l := range t.Layout {
		read, err := layout(l)
		if err != nil {
			bad(fmt.Sprintf("layout[%d]", i), "%v", err)
			continue
		}
		c.read = append(c.read, read)
	}
	if len(t.Layout) == 0 {
		c.read = append(c.read, anyTime)
	}
	if t.Zone != "" {
		var err error
		if c.zone, err = zoneOf(t.Zone); err != nil {
			bad("zone", "%v", err)
		}
	}
	if t.Header != "" {
		re, err := regexp.Compile(t.Header)
		switch {
		case err != nil:
			bad("header", "%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		case re.NumSubexp() != 1:
			bad("header", "the pattern needs one group, ( ), around the time")
		}
		c.header = re
	}
	return c, errors.Join(errs...)
}

// time reads one time.
func (c *clock) time(s string) (time.Time, bool) {
	for _, read := range c.read {
		if t, ok := read(s, c.zone); ok {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// head finds the list's own time in its first lines.
func (c *clock) head(head string) (time.Time, bool) {
	if c.header == nil {
		return time.Time{}, false
	}
	for _, m := range c.header.FindAllStringSubmatch(head, 20) { // "updated daily" comes before "updated 2026-03-01"
		s := strings.TrimSpace(m[1])
		if t, ok := c.time(s); ok {
			return t, true
		}
		if t, ok := anyTime(s, c.zone); ok { // the head's time is often written in another way than the rows'
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func zoneOf(s string) (*time.Location, error) {
	if t, err := time.Parse("-07:00", s); err == nil {
		_, off := t.Zone()
		return time.FixedZone("", off), nil
	}
	if s == "Local" {
		return nil, errors.New("the zone Local is another on each computer: name it, as Europe/Warsaw")
	}
	z, err := time.LoadLocation(s)
	if err != nil {
		return nil, fmt.Errorf("%q is no zone: write UTC, +02:00 or Europe/Warsaw", s)
	}
	return z, nil
}

// layout returns what reads times written in one way.
func layout(l string) (func(string, *time.Location) (time.Time, bool), error) {
	switch l {
	case "unix":
		return func(s string, _ *time.Location) (time.Time, bool) { return unix(s, 1) }, nil
	case "unix-ms":
		return func(s string, _ *time.Location) (time.Time, bool) { return unix(s, 1000) }, nil
	case "windows":
		return func(s string, _ *time.Location) (time.Time, bool) { return windows(s) }, nil
	}
	if !strings.Contains(l, "%") {
		return nil, fmt.Errorf("%q is no layout: write unix, unix-ms, windows, or one like %%d/%%m/%%Y %%H:%%M:%%S", l)
	}
	form, err := strftime(l)
	if err != nil {
		return nil, err
	}
	return func(s string, z *time.Location) (time.Time, bool) { return parseIn(form, s, z) }, nil
}

// strftime turns a layout in the letters of strftime into Go's.
func strftime(l string) (string, error) {
	letters := map[byte]string{
		'Y': "2006", 'y': "06", 'm': "1", 'd': "2", 'e': "_2", 'H': "15", 'M': "4", 'S': "5", 'I': "3", 'p': "PM",
		'b': "Jan", 'B': "January", 'a': "Mon", 'A': "Monday", 'z': "-0700", 'Z': "MST", 'T': "15:4:5", 'F': "2006-1-2", '%': "%",
	}
	var b strings.Builder
	for i := 0; i < len(l); i++ {
		c := l[i]
		if c != '%' {
			if c >= '0' && c <= '9' || c == '_' && i+2 < len(l) && strings.IndexByte("dYF", l[i+2]) >= 0 || c >= 'A' && c <= 'Z' && c != 'T' && c != 'Z' {
				return "", fmt.Errorf("%q has %q between its times, which would be mistaken for a part of one", l, string(c))
			}
			b.WriteByte(c)
			continue
		}
		if i++; i == len(l) || letters[l[i]] == "" {
			return "", fmt.Errorf("%q has a %% with a letter that is not known: use Y m d H M S y e I p b B a A z Z T F", l)
		}
		b.WriteString(letters[l[i]])
	}
	return b.String(), nil
}

func unix(s string, scale int64) (time.Time, bool) {
	whole, fraction, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n < 0 || n > 1e14 {
		return time.Time{}, false
	}
	t := time.UnixMilli(n * (1000 / scale))
	if fraction != "" && scale == 1 {
		ns, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
		if err != nil {
			return time.Time{}, false
		}
		t = t.Add(time.Duration(ns))
	}
	return t, true
}

// windows reads 100 ns since 1601-01-01 (FILETIME).
func windows(s string) (time.Time, bool) {
	const from1601 = 116444736000000000
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < from1601 {
		return time.Time{}, false
	}
	n -= from1601
	return time.Unix(n/1e7, n%1e7*100), true
}

// zones are the abbreviations that mean one thing only in mails and lists (RFC 5322 §4.3).
var zones = map[string]int{ //nolint:gochecknoglobals // table of plain data
	"UTC": 0, "GMT": 0, "UT": 0, "Z": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
	"CET": 1, "CEST": 2,
}

// parseIn reads a time; one whose zone is an abbreviation is read by the table above, since the library takes an
// abbreviation that it does not know for UTC.
func parseIn(form, s string, z *time.Location) (time.Time, bool) {
	t, err := time.ParseInLocation(form, s, z)
	if err != nil {
		return time.Time{}, false
	}
	if !strings.Contains(form, "MST") {
		return t, true
	}
	name, _ := t.Zone()
	off, ok := zones[name]
	if !ok {
		return time.Time{}, false
	}
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	return time.Date(year, month, day, hour, minute, second, t.Nanosecond(), time.FixedZone("", off*3600)), true
}

// spelled are the forms with names of days and months.
var spelled = []string{ //nolint:gochecknoglobals // table of plain data
	"Mon, 2 Jan 2006 15:4:5 -0700", "Mon, 2 Jan 2006 15:4:5 MST", "Mon, 2 Jan 2006 15:4:5", "2 Jan 2006 15:4:5 -0700",
	"2 Jan 2006 15:4:5 MST", "2 Jan 2006 15:4:5", "2 Jan 2006", "Mon Jan _2 15:4:5 2006", "Mon Jan _2 15:4:5 2006 MST",
	"Mon Jan _2 15:4:5 MST 2006", "Mon Jan _2 15:4:5 -0700 2006", "January 2, 2006, 3:4 pm", "January 2, 2006",
	"2/Jan/2006:15:4:5 -0700", "2-Jan-2006 15:4:5", "2-Jan-2006",
}

// ordered are the forms that begin with the year; a fraction of a second may follow the second.
var ordered = []string{ //nolint:gochecknoglobals // table of plain data
	"2006-01-02 15:04:05", "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 MST", "2006-01-02T15:04:05-0700", "2006-01-02", "2006-01-02 15:04",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02 15:04 MST", "2006/01/02 15:04:05", "2006/01/02",
}

// anyTime reads what cannot be misread: 01/02/2006 could be either.
func anyTime(s string, z *time.Location) (time.Time, bool) {
	if len(s) < 4 || len(s) > 64 {
		return time.Time{}, false
	}
	if s[0] < '0' || s[0] > '9' {
		return firstOf(spelled, s, z)
	}
	digits := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if digits < 0 {
		switch len(s) {
		case 8:
			return parseIn("20060102", s, z)
		case 14:
			return parseIn("20060102150405", s, z)
		case 13:
			return unix(s, 1000)
		case 9, 10:
			return unix(s, 1)
		}
		return time.Time{}, false
	}
	if digits == 10 && s[10] == '.' {
		return unix(s, 1)
	}
	if digits == 14 && s[14] == ' ' {
		return parseIn("20060102150405 MST", s, z)
	}
	if digits == 4 {
		return firstOf(ordered, s, z)
	}
	return firstOf(spelled, s, z)
}

func firstOf(forms []string, s string, z *time.Location) (time.Time, bool) {
	for _, f := range forms {
		if t, ok := parseIn(f, s, z); ok {
			return t, true
		}
	}
	return time.Time{}, false
}
