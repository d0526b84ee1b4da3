package sources_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/internal/line/sources"
	"tocsin/internal/report"
)

// nats is a node that knows two inside addresses for good, and reads a NAT's log of them.
func nats(t *testing.T) (n *node, log string) {
	t.Helper()
	in := t.TempDir()
	inside := filepath.Join(in, "inside.csv")
	write(t, inside, "prefix,line,from\n100.64.0.7,ann,2026-03-01\n100.64.0.8,bob,2026-03-01\n")
	cfg := sources.Defaults()
	cfg.Tables = []sources.Table{{Name: "inside", File: inside}}
	log = filepath.Join(in, "nat.log")
	cfg.NAT = []sources.NAT{{Name: "cgn", Files: []string{log}}}
	return newNode(t, cfg), log
}

func clock(t *testing.T, at string) time.Time {
	t.Helper()
	when, err := time.Parse(time.RFC3339, "2026-03-03T"+at+"Z")
	if err != nil {
		t.Fatal(err)
	}
	return when
}

// TestGapOfEachDevice: a row that is lost may be any device's. Each has a clock of its own, and its gap begins with its own
// last word.
func TestGapOfEachDevice(t *testing.T) {
	n, log := nats(t)
	at := func(s string) time.Time { return clock(t, s) }
	other := func(text string) string { return strings.Replace(text, " cgn1 ", " cgn2 ", 1) }
	write(t, log, other(block("A", "100.64.0.7", "203.0.113.9", 2048, 4095, at("10:00:00")))+
		block("A", "100.64.0.8", "203.0.113.5", 2048, 4095, at("11:05:00"))+"\x00\x00\x00\n\x00\n"+block("A", "100.64.0.8", "203.0.113.5", 8192, 9000, at("11:06:00"))+
		other(block("A", "100.64.0.8", "203.0.113.9", 8192, 9000, at("11:00:05")))+other(block("A", "100.64.0.8", "203.0.113.9", 9192, 10000, at("11:50:00"))))
	n.poll()
	for _, clock := range []string{"10:57:00", "11:03:00", "11:30:00"} {
		n.not("203.0.113.9", 3000, "2026-03-03T"+clock+"Z", report.LineNone, "log gap")
	}
	n.handle("203.0.113.9", 8500, "2026-03-03T11:30:00Z")
}

// TestGapOfAnOlderLog: what is lost at the beginning of an older log that is read later lies behind what ended there, and
// not behind what is known since.
func TestGapOfAnOlderLog(t *testing.T) {
	n, _ := nats(t)
	at := func(s string) time.Time { return clock(t, s) }
	_ = n.lines.Poll(t.Context()) // the table; the log is not there
	tell := func(text string) {
		t.Helper()
		if _, err := n.lines.Import(t.Context(), "cgn", strings.NewReader(text), at("12:00:00")); err != nil {
			t.Fatal(err)
		}
	}
	tell(block("A", "100.64.0.8", "203.0.113.77", 2048, 4095, at("11:50:00")))
	tell(block("A", "100.64.0.7", "203.0.113.5", 2048, 4095, at("11:40:00")))
	tell("\x00\x00\n" + block("A", "100.64.0.8", "203.0.113.6", 8192, 9000, at("11:45:00")) + block("A", "100.64.0.8", "203.0.113.6", 9192, 10000, at("11:48:00")))
	n.not("203.0.113.5", 3000, "2026-03-03T11:43:00Z", report.LineNone, "log gap")
	n.handle("203.0.113.6", 8500, "2026-03-03T11:46:00Z")
}

