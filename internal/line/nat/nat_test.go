package nat_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"tocsin/internal/corpustest"
	"tocsin/internal/line"
	"tocsin/internal/line/nat"
	"tocsin/internal/report"
)

var written = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const header = "<134>1 2026-03-01T02:10:00Z nat1 nat - - - "

// said is a record as text.
func said(r *line.Record) string {
	at := time.Unix(r.At.Earliest, 0).UTC().Format("2006-01-02 15:04:05")
	if r.At.Latest != r.At.Earliest {
		at += fmt.Sprintf("+%d", r.At.Latest-r.At.Earliest)
	}
	ports := fmt.Sprintf(":%d-%d", r.Range.Lo, r.Range.Hi)
	return strings.TrimSpace(fmt.Sprintf("%d %s %s%s %s at %s", r.Action, r.Held.Inside, r.Range.Prefix.Addr(), ports, r.Range.Proto, at))
}

func read(t testing.TB, l *nat.Logs, text string) (out []string) {
	t.Helper()
	for r, err := range l.Read(strings.NewReader(text), written) {
		var row *report.RowError
		switch {
		case errors.As(err, &row):
			out = append(out, fmt.Sprintf("line %d: %s", row.Row, row.Reason))
		case err != nil:
			t.Fatal(err)
		default:
			out = append(out, said(&r))
			if err := r.Validate(); err != nil {
				t.Error(err)
			}
		}
	}
	return out
}

// TestCorpus reads the vendors' samples, below a header where they have none.
func TestCorpus(t *testing.T) {
	for vendor, want := range map[string][]string{
		"a10":     {"1 10.10.10.172 192.168.9.173:3000-4000  at 2026-03-01 02:10:00"},
		"nfware":  {"1 10.0.0.1 100.64.0.1:0-65535  at 2026-03-01 02:10:00", "1 10.0.0.1 100.64.0.1:28475-28475 tcp at 2026-03-01 02:10:00", "1 10.0.0.1 100.64.0.1:28475-28475 tcp at 2026-03-01 02:10:00", "1 10.0.0.1 100.64.0.1:1024-1535  at 2026-03-01 02:10:00"},
		"sixwind": {"1 10.100.0.1 10.175.0.3:10752-10752 tcp at 2025-06-14 12:17:35", "3 10.100.0.1 10.175.0.3:10753-10753 tcp at 2025-06-14 12:19:04", "1 100.64.0.1 192.0.2.33:1-512 tcp at 2025-06-11 08:03:09", "3 100.64.0.1 192.0.2.33:1-512 tcp at 2025-06-11 08:07:30"},
		"juniper": nil,
	} {
		text, err := os.ReadFile(corpustest.Dir(t, "cgnat", "cgn-ec-consumer", vendor+".log"))
		if err != nil {
			t.Fatal(err)
		}
		var with strings.Builder
		for l := range strings.Lines(string(text)) {
			if !strings.HasPrefix(l, "Jun ") {
				with.WriteString(header)
			}
			with.WriteString(strings.TrimRight(l, "\r\n") + "\n")
		}
		got := read(t, &nat.Logs{Realm: "cgn"}, with.String())
		if vendor == "juniper" {
			juniper(t, string(text), got)
			continue
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", vendor, diff)
		}
	}
}

// juniper: each sample that says who has which ports is read, and none of the destinations is in what is kept.
func juniper(t *testing.T, text string, got []string) {
	t.Helper()
	known := 0
	for l := range strings.Lines(text) {
		for _, mark := range []string{"RT_SRC_NAT_PBA_ALLOC ", "RT_SRC_NAT_PBA_INTERIM ", "RT_SRC_NAT_PBA_RELEASE ", "RT_FLOW_SESSION_CREATE ", "RT_FLOW_SESSION_CLOSE "} {
			if strings.Contains(l, mark) && strings.Contains(l, `="`) {
				known++
			}
		}
	}
	if len(got) != known || known < 4 {
		t.Errorf("%d of %d are read: %q", len(got), known, got)
	}
	for _, s := range got {
		if strings.Contains(s, "1.2.84.162") || strings.HasPrefix(s, "line") {
			t.Errorf("%s", s)
		}
	}
	if len(got) > 2 && (got[0] != "1 10.0.10.10 1.2.84.172:53328-53328 tcp at 2026-03-01 02:10:00" || got[1] != "3 10.0.10.2 1.2.84.169:4986-4986 tcp at 2026-03-01 02:10:00" ||
		got[2] != "1 10.0.10.10 1.2.84.172:48640-48895  at 2022-04-04 14:45:38") {
		t.Errorf("%q", got[:3])
	}
}

