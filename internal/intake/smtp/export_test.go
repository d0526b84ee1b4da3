package smtp

import (
	"bufio"
	"context"
	"io"
	"net"
)

// Speak serves one connection that a test brings, past ports and networks.
func (s *Server) Speak(ctx context.Context, raw net.Conn, lmtp bool) {
	if c, _ := s.admit(raw, lmtp); c != nil {
		defer s.leave(c)
		c.serve(ctx)
	}
}

// ReadData is readData.
func ReadData(r *bufio.Reader, to io.Writer) error { return readData(r, to) }
