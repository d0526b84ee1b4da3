package intake

import (
	"time"

	"tocsin/internal/report"
)

// Fetched is what is remembered of something that this node fetched itself.
type Fetched struct {
	Source   string    // shadowserver, or feed/NAME
	Item     string    // the source's own id of a document; empty: the source as a whole
	At       time.Time // when it was fetched, or found unchanged
	ETag     string    // as the server gave it
	Modified string    // Last-Modified, as the server gave it
	Report   report.ID // what it became; zero for nothing
}

// LinkState is what became of a link in a mail.
type LinkState string

// The states of a link.
const (
	LinkOpen    LinkState = "open"    // to be fetched
	LinkFetched LinkState = "fetched" // what it leads to is a report
	LinkFailed  LinkState = "failed"  // given up, with a reason
)

// Link is a link in a mail that leads to a host which the operator listed.
type Link struct {
	Mail         report.ID // the mail's report
	URL          string    // personal: may be a key
	Reporter     string    // the mail's, and so that of what it leads to
	Authenticity report.Authenticity
	Signer       string
	Exercise     bool
	Found        time.Time

	State  LinkState
	Tries  int
	Due    time.Time // when it is tried next
	Reason string    // of the last failure
	Report report.ID // what it led to; zero until then
}
