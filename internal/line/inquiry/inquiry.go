// Package inquiry answers the questions of people about lines: which line held an address, and whose a line is. Each is
// counted against the day's budget, written into the evidence log, and only then answered (DESIGN.md §8.7). Above the
// budget a second person has to approve first, and oversight is told. There is no question about more than one address
// or line, so that nobody can ask for many at once.
package inquiry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/line/contact"
	"tocsin/internal/line/hold"
	"tocsin/internal/report"
)

// Kind is what a question asks for.
type Kind string

// The kinds.
const (
	Which Kind = "which" // which line held an address: a handle, which says nothing of the subscriber
	Whose Kind = "whose" // whose a line is: name and contact
	Purge Kind = "purge" // no question: somebody deletes sessions
)

// State is how far a question has come.
type State string

// The states.
const (
	Counted  State = "counted"  // within the budget of its day
	Waiting  State = "waiting"  // above the budget: for a second person
	Approved State = "approved" // may be asked once more, and is answered then
	Refused  State = "refused"  // by the second person
	Answered State = "answered" // after it was approved
	Noted    State = "noted"    // no question: it is kept, and not counted
)

// Question is one question of a person.
type Question struct {
	ID     report.ID
	Kind   Kind
	Who    string // who asks; personal
	Reason string // why, in their words; needed for Whose; personal
	At     time.Time

	Selector line.Selector // what Which asks about; personal
	Shared   bool          // many lines share the address, by the tables
	Handle   string        // the line that Whose asks about
}

// Kept is a question as the store has it.
type Kept struct {
	ID       report.ID
	Kind     Kind
	Who      string // personal
	Reason   string // personal
	At       time.Time
	Text     string   // what is asked about, in one form: see Question.text; personal
	Salt     [32]byte // of the commitments in the log
	State    State
	By       string // who approved or refused; personal
	Decided  time.Time
	Document string // that the address is taken from; personal
}

// Store keeps questions until their end date.
type Store interface {
	// AskQuestion keeps a question. Where fewer than budget were counted on its day, it is Counted. Else, where the same
	// person has asked the same lately and that is Approved, that one becomes Answered and is returned; where it is
	// Waiting, that one is returned as it is; and otherwise this one is Waiting. fresh says that a row was made.
	AskQuestion(ctx context.Context, q *Kept, budget int) (kept Kept, fresh bool, err error)

	// NoteAct keeps what somebody does that is no question, as Noted.
	NoteAct(ctx context.Context, k *Kept) error

	// DecideQuestion approves or refuses a question that waits. ErrNoQuestion says that there is none with this id,
	// ErrDecided that it does not wait, ErrSelf that who asked it.
	DecideQuestion(ctx context.Context, id report.ID, who string, approve bool, now time.Time) (Kept, error)

	// Questions returns those that wait, oldest first.
	Questions(ctx context.Context) ([]Kept, error)

	// AskedQuestions returns those of a range, and what NoteAct kept, newest first.
	AskedQuestions(ctx context.Context, r Range) ([]Kept, error)
}

// Range is which questions are listed. The zero value lists none.
type Range struct {
	Day      time.Time // only those of the UTC day that begins then; zero: of every day
	Before   time.Time // only those older than this; zero: from the newest
	BeforeID report.ID // of those of the very same time, only those whose id is smaller
	Limit    int
}

// Log is the evidence log.
type Log interface {
	// Record writes an act, and returns when it is in the log and can never be taken back.
	Record(ctx context.Context, a *Act) error
}

// Act is what a person does, on its way into the log.
type Act struct {
	Kind     string    // question, reveal, approval, oversight, hold, deletion
	Question report.ID // by which the store finds the rest, until its end date
	At       time.Time

	// What is personal stands in the log as commitments under a salt that is deleted with the question: names and
	// addresses are few enough to try them all, so that a bare hash would hide nothing.
	Salt   [32]byte
	Who    string // personal
	About  string // what was asked about; personal
	Reason string // personal

	Answer report.LineState // that is about to be shown; empty where there is none
	Note   string           // one of our own words: above-budget, approved, refused, made, lifted
}

