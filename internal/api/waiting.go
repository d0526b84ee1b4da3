package api

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/access"
	"tocsin/internal/desk"
	"tocsin/internal/formats/letter"
	"tocsin/internal/report"
)

// Mail is a letter in a list.
type Mail struct {
	ID           string    `access:"id" json:"id"`
	ReceivedAt   time.Time `access:"times" json:"received_at"`
	State        string    `access:"state" json:"state" enum:"waiting,set-aside,worked"`
	Reason       string    `access:"state" json:"reason" doc:"why it waits, or was set aside"`
	Apart        string    `access:"state" json:"apart,omitempty" doc:"type under which it is filed apart"`
	Channel      string    `access:"sender" json:"channel"`
	Reporter     string    `access:"sender" json:"reporter"`
	From         string    `access:"sender" json:"from,omitempty" doc:"the author's address as the mail says, which anybody can write"`
	Name         string    `access:"text" json:"name,omitempty" doc:"name of the file or subject of the mail"`
	Authenticity string    `access:"sender" json:"authenticity,omitempty" doc:"what was found out about who sent it; empty: not checked"`
	Signer       string    `access:"sender" json:"signer,omitempty" doc:"domain whose signature is on it"`
	TLP          string    `access:"state" json:"tlp"`
	Thread       string    `access:"id" json:"thread,omitempty" doc:"oldest report of its thread"`
	Exercise     bool      `access:"state" json:"exercise,omitempty"`
}

// Record is access.Shown's.
func (Mail) Record() access.Record { return access.Letter }

func listedOf(l *desk.Letter) Mail {
	out := Mail{
		ID: l.ID.String(), ReceivedAt: l.ReceivedAt, State: string(l.State), Reason: letter.Display(l.Reason), Apart: string(l.Apart.Type), Channel: l.Channel,
		Reporter: l.Reporter, From: letter.Display(l.Sender), Name: letter.Display(l.Name), Authenticity: string(l.Authenticity),
		Signer: l.Signer, TLP: l.TLP.String(), Exercise: l.Exercise,
	}
	if !l.Thread.IsZero() {
		out.Thread = l.Thread.String()
	}
	return out
}

func listOf(all []desk.Letter) []Mail {
	out := make([]Mail, len(all))
	for i := range all {
		out[i] = listedOf(&all[i])
	}
	return out
}

// OpenMail is a letter with all that a person needs to deal with it.
type OpenMail struct {
	Mail
	Events      int64               `access:"events" json:"events" doc:"made of it so far"`
	Assigned    *AssignedMail       `access:"events" json:"assigned,omitempty" doc:"what a person said of it"`
	Letter      *letter.Reading     `access:"text" json:"letter,omitempty" doc:"its text, made to be displayed; missing once it is past its end date"`
	Suggestions []letter.Suggestion `access:"text" json:"suggestions"`
	InThread    []Mail              `json:"in_thread" doc:"the mails of its thread, itself included, oldest first"`
	Answers     []OfferedAnswer     `access:"text" json:"answers" doc:"answers that can be drawn up"`
	NoAnswer    string              `access:"text" json:"no_answer,omitempty" doc:"why none is offered"`
}

// Record is access.Shown's.
func (OpenMail) Record() access.Record { return access.Letter }

// AssignedMail is what a person said of a mail.
type AssignedMail struct {
	Who      string    `json:"who"`
	At       time.Time `json:"at"`
	Incident string    `json:"incident,omitempty"`
}

// OfferedAnswer is an answer that can be drawn up.
type OfferedAnswer struct {
	Name  string `json:"name"`
	Title string `json:"title"`
}

// PathID is the id in a path. It is exported because huma looks into exported fields only.
type PathID struct {
	ID string `path:"id" doc:"id of the report"`
}

func (in *PathID) parse() (report.ID, error) {
	id, err := report.ParseID(in.ID)
	if err != nil {
		return id, desk.ErrNoReport
	}
	return id, nil
}

