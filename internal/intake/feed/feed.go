// Package feed takes in lists that are to be had over HTTP. A list is asked for from time to time, and not sent again
// while it has not changed (ETag, Last-Modified). What is remembered of it is written down only when its report is safe in
// the stream.
//
// A list says that what stands on it holds now. So the same bytes are a report once in each period of restating: without
// that, an address which stands on a list for months would count as seen once, and a list that goes back to what it
// was would be a duplicate of its older self.
package feed

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/formats/list"
	"tocsin/internal/intake"
	"tocsin/internal/intake/fetch"
	"tocsin/internal/report"
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
	everyDefault = time.Hour
	firstPause   = time.Minute // between the first failure and the next try
)

// Complete fills in what a feed leaves out and is known of the list of its name.
func Complete(f intake.Feed, lists list.Tables) intake.Feed {
	if _, known := lists.List(f.Name); known && f.Format == "" {
		f.Format = list.Format + "/" + f.Name
	}
	if p, known := list.PlaceOf(f.Name); known && f.URL == "" {
		f.URL, f.Redirects = p.URL, append(slices.Clone(f.Redirects), p.Also...)
		if f.Every == 0 {
			f.Every = p.Every
		}
	}
	if f.Every == 0 {
		f.Every = everyDefault
	}
	return f
}

// Check reports what is wrong with feeds beside what their config alone shows: those whose list has no known place, and
// whose format there is not.
func Check(feeds []intake.Feed, lists list.Tables, formats []string) error {
	var errs []error
	bad := func(i int, field, format string, args ...any) {
		at := fmt.Sprintf("intake.feeds[%d].%s", i, field)
		errs = append(errs, &report.FieldError{Field: at, Rule: at + ": " + fmt.Sprintf(format, args...)})
	}
	for i, f := range feeds {
		f := Complete(f, lists)
		if f.URL == "" {
			bad(i, "url", "nothing is known of where %q is to be had: write its address", f.Name)
		}
		if of, ok := strings.CutPrefix(f.Format, list.Format+"/"); ok {
			if _, known := lists.List(of); !known {
				bad(i, "format", "%q is no list that Tocsin knows: docs/formats/list.md names them all, and formats.lists holds your own", of)
			}
		} else if f.Format != "" && !slices.Contains(formats, f.Format) {
			bad(i, "format", "%q is no format: write one of %s, or list/NAME", f.Format, strings.Join(formats, ", "))
		}
		if strings.HasPrefix(f.URL, "http:") && f.HeadersFile != "" && !f.Internal {
			bad(i, "url", "keys are not sent without TLS: use https")
		}
	}
	return errors.Join(errs...)
}

// Feed is one list that is fetched.
type Feed struct {
	cfg     intake.Feed
	headers map[string]string
	get     Getter
	door    *intake.Door
	memory  Memory
	log     *slog.Logger
}

// New makes a feed. cfg is valid and complete (WithDefaults, Complete); the file of headers is read here.
func New(cfg intake.Feed, get Getter, door *intake.Door, memory Memory, log *slog.Logger) (*Feed, error) {
	f := &Feed{cfg: cfg, get: get, door: door, memory: memory, log: log.With("feed", cfg.Name)}
	if cfg.HeadersFile == "" {
		return f, nil
	}
	text, err := intake.Secret(cfg.HeadersFile)
	if err == nil {
		f.headers, err = headers(text)
	}
	if err != nil {
		return nil, fmt.Errorf("read headers_file of the feed %s: %w", cfg.Name, err)
	}
	return f, nil
}

// headers reads lines of NAME: VALUE. Its errors do not quote them: they are secrets.
func headers(text string) (map[string]string, error) {
	all := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsFunc(name, notToken) {
			return nil, fmt.Errorf("line %d is no header: write NAME: VALUE", n)
		}
		all[name] = strings.TrimSpace(value)
	}
	return all, lines.Err()
}

