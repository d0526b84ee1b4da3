package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/desk"
	"tocsin/internal/formats/letter"
	"tocsin/internal/incident"
	"tocsin/internal/report"
	"tocsin/internal/store"
	"tocsin/internal/stream"
)

// Waiting is what people do with mails that are in no format. The API and the command line both go through it.
type Waiting struct{ app *App }

// Waiting returns it.
func (a *App) Waiting() Waiting { return Waiting{a} }

// Letters returns up to limit of the letters on a shelf, oldest first: those behind the one that was received at a time
// and has an id.
func (w Waiting) Letters(ctx context.Context, on desk.Shelf, after time.Time, id report.ID, limit int) ([]desk.Letter, error) {
	rows, err := w.app.store.LettersAfter(ctx, on, after, id, limit)
	return letters(rows), err
}

// Apart counts the letters in a state that are filed apart, by kind.
func (w Waiting) Apart(ctx context.Context, state report.State) (map[report.Kind]int, error) {
	return w.app.store.LettersApart(ctx, state)
}

func letters(rows []store.Row) []desk.Letter {
	all := make([]desk.Letter, len(rows))
	for i := range rows {
		all[i] = rows[i].Letter()
	}
	return all
}

// Letter opens one. desk.ErrNoReport also where the report is none that a person has to do with.
func (w Waiting) Letter(ctx context.Context, id report.ID) (desk.Opened, error) {
	return OpenLetter(ctx, w.app.store, id)
}

// OpenLetter reads all that is known of a letter from the database alone, so that it can be done beside a running node.
func OpenLetter(ctx context.Context, db *store.DB, id report.ID) (desk.Opened, error) {
	row, err := db.Report(ctx, id)
	if err != nil {
		return desk.Opened{}, err
	}
	o := desk.Opened{Letter: row.Letter()}
	a, err := db.Assignment(ctx, id)
	switch {
	case err == nil:
		o.Assignment = &a
	case !errors.Is(err, store.ErrNoReport):
		return o, err
	case row.State != report.StateWaiting && row.State != report.StateAside:
		return o, desk.ErrNoReport
	}
	for r, err := range db.Thread(ctx, id) {
		if err != nil {
			return o, err
		}
		o.Thread = append(o.Thread, r.Letter())
	}
	packed, err := db.Reading(ctx, id)
	if err != nil {
		return o, err
	}
	if o.Reading, err = desk.DecodeReading(packed); err != nil {
		return o, err
	}
	if o.Reading != nil {
		o.Suggestions = letter.Suggest(o.Reading.Parts)
	}
	return o, nil
}

// Assign makes events of a letter; see desk.Assign.
func (w Waiting) Assign(ctx context.Context, id report.ID, events []report.Event, who string) (desk.Assigned, error) {
	row, err := w.app.store.Report(ctx, id)
	if err != nil {
		return desk.Assigned{}, err
	}
	l := row.Letter()
	return w.app.desk.Assign(ctx, &l, events, who, w.app.now())
}

// Merge says that a letter is about an incident that there is; see desk.Merge.
func (w Waiting) Merge(ctx context.Context, id, into report.ID, at []time.Time, who string) (desk.Assigned, error) {
	row, err := w.app.store.Report(ctx, id)
	if err != nil {
		return desk.Assigned{}, err
	}
	in, err := w.app.store.Incident(ctx, into)
	if errors.Is(err, incident.ErrNotFound) {
		return desk.Assigned{}, &report.FieldError{Field: "incident", Rule: "no incident has this id"}
	}
	if err != nil {
		return desk.Assigned{}, err
	}
	in.ID = into // what was asked for: the same id again is the same request, also when the incident has joined another
	l := row.Letter()
	return w.app.desk.Merge(ctx, &l, &in, at, who, w.app.now())
}

// Turn sets a letter aside, or brings it back to those that wait, with the reason that a person gives. Where it is
// there already nothing changes.
func (w Waiting) Turn(ctx context.Context, id report.ID, to report.State, reason string) error {
	reason, err := desk.Reason(reason)
	if err != nil {
		return err
	}
	turn := w.app.store.SetAside
	if to == report.StateWaiting {
		turn = w.app.store.Bring
	}
	if err = turn(ctx, id, reason); !errors.Is(err, desk.ErrNotWaiting) {
		return err
	}
	row, missing := w.app.store.Report(ctx, id)
	if missing != nil {
		return missing
	}
	if row.State == to {
		return nil
	}
	return err
}

// ReadAgain hands a letter that waits to the workers once more: a format that knows it may have been added. It does not
// wait for them.
func (w Waiting) ReadAgain(ctx context.Context, id report.ID) error {
	row, err := w.app.store.Report(ctx, id)
	if err != nil {
		return err
	}
	if row.State != report.StateWaiting {
		return desk.ErrNotWaiting
	}
	err = w.app.stream.Requeue(ctx, row.Report, row.Generation+1)
	switch {
	case errors.Is(err, stream.ErrNotFound):
		return desk.ErrNoOriginal
	case errors.Is(err, stream.ErrOpen): // asked for before
		return nil
	case err != nil:
		return fmt.Errorf("read report %s again: %w", id, err)
	}
	return nil
}

// Blocked returns those of whom nothing more is wanted.
func (w Waiting) Blocked(ctx context.Context) ([]desk.Blocked, error) {
	rows, err := w.app.store.BlockedSenders(ctx)
	all := make([]desk.Blocked, len(rows))
	for i, b := range rows {
		all[i] = desk.Blocked(b)
	}
	return all, err
}

// Block wants nothing more from an author, an address or "@domain", and returns how many reports that would have
// concerned. Where try is true, it only says so.
func (w Waiting) Block(ctx context.Context, sender, who string, try bool) (desk.Sent, error) {
	sender, err := desk.Sender(sender)
	if err != nil {
		return desk.Sent{}, err
	}
	sent, err := w.app.store.SentBy(ctx, sender)
	if err != nil || try {
		return sent, err
	}
	return sent, w.app.store.Block(ctx, sender, who, w.app.now())
}

// Unblock takes a Block back; that there was none is no error.
func (w Waiting) Unblock(ctx context.Context, sender string) error {
	sender, err := desk.Sender(sender)
	if err != nil {
		return err
	}
	return w.app.store.Unblock(ctx, sender)
}

// Holder says whose an address is.
func (w Waiting) Holder(addr string) (report.Holder, error) {
	a, err := report.ParseAddr(addr)
	if err != nil {
		return report.Holder{}, err
	}
	return w.app.networks.Lookup(a), nil
}
