package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/access"
	"tocsin/internal/formats/letter"
	"tocsin/internal/line"
	"tocsin/internal/line/contact"
	"tocsin/internal/line/hold"
	"tocsin/internal/line/inquiry"
	"tocsin/internal/line/sources"
	"tocsin/internal/report"
)

// Lookup is whose an address is, and which line it was.
type Lookup struct {
	Addr    string       `access:"address" json:"addr"`
	Party   report.Party `access:"holder" json:"party"`
	Prefix  string       `access:"holder" json:"prefix,omitempty"`
	ASN     uint32       `access:"holder" json:"asn,omitempty"`
	Org     string       `access:"holder" json:"org,omitempty"`
	CC      string       `access:"holder" json:"cc,omitempty"`
	Abuse   string       `access:"holder" json:"abuse,omitempty"`
	Partner string       `access:"holder" json:"partner,omitempty"`
	CGNAT   bool         `access:"holder" json:"cgnat,omitempty"`
	Line    *LineAnswer  `json:"line,omitempty" doc:"missing where nobody was asked: the address is not ours, no source knows lines, or no time was given"`
	Note    string       `access:"holder" json:"note,omitempty"`
}

// Record is access.Shown's.
func (Lookup) Record() access.Record { return access.Address }

// LineAnswer is which line held an address, port and protocol at an instant.
type LineAnswer struct {
	State  report.LineState `access:"answer" json:"state" enum:"unique,ambiguous,none,outside-retention"`
	Handle string           `access:"handle" json:"handle,omitempty" doc:"the line's random handle, as in an incident's party"`
	Count  int              `access:"answer" json:"count,omitempty" doc:"lines that it could be, where it is ambiguous"`
	Need   report.Need      `access:"answer" json:"need,omitempty" enum:"port,protocol,time,zone" doc:"what the question lacked, where more of it would have helped"`
	Reason string           `access:"answer" json:"reason,omitempty" doc:"why it is not unique"`
}

// Record is access.Shown's.
func (LineAnswer) Record() access.Record { return access.Line }

// LookupOf says whose an address is, by what the tables say of it.
func LookupOf(addr netip.Addr, h *report.Holder) Lookup {
	l := Lookup{
		Addr: addr.String(), Party: h.Party(0), ASN: h.ASN, Org: letter.Display(h.Org), CC: h.CC, Abuse: letter.Display(h.Abuse), Partner: h.Partner, CGNAT: h.CGNAT,
	}
	if h.Prefix.IsValid() {
		l.Prefix = h.Prefix.String()
	}
	if l.Party == report.PartyUnknown {
		l.Note = "no address table knows it: add one under network.tables in tocsin.yaml"
	}
	return l
}

// Lines are the questions of people about lines. Each is in the evidence log before it is answered.
type Lines interface {
	// Look says whose an address is and, where it is ours, q says when and something knows lines, which line held it.
	// asked is false where nobody was asked for a line. An *inquiry.BudgetError says that it waits for a second person.
	Look(ctx context.Context, q *inquiry.Question) (h report.Holder, a report.LineAnswer, asked bool, err error)
	// Whose says whose a line is.
	Whose(ctx context.Context, q *inquiry.Question) (inquiry.Revealed, error)
	// Questions are those that wait for a second person.
	Questions(ctx context.Context) ([]inquiry.Kept, error)
	// Asked are questions of a span of time, whatever their state, newest first.
	Asked(ctx context.Context, r inquiry.Range) ([]inquiry.Kept, error)
	// Decide is that person's word.
	Decide(ctx context.Context, id report.ID, who string, approve bool) (inquiry.Kept, error)
	// Status says how each source is.
	Status() []sources.Status
	// Purge deletes sessions before a moment, of these sources or of all; those past their end date where it is zero.
	Purge(ctx context.Context, who string, before time.Time, names ...string) ([]sources.Purged, error)
	// Hold, Lift and Holds keep what a request names.
	Hold(ctx context.Context, h *hold.Hold) (sessions int, err error)
	Lift(ctx context.Context, id report.ID, who string) error
	Holds(ctx context.Context) ([]hold.Hold, error)
}

