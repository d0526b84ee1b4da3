package stream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tocsin/internal/report"
)

// LineBatch is what one call of AppendLines kept.
type LineBatch struct {
	Place uint64
	Data  []byte
}

// MaxLineBatch is how many bytes a batch of the line log may have.
const MaxLineBatch = 512 << 10

// sourceName is what names a source of lines: it is a word of a subject.
var sourceName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

func (s *Stream) lineSubject(source string) string { return s.cfg.Name + ".line." + source }

// ErrLinesBehind says that there is a batch behind the place after which another was to be kept.
var ErrLinesBehind = errors.New("another worker has told of the source meanwhile")

// AppendLines makes a batch of a source's records durable behind the one at after, the last that the caller knows of, and
// returns its place, which is greater than those of all batches before. Where there is a later one already, of this
// worker or another, nothing is kept and the error is ErrLinesBehind: so all workers have the same batches in the same
// order. It is no later one when the batches up to after, or all of them, are deleted.
func (s *Stream) AppendLines(ctx context.Context, source string, after uint64, batch []byte) (place uint64, err error) {
	if !sourceName.MatchString(source) || len(batch) > MaxLineBatch {
		return 0, fmt.Errorf("keep %d bytes of the lines of %q: the stream takes %d, of a source named by small letters, digits, - and _", len(batch), source, MaxLineBatch)
	}
	if err := s.space(int64(len(batch))); err != nil {
		return 0, err
	}
	ctx, leave, err := s.enter(ctx, report.ID{})
	if err != nil {
		return 0, err
	}
	defer leave()
	within, cancel := context.WithTimeoutCause(ctx, callTimeout, errors.New("another worker's batch is under way for too long, try again"))
	defer cancel()
	for last, wait := after, lineWait; ; wait *= 2 {
		ack, err := s.js.PublishMsg(within, &nats.Msg{Subject: s.lineSubject(source), Data: batch},
			jetstream.WithRetryAttempts(0), jetstream.WithExpectLastSequencePerSubject(last))
		if err == nil {
			return ack.Sequence, nil
		}
		was := last
		if conflict(err) || unready(err) {
			last, err = s.lastLines(within, source)
		}
		switch {
		case err != nil:
			return 0, fmt.Errorf("keep the lines of %s: %w", source, why(ctx, err))
		case last > after:
			return 0, ErrLinesBehind
		case last != was: // all that the caller knows of is deleted
			continue
		}
		select { // the replicas do not have the other's batch yet
		case <-time.After(wait):
		case <-within.Done():
			return 0, fmt.Errorf("keep the lines of %s: %w", source, context.Cause(within))
		}
	}
}

// lineWait is how long a batch of another worker that is under way is waited for, at first.
const lineWait = 2 * time.Millisecond

// unready reports whether the cluster cannot say yet which message of a subject is the last.
func unready(err error) bool {
	const notReady = 10163
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == notReady
}

// lastLines is the place of the last batch of a source, 0 where it has none.
func (s *Stream) lastLines(ctx context.Context, source string) (uint64, error) {
	m, err := s.lines.GetLastMsgForSubject(ctx, s.lineSubject(source))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return m.Sequence, nil
}

// LinesAfter yields the batches of a source behind a place, in order, up to those that were there when it was called. It
// asks the stream once where there are none.
func (s *Stream) LinesAfter(ctx context.Context, source string, place uint64) iter.Seq2[LineBatch, error] {
	return func(yield func(LineBatch, error) bool) {
		if err := s.linesAfter(ctx, source, place, func(b LineBatch) bool { return yield(b, nil) }); err != nil {
			yield(LineBatch{}, fmt.Errorf("read the lines of %s: %w", source, explain(err)))
		}
	}
}

func (s *Stream) linesAfter(ctx context.Context, source string, place uint64, yield func(LineBatch) bool) error {
	last := uint64(0) // not asked yet
	for next := place + 1; last == 0 || next <= last; next++ {
		m, err := s.lines.GetMsg(ctx, next, jetstream.WithGetMsgSubject(s.lineSubject(source)))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if last == 0 {
			if last, err = s.lastLines(ctx, source); err != nil {
				return err
			}
			last = max(last, m.Sequence)
		}
		if next = m.Sequence; !yield(LineBatch{m.Sequence, m.Data}) {
			return nil
		}
	}
	return nil
}

// DropLines deletes the batches of a source that were kept before a moment.
func (s *Stream) DropLines(ctx context.Context, source string, before time.Time) error {
	next := uint64(0)
	for {
		m, err := s.lines.GetMsg(ctx, next+1, jetstream.WithGetMsgSubject(s.lineSubject(source)))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			return fmt.Errorf("delete lines of %s: %w", source, explain(err))
		}
		if !m.Time.Before(before) {
			break
		}
		next = m.Sequence
	}
	if next == 0 {
		return nil
	}
	err := s.lines.Purge(ctx, jetstream.WithPurgeSubject(s.lineSubject(source)), jetstream.WithPurgeSequence(next+1))
	if err != nil {
		return fmt.Errorf("delete lines of %s: %w", source, explain(err))
	}
	return nil
}

// DeleteLines deletes batches of a source, and writes over them. Those that there are not are no error.
func (s *Stream) DeleteLines(ctx context.Context, source string, places []uint64) error {
	for _, place := range places {
		m, err := s.lines.GetMsg(ctx, place)
		if err == nil && m.Subject != s.lineSubject(source) {
			return fmt.Errorf("delete lines of %s: batch %d is of another source", source, place)
		}
		if err == nil {
			err = s.lines.SecureDeleteMsg(ctx, place)
		}
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) && !gone(err) {
			return fmt.Errorf("delete lines of %s: %w", source, explain(err))
		}
	}
	return nil
}

// gone reports whether a message could not be deleted as there is none: another worker deletes the same.
func gone(err error) bool {
	const noMessage = 10037
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == noMessage
}
