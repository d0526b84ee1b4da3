package evidence

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// partialEnding ends the name of the folder of a tile's partial files.
const partialEnding = ".p"

// tesseraVersion is what tessera writes into its version file.
const tesseraVersion = "1"

// treeState is how far tessera has got, by its file.
type treeState struct {
	size uint64
	root Root
}

// encode writes the file exactly as tessera does.
func (s treeState) encode() []byte {
	return fmt.Appendf(nil, `{"size":%d,"root":"%s"}`, s.size, base64.StdEncoding.EncodeToString(s.root[:]))
}

func parseState(raw []byte) (treeState, error) {
	var wire struct {
		Size uint64 `json:"size"`
		Root []byte `json:"root"`
	}
	if err := json.Unmarshal(raw, &wire); err != nil || len(wire.Root) != len(Root{}) {
		return treeState{}, errors.New("it is not a size and a root")
	}
	s := treeState{wire.Size, Root(wire.Root)}
	if !bytes.Equal(s.encode(), raw) {
		return treeState{}, errors.New("it is not written as this log writes it")
	}
	return s, nil
}

func readState(dir string) (treeState, error) {
	raw, err := readSmall(filepath.Join(dir, treeStateName))
	if err != nil {
		return treeState{}, err
	}
	s, err := parseState(raw)
	if err != nil {
		return treeState{}, fmt.Errorf("%s: %w", treeStateName, err)
	}
	return s, nil
}

// recover brings the folder to where it can be appended to, and takes its head. tessera would do so by its state alone:
// it believes a state that contradicts the tiles, and where there is none it begins a new log over the old one. Here the
// signed checkpoint is what counts:
//
//   - Entries beyond it that are whole were about to be signed, or were signed by a process that was killed before the
//     checkpoint had its name. They are signed now, as then: there are never two checkpoints of one size.
//   - Whatever else lies beyond it was never in the log, and is removed.
//   - A state that lags behind it, or cannot be read, is written anew from it.
//
// Nothing is removed before it is clear that the log grew out of what was seen of it.
func (l *Log) recover(seen *Seen) error {
	head, err := readHead(l.dir, l.trust)
	if errors.Is(err, ErrNone) {
		if seen != nil && seen.Size > 0 {
			return fmt.Errorf("%w: it had %d entries and is gone", ErrRolledBack, seen.Size)
		}
		return l.create()
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(l.dir, stateFolder), 0o700); err != nil {
		return err
	}
	if !sameFile(filepath.Join(l.dir, versionName), []byte(tesseraVersion)) {
		l.log.Warn("a file of the evidence log was damaged and is written anew", "file", versionName)
		if err := replaceFile(filepath.Join(l.dir, versionName), []byte(tesseraVersion)); err != nil {
			return err
		}
	}
	e, err := storedEdge(l.dir, head.Size)
	if err != nil {
		return lost(err)
	}
	if e.Root() != head.Root {
		return fmt.Errorf("the tiles make another tree than the checkpoint signs: %w", ErrDamaged)
	}
	if rest := head.Size % width; rest > 0 { // the bundle that the next batch begins with a copy of
		if _, err := readBundle(l.dir, head.Size, head.Size/width); err != nil {
			return lost(err)
		}
	}
	if err := l.settle(&head, &e); err != nil {
		return err
	}
	if seen != nil {
		if err := grownFrom(l.dir, head, *seen); err != nil {
			return err
		}
	}
	if err := l.refuseLonger(head.Size); err != nil {
		return err
	}
	if err := l.clear(head.Size); err != nil {
		return err
	}
	if err := l.syncEdge(head.Size); err != nil {
		return err
	}
	l.edge = e
	l.head.Store(&head)
	return nil
}

// lost says that the log is damaged where a file of it is missing or too short; a file that could not be read now may be
// fine.
func lost(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errShape) {
		return fmt.Errorf("%w: %w", err, ErrDamaged)
	}
	return err
}

