// Package demo shows a node at work in a made-up partnership: an internet provider, its partners, and fourteen days of
// reports. Nothing has to be configured, and nothing leaves the machine.
package demo

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/console"
	"tocsin/internal/incident"
	"tocsin/internal/intake"
	"tocsin/internal/network"
	"tocsin/internal/world"
)

// Options says how to show it.
type Options struct {
	Addr     string // to listen on
	Once     bool   // open no port, end after the result table
	Size     world.Size
	Progress func(accepted, all int64)
	Done     func() // the import has ended; may be nil
}

// seed makes the demo the same for everybody.
const seed = 2026

// Run plays the demo: what is for the reader goes to out, the node's own log to errOut.
func Run(ctx context.Context, opt Options, out, errOut io.Writer) (err error) {
	if opt.Once {
		return play(ctx, opt, nil, out, errOut)
	}
	port, err := app.OpenPort(ctx, opt.Addr) // before the import: who waited for it would be told too late
	if err != nil {
		return fmt.Errorf("%w: give another address with --addr; --addr 127.0.0.1:0 takes a port that is free", err)
	}
	defer port.Close() // the node may have closed it before
	return play(ctx, opt, port, out, errOut)
}

// play plays the demo, and serves on port where there is one.
func play(ctx context.Context, opt Options, port net.Listener, out, errOut io.Writer) (err error) {
	s, err := newStage(ctx, opt, errOut)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	fmt.Fprintf(out, "A made-up partnership: %s with %d lines, %d partners, reports of %d days.\n\n",
		s.world.Networks().Own.Name, len(s.world.Lines()), len(s.world.Networks().Partners), s.world.Size().Days)
	if err := s.play(ctx, opt); err != nil {
		return err
	}
	if err := s.table(ctx, out); err != nil {
		return err
	}
	if err := s.lines(ctx, out); err != nil {
		return err
	}
	if err := s.story(ctx, out); err != nil {
		return err
	}
	if port == nil {
		return nil
	}
	return s.serve(ctx, port, out)
}

// stage is a world, and the node of its provider in a temporary folder.
type stage struct {
	world *world.World
	cfg   app.Config
	app   *app.App
	dir   string
	token string
	sum   app.Summary // of the import of all reports

	actors []console.Actor // among whom whoever looks at it chooses
}

