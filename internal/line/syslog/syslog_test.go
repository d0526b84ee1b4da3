package syslog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"tocsin/internal/line"
	"tocsin/internal/line/nat"
	"tocsin/internal/line/syslog"
)

// server runs on loopback, with a sink in memory that fails as often as it is told.
type server struct {
	*syslog.Server
	t       testing.TB
	metrics *prometheus.Registry
	stop    context.CancelFunc
	done    chan error

	mu    sync.Mutex
	kept  []line.Record
	fail  int
	hold  chan struct{} // not nil: the disk is busy until it is closed
	clock time.Time
	log   bytes.Buffer
}

func (s *server) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(b)
}

func (s *server) sink(_ context.Context, records []line.Record) error {
	s.mu.Lock()
	hold := s.hold
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail > 0 {
		s.fail--
		return errors.New("the disk is full")
	}
	for i := range records {
		if err := records[i].Validate(); err != nil {
			s.t.Errorf("%+v: %v", records[i], err)
		}
	}
	s.kept = append(s.kept, records...)
	return nil
}

func (s *server) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func start(t testing.TB, cfg syslog.Config, heard map[string]int64) *server {
	t.Helper()
	s := &server{t: t, metrics: prometheus.NewRegistry(), clock: time.Now(), done: make(chan error, 1)}
	if cfg.From == nil {
		cfg.From = loopback
	}
	cfg.Logs = nat.Logs{Realm: "cgn"}
	var err error
	if s.Server, err = syslog.Listen(cfg, heard, s.sink, s.now, slog.New(slog.NewTextHandler(s, nil)), s.metrics); err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(t.Context())
	go func() { s.done <- s.Run(ctx) }()
	t.Cleanup(func() {
		s.stop()
		if err := errors.Join(<-s.done, s.Close()); err != nil {
			t.Error(err)
		}
		s.done <- nil // for those who wait once more
		for _, personal := range []string{"10.0.0.", "198.51.100.", "203.0.113."} {
			if strings.Contains(s.log.String(), personal) {
				t.Errorf("the log says %q:\n%s", personal, s.log.String())
			}
		}
	})
	return s
}

