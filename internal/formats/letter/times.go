package letter

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	months = `(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*`
	clock  = `(\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)`
	zone   = `(?:\s?\(?(Z|(?:UTC|GMT)(?:[+-]\d{1,2}(?::?\d{2})?)?|CES?T|[ECMP][SD]T|[+-]\d{2}:?\d{2})\b)?`
)

// The shapes of times, each with the groups that say what.
var shapes = []struct {
	re                                  *regexp.Regexp
	year, month, day, clock, zone, half int
	note                                string
}{
	{re: regexp.MustCompile(`\b(\d{4})[-/](\d{1,2})[-/](\d{1,2})[T _]\s?` + clock + zone), year: 1, month: 2, day: 3, clock: 4, zone: 5},
	{re: regexp.MustCompile(`(?i)\b(\d{1,2})[/ -]` + months + `[/ -](\d{4}),?[: ]\s?` + clock + zone), year: 3, month: 2, day: 1, clock: 4, zone: 5},
	{re: regexp.MustCompile(`\b` + months + `\s+(\d{1,2}),?\s+(\d{4}),?\s+` + clock + zone), year: 3, month: 1, day: 2, clock: 4, zone: 5},
	{re: regexp.MustCompile(`\b` + months + `\s+(\d{1,2})\s` + clock + zone + `\s(\d{4})\b`), year: 5, month: 1, day: 2, clock: 3, zone: 4},
	{re: regexp.MustCompile(`\b` + months + `\s+(\d{1,2})\s` + clock + zone), month: 1, day: 2, clock: 3, zone: 4, note: "no year"},
	{re: regexp.MustCompile(`\b(\d{1,2})\.(\d{1,2})\.(\d{4}),?\s+` + clock + zone), year: 3, month: 2, day: 1, clock: 4, zone: 5},
	{re: regexp.MustCompile(`\b(\d{1,2})/(\d{1,2})/(\d{4}),?\s+` + clock + `(?:\s?([AP]M)\b)?` + zone), year: 3, month: 1, day: 2, clock: 4, half: 5, zone: 6, note: "day or month may stand first"},
}

var unixShape = regexp.MustCompile(`(?i)\b(?:timestamp|epoch|time|ts)["']?\s*[=:]\s*["']?(1\d{9})(?:\.\d+)?\b`)

func times(finds []find, s string) []find {
	if !strings.Contains(s, ":") && !strings.Contains(s, "=") { // most lines, at little cost
		return finds
	}
	first := len(finds)
	for i := range shapes {
		for _, m := range shapes[i].re.FindAllStringSubmatchIndex(s, -1) {
			taken := false
			for _, f := range finds[first:] {
				taken = taken || m[0] < f.to && f.from < m[1]
			}
			group := func(n int) string {
				if n == 0 || m[2*n] < 0 {
					return ""
				}
				return s[m[2*n]:m[2*n+1]]
			}
			sh := &shapes[i]
			month, day := group(sh.month), group(sh.day)
			unclear := sh.year != 0 && sh.note != ""
			if unclear && number(month) > 12 {
				month, day = day, month
			}
			value, note, ok := written(group(sh.year), month, day, group(sh.clock), group(sh.half), group(sh.zone))
			if !ok || taken {
				continue
			}
			switch {
			case sh.note != "" && sh.year == 0:
				note = join(sh.note, note)
			case unclear && number(day) <= 12 && month != day:
				value, note = strings.TrimSpace(s[m[0]:m[1]]), join(sh.note, note)
			}
			finds = append(finds, find{Suggestion{Kind: KindTime, Value: value, Note: note}, m[0], m[1]})
		}
	}
	for _, m := range unixShape.FindAllStringSubmatchIndex(s, -1) {
		n, _ := strconv.ParseInt(s[m[2]:m[3]], 10, 64)
		finds = append(finds, find{Suggestion{Kind: KindTime, Value: time.Unix(n, 0).UTC().Format(time.RFC3339)}, m[2], m[3]})
	}
	return finds
}

func join(a, b string) string {
	if b == "" {
		return a
	}
	return a + "; " + b
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// written puts a time together: in UTC where there is a zone, else as the clock showed it, with a note.
func written(year, month, day, clock, half, zoneName string) (value, note string, ok bool) {
	m := number(month)
	if m == 0 && len(month) >= 3 {
		m = (strings.Index("janfebmaraprmayjunjulaugsepoctnovdec", strings.ToLower(month[:3])) + 3) / 3
	}
	y := number(cmp.Or(year, "2024")) // a leap year, where there is none
	layout := "15:04:05"
	if strings.Count(clock, ":") == 1 {
		layout = "15:04"
	}
	c, err := time.Parse(layout, strings.Replace(clock, ",", ".", 1))
	if err != nil || m < 1 || m > 12 {
		return "", "", false
	}
	h := c.Hour()
	switch half {
	case "AM", "PM":
		if h < 1 || h > 12 {
			return "", "", false
		}
		h %= 12
		if half == "PM" {
			h += 12
		}
	}
	offset, known := offsetOf(zoneName)
	t := time.Date(y, time.Month(m), number(day), h, c.Minute(), c.Second(), c.Nanosecond(), time.UTC)
	if t.Day() != number(day) || y < 1995 || y > 2200 {
		return "", "", false
	}
	switch {
	case year == "":
		value = "--" + t.Format("01-02T15:04:05.999999999") // ISO 8601:2000 §5.2.1.3
		if !known {
			note = "no zone"
		}
		return value, note, true
	case !known:
		return t.Format("2006-01-02T15:04:05.999999999"), "no zone", true
	}
	return t.Add(-offset).Format(time.RFC3339Nano), "", true
}

// offsetOf reads a zone. Names that mean different zones to different people are none, but for those of RFC 5322 §4.3.
func offsetOf(name string) (offset time.Duration, known bool) {
	name = strings.ToUpper(name)
	hours := map[string]int{
		"Z": 0, "UTC": 0, "GMT": 0, "CET": 1, "CEST": 2, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
	}
	if h, ok := hours[name]; ok {
		return time.Duration(h) * time.Hour, true
	}
	name = strings.TrimPrefix(strings.TrimPrefix(name, "UTC"), "GMT")
	if name == "" || name == "-0000" || name == "-00:00" { // RFC 5322 §3.3: the clock's zone is not known, the time is UTC
		return 0, name != ""
	}
	sign, digits := time.Duration(1), strings.ReplaceAll(name[1:], ":", "")
	if name[0] == '-' {
		sign = -1
	}
	if len(digits) <= 2 {
		digits += "00"
	}
	if len(digits) == 3 {
		digits = "0" + digits
	}
	n := number(digits)
	if n%100 > 59 || n/100 > 14 {
		return 0, false
	}
	return sign * (time.Duration(n/100)*time.Hour + time.Duration(n%100)*time.Minute), true
}
