package evidence

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// maxFaults is how many faults a report lists. It counts them all.
const maxFaults = 1000

// CheckOptions say what else the log is held to.
type CheckOptions struct {
	Since     []byte                 // a checkpoint that somebody kept: nothing before it may have changed
	SinceName string                 // the file that it was kept in
	Seen      *Seen                  // the head that somebody remembers, the database above all
	Progress  func(done, all uint64) // in entries; may be nil
	Each      func(f Fault)          // each fault when it is found, also those that the report does not list; may be nil
}

// Report is what a check found.
type Report struct {
	Checkpoint Checkpoint // as verified; zero where it is not to be trusted
	Since      Checkpoint // the one that was kept, as verified
	Entries    uint64
	Files      uint64  // whose every byte was checked
	Newer      uint64  // files that a running node has written since the check began, and which the next one will check
	Faults     []Fault // the first thousand
	Faulty     int     // how many there are
}

// Fault is one thing that is wrong.
type Fault struct {
	File string // in the log's folder, with slashes
	What string // the sentence
	Kept bool   // File is the checkpoint that was kept elsewhere
}

// String is the fault as people read it.
func (f Fault) String() string { return f.File + ": " + f.What }

// Check holds every byte of the log in dir to the signature of its checkpoint. It writes nothing, runs beside a node, and
// needs no more memory for a large log than for a small one. Its error says that it could not look; what it found wrong
// is in the report. ErrNone says that there is no log.
func Check(ctx context.Context, dir string, trust Trust, opts CheckOptions) (Report, error) {
	c := &checker{dir: dir, opts: opts}
	if _, err := os.Stat(dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w in %s", ErrNone, dir)
		}
		return c.report, err
	}
	raw, err := readSmall(filepath.Join(dir, checkpointName))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, tileFolder)); err == nil {
			c.fault(checkpointName, "it is missing: nothing says what the log should be")
			return c.report, nil
		}
		return c.report, fmt.Errorf("%w in %s", ErrNone, dir)
	}
	if err != nil {
		return c.report, err
	}
	head, err := trust.Parse(raw)
	if err != nil {
		c.fault(checkpointName, "%s", err)
		// Without a signature the state says how large the tree is: what contradicts itself is found even so.
		state, err := readState(dir)
		if err != nil {
			c.fault(treeStateName, "%s", reason(err))
			return c.report, ctx.Err()
		}
		head.Head = Head{Size: state.size, Root: state.root}
	} else {
		c.report.Checkpoint = head
	}
	c.size, c.root = head.Size, head.Root
	c.report.Entries = c.size
	c.report.Files++
	if err := c.tree(ctx); err != nil {
		return c.report, err
	}
	if err := c.names(); err != nil {
		return c.report, err
	}
	if c.report.Checkpoint.Key != nil {
		c.state(ctx, trust)
		c.since(trust)
	}
	if err := c.settle(ctx); err != nil {
		return c.report, err
	}
	return c.report, ctx.Err()
}

type checker struct {
	dir    string
	opts   CheckOptions
	size   uint64
	root   Root
	done   uint64
	left   []string // files that belong to no tree of this size
	report Report
}

func (c *checker) fault(file, format string, args ...any) {
	c.note(Fault{File: file, What: fmt.Sprintf(format, args...)})
}

func (c *checker) note(f Fault) {
	c.report.Faulty++
	if len(c.report.Faults) < maxFaults {
		c.report.Faults = append(c.report.Faults, f)
	}
	if c.opts.Each != nil {
		c.opts.Each(f)
	}
}

// tree checks tiles and bundles from the root down. The partial tiles of the edge make the root; each hash of a tile is
// that of the tile below. Where something does not fit, the hashes are made anew from what lies below, to tell which of
// the two is wrong: so exactly the file that was changed is named.
func (c *checker) tree(ctx context.Context) error {
	if c.size == 0 {
		var e Edge
		if c.root != e.Root() {
			c.fault(checkpointName, "its root is not that of an empty log")
		}
		return nil
	}
	places := edgePlaces(c.size)
	stored, below := make([][]tlog.Hash, len(places)), make([][]tlog.Hash, len(places))
	for i, p := range places {
		stored[i] = c.stored(p)
		below[i] = c.below(p, stored[i])
	}
	truth, known := judge(stored, below, func(all [][]tlog.Hash) bool {
		var e Edge
		for i, p := range places {
			for _, h := range all[i] {
				e.push(tileHeight*int(p.level), h)
			}
		}
		return e.Root() == c.root
	})
	if !known {
		c.fault(checkpointName, "the %d entries here make another tree than it signs", c.size)
	}
	for i, p := range places {
		if err := c.tile(ctx, p, stored[i], truth[i]); err != nil {
			return err
		}
	}
	return nil
}

