package syslog_test

import (
	"strings"
	"testing"
	"time"

	"tocsin/internal/line/syslog"
)

// TestLoss: datagrams that the kernel threw away, while the disk was busy, are a gap of those that send over UDP, from the
// last that was taken in before.
func TestLoss(t *testing.T) {
	s := start(t, syslog.Config{UDP: "127.0.0.1:0", TCP: "127.0.0.1:0"}, nil)
	c, zero := dial(t, "udp", s.Addrs()[0]), s.clock
	send(t, c, block(zero, "nat1", 1, 1024))
	send(t, dial(t, "tcp", s.Addrs()[1]), block(zero, "nat2", 1, 1024)+"\n")
	s.until("kept", 2)
	hold := make(chan struct{})
	s.mu.Lock()
	s.hold = hold
	s.mu.Unlock()
	for i := range 60_000 { // far more than any buffer holds
		send(t, c, block(zero.Add(time.Second), "nat1", i%250, 2048)+strings.Repeat(" ", 1000))
	}
	s.mu.Lock()
	s.hold = nil
	s.mu.Unlock()
	close(hold)
	send(t, c, block(zero.Add(2*time.Second), "nat1", 1, 4096))
	s.until("kernel", 1)
	if n := s.count("tocsin_line_syslog_dropped_total"); n < 1 {
		t.Errorf("%v datagrams were thrown away", n)
	}
	missing := 0
	for _, w := range s.said(zero) {
		if strings.HasPrefix(w, "nat1 missing") {
			missing++
		}
		if strings.HasPrefix(w, "nat2 missing") {
			t.Errorf("%s: it sends over TCP", w)
		}
	}
	if missing == 0 {
		t.Error("no gap was told")
	}
}
