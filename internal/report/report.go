// Package report says what came in and what it says: the report (one document received), its events (one
// observation each), and the words that every room shares. It knows no wire format, no database and no
// network, and imports nothing but the standard library.
package report

import (
	"io"
	"time"
)

// Report is one document received: a file, an HTTP body, a mail with all that hangs on it.
type Report struct {
	ID         ID        // UUIDv7, given when the document is accepted
	Channel    string    // intake channel: folder, import, http
	Reporter   string    // who sent it, as the operator's config names the source; never empty
	ReceivedAt time.Time // UTC
	Name       string    // file name or mail subject as received; personal: may name people
	Format     string    // format named by the source, empty while it is still to be detected
	SHA256     [32]byte  // of the original bytes
	Size       int64     // bytes as received, before any decompression
	TLP        TLP       // label of the source; the zero value is RED
	State      State
	Exercise   bool // made for a drill; never counted among live figures (DESIGN.md §8.9)

	Authenticity Authenticity
	Signer       string // domain whose signature makes the report Aligned or Unaligned; else empty

	// Identity, where it is not zero, stands for SHA256 when documents are compared: the same mail that came twice has
	// other trace headers each time.
	Identity [32]byte
}

// State is where a report stands.
type State string

// The states of a report. A report row appears in the database when work on it commits, so StateReceived is
// known to the stream only.
const (
	StateReceived    State = "received"    // durable, not yet worked
	StateWorking     State = "working"     // some of its chunks are committed
	StateWorked      State = "worked"      // every row is an event, a repeat or refused with a reason
	StateQuarantined State = "quarantined" // nothing in it could be read; the reason is in the quarantine
	StateDropped     State = "dropped"     // a person threw it out of the quarantine
	StateWaiting     State = "waiting"     // a mail in no known format: it needs a person
	StateAside       State = "set-aside"   // recognised as nothing to act on: a bounce, an auto-reply; with the reason
)

// Document is one readable thing inside a report, handed to a format: the CSV in a zip, the mail itself.
type Document struct {
	Reader   io.Reader
	Name     string    // file name, with the path inside its containers: "week.zip/scan_telnet.csv"; personal
	Subject  string    // subject of the mail that carried it, if one did; personal
	Mail     *Mail     // the outermost mail that carried it, or that it is; nil where none did
	Sent     time.Time // Date of the mail that carried it, in the zone that the mail gives; zero when there is none
	Received time.Time // when the report came in; rows later than this by more than a day are refused
	Strict   bool      // refuse whatever the format's own specification would refuse
}

// RowError is one record of a document that could not be used, and why. Reading goes on after it.
type RowError struct {
	Row    int64  // record in the document, from 1; 0 is the document as a whole
	Reason string // one sentence for the reporter; personal: may quote the value that is wrong
}

// Error returns the reason alone: whoever prints it puts file and row before it.
func (e *RowError) Error() string { return e.Reason }
