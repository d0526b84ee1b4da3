package line_test

import (
	"encoding/json"
	"testing"
	"time"

	"tocsin/internal/line"
)

// TestClocks: a device whose clock is behind is not hidden by one whose clock is right, in whatever order they come.
func TestClocks(t *testing.T) {
	start := time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)
	c := &line.Clocks{}
	said := func(nas string, received time.Duration, behind time.Duration) line.Moment {
		at := start.Add(received)
		r := line.Record{NAS: nas, At: line.At(at.Add(-behind)), Received: at}
		c.Widen(&r)
		if r.At.Earliest != at.Add(-behind).Unix() {
			t.Errorf("%+v", r.At)
		}
		return r.At
	}
	for _, x := range []struct {
		nas              string
		received, behind time.Duration
		wide             int64
	}{
		{"slow", 0, 10 * time.Second, 10},
		{"right", time.Second, 0, 0},
		{"slow", time.Minute, 10 * time.Second, 10},
		{"right", time.Minute, 30 * time.Second, 0}, // late, not behind
		{"slow", 90 * time.Minute, 12 * time.Second, 10},
		{"slow", 5 * time.Hour, 4 * time.Second, 4}, // it was set meanwhile
		{"slow", 5*time.Hour + time.Minute, 2 * time.Second, 0},
		{"ahead", 5 * time.Hour, -time.Minute, 0}, // the source as a whole says so
	} {
		if m := said(x.nas, x.received, x.behind); m.Latest-m.Earliest != x.wide {
			t.Errorf("%+v: %+v", x, m)
		}
	}
	said("slow", 6*time.Hour, time.Hour)
	said("new", 6*time.Hour, time.Hour)
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	c = &line.Clocks{}
	if err := json.Unmarshal(b, c); err != nil {
		t.Fatal(err)
	}
	if got := c.Behind(start.Add(6 * time.Hour).Unix()); got != 3600 {
		t.Error(got)
	}
	if got := c.Behind(start.Add(9 * time.Hour).Unix()); got != 0 {
		t.Error(got)
	}
	fold := line.Record{NAS: "slow", At: line.Moment{Earliest: 100, Latest: 3700}, Received: start}
	if c.Widen(&fold); fold.At.Latest != 3700 {
		t.Error("what is not known to the second says nothing of a clock")
	}
}

func TestProtocol(t *testing.T) {
	for in, want := range map[string]string{"": "", "6": "tcp", "017": "udp", "TCP": "tcp", "Udp": "udp", "1": "icmp", "200": "200", "sctp": "sctp"} {
		if got, ok := line.Protocol(in); !ok || got != want {
			t.Errorf("%q: %q, %v", in, got, ok)
		}
	}
	for _, in := range []string{"256", "-1", "tpc", "tcp udp", "6.0"} {
		if got, ok := line.Protocol(in); ok {
			t.Errorf("%q is taken for %q", in, got)
		}
	}
}
