// Package fetchtest runs HTTP servers on loopback under names of the Internet, for the tests of what fetches.
package fetchtest

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"tocsin/internal/intake/fetch"
)

// Host is the name under which the server's certificate holds.
const Host = "example.com"

// Net is a made-up Internet: names, their addresses, and which server answers there.
type Net struct {
	Names   map[string][]netip.Addr
	Servers map[netip.Addr]net.Addr
	Roots   *x509.CertPool
	Metrics *prometheus.Registry
	Spool   string
}

// New runs a TLS server under Host, at 192.0.2.1.
func New(t *testing.T, h http.Handler) *Net {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // of clients that hang up, which they are meant to
	srv.StartTLS()
	t.Cleanup(srv.Close)
	at := netip.MustParseAddr("192.0.2.1")
	n := &Net{
		Names: map[string][]netip.Addr{Host: {at}}, Servers: map[netip.Addr]net.Addr{at: srv.Listener.Addr()},
		Roots: x509.NewCertPool(), Metrics: prometheus.NewRegistry(), Spool: t.TempDir(),
	}
	n.Roots.AddCert(srv.Certificate())
	return n
}

// Plain runs a further server, without TLS, under a name and an address.
func (n *Net) Plain(t *testing.T, name, address string, h http.Handler) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	at := netip.MustParseAddr(address)
	n.Names[name] = append(n.Names[name], at)
	n.Servers[at] = srv.Listener.Addr()
}

// Client makes a client that reaches this Internet only.
func (n *Net) Client(t *testing.T) *fetch.Client {
	t.Helper()
	c, err := fetch.New(fetch.Options{
		Agent: fetch.Agent("1.2.3", "abuse@example.net"), Spool: n.Spool, Metrics: n.Metrics, Roots: n.Roots,
		Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			if a, ok := n.Names[host]; ok {
				return a, nil
			}
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		},
		Dial: func(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
			to, ok := n.Servers[address.Addr()]
			if !ok {
				return nil, &net.OpError{Op: "dial", Err: net.UnknownNetworkError("nobody at " + address.String())}
			}
			var d net.Dialer
			return d.DialContext(ctx, to.Network(), to.String())
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
