// Package hold keeps what a request from an authority names, beyond the end date of everything around it: the sessions
// on one address within a span of time. It discloses nothing. A hold names its request, and ends by itself.
package hold

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/report"
)

// Hold is one hold. There is none on more than one address.
type Hold struct {
	ID      report.ID
	Request string // the authority's, or ours, by which it is found
	Who     string // made it; personal
	At      time.Time
	Until   time.Time // ends then, unless it is lifted before

	Addr     netip.Addr // personal
	Port     uint16     // 0: all
	Proto    string     // "": all
	From, To time.Time  // half-open

	Salt [32]byte // of the commitments in the log
	Kept []Kept   // what was found; personal
}

// Kept is what one source said of the address, and of the addresses behind it.
type Kept struct {
	Source   string
	Sessions []line.Session // in true time: what the source's clock may have been off is taken off already
}

// Store keeps holds.
type Store interface {
	// AddHold keeps a new hold.
	AddHold(ctx context.Context, h *Hold) error
	// KeepHeld replaces what a hold has kept. The names of its lines are kept with it. It does nothing for a hold that
	// has ended meanwhile.
	KeepHeld(ctx context.Context, id report.ID, kept []Kept) error
	// Holds returns all holds, oldest first, with what they keep.
	Holds(ctx context.Context) ([]Hold, error)
	// EndHold deletes a hold with what it kept. ErrNoHold says that there is none.
	EndHold(ctx context.Context, id report.ID, now time.Time) error
}

// ErrNoHold says that there is no such hold.
var ErrNoHold = errors.New("there is no such hold: tocsin lines holds lists them")

const (
	maxPeriod = 31 * 24 * time.Hour
	maxUntil  = 366 * 24 * time.Hour
	maxText   = 200
)

// Validate says all that is wrong with a hold that is to be made at a moment.
func (h *Hold) Validate(now time.Time) error {
	var errs []error
	bad := func(field, rule string) { errs = append(errs, &report.FieldError{Field: field, Rule: rule}) }
	if strings.TrimSpace(h.Request) == "" || len(h.Request) > maxText {
		bad("request", "name the request, in up to 200 characters: without one nothing is held")
	}
	if strings.TrimSpace(h.Who) == "" {
		bad("who", "say who makes the hold")
	}
	if !h.Addr.IsValid() {
		bad("addr", "name one address")
	}
	if proto, ok := line.Protocol(h.Proto); ok {
		h.Proto = proto
	} else {
		bad("proto", "write tcp or udp, or the protocol's number")
	}
	switch {
	case h.From.IsZero() || !h.From.Before(h.To):
		bad("from", "say from when to when, with zones: --from 2026-03-01T02:00:00Z --to 2026-03-01T04:00:00Z")
	case h.To.After(now):
		bad("to", "a hold keeps what is known already: give an end that has passed")
	case h.To.Sub(h.From) > maxPeriod:
		bad("to", "a hold is about 31 days at most: make it narrower")
	}
	if !h.Until.After(now) || h.Until.Sub(now) > maxUntil {
		bad("until", "say until when to hold it, up to 366 days from now")
	}
	return errors.Join(errs...)
}

// Span is what the hold is about, by true time.
func (h *Hold) Span() line.Span {
	return line.Span{From: h.From.Unix(), To: h.To.Add(time.Second - 1).Unix()}
}
