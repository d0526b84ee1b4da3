package incident

import (
	"errors"
	"strings"
	"time"

	"tocsin/internal/report"
)

// Act is what a person did about an incident, or says of it.
type Act struct {
	ID       report.ID // given by who asks for it: asked for again with the same, nothing more is done
	Incident report.ID // one that was joined into another stands for that
	At       time.Time
	What     What
	Who      string         // personal
	Text     string         // a comment, how the party was told, or why; personal
	Outcome  report.Outcome // where What is ActClose: one of Ruled
}

// What is a kind of act.
type What string

// What people do.
const (
	ActNote   What = "note"   // say something that others should know
	ActTold   What = "told"   // tell the party, by other means than a notice: an open incident becomes told
	ActClose  What = "close"  // end it, with an outcome: a ruling
	ActReopen What = "reopen" // take a closed incident up again: it becomes open, without an outcome
)

// Acts returns all kinds.
func Acts() []What { return []What{ActNote, ActTold, ActClose, ActReopen} }

// ErrNotClosed says that an incident cannot be reopened.
var ErrNotClosed = errors.New("the incident is not closed, so that there is nothing to reopen: look at it again")

// ErrOtherAct says that an id was given to another act before.
var ErrOtherAct = errors.New("something else was done under this id before: ask with a new one")

// MaxActText is how many bytes of text an act has at most.
const MaxActText = 10_000

// Validate reports every broken rule at once.
func (a *Act) Validate() error {
	var errs []error
	bad := func(field, rule string) { errs = append(errs, &report.FieldError{Field: field, Rule: rule}) }
	if a.ID.IsZero() {
		bad("id", "give the act an id of its own")
	}
	switch a.What {
	case ActClose:
		r := a.Ruling()
		return errors.Join(errors.Join(errs...), r.Validate())
	case ActNote, ActTold, ActReopen:
	default:
		bad("what", "say note, told, close or reopen")
	}
	if a.Outcome != "" {
		bad("outcome", "only what closes an incident has an outcome")
	}
	if a.Incident.IsZero() {
		bad("incident", "name the incident")
	}
	if strings.TrimSpace(a.Who) == "" {
		bad("who", "say who does it")
	}
	if a.At.IsZero() {
		bad("at", "say when")
	}
	if strings.TrimSpace(a.Text) == "" {
		bad("text", "say it in a sentence")
	}
	if len(a.Text) > MaxActText {
		bad("text", "say it in 10,000 bytes at most")
	}
	return errors.Join(errs...)
}

// Ruling is an act that closes, as a ruling.
func (a *Act) Ruling() Ruling {
	return Ruling{Incident: a.Incident, Outcome: a.Outcome, Who: a.Who, Reason: a.Text, At: a.At}
}
