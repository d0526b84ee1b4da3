// Package app builds a node out of the rooms, in one place and in order, and runs it. What the rooms need of each
// other they declare as interfaces; here they are joined.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"tocsin/internal/access"
	"tocsin/internal/api"
	"tocsin/internal/console"
	"tocsin/internal/desk"
	"tocsin/internal/evidence"
	"tocsin/internal/formats"
	"tocsin/internal/intake"
	"tocsin/internal/keys"
	"tocsin/internal/line/inquiry"
	"tocsin/internal/line/sources"
	"tocsin/internal/network"
	"tocsin/internal/report"
	"tocsin/internal/store"
	"tocsin/internal/stream"
)

// App is a node whose parts are built. It holds its data directory until Close.
type App struct {
	cfg      Config
	log      *slog.Logger
	metrics  *prometheus.Registry
	now      func() time.Time
	data     *Data
	keys     *keys.Ring
	stream   *stream.Stream
	store    *store.DB
	networks *network.Networks
	formats  formats.Tables
	desk     *desk.Desk
	lines    *sources.Lines // nil where nothing knows lines
	inquiry  *inquiry.Desk  // questions of people about lines
	evidence *evidence.Log
	writer   *evidence.Writer // of evidence
	worker   string           // id of the first key of evidence: names this worker among those that share a database
	channels channels
	door     *access.Door
	api      *api.API
	actors   []console.Actor // of a demo; see ShowAs
	ready    atomic.Bool
	listener net.Listener // nil until it listens
}

// workers is how many reports are in hand at once. Two of them are read at a time (desk); the others wait for their
// commit, so that small reports share transactions.
const workers = 128

