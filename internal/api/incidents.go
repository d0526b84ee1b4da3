package api

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/access"
	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// Incidents reads incidents.
type Incidents interface {
	// SearchIncidents returns a page of those that are what q asks for; a *report.FieldError, joined, for what cannot be
	// asked.
	SearchIncidents(ctx context.Context, q incident.Query) (incident.Found, error)
	// Incident returns one; an id that was joined into another leads to that. incident.ErrNotFound where there is none.
	Incident(ctx context.Context, id report.ID) (incident.Incident, error)
	// EventsOf returns a page of an incident's events, those that were stored last first. incident.ErrNotFound likewise.
	EventsOf(ctx context.Context, id report.ID, after incident.Cursor, limit int) (incident.Sightings, error)
}

// Incident is one problem of one party.
type Incident struct {
	ID          string    `access:"id" json:"id,omitempty"`
	Key         string    `access:"id" json:"key,omitempty"`
	Party       string    `access:"party" json:"party,omitempty" doc:"line:HANDLE, own, partner:ID, as:N or unknown"`
	Subject     string    `access:"subject" json:"subject,omitempty" doc:"what misbehaves or is weak; missing where a line is"`
	Class       string    `access:"kind" json:"class,omitempty"`
	Type        string    `access:"kind" json:"type,omitempty"`
	Tag         string    `access:"kind" json:"tag,omitempty"`
	State       string    `access:"state" json:"state,omitempty" enum:"open,told,contained,quiet,closed"`
	Outcome     string    `access:"state" json:"outcome,omitempty"`
	FirstSeen   time.Time `access:"times" json:"first_seen,omitzero"`
	LastSeen    time.Time `access:"times" json:"last_seen,omitzero"`
	Updated     time.Time `access:"times" json:"updated,omitzero"`
	Events      int64     `access:"counts" json:"events,omitempty"`
	Days        int       `access:"counts" json:"days,omitempty" doc:"distinct UTC days on which it was seen"`
	Severity    string    `access:"severity" json:"severity,omitempty"`
	Credibility string    `access:"severity" json:"credibility,omitempty" doc:"how far to believe it, 1 to 6 (Admiralty)"`
	Sources     []string  `access:"sources" json:"sources,omitempty"`
	Feeds       []string  `access:"sources" json:"feeds,omitempty"`
}

// Record is access.Shown's.
func (Incident) Record() access.Record { return access.Incident }

func incidentOf(in *incident.Incident) Incident {
	return Incident{
		ID: in.ID.String(), Key: in.Key.String(), Party: string(in.Party), Subject: in.Subject, Class: string(in.Kind.Class), Type: string(in.Kind.Type),
		Tag: in.Tag, State: string(in.State), Outcome: string(in.Outcome), FirstSeen: in.FirstSeen, LastSeen: in.LastSeen, Updated: in.Updated,
		Events: in.Events, Days: in.Days, Severity: string(in.Severity), Credibility: in.Credibility().String(), Sources: in.Sources, Feeds: in.Feeds,
	}
}

func (a *API) registerIncidents() {
	op := func(id, method, path, summary string, errs ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Errors: errs}
	}
	see := need{access.See, access.Incident}
	add(a, see, op("list-incidents", http.MethodGet, "/incidents", "Incidents, those that became known last first", 422), a.listIncidents)
	add(a, see, op("search-incidents", http.MethodPost, "/incidents/search", "The same, by an address as well, which stands in no URL"), a.searchIncidents)
	add(a, need{access.See, access.Event}, op("list-events", http.MethodGet, "/incidents/{id}/events", "The rows of reports that an incident is made of, those that were stored last first", 404, 422), a.listEvents)
	add(a, see, op("show-incident", http.MethodGet, "/incidents/{id}", "One incident; an id that was joined into another leads to that", 404), a.showIncident)
}

// IncidentFilter says which incidents are looked for.
type IncidentFilter struct {
	Party string    `query:"party" json:"party,omitempty" doc:"line:HANDLE, own, partner:ID, as:N or unknown"`
	Class string    `query:"class" json:"class,omitempty" doc:"of RSIT 1003"`
	Type  string    `query:"type" json:"type,omitempty" doc:"of RSIT 1003; its class may be left out"`
	Tag   string    `query:"tag" json:"tag,omitempty" doc:"the leading tag"`
	State string    `query:"state" json:"state,omitempty"`
	From  time.Time `query:"from" json:"from,omitzero" doc:"last seen at this time or later"`
	To    time.Time `query:"to" json:"to,omitzero" doc:"last seen before this time"`
	After string    `query:"after" json:"after,omitempty" doc:"what next said on the page before"`
	Limit int       `query:"limit" json:"limit,omitempty" minimum:"1" maximum:"500" default:"50"`
}

// query reads the filter; the error joins a *report.FieldError for each value that cannot be read.
func (f *IncidentFilter) query() (incident.Query, error) {
	q := incident.Query{
		Party: report.Party(f.Party), Kind: report.Kind{Class: report.Class(f.Class), Type: report.Type(f.Type)}, Tag: f.Tag,
		State: incident.State(f.State), From: f.From, To: f.To, Limit: f.Limit,
	}
	if f.Class == "" && f.Type != "" {
		q.Kind = report.KindOf(f.Type)
		q.Kind.Type = report.Type(f.Type)
	}
	var err error
	if q.After, err = incident.ParseCursor(f.After); err != nil {
		return q, &report.FieldError{Field: "after", Rule: err.Error()}
	}
	return q, nil
}

type incidentsOutput struct {
	Body struct {
		Items   []Incident `json:"items"`
		Next    string     `json:"next,omitempty" doc:"give this as after to see what follows; missing on the last page"`
		Partial bool       `json:"partial,omitempty" doc:"there was much to go through: the page is not full, go on at next"`
	}
}

