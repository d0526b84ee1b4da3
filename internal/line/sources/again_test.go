package sources_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/line"
	"tocsin/internal/line/sources"
	"tocsin/internal/report"
)

// logs are the files of sources, in which three subscribers take turns; half of each was read.
func logs(t *testing.T) (cfg sources.Config, rest map[string]string) {
	in := t.TempDir()
	path := func(name string) string { return filepath.Join(in, name) }
	text := map[string]*strings.Builder{}
	for _, name := range []string{"bras", "cgn", "kea", "router"} {
		text[name] = &strings.Builder{}
	}
	text["kea"].WriteString(leaseHeader)
	half := map[string]string{}
	const turns = 30
	for i := range turns {
		at := ten.Add(time.Duration(i) * 20 * time.Minute)
		who, end := fmt.Sprint("user", i%3), at.Add(15*time.Minute)
		inside := fmt.Sprint("100.64.0.", 7+i%3)
		text["bras"].WriteString(request("Start", fmt.Sprint(i), who, "198.51.100.7", at) + request("Stop", fmt.Sprint(i), who, "198.51.100.7", end))
		text["cgn"].WriteString(block("A", inside, "203.0.113.5", 2048, 4095, at) + block("D", inside, "203.0.113.5", 2048, 4095, end))
		text["kea"].WriteString(lease("192.0.2.7", fmt.Sprint("02:00:00:00:00:0", i%3), 900, end.Unix()))
		for range 2 {
			fmt.Fprintf(text["router"], "<134>1 %s router1 fw - - - srcnat: in:bridge out:ether1, proto TCP (SYN), %s:51000->192.0.2.99:443, NAT (%s:51000->203.0.113.6:51000)->192.0.2.99:443, len 60\n", at.Format(time.RFC3339), inside, inside)
			at = at.Add(5 * time.Minute)
		}
		if i == turns/2 {
			for name, b := range text {
				half[name] = b.String()
			}
		}
	}
	cfg = sources.Defaults()
	table := path("table")
	write(t, table, "addr,line\n100.64.0.7,user0\n100.64.0.8,user1\n100.64.0.9,user2\n")
	cfg.Tables = []sources.Table{{Name: "fixed", File: table, Since: ten.AddDate(0, -1, 0)}}
	cfg.Detail = []sources.Detail{{Name: "bras", Files: []string{path("bras")}}}
	cfg.NAT = []sources.NAT{{Name: "cgn", Files: []string{path("cgn")}}, {Name: "router", Files: []string{path("router")}, OwnPorts: true}}
	cfg.Kea = []sources.Leases{{Name: "kea", Files: []string{path("kea")}}}
	rest = map[string]string{}
	for name, b := range text {
		write(t, path(name), half[name])
		rest[name] = b.String()[len(half[name]):]
	}
	return cfg, rest
}

// TestImportAgain: a file of which a part was read before is imported whole, and read on afterwards: whoever is named is so
// as if it had been read once.
func TestImportAgain(t *testing.T) {
	cfg, rest := logs(t)
	n := newNode(t, cfg)
	n.at(ten.Add(12 * time.Hour))
	n.poll()
	files := map[string]string{"bras": cfg.Detail[0].Files[0], "cgn": cfg.NAT[0].Files[0], "router": cfg.NAT[1].Files[0], "kea": cfg.Kea[0].Files[0]}
	add := func() {
		for name, path := range files {
			write(t, path, rest[name])
		}
	}
	asked := []netip.AddrPort{netip.MustParseAddrPort("198.51.100.7:0"), netip.MustParseAddrPort("203.0.113.5:3000"), netip.MustParseAddrPort("203.0.113.6:51000"), netip.MustParseAddrPort("192.0.2.7:0")}
	answers := func(n *node) (all []string, unique int) {
		lines := map[string]int{} // by handle, in the order in which they are named
		for at := ten.Add(-time.Hour); at.Before(ten.Add(12 * time.Hour)); at = at.Add(150 * time.Second) {
			for _, addr := range asked {
				a, err := n.lines.Which(t.Context(), &line.Selector{Addr: addr.Addr(), Port: addr.Port(), Proto: "tcp", At: at, Uncertainty: time.Second}, false)
				if err != nil {
					t.Fatal(err)
				}
				name := 0
				if a.State == report.LineUnique {
					unique++
					if lines[a.Handle] == 0 {
						lines[a.Handle] = len(lines) + 1
					}
					name = lines[a.Handle]
				}
				all = append(all, fmt.Sprintf("%s %s: %s %d %d %s", at.Format(time.TimeOnly), addr, a.State, name, a.Count, a.Reason))
			}
		}
		return all, unique
	}
	add()
	once := newNode(t, cfg)
	once.at(ten.Add(12 * time.Hour))
	once.poll()
	want, unique := answers(once)
	for range 2 {
		for name, path := range files {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			told, err := n.lines.Import(t.Context(), name, f, ten.Add(12*time.Hour))
			if err != nil || told.Refused != 0 || told.Rows == 0 {
				t.Errorf("%s: %+v, %v", name, told, err)
			}
			f.Close()
		}
		got, _ := answers(n)
		same(t, want, got)
		n.poll()
		got, _ = answers(n)
		same(t, want, got)
		n.open()
	}
	t.Logf("%d answers, %d unique", len(want), unique)
	if unique < 100 {
		t.Error(unique)
	}
}

// same compares answers. What is told late may make more possible for a while where nobody is named, so that what was not
// unique may have another reason; but nobody is named who was not, and nobody who was is not.
func same(t *testing.T, want, got []string) {
	t.Helper()
	named := func(all []string) (out []string) {
		for _, a := range all {
			if !strings.Contains(a, " unique ") {
				a, _, _ = strings.Cut(a, ": ")
			}
			out = append(out, a)
		}
		return out
	}
	if diff := gocmp.Diff(named(want), named(got)); diff != "" {
		t.Errorf("(-once +again):\n%s", diff)
	}
}
