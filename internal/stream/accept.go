package stream

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tocsin/internal/report"
)

// Accept keeps the original and hands out its work item; when it returns without an error both are durable. r gives
// the bytes, however many: memory stays at a few chunks. Accept fills in ID, SHA256, Size and State, and ReceivedAt
// where it is zero.
//
// The same bytes from the same reporter in the same named format, while they are known, return the earlier report
// and duplicate = true, and nothing is stored twice. Where r can seek, a large duplicate is found before anything is
// written. An error means that nothing was promised; the caller may try again at any time.
func (s *Stream) Accept(ctx context.Context, rep report.Report, r io.Reader) (accepted report.Report, duplicate bool, err error) {
	if rep.Reporter == "" {
		return report.Report{}, false, errors.New("accept a report: it has no reporter")
	}
	if rep.ReceivedAt.IsZero() {
		rep.ReceivedAt = time.Now()
	}
	rep.ReceivedAt = rep.ReceivedAt.UTC()
	rep.ID = report.NewID(rep.ReceivedAt)
	rep.State = report.StateReceived
	ctx, leave, err := s.enter(ctx, rep.ID)
	if err != nil {
		return report.Report{}, false, fmt.Errorf("accept a report: %w", err)
	}
	defer leave()

	up := newUpload(s, rep.ID)
	defer up.release()
	earlier, found, err := s.keep(ctx, up, &rep, r)
	if err != nil || found {
		up.discard(ctx)
	}
	if err != nil {
		return report.Report{}, false, fmt.Errorf("accept a report: %w", why(ctx, err))
	}
	if found {
		return earlier, true, nil
	}
	accepted, err = s.commit(ctx, rep)
	if err != nil {
		// The item may be out all the same (an answer lost on its way): the object stays, and the next sweep judges.
		s.dirty.Store(true)
		return report.Report{}, false, fmt.Errorf("accept a report: %w", why(ctx, err))
	}
	return accepted, accepted.ID != rep.ID, nil
}

// keep stores the original and fills in its size and hash, unless the bytes are known: then it returns the report
// that they came with.
func (s *Stream) keep(ctx context.Context, up *upload, rep *report.Report, r io.Reader) (earlier report.Report, found bool, err error) {
	first, last, err := up.next(r)
	if err != nil {
		return report.Report{}, false, err
	}
	if last { // all of it is in memory: hash, look, store
		up.hash.Write(first)
		up.sum(rep, int64(len(first)))
		if earlier, found, err = s.lookup(ctx, key(*rep)); found || err != nil {
			return earlier, found, err
		}
		if err := s.space(rep.Size); err != nil {
			return report.Report{}, false, err
		}
		return report.Report{}, false, up.close(ctx, *rep, first)
	}
	if seeker, ok := r.(io.ReadSeeker); ok {
		if earlier, found, err = s.lookAhead(ctx, *rep, first, seeker); found || err != nil {
			return earlier, found, err
		}
	}
	if err := s.space(int64(len(first))); err != nil {
		return report.Report{}, false, err
	}
	if err := up.store(ctx, rep, first, r); err != nil {
		return report.Report{}, false, err
	}
	return s.lookup(ctx, key(*rep))
}

// lookAhead reads the rest of r for its hash, looks whether the bytes are known, and goes back to where r stood. A
// second reading costs less than writing gigabytes only to find that they are here already.
func (s *Stream) lookAhead(ctx context.Context, rep report.Report, first []byte, r io.ReadSeeker) (earlier report.Report, found bool, err error) {
	at, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return report.Report{}, false, nil // a pipe: it is read once
	}
	h := sha256.New()
	h.Write(first)
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	// The upload holds the byte after first back, so reading starts one before where r stands.
	if _, err = r.Seek(at-1, io.SeekStart); err != nil {
		return report.Report{}, false, fmt.Errorf("read the report: %w", err)
	}
	rest, err := io.CopyBuffer(h, readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	}), *buf)
	if err == nil {
		_, err = r.Seek(at, io.SeekStart)
	}
	if err != nil {
		return report.Report{}, false, fmt.Errorf("read the report: %w", err)
	}
	h.Sum(rep.SHA256[:0])
	if earlier, found, err = s.lookup(ctx, key(rep)); found || err != nil {
		return earlier, found, err
	}
	return report.Report{}, false, s.space(int64(len(first)) + rest)
}

// readerFunc is a function that reads.
type readerFunc func(p []byte) (int, error)

// Read calls the function.
func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// commit hands out the work item and decides whose bytes they are: steps 2 and 3 of the package comment.
func (s *Stream) commit(ctx context.Context, rep report.Report) (report.Report, error) {
	if err := s.publishItem(ctx, Item{Report: rep}); err != nil {
		return report.Report{}, fmt.Errorf("hand out the work item of report %s: %w", rep.ID, err)
	}
	owner, err := s.settle(ctx, rep)
	if err != nil {
		return report.Report{}, err
	}
	if owner.ID != rep.ID {
		s.withdraw(ctx, rep.ID)
	}
	return owner, nil
}

