package api

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/access"
	"tocsin/internal/desk"
	"tocsin/internal/formats/letter"
	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// Reports reads what was received.
type Reports interface {
	// Reports returns a page of those that are what q asks for, newest first.
	Reports(ctx context.Context, q desk.ReportQuery) (desk.ReceivedPage, error)
	// Senders counts the reports that came in since a moment, by reporter and channel.
	Senders(ctx context.Context, since time.Time) ([]desk.SenderCount, error)
	// Report returns one; desk.ErrNoReport where there is none.
	Report(ctx context.Context, id report.ID) (desk.ReceivedWhole, error)
	// Incidents returns up to limit of those that a report has an event in, and whether there are more.
	IncidentsFrom(ctx context.Context, id report.ID, limit int) (all []incident.Incident, more bool, err error)
	// Refused returns up to limit of what could not be read, behind a place, the place of the last, and whether more follow.
	Refused(ctx context.Context, r *desk.Received, after desk.RefusedPlace, limit int) (all []desk.Refusal, last desk.RefusedPlace, more bool, err error)
	// Original returns the bytes of a report as they came in; desk.ErrNoOriginal where they are past their end date. A
	// reader that ends in another error than io.EOF has given wrong bytes. The caller closes it.
	Original(ctx context.Context, id report.ID) (io.ReadCloser, error)
}

// Report is a document that was received.
type Report struct {
	ID           string    `access:"id" json:"id,omitempty"`
	Reporter     string    `access:"source" json:"reporter,omitempty" doc:"who sent it, as the config names the source"`
	Channel      string    `access:"source" json:"channel,omitempty"`
	Author       string    `access:"source" json:"author,omitempty" doc:"of a mail, as it says, which anybody can write"`
	Authenticity string    `access:"source" json:"authenticity,omitempty" doc:"what was found out about who sent it; empty: not checked"`
	Signer       string    `access:"source" json:"signer,omitempty" doc:"domain whose signature is on it"`
	Grade        string    `access:"source" json:"grade,omitempty" doc:"of the report (Admiralty): how far to trust its reporter, and to believe it"`
	Name         string    `access:"name" json:"name,omitempty" doc:"name of the file or subject of the mail"`
	ReceivedAt   time.Time `access:"times" json:"received_at,omitzero"`
	State        string    `access:"state" json:"state,omitempty" enum:"working,worked,quarantined,dropped,waiting,set-aside"`
	Reason       string    `access:"state" json:"reason,omitempty" doc:"why it waits for a person or was set aside"`
	Format       string    `access:"state" json:"format,omitempty" doc:"that it was read as"`
	TLP          string    `access:"state" json:"tlp,omitempty"`
	Exercise     bool      `access:"state" json:"exercise,omitempty"`
	Quarantined  bool      `access:"state" json:"quarantined,omitempty" doc:"something of it is in the quarantine"`
	Events       int64     `access:"counts" json:"events"`
	Repeats      int64     `access:"counts" json:"repeats"`
	Refused      int64     `access:"counts" json:"refused"`
}

// Record is access.Shown's.
func (Report) Record() access.Record { return access.Report }

// OpenReport is a report with all that is known of it.
type OpenReport struct {
	Report

	Documents int    `access:"counts" json:"documents" doc:"how many were in it"`
	Readings  int    `access:"counts" json:"readings" doc:"how often it was read"`
	Size      int64  `access:"counts" json:"size" doc:"bytes as they came in"`
	SHA256    string `access:"original" json:"sha256,omitempty" doc:"of these bytes"`
	Kept      bool   `access:"original" json:"kept" doc:"the bytes are still kept"`
	Answer    string `access:"answer" json:"answer,omitempty" doc:"what its sender is told of it when they ask; nothing is sent by itself"`
	Assigned  string `access:"state" json:"assigned,omitempty" doc:"who made events of it, or merged it"`
	Thread    string `access:"id" json:"thread,omitempty" doc:"oldest report of the mail's thread"`

	Files     []ReportFile `json:"files" doc:"the first documents that are in it"`
	Incidents []Incident   `json:"incidents" doc:"the first of those that it has an event in"`
	More      bool         `access:"counts" json:"more_incidents,omitempty" doc:"there are more"`
}

