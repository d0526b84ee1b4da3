package console

import (
	"net/http"
	"strings"
	"time"

	"tocsin/internal/access"
)

// frame is what stands around every page.
type frame struct {
	Node   string
	Title  string // of the page, where it is one of the menu
	Menu   []entry
	Caller access.Caller
	Signed bool // somebody is signed in
	Here   string
	Theme  string // light, dark, or empty: as the system is
	Actors []actorEntry
	zone   *time.Location
	now    time.Time
}

type entry struct {
	Title, Path, Key string
	Here             bool
}

func (v *visit) frame() *frame {
	f := &frame{
		Node: v.c.opt.Name, Title: v.route.title, Caller: v.caller, Signed: v.caller.Via != "", Here: v.here(), Theme: theme(v.r),
		zone: zoneOf(&v.caller), now: v.c.opt.Now(), Actors: v.c.actors(&v.caller),
	}
	if !f.Signed {
		return f
	}
	for _, r := range table() {
		if r.nav != "" && v.caller.May(r.action, r.record) {
			f.Menu = append(f.Menu, entry{r.title, r.nav, r.key, r.nav == v.r.URL.Path || r.nav != "/" && strings.HasPrefix(v.r.URL.Path, r.nav+"/")})
		}
	}
	return f
}

// here is where the visitor can be sent back to: where they are, if it can be asked for again.
func (v *visit) here() string {
	_, path, _ := strings.Cut(v.route.pattern, " ")
	for _, r := range table() {
		if r.pattern == "GET "+path || r.pattern == v.route.pattern && v.r.Method == http.MethodGet {
			return v.r.URL.RequestURI()
		}
	}
	return "/"
}

// zoneOf is the zone in which somebody reads times.
func zoneOf(c *access.Caller) *time.Location {
	if c.Zone == "" {
		return time.UTC
	}
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return time.UTC
	}
	return zone
}

const themeCookie = "tocsin-theme"

func theme(r *http.Request) string {
	c, err := r.Cookie(themeCookie)
	if err != nil || c.Value != "light" && c.Value != "dark" {
		return ""
	}
	return c.Value
}

// chooseTheme keeps whether pages are light or dark; anything else: as the system is.
func (v *visit) chooseTheme() error {
	to := v.r.FormValue("theme")
	if to != "light" && to != "dark" {
		to = ""
	}
	http.SetCookie(v.w, &http.Cookie{ //nolint:gosec // over plain HTTP, on loopback, a browser would not keep a secure one
		Name: themeCookie, Value: to, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: v.c.secureCookies(),
	})
	return v.goTo(v.r.FormValue("next"))
}

// actorCookie says as whom a visitor of the demo looks at it.
const actorCookie = "tocsin-demo-actor"

type actorEntry struct {
	Name, About string
	Here        bool
}

// actor is the one whom a visitor of the demo has chosen, or the first.
func (c *Console) actor(r *http.Request) access.Caller {
	if cookie, err := r.Cookie(actorCookie); err == nil {
		for _, a := range c.opt.Actors {
			if a.Caller.Name == cookie.Value {
				return a.Caller
			}
		}
	}
	return c.opt.Actors[0].Caller
}

func (c *Console) actors(now *access.Caller) []actorEntry {
	all := make([]actorEntry, len(c.opt.Actors))
	for i, a := range c.opt.Actors {
		all[i] = actorEntry{a.Caller.Name, a.About, a.Caller.Name == now.Name}
	}
	return all
}

// chooseActor is the switch of the demo. A real node has no actors, and so no switch.
func (v *visit) chooseActor() error {
	if len(v.c.opt.Actors) == 0 {
		return v.nothing()
	}
	http.SetCookie(v.w, &http.Cookie{ //nolint:gosec // over plain HTTP, on loopback, a browser would not keep a secure one
		Name: actorCookie, Value: v.r.FormValue("actor"), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: v.c.secureCookies(),
	})
	return v.goTo("/")
}
