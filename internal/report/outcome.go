package report

// Outcome is what became of an incident. The zero value "" is an incident still open.
type Outcome string

// The outcomes (DESIGN.md §5).
const (
	OutcomeCleaned    Outcome = "cleaned"     // told, and no longer seen by a feed that is alive
	OutcomeWentQuiet  Outcome = "went-quiet"  // nobody was told: the natural baseline
	OutcomeUnknown    Outcome = "unknown"     // the feed was not shown to be alive, so silence proves nothing
	OutcomeFalseAlarm Outcome = "false-alarm" // the party or the desk showed that the report was wrong
	OutcomeHandedOver Outcome = "handed-over" // a partner took it
	OutcomeNoAnswer   Outcome = "no-answer"   // a partner was told and stayed silent past the agreed time
	OutcomeNotOurs    Outcome = "not-ours"    // the responsible party is elsewhere
	OutcomeRecurred   Outcome = "recurred"    // closed, and seen again
)