// TestLostOnRotation: what a log had to say between the last reading and its end is read where it can be found, and is a gap
// where it cannot.
func TestLostOnRotation(t *testing.T) {
	at := func(s string) time.Time { return clock(t, s) }
	first := block("A", "100.64.0.7", "203.0.113.5", 2048, 4095, at("10:00:00")) + block("A", "100.64.0.8", "203.0.113.5", 5000, 5095, at("10:01:00"))
	last := block("D", "100.64.0.7", "203.0.113.5", 2048, 4095, at("10:30:00")) + block("A", "100.64.0.8", "203.0.113.5", 2048, 4095, at("10:30:05"))
	next := block("A", "100.64.0.8", "203.0.113.6", 8192, 9000, at("11:00:00")) + block("A", "100.64.0.8", "203.0.113.6", 9192, 10000, at("11:50:00"))
	const question = "2026-03-03T11:30:00Z"
	begin := func(t *testing.T) (*node, string) {
		n, log := nats(t)
		write(t, log, first)
		n.poll()
		return n, log
	}
	rename := func(t *testing.T, from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	gap := func(t *testing.T, n *node) {
		t.Helper()
		n.poll()
		n.not("203.0.113.5", 3000, question, report.LineNone, "log gap")
		n.handle("203.0.113.6", 8500, question)
		n.open() // nor does a restart forget it
		n.poll()
		n.not("203.0.113.5", 3000, question, report.LineNone, "log gap")
	}
	t.Run("renamed in its folder", func(t *testing.T) {
		n, log := begin(t)
		write(t, log, last)
		rename(t, log, log+".1")
		write(t, log, next)
		n.poll()
		if n.handle("203.0.113.5", 3000, question) != n.handle("203.0.113.6", 8500, question) {
			t.Error("its end was not read")
		}
	})
	t.Run("moved away", func(t *testing.T) {
		n, log := begin(t)
		write(t, log, last)
		rename(t, log, filepath.Join(t.TempDir(), "nat.log"))
		write(t, log, next)
		gap(t, n)
	})
	t.Run("moved away, and the next is late", func(t *testing.T) {
		n, log := begin(t)
		rename(t, log, filepath.Join(t.TempDir(), "nat.log"))
		_ = n.lines.Poll(t.Context())
		write(t, log, "")
		n.poll()
		n.open()
		write(t, log, next)
		gap(t, n)
	})
	t.Run("written over", func(t *testing.T) {
		n, log := begin(t)
		if err := os.WriteFile(log, []byte(next+strings.Repeat(next, 10)), 0o600); err != nil {
			t.Fatal(err)
		}
		gap(t, n)
	})
	t.Run("copied, and written over", func(t *testing.T) {
		n, log := begin(t)
		long := ""
		for i := range 10 { // a copy is known by more than a few bytes
			long += block("A", "100.64.0.8", "203.0.113.7", 5000+i, 5000+i, at("10:02:00"))
		}
		write(t, log, long)
		n.poll()
		write(t, log, last)
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		write(t, log+".1", string(text))
		n.cfg.NAT[0].Files = []string{log + "*"}
		if err := os.WriteFile(log, []byte(next), 0o600); err != nil {
			t.Fatal(err)
		}
		n.open()
		rows := n.rows()[1]
		n.poll()
		if n.handle("203.0.113.5", 3000, question) != n.handle("203.0.113.6", 8500, question) {
			t.Error("its end was not read")
		}
		if got := n.rows()[1]; got != rows+4 {
			t.Errorf("%d rows were told: the copy was read from its beginning", got-rows)
		}
	})
	t.Run("an old one is deleted", func(t *testing.T) {
		n, log := begin(t)
		rename(t, log, log+".1")
		write(t, log, block("A", "100.64.0.8", "203.0.113.6", 8192, 9000, at("11:00:00")))
		n.poll()
		if err := os.Remove(log + ".1"); err != nil {
			t.Fatal(err)
		}
		n.poll()
		write(t, log, block("A", "100.64.0.8", "203.0.113.6", 9192, 10000, at("11:50:00")))
		n.poll()
		n.handle("203.0.113.5", 3000, question)
	})
}

// TestLeasesWrittenAnew: of leases the new file has all that hold. What changed since the last reading may have changed more
// than once.
func TestLeasesWrittenAnew(t *testing.T) {
	leases := filepath.Join(t.TempDir(), "dhcpd.leases")
	row := func(addr, state, mac, starts, ends string) string {
		return fmt.Sprintf("lease %s {\n  starts 2 2026/03/03 %s;\n  ends 2 2026/03/03 %s;\n  binding state %s;\n  hardware ethernet 02:00:00:00:00:%s;\n}\n", addr, starts, ends, state, mac)
	}
	cfg := sources.Defaults()
	cfg.DHCPD = []sources.Leases{{Name: "dhcpd", Files: []string{leases}}}
	n := newNode(t, cfg)
	seven, eight := row("198.51.100.7", "active", "0a", "10:00:00", "14:00:00"), row("198.51.100.8", "active", "0b", "10:00:00", "14:00:00")
	write(t, leases, seven+eight)
	n.poll()
	write(t, leases+".new", eight+row("198.51.100.7", "active", "0a", "11:00:50", "15:00:50")+row("198.51.100.9", "active", "0c", "12:00:00", "16:00:00"))
	if err := os.Rename(leases+".new", leases); err != nil {
		t.Fatal(err)
	}
	n.poll()
	n.not("198.51.100.7", 0, "2026-03-03T11:00:30Z", report.LineNone, "log gap")
	n.handle("198.51.100.7", 0, "2026-03-03T11:30:00Z")
	n.handle("198.51.100.8", 0, "2026-03-03T11:00:30Z")
}

// TestImportTable: only the file that the config names says what holds now.
func TestImportTable(t *testing.T) {
	in := t.TempDir()
	own, old := filepath.Join(in, "lines.csv"), filepath.Join(in, "old.csv")
	write(t, own, "prefix,line,from\n198.51.100.1,bob,2026-02-01\n")
	write(t, old, "prefix,line,from\n198.51.100.1,ann,2026-01-01\n")
	cfg := sources.Defaults()
	cfg.Tables = []sources.Table{{Name: "fixed", File: own}}
	n := newNode(t, cfg)
	n.poll()
	bob := n.handle("198.51.100.1", 0, "2026-03-03T10:00:00Z")
	for path, fine := range map[string]bool{own: true, old: false} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := n.lines.Import(t.Context(), "fixed", f, clock(t, "11:00:00")); (err == nil) != fine {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := n.lines.Import(t.Context(), "fixed", strings.NewReader("prefix,line\n198.51.100.1,ann\n"), clock(t, "11:00:00")); err == nil {
		t.Error("standard input is taken")
	}
	if n.handle("198.51.100.1", 0, "2026-03-03T10:00:00Z") != bob {
		t.Error("it is somebody else now")
	}
}

// TestCorrectedTable: what two readings of a table say differently is certain of nobody; what both say still is.
func TestCorrectedTable(t *testing.T) {
	for name, c := range map[string]struct{ before, after, doubtful, certain string }{
		"it ended sooner":                 {"2026-01-01,2026-03-01", "2026-01-01,2026-02-01", "2026-02-15", "2026-01-15"},
		"it began later":                  {"2026-01-01,", "2026-02-01,", "2026-01-15", "2026-02-15"},
		"it began later, and ended":       {"2026-01-01,2026-03-01", "2026-02-01,2026-03-01", "2026-01-15", "2026-02-15"},
		"nothing but the order of rows":   {"2026-01-01,2026-03-01", "2026-01-01,2026-03-01", "2026-03-02", "2026-02-15"},
		"it has ended meanwhile, as said": {"2026-01-01,", "2026-01-01,2026-03-01", "2026-03-02", "2026-02-15"},
	} {
		t.Run(name, func(t *testing.T) {
			table := filepath.Join(t.TempDir(), "lines.csv")
			cfg := sources.Defaults()
			cfg.Tables = []sources.Table{{Name: "fixed", File: table}}
			n := newNode(t, cfg)
			const other = "198.51.100.2,bob,2026-01-01,\n"
			write(t, table, "prefix,line,from,to\n198.51.100.1,ann,"+c.before+"\n"+other)
			n.poll()
			n.at(n.clock().Add(time.Hour))
			if err := os.WriteFile(table, []byte("prefix,line,from,to\n"+other+"198.51.100.1,ann,"+c.after+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(table, n.clock(), n.clock()); err != nil {
				t.Fatal(err)
			}
			n.open()
			n.poll()
			if a, err := n.ask("198.51.100.1", 0, c.doubtful+"T10:00:00Z"); err != nil || a.State == report.LineUnique {
				t.Errorf("%+v", a)
			}
			n.handle("198.51.100.1", 0, c.certain+"T10:00:00Z")
			n.handle("198.51.100.2", 0, c.doubtful+"T10:00:00Z")
		})
	}
}