func (a *API) registerLines() {
	op := func(id, method, path, summary string, errs ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Summary: summary, Errors: errs}
	}
	decide := need{access.Decide, access.Question}
	add(a, need{access.See, access.Address}, op("lookup", http.MethodPost, "/lookup", "Whose an address is, and, where a time is given, which line held it: that needs line:ask", 429), a.lookup)
	add(a, need{access.Reveal, access.Line}, op("reveal", http.MethodPost, "/reveal", "Whose a line is: logged before it is shown", 404, 410, 429), a.reveal)
	add(a, need{access.See, access.Question}, op("list-questions", http.MethodGet, "/questions", "Questions above the day's budget, which wait for a second person, oldest first; or all that were asked, newest first"), a.questions)
	add(a, decide, op("approve-question", http.MethodPost, "/questions/{id}/approve", "Approve another person's question", 404, 409), a.decide(true))
	add(a, decide, op("refuse-question", http.MethodPost, "/questions/{id}/refuse", "Refuse another person's question", 404, 409), a.decide(false))
	add(a, need{access.See, access.LineSource}, op("list-line-sources", http.MethodGet, "/lines/sources", "What knows lines, and how it is"), a.lineSources)
	add(a, need{access.Change, access.LineSource}, op("purge-lines", http.MethodPost, "/lines/purge", "Delete line sessions that have come to their end, or all before a day"), a.purgeLines)
	add(a, need{access.Change, access.Hold}, op("hold", http.MethodPost, "/holds", "Keep what a request names beyond its end date; it discloses nothing"), a.hold)
	add(a, need{access.See, access.Hold}, op("list-holds", http.MethodGet, "/holds", "The holds in force"), a.holds)
	add(a, need{access.Change, access.Hold}, op("lift-hold", http.MethodPost, "/holds/{id}/lift", "End a hold", 404), a.lift)
}

// lookupInput has the address in its body, because paths stand in the logs of proxies.
type lookupInput struct {
	Body struct {
		Addr        string `json:"addr" doc:"one address: no lookup takes more"`
		Port        uint16 `json:"port,omitempty" maximum:"65535" doc:"its source port, for an address that many lines share"`
		Proto       string `json:"proto,omitempty" doc:"tcp, udp or another"`
		At          string `json:"at,omitempty" doc:"when, with its zone: 2026-03-01T02:10:00Z; without it nobody is asked for the line. With a zone of its own: 2026-03-01T02:10:00"`
		Zone        string `json:"zone,omitempty" doc:"of a time without one: Europe/London"`
		Uncertainty string `json:"uncertainty,omitempty" doc:"by which the time may be off, either way: 2s; left out, lines.uncertainty"`
		Reason      string `json:"reason,omitempty" doc:"why you ask"`
		Document    string `json:"document,omitempty" doc:"what the address is taken from"`
	}
}

type lookupOutput struct{ Body Lookup }

func (a *API) lookup(ctx context.Context, in *lookupInput) (*lookupOutput, error) {
	if in.Body.At != "" {
		if why := a.mayNot(ctx, need{access.Ask, access.Line}); why != "" {
			return nil, huma.Error403Forbidden(why)
		}
	}
	q, err := in.question()
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	q.Who = who(ctx)
	h, ans, asked, err := a.rooms.Lines.Look(ctx, q)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &lookupOutput{Body: LookupOf(q.Selector.Addr, &h)}
	l := &out.Body
	switch {
	case asked:
		l.Line = &LineAnswer{State: ans.State, Handle: ans.Handle, Count: ans.Count, Need: ans.Need, Reason: ans.Reason}
		if ans.State == report.LineUnique {
			l.Party = report.PartyLine(ans.Handle)
		}
	case h.Own && h.CGNAT && q.Selector.Port == 0:
		l.Note = "many lines share this address: without a source port and a time it names nobody"
	case h.Own && q.Selector.At.IsZero():
		l.Note = "to know which line held it, say when"
	case h.Own:
		l.Note = "no source of line sessions is configured, so the line is not known"
	}
	return out, nil
}

// question reads the values; the error joins a *report.FieldError for each that cannot be read.
func (in *lookupInput) question() (*inquiry.Question, error) {
	b := &in.Body
	q := &inquiry.Question{Reason: b.Reason}
	s := &q.Selector
	s.Port, s.Proto, s.Document = b.Port, strings.ToLower(strings.TrimSpace(b.Proto)), b.Document
	var errs []error
	bad := func(field, rule string) { errs = append(errs, &report.FieldError{Field: field, Rule: rule}) }
	var err error
	if s.Addr, err = report.ParseAddr(b.Addr); err != nil {
		bad("addr", err.Error())
	}
	if len(s.Proto) > 16 {
		bad("proto", "write tcp or udp")
	}
	if len(b.Document) > 1000 {
		bad("document", "up to 1000 characters")
	}
	if b.Uncertainty != "" {
		if s.Uncertainty, err = time.ParseDuration(b.Uncertainty); err != nil || s.Uncertainty < 0 {
			bad("uncertainty", "write a duration: 2s, 5m")
		}
	} else {
		s.Uncertainty = -1 // the config's
	}
	if err := when(s, b.At, b.Zone); err != nil {
		errs = append(errs, err)
	}
	return q, errors.Join(errs...)
}

