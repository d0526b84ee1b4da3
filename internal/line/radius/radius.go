// Package radius is a RADIUS accounting server (RFC 2866): it takes what access servers say of sessions, and answers when
// that is durable. Until then they send it again.
package radius

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // RFC 2866 §3 and RFC 2869 §5.14 know nothing else
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"layeh.com/radius"

	"tocsin/internal/line"
	"tocsin/internal/line/acct"
)

// Client is a network of access servers, and what they share with us.
type Client struct {
	Network netip.Prefix
	Secret  []byte // never logged

	// RequireMessageAuthenticator refuses requests without a Message-Authenticator. Those that have one are always
	// checked (RFC 2869 §5.14).
	RequireMessageAuthenticator bool
}

// Sink keeps records; nil means that they are durable.
type Sink func(ctx context.Context, records []line.Record) error

// Server is the server.
type Server struct {
	conn     *net.UDPConn
	clients  []Client
	identity acct.Identity
	sink     Sink
	now      func() time.Time
	log      *slog.Logger

	requests *prometheus.CounterVec

	mu       sync.Mutex
	answered map[request]answer // lately
	order    []request          // of answered, oldest first
	pending  map[request]bool   // being made durable
}

// request is what tells one request from another: the same comes again where our answer was lost (RFC 2866 §2).
type request struct {
	from          netip.AddrPort
	identifier    byte
	authenticator [16]byte
}

type answer struct {
	packet []byte
	at     time.Time
}

const (
	maxPacket   = 4096 // RFC 2865 §3
	maxAnswered = 10_000
	keepAnswer  = 30 * time.Second
	gather      = 5 * time.Millisecond // so long a batch waits for company
	batch       = 1000                 // requests made durable together
	readBuffer  = 8 << 20              // of the kernel: what comes while the disk is busy
)

// Listen opens the port. The caller calls Run, and Close where it does not.
func Listen(addr string, clients []Client, identity acct.Identity, sink Sink, now func() time.Time, log *slog.Logger, reg prometheus.Registerer) (*Server, error) {
	if err := identity.Validate(); err != nil {
		return nil, err
	}
	at, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for RADIUS accounting: %w", err)
	}
	conn, err := net.ListenUDP("udp", at)
	if err != nil {
		return nil, fmt.Errorf("listen for RADIUS accounting: %w", err)
	}
	_ = conn.SetReadBuffer(readBuffer) // the kernel may give less: then devices send again sooner
	s := &Server{
		conn: conn, clients: clients, identity: identity, sink: sink, now: now, log: log,
		answered: map[request]answer{}, pending: map[request]bool{},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tocsin_radius_requests_total",
			Help: "RADIUS accounting requests, by what became of them. Those of strangers and with a wrong secret get no answer.",
		}, []string{"fate"}),
	}
	for _, fate := range []string{"kept", "again", "other", "refused", "stranger", "secret", "damaged", "failed"} {
		s.requests.WithLabelValues(fate)
	}
	if reg != nil {
		if err := reg.Register(s.requests); err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	return s, nil
}

// Addr is where it listens.
func (s *Server) Addr() netip.AddrPort { return s.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Close closes the port.
func (s *Server) Close() error { return s.conn.Close() }

// received is a request that is sound, on its way to be kept.
type received struct {
	request
	packet  *radius.Packet
	records []line.Record
}

// Run serves until ctx ends. What was read is kept and answered before it returns.
func (s *Server) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetReadDeadline(time.Now()) })
	defer stop()
	queue := make(chan received, 4*batch)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.keep(context.WithoutCancel(ctx), queue)
	}()
	defer func() {
		close(queue)
		<-done
	}()
	buf := make([]byte, maxPacket+1)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil: // a packet of ours that nobody took: the next one may be fine
			s.log.Debug("read RADIUS accounting", "error", err)
			continue
		}
		if r, ok := s.take(bytes.Clone(buf[:n]), netip.AddrPortFrom(from.Addr().Unmap(), from.Port())); ok {
			queue <- r
		}
	}
}

