package bench

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/internal/app"
	"tocsin/internal/incident"
	"tocsin/internal/line"
	"tocsin/internal/line/archive"
	"tocsin/internal/report"
	"tocsin/internal/store"
	"tocsin/internal/stream"
)

// LinesOptions say what Lines measures.
type LinesOptions struct {
	Sessions   int
	CPUProfile string                // file for a CPU profile of all of it; empty: none
	Dir        string                // as Options.Dir
	Progress   func(done, all int64) // may be nil
}

// LinesResult is what Lines measured.
type LinesResult struct {
	LookupP50       int64   `json:"lookup_ns_p50"`
	LookupP99       int64   `json:"lookup_ns_p99"`
	IngestPerSecond float64 `json:"ingest_per_second"` // sessions, each with its start and its stop, until they are durable and can be asked for
	BytesPerSession float64 `json:"bytes_per_session"` // of segment files, pseudonyms and state; not of the log
	PeakRSSMiB      float64 `json:"peak_rss_mib"`
	Wrong           int     `json:"wrong"` // lookups that named another line than the one that held the address
	Unique          int     `json:"unique"`
	Lookups         int     `json:"lookups"`
	Sessions        int     `json:"sessions"`
	Lines           int     `json:"lines"`
	Seconds         float64 `json:"seconds"` // of the ingest
}

// The access network of Lines: half of the sessions are those of RADIUS, with a name each, on addresses of their own; the
// other half port blocks of 512 that a NAT logs without names. Each address or block is held for six hours, less some
// seconds, by one line after the other. What holds what follows from a few multiplications, so nothing has to be kept to
// judge the answers.
const (
	holdFor    = 6 * 3600
	freeFor    = 40 // seconds between two sessions
	rounds     = 28 // a week
	lookups    = 200_000
	perBatch   = 4000
	blockPorts = 512
	blocks     = (65536 - 1024) / blockPorts
)

var linesBegin = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Unix()

// slot is an address, or a block of ports of one.
type slot struct {
	addr netip.Addr
	lo   uint16
	nat  bool
}

type population struct{ slots, lines int }

func (p population) slot(i int) slot {
	if i%2 == 0 {
		n := i / 2
		return slot{addr: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})}
	}
	n := i / 2
	a := n / blocks
	return slot{addr: netip.AddrFrom4([4]byte{100, 64 + byte(a>>16), byte(a >> 8), byte(a)}), lo: uint16(1024 + n%blocks*blockPorts), nat: true}
}

// span is when a slot is held for the nth time.
func (p population) span(i, round int) (from, to int64) {
	from = linesBegin + int64(round)*holdFor + int64(i)*holdFor/int64(p.slots)
	return from, from + holdFor - freeFor
}

func (p population) line(i, round int) int {
	return int((uint64(i)*0x9e3779b97f4a7c15 + uint64(round)*0xbf58476d1ce4e5b9) >> 20 % uint64(p.lines))
}

func (p population) record(i, round int, what line.Action) line.Record {
	s := p.slot(i)
	from, to := p.span(i, round)
	r := line.Record{Action: what, NAS: "bras1", Range: line.Whole(netip.PrefixFrom(s.addr, 32)), Held: line.Held{Line: "line" + strconv.Itoa(p.line(i, round))}}
	if s.nat {
		r.NAS, r.Range.Lo, r.Range.Hi = "nat1", s.lo, s.lo+blockPorts-1
	} else {
		r.Session = strconv.Itoa(i) + "-" + strconv.Itoa(round)
	}
	r.At = line.Moment{Earliest: from, Latest: from}
	if what == line.Stop {
		r.At = line.Moment{Earliest: to, Latest: to}
	}
	return r
}