// maxOpen is how many hashes may be in doubt at once: each way of choosing among them is tried.
const maxOpen = 12

// judge finds which of the hashes are right: those in the tiles, or some of those that are made from below. Where no choice
// of them is it takes what is there.
func judge(stored, below [][]tlog.Hash, right func(all [][]tlog.Hash) bool) (truth [][]tlog.Hash, known bool) {
	type doubt struct{ tile, hash int }
	var open []doubt
	truth = make([][]tlog.Hash, len(stored))
	for i := range truth {
		switch {
		case stored[i] == nil:
			truth[i] = slices.Clone(below[i])
		case below[i] == nil:
			truth[i] = slices.Clone(stored[i])
		default:
			truth[i] = slices.Clone(stored[i])
			for j := range truth[i] {
				if stored[i][j] != below[i][j] {
					open = append(open, doubt{i, j})
				}
			}
		}
		if truth[i] == nil {
			return below, false
		}
	}
	pick := func(way uint) bool {
		for n, d := range open {
			from := stored
			if way>>min(n, maxOpen-1)&1 == 1 { // the rest goes with the last
				from = below
			}
			truth[d.tile][d.hash] = from[d.tile][d.hash]
		}
		return right(truth)
	}
	var ways []uint
	for way := range uint(1) << min(len(open), maxOpen) {
		ways = append(ways, way)
	}
	slices.SortStableFunc(ways, func(a, b uint) int { return bits.OnesCount(a) - bits.OnesCount(b) })
	if slices.ContainsFunc(ways, pick) {
		return truth, true
	}
	pick(ways[len(ways)-1])
	return truth, false
}

// stored are the hashes in a tile's file, nil where it has none.
func (c *checker) stored(p place) []tlog.Hash {
	hashes, _, err := p.hashes(c.dir)
	if err != nil {
		return nil
	}
	return hashes
}

// below are a tile's hashes as what is below makes them. Where something is missing there they are the tile's own, and nil
// where it has none.
func (c *checker) below(p place, stored []tlog.Hash) []tlog.Hash {
	all := slices.Clone(stored)
	if all == nil {
		all = make([]tlog.Hash, p.width)
	}
	if p.level == 0 {
		p.entries = true
		data, _, err := p.read(c.dir)
		for i := 0; err == nil && i < len(all); i++ {
			var entry []byte
			if entry, data, err = nextEntry(data); err == nil {
				all[i] = tlog.RecordHash(entry)
			}
		}
		if err != nil {
			return stored
		}
		return all
	}
	for i := range all {
		child := c.stored(place{level: p.level - 1, index: p.index*width + uint64(i), width: width})
		if child == nil && stored == nil {
			return nil
		}
		if child != nil {
			all[i] = rootOf(child)
		}
	}
	return all
}

// full checks a full tile of which the hash is known, and all below it.
func (c *checker) full(ctx context.Context, p place, want tlog.Hash) error {
	stored := c.stored(p)
	if stored != nil && rootOf(stored) == want {
		return c.tile(ctx, p, stored, stored)
	}
	truth, known := judge([][]tlog.Hash{stored}, [][]tlog.Hash{c.below(p, stored)}, func(all [][]tlog.Hash) bool {
		return rootOf(all[0]) == want
	})
	if !known && slices.Equal(stored, truth[0]) && stored != nil { // what is below is held to itself
		c.fault(p.path(), "it is not what the tile above says")
	}
	return c.tile(ctx, p, stored, truth[0])
}

