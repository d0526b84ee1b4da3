package access

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"tocsin/internal/report"
)

// Way is how somebody signed in.
type Way string

// The ways.
const (
	ByPasskey  Way = "passkey"
	ByPassword Way = "password"
	ByOpenID   Way = "openid"
	ByCode     Way = "recovery-code"
)

// Session is somebody who is signed in, in a browser.
type Session struct {
	ID        report.ID // names it in lists; nobody comes in by it
	Person    report.ID
	Way       Way
	Created   time.Time
	Seen      time.Time    // to the minute
	Until     time.Time    // when it ends at the latest; without requests it ends before
	Browser   string       // kind and system; personal
	Network   netip.Prefix // where it began: /24 or /48; personal
	Recovered bool         // by a recovery code, and there is no new way to sign in yet: ask for one
	Stale     bool         // what the person may has changed: the session gets a new secret at its next request
	Renewed   Secret       // what the cookie has to be from now on; empty: what it is
}

// ErrSession says that nobody is signed in.
var ErrSession = errors.New("you are not signed in, or not any more: sign in")

const (
	touchedEvery = time.Minute
	renewedGrace = time.Minute // requests that were on their way with the old secret
)

func (d *Door) until(s *Session) time.Time { return s.Created.Add(d.cfg.Absolute) }

// Session says who comes with the secret of a session. Where s.Renewed is set, the cookie has to be changed to it.
func (d *Door) Session(ctx context.Context, secret Secret) (Caller, Session, error) {
	if secret == "" || len(secret) > 128 {
		return Caller{}, Session{}, ErrSession
	}
	now := d.now().UTC()
	s, p, err := d.store.Session(ctx, hashOf("session", secret), now)
	switch {
	case errors.Is(err, ErrNothing):
		return Caller{}, Session{}, ErrSession
	case err != nil:
		return Caller{}, Session{}, err
	}
	s.Until = d.until(&s)
	if p.State != Active || !now.Before(s.Until) || now.Sub(s.Seen) >= d.cfg.Idle {
		return Caller{}, Session{}, ErrSession
	}
	if s.Stale {
		next := NewSecret()
		renewed, err := d.store.RenewSession(ctx, s.ID, hashOf("session", next), now.Add(renewedGrace))
		if err != nil {
			return Caller{}, Session{}, err
		}
		if renewed { // else another request was faster, and its answer has the cookie
			s.Renewed = next
		}
		s.Stale = false
	}
	if now.Sub(s.Seen) >= touchedEvery {
		if err := d.store.TouchSession(ctx, s.ID, now); err != nil {
			return Caller{}, Session{}, err
		}
		s.Seen = now
	}
	c := callerOf(&p, BySession)
	c.Session = s.ID
	return c, s, nil
}

// SignOut ends the session of a secret. That there is none is no fault.
func (d *Door) SignOut(ctx context.Context, secret Secret) error {
	s, _, err := d.store.Session(ctx, hashOf("session", secret), d.now())
	if err == nil {
		err = d.store.EndSession(ctx, s.Person, s.ID)
	}
	if errors.Is(err, ErrNothing) {
		return nil
	}
	return err
}

// Sessions are those of a person that have not ended, the one that was used last first.
func (d *Door) Sessions(ctx context.Context, person report.ID) ([]Session, error) {
	all, err := d.store.SessionsOf(ctx, person)
	if err != nil {
		return nil, err
	}
	now, live := d.now(), all[:0]
	for _, s := range all {
		s.Until = d.until(&s)
		if now.Before(s.Until) && now.Sub(s.Seen) < d.cfg.Idle {
			live = append(live, s)
		}
	}
	return live, nil
}

// EndSession ends one of a person's sessions. ErrNothing.
func (d *Door) EndSession(ctx context.Context, who *Caller, person, id report.ID) error {
	if by(who, person) == byAdmin {
		if err := d.noteAbout(ctx, who, person, &Act{Kind: "person", Note: actSessions}); err != nil {
			return err
		}
	}
	return d.store.EndSession(ctx, person, id)
}

// EndSessions ends all of a person's sessions but one, zero: none, and returns how many, with those that had run out.
func (d *Door) EndSessions(ctx context.Context, who *Caller, person, but report.ID) (int64, error) {
	if by(who, person) == byAdmin {
		if err := d.noteAbout(ctx, who, person, &Act{Kind: "person", Note: actSessions}); err != nil {
			return 0, err
		}
	}
	return d.store.EndSessions(ctx, person, but)
}

// DeleteEnded deletes sessions, links, tokens and browsers past their end, and what was done longer ago than is kept. The
// node's sweep calls it.
func (d *Door) DeleteEnded(ctx context.Context) (int64, error) {
	now := d.now().UTC()
	return d.store.DeleteEnded(ctx, &Ended{
		Begun: now.Add(-d.cfg.Absolute), Idle: now.Add(-d.cfg.Idle), Browsers: now.Add(-KnownFor), Acts: now.Add(-d.cfg.Keep),
	}, now)
}