// create makes an empty log. A folder that holds tiles and no checkpoint lost it: a new log there would be a second
// history.
func (l *Log) create() error {
	if _, err := os.Lstat(filepath.Join(l.dir, tileFolder)); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there are entries, and no checkpoint that signs them: %w", ErrDamaged)
	}
	if state, err := readState(l.dir); err == nil && state.size > 0 {
		return fmt.Errorf("there were entries, and there is no checkpoint that signs them: %w", ErrDamaged)
	}
	if err := makeFolder(filepath.Join(l.dir, stateFolder)); err != nil {
		return err
	}
	var e Edge
	for _, f := range []struct {
		name string
		data []byte
	}{{versionName, []byte(tesseraVersion)}, {treeStateName, treeState{0, e.Root()}.encode()}} {
		if err := replaceFile(filepath.Join(l.dir, f.name), f.data); err != nil {
			return err
		}
	}
	if err := l.clear(0); err != nil {
		return err
	}
	return l.publish(0, e)
}

// settle brings tessera's state and the checkpoint together.
func (l *Log) settle(head *Head, e *Edge) error {
	state, err := readState(l.dir)
	if err == nil && state == (treeState{head.Size, head.Root}) {
		return nil
	}
	if err != nil || state.size <= head.Size {
		l.log.Warn("a file of the evidence log did not fit its checkpoint and is written anew", "file", treeStateName)
		return replaceFile(filepath.Join(l.dir, treeStateName), treeState{head.Size, head.Root}.encode())
	}
	next, err := l.extended(*head, *e, state.size)
	if err != nil {
		return err
	}
	if next.Root() != state.root {
		return fmt.Errorf("the entries beyond the checkpoint are not those of the tree that was to be signed: %w", ErrDamaged)
	}
	if err := l.syncEdge(state.size); err != nil { // what is signed is durable
		return err
	}
	before := head.Size
	if err := l.publish(state.size, next); err != nil {
		return err
	}
	*head, *e = l.Head(), next
	l.sweep(before, head.Size)
	l.log.Info("the evidence log goes on with entries that had not been signed when it was stopped", "entries", head.Size-before)
	return nil
}

// extended is the edge of the tree that the entries up to size make of this one, where they and their tiles are whole.
func (l *Log) extended(head Head, e Edge, size uint64) (Edge, error) {
	for index := head.Size / width; index*width < size; index++ {
		all, err := readBundle(l.dir, size, index)
		if err != nil {
			return Edge{}, lost(err)
		}
		first := index * width
		for i, entry := range all {
			if first+uint64(i) >= head.Size {
				e.Add(entry)
			}
		}
	}
	stored, err := storedEdge(l.dir, size)
	if err != nil {
		return Edge{}, lost(err)
	}
	if stored.Root() != e.Root() {
		return Edge{}, fmt.Errorf("the tiles beyond the checkpoint are not those of their entries: %w", ErrDamaged)
	}
	return e, nil
}

// refuseLonger refuses a log beside whose edge lies more than one batch can have left: that is a longer log, of which
// somebody put an older checkpoint and state in place. Of each tile a batch writes one partial file at most.
func (l *Log) refuseLonger(size uint64) error {
	longer := fmt.Errorf("%w: its checkpoint covers %d entries, and there are files of many more", ErrRolledBack, size)
	for _, p := range []place{edgePlace(0, size), {entries: true, index: size / width, width: int(size % width)}} {
		if p.width > 0 {
			if _, err := os.Lstat(filepath.Join(l.dir, p.path())); err != nil {
				return longer // it was read out of the full one, which has taken its place
			}
		}
		p.width, p.index = width, p.index+reachOf(0)+1
		if _, err := os.Lstat(filepath.Join(l.dir, p.path())); err == nil {
			return longer
		}
		p.index = size / width
		found, err := os.ReadDir(filepath.Join(l.dir, p.path()+partialEnding))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		beyond := 0
		for _, f := range found {
			if w, err := strconv.Atoi(f.Name()); err == nil && w > int(size%width) && w < width {
				beyond++
			}
		}
		if beyond > 1 {
			return longer
		}
	}
	return nil
}

