package mail

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// zones are the named zones of RFC 5322 §4.3, and others that mean one thing only. Every other name is UTC, as
// that section says. net/mail would take most of them for UTC without a word.
var zones = map[string]int{ // minutes east of Greenwich
	"ut": 0, "utc": 0, "gmt": 0, "z": 0,
	"edt": -240, "est": -300, "cdt": -300, "cst": -360, "mdt": -360, "mst": -420, "pdt": -420, "pst": -480,
	"wet": 0, "west": 60, "cet": 60, "cest": 120, "met": 60, "mest": 120, "eet": 120, "eest": 180, "msk": 180,
	"jst": 540, "kst": 540, "hkt": 480, "sgt": 480, "aest": 600, "aedt": 660, "nzst": 720, "nzdt": 780,
}

var months = map[string]time.Month{
	"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}

// ParseDate reads a date of RFC 5322 §3.3 with the obsolete forms of §4.3. The day of the week is not looked at:
// it is often wrong. A date as RFC 3339 has it is read as well.
func ParseDate(s string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, strings.TrimSpace(s)); err == nil {
		return t.UTC(), nil
	}
	bad := fmt.Errorf("%s is no date of RFC 5322", quote(s))
	text := withoutComments(s)
	if i := strings.IndexByte(text, ','); i >= 0 {
		text = text[i+1:]
	}
	f := strings.Fields(text)
	if len(f) > 0 && (f[0][0] < '0' || f[0][0] > '9') {
		f = f[1:] // a day of the week without its comma
	}
	if len(f) < 4 || len(f[1]) < 3 {
		return time.Time{}, bad
	}
	day, err1 := strconv.Atoi(f[0])
	month, ok := months[strings.ToLower(f[1][:3])]
	year, err2 := strconv.Atoi(f[2])
	clock, err3 := parseClock(f[3])
	if err1 != nil || !ok || err2 != nil || err3 != nil {
		return time.Time{}, bad
	}
	switch { // RFC 5322 §4.3
	case len(f[2]) == 2 && year < 50:
		year += 2000
	case len(f[2]) <= 3:
		year += 1900
	}
	t := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	if t.Day() != day || year > 9999 {
		return time.Time{}, bad // 31 February
	}
	east, ok := 0, true
	if len(f) > 4 {
		east, ok = parseZone(f[4])
	}
	if !ok {
		return time.Time{}, bad
	}
	return t.Add(clock - time.Duration(east)*time.Minute), nil
}

// ReadTime reads a time as machines that report abuse write it: RFC 3339, also with a space for the T, RFC 5322, ctime,
// and with the month first. zoned is false where no zone is given; the time is then taken for UTC.
func ReadTime(s string) (t time.Time, zoned, ok bool) {
	for _, layout := range [...]string{time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 -07:00", "2006-01-02T15:04:05-0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true, true
		}
	}
	for _, layout := range [...]string{"2006-01-02 15:04:05 UTC", "2006-01-02 15:04:05 GMT"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true, true
		}
	}
	for _, layout := range [...]string{"2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, false, true
		}
	}
	f := strings.Fields(s)
	if len(f) > 0 && len(f[0]) >= 3 && !isMonth(f[0]) && f[0][0] > '9' {
		f = f[1:] // the day of the week
	}
	if len(f) >= 4 && isMonth(f[0]) {
		f[0], f[1] = strings.TrimSuffix(f[1], ","), f[0]                 // "Feb 3 2014 02:13:35 +0100"
		if strings.Contains(f[2], ":") && !strings.Contains(f[3], ":") { // ctime: "Feb 3 02:13:35 2014"
			f[2], f[3] = f[3], f[2]
		}
		s = strings.Join(f, " ")
	}
	t, err := ParseDate(s)
	return t, len(f) > 4 || strings.ContainsAny(s, "Zz+"), err == nil
}

func isMonth(s string) bool {
	if len(s) < 3 {
		return false
	}
	i := strings.Index("janfebmaraprmayjunjulaugsepoctnovdec", strings.ToLower(s[:3]))
	return i >= 0 && i%3 == 0
}

// parseClock reads hour:minute or hour:minute:second. A leap second counts as the next minute's first.
func parseClock(s string) (time.Duration, error) {
	f := strings.Split(s, ":")
	if len(f) != 2 && len(f) != 3 {
		return 0, strconv.ErrSyntax
	}
	var d time.Duration
	limits := [...]uint64{23, 59, 60}
	units := [...]time.Duration{time.Hour, time.Minute, time.Second}
	for i := range f {
		n, err := strconv.ParseUint(f[i], 10, 8)
		if err != nil || n > limits[i] {
			return 0, strconv.ErrSyntax
		}
		d += time.Duration(n) * units[i]
	}
	return d, nil
}

func parseZone(s string) (minutesEast int, ok bool) {
	if s[0] != '+' && s[0] != '-' {
		return zones[strings.ToLower(s)], true // 0 for names that are not known
	}
	n, err := strconv.ParseUint(strings.ReplaceAll(s[1:], ":", ""), 10, 16)
	if err != nil || n > 9959 || n%100 > 59 {
		return 0, false
	}
	m := int(n/100*60 + n%100)
	if s[0] == '-' {
		return -m, true
	}
	return m, true
}

// withoutComments takes out what stands in parentheses, nested ones as well (RFC 5322 §3.2.2).
func withoutComments(s string) string {
	if strings.IndexByte(s, '(') < 0 {
		return s
	}
	var b strings.Builder
	depth := 0
	for i := range len(s) {
		switch {
		case s[i] == '(':
			depth++
		case s[i] == ')' && depth > 0:
			depth--
			b.WriteByte(' ')
		case depth == 0:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func quote(s string) string {
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "") + "…"
	}
	return strconv.Quote(s)
}
