package network_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tocsin/internal/network"
)

// watched is a Networks at work on one table file, inside a bubble of made-up time.
type watched struct {
	*network.Networks
	t    *testing.T
	path string
	reg  *prometheus.Registry
	log  *logText
}

// logText collects a log; a mutex because Run writes it and the test reads it.
type logText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logText) count(level slog.Level) int {
	return strings.Count(l.String(), `"level":"`+level.String()+`"`)
}

// start must be called inside a bubble. The node is stopped when the returned function is called.
func start(t *testing.T, text string) (*watched, func()) {
	t.Helper()
	n := &watched{t: t, path: filepath.Join(t.TempDir(), "asn.csv"), reg: prometheus.NewRegistry(), log: new(logText)}
	n.rename(text)
	cfg := network.Defaults()
	cfg.Tables = []network.TableFile{{Path: n.path}}
	var err error
	n.Networks, err = network.New(cfg, slog.New(slog.NewJSONHandler(n.log, nil)), n.reg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := n.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	return n, func() { cancel(); wg.Wait() }
}

// rename puts a new file in the table's place, as an editor does.
func (n *watched) rename(text string) {
	n.t.Helper()
	if err := os.WriteFile(n.path+".new", []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
	if err := os.Rename(n.path+".new", n.path); err != nil {
		n.t.Fatal(err)
	}
}

// looks lets the node look at its files so many times.
func (n *watched) looks(times int) {
	time.Sleep(time.Duration(times) * network.Defaults().CheckEvery)
	synctest.Wait()
}

func (n *watched) asn(want uint32) {
	n.t.Helper()
	if got := n.Lookup(netip.MustParseAddr("192.0.2.1")).ASN; got != want {
		n.t.Errorf("AS%d, want AS%d", got, want)
	}
}

func (n *watched) metric(name string, want float64) {
	n.t.Helper()
	families, err := n.reg.Gather()
	if err != nil {
		n.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "tocsin_network_table_"+name {
			m := f.GetMetric()[0]
			if got := m.GetGauge().GetValue() + m.GetCounter().GetValue(); got != want {
				n.t.Errorf("%s is %v, want %v", name, got, want)
			}
			return
		}
	}
	n.t.Errorf("no metric %s", name)
}

func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, stop := start(t, "192.0.2.0/24,64500\n")
		defer stop()
		n.asn(64500)
		n.metric("prefixes", 1)
		n.metric("refused_lines", 0)
		n.metric("loaded_timestamp_seconds", float64(time.Now().Unix()))
		old := n.Cursor()

		n.looks(3)
		n.rename("192.0.2.0/24,64501\n198.51.100.0/24,64502\nrubbish\n")
		n.looks(2)
		n.asn(64501)
		n.metric("prefixes", 2)
		n.metric("refused_lines", 1)
		n.metric("loaded_timestamp_seconds", float64(time.Now().Unix()))
		n.metric("load_failures_total", 0)
		if n.log.count(slog.LevelWarn) != 1 {
			t.Errorf("the refused line should be told once:\n%s", n.log)
		}
		if got := old.Lookup(netip.MustParseAddr("192.0.2.1")).ASN; got != 64500 {
			t.Errorf("a cursor taken before says AS%d: it should stay with its table", got)
		}
	})
}

// TestReloadWaitsForTheWriter: a file that grows from one look to the next is not read before it stands still.
func TestReloadWaitsForTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, stop := start(t, "192.0.2.0/24,64500\n")
		defer stop()
		text := "192.0.2.0/24,64501\n"
		for i := range 5 {
			text += fmt.Sprintf("198.51.100.%d/32,64502\n", i)
			if err := os.WriteFile(n.path, []byte(text), 0o600); err != nil { // in place
				t.Fatal(err)
			}
			n.looks(1)
			n.asn(64500)
		}
		n.looks(1)
		n.asn(64501)
		n.metric("prefixes", 6)
	})
}

// TestFailedReload: a table that cannot be read leaves the one before in force, is told once, counted each time it is
// tried, and taken when it is mended.
func TestFailedReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, stop := start(t, "192.0.2.0/24,64500\n")
		defer stop()
		n.rename("<html>the server is down</html>\n")
		n.looks(2)
		n.asn(64500)
		n.metric("load_failures_total", 1)
		n.looks(3)
		n.metric("load_failures_total", 1) // left alone for a minute
		n.looks(6)
		n.metric("load_failures_total", 2)
		n.metric("prefixes", 1)
		if n.log.count(slog.LevelError) != 1 {
			t.Errorf("the failure should be told once:\n%s", n.log)
		}
		if strings.Contains(n.log.String(), "html") {
			t.Errorf("the log quotes the file:\n%s", n.log)
		}

		if err := os.Remove(n.path); err != nil {
			t.Fatal(err)
		}
		n.looks(2)
		n.asn(64500)
		n.metric("load_failures_total", 3)
		if n.log.count(slog.LevelError) != 2 {
			t.Errorf("another failure should be told:\n%s", n.log)
		}

		n.rename("192.0.2.0/24,64501\n")
		n.looks(2)
		n.asn(64501)
		n.metric("load_failures_total", 3)
	})
}

// TestSwapIsAtOnce: whoever works with one cursor never sees two tables, while tables change all the time.
func TestSwapIsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := func(asn int) string { return fmt.Sprintf("192.0.2.0/24,%d\n2001:db8::/32,%d\n", asn, asn) }
		n, stop := start(t, table(64500))
		defer stop()
		done := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-done:
						return
					case <-time.After(time.Second / 3):
					}
					c := n.Cursor()
					v4 := c.Lookup(netip.MustParseAddr("192.0.2.1")).ASN
					v6 := c.Lookup(netip.MustParseAddr("2001:db8::1")).ASN
					if v4 != v6 || v4 == 0 {
						t.Errorf("AS%d and AS%d through one cursor", v4, v6)
					}
				}
			})
		}
		for asn := 64501; asn <= 64511; asn++ {
			n.rename(table(asn))
			n.looks(2)
			n.asn(uint32(asn))
		}
		close(done)
		wg.Wait()
	})
}

func TestNewRefuses(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	if _, err := network.New(network.Config{Own: []network.Own{{}}}, log, nil); err == nil {
		t.Error("a config with a broken rule was taken")
	}
	absent := network.Config{Tables: []network.TableFile{{Path: filepath.Join(t.TempDir(), "absent.csv")}}}
	if _, err := network.New(absent, log, nil); err == nil || !strings.Contains(err.Error(), "absent.csv") {
		t.Errorf("%v: should name the file that is not there", err)
	}
	reg := prometheus.NewRegistry()
	if _, err := network.New(network.Config{}, log, reg); err != nil {
		t.Error(err)
	}
	if _, err := network.New(network.Config{}, log, reg); err == nil {
		t.Error("two of them share one registry")
	}
}

// TestRunWithoutTables ends with its context like any other.
func TestRunWithoutTables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, err := network.New(network.Config{}, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := n.Run(ctx); err != nil || ctx.Err() == nil {
			t.Errorf("Run returned %v, the context says %v", err, ctx.Err())
		}
	})
}
