package sources_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	wire "layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2866"
	"layeh.com/radius/rfc2869"

	"tocsin/internal/line"
	"tocsin/internal/line/sources"
	"tocsin/internal/report"
)

// fault is something bad that comes of a source, and what must become of it: a sentence that names its place, or answers
// that are less than unique; never a wrong line.
type fault struct {
	source, name string
	input        string // of the file, or the sessions of the system's answer

	said  string // is in the log or in the source's status, where the input is refused
	truth string // who may be named at which times of the day: "ann 10:00-11:00, bob 11:00-12:00"; at all others nobody
	named bool   // somebody has to be, as the fault costs nothing or not all
	port  uint16 // that is asked about

	zone string    // of the source
	day  time.Time // zero: 3 March 2026
}

var march = time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)

func clockOf(day time.Time, hhmm string) time.Time {
	at, err := time.Parse("15:04", hhmm)
	if err != nil {
		panic(err)
	}
	return day.Add(time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute)
}

const held = "198.51.100.7"

// The next functions write what a source says.
func detailOf(what, session, user, hhmm string) string {
	return request(what, session, user, held, clockOf(march, hhmm))
}

func untimed(what, local string) string {
	return fmt.Sprintf("%s\n\tAcct-Status-Type = %s\n\tUser-Name = %q\n\tNAS-IP-Address = 192.0.2.1\n\tAcct-Session-Id = %q\n\tFramed-IP-Address = %s\n\n", local, what, ann, "1", held)
}

func keaOf(line, from, to, state string) string {
	begin, end := clockOf(march, from).Unix(), clockOf(march, to).Unix()
	return fmt.Sprintf("%s,%s,,%d,%d,1,0,0,,%s,,0\n", held, line, end-begin, end, state)
}

// elsewhere is the same of another address: the log goes on.
func elsewhere(text string) string { return strings.ReplaceAll(text, held, "198.51.100.99") }

const keaHead = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n"

func dhcpdOf(line, from, to string) string {
	stamp := func(hhmm string) string { return clockOf(march, hhmm).Format("2006/01/02 15:04:05") }
	return fmt.Sprintf("lease %s {\n  starts 2 %s;\n  ends 2 %s;\n  binding state active;\n  hardware ethernet %s;\n}\n", held, stamp(from), stamp(to), line)
}

func natOf(action, inside, ports, hhmm string) string {
	return fmt.Sprintf("%s cgn1 nat: %s VRF 0 INT %s EXT %s%s\n", clockOf(march, hhmm).Format(time.RFC3339), action, inside, held, ports)
}

func connection(action, port, hhmm string) string {
	return fmt.Sprintf("%s cgn1 nat: %s VRF 0 6 INT %s:5000 EXT %s:%s\n", clockOf(march, hhmm).Format(time.RFC3339), action, annIn, held, port)
}

func httpOf(line, rest string) string {
	return fmt.Sprintf(`{"line":%q,"address":%q,%s}`, line, held, rest)
}

func certain(from, to string) string {
	return fmt.Sprintf(`"certain":{"from":"2026-03-03T%s:00Z","to":"2026-03-03T%s:00Z"}`, from, to)
}

// ann and bob are lines of all sources: hardware addresses, as lease files know no other names. They are behind the NAT,
// too.
const (
	ann, bob       = "aa:bb:cc:00:00:01", "aa:bb:cc:00:00:02"
	annIn, bobIn   = "100.64.0.1", "100.64.0.2"
	annFix, bobFix = "192.0.2.1", "192.0.2.2"
	lines          = "addr,line\n" + annIn + "," + ann + "\n" + bobIn + "," + bob + "\n" + annFix + "," + ann + "\n" + bobFix + "," + bob + "\n"
)

