package syslog

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"
)

const together = 64 // datagrams that are asked of the kernel at once

// datagrams reads UDP (RFC 5426): a message each.
func (s *Server) datagrams(ctx context.Context, queue chan<- *parcel) error {
	conn := ipv4.NewPacketConn(s.udp) // for IPv6 too: only the sockets are asked
	messages := make([]ipv4.Message, together)
	for i := range messages {
		messages[i].Buffers = [][]byte{make([]byte, maxMessage+1)}
		messages[i].OOB = make([]byte, controlBytes)
	}
	r := s.reader()
	var dropped uint32
	before := s.now() // when the last one came
	for {
		n, err := conn.ReadBatch(messages, 0)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // it was told to end
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil: // the next one may be fine
			s.log.Debug("read syslog", "error", err)
			continue
		}
		p := &parcel{udp: true, items: make([]item, 0, n)}
		for i := range messages[:n] {
			m := &messages[i]
			from, ok := m.Addr.(*net.UDPAddr)
			if !ok {
				continue
			}
			at, now := told(m.OOB[:m.NN])
			if at.IsZero() {
				at = s.now()
			}
			var lost time.Time
			if now != dropped {
				lost = before
				s.dropped.Add(float64(now - dropped))
				dropped = now
			}
			before = at
			peer := address(from.AddrPort())
			var it *item
			if s.may(peer) {
				it = r.add(p, m.Buffers[0][:m.N], peer, at)
			} else {
				p.items = append(p.items, item{peer: peer, received: at, fate: stranger, to: len(p.records)})
				it = &p.items[len(p.items)-1]
			}
			it.lost = lost
		}
		queue <- p
	}
}

func address(a netip.AddrPort) netip.Addr { return a.Addr().Unmap().WithZone("") }
