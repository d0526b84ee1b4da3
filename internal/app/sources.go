package app

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"tocsin/internal/intake"
	"tocsin/internal/report"
	"tocsin/internal/store"
)

// Source is a reporter as the operator sees it: what is stored, and what the config says.
type Source struct {
	store.Source
	Label    report.TLP
	Labelled bool            // false: nobody chose the label, so it is RED
	Silent   map[string]bool // by name of a feed: nothing of it has come for incident.silence
}

// Sources yields every reporter of the database, and then those of the config of which nothing is known yet.
func Sources(ctx context.Context, db *store.DB, cfg *Config, now time.Time) iter.Seq2[Source, error] {
	return func(yield func(Source, error) bool) {
		list := intake.NewSources(cfg.Intake.Sources)
		seen := map[string]bool{}
		for s, err := range db.Sources(ctx) {
			if err != nil {
				yield(Source{}, err)
				return
			}
			seen[s.Name] = true
			if !yield(cfg.source(list, s, now), nil) {
				return
			}
		}
		starts := cfg.Intake.Starts()
		for _, src := range cfg.Intake.Sources {
			if seen[src.Name] {
				continue
			}
			g := intake.Graded{Source: src.Name, Start: starts[src.Name], Reliability: src.Grade.Reliability}
			if g.Start != (intake.Start{}) {
				g.SetAt = now // by the config, which no node has read yet
			}
			if !yield(cfg.source(list, store.Source{Name: src.Name, Grade: g}, now), nil) {
				return
			}
		}
	}
}

func (c *Config) source(list *intake.Sources, s store.Source, now time.Time) Source {
	origin := list.Named(s.Name)
	one := Source{Source: s, Label: origin.TLP, Labelled: origin.Labelled, Silent: map[string]bool{}}
	for _, f := range s.Feeds {
		one.Silent[f.Name] = now.Sub(f.Delivered) > c.Incident.Silence
	}
	return one
}

// ErrNoSource says that a source is neither in the config nor known from its reports.
var ErrNoSource = errors.New("there is no such source: tocsin sources lists them")

// SetGrade gives a source the grade that a person sets.
func (a *App) SetGrade(ctx context.Context, s intake.Setting) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if err := a.knowSource(ctx, s.Source); err != nil {
		return err
	}
	return a.store.SetGrade(ctx, s)
}

// UnsetGrade gives a source back to the grade that the config sets, if it does.
func (a *App) UnsetGrade(ctx context.Context, source string) error {
	if err := a.knowSource(ctx, source); err != nil {
		return err
	}
	return a.store.UnsetGrade(ctx, source, a.cfg.Intake.Starts()[source], a.now())
}

// knowSource refuses a name that was misspelt: its grade would wait for ever.
func (a *App) knowSource(ctx context.Context, name string) error {
	for _, s := range a.cfg.Intake.Sources {
		if s.Name == name {
			return nil
		}
	}
	if known, err := a.store.HasReports(ctx, name); known || err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", report.Printable(name), ErrNoSource)
}
