package stream_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"tocsin/internal/stream"
)

// natsServers starts a cluster of n servers on loopback ports and returns its URL.
func natsServers(t *testing.T, n int) string {
	t.Helper()
	var routes []*url.URL
	ports := make([]int, n)
	for i := range ports {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = l.Addr().(*net.TCPAddr).Port
		routes = append(routes, &url.URL{Scheme: "nats", Host: l.Addr().String()})
		l.Close()
	}
	var urls []string
	var all []*server.Server
	for i := range n {
		o := &server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: -1, NoSigs: true, JetStream: true,
			StoreDir: t.TempDir(), JetStreamMaxStore: 1 << 30, JetStreamMaxMemory: 64 << 20,
		}
		if n > 1 {
			o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: ports[i]}
			o.Routes = routes
		}
		srv, err := server.NewServer(o)
		if err != nil {
			t.Fatal(err)
		}
		srv.Start()
		t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
		all = append(all, srv)
	}
	for _, srv := range all {
		if !srv.ReadyForConnections(30 * time.Second) {
			t.Fatal("a server is not ready")
		}
		urls = append(urls, srv.ClientURL())
	}
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	deadline := time.Now().Add(time.Minute)
	for n > 1 && !slices.ContainsFunc(all, (*server.Server).JetStreamIsLeader) {
		if time.Now().After(deadline) {
			t.Fatal("the cluster has no leader")
		}
		<-look.C
	}
	return strings.Join(urls, ",")
}

// openedAt opens streams in a cluster, each under its own name, once the cluster has a leader.
func openedAt(addr string, replicas int) func(testing.TB) *stream.Stream {
	var n atomic.Int64
	return func(t testing.TB) *stream.Stream {
		t.Helper()
		cfg := stream.Config{URL: addr, Replicas: replicas, Name: fmt.Sprint("t", n.Add(1))}
		return openedWith(t, cfg)
	}
}

func openedWith(t testing.TB, cfg stream.Config) *stream.Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		s, err := stream.Open(ctx, cfg, "", slog.New(slog.DiscardHandler))
		if err == nil {
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			return s
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

func TestExternalServer(t *testing.T)   { contract(t, openedAt(natsServers(t, 1), 1)) }
func TestExternalReplicas(t *testing.T) { contract(t, openedAt(natsServers(t, 3), 3)) }

func TestTwoNodesOnOneCluster(t *testing.T) {
	cfg := stream.Config{URL: natsServers(t, 1), Replicas: 1}
	a, b := openedWith(t, cfg), openedWith(t, cfg)
	rep, _, err := a.Accept(t.Context(), from("x"), bytes.NewReader([]byte("1")))
	if err != nil {
		t.Fatal(err)
	}
	if got, dup, err := b.Accept(t.Context(), from("x"), bytes.NewReader([]byte("1"))); !dup || got.ID != rep.ID || err != nil {
		t.Errorf("another node does not know the report: %v", err)
	}
	if items := drain(t, b); len(items) != 1 {
		t.Errorf("%d items for one report", len(items))
	}
	if n, _, err := b.Purge(t.Context(), time.Now()); n != 1 || err != nil {
		t.Errorf("an old original was not removed: %d, %v", n, err)
	}
	fresh := from("x")
	fresh.ReceivedAt = time.Now()
	if _, _, err := a.Accept(t.Context(), fresh, bytes.NewReader([]byte("2"))); err != nil {
		t.Fatal(err)
	}
	drain(t, a)
	if n, _, err := b.Purge(t.Context(), time.Now().Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("an original that another node may be writing was removed: %d, %v", n, err)
	}
}