// newStage makes the world and opens the node. The caller closes it.
func newStage(ctx context.Context, opt Options, errOut io.Writer) (s *stage, err error) {
	if opt.Size == (world.Size{}) {
		opt.Size = world.Demo()
	}
	s = &stage{world: world.New(seed, opt.Size), token: rand.Text()}
	if s.dir, err = os.MkdirTemp("", "tocsin-demo-*"); err != nil {
		return nil, fmt.Errorf("make a temporary directory: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := writeWorld(s.world, s.dir); err != nil {
		return nil, fmt.Errorf("write the made-up reports: %w", err)
	}
	s.cfg = config(s.world, s.dir, s.token)
	log, err := app.NewLog(errOut, "warn")
	if err != nil {
		return nil, err
	}
	s.app, err = app.New(ctx, s.cfg, log, s.world.End)
	return s, err
}

// close ends the node and removes everything.
func (s *stage) close() error {
	var err error
	if s.app != nil {
		err = s.app.Close()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// play tells the node what its own systems know of the lines, then all reports.
func (s *stage) play(ctx context.Context, opt Options) error {
	if err := s.app.Lines().Poll(ctx); err != nil {
		return err
	}
	if err := s.importWorld(ctx, opt); err != nil {
		return err
	}
	if err := s.app.Sweep(ctx, s.world.End()); err != nil {
		return err
	}
	return s.welcome(ctx)
}

// importWorld imports each reporter's folder under its name.
func (s *stage) importWorld(ctx context.Context, opt Options) error {
	total := &s.sum
	begin := time.Now()
	all := s.world.Reporters()
	for i, r := range all {
		sum, err := s.app.Import(ctx, []string{filepath.Join(s.dir, reports, r.Name)}, app.ImportOptions{
			Reporter: r.Name,
			Progress: func(done, part int64) {
				if opt.Progress != nil {
					opt.Progress(int64(i)*part+done, int64(len(all))*part) // reporters count alike
				}
			},
		})
		if err != nil {
			return err
		}
		total.Add(sum)
	}
	if opt.Done != nil {
		opt.Done()
	}
	total.Seconds = time.Since(begin).Seconds()
	total.EventsPerSecond = float64(total.Events) / total.Seconds
	return nil
}

// What lies in the stage's folder beside the node's data.
const (
	reports  = "reports"      // a folder for each reporter
	logs     = "logs"         // of the provider's own systems
	prefixes = "prefixes.csv" // the address table
)

// writeWorld writes each report into its reporter's folder, what the provider's systems log, and the address table.
func writeWorld(w *world.World, dir string) error {
	for _, r := range w.Reporters() {
		if err := os.MkdirAll(filepath.Join(dir, reports, r.Name), 0o700); err != nil {
			return err
		}
	}
	for f := range w.Reports() {
		if err := os.WriteFile(filepath.Join(dir, reports, f.Reporter, f.Name), f.Body(), 0o600); err != nil {
			return err
		}
	}
	if err := os.Mkdir(filepath.Join(dir, logs), 0o700); err != nil {
		return err
	}
	for _, l := range w.Logs() {
		if err := write(filepath.Join(dir, logs, l.File), func(f io.Writer) error {
			_, err := l.WriteTo(f)
			return err
		}); err != nil {
			return err
		}
	}
	return write(filepath.Join(dir, prefixes), w.WriteTable)
}

// write makes a file.
func write(path string, body func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(body(f), f.Close())
}

// config is the node of the made-up provider.
func config(w *world.World, dir, token string) app.Config {
	cfg := app.Defaults(filepath.Join(dir, "data"))
	nets := w.Networks()
	cfg.Network.Tables = []network.TableFile{{Path: filepath.Join(dir, prefixes)}}
	cfg.Network.Own = ownNetworks(nets.Own)
	for _, p := range nets.Partners {
		if len(p.Prefixes) > 0 || p.ASN != 0 { // a CSIRT or an association may have no network
			cfg.Network.Partners = append(cfg.Network.Partners, network.Partner{
				ID: p.ID, Name: p.Name, Prefixes: p.Prefixes, ASNs: asns(p), Abuse: p.Abuse, Country: p.CC,
			})
		}
	}
	cfg.Intake.Sources = nil
	for _, r := range w.Reporters() {
		cfg.Intake.Sources = append(cfg.Intake.Sources, intake.Source{Name: r.Name, TLP: &r.TLP})
	}
	sum := sha256.Sum256([]byte(token))
	cfg.Intake.HTTP.Tokens = []intake.Token{{Name: w.Reporters()[0].Name, SHA256: hex.EncodeToString(sum[:])}}
	cfg.Intake.Folder.Path = filepath.Join(dir, "drop")
	cfg.Lines = lineSources(w, filepath.Join(dir, logs))
	return cfg
}

// ownNetworks is the provider's own: what one line has to itself, and what many share.
func ownNetworks(n world.Network) []network.Own {
	var single []netip.Prefix
	for _, p := range n.Prefixes {
		if !slices.Contains(n.CGNAT, p) {
			single = append(single, p)
		}
	}
	own := []network.Own{{Name: n.Name, Prefixes: single, ASNs: asns(n), Abuse: n.Abuse, Country: n.CC}}
	if len(n.CGNAT) > 0 {
		own = append(own, network.Own{Name: n.Name + " CGNAT", Prefixes: n.CGNAT, CGNAT: true, Abuse: n.Abuse, Country: n.CC})
	}
	return own
}

func asns(n world.Network) []network.ASN {
	if n.ASN == 0 {
		return nil
	}
	return []network.ASN{network.ASN(n.ASN)}
}

// table prints what came of it.
func (s *stage) table(ctx context.Context, out io.Writer) error {
	type row struct {
		kind, state string
	}
	count := map[row]int{}
	kinds := map[string]int{}
	for in, err := range s.app.Store().Incidents(ctx, "") {
		if err != nil {
			return err
		}
		count[row{in.Kind.String(), string(in.State)}]++
		kinds[in.Kind.String()]++
	}
	t := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "reports\t%d\t\nduplicates\t%d\t\nevents\t%d\t\nrepeats\t%d\t\nrefused\t%d\t\n", s.sum.Reports, s.sum.Duplicates, s.sum.Events, s.sum.Repeats, s.sum.Rejected)
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	t = tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	const kindWidth = 42 // the longest kind; the writer aligns to the right, names stand on the left
	fmt.Fprintf(t, "%-*s\t", kindWidth, "incidents by kind")
	for _, state := range incident.States() {
		fmt.Fprintf(t, "%s\t", state)
	}
	fmt.Fprintln(t, "all\t")
	total := 0
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Fprintf(t, "%-*s\t", kindWidth, k)
		for _, state := range incident.States() {
			fmt.Fprintf(t, "%d\t", count[row{k, string(state)}])
		}
		fmt.Fprintf(t, "%d\t\n", kinds[k])
		total += kinds[k]
	}
	fmt.Fprintf(t, "%-*s\t", kindWidth, "all")
	for _, state := range incident.States() {
		n := 0
		for k := range kinds {
			n += count[row{k, string(state)}]
		}
		fmt.Fprintf(t, "%d\t", n)
	}
	fmt.Fprintf(t, "%d\t\n", total)
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%.1f s, %.0f events/s\n", s.sum.Seconds, s.sum.EventsPerSecond)
	return err
}

// serve runs the node so that it can be looked at and fed.
func (s *stage) serve(ctx context.Context, port net.Listener, out io.Writer) error {
	s.app.ListenOn(port)
	s.app.ShowAs(s.actors)
	fmt.Fprintf(out, `
The node runs now; end it with Ctrl-C, and everything made up is removed.

  open       http://%[1]s/   nobody signs in here: a switch at the top shows it as each role
  health     http://%[1]s/healthz
  metrics    http://%[1]s/metrics
  send it a report, signed in with this run's token:
    curl -H "Authorization: Bearer %[2]s" --data-binary @FILE "http://%[1]s/api/v1/reports?name=FILE"
  or put a file into %[3]s
  list its incidents from another terminal:
    tocsin incidents --data %[4]s
`, port.Addr(), s.token, filepath.Join(s.dir, "drop"), filepath.Join(s.dir, "data"))
	return s.app.Run(ctx)
}
