package dhcpd_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/line/dhcpd"
	"tocsin/internal/line/lease"
	"tocsin/internal/report"
)

// read writes each record and refusal as a line.
func read(t testing.TB, f *dhcpd.Files, text string) (out []string) {
	t.Helper()
	for r, err := range f.Read(strings.NewReader(text)) {
		var row *report.RowError
		switch {
		case errors.As(err, &row):
			out = append(out, fmt.Sprintf("lease %d: %s", row.Row, row.Reason))
			continue
		case err != nil:
			t.Fatal(err)
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%d %s %s at %d until %d", r.Action, r.Range.Prefix, r.Held.Line, r.At.Earliest, r.Until.Earliest)))
		if err := r.Validate(); err != nil {
			t.Error(err)
		}
	}
	return out
}

const four = `# The format of this file is documented in the dhcpd.leases(5) manual page.
authoring-byte-order little-endian;
server-duid "\000\001\000\001";

lease 198.51.100.7 {
  starts 2 2026/03/03 10:00:00;
  ends 2 2026/03/03 11:00:00;
  cltt 2 2026/03/03 10:30:00;
  binding state active;
  next binding state free;
  rewind binding state free;
  hardware ethernet AA:bb:cc:00:00:01;
  uid "\001\252\273a\"\\";
  option agent.circuit-id "eth 0/1:7";
  option agent.remote-id 0:1:ff;
  client-hostname "printer";
}
lease 198.51.100.7 {
  starts 2 2026/03/03 10:00:00;
  ends 2 2026/03/03 10:45:00;
  binding state free;
  hardware ethernet aa:bb:cc:00:00:01;
}
`

const (
	cut      = "the lease has no end: the file was damaged there, and others may be lost with it"
	together = "a line is none that dhcpd writes there: the file was damaged, and leases may be lost"
)

const six = `ia-na "\001\000\000\000\000\003\000\001\252" {
  cltt 2 2026/03/03 10:00:00;
  iaaddr 2001:db8:7::1 {
    binding state active;
    preferred-life 1800;
    max-life 3600;
    ends epoch 1772535600; # Tue Mar 03 11:00:00 2026
    cltt epoch 1772532000; # Tue Mar 03 10:00:00 2026
  }
}
ia-pd "\001\000\000\000\000\003\000\001\252" {
  iaprefix 2001:db8:7:100::/56 {
    binding state active;
    cltt 2 2026/03/03 10:00:00;
    ends never;
  }
}
`

func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		files dhcpd.Files
		text  string
		want  []string
	}{
		"by hardware address": {dhcpd.Files{}, four, []string{
			"2 198.51.100.7/32 aa:bb:cc:00:00:01 at 1772533800 until 1772535600", "3 198.51.100.7/32 aa:bb:cc:00:00:01 at 1772534700 until 0",
		}},
		"by circuit": {dhcpd.Files{Identity: lease.Circuit}, four, []string{
			"2 198.51.100.7/32 65746820302f313a37 at 1772533800 until 1772535600", "3 198.51.100.7/32  at 1772534700 until 0",
		}},
		"by remote id": {dhcpd.Files{Identity: lease.Remote}, strings.SplitAfter(four, "}\n")[0], []string{"2 198.51.100.7/32 0001ff at 1772533800 until 1772535600"}},
		"by client":    {dhcpd.Files{Identity: lease.Client}, strings.SplitAfter(four, "}\n")[0], []string{"2 198.51.100.7/32 01aabb61225c at 1772533800 until 1772535600"}},
		"IPv6": {dhcpd.Files{Identity: lease.Client}, six, []string{
			"2 2001:db8:7::1/128 00030001aa at 1772532000 until 1772535600", "2 2001:db8:7:100::/56 00030001aa at 1772532000 until 0",
		}},
		"what cannot be used, what says nothing, half a lease": {dhcpd.Files{}, "lease 198.51.100.300 {\n}\nlease 198.51.100.7 {\n starts 2 yesterday;\n binding state active;\n}\n" +
			"lease 198.51.100.7 {\n starts 2 2026/03/03 10:00:00;\n binding state active;\n}\nlease 198.51.100.7 {\n binding state strange;\n}\nlease 198.51.100.7 {\n binding state abandoned;\n}\n" +
			"lease 198.51.100.7 {\n binding state free;\n}\nfailover peer \"x\" state {\n my state normal;\n}\n}\n" + four[:400], []string{
			"lease 1: the address of the lease is none", "lease 2: a time of the lease is none",
			"lease 3: the lease has no hardware identity, which names the line", `lease 4: binding state "strange" is none that dhcpd knows`,
			"lease 7: " + together,
		}},
		"braces without end": {dhcpd.Files{}, "lease x {\n" + strings.Repeat(" on x {\n", 20), []string{"lease 1: there are more braces open than dhcpd writes: it is no lease file"}},
		"a lease that another begins in": {dhcpd.Files{}, four[:strings.Index(four, "  cltt")] + four[strings.Index(four, "lease 198"):], []string{
			"lease 1: " + cut, "2 198.51.100.7/32 aa:bb:cc:00:00:01 at 1772533800 until 1772535600", "3 198.51.100.7/32 aa:bb:cc:00:00:01 at 1772534700 until 0",
		}},
		"a lease that another goes on in": {dhcpd.Files{}, four[:300] + four[strings.Index(four, "lease 198"):], []string{
			"lease 1: " + together, "3 198.51.100.7/32 aa:bb:cc:00:00:01 at 1772534700 until 0",
		}},
		"a lease that goes on in another": {dhcpd.Files{}, four[:300] + "\n" + four[strings.LastIndex(four, "  starts"):], []string{"lease 1: " + together}},
		"a lease without its beginning":   {dhcpd.Files{}, four[strings.Index(four, "  next"):], []string{"lease 1: " + together, "3 198.51.100.7/32 aa:bb:cc:00:00:01 at 1772534700 until 0"}},
		"a hole":                          {dhcpd.Files{}, "lease 198.51.100.7 {\n  starts 2 \x00\x00\x00;\n  binding state active;\n}\n\x00\x00\n" + four[strings.LastIndex(four, "lease 198"):], []string{"lease 1: " + together, "lease 2: " + together, "3 198.51.100.7/32 aa:bb:cc:00:00:01 at 1772534700 until 0"}},
		"what runs when a lease ends": {dhcpd.Files{}, strings.Replace(four[:strings.LastIndex(four, "lease 198")], "  uid", "  on expiry or release {\n    if known {\n      set x = \"1\";\n    } else {\n      set x = \"2\";\n    }\n  }\n  uid", 1), []string{
			"2 198.51.100.7/32 aa:bb:cc:00:00:01 at 1772533800 until 1772535600",
		}},
		"abandoned: nobody's since some time between its own": {dhcpd.Files{}, "lease 198.51.100.7 {\n  starts 2 2026/03/03 10:00:00;\n  ends 2 2026/03/03 11:00:00;\n  binding state abandoned;\n}\n", []string{"3 198.51.100.7/32  at 1772532000 until 0"}},
		"a line without end": {dhcpd.Files{}, "lease 198.51.100.7 {\n" + strings.Repeat("x", 70_000), []string{"lease 1: a line is longer than 64 KiB, and nothing can be read behind it"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := gocmp.Diff(c.want, read(t, &c.files, c.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(four, "circuit")
	f.Add(six, "client")
	f.Fuzz(func(t *testing.T, text, identity string) {
		for r, err := range (&dhcpd.Files{Identity: lease.Identity(identity)}).Read(strings.NewReader(text)) {
			if err == nil && r.Validate() != nil {
				t.Errorf("%+v: %v", r, r.Validate())
			}
		}
	})
}
