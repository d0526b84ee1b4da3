package sources_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/internal/line"
	"tocsin/internal/line/sources"
	"tocsin/internal/report"
)

// receiver runs a node with a receiver of syslog, until stop.
func receiver(t *testing.T, n *node) (stop func()) {
	t.Helper()
	if err := n.lines.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.lines.Run(ctx) }()
	ended := false
	stop = func() {
		if !ended {
			ended = true
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(stop)
	return stop
}

// free is a port on loopback that nobody has.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func connect(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// rowsAre waits until the receiver has so many rows, gaps included, or more.
func (n *node) rowsAre(rows int64) {
	n.t.Helper()
	for limit := time.Now().Add(20 * time.Second); ; {
		st := n.lines.Status()
		if st[len(st)-1].Rows >= rows {
			return
		}
		if time.Now().After(limit) {
			n.t.Fatalf("%+v: want %d rows", st, rows)
		}
	}
}

// TestSyslog: ports that changed hands while a connection was broken, or while the node was down, name nobody for that
// time, and never who had them before.
func TestSyslog(t *testing.T) {
	table := filepath.Join(t.TempDir(), "lines.csv")
	write(t, table, "addr,line\n100.64.0.7,ann\n100.64.0.8,bob\n")
	cfg := sources.Defaults()
	cfg.Tables = []sources.Table{{Name: "fixed", File: table, Since: ten.AddDate(0, -1, 0)}}
	cfg.Syslog = []sources.Syslog{{Name: "cgn", TCP: free(t), From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
	n := newNode(t, cfg)
	eleven := ten.Add(time.Hour)
	n.now = eleven
	n.poll()
	stop := receiver(t, n)
	c := connect(t, "tcp", cfg.Syslog[0].TCP)
	rows := int64(0)
	// say has the NAT say that a block is somebody's, after so long, and waits for that many rows.
	say := func(inside, lo int, after time.Duration, more int64) {
		n.at(eleven.Add(after))
		fmt.Fprintf(c, "<134>1 %s cgn1 nat - - - A VRF 0 INT 100.64.0.%d EXT 203.0.113.5:%d-%d\n", n.clock().Format(time.RFC3339), inside, lo, lo+511)
		rows += more
		n.rowsAre(rows)
	}
	say(7, 1024, 0, 1)
	say(7, 2048, time.Minute, 1)
	ann := n.handle("203.0.113.5", 1030, "2026-03-03T11:00:30Z")
	c.Close() // and the port goes to bob, which nobody says
	rows++    // the gap
	n.rowsAre(rows)
	c = connect(t, "tcp", cfg.Syslog[0].TCP)
	say(8, 4096, 10*time.Minute, 2)
	say(8, 5120, 12*time.Minute, 1)
	if got := n.handle("203.0.113.5", 1030, "2026-03-03T11:00:30Z"); got != ann {
		t.Error("the gap has changed what was before it")
	}
	n.not("203.0.113.5", 1030, "2026-03-03T11:05:00Z", report.LineNone, "log gap")
	n.not("203.0.113.5", 1030, "2026-03-03T11:11:00Z", report.LineNone, "log gap")
	n.not("203.0.113.5", 50000, "2026-03-03T11:05:00Z", report.LineNone, "log gap")
	n.not("203.0.113.5", 50000, "2026-03-03T11:11:00Z", report.LineNone, "nobody")
	n.handle("203.0.113.5", 4100, "2026-03-03T11:11:00Z")
	stop()
	if err := n.lines.Close(); err != nil {
		t.Fatal(err)
	}
	n.at(eleven.Add(time.Hour))
	n.open()
	receiver(t, n)
	rows++ // what is missing as far as now
	n.rowsAre(rows)
	c = connect(t, "tcp", cfg.Syslog[0].TCP)
	say(8, 8192, time.Hour, 2)
	say(7, 4096, 61*time.Minute, 1)
	say(7, 6144, 62*time.Minute, 1)
	n.not("203.0.113.5", 4100, "2026-03-03T11:30:00Z", report.LineNone, "log gap")
	n.not("203.0.113.5", 4100, "2026-03-03T12:00:30Z", report.LineNone, "log gap")
	if got := n.handle("203.0.113.5", 4100, "2026-03-03T12:01:30Z"); got != ann {
		t.Error("the port is another's since")
	}
	n.not("203.0.113.5", 50000, "2026-03-03T12:00:30Z", report.LineNone, "nobody")
	st := n.lines.Status()
	if s := st[len(st)-1]; s.Kind != "syslog" || s.Gaps != 2 || s.Clock != 0 || s.Health != sources.Well {
		t.Errorf("%+v: want two gaps", s)
	}
}

// TestNoDestination: where a connection went to is nowhere in what is kept: neither in the log, nor in the files, nor in
// what is logged, in any way of writing it.
func TestNoDestination(t *testing.T) {
	cfg := sources.Defaults()
	log := filepath.Join(t.TempDir(), "nat.log")
	cfg.NAT = []sources.NAT{{Name: "file", Files: []string{log}}}
	cfg.Syslog = []sources.Syslog{{Name: "cgn", UDP: free(t), From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
	cfg.Syslog[0].TCP = cfg.Syslog[0].UDP
	n := newNode(t, cfg)
	n.now = time.Now()
	stop := receiver(t, n)
	cases, err := filepath.Glob(filepath.Join("..", "nat", "testdata", "*.txtar"))
	if err != nil || len(cases) == 0 {
		t.Fatal("there are no cases of layouts")
	}
	marker := netip.MustParseAddr("203.0.113.99")
	udp, tcp := connect(t, "udp", cfg.Syslog[0].UDP), connect(t, "tcp", cfg.Syslog[0].TCP)
	said := 0
	for _, path := range cases {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, data, _ = bytes.Cut(data, []byte("-- input --\n"))
		data, _, _ = bytes.Cut(data, []byte("-- want --\n"))
		write(t, log, string(data))
		for text := range strings.Lines(strings.ReplaceAll(string(data), "2026-03-01T", n.now.UTC().Format("2006-01-02T"))) {
			said += strings.Count(text, marker.String())
			fmt.Fprint(udp, text)
			fmt.Fprint(tcp, text)
		}
	}
	if said < 10 {
		t.Fatalf("the cases name the destination %d times", said)
	}
	n.rowsAre(20)
	n.poll()
	stop()
	if err := n.lines.Close(); err != nil {
		t.Fatal(err)
	}
	marks := forms(marker)
	looked, found := 0, map[string]bool{} // the outside address, to know that it would be
	n.kept(func(what string, data []byte) {
		looked += len(data)
		for _, m := range marks {
			if bytes.Contains(data, m) {
				t.Errorf("%s has %q", what, m)
			}
		}
		found[what] = found[what] || bytes.Contains(data, []byte{198, 51, 100, 7})
	})
	if looked < 2000 || !found["the log of cgn"] || !found["the log of file"] {
		t.Errorf("only %d bytes were looked at, with the outside address in %v", looked, found)
	}
}

// TestValidateSyslog: everything that is wrong, at once, with its key.
func TestValidateSyslog(t *testing.T) {
	cfg := sources.Defaults()
	cfg.Syslog = []sources.Syslog{
		{Name: "A b", Zone: "Nowhere", Realm: "A", Keep: time.Hour, From: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}},
		{Name: "x", UDP: "here", TCP: "there", TLS: "everywhere"},
		{Name: "x", UDP: ":1", Cert: "c", From: []netip.Prefix{{}}},
	}
	said := cfg.Validate().Error()
	for _, key := range []string{
		"[0].name", "[0].zone", "[0].realm", "[0].keep", "[0].from[0]", "[0].udp", "[1].udp", "[1].tcp", "[1].tls", "[1].cert", "[1].key", "[1].from",
		"[2].name", "[2].tls", "[2].from[0]",
	} {
		if !strings.Contains(said, "lines.syslog"+key+": ") {
			t.Errorf("nothing is said of %s:\n%s", key, said)
		}
	}
	cfg.Syslog = []sources.Syslog{{Name: "cgn", TLS: "192.0.2.1:6514", Cert: "c.pem", Key: "/k.pem", ClientCA: "ca.pem", From: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}
	if err := cfg.Validate(); err != nil || !cfg.Any() {
		t.Error(err)
	}
	if s := cfg.Rebase("/etc/tocsin").Syslog[0]; s.Cert != "/etc/tocsin/c.pem" || s.Key != "/k.pem" || s.ClientCA != "/etc/tocsin/ca.pem" {
		t.Errorf("%+v", s)
	}
}

// TestOverloads: a port that a MikroTik may have given to two subscribers at a time names neither, from a file and over
// the network; where each has ports of its own it names the one.
func TestOverloads(t *testing.T) {
	in := t.TempDir()
	table, log := filepath.Join(in, "lines.csv"), filepath.Join(in, "nat.log")
	write(t, table, "addr,line\n100.64.0.7,ann\n100.64.0.8,bob\n")
	said := func(inside, port int, to string, at time.Time) string {
		return fmt.Sprintf("<134>1 %s router1 firewall - - - srcnat: in:bridge out:ether1, proto TCP (SYN), 100.64.0.%d:%d->%s:443, NAT (100.64.0.%d:%d->203.0.113.5:%d)->%s:443, len 60\n",
			at.Format(time.RFC3339), inside, port, to, inside, port, port, to)
	}
	// Both have port 51000 at a time; the last message only says that the log reaches as far.
	type message struct {
		at   time.Time
		text string
	}
	var all []message
	for _, m := range []struct {
		inside, port int
		to           string
		after        time.Duration
	}{{7, 51000, "198.51.100.1", 0}, {8, 51000, "198.51.100.2", time.Second}, {7, 52000, "198.51.100.3", time.Hour}, {7, 53000, "198.51.100.3", 61 * time.Minute}} {
		all = append(all, message{ten.Add(m.after), said(m.inside, m.port, m.to, ten.Add(m.after))})
		write(t, log, all[len(all)-1].text)
	}
	for _, own := range []bool{false, true} {
		cfg := sources.Defaults()
		cfg.Tables = []sources.Table{{Name: "fixed", File: table, Since: ten.AddDate(0, -1, 0)}}
		cfg.NAT = []sources.NAT{{Name: "file", Files: []string{log}, OwnPorts: own}}
		cfg.Syslog = []sources.Syslog{{Name: "cgn", TCP: free(t), From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, OwnPorts: own}}
		n := newNode(t, cfg)
		n.poll()
		stop := receiver(t, n)
		c := connect(t, "tcp", cfg.Syslog[0].TCP)
		for i, m := range all {
			n.at(m.at)
			if _, err := c.Write([]byte(m.text)); err != nil {
				t.Fatal(err)
			}
			if own {
				n.rowsAre(int64(i) + 1)
			} else {
				n.counted("tocsin_line_syslog_messages_total", "overloads", float64(i)+1)
			}
		}
		if own {
			asked := &line.Selector{Addr: netip.MustParseAddr("203.0.113.5"), Port: 52000, Proto: "tcp", At: ten.Add(time.Hour + 30*time.Second)}
			if a, err := n.lines.Which(t.Context(), asked, true); err != nil || a.State != report.LineUnique || a.Handle != n.handle("100.64.0.7", 0, "2026-03-03T10:30:00Z") {
				t.Errorf("%+v, %v", a, err)
			}
		}
		if stop(); own {
			continue
		}
		st := n.lines.Status()
		if st[1].Rows != 0 || st[1].Refused != 4 || st[2].Rows != 0 {
			t.Errorf("%+v", st)
		}
		for _, at := range []string{"2026-03-03T10:00:00Z", "2026-03-03T10:00:01Z", "2026-03-03T10:30:00Z"} {
			n.not("203.0.113.5", 51000, at, report.LineNone, "")
		}
		if said := n.said.String(); strings.Count(said, "own_ports: true") < 2 || strings.Contains(said, "100.64.") || strings.Contains(said, "203.0.113.") {
			t.Error(said)
		}
	}
}

// counted waits until a metric of that label has come so far.
func (n *node) counted(name, label string, want float64) {
	n.t.Helper()
	for limit := time.Now().Add(20 * time.Second); ; {
		all, err := n.reg.Gather()
		if err != nil {
			n.t.Fatal(err)
		}
		for _, f := range all {
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					if f.GetName() == name && l.GetValue() == label && m.GetCounter().GetValue() >= want {
						return
					}
				}
			}
		}
		if time.Now().After(limit) {
			n.t.Fatalf("%s of %s is not %v", name, label, want)
		}
	}
}
