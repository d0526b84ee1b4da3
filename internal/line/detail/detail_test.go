package detail_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/corpustest"
	"tocsin/internal/line/acct"
	"tocsin/internal/line/detail"
	"tocsin/internal/report"
)

// read writes each record and refusal as a line.
func read(t testing.TB, f *detail.Files, text string) (out []string) {
	t.Helper()
	for r, err := range f.Read(strings.NewReader(text)) {
		var row *report.RowError
		switch {
		case errors.As(err, &row):
			out = append(out, fmt.Sprintf("request %d: %s", row.Row, row.Reason))
			continue
		case err != nil:
			t.Fatal(err)
		}
		s := fmt.Sprintf("%d %s/%s %s %s at %d", r.Action, r.NAS, r.Session, r.Range.Prefix, r.Held.Line, r.At.Earliest)
		if r.At.Latest != r.At.Earliest {
			s += fmt.Sprintf("+%d", r.At.Latest-r.At.Earliest)
		}
		if !r.Since.IsZero() {
			s += fmt.Sprintf(" since %d to %d before", r.At.Earliest-r.Since.Earliest, r.At.Earliest-r.Since.Latest)
		}
		out = append(out, s)
		if err := r.Validate(); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	return out
}

const start = `Tue Mar  3 10:00:00 2026
	Acct-Status-Type = Start
	User-Name = "ann@isp.example"
	NAS-IP-Address = 192.0.2.1
	NAS-Port-Id = "ge-0/0/1:7"
	Acct-Session-Id = "0001"
	Framed-IP-Address = 198.51.100.7
	Framed-IPv6-Prefix = 2001:db8:7:1::/64
	Delegated-IPv6-Prefix = 2001:db8:7:100::/56
	Acct-Delay-Time = 3
	Timestamp = 1772532003

`

func TestRead(t *testing.T) {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	with := func(request, attribute string) string {
		return strings.Replace(request, "\tTimestamp", "\t"+attribute+"\n\tTimestamp", 1)
	}
	at := func(at int64, more ...string) (want []string) {
		for _, p := range []string{"198.51.100.7/32", "2001:db8:7:1::/64", "2001:db8:7:100::/56"} {
			want = append(want, fmt.Sprintf("1 192.0.2.1/0001 %s ann@isp.example at %d%s", p, at, strings.Join(more, "")))
		}
		return want
	}
	const two = "it is made of two, as a full disk or a crash leaves them, and others may be lost"
	for name, c := range map[string]struct {
		files detail.Files
		text  string
		want  []string
	}{
		"all that a session holds": {detail.Files{}, start, []string{
			"1 192.0.2.1/0001 198.51.100.7/32 ann@isp.example at 1772532000", "1 192.0.2.1/0001 2001:db8:7:1::/64 ann@isp.example at 1772532000",
			"1 192.0.2.1/0001 2001:db8:7:100::/56 ann@isp.example at 1772532000",
		}},
		"the port names the line": {detail.Files{Identity: acct.Identity{"Class", "NAS-Port-Id"}}, strings.Replace(start, "	Framed-IPv6", "	X", 1), []string{
			"1 192.0.2.1/0001 198.51.100.7/32 ge-0/0/1:7 at 1772532000", "1 192.0.2.1/0001 2001:db8:7:100::/56 ge-0/0/1:7 at 1772532000",
		}},
		"a stop without an address": {detail.Files{}, "x\n\tAcct-Status-Type = Stop\n\tUser-Name = 'a'\n\tNAS-Identifier = bras\n\tAcct-Session-Id = 1\n\tAcct-Session-Time = 60\n\tTimestamp = 1000\n\n", []string{
			"3 bras/1 invalid Prefix a at 1000",
		}},
		"an interim, by its number, and a route": {detail.Files{}, "x\n\tAcct-Status-Type = 3\n\tUser-Name = a\n\tNAS-Identifier = bras\n\tAcct-Session-Id = 1\n\tAcct-Session-Time = 60\n\tFramed-IP-Address = 198.51.100.7\n\tFramed-Route = \"203.0.113.8/29 198.51.100.7 1\"\n\tTimestamp = 1000\n\n", []string{
			"2 bras/1 198.51.100.7/32 a at 1000 since 61 to 0 before", "2 bras/1 203.0.113.8/29 a at 1000 since 61 to 0 before",
		}},
		"local time that came twice, no address yet, another status, on": {detail.Files{Zone: london}, "Sun Oct 25 01:30:00 2026\n\tAcct-Status-Type = Start\n\tUser-Name = \"\\303\\244\\\"\"\n\tNAS-Identifier = bras\n\tAcct-Session-Id = 1\n\tFramed-IP-Address = 198.51.100.7\n\n" +
			"x\n\tAcct-Status-Type = Start\n\tUser-Name = a\n\tNAS-Identifier = bras\n\tAcct-Session-Id = 2\n\tFramed-IP-Address = 255.255.255.254\n\tTimestamp = 1\n\n" +
			"x\n\tAcct-Status-Type = Tunnel-Start\n\tTimestamp = 1\n\nx\n\tAcct-Status-Type = Accounting-On\n\tNAS-IP-Address = 192.0.2.1\n\tTimestamp = 5\n\n", []string{
			"1 bras/1 198.51.100.7/32 ä\" at 1792888200+3600", "4 192.0.2.1/ invalid Prefix  at 5",
		}},
		"bad requests cost themselves": {detail.Files{}, "x\n\tAcct-Status-Type = Start\n\n" +
			"x\n\tAcct-Status-Type = Start\n\tTimestamp = 1\n\n" +
			"x\n\tAcct-Status-Type = Start\n\tNAS-Identifier = b\n\tTimestamp = 1\n\n" +
			"x\n\tAcct-Status-Type = Start\n\tNAS-Identifier = b\n\tAcct-Session-Id = 1\n\tTimestamp = 1\n\n" +
			"x\n\tAcct-Status-Type = Start\n\tNAS-Identifier = b\n\tAcct-Session-Id = 1\n\tUser-Name = a\n\tFramed-IP-Address = 999.1.1.1\n\tTimestamp = 1\n\n" +
			"x\n\tAcct-Status-Type = Start\n\tNAS-Identifier = b\n\tAcct-Session-Id = 1\n\tUser-Name = a\n\tDelegated-IPv6-Prefix = ::/0\n\tTimestamp = 1\n\n" +
			"x\n\tAcct-Status-Type = Stop\n\tNAS-Identifier = b\n\tAcct-Session-Id = 1\n\tUser-Name = a\n\tAcct-Delay-Time = -5\n\tTimestamp = 1\n\n" +
			"x\nx\n\tAcct-Status-Type = Stop\n\nx\n\tnonsense\n\n" + start[:100], []string{
			"request 1: it says no time: its first line is none, and there is no Timestamp",
			"request 2: NAS-IP-Address, NAS-IPv6-Address and NAS-Identifier are missing: nobody knows which device says it",
			"request 3: Acct-Session-Id is missing (RFC 2866 §5.5)",
			"request 4: no attribute names the line: say in the config which one does",
			"request 5: Framed-IP-Address is no address", "request 6: Delegated-IPv6-Prefix is the whole Internet",
			"request 7: Acct-Delay-Time is no number of seconds",
			"request 8: two lines of it do not begin with a tab: an empty line is missing before the second",
			"request 9: a line of it is no attribute: it says Name = value",
		}},
		"the device says when it happened":                                {detail.Files{}, with(start, "Event-Timestamp = \"Mar  3 2026 09:30:00 UTC\""), at(1772530200)},
		"the same, as a number":                                           {detail.Files{}, with(start, "Event-Timestamp = 1772530200"), at(1772530200)},
		"the same, in the server's zone":                                  {detail.Files{Zone: berlin}, with(start, "Event-Timestamp = \"Mar  3 2026 10:30:00 CET\""), at(1772530200)},
		"the same, in the first of two hours":                             {detail.Files{Zone: london}, with(start, "Event-Timestamp = \"Oct 25 2026 01:30:00 BST\""), at(1792888200)},
		"the same, in a zone that the request tells":                      {detail.Files{}, with(strings.Replace(start, "10:00:00", "11:00:03", 1), "Event-Timestamp = \"Mar  3 2026 11:00:00 CET\""), at(1772532000)},
		"the same, late, so that clocks may have been changed in between": {detail.Files{}, with(strings.Replace(start, "10:00:00", "11:00:03", 1), "Event-Timestamp = \"Mar  3 2026 10:30:00 CET\""), at(1772526600, "+7200")},
		"the same, in a zone that nobody knows": {detail.Files{}, with(strings.Replace(start, "10:00:00", "10:07:00", 1), "Event-Timestamp = \"Mar  3 2026 10:30:00 CET\"") + with(start, "Event-Timestamp = \"yesterday\""), []string{
			"request 1: its Event-Timestamp is in another time zone than the config: write that of the server into zone", "request 2: its Event-Timestamp is no time",
		}},
		"what is made of two, or cut": {detail.Files{}, start[:80] + start + // glued to a value
			start[:10] + start + // glued to the first line
			start[:strings.Index(start, "\tNAS-IP")] + start[strings.Index(start, "\tAcct-Status"):] + // attributes of both
			start[:strings.Index(start, "@")] + "\n\n" + // a value without its end
			strings.Replace(start, "\tAcct-Status-Type = Start\n", "", 1) + "\x00\x00\x00" + start, []string{
			"request 1: " + two, "request 2: " + two, "request 3: Acct-Status-Type occurs twice (RFC 2866 §5.13): it is made of two requests",
			"request 4: a value of it has no end: the request was cut off", "request 5: Acct-Status-Type is missing: a part of it is lost",
			"request 6: it has zero bytes in it, as a crash leaves them",
		}},
		"a line without end": {detail.Files{}, start + "x\n\tA = " + strings.Repeat("y", 70_000) + "\n\n", []string{
			"1 192.0.2.1/0001 198.51.100.7/32 ann@isp.example at 1772532000", "1 192.0.2.1/0001 2001:db8:7:1::/64 ann@isp.example at 1772532000",
			"1 192.0.2.1/0001 2001:db8:7:100::/56 ann@isp.example at 1772532000",
			"request 2: a line of the request is longer than 64 KiB, and nothing can be read behind it",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := gocmp.Diff(c.want, read(t, &c.files, c.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestCorpus reads FreeRADIUS's own sample: a session without an address, of which nothing is to be known.
func TestCorpus(t *testing.T) {
	text, err := os.ReadFile(corpustest.Dir(t, "radius", "freeradius", "detail", "one.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, &detail.Files{}, string(text)+"\n\n"); len(got) != 0 {
		t.Errorf("%q", got)
	}
	with := strings.Replace(string(text), "\tNAS-Port = 0\n", "\tNAS-Port = 0\n\tFramed-IP-Address = 198.51.100.7\n", 1) + "\n\n"
	if diff := gocmp.Diff([]string{"1 10.10.0.179/ed8119f6919c6f6f 198.51.100.7/32 bob at 1554226681"}, read(t, &detail.Files{}, with)); diff != "" {
		t.Error(diff)
	}
}

func TestIdentity(t *testing.T) {
	if err := (acct.Identity{"User-Name", "Class"}).Validate(); err != nil {
		t.Error(err)
	}
	if err := (acct.Identity{"User-Password"}).Validate(); err == nil || !strings.Contains(err.Error(), "Calling-Station-Id") {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(start)
	f.Fuzz(func(t *testing.T, text string) {
		for r, err := range (&detail.Files{}).Read(strings.NewReader(text)) {
			if err == nil && r.Validate() != nil {
				t.Errorf("%+v: %v", r, r.Validate())
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	text := strings.Repeat(start, 1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		n := 0
		for range (&detail.Files{}).Read(strings.NewReader(text)) {
			n++
		}
		if n != 3000 {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "requests/s")
}

// TestCorpusNAT: accounting of a NAT, in the corpus's template. It has no subscriber, and its actions are numbers that mean
// nothing without the vendor's dictionary, so each request is refused, with what to do instead.
func TestCorpusNAT(t *testing.T) {
	text, err := os.ReadFile(corpustest.Dir(t, "cgnat", "cgn-ec", "tests", "radius", "nfware_session.template"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	requests := 0
	for request := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
		requests++
		b.WriteString("Tue Mar  3 10:00:00 2026\n")
		for l := range strings.Lines(request) {
			b.WriteString("\t" + strings.TrimSpace(l) + "\n")
		}
		b.WriteString("\n")
	}
	got := read(t, &detail.Files{}, b.String())
	for i, s := range got {
		if want := fmt.Sprintf("request %d: the request is of a NAT: have it log by syslog, and read that as lines.syslog or lines.nat", i+1); s != want {
			t.Errorf("%s\nwant %s", s, want)
		}
	}
	if len(got) != requests || requests < 8 {
		t.Errorf("%d of %d requests", len(got), requests)
	}
}