type pageInput struct {
	Apart string `query:"apart" doc:"those filed apart under this type; left out, those that are not filed apart"`
	After string `query:"after" doc:"what next said on the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

// MailPage is one page of a list of mails.
type MailPage struct {
	Items []Mail         `json:"items"`
	Apart map[string]int `json:"apart" doc:"how many in this state are filed apart, by type: they are in items only where asked for"`
	Next  string         `json:"next,omitempty" doc:"give this as after to see what follows; missing on the last page"`
}

type page struct{ Body MailPage }

func (a *API) register() {
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Errors: []int{404, 409}}
	}
	see, work := need{access.See, access.Letter}, need{access.Change, access.Letter}
	add(a, see, op("list-waiting", http.MethodGet, "/waiting", "Mails that wait for a person, oldest first"), a.list(report.StateWaiting))
	add(a, see, op("list-aside", http.MethodGet, "/aside", "Mails that were set aside, oldest first"), a.list(report.StateAside))
	add(a, see, op("show-waiting", http.MethodGet, "/waiting/{id}", "One mail: text, suggestions, thread, answers"), a.show)
	add(a, work, op("make-events", http.MethodPost, "/waiting/{id}/events", "Make events of a mail"), a.events)
	add(a, work, op("merge", http.MethodPost, "/waiting/{id}/merge", "Say that a mail is about an incident that there is"), a.merge)
	add(a, work, op("set-aside", http.MethodPost, "/waiting/{id}/aside", "Set a mail aside"), a.aside)
	add(a, work, op("bring", http.MethodPost, "/waiting/{id}/bring", "Bring a mail back that was set aside"), a.bring)
	again := op("read-again", http.MethodPost, "/waiting/{id}/read-again", "Read a mail again, after a format was added")
	again.DefaultStatus = http.StatusAccepted
	again.Errors = append(again.Errors, http.StatusGone)
	add(a, work, again, a.readAgain)
	add(a, see, op("draw-up-answer", http.MethodPost, "/waiting/{id}/answers/{template}", "Draw up an answer; nothing is sent"), a.answer)
	add(a, need{access.See, access.Sender}, op("list-blocked", http.MethodGet, "/blocked", "Authors of whom nothing more is wanted"), a.blocked)
	add(a, need{access.Change, access.Sender}, op("block", http.MethodPost, "/blocked", "Want nothing more from an author"), a.block)
	add(a, need{access.Change, access.Sender}, op("unblock", http.MethodPost, "/blocked/remove", "Take a block back"), a.unblock)
}

func (a *API) list(state report.State) func(context.Context, *pageInput) (*page, error) {
	return func(ctx context.Context, in *pageInput) (*page, error) {
		at, id, err := parseCursor(in.After)
		if err != nil {
			return nil, badCursor(err)
		}
		on := desk.Shelf{State: state}
		if in.Apart != "" {
			if on.Apart = report.KindOf(in.Apart); !on.Apart.Apart() {
				return nil, huma.Error422UnprocessableEntity("nothing of this type is filed apart", &huma.ErrorDetail{Location: "query.apart", Message: "one of " + kindsApart()})
			}
		}
		all, err := a.rooms.Letters.Letters(ctx, on, at, id, in.Limit+1)
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		out := &page{}
		if len(all) > in.Limit {
			all = all[:in.Limit]
			out.Body.Next = cursorAt(all[in.Limit-1].ReceivedAt, all[in.Limit-1].ID)
		}
		out.Body.Items = listOf(all)
		apart, err := a.rooms.Letters.Apart(ctx, state)
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		out.Body.Apart = map[string]int{}
		for kind, n := range apart {
			out.Body.Apart[string(kind.Type)] = n
		}
		return out, nil
	}
}

func kindsApart() string {
	var types []string
	for _, k := range report.KindsApart() {
		types = append(types, string(k.Type))
	}
	return strings.Join(types, ", ")
}

// cursorAt names a place in a list that is ordered by time and id.
func cursorAt(at time.Time, id report.ID) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(b, id[:]...))
}

func parseCursor(s string) (time.Time, report.ID, error) {
	if s == "" {
		return time.Time{}, report.ID{}, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != 24 {
		return time.Time{}, report.ID{}, errors.New("this is no cursor")
	}
	return time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC(), report.ID(b[8:]), nil
}

type showOutput struct{ Body OpenMail }

func (a *API) show(ctx context.Context, in *PathID) (*showOutput, error) {
	o, err := a.open(ctx, in)
	if err != nil {
		return nil, err
	}
	a.did(ctx, "a letter was read", o.ID)
	out := &showOutput{OpenMail{
		Mail: listedOf(&o.Letter), Events: o.Events, Letter: o.Reading, Suggestions: o.Suggestions, InThread: listOf(o.Thread),
		NoAnswer: unanswerable(&o), Answers: []OfferedAnswer{},
	}}
	if out.Body.Suggestions == nil {
		out.Body.Suggestions = []letter.Suggestion{}
	}
	if s := o.Assignment; s != nil {
		out.Body.Assigned = &AssignedMail{Who: s.Who, At: s.At}
		if !s.Incident.IsZero() {
			out.Body.Assigned.Incident = s.Incident.String()
		}
	}
	if out.Body.NoAnswer == "" {
		for _, k := range answerKinds {
			out.Body.Answers = append(out.Body.Answers, OfferedAnswer{k.name, k.title})
		}
	}
	return out, nil
}

// open opens the letter that a path names; the error is a problem.
func (a *API) open(ctx context.Context, in *PathID) (desk.Opened, error) {
	id, err := in.parse()
	if err != nil {
		return desk.Opened{}, a.problem(ctx, err)
	}
	o, err := a.rooms.Letters.Letter(ctx, id)
	return o, a.problem(ctx, err)
}

// MailDone is what became of a mail.
type MailDone struct {
	ID      string `json:"id"`
	State   string `json:"state"`
	Events  int    `json:"events" doc:"made by this request"`
	Repeats int    `json:"repeats" doc:"equal to another of this request"`
	Again   bool   `json:"again" doc:"the same was asked for before: nothing changed"`
}

type doneOutput struct{ Body MailDone }

func done(id report.ID, state report.State, got desk.Assigned) *doneOutput {
	out := &doneOutput{}
	out.Body.ID, out.Body.State = id.String(), string(state)
	out.Body.Events, out.Body.Repeats, out.Body.Again = got.Events, got.Repeats, got.Again
	return out
}

func (a *API) events(ctx context.Context, in *struct {
	PathID
	Body struct {
		Events []EventInput `json:"events" minItems:"1" maxItems:"1000"`
	}
},
) (*doneOutput, error) {
	id, err := in.parse()
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	events, unread := make([]report.Event, len(in.Body.Events)), []error(nil)
	for i := range in.Body.Events {
		e, err := in.Body.Events[i].event(fmt.Sprintf("events[%d]", i))
		events[i] = e
		unread = append(unread, err)
	}
	if err := errors.Join(unread...); err != nil {
		// What else is wrong shows only in events whose values could be read; the letter tells against when.
		return nil, a.problem(ctx, errors.Join(err, a.alsoWrong(ctx, id, events, err)))
	}
	got, err := a.rooms.Acts.Assign(ctx, id, events, who(ctx))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	a.did(ctx, "events were made of a letter", id, "events", got.Events, "again", got.Again)
	return done(id, report.StateWorked, got), nil
}

func (a *API) merge(ctx context.Context, in *struct {
	PathID
	Body struct {
		Incident string   `json:"incident" doc:"id of the incident"`
		At       []string `json:"at,omitempty" nullable:"false" maxItems:"1000" doc:"when it was seen, with the zone; each time is another event of the incident"`
	}
},
) (*doneOutput, error) {
	id, err := in.parse()
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	var faults []error
	incident, err := report.ParseID(in.Body.Incident)
	if err != nil {
		faults = append(faults, &report.FieldError{Field: "incident", Rule: err.Error()})
	}
	at := make([]time.Time, len(in.Body.At))
	for i, s := range in.Body.At {
		if at[i], err = instant(s); err != nil {
			faults = append(faults, &report.FieldError{Field: fmt.Sprintf("at[%d]", i), Rule: err.Error()})
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, a.problem(ctx, err)
	}
	got, err := a.rooms.Acts.Merge(ctx, id, incident, at, who(ctx))
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	a.did(ctx, "a letter was merged into an incident", id, "incident", incident, "events", got.Events, "again", got.Again)
	return done(id, report.StateWorked, got), nil
}

type reasonInput struct {
	PathID
	Body struct {
		Reason string `json:"reason" doc:"a sentence for whoever looks for the mail later"`
	}
}

func (a *API) aside(ctx context.Context, in *reasonInput) (*doneOutput, error) {
	return a.turn(ctx, in, report.StateAside, "a letter was set aside")
}

func (a *API) bring(ctx context.Context, in *reasonInput) (*doneOutput, error) {
	return a.turn(ctx, in, report.StateWaiting, "a letter was brought back")
}

func (a *API) turn(ctx context.Context, in *reasonInput, to report.State, what string) (*doneOutput, error) {
	id, err := in.parse()
	if err == nil {
		err = a.rooms.Acts.Turn(ctx, id, to, in.Body.Reason)
	}
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	a.did(ctx, what, id)
	return done(id, to, desk.Assigned{}), nil
}

func (a *API) readAgain(ctx context.Context, in *PathID) (*struct{}, error) {
	id, err := in.parse()
	if err == nil {
		err = a.rooms.Acts.ReadAgain(ctx, id)
	}
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	a.did(ctx, "a letter is read again", id)
	return nil, nil
}

type answerOutput struct{ Body DrawnAnswer }

// answer has the address in its body, because queries stand in the logs of proxies.
func (a *API) answer(ctx context.Context, in *struct {
	PathID
	Template string `path:"template" doc:"a name that answers lists"`
	Body     struct {
		Addr string `json:"addr,omitempty" doc:"the address that it is about; left out, the only one that the mail speaks of"`
	}
},
) (*answerOutput, error) {
	if !slices.ContainsFunc(answerKinds, func(k answerKind) bool { return k.name == in.Template }) {
		return nil, huma.Error404NotFound("there is no such answer: the mail's own page lists them")
	}
	o, err := a.open(ctx, &in.PathID)
	if err != nil {
		return nil, err
	}
	if why := unanswerable(&o); why != "" {
		return nil, huma.Error409Conflict("this mail is not to be answered: " + why)
	}
	addr := onlyAddress(&o)
	if in.Body.Addr != "" {
		if addr, err = report.ParseAddr(in.Body.Addr); err != nil {
			return nil, a.problem(ctx, &report.FieldError{Field: "addr", Rule: err.Error()})
		}
	}
	var holder report.Holder
	if addr != (netip.Addr{}) {
		if holder, err = a.rooms.Networks.Holder(addr.String()); err != nil {
			return nil, a.problem(ctx, err)
		}
	}
	if in.Template == "not-ours" && holder.Own {
		return nil, huma.Error409Conflict(addr.String() + " is ours by our own tables: this answer would be wrong")
	}
	text, err := a.answers.render(in.Template, &o, addr, holder)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	a.did(ctx, "an answer was drawn up", o.ID, "answer", in.Template)
	return &answerOutput{text}, nil
}
