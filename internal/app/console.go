package app

import (
	"net/http"
	"net/url"

	"tocsin/internal/console"
)

// ShowAs has the console show itself as one of made-up people, among whom a visitor chooses, instead of having people sign
// in. It is for a demo, whose world is made up as a whole; no config leads here. It is called before Run.
func (a *App) ShowAs(actors []console.Actor) { a.actors = actors }

// openConsole makes the web pages.
func (a *App) openConsole() (http.Handler, error) {
	name := "Tocsin"
	if own := a.cfg.Network.Own; len(own) > 0 && own[0].Name != "" {
		name = own[0].Name
	}
	origin, err := url.Parse(a.cfg.Access.Origin)
	if err != nil {
		return nil, err
	}
	return console.New(console.Options{
		API: a.api, Door: a.door, Origin: origin, Behind: a.cfg.Behind, Name: name, Log: a.log, Now: a.now, Actors: a.actors,
		NoPasswords: a.cfg.Access.NoPasswords,
	})
}
