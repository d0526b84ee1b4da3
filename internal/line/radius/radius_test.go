package radius_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	wire "layeh.com/radius"

	"tocsin/internal/line"
	"tocsin/internal/line/acct"
	"tocsin/internal/line/radius"
)

// server runs on loopback, with a sink in memory that fails as often as it is told.
type server struct {
	*radius.Server
	log     bytes.Buffer
	metrics *prometheus.Registry

	mu   sync.Mutex
	kept []line.Record
	fail int
}

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func start(t testing.TB, clients ...radius.Client) *server {
	t.Helper()
	s := &server{metrics: prometheus.NewRegistry()}
	sink := func(_ context.Context, records []line.Record) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.fail > 0 {
			s.fail--
			return errors.New("the disk is full")
		}
		s.kept = append(s.kept, records...)
		return nil
	}
	var err error
	s.Server, err = radius.Listen("127.0.0.1:0", clients, acct.Identity{"User-Name"}, sink, func() time.Time { return now }, slog.New(slog.NewTextHandler(&s.log, nil)), s.metrics)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-done, s.Close()); err != nil {
			t.Error(err)
		}
		for _, personal := range []string{"ann@", "198.51.100.7", "hunter2"} {
			if strings.Contains(s.log.String(), personal) {
				t.Errorf("the log says %q:\n%s", personal, s.log.String())
			}
		}
	})
	return s
}

func local(require bool) radius.Client {
	return radius.Client{Network: netip.MustParsePrefix("127.0.0.0/8"), Secret: []byte("hunter2"), RequireMessageAuthenticator: require}
}

// send has FreeRADIUS's radclient send requests, one a text, and says whether all were answered.
func (s *server) send(t *testing.T, secret string, requests ...string) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "radclient", "-r", "1", "-t", "1", s.Addr().String(), "acct", secret)
	cmd.Stdin = strings.NewReader(strings.Join(requests, "\n\n") + "\n")
	out, err := cmd.CombinedOutput()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatalf("%v: install freeradius-utils", err)
	}
	return err == nil && strings.Count(string(out), "Received Accounting-Response") == len(requests)
}

func (s *server) records() (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.kept {
		text := fmt.Sprintf("%d %s/%s %s %s", r.Action, r.NAS, r.Session, r.Range.Prefix, r.Held.Line)
		if d := now.Unix() - r.At.Earliest; d != 0 {
			text += fmt.Sprintf(" %d before", d)
		}
		out = append(out, text)
	}
	return out
}

func (s *server) fate(t *testing.T, fate string) float64 {
	t.Helper()
	all, err := s.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all[0].GetMetric() {
		if m.GetLabel()[0].GetValue() == fate {
			return m.GetCounter().GetValue()
		}
	}
	return -1
}

const session = "User-Name = \"ann@isp.example\"\nNAS-IP-Address = 192.0.2.1\nAcct-Session-Id = \"0001\"\nFramed-IP-Address = 198.51.100.7\n"

// TestRadclient: a session as FreeRADIUS's own client sends it, from its start to its stop.
func TestRadclient(t *testing.T) {
	s := start(t, local(false))
	for _, request := range []string{
		"Acct-Status-Type = Start\n" + session + "Framed-IPv6-Prefix = 2001:db8:7:1::/64\nDelegated-IPv6-Prefix = 2001:db8:7:100::/56\nAcct-Delay-Time = 7",
		"Acct-Status-Type = Interim-Update\n" + session + "Acct-Session-Time = 600",
		"Acct-Status-Type = Stop\n" + session + "Acct-Session-Time = 1200\nEvent-Timestamp = 1772366300\nAcct-Delay-Time = 100",
		"Acct-Status-Type = Accounting-On\nNAS-IP-Address = 192.0.2.1",
		"Acct-Status-Type = Accounting-Off\nNAS-IP-Address = 192.0.2.1",
	} {
		if !s.send(t, "hunter2", request) {
			t.Errorf("no answer to\n%s", request)
		}
	}
	want := []string{
		"1 192.0.2.1/0001 198.51.100.7/32 ann@isp.example 7 before", "1 192.0.2.1/0001 2001:db8:7:1::/64 ann@isp.example 7 before",
		"1 192.0.2.1/0001 2001:db8:7:100::/56 ann@isp.example 7 before", "2 192.0.2.1/0001 198.51.100.7/32 ann@isp.example",
		"3 192.0.2.1/0001 198.51.100.7/32 ann@isp.example 100 before", "4 192.0.2.1/ invalid Prefix ", "4 192.0.2.1/ invalid Prefix ",
	}
	if diff := gocmp.Diff(want, s.records()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestStrangers: who does not know the secret, or has no Message-Authenticator where one is wanted, is not answered.
func TestStrangers(t *testing.T) {
	for name, c := range map[string]struct {
		client        radius.Client
		secret, extra string
		answered      bool
		fate          string
	}{
		"the wrong secret":                {local(false), "hunter3", "", false, "secret"},
		"another network":                 {radius.Client{Network: netip.MustParsePrefix("192.0.2.0/24"), Secret: []byte("hunter2")}, "hunter2", "", false, "stranger"},
		"without a Message-Authenticator": {local(true), "hunter2", "", false, "secret"},
		"with one":                        {local(true), "hunter2", "Message-Authenticator = 0x00", true, "kept"},
		"with one where none is wanted":   {local(false), "hunter2", "Message-Authenticator = 0x00", true, "kept"},
		"not to be sent again":            {local(false), "hunter2", "Delegated-IPv6-Prefix = ::/0", true, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, c.client)
			if got := s.send(t, c.secret, "Acct-Status-Type = Start\n"+session+c.extra); got != c.answered {
				t.Errorf("answered: %v", got)
			}
			if s.fate(t, c.fate) < 1 || c.fate != "kept" && len(s.records()) != 0 {
				t.Errorf("%v %s; kept %q", s.fate(t, c.fate), c.fate, s.records())
			}
		})
	}
}

