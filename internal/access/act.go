package access

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"tocsin/internal/report"
)

// ActLog is the evidence log.
type ActLog interface {
	// Record writes an act, and returns when it is in the log and can never be taken back.
	Record(ctx context.Context, a *Act) error
}

// Act is what is done with people, their roles and their tokens, on its way into the log, which has it before it is done.
type Act struct {
	ID   report.ID // by which the store finds the rest, until its end date
	Kind string    // role, person, token
	At   time.Time
	By   string // admin, person (about themselves), or node (as an issuer says)

	// What is personal stands in the log as commitments under a salt that is deleted with the act: logins are few enough
	// to try them all, so that a bare hash would hide nothing.
	Salt  [32]byte
	Who   string // login of who does it; empty: the node; personal
	About string // login of whom it is about; personal

	Roles []Role // that the person has from now on; of acts about roles
	Note  string // one of our own words: see below
}

// The words of acts.
const (
	actInvited  = "invited"
	actFirst    = "first-admin"
	actVouched  = "vouched-for" // an issuer's person signs in for the first time
	actChanged  = "changed"
	actLeft     = "left"
	actRoles    = "roles"
	actRecovery = "signed-in-by-recovery-code"
	actSuspect  = "passkey-counts-backwards"
	actToken    = "made"
	actRevoked  = "revoked"
	actSessions = "sessions-ended"
)

// By whom acts are.
const (
	byAdmin  = "admin"
	byPerson = "person"
	byNode   = "node"
)

// note keeps an act and has it logged. What it tells of is done only after that.
func (d *Door) note(ctx context.Context, a *Act) error {
	a.At = d.now().UTC()
	a.ID = report.NewID(a.At)
	_, _ = rand.Read(a.Salt[:]) // never fails since Go 1.24
	if err := d.store.NoteAct(ctx, a); err != nil {
		return err
	}
	if err := d.log.Record(ctx, a); err != nil {
		return fmt.Errorf("write into the log what is about to be done: %w", err)
	}
	return nil
}

// by says who does something to a person's account.
func by(c *Caller, person report.ID) string {
	if c.Person == person && !person.IsZero() {
		return byPerson
	}
	return byAdmin
}
