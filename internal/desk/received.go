package desk

import (
	"errors"
	"time"

	"tocsin/internal/report"
)

// Received is a report with what became of it.
type Received struct {
	report.Report

	Found      string // format found
	Generation int    // how often it was read again
	Documents  int
	Events     int64
	Repeats    int64
	Refused    int64
	Dropped    bool        // what was refused of it is out of the quarantine for good
	Reason     string      // why it waits for a person or was set aside; personal
	Apart      report.Kind // under which a letter is filed apart; zero: with the rest
	Sender     string      // author of a mail; personal
	Thread     report.ID   // oldest report of the mail's thread; zero for what is no mail
	Grade      report.Grade
}

// Quarantined reports whether something of it is in the quarantine.
func (r *Received) Quarantined() bool { return r.Refused > 0 && !r.Dropped }

// ErrNotQuarantined says that nothing of a report is in the quarantine.
var ErrNotQuarantined = errors.New("nothing of this report is in the quarantine: it was read meanwhile, or dropped")

// RefusedPlace is a place among what a report's last reading refused. The zero value is before all of it.
type RefusedPlace struct {
	Seq int64 // of the chunk
	N   int   // refusals of the chunk that are behind
}

// ReportQuery says which reports are looked for; what is empty is not looked at. They come newest first.
type ReportQuery struct {
	Reporter string
	Channel  string
	Format   string // found
	State    report.State
	From, To time.Time // came in within [From, To)

	After report.Place // goes on behind another page
	Limit int
}

// ReceivedPage is a page of reports.
type ReceivedPage struct {
	Reports []Received
	Next    report.Place // where the next page begins; zero: nothing follows
	Partial bool         // there was much to go through: the page is not full, and goes on at Next
}

// SenderCount says what came from one reporter by one channel.
type SenderCount struct {
	Reporter string
	Channel  string
	Reports  int64
	Events   int64
	Repeats  int64
	Refused  int64
	Last     time.Time // when the newest came in
}

// ReceivedWhole is a report with all that is known of it.
type ReceivedWhole struct {
	Received
	Answer     Answer         // what its sender is told
	Assignment *Assignment    // what a person said of it; nil when nobody has
	Kept       bool           // its bytes are not past their end date
	Files      []ReceivedFile // the first documents that are in it
}

// Quarantined is a report of which something could not be read.
type Quarantined struct {
	Received
	First *Refusal // of what was refused
}

// ReceivedFile is a readable thing inside a report.
type ReceivedFile struct {
	Name    string // personal
	Rows    int64  // the last that was read
	Events  int64
	Repeats int64
	Refused int64 // that still cannot be read
}