// fate is how many messages came to that end; of a gap, with why.
func (s *server) count(name string) float64 {
	s.t.Helper()
	all, err := s.metrics.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range all {
		for _, m := range f.GetMetric() {
			of := f.GetName()
			for _, l := range m.GetLabel() {
				of = l.GetValue()
			}
			if of == name {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	s.t.Fatalf("nothing counts %q", name)
	return 0
}

// until waits until a count has come so far.
func (s *server) until(name string, n float64) {
	s.t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for s.count(name) < n {
		select {
		case <-limit.C:
			s.t.Fatalf("%v %s, want %v; the log:\n%s", s.count(name), name, n, s.log.String())
		case <-tick.C:
		}
	}
}

// said is the records as text, with seconds from the beginning of the test's clock.
func (s *server) said(zero time.Time) (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.kept {
		at := r.At.Earliest - zero.Unix()
		if r.Action == line.Missing {
			until := fmt.Sprint(r.At.Latest - zero.Unix())
			out = append(out, fmt.Sprintf("%s missing from %d to %s", r.NAS, r.Since.Earliest-zero.Unix(), until))
			continue
		}
		text := fmt.Sprintf("%s %d %s:%d at %d", r.NAS, r.Action, r.Held.Inside, r.Range.Lo, at)
		if r.At.Latest != r.At.Earliest {
			text += fmt.Sprintf("+%d", r.At.Latest-r.At.Earliest)
		}
		out = append(out, text)
	}
	return out
}

// block is a message that a block was assigned.
func block(at time.Time, host string, inside, lo int) string {
	return fmt.Sprintf("<134>1 %s %s nat - - - A VRF 0 INT 10.0.0.%d EXT 198.51.100.7:%d-%d", at.UTC().Format(time.RFC3339), host, inside, lo, lo+511)
}

func dial(t testing.TB, network string, to net.Addr) net.Conn {
	t.Helper()
	c, err := net.Dial(network, to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func send(t testing.TB, c net.Conn, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *server) want(zero time.Time, want ...string) {
	s.t.Helper()
	if diff := gocmp.Diff(want, s.said(zero)); diff != "" {
		s.t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestUDP: what comes is kept, and what became of the rest is counted.
func TestUDP(t *testing.T) {
	s := start(t, syslog.Config{UDP: "127.0.0.1:0"}, nil)
	c, zero := dial(t, "udp", s.Addrs()[0]), s.clock
	send(t, c, block(zero, "nat1", 1, 1024), block(zero, "nat1", 2, 2048)+"\n", strings.Replace(block(zero, "-", 3, 4096), "- nat", "nat", 1))
	s.until("kept", 2)
	send(t, c, "<34>1 2026-03-01T02:10:00Z nat1 sshd - - - hello", "no priority", "<34>1 yesterday nat1 nat - - - x", strings.Repeat("x", 9000))
	s.until("other", 1)
	s.until("malformed", 3)
	s.until("long", 1)
	send(t, c, "<30>A VRF 0 INT 10.0.0.4 EXT 198.51.100.7:5120-5631") // it says no time: it came just now
	s.until("kept", 3)
	got := s.said(zero)
	if len(got) < 3 || got[0] != "nat1 1 10.0.0.1:1024 at 0" || got[1] != "nat1 1 10.0.0.2:2048 at 0" || !strings.HasPrefix(got[len(got)-1], "127.0.0.1 1 10.0.0.4:5120 at ") ||
		!strings.HasSuffix(got[len(got)-1], "+1") {
		t.Errorf("%q", got)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.kept[0]; r.Held.Realm != "cgn" || r.Received.IsZero() {
		t.Errorf("%+v", r)
	}
}

// TestStranger: nobody else is read.
func TestStranger(t *testing.T) {
	s := start(t, syslog.Config{UDP: "127.0.0.1:0", TCP: "127.0.0.1:0", From: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, nil)
	send(t, dial(t, "udp", s.Addrs()[0]), block(s.clock, "nat1", 1, 1024))
	s.until("stranger", 1)
	c := dial(t, "tcp", s.Addrs()[1])
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("it was answered")
	}
	s.until("stranger", 2)
	s.want(s.clock)
}

// TestTorn: a message that says who has which ports and cannot be read is a gap, told at once, and before the next record.
func TestTorn(t *testing.T) {
	for name, torn := range map[string]string{
		"port 70000":      "<134>1 %s nat1 nat - - - A VRF 0 INT 10.0.0.9 EXT 198.51.100.7:69999-70000",
		"port 0":          "<134>1 %s nat1 nat - - - A VRF 0 INT 10.0.0.9 EXT 198.51.100.7:0-511",
		"cut off":         `<14>1 %s nat1 RT_NAT - RT_SRC_NAT_PBA_ALLOC [junos@2636 internal-ip="10.0.0.9"] x`,
		"half the header": "<134>1 %s nat1 FIXED-NAT-PORTS 10.0.0.7->198.51.100.7:3000-4000",
		"bad priority":    "<999>1 %s nat1 nat - - - A VRF 0 INT 10.0.0.9 EXT 198.51.100.7:1024-1535",
		"too long":        "<134>1 %s nat1 nat - - - " + strings.Repeat("x", 9000),
		"years ago":       "<134>1 1970-01-01T00:01:0%.0s0Z nat1 nat - - - A VRF 0 INT 10.0.0.9 EXT 198.51.100.7:1024-1535",
		"in hours":        "<134>1 2090-01-01T00:00:0%.0s0Z nat1 nat - - - A VRF 0 INT 10.0.0.9 EXT 198.51.100.7:1024-1535",
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, syslog.Config{UDP: "127.0.0.1:0"}, nil)
			c, zero := dial(t, "udp", s.Addrs()[0]), s.clock
			send(t, c, block(zero, "nat1", 1, 1024))
			s.until("kept", 1)
			send(t, c, fmt.Sprintf(torn, zero.UTC().Format(time.RFC3339)))
			for s.count("damaged")+s.count("malformed")+s.count("long")+s.count("time") == 0 {
				if t.Context().Err() != nil || time.Since(zero) > 20*time.Second {
					t.Fatal("nothing became of it")
				}
			}
			send(t, c, block(zero.Add(time.Second), "nat1", 2, 1024))
			s.until("kept", 2)
			got := s.said(zero)
			if len(got) < 3 || got[0] != "nat1 1 10.0.0.1:1024 at 0" || !strings.HasPrefix(got[1], "nat1 missing from 0 to") || got[len(got)-2] != "nat1 missing from 0 to 1" || got[len(got)-1] != "nat1 1 10.0.0.2:1024 at 1" {
				t.Errorf("%q", got)
			}
		})
	}
}

// TestNumbers: a hole in a sender's numbers is a gap. Order within a batch and numbers that come again are not.
func TestNumbers(t *testing.T) {
	s := start(t, syslog.Config{TCP: "127.0.0.1:0"}, nil)
	c, zero := dial(t, "tcp", s.Addrs()[0]), s.clock
	numbered := func(number, inside, lo, at int) string {
		return strings.Replace(block(zero.Add(time.Duration(at)*time.Second), "nat1", inside, lo), "- - - A", fmt.Sprintf(`- - [meta sequenceId="%d"] A`, number), 1) + "\n"
	}
	send(t, c, numbered(7, 1, 1024, 0)+numbered(9, 2, 2048, 0)+numbered(8, 3, 3072, 0)+numbered(8, 3, 3072, 0))
	s.until("kept", 4)
	if n := s.count("sequence"); n != 0 {
		t.Errorf("%v gaps", n)
	}
	send(t, c, numbered(11, 4, 4096, 2))
	s.until("kept", 5)
	send(t, c, numbered(12, 5, 5120, 3))
	s.until("kept", 6)
	got := s.said(zero)
	if s.count("sequence") != 1 || got[len(got)-3] != "nat1 missing from 0 to 2" || got[len(got)-2] != "nat1 1 10.0.0.4:4096 at 2" || got[len(got)-1] != "nat1 1 10.0.0.5:5120 at 3" {
		t.Errorf("%v: %q", s.count("sequence"), got)
	}
	send(t, c, numbered(1<<31-1, 6, 6144, 4)) // a hole, too
	s.until("kept", 7)
	send(t, c, numbered(1, 7, 7168, 5))
	s.until("kept", 8)
	if n := s.count("sequence"); n != 2 {
		t.Errorf("%v gaps: behind the greatest they begin at 1", n)
	}
	send(t, c, numbered(5000, 8, 7168, 5))
	s.until("kept", 9)
	send(t, c, numbered(1, 9, 7168, 5))
	s.until("kept", 10)
	if n := s.count("sequence"); n != 4 {
		t.Errorf("%v gaps: a hole, and a sender that was started again", n)
	}
}

// TestFraming: both ways of framing, mixed, and what is neither ends the connection, which is a gap.
func TestFraming(t *testing.T) {
	s := start(t, syslog.Config{TCP: "127.0.0.1:0"}, nil)
	zero := s.clock
	counted := func(text string) string { return fmt.Sprintf("%d %s", len(text), text) }
	c := dial(t, "tcp", s.Addrs()[0])
	send(t, c, counted(block(zero, "nat1", 1, 1024)), block(zero, "nat1", 2, 2048)+"\r\n", counted(block(zero, "nat1", 3, 3072))+"\n", counted("<34>1 - - - - - - "+strings.Repeat("x", 9000)),
		"<34>1 - - - - - - "+strings.Repeat("y", 100_000)+"\n", counted(block(zero, "nat2", 4, 4096)))
	s.until("kept", 4)
	s.until("long", 2)
	for _, wrong := range []string{"hello\n", "1048577 <34>", "99999999999999999999 <34>", "12x <34>", "\x16\x03\x01\x02"} {
		c := dial(t, "tcp", s.Addrs()[0])
		send(t, c, block(zero, "nat3", 5, 5120)+"\n"+wrong)
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("%q: the connection is open", wrong)
		}
	}
	s.until("connection", 5)
	s.until("kept", 9)
	for _, w := range s.said(zero)[4:] {
		if strings.HasPrefix(w, "nat2") && strings.Contains(w, "missing") && !strings.HasSuffix(w, "missing from 0 to 0") {
			t.Errorf("%s: its connection is whole", w)
		}
	}
}

// TestConnection: when a connection ends, however it does, records of its devices may be missing until they are heard of
// again; of others, none are.
func TestConnection(t *testing.T) {
	s := start(t, syslog.Config{TCP: "127.0.0.1:0"}, nil)
	zero := s.clock
	one, two := dial(t, "tcp", s.Addrs()[0]), dial(t, "tcp", s.Addrs()[0])
	send(t, one, block(zero, "nat1", 1, 1024)+"\n"+block(zero, "nat3", 1, 3072)+"\n")
	s.until("kept", 2)
	send(t, two, block(zero, "nat2", 2, 2048)+"\n")
	s.until("kept", 3)
	send(t, one, block(zero, "nat1", 9, 1024)[:40]) // cut within a message
	one.Close()
	s.until("connection", 2)
	send(t, two, block(zero.Add(2*time.Second), "nat2", 2, 4096)+"\n"+block(zero.Add(3*time.Second), "nat1", 1, 5120)+"\n"+block(zero.Add(4*time.Second), "nat1", 1, 6144)+"\n")
	s.until("kept", 6)
	got := s.said(zero)
	tail := got[len(got)-4:]
	if diff := gocmp.Diff([]string{"nat2 1 10.0.0.2:4096 at 2", "nat1 missing from 0 to 3", "nat1 1 10.0.0.1:5120 at 3", "nat1 1 10.0.0.1:6144 at 4"}, tail); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestStart: what devices sent while this node was down is missing, from what was kept of each last.
func TestStart(t *testing.T) {
	zero := time.Now()
	s := start(t, syslog.Config{UDP: "127.0.0.1:0"}, map[string]int64{"nat1": zero.Unix() - 100, "nat9": line.Ever})
	c := dial(t, "udp", s.Addrs()[0])
	send(t, c, block(zero.Add(2*time.Second), "nat2", 1, 1024))
	s.until("kept", 1)
	send(t, c, block(zero.Add(3*time.Second), "nat1", 1, 2048))
	s.until("kept", 2)
	got := s.said(zero)
	if len(got) != 4 || !strings.HasPrefix(got[0], "nat1 missing from -100 to") || got[1] != "nat2 1 10.0.0.1:1024 at 2" || got[2] != "nat1 missing from -100 to 3" {
		t.Errorf("%q", got)
	}
}

// TestClock: a clock that is behind makes its records later than they say, by as much as its quickest message took to us;
// one that was put back makes a gap of what came between.
func TestClock(t *testing.T) {
	s := start(t, syslog.Config{TCP: "127.0.0.1:0"}, nil)
	zero := s.clock
	c := dial(t, "tcp", s.Addrs()[0])
	send(t, c, block(zero.Add(-time.Minute), "nat1", 1, 1024)+"\n"+block(zero, "nat2", 1, 2048)+"\n")
	s.until("kept", 2)
	s.mu.Lock()
	s.clock = zero.Add(10 * time.Second)
	s.mu.Unlock()
	send(t, c, block(zero.Add(-55*time.Second), "nat1", 1, 3072)+"\n"+block(zero.Add(-30*time.Minute), "nat2", 1, 4096)+"\n")
	s.until("kept", 4)
	s.want(zero, "nat1 1 10.0.0.1:1024 at -60+60", "nat2 1 10.0.0.1:2048 at 0", "nat1 1 10.0.0.1:3072 at -55+60", "nat2 missing from -1800 to 0", "nat2 1 10.0.0.1:4096 at -1800")
}

// TestNotKept: what could not be made durable is tried again; it counts when it is.
func TestNotKept(t *testing.T) {
	s := start(t, syslog.Config{UDP: "127.0.0.1:0"}, nil)
	s.mu.Lock()
	s.fail = 1
	s.mu.Unlock()
	send(t, dial(t, "udp", s.Addrs()[0]), block(s.clock, "nat1", 1, 1024))
	s.until("kept", 1)
	s.want(s.clock, "nat1 1 10.0.0.1:1024 at 0")
}

// TestBusy: while the disk is busy, a sender over TCP waits, and nothing of it is lost or kept in memory.
func TestBusy(t *testing.T) {
	s := start(t, syslog.Config{TCP: "127.0.0.1:0"}, nil)
	hold := make(chan struct{})
	s.mu.Lock()
	s.hold = hold
	s.mu.Unlock()
	c, zero := dial(t, "tcp", s.Addrs()[0]), s.clock
	text := []byte(block(zero, "nat1", 1, 1024) + "\n")
	batch := bytes.Repeat(text, 1000)
	sent := 0
	for { // until the sender waits
		if err := c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		n, err := c.Write(batch)
		sent += n
		if err != nil {
			break
		}
		if sent > 1<<30 {
			t.Fatal("a gigabyte was taken in while nothing was kept")
		}
	}
	s.mu.Lock()
	s.hold = nil
	s.mu.Unlock()
	close(hold)
	if err := c.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	send(t, c, string(text[sent%len(text):])) // the rest of the message that was cut
	s.until("kept", float64(sent/len(text)+1))
	if n := s.count("kept"); n != float64(sent/len(text)+1) {
		t.Errorf("%v kept of %d", n, sent/len(text)+1)
	}
}
