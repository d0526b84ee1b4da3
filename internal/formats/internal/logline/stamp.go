package logline

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Stamp is a point in time as a text writes it: what it leaves out is said.
type Stamp struct {
	Time  time.Time // in UTC; without a zone the clock as written, without a year in year 0
	Year  bool      // the text has a year
	Zone  bool      // the text has a zone
	Clock bool      // the text has a time of day
}

// clock, fraction and zone of day as most logs write them.
const (
	months    = `(?P<M>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)`
	clock     = `(?P<c>\d{1,2}:\d\d(?::\d\d)?)(?:[.,](?P<f>\d{1,9}))?(?:\s?(?P<h>AM|PM|am|pm)\b)?`
	zone      = `(?:\s?(?P<z>Z\b|[+-]\d\d:?\d\d\b|\(?` + zoneNames + `\b\)?(?:[+-]\d\d:?\d\d\b)?))?`
	zoneNames = `(?:UTC|GMT|UT|WET|WEST|CET|CEST|MET|MEST|EET|EEST|MSK|EST|EDT|CST|CDT|MST|MDT|PST|PDT|JST|KST|HKT|SGT|AEST|AEDT|NZST|NZDT)`
)

// stampForms are the ways to write a time, one a line, each from where the time begins.
var stampForms = compileStamps(
	// ISO 8601 and its relatives
	`(?P<Y>\d{4})[-/.:](?P<m>\d\d)[-/.:](?P<d>\d\d)(?:T| {1,2}|_|-)`+clock+zone,
	// syslog, ctime, Apache
	`(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? {1,2})?(?:(?P<z>`+zoneNames+`) )?`+months+` {1,2}(?P<d>\d{1,2})(?: (?P<Y>\d{4}))? `+clock+`(?:(?: (?P<z2>`+zoneNames+`|[+-]\d{4}))? (?P<Y2>(?:19|20)\d\d)\b)?`,
	// RFC 5322, named
	`(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? {1,2})?(?P<d>\d{1,2})[ -]`+months+`[a-z]*[ -](?P<Y>\d{4}|\d\d),?(?: at)? `+clock+zone,
	// common log format
	`(?P<d>\d{1,2})/(?P<M>\pL{3,5}\.?)/(?P<Y>\d{4})[: ]`+clock+zone,
	// 3proxy, and how Germany writes it
	`(?P<d>\d\d)[-.](?P<m>\d\d)[-.](?P<Y>\d{4}),? `+clock+zone,
	// assp
	months+`-(?P<d>\d\d)-(?P<Y>\d\d) `+clock,
	// Half-Life
	`(?P<m>\d\d)/(?P<d>\d\d)/(?P<Y>\d{4})(?: -|:)? `+clock+zone,
	// mysqld
	`(?P<Y>\d\d)(?P<m>\d\d)(?P<d>\d\d) {1,2}`+clock,
	// xrdp, ISO basic
	`(?P<Y>\d{4})(?P<m>\d\d)(?P<d>\d\d)[-T](?P<c>\d\d:?\d\d:?\d\d)`+zone,
	// seconds since 1970
	`(?P<e>\d{10})(?:\.(?P<f>\d{1,9}))?\b`,
	// TAI64N
	`@(?P<tai>[0-9a-f]{24})\b`,
	// a day
	`(?P<Y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)\b`,
)

type stampForm struct {
	re    *regexp.Regexp
	names []string
}

func compileStamps(exprs ...string) []stampForm {
	all := make([]stampForm, len(exprs))
	for i, x := range exprs {
		re := regexp.MustCompile(`^` + x)
		all[i] = stampForm{re, re.SubexpNames()}
	}
	return all
}

// CutStamp reads the time at the beginning of s and returns what follows it.
func CutStamp(s string) (Stamp, string, bool) {
	if s == "" || !stampStart(s[0]) {
		return Stamp{}, s, false
	}
	head := s[:min(len(s), 64)]
	for i := range stampForms {
		f := &stampForms[i]
		m := f.re.FindStringSubmatchIndex(head)
		if m == nil {
			continue
		}
		var p stampParts
		for g, name := range f.names {
			if name != "" && m[2*g] >= 0 {
				p.set(name, head[m[2*g]:m[2*g+1]])
			}
		}
		if at, ok := p.stamp(); ok {
			return at, s[m[1]:], true
		}
	}
	return Stamp{}, s, false
}

