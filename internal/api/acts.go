package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/access"
	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// IncidentActs is what people do about incidents.
type IncidentActs interface {
	// Act does all of it or nothing; what was done before under the same id is not done again. incident.ErrNotFound,
	// incident.ErrNotClosed and incident.ErrOtherAct as incident says.
	Act(ctx context.Context, acts ...incident.Act) error
	// Timeline returns what people did about one, oldest first.
	Timeline(ctx context.Context, id report.ID) ([]incident.Act, error)
}

// Act is something that a person did about an incident.
type Act struct {
	At      time.Time `access:"acts" json:"at,omitzero"`
	What    string    `access:"acts" json:"what,omitempty" enum:"note,told,close,reopen"`
	Who     string    `access:"acts" json:"who,omitempty"`
	Text    string    `access:"acts" json:"text,omitempty"`
	Outcome string    `access:"acts" json:"outcome,omitempty"`
}

// Record is access.Shown's.
func (Act) Record() access.Record { return access.Incident }

// ActInput is what a person does.
type ActInput struct {
	What    string `json:"what" enum:"note,told,close,reopen"`
	Text    string `json:"text" doc:"a comment, how the party was told, or why"`
	Outcome string `json:"outcome,omitempty" doc:"where what is close: cleaned, false-alarm, handed-over, no-answer, not-ours or unknown"`
}

// bulkLimit is how many incidents one request acts on at most: what a page shows.
const bulkLimit = 500

func (a *API) registerActs() {
	op := func(id, method, path, summary string, errs ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Errors: errs}
	}
	act := need{access.Change, access.Incident}
	add(a, need{access.See, access.Incident}, op("list-acts", http.MethodGet, "/incidents/{id}/acts", "What people did about an incident, oldest first", 404), a.listActs)
	add(a, act, op("act", http.MethodPost, "/incidents/{id}/acts", "Do something about an incident", 404, 409), a.act)
	add(a, act, op("act-on-many", http.MethodPost, "/incidents/acts", "Do the same about several incidents, all or none; try shows what would be done", 404, 409), a.actOnMany)
}

type actsOutput struct {
	Body struct {
		Items []Act `json:"items"`
	}
}

func (a *API) listActs(ctx context.Context, in *PathID) (*actsOutput, error) {
	id, err := report.ParseID(in.ID)
	if err == nil {
		_, err = a.rooms.Incidents.Incident(ctx, id)
	} else {
		err = incident.ErrNotFound
	}
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	all, err := a.rooms.IncidentActs.Timeline(ctx, id)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &actsOutput{}
	out.Body.Items = make([]Act, len(all))
	for i, one := range all {
		out.Body.Items[i] = Act{one.At, string(one.What), one.Who, one.Text, string(one.Outcome)}
	}
	return out, nil
}

// Once is the header by which a request that is sent twice does its thing once.
type Once struct {
	Key string `header:"Idempotency-Key" maxLength:"200" doc:"sent again with the same key, nothing more is done"`
}

// id is that of an act on an incident: the same for the same key of the same person, else a new one.
func (o Once) id(ctx context.Context, about report.ID, now time.Time) report.ID {
	if o.Key == "" {
		return report.NewID(now)
	}
	sum := sha256.Sum256([]byte(who(ctx) + "\x00" + o.Key + "\x00" + about.String()))
	return report.ID(sum[:len(report.ID{})])
}

func (in *ActInput) act(ctx context.Context, once Once, about report.ID, now time.Time) incident.Act {
	return incident.Act{
		ID: once.id(ctx, about, now), Incident: about, At: now.UTC(), What: incident.What(in.What), Who: who(ctx), Text: strings.TrimSpace(in.Text),
		Outcome: report.Outcome(in.Outcome),
	}
}

func (a *API) act(ctx context.Context, in *struct {
	PathID
	Once
	Body ActInput
},
) (*incidentOutput, error) {
	id, err := report.ParseID(in.ID)
	if err != nil {
		return nil, a.problem(ctx, incident.ErrNotFound)
	}
	if err := a.rooms.IncidentActs.Act(ctx, in.Body.act(ctx, in.Once, id, a.now())); err != nil {
		return nil, a.problem(ctx, err)
	}
	a.log.InfoContext(ctx, "a person acted on an incident", "what", in.Body.What, "by", by(ctx), "incident", id)
	return a.showIncident(ctx, &in.PathID)
}

// ActedOn is what is done about one of several incidents.
type ActedOn struct {
	Incident Incident `json:"incident"`
	Not      string   `access:"state" json:"not,omitempty" doc:"why nothing is done about this one"`
}

// Record is access.Shown's.
func (ActedOn) Record() access.Record { return access.Incident }

type manyOutput struct {
	Body struct {
		Items []ActedOn `json:"items"`
		Done  int       `json:"done" doc:"incidents about which it was done, or with try would be"`
		Tried bool      `json:"tried,omitempty" doc:"nothing was done"`
	}
}

func (a *API) actOnMany(ctx context.Context, in *struct {
	Once
	Body struct {
		ActInput

		IDs []string `json:"ids" minItems:"1" maxItems:"500" nullable:"false" doc:"ids of the incidents"`
		Try bool     `json:"try,omitempty" doc:"only show what would be done"`
	}
},
) (*manyOutput, error) {
	out := &manyOutput{}
	out.Body.Tried = in.Body.Try
	var acts []incident.Act
	seen := map[report.ID]bool{}
	for _, text := range in.Body.IDs[:min(len(in.Body.IDs), bulkLimit)] {
		id, err := report.ParseID(text)
		if err != nil {
			return nil, a.problem(ctx, incident.ErrNotFound)
		}
		found, err := a.rooms.Incidents.Incident(ctx, id)
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		if seen[found.ID] { // two that were joined
			continue
		}
		seen[found.ID] = true
		act := in.Body.act(ctx, in.Once, found.ID, a.now())
		if err := act.Validate(); err != nil {
			return nil, a.problem(ctx, err)
		}
		one := ActedOn{Incident: incidentOf(&found), Not: needless(&act, &found)}
		if one.Not == "" {
			acts = append(acts, act)
		}
		out.Body.Items = append(out.Body.Items, one)
	}
	if out.Body.Done = len(acts); in.Body.Try {
		return out, nil
	}
	if err := a.rooms.IncidentActs.Act(ctx, acts...); err != nil {
		return nil, a.problem(ctx, err)
	}
	a.log.InfoContext(ctx, "a person acted on several incidents", "what", in.Body.What, "by", by(ctx), "incidents", len(acts))
	return out, nil
}

// needless says why an act changes nothing of an incident; empty where it does.
func needless(a *incident.Act, in *incident.Incident) string {
	switch {
	case a.What == incident.ActTold && in.State != incident.StateOpen:
		return "it is " + string(in.State) + " already"
	case a.What == incident.ActReopen && in.State != incident.StateClosed:
		return "it is not closed"
	case a.What == incident.ActClose && in.State == incident.StateClosed && in.Outcome == a.Outcome:
		return "it is closed with this outcome already"
	}
	return ""
}

// actFault is the problem of an act that could not be done; nil where the error is another.
func actFault(err error) error {
	switch {
	case errors.Is(err, incident.ErrNotClosed):
		return huma.Error409Conflict(incident.ErrNotClosed.Error())
	case errors.Is(err, incident.ErrOtherAct):
		return huma.Error409Conflict(incident.ErrOtherAct.Error())
	}
	return nil
}