// reachOf is how many tiles of a level one batch can add to.
func reachOf(level uint64) uint64 { return batchEntries>>(tileHeight*(level+1)) + 1 }

// Names that are only left where a write was cut short: tessera's temporary files have the name of the real one with a
// number behind it, ours end in .new.
var (
	leftState = regexp.MustCompile(`^(treeState|version|gcState)([0-9]+|\.new)$`)
	leftHead  = regexp.MustCompile(`^checkpoint([0-9]+|\.new)$`)
	leftTile  = regexp.MustCompile(`^[0-9]{4,}$`)
)

// clear removes what lies beyond the tree of size entries, and what is left of writes that were cut short. Both can only
// be in the folders of the Edge, and of what one batch adds to it.
func (l *Log) clear(size uint64) error {
	if err := removeMatching(l.dir, leftHead); err != nil {
		return err
	}
	if err := removeMatching(filepath.Join(l.dir, stateFolder), leftState); err != nil {
		return err
	}
	for level := uint64(0); ; level++ {
		at := edgePlace(level, size)
		for _, p := range []place{at, {entries: true, index: at.index, width: at.width}} {
			if p.entries && level > 0 {
				continue
			}
			if err := l.clearLevel(p, reachOf(level)); err != nil {
				return err
			}
		}
		if size>>(tileHeight*level) == 0 {
			return nil
		}
	}
}

// clearLevel clears a level beyond its edge.
func (l *Log) clearLevel(at place, reach uint64) error {
	var folders []string
	for i := at.index; i <= at.index+reach; i++ {
		p := place{entries: at.entries, level: at.level, index: i, width: width}
		if folder := filepath.Dir(p.path()); !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	for _, folder := range folders {
		found, err := os.ReadDir(filepath.Join(l.dir, folder))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, f := range found {
			if err := l.clearName(at, folder+"/"+f.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

// clearName removes a tile, a bundle or a folder of partial ones if it lies beyond the Edge, or is no whole file at all.
func (l *Log) clearName(at place, name string) error {
	path := filepath.Join(l.dir, name)
	base := filepath.Base(name)
	if leftTile.MatchString(base) {
		return os.Remove(path)
	}
	full, partial := strings.CutSuffix(name, partialEnding)
	p, ok := parsePlace(full)
	if !ok {
		return nil // a folder with an x, or somebody else's: the check names that
	}
	if !partial {
		if p.index < at.index {
			return nil
		}
		return os.Remove(path)
	}
	if p.index < at.index { // killed before it was swept
		if _, err := os.Lstat(filepath.Join(l.dir, full)); err != nil {
			return nil //nolint:nilerr // what should be there is not: the check names that
		}
	}
	if p.index != at.index || at.width == 0 {
		return os.RemoveAll(path)
	}
	found, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, f := range found {
		if w, err := strconv.Atoi(f.Name()); err == nil && w > at.width {
			if err := os.Remove(filepath.Join(path, f.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func removeMatching(dir string, names *regexp.Regexp) error {
	found, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range found {
		if names.MatchString(f.Name()) {
			if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// syncEdge syncs the folders on the way to the edge. tessera syncs a folder's parent when it makes the folder, and not
// again when it finds it there: a process that was killed in between left one that the disk may not know.
func (l *Log) syncEdge(size uint64) error {
	done := map[string]bool{}
	sync := func(name string) error {
		for dir := filepath.Dir(name); !done[dir]; dir = filepath.Dir(dir) {
			done[dir] = true
			if err := syncFolder(filepath.Join(l.dir, dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			if dir == "." {
				break
			}
		}
		return nil
	}
	names := []string{treeStateName, checkpointName}
	for level := uint64(0); size>>(tileHeight*level) > 0; level++ {
		at := size>>(tileHeight*level) - 1 // the last hash
		last := place{level: level, index: at / width, width: int(at%width) + 1}
		names = append(names, last.path())
		if level == 0 {
			last.entries = true
			names = append(names, last.path())
		}
	}
	for _, name := range names {
		if err := sync(name); err != nil {
			return err
		}
	}
	return nil
}
