package sources_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/internal/line/sources"
	"tocsin/internal/report"
)

// TestRefused: a row that cannot be used may have said that somebody else has the address now. Nobody is named by what was
// said before it.
func TestRefused(t *testing.T) {
	in := t.TempDir()
	cfg := sources.Defaults()
	at := func(clock string) time.Time {
		when, err := time.Parse(time.RFC3339, "2026-03-03T"+clock+"Z")
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	inside := filepath.Join(in, "inside.csv")
	write(t, inside, "prefix,line,from\n100.64.0.7,ann,2026-03-01\n100.64.0.8,bob,2026-03-01\n")
	cfg.Tables = []sources.Table{{Name: "inside", File: inside}}
	for name, handover := range map[string]string{
		"cut":  "",
		"port": "",
		"zero": strings.Repeat("\x00", 3000) + "\n",
		"long": strings.Repeat("x", 300_000) + "\n",
	} {
		log := filepath.Join(in, name+".log")
		gone, taken := block("D", "100.64.0.7", "203.0.113.5", 2048, 4095, at("10:10:00")), block("A", "100.64.0.8", "203.0.113.5", 2048, 4095, at("10:11:00"))
		switch name {
		case "port":
			handover = strings.Replace(gone, "4095", "70000", 1) + strings.Replace(taken, "4095", "70000", 1)
		case "cut":
			handover = strings.Replace(gone, "203.0.113.5", "203.0.113.555", 1) + strings.Replace(taken, "203.0.113.5", "203.0.113.555", 1)
		}
		write(t, log, block("A", "100.64.0.7", "203.0.113.5", 2048, 4095, at("10:00:00"))+block("A", "100.64.0.9", "203.0.113.7", 1024, 2047, at("10:05:00"))+handover+block("A", "100.64.0.9", "203.0.113.6", 1024, 2047, at("10:50:00"))+
			block("D", "100.64.0.7", "203.0.113.5", 2048, 4095, at("11:00:00")))
		one := cfg
		one.NAT = []sources.NAT{{Name: "cgn", Files: []string{log}}}
		n := newNode(t, one)
		n.poll()
		n.handle("203.0.113.5", 3000, "2026-03-03T10:03:00Z")
		n.not("203.0.113.5", 3000, "2026-03-03T10:30:00Z", report.LineNone, "log gap")
		n.not("203.0.113.5", 3000, "2026-03-03T10:55:00Z", report.LineNone, "log gap")
	}

	// An older file that is told later doubts its own time, and not what is known of the time since.
	one := cfg
	one.NAT = []sources.NAT{{Name: "cgn", Files: []string{"nowhere"}}}
	n := newNode(t, one)
	tell := func(text string) {
		t.Helper()
		if _, err := n.lines.Import(t.Context(), "cgn", strings.NewReader(text), at("12:00:00")); err != nil {
			t.Fatal(err)
		}
	}
	_ = n.lines.Poll(t.Context()) // the table; the other file is not there
	tell(block("A", "100.64.0.7", "203.0.113.5", 2048, 4095, at("10:00:00")) + block("D", "100.64.0.7", "203.0.113.5", 2048, 4095, at("11:00:00")))
	bad := strings.Replace(block("A", "100.64.0.8", "203.0.113.6", 2048, 4095, at("08:00:00")), "4095", "70000", 1)
	tell(bad + block("A", "100.64.0.8", "203.0.113.6", 2048, 4095, at("08:01:00")) + block("D", "100.64.0.8", "203.0.113.6", 2048, 4095, at("08:30:00")))
	n.handle("203.0.113.5", 3000, "2026-03-03T10:30:00Z")
	n.handle("203.0.113.6", 3000, "2026-03-03T08:15:00Z")

	// Of leases the address is known that a row is about: only that is in doubt.
	leases := filepath.Join(in, "leases.csv")
	row := func(addr, mac string, from time.Time, state string) string {
		return fmt.Sprintf("%s,%s,,3600,%d,1,0,0,,%s,,0\n", addr, mac, from.Add(time.Hour).Unix(), state)
	}
	write(t, leases, "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n"+
		row("198.51.100.70", "aa:00:00:00:00:01", at("10:00:00"), "0")+row("198.51.100.71", "aa:00:00:00:00:02", at("10:00:00"), "0")+
		row("198.51.100.70", "", at("10:20:00"), "0")+row("198.51.100.72", "aa:00:00:00:00:03", at("10:58:00"), "0"))
	one = sources.Defaults()
	one.Kea = []sources.Leases{{Name: "kea", Files: []string{leases}}}
	n = newNode(t, one)
	n.poll()
	n.not("198.51.100.70", 0, "2026-03-03T10:45:00Z", report.LineNone, "log gap")
	n.handle("198.51.100.71", 0, "2026-03-03T10:45:00Z")

	// Of tables nobody is named who stands beside a row about the same addresses that cannot be used.
	table := filepath.Join(in, "table.csv")
	write(t, table, "prefix,line,from\n198.51.100.10,ann,2026-03-01\n198.51.100.10,,2026-03-01\n198.51.100.11,ann,2026-03-01\n198.51.100.11,ben,03/03/2026\n"+
		"198.51.100.12,ann,2026-03-01\n198.51.100.12/24,ben,2026-03-01\n192.0.2.1,cat,2026-03-01\n")
	one = sources.Defaults()
	one.Tables = []sources.Table{{Name: "table", File: table}}
	n = newNode(t, one)
	n.poll()
	for _, a := range []string{"198.51.100.10", "198.51.100.11", "198.51.100.12"} {
		n.not(a, 0, "2026-03-03T10:45:00Z", report.LineNone, "")
	}
	n.handle("192.0.2.1", 0, "2026-03-03T10:45:00Z")
}

// TestOwnWords: a session is not certain against what its access server says itself: how long it lasted, or that all its
// sessions are over.
func TestOwnWords(t *testing.T) {
	in := t.TempDir()
	acct := filepath.Join(in, "detail")
	cfg := sources.Defaults()
	cfg.Detail = []sources.Detail{{Name: "bras", Files: []string{acct}}}
	off := fmt.Sprintf("%s\n\tAcct-Status-Type = Accounting-Off\n\tNAS-IP-Address = 192.0.2.1\n\tTimestamp = %d\n\n", ten.Format(time.ANSIC), ten.Add(90*time.Minute).Unix())
	short := strings.Replace(request("Stop", "1", "ann", "198.51.100.7", ten.Add(time.Hour)), "\tTimestamp", "\tAcct-Session-Time = 600\n\tTimestamp", 1)
	write(t, acct, request("Start", "1", "ann", "198.51.100.7", ten)+request("Start", "2", "bob", "198.51.100.8", ten)+short+off+
		request("Stop", "2", "bob", "198.51.100.8", ten.Add(2*time.Hour)))
	n := newNode(t, cfg)
	n.poll()
	n.not("198.51.100.7", 0, "2026-03-03T10:05:00Z", report.LineNone, "log gap") // it may be of another session that got the same number
	n.not("198.51.100.7", 0, "2026-03-03T10:30:00Z", report.LineNone, "log gap")
	n.not("198.51.100.8", 0, "2026-03-03T11:45:00Z", report.LineNone, "log gap")
}
