package desk

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/report"
)

// Lines says which line held an address of our own.
type Lines interface {
	// Which answers one question. shared says that many lines share the address, so that without a port it names nobody.
	Which(ctx context.Context, s *line.Selector, shared bool) (report.LineAnswer, error)
}

// Unattributed is an event about an address of our own of which nobody can say whose line it was. It counts, as our
// network's; whoever reported it is told what was missing.
type Unattributed struct {
	Document int              `json:"document,omitempty"`
	Row      int64            `json:"row"`
	State    report.LineState `json:"state"`
	Lines    int              `json:"lines,omitempty"` // that it could be, where State is ambiguous
	Reason   string           `json:"reason"`          // names no line and no address
	Need     report.Need      `json:"need,omitempty"`  // what would have helped
}

// EncodeUnattributed packs them for the store.
func EncodeUnattributed(all []Unattributed) ([]byte, error) {
	if len(all) == 0 {
		return nil, nil
	}
	b, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("encode unattributed events: %w", err)
	}
	return compress(b)
}

// DecodeUnattributed reads what EncodeUnattributed packed.
func DecodeUnattributed(b []byte) ([]Unattributed, error) {
	raw, err := Decompress(b)
	if err != nil {
		return nil, err
	}
	var all []Unattributed
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("decode unattributed events: %w", err)
	}
	return all, nil
}

// LineCounts is how many events about addresses of our own were asked about, by what was answered. None includes those
// of a time of which nothing is kept any more.
type LineCounts struct{ Unique, Ambiguous, None int64 }

func (c *LineCounts) add(o LineCounts) {
	c.Unique, c.Ambiguous, c.None = c.Unique+o.Unique, c.Ambiguous+o.Ambiguous, c.None+o.None
}

// responsible says who is responsible for an event's subject: the line, where exactly one held the address.
func (d *Desk) responsible(ctx context.Context, b *builder, networks Networks, e *report.Event) (end, error) {
	h := holderOf(networks, &e.Subject)
	p := b.party(h, e.Subject.ASN)
	if d.Lines == nil || p != report.PartyOwn || !e.Subject.Addr.IsValid() {
		return end{party: p}, nil
	}
	s := d.selector(e)
	a, err := d.Lines.Which(ctx, &s, h.CGNAT)
	if err != nil {
		return end{}, fmt.Errorf("ask whose line it was: %w", err)
	}
	switch a.State {
	case report.LineUnique:
		b.lines.Unique++
		return end{report.PartyLine(a.Handle), a.State}, nil
	case report.LineAmbiguous:
		b.lines.Ambiguous++
	default:
		b.lines.None++
	}
	b.unattributed = append(b.unattributed, Unattributed{Row: e.Row, State: a.State, Lines: a.Count, Reason: a.Reason, Need: a.Need})
	return end{p, a.State}, nil
}

// selector is the question who held the event's address all the time that the event speaks of.
func (d *Desk) selector(e *report.Event) line.Selector {
	s := line.Selector{Addr: e.Subject.Addr, Port: e.Subject.Port, Proto: e.Subject.Proto, At: e.From, Uncertainty: d.Uncertainty}
	if period := e.Last().Sub(e.From); period > 0 {
		s.At, s.Uncertainty = e.From.Add(period/2), d.Uncertainty+(period+1)/2
	}
	if s.Proto != "tcp" && s.Proto != "udp" { // of others NATs log no ports
		s.Proto = ""
	}
	s.Uncertainty = s.Uncertainty.Round(time.Millisecond)
	return s
}