type revealInput struct {
	Body struct {
		Line   string `json:"line" doc:"the line's handle, as in an incident's party behind line:"`
		Reason string `json:"reason" doc:"why you need to know: it is kept for whoever asks later"`
	}
}

// Revealed is whose a line is.
type Revealed struct {
	Line    string   `access:"name" json:"line"`
	Name    string   `access:"name" json:"name" doc:"the name that the sources have for the line"`
	Contact *Contact `access:"contact" json:"contact,omitempty"`
	Note    string   `access:"contact" json:"note,omitempty" doc:"why there is no contact"`
}

// Record is access.Shown's.
func (Revealed) Record() access.Record { return access.Line }

// Contact is how to reach whoever has a line.
type Contact struct {
	Name     string        `json:"name,omitempty"`
	Mail     string        `json:"mail,omitempty"`
	Phone    string        `json:"phone,omitempty"`
	Address  string        `json:"address,omitempty"`
	Language string        `json:"language,omitempty"`
	Class    contact.Class `json:"class,omitempty"`
}

type revealOutput struct{ Body Revealed }

func (a *API) reveal(ctx context.Context, in *revealInput) (*revealOutput, error) {
	handle := strings.TrimPrefix(strings.TrimSpace(in.Body.Line), "line:")
	r, err := a.rooms.Lines.Whose(ctx, &inquiry.Question{Who: who(ctx), Reason: in.Body.Reason, Handle: handle})
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &revealOutput{Revealed{Line: handle, Name: letter.Display(r.Name), Note: r.Missing}}
	if c := r.Contact; c != nil {
		show := letter.Display
		out.Body.Contact = &Contact{show(c.Name), show(c.Mail), show(c.Phone), show(c.Postal), show(c.Language), c.Class}
	}
	return out, nil
}

// localLayouts are how people write times without a zone.
var localLayouts = [...]string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"}

// when reads a time. In a zone whose clocks are put back an hour comes twice; then it is either of two.
func when(s *line.Selector, at, zone string) error {
	if at == "" {
		return nil
	}
	s.Zone = zone
	if zone == "" {
		t, err := time.Parse(time.RFC3339, at)
		if err != nil {
			return &report.FieldError{Field: "at", Rule: "no time with its zone: write 2026-03-01T02:10:00Z, or give its zone apart"}
		}
		s.At, s.Zone = t.UTC(), t.Format("Z07:00")
		return nil
	}
	place, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return &report.FieldError{Field: "zone", Rule: "no time zone: write it as Europe/London"}
	}
	for _, layout := range localLayouts {
		t, err := time.ParseInLocation(layout, at, place)
		if err != nil {
			continue
		}
		m, err := line.Local(t, layout, at)
		if err != nil {
			return &report.FieldError{Field: "at", Rule: err.Error()}
		}
		s.At = time.Unix(m.Earliest, 0).UTC()
		if m.Latest != m.Earliest {
			s.Or = time.Unix(m.Latest, 0).UTC()
		}
		return nil
	}
	return &report.FieldError{Field: "at", Rule: "no time without a zone: where the zone stands apart, write 2026-03-01T02:10:00"}
}

// QuestionEntry is a question that waits.
type QuestionEntry struct {
	ID       string          `access:"id" json:"id"`
	Kind     inquiry.Kind    `access:"kind" json:"kind"`
	At       time.Time       `access:"times" json:"at"`
	Who      string          `access:"asker" json:"who"`
	Reason   string          `access:"reason" json:"reason"`
	Document string          `access:"about" json:"document,omitempty"`
	About    json.RawMessage `access:"about" json:"about" doc:"the address and the time, or the line"`
	State    inquiry.State   `access:"state" json:"state"`
	By       string          `access:"asker" json:"by,omitempty" doc:"who approved or refused it"`
	Decided  time.Time       `access:"times" json:"decided,omitzero"`
}

// Record is access.Shown's.
func (QuestionEntry) Record() access.Record { return access.Question }

