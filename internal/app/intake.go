package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"tocsin/internal/intake"
	"tocsin/internal/intake/feed"
	"tocsin/internal/intake/fetch"
	"tocsin/internal/intake/folder"
	"tocsin/internal/intake/http"
	"tocsin/internal/intake/imap"
	"tocsin/internal/intake/links"
	"tocsin/internal/intake/mail"
	"tocsin/internal/intake/shadowserver"
	"tocsin/internal/intake/smtp"
	"tocsin/internal/report"
	"tocsin/internal/store"
	"tocsin/internal/stream"
)

// channels are the ways in. A channel is one folder below intake, one field here, and one line in each of openIntake
// and runIntake.
type channels struct {
	door   *intake.Door
	folder *folder.Folder
	http   *http.Handler
	imap   *imap.Mailboxes
	smtp   *smtp.Server // nil: the config names nothing to listen on
	mail   *mail.Desk   // what the mail channels hand their mails to

	fetch        *fetch.Client
	shadowserver *shadowserver.Puller // nil: not asked
	feeds        []*feed.Feed
	links        *links.Follower // nil: none is followed
	searching    chan struct{}   // one for each mail that may be searched for links at once
}

// openDoor makes what every channel and the import hand their documents to, and what notes the links in them.
func (a *App) openDoor() error {
	cfg := a.cfg.Intake.WithDefaults()
	sources := intake.NewSources(cfg.Sources)
	a.channels.door = intake.NewDoor(sources, clocked{a.stream, a.now}, a.detect, a.log)
	a.channels.mail = mail.New(cfg.Mail, a.channels.door, mail.ResolverAt(cfg.Mail.Resolver), a.log)
	var err error
	a.channels.fetch, err = fetch.New(fetch.Options{
		Agent: fetch.Agent(buildVersion(), cfg.Contact), Spool: filepath.Join(a.data.Sub("spool"), "fetch"), Metrics: a.metrics,
	})
	if err != nil {
		return fmt.Errorf("make the folder for what is fetched: %w", err)
	}
	if len(cfg.Links.Hosts) > 0 {
		a.channels.links = links.New(cfg.Links, a.channels.fetch, a.channels.door, a.store, a.log)
		a.channels.searching = make(chan struct{}, 2)
	}
	return nil
}

// openIntake builds the channels of a node that runs.
func (a *App) openIntake(ctx context.Context) error {
	cfg := a.cfg.Intake.WithDefaults()
	var err error
	if a.channels.folder, err = folder.New(cfg.Folder, a.cfg.DropFolder(), a.channels.door, a.log); err != nil {
		return fmt.Errorf("open the drop folder: %w", err)
	}
	a.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tocsin_drop_folder_stuck_files", Help: "Files in the drop folder that cannot be taken; they are tried again.",
	}, func() float64 { return float64(len(a.channels.folder.Stuck())) }))
	spool := filepath.Join(a.data.Sub("spool"), "http")
	if a.channels.http, err = http.New(cfg.HTTP, a.formatNames(), a.channels.door, answers{a}, spool, a.log); err != nil {
		return fmt.Errorf("open POST /api/v1/reports: %w", err)
	}
	spool = filepath.Join(a.data.Sub("spool"), "imap")
	if a.channels.imap, err = imap.New(cfg.IMAP, a.channels.mail, a.stands, spool, imap.Paces{}, a.log, a.metrics); err != nil {
		return fmt.Errorf("open the mailboxes: %w", err)
	}
	if cfg.SMTP.On() {
		spool := filepath.Join(a.data.Sub("spool"), "smtp")
		if a.channels.smtp, err = smtp.New(ctx, cfg.SMTP, a.channels.mail, spool, a.log, a.metrics); err != nil {
			return err
		}
	}
	return a.openPulls(cfg)
}

// openPulls builds the channels that ask others.
func (a *App) openPulls(cfg intake.Config) error {
	var err error
	if cfg.Shadowserver.On() {
		a.channels.shadowserver, err = shadowserver.New(cfg.Shadowserver, a.channels.fetch, a.channels.door, a.store, a.log)
		if err != nil {
			return err
		}
	}
	for _, c := range cfg.Feeds {
		f, err := feed.New(feed.Complete(c, a.formats.Lists), a.channels.fetch, a.channels.door, a.store, a.log)
		if err != nil {
			return err
		}
		a.channels.feeds = append(a.channels.feeds, f)
	}
	return nil
}

// noteLinks notes the links in a report that are to be followed, before the report is worked: then no end of this program
// loses one.
func (a *App) noteLinks(ctx context.Context, it stream.Item) error {
	if a.channels.links == nil || it.Generation > 0 || it.Report.Channel == intake.ChannelLink {
		return nil
	}
	select {
	case a.channels.searching <- struct{}{}:
		defer func() { <-a.channels.searching }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	r, err := a.stream.Original(ctx, it.Report.ID)
	if err == nil {
		defer r.Close()
		all := a.formats.Links(report.Document{Reader: r, Name: it.Report.Name, Received: it.Report.ReceivedAt}, a.limits())
		err = a.channels.links.Note(ctx, it.Report, all, a.now())
	}
	if errors.Is(err, stream.ErrNotFound) || errors.Is(err, stream.ErrDamaged) {
		return nil // the work that follows says so
	}
	return err
}

// runIntake starts every channel.
func (a *App) runIntake(ctx context.Context, g *errgroup.Group) {
	g.Go(func() error { return a.channels.folder.Run(ctx) })
	g.Go(func() error { return a.channels.imap.Run(ctx) })
	g.Go(func() error { return a.serve(ctx) })
	if a.channels.smtp != nil {
		g.Go(func() error { return a.channels.smtp.Run(ctx) })
	}
	if a.channels.shadowserver != nil {
		g.Go(func() error { return a.channels.shadowserver.Run(ctx) })
	}
	for _, f := range a.channels.feeds {
		g.Go(func() error { return f.Run(ctx) })
	}
	if a.channels.links != nil {
		g.Go(func() error { return a.channels.links.Run(ctx) })
	}
	g.Go(func() error { return a.every(ctx, labelReminder, "labels", a.remindLabels) })
}

// stands says where a report stands.
func (a *App) stands(ctx context.Context, id report.ID) (report.State, error) {
	row, err := a.store.Report(ctx, id)
	if errors.Is(err, store.ErrNoReport) {
		return report.StateReceived, nil
	}
	return row.State, err
}

// clocked receives reports at the node's own time.
type clocked struct {
	stream *stream.Stream
	now    func() time.Time
}

func (c clocked) Accept(ctx context.Context, rep report.Report, r io.Reader) (report.Report, bool, error) {
	rep.ReceivedAt = c.now().UTC()
	rep, duplicate, err := c.stream.Accept(ctx, rep, r)
	if errors.Is(err, stream.ErrFull) {
		err = fmt.Errorf("%w: %w", intake.ErrFull, err)
	}
	return rep, duplicate, err
}

// labelReminder is how often the log says which sources have no label.
const labelReminder = 6 * time.Hour

// remindLabels tells the desk which sources sent reports without having a label, so that nothing of theirs may leave.
func (a *App) remindLabels(context.Context, time.Time) error {
	for _, u := range a.channels.door.Sources().Unlabelled() {
		a.log.Warn("this source has no TLP label, so nothing of its reports may leave this node: give it one in intake.sources",
			slog.String("source", u.Reporter), slog.Int("reports", u.Reports))
	}
	return nil
}

// buildVersion is what the build says of itself: the tag, or the commit.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return info.Main.Version
}
