package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/line/hold"
	"tocsin/internal/line/inquiry"
	"tocsin/internal/line/sources"
	"tocsin/internal/report"
)

// Inquiries is what people ask of lines. The API and the command line both go through it.
type Inquiries struct{ app *App }

// Inquiries returns it.
func (a *App) Inquiries() Inquiries { return Inquiries{a} }

// errNoLines says that nothing knows lines.
var errNoLines = &report.FieldError{Field: "lines", Rule: "no source of line sessions is configured: docs/lines/README.md says which there are"}

// Look is api.Lines'.
func (i Inquiries) Look(ctx context.Context, q *inquiry.Question) (h report.Holder, ans report.LineAnswer, asked bool, err error) {
	h = i.app.networks.Lookup(q.Selector.Addr)
	if !h.Own || i.app.lines == nil || q.Selector.At.IsZero() {
		return h, ans, false, nil
	}
	if q.Selector.Uncertainty < 0 {
		q.Selector.Uncertainty = i.app.cfg.Lines.Uncertainty
	}
	q.Shared = h.CGNAT
	ans, err = i.app.inquiry.Which(ctx, q)
	return h, ans, true, err
}

// Whose is api.Lines'.
func (i Inquiries) Whose(ctx context.Context, q *inquiry.Question) (inquiry.Revealed, error) {
	if i.app.lines == nil {
		return inquiry.Revealed{}, errNoLines
	}
	return i.app.inquiry.Whose(ctx, q)
}

// Questions is api.Lines'.
func (i Inquiries) Questions(ctx context.Context) ([]inquiry.Kept, error) {
	return i.app.inquiry.Questions(ctx)
}

// Asked is api.Lines'.
func (i Inquiries) Asked(ctx context.Context, r inquiry.Range) ([]inquiry.Kept, error) {
	return i.app.inquiry.Asked(ctx, r)
}

// Decide is api.Lines'.
func (i Inquiries) Decide(ctx context.Context, id report.ID, who string, approve bool) (inquiry.Kept, error) {
	return i.app.inquiry.Decide(ctx, id, who, approve)
}

// Status is api.Lines'.
func (i Inquiries) Status() []sources.Status {
	if i.app.lines == nil {
		return nil
	}
	return i.app.lines.Status()
}

// Purge is api.Lines'.
func (i Inquiries) Purge(ctx context.Context, who string, before time.Time, names ...string) ([]sources.Purged, error) {
	if i.app.lines == nil {
		return nil, errNoLines
	}
	for _, n := range names {
		if !i.app.lines.Has(n) {
			return nil, &report.FieldError{Field: "sources", Rule: fmt.Sprintf("no source has the name %q: tocsin lines sources lists them", n)}
		}
	}
	if err := i.app.inquiry.Purging(ctx, who, before, names); err != nil {
		return nil, err
	}
	return i.app.purgeLines(ctx, before, names...)
}

// Hold is api.Lines'.
func (i Inquiries) Hold(ctx context.Context, h *hold.Hold) (int, error) {
	if i.app.lines == nil {
		return 0, errNoLines
	}
	if h.Addr.IsValid() && !i.app.networks.Lookup(h.Addr).Own {
		return 0, &report.FieldError{Field: "addr", Rule: "it is none of our own: nothing is known of it that could be held"}
	}
	return i.app.inquiry.Hold(ctx, h)
}

// Lift is api.Lines'.
func (i Inquiries) Lift(ctx context.Context, id report.ID, who string) error {
	if i.app.lines == nil {
		return errNoLines
	}
	return i.app.inquiry.Lift(ctx, id, who)
}

// Holds is api.Lines'.
func (i Inquiries) Holds(ctx context.Context) ([]hold.Hold, error) { return i.app.store.Holds(ctx) }

// purgeLines deletes sessions before a moment, of these sources or of all, or those that have come to their end where the
// moment is zero. Each deletion is recorded.
func (a *App) purgeLines(ctx context.Context, before time.Time, names ...string) ([]sources.Purged, error) {
	gone, err := a.lines.Purge(ctx, before, names...)
	for _, p := range gone {
		a.log.Info("deleted sessions", "source", p.Source, "before", p.Before, "sessions", p.Sessions)
		err = errors.Join(err, a.store.NoteDeletion(ctx, "line sessions", a.now(), a.now(), int64(p.Sessions)))
	}
	return gone, err
}