// settle returns the report that owns the bytes of rep: rep itself where nobody did before.
func (s *Stream) settle(ctx context.Context, rep report.Report) (owner report.Report, err error) {
	k := key(rep)
	body, err := encodeReport(rep)
	if err != nil {
		return report.Report{}, err
	}
	pause := time.Millisecond
	for {
		m := nats.NewMsg(s.knownSubject(k))
		m.Data = body
		m.Header.Set(headerReport, rep.ID.String())
		err = s.publish(ctx, &s.toKnown, alone(m))
		if err == nil {
			return rep, nil
		}
		if !conflict(err) {
			return report.Report{}, fmt.Errorf("enter report %s among the known: %w", rep.ID, err)
		}
		owner, found, err := s.lookup(ctx, k)
		if found || err != nil {
			return owner, err
		}
		// A cluster refuses because of an entry that is still being agreed upon, and may yet fail; or Forget ran.
		if err := rest(ctx, pause); err != nil {
			return report.Report{}, err
		}
		pause = min(2*pause, time.Second)
	}
}

// rest waits, unless ctx ends before.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// withdraw takes the item and the object of a duplicate back. What fails here is dropped by a worker or a sweep.
func (s *Stream) withdraw(ctx context.Context, id report.ID) {
	ctx, cancel := cleanup(ctx)
	defer cancel()
	if err := s.removeItem(ctx, id); err != nil {
		s.dirty.Store(true)
		return // the object must outlive its item
	}
	s.discard(ctx, id)
}

// removeItem takes a report's item off the queue, whoever has it. It deletes the one message: a purge of its subject
// makes the server count as worked what was handed out before it and is not (nats-server 2.15, consumer.purge), so that
// an item which fails after that stays on the queue and is never handed out again.
func (s *Stream) removeItem(ctx context.Context, id report.ID) error {
	m, err := s.work.GetLastMsgForSubject(ctx, s.workSubject(id))
	if err == nil {
		err = s.work.DeleteMsg(ctx, m.Sequence)
	}
	if err == nil || errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if open, lookErr := s.isOpen(ctx, id); lookErr == nil && !open {
		return nil // a worker was faster
	}
	return err
}

// discard removes an object that nothing names.
func (s *Stream) discard(ctx context.Context, id report.ID) {
	ctx, cancel := cleanup(ctx)
	defer cancel()
	if err := s.originals.Purge(ctx, jetstream.WithPurgeSubject(s.originalSubject(id))); err != nil {
		s.dirty.Store(true)
		s.log.Debug("remove an unused original", "report", id, "err", err)
	}
}

// lookup returns the known report with this key.
func (s *Stream) lookup(ctx context.Context, k string) (rep report.Report, found bool, err error) {
	m, err := s.known.GetLastMsgForSubject(ctx, s.knownSubject(k))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return report.Report{}, false, nil
	}
	if err != nil {
		return report.Report{}, false, fmt.Errorf("look whether the report is known: %w", err)
	}
	rep, err = decodeReport(m.Data)
	return rep, err == nil, err
}

// key names what makes two documents the same (DESIGN.md §9): SHA-256 or Identity, format and reporter. It is the first half of
// a SHA-256 over the three, each with its length, so that no two triples run into one another.
func key(rep report.Report) string {
	b := make([]byte, 0, 128)
	same := rep.SHA256
	if rep.Identity != [32]byte{} {
		same = rep.Identity
	}
	for _, part := range [3]string{rep.Reporter, rep.Format, string(same[:])} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// reserve is what is left free on the disk: a write of JetStream that fails for want of space stops it until the
// next start, so ours are refused before.
const reserve = 64 << 20

// space says whether n more bytes find room.
func (s *Stream) space(n int64) error {
	if !s.embedded() {
		return nil // the cluster judges its own disks
	}
	free, err := s.free(s.dir)
	if err != nil {
		return fmt.Errorf("look for free space in %s: %w", s.dir, err)
	}
	if free < reserve+uint64(n) {
		return fmt.Errorf("%w (%s has %d MiB left, %d MiB are kept free)", ErrFull, s.dir, free>>20, reserve>>20)
	}
	return nil
}

func (s *Stream) originalSubject(id report.ID) string { return s.cfg.Name + ".original." + id.String() }
func (s *Stream) workSubject(id report.ID) string     { return s.cfg.Name + ".work." + id.String() }
func (s *Stream) knownSubject(key string) string      { return s.cfg.Name + ".known." + key }

// conflict reports whether the message was refused because its subject already has one.
func conflict(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// cleanup is a context for tidying up after ctx may have ended.
func cleanup(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
}