// faults are each fault in each kind of source that can have it. Leases and tables have no ports, leases no times in local
// time, and files no secret.
func faults() []fault {
	long := strings.Repeat("x", 480)
	all := []fault{
		{source: "table", name: "overlap", input: "addr,line,from,to\n" + held + "," + ann + ",2026-03-03 09:00,2026-03-03 11:00\n" + held + "," + bob + ",2026-03-03 10:00,2026-03-03 11:30\n", truth: "ann 09:00-10:00, bob 11:00-11:30"},
		{source: "table", name: "stop before start", input: "addr,line,from,to\n" + held + "," + ann + ",2026-03-03 10:00,2026-03-03 09:00\n", said: `"row":1,"reason":"to lies before from"`},
		{source: "table", name: "clock jumps", input: "addr,line,from\n" + held + "," + ann + ",2027-03-03 10:00\n", said: `"row":1,"reason":"from lies in the future`},
		{source: "table", name: "twice and in another order", input: "addr,line,from,to\n" + strings.Repeat(held+","+bob+",2026-03-03 10:00,2026-03-03 11:00\n"+held+","+ann+",2026-03-03 09:00,2026-03-03 10:00\n", 2), truth: "ann 09:00-10:00, bob 10:00-11:00", named: true},
		{source: "table", name: "cut short in a name", input: "addr,line,from\n192.0.2.9," + bob + ",\n" + held + "," + ann[:16], said: `"row":2,"reason":"the last row has no end of line`},
		{source: "table", name: "cut short in quotes", input: "addr,line,from\n192.0.2.9," + bob + ",\n" + held + ",\"" + ann, said: `"row":2,"reason":"the row cannot be read`},
		{source: "table", name: "no such local time", day: time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC), zone: "Europe/London", input: "addr,line,from\n" + held + "," + ann + ",2026-03-29 01:30\n", said: `"row":1,"reason":"there was no such time`},
		{source: "table", name: "local time twice", day: time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC), zone: "Europe/London", input: "addr,line,from\n" + held + "," + ann + ",2026-10-25 01:30\n", truth: "ann 01:30-13:00", named: true},
		{source: "table", name: "no time", input: "addr,line,from\n" + held + "," + ann + ",yesterday\n", said: `"row":1,"reason":"from is no time`},

		{source: "detail", name: "overlap", input: detailOf("Start", "1", ann, "09:00") + detailOf("Start", "2", bob, "10:00") + detailOf("Interim-Update", "1", ann, "11:00") + detailOf("Interim-Update", "2", bob, "11:00"), truth: "ann 09:00-10:00"},
		{source: "detail", name: "stop before start", input: detailOf("Start", "1", ann, "10:00") + detailOf("Stop", "1", ann, "09:00"), truth: ""},
		{source: "detail", name: "clock jumps back", input: detailOf("Start", "1", ann, "10:00") + detailOf("Interim-Update", "1", ann, "09:10") + detailOf("Start", "2", bob, "11:00") + detailOf("Interim-Update", "2", bob, "11:30"), truth: "ann 09:10-11:00, bob 11:00-11:30", named: true},
		{source: "detail", name: "twice and in another order", input: strings.Repeat(detailOf("Stop", "1", ann, "10:30")+detailOf("Interim-Update", "1", ann, "10:00")+detailOf("Start", "1", ann, "09:00"), 2), truth: "ann 09:00-10:30", named: true},
		{source: "detail", name: "cut short at the end", input: detailOf("Start", "1", ann, "09:00") + strings.TrimRight(detailOf("Interim-Update", "1", ann, "11:00"), "\n"), truth: "ann 09:00-09:01"},
		{source: "detail", name: "cut short in the middle", input: detailOf("Start", "1", ann, "09:00")[:60] + "\n" + detailOf("Interim-Update", "1", ann, "11:00"), said: `"row":1,"reason":"two lines of it do not begin with a tab`},
		{source: "detail", name: "no zone, local time twice", day: time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC), zone: "Europe/London", input: untimed("Start", "Sun Oct 25 01:30:00 2026") + untimed("Interim-Update", "Sun Oct 25 04:00:00 2026"), truth: "ann 01:30-04:00", named: true},
		{source: "detail", name: "no such local time", day: time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC), zone: "Europe/London", input: untimed("Start", "Sun Mar 29 01:30:00 2026"), said: `"row":1,"reason":"there was no such time`},
		{source: "detail", name: "no time", input: untimed("Start", "yesterday"), said: `"row":1,"reason":"it says no time`},

		{source: "kea", name: "overlap", input: keaHead + keaOf(ann, "09:00", "11:00", "0") + keaOf(bob, "10:00", "12:00", "0") + elsewhere(keaOf(ann, "11:50", "12:50", "0")), truth: "ann 09:00-10:00, bob 10:00-12:00", named: true},
		{source: "kea", name: "stop before start", input: keaHead + keaOf(ann, "10:00", "11:00", "0") + keaOf(ann, "09:00", "09:00", "3"), truth: "ann 10:00-11:00"},
		{source: "kea", name: "clock jumps back", input: keaHead + keaOf(ann, "10:00", "11:00", "0") + keaOf(ann, "09:30", "10:30", "0") + keaOf(bob, "11:10", "11:40", "0"), truth: "ann 09:30-11:00, bob 11:10-11:40", named: true},
		{source: "kea", name: "twice and in another order", input: keaHead + strings.Repeat(keaOf(ann, "10:00", "11:00", "0")+keaOf(ann, "09:00", "10:00", "0"), 2) + keaOf(bob, "11:00", "12:00", "0"), truth: "ann 09:00-11:00, bob 11:00-12:00", named: true},
		{source: "kea", name: "cut short at the end", input: strings.TrimSuffix(keaHead+keaOf(ann, "09:00", "10:00", "0")+keaOf(bob, "10:00", "12:00", "0"), ",0\n"), truth: "ann 09:00-10:00", named: false},
		{source: "kea", name: "cut short in the middle", input: keaHead + keaOf(ann, "09:00", "10:00", "0")[:40] + "\n" + keaOf(bob, "10:00", "12:00", "0"), truth: "bob 10:00-12:00", said: `"row":1,"reason":"the row has 5 columns`},
		{source: "kea", name: "no time", input: keaHead + held + "," + ann + ",,3600,2026-03-03 10:00,1,0,0,,0,,0\n", said: `"row":1,"reason":"expire is no time in seconds"`},

		{source: "dhcpd", name: "overlap", input: dhcpdOf(ann, "09:00", "11:00") + dhcpdOf(bob, "10:00", "12:00") + elsewhere(dhcpdOf(ann, "11:50", "12:50")), truth: "ann 09:00-10:00, bob 10:00-12:00", named: true},
		{source: "dhcpd", name: "stop before start", input: dhcpdOf(ann, "10:00", "09:00"), said: `"row":1,"reason":"the lease ends before it begins"`},
		{source: "dhcpd", name: "clock jumps back", input: dhcpdOf(ann, "10:00", "11:00") + dhcpdOf(ann, "09:30", "10:30") + dhcpdOf(bob, "11:10", "11:40"), truth: "ann 09:30-11:00, bob 11:10-11:40", named: true},
		{source: "dhcpd", name: "twice and in another order", input: strings.Repeat(dhcpdOf(ann, "10:00", "11:00")+dhcpdOf(ann, "09:00", "10:00"), 2) + dhcpdOf(bob, "11:00", "12:00"), truth: "ann 09:00-11:00, bob 11:00-12:00", named: true},
		{source: "dhcpd", name: "cut short at the end", input: strings.TrimSuffix(dhcpdOf(ann, "09:00", "10:00")+dhcpdOf(bob, "10:00", "12:00"), "}\n"), truth: "ann 09:00-10:00"},
		{source: "dhcpd", name: "no time", input: strings.Replace(dhcpdOf(ann, "09:00", "10:00"), "2026/03/03 10:00:00", "Tue Mar 3 10:00:00 GMT", 1), said: `"row":1,"reason":"a time of the lease is none"`},

		{source: "nat", name: "overlap", port: 3000, input: natOf("A", annIn, ":2048-4095", "09:00") + natOf("A", bobIn, ":1024-4095", "10:00") + natOf("D", annIn, ":2048-4095", "11:00") + natOf("D", bobIn, ":1024-4095", "11:30"), truth: "ann 09:00-10:00, bob 11:00-11:30", named: true},
		{source: "nat", name: "overlap of the same block", port: 3000, input: natOf("A", annIn, ":2048-4095", "09:00") + natOf("A", bobIn, ":2048-4095", "10:00") + natOf("D", annIn, ":2048-4095", "11:00") + natOf("D", bobIn, ":2048-4095", "11:30"), truth: "ann 09:00-10:00, bob 11:00-11:30", named: true},
		{source: "nat", name: "stop before start", port: 3000, input: natOf("A", annIn, ":2048-4095", "10:00") + natOf("D", annIn, ":2048-4095", "09:00"), truth: "ann 10:00-12:00"},
		{source: "nat", name: "clock jumps back", port: 3000, input: natOf("A", annIn, ":2048-4095", "10:00") + natOf("D", annIn, ":2048-4095", "09:10") + natOf("A", bobIn, ":2048-4095", "09:20") + natOf("D", bobIn, ":2048-4095", "09:50"), truth: "bob 09:20-09:50"},
		{source: "nat", name: "twice and in another order", port: 3000, input: strings.Repeat(natOf("D", annIn, ":2048-4095", "10:05")+natOf("A", annIn, ":2048-4095", "10:00"), 2) + natOf("A", bobIn, ":2048-4095", "11:00") + natOf("D", bobIn, ":2048-4095", "11:30"), truth: "ann 10:00-10:05, bob 11:00-11:30", named: true},
		{source: "nat", name: "cut short in the ports", port: 2048, input: natOf("A", annIn, ":2048-40", "09:00") + natOf("D", annIn, ":2048-40", "11:00"), said: `"row":1,"reason":"the ports of the line are none`},
		{source: "nat", name: "cut short on a long way", port: 2048, input: strings.ReplaceAll(connection("A", "2048", "09:00")+connection("D", "2048", "11:00"), "nat:", long) + natOf("A", bobIn, ":1024-1535", "09:00"), said: `"row":1,"reason":"the line ends within what it says`},
		{source: "nat", name: "cut short before the ports", port: 2048, input: strings.ReplaceAll(natOf("A", annIn, "", "09:00")+natOf("D", annIn, "", "11:00"), "nat:", long), said: `"row":1,"reason":"the line ends within what it says`},
		{source: "nat", name: "cut short at the end", port: 3000, input: natOf("A", annIn, ":2048-4095", "09:00") + strings.TrimSuffix(natOf("A", bobIn, ":2048-4095", "10:00"), "\n"), truth: "ann 09:00-10:00"},
		{source: "nat", name: "port 0", port: 1, input: natOf("A", annIn, ":0-4095", "09:00") + natOf("D", annIn, ":0-4095", "11:00"), said: `"row":1,"reason":"the ports of the line are none`},
		{source: "nat", name: "port 70000", port: 7000, input: natOf("A", annIn, ":2048-70000", "09:00") + natOf("D", annIn, ":2048-70000", "11:00"), said: `"row":1,"reason":"a port of the line is above 65535"`},
		{source: "nat", name: "port 204800", port: 20480, input: connection("A", "204800", "09:00") + connection("D", "204800", "11:00")},
		{source: "nat", name: "no zone, local time twice", port: 3000, day: time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC), zone: "Europe/London", input: "Oct 25 01:30:00 cgn1 nat: A VRF 0 INT " + annIn + " EXT " + held + ":2048-4095\nOct 25 04:00:00 cgn1 nat: D VRF 0 INT " + annIn + " EXT " + held + ":2048-4095\n", truth: "ann 01:30-04:00", named: true},
		{source: "nat", name: "no such local time", port: 3000, day: time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC), zone: "Europe/London", input: "Mar 29 01:30:00 cgn1 nat: A VRF 0 INT " + annIn + " EXT " + held + ":2048-4095\n", said: `"row":1,"reason":"there was no such time`},
		{source: "nat", name: "no time", port: 3000, input: "cgn1 nat: A VRF 0 INT " + annIn + " EXT " + held + ":2048-4095\n", said: `"row":1,"reason":"the line says no time`},

		{source: "http", name: "overlap", input: httpOf(ann, certain("09:00", "11:00")) + "," + httpOf(bob, certain("10:00", "11:30")), truth: "ann 09:00-10:00, bob 11:00-11:30", named: true},
		{source: "http", name: "stop before start", input: httpOf(ann, certain("11:00", "09:00")), said: "session 1 of its answer ends before it begins"},
		{source: "http", name: "clock jumps", input: httpOf(ann, certain("09:00", "11:00")) + "," + httpOf(bob, certain("11:00", "23:00")), truth: "ann 09:00-11:00, bob 11:00-12:00", named: true},
		{source: "http", name: "twice and in another order", input: strings.Repeat(httpOf(bob, certain("10:00", "11:00"))+","+httpOf(ann, certain("09:00", "10:00"))+",", 2) + httpOf(ann, certain("09:00", "09:30")), truth: "ann 09:00-10:00, bob 10:00-11:00", named: true},
		{source: "http", name: "cut short", input: httpOf(ann, certain("09:00", "11:00")) + "," + httpOf(bob, certain("09:00", "11:00"))[:30], said: "its answer is no JSON"},
		{source: "http", name: "port 0", port: 0, input: httpOf(ann, `"ports":[0,0],`+certain("09:00", "11:00"))},
		{source: "http", name: "port 70000", port: 7000, input: httpOf(ann, `"ports":[7000,70000],`+certain("09:00", "11:00")), said: "session 1 of its answer has a port that is not within 0 to 65535"},
		{source: "http", name: "no zone", input: strings.ReplaceAll(httpOf(ann, certain("09:00", "11:00")), "Z", ""), said: "session 1 of its answer has a certain from that is no time with a zone"},
	}
	return all
}