// Lines measures the line room: sessions through the same code as a node's, durable in the embedded stream, then lookups
// of addresses, ports and instants chosen at random.
func Lines(ctx context.Context, opt LinesOptions) (LinesResult, error) {
	dir, cleanup, err := workDir(opt.Dir)
	if err != nil {
		return LinesResult{}, err
	}
	defer cleanup()
	st, err := stream.Open(ctx, stream.Config{}, filepath.Join(dir, "stream"), slog.New(slog.DiscardHandler))
	if err != nil {
		return LinesResult{}, err
	}
	defer st.Close()
	if err := os.MkdirAll(filepath.Join(dir, "db"), 0o700); err != nil {
		return LinesResult{}, err
	}
	db, err := store.Open(ctx, store.Config{}, filepath.Join(dir, "db"), incident.Defaults())
	if err != nil {
		return LinesResult{}, err
	}
	defer db.Close()
	lines, err := archive.OpenLines(ctx, db, time.Now, archive.Keys{Pseudonym: [32]byte{1}, Seal: [32]byte{2}})
	if err != nil {
		return LinesResult{}, err
	}
	var sources [2]*archive.Source
	for i, name := range [...]string{"radius", "nat"} {
		if sources[i], err = archive.OpenSource(ctx, dir, name, line.Rules{}, lines, app.LineLog{Stream: st}); err != nil {
			return LinesResult{}, err
		}
		defer sources[i].Close()
	}
	stop, err := profile(opt.CPUProfile)
	if err != nil {
		return LinesResult{}, err
	}
	defer stop()
	p := population{slots: max(opt.Sessions/rounds, 1)}
	p.lines = max(p.slots/2, 1)
	began := time.Now()
	if err := ingest(ctx, p, sources, opt.Progress); err != nil {
		return LinesResult{}, err
	}
	took := time.Since(began)
	res := LinesResult{
		Sessions: p.slots * rounds, Lines: p.lines, Seconds: took.Seconds(), IngestPerSecond: float64(p.slots*rounds) / took.Seconds(),
	}
	size, err := bytesOf(dir)
	if err != nil {
		return LinesResult{}, err
	}
	res.BytesPerSession = float64(size) / float64(res.Sessions)
	if err := res.look(ctx, p, &line.Room{Sources: []line.Sessions{sources[0], sources[1]}}, lines); err != nil {
		return LinesResult{}, err
	}
	res.PeakRSSMiB = peakRSS()
	return res, nil
}

// ingest tells both sources at once what happened, each in the order of time.
func ingest(ctx context.Context, p population, sources [2]*archive.Source, progress func(done, all int64)) error {
	g, ctx := errgroup.WithContext(ctx)
	var done atomic.Int64
	for i := range sources {
		g.Go(func() error {
			return tell(ctx, p, i, sources[i], func(n int) {
				if n := done.Add(int64(n)); progress != nil {
					progress(n, int64(p.slots*rounds))
				}
			})
		})
	}
	return g.Wait()
}

// tell tells one source of every second slot.
func tell(ctx context.Context, p population, first int, source *archive.Source, progress func(sessions int)) error {
	slots := (p.slots - first + 1) / 2
	all := slots * rounds
	batch := make([]line.Record, 0, perBatch)
	for start, stop := 0, 0; stop < all; {
		what, n := line.Stop, stop
		if start < all { // session n starts before session n+1, and stops before that stops
			from, _ := p.span(first+2*(start%slots), start/slots)
			if _, to := p.span(first+2*(stop%slots), stop/slots); stop == start || from < to {
				what, n = line.Start, start
			}
		}
		if what == line.Start {
			start++
		} else {
			stop++
		}
		batch = append(batch, p.record(first+2*(n%slots), n/slots, what))
		if len(batch) < perBatch && stop < all {
			continue
		}
		refused, err := source.Tell(ctx, batch)
		if err == nil && refused > 0 {
			err = fmt.Errorf("%d records were refused", refused)
		}
		if err != nil {
			return err
		}
		batch = batch[:0]
		progress(perBatch / 2)
	}
	return source.Flush()
}

// look asks and judges the answers.
func (res *LinesResult) look(ctx context.Context, p population, room *line.Room, lines *archive.Lines) error {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same questions each time
	all := make([]int64, 0, lookups)
	type answer struct {
		is   line.ID
		want int
	}
	named, names := make([]answer, 0, lookups), map[line.ID]string{}
	for n := range 2 * lookups { // the first half warms up
		i, round := r.IntN(p.slots), r.IntN(rounds)
		from, to := p.span(i, round)
		at := from + 2 + r.Int64N(to-from-4)
		s := p.slot(i)
		q := line.Selector{Addr: s.addr, Port: s.lo + uint16(r.IntN(blockPorts)), Proto: "tcp", At: time.Unix(at, 0)}
		if q.Port == 0 {
			q.Port = 1
		}
		began := time.Now()
		got, holder, err := room.Look(ctx, &q)
		took := time.Since(began)
		if err != nil {
			return err
		}
		if n < lookups {
			continue
		}
		all = append(all, took.Nanoseconds())
		if got.State != report.LineUnique {
			continue
		}
		res.Unique++
		named = append(named, answer{holder.Line, p.line(i, round)})
	}
	for _, a := range named { // afterwards: a lookup opens no name
		name, ok := names[a.is]
		if !ok {
			var err error
			if name, err = lines.Name(ctx, a.is); err != nil {
				return err
			}
			names[a.is] = name
		}
		if name != "line"+strconv.Itoa(a.want) {
			res.Wrong++
		}
	}
	slices.Sort(all)
	res.Lookups, res.LookupP50, res.LookupP99 = lookups, all[lookups/2], all[lookups*99/100]
	return nil
}

// bytesOf is what the line room has on the disk.
func bytesOf(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == "stream" {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}