// Record is access.Shown's.
func (OpenReport) Record() access.Record { return access.Report }

// ReportFile is a document inside a report.
type ReportFile struct {
	Name    string `access:"name" json:"name,omitempty"`
	Rows    int64  `access:"counts" json:"rows" doc:"the last that was read"`
	Events  int64  `access:"counts" json:"events"`
	Repeats int64  `access:"counts" json:"repeats"`
	Refused int64  `access:"counts" json:"refused" doc:"that still cannot be read"`
}

// Record is access.Shown's.
func (ReportFile) Record() access.Record { return access.Report }

// ReportList is a page of reports.
type ReportList struct {
	Items   []Report `json:"items"`
	Next    string   `json:"next,omitempty" doc:"give this as after to see what follows; missing on the last page"`
	Partial bool     `json:"partial,omitempty" doc:"there was much to go through: the page is not full, go on at next"`
}

// SenderCount says what came from one reporter by one channel.
type SenderCount struct {
	Reporter string    `access:"source" json:"reporter"`
	Channel  string    `access:"source" json:"channel"`
	Reports  int64     `access:"counts" json:"reports"`
	Events   int64     `access:"counts" json:"events"`
	Repeats  int64     `access:"counts" json:"repeats"`
	Refused  int64     `access:"counts" json:"refused"`
	Last     time.Time `access:"times" json:"last" doc:"when the newest came in"`
}

// Record is access.Shown's.
func (SenderCount) Record() access.Record { return access.Report }

// SenderList is all of them.
type SenderList struct {
	Items []SenderCount `json:"items"`
}

// Refused is something of a report that could not be read.
type Refused struct {
	Document string `access:"name" json:"document,omitempty" doc:"name of the document inside the report"`
	Place    string `access:"counts" json:"place" doc:"row 3, from row 7, or the document"`
	Reason   string `access:"reason" json:"reason"`
}

// Record is access.Shown's.
func (Refused) Record() access.Record { return access.Quarantine }

// RefusedList is a page of what could not be read.
type RefusedList struct {
	Items []Refused `json:"items"`
	Next  string    `json:"next,omitempty" doc:"give this as after to see what follows; missing on the last page"`
}

// shownIncidents is how many incidents of a report its page names.
const shownIncidents = 20

func (a *API) registerReports() {
	op := func(id, path, summary string, errs ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Errors: errs}
	}
	see := need{access.See, access.Report}
	add(a, see, op("list-reports", "/received", "Reports, newest first", 422), a.listReports)
	add(a, see, op("count-reports", "/received/senders", "What came in by reporter and channel", 422), a.countReports)
	add(a, see, op("show-report", "/received/{id}", "One report: what became of it, and what its sender is told", 404), a.showReport)
	add(a, need{access.See, access.Quarantine}, op("list-refused", "/received/{id}/refused", "What of a report could not be read, with its place and reason", 404, 422), a.listRefused)
	original := op("show-original", "/received/{id}/original", "The bytes of a report as they came in", 404, 410)
	original.Responses = map[string]*huma.Response{
		"200": {Description: "The bytes. A body shorter than Content-Length says that the rest is damaged.", Content: map[string]*huma.MediaType{"application/octet-stream": {}}},
		"304": {Description: "These are the bytes that If-None-Match names."},
	}
	add(a, see, original, a.showOriginal)
}

func reportOf(r *desk.Received) Report {
	return Report{
		ID: r.ID.String(), Reporter: letter.Display(r.Reporter), Channel: r.Channel, Author: letter.Display(r.Sender), Authenticity: string(r.Authenticity),
		Signer: r.Signer, Grade: r.Grade.String(), Name: letter.Display(r.Name), ReceivedAt: r.ReceivedAt, State: string(r.State), Reason: letter.Display(r.Reason),
		Format: r.Found, TLP: r.TLP.String(), Exercise: r.Exercise, Quarantined: r.Quarantined(), Events: r.Events, Repeats: r.Repeats, Refused: r.Refused,
	}
}

