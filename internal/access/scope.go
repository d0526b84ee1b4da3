package access

import (
	"fmt"
	"slices"
	"strings"
)

// Scope is what a token may use of its roles: an action, with every record or with one. The zero value covers nothing.
type Scope struct {
	Action Action
	Record Record // empty: every record
}

// String writes a scope as config, API and pages do: "see", or "incident:change".
func (s Scope) String() string {
	if s.Record == "" {
		return string(s.Action)
	}
	return string(s.Record) + ":" + string(s.Action)
}

// ParseScope reads what String writes.
func ParseScope(text string) (Scope, error) {
	record, action, one := strings.Cut(text, ":")
	if !one {
		record, action = "", text
	}
	s := Scope{Action(action), Record(record)}
	if !slices.Contains(Actions(), s.Action) || one && !slices.Contains(Records(), s.Record) {
		return Scope{}, fmt.Errorf("%q is no scope: write an action, as see, or a record and an action, as incident:change", text)
	}
	return s, nil
}

// Covers reports whether the scope lets its token do something with a record, as far as its roles may.
func (s Scope) Covers(a Action, r Record) bool {
	return s.Action != "" && s.Action == a && (s.Record == "" || s.Record == r)
}

// MarshalText implements encoding.TextMarshaler.
func (s Scope) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Scope) UnmarshalText(b []byte) (err error) {
	*s, err = ParseScope(string(b))
	return err
}
