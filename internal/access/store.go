package access

import (
	"context"
	"errors"
	"time"

	"tocsin/internal/report"
)

// The faults that a store finds.
var (
	ErrNoPerson  = errors.New("there is no such person: look at the list of people")
	ErrNoParty   = errors.New("there is no such party: make it first")
	ErrTaken     = errors.New("somebody has this login already: choose another")
	ErrPartyIs   = errors.New("there is a party with this id already: choose another")
	ErrLastAdmin = errors.New("this is the last admin: make somebody else admin first")
	ErrLastWay   = errors.New("this is the last way to sign in: add another first")
	ErrLink      = errors.New("this link was used, is too old, or was replaced by a newer one: ask for another")
	ErrKnownKey  = errors.New("this passkey is known here already: sign in with it, or add another")
	ErrCount     = errors.New("this passkey counts backwards, as a copy of it would: sign in another way, and remove it")
	ErrNothing   = errors.New("there is no such thing to end: it may have ended already")
)

// Store keeps people and their ways in. Each method is one transaction. What it is given as now decides what has ended.
type Store interface {
	PeopleStore
	WayStore
	LinkStore
	SessionStore
	TokenStore
}

// PeopleStore keeps parties and people.
type PeopleStore interface {
	// Parties returns all, own first, then by id.
	Parties(ctx context.Context) ([]Party, error)
	// AddParty makes a party. ErrPartyIs.
	AddParty(ctx context.Context, p *Party) error
	// RenameParty gives a party another name; what kind it is stays. ErrNoParty.
	RenameParty(ctx context.Context, id, name string) error

	// People returns all, by login.
	People(ctx context.Context) ([]Person, error)
	// Person returns one. ErrNoPerson.
	Person(ctx context.Context, id report.ID) (Person, error)
	// PersonOf returns whom an issuer calls so. ErrNoPerson.
	PersonOf(ctx context.Context, as Identity) (Person, error)
	// AddPerson makes a person; as is zero where no issuer vouches for them. ErrTaken, also of an identity; ErrNoParty.
	AddPerson(ctx context.Context, p *Person, as Identity) error
	// ChangePerson changes what change changes. Where roles or party change, the person's sessions are Stale; where the
	// person leaves, their sessions, tokens, links and known browsers are gone with the same transaction. ErrNoPerson,
	// ErrTaken, ErrNoParty, and ErrLastAdmin where no active admin would be left who was one before.
	ChangePerson(ctx context.Context, id report.ID, change func(p *Person) error) (was, is Person, err error)
	// NoteAct keeps what the log has as commitments, until its end date.
	NoteAct(ctx context.Context, a *Act) error
}

// Identity is whom an issuer vouches for (OpenID Connect Core §2: sub is unique and never given to another). The zero
// value is nobody.
type Identity struct {
	Issuer  string
	Subject string // personal
}

// WayStore keeps by what people sign in.
type WayStore interface {
	// WaysOf returns a person's.
	WaysOf(ctx context.Context, person report.ID) (WaysIn, error)
	// AddPasskey adds one. ErrKnownKey.
	AddPasskey(ctx context.Context, person report.ID, k *Passkey) error
	// Passkey returns one and whose it is. errors.Is ErrNothing where there is none.
	Passkey(ctx context.Context, id []byte) (Person, Passkey, error)
	// UsePasskey notes that one was used: k's count, record and time. ErrCount, and Suspect is noted, where the count is
	// not above the one that is stored, unless both are zero.
	UsePasskey(ctx context.Context, k *Passkey) error
	// DropPasskey removes one of a person's, if enough says that what is left is. ErrNothing, ErrLastWay.
	DropPasskey(ctx context.Context, person report.ID, id []byte, enough func(*WaysIn) bool) error
	// Password returns who signs in with a login, and the hash of their password, empty where they have none. ErrNoPerson.
	Password(ctx context.Context, login string) (Person, string, error)
	// SetPassword sets a hash, or removes it where it is empty, if enough says that what is left is. ErrLastWay.
	SetPassword(ctx context.Context, person report.ID, hash string, at time.Time, enough func(*WaysIn) bool) error
	// SetCodes replaces a person's recovery codes.
	SetCodes(ctx context.Context, person report.ID, codes []Hash) error
	// HasCode reports whether a person has a recovery code.
	HasCode(ctx context.Context, person report.ID, code Hash) (bool, error)
	// UseCode ends a recovery code, once. ErrNothing where there is none.
	UseCode(ctx context.Context, person report.ID, code Hash) error
	// KnownBrowser says whose browser one is, at now; zero where nobody's.
	KnownBrowser(ctx context.Context, browser Hash) (report.ID, error)
	// KnowBrowser notes that a person has signed in with a browser, and forgets all but the latest most of theirs.
	KnowBrowser(ctx context.Context, browser Hash, person report.ID, at time.Time, most int) error
}

