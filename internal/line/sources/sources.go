// Package sources is the table of what knows lines: it opens what the config names, reads files on, takes in what comes
// over the network, and puts the questions.
package sources

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"tocsin/internal/line"
	"tocsin/internal/line/acct"
	"tocsin/internal/line/archive"
	"tocsin/internal/line/contact"
	"tocsin/internal/line/detail"
	"tocsin/internal/line/dhcpd"
	"tocsin/internal/line/hold"
	"tocsin/internal/line/kea"
	"tocsin/internal/line/nat"
	"tocsin/internal/line/radius"
	"tocsin/internal/line/static"
	"tocsin/internal/report"
)

// Log keeps what sources said.
type Log interface {
	archive.Log

	// Drop deletes the batches of a source that were kept before a moment.
	Drop(ctx context.Context, source string, before time.Time) error
}

// Needs is what Open takes from the node.
type Needs struct {
	Dir      string // for files that can be built anew
	Table    archive.Table
	Log      Log
	Holds    hold.Store     // nil: nothing can be held
	Keys     []archive.Keys // the one in use first
	Logger   *slog.Logger
	Registry prometheus.Registerer
	Now      func() time.Time
}

// Lines is the line room of a node.
type Lines struct {
	cfg     Config
	needs   Needs
	lines   *archive.Lines
	room    line.Room
	sources []*source
	files   []*files
	servers []server

	queries  []*query
	contacts contact.Book // nil: nothing knows contacts
	asked    []asked
}

// source is one that keeps sessions.
type source struct {
	name, kind string
	archive    *archive.Source
	keep       time.Duration
	how        reader // zero where it has no files
	log        *slog.Logger
	refused    atomic.Int64
	logs       bool               // its rows are in the order of time: one that cannot be used leaves a gap
	ends       map[string][]int64 // when readings ended, by device: for whoever reads
	clocksPath string
	clocksKept []byte
	clocks     line.Clocks // of its devices: for whoever reads
	down       atomic.Bool // it does not answer
}

