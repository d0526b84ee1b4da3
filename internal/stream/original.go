package stream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tocsin/internal/report"
)

const (
	chunkSize = 256 << 10 // bytes of one message of an object
	window    = 8         // messages of one upload that may wait for their acknowledgement
)

// buffers holds one byte more than a chunk: see upload.next. Most reports fit into one of small: many are accepted at
// once.
var (
	buffers = sync.Pool{New: func() any { b := make([]byte, chunkSize+1); return &b }}
	small   = sync.Pool{New: func() any { b := make([]byte, 8<<10); return &b }}
)

// upload stores one object. One goroutine uses it.
type upload struct {
	s     *Stream
	id    report.ID
	buf   *[]byte
	extra bool     // buf's last byte was read and belongs to the chunk that follows
	begun bool     // something may be stored
	file  *os.File // of a large report on an embedded stream, see file.go; else nil
	hash  hash.Hash
	acks  []jetstream.PubAckFuture // in order of publishing
	first uint64                   // sequence of the first chunk, 0 while it is not acknowledged
	last  uint64                   // of the newest acknowledged one
	n     int                      // chunks published
}

func newUpload(s *Stream, id report.ID) *upload {
	return &upload{s: s, id: id, buf: small.Get().(*[]byte), hash: sha256.New()}
}

func (u *upload) release() {
	if len(*u.buf) > chunkSize {
		buffers.Put(u.buf)
	} else {
		small.Put(u.buf)
	}
}

// widen turns to a buffer that holds a whole chunk.
func (u *upload) widen() {
	wide := buffers.Get().(*[]byte)
	copy(*wide, *u.buf)
	u.release()
	u.buf = wide
}

// next reads a chunk, valid until the next call. It reads one byte further than the chunk, because the last chunk
// must be known as the last: it closes the object.
func (u *upload) next(r io.Reader) (chunk []byte, last bool, err error) {
	b, n := *u.buf, 0
	if u.extra {
		b[0] = b[chunkSize]
		n = 1
	}
	// Not io.ReadFull: it hides whether r itself said io.ErrUnexpectedEOF, as a body that broke off does.
	for idle := 0; n < len(b) && idle < 100; {
		m, err := r.Read(b[n:])
		if n += m; m > 0 {
			idle = 0
		} else {
			idle++
		}
		if n == len(b) && n <= chunkSize && err == nil {
			u.widen()
			b = *u.buf
		}
		if errors.Is(err, io.EOF) {
			// Even a full buffer at the end is cut: its last byte is a chunk of its own.
			u.extra = n > chunkSize
			return b[:min(n, chunkSize)], !u.extra, nil
		}
		if err != nil {
			return nil, false, fmt.Errorf("read the report: %w", err)
		}
	}
	if n < len(b) {
		return nil, false, fmt.Errorf("read the report: %w", io.ErrNoProgress)
	}
	u.extra = true
	return b[:chunkSize], false, nil
}

// store writes first and what follows it in r, and closes the object.
func (u *upload) store(ctx context.Context, rep *report.Report, first []byte, r io.Reader) error {
	chunk, last := first, false
	var size int64
	for {
		u.hash.Write(chunk)
		size += int64(len(chunk))
		if last {
			break
		}
		if err := u.chunk(ctx, chunk); err != nil {
			return err
		}
		if u.n%32 == 0 { // 8 MiB
			if err := u.s.space(8 << 20); err != nil {
				return err
			}
		}
		var err error
		if chunk, last, err = u.next(r); err != nil {
			return err
		}
	}
	u.sum(rep, size)
	return u.close(ctx, *rep, chunk)
}

func (u *upload) sum(rep *report.Report, size int64) {
	u.hash.Sum(rep.SHA256[:0])
	rep.Size = size
}

// chunk stores a chunk that is not the last. A message is not waited for, unless the window is full.
func (u *upload) chunk(ctx context.Context, b []byte) error {
	if u.s.embedded() {
		u.n++
		return u.write(b)
	}
	if len(u.acks) == window {
		if err := u.await(ctx); err != nil {
			return err
		}
	}
	m := nats.NewMsg(u.s.originalSubject(u.id))
	m.Data = b // copied before PublishMsgAsync returns
	u.begun = true
	// No second attempt by the client: it would come after the chunks that follow.
	ack, err := u.s.js.PublishMsgAsync(m, jetstream.WithRetryAttempts(0))
	if err != nil {
		return fmt.Errorf("keep the original: %w", err)
	}
	u.acks = append(u.acks, ack)
	u.n++
	return nil
}

