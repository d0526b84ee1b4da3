// Package smtp is the intake channel for mails that a mail server forwards. It receives by SMTP (RFC 5321) and LMTP
// (RFC 2033), for the recipients that it was told of and for nobody else, and says 250 only when the mail is durable.
// Everything that goes wrong here is answered with a 4xx, so that the mail server keeps the mail and tries again.
//
// The bytes of a mail stay those that came: no Received line is added. docs/adr/0018-own-smtp-listener.md says why, and
// why the protocol's side is our own.
package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tocsin/internal/intake"
	"tocsin/internal/intake/mail"
)

// Desk keeps mails.
type Desk interface {
	// Accept takes one mail in; r is read from its beginning and not after Accept has returned. The receipt means that
	// the mail is durable. An error promises nothing and wraps intake.ErrFull where there is no space; trying again is
	// harmless.
	Accept(ctx context.Context, e mail.Envelope, r io.ReadSeeker) (intake.Receipt, error)
}

// drain is how long mails on their way in may take when the node stops.
const drain = 10 * time.Second

// Server receives mails.
type Server struct {
	cfg        intake.SMTP
	desk       Desk
	spool      string
	host       string
	log        *slog.Logger
	metrics    *metrics
	tls        *tls.Config // nil: no STARTTLS
	recipients map[string]bool
	listeners  []listener

	mu       sync.Mutex           // guards what follows; held for moments, and taken before a connection's own
	conns    map[*conn]struct{}   // those that are served
	networks map[netip.Prefix]int // how many of them by client network
	stopping bool
	serving  sync.WaitGroup // one for each of conns
}

type listener struct {
	net.Listener
	lmtp bool
}

// New opens what the config names and listens; nobody is answered before Run. cfg is valid and complete; spool is a
// folder of its own in the data directory, where mails lie until the desk has them. What a crash left there is removed:
// nobody was promised anything about it. The caller runs or closes the server.
func New(ctx context.Context, cfg intake.SMTP, desk Desk, spool string, log *slog.Logger, reg prometheus.Registerer) (*Server, error) {
	s := &Server{
		cfg: cfg, desk: desk, spool: spool, host: cfg.Hostname, log: log, recipients: map[string]bool{},
		conns: map[*conn]struct{}{}, networks: map[netip.Prefix]int{},
	}
	if s.host == "" {
		name, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("find this machine's name: %w: write intake.smtp.hostname", err)
		}
		s.host = name
	}
	for _, r := range cfg.Recipients {
		s.recipients[strings.ToLower(r)] = true
	}
	if cfg.Certificate != "" {
		pair := &certificate{certFile: cfg.Certificate, keyFile: cfg.Key, log: log}
		if err := pair.load(); err != nil {
			return nil, err
		}
		s.tls = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: pair.get}
	}
	if err := cleanSpool(spool); err != nil {
		return nil, err
	}
	if err := s.listen(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.metrics = newMetrics(reg, func() float64 {
		s.mu.Lock()
		defer s.mu.Unlock()
		return float64(len(s.conns))
	})
	return s, nil
}

func (s *Server) listen(ctx context.Context) error {
	var lc net.ListenConfig
	for _, list := range []struct {
		addresses []string
		lmtp      bool
	}{{s.cfg.SMTP, false}, {s.cfg.LMTP, true}} {
		for _, a := range list.addresses {
			l, err := lc.Listen(ctx, "tcp", a)
			if err != nil {
				return fmt.Errorf("listen for mails: %w: end what runs there, or change intake.smtp in the config", err)
			}
			s.listeners = append(s.listeners, listener{l, list.lmtp})
		}
	}
	if s.cfg.Socket == "" {
		return nil
	}
	mode, err := s.cfg.Mode()
	if err != nil {
		return err
	}
	l, err := listenSocket(ctx, s.cfg.Socket)
	if err != nil {
		return fmt.Errorf("listen for mails: %w: change intake.smtp.socket in the config", err)
	}
	s.listeners = append(s.listeners, listener{l, true})
	if err := os.Chmod(s.cfg.Socket, mode); err != nil {
		return fmt.Errorf("let the mail server use the socket: %w", err)
	}
	return nil
}

