// Package network says whose an address is: its prefix, AS number, holder, country and abuse contact, and whether it
// is ours or a partner's. The config says what is ours and what a partner's; files that the operator supplies say the
// rest. They are read into one Table, which is replaced as a whole when a file changes, without a restart.
package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tocsin/internal/report"
)

// Networks answers from the table that is in force. Any number of goroutines may ask.
type Networks struct {
	table   atomic.Pointer[Table]
	cfg     Config
	log     *slog.Logger
	figures figures
	initial []fs.FileInfo // of the files that New read, in the config's order; Run's alone after New
}

// New reads the config's tables and returns when they are in force. A file that cannot be read is an error that names
// it: half a table would put incidents under the wrong party. reg may be nil.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Networks, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.CheckEvery == 0 {
		cfg.CheckEvery = defaultCheckEvery
	}
	n := &Networks{cfg: cfg, log: log, figures: newFigures()}
	if reg != nil {
		if err := n.figures.register(reg); err != nil {
			return nil, err
		}
	}
	t, infos, err := load(context.Background(), cfg)
	if err != nil {
		return nil, err
	}
	n.initial = infos
	n.swap(t)
	return n, nil
}

// Table returns the table in force, for as long as the caller wants it.
func (n *Networks) Table() *Table { return n.table.Load() }

// Lookup says whose address a is, by the table in force; see Table.Lookup.
func (n *Networks) Lookup(a netip.Addr) report.Holder { return n.table.Load().Lookup(a) }

// Cursor returns a new cursor over the table in force; see Cursor.
func (n *Networks) Cursor() *Cursor { return n.table.Load().Cursor() }

// swap puts t in force, for everybody at once.
func (n *Networks) swap(t *Table) {
	n.table.Store(t)
	var refused int64
	for _, s := range t.Sources() {
		refused += s.Refused
		if s.Refused == 0 {
			continue
		}
		n.log.Warn("address table has lines that cannot be used", "file", s.Path, "kind", string(s.Kind),
			"used", s.Rows, "refused", s.Refused, "first_line", s.Problems[0].Line, "first_reason", s.Problems[0].Reason)
	}
	n.figures.prefixes.Set(float64(t.Prefixes()))
	n.figures.refused.Set(float64(refused))
	n.figures.loaded.Set(float64(time.Now().Unix()))
	n.log.Info("address table in force", "prefixes", t.Prefixes(), "files", len(t.Sources()))
}

// figures is what the room tells Prometheus.
type figures struct {
	prefixes, loaded, refused prometheus.Gauge
	failures                  prometheus.Counter
}

func newFigures() figures {
	return figures{
		prefixes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tocsin_network_table_prefixes",
			Help: "Prefixes in the address table in force, those of the config among them.",
		}),
		loaded: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tocsin_network_table_loaded_timestamp_seconds",
			Help: "When the address table in force was loaded, in Unix seconds.",
		}),
		refused: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tocsin_network_table_refused_lines",
			Help: "Lines of the table files in force that could not be used.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tocsin_network_table_load_failures_total",
			Help: "Reloads that failed and left the table before in force.",
		}),
	}
}

func (f figures) register(reg prometheus.Registerer) error {
	var errs []error
	for _, c := range []prometheus.Collector{f.prefixes, f.loaded, f.refused, f.failures} {
		errs = append(errs, reg.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("register the metrics of network: %w", err)
	}
	return nil
}