// await takes the oldest acknowledgement.
func (u *upload) await(ctx context.Context) error {
	ack := u.acks[0]
	u.acks = u.acks[1:]
	select {
	case pa := <-ack.Ok():
		if pa.Sequence <= u.last {
			return errors.New("keep the original: its chunks were stored out of order; send the report again")
		}
		u.last = pa.Sequence
		if u.first == 0 {
			u.first = pa.Sequence
		}
		return nil
	case err := <-ack.Err():
		return fmt.Errorf("keep the original: %w", err)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// close publishes the last message, which makes the object whole.
func (u *upload) close(ctx context.Context, rep report.Report, b []byte) error {
	for len(u.acks) > 0 {
		if err := u.await(ctx); err != nil {
			return err
		}
	}
	m := nats.NewMsg(u.s.originalSubject(u.id))
	m.Data = b
	if u.file != nil {
		if err := u.finish(b); err != nil {
			return err
		}
		m.Data = nil
		m.Header.Set(headerFile, "1")
	}
	m.Header.Set(headerSize, strconv.FormatInt(rep.Size, 10))
	m.Header.Set(headerSHA256, hex.EncodeToString(rep.SHA256[:]))
	m.Header.Set(headerChunks, strconv.Itoa(u.n+1))
	if u.first != 0 {
		m.Header.Set(headerFirst, strconv.FormatUint(u.first, 10))
	}
	u.begun = true
	if u.s.embedded() {
		if err := u.s.toOriginals.publish(ctx, m); err != nil {
			return fmt.Errorf("keep the original: %w", err)
		}
		return nil
	}
	pa, err := u.s.js.PublishMsg(ctx, m, jetstream.WithRetryAttempts(0))
	if err != nil {
		return fmt.Errorf("keep the original: %w", err)
	}
	if pa.Sequence <= u.last {
		return errors.New("keep the original: its chunks were stored out of order; send the report again")
	}
	return nil
}

// discard removes what was stored. It waits for the chunks on their way first: JetStream might store them later.
func (u *upload) discard(ctx context.Context) {
	if !u.begun {
		return
	}
	if u.file != nil {
		_ = u.file.Close() // it may be closed
	}
	if errors.Is(context.Cause(ctx), ErrBroken) {
		return // no answer will come; the next Open sweeps
	}
	wait, cancel := cleanup(ctx)
	defer cancel()
	for len(u.acks) > 0 {
		if err := u.await(wait); err != nil && wait.Err() != nil {
			u.s.dirty.Store(true)
			break
		}
	}
	u.s.discard(ctx, u.id)
}

// object is what the last message of an object says of the whole.
type object struct {
	size   int64
	sha256 [sha256.Size]byte
	chunks int
	file   bool // the bytes are in a file, see file.go
	first  uint64
	tail   []byte
}

// find returns the closed object of a report, ErrNotFound where there is none.
func (s *Stream) find(ctx context.Context, id report.ID) (object, error) {
	m, err := s.readback.GetLastMsgForSubject(ctx, s.originalSubject(id))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return object{}, ErrNotFound
	}
	if err != nil {
		return object{}, explain(err)
	}
	if m.Header.Get(headerChunks) == "" {
		return object{}, ErrNotFound // its upload never ended
	}
	o := object{tail: m.Data, file: m.Header.Get(headerFile) != ""}
	var errs [4]error
	o.size, errs[0] = strconv.ParseInt(m.Header.Get(headerSize), 10, 64)
	o.chunks, errs[1] = strconv.Atoi(m.Header.Get(headerChunks))
	if f := m.Header.Get(headerFirst); f != "" {
		o.first, errs[2] = strconv.ParseUint(f, 10, 64)
	}
	sum, err := hex.DecodeString(m.Header.Get(headerSHA256))
	errs[3] = err
	if err := errors.Join(errs[:]...); err != nil || copy(o.sha256[:], sum) != len(o.sha256) {
		return object{}, fmt.Errorf("its headers are damaged: %w", errors.Join(err, ErrDamaged))
	}
	return o, nil
}

// Kept reports whether Original would return the bytes of a report.
func (s *Stream) Kept(ctx context.Context, id report.ID) (bool, error) {
	_, err := s.find(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for the original of report %s: %w", id, err)
	}
	return true, nil
}

// Original returns the bytes of a report as they came in, ErrNotFound where they are not kept. At their end the
// reader has checked size and SHA-256: io.EOF means that they are right, any other error that they are not. The
// caller closes it.
func (s *Stream) Original(ctx context.Context, id report.ID) (io.ReadCloser, error) {
	o, err := s.find(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read the original of report %s: %w", id, err)
	}
	if o.file {
		return s.openFile(id, o)
	}
	if o.chunks == 1 {
		if int64(len(o.tail)) != o.size || sha256.Sum256(o.tail) != o.sha256 {
			return nil, fmt.Errorf("read the original of report %s: %w", id, ErrDamaged)
		}
		return io.NopCloser(bytes.NewReader(o.tail)), nil
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &original{id: id, want: o, hash: sha256.New(), chunks: make(chan chunk, 2), cancel: cancel}
	go s.fetch(ctx, id, o, r.chunks)
	return r, nil
}

type chunk struct {
	data []byte
	err  error
}

// fetch reads an object's chunks ahead of the reader, until all are read or ctx ends.
func (s *Stream) fetch(ctx context.Context, id report.ID, o object, out chan<- chunk) {
	defer close(out)
	seq := o.first
	for range o.chunks {
		m, err := s.readback.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(s.originalSubject(id)))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			err = ErrNotFound // its end date passed while it was read
		}
		c := chunk{err: err}
		if err == nil {
			c.data = m.Data
			seq = m.Sequence + 1
		}
		select {
		case out <- c:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// original reads an object of several chunks.
type original struct {
	id     report.ID
	want   object
	hash   hash.Hash
	size   int64
	buf    []byte
	chunks chan chunk
	cancel context.CancelFunc
	err    error
}

func (r *original) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, r.err
	}
	for len(r.buf) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		c, ok := <-r.chunks
		switch {
		case !ok:
			r.err = r.check()
		case c.err != nil:
			r.err = fmt.Errorf("read the original of report %s: %w", r.id, explain(c.err))
		default:
			r.buf = c.data
			r.hash.Write(c.data)
			r.size += int64(len(c.data))
		}
	}
	n := copy(p, r.buf)
	r.buf = r.buf[n:]
	return n, nil
}

func (r *original) check() error {
	if r.size == r.want.size && [sha256.Size]byte(r.hash.Sum(nil)) == r.want.sha256 {
		return io.EOF
	}
	return fmt.Errorf("read the original of report %s: %w", r.id, ErrDamaged)
}

// Close ends the reading ahead.
func (r *original) Close() error {
	r.cancel()
	for range r.chunks { // until fetch has gone
	}
	r.buf = nil
	if r.err == nil {
		r.err = errors.New("read an original that was closed")
	}
	return nil
}
