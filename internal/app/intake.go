package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"tocsin/internal/intake"
	"tocsin/internal/intake/folder"
	"tocsin/internal/intake/http"
	"tocsin/internal/report"
	"tocsin/internal/stream"
)

// channels are the ways in. A channel is one folder below intake, one field here, and one line in each of openIntake
// and runIntake.
type channels struct {
	door   *intake.Door
	folder *folder.Folder
	http   *http.Handler
}

// openDoor makes what every channel and the import hand their documents to.
func (a *App) openDoor() {
	sources := intake.NewSources(a.cfg.Intake.Sources)
	a.channels.door = intake.NewDoor(sources, clocked{a.stream, a.now}, a.detect, a.log)
}

// openIntake builds the channels of a node that runs.
func (a *App) openIntake() error {
	cfg := a.cfg.Intake.WithDefaults()
	var err error
	if a.channels.folder, err = folder.New(cfg.Folder, a.cfg.DropFolder(), a.channels.door, a.log); err != nil {
		return fmt.Errorf("open the drop folder: %w", err)
	}
	a.metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tocsin_drop_folder_stuck_files", Help: "Files in the drop folder that cannot be taken; they are tried again.",
	}, func() float64 { return float64(len(a.channels.folder.Stuck())) }))
	spool := filepath.Join(a.data.Sub("spool"), "http")
	if a.channels.http, err = http.New(cfg.HTTP, a.formatNames(), a.channels.door, spool, a.log); err != nil {
		return fmt.Errorf("open POST /api/v1/reports: %w", err)
	}
	return nil
}

// runIntake starts every channel.
func (a *App) runIntake(ctx context.Context, g *errgroup.Group) {
	g.Go(func() error { return a.channels.folder.Run(ctx) })
	g.Go(func() error { return a.serve(ctx) })
	g.Go(func() error { return a.every(ctx, labelReminder, "labels", a.remindLabels) })
}

// clocked receives reports at the node's own time.
type clocked struct {
	stream *stream.Stream
	now    func() time.Time
}

func (c clocked) Accept(ctx context.Context, rep report.Report, r io.Reader) (report.Report, bool, error) {
	rep.ReceivedAt = c.now().UTC()
	return c.stream.Accept(ctx, rep, r)
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
