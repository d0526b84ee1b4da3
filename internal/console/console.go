// Package console is the web pages. A page asks the API in this process, with its visitor as the caller, and renders what
// comes back: it has no other source, so it cannot show what the API would not (ADR 0024). Pages are html/template, read
// and work without JavaScript, and load nothing from elsewhere.
//
// One page is one file: its view, its handler and, under the same name, its template; routes.go is the table of them all.
package console

import (
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/api"
)

// Options are what a console is made of.
type Options struct {
	API    http.Handler // asked with the visitor as the caller
	Door   Door
	Origin *url.URL // where browsers find it: https://abuse.example.net
	// Behind are proxies whose X-Forwarded-For is believed.
	Behind []netip.Prefix
	Name   string // of the node, shown on each page
	Log    *slog.Logger
	Now    func() time.Time
	// NoPasswords says that nobody signs in by password.
	NoPasswords bool
	// Actors are made-up people among whom a visitor of the demo chooses; empty: a real node, where everybody signs in.
	Actors []Actor
}

// Actor is somebody of a made-up world.
type Actor struct {
	Caller access.Caller
	About  string // who they are, in a few words
}

// Console is the handler of all pages.
type Console struct {
	opt   Options
	api   api.Client
	pages *pages
	mux   http.Handler
}

// New makes the console.
func New(opt Options) (*Console, error) {
	p, err := parsePages()
	if err != nil {
		return nil, err
	}
	c := &Console{opt: opt, api: api.Client{HTTP: api.InProcess{Handler: opt.API}}, pages: p}
	mux := http.NewServeMux()
	for _, r := range table() {
		mux.Handle(r.pattern, c.route(r))
	}
	// A form of another site cannot act here: the browser says where a request comes from (Sec-Fetch-Site, else Origin),
	// and what it says of another site is refused. The session cookie is SameSite besides.
	c.mux = http.NewCrossOriginProtection().Handler(mux)
	return c, nil
}

// ServeHTTP is http.Handler's.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header(), c.opt.Origin)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	}
	c.mux.ServeHTTP(w, r)
}

// maxForm is how large a form may be: a mail's events, pasted.
const maxForm = 2 << 20

// secure sets the headers that keep a page from being used against its visitor.
func secure(h http.Header, origin *url.URL) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "+
		"form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types tocsin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), publickey-credentials-get=(self), publickey-credentials-create=(self)")
	h.Set("Cache-Control", "no-store") // pages are personal
	if origin != nil && origin.Scheme == "https" {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// route lets a visitor in to a page: whoever has signed in, and has a role that may see something there.
func (c *Console) route(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		v := &visit{c: c, w: w, r: req, route: r}
		if r.open || r.door {
			if r.door && (c.opt.Door == nil || len(c.opt.Actors) > 0) {
				v.fault(&api.Declined{Status: http.StatusNotFound, Detail: "nobody signs in here"})
				return
			}
			v.do()
			return
		}
		if err := v.come(req.Context()); err != nil {
			v.signIn(err)
			return
		}
		if !v.caller.May(r.action, r.record) {
			v.fault(&api.Declined{Status: http.StatusForbidden, Detail: "your role does not work with this page"})
			return
		}
		if r.self && v.session.ID.IsZero() {
			v.fault(&api.Declined{Status: http.StatusConflict, Detail: "nobody signs in here, so that there is nothing to sign in by"})
			return
		}
		v.do()
	})
}
