package sources

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"tocsin/internal/line"
	"tocsin/internal/line/hold"
	"tocsin/internal/report"
)

// witness is a source with what holds keep of it: that is asked like the rest, also when the rest has been deleted.
type witness struct {
	line.Sessions
	name string
	held atomic.Pointer[[]line.Session]
}

// Each is line.Sessions'.
func (w *witness) Each(ctx context.Context, a line.Address, port uint16, proto string, q line.Span, yield func(line.Session)) (line.Knowledge, error) {
	k, err := w.Sessions.Each(ctx, a, port, proto, q, yield)
	held := w.held.Load()
	if err != nil || held == nil {
		return k, err
	}
	for i := range *held {
		x := &(*held)[i]
		if x.Range.Realm == a.Realm && x.Range.Prefix.Contains(a.Addr) && x.Range.Has(port, proto) && x.Possible.Meets(q) {
			yield(*x)
		}
	}
	return k, nil
}

// Hold keeps what is known of an address within a span of time, until the hold ends. It returns how many sessions that
// are. It discloses nothing.
func (l *Lines) Hold(ctx context.Context, h *hold.Hold) (sessions int, err error) {
	if err := h.Validate(l.needs.Now()); err != nil {
		return 0, err
	}
	if h.ID == (report.ID{}) {
		h.ID = report.NewID(l.needs.Now())
	}
	if h.Kept, err = l.collect(ctx, h); err != nil {
		return 0, fmt.Errorf("find what is to be held: %w", err)
	}
	if err := l.needs.Holds.AddHold(ctx, h); err != nil {
		return 0, err
	}
	for i := range h.Kept {
		sessions += len(h.Kept[i].Sessions)
	}
	return sessions, l.loadHolds(ctx)
}

// Lift ends a hold: what only it kept is deleted.
func (l *Lines) Lift(ctx context.Context, id report.ID) error {
	if err := l.needs.Holds.EndHold(ctx, id, l.needs.Now()); err != nil {
		return err
	}
	return l.loadHolds(ctx)
}

// Holds are the holds in force, oldest first.
func (l *Lines) Holds(ctx context.Context) ([]hold.Hold, error) { return l.needs.Holds.Holds(ctx) }

func (l *Lines) collect(ctx context.Context, h *hold.Hold) ([]hold.Kept, error) {
	found, err := l.room.Collect(ctx, line.Address{Addr: h.Addr.Unmap()}, h.Port, h.Proto, h.Span())
	if err != nil {
		return nil, err
	}
	var out []hold.Kept
	for i, all := range found {
		for k := range all { // what lies outside of the hold's time is nobody's business
			all[k].Possible, all[k].Certain = all[k].Possible.And(h.Span()), all[k].Certain.And(h.Span())
			if all[k].Certain.Empty() {
				all[k].Certain = line.Span{}
			}
		}
		slices.SortFunc(all, compare)
		all = slices.Compact(all)
		w, ok := l.room.Sources[i].(*witness)
		if ok && len(all) > 0 {
			out = append(out, hold.Kept{Source: w.name, Sessions: all})
		}
	}
	return out, nil
}

// compare puts sessions in an order in which equal ones stand together.
func compare(a, b line.Session) int {
	return cmp.Or(
		a.Range.Prefix.Addr().Compare(b.Range.Prefix.Addr()), cmp.Compare(a.Range.Prefix.Bits(), b.Range.Prefix.Bits()), cmp.Compare(a.Range.Lo, b.Range.Lo),
		cmp.Compare(a.Range.Proto, b.Range.Proto), cmp.Compare(a.Range.Realm, b.Range.Realm), cmp.Compare(a.Holder.Line, b.Holder.Line),
		a.Holder.Inside.Addr.Compare(b.Holder.Inside.Addr), cmp.Compare(a.Possible.From, b.Possible.From), cmp.Compare(a.Possible.To, b.Possible.To),
		cmp.Compare(a.Certain.From, b.Certain.From), cmp.Compare(a.Certain.To, b.Certain.To),
	)
}

// renewHolds ends the holds whose time has come, and looks once more for what the others name before anything is
// deleted: when they were made, the log may not have come so far.
func (l *Lines) renewHolds(ctx context.Context) error {
	if l.needs.Holds == nil {
		return nil
	}
	all, err := l.needs.Holds.Holds(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		h := &all[i]
		if !h.Until.After(l.needs.Now()) {
			if err := l.needs.Holds.EndHold(ctx, h.ID, l.needs.Now()); err != nil && !errors.Is(err, hold.ErrNoHold) {
				return err
			}
			continue
		}
		kept, err := l.collect(ctx, h) // with what is held already
		if err != nil {
			return err
		}
		if err := l.needs.Holds.KeepHeld(ctx, h.ID, kept); err != nil {
			return err
		}
	}
	return l.loadHolds(ctx)
}

// loadHolds gives each source what is held of it.
func (l *Lines) loadHolds(ctx context.Context) error {
	if l.needs.Holds == nil {
		return nil
	}
	all, err := l.needs.Holds.Holds(ctx)
	if err != nil {
		return err
	}
	by := map[string][]line.Session{}
	for i := range all {
		for _, k := range all[i].Kept {
			for _, x := range k.Sessions {
				if !slices.Contains(by[k.Source], x) {
					by[k.Source] = append(by[k.Source], x)
				}
			}
		}
	}
	for _, s := range l.room.Sources {
		if w, ok := s.(*witness); ok {
			held := by[w.name]
			w.held.Store(&held)
		}
	}
	return nil
}
