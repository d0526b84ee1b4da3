package line_test

import (
	"errors"
	"testing"
	"time"
	_ "time/tzdata"

	"tocsin/internal/line"
)

// TestLocal: local time that came twice is two moments, and one that was skipped is none.
func TestLocal(t *testing.T) {
	const layout = "2006-01-02 15:04:05"
	for _, c := range []struct{ zone, text, first, last string }{
		{"Europe/London", "2026-07-01 12:00:00", "2026-07-01T11:00:00Z", "2026-07-01T11:00:00Z"},
		{"Europe/London", "2026-10-25 00:59:59", "2026-10-24T23:59:59Z", "2026-10-24T23:59:59Z"},
		{"Europe/London", "2026-10-25 01:00:00", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"},
		{"Europe/London", "2026-10-25 01:59:59", "2026-10-25T00:59:59Z", "2026-10-25T01:59:59Z"},
		{"Europe/London", "2026-10-25 02:00:00", "2026-10-25T02:00:00Z", "2026-10-25T02:00:00Z"},
		{"Europe/London", "2026-03-29 01:30:00", "", ""},
		{"Australia/Lord_Howe", "2026-04-05 01:45:00", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"}, // half an hour
		{"Asia/Kolkata", "2026-10-25 01:30:00", "2026-10-24T20:00:00Z", "2026-10-24T20:00:00Z"},
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.ParseInLocation(layout, c.text, zone)
		if err != nil {
			t.Fatal(err)
		}
		got, err := line.Local(at, layout, c.text)
		if c.first == "" {
			if !errors.Is(err, line.ErrSkipped) {
				t.Errorf("%s in %s is %v, %v", c.text, c.zone, got, err)
			}
			continue
		}
		first, last := time.Unix(got.Earliest, 0).UTC().Format(time.RFC3339), time.Unix(got.Latest, 0).UTC().Format(time.RFC3339)
		if err != nil || first != c.first || last != c.last {
			t.Errorf("%s in %s is %s to %s, %v; want %s to %s", c.text, c.zone, first, last, err, c.first, c.last)
		}
	}
}