func TestLines(t *testing.T) {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	block := "fp-cgnat[1]: USER 10.0.0.7 (matching rule 1): NEW BLOCK (pool \"p\", ip public 198.51.100.7, proto 17, port 512 - 1023)"
	for name, c := range map[string]struct {
		logs nat.Logs
		text string
		want []string
	}{
		"MikroTik, where each subscriber has ports of its own": {
			nat.Logs{OwnPorts: true},
			"Feb 28 23:10:00 router1 firewall,info srcnat: in:bridge out:ether1, connection-state:new src-mac aa:bb:cc:00:00:01, proto TCP (SYN), 10.0.0.7:51000->203.0.113.9:443, NAT (10.0.0.7:51000->198.51.100.7:51000)->203.0.113.9:443, len 60\n",
			[]string{"1 10.0.0.7 198.51.100.7:51000-51000 tcp at 2026-02-28 23:10:00"},
		},
		"A10": {nat.Logs{}, header + "NAT-TCP-C: 10.0.0.7:51000<->203.0.113.9:443, 203.0.113.9:443<-->198.51.100.7:2048\n" + header + "NAT-TCP-F: 10.0.0.7:51000<->203.0.113.9:443, 203.0.113.9:443<-->198.51.100.7:2048\n", []string{
			"1 10.0.0.7 198.51.100.7:2048-2048 tcp at 2026-03-01 02:10:00", "3 10.0.0.7 198.51.100.7:2048-2048 tcp at 2026-03-01 02:10:00",
		}},
		"last year, in summer, in local time": {nat.Logs{Zone: london}, "<30>Jul  4 12:00:00 nat1 " + block + "\n", []string{"1 10.0.0.7 198.51.100.7:512-1023 udp at 2025-07-04 11:00:00"}},
		"the hour that came twice, and the one that did not": {nat.Logs{Zone: london}, "Oct 26 01:30:00 nat1 " + block + "\nMar 30 01:30:00 nat1 " + block + "\n", []string{
			"1 10.0.0.7 198.51.100.7:512-1023 udp at 2025-10-26 00:30:00+3600", "line 2: there was no such time: clocks were put forward over it",
		}},
		"other lines, a line too long, half a line": {nat.Logs{}, "Mar  1 01:00:00 nat1 sshd[1]: hello\n\n" + strings.Repeat("x", 40_000) + "\n" + header + block + "\n" + header + block, []string{
			"line 3: the line is damaged: it is longer than 16 KiB, or has zero bytes in it", "1 10.0.0.7 198.51.100.7:512-1023 udp at 2026-03-01 02:10:00",
		}},
		"what cannot be used": {nat.Logs{}, block + "\n" + header + strings.Replace(block, "512 - 1023", "512 - 70000", 1) + "\n" + header + strings.Replace(block, "512 - 1023", "0 - 511", 1) + "\n" +
			header + strings.Replace(block, "512 - 1023", "600 - 511", 1) + "\n" + header + strings.Replace(block, "198.51.100.7", "999.1.1.1", 1) + "\n", []string{
			"line 1: the line says no time: its header is neither that of RFC 5424 nor that of RFC 3164",
			"line 2: a port of the line is above 65535", "line 3: the ports of the line are none: they begin at 1, and the last is not below the first",
			"line 4: the ports of the line are none: they begin at 1, and the last is not below the first", "line 5: an address of the line is none",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := gocmp.Diff(c.want, read(t, &c.logs, c.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	all, err := (&nat.Logs{Realm: "cgn"}).Line(header+block, written)
	if err != nil || len(all) != 1 || all[0].NAS != "nat1" || all[0].Held.Realm != "cgn" || all[0].Session != "" {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestLayouts: the cases in testdata, one file a vendor, and no destination in what they make.
func TestLayouts(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatal(err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil || len(a.Files) != 2 || len(a.Comment) == 0 {
				t.Fatalf("%v: want a sentence, input and want", err)
			}
			var out strings.Builder
			for r, err := range (&nat.Logs{Realm: "cgn", VRFs: map[string]string{"Broadband": "cgn"}}).Read(strings.NewReader(string(a.Files[0].Data)), written) {
				if row, ok := errors.AsType[*report.RowError](err); ok {
					fmt.Fprintf(&out, "line %d: %s\n", row.Row, row.Reason)
					continue
				}
				text := r.NAS + " " + strings.ReplaceAll(said(&r), "  ", " ")
				if !r.Since.IsZero() {
					text += time.Unix(r.Since.Earliest, 0).UTC().Format(" since 2006-01-02 15:04:05")
				}
				fmt.Fprintln(&out, text)
				if strings.Contains(fmt.Sprintf("%+v", r), "203.0.113.99") {
					t.Errorf("the destination is in %+v", r)
				}
			}
			if diff := gocmp.Diff(string(a.Files[1].Data), out.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestOverloads: of a device that may give one port to several at a time nothing is kept, unless each has ports of its own.
func TestOverloads(t *testing.T) {
	const from = "Feb 28 23:10:00 router1 firewall,info srcnat: in:bridge out:ether1, connection-state:new src-mac aa:bb:cc:00:00:01, proto TCP (SYN), "
	ann := from + "10.0.0.7:51000->203.0.113.9:443, NAT (10.0.0.7:51000->198.51.100.7:51000)->203.0.113.9:443, len 60\n"
	bob := from + "10.0.0.8:51000->203.0.113.10:443, NAT (10.0.0.8:51000->198.51.100.7:51000)->203.0.113.10:443, len 60\n"
	none := from + "10.0.0.8:51000->203.0.113.10:443, NAT (10.0.0.8:51000->10.0.0.8:51000)->203.0.113.10:443, len 60\n"
	want := []string{"line 1: " + nat.ErrOverloads.Error(), "line 2: " + nat.ErrOverloads.Error()}
	if diff := gocmp.Diff(want, read(t, &nat.Logs{}, ann+bob+none)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	before := make([]line.Record, 1)
	got, err := (&nat.Logs{}).Message(before, strings.TrimSpace(bob), line.Moment{Earliest: 1, Latest: 1}, "router1")
	if len(got) != 1 || !errors.Is(err, nat.ErrOverloads) {
		t.Errorf("%+v, %v", got, err)
	}
	if got := read(t, &nat.Logs{OwnPorts: true}, ann+bob+none); len(got) != 2 || strings.HasPrefix(got[0], "line") {
		t.Errorf("%q", got)
	}
}

func FuzzLine(f *testing.F) {
	for _, path := range []string{"a10.log", "juniper.log", "nfware.log", "sixwind.log"} {
		if text, err := os.ReadFile(corpustest.Dir(f, "cgnat", "cgn-ec-consumer", path)); err == nil {
			for l := range strings.Lines(string(text)) {
				f.Add(header + l)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := (&nat.Logs{}).Line(text, written)
		if err != nil && len(all) > 0 {
			t.Errorf("%+v and %v", all, err)
		}
		for i := range all {
			if err := all[i].Validate(); err != nil {
				t.Errorf("%+v: %v", all[i], err)
			}
		}
	})
}

func BenchmarkLine(b *testing.B) {
	for name, text := range map[string]string{
		"block":   header + "fp-cgnat[1]: USER 10.0.0.7 (matching rule 1): NEW BLOCK (pool \"p\", ip public 198.51.100.7, proto 17, port 512 - 1023)",
		"another": header + "sshd[1]: Accepted publickey for root from 198.51.100.7 port 40312 ssh2",
	} {
		b.Run(name, func(b *testing.B) {
			l := &nat.Logs{}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := l.Line(text, written); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
