// Package incident folds events into incidents. An incident is an episode: the largest set of events of one key in
// which no gap exceeds the recurrence window of its kind (DESIGN.md §5). It follows from the set alone, whatever the
// order in which the events arrive, and it is opened, told, contained and closed as one thing.
package incident

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"tocsin/internal/report"
)

// Incident is one episode as it is listed and shown.
type Incident struct {
	ID        report.ID
	Key       Key
	Party     report.Party
	Subject   string // empty for a line: its incidents are one per problem, whatever the address; personal
	Kind      report.Kind
	Tag       string // leading tag, may be empty
	State     State
	Outcome   report.Outcome // empty while it is not closed
	FirstSeen time.Time      // UTC
	LastSeen  time.Time      // UTC
	Events    int64          // rows, without repeats
	Days      int            // distinct UTC days on which it was seen
	Sources   []string       // distinct reporters
	Feeds     []string       // distinct feeds, as format/feed
	Severity  report.Severity
	Updated   time.Time // when a commit last changed it
}

// ErrNotFound says that no incident has the id.
var ErrNotFound = errors.New("no such incident")

// State is where an incident stands in its life.
type State string

// The states, in the order of a life without surprises. quiet and closed come from the sweep alone.
const (
	StateOpen      State = "open"      // seen, nobody told
	StateTold      State = "told"      // the party has been told
	StateContained State = "contained" // a measure holds
	StateQuiet     State = "quiet"     // no longer seen by a feed that is alive
	StateClosed    State = "closed"    // ended, with an outcome
)

var states = [...]State{StateOpen, StateTold, StateContained, StateQuiet, StateClosed}

// States returns all states in the order of a life.
func States() []State { return states[:] }

// ParseState reads a state as the command line and the API write it.
func ParseState(s string) (State, error) {
	for _, one := range States() {
		if string(one) == s {
			return one, nil
		}
	}
	names, last := make([]string, len(states)), len(states)-1
	for i, one := range states {
		names[i] = string(one)
	}
	return "", fmt.Errorf("%q is no state: write %s or %s", s, strings.Join(names[:last], ", "), names[last])
}

// Key names one party's one problem: the first 16 bytes of SHA-256 over party, subject, class, type and leading tag.
// Several episodes may have the same key. Runs over the same reports are compared by it.
type Key [16]byte

// String writes the key in hexadecimal.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// MarshalText implements encoding.TextMarshaler.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// KeyMaker computes keys without allocating. It is not for use by several goroutines at once.
type KeyMaker struct{ buf []byte }

// Key returns the key of what party does at subject. The subject is left out for a line, because a line's address
// changes while its problem stays.
func (m *KeyMaker) Key(party report.Party, subject *report.Subject, kind report.Kind, tag string) Key {
	b := append(m.buf[:0], party...)
	b = append(b, 0)
	if !party.IsLine() {
		switch {
		case subject.Addr.IsValid():
			b = subject.Addr.AppendTo(b)
		case subject.Prefix.IsValid():
			b = subject.Prefix.AppendTo(b)
		default:
			b = append(b, subject.String()...)
		}
	}
	b = append(b, 0)
	b = append(b, kind.Class...)
	b = append(b, 0)
	b = append(b, kind.Type...)
	b = append(b, 0)
	b = append(b, tag...)
	m.buf = b
	sum := sha256.Sum256(b)
	return Key(sum[:16])
}

// Network names the network whose watermark counts for a party: "own" for our lines and addresses, "partner:ID" for a
// partner, and one name for all others: of networks outside the partnership a feed shows us only what strays in, so
// none of them has a watermark of its own.
func Network(p report.Party) string {
	switch {
	case p == report.PartyOwn, p.IsLine():
		return string(report.PartyOwn)
	case len(p) > 8 && p[:8] == "partner:":
		return string(p)
	}
	return NetworkElsewhere
}

// NetworkElsewhere is the network of every party outside the partnership.
const NetworkElsewhere = "elsewhere"