// ReportFilter says which reports are looked for.
type ReportFilter struct {
	Reporter string    `query:"reporter"`
	Channel  string    `query:"channel"`
	Format   string    `query:"format" doc:"that they were read as"`
	State    string    `query:"state" enum:"working,worked,quarantined,dropped,waiting,set-aside"`
	From     time.Time `query:"from" doc:"came in at this time or later"`
	To       time.Time `query:"to" doc:"came in before this time"`
	After    string    `query:"after" doc:"what next said on the page before"`
	Limit    int       `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type reportsOutput struct{ Body ReportList }

func (a *API) listReports(ctx context.Context, in *ReportFilter) (*reportsOutput, error) {
	q := desk.ReportQuery{Reporter: in.Reporter, Channel: in.Channel, Format: in.Format, State: report.State(in.State), From: in.From, To: in.To, Limit: in.Limit}
	var err error
	if q.After, err = report.ParsePlace(in.After); err != nil {
		return nil, badCursor(err)
	}
	found, err := a.rooms.Reports.Reports(ctx, q)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &reportsOutput{ReportList{Items: make([]Report, len(found.Reports)), Next: found.Next.String(), Partial: found.Partial}}
	for i := range found.Reports {
		out.Body.Items[i] = reportOf(&found.Reports[i])
	}
	return out, nil
}

// badCursor says that a page cannot be gone on from.
func badCursor(err error) error {
	return huma.Error422UnprocessableEntity("begin anew: after is what next said on the page before", &huma.ErrorDetail{Location: "query.after", Message: err.Error()})
}

type sendersOutput struct{ Body SenderList }

func (a *API) countReports(ctx context.Context, in *struct {
	Since time.Time `query:"since" required:"true" doc:"came in at this time or later"`
},
) (*sendersOutput, error) {
	all, err := a.rooms.Reports.Senders(ctx, in.Since)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &sendersOutput{SenderList{Items: make([]SenderCount, len(all))}}
	for i := range all {
		out.Body.Items[i] = SenderCount(all[i])
	}
	return out, nil
}

type reportOutput struct{ Body OpenReport }

func (a *API) showReport(ctx context.Context, in *PathID) (*reportOutput, error) {
	id, err := in.parse()
	if err != nil {
		return nil, a.noReport(ctx, err)
	}
	r, err := a.rooms.Reports.Report(ctx, id)
	if err != nil {
		return nil, a.noReport(ctx, err)
	}
	found, more, err := a.rooms.Reports.IncidentsFrom(ctx, id, shownIncidents)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &reportOutput{OpenReport{
		Report: reportOf(&r.Received), Documents: r.Documents, Readings: r.Generation + 1, Size: r.Size, SHA256: hex.EncodeToString(r.SHA256[:]), Kept: r.Kept,
		Answer: r.Answer.Text(), Incidents: make([]Incident, len(found)), More: more, Files: make([]ReportFile, len(r.Files)),
	}}
	for i, d := range r.Files {
		out.Body.Files[i] = ReportFile{letter.Display(d.Name), d.Rows, d.Events, d.Repeats, d.Refused}
	}
	if r.Assignment != nil {
		out.Body.Assigned = r.Assignment.Who
	}
	if !r.Thread.IsZero() && r.Thread != r.ID {
		out.Body.Thread = r.Thread.String()
	}
	for i := range found {
		out.Body.Incidents[i] = incidentOf(&found[i])
	}
	return out, nil
}

// noReport is problem, for reports of any kind.
func (a *API) noReport(ctx context.Context, err error) error {
	if errors.Is(err, desk.ErrNoReport) {
		return huma.Error404NotFound("there is no report of this id, or it has not been worked yet, or it is past its end date")
	}
	return a.problem(ctx, err)
}

// received is the report that a path names; the error is a problem.
func (a *API) received(ctx context.Context, in *PathID) (desk.ReceivedWhole, error) {
	id, err := in.parse()
	if err != nil {
		return desk.ReceivedWhole{}, a.noReport(ctx, err)
	}
	r, err := a.rooms.Reports.Report(ctx, id)
	if err != nil {
		return r, a.noReport(ctx, err)
	}
	return r, nil
}

type refusedOutput struct{ Body RefusedList }

func (a *API) listRefused(ctx context.Context, in *struct {
	PathID
	After string `query:"after" doc:"what next said on the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
},
) (*refusedOutput, error) {
	r, err := a.received(ctx, &in.PathID)
	if err != nil {
		return nil, err
	}
	after, generation, err := parseRefusedPlace(in.After)
	if err != nil || in.After != "" && generation != r.Generation {
		return nil, badCursor(errors.New("the report was read again since, or this is no cursor"))
	}
	all, last, more, err := a.rooms.Reports.Refused(ctx, &r.Received, after, in.Limit)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &refusedOutput{RefusedList{Items: []Refused{}}}
	if more {
		out.Body.Next = refusedPlace(last, r.Generation)
	}
	for i := range all {
		out.Body.Items = append(out.Body.Items, refusedOf(&all[i]))
	}
	return out, nil
}

