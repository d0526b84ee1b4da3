package app

import (
	"context"
	"iter"

	"tocsin/internal/line/archive"
	"tocsin/internal/stream"
)

// LineLog is the log of lines in a stream, as the archive wants it.
type LineLog struct{ Stream *stream.Stream }

// Append is archive.Log's.
func (l LineLog) Append(ctx context.Context, source string, batch []byte) (uint64, error) {
	return l.Stream.AppendLines(ctx, source, batch)
}

// After is archive.Log's.
func (l LineLog) After(ctx context.Context, source string, place uint64) iter.Seq2[archive.Batch, error] {
	return func(yield func(archive.Batch, error) bool) {
		for b, err := range l.Stream.LinesAfter(ctx, source, place) {
			if !yield(archive.Batch(b), err) {
				return
			}
		}
	}
}
