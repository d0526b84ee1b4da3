package incident

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/report"
)

// Query says which incidents are looked for. What is zero is not asked for; what is asked for has to hold all together.
// There is one address and one party in it, and no network: whoever wants to know about many has to ask for each
// (DESIGN.md §8.7).
type Query struct {
	Addr     netip.Addr   // that the incident was seen at, whether it is an address's own or a line's; personal
	Party    report.Party // line:HANDLE, own, partner:ID, as:N or unknown; personal
	Kind     report.Kind  // a class alone, or class and type
	Tag      string       // leading tag
	State    State
	From, To time.Time // last seen within [From, To); either may be zero
	After    Cursor    // goes on behind another page
	Limit    int       // incidents of a page at most, from 1 to MaxPage; 0 is DefaultPage
}

// How many things a page of a list holds.
const (
	DefaultPage = 50
	MaxPage     = 500
)

// PageSize is how many things to return where limit were asked for.
func PageSize(limit int) int {
	if limit <= 0 {
		return DefaultPage
	}
	return min(limit, MaxPage)
}

// Found is a page of incidents: the one that became known last is the first.
type Found struct {
	Incidents []Incident
	Next      Cursor // where the next page begins; zero: nothing follows

	// Partial says that the search ended before the page was full, because there was much to go through: what follows
	// is found by going on at Next, which is never zero then. There may be no incident at all on such a page.
	Partial bool
}

// Validate reports every broken rule at once.
func (q *Query) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &report.FieldError{Field: field, Rule: fmt.Sprintf(format, args...)})
	}
	if q.Addr.Zone() != "" {
		bad("addr", "an address with a zone means nothing to others: leave the zone out")
	}
	if q.Party != "" && !searchable(q.Party) {
		bad("party", "write line:HANDLE, own, partner:ID, as:N or unknown")
	}
	if q.Kind != (report.Kind{}) && !knownKind(q.Kind) {
		bad("kind", "%q is no class and no class/type of RSIT 1003", strings.TrimSuffix(q.Kind.String(), "/"))
	}
	if q.State != "" {
		if _, err := ParseState(string(q.State)); err != nil {
			bad("state", "%s", err)
		}
	}
	if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
		bad("to", "the end of the time is not after its beginning")
	}
	if q.Limit < 0 || q.Limit > MaxPage {
		bad("limit", "ask for 1 to %d at a time", MaxPage)
	}
	return errors.Join(errs...)
}

func searchable(p report.Party) bool {
	word, rest, colon := strings.Cut(string(p), ":")
	switch {
	case p == report.PartyOwn, p == report.PartyUnknown:
		return true
	case colon && word == "as":
		_, err := strconv.ParseUint(rest, 10, 32)
		return err == nil && p == report.Party("as:"+rest)
	}
	return colon && rest != "" && (word == "line" || word == "partner")
}

func knownKind(k report.Kind) bool {
	for _, one := range report.Kinds() {
		if one == k || k.Type == "" && one.Class == k.Class {
			return true
		}
	}
	return false
}

// Matches reports whether an incident is what the query asks for, but for the address, which an incident of a line does
// not tell.
func (q *Query) Matches(in *Incident) bool {
	return (q.Party == "" || in.Party == q.Party) &&
		(q.Kind.Class == "" || in.Kind.Class == q.Kind.Class) &&
		(q.Kind.Type == "" || in.Kind.Type == q.Kind.Type) &&
		(q.Tag == "" || in.Tag == q.Tag) &&
		(q.State == "" || in.State == q.State) &&
		(q.From.IsZero() || !in.LastSeen.Before(q.From)) &&
		(q.To.IsZero() || in.LastSeen.Before(q.To))
}

// Cursor is a place in a list. The zero value is the list's beginning, and written as the empty text. A place stays
// what it is while the list grows at its beginning.
type Cursor struct {
	place int64 // one more than the number given, so that the zero value is none
}

// CursorBehind is the place behind what has this number, from 0 up, in a list that goes from high numbers to low.
func CursorBehind(number int64) Cursor { return Cursor{number + 1} }

// Number is the number that CursorBehind was given; ok is false for the list's beginning.
func (c Cursor) Number() (number int64, ok bool) { return c.place - 1, c.place > 0 }

// IsZero reports whether the cursor is a list's beginning.
func (c Cursor) IsZero() bool { return c.place == 0 }

// cursorVersion is the first byte of a written cursor.
const cursorVersion = 1

// String writes the cursor so that it can stand in a URL.
func (c Cursor) String() string {
	if c.IsZero() {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(binary.AppendUvarint([]byte{cursorVersion}, uint64(c.place)))
}

// ErrCursor says that a text is no cursor.
var ErrCursor = errors.New("this is no place in a list that was given out here: begin again at the first page")

// ParseCursor reads what String writes. ErrCursor says that it did not.
func ParseCursor(s string) (Cursor, error) {
	if s == "" {
		return Cursor{}, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) < 2 || b[0] != cursorVersion {
		return Cursor{}, ErrCursor
	}
	place, n := binary.Uvarint(b[1:])
	c := Cursor{int64(place)}
	if n != len(b)-1 || c.place <= 0 || c.String() != s {
		return Cursor{}, ErrCursor
	}
	return c, nil
}

// MarshalText implements encoding.TextMarshaler.
func (c Cursor) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Cursor) UnmarshalText(b []byte) error {
	p, err := ParseCursor(string(b))
	*c = p
	return err
}