// New builds a node from cfg. When it returns the node is usable: reports can be accepted and incidents read. Nothing
// is worked before Run or Import. The caller closes it.
func New(ctx context.Context, cfg Config, log *slog.Logger, now func() time.Time) (*App, error) {
	a := &App{cfg: cfg, log: log, now: now, metrics: newRegistry()}
	if err := a.build(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *App) build(ctx context.Context) error {
	for _, w := range a.cfg.Warnings() {
		a.log.Warn("the config will hardly do what was meant", "reason", w)
	}
	var err error
	if a.data, err = OpenData(a.cfg.Data); err != nil {
		return err
	}
	if a.keys, err = ensureKeys(a.data.Sub("keys"), a.now()); err != nil {
		return err
	}
	if a.formats, err = LoadTables(a.data.Dir, &a.cfg.Formats); err != nil {
		return err
	}
	if a.networks, err = network.New(a.cfg.Network, a.log, a.metrics); err != nil { //nolint:contextcheck // tables are read in a second, and nothing works without them
		return fmt.Errorf("read address tables: %w", err)
	}
	a.cfg.Incident.Weekly = slices.Concat(a.cfg.Incident.Weekly, a.cfg.Intake.Shadowserver.Delta())
	if a.store, err = store.Open(ctx, a.cfg.Store, a.data.Sub("db"), a.cfg.Incident); err != nil {
		return err
	}
	if err := a.store.StartGrades(ctx, a.cfg.Intake.Starts(), a.now()); err != nil {
		return err
	}
	if a.stream, err = stream.Open(ctx, a.cfg.Stream, a.data.Sub("stream"), a.log); err != nil {
		return err
	}
	a.desk = &desk.Desk{
		Open: a.open, About: formats.About, Originals: originals{a.stream}, Store: a.store, Assigns: a.store, Incidents: a.cfg.Incident,
		Networks: func() desk.Networks { return a.networks.Cursor() },
		Metrics:  desk.NewMetrics(a.metrics), SpoolDir: a.data.Sub("spool"),
	}
	if err := a.openEvidence(ctx); err != nil {
		return err
	}
	if err := a.noteConfig(ctx); err != nil {
		return err
	}
	if err := a.openLines(ctx); err != nil {
		return err
	}
	if err := errors.Join(a.openDoor(), a.openAccess(), a.openAPI()); err != nil { //nolint:contextcheck // each request has its own
		return err
	}
	a.registerLag(ctx)
	return nil
}

// Close ends the node: intake and workers have ended with Run; now the stream, then the store.
func (a *App) Close() error {
	var errs []error
	if a.listener != nil {
		_ = a.listener.Close() // the server may have closed it before
	}
	if a.channels.smtp != nil {
		errs = append(errs, a.channels.smtp.Close())
	}
	if a.lines != nil {
		errs = append(errs, a.lines.Close())
	}
	if a.evidence != nil {
		errs = append(errs, a.evidence.Close())
	}
	if a.stream != nil {
		errs = append(errs, a.stream.Close())
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	if a.data != nil {
		errs = append(errs, a.data.Close())
	}
	return errors.Join(errs...)
}

// Run runs the node until ctx ends or a part of it fails. It ends in the order intake, workers, desk.
func (a *App) Run(ctx context.Context) error {
	if err := a.openIntake(ctx); err != nil {
		return err
	}
	if a.lines != nil {
		if err := a.lines.Listen(); err != nil {
			return err
		}
	}
	return a.withDesk(ctx, func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		for range workers {
			g.Go(func() error { return a.stream.Work(ctx, a.work) })
		}
		g.Go(func() error { return a.networks.Run(ctx) })
		g.Go(func() error { return a.serveLocal(ctx) })
		g.Go(func() error { return a.every(ctx, a.cfg.Incident.Sweep, "sweep", a.Sweep) })
		g.Go(func() error { return a.every(ctx, a.cfg.Retention.Every, "retention", a.Expire) })
		if a.lines != nil {
			g.Go(func() error { return a.lines.Run(ctx) })
		}
		a.runIntake(ctx, g)
		a.ready.Store(true)
		defer a.ready.Store(false)
		return g.Wait()
	})
}

// withDesk runs f while the desk commits and the evidence log is written, and lets both finish what f has begun.
func (a *App) withDesk(ctx context.Context, f func(context.Context) error) error {
	limitMemory()
	return a.withLog(ctx, func(ctx context.Context) error {
		deskCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
		done := make(chan error, 1)
		go func() { done <- a.desk.Run(deskCtx) }()
		err := f(ctx)
		stop()
		return errors.Join(err, <-done)
	})
}

// work works one item of the stream. Its error is the item's fate: see stream.Work.
func (a *App) work(ctx context.Context, it stream.Item) error {
	_, err := a.workItem(ctx, it)
	return err
}

func (a *App) workItem(ctx context.Context, it stream.Item) (desk.Result, error) {
	var res desk.Result
	err := intake.Guard(a.log, func() error {
		err := a.noteLinks(ctx, it)
		if err == nil {
			res, err = a.desk.Work(ctx, it.Report, it.Generation)
		}
		return err
	})
	switch {
	case err == nil:
		return res, nil
	case errors.Is(err, intake.ErrPanic):
		return a.refuse(ctx, it, intake.ErrPanic)
	case errors.Is(err, desk.ErrPoison):
		a.log.Error("the database refuses a report", "report", it.Report.ID, "error", err)
		return a.refuse(ctx, it, desk.ErrPoison)
	case errors.Is(err, stream.ErrDamaged):
		a.log.Error("the original of a report is damaged", "report", it.Report.ID, "error", err)
		return a.refuse(ctx, it, stream.ErrDamaged)
	case errors.Is(err, stream.ErrBroken): // it takes no more until a restart
		return res, fmt.Errorf("%w: %w", stream.ErrStop, err)
	case errors.Is(err, desk.ErrNoOriginal):
		return res, fmt.Errorf("%w: %w", stream.ErrReject, err)
	case ctx.Err() == nil:
		a.log.Warn("a report could not be worked and will be tried again", "report", it.Report.ID, "attempt", it.Attempt, "error", err)
	}
	return res, err
}

// refuse puts what is not yet committed of a report into the quarantine. What even so cannot be stored comes off the
// queue: trying for ever would help nobody, and its original stays until its end date.
func (a *App) refuse(ctx context.Context, it stream.Item, why error) (desk.Result, error) {
	known, err := a.store.Known(ctx, &it.Report, it.Generation)
	if err != nil {
		return desk.Result{}, err
	}
	owed := desk.Unworked(known, it.Generation, why.Error())
	packed, err := desk.EncodeRefusals(owed)
	if err != nil {
		return desk.Result{}, err
	}
	rep := it.Report
	rep.Name = report.CleanName(rep.Name) // accepted by an older program, it may be what the database refuses
	err = a.store.Commit(ctx, []*desk.Chunk{{
		Report: rep, Generation: it.Generation, Seq: -1, Name: rep.Name, FromRow: 1, Refused: len(owed), Refusals: packed,
		Final: true,
	}})
	if errors.Is(err, desk.ErrPoison) {
		err = fmt.Errorf("%w: %w", stream.ErrReject, err)
	}
	return desk.Result{Refused: int64(len(owed))}, err
}

// every calls f at once and then again and again. A failure is logged and tried again at the next turn.
func (a *App) every(ctx context.Context, pause time.Duration, what string, f func(context.Context, time.Time) error) error {
	t := time.NewTicker(pause)
	defer t.Stop()
	for {
		if err := f(ctx, a.now()); err != nil && ctx.Err() == nil {
			a.log.Warn("a regular task failed and will be tried again", "task", what, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// Sweep moves incidents on to quiet and closed, as far as their feeds show it, and judges the sources by what became of
// them.
func (a *App) Sweep(ctx context.Context, now time.Time) error {
	moved, err := a.store.Sweep(ctx, &a.cfg.Incident, now)
	if err == nil && moved > 0 {
		a.log.Info("incidents moved on", "moved", moved)
	}
	if err != nil {
		return err
	}
	graded, err := intake.Regrade(ctx, a.store, now)
	for i := range graded {
		a.log.Info("the outcomes of incidents moved a source's grade", "source", graded[i].Source,
			"grade", graded[i].Current(), "was", graded[i].Was,
			"confirmed", graded[i].Record.Confirmed, "outcomes", graded[i].Record.Judged())
	}
	return err
}

// Store returns the node's database, for reading.
func (a *App) Store() *store.DB { return a.store }

// Behind is how many reports are accepted and not yet worked.
func (a *App) Behind(ctx context.Context) (int, error) {
	n, _, err := a.stream.Lag(ctx)
	return n, err
}

// Networks returns the node's address tables.
func (a *App) Networks() *network.Networks { return a.networks }

// originals gives the desk the stream's originals.
type originals struct{ stream *stream.Stream }

func (o originals) Original(ctx context.Context, id report.ID) (io.ReadCloser, error) {
	r, err := o.stream.Original(ctx, id)
	if errors.Is(err, stream.ErrNotFound) {
		return nil, desk.ErrNoOriginal
	}
	return r, err
}

// ensureKeys opens the keys, and makes those that are not there yet: a node that was never initialised runs too.
func ensureKeys(dir string, now time.Time) (*keys.Ring, error) {
	ring, err := keys.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("read the keys: %w", err)
	}
	for _, p := range keys.Purposes() {
		if _, err := ring.Ensure(p, now); err != nil {
			return nil, fmt.Errorf("make the keys: %w", err)
		}
	}
	return ring, nil
}
