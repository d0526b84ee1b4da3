package evidence

import (
	"crypto/sha256"
	"errors"
	"math/bits"
)

// Edge is the right edge of a Merkle tree (RFC 6962 §2.1): the hashes of its largest full subtrees, from left to right.
// It is all that is needed to go on with a tree, and shows of a longer one that it goes on from this.
type Edge struct {
	size   uint64
	hashes [64][sha256.Size]byte // as many as size has bits that are set
	node   [1 + 2*sha256.Size]byte
}

func (e *Edge) reset() { e.size = 0 }

// Size is how many leaves the tree has.
func (e *Edge) Size() uint64 { return e.size }

// Add appends an entry of a log.
func (e *Edge) Add(entry []byte) {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(entry)
	e.add([sha256.Size]byte(h.Sum(nil)))
}

// add appends the hash of a leaf.
func (e *Edge) add(h [sha256.Size]byte) { e.push(0, h) }

// push appends a full subtree of 2^height leaves. The tree so far consists of subtrees that are no smaller.
func (e *Edge) push(height int, h [sha256.Size]byte) {
	top := bits.OnesCount64(e.size)
	for full := e.size >> height; full&1 == 1; full >>= 1 {
		top--
		h = e.join(&e.hashes[top], &h)
	}
	e.hashes[top] = h
	e.size += 1 << height
}

func (e *Edge) join(left, right *[sha256.Size]byte) [sha256.Size]byte {
	e.node[0] = 1
	copy(e.node[1:], left[:])
	copy(e.node[1+sha256.Size:], right[:])
	return sha256.Sum256(e.node[:])
}

// Root is the root of the tree; of an empty one, the hash of nothing.
func (e *Edge) Root() [sha256.Size]byte {
	top := bits.OnesCount64(e.size)
	if top == 0 {
		return sha256.Sum256(nil)
	}
	h := e.hashes[top-1]
	for i := top - 2; i >= 0; i-- {
		h = e.join(&e.hashes[i], &h)
	}
	return h
}

// Bytes packs the hashes; with the size they are the edge.
func (e *Edge) Bytes() []byte {
	b := []byte{}
	for i := range bits.OnesCount64(e.size) {
		b = append(b, e.hashes[i][:]...)
	}
	return b
}

// ReadEdge reads what Bytes packed.
func ReadEdge(size uint64, b []byte) (*Edge, error) {
	e := &Edge{size: size}
	n := bits.OnesCount64(size)
	if len(b) != n*sha256.Size {
		return nil, errors.New("the database's note of how far the log had come is damaged: put back a backup of the database")
	}
	for i := range n {
		copy(e.hashes[i][:], b[i*sha256.Size:])
	}
	return e, nil
}
