package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"tocsin/internal/report"
)

// settling is how old what another process wrote must be before this one judges it: far longer than an upload takes.
const settling = 24 * time.Hour

// received reads the time out of an id (RFC 9562 §5.7): Accept made it from ReceivedAt.
func received(id report.ID) time.Time {
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms)
}

// Purge removes the originals of reports received before the given time and returns how many and of what size. A
// report with an open work item keeps its original. Whether the bytes are known is Forget's matter.
func (s *Stream) Purge(ctx context.Context, before time.Time) (n int, bytes int64, err error) {
	s.ending.Lock()
	defer s.ending.Unlock()
	if !s.embedded() {
		if young := time.Now().Add(-settling); before.After(young) {
			before = young
		}
		if err := s.sweep(ctx, time.Now().Add(-settling)); err != nil {
			return 0, 0, fmt.Errorf("remove what broken uploads left: %w", explain(err))
		}
	}
	ids, err := s.originalIDs(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("list the originals: %w", explain(err))
	}
	busy := s.entered()
	for id := range ids {
		if _, ok := busy[id]; ok || !received(id).Before(before) {
			continue
		}
		size, gone, err := s.purge(ctx, id)
		if err != nil {
			return n, bytes, fmt.Errorf("remove the original of report %s: %w", id, explain(err))
		}
		if gone {
			n++
			bytes += size
		}
	}
	return n, bytes, nil
}

// purge removes one original, unless it has an open item.
func (s *Stream) purge(ctx context.Context, id report.ID) (size int64, gone bool, err error) {
	s.retire.Lock()
	defer s.retire.Unlock()
	if open, err := s.isOpen(ctx, id); open || err != nil {
		return 0, false, err
	}
	o, err := s.find(ctx, id)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, false, err
	}
	return o.size, true, s.originals.Purge(ctx, jetstream.WithPurgeSubject(s.originalSubject(id)))
}

// Forget removes the knowledge of which bytes came in before the given time: the same bytes make a new report from
// then on. What still has its original or an open item stays known. n is the number of reports forgotten.
func (s *Stream) Forget(ctx context.Context, before time.Time) (n int, err error) {
	s.ending.Lock()
	defer s.ending.Unlock()
	kept, err := s.originalIDs(ctx)
	if err != nil {
		return 0, fmt.Errorf("list the originals: %w", explain(err))
	}
	var old []string
	err = s.eachKnown(ctx, func(subject string, id report.ID) {
		if _, ok := kept[id]; !ok && received(id).Before(before) {
			old = append(old, subject)
		}
	})
	for _, subject := range old {
		if err != nil {
			break
		}
		if err = s.known.Purge(ctx, jetstream.WithPurgeSubject(subject)); err == nil {
			n++
		}
	}
	if err != nil {
		return n, fmt.Errorf("forget old reports: %w", explain(err))
	}
	return n, nil
}

// sweep removes objects that nothing names and whose last message was written before the given time.
func (s *Stream) sweep(ctx context.Context, before time.Time) error {
	ids, err := s.originalIDs(ctx)
	if err != nil || len(ids) == 0 {
		return err
	}
	for id := range s.entered() {
		delete(ids, id)
	}
	// Known is read after entered, and again after the look at the queue: what becomes known in between, by the end
	// of an Accept or by a worker that settles an item, is not taken for garbage.
	drop := func(_ string, id report.ID) { delete(ids, id) }
	if err := s.eachKnown(ctx, drop); err != nil || len(ids) == 0 {
		return err
	}
	for id := range ids {
		open, err := s.isOpen(ctx, id)
		if err != nil {
			return err
		}
		if open {
			delete(ids, id)
		}
	}
	if err := s.eachKnown(ctx, drop); err != nil {
		return err
	}
	for id := range ids {
		m, err := s.originals.GetLastMsgForSubject(ctx, s.originalSubject(id))
		if err != nil || !m.Time.Before(before) {
			continue // gone meanwhile, or perhaps still being written
		}
		s.discard(ctx, id)
		s.log.Debug("removed an original that was never accepted", "report", id)
	}
	return nil
}

// entered returns the reports that are being accepted.
func (s *Stream) entered() map[report.ID]struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := make(map[report.ID]struct{}, len(s.inFlight))
	for id := range s.inFlight {
		m[id] = struct{}{}
	}
	return m
}

// originalIDs lists the objects, whole or not.
func (s *Stream) originalIDs(ctx context.Context) (map[report.ID]struct{}, error) {
	prefix := s.cfg.Name + ".original."
	info, err := s.originals.Info(ctx, jetstream.WithSubjectFilter(prefix+"*"))
	if err != nil {
		return nil, err
	}
	ids := make(map[report.ID]struct{}, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		if id, err := report.ParseID(strings.TrimPrefix(subject, prefix)); err == nil {
			ids[id] = struct{}{}
		}
	}
	return ids, nil
}

// eachKnown calls f for each known entry there is at the start.
func (s *Stream) eachKnown(ctx context.Context, f func(subject string, id report.ID)) error {
	info, err := s.known.Info(ctx)
	if err != nil || info.State.Msgs == 0 {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	scan, err := s.known.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{HeadersOnly: true})
	if err != nil {
		return err
	}
	it, err := scan.Messages(jetstream.PullMaxMessages(5000))
	if err != nil {
		return err
	}
	defer it.Stop()
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		if id, err := report.ParseID(m.Headers().Get(headerReport)); err == nil {
			f(m.Subject(), id)
		}
		if meta.NumPending == 0 || meta.Sequence.Stream >= info.State.LastSeq {
			return nil
		}
	}
}
