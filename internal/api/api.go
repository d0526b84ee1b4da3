// Package api is what people and programs of theirs can do over HTTP. It speaks OpenAPI 3.1 and answers faults as problem
// documents (RFC 9457). Each operation says what it needs of the table of rights (gate.go). It talks to interfaces that it
// declares itself; what is behind them it does not know.
package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"tocsin/internal/desk"
	"tocsin/internal/evidence"
	"tocsin/internal/incident"
	"tocsin/internal/line/archive"
	"tocsin/internal/line/contact"
	"tocsin/internal/line/hold"
	"tocsin/internal/line/inquiry"
	"tocsin/internal/report"
)

// Letters reads mails that are in no format.
type Letters interface {
	// Letters returns up to limit of those on a shelf, oldest first, behind the one that was received at a time and has
	// an id; the zero of both begins.
	Letters(ctx context.Context, on desk.Shelf, after time.Time, id report.ID, limit int) ([]desk.Letter, error)
	// Apart counts those in a state that are filed apart, by kind.
	Apart(ctx context.Context, state report.State) (map[report.Kind]int, error)
	// Letter opens one; desk.ErrNoReport where there is none.
	Letter(ctx context.Context, id report.ID) (desk.Opened, error)
}

// Acts is what a person does with a letter. Each is done when it returns, and doing the same again changes nothing. All
// return desk.ErrNoReport for what there is not, desk.ErrNotWaiting for what somebody else has dealt with, and
// *report.FieldError, joined, for what the person has to mend.
type Acts interface {
	// Assign makes events of it.
	Assign(ctx context.Context, id report.ID, events []report.Event, who string) (desk.Assigned, error)
	// Merge says that it is about an incident; each time is another event of that.
	Merge(ctx context.Context, id, incident report.ID, at []time.Time, who string) (desk.Assigned, error)
	// Turn sets it aside, or brings it back to those that wait.
	Turn(ctx context.Context, id report.ID, to report.State, reason string) error
	// ReadAgain hands it to the workers, and does not wait for them; desk.ErrNoOriginal where it is past its end date.
	ReadAgain(ctx context.Context, id report.ID) error
}

// Blocks is the list of those of whom nothing more is wanted.
type Blocks interface {
	Blocked(ctx context.Context) ([]desk.Blocked, error)
	// Block returns how many reports of theirs there are. Where try is true nothing changes.
	Block(ctx context.Context, sender, who string, try bool) (desk.Sent, error)
	// Unblock takes a Block back; that there was none is no error.
	Unblock(ctx context.Context, sender string) error
}

// Networks says whose an address is.
type Networks interface {
	// Holder returns the zero Holder where no table knows; a *report.FieldError for what is no address.
	Holder(addr string) (report.Holder, error)
}

// Rooms are what the API works with.
type Rooms struct {
	Letters  Letters
	Acts     Acts
	Blocks   Blocks
	Networks Networks
	Lines    Lines
	Evidence Evidence
	Partners Partners
	Setup    Setup

	Incidents    Incidents
	IncidentActs IncidentActs
	Counts       Counts
	Changed      Changed

	People     People
	Accounts   Accounts
	Origin     string // how people's browsers reach the node: links begin with it
	Reports    Reports
	Quarantine Quarantine
}

// API is the handler of everything below Prefix but what other rooms serve there.
type API struct {
	rooms   Rooms
	door    Door
	answers *answers
	log     *slog.Logger
	huma    huma.API
	now     func() time.Time
	serve   http.Handler
	streams streams

	answersWith []reflect.Type // what operations answer with, as add was told
}

// Prefix is where the API stands.
const Prefix = "/api/v1"

// New makes the handler. A request whose context has a caller already (access.With) is let in as such: a command on this
// machine, or a page that asks for its visitor. door lets in the others; nil lets in none.
func New(version string, rooms Rooms, door Door, log *slog.Logger, now func() time.Time) (*API, error) {
	a := &API{rooms: rooms, door: door, log: log, now: now, streams: streams{ended: make(chan struct{})}}
	var err error
	a.serve, err = a.handler(version)
	return a, err
}

// ServeHTTP is http.Handler's.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.serve.ServeHTTP(w, r) }

