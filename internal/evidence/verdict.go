package evidence

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/mod/sumdb/tlog"

	"tocsin/internal/report"
)

// Verdict is what the machine decided about one event of a chunk.
type Verdict struct {
	Row      int64            `json:"row"`
	Party    report.Party     `json:"party"`
	Incident IncidentKey      `json:"incident"`
	Line     report.LineState `json:"line,omitempty"` // what the lines answered; empty where they were not asked
}

// IncidentKey is an incident.Key.
type IncidentKey [16]byte

// MarshalText writes the key as incident.Key does.
func (k IncidentKey) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, k[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *IncidentKey) UnmarshalText(b []byte) error {
	if len(b) != 2*len(k) {
		return errors.New("an incident's key has 32 digits")
	}
	if _, err := hex.Decode(k[:], b); err != nil {
		return errors.New("an incident's key consists of the digits 0-9 and a-f")
	}
	return nil
}

// VerdictTree computes the root over the verdicts of a chunk while they come up: the Merkle tree of RFC 6962 §2.1 over
// one leaf a verdict. A leaf begins with a salt of its own, HMAC-SHA-256 of its index under the chunk's salt: who is
// shown one verdict with its proof can check it, and learns nothing of its neighbours, however few values those can have.
// Without the chunk's salt, which is deleted with the chunk, the root says nothing of any.
//
// Every event of every report passes through it: it allocates nothing. Reset comes first. It is not for use by several goroutines.
type VerdictTree struct {
	mac  hash.Hash // under the chunk's salt
	at   [8]byte
	own  [32]byte // salt of the leaf at hand
	leaf []byte
	edge Edge
}

// Reset begins a new tree under a chunk's salt.
func (t *VerdictTree) Reset(salt [32]byte) {
	t.mac = hmac.New(sha256.New, salt[:])
	t.edge.reset()
}

// Add takes the next verdict.
func (t *VerdictTree) Add(v *Verdict) {
	t.leaf = appendLeaf(t.leaf[:0], t.salt(t.edge.size), v)
	t.edge.add(sha256.Sum256(t.leaf))
}

// Len is how many verdicts were added.
func (t *VerdictTree) Len() uint64 { return t.edge.size }

// Root is the root over what was added.
func (t *VerdictTree) Root() [32]byte { return t.edge.Root() }

// salt is the salt of one leaf, valid until the next.
func (t *VerdictTree) salt(index uint64) *[32]byte {
	binary.BigEndian.PutUint64(t.at[:], index)
	t.mac.Reset()
	t.mac.Write(t.at[:])
	t.mac.Sum(t.own[:0])
	return &t.own
}

// appendLeaf appends what is hashed for a verdict: the 0 of a leaf (RFC 6962 §2.1), and then the salt and what it
// hides, of which no two verdicts have the same.
func appendLeaf(b []byte, salt *[32]byte, v *Verdict) []byte {
	b = append(b, 0)
	b = append(b, salt[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(v.Row))
	b = append(b, v.Incident[:]...)
	b = append(b, byte(len(v.Line)))
	b = append(b, v.Line...)
	return append(b, v.Party...)
}

// VerdictProof shows that a verdict is one of those under a root.
type VerdictProof struct {
	Verdict
	Salt  tlog.Hash   `json:"salt"`  // of this verdict alone
	Index int64       `json:"index"` // of the verdict among those of its chunk
	Size  int64       `json:"size"`  // how many verdicts the chunk has
	Path  []tlog.Hash `json:"path"`  // RFC 6962 §2.1.1
}

// ProveVerdict makes the proof of the i-th verdict of a chunk, and returns the root that it leads to. all are the
// chunk's verdicts in their order.
func ProveVerdict(salt [32]byte, all []Verdict, i int) (VerdictProof, [32]byte, error) {
	if i < 0 || i >= len(all) {
		return VerdictProof{}, [32]byte{}, fmt.Errorf("the chunk has %d verdicts and none is number %d", len(all), i)
	}
	var tree VerdictTree
	tree.Reset(salt)
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, at := range indexes {
			out[i] = stored[at]
		}
		return out, nil
	})
	for n := range all {
		leaf := sha256.Sum256(appendLeaf(nil, tree.salt(uint64(n)), &all[n]))
		more, err := tlog.StoredHashesForRecordHash(int64(n), leaf, reader)
		if err != nil {
			return VerdictProof{}, [32]byte{}, fmt.Errorf("hash verdicts: %w", err)
		}
		stored = append(stored, more...)
		tree.Add(&all[n])
	}
	path, err := tlog.ProveRecord(int64(len(all)), int64(i), reader)
	if err != nil {
		return VerdictProof{}, [32]byte{}, fmt.Errorf("prove a verdict: %w", err)
	}
	p := VerdictProof{Verdict: all[i], Salt: *tree.salt(uint64(i)), Index: int64(i), Size: int64(len(all)), Path: path}
	return p, tree.Root(), nil
}

// ErrNotProven says that a verdict is not one of those under a root.
var ErrNotProven = errors.New("the proof does not lead from this verdict to the root in the log: one of the two was changed, or they belong to different chunks")

// VerifyVerdict checks a proof against the root that the log has of the chunk. What does not fit is ErrNotProven.
func VerifyVerdict(root [32]byte, p *VerdictProof) error {
	if len(p.Line) > 255 || p.Size < 1 || p.Index < 0 || p.Index >= p.Size {
		return ErrNotProven
	}
	leaf := sha256.Sum256(appendLeaf(nil, (*[32]byte)(&p.Salt), &p.Verdict))
	if tlog.CheckRecord(p.Path, p.Size, root, p.Index, leaf) != nil { // it says no more than that it does not fit
		return ErrNotProven
	}
	return nil
}