// TestBadInput takes each fault through its source and asks who held the address in every minute of the day.
func TestBadInput(t *testing.T) {
	for _, f := range faults() {
		t.Run(f.source+"/"+f.name, func(t *testing.T) {
			if f.day.IsZero() {
				f.day = march
			}
			dir := t.TempDir()
			file, table := filepath.Join(dir, "input"), filepath.Join(dir, "lines.csv")
			write(t, file, f.input)
			write(t, table, lines)
			cfg := sources.Defaults()
			cfg.Uncertainty = 0
			cfg.Tables = []sources.Table{{Name: "lines", File: table, Since: march.AddDate(-1, 0, 0)}}
			switch f.source {
			case "table":
				cfg.Tables = append(cfg.Tables, sources.Table{Name: "bad", File: file, Zone: f.zone})
			case "detail":
				cfg.Detail = []sources.Detail{{Name: "bad", Files: []string{file}, Zone: f.zone}}
			case "kea":
				cfg.Kea = []sources.Leases{{Name: "bad", Files: []string{file}}}
			case "dhcpd":
				cfg.DHCPD = []sources.Leases{{Name: "bad", Files: []string{file}}}
			case "nat":
				cfg.NAT = []sources.NAT{{Name: "bad", Files: []string{file}, Zone: f.zone}}
			case "http":
				c := newCRM(t, f.day.Add(12*time.Hour), nil)
				answer := fmt.Sprintf(`{"complete":true,"known_until":%q,"sessions":[%s]}`, c.now.Format(time.RFC3339), f.input)
				c.answer.Store(&answer)
				h := c.config(t)
				h.Networks, h.Failures = []netip.Prefix{netip.MustParsePrefix(held + "/32")}, 1000
				cfg.HTTP = []sources.HTTP{h}
			}
			n := newNode(t, cfg)
			n.now = f.day.Add(12 * time.Hour)
			n.poll()
			f.check(t, n)
			said := n.said.String() + n.lines.Status()[len(n.lines.Status())-1].Fault
			if !strings.Contains(said, f.said) {
				t.Errorf("it says %q, want %q", said, f.said)
			}
			for _, personal := range []string{ann, bob, held} {
				if strings.Contains(said, personal) {
					t.Errorf("what is said is personal: %s", said)
				}
			}
		})
	}
}

