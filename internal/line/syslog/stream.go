package syslog

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

const (
	handshake  = 10 * time.Second
	idle       = 24 * time.Hour // a connection that was closed under its sender loses the next message
	unfinished = time.Minute    // a message that has begun
	keepalive  = 30 * time.Second
	skip       = 1 << 20 // bytes of a message that is too long; one of more is none, and neither is what comes behind it
	most       = 256     // messages of a parcel
)

var (
	errFraming = errors.New("it is no frame of syslog: RFC 6587 wants a length before each message, or a line's end behind it")
	errLength  = errors.New("a message is longer than 1 MiB")
)

// accept takes connections.
func (s *Server) accept(ctx context.Context, l net.Listener, queue chan<- *parcel) error {
	g := make(chan struct{}, maxConns)
	defer func() { // wait for all of them
		for range maxConns {
			g <- struct{}{}
		}
	}()
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return nil
		case err != nil: // too many files are open, say
			s.log.Warn("a sender of syslog could not connect", "error", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Second):
			}
			continue
		}
		from, ok := conn.RemoteAddr().(*net.TCPAddr)
		if !ok || !s.may(address(from.AddrPort())) {
			s.messages.WithLabelValues(fateNames[stranger]).Inc()
			_ = conn.Close()
			continue
		}
		select {
		case g <- struct{}{}:
		default:
			s.log.Warn("too many senders of syslog are connected: one was turned away", "most", maxConns)
			_ = conn.Close()
			continue
		}
		go func() {
			defer func() { <-g }()
			s.connection(ctx, conn, queue)
		}()
	}
}

func (s *Server) connection(ctx context.Context, conn net.Conn, queue chan<- *parcel) {
	s.open.Inc()
	s.mu.Lock()
	s.conns[conn] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
		_ = conn.Close()
		s.open.Dec()
	}()
	switch c := conn.(type) {
	case *net.TCPConn:
		_ = c.SetKeepAlivePeriod(keepalive)
	case *tls.Conn:
		if tcp, ok := c.NetConn().(*net.TCPConn); ok {
			_ = tcp.SetKeepAlivePeriod(keepalive)
		}
		limited, cancel := context.WithTimeout(ctx, handshake)
		err := c.HandshakeContext(limited)
		cancel()
		if err != nil {
			if ctx.Err() == nil {
				s.log.Warn("a sender of syslog has no TLS that is to be relied on", "error", err)
			}
			return
		}
	}
	from := address(conn.RemoteAddr().(*net.TCPAddr).AddrPort())
	f := &frames{conn: conn, ctx: ctx, in: bufio.NewReaderSize(conn, 64<<10)}
	r := s.reader()
	devices := map[string]bool{} // that were heard of here
	var err error
	for err == nil {
		p := &parcel{peer: from}
		for err == nil && len(p.items) < most && (len(p.items) == 0 || f.in.Buffered() > 0) {
			var b []byte
			if b, err = f.next(); b != nil {
				if it := r.add(p, b, from, s.now()); len(devices) < maxNames {
					devices[it.device] = true
				}
			}
		}
		if err != nil && ctx.Err() == nil { // else the next start knows
			p.ended = true
			for d := range devices {
				p.items = append(p.items, item{peer: from, device: d, received: s.now(), fate: fates, to: len(p.records)})
			}
		}
		if len(p.items) > 0 {
			queue <- p // which waits while the disk is busy: so does the sender
		}
	}
	if ctx.Err() == nil && !errors.Is(err, io.EOF) {
		s.log.Warn("a connection of syslog broke", "error", report(err))
	}
}

// report is an error without the addresses that net's errors name.
func report(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// frames are the messages of a connection.
type frames struct {
	ctx  context.Context //nolint:containedctx // it ends with the connection
	conn net.Conn
	in   *bufio.Reader
	buf  []byte
}

// next returns a message, which is valid until the next call: behind its length (RFC 6587 §3.4.1, RFC 5425 §4.3), or
// before a line's end (RFC 6587 §3.4.2); senders of TLS have that too. One that is too long is returned too long.
func (f *frames) next() ([]byte, error) {
	f.limit(idle)
	c, err := f.in.ReadByte()
	for err == nil && (c == '\n' || c == '\r' || c == 0) { // behind a counted message, where senders do both
		c, err = f.in.ReadByte()
	}
	if err != nil {
		return nil, err
	}
	_ = f.in.UnreadByte()
	f.limit(unfinished)
	switch {
	case '1' <= c && c <= '9':
		return f.counted()
	case c == '<':
		return f.line()
	}
	return nil, errFraming
}

// limit says for how long to wait, where anything is to be waited for.
func (f *frames) limit(d time.Duration) {
	if f.in.Buffered() > 2*maxMessage {
		return
	}
	_ = f.conn.SetReadDeadline(time.Now().Add(d))
	if f.ctx.Err() != nil { // it may have ended before, and set another
		_ = f.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

func (f *frames) counted() ([]byte, error) {
	n := 0
	for {
		c, err := f.in.ReadByte()
		if err != nil {
			return nil, torn(err)
		}
		if c == ' ' {
			break
		}
		if !digit(c) {
			return nil, errFraming
		}
		if n = n*10 + int(c-'0'); n > skip {
			return nil, errLength
		}
	}
	f.buf = grown(f.buf, min(n, maxMessage+1))
	if _, err := io.ReadFull(f.in, f.buf); err != nil {
		return nil, torn(err)
	}
	if n > maxMessage {
		if _, err := f.in.Discard(n - len(f.buf)); err != nil {
			return f.buf, torn(err)
		}
	}
	return f.buf, nil
}

func (f *frames) line() ([]byte, error) {
	f.buf = f.buf[:0]
	for read := 0; ; {
		part, err := f.in.ReadSlice('\n')
		if read += len(part); read > skip {
			return nil, errLength
		}
		if len(f.buf) <= maxMessage {
			f.buf = append(f.buf, part...)
		}
		switch {
		case err == nil:
			if len(f.buf) <= maxMessage+1 {
				f.buf = bytes.TrimRight(f.buf, "\r\n")
			}
			return f.buf, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, torn(err) // a line without its end may be half of one
		}
	}
}

// torn makes an end within a message an error of its own.
func torn(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func grown(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
