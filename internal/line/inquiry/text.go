package inquiry

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/line/hold"
	"tocsin/internal/report"
)

// text is what is asked about, in one form: the same question has the same text.
type text struct {
	Addr        netip.Addr `json:"addr,omitzero"`
	Port        uint16     `json:"port,omitzero"`
	Proto       string     `json:"proto,omitzero"`
	At          time.Time  `json:"at,omitzero"`
	Or          time.Time  `json:"or,omitzero"`
	Uncertainty string     `json:"uncertainty,omitzero"`
	Zone        string     `json:"zone,omitzero"`
	Handle      string     `json:"line,omitzero"`
}

const (
	maxWords   = 2000 // characters of a reason
	maxName    = 200
	maxFuture  = time.Minute // by which two clocks may differ
	handleSize = 16
)

func (q *Question) validate() error {
	var errs []error
	bad := func(field, rule string) { errs = append(errs, &report.FieldError{Field: field, Rule: rule}) }
	switch {
	case strings.TrimSpace(q.Who) == "":
		errs = append(errs, errWho)
	case len(q.Who) > maxName:
		bad("who", "a name has up to 200 characters")
	}
	if len(q.Reason) > maxWords {
		bad("reason", "a reason has up to 2000 characters")
	}
	switch q.Kind {
	case Which:
		s := &q.Selector
		proto, known := line.Protocol(s.Proto)
		s.Proto = proto
		switch {
		case !s.Addr.IsValid():
			bad("addr", "name one address")
		case s.At.IsZero():
			bad("at", "say when, with the zone: 2026-03-01T02:10:00Z")
		case s.At.After(q.At.Add(maxFuture)):
			bad("at", "that time has not come yet")
		case !known:
			bad("proto", "write tcp or udp, or the protocol's number")
		case s.Uncertainty < 0 || s.Uncertainty > day:
			bad("uncertainty", "give 0s to 24h")
		}
	case Whose:
		if len(q.Handle) != handleSize {
			bad("line", "a line's handle has 16 letters and digits: tocsin incidents shows it behind line:")
		}
		if strings.TrimSpace(q.Reason) == "" {
			bad("reason", "say why: it is kept for whoever asks later")
		}
	default:
		bad("kind", "ask which line held an address, or whose a line is")
	}
	return errors.Join(errs...)
}

func (q *Question) kept() Kept {
	t := text{Handle: q.Handle}
	if q.Kind == Which {
		s := &q.Selector
		t = text{Addr: s.Addr.Unmap(), Port: s.Port, Proto: s.Proto, At: s.At.UTC(), Or: s.Or.UTC(), Uncertainty: s.Uncertainty.String(), Zone: s.Zone}
	}
	b, _ := json.Marshal(t) // of plain fields: cannot fail
	k := Kept{ID: q.ID, Kind: q.Kind, Who: plain(q.Who), Reason: plain(q.Reason), At: q.At, Text: string(b), Document: plain(q.Selector.Document)}
	if k.ID == (report.ID{}) {
		k.ID = report.NewID(q.At)
	}
	_, _ = rand.Read(k.Salt[:]) // never fails: crypto/rand ends the program instead
	return k
}

// Same reports whether two who act may be one person: whoever asks at the shell is "NAME (USER)" or USER, and USER is all
// that the system vouches for; a token has the name that the config gives it.
func Same(a, b string) bool {
	of := func(who string) [2]string {
		name, user, ok := strings.Cut(strings.TrimSuffix(who, ")"), " (")
		if !ok {
			user = name
		}
		return [2]string{name, user}
	}
	x, y := of(a), of(b)
	return x[0] == y[0] || x[1] == y[1] || x[0] == y[1] || x[1] == y[0]
}

// plain is a person's words as a database and a terminal can have them.
func plain(s string) string { return report.Printable(strings.TrimSpace(s)) }

// act is the question as the log has it.
func (k *Kept) act(kind string, at time.Time) *Act {
	return &Act{
		Kind: kind, Question: k.ID, At: at.UTC(), Salt: k.Salt, Who: k.Who, About: k.Text, Reason: k.Reason,
	}
}

// holdAct is a hold as the log has it.
func holdAct(h *hold.Hold, who, note string, at time.Time) *Act {
	t := text{Addr: h.Addr.Unmap(), Port: h.Port, Proto: h.Proto, At: h.From.UTC(), Or: h.To.UTC()}
	b, _ := json.Marshal(t) // of plain fields: cannot fail
	return &Act{
		Kind: "hold", Question: h.ID, At: at.UTC(), Salt: h.Salt, Who: who, About: string(b), Reason: h.Request, Note: note,
	}
}
