package evidence

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/transparency-dev/tessera/api/layout"
	"golang.org/x/mod/sumdb/tlog"
)

// Names in the folder.
const (
	checkpointName = "checkpoint"
	lockName       = "lock"
	stateFolder    = ".state" // tessera's own
	treeStateName  = stateFolder + "/treeState"
	versionName    = stateFolder + "/version"
	tileFolder     = "tile"
)

const (
	width      = layout.TileWidth // hashes in a full tile, and entries in a full bundle
	tileHeight = layout.TileHeight
	maxBundle  = width * (MaxEntry + 2)
)

func hashOf(parts ...[]byte) (sum Root) {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return Root(h.Sum(sum[:0]))
}

// place is one tile, or one bundle of entries.
type place struct {
	entries bool // the bundle, whose level is 0
	level   uint64
	index   uint64
	width   int // 1 to 256
}

// path is its file, as C2SP tlog-tiles names it.
func (p place) path() string {
	if p.entries {
		return layout.EntriesPath(p.index, uint8(p.width%width))
	}
	return layout.TilePath(p.level, p.index, uint8(p.width%width))
}

// parsePlace reads a path, in the one form that path writes.
func parsePlace(name string) (place, bool) {
	kind, rest, ok := strings.Cut(strings.TrimPrefix(name, tileFolder+"/"), "/")
	if !ok {
		return place{}, false
	}
	p := place{entries: kind == "entries"}
	level := kind
	if p.entries {
		level = "0"
	}
	var w uint8
	var err error
	if p.level, p.index, w, err = layout.ParseTileLevelIndexPartial(level, rest); err != nil {
		return place{}, false
	}
	p.width = int(w)
	if w == 0 {
		p.width = width
	}
	return p, p.path() == name
}

// edgePlace is the last tile of a level in a tree of size entries: its width is 0 where the level ends with a full one.
func edgePlace(level, size uint64) place {
	at := size >> (tileHeight * level)
	return place{level: level, index: at / width, width: int(at % width)}
}

// edgePlaces are the partial tiles of a tree, the highest level first. Their hashes make its root.
func edgePlaces(size uint64) []place {
	var all []place
	for level := uint64(0); size>>(tileHeight*level) > 0; level++ {
		if p := edgePlace(level, size); p.width > 0 {
			all = append([]place{p}, all...)
		}
	}
	return all
}

// read reads the file. Where it is partial and gone, because the full one has replaced it, it reads what it was of that.
// name is the file that was read.
func (p place) read(dir string) (data []byte, name string, err error) {
	name = p.path()
	data, err = readLimited(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) && p.width < width {
		full := p
		full.width = width
		if whole, err2 := readLimited(filepath.Join(dir, full.path())); err2 == nil {
			whole, err2 = p.head(whole)
			return whole, full.path(), err2
		}
	}
	return data, name, err
}

// head is what a full tile or bundle says of this part of it.
func (p place) head(data []byte) ([]byte, error) {
	if !p.entries {
		if len(data) != width*sha256.Size {
			return nil, errShape
		}
		return data[:p.width*sha256.Size], nil
	}
	rest := data
	for range p.width {
		_, after, err := nextEntry(rest)
		if err != nil {
			return nil, err
		}
		rest = after
	}
	return data[:len(data)-len(rest)], nil
}

var errShape = errors.New("it has another length than it should")

// hashes reads a tile.
func (p place) hashes(dir string) ([]tlog.Hash, string, error) {
	data, name, err := p.read(dir)
	if err != nil {
		return nil, name, err
	}
	all, err := splitHashes(data, p.width)
	return all, name, err
}

func splitHashes(data []byte, n int) ([]tlog.Hash, error) {
	if len(data) != n*sha256.Size {
		return nil, errShape
	}
	all := make([]tlog.Hash, n)
	for i := range all {
		copy(all[i][:], data[i*sha256.Size:])
	}
	return all, nil
}

// nextEntry cuts the first entry off a bundle: its length in 16 bits, then its bytes.
func nextEntry(data []byte) (entry, rest []byte, err error) {
	if len(data) < 2 {
		return nil, nil, errShape
	}
	n := int(binary.BigEndian.Uint16(data))
	if len(data) < 2+n {
		return nil, nil, errShape
	}
	return data[2 : 2+n : 2+n], data[2+n:], nil
}