func refusedOf(r *desk.Refusal) Refused {
	out := Refused{Document: letter.Display(r.Name), Place: "the document", Reason: letter.Display(r.Reason)}
	switch {
	case r.Row > 0:
		out.Place = "row " + strconv.FormatInt(r.Row, 10)
	case r.After > 0:
		out.Place = "from row " + strconv.FormatInt(r.After+1, 10)
	}
	if r.Document > 0 && out.Document == "" {
		out.Document = "document " + strconv.Itoa(r.Document+1)
	}
	return out
}

func refusedPlace(p desk.RefusedPlace, generation int) string {
	b := binary.AppendVarint(binary.AppendVarint(binary.AppendVarint(nil, int64(generation)), p.Seq), int64(p.N))
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseRefusedPlace(s string) (p desk.RefusedPlace, generation int, err error) {
	if s == "" {
		return p, 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	var numbers [3]int64
	for i := range numbers {
		n, read := binary.Varint(b)
		if err != nil || read <= 0 {
			return p, 0, errors.New("this is no cursor")
		}
		numbers[i], b = n, b[read:]
	}
	if len(b) > 0 {
		return p, 0, errors.New("this is no cursor")
	}
	return desk.RefusedPlace{Seq: numbers[1], N: int(min(max(numbers[2], 0), 1<<30))}, int(numbers[0]), nil
}

// showOriginal hands out the exact bytes as a file to be kept, never to be shown: whoever sent them may have made a page
// of them.
func (a *API) showOriginal(ctx context.Context, in *struct {
	PathID
	IfNoneMatch string `header:"If-None-Match"`
},
) (*huma.StreamResponse, error) {
	c := access.From(ctx)
	if !slices.Contains(c.Fields(access.See, access.Report), "original") {
		return nil, huma.Error403Forbidden("none of your roles may see the bytes of a report: docs/access.md says who may")
	}
	r, err := a.received(ctx, &in.PathID)
	if err != nil {
		return nil, err
	}
	tag := `"` + hex.EncodeToString(r.SHA256[:]) + `"`
	if strings.Contains(in.IfNoneMatch, tag) {
		return &huma.StreamResponse{Body: func(w huma.Context) {
			w.SetHeader("ETag", tag)
			w.SetStatus(http.StatusNotModified)
		}}, nil
	}
	from, err := a.rooms.Reports.Original(ctx, r.ID)
	if err != nil {
		return nil, a.noReport(ctx, err)
	}
	a.did(ctx, "an original was read", r.ID)
	return &huma.StreamResponse{Body: func(w huma.Context) {
		defer from.Close()
		for k, v := range map[string]string{
			"Content-Type": "application/octet-stream", "Content-Length": strconv.FormatInt(r.Size, 10), "ETag": tag,
			"Content-Disposition": `attachment; filename="report-` + r.ID.String() + `"`, "X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": "sandbox; default-src 'none'",
		} {
			w.SetHeader(k, v)
		}
		if err := copyChecked(w.BodyWriter(), from); err != nil {
			a.log.ErrorContext(ctx, "an original was not read to its end", "report", r.ID, "error", err)
		}
	}}, nil
}

// copyChecked copies what a reader gives whose end says whether it was right. The last bytes are held back until then,
// so that wrong ones never look whole.
func copyChecked(to io.Writer, from io.Reader) error {
	held, next := make([]byte, 0, 64<<10), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(from, next)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if _, failed := to.Write(held); failed != nil {
			return failed
		}
		held, next = next[:n], held[:cap(held)]
		if err != nil { // the end
			_, err = to.Write(held)
			return err
		}
	}
}
