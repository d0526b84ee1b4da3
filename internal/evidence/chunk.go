package evidence

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
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
	number := func(name string, n int64) Field { return Field{name, strconv.FormatInt(n, 10)} }
	return itemOf(&Entry{
		ID: c.ID(), At: at, Kind: kindChunk, By: byNode, Subject: c.Report.String(),
		Fields: []Field{
			number("generation", int64(c.Generation)), number("seq", c.Seq), number("document", int64(c.Document)),
			number("from", c.FromRow), number("to", c.ToRow), number("events", c.Events), number("repeats", c.Repeats),
			number("refused", c.Refused),
			{"verdicts", verdicts},
		},
	})
}

// Deletion is the entry that says that things of a class, from before until, were deleted because their time had come.
func Deletion(id report.ID, at time.Time, class string, until time.Time, deleted int64) Item {
	return itemOf(&Entry{
		ID: id, At: at, Kind: kindDeletion, By: byNode,
		Fields: []Field{
			{"class", strings.ReplaceAll(class, " ", "-")}, {"until", until.UTC().Format(time.RFC3339)}, {"deleted", strconv.FormatInt(deleted, 10)},
		},
	})
}

// byNode is who acts where no person does.
const byNode = "node"

// itemOf packs an entry that is ours throughout.
func itemOf(e *Entry) Item {
	item, err := NewItem(e)
	if err != nil {
		panic("an entry of the log cannot be written: " + err.Error()) // of a time before 1970
	}
	return item
}