func readLimited(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a file")
	}
	if info.Size() > maxBundle {
		return nil, errShape
	}
	return os.ReadFile(path)
}

// rootOf is the root of a tile's hashes.
func rootOf(hashes []tlog.Hash) tlog.Hash {
	var e Edge
	for _, h := range hashes {
		e.push(0, h)
	}
	return tlog.Hash(e.Root())
}

// storedEdge builds the edge of the tree of size entries from the tiles.
func storedEdge(dir string, size uint64) (Edge, error) {
	var e Edge
	for _, p := range edgePlaces(size) {
		hashes, name, err := p.hashes(dir)
		if err != nil {
			return Edge{}, fmt.Errorf("%s: %w", name, err)
		}
		for _, h := range hashes {
			e.push(tileHeight*int(p.level), h)
		}
	}
	return e, nil
}

// tiles reads tiles for tlog, which checks each against the root.
type tiles struct{ dir string }

// Height implements tlog.TileReader.
func (t tiles) Height() int { return tileHeight }

// ReadTiles implements tlog.TileReader.
func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(wanted))
	for i, w := range wanted {
		p := place{level: uint64(w.L), index: uint64(w.N), width: w.W}
		var name string
		var err error
		if all[i], name, err = p.read(t.dir); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return all, nil
}

// SaveTiles implements tlog.TileReader.
func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func hashReader(dir string, head Head) tlog.HashReader {
	return tlog.TileHashReader(tlog.Tree{N: int64(head.Size), Hash: head.Root}, tiles{dir})
}

// grownFrom says whether the tree of head grew out of what was seen: nothing rewritten, nothing cut off.
func grownFrom(dir string, head Head, seen Seen) error {
	if seen.Size > head.Size {
		return fmt.Errorf("%w: it had %d entries and has %d", ErrRolledBack, seen.Size, head.Size)
	}
	root := sha256.Sum256(nil)
	if seen.Size > 0 {
		h, err := tlog.TreeHash(int64(seen.Size), hashReader(dir, head))
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		root = Root(h)
	}
	if root != seen.Root {
		return fmt.Errorf("%w: among its first %d entries there are others than were there", ErrRolledBack, seen.Size)
	}
	return nil
}

func prove(ctx context.Context, dir string, head Head, index uint64) (Proof, error) {
	if err := ctx.Err(); err != nil {
		return Proof{}, err
	}
	if index >= head.Size {
		return Proof{}, fmt.Errorf("the log has %d entries, and so none at %d", head.Size, index)
	}
	path, err := tlog.ProveRecord(int64(head.Size), int64(index), hashReader(dir, head))
	if err != nil {
		return Proof{}, fmt.Errorf("prove entry %d: %w: %w", index, err, ErrDamaged)
	}
	return Proof{Index: index, Head: head, Path: path}, nil
}

func entries(ctx context.Context, dir string, size, from, to uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if from > to || to > size {
			yield(nil, fmt.Errorf("the log has %d entries, and so not those from %d to %d", size, from, to))
			return
		}
		for at := from; at < to; {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			all, err := readBundle(dir, size, at/width)
			if err != nil {
				yield(nil, fmt.Errorf("read the evidence log: %w", err))
				return
			}
			first := at / width * width
			for ; at < to && at < first+uint64(len(all)); at++ {
				if !yield(all[at-first], nil) {
					return
				}
			}
		}
	}
}

// readBundle reads the entries of a bundle in the tree of size entries, and holds each to its tile.
func readBundle(dir string, size, index uint64) ([][]byte, error) {
	p := place{index: index, width: int(min(size-index*width, width))}
	hashes, name, err := p.hashes(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p.entries = true
	data, name, err := p.read(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	all := make([][]byte, p.width)
	for i := range all {
		all[i], data, err = nextEntry(data)
		if err != nil || tlog.RecordHash(all[i]) != hashes[i] {
			return nil, fmt.Errorf("%s: entry %d is not what the tree says: %w", name, index*width+uint64(i), ErrDamaged)
		}
	}
	if len(data) > 0 {
		return nil, fmt.Errorf("%s: %w: %w", name, errShape, ErrDamaged)
	}
	return all, nil
}

// sameFile reports whether a file holds exactly these bytes.
func sameFile(path string, want []byte) bool {
	got, err := readSmall(path)
	return err == nil && bytes.Equal(got, want)
}
