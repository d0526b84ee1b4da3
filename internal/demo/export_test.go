package demo

import (
	"context"
	"io"
	"path/filepath"

	"tocsin/internal/app"
	"tocsin/internal/console"
	"tocsin/internal/world"
)

// Seed is the world's that the demo plays.
const Seed = seed

// Stage is a demo whose reports have been played.
type Stage struct{ *stage }

// Play plays a demo's reports, as Run does. The caller closes it.
func Play(ctx context.Context, size world.Size, errOut io.Writer) (Stage, error) {
	s, err := newStage(ctx, Options{Once: true, Size: size}, errOut)
	if err != nil {
		return Stage{}, err
	}
	return Stage{s}, s.play(ctx, Options{})
}

// World is what is played.
func (s Stage) World() *world.World { return s.world }

// App is the node.
func (s Stage) App() *app.App { return s.app }

// Config is the node's.
func (s Stage) Config() app.Config { return s.cfg }

// Keys is the folder of the node's keys.
func (s Stage) Keys() string { return filepath.Join(s.dir, "data", "keys") }

// Sum is what came of the reports.
func (s Stage) Sum() app.Summary { return s.sum }

// Story plays the story.
func (s Stage) Story(ctx context.Context, out io.Writer) error { return s.story(ctx, out) }

// Close ends it.
func (s Stage) Close() error { return s.close() }

// Actors are the people as whom this demo is looked at, with their accounts.
func (s Stage) Actors() []console.Actor { return s.actors }

// Actors are the people as whom the demo is looked at.
func Actors() []console.Actor { return actors() }