func (a *API) handler(version string) (http.Handler, error) {
	var err error
	if a.answers, err = newAnswers(); err != nil {
		return nil, err
	}
	c := huma.DefaultConfig("Tocsin", version)
	c.Info.Description = "What people at the abuse desk do, as far as their roles allow: x-access says what each operation needs (docs/access.md)."
	c.OpenAPIPath = Prefix + "/openapi"
	c.DocsPath, c.SchemasPath = "", "" // the page of docs would load a program from elsewhere
	c.CreateHooks = nil                // no links to schemas in the answers
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {
		Type: "http", Scheme: "bearer", Description: "a token of a person, or one of api.tokens in tocsin.yaml",
	}}
	c.Security = []map[string][]string{{"token": {}}}
	mux := http.NewServeMux()
	a.huma = humago.New(mux, c)
	a.huma.UseMiddleware(a.admit)
	a.register()
	a.registerLines()
	a.registerLog()
	a.registerPartners()
	a.registerSettings()
	a.registerIncidents()
	a.registerActs()
	a.registerFigures()
	a.registerChanges()
	a.registerPeople()
	a.registerAccount()
	a.registerReports()
	a.registerQuarantine()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"title":"Not Found","status":404,"detail":"there is nothing here: ` + Prefix + `/openapi.json says what there is"}` + "\n"))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store") // mails are personal
		w.Header().Set("X-Content-Type-Options", "nosniff")
		mux.ServeHTTP(w, r)
	}), nil
}

// did logs who did what to which report. Nothing personal but the name that the config gives the token.
func (a *API) did(ctx context.Context, what string, id report.ID, attrs ...any) {
	a.log.InfoContext(ctx, "a person dealt with a report", append([]any{"what", what, "by", by(ctx), "report", id}, attrs...)...)
}

// problem is the one place that says which fault is which status. What is not a fault of the caller's is logged, and
// not told.
func (a *API) problem(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, desk.ErrNoReport):
		return huma.Error404NotFound("no mail that waits, was set aside or was dealt with by a person has this id")
	case errors.Is(err, incident.ErrNotFound):
		return huma.Error404NotFound("there is no such incident")
	case errors.Is(err, desk.ErrNotWaiting):
		return huma.Error409Conflict("this report does not wait for a person: somebody has dealt with it, or it is being read again; look at it anew")
	case errors.Is(err, desk.ErrNoOriginal):
		return huma.Error410Gone("the original is past its end date (retention.originals) and was deleted")
	case errors.Is(err, evidence.ErrShort), errors.Is(err, evidence.ErrForked), errors.Is(err, inquiry.ErrNoLog):
		a.log.ErrorContext(ctx, "a person was not answered, as it cannot be logged", "by", by(ctx), "error", err)
		return huma.Error503ServiceUnavailable(unlogged(err))
	case errors.Is(err, contact.ErrUnknown):
		return huma.Error404NotFound("nobody knows a line of this handle")
	case errors.Is(err, archive.ErrForgotten):
		return huma.Error410Gone(archive.ErrForgotten.Error())
	case errors.Is(err, inquiry.ErrNoQuestion), errors.Is(err, hold.ErrNoHold):
		return huma.Error404NotFound(innermost(err).Error())
	case errors.Is(err, inquiry.ErrDecided):
		return huma.Error409Conflict(inquiry.ErrDecided.Error())
	case errors.Is(err, inquiry.ErrSelf):
		return huma.Error403Forbidden(inquiry.ErrSelf.Error())
	}
	for _, find := range []func(error) error{actFault, accessFault} {
		if fault := find(err); fault != nil {
			return fault
		}
	}
	if over, ok := errors.AsType[*inquiry.BudgetError](err); ok {
		return huma.Error429TooManyRequests(over.Error(), &huma.ErrorDetail{Location: "question", Message: "waits for a second person", Value: over.ID.String()})
	}
	if all := report.FieldErrors(err); len(all) > 0 {
		details := make([]error, len(all))
		for i, f := range all {
			details[i] = &huma.ErrorDetail{Location: "body." + f.Field, Message: f.Rule}
		}
		return huma.Error422UnprocessableEntity("mend what is wrong and send it again: nothing was changed", details...)
	}
	a.log.ErrorContext(ctx, "a request of a person failed", "by", by(ctx), "error", err)
	return huma.Error500InternalServerError("something went wrong here: try again later")
}

// unlogged says why nothing was done: what cannot be written into the evidence log is not answered.
func unlogged(err error) string {
	for _, known := range []error{evidence.ErrShort, evidence.ErrForked} {
		if errors.Is(err, known) {
			return "nothing was done or shown, as it cannot be logged: " + known.Error()
		}
	}
	return inquiry.ErrNoLog.Error()
}

// innermost is what an error was before anybody said what they were doing.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
