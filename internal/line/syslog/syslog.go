// Package syslog takes the logs of NAT devices over the network: syslog over UDP (RFC 5426), TCP (RFC 6587) and TLS
// (RFC 5425). What a layout of package nat knows becomes records; all else is counted and forgotten, and so is where
// connections went to.
//
// Nobody sends a message of syslog again. So what was lost must not be passed over in silence: the last holder of a port
// would be named for what the next one did. Whatever shows that messages may be missing (the kernel threw datagrams away,
// a sender's numbers have a hole, a connection ended, a message was torn, this node was down) becomes a record that says
// so, before the next record of the same device.
package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"tocsin/internal/line"
	"tocsin/internal/line/nat"
)

// Config is what the receiver listens for.
type Config struct {
	UDP, TCP, TLS string      // addresses and ports; empty: it does not listen so
	Certificates  *tls.Config // for TLS
	From          []netip.Prefix
	Logs          nat.Logs // its Zone is of times without one
}

// Sink keeps records; nil means that they are durable.
type Sink func(ctx context.Context, records []line.Record) error

// Server is the receiver.
type Server struct {
	cfg  Config
	sink Sink
	now  func() time.Time
	log  *slog.Logger
	udp  *net.UDPConn   // nil: none
	tcp  []net.Listener // of TCP and TLS
	from []netip.Prefix
	keep *keeper

	messages *prometheus.CounterVec
	dropped  prometheus.Counter
	open     prometheus.Gauge

	mu    sync.Mutex // guards conns
	conns map[net.Conn]struct{}
}

const (
	maxMessage = 8192     // RFC 5425 §4.3.1 and RFC 5424 §6.1 want 2048 of us, and like 8192
	maxConns   = 1000     // open at a time
	readBuffer = 32 << 20 // of the kernel: what comes while the disk is busy
	inFlight   = 64       // parcels on their way to be kept
)

// fate is what became of a message.
type fate uint8

const (
	kept      fate = iota
	other          // of no layout
	damaged        // it says who has which ports, and cannot be used
	malformed      // it is no message of syslog, or says no time
	long           // than maxMessage
	stranger       // from an address that may not send
	clock          // its time cannot be
	failed         // it could not be kept
	overloads      // it is of a device that may give one port to several at a time: nat.ErrOverloads
	fates
)

var fateNames = [fates]string{"kept", "other", "damaged", "malformed", "long", "stranger", "time", "failed", "overloads"}

// Listen opens the ports. heard is until when the records reach that each device has sent before, in seconds of Unix time:
// what it has sent since is missing. The caller calls Run, and Close where it does not.
func Listen(cfg Config, heard map[string]int64, sink Sink, now func() time.Time, log *slog.Logger, reg prometheus.Registerer) (*Server, error) {
	s := &Server{
		cfg: cfg, sink: sink, now: now, log: log, from: cfg.From, conns: map[net.Conn]struct{}{},
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tocsin_line_syslog_messages_total",
			Help: "Messages of NAT devices, by what became of them: kept, other (of no layout), damaged, malformed, long, stranger, time (which cannot be), failed, overloads (see own_ports).",
		}, []string{"fate"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tocsin_line_syslog_dropped_total", Help: "Datagrams that the kernel threw away for want of room.",
		}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tocsin_line_syslog_connections", Help: "Senders that are connected."}),
	}
	s.keep = newKeeper(s, heard)
	if err := s.listen(); err != nil {
		return nil, errors.Join(fmt.Errorf("listen for syslog: %w", err), s.Close())
	}
	for _, name := range fateNames {
		s.messages.WithLabelValues(name)
	}
	for _, why := range whys {
		s.keep.gaps.WithLabelValues(why)
	}
	if reg != nil {
		for _, c := range []prometheus.Collector{s.messages, s.dropped, s.open, s.keep.gaps} {
			if err := reg.Register(c); err != nil {
				return nil, errors.Join(err, s.Close())
			}
		}
	}
	return s, nil
}

func (s *Server) listen() error {
	if s.cfg.UDP != "" {
		at, err := net.ResolveUDPAddr("udp", s.cfg.UDP)
		if err != nil {
			return err
		}
		if s.udp, err = net.ListenUDP("udp", at); err != nil {
			return err
		}
		_ = s.udp.SetReadBuffer(readBuffer) // the kernel may give less: then it throws away sooner, and says so
		if err := prepare(s.udp); err != nil {
			return err
		}
	}
	for _, t := range []struct {
		addr string
		tls  *tls.Config
	}{{s.cfg.TCP, nil}, {s.cfg.TLS, s.cfg.Certificates}} {
		if t.addr == "" {
			continue
		}
		l, err := net.Listen("tcp", t.addr) //nolint:noctx // it is open when this returns
		if err != nil {
			return err
		}
		if t.tls != nil {
			l = tls.NewListener(l, t.tls)
		}
		s.tcp = append(s.tcp, l)
	}
	return nil
}

