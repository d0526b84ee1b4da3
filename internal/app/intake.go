package app

import (
	"context"
	"net/http"

	"golang.org/x/sync/errgroup"
)

// runIntake starts every channel.
func (a *App) runIntake(ctx context.Context, g *errgroup.Group) {
	g.Go(func() error { return a.serve(ctx) })
}

func (a *App) reportsHandler() http.Handler { return http.NotFoundHandler() }