// notToken reports a character that no header's name has (RFC 9110 §5.6.2).
func notToken(r rune) bool {
	letter := r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// Run fetches the list from time to time until ctx ends. A restart does not make it ask earlier.
func (f *Feed) Run(ctx context.Context) error {
	failures := 0
	wait, err := f.due(ctx, time.Now())
	for {
		if err == nil && wait > 0 && !sleep(ctx, wait) {
			return nil
		}
		if err == nil {
			err = f.Fetch(ctx, time.Now())
		}
		wait = f.spread()
		switch {
		case err == nil:
			failures = 0
		case ctx.Err() == nil:
			failures++
			wait = fetch.Pause(err, failures, min(firstPause, f.cfg.Every), f.cfg.Every)
			f.log.Warn("a feed could not be fetched", "why", err.Error(), "failures", failures, "next_try_in", wait.String())
		}
		err = nil
	}
}

// due is how long to wait until the list is to be asked for after a start.
func (f *Feed) due(ctx context.Context, now time.Time) (time.Duration, error) {
	last, known, err := f.memory.Fetched(ctx, f.source(), "")
	if err != nil || !known {
		// The first time, all feeds of a new node ask at once: they are a few, of different servers.
		return 0, err
	}
	return min(last.At.Add(f.spread()).Sub(now), f.cfg.Every*11/10), nil // also where the clock was ahead
}

// spread is the time between two fetches, a tenth more or less.
func (f *Feed) spread() time.Duration {
	return f.cfg.Every - f.cfg.Every/10 + rand.N(f.cfg.Every/5+1) //nolint:gosec // no secret: it keeps nodes apart
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

func (f *Feed) source() string { return "feed/" + f.cfg.Name }

// period is the number of the period of restating in which a time lies.
func (f *Feed) period(t time.Time) int64 { return t.UnixMilli() / f.cfg.Restate.Milliseconds() }

// Fetch asks for the list once and takes it in, unless it has not changed.
func (f *Feed) Fetch(ctx context.Context, now time.Time) error {
	last, known, err := f.memory.Fetched(ctx, f.source(), "")
	if err != nil {
		return err
	}
	r := fetch.Request{
		For: f.source(), URL: f.cfg.URL, Header: f.headers, Follow: f.cfg.Redirects, Internal: f.cfg.Internal,
		Plain: strings.HasPrefix(f.cfg.URL, "http:"), MaxBytes: f.cfg.MaxBytes,
	}
	if known && f.period(reported(last.Report)) == f.period(now) { // else it is asked to say it again
		r.ETag, r.Modified = last.ETag, last.Modified
	}
	got, err := f.get.Get(ctx, r)
	if err != nil {
		return err
	}
	note := intake.Fetched{Source: f.source(), At: now.UTC(), ETag: got.ETag, Modified: got.Modified, Report: last.Report}
	if got.Unchanged {
		f.log.Debug("a feed has not changed")
		return f.memory.NoteFetched(ctx, note)
	}
	defer got.Body.Close()
	if got.Body.Size == 0 {
		f.log.Info("a feed is empty")
		return f.memory.NoteFetched(ctx, note)
	}
	identity, err := f.identity(got.Body, now)
	if err != nil {
		return err
	}
	rec, err := f.door.Accept(ctx, intake.Delivery{
		Channel: intake.ChannelFeed, Reporter: f.cfg.From(), Name: got.Name, Format: f.cfg.Format, Identity: identity,
	}, got.Body)
	if err != nil {
		return err
	}
	note.Report = rec.Report.ID
	if err := f.memory.NoteFetched(ctx, note); err != nil {
		return err
	}
	f.log.Info("a feed was fetched", "report", rec.Report.ID, "bytes", rec.Report.Size, "duplicate", rec.Duplicate)
	return nil
}

// reported is when a report came in, by its id (RFC 9562 §5.7).
func reported(id report.ID) time.Time {
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms)
}

// identity stands for the bytes in their period: what came before it is no duplicate. It leaves the body at its beginning.
func (f *Feed) identity(body io.ReadSeeker, now time.Time) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	if _, err := io.Copy(h, body); err != nil {
		return sum, err
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return sum, err
	}
	bytes := h.Sum(nil)
	h.Reset()
	_, _ = io.WriteString(h, "tocsin feed\x00"+f.cfg.Name+"\x00"+strconv.FormatInt(f.period(now), 10)+"\x00") // a hash takes all
	h.Write(bytes)
	return [sha256.Size]byte(h.Sum(nil)), nil
}
