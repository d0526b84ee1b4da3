package archive

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/line/segment"
)

// purge is the entry in the log which says that what was before a day is deleted. It is a batch of its own: so whoever
// builds files from the log deletes it too, on another worker or after all files were lost.
type purge struct {
	day     int64 // seconds of Unix time
	batches int64 // entered before this one, ever: who has read fewer has missed some that are deleted
}

const (
	purgeBegin   = 'P' // no compressed batch begins so (RFC 8878 §3.1.1)
	purgeVersion = 1
)

func (p purge) encode() []byte {
	return binary.AppendVarint(binary.AppendVarint([]byte{purgeBegin, purgeVersion}, p.day), p.batches)
}

// decodePurge reports whether a batch is a purge, and which.
func decodePurge(batch []byte) (p purge, ok bool) {
	if len(batch) < 2 || batch[0] != purgeBegin || batch[1] != purgeVersion {
		return purge{}, false
	}
	d := &decoder{b: batch[2:]}
	p = purge{d.varint(), d.varint()}
	return p, !d.bad
}

// Purge deletes what is known of the days before a moment, here and in the log, and has all other workers delete it. What
// began before it and went on is kept, but not told of those days. In the log, what lies in one batch with something
// younger stays until that is deleted too; nobody is told of it.
func (s *Source) Purge(ctx context.Context, before time.Time) (deleted int, err error) {
	if deleted, err = s.purge(ctx, before.Unix()-before.Unix()%segment.Day); err != nil {
		return deleted, err
	}
	return deleted, s.clean(ctx)
}

// purge enters the purge in the log where it says something new, and deletes what is known here.
func (s *Source) purge(ctx context.Context, day int64) (int, error) {
	s.telling.Lock()
	defer s.telling.Unlock()
	if err := s.readOn(ctx); err != nil {
		return 0, err
	}
	if day <= s.state.Deleted && !s.known.Late {
		return s.forget(s.state.Deleted)
	}
	var p purge
	place, err := s.append(ctx, func() []byte {
		p = purge{max(day, s.state.Deleted), s.known.Batches}
		return p.encode()
	})
	if err != nil {
		return 0, err
	}
	return s.takePurge(place, p)
}

// takePurge takes a purge that lies in the log.
func (s *Source) takePurge(place uint64, p purge) (int, error) {
	s.mu.Lock()
	s.known.Place, s.known.Purge, s.known.Batches = place, place, p.batches+1
	s.known.Late, s.known.Unclean = false, true
	s.mu.Unlock()
	return s.forget(max(p.day, s.state.Deleted))
}

// beforeRead looks for purges before a log is read from its beginning. Nothing of the days that are deleted is taken then,
// whether its batch is deleted or not: of a session's beginning and end one could be left.
func (s *Source) beforeRead(ctx context.Context) error {
	day, last := int64(line.Ever), uint64(0)
	for b, err := range s.log.After(ctx, s.name, 0) {
		if err != nil {
			return err
		}
		if p, ok := decodePurge(b.Data); ok {
			day, last = max(day, p.day), b.Place
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known.Skip, s.known.SkipTo = day, last
	return nil
}

// forget deletes what lies in files of the days before one.
func (s *Source) forget(day int64) (deleted int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tracker.Forget(day) // also of a source that has said nothing since
	s.dirty = true
	if err := s.flush(); err != nil {
		return 0, err
	}
	st := s.state
	st.Deleted = max(st.Deleted, day)
	var kept, old []*file
	for _, f := range s.files {
		if f.span.To <= day {
			old = append(old, f)
			deleted += f.Len()
		} else {
			kept = append(kept, f)
		}
	}
	s.known.Gaps = slices.DeleteFunc(s.known.Gaps, func(g line.Span) bool { return g.To <= day })
	maps.DeleteFunc(s.known.Behind, func(hour, _ int64) bool { return (hour+1)*3600 <= day })
	return deleted, errors.Join(s.keep(st, kept, old), s.snapshot())
}

// clean deletes the batches before the last purge in which everything is deleted, and the purges before it. That takes
// reading the whole log, so it is done once for each purge.
func (s *Source) clean(ctx context.Context) error {
	s.mu.RLock()
	day, end, unclean := s.state.Deleted, s.known.Purge, s.known.Unclean
	s.mu.RUnlock()
	if !unclean {
		return nil
	}
	var places []uint64
	for b, err := range s.log.After(ctx, s.name, 0) {
		if err != nil {
			return fmt.Errorf("look what is deleted in the log of %s: %w", s.name, err)
		}
		if b.Place >= end {
			break
		}
		if _, ok := decodePurge(b.Data); ok {
			places = append(places, b.Place)
			continue
		}
		records, err := decode(b.Data)
		if err != nil {
			return fmt.Errorf("look what is deleted in the log of %s: %w", s.name, err)
		}
		if !slices.ContainsFunc(records, func(r numbered) bool { return r.At.Latest >= day }) {
			places = append(places, b.Place)
		}
	}
	if err := s.log.Delete(ctx, s.name, places); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known.Purge == end {
		s.known.Unclean = false
	}
	s.dirty = true
	return errors.Join(s.flush(), s.snapshot())
}

// Deleted is the day before which everything is deleted, in seconds of Unix time; line.Ever: nothing is.
func (s *Source) Deleted() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.state.Deleted
}
