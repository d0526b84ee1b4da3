package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const inMemory = 64 << 10 // bodies up to here do not touch the disk

// Body is a body that is here as a whole. Closing it removes it.
type Body struct {
	io.ReadSeeker
	Size int64
	file *os.File // nil in memory
}

// Close removes the body.
func (b *Body) Close() error {
	if b == nil || b.file == nil {
		return nil
	}
	return errors.Join(b.file.Close(), os.Remove(b.file.Name()))
}

// watch ends a request whose server says nothing more.
type watch struct {
	stop  context.CancelCauseFunc
	timer *time.Timer
	idle  time.Duration
	host  string
}

func (w *watch) stalled() {
	w.stop(failed(w.host, "has sent nothing for "+w.idle.String(), nil))
}

func (w *watch) alive() { w.timer.Reset(w.idle) }

// watched reads a body under watch, no more of it than max.
type watched struct {
	io.Reader
	w    *watch
	left int64 // of max, and one more
	err  error // what ended it, other than its end
}

var errTooLarge = errors.New("larger than it may be")

// Read reads on.
func (r *watched) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b[:min(int64(len(b)), r.left)])
	r.left -= int64(n)
	if n > 0 {
		r.w.alive()
	}
	if r.left == 0 {
		err = errTooLarge
	}
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// spool takes the body in: a small one into memory, a large one into a file. What breaks off is none.
func (c *Client) spool(r Request, w *watch, resp *http.Response) (*Body, error) {
	tooLarge := &Error{Kind: Failed, Reason: fmt.Sprintf("%s sends more than %d bytes, the most that is taken: raise max_bytes if that is right", w.host, r.MaxBytes)}
	if resp.ContentLength > r.MaxBytes {
		return nil, tooLarge
	}
	in := &watched{Reader: resp.Body, w: w, left: r.MaxBytes + 1}
	body, err := c.keep(in)
	switch {
	case errors.Is(in.err, errTooLarge):
		return nil, errors.Join(tooLarge, body.Close())
	case in.err != nil:
		return nil, errors.Join(in.err, body.Close())
	case err != nil:
		return nil, errors.Join(&Error{Kind: Failed, Reason: "what " + w.host + " sends cannot be written into the spool: check the disk", cause: err}, body.Close())
	}
	if resp.ContentLength < 0 && !resp.Uncompressed { // nothing else would tell that a file was cut
		if err := whole(body, 4*r.MaxBytes); err != nil {
			return nil, errors.Join(err, body.Close())
		}
	}
	return body, nil
}

func (c *Client) keep(in io.Reader) (*Body, error) {
	head, err := io.ReadAll(io.LimitReader(in, inMemory+1))
	if err != nil || len(head) <= inMemory {
		return &Body{ReadSeeker: bytes.NewReader(head), Size: int64(len(head))}, err
	}
	f, err := os.CreateTemp(c.opts.Spool, spooled)
	if err != nil {
		return nil, err
	}
	b := &Body{ReadSeeker: f, file: f}
	size, err := io.Copy(f, io.MultiReader(bytes.NewReader(head), in))
	b.Size = size
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	return b, err
}

// whole reports a gzip file without its end. It unpacks no more than limit: what is longer is for the formats to judge.
func whole(b *Body, limit int64) error {
	var magic [2]byte
	_, err := io.ReadFull(b, magic[:])
	if err == nil && magic == [2]byte{0x1f, 0x8b} { // RFC 1952 §2.3.1
		if _, err = b.Seek(0, io.SeekStart); err != nil {
			return err
		}
		var z *gzip.Reader
		if z, err = gzip.NewReader(b); err == nil {
			_, err = io.CopyN(io.Discard, z, limit)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
	}
	_, err = b.Seek(0, io.SeekStart)
	return err
}