func questionOf(k *inquiry.Kept) QuestionEntry {
	return QuestionEntry{k.ID.String(), k.Kind, k.At, k.Who, k.Reason, k.Document, json.RawMessage(k.Text), k.State, k.By, k.Decided}
}

type questionsInput struct {
	All   bool   `query:"all" doc:"all that were asked, newest first, also what is no question: that sessions were deleted; left out, those that wait"`
	Day   string `query:"day" doc:"of all, those of one day, UTC: 2026-03-01"`
	After string `query:"after" doc:"what next said on the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"of all: those that wait are answered together"`
}

type questionsOutput struct {
	Body struct {
		Items []QuestionEntry `json:"items"`
		Next  string          `json:"next,omitempty" doc:"give this as after to see what is older; missing on the last page"`
	}
}

func (a *API) questions(ctx context.Context, in *questionsInput) (*questionsOutput, error) {
	if !in.All {
		all, err := a.rooms.Lines.Questions(ctx)
		return a.questionList(ctx, all, "", err)
	}
	r := inquiry.Range{Limit: in.Limit + 1}
	var err error
	if r.Before, r.BeforeID, err = parseCursor(in.After); err != nil {
		return nil, huma.Error422UnprocessableEntity("begin anew: after is what next said on the page before", &huma.ErrorDetail{Location: "query.after", Message: err.Error()})
	}
	if in.Day != "" {
		if r.Day, err = time.Parse(time.DateOnly, in.Day); err != nil {
			return nil, huma.Error422UnprocessableEntity("write the day as 2026-03-01", &huma.ErrorDetail{Location: "query.day", Message: "no day: write 2026-03-01"})
		}
	}
	all, err := a.rooms.Lines.Asked(ctx, r)
	next := ""
	if len(all) > in.Limit {
		all = all[:in.Limit]
		last := &all[in.Limit-1]
		next = cursorAt(last.At, last.ID)
	}
	return a.questionList(ctx, all, next, err)
}

func (a *API) questionList(ctx context.Context, all []inquiry.Kept, next string, err error) (*questionsOutput, error) {
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &questionsOutput{}
	out.Body.Items, out.Body.Next = make([]QuestionEntry, len(all)), next
	for i := range all {
		out.Body.Items[i] = questionOf(&all[i])
	}
	return out, nil
}

type questionOutput struct{ Body QuestionEntry }

func (a *API) decide(approve bool) func(context.Context, *PathID) (*questionOutput, error) {
	return func(ctx context.Context, in *PathID) (*questionOutput, error) {
		id, err := report.ParseID(in.ID)
		if err != nil {
			return nil, a.problem(ctx, inquiry.ErrNoQuestion)
		}
		kept, err := a.rooms.Lines.Decide(ctx, id, who(ctx), approve)
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		a.log.InfoContext(ctx, "a person decided on another's question", "by", by(ctx), "question", id, "state", string(kept.State))
		return &questionOutput{questionOf(&kept)}, nil
	}
}

// LineSource is where lines are known from, and how it is.
type LineSource struct {
	Name    string    `access:"name" json:"name"`
	Kind    string    `access:"name" json:"kind"`
	Rows    int64     `access:"health" json:"rows" doc:"records kept, ever; of one that is asked, its answers since the node began"`
	Refused int64     `access:"health" json:"refused" doc:"since the node began"`
	Latest  time.Time `access:"health" json:"latest" doc:"what it said last is of then"`
	Lag     float64   `access:"health" json:"lag_seconds"`
	Clock   int64     `access:"health" json:"clock_offset_seconds" doc:"by which its clock may be off, lately"`
	Gaps    int       `access:"health" json:"gaps" doc:"spans of its log that are known to be missing"`
	Since   time.Time `access:"sessions" json:"since" doc:"what was before is deleted"`
	Health  string    `access:"health" json:"health" enum:"well,silent,down,clock,resting"`
	Cached  int64     `access:"health" json:"cached,omitempty" doc:"questions that were answered from what it had said lately"`
	Unasked int64     `access:"health" json:"unasked,omitempty" doc:"questions that were not put while it rests"`
	Fault   string    `access:"health" json:"fault,omitempty" doc:"why it failed last"`
}

// Record is access.Shown's.
func (LineSource) Record() access.Record { return access.LineSource }

type lineSourcesOutput struct {
	Body struct {
		Items []LineSource `json:"items"`
	}
}

func (a *API) lineSources(context.Context, *struct{}) (*lineSourcesOutput, error) {
	out := &lineSourcesOutput{}
	all := a.rooms.Lines.Status()
	out.Body.Items = make([]LineSource, len(all))
	for i := range all {
		out.Body.Items[i] = LineSource(all[i])
	}
	return out, nil
}

