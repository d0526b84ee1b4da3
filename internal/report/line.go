package report

// LineState is how much is known of which line held an address.
type LineState string

// The answers. Nothing but LineUnique names a line, and nothing is ever guessed (DESIGN.md §8.3).
const (
	LineUnique           LineState = "unique"            // one line, and no other can it have been
	LineAmbiguous        LineState = "ambiguous"         // several lines, or one or nobody; Count says how many
	LineNone             LineState = "none"              // no line, or the log does not say; Reason says which
	LineOutsideRetention LineState = "outside-retention" // what was known of that time has been deleted
)

// LineAnswer is which line held an address, port and protocol at an instant.
type LineAnswer struct {
	State  LineState
	Handle string // the line's random handle; empty unless State is LineUnique
	Count  int    // lines that it could be, where State is LineAmbiguous
	Need   Need   // what the question lacked, where more of it would have helped
	Reason string // one sentence on why it is not unique; names no line and no address
}

// Need is what a question lacks to be answered. The zero value is nothing: more of it would not help.
type Need string

// What a question may lack.
const (
	NeedPort     Need = "port"     // the source port
	NeedProtocol Need = "protocol" // tcp or udp
	NeedTime     Need = "time"     // a more exact time
	NeedZone     Need = "zone"     // the zone of its time
)
