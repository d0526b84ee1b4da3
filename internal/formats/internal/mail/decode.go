package mail

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// decode undoes a transfer encoding (RFC 2045 §6). An encoding nobody knows is left as it is.
func decode(r io.Reader, encoding string) io.Reader {
	encoding, _, _ = strings.Cut(encoding, ";")
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		return &base64Reader{r: r, buf: make([]byte, 32<<10)}
	case "quoted-printable":
		return &quotedReader{r: bufio.NewReaderSize(r, 4096)}
	}
	return r
}

// base64Reader ignores every character outside of the alphabet, as RFC 2045 §6.8 demands and encoding/base64 does
// not, forgives missing padding, and goes on after padding in the middle (encoders that work file by file).
type base64Reader struct {
	r    io.Reader
	buf  []byte
	in   []byte // of buf, not yet decoded
	acc  uint32
	n    int // characters in acc
	out  [3]byte
	left []byte // of out
	err  error
}

func (d *base64Reader) Read(p []byte) (int, error) {
	n := copy(p, d.left)
	d.left = d.left[n:]
	for n < len(p) {
		if len(d.in) == 0 {
			if n > 0 && d.err == nil {
				return n, nil // hand on what there is rather than wait
			}
			if d.err != nil {
				if !d.flush() {
					break
				}
			} else {
				var k int
				k, d.err = d.r.Read(d.buf)
				d.in = d.buf[:k]
				continue
			}
		} else if !d.quantum() {
			continue
		}
		k := copy(p[n:], d.left)
		d.left = d.left[k:]
		n += k
	}
	if n == 0 && len(p) > 0 {
		return 0, d.err
	}
	return n, nil
}

// quantum takes characters until three bytes, or the last of a padded group, are in d.left.
func (d *base64Reader) quantum() bool {
	for i, c := range d.in {
		v := base64Values[c]
		switch {
		case v < 64:
			d.acc = d.acc<<6 | uint32(v)
			if d.n++; d.n == 4 {
				d.out = [3]byte{byte(d.acc >> 16 & 0xff), byte(d.acc >> 8 & 0xff), byte(d.acc & 0xff)}
				d.left, d.n = d.out[:3], 0
				d.in = d.in[i+1:]
				return true
			}
		case c == '=' && d.n > 0:
			d.in = d.in[i+1:]
			return d.flush()
		}
	}
	d.in = nil
	return false
}

// flush hands on a group of two or three characters: one or two bytes. One character is no byte.
func (d *base64Reader) flush() bool {
	n := d.n
	d.n = 0
	switch n {
	case 2:
		d.out[0] = byte(d.acc >> 4 & 0xff)
		d.left = d.out[:1]
	case 3:
		d.out[0], d.out[1] = byte(d.acc>>10&0xff), byte(d.acc>>2&0xff)
		d.left = d.out[:2]
	default:
		return false
	}
	return true
}

var base64Values = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = byte(i)
	}
	return t
}()

// quotedReader undoes quoted-printable (RFC 2045 §6.7). What is no escape stands for itself (ibid., note on robust
// implementations).
type quotedReader struct {
	r     *bufio.Reader
	space []byte // white space that may turn out to end its line, where it is to be dropped
	out   []byte // to be handed on before anything is read
	err   error
}

const maxSpace = 1000 // more white space than this is content, whatever follows

func (d *quotedReader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(d.out) > 0 {
			k := copy(p[n:], d.out)
			d.out = d.out[k:]
			n += k
			continue
		}
		if d.err != nil || n > 0 && d.r.Buffered() == 0 {
			break
		}
		d.step()
	}
	if n == 0 && len(p) > 0 {
		return 0, d.err
	}
	return n, nil
}

// step reads one character and puts what it means into d.out.
func (d *quotedReader) step() {
	c, err := d.r.ReadByte()
	if err != nil {
		d.err, d.space = err, d.space[:0]
		return
	}
	switch {
	case (c == ' ' || c == '\t') && len(d.space) < maxSpace:
		d.space = append(d.space, c)
		return
	case c == '\r' && d.follows('\n'), c == '\n':
		d.space = d.space[:0]
	}
	d.out = append(append(d.out[:0], d.space...), c)
	d.space = d.space[:0]
	if c == '=' {
		d.escape()
	}
}

func (d *quotedReader) follows(want byte) bool {
	next, err := d.r.Peek(1)
	return err == nil && next[0] == want
}

// escape handles what follows an equals sign, which is the last of d.out.
func (d *quotedReader) escape() {
	next, err := d.r.Peek(2)
	if len(next) == 2 {
		hi, lo := hexValue(next[0]), hexValue(next[1])
		if hi < 16 && lo < 16 {
			d.out[len(d.out)-1] = hi<<4 | lo
			d.skip(2)
			return
		}
	}
	if len(next) < 2 && err != nil && !errors.Is(err, io.EOF) {
		d.err = err
	}
	// A soft line break, with white space that a gateway may have added (RFC 2045 §6.7 rule 3).
	head, _ := d.r.Peek(128)
	for i, c := range head {
		switch c {
		case ' ', '\t', '\r':
			continue
		case '\n':
			d.out = d.out[:len(d.out)-1]
			d.skip(i + 1)
		}
		return
	}
	if len(head) < 128 { // the data ends after the soft line break
		d.out = d.out[:len(d.out)-1]
		d.skip(len(head))
	}
}

func (d *quotedReader) skip(n int) { _, _ = d.r.Discard(n) } // peeked before: it is there

func hexValue(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	case c >= 'a' && c <= 'f': // lower case is against the RFC and common
		return c - 'a' + 10
	}
	return 0xff
}