// FindStamp reads the first time in s, wherever a word of it begins.
func FindStamp(s string) (Stamp, bool) {
	s = s[:min(len(s), 4096)]
	for i := 0; i < len(s); i++ {
		if i > 0 && wordByte(s[i-1]) {
			continue
		}
		if at, _, ok := CutStamp(s[i:]); ok {
			return at, true
		}
	}
	return Stamp{}, false
}

func stampStart(c byte) bool { return c >= '0' && c <= '9' || c >= 'A' && c <= 'W' || c == '@' }

func wordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

// stampParts are the parts of a time as they stand in the text.
type stampParts struct {
	year, month, monthName, day, clock, half, fraction, zone, epoch, tai string
}

func (p *stampParts) set(name, v string) {
	switch name {
	case "Y", "Y2":
		p.year = v
	case "m":
		p.month = v
	case "M":
		p.monthName = v
	case "d":
		p.day = v
	case "c":
		p.clock = v
	case "h":
		p.half = v
	case "f":
		p.fraction = v
	case "z", "z2":
		p.zone = v
	case "e":
		p.epoch = v
	case "tai":
		p.tai = v
	}
}

func (p *stampParts) stamp() (Stamp, bool) {
	if p.epoch != "" || p.tai != "" {
		sec, err := strconv.ParseInt(p.epoch, 10, 64)
		if p.tai != "" {
			// TAI64: 2^62 plus seconds; the ten seconds that TAI was ahead in 1970 are what daemontools writes.
			sec, err = strconv.ParseInt(p.tai[1:16], 16, 64)
			sec -= 10
		}
		at := time.Unix(sec, p.nanos()).UTC()
		return Stamp{Time: at, Year: true, Zone: true, Clock: true}, err == nil && at.Year() >= 1995 && at.Year() < 2200
	}
	year, y := p.fullYear()
	month, ok := p.monthNumber()
	day, err := strconv.Atoi(p.day)
	of, clockOK := p.timeOfDay()
	if !ok || err != nil || !clockOK {
		return Stamp{}, false
	}
	at := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	if at.Day() != day && y { // 31 February
		return Stamp{}, false
	}
	at = at.Add(of)
	east, zoned, ok := parseZone(p.zone)
	if !ok {
		return Stamp{}, false
	}
	return Stamp{Time: at.Add(-east), Year: y, Zone: zoned, Clock: p.clock != ""}, true
}

// fullYear reads the year; a time without one stands in the leap year 0 so that 29 February is a day.
func (p *stampParts) fullYear() (int, bool) {
	n, err := strconv.Atoi(p.year)
	if err != nil {
		return 0, false
	}
	if len(p.year) == 2 {
		if n < 70 {
			return 2000 + n, true
		}
		return 1900 + n, true
	}
	return n, n >= 1
}

func (p *stampParts) monthNumber() (time.Month, bool) {
	if p.monthName != "" {
		name := []rune(strings.ToLower(p.monthName))
		m, ok := monthNames[string(name[:3])]
		if !ok && len(name) > 3 {
			m, ok = monthNames[string(name[:4])]
		}
		return m, ok
	}
	n, err := strconv.Atoi(p.month)
	return time.Month(n), err == nil && n >= 1 && n <= 12
}

// monthNames begin the months' names in English, German, French, Italian, Dutch and Spanish, as Java's log
// formatters write them.
var monthNames = map[string]time.Month{
	"jan": 1, "gen": 1, "ene": 1, "feb": 2, "fév": 2, "mar": 3, "mär": 3, "maa": 3, "mrt": 3, "apr": 4, "avr": 4, "abr": 4,
	"may": 5, "mai": 5, "mei": 5, "mag": 5, "jun": 6, "juin": 6, "giu": 6, "jul": 7, "juil": 7, "lug": 7, "aug": 8,
	"aoû": 8, "ago": 8, "sep": 9, "set": 9, "oct": 10, "okt": 10, "ott": 10, "nov": 11, "dec": 12, "dez": 12, "déc": 12,
	"dic": 12,
}

