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
	dir, err := os.MkdirTemp("", "tocsin-demo-*")
	if err != nil {
		return fmt.Errorf("make a temporary directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if opt.Size == (world.Size{}) {
		opt.Size = world.Demo()
	}
	w := world.New(seed, opt.Size)
	reports := filepath.Join(dir, "reports")
	if err := writeWorld(w, dir, reports); err != nil {
		return fmt.Errorf("write the made-up reports: %w", err)
	}
	token := rand.Text()
	cfg := config(w, dir, token)
	log, err := app.NewLog(errOut, "warn")
	if err != nil {
		return err
	}
	a, err := app.New(ctx, cfg, log, func() time.Time { return w.End() })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	fmt.Fprintf(out, "A made-up partnership: %s with %d lines, %d partners, reports of %d days.\n\n",
		w.Networks().Own.Name, len(w.Lines()), len(w.Networks().Partners), opt.Size.Days)
	sum, err := importWorld(ctx, a, w, reports, opt)
	if err != nil {
		return err
	}
	if err := a.Sweep(ctx, w.End()); err != nil {
		return err
	}
	if err := table(ctx, a, sum, out); err != nil {
		return err
	}
	if port == nil {
		return nil
	}
	return serve(ctx, a, port, dir, token, out)
}

// importWorld imports each reporter's folder under its name.
func importWorld(ctx context.Context, a *app.App, w *world.World, reports string, opt Options) (app.Summary, error) {
	var total app.Summary
	begin := time.Now()
	all := w.Reporters()
	for i, r := range all {
		sum, err := a.Import(ctx, []string{filepath.Join(reports, r.Name)}, app.ImportOptions{
			Reporter: r.Name,
			Progress: func(done, part int64) {
				if opt.Progress != nil {
					opt.Progress(int64(i)*part+done, int64(len(all))*part) // reporters count alike
				}
			},
		})
		if err != nil {
			return total, err
		}
		total.Add(sum)
	}
	if opt.Done != nil {
		opt.Done()
	}
	total.Seconds = time.Since(begin).Seconds()
	total.EventsPerSecond = float64(total.Events) / total.Seconds
	return total, nil
}

// writeWorld writes each report into its reporter's folder, and the address table.
func writeWorld(w *world.World, dir, reports string) error {
	for _, r := range w.Reporters() {
		if err := os.MkdirAll(filepath.Join(reports, r.Name), 0o700); err != nil {
			return err
		}
	}
	for f := range w.Reports() {
		if err := os.WriteFile(filepath.Join(reports, f.Reporter, f.Name), f.Body(), 0o600); err != nil {
			return err
		}
	}
	f, err := os.Create(filepath.Join(dir, "prefixes.csv"))
	if err != nil {
		return err
	}
	return errors.Join(w.WriteTable(f), f.Close())
}

// config is the node of the made-up provider.
func config(w *world.World, dir, token string) app.Config {
	cfg := app.Defaults(filepath.Join(dir, "data"))
	nets := w.Networks()
	cfg.Network.Tables = []network.TableFile{{Path: filepath.Join(dir, "prefixes.csv")}}
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
func table(ctx context.Context, a *app.App, sum app.Summary, out io.Writer) error {
	type row struct {
		kind, state string
	}
	count := map[row]int{}
	kinds := map[string]int{}
	for in, err := range a.Store().Incidents(ctx, "") {
		if err != nil {
			return err
		}
		count[row{in.Kind.String(), string(in.State)}]++
		kinds[in.Kind.String()]++
	}
	t := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "reports\t%d\t\nduplicates\t%d\t\nevents\t%d\t\nrepeats\t%d\t\nrefused\t%d\t\n", sum.Reports, sum.Duplicates, sum.Events, sum.Repeats, sum.Rejected)
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	t = tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	const kindWidth = 42 // the longest kind; the writer aligns to the right, names stand on the left
	fmt.Fprintf(t, "%-*s\t", kindWidth, "incidents by kind")
	for _, s := range incident.States() {
		fmt.Fprintf(t, "%s\t", s)
	}
	fmt.Fprintln(t, "all\t")
	total := 0
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Fprintf(t, "%-*s\t", kindWidth, k)
		for _, s := range incident.States() {
			fmt.Fprintf(t, "%d\t", count[row{k, string(s)}])
		}
		fmt.Fprintf(t, "%d\t\n", kinds[k])
		total += kinds[k]
	}
	fmt.Fprintf(t, "%-*s\t", kindWidth, "all")
	for _, s := range incident.States() {
		n := 0
		for k := range kinds {
			n += count[row{k, string(s)}]
		}
		fmt.Fprintf(t, "%d\t", n)
	}
	fmt.Fprintf(t, "%d\t\n", total)
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%.1f s, %.0f events/s\n", sum.Seconds, sum.EventsPerSecond)
	return err
}

// serve runs the node so that it can be looked at and fed.
func serve(ctx context.Context, a *app.App, port net.Listener, dir, token string, out io.Writer) error {
	a.ListenOn(port)
	fmt.Fprintf(out, `
The node runs now; end it with Ctrl-C, and everything made up is removed.

  health     http://%[1]s/healthz
  metrics    http://%[1]s/metrics
  send it a report, signed in with this run's token:
    curl -H "Authorization: Bearer %[2]s" --data-binary @FILE "http://%[1]s/api/v1/reports?name=FILE"
  or put a file into %[3]s
  list its incidents from another terminal:
    tocsin incidents --data %[4]s
`, port.Addr(), token, filepath.Join(dir, "drop"), filepath.Join(dir, "data"))
	return a.Run(ctx)
}