// listenSocket listens on a socket, also where a program that was killed left one behind.
func listenSocket(ctx context.Context, path string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	if info, statErr := os.Lstat(path); statErr != nil || info.Mode().Type() != fs.ModeSocket {
		return nil, err // a file of somebody's
	}
	var d net.Dialer
	if c, dialErr := d.DialContext(ctx, "unix", path); !errors.Is(dialErr, syscall.ECONNREFUSED) {
		if dialErr == nil {
			_ = c.Close()
		}
		return nil, err // somebody listens
	}
	if err := os.Remove(path); err != nil {
		return nil, err
	}
	return lc.Listen(ctx, "unix", path)
}

// Addresses returns where the server listens: SMTP, then LMTP, then the socket, each in the config's order.
func (s *Server) Addresses() []net.Addr {
	all := make([]net.Addr, 0, len(s.listeners))
	for _, l := range s.listeners {
		all = append(all, l.Addr())
	}
	return all
}

// Close closes the ports of a server that is not run. After Run it does nothing.
func (s *Server) Close() error {
	var errs []error
	for _, l := range s.listeners {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Run receives mails until ctx ends. Then who comes is told to come back, who waits is sent away, and who is sending a
// mail may finish it within some seconds.
func (s *Server) Run(ctx context.Context) error {
	work, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	var accepting sync.WaitGroup
	for _, l := range s.listeners {
		accepting.Go(func() { s.accept(work, l) })
		s.log.Info("listening for mails", "address", l.Addr().String(), "protocol", protocol(l.lmtp))
	}
	<-ctx.Done()
	s.stop()
	idle := make(chan struct{})
	go func() { s.serving.Wait(); close(idle) }()
	limit := time.NewTimer(drain)
	defer limit.Stop()
	select {
	case <-idle:
	case <-limit.C:
		abandon()
		s.cut()
		<-idle
	}
	abandon()
	err := s.Close()
	accepting.Wait()
	return err
}

func (s *Server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	for c := range s.conns {
		c.stop()
	}
}

func (s *Server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.raw.Close() // its handler ends with it
	}
}

// acceptPause is how long we wait when the system gives us no connection, for want of files for instance.
const acceptPause = time.Second

func (s *Server) accept(ctx context.Context, l listener) {
	for {
		raw, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.log.Warn("a mail server could not be let in and will try again", "error", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(acceptPause):
			}
			continue
		}
		c, refused := s.admit(raw, l.lmtp)
		if refused != nil {
			s.metrics.refuse(refused)
			s.log.Debug("a client was sent away", "address", raw.RemoteAddr().String(), "reason", refused.reason)
			_ = raw.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = io.WriteString(raw, refused.line("")) // who is gone need not be told
			_ = raw.Close()
			continue
		}
		go func() {
			defer s.leave(c)
			c.serve(ctx)
		}()
	}
}

// admit lets a connection in or says why not.
func (s *Server) admit(raw net.Conn, lmtp bool) (*conn, *reply) {
	s.metrics.connections.WithLabelValues(protocol(lmtp)).Inc()
	network, allowed := s.client(raw.RemoteAddr())
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !allowed:
		return nil, &replyStranger
	case s.stopping:
		return nil, &replyStopping
	case len(s.conns) >= s.cfg.MaxConnections:
		return nil, &replyBusy
	case network.IsValid() && s.networks[network] >= s.cfg.MaxConnectionsPerNetwork:
		return nil, &replyBusyNetwork
	}
	c := newConn(s, raw, lmtp, network)
	s.conns[c] = struct{}{}
	if network.IsValid() {
		s.networks[network]++
	}
	s.serving.Add(1)
	return c, nil
}

// client says which network a client counts to, and whether it may connect. A socket's mode has decided that already.
func (s *Server) client(a net.Addr) (network netip.Prefix, allowed bool) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}, true
	}
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 24
	}
	network = netip.PrefixFrom(addr, bits).Masked()
	for _, p := range s.cfg.Clients {
		if p.Contains(addr) {
			return network, true
		}
	}
	return network, false
}

func (s *Server) leave(c *conn) {
	_ = c.raw.Close()
	s.mu.Lock()
	delete(s.conns, c)
	if c.network.IsValid() {
		if s.networks[c.network]--; s.networks[c.network] == 0 {
			delete(s.networks, c.network)
		}
	}
	s.mu.Unlock()
	s.serving.Done()
}

// taken reports whether mails to an address are taken.
func (s *Server) taken(address string) bool {
	a := strings.ToLower(address)
	at := strings.LastIndexByte(a, '@')
	return at > 0 && (s.recipients[a] || s.recipients[a[at:]])
}

func protocol(lmtp bool) string {
	if lmtp {
		return "lmtp"
	}
	return "smtp"
}
