package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"tocsin/internal/access"
	"tocsin/internal/api"
	"tocsin/internal/evidence"
	"tocsin/internal/intake"
)

// openAccess makes what lets people and their programs in.
func (a *App) openAccess() error {
	client := issuerClient()
	var err error
	a.door, err = access.New(a.cfg.Access, a.store.Access(), peopleActs{a}, a.now, a.log, access.Outside{
		Client: func(ctx context.Context) context.Context { return oidc.ClientContext(ctx, client) }, Secret: intake.Secret,
	})
	return err
}

const (
	issuerTime = 15 * time.Second // one request to an issuer
	issuerBody = 1 << 20          // bytes that are read of its answer
)

// issuerClient asks the issuers of the config. What they answer is read up to a limit, and leads nowhere else.
func issuerClient() *http.Client {
	return &http.Client{
		Timeout: issuerTime, Transport: limited{http.DefaultTransport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// limited reads no more than issuerBody of an answer.
type limited struct{ next http.RoundTripper }

// RoundTrip is http.RoundTripper's.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := l.next.RoundTrip(r)
	if err == nil {
		res.Body = &limitedBody{io.LimitReader(res.Body, issuerBody), res.Body}
	}
	return res, err
}

type limitedBody struct {
	io.Reader
	io.Closer
}

// peopleActs writes into the evidence log what is done with people, roles and tokens.
type peopleActs struct{ app *App }

// Record is access.ActLog's.
func (l peopleActs) Record(ctx context.Context, a *access.Act) error {
	e := evidence.Entry{ID: a.ID, At: a.At, Kind: evidence.Kind(a.Kind), By: a.By, Subject: a.ID.String()}
	for _, f := range [...]struct{ name, value string }{{"who", a.Who}, {"about", a.About}} {
		if f.value != "" {
			e.Fields = append(e.Fields, evidence.Field{Name: f.name, Value: evidence.Commit(a.Salt, CommittedField(f.name, f.value)).String()})
		}
	}
	if len(a.Roles) > 0 {
		words := make([]string, len(a.Roles))
		for i, r := range a.Roles {
			words[i] = string(r)
		}
		e.Fields = append(e.Fields, evidence.Field{Name: "roles", Value: strings.Join(words, ",")})
	}
	e.Fields = append(e.Fields, evidence.Field{Name: "note", Value: a.Note})
	return l.app.record(ctx, &e)
}

// programs lets in the tokens that people make for their programs.
type programs struct{ door *access.Door }

// Token is api.Door's.
func (p programs) Token(ctx context.Context, secret string) (access.Caller, error) {
	c, err := p.door.Token(ctx, access.Secret(secret))
	if errors.Is(err, access.ErrToken) {
		return c, api.ErrToken
	}
	return c, err
}

// FirstLink is the address under which the first admin says who they are, and how they sign in. It is empty when there is
// an admin, and where nobody could follow it. Each call ends the link of the one before.
func (a *App) FirstLink(ctx context.Context) (string, error) {
	if a.cfg.Listen == "off" {
		return "", nil
	}
	token, err := a.door.First(ctx)
	if err != nil || token == "" {
		return "", err
	}
	return a.cfg.Access.Origin + "/first/" + string(token), nil
}

// Welcome makes parties and people, each of whom has signed in once: those of a made-up world. No config leads here. It is
// called before Run, and returns the people in the order of their profiles.
func (a *App) Welcome(ctx context.Context, parties []access.Party, profiles []access.Profile) (all []access.Person, err error) {
	err = a.withLog(ctx, func(ctx context.Context) error {
		for i := range parties {
			if err := a.door.AddParty(ctx, &parties[i]); err != nil {
				return err
			}
		}
		for _, p := range profiles {
			one, link, err := a.door.Invite(ctx, &access.Caller{Name: "the story"}, p)
			if err != nil {
				return err
			}
			v := &access.Visit{From: netip.MustParseAddr("192.0.2.7"), Agent: "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}
			if _, err := a.door.LinkPassword(ctx, v, link, string(access.NewSecret())); err != nil {
				return err
			}
			all = append(all, one)
		}
		return nil
	})
	return all, err
}
