package incident

import (
	"time"

	"tocsin/internal/report"
)

// Sighting is one event of an incident, and where it comes from.
type Sighting struct {
	Event    report.Event
	Report   report.ID
	Document int    // number of the document inside the report, from 0; Event.Row counts in it
	Name     string // of the document; personal

	// Of the report; empty where it is past its end date.
	Channel    string
	Reporter   string
	Format     string
	ReportName string // personal
	ReceivedAt time.Time
}

// Sightings is a page of an incident's events: those that were stored last first.
type Sightings struct {
	Sightings []Sighting
	Next      Cursor // where the next page begins; zero: nothing follows
}