// TestNotKept: what could not be made durable is not answered, and is kept when it comes again.
func TestNotKept(t *testing.T) {
	s := start(t, local(false))
	s.mu.Lock()
	s.fail = 1
	s.mu.Unlock()
	if s.send(t, "hunter2", "Acct-Status-Type = Start\n"+session) {
		t.Error("it was answered")
	}
	if !s.send(t, "hunter2", "Acct-Status-Type = Start\n"+session) || len(s.records()) != 1 {
		t.Errorf("kept %q", s.records())
	}
}

// packet is a request as bytes.
func packet(t testing.TB, identifier byte, sessionID string) []byte {
	t.Helper()
	p := wire.New(wire.CodeAccountingRequest, []byte("hunter2"))
	p.Identifier = identifier
	p.Add(40, wire.NewInteger(1))
	for typ, v := range map[wire.Type]string{1: "ann", 32: "bras", 44: sessionID} {
		a, err := wire.NewString(v)
		if err != nil {
			t.Fatal(err)
		}
		p.Add(typ, a)
	}
	p.Add(8, wire.Attribute{198, 51, 100, 7})
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func dial(t testing.TB, s *server) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestAgain: the same request again has the same answer, and is kept once. Anything else that comes does no harm.
func TestAgain(t *testing.T) {
	s := start(t, local(false))
	c := dial(t, s)
	one := packet(t, 1, "x")
	for _, junk := range [][]byte{{}, {4}, one[:19], one[:len(one)-1], bytes.Repeat([]byte{4}, 5000), append([]byte{1}, one[1:]...)} {
		if _, err := c.Write(junk); err != nil {
			t.Fatal(err)
		}
	}
	var answers [][]byte
	for range 3 {
		if _, err := c.Write(one); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		n, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, buf[:n])
	}
	if len(s.records()) != 1 || s.fate(t, "again") != 2 || !slices.EqualFunc(answers[:2], answers[1:], bytes.Equal) {
		t.Errorf("kept %q, %v again, answers %x", s.records(), s.fate(t, "again"), answers)
	}
	if !wire.IsAuthenticResponse(answers[0], one, []byte("hunter2")) {
		t.Error("the answer is not authentic")
	}
	if n := testutil.CollectAndCount(s.metrics); n == 0 {
		t.Error("nothing is counted")
	}
}

// BenchmarkServer is requests of one device, a hundred at a time, into a sink that keeps nothing.
func BenchmarkServer(b *testing.B) {
	s := start(b, local(false))
	c := dial(b, s)
	var all [][]byte
	for i := range 100 {
		all = append(all, packet(b, byte(i), fmt.Sprint(i)))
	}
	buf := make([]byte, 100)
	b.ResetTimer()
	for b.Loop() {
		for _, p := range all {
			if _, err := c.Write(p); err != nil {
				b.Fatal(err)
			}
		}
		for range all {
			if _, err := c.Read(buf); err != nil {
				b.Fatal(err)
			}
		}
		for i := range all { // another session each time, or it would be the same again
			all[i] = packet(b, byte(i), fmt.Sprint(b.N, i, all[i][19]))
		}
	}
	b.ReportMetric(float64(b.N)*100/b.Elapsed().Seconds(), "requests/s")
}