func (a *API) listIncidents(ctx context.Context, in *IncidentFilter) (*incidentsOutput, error) {
	q, err := in.query()
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return a.foundIncidents(ctx, q)
}

func (a *API) searchIncidents(ctx context.Context, in *struct {
	Body struct {
		IncidentFilter

		Addr string `json:"addr,omitempty" doc:"one address that it was seen at: no search takes more"`
	}
},
) (*incidentsOutput, error) {
	q, err := in.Body.query()
	if err == nil && in.Body.Addr != "" {
		if q.Addr, err = report.ParseAddr(in.Body.Addr); err != nil {
			err = &report.FieldError{Field: "addr", Rule: err.Error()}
		}
	}
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return a.foundIncidents(ctx, q)
}

func (a *API) foundIncidents(ctx context.Context, q incident.Query) (*incidentsOutput, error) {
	found, err := a.rooms.Incidents.SearchIncidents(ctx, q)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &incidentsOutput{}
	out.Body.Items = make([]Incident, len(found.Incidents))
	for i := range found.Incidents {
		out.Body.Items[i] = incidentOf(&found.Incidents[i])
	}
	out.Body.Next, out.Body.Partial = found.Next.String(), found.Partial
	return out, nil
}

type incidentOutput struct{ Body Incident }

func (a *API) showIncident(ctx context.Context, in *PathID) (*incidentOutput, error) {
	id, err := report.ParseID(in.ID)
	if err != nil {
		return nil, a.problem(ctx, incident.ErrNotFound)
	}
	found, err := a.rooms.Incidents.Incident(ctx, id)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &incidentOutput{incidentOf(&found)}, nil
}

// EventRow is one row of a report, with what the source said besides.
type EventRow struct {
	Report     string    `access:"place" json:"report,omitempty"`
	Name       string    `access:"place" json:"name,omitempty" doc:"of the document"`
	Row        int64     `access:"place" json:"row,omitempty"`
	Channel    string    `access:"place" json:"channel,omitempty"`
	Reporter   string    `access:"place" json:"reporter,omitempty"`
	Format     string    `access:"place" json:"format,omitempty"`
	ReceivedAt time.Time `access:"place" json:"received_at,omitzero"`
	From       time.Time `access:"what" json:"from,omitzero"`
	To         time.Time `access:"what" json:"to,omitzero" doc:"half-open"`
	Type       string    `access:"what" json:"type,omitempty"`
	Tags       []string  `access:"what" json:"tags,omitempty"`
	Severity   string    `access:"what" json:"severity,omitempty"`
	Where      string    `access:"subject" json:"where,omitempty" doc:"the subject: address and port, domain or URL"`
	Target     string    `access:"target" json:"target,omitempty"`
	Details    []Column  `access:"details" json:"details,omitempty" doc:"all other columns of the source, unchanged"`
}

// Column is a column of a source that means nothing to a node, unchanged.
type Column struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Record is access.Shown's.
func (EventRow) Record() access.Record { return access.Event }

func eventRow(s *incident.Sighting) EventRow {
	e := &s.Event
	row := EventRow{
		Report: s.Report.String(), Name: s.Name, Row: int64(e.Row), Channel: s.Channel, Reporter: s.Reporter, Format: s.Format, ReceivedAt: s.ReceivedAt,
		From: e.From, To: e.To, Type: string(e.Kind.Type), Tags: e.Tags, Severity: string(e.Severity),
		Where: place(e.Subject.Addr, e.Subject.Port, e.Subject.Proto),
	}
	for _, d := range e.Details {
		row.Details = append(row.Details, Column(d))
	}
	for _, also := range []string{e.Subject.Domain, e.Subject.URL} {
		row.Where = strings.TrimSpace(row.Where + " " + also)
	}
	if e.Subject.Prefix.IsValid() {
		row.Where = strings.TrimSpace(e.Subject.Prefix.String() + " " + row.Where)
	}
	row.Target = place(e.Target.Addr, e.Target.Port, "")
	for _, also := range []string{e.Target.Domain, e.Target.URL} {
		row.Target = strings.TrimSpace(row.Target + " " + also)
	}
	return row
}

// place writes an address with its port, as people do.
func place(addr netip.Addr, port uint16, proto string) string {
	switch {
	case !addr.IsValid():
		return ""
	case port == 0:
		return addr.String()
	case proto == "":
		return netip.AddrPortFrom(addr, port).String()
	}
	return netip.AddrPortFrom(addr, port).String() + "/" + proto
}

type eventsOutput struct {
	Body struct {
		Items []EventRow `json:"items"`
		Next  string     `json:"next,omitempty" doc:"give this as after to see what follows; missing on the last page"`
	}
}

func (a *API) listEvents(ctx context.Context, in *struct {
	PathID

	After string `query:"after" doc:"what next said on the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
},
) (*eventsOutput, error) {
	id, err := report.ParseID(in.ID)
	if err != nil {
		return nil, a.problem(ctx, incident.ErrNotFound)
	}
	after, err := incident.ParseCursor(in.After)
	if err != nil {
		return nil, a.problem(ctx, &report.FieldError{Field: "after", Rule: err.Error()})
	}
	page, err := a.rooms.Incidents.EventsOf(ctx, id, after, in.Limit)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &eventsOutput{}
	out.Body.Items = make([]EventRow, len(page.Sightings))
	for i := range page.Sightings {
		out.Body.Items[i] = eventRow(&page.Sightings[i])
	}
	out.Body.Next = page.Next.String()
	return out, nil
}