// Lines answers.
type Lines interface {
	// Which says which line held an address; shared that many lines share it, so that it names nobody without a port.
	Which(ctx context.Context, s *line.Selector, shared bool) (report.LineAnswer, error)
	// Name is the name that the sources have for the line of a handle, Contact how to reach whoever has it.
	// contact.ErrUnknown and archive.ErrForgotten say that nobody knows, or not any more.
	Name(ctx context.Context, handle string) (string, error)
	Contact(ctx context.Context, handle string) (contact.Contact, error)
	// Hold keeps what is known of an address; Lift ends a hold; Holds are those in force.
	Hold(ctx context.Context, h *hold.Hold) (sessions int, err error)
	Lift(ctx context.Context, id report.ID) error
	Holds(ctx context.Context) ([]hold.Hold, error)
}

// ErrNoLog says that the evidence log does not take an entry.
var ErrNoLog = errors.New("nothing was done or shown, as the evidence log did not take it in time: the node's own log says why")

// The faults of a person's question.
var (
	ErrNoQuestion = errors.New("there is no such question: tocsin lines questions lists those that wait")
	ErrDecided    = errors.New("this question does not wait for anybody")
	ErrSelf       = errors.New("whoever asks cannot approve: it takes a second person, with a token or a system user of their own")
)

// BudgetError says that the day's budget is used up, and by which id a second person finds the question.
type BudgetError struct {
	ID     report.ID
	Budget int
}

// Error says what to do next.
func (e *BudgetError) Error() string {
	why := "every question about a line needs it (lines.questions.daily is 0)"
	if e.Budget > 0 {
		why = fmt.Sprintf("today's %d questions about lines are used up", e.Budget)
	}
	return fmt.Sprintf("a second person has to approve this question, because %s: tocsin lines approve %s; ask the same again then", why, e.ID)
}

// Desk takes questions. Any number of goroutines may use it.
type Desk struct {
	Lines Lines
	Store Store
	Log   Log
	Cfg   Config
	Now   func() time.Time
}

// Which answers a question about an address. Its answer is in the log when it returns.
func (d *Desk) Which(ctx context.Context, q *Question) (report.LineAnswer, error) {
	q.Kind = Which
	kept, err := d.ask(ctx, q)
	if err != nil {
		return report.LineAnswer{}, err
	}
	a, err := d.Lines.Which(ctx, &q.Selector, q.Shared)
	if err != nil {
		return report.LineAnswer{}, err
	}
	act := kept.act("question", d.Now())
	act.Answer = a.State
	if err := d.Log.Record(ctx, act); err != nil {
		return report.LineAnswer{}, fmt.Errorf("write the question into the log, before which nothing is answered: %w", err)
	}
	return a, nil
}

// Revealed is whose a line is.
type Revealed struct {
	Name    string           // that the sources have for the line; personal
	Contact *contact.Contact // nil where the contacts do not know it, or nothing knows contacts
	Missing string           // why there is no contact
}

// Whose answers a question for the subscriber of a line. It is in the log before anybody is asked.
func (d *Desk) Whose(ctx context.Context, q *Question) (Revealed, error) {
	q.Kind = Whose
	kept, err := d.ask(ctx, q)
	if err != nil {
		return Revealed{}, err
	}
	if err := d.Log.Record(ctx, kept.act("reveal", d.Now())); err != nil {
		return Revealed{}, fmt.Errorf("write the question into the log, before which nothing is answered: %w", err)
	}
	r := Revealed{}
	if r.Name, err = d.Lines.Name(ctx, q.Handle); err != nil {
		return Revealed{}, err
	}
	if c, err := d.Lines.Contact(ctx, q.Handle); err == nil {
		r.Contact = &c
	} else {
		r.Missing = err.Error() // names nobody: contact.Book
	}
	return r, nil
}