// check asks who held the address in every minute, and names who was answered wrongly.
func (f *fault) check(t *testing.T, n *node) {
	t.Helper()
	names := map[string]string{}
	for name, addr := range map[string]string{"ann": annFix, "bob": bobFix} {
		names[n.handle(addr, 0, f.day.Add(time.Hour).Format(time.RFC3339))] = name
	}
	named := 0
	for at := f.day; at.Before(f.day.Add(13 * time.Hour)); at = at.Add(time.Minute) {
		got, err := n.lines.Which(t.Context(), &line.Selector{Addr: netip.MustParseAddr(held), Port: f.port, Proto: "tcp", At: at}, false)
		if err != nil {
			t.Fatal(err)
		}
		if got.State != report.LineUnique {
			continue
		}
		named++
		if !f.may(names[got.Handle], at) {
			t.Errorf("at %s it was %q", at.Format("15:04"), names[got.Handle])
		}
	}
	if f.named && named == 0 {
		t.Error("nobody was named at all")
	}
	if f.truth == "" && named > 0 {
		t.Errorf("%d times somebody was named", named)
	}
}

// may reports whether a line may be named at a time.
func (f *fault) may(name string, at time.Time) bool {
	if f.truth == "" {
		return false
	}
	return slices.ContainsFunc(strings.Split(f.truth, ", "), func(one string) bool {
		var who, span string
		if _, err := fmt.Sscan(one, &who, &span); err != nil {
			panic(err)
		}
		from, to, _ := strings.Cut(span, "-")
		return who == name && !at.Before(clockOf(f.day, from)) && at.Before(clockOf(f.day, to))
	})
}