// tile checks a tile, the partial ones that it had before, and all below it. truth is nil where nothing is known of it.
func (c *checker) tile(ctx context.Context, p place, stored, truth []tlog.Hash) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.report.Files++
	switch _, name, err := p.hashes(c.dir); {
	case err != nil:
		c.fault(name, "%s", reason(err))
	case !slices.Equal(stored, truth):
		for i := range truth {
			if stored[i] != truth[i] {
				c.fault(name, "hash %d is not that of %s", i, p.child(i))
				break
			}
		}
	}
	if truth == nil {
		return nil
	}
	if err := c.partials(p, truth); err != nil {
		return err
	}
	if p.level > 0 {
		for i, h := range truth {
			if err := c.full(ctx, place{level: p.level - 1, index: p.index*width + uint64(i), width: width}, h); err != nil {
				return err
			}
		}
		return nil
	}
	b := p
	b.entries = true
	c.report.Files++
	c.bundle(b, truth)
	if err := c.partials(b, truth); err != nil {
		return err
	}
	c.done += uint64(p.width)
	if c.opts.Progress != nil {
		c.opts.Progress(c.done, c.size)
	}
	return nil
}

// child says what a hash of a tile stands for.
func (p place) child(i int) string {
	at := p.index*width + uint64(i)
	if p.level == 0 {
		return "entry " + strconv.FormatUint(at, 10)
	}
	return place{level: p.level - 1, index: at, width: width}.path()
}

// bundle checks the entries of a bundle. One fault is enough for a file: where a length is wrong, all that follows is.
func (c *checker) bundle(p place, truth []tlog.Hash) {
	data, name, err := p.read(c.dir)
	if err != nil {
		// It may be that the full bundle, out of which a partial one is read, ends early: the entries say so best.
		if data, err = readLimited(filepath.Join(c.dir, name)); err != nil {
			c.fault(name, "%s", reason(err))
			return
		}
	}
	wrong, first := 0, -1
	for i := range p.width {
		var entry []byte
		if entry, data, err = nextEntry(data); err != nil || tlog.RecordHash(entry) != truth[i] {
			wrong++
			if first < 0 {
				first = i
			}
		}
		if err != nil {
			wrong = p.width - first
			break
		}
	}
	switch {
	case wrong == 1:
		c.fault(name, "entry %d is not what the tree says", p.index*width+uint64(first))
	case wrong > 1:
		c.fault(name, "entry %d is not what the tree says, nor are %d after it", p.index*width+uint64(first), wrong-1)
	case len(data) > 0:
		c.fault(name, "%d bytes follow its last entry", len(data))
	}
}

// partials checks the files of which p has taken the place: they stay until it is full.
func (c *checker) partials(p place, truth []tlog.Hash) error {
	whole := p
	whole.width = width
	folder := whole.path() + partialEnding
	found, err := os.ReadDir(filepath.Join(c.dir, folder))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		c.fault(folder, "%s", reason(err))
		return nil
	}
	for _, f := range found {
		old, ok := parsePlace(folder + "/" + f.Name())
		if !ok || old.width >= p.width { // it is the edge itself, or not of this tree: see names
			continue
		}
		if _, err := os.Lstat(filepath.Join(c.dir, old.path())); errors.Is(err, fs.ErrNotExist) {
			continue // a running node has just swept it
		}
		c.report.Files++
		if old.entries {
			c.bundle(old, truth)
			continue
		}
		hashes, name, err := old.hashes(c.dir)
		switch {
		case err != nil:
			c.fault(name, "%s", reason(err))
		case !slices.Equal(hashes, truth[:old.width]):
			c.fault(name, "it is not the beginning of %s", p.path())
		}
	}
	return nil
}

// names looks for files that should not be there.
func (c *checker) names() error {
	return filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // a running node has just removed it
			return nil
		}
		rel, relErr := filepath.Rel(c.dir, path)
		if relErr != nil {
			return relErr
		}
		name := filepath.ToSlash(rel)
		if err != nil {
			c.fault(name, "%s", reason(err))
			return nil
		}
		switch {
		case d.IsDir():
			return nil
		case !d.Type().IsRegular():
			c.fault(name, "it is not a file: it does not belong here")
			return nil
		}
		switch name {
		case checkpointName, treeStateName:
			return nil
		case versionName:
			c.report.Files++
			if !sameFile(path, []byte(tesseraVersion)) {
				c.fault(name, "it does not say %s", tesseraVersion)
			}
			return nil
		case lockName, stateFolder + "/treeState.lock", stateFolder + "/publish.lock":
			c.report.Files++
			if info, err := d.Info(); err == nil && info.Size() != 0 {
				c.fault(name, "it should be empty")
			}
			return nil
		}
		if p, ok := parsePlace(name); !ok || !c.covers(p) {
			if len(c.left) < maxFaults {
				c.left = append(c.left, name)
			} else {
				c.fault(name, notOurs)
			}
		}
		return nil
	})
}

