// Package shadowserver takes in reports from the reports API of the Shadowserver Foundation
// (https://github.com/The-Shadowserver-Foundation/api_utils/wiki): it asks which reports there are, fetches those that
// it has not fetched yet, and remembers each only when it is safe in the stream. A crash in between means that one
// is fetched once more, which the stream sees to be a duplicate.
package shadowserver

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"tocsin/internal/intake"
	"tocsin/internal/intake/fetch"
)

// Getter fetches over HTTP.
type Getter interface {
	// Get returns an *fetch.Error, or that of ctx.
	Get(ctx context.Context, r fetch.Request) (*fetch.Answer, error)
}

// Memory remembers what was fetched.
type Memory interface {
	// Fetched returns what is remembered of an item of a source, false when nothing is.
	Fetched(ctx context.Context, source, item string) (intake.Fetched, bool, error)
	// NoteFetched remembers it durably.
	NoteFetched(ctx context.Context, f intake.Fetched) error
}

const (
	reporter = "shadowserver"
	source   = "shadowserver" // in the memory
	overlap  = 2              // days that a run looks back before the last one that found everything
	furthest = 60             // days, whatever the standstill
	pace     = 200 * time.Millisecond
	first    = time.Minute // between the first failure and the next try
)

// Puller pulls reports.
type Puller struct {
	cfg    intake.Shadowserver
	api    api
	door   *intake.Door
	memory Memory
	log    *slog.Logger

	// Run's own.
	told map[string]bool // reports that cannot be taken, and that the log knows of
}

// New makes the puller. cfg is valid and complete (WithDefaults); the files of key and secret are read here.
func New(cfg intake.Shadowserver, get Getter, door *intake.Door, memory Memory, log *slog.Logger) (*Puller, error) {
	key, err := intake.Secret(cfg.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read intake.shadowserver.key_file: %w", err)
	}
	secret, err := intake.Secret(cfg.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("read intake.shadowserver.secret_file: %w", err)
	}
	return &Puller{
		cfg: cfg, api: api{cfg: cfg, get: get, key: key, secret: []byte(secret), pace: pace}, door: door, memory: memory, log: log,
		told: map[string]bool{},
	}, nil
}

// Run pulls reports from time to time until ctx ends.
func (p *Puller) Run(ctx context.Context) error {
	failures := 0
	for {
		_, err := p.Pull(ctx, time.Now())
		wait := p.cfg.Every + rand.N(p.cfg.Every/10+1) //nolint:gosec // no secret: it keeps nodes apart
		switch {
		case err == nil:
			failures = 0
		case ctx.Err() == nil:
			failures++
			wait = fetch.Pause(err, failures, first, p.cfg.Every)
			p.log.Warn("reports could not be pulled from Shadowserver", "why", err.Error(), "failures", failures, "next_try_in", wait.String())
		}
		if !sleep(ctx, wait) {
			return nil
		}
	}
}

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Pull asks once for the reports of the days until now and takes those that are new. What cannot be taken does not
// hold up the others, unless the server lets nobody in or asks for a pause.
func (p *Puller) Pull(ctx context.Context, now time.Time) (taken int, err error) {
	from, err := p.begin(ctx, now)
	if err != nil {
		return 0, err
	}
	var missing []error
	today := now.UTC().Truncate(24 * time.Hour)
	for day := from; !day.After(today); day = day.AddDate(0, 0, 1) {
		reports, err := p.api.list(ctx, day)
		if err != nil {
			return taken, err
		}
		p.sayClock(ctx)
		for _, r := range reports {
			if !p.wanted(r) {
				continue
			}
			ok, err := p.take(ctx, r)
			switch {
			case ok:
				taken++
			case err == nil:
			case ctx.Err() != nil:
				return taken, err
			case fetch.KindOf(err) == fetch.Gone: // listed and not there: it does not come back, and shall not hold up the rest
				p.complain(r, err)
			case fetch.KindOf(err) == fetch.Denied, fetch.KindOf(err) == fetch.Busy:
				return taken, err
			default:
				p.complain(r, err)
				missing = append(missing, err)
			}
		}
	}
	if len(missing) > 0 {
		return taken, fmt.Errorf("%d reports could not be taken, and are tried again: %w", len(missing), missing[0])
	}
	return taken, p.memory.NoteFetched(ctx, intake.Fetched{Source: source, At: now.UTC()})
}

// begin is the first day to ask for.
func (p *Puller) begin(ctx context.Context, now time.Time) (time.Time, error) {
	last, known, err := p.memory.Fetched(ctx, source, "")
	if err != nil {
		return time.Time{}, err
	}
	today := now.UTC().Truncate(24 * time.Hour)
	from := today.AddDate(0, 0, -p.cfg.Days)
	if known {
		from = last.At.UTC().Truncate(24*time.Hour).AddDate(0, 0, -overlap)
	}
	if limit := today.AddDate(0, 0, -furthest); from.Before(limit) {
		from = limit
	}
	if limit := today.AddDate(0, 0, -overlap); from.After(limit) { // the clock was ahead
		from = limit
	}
	return from, nil
}

func (p *Puller) sayClock(ctx context.Context) {
	if off := p.api.ahead; off.Abs() > 5*time.Minute && !p.told["clock"] {
		p.told["clock"] = true
		p.log.WarnContext(ctx, "this machine's clock differs from Shadowserver's, so reports of the wrong days may be asked for", "clock", fetch.Off(off))
	}
}

// take fetches one report, hands it to the door, and remembers it; false when it was here before.
func (p *Puller) take(ctx context.Context, r listed) (bool, error) {
	if _, known, err := p.memory.Fetched(ctx, source, r.ID); err != nil || known {
		return false, err
	}
	body, err := p.api.download(ctx, r)
	if err != nil {
		return false, err
	}
	defer body.Close()
	got, err := p.door.Accept(ctx, intake.Delivery{
		Channel: intake.ChannelShadowserver, Reporter: reporter, Name: r.File,
	}, body)
	if err != nil {
		return false, err
	}
	if err := p.memory.NoteFetched(ctx, intake.Fetched{
		Source: source, Item: r.ID, At: got.Report.ReceivedAt, Report: got.Report.ID,
	}); err != nil {
		return false, err
	}
	delete(p.told, r.ID)
	p.log.Info("report pulled from Shadowserver", "report", got.Report.ID, "type", r.Type, "bytes", got.Report.Size, "duplicate", got.Duplicate)
	return true, nil
}

// complain says once that a report cannot be taken. Its name may name people, so the log has it only at debug.
func (p *Puller) complain(r listed, err error) {
	if p.told[r.ID] {
		return
	}
	p.told[r.ID] = true
	p.log.Warn("a report of Shadowserver's cannot be taken", "type", r.Type, "day", r.Timestamp, "why", err.Error())
	p.log.Debug("a report of Shadowserver's cannot be taken", "file", r.File, "id", r.ID, "err", err)
}

func (p *Puller) wanted(r listed) bool {
	return (len(p.cfg.Types) == 0 || slices.Contains(p.cfg.Types, r.Type)) && !slices.Contains(p.cfg.Exclude, r.Type)
}
