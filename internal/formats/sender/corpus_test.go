package sender_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/corpustest"
	"tocsin/internal/formats"
	"tocsin/internal/formats/sender"
	"tocsin/internal/report"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(corpustest.Dir(t, strings.Split(path, "/")...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// opened is what the whole of Tocsin's formats make of a mail.
func opened(t *testing.T, input []byte) (all []report.Event, errs []error) {
	t.Helper()
	doc := report.Document{Reader: bytes.NewReader(input), Name: "mail.eml", Received: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	for m, err := range (formats.Tables{}).Open(doc, formats.Limits{}) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for e, err := range m.Events() {
			if err != nil {
				errs = append(errs, err)
				continue
			}
			all = append(all, e)
		}
	}
	return all, errs
}

// expectation is vpsfree's.
type expectation struct {
	At        time.Time `json:"detected_at"`
	Sources   []string  `json:"source_ips"`
	Incidents int       `json:"incidents"`
}

// TestCorpus: what the corpus expects of a mail is what its events say; every other mail of a sender of the table
// yields events and no error.
func TestCorpus(t *testing.T) {
	listed := differencesInDocs(t)
	facts, agreed, mails, readable := 0, 0, 0, 0
	for _, entry := range corpustest.Entries(t, "generic_mail") {
		if strings.Contains(entry.Path, "ip-echelon") {
			continue // a copyright notice: another format's
		}
		mails++
		all, errs := opened(t, read(t, entry.Path))
		bad := ""
		switch {
		case len(all) == 0 || len(errs) > 0:
			bad = fmt.Sprintf("%d events, %v", len(all), errs)
		case all[0].Format != "sender":
			bad = "read as " + all[0].Format
		default:
			readable++
		}
		if strings.HasSuffix(entry.Expected, ".json") {
			n, diffs := expected(t, read(t, entry.Expected), all)
			facts, agreed = facts+n, agreed+n-len(diffs)
			bad += strings.Join(diffs, ", ")
		}
		if bad == "" {
			t.Logf("%s: %d events of %s, first %s", entry.Path, len(all), all[0].Feed, all[0].AppendJSON(nil))
			continue
		}
		line := filepath.Base(entry.Path) + " " + bad
		if !listed[line] {
			t.Errorf("not explained in docs/formats/sender.md: %s", line)
		}
		delete(listed, line)
	}
	for d := range listed {
		t.Errorf("explained in docs/formats/sender.md, but no difference: %s", d)
	}
	corpustest.Agreed(t, "generic_mail, senders", readable, mails)
	corpustest.Agreed(t, "generic_mail, facts", agreed, facts)
	if mails < 15 || facts < 20 || agreed*100 < facts*95 {
		t.Errorf("%d of %d facts agree, less than 95 %%", agreed, facts)
	}
}

// expected compares the addresses, their number, and the last instant.
func expected(t *testing.T, b []byte, all []report.Event) (facts int, diffs []string) {
	t.Helper()
	var want expectation
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	var have []string
	last := time.Time{}
	for i := range all {
		if a := all[i].Subject.Addr.String(); !slices.Contains(have, a) {
			have = append(have, a)
		}
		if at := all[i].Last(); at.After(last) {
			last = at
		}
	}
	slices.Sort(have)
	if !slices.Equal(have, want.Sources) {
		diffs = append(diffs, fmt.Sprintf("wants %v, has %v", want.Sources, have))
	}
	if len(have) != want.Incidents {
		diffs = append(diffs, fmt.Sprintf("wants %d incidents, has %d", want.Incidents, len(have)))
	}
	if !last.Equal(want.At) {
		diffs = append(diffs, fmt.Sprintf("wants %s, has %s", want.At.UTC().Format(time.RFC3339), last.Format(time.RFC3339)))
	}
	return 3, diffs
}

// differencesInDocs reads the list of differences: "- `FILE ...`: reason".
func differencesInDocs(t *testing.T) map[string]bool {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "formats", "sender.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for line := range strings.SplitSeq(string(b), "\n") {
		rest, ok := strings.CutPrefix(line, "- `")
		what, reason, cut := strings.Cut(rest, "`: ")
		if ok && cut && strings.Contains(what, ".eml ") && strings.TrimSpace(reason) != "" {
			listed[what] = true
		}
	}
	return listed
}

// TestNotOurs: no mail of another format, no bounce and no copyright notice is taken for one of the table's.
func TestNotOurs(t *testing.T) {
	n := 0
	for _, kind := range []string{"arf_mail", "not_arf_mail", "shadowserver_mail", "xarf_mail", "dmarc_tlsrpt", "attack_log", "shadowserver", "feeds", "generic_mail"} {
		for _, entry := range corpustest.Entries(t, kind) {
			if kind == "generic_mail" && !strings.Contains(entry.Path, "ip-echelon") {
				continue
			}
			b := read(t, entry.Path)
			if n++; sender.Detect(report.Document{}, b[:min(len(b), 64<<10)]) {
				t.Errorf("%s is taken for a mail of the table", entry.Path)
			}
		}
	}
	if n < 300 {
		t.Errorf("only %d files seen", n)
	}
}