const notOurs = "it does not belong to the log that the checkpoint signs: a write that was cut short left it, which the " +
	"next start of the node clears away, or somebody put it here"

// covers reports whether a tree of this size has, or has had, such a tile.
func (c *checker) covers(p place) bool {
	at := c.size >> (tileHeight * p.level)
	switch {
	case tileHeight*p.level >= 64:
		return false
	case p.index < at/width:
		return true
	}
	return p.index == at/width && p.width < width && p.width <= int(at%width)
}

// settle says of the files that belong to no tree of this size what they are. A running node writes files that it has
// not signed yet, and signs files that were written since the check began.
func (c *checker) settle(ctx context.Context) error {
	if len(c.left) == 0 {
		return nil
	}
	running, err := c.running()
	if err != nil {
		return err
	}
	if running { // its temporary files are gone in a moment
		pause(ctx, 200*time.Millisecond)
	}
	for _, name := range c.left {
		_, err := os.Lstat(filepath.Join(c.dir, name))
		p, tile := parsePlace(name)
		switch {
		case running && errors.Is(err, fs.ErrNotExist):
		case running && (tile && !c.covers(p) || strings.HasSuffix(name, tempEnding)):
			c.report.Newer++
		default:
			c.fault(name, notOurs)
		}
	}
	return nil
}

// pause waits a moment, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// running reports whether a process writes the log.
func (c *checker) running() (bool, error) {
	f, err := os.Open(filepath.Join(c.dir, lockName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // a copy
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, nil // it goes with the file
}

// state checks tessera's state. It is not part of what is signed, but the next batch begins with it.
func (c *checker) state(ctx context.Context, trust Trust) {
	c.report.Files++
	var state treeState
	for range 50 { // a running node writes it a moment before the checkpoint
		raw, err := readSmall(filepath.Join(c.dir, treeStateName))
		if err == nil {
			state, err = parseState(raw)
		}
		if err != nil {
			c.fault(treeStateName, "%s", reason(err))
			return
		}
		head, err := readHead(c.dir, trust)
		if err != nil {
			head = c.report.Checkpoint.Head
		}
		if state == (treeState{head.Size, head.Root}) || state == (treeState{c.size, c.root}) {
			return
		}
		if running, err := c.running(); err != nil || !running {
			break
		}
		pause(ctx, 10*time.Millisecond)
	}
	c.fault(treeStateName, "it says a tree of %d entries, the checkpoint one of %d, or another root: the node was stopped "+
		"while it wrote, and its next start mends that, or somebody changed it", state.size, c.size)
}

// since holds the log to what was seen of it before.
func (c *checker) since(trust Trust) {
	if c.opts.Since != nil {
		trust.Origin = c.report.Checkpoint.Origin
		old, err := trust.Parse(c.opts.Since)
		if err == nil {
			c.report.Since = old
			err = grownFrom(c.dir, c.report.Checkpoint.Head, Seen{old.Size, old.Root})
		}
		if err != nil {
			c.note(Fault{File: c.opts.SinceName, What: err.Error(), Kept: true})
		}
	}
	if c.opts.Seen != nil {
		if err := grownFrom(c.dir, c.report.Checkpoint.Head, *c.opts.Seen); err != nil {
			c.fault(checkpointName, "%s", err)
		}
	}
}

// reason says what is wrong with a file without its path, which stands before it.
func reason(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "it is missing"
	}
	return strings.TrimPrefix(err.Error(), treeStateName+": ")
}

// KeyOf reports whether key signed the checkpoint.
func (c Checkpoint) KeyOf(key ed25519.PublicKey) bool { return c.Key.Equal(key) }
