package console

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tocsin/internal/access"
)

// Door lets people in: access.Door does. What it does is no operation of the API, as only a browser can do it.
type Door interface {
	// Session says whose a session is, by the secret that the browser keeps; access.ErrSession where it is nobody's.
	Session(ctx context.Context, secret access.Secret) (access.Caller, access.Session, error)
	SignOut(ctx context.Context, secret access.Secret) error

	// Issuers are the names of organisations that vouch for people.
	Issuers() []string
	BeginOpenID(ctx context.Context, v *access.Visit, name string) (address string, err error)
	SignInByOpenID(ctx context.Context, v *access.Visit, name string, back access.Back) (*access.Entered, error)
	// BeginSignIn returns what the browser is asked, as JSON; so do the other Begins.
	BeginSignIn(v *access.Visit) ([]byte, error)
	SignInByPasskey(ctx context.Context, v *access.Visit, answer []byte) (*access.Entered, error)
	SignInByPassword(ctx context.Context, v *access.Visit, login, password string) (*access.Entered, error)
	SignInByCode(ctx context.Context, v *access.Visit, login string, code access.Secret) (*access.Entered, error)

	// Invited says whom a link is for; the zero person where it is the first admin's and nobody has claimed it.
	Invited(ctx context.Context, token access.Secret) (access.Person, error)
	Claim(ctx context.Context, token access.Secret, login, name string) (access.Person, error)
	LinkPassword(ctx context.Context, v *access.Visit, token access.Secret, password string) (*access.Entered, error)
	BeginLinkPasskey(ctx context.Context, v *access.Visit, token access.Secret) ([]byte, error)
	LinkPasskey(ctx context.Context, v *access.Visit, token access.Secret, name string, answer []byte) (*access.Entered, error)

	// For who is signed in.
	BeginPasskey(ctx context.Context, v *access.Visit, s *access.Session) ([]byte, error)
	AddPasskey(ctx context.Context, v *access.Visit, s *access.Session, name string, answer []byte) error
	SetPassword(ctx context.Context, v *access.Visit, s *access.Session, old, password string) error
	RecoveryCodes(ctx context.Context, s *access.Session) ([]access.Secret, error)
}

// The cookies of signing in. Over TLS each has a prefix by which the browser keeps it to this host alone, and no other
// host of the domain can set it (RFC 6265bis §4.1.3.2).
const (
	sessionCookie = "tocsin"         // the session; another after each sign-in
	browserCookie = "tocsin-browser" // what a browser begins it has to finish
	knownCookie   = "tocsin-known"   // a browser that has signed in: failures of others do not slow it down
	nextCookie    = "tocsin-next"    // where to go after an organisation has vouched
)

func (c *Console) cookieName(name string) string {
	if c.secureCookies() {
		return "__Host-" + name
	}
	return name
}

func (c *Console) secureCookies() bool { return c.opt.Origin != nil && c.opt.Origin.Scheme == "https" }

// cookie is what the browser keeps under a name.
func (v *visit) cookie(name string) access.Secret {
	cookie, err := v.r.Cookie(v.c.cookieName(name))
	if err != nil {
		return ""
	}
	return access.Secret(cookie.Value)
}

// setCookie has the browser keep something: until it is closed where keep is 0, and no more where it is less.
func (v *visit) setCookie(name string, value access.Secret, keep time.Duration) {
	age := int(keep / time.Second)
	if keep < 0 {
		age = -1
	}
	http.SetCookie(v.w, &http.Cookie{ //nolint:gosec // over plain HTTP, on loopback, a browser would not keep a secure one
		Name: v.c.cookieName(name), Value: string(value), Path: "/", MaxAge: age,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: v.c.secureCookies(),
	})
}

// come finds out who the visitor is. access.ErrSession says that they have to sign in.
func (v *visit) come(ctx context.Context) error {
	if len(v.c.opt.Actors) > 0 {
		v.caller = v.c.actor(v.r)
	} else {
		secret := v.cookie(sessionCookie)
		if secret == "" || v.c.opt.Door == nil {
			return access.ErrSession
		}
		caller, s, err := v.c.opt.Door.Session(ctx, secret)
		if err != nil {
			return err
		}
		if s.Renewed != "" { // what they may has changed: whoever had the old secret has nothing
			v.setCookie(sessionCookie, s.Renewed, 0)
		}
		v.caller, v.session = caller, s
	}
	v.r = v.r.WithContext(access.With(ctx, v.caller))
	return nil
}

// bring is what the browser brings to the door. It gets a cookie of its own before anything is begun.
func (v *visit) bring() *access.Visit {
	b := v.cookie(browserCookie)
	if b == "" {
		b = access.NewSecret()
		v.setCookie(browserCookie, b, 0)
	}
	return &access.Visit{
		From: v.from(), Agent: v.r.UserAgent(), Browser: b, Known: v.cookie(knownCookie), Session: v.cookie(sessionCookie),
	}
}

// enter has the browser keep what lets it in from now on, and sends the visitor on.
func (v *visit) enter(e *access.Entered, next string) error {
	v.setCookie(sessionCookie, e.Secret, 0)
	v.setCookie(knownCookie, e.Known, access.KnownFor)
	if e.Session.Recovered { // the codes run out: a new way to sign in comes first
		next = "/account"
	}
	return v.goTo(next)
}

// from is where a request comes from: the peer or, where that is a proxy of ours, whom it says it has it from.
func (v *visit) from() netip.Addr {
	host, _, err := net.SplitHostPort(v.r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	at, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	at = at.Unmap().WithZone("")
	said := strings.Split(strings.Join(v.r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, text := range slices.Backward(said) { // each proxy adds to the end
		if !v.behind(at) {
			break
		}
		next, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil {
			break
		}
		at = next.Unmap().WithZone("")
	}
	return at
}

// behind reports whether an address is that of a proxy of ours.
func (v *visit) behind(a netip.Addr) bool {
	return slices.ContainsFunc(v.c.opt.Behind, func(p netip.Prefix) bool { return p.Contains(a) })
}
