package app

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"tocsin/internal/keys"
	"tocsin/internal/line/archive"
	"tocsin/internal/line/inquiry"
	"tocsin/internal/line/sources"
	"tocsin/internal/stream"
)

// openLines opens the line room, where the config names a source.
func (a *App) openLines(ctx context.Context) error {
	a.inquiry = &inquiry.Desk{Store: a.store, Log: acts{a}, Cfg: a.cfg.Lines.Questions, Now: a.now}
	if !a.cfg.Lines.Any() {
		return nil
	}
	secrets, err := lineKeys(a.keys)
	if err != nil {
		return err
	}
	a.lines, err = sources.Open(ctx, a.cfg.Lines, sources.Needs{
		Dir: a.data.Sub("lines"), Table: a.store, Log: LineLog{a.stream}, Holds: a.store, Keys: secrets, Logger: a.log, Registry: a.metrics, Now: a.now,
	})
	if err != nil {
		return fmt.Errorf("open the lines: %w", err)
	}
	a.inquiry.Lines = a.lines
	a.desk.Lines, a.desk.Uncertainty = a.lines, a.cfg.Lines.Uncertainty
	return nil
}

// lineKeys are the secrets of the line room, from the key in use and those that it replaced. Of those that have ended only
// the ids are left.
func lineKeys(ring *keys.Ring) ([]archive.Keys, error) {
	var all []archive.Keys
	for i, k := range ring.All(keys.Line) {
		one := archive.Keys{ID: k.ID}
		var err error
		if one.Pseudonym, err = k.Derive("pseudonym"); err == nil {
			one.Seal, err = k.Derive("seal")
		}
		if err != nil && i == 0 {
			return nil, err
		}
		one.Ended = err != nil
		all = append(all, one)
	}
	return all, nil
}

// Lines is the line room; nil where the config names no source.
func (a *App) Lines() *sources.Lines { return a.lines }

// LineLog is the log of lines in a stream, as the archive wants it.
type LineLog struct{ Stream *stream.Stream }

// Append is archive.Log's.
func (l LineLog) Append(ctx context.Context, source string, after uint64, batch []byte) (uint64, error) {
	place, err := l.Stream.AppendLines(ctx, source, after, batch)
	if errors.Is(err, stream.ErrLinesBehind) {
		return 0, archive.ErrBehind
	}
	return place, err
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

// Delete is archive.Log's.
func (l LineLog) Delete(ctx context.Context, source string, places []uint64) error {
	return l.Stream.DeleteLines(ctx, source, places)
}

// Drop is sources.Log's.
func (l LineLog) Drop(ctx context.Context, source string, before time.Time) error {
	return l.Stream.DropLines(ctx, source, before)
}