// Addrs are where it listens: UDP, TCP and TLS, those that there are.
func (s *Server) Addrs() (all []net.Addr) {
	if s.udp != nil {
		all = append(all, s.udp.LocalAddr())
	}
	for _, l := range s.tcp {
		all = append(all, l.Addr())
	}
	return all
}

// Close closes the ports.
func (s *Server) Close() error {
	var errs []error
	if s.udp != nil {
		errs = append(errs, s.udp.Close())
	}
	for _, l := range s.tcp {
		errs = append(errs, l.Close())
	}
	for i, err := range errs {
		if errors.Is(err, net.ErrClosed) {
			errs[i] = nil
		}
	}
	return errors.Join(errs...)
}

// Run receives until ctx ends. What was read is kept before it returns.
func (s *Server) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		if s.udp != nil {
			_ = s.udp.SetReadDeadline(time.Unix(1, 0))
		}
		for _, l := range s.tcp {
			_ = l.Close()
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for c := range s.conns {
			_ = c.SetReadDeadline(time.Unix(1, 0))
		}
	})
	defer stop()
	queue := make(chan *parcel, inFlight)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.keep.run(ctx, queue)
	}()
	var g errgroup.Group
	if s.udp != nil {
		g.Go(func() error { return s.datagrams(ctx, queue) })
	}
	for _, l := range s.tcp {
		g.Go(func() error { return s.accept(ctx, l, queue) })
	}
	err := g.Wait()
	close(queue)
	<-done
	return err
}

// may reports whether an address may send.
func (s *Server) may(a netip.Addr) bool {
	for _, p := range s.from {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// parcel is messages that were read together, and their records.
type parcel struct {
	peer    netip.Addr // zero: each item has its own
	udp     bool
	items   []item
	records []line.Record
	ended   bool // the connection has: what its devices say next may have something missing before it
}

// item is a message.
type item struct {
	peer     netip.Addr
	device   string // who has sent it, by itself; else its address
	app      string
	at       line.Moment // zero: not known
	received time.Time
	sequence uint32
	fate     fate
	torn     bool      // something was in it that was not to be read
	lost     time.Time // datagrams were thrown away between then and its receipt; zero: none
	to       int       // its records end there in the parcel's, and begin where those before it end
}

// reader makes items of messages. It is one goroutine's.
type reader struct {
	s      *Server
	header Header
	names  map[string]string
}

const maxNames = 10_000 // of devices and programs

func (s *Server) reader() *reader {
	return &reader{s: s, header: Header{Zone: s.cfg.Logs.Zone}, names: map[string]string{}}
}

// name returns a copy of a name: as it stands it would keep the message in memory, and with it where somebody went to.
func (r *reader) name(text string) string {
	known, ok := r.names[text]
	if !ok {
		if len(r.names) >= maxNames {
			clear(r.names)
		}
		known = string([]byte(text))
		r.names[known] = known
	}
	return known
}

// precise is how long a datagram is on its way at most, in seconds, before the kernel says when it came.
const precise = 1

// add adds a message to a parcel.
func (r *reader) add(p *parcel, b []byte, peer netip.Addr, received time.Time) *item {
	p.items = append(p.items, item{peer: peer, received: received, to: len(p.records)})
	it := &p.items[len(p.items)-1]
	it.device = r.name(peer.String())
	if len(b) > maxMessage {
		it.fate, it.torn = long, true
		return it
	}
	text := string(b)
	m, err := r.header.Read(text, received)
	if m.Host != "" {
		it.device = r.name(m.Host)
	}
	if m.Sequence != 0 {
		it.sequence, it.app = m.Sequence, r.name(m.App)
	}
	if err == nil && m.At.IsZero() && p.udp { // it came at once, so it is of just now
		m.At = line.Moment{Earliest: received.Unix() - precise, Latest: received.Unix()}
	}
	it.at = m.At
	if err != nil {
		found, torn := r.s.cfg.Logs.Message(p.records, text, line.Moment{}, "")
		it.fate, it.torn = malformed, torn != nil || len(found) > len(p.records)
		return it
	}
	p.records, err = r.s.cfg.Logs.Message(p.records, m.Text, m.At, it.device)
	switch {
	case errors.Is(err, nat.ErrOverloads):
		it.fate, it.torn = overloads, true // whose the ports were from there on is not known
	case err != nil:
		it.fate, it.torn = damaged, true
	case len(p.records) == it.to:
		it.fate = other
	case p.records[it.to].At.IsZero():
		p.records = p.records[:it.to]
		it.fate, it.torn = malformed, true // over a connection it may have waited for long
	}
	it.to = len(p.records)
	return it
}
