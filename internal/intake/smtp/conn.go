package smtp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

const (
	readBuffer  = 16 << 10
	writeBuffer = 4 << 10
	maxCommand  = 2048             // bytes of a command with its end; RFC 5321 §4.5.3.1.4 and what the extensions add
	maxErrors   = 10               // broken rules on one connection
	writeTime   = time.Minute      // how long a client may take to read an answer
	greetTime   = 30 * time.Second // how long STARTTLS may take
)

// conn is one connection of a mail server. Its own goroutine alone touches it, except for what stop needs.
type conn struct {
	s       *Server
	lmtp    bool
	network netip.Prefix // invalid: it came by the socket
	raw     net.Conn     // for deadlines
	rw      net.Conn     // raw, or TLS over it
	r       *bufio.Reader
	w       *bufio.Writer

	mu       sync.Mutex // guards what follows; held for moments
	mailEnds time.Time  // when the mail that is being sent has to be here; zero: none is
	stopping bool

	session
}

func newConn(s *Server, raw net.Conn, lmtp bool, network netip.Prefix) *conn {
	c := &conn{s: s, lmtp: lmtp, network: network, raw: raw, rw: raw, w: bufio.NewWriterSize(raw, writeBuffer)}
	c.r = bufio.NewReaderSize(source{c}, readBuffer)
	return c
}

// source is what the client sends. Before it waits it sends the answers that are ready, so that a group of commands is
// answered together (RFC 2920 §3.2) and nobody waits for an answer that lies here.
type source struct{ c *conn }

// Read waits as long as the client may be silent.
func (s source) Read(p []byte) (int, error) {
	if err := s.c.flush(); err != nil {
		return 0, err
	}
	if err := s.c.arm(); err != nil {
		return 0, err
	}
	return s.c.rw.Read(p)
}

var past = time.Unix(1, 0)

func (c *conn) arm() error {
	until := time.Now().Add(c.s.cfg.Idle)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.mailEnds.IsZero() && c.mailEnds.Before(until):
		until = c.mailEnds
	case c.mailEnds.IsZero() && c.stopping:
		until = past
	}
	return c.raw.SetReadDeadline(until)
}

// stop ends the connection as soon as no mail is being sent on it.
func (c *conn) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	if c.mailEnds.IsZero() {
		_ = c.raw.SetReadDeadline(past) // an error says that the connection has ended
	}
}

// begin and end say when a mail is being sent.
func (c *conn) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mailEnds.IsZero() {
		c.mailEnds = time.Now().Add(c.s.cfg.MailTime)
	}
}

func (c *conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mailEnds = time.Time{}
}

func (c *conn) flush() error {
	if c.w.Buffered() == 0 {
		return nil
	}
	if err := c.raw.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	return c.w.Flush()
}

// say puts an answer where the next wait or flush sends it. An error of the connection shows there.
func (c *conn) say(r *reply) { c.sayTo(r, "") }

func (c *conn) sayTo(r *reply, to string) {
	c.s.metrics.refuse(r)
	_, _ = c.w.WriteString(r.line(to))
	if r.reason == reasonProtocol {
		c.faults++
	}
}

// last is the last answer on the connection.
func (c *conn) last(r *reply) {
	c.say(r)
	c.over = true
}

// serve speaks with the client until one of the two has enough.
func (c *conn) serve(ctx context.Context) {
	defer c.reset()
	greeting := "ESMTP"
	if c.lmtp {
		greeting = "LMTP"
	}
	_, _ = c.w.WriteString("220 " + c.s.host + " " + greeting + " Tocsin\r\n")
	for !c.over {
		switch {
		case c.faults >= maxErrors:
			c.last(&replyErrors)
			continue
		case c.spoken > 200+2*c.s.cfg.MaxRecipients: // nobody holds a place with NOOP
			c.last(&replyTooMuch)
			continue
		}
		c.spoken++
		line, err := c.command()
		if err == nil && line != nil {
			err = c.handle(ctx, string(line))
		}
		if err != nil {
			c.hangUp(err)
			break
		}
	}
	_ = c.flush() // whoever does not listen any more need not be told
}

// command reads one line without its end. A nil line was answered already. Where the end of the line is in doubt the
// connection ends: what comes after it is in doubt too.
func (c *conn) command() ([]byte, error) {
	line, err := c.r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull) || len(line) > maxCommand:
		c.last(&replyLongCommand)
		return nil, nil
	case err != nil:
		return nil, err
	}
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok {
		c.last(&replyBareLF)
		return nil, nil
	}
	// A bare CR, a NUL and their like are no part of any command; in an address they would end up in a header somewhere.
	if bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		c.say(&replyControl)
		return nil, nil
	}
	return text, nil
}

// hangUp says why the connection ends, where there is somebody to tell.
func (c *conn) hangUp(err error) {
	c.mu.Lock()
	inMail, stopping := !c.mailEnds.IsZero(), c.stopping
	c.mu.Unlock()
	switch {
	case errors.Is(err, errAbandon):
		c.say(&replyFarTooLarge)
	case errors.Is(err, os.ErrDeadlineExceeded) && inMail:
		c.say(&replySlow)
	case errors.Is(err, os.ErrDeadlineExceeded) && stopping:
		c.say(&replyStopping)
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.say(&replySilent)
	case inMail:
		c.s.metrics.refused.WithLabelValues(reasonCut).Inc()
	}
}

// startTLS takes the connection into TLS (RFC 3207). What was said before it counts no more.
func (c *conn) startTLS(ctx context.Context) {
	switch {
	case c.s.tls == nil:
		c.say(&replyNoTLS)
		return
	case c.rw != c.raw:
		c.say(&replyNotNow)
		return
	case c.r.Buffered() > 0: // RFC 3207 §4: somebody between us would have put commands there, to be taken as said in TLS
		c.last(&replyNotNow)
		return
	}
	c.say(&replyTLS)
	if c.flush() != nil || c.raw.SetDeadline(time.Now().Add(greetTime)) != nil {
		c.over = true
		return
	}
	over := tls.Server(c.raw, c.s.tls)
	if err := over.HandshakeContext(ctx); err != nil {
		c.s.metrics.refused.WithLabelValues(reasonTLS).Inc()
		c.s.log.Info("a mail server asked for TLS and it came to nothing", "error", err)
		c.over = true
		return
	}
	c.rw = over
	c.r.Reset(source{c})
	c.w.Reset(over)
	c.reset()
	c.greeted = false
}