// WaysIn are a person's ways to sign in.
type WaysIn struct {
	Passkeys []Passkey // oldest first
	Password time.Time // when it was set; zero: there is none
	Issuer   string    // who vouches for them; empty: nobody
	Codes    int       // recovery codes that are left
}

// Passkey is a credential of WebAuthn.
type Passkey struct {
	ID      []byte // that the authenticator gave it
	Name    string // that the person gave it; personal
	Created time.Time
	Used    time.Time // zero: never
	Suspect time.Time // when it counted backwards, as a copy would; zero: never
	Count   uint32    // of its signatures; 0: it does not count
	Record  []byte    // the rest, as JSON: public key, flags
}

// LinkStore keeps links of invitations.
type LinkStore interface {
	// PutLink keeps a link to a person, and ends those that they had. ErrNoPerson.
	PutLink(ctx context.Context, l *Link) error
	// PutFirst keeps the link of the first admin, ends any before it, and forgets whom those had made, if nobody is an
	// active admin. Else it keeps nothing, and is false.
	PutFirst(ctx context.Context, l *Link) (bool, error)
	// Link returns a link that can be used at now. ErrLink.
	Link(ctx context.Context, hash Hash, now time.Time) (Link, error)
	// ClaimFirst has the link of the first admin lead to a person: p, made anew or, where it leads to somebody already,
	// changed to be p. ErrLink, ErrTaken.
	ClaimFirst(ctx context.Context, hash Hash, p *Person, now time.Time) (Person, error)
	// UseLink ends a link, adds the passkey or the hash of a password, and makes the person active, all or nothing.
	// ErrLink, ErrKnownKey.
	UseLink(ctx context.Context, hash Hash, k *Passkey, password string, now time.Time) (Person, error)
}

// Link is an invitation.
type Link struct {
	Hash   Hash
	First  bool      // for the first admin: it leads to nobody until somebody claims it
	Person report.ID // zero: nobody yet
	Until  time.Time
}

// SessionStore keeps who is signed in.
type SessionStore interface {
	// AddSession begins a session of a person who is active, and ends the one that the browser had before; zero: none.
	// The person is Seen. ErrNoPerson where they are not active.
	AddSession(ctx context.Context, s *Session, hash, before Hash) error
	// Session returns the session of a hash, or of one that it had until a moment after now, with the person. ErrNothing.
	Session(ctx context.Context, hash Hash, now time.Time) (Session, Person, error)
	// TouchSession notes that a session was used.
	TouchSession(ctx context.Context, id report.ID, at time.Time) error
	// RenewSession gives a session that is Stale another hash; the old one finds it until a moment. It is false, and
	// changes nothing, where the session is not stale any more.
	RenewSession(ctx context.Context, id report.ID, hash Hash, until time.Time) (bool, error)
	// SettleSession notes that a person who came in by a recovery code has a new way to sign in, and makes the session
	// Stale.
	SettleSession(ctx context.Context, id report.ID) error
	// SessionsOf returns a person's, the one that was used last first.
	SessionsOf(ctx context.Context, person report.ID) ([]Session, error)
	// EndSession ends one of a person's. ErrNothing.
	EndSession(ctx context.Context, person, id report.ID) error
	// EndSessions ends all of a person's but one, zero: none, and returns how many, with those that had run out.
	EndSessions(ctx context.Context, person, but report.ID) (int64, error)
	// DeleteEnded deletes what has come to its end, and returns how many.
	DeleteEnded(ctx context.Context, e *Ended, now time.Time) (int64, error)
}

// Ended says from when on what has come to its end.
type Ended struct {
	Begun    time.Time // sessions that began before
	Idle     time.Time // sessions that were used last before
	Browsers time.Time // browsers that signed in last before
	Acts     time.Time // what was done before, with the salts of its entries in the log
}

// TokenStore keeps tokens of programs.
type TokenStore interface {
	// AddToken keeps one. ErrNoPerson where its owner is not active.
	AddToken(ctx context.Context, t *Token, hash Hash) error
	// Token returns the token of a hash, with its owner. ErrNothing.
	Token(ctx context.Context, hash Hash) (Token, Person, error)
	// TouchToken notes that one was used.
	TouchToken(ctx context.Context, id report.ID, at time.Time) error
	// TokensOf returns a person's, or everybody's where the person is zero, oldest first.
	TokensOf(ctx context.Context, person report.ID) ([]Token, error)
	// EndToken ends one. ErrNothing.
	EndToken(ctx context.Context, id report.ID) error
}
