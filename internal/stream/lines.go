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

// AppendLines makes a batch of a source's records durable, and returns its place, which is greater than those of all
// batches before.
func (s *Stream) AppendLines(ctx context.Context, source string, batch []byte) (place uint64, err error) {
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
	ack, err := s.js.PublishMsg(ctx, &nats.Msg{Subject: s.lineSubject(source), Data: batch}, jetstream.WithRetryAttempts(0))
	if err != nil {
		return 0, fmt.Errorf("keep the lines of %s: %w", source, why(ctx, err))
	}
	return ack.Sequence, nil
}

// LinesAfter yields the batches of a source behind a place, in order, up to those that were there when it was called.
func (s *Stream) LinesAfter(ctx context.Context, source string, place uint64) iter.Seq2[LineBatch, error] {
	return func(yield func(LineBatch, error) bool) {
		if err := s.linesAfter(ctx, source, place, func(b LineBatch) bool { return yield(b, nil) }); err != nil {
			yield(LineBatch{}, fmt.Errorf("read the lines of %s: %w", source, explain(err)))
		}
	}
}

func (s *Stream) linesAfter(ctx context.Context, source string, place uint64, yield func(LineBatch) bool) error {
	last, err := s.lines.GetLastMsgForSubject(ctx, s.lineSubject(source))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for next := place + 1; next <= last.Sequence; next++ {
		m, err := s.lines.GetMsg(ctx, next, jetstream.WithGetMsgSubject(s.lineSubject(source)))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return err
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