type purgeOutput struct {
	Body struct {
		Items []sources.Purged `json:"items"`
	}
}

func (a *API) purgeLines(ctx context.Context, in *struct {
	Body struct {
		Before  string   `json:"before,omitempty" doc:"the days before this one, UTC: 2026-01-01; left out, those past their end date"`
		Sources []string `json:"sources,omitempty" nullable:"false" doc:"only of these"`
	}
},
) (*purgeOutput, error) {
	var before time.Time
	if in.Body.Before != "" {
		var err error
		if before, err = time.Parse(time.DateOnly, in.Body.Before); err != nil {
			return nil, a.problem(ctx, &report.FieldError{Field: "before", Rule: "no day: write 2026-01-01"})
		}
		if before.After(time.Now()) {
			return nil, a.problem(ctx, &report.FieldError{Field: "before", Rule: "that day has not come: what is to come cannot be deleted"})
		}
	}
	gone, err := a.rooms.Lines.Purge(ctx, who(ctx), before, in.Body.Sources...)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	a.log.InfoContext(ctx, "a person purged line sessions", "by", by(ctx))
	out := &purgeOutput{}
	out.Body.Items = append([]sources.Purged{}, gone...)
	return out, nil
}

// HoldEntry is a hold.
type HoldEntry struct {
	ID       string    `access:"id" json:"id,omitempty"`
	Request  string    `access:"authority" json:"request" doc:"the request that it is made for"`
	Addr     string    `access:"about" json:"addr"`
	Port     uint16    `access:"about" json:"port,omitempty" maximum:"65535"`
	Proto    string    `access:"about" json:"proto,omitempty"`
	From     time.Time `access:"times" json:"from"`
	To       time.Time `access:"times" json:"to" doc:"half-open"`
	Until    time.Time `access:"times" json:"until" doc:"ends by itself then"`
	Who      string    `access:"state" json:"who,omitempty"`
	At       time.Time `access:"times" json:"at,omitzero"`
	Sessions int       `access:"state" json:"sessions" required:"false" doc:"that are kept"`
}

// Record is access.Shown's.
func (HoldEntry) Record() access.Record { return access.Hold }

func holdOf(h *hold.Hold) HoldEntry {
	e := HoldEntry{h.ID.String(), h.Request, h.Addr.String(), h.Port, h.Proto, h.From, h.To, h.Until, h.Who, h.At, 0}
	for i := range h.Kept {
		e.Sessions += len(h.Kept[i].Sessions)
	}
	return e
}

type holdOutput struct{ Body HoldEntry }

func (a *API) hold(ctx context.Context, in *struct{ Body HoldEntry }) (*holdOutput, error) {
	b := &in.Body
	h := &hold.Hold{
		Request: b.Request, Who: who(ctx), Port: b.Port, Proto: strings.ToLower(b.Proto), From: b.From.UTC(), To: b.To.UTC(), Until: b.Until.UTC(),
	}
	var err error
	if h.Addr, err = report.ParseAddr(b.Addr); err != nil {
		return nil, a.problem(ctx, &report.FieldError{Field: "addr", Rule: err.Error()})
	}
	if _, err := a.rooms.Lines.Hold(ctx, h); err != nil {
		return nil, a.problem(ctx, err)
	}
	a.log.InfoContext(ctx, "a hold was made", "by", by(ctx), "hold", h.ID)
	return &holdOutput{holdOf(h)}, nil
}

type holdsOutput struct {
	Body struct {
		Items []HoldEntry `json:"items"`
	}
}

func (a *API) holds(ctx context.Context, _ *struct{}) (*holdsOutput, error) {
	all, err := a.rooms.Lines.Holds(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	out := &holdsOutput{}
	out.Body.Items = make([]HoldEntry, len(all))
	for i := range all {
		out.Body.Items[i] = holdOf(&all[i])
	}
	return out, nil
}

func (a *API) lift(ctx context.Context, in *PathID) (*struct{}, error) {
	id, err := report.ParseID(in.ID)
	if err != nil {
		return nil, a.problem(ctx, hold.ErrNoHold)
	}
	if err := a.rooms.Lines.Lift(ctx, id, who(ctx)); err != nil {
		return nil, a.problem(ctx, err)
	}
	a.log.InfoContext(ctx, "a hold was lifted", "by", by(ctx), "hold", id)
	return nil, nil
}