func (p *stampParts) timeOfDay() (time.Duration, bool) {
	if p.clock == "" {
		return 0, true
	}
	digits := strings.ReplaceAll(p.clock, ":", "")
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	if len(digits) == 4 {
		digits += "00"
	}
	n, err := strconv.Atoi(digits)
	hour, minute, second := n/10000, n/100%100, n%100
	if p.half != "" {
		if hour < 1 || hour > 12 {
			return 0, false
		}
		hour %= 12
		if p.half == "PM" || p.half == "pm" {
			hour += 12
		}
	}
	if err != nil || hour > 23 || minute > 59 || second > 60 {
		return 0, false
	}
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second +
		time.Duration(p.nanos()), true
}

func (p *stampParts) nanos() int64 {
	if p.fraction == "" {
		return 0
	}
	n, err := strconv.ParseInt((p.fraction + "000000000")[:9], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// zoneOffsets are minutes east of Greenwich: names that RFC 5322 §4.3 gives a meaning and others that mean one thing only.
var zoneOffsets = map[string]int{
	"Z": 0, "UTC": 0, "GMT": 0, "UT": 0, "WET": 0, "WEST": 60, "CET": 60, "CEST": 120, "MET": 60, "MEST": 120, "EET": 120,
	"EEST": 180, "MSK": 180, "EST": -300, "EDT": -240, "CST": -360, "CDT": -300, "MST": -420, "MDT": -360, "PST": -480,
	"PDT": -420, "JST": 540, "KST": 540, "HKT": 480, "SGT": 480, "AEST": 600, "AEDT": 660, "NZST": 720, "NZDT": 780,
}

// parseZone reads an offset, a name, or a name with an offset from it ("UTC+2:00").
func parseZone(s string) (east time.Duration, zoned, ok bool) {
	s = strings.Trim(s, "() ")
	if s == "" {
		return 0, false, true
	}
	i := strings.IndexAny(s, "+-")
	name, offset := s, ""
	if i >= 0 {
		name, offset = s[:i], strings.ReplaceAll(s[i:], ":", "")
	}
	minutes := 0
	if name != "" {
		m, known := zoneOffsets[name]
		if !known {
			return 0, false, false
		}
		minutes = m
	}
	if offset != "" {
		n, err := strconv.Atoi(offset[1:])
		if err != nil || n > 1459 || n%100 > 59 {
			return 0, false, false
		}
		n = n/100*60 + n%100
		if offset[0] == '-' {
			n = -n
		}
		minutes += n
	}
	return time.Duration(minutes) * time.Minute, true, true
}

// ParseZone reads a zone that stands alone: "+0200", "UTC+2:00", "CEST".
func ParseZone(s string) (east time.Duration, ok bool) {
	s = strings.ReplaceAll(strings.TrimSpace(s), " ", "")
	if i := strings.IndexAny(s, "+-"); i >= 0 && len(s)-i <= 3 { // "+2"
		s = s[:i+1] + strings.Repeat("0", 3-(len(s)-i)) + s[i+1:] + "00"
	} else if i >= 0 && strings.IndexByte(s, ':') == i+2 { // "+2:00"
		s = s[:i+1] + "0" + s[i+1:]
	}
	east, zoned, ok := parseZone(s)
	return east, ok && zoned
}

// Rule says how what a time leaves out is filled in.
type Rule struct {
	Ref  time.Time     // the year is the one that puts the time before this by less than a year
	East time.Duration // the zone of times without one, east of Greenwich
	From string        // what Ref and East are from: "the mail's date", "when the report came in"
}

// day is by how much a clock may be ahead of Ref before its time is last year's.
const day = 24 * time.Hour

// Fill completes the stamp. The text says what was assumed, "" where nothing was.
func (r Rule) Fill(s Stamp) (time.Time, string) {
	at := s.Time
	if !s.Zone {
		at = at.Add(-r.East)
	}
	var assumed []string
	if !s.Year {
		year := r.Ref.UTC().Year() + 1 // New Year comes earlier to the east
		for at.AddDate(year, 0, 0).After(r.Ref.Add(day)) && year > r.Ref.UTC().Year()-1 {
			year--
		}
		at = at.AddDate(year, 0, 0)
		assumed = append(assumed, "the year is that of "+r.From)
	}
	if !s.Zone {
		assumed = append(assumed, "the zone is "+r.zone())
	}
	return at.UTC(), strings.Join(assumed, ", ")
}

func (r Rule) zone() string {
	if r.East == 0 {
		return "UTC"
	}
	return time.Time{}.In(time.FixedZone("", int(r.East/time.Second))).Format("-0700")
}