// accounting is a RADIUS source and the device that sends to it.
type accounting struct {
	*node
	conn net.Conn
	id   byte
}

func newAccounting(t *testing.T) *accounting {
	t.Helper()
	free, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	must(t, err)
	addr := free.LocalAddr().String()
	must(t, free.Close())
	dir := t.TempDir()
	secret, table := filepath.Join(dir, "secret"), filepath.Join(dir, "lines.csv")
	write(t, secret, "hunter2\n")
	write(t, table, lines)
	cfg := sources.Defaults()
	cfg.Tables = []sources.Table{{Name: "lines", File: table, Since: march.AddDate(-1, 0, 0)}}
	cfg.RADIUS = []sources.RADIUS{{Name: "bad", Listen: addr, Clients: []sources.RADIUSClient{{Network: netip.MustParsePrefix("127.0.0.0/8"), SecretFile: secret}}}}
	cfg.Every = time.Hour
	a := &accounting{node: newNode(t, cfg)}
	a.poll()
	must(t, a.lines.Listen())
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.lines.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		must(t, <-done)
	})
	a.conn, err = (&net.Dialer{}).DialContext(t.Context(), "udp", addr)
	must(t, err)
	t.Cleanup(func() { _ = a.conn.Close() })
	return a
}

// packet is a request of a device whose clock says so.
func (a *accounting) packet(t *testing.T, secret string, what rfc2866.AcctStatusType, session, user string, clock time.Time) []byte {
	t.Helper()
	p := wire.New(wire.CodeAccountingRequest, []byte(secret))
	a.id++
	p.Identifier = a.id
	must(t, errors.Join(
		rfc2866.AcctStatusType_Set(p, what), rfc2865.UserName_SetString(p, user), rfc2865.NASIPAddress_Set(p, net.ParseIP("192.0.2.1")),
		rfc2866.AcctSessionID_SetString(p, session), rfc2865.FramedIPAddress_Set(p, net.ParseIP(held)), rfc2869.EventTimestamp_Set(p, clock),
	))
	b, err := p.Encode()
	must(t, err)
	return b
}

