package desk

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// bodyWriter makes the bodies of chunks, one after the other: events in frames, see Frames.
type bodyWriter struct {
	enc     *zstd.Encoder
	frames  bytes.Buffer
	lengths []int // of the frames that are finished
	begun   int   // where the frame at hand begins
	events  int   // in it
}

// reset begins a body.
func (w *bodyWriter) reset() error {
	w.frames.Reset()
	w.lengths, w.begun, w.events = w.lengths[:0], 0, 0
	if w.enc != nil {
		w.enc.Reset(&w.frames)
		return nil
	}
	var err error
	if w.enc, err = newEncoder(&w.frames); err != nil {
		return fmt.Errorf("compress chunk: %w", err)
	}
	return nil
}

// event adds one line.
func (w *bodyWriter) event(line []byte) error {
	if w.events == frameEvents {
		if err := w.endFrame(); err != nil {
			return err
		}
		w.enc.Reset(&w.frames)
	}
	w.events++
	if _, err := w.enc.Write(line); err != nil {
		return fmt.Errorf("compress chunk: %w", err)
	}
	return nil
}

func (w *bodyWriter) endFrame() error {
	if err := w.enc.Close(); err != nil {
		return fmt.Errorf("compress chunk: %w", err)
	}
	w.lengths = append(w.lengths, w.frames.Len()-w.begun)
	w.begun, w.events = w.frames.Len(), 0
	return nil
}

// finish returns the body, nil where there is no event.
func (w *bodyWriter) finish() ([]byte, error) {
	empty := w.events == 0 && len(w.lengths) == 0
	if err := w.endFrame(); err != nil || empty {
		return nil, err
	}
	if len(w.lengths) == 1 { // it is read whole anyway
		return bytes.Clone(w.frames.Bytes()), nil
	}
	b := make([]byte, 0, framesHead+4+4*len(w.lengths)+w.frames.Len())
	return append(appendFrames(b, w.lengths), w.frames.Bytes()...), nil
}
