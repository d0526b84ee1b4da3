package smtp

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
)

func (c *conn) incoming() *incoming {
	m := &incoming{dir: c.s.spool, max: c.s.cfg.MaxBytes, maxLine: c.s.cfg.MaxLine, buf: c.buf[:0]}
	c.buf = nil
	return m
}

// data receives a mail by DATA. Its error is the connection's end: of such a mail nothing is kept.
func (c *conn) data(ctx context.Context, arg string) error {
	switch {
	case arg != "":
		c.say(&replyBadSyntax)
		return nil
	case !c.hasSender || c.chunks != nil: // RFC 3030 §3: DATA and BDAT do not mix
		c.say(&replyNotNow)
		return nil
	case len(c.recipients) == 0:
		c.say(&replyNoRecipient)
		return nil
	}
	c.begin()
	c.say(&replyGoAhead)
	m := c.incoming()
	if err := readData(c.r, m); err != nil {
		c.buf = m.close()
		return err
	}
	c.finish(ctx, m)
	return nil
}

// readData reads to the end of a mail, which is CR LF . CR LF and nothing else (RFC 5321 §4.1.1.4): with a bare LF or CR
// in it, it is text of the mail, or somebody could put a second mail into a first one. A full stop at the beginning of a
// line is taken away (§4.5.2). All other bytes stay as they came.
func readData(r *bufio.Reader, to io.Writer) error {
	begins, cr := true, false // at the beginning of a line; after a CR
	for {
		part, err := r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		text := part
		if begins && part[0] == '.' {
			if string(part) == ".\r\n" {
				return nil
			}
			text = part[1:]
		}
		if _, err := to.Write(text); err != nil {
			return err
		}
		n := len(part)
		if n >= 2 {
			cr = part[n-2] == '\r'
		}
		begins = cr && part[n-1] == '\n'
		cr = part[n-1] == '\r'
	}
}

// chunkSize is the first word of a BDAT (RFC 3030 §2).
func chunkSize(words []string) (uint64, bool) {
	if len(words) == 0 {
		return 0, false
	}
	size, err := strconv.ParseUint(words[0], 10, 63)
	return size, err == nil
}

// bdat receives a part of a mail by BDAT (RFC 3030). The bytes that were announced are read in any case, as what comes
// after them is the next command.
func (c *conn) bdat(ctx context.Context, arg string) error {
	words := strings.Fields(arg)
	last := len(words) == 2 && strings.EqualFold(words[1], "LAST")
	size, known := chunkSize(words)
	if !known || len(words) == 2 && !last || len(words) > 2 {
		c.last(&replyBadSyntax) // nobody knows where the next command begins
		return nil
	}
	if !c.hasSender || len(c.recipients) == 0 {
		return c.skip(size, &replyNotNow)
	}
	c.begin()
	if c.chunks == nil {
		c.chunks = c.incoming()
	}
	m := c.chunks
	if _, err := io.CopyN(m, c.r, int64(size)); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // a part that broke off is no whole one, whatever LAST said
		}
		return err
	}
	switch {
	case last:
		c.finish(ctx, m)
	case m.wrong != nil: // what follows of it is answered with 503
		c.say(m.wrong)
		c.reset()
	default:
		c.say(&replyOK)
	}
	return nil
}

// skip reads a part that nobody asked for.
func (c *conn) skip(size uint64, r *reply) error {
	if size > uint64(c.s.cfg.MaxBytes) {
		c.last(r)
		return nil
	}
	c.begin()
	defer c.end()
	if _, err := io.CopyN(io.Discard, c.r, int64(size)); err != nil {
		return err
	}
	c.say(r)
	return nil
}
