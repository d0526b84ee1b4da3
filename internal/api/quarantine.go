package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/access"
	"tocsin/internal/desk"
	"tocsin/internal/formats/letter"
	"tocsin/internal/report"
)

// Quarantine keeps what could not be read.
type Quarantine interface {
	// Quarantine returns up to limit of the reports of which something is in it, oldest first, each with the first thing
	// that was refused: those behind the one that was received at a time and has an id; the zero of both begins.
	Quarantine(ctx context.Context, after time.Time, id report.ID, limit int) ([]desk.Quarantined, error)
	// QuarantineSize counts these reports.
	QuarantineSize(ctx context.Context) (int64, error)
	// Replay hands a report to the workers once more, and does not wait for them: events that there were before stay as
	// they are. desk.ErrNotQuarantined where nothing of it is in the quarantine, desk.ErrNoOriginal where it is past its
	// end date.
	Replay(ctx context.Context, id report.ID) error
	// ReplayAll does so with every report in the quarantine, and counts those that it was done with and those that are
	// past their end date.
	ReplayAll(ctx context.Context) (handed, gone int64, err error)
	// Drop takes a report out for good; desk.ErrNotQuarantined where it is not in.
	Drop(ctx context.Context, id report.ID) error
}

// Quarantined is a report of which something could not be read.
type Quarantined struct {
	ID         string    `access:"id" json:"id"`
	Reporter   string    `access:"source" json:"reporter"`
	Channel    string    `access:"source" json:"channel"`
	Format     string    `access:"source" json:"format,omitempty" doc:"that it was read as, as far as it was"`
	Name       string    `access:"name" json:"name,omitempty"`
	ReceivedAt time.Time `access:"times" json:"received_at"`
	Refused    int64     `access:"counts" json:"refused" doc:"rows; a document counts 1"`
	Events     int64     `access:"counts" json:"events" doc:"that could be read"`
	First      *Refused  `json:"first,omitempty" doc:"of what was refused"`
}

// Record is access.Shown's.
func (Quarantined) Record() access.Record { return access.Quarantine }

// QuarantineList is a page of the quarantine.
type QuarantineList struct {
	Items []Quarantined `json:"items"`
	Total int64         `json:"total" doc:"reports in the quarantine"`
	Next  string        `json:"next,omitempty" doc:"give this as after to see what follows; missing on the last page"`
}

// Replayed says what was handed to the workers.
type Replayed struct {
	Handed int64 `json:"handed" doc:"reports that are read again now"`
	Gone   int64 `json:"gone" doc:"reports whose original is past its end date: they cannot be"`
}

func (a *API) registerQuarantine() {
	op := func(id, method, path, summary string, errs ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Errors: errs}
	}
	work := need{access.Change, access.Quarantine}
	add(a, need{access.See, access.Quarantine}, op("list-quarantine", http.MethodGet, "/quarantine", "Reports of which something could not be read, oldest first", 422), a.listQuarantine)
	all := op("replay-quarantine", http.MethodPost, "/quarantine/replay", "Read all of the quarantine again, after a parser or a table was mended")
	all.DefaultStatus = http.StatusAccepted
	add(a, work, all, a.replayAll)
	one := op("replay-report", http.MethodPost, "/quarantine/{id}/replay", "Read again what was refused of a report", 404, 410)
	one.DefaultStatus = http.StatusAccepted
	add(a, work, one, a.replayOne)
	add(a, work, op("drop-quarantine", http.MethodPost, "/quarantine/{id}/drop", "Take a report out of the quarantine for good", 404), a.drop)
}

type quarantineOutput struct{ Body QuarantineList }

func (a *API) listQuarantine(ctx context.Context, in *struct {
	After string `query:"after" doc:"what next said on the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
},
) (*quarantineOutput, error) {
	at, id, err := parseCursor(in.After)
	if err != nil {
		return nil, badCursor(err)
	}
	all, err := a.rooms.Quarantine.Quarantine(ctx, at, id, in.Limit+1)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &quarantineOutput{QuarantineList{Items: []Quarantined{}}}
	if len(all) > in.Limit {
		all = all[:in.Limit]
		out.Body.Next = cursorAt(all[in.Limit-1].ReceivedAt, all[in.Limit-1].ID)
	}
	for i := range all {
		r := &all[i]
		one := Quarantined{
			ID: r.ID.String(), Reporter: letter.Display(r.Reporter), Channel: r.Channel, Format: r.Found, Name: letter.Display(r.Name), ReceivedAt: r.ReceivedAt,
			Refused: r.Refused, Events: r.Events,
		}
		if r.First != nil {
			first := refusedOf(r.First)
			one.First = &first
		}
		out.Body.Items = append(out.Body.Items, one)
	}
	if out.Body.Total, err = a.rooms.Quarantine.QuarantineSize(ctx); err != nil {
		return nil, a.problem(ctx, err)
	}
	return out, nil
}

type replayedOutput struct{ Body Replayed }

func (a *API) replayAll(ctx context.Context, _ *struct{}) (*replayedOutput, error) {
	handed, gone, err := a.rooms.Quarantine.ReplayAll(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	a.log.InfoContext(ctx, "the quarantine is read again", "by", by(ctx), "reports", handed, "gone", gone)
	return &replayedOutput{Replayed{handed, gone}}, nil
}

func (a *API) replayOne(ctx context.Context, in *PathID) (*struct{}, error) {
	return a.quarantined(ctx, in, "a report is read again", a.rooms.Quarantine.Replay)
}

func (a *API) drop(ctx context.Context, in *PathID) (*struct{}, error) {
	return a.quarantined(ctx, in, "a report was dropped from the quarantine", a.rooms.Quarantine.Drop)
}

func (a *API) quarantined(ctx context.Context, in *PathID, what string, do func(context.Context, report.ID) error) (*struct{}, error) {
	id, err := in.parse()
	if err == nil {
		err = do(ctx, id)
	}
	if errors.Is(err, desk.ErrNoReport) || errors.Is(err, desk.ErrNotQuarantined) {
		return nil, huma.Error404NotFound(desk.ErrNotQuarantined.Error())
	}
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	a.did(ctx, what, id)
	return nil, nil
}
