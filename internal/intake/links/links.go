// Package links follows links in mails, to hosts that the operator listed and to no others. A link is noted, durably,
// before the work on its mail is done, and fetched on its own time: neither intake nor work waits for somebody else's
// server. What it leads to is a report of its own (docs/adr/0014-fetched-documents.md), and the note says which.
package links

import (
	"context"
	"iter"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"tocsin/internal/intake"
	"tocsin/internal/intake/fetch"
	"tocsin/internal/report"
)

// Getter fetches over HTTP.
type Getter interface {
	// Get returns an *fetch.Error, or that of ctx.
	Get(ctx context.Context, r fetch.Request) (*fetch.Answer, error)
}

// Store keeps links.
type Store interface {
	// AddLinks notes links durably. One that is there already stays as it is.
	AddLinks(ctx context.Context, links []intake.Link) error
	// DueLinks returns open links that are due, the longest due first, no more than most.
	DueLinks(ctx context.Context, now time.Time, most int) ([]intake.Link, error)
	// UpdateLink writes what became of a link.
	UpdateLink(ctx context.Context, l intake.Link) error
}

const (
	together   = 4             // links followed at once
	look       = time.Minute   // how often it is looked for links that are due
	firstPause = time.Minute   // between the first failure and the next try
	longest    = 6 * time.Hour // between two tries
	patience   = 3             // tries of what the server says is not there
)

// Follower follows links.
type Follower struct {
	cfg   intake.Links
	hosts map[string]intake.LinkHost
	get   Getter
	door  *intake.Door
	store Store
	log   *slog.Logger
	found chan struct{} // holds one when there may be something to do
}

// New makes a follower. cfg is valid and complete (WithDefaults).
func New(cfg intake.Links, get Getter, door *intake.Door, store Store, log *slog.Logger) *Follower {
	f := &Follower{
		cfg: cfg, hosts: map[string]intake.LinkHost{}, get: get, door: door, store: store, log: log, found: make(chan struct{}, 1),
	}
	for _, h := range cfg.Hosts {
		f.hosts[h.Host] = h
	}
	return f
}

// Note notes those of a mail's links that are to be followed. It is idempotent by mail and link; when it returns without an
// error they are durable.
func (f *Follower) Note(ctx context.Context, mail report.Report, all iter.Seq2[string, error], now time.Time) error {
	var notes []intake.Link
	seen := map[string]bool{}
	left := 0
	for link, err := range all {
		if err != nil {
			return err
		}
		to, ok := f.follows(link)
		if !ok || seen[link] {
			continue
		}
		seen[link] = true
		if len(notes) >= f.cfg.MaxPerMail {
			left++
			continue
		}
		l := intake.Link{
			Mail: mail.ID, URL: link, Reporter: mail.Reporter, Authenticity: mail.Authenticity, Signer: mail.Signer,
			Exercise: mail.Exercise, Found: now.UTC(), Due: now.UTC(), State: intake.LinkOpen,
		}
		if to.Reporter != "" { // the host speaks for itself: what the mail's signature says is about the mail
			l.Reporter, l.Authenticity, l.Signer = to.Reporter, report.Unchecked, ""
		}
		notes = append(notes, l)
	}
	if left > 0 {
		f.log.Warn("a mail has more links than are followed: raise intake.links.max_per_mail if that is right", "report", mail.ID, "left_out", left)
	}
	if err := f.store.AddLinks(ctx, notes); err != nil || len(notes) == 0 {
		return err
	}
	select {
	case f.found <- struct{}{}:
	default:
	}
	return nil
}

// follows reports whether a link leads to a listed host, by what that host allows.
func (f *Follower) follows(link string) (intake.LinkHost, bool) {
	h, ok := f.hosts[fetch.HostOf(link)]
	if !ok {
		return h, false
	}
	u, err := url.Parse(link)
	return h, err == nil && u.User == nil && (u.Scheme == "https" || u.Scheme == "http" && h.HTTP)
}

// Run follows links that are due until ctx ends. A failure of the store is tried again.
func (f *Follower) Run(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		more, err := f.Follow(ctx, time.Now())
		if err != nil && ctx.Err() == nil {
			f.log.Warn("links in mails cannot be followed, and are tried again", "err", err)
		}
		if more && err == nil && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-f.found:
		}
	}
}

// Follow follows links that are due now, and reports whether there may be more of them.
func (f *Follower) Follow(ctx context.Context, now time.Time) (more bool, err error) {
	due, err := f.store.DueLinks(ctx, now, together)
	if err != nil {
		return false, err
	}
	var all sync.WaitGroup
	errs := make([]error, len(due))
	for i := range due {
		all.Go(func() { errs[i] = f.follow(ctx, due[i], now) })
	}
	all.Wait()
	for _, e := range errs {
		if e != nil {
			return false, e
		}
	}
	return len(due) == together, nil
}

// follow follows one link and notes what became of it. Its error is the store's.
func (f *Follower) follow(ctx context.Context, l intake.Link, now time.Time) error {
	got, err := f.fetch(ctx, l)
	if err != nil && ctx.Err() != nil {
		return err // it is still open
	}
	l.Tries++
	if err == nil {
		l.State, l.Reason, l.Report = intake.LinkFetched, "", got.Report.ID
		f.log.Info("a link in a mail was followed", "mail", l.Mail, "report", got.Report.ID, "bytes", got.Report.Size, "duplicate", got.Duplicate)
		return f.store.UpdateLink(ctx, l)
	}
	l.Reason, l.Due = err.Error(), now.UTC().Add(fetch.Pause(err, l.Tries, firstPause, longest))
	kind := fetch.KindOf(err)
	if kind == fetch.Refused || kind == fetch.Gone && l.Tries >= patience || l.Due.Sub(l.Found) > f.cfg.GiveUp {
		l.State = intake.LinkFailed
		f.log.Warn("a link in a mail cannot be followed: ask the sender for the report itself", "mail", l.Mail, "why", l.Reason, "tries", l.Tries)
	}
	return f.store.UpdateLink(ctx, l)
}

func (f *Follower) fetch(ctx context.Context, l intake.Link) (intake.Receipt, error) {
	to, ok := f.follows(l.URL)
	if !ok { // the config has changed since
		return intake.Receipt{}, &fetch.Error{Kind: fetch.Refused, Reason: "the link leads to a host that is not in intake.links.hosts any more"}
	}
	got, err := f.get.Get(ctx, fetch.Request{
		For: "links", URL: l.URL, Plain: strings.HasPrefix(l.URL, "http:"), Internal: to.Internal, Follow: to.Redirects,
		MaxBytes: f.cfg.MaxBytes, Timeout: f.cfg.Timeout,
	})
	if err != nil {
		return intake.Receipt{}, err
	}
	defer got.Body.Close()
	if got.Body.Size == 0 {
		return intake.Receipt{}, &fetch.Error{Kind: fetch.Failed, Reason: report.Printable(to.Host) + " gives an empty file: it is tried again"}
	}
	return f.door.Accept(ctx, intake.Delivery{
		Channel: intake.ChannelLink, Reporter: l.Reporter, Name: got.Name, Exercise: l.Exercise,
		Authenticity: l.Authenticity, Signer: l.Signer,
	}, got.Body)
}
