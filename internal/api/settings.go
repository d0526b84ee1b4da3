package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/access"
)

// Setup says how the node is set, and what is wrong.
type Setup interface {
	Settings(ctx context.Context) (Settings, error)
}

// Settings is how the node is set, and what is wrong with that.
type Settings struct {
	Config  string  `access:"config" json:"config" doc:"what the node goes by, its defaults included, as YAML; secrets are left out"`
	Version string  `access:"config" json:"version,omitempty" doc:"of the program"`
	Folder  string  `access:"config" json:"folder" doc:"the data directory"`
	Wrong   []Wrong `access:"faults" json:"wrong" doc:"the worst first; empty: nothing is"`
	Health  Health  `access:"health" json:"health"`
}

// Record is access.Shown's.
func (Settings) Record() access.Record { return access.Setting }

// Wrong is something that is not as it should be.
type Wrong struct {
	Bad  bool      `json:"bad" doc:"something is not done until it is mended; else it is to be looked at"`
	Of   string    `json:"of" enum:"config,log,database,stream,feed,lines,intake" doc:"what it is about"`
	Name string    `json:"name,omitempty" doc:"of the source, feed or file"`
	What string    `json:"what" doc:"what is wrong"`
	Do   string    `json:"do" doc:"what to do"`
	At   time.Time `json:"at,omitzero" doc:"since when, or when it was well last"`
}

// Health is how the node keeps up.
type Health struct {
	Waiting int       `json:"waiting" doc:"reports that are accepted and not yet worked"`
	Oldest  time.Time `json:"oldest,omitzero" doc:"when the oldest of them came in"`
	Feeds   int       `json:"feeds" doc:"that have delivered"`
	Lines   int       `json:"lines" doc:"sources of lines"`
}

func (a *API) registerSettings() {
	add(a, need{access.See, access.Setting}, huma.Operation{
		OperationID: "show-settings", Method: http.MethodGet, Path: "/settings", Summary: "How the node is set, and what is wrong",
	}, a.settings)
}

type settingsOutput struct{ Body Settings }

func (a *API) settings(ctx context.Context, _ *struct{}) (*settingsOutput, error) {
	s, err := a.rooms.Setup.Settings(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	return &settingsOutput{s}, nil
}
