package attacklog_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/internal/corpustest"
	"tocsin/internal/formats/attacklog"
	"tocsin/internal/report"
)

// expectation is fail2ban's, of the line that follows it.
type expectation struct {
	Time  *string `json:"time"`
	Match bool    `json:"match"`
	Host  string  `json:"host"`
	IP4   string  `json:"ip4"`
	IP6   string  `json:"ip6"`
}

// home is the zone in which fail2ban's tests run; times with a zone are expected in it, and without a year they are
// expected before the day on which the tests are said to run.
func home(t *testing.T) (*time.Location, time.Time) {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	return zone, time.Date(2005, 8, 14, 12, 0, 0, 0, zone)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(corpustest.Dir(t, strings.Split(path, "/")...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCorpus(t *testing.T) {
	listed := differencesInDocs(t)
	agreed, total, services := 0, 0, 0
	var table []string
	for _, entry := range corpustest.Entries(t, "attack_log") {
		if !strings.Contains(entry.Path, "/fail2ban/") || strings.Contains(entry.Path, "/zzz-") {
			continue // zzz: fail2ban's exercises for those who write filters; no server writes these lines
		}
		ok, diffs := compare(t, read(t, entry.Path))
		if ok+len(diffs) == 0 {
			continue
		}
		services++
		agreed += ok
		total += ok + len(diffs)
		name := filepath.Base(entry.Path)
		table = append(table, fmt.Sprintf("| %s | %d | %d |", name, ok, ok+len(diffs)))
		for _, d := range diffs {
			if d = name + " " + d; !listed[d] {
				t.Errorf("not explained in docs/formats/attacklog.md: %s", d)
			}
			delete(listed, d)
		}
	}
	for d := range listed {
		t.Errorf("explained in docs/formats/attacklog.md, but no difference: %s", d)
	}
	share := float64(agreed) / float64(max(total, 1))
	corpustest.Agreed(t, "attack_log", agreed, total)
	t.Logf("%d services\n%s", services, strings.Join(table, "\n"))
	if services < 60 || total < 600 || share < 0.95 {
		t.Errorf("%d of %d lines agree for %d services: less than 95 %%", agreed, total, services)
	}
}

// compare reads the file as one log and holds each line that has an expectation against it. It names a difference by
// the number of its line.
func compare(t *testing.T, input []byte) (agreed int, diffs []string) {
	t.Helper()
	zone, now := home(t)
	got := map[int]report.Event{}
	doc := report.Document{Reader: bytes.NewReader(input), Received: now}
	for e, err := range attacklog.Parse(doc) {
		if err == nil {
			got[int(e.Row)] = e
		}
	}
	var want *expectation
	moods := map[string]*expectation{}
	for i, line := range strings.Split(string(input), "\n") {
		text := strings.TrimSpace(line)
		if j := strings.Index(text, "failJSON:"); strings.HasPrefix(text, "#") {
			if j > 0 {
				want = new(expectation)
				if err := json.Unmarshal([]byte(strings.TrimSpace(text[j+len("failJSON:"):])), want); err != nil {
					t.Fatal(err)
				}
			}
			continue
		}
		if text == "" {
			continue
		}
		e, have := got[i+1]
		if want == nil {
			want = &expectation{}
		}
		if first := moods[text]; first != nil && first.Match != want.Match {
			want = nil // expected both ways, by the mode of fail2ban's filter: its default is what counts
			continue
		}
		moods[text] = want
		if why := differs(want, &e, have, zone); why != "" {
			diffs = append(diffs, fmt.Sprintf("line %d: %s", i+1, why))
		} else {
			agreed++
		}
		want = nil
	}
	return agreed, diffs
}

func differs(want *expectation, e *report.Event, have bool, zone *time.Location) string {
	host := want.Host + want.IP4 + want.IP6
	switch {
	case want.Match && !have:
		return "wants " + host
	case !want.Match && have:
		return "wants no event"
	case !want.Match:
		return ""
	}
	if a, err := netip.ParseAddr(host); err == nil {
		host = a.Unmap().String()
	}
	if host != "" && e.Subject.String() != host {
		return fmt.Sprintf("wants %s, has %s", host, e.Subject)
	}
	if want.Time == nil {
		return ""
	}
	at, err := time.Parse("2006-1-2T15:4:5", strings.TrimSuffix(*want.Time, ".000"))
	if err != nil {
		return "has a time that cannot be read: " + *want.Time
	}
	is := e.From
	if !strings.Contains(e.Detail("assumed"), "zone") {
		is = is.In(zone)
	}
	if got := is.Format("2006-01-02T15:04:05"); got != at.Format("2006-01-02T15:04:05") {
		return fmt.Sprintf("wants %s, has %s", at.Format("2006-01-02T15:04:05"), got)
	}
	return ""
}

// TestOpenSSH reads a real server's log. There is no expectation for it; that each event names an address that the
// line holds, and that the share of lines that are attempts stays what it is, is what can be said.
func TestOpenSSH(t *testing.T) {
	now := time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, entry := range corpustest.Entries(t, "attack_log") {
		if !strings.HasSuffix(entry.Path, "OpenSSH_2k.log") {
			continue
		}
		input := read(t, entry.Path)
		if !attacklog.Detect(report.Document{}, input[:64<<10]) {
			t.Error("the log is not detected")
		}
		lines := strings.Split(string(input), "\n")
		failed := bytes.Count(input, []byte(": Failed password for "))
		n, passwords := 0, 0
		for e, err := range attacklog.Parse(report.Document{Reader: bytes.NewReader(input), Received: now}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
			line := lines[e.Row-1]
			// Disconnecting names nobody: the line before it of the same process does.
			named := strings.Contains(line, e.Subject.String()) || strings.Contains(line, "]: Disconnecting: ")
			if !named || e.From.Year() != 2015 || e.From.Month() != 12 {
				t.Errorf("row %d: %s at %s of %q", e.Row, e.Subject, e.From, line)
			}
			if strings.Contains(line, ": Failed password for ") {
				passwords++
			}
		}
		t.Logf("attacklog: %d events of %d lines, %d of %d failed passwords", n, len(lines), passwords, failed)
		if passwords != failed || n < 600 {
			t.Errorf("%d events, %d of %d failed passwords", n, passwords, failed)
		}
	}
}

// differencesInDocs reads the list of differences: "- `FILE line N: ...`: reason".
func differencesInDocs(t *testing.T) map[string]bool {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "formats", "attacklog.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for line := range strings.SplitSeq(string(b), "\n") {
		rest, ok := strings.CutPrefix(line, "- `")
		if !ok {
			continue
		}
		what, reason, ok := strings.Cut(rest, "`: ")
		if ok && strings.Contains(what, " line ") {
			if strings.TrimSpace(reason) == "" {
				t.Errorf("%s has no reason", what)
			}
			listed[what] = true
		}
	}
	return listed
}
