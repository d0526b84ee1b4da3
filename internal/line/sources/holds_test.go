package sources_test

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/line/hold"
	"tocsin/internal/line/sources"
	"tocsin/internal/report"
)

// shelf keeps holds in memory.
type shelf struct{ all []hold.Hold }

func (s *shelf) AddHold(_ context.Context, h *hold.Hold) error {
	s.all = append(s.all, *h)
	return nil
}

func (s *shelf) KeepHeld(_ context.Context, id report.ID, kept []hold.Kept) error {
	for i := range s.all {
		if s.all[i].ID == id {
			s.all[i].Kept = kept
		}
	}
	return nil
}

func (s *shelf) Holds(context.Context) ([]hold.Hold, error) { return slices.Clone(s.all), nil }

func (s *shelf) EndHold(_ context.Context, id report.ID, _ time.Time) error {
	n := len(s.all)
	s.all = slices.DeleteFunc(s.all, func(h hold.Hold) bool { return h.ID == id })
	if len(s.all) == n {
		return hold.ErrNoHold
	}
	return nil
}

// TestHold: what a request names outlives its end date, and nothing else does; when the hold ends, so does that.
func TestHold(t *testing.T) {
	in := t.TempDir()
	acct, cgn := filepath.Join(in, "detail"), filepath.Join(in, "nat.log")
	cfg := sources.Defaults()
	cfg.Keep = 48 * time.Hour
	cfg.Detail = []sources.Detail{{Name: "bras", Files: []string{acct}}}
	cfg.NAT = []sources.NAT{{Name: "cgn", Files: []string{cgn}}}
	end := ten.Add(3 * time.Hour)
	for i, who := range []string{"ann", "bob"} {
		inside := netip.AddrFrom4([4]byte{100, 64, 0, byte(7 + i)}).String()
		write(t, acct, request("Start", who, who, inside, ten)+request("Stop", who, who, inside, end))
		write(t, cgn, block("A", inside, "203.0.113.5", 2048*(i+1), 2048*(i+2)-1, ten.Add(time.Minute)))
	}
	n := newNode(t, cfg)
	holds := &shelf{}
	n.holds = holds
	n.open()
	n.poll()
	one := func(port uint16) *hold.Hold {
		return &hold.Hold{
			Request: "REQ-7", Who: "ann", Addr: netip.MustParseAddr("203.0.113.5"), Port: port, Proto: "tcp", From: ten.Add(20 * time.Minute),
			To: ten.Add(40 * time.Minute), Until: n.now.AddDate(0, 2, 0),
		}
	}
	h := one(3000)
	if found, err := n.lines.Hold(t.Context(), h); err != nil || found != 2 { // the log of the NAT has not come past it
		t.Fatalf("%d sessions held, %v", found, err)
	}
	if _, err := n.lines.Hold(t.Context(), &hold.Hold{}); err == nil || strings.Count(err.Error(), "\n") < 4 {
		t.Errorf("an empty hold: %v", err)
	}
	// Now it comes, and shows who held the block all the time.
	for i, inside := range []string{"100.64.0.7", "100.64.0.8"} {
		write(t, cgn, block("D", inside, "203.0.113.5", 2048*(i+1), 2048*(i+2)-1, end))
	}
	n.poll()
	at, other := "2026-03-03T10:30:00Z", "2026-03-03T11:30:00Z"
	ann := n.handle("203.0.113.5", 3000, at)
	n.handle("203.0.113.5", 5000, at)
	n.handle("203.0.113.5", 3000, other)

	n.now = n.now.AddDate(0, 0, 10)
	purge := func() {
		t.Helper()
		if _, err := n.lines.Purge(t.Context(), time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		purge()
		if got := n.handle("203.0.113.5", 3000, at); got != ann {
			t.Error("the line that is held is another")
		}
		n.not("203.0.113.5", 5000, at, report.LineOutsideRetention, "deleted")
		n.not("203.0.113.5", 3000, other, report.LineOutsideRetention, "deleted") // the same line, and not the hold's time
		n.open()                                                                  // what is held is there after a restart
	}
	n.now = h.Until
	purge()
	n.not("203.0.113.5", 3000, at, report.LineOutsideRetention, "deleted")
	if len(holds.all) != 0 {
		t.Error("the hold did not end")
	}
	if err := n.lines.Lift(t.Context(), h.ID); !errors.Is(err, hold.ErrNoHold) {
		t.Error(err)
	}
}
