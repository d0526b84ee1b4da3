package line

import (
	"errors"
	"strconv"
	"time"
)

// ErrSkipped says that local time has no such time: clocks were put forward over it.
var ErrSkipped = errors.New("there was no such time: clocks were put forward over it")

// Local is the moment of a time that was written without a zone: at is text, read by layout in some place's local time.
// Where clocks were put back, local time had it twice, and it is not known which was meant; where they were put forward,
// there was none (ErrSkipped).
func Local(at time.Time, layout, text string) (Moment, error) {
	place := at.Location()
	// Go's clock settles on one of the two instants and invents one for a time that was skipped. Changes are of an hour
	// in most places, of half or two hours in some.
	first, last, found := at, at, false
	for _, by := range []time.Duration{-2 * time.Hour, -time.Hour, -30 * time.Minute, 0, 30 * time.Minute, time.Hour, 2 * time.Hour} {
		other := at.Add(by)
		if same, err := time.ParseInLocation(layout, text, time.UTC); err != nil || !sameClock(other.In(place), same) {
			continue
		}
		if !found {
			first, last, found = other, other, true
		}
		if other.Before(first) {
			first = other
		}
		if other.After(last) {
			last = other
		}
	}
	if !found {
		return Moment{}, ErrSkipped
	}
	return Moment{first.Unix(), last.Unix()}, nil
}

// Yearless is the moment of a time without zone and year, by which it happened at most a day after it was received: a
// device may be ahead, and its evening be our morning. layout and text are without the year; the place is that of zone,
// nil is UTC.
func Yearless(zone *time.Location, layout, text string, received time.Time) (Moment, error) {
	if zone == nil {
		zone = time.UTC
	}
	latest := received.AddDate(0, 0, 1)
	for year := latest.In(zone).Year(); year > received.Year()-2; year-- {
		full := strconv.Itoa(year) + " " + text
		at, err := time.ParseInLocation("2006 "+layout, full, zone)
		if err != nil || at.After(latest) {
			continue
		}
		return Local(at, "2006 "+layout, full)
	}
	return Moment{}, errNoTime
}

var errNoTime = errors.New("it says no time that there was")

// sameClock reports whether two clocks of different zones show the same.
func sameClock(a, b time.Time) bool {
	y1, m1, d1 := a.Date()
	y2, m2, d2 := b.Date()
	return y1 == y2 && m1 == m2 && d1 == d2 && a.Hour() == b.Hour() && a.Minute() == b.Minute() && a.Second() == b.Second()
}