// ask counts a question.
func (d *Desk) ask(ctx context.Context, q *Question) (Kept, error) {
	q.At = d.Now().UTC()
	if err := q.validate(); err != nil {
		return Kept{}, err
	}
	asked := q.kept()
	kept, fresh, err := d.Store.AskQuestion(ctx, &asked, d.Cfg.Daily)
	if err != nil {
		return Kept{}, err
	}
	if kept.State != Waiting {
		return kept, nil
	}
	if fresh {
		act := kept.act("oversight", d.Now())
		act.Note = "above-budget"
		if err := d.Log.Record(ctx, act); err != nil {
			return Kept{}, fmt.Errorf("tell oversight: %w", err)
		}
	}
	return Kept{}, &BudgetError{kept.ID, d.Cfg.Daily}
}

// Decide is the second person's word on a question that waits.
func (d *Desk) Decide(ctx context.Context, id report.ID, who string, approve bool) (Kept, error) {
	if who == "" {
		return Kept{}, errWho
	}
	who = plain(who)
	kept, err := d.Store.DecideQuestion(ctx, id, who, approve, d.Now().UTC())
	if err != nil {
		return Kept{}, err
	}
	act := kept.act("approval", d.Now())
	act.Who, act.Note = who, string(kept.State)
	if err := d.Log.Record(ctx, act); err != nil {
		return Kept{}, fmt.Errorf("write the decision into the log: %w", err)
	}
	return kept, nil
}

// Questions are those that wait for a second person, oldest first.
func (d *Desk) Questions(ctx context.Context) ([]Kept, error) { return d.Store.Questions(ctx) }

// Asked are questions of a range, whatever their state, newest first.
func (d *Desk) Asked(ctx context.Context, r Range) ([]Kept, error) {
	return d.Store.AskedQuestions(ctx, r)
}

var errWho = &report.FieldError{Field: "who", Rule: "say who asks"}

// Hold keeps what is known of an address for a request, and discloses nothing.
func (d *Desk) Hold(ctx context.Context, h *hold.Hold) (sessions int, err error) {
	h.At, h.Request, h.Who = d.Now().UTC(), plain(h.Request), plain(h.Who)
	if err := h.Validate(h.At); err != nil {
		return 0, err
	}
	h.ID = report.NewID(h.At)
	_, _ = rand.Read(h.Salt[:]) // never fails: crypto/rand ends the program instead
	if err := d.Log.Record(ctx, holdAct(h, h.Who, "made", h.At)); err != nil {
		return 0, fmt.Errorf("write the hold into the log: %w", err)
	}
	return d.Lines.Hold(ctx, h)
}

// Purging notes that somebody is about to delete sessions: before a moment, or past their end date where it is zero. The
// deletion has an entry of its own, with its count.
func (d *Desk) Purging(ctx context.Context, who string, before time.Time, names []string) error {
	if who == "" {
		return errWho
	}
	k := &Kept{ID: report.NewID(d.Now()), Kind: Purge, At: d.Now().UTC(), Who: plain(who), Text: strings.Join(names, ",")}
	_, _ = rand.Read(k.Salt[:]) // never fails: crypto/rand ends the program instead
	if err := d.Store.NoteAct(ctx, k); err != nil {
		return err
	}
	a := k.act("deletion", d.Now())
	a.Note = "by-hand"
	if !before.IsZero() {
		a.Note += "-before-" + before.UTC().Format(time.DateOnly)
	}
	if err := d.Log.Record(ctx, a); err != nil {
		return fmt.Errorf("write into the log that sessions are deleted: %w", err)
	}
	return nil
}

// Lift ends a hold before its time.
func (d *Desk) Lift(ctx context.Context, id report.ID, who string) error {
	if who == "" {
		return errWho
	}
	all, err := d.Lines.Holds(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].ID != id {
			continue
		}
		if err := d.Log.Record(ctx, holdAct(&all[i], who, "lifted", d.Now())); err != nil {
			return fmt.Errorf("write into the log that the hold ends: %w", err)
		}
		return d.Lines.Lift(ctx, id)
	}
	return hold.ErrNoHold
}