// Open opens what the config names. The caller closes it.
func Open(ctx context.Context, cfg Config, needs Needs) (*Lines, error) {
	l := &Lines{cfg: cfg, needs: needs}
	var err error
	if l.lines, err = archive.OpenLines(ctx, needs.Table, needs.Now, needs.Keys...); err != nil {
		return nil, err
	}
	if err := errors.Join(l.open(ctx), l.loadHolds(ctx)); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if needs.Registry != nil {
		if err := needs.Registry.Register(collector{l}); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

func (l *Lines) open(ctx context.Context) error {
	for i := range l.cfg.FixedNAT {
		n := l.cfg.FixedNAT[i].nat()
		l.room.Sources = append(l.room.Sources, &n)
	}
	for i := range l.cfg.Tables {
		t := &l.cfg.Tables[i]
		z, err := zone(t.Zone)
		if err != nil {
			return err
		}
		table := &static.Table{Name: t.Name, Zone: z, Since: t.Since}
		if err := l.source(ctx, t.Name, "table", t.Keep, line.Rules{Standing: true}, reader{read: table.Read}, t.File); err != nil {
			return err
		}
	}
	for i := range l.cfg.Detail {
		d := &l.cfg.Detail[i]
		z, err := zone(d.Zone)
		if err != nil {
			return err
		}
		f := &detail.Files{Identity: acct.Identity(d.Identity), Zone: z}
		how := reader{end: "\n\n", read: func(r io.Reader, _ time.Time) iter.Seq2[line.Record, error] { return f.Read(r) }}
		if err := l.source(ctx, d.Name, "detail", d.Keep, line.Rules{Interim: true}, how, d.Files...); err != nil {
			return err
		}
	}
	for i := range l.cfg.Kea {
		k := &l.cfg.Kea[i]
		f := &kea.Files{Realm: k.Realm, Identity: k.Identity}
		how := reader{end: "\n", header: true, whole: true, read: func(r io.Reader, _ time.Time) iter.Seq2[line.Record, error] { return f.Read(r) }}
		if err := l.source(ctx, k.Name, "kea", k.Keep, line.Rules{}, how, k.Files...); err != nil {
			return err
		}
	}
	for i := range l.cfg.DHCPD {
		k := &l.cfg.DHCPD[i]
		f := &dhcpd.Files{Realm: k.Realm, Identity: k.Identity}
		how := reader{end: "\n}\n", whole: true, read: func(r io.Reader, _ time.Time) iter.Seq2[line.Record, error] { return f.Read(r) }}
		if err := l.source(ctx, k.Name, "dhcpd", k.Keep, line.Rules{}, how, k.Files...); err != nil {
			return err
		}
	}
	for i := range l.cfg.NAT {
		n := &l.cfg.NAT[i]
		z, err := zone(n.Zone)
		if err != nil {
			return err
		}
		f := &nat.Logs{Realm: n.Realm, VRFs: n.VRFs, Zone: z, OwnPorts: n.OwnPorts}
		if err := l.source(ctx, n.Name, "nat", n.Keep, line.Rules{}, reader{end: "\n", read: f.Read}, n.Files...); err != nil {
			return err
		}
	}
	for i := range l.cfg.RADIUS {
		if err := l.source(ctx, l.cfg.RADIUS[i].Name, "radius", l.cfg.RADIUS[i].Keep, line.Rules{Interim: true}, reader{}); err != nil {
			return err
		}
	}
	if err := l.openSyslog(ctx); err != nil {
		return err
	}
	for i := range l.cfg.SQL {
		if err := l.openSQL(ctx, &l.cfg.SQL[i]); err != nil {
			return err
		}
	}
	if err := l.openHTTP(); err != nil {
		return err
	}
	return l.openContact()
}

// source opens one that keeps sessions.
func (l *Lines) source(ctx context.Context, name, kind string, keep time.Duration, rules line.Rules, how reader, patterns ...string) error {
	a, err := archive.OpenSource(ctx, l.needs.Dir, name, rules, l.lines, l.needs.Log)
	if err != nil {
		return err
	}
	if keep == 0 {
		keep = l.cfg.Keep
	}
	s := &source{name: name, kind: kind, archive: a, keep: keep, how: how, logs: how.end != "", log: l.needs.Logger}
	s.loadClocks(filepath.Join(l.needs.Dir, name, "clocks"))
	l.sources = append(l.sources, s)
	l.room.Sources = append(l.room.Sources, &witness{Sessions: a, name: name})
	if len(patterns) == 0 {
		return nil
	}
	f := &files{source: s, patterns: patterns, how: how, keys: l.needs.Keys, path: filepath.Join(l.needs.Dir, name, "read")}
	l.files = append(l.files, f)
	return f.load()
}

// loadClocks reads how far devices' clocks were behind. Where that is lost it is measured again: the first record of each
// device then makes its clock look as bad as that record was late.
func (s *source) loadClocks(path string) {
	s.clocksPath = path
	if b, err := os.ReadFile(path); err == nil && json.Unmarshal(b, &s.clocks) == nil {
		s.clocksKept = b
	}
}

func (s *source) keepClocks() error {
	b, err := json.Marshal(&s.clocks)
	if err != nil || bytes.Equal(b, s.clocksKept) || string(b) == "null" {
		return err
	}
	s.clocksKept = b
	return os.WriteFile(s.clocksPath, b, 0o600)
}

// Close writes what is in memory and closes the files.
func (l *Lines) Close() error {
	errs := []error{l.closeSQL()}
	for _, s := range l.servers {
		errs = append(errs, s.Close())
	}
	for _, s := range l.sources {
		errs = append(errs, s.archive.Close(), s.keepClocks())
	}
	for _, a := range l.asked {
		errs = append(errs, a.resolver.Close())
	}
	return errors.Join(errs...)
}

// Listen opens the ports of the config.
func (l *Lines) Listen() error {
	for i := range l.cfg.RADIUS {
		r := &l.cfg.RADIUS[i]
		clients := make([]radius.Client, len(r.Clients))
		for k, c := range r.Clients {
			secret, err := os.ReadFile(c.SecretFile)
			if err != nil {
				return fmt.Errorf("read lines.radius[%d].clients[%d].secret_file: %w", i, k, err)
			}
			if secret = bytes.TrimRight(secret, "\r\n"); len(secret) == 0 {
				return fmt.Errorf("lines.radius[%d].clients[%d].secret_file is empty: write the shared secret into it", i, k)
			}
			clients[k] = radius.Client{Network: c.Network, Secret: secret, RequireMessageAuthenticator: c.RequireMessageAuthenticator}
		}
		s := l.named(r.Name)
		reg := l.needs.Registry
		if reg != nil {
			reg = prometheus.WrapRegistererWith(prometheus.Labels{"source": r.Name}, reg)
		}
		server, err := radius.Listen(r.Listen, clients, acct.Identity(r.Identity), func(ctx context.Context, records []line.Record) error {
			for i := range records {
				s.clocks.Widen(&records[i])
			}
			refused, err := s.archive.Tell(ctx, records)
			s.refused.Add(int64(refused))
			return err
		}, l.needs.Now, l.needs.Logger, reg)
		if err != nil {
			return err
		}
		l.servers = append(l.servers, server)
	}
	return l.listenSyslog()
}

// Run takes in what sources say until ctx ends.
func (l *Lines) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range l.servers {
		g.Go(func() error { return s.Run(ctx) })
	}
	g.Go(func() error { return l.repeat(ctx, l.cfg.Every, l.pollFiles) })
	g.Go(func() error { return l.repeat(ctx, followEvery, l.follow) })
	l.runSQL(ctx, g)
	return g.Wait()
}

const followEvery = time.Second // what other workers were told is known here so late

// follow takes what other workers of the node have told. Where one has purged a source, what it held before is known to
// the database.
func (l *Lines) follow(ctx context.Context) error {
	var errs []error
	purged := false
	for _, s := range l.sources {
		was := s.archive.Deleted()
		errs = append(errs, s.archive.CatchUp(ctx))
		purged = purged || s.archive.Deleted() != was
	}
	if purged {
		errs = append(errs, l.loadHolds(ctx))
	}
	return errors.Join(errs...)
}

// repeat polls until ctx ends.
func (l *Lines) repeat(ctx context.Context, every time.Duration, poll func(context.Context) error) error {
	t := time.NewTicker(every)
	defer t.Stop()
	last := ""
	for {
		err := poll(ctx)
		if err != nil && ctx.Err() == nil && err.Error() != last { // once, not every minute
			l.needs.Logger.Warn("a source of lines cannot be read and will be tried again", "error", err)
		}
		last = ""
		if err != nil {
			last = err.Error()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// Poll reads what is new in all files and databases. What can be read is, whatever else cannot.
func (l *Lines) Poll(ctx context.Context) error {
	return errors.Join(l.pollFiles(ctx), l.pollSQL(ctx))
}

func (l *Lines) pollFiles(ctx context.Context) error {
	var errs []error
	for _, f := range l.files {
		if err := f.poll(ctx, l.needs.Now()); err != nil {
			errs = append(errs, fmt.Errorf("source %s: %w", f.source.name, err))
		}
	}
	return errors.Join(errs...)
}

// Has reports whether a source that keeps sessions has the name.
func (l *Lines) Has(name string) bool { return l.named(name) != nil }

func (l *Lines) named(name string) *source {
	for _, s := range l.sources {
		if s.name == name {
			return s
		}
	}
	return nil
}

// Import tells a source, named as in the config, what a file says that was written last at a time. Of a table that is the
// file which the config names, and no other: it says what holds now.
func (l *Lines) Import(ctx context.Context, name string, r io.Reader, written time.Time) (Told, error) {
	s := l.named(name)
	if s == nil || s.how.read == nil {
		var all []string
		for _, s := range l.sources {
			if s.how.read != nil {
				all = append(all, s.name)
			}
		}
		return Told{}, fmt.Errorf("no source that reads files has the name %q: lines in tocsin.yaml names %s", name, strings.Join(all, ", "))
	}
	if s.how.end != "" {
		return s.tell(ctx, s.how.read(r, written), written, false)
	}
	for _, f := range l.files {
		if f.source == s && f.has(r) {
			return f.tellWhole(ctx, r, l.needs.Now())
		}
	}
	return Told{}, fmt.Errorf("%s is a table, which says who has which address now: only the file that lines.tables names is read, as another would undo what it says. Put the rows into that file, with from and to where they have ended", name)
}

// Which says which line held an address. The answer has the line's handle where it is unique. shared says that many lines
// share the address, so that without a port it names nobody.
func (l *Lines) Which(ctx context.Context, s *line.Selector, shared bool) (report.LineAnswer, error) {
	a, holder, err := l.room.Look(ctx, s)
	if err != nil || a.State != report.LineUnique {
		return a, err
	}
	if shared && s.Port == 0 {
		return line.PortNeeded(1), nil
	}
	a.Handle, err = l.lines.Handle(ctx, holder.Line)
	if err == nil && a.Handle == "" {
		err = errors.New("the database does not have a line that the log names: restore it from a backup")
	}
	return a, err
}

// Purged is what Purge deleted of a source.
type Purged struct {
	Source   string `json:"source"`
	Before   string `json:"before"` // day, UTC
	Sessions int    `json:"sessions"`
}

// seeBefore is how long before their names would be forgotten lines are looked for that go on without a word: longer than
// from one deletion to the next, and than clocks are off.
const seeBefore = 7 * 24 * time.Hour

// Purge deletes what has come to its end: the days of each source before now less its time, and the names of lines of
// which no source has said anything for as long, nor said before that they hold something still. Where before is not zero, it goes for all of these sources instead.
func (l *Lines) Purge(ctx context.Context, before time.Time, names ...string) ([]Purged, error) {
	if err := l.renewHolds(ctx); err != nil {
		return nil, fmt.Errorf("find what is held, before which nothing is deleted: %w", err)
	}
	var out []Purged
	longest := time.Duration(0)
	if len(l.asked) > 0 { // their lines keep their handles for as long as those of others
		longest = l.cfg.Keep
	}
	for _, s := range l.sources {
		longest = max(longest, s.keep)
		end := before
		if end.IsZero() {
			end = l.needs.Now().Add(-s.keep)
		} else if len(names) > 0 && !slices.Contains(names, s.name) {
			continue
		}
		// First what came in before, as what the purge says has to outlast that.
		if err := l.needs.Log.Drop(ctx, s.name, end); err != nil {
			return out, err
		}
		n, err := s.archive.Purge(ctx, end)
		if err != nil {
			return out, fmt.Errorf("source %s: %w", s.name, err)
		}
		if n > 0 {
			out = append(out, Purged{s.name, end.UTC().Format(time.DateOnly), n})
		}
	}
	end := l.needs.Now().Add(-longest - 24*time.Hour)
	for _, s := range l.sources {
		if err := s.archive.See(ctx, end.Add(seeBefore)); err != nil {
			return out, err
		}
	}
	_, err := l.lines.Forget(ctx, end)
	return out, err
}