// send sends packets and waits for the answers to all that have one.
func (a *accounting) send(t *testing.T, answers int, packets ...[]byte) {
	t.Helper()
	for _, p := range packets {
		_, err := a.conn.Write(p)
		must(t, err)
	}
	buf := make([]byte, 4096)
	must(t, a.conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	for range answers {
		_, err := a.conn.Read(buf)
		must(t, err)
	}
}

// TestBadRADIUS is the same for what comes in packets.
func TestBadRADIUS(t *testing.T) {
	const start, alive, stop = rfc2866.AcctStatusType_Value_Start, rfc2866.AcctStatusType_Value_InterimUpdate, rfc2866.AcctStatusType_Value_Stop
	at := func(hhmm string) time.Time { return clockOf(march, hhmm) }
	for _, c := range []struct {
		name  string
		send  func(t *testing.T, a *accounting)
		truth string
		named bool
		fate  string // of tocsin_radius_requests_total that counts it
	}{
		{"overlap", func(t *testing.T, a *accounting) {
			a.send(t, 4, a.packet(t, "hunter2", start, "1", ann, at("09:00")), a.packet(t, "hunter2", start, "2", bob, at("10:00")),
				a.packet(t, "hunter2", alive, "1", ann, at("12:00")), a.packet(t, "hunter2", alive, "2", bob, at("12:00")))
		}, "ann 09:00-10:00", false, ""},
		{"stop before start", func(t *testing.T, a *accounting) {
			a.send(t, 2, a.packet(t, "hunter2", start, "1", ann, at("12:00")), a.packet(t, "hunter2", stop, "1", ann, at("09:00")))
		}, "", false, ""},
		{"clock jumps ahead", func(t *testing.T, a *accounting) {
			a.send(t, 3, a.packet(t, "hunter2", start, "1", ann, at("11:50")), a.packet(t, "hunter2", alive, "1", ann, at("12:00").AddDate(1, 0, 0)),
				a.packet(t, "hunter2", start, "2", bob, at("11:55")))
		}, "", false, ""},
		{"twice and in another order", func(t *testing.T, a *accounting) {
			p := [][]byte{
				a.packet(t, "hunter2", stop, "1", ann, at("12:00")), a.packet(t, "hunter2", alive, "1", ann, at("11:00")), a.packet(t, "hunter2", start, "1", ann, at("09:00")),
			}
			a.send(t, 3, p...)
			a.send(t, 3, p...)
		}, "ann 09:00-12:00", true, "again"},
		{"wrong secret", func(t *testing.T, a *accounting) {
			a.send(t, 1, a.packet(t, "wrong", start, "1", ann, at("09:00")), a.packet(t, "wrong", alive, "1", ann, at("12:00")),
				a.packet(t, "hunter2", start, "9", bob, at("12:00")))
		}, "", false, "secret"},
		{"cut short", func(t *testing.T, a *accounting) {
			p := a.packet(t, "hunter2", start, "1", ann, at("09:00"))
			a.send(t, 1, p[:len(p)-7], p[:10], a.packet(t, "hunter2", start, "9", bob, at("12:00")))
		}, "", false, "damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAccounting(t)
			c.send(t, a)
			f := fault{truth: c.truth, named: c.named, day: march}
			f.check(t, a.node)
			if c.fate == "" {
				return
			}
			all, err := a.reg.Gather()
			must(t, err)
			for _, m := range all {
				for _, one := range m.GetMetric() {
					for _, l := range one.GetLabel() {
						if l.GetValue() == c.fate && one.GetCounter().GetValue() > 0 {
							return
						}
					}
				}
			}
			t.Errorf("nothing was counted as %s", c.fate)
		})
	}
}
