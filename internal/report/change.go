package report

import "time"

// Topic is what somebody who looks on may look at.
type Topic string

// The topics of changes.
const (
	TopicIncidents Topic = "incidents" // became known, go on, changed their state, or were deleted
	TopicReports   Topic = "reports"   // are worked, were dropped or deleted
	TopicWaiting   Topic = "waiting"   // reports that need a person
	TopicQuestions Topic = "questions" // of people about lines, that wait for a second person
)

// Change is that something changed which people look at. It tells of one topic of one transaction.
type Change struct {
	Seq   int64 // grows with each; a change that can be seen later has a higher one
	At    time.Time
	Topic Topic
	Count int64 // things that changed
	IDs   []ID  // of them, as many as are kept: at most ChangeIDs; none where they were deleted
}

// ChangeIDs is how many ids a change keeps.
const ChangeIDs = 100
