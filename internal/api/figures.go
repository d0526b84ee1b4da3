package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/access"
	"tocsin/internal/incident"
)

// Counts are what Today shows.
type Counts interface {
	// KnownOn returns how many incidents began, by UTC day and kind, on the days from one moment's to another's.
	KnownOn(ctx context.Context, from, to time.Time) ([]incident.KnownOn, error)
	// StatesNow returns how many incidents are in each state.
	StatesNow(ctx context.Context) (map[incident.State]int64, error)
	// TimesOn returns how long a step of the loop took, by the UTC day on which it was over.
	TimesOn(ctx context.Context, step incident.Step, from, to time.Time) ([]incident.TimesOn, error)
	// Lag is how many reports are accepted and not yet worked, and since when the oldest of them is.
	Lag(ctx context.Context) (reports int, oldest time.Time, err error)
}

// Figures are counts that name nobody.
type Figures struct {
	From   time.Time        `access:"incidents" json:"from,omitzero" doc:"first day, UTC"`
	To     time.Time        `access:"incidents" json:"to,omitzero" doc:"last day, UTC"`
	Days   []DayCount       `access:"incidents" json:"days,omitempty" doc:"incidents by kind and the UTC day on which they began; days and kinds without any are left out"`
	States map[string]int64 `access:"incidents" json:"states,omitempty" doc:"incidents by state, now"`
	Told   *Timer           `access:"timers" json:"told,omitempty" doc:"from the first report of an incident to when its party was told"`
	Clean  *Timer           `access:"timers" json:"cleaned,omitempty" doc:"from when an incident was first seen to when it was closed as cleaned"`
	Lag    *Lag             `access:"lag" json:"lag,omitempty"`
	Off    []string         `access:"switches" json:"off,omitempty" doc:"what this node does not do by itself"`
}

// Record is access.Shown's.
func (Figures) Record() access.Record { return access.Figure }

// DayCount is how many incidents of a kind began on a day.
type DayCount struct {
	Day   string `json:"day"`
	Class string `json:"class"`
	Type  string `json:"type"`
	N     int64  `json:"n"`
}

// Timer is how long a step of the loop takes. Half of the times lie within or below the two bounds.
type Timer struct {
	N    int64 `json:"n" doc:"times counted; with 0 nothing is known"`
	Low  int64 `json:"median_low_seconds"`
	High int64 `json:"median_high_seconds"`
}

// Lag is how far the node is behind.
type Lag struct {
	Reports int       `json:"reports" doc:"accepted and not yet worked"`
	Oldest  time.Time `json:"oldest,omitzero" doc:"since when the oldest of them is"`
}

func (a *API) registerFigures() {
	add(a, need{access.See, access.Figure}, huma.Operation{
		OperationID: "show-figures", Method: http.MethodGet, Path: "/figures", Summary: "Incidents by day and state, the loop's timers, lag",
		Errors: []int{http.StatusUnprocessableEntity},
	}, a.figures)
}

type figuresOutput struct{ Body Figures }

func (a *API) figures(ctx context.Context, in *struct {
	Days int `query:"days" minimum:"1" maximum:"366" default:"30" doc:"how many days, today included"`
},
) (*figuresOutput, error) {
	to := a.now().UTC().Truncate(24 * time.Hour)
	f := Figures{From: to.AddDate(0, 0, 1-in.Days), To: to, States: map[string]int64{}, Off: switchedOff}
	known, err := a.rooms.Counts.KnownOn(ctx, f.From, f.To)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	for _, k := range known {
		f.Days = append(f.Days, DayCount{k.Day.Format(time.DateOnly), string(k.Kind.Class), string(k.Kind.Type), k.N})
	}
	states, err := a.rooms.Counts.StatesNow(ctx)
	if err != nil {
		return nil, a.problem(ctx, err)
	}
	for s, n := range states {
		f.States[string(s)] = n
	}
	for step, timer := range map[incident.Step]**Timer{incident.StepTold: &f.Told, incident.StepCleaned: &f.Clean} {
		if *timer, err = a.timer(ctx, step, f.From, f.To); err != nil {
			return nil, a.problem(ctx, err)
		}
	}
	f.Lag = &Lag{}
	if f.Lag.Reports, f.Lag.Oldest, err = a.rooms.Counts.Lag(ctx); err != nil {
		return nil, a.problem(ctx, err)
	}
	return &figuresOutput{f}, nil
}

func (a *API) timer(ctx context.Context, step incident.Step, from, to time.Time) (*Timer, error) {
	days, err := a.rooms.Counts.TimesOn(ctx, step, from, to)
	if err != nil {
		return nil, err
	}
	all := incident.Histogram{}
	for _, d := range days {
		all.Add(d.Times)
	}
	m := all.Median()
	return &Timer{m.N, int64(m.Low.Seconds()), int64(m.High.Seconds())}, nil
}

// switchedOff is what no node does yet: a new one watches, and tells nobody (DESIGN.md §8.5).
var switchedOff = []string{"notices to subscribers", "reports to partners", "quarantine and blocks"}
