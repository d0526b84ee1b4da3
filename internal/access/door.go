package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"tocsin/internal/report"
)

// Door lets people and programs in. Any number of goroutines may use it.
type Door struct {
	cfg     Config
	store   Store
	log     ActLog
	now     func() time.Time
	logger  *slog.Logger
	keys    *webauthn.WebAuthn
	cost    cost
	limits  limits
	brake   *brake
	begun   *begun
	issuers []*issuer
}

// Outside is what a door needs of the world to ask issuers.
type Outside struct {
	// Client puts the client that asks issuers into a context, as oidc.ClientContext does. It has to end each request in
	// time and to limit how much it reads. nil is fine where there are no issuers.
	Client func(context.Context) context.Context
	// Secret reads a file with a secret, and refuses one that others may read.
	Secret func(path string) (string, error)
}

// New makes a door. now is the clock by which everything ends.
func New(cfg Config, store Store, log ActLog, now func() time.Time, logger *slog.Logger, out Outside) (*Door, error) {
	origin, err := url.Parse(cfg.Origin)
	if err != nil {
		return nil, errors.New("the origin is no address")
	}
	d := &Door{
		cfg: cfg, store: store, log: log, now: now, logger: logger, cost: standardCost,
		limits: newLimits(now), brake: newBrake(), begun: newBegun(now),
	}
	wait := webauthn.TimeoutConfig{Timeout: begunFor, TimeoutUVD: begunFor} // enforced by begun, by the door's own clock
	yes := true
	d.keys, err = webauthn.New(&webauthn.Config{
		RPID: origin.Hostname(), RPDisplayName: "Tocsin " + origin.Hostname(), RPOrigins: []string{cfg.Origin},
		AttestationPreference: protocol.PreferNoAttestation, // nobody needs to know whose make it is
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: &yes, UserVerification: protocol.VerificationRequired,
		},
		Timeouts: webauthn.TimeoutsConfig{Login: wait, Registration: wait},
		// Some browsers and keepers of passkeys say more than they were asked; nothing of it is read.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, fmt.Errorf("set up passkeys for %s: %w", cfg.Origin, err)
	}
	for _, i := range cfg.OpenID {
		if out.Client == nil || out.Secret == nil {
			return nil, errors.New("issuers need a client and a reader of secrets")
		}
		d.issuers = append(d.issuers, newIssuer(i, cfg.Origin, out, now))
	}
	return d, nil
}

// Visit is what a browser brings along.
type Visit struct {
	From    netip.Addr // personal
	Agent   string     // its User-Agent; personal
	Browser Secret     // cookie that every visitor has: what is begun is finished by the same one
	Known   Secret     // cookie of a browser that has signed in; empty: none
	Session Secret     // cookie of the session that it has; empty: none. It ends when somebody signs in
}

// Entered is somebody who has just signed in. Both secrets are for cookies; a person's page has neither.
type Entered struct {
	Caller  Caller
	Session Session
	Secret  Secret // of the session
	Known   Secret // of the browser, to be kept longer than the session: with it, failures of others slow nobody down
}

// KnownFor is how long a browser is known after it last signed in.
const KnownFor = 180 * day

// mostKnown is how many browsers are known of a person.
const mostKnown = 20

// ErrSignIn is what everybody is told who may not come in, whatever the reason: it does not say whether a login is there.
var ErrSignIn = errors.New("this does not let anybody in: check login and password, or sign in another way; an admin can send a new link")

// enter begins a session: with a new secret, whatever the browser had before.
func (d *Door) enter(ctx context.Context, v *Visit, p *Person, way Way) (*Entered, error) {
	now := d.now().UTC()
	e := &Entered{
		Session: Session{
			ID: report.NewID(now), Person: p.ID, Way: way, Created: now, Seen: now,
			Browser: browserWords(v.Agent), Network: networkOf(v.From), Recovered: way == ByCode,
		},
		Secret: NewSecret(), Known: v.Known,
	}
	before := Hash{}
	if v.Session != "" {
		before = hashOf("session", v.Session)
	}
	if err := d.store.AddSession(ctx, &e.Session, hashOf("session", e.Secret), before); err != nil {
		if errors.Is(err, ErrNoPerson) {
			return nil, ErrSignIn
		}
		return nil, err
	}
	if !d.knows(ctx, v, p) {
		e.Known = NewSecret() // also where another person had this browser: each has their own
	}
	if err := d.store.KnowBrowser(ctx, hashOf("known", e.Known), p.ID, now, mostKnown); err != nil {
		return nil, err
	}
	p.Seen = now
	e.Session.Until = d.until(&e.Session)
	e.Caller = callerOf(p, BySession)
	e.Caller.Session = e.Session.ID
	return e, nil
}

// knows reports whether a person has signed in by this browser before. Where the store cannot say, it is not known. It
// asks for a login that nobody has, too, so that both take as long.
func (d *Door) knows(ctx context.Context, v *Visit, p *Person) bool {
	if v.Known == "" {
		return false
	}
	who, err := d.store.KnownBrowser(ctx, hashOf("known", v.Known))
	return err == nil && who == p.ID && !who.IsZero()
}

// attempt counts an attempt to sign in as a person, or with a login that nobody has.
func (d *Door) attempt(ctx context.Context, v *Visit, login string, p *Person) (known bool, success func(), err error) {
	var device *Hash
	if known = d.knows(ctx, v, p); known {
		h := hashOf("known", v.Known)
		device = &h
	}
	success, err = d.limits.attempt(v.From, login, device)
	return known, success, err
}

func callerOf(p *Person, via Via) Caller {
	return Caller{Name: p.Login, Person: p.ID, Party: p.Party, Roles: p.Roles, Via: via, Zone: p.Zone}
}

// browserWords is what a list of sessions says of a browser: its kind and system, never more, as the rest tells people
// apart. The order matters: each names itself after those below.
func browserWords(agent string) string {
	find := func(words [][2]string) string {
		for _, w := range words {
			if strings.Contains(agent, w[0]) {
				return w[1]
			}
		}
		return ""
	}
	kind := find([][2]string{
		{"Firefox/", "Firefox"},
		{"FxiOS/", "Firefox"},
		{"Edg/", "Edge"},
		{"EdgA/", "Edge"},
		{"EdgiOS/", "Edge"},
		{"OPR/", "Opera"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"Chromium/", "Chromium"},
		{"Chrome/", "Chrome"},
		{"CriOS/", "Chrome"},
		{"Safari/", "Safari"},
	})
	system := find([][2]string{
		{"Android", "Android"},
		{"iPhone", "iOS"},
		{"iPad", "iPadOS"},
		{"Windows", "Windows"},
		{"Mac OS X", "macOS"},
		{"CrOS", "ChromeOS"},
		{"Linux", "Linux"},
		{"BSD", "BSD"},
	})
	switch {
	case kind == "" && system == "":
		return "another browser"
	case kind == "":
		return system
	case system == "":
		return kind
	}
	return kind + " on " + system
}
