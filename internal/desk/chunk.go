package desk

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"tocsin/internal/incident"
	"tocsin/internal/report"
)

// Chunk is at most ChunkRows rows of one document, ready to be stored.
type Chunk struct {
	Report     report.Report
	Generation int
	Seq        int64  // from the document's number and the chunk's first row, see seqOf
	Document   int    // number of the document inside the report, from 0
	Name       string // the document's name; personal
	Format     string
	FromRow    int64 // rows [FromRow, ToRow] of the document
	ToRow      int64
	Events     int // events in Body
	Repeats    int // rows equal to an earlier one of the report
	Refused    int
	Body       []byte // the events, one JSON object a line, in the order of their incident keys, compressed by zstd
	Refusals   []byte // see EncodeRefusals; nil when none
	Lines      LineCounts
	Touches    []incident.Touch
	Newest     []Newest

	Unattributed []byte // see EncodeUnattributed; nil when none

	Salt     [32]byte // hides the verdicts behind Root: stored beside the events, and deleted with them
	Root     [32]byte // over the verdicts in the order of rows and, in one row, of keys, see evidence.VerdictTree
	Verdicts []byte   // what DecodeVerdicts needs beside Body to derive Root again; nil when there is no event

	Final     bool // nothing of this report and generation follows
	Documents int  // how many documents the report holds; known when Final

	Mail   *report.Mail   // first mail in the report; nil where there is none; known when Final
	Letter *report.Letter // where the report is for a person, or for nobody; known when Final

	Reading []byte // what can be read of a letter, see EncodeReading; known when Final
}

// Newest is the newest event time of a feed for a network: its watermark.
type Newest struct {
	Feed    int32 // the store's number of the feed's name
	Network string
	Micros  int64 // Unix microseconds
}

// maxRows bounds the rows of one document.
const maxRows = 1 << 40

// seqOf numbers the chunk that begins at a row. It depends on document and row alone, so that two workers that got the
// same report make the same chunks.
func seqOf(document int, start int64) int64 { return int64(document)*maxRows + start }

// Refusal is one row that could not be used.
type Refusal struct {
	Document int    `json:"document,omitempty"`
	Row      int64  `json:"row,omitempty"`    // 0 is the document, or what follows After
	After    int64  `json:"after,omitempty"`  // last row read before a document failed
	Rest     bool   `json:"rest,omitempty"`   // what follows After, and all documents that follow Document
	Letter   bool   `json:"letter,omitempty"` // no fault: a mail in no format, which a later program may read
	Name     string `json:"name,omitempty"`   // the document's name, where the store adds it; personal
	Reason   string `json:"reason"`           // personal: may quote the value that is wrong
}

// EncodeRefusals packs refusals for the store.
func EncodeRefusals(all []Refusal) ([]byte, error) {
	if len(all) == 0 {
		return nil, nil
	}
	b, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("encode refusals: %w", err)
	}
	return compress(b)
}

// DecodeRefusals reads what EncodeRefusals packed.
func DecodeRefusals(b []byte) ([]Refusal, error) {
	if len(b) == 0 {
		return nil, nil
	}
	raw, err := Decompress(b)
	if err != nil {
		return nil, err
	}
	var all []Refusal
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("decode refusals: %w", err)
	}
	return all, nil
}

// maxBody bounds what a damaged chunk can make us allocate: ChunkRows events of the largest size would be more, but
// no real document is near it.
const maxBody = 2 << 30

func newEncoder(w io.Writer) (*zstd.Encoder, error) {
	return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(1<<20), zstd.WithEncoderCRC(true))
}

// encoders holds those of compress: at hundreds of small reports a second, new ones would be most of the garbage.
var encoders sync.Pool

func compress(b []byte) ([]byte, error) {
	enc, ok := encoders.Get().(*zstd.Encoder)
	if !ok {
		var err error
		if enc, err = newEncoder(nil); err != nil {
			return nil, fmt.Errorf("compress chunk: %w", err)
		}
	}
	defer encoders.Put(enc)
	return enc.EncodeAll(b, nil), nil
}

// Decompress undoes the compression of a Body.
func Decompress(b []byte) ([]byte, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBody))
	if err != nil {
		return nil, fmt.Errorf("decompress chunk: %w", err)
	}
	defer dec.Close()
	raw, err := dec.DecodeAll(b, nil)
	if err != nil {
		return nil, fmt.Errorf("decompress chunk: %w", err)
	}
	return raw, nil
}

// dayOfMicros is the number of a UTC day since 1970-01-01.
func dayOfMicros(micros int64) int32 {
	const day = 86400e6
	d := micros / day
	if micros%day < 0 {
		d--
	}
	return int32(d)
}
