package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/report"
)

// Retention says how long each class of data is kept. Everything has an end date, and each deletion is recorded with
// its count.
type Retention struct {
	// Originals is how long the bytes of a report are kept as they were received, from when it came in, at least 24h.
	// Until then what was refused can be replayed; the events that were read from it stay as long as the report.
	Originals time.Duration `yaml:"originals"`

	// Incidents is how long an incident is kept after it was closed, at least 24h. One that is not closed is kept.
	Incidents time.Duration `yaml:"incidents"`

	// Reports is how long a report is kept with its events, from when it came in. It cannot be shorter than incidents,
	// because an incident without its events proves nothing. The same bytes that come again within that time are a
	// duplicate; afterwards they would be a new report.
	Reports time.Duration `yaml:"reports"`

	// Every is how often a running node looks for what has come to its end, at least 1m. A node that does not run
	// deletes nothing.
	Every time.Duration `yaml:"every"`
}

const day = 24 * time.Hour

// keepChanges is how long it is kept what changed, for those who look on and were away for a while.
const keepChanges = 2 * day

// defaultRetention follows DESIGN.md §8.11: originals 30 days, incidents 12 months after closing. Reports stay a month
// longer than incidents.
func defaultRetention() Retention {
	return Retention{Originals: 30 * day, Incidents: 365 * day, Reports: 400 * day, Every: time.Hour}
}

// Validate reports every broken rule at once.
func (r *Retention) Validate() error {
	var errs []error
	bad := func(field, rule string) {
		errs = append(errs, &report.FieldError{Field: "retention." + field, Rule: rule})
	}
	if r.Originals < day {
		bad("originals", "keep originals for 24h at least: until then a report that was refused can be replayed")
	}
	if r.Incidents < day {
		bad("incidents", "keep incidents for 24h at least")
	}
	if r.Reports < r.Incidents {
		bad("reports", fmt.Sprintf("%s is shorter than retention.incidents (%s): an incident without its events proves nothing", r.Reports, r.Incidents))
	}
	if r.Every < time.Minute {
		bad("every", "looking for deletions more often than every minute serves nothing")
	}
	return errors.Join(errs...)
}

// Expire deletes what has come to its end at now.
func (a *App) Expire(ctx context.Context, now time.Time) error {
	if err := a.keys.Expire(now); err != nil {
		return fmt.Errorf("forget keys that have ended: %w", err)
	}
	r := &a.cfg.Retention
	originals, size, err := a.stream.Purge(ctx, now.Add(-r.Originals))
	if err != nil {
		return err
	}
	if err := a.store.NoteDeletion(ctx, "originals", now.Add(-r.Originals), now, int64(originals)); err != nil {
		return err
	}
	if _, err := a.store.DeleteReadings(ctx, now.Add(-r.Originals), now); err != nil {
		return err
	}
	incidents, err := a.store.DeleteIncidents(ctx, now.Add(-r.Incidents), now)
	if err != nil {
		return err
	}
	reports, err := a.store.DeleteReports(ctx, now.Add(-r.Reports), now)
	if err != nil {
		return err
	}
	if _, err := a.store.DeleteFetched(ctx, now.Add(-r.Reports), now); err != nil {
		return err
	}
	if _, err := a.stream.Forget(ctx, now.Add(-r.Reports)); err != nil {
		return err
	}
	if a.lines != nil {
		if _, err := a.purgeLines(ctx, time.Time{}); err != nil {
			return err
		}
	}
	if _, err := a.store.DeleteQuestions(ctx, now.Add(-a.cfg.Lines.Questions.Keep), now); err != nil {
		return err
	}
	if _, err := a.door.DeleteEnded(ctx); err != nil {
		return err
	}
	if err := a.store.DeleteChanges(ctx, now.Add(-keepChanges)); err != nil {
		return err
	}
	if originals > 0 || incidents > 0 || reports > 0 {
		a.log.Info("deleted what had come to its end", "originals", originals, "original_bytes", size,
			"incidents", incidents, "reports", reports)
	}
	return nil
}
