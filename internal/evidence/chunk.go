package evidence

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"time"

	"tocsin/internal/report"
)

// The kinds of entries that the program makes by itself.
const (
	kindChunk    = "chunk"    // work by machine: one committed chunk of a report
	kindDeletion = "deletion" // what was deleted because its time had come
)

// Chunk is a committed chunk of a report, as the log tells of it.
type Chunk struct {
	Number     int64 // the store's; chunks are committed in its order
	Report     report.ID
	Generation int
	Seq        int64
	Document   int
	FromRow    int64 // rows [FromRow, ToRow] of the document
	ToRow      int64
	Events     int64
	Repeats    int64
	Refused    int64
	Root       *[32]byte // over its verdicts; nil where it was committed by a Tocsin that did not keep them
}

// noVerdicts stands where a chunk has no root.
const noVerdicts = "none"

// ID is the entry's: the same whoever makes it, so that a chunk whose entry is in the log is known by it. The same rows
// worked anew, on a database put back from a backup, have another salt: that is another chunk.
func (c *Chunk) ID() report.ID {
	b := append([]byte("tocsin chunk\n"), c.Report[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Generation))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Seq))
	if c.Root != nil {
		b = append(b, c.Root[:]...)
	}
	sum := sha256.Sum256(b)
	id := report.ID(sum[:16])
	id[6] = id[6]&0x0f | 0x80 // version 8: by a rule of our own (RFC 9562 §5.8)
	id[8] = id[8]&0x3f | 0x80
	return id
}

// Item is the chunk's entry, made at a moment. It names nobody, and the root says nothing to whom the salt is not shown.
func (c *Chunk) Item(at time.Time) Item {
	verdicts := noVerdicts
	if c.Root != nil {
		verdicts = hex.EncodeToString(c.Root[:])
	}
	return itemOf(c.ID(), at, kindChunk, struct {
		head
		Report     report.ID `json:"report"`
		Generation int       `json:"generation"`
		Seq        int64     `json:"seq"`
		Document   int       `json:"document"`
		From       int64     `json:"from"`
		To         int64     `json:"to"`
		Events     int64     `json:"events"`
		Repeats    int64     `json:"repeats"`
		Refused    int64     `json:"refused"`
		Verdicts   string    `json:"verdicts"`
	}{
		headOf(c.ID(), at, kindChunk), c.Report, c.Generation, c.Seq, c.Document, c.FromRow, c.ToRow,
		c.Events, c.Repeats, c.Refused, verdicts,
	})
}

// Deletion is the entry that says that things of a class, from before until, were deleted because their time had come.
func Deletion(id report.ID, at time.Time, class string, until time.Time, deleted int64) Item {
	return itemOf(id, at, kindDeletion, struct {
		head
		Class   string    `json:"class"`
		Until   time.Time `json:"until"`
		Deleted int64     `json:"deleted"`
	}{headOf(id, at, kindDeletion), class, until.UTC(), deleted})
}

// head is what every entry begins with.
type head struct {
	ID   report.ID `json:"id"`
	At   time.Time `json:"at"`
	Kind string    `json:"kind"`
}

func headOf(id report.ID, at time.Time, kind string) head { return head{id, at.UTC(), kind} }

// itemOf packs an entry of numbers, times and words, of which JSON has all.
func itemOf(id report.ID, at time.Time, kind string, entry any) Item {
	body, err := json.Marshal(entry)
	if err != nil {
		panic("an entry of the log is no JSON: " + err.Error()) // times beyond the year 9999
	}
	return Item{ID: id, At: at, Kind: kind, Body: body}
}