// take checks a packet. False where there is nothing to keep: it was answered, or is nobody's business.
func (s *Server) take(b []byte, from netip.AddrPort) (received, bool) {
	client := s.client(from.Addr())
	switch {
	case client == nil:
		s.requests.WithLabelValues("stranger").Inc()
		return received{}, false
	case len(b) < 20 || len(b) > maxPacket || b[0] != byte(radius.CodeAccountingRequest):
		s.requests.WithLabelValues("damaged").Inc()
		return received{}, false
	case !radius.IsAuthenticRequest(b, client.Secret) || !authentic(b, client):
		s.requests.WithLabelValues("secret").Inc()
		return received{}, false
	}
	p, err := radius.Parse(b, client.Secret)
	if err != nil {
		s.requests.WithLabelValues("damaged").Inc()
		return received{}, false
	}
	r := received{request: request{from, p.Identifier, p.Authenticator}, packet: p}
	if s.known(r.request) {
		return received{}, false
	}
	now := s.now()
	at := line.At(now)
	attributes := attributesOf(p)
	if event := attributes.Get("Event-Timestamp"); event != "" { // RFC 2869 §5.3: by the device's clock, which has no delay
		if m, err := acct.Received(event); err == nil {
			at = m
			delete(attributes, "Acct-Delay-Time")
		}
	}
	r.records, err = acct.Records(attributes, s.identity, at)
	for i := range r.records {
		r.records[i].Received = now
	}
	switch {
	case errors.Is(err, acct.ErrOther):
		s.requests.WithLabelValues("other").Inc()
		s.answer(&r)
		return received{}, false
	case err != nil: // it will not be better when it is sent again
		s.requests.WithLabelValues("refused").Inc()
		s.log.Warn("a RADIUS accounting request cannot be used", "reason", err)
		s.answer(&r)
		return received{}, false
	}
	s.mu.Lock()
	s.pending[r.request] = true
	s.mu.Unlock()
	return r, true
}

// client is the network of an address, the smallest that it is in.
func (s *Server) client(a netip.Addr) *Client {
	var found *Client
	for i := range s.clients {
		if c := &s.clients[i]; c.Network.Contains(a) && (found == nil || c.Network.Bits() > found.Network.Bits()) {
			found = c
		}
	}
	return found
}

// authentic checks a Message-Authenticator: HMAC-MD5 over the packet with that attribute and the authenticator zero
// (RFC 2869 §5.14; for accounting RFC 5080 §2.2.2).
func authentic(b []byte, c *Client) bool {
	const messageAuthenticator = 80
	end := int(binary.BigEndian.Uint16(b[2:]))
	if end < 20 || end > len(b) {
		return false
	}
	for at := 20; at+2 <= end; {
		n := int(b[at+1])
		if n < 2 || at+n > end {
			return false
		}
		if b[at] == messageAuthenticator {
			if n != 18 {
				return false
			}
			copied := bytes.Clone(b[:end])
			clear(copied[4:20])
			clear(copied[at+2 : at+18])
			h := hmac.New(md5.New, c.Secret)
			h.Write(copied)
			return hmac.Equal(h.Sum(nil), b[at+2:at+18])
		}
		at += n
	}
	return !c.RequireMessageAuthenticator
}

// known answers a request that was answered before, and says whether it was, or is being kept.
func (s *Server) known(r request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, before := s.answered[r]
	if before || s.pending[r] {
		s.requests.WithLabelValues("again").Inc()
	}
	if before {
		s.write(a.packet, r.from)
	}
	return before || s.pending[r]
}

// keep makes requests durable, those together that came together, and answers them.
func (s *Server) keep(ctx context.Context, queue <-chan received) {
	for first := range queue {
		all := []received{first}
		timer := time.NewTimer(gather)
	more:
		for len(all) < batch {
			select {
			case r, ok := <-queue:
				if !ok {
					break more
				}
				all = append(all, r)
			case <-timer.C:
				break more
			}
		}
		timer.Stop()
		var records []line.Record
		for i := range all {
			records = append(records, all[i].records...)
		}
		err := s.sink(ctx, records)
		if err != nil {
			s.log.Error("RADIUS accounting could not be kept: devices will send it again", "error", err)
		}
		for i := range all {
			s.mu.Lock()
			delete(s.pending, all[i].request)
			s.mu.Unlock()
			if err != nil {
				s.requests.WithLabelValues("failed").Inc()
				continue
			}
			s.requests.WithLabelValues("kept").Inc()
			s.answer(&all[i])
		}
	}
}

// answer says that a request was taken, and remembers that.
func (s *Server) answer(r *received) {
	packet, err := r.packet.Response(radius.CodeAccountingResponse).Encode()
	if err != nil {
		s.log.Error("answer a RADIUS accounting request", "error", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	for len(s.order) > 0 && (len(s.order) >= maxAnswered || now.Sub(s.answered[s.order[0]].at) > keepAnswer) {
		delete(s.answered, s.order[0])
		s.order = s.order[1:]
	}
	if _, ok := s.answered[r.request]; !ok {
		s.order = append(s.order, r.request)
	}
	s.answered[r.request] = answer{packet, now}
	s.write(packet, r.from)
}

func (s *Server) write(packet []byte, to netip.AddrPort) {
	if _, err := s.conn.WriteToUDPAddrPort(packet, to); err != nil && !errors.Is(err, net.ErrClosed) {
		s.log.Debug("answer a RADIUS accounting request", "error", err)
	}
}
