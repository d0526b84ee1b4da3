package desk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A body is compressed in frames (RFC 8878 §3.1) of frameEvents events, so that a few events are read without the rest.
// In front of them stands a skippable frame (§3.1.2), which every decoder passes over: it says how many events a frame
// holds and how long each frame is, in numbers of four bytes. A short body is one frame and has none, and so is any of an
// older Tocsin.
const (
	frameEvents = 512
	framesMagic = 0x184d2a5c
	framesHead  = 8 // magic, and the length of what follows
)

// FramesHead is how many bytes of a body ReadFrames wants to see. It is enough for some hundred thousand events.
const FramesHead = 1024

// Frames is where in a body its events are. The zero value is a body that has to be read from its beginning.
type Frames struct {
	each int     // events of a frame
	ends []int64 // of the frames, in the body; the first is where the frames begin
}

// appendFrames appends what ReadFrames reads.
func appendFrames(b []byte, lengths []int) []byte {
	b = binary.LittleEndian.AppendUint32(b, framesMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(4+4*len(lengths)))
	b = binary.LittleEndian.AppendUint32(b, frameEvents)
	for _, n := range lengths {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	return b
}

// ReadFrames reads the beginning of a body. Where it does not say where the events are, the Frames are zero.
func ReadFrames(head []byte) Frames {
	if len(head) < framesHead+4 || binary.LittleEndian.Uint32(head) != framesMagic {
		return Frames{}
	}
	n := int64(binary.LittleEndian.Uint32(head[4:]))
	if n < 4 || n%4 != 0 || n > int64(len(head)-framesHead) {
		return Frames{}
	}
	f := Frames{each: int(binary.LittleEndian.Uint32(head[framesHead:])), ends: []int64{framesHead + n}}
	if f.each == 0 {
		return Frames{}
	}
	for b := head[framesHead+4 : framesHead+n]; len(b) > 0; b = b[4:] {
		f.ends = append(f.ends, f.ends[len(f.ends)-1]+int64(binary.LittleEndian.Uint32(b)))
	}
	return f
}

// Span is the part [from, to) of a body that has to be read for events [start, start+n), and how many events that part
// begins before them. ok is false where all of the body has to be.
func (f *Frames) Span(start, n int) (from, to int64, skip int, ok bool) {
	if f.each == 0 || n <= 0 || (start+n-1)/f.each+1 >= len(f.ends) {
		return 0, 0, 0, false
	}
	return f.ends[start/f.each], f.ends[(start+n-1)/f.each+1], start % f.each, true
}

// decoders holds those of EventLines: one takes long to make beside what it does here.
var decoders sync.Pool

// EventLines returns n events as JSON lines out of a body, or of whole frames of one, behind the first skip events in
// it; fewer where it ends before. It decompresses no more than that takes.
func EventLines(body []byte, skip, n int) ([][]byte, error) {
	dec, ok := decoders.Get().(*zstd.Decoder)
	if !ok {
		var err error
		if dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBody)); err != nil {
			return nil, fmt.Errorf("decompress chunk: %w", err)
		}
	}
	defer decoders.Put(dec)
	if err := dec.Reset(bytes.NewReader(body)); err != nil {
		return nil, fmt.Errorf("decompress chunk: %w", err)
	}
	var all [][]byte
	buf := make([]byte, 64<<10)
	var line []byte
	for len(all) < n {
		got, err := dec.Read(buf)
		for rest := buf[:got]; len(rest) > 0 && len(all) < n; {
			end := bytes.IndexByte(rest, '\n')
			part := rest
			if end >= 0 {
				part = rest[:end]
			}
			if skip == 0 {
				line = append(line, part...)
			}
			if end < 0 {
				break
			}
			rest = rest[end+1:]
			if skip > 0 {
				skip--
				continue
			}
			all, line = append(all, line), nil
		}
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("decompress chunk: %w", err)
		}
	}
	return all, nil
}
