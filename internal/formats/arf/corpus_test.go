package arf_test

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"tocsin/internal/corpustest"
	"tocsin/internal/formats/arf"
	"tocsin/internal/report"
)

// unread are the files of the corpus that yield no event, with the reason that docs/formats/arf.md gives.
var unread = map[string]string{
	"arf_mail/sisimai/bsd/arf-26.eml": "a mail program's request to be taken off a list, not a feedback report",
}

func file(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(corpustest.Dir(t, strings.Split(path, "/")...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func events(t *testing.T, input []byte) []report.Event {
	t.Helper()
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var all []report.Event
	for e, err := range arf.Parse(report.Document{Reader: bytes.NewReader(input), Received: now}) {
		if err == nil {
			err = e.Validate(now)
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func detected(input []byte) bool {
	return arf.Detect(report.Document{}, input[:min(len(input), 64<<10)])
}

// TestCorpus: each mail yields one event, and the facts that its expectation names are ours.
func TestCorpus(t *testing.T) {
	read, facts, agreed := 0, 0, 0
	entries := corpustest.Entries(t, "arf_mail")
	for _, entry := range entries {
		input := file(t, entry.Path)
		if unread[entry.Path] != "" {
			if detected(input) {
				t.Errorf("%s is taken for a feedback report", entry.Path)
			}
			continue
		}
		if !detected(input) {
			t.Errorf("%s is not detected", entry.Path)
			continue
		}
		all := events(t, input)
		if len(all) != 1 {
			t.Errorf("%s: %d events", entry.Path, len(all))
			continue
		}
		read++
		if strings.HasSuffix(entry.Expected, ".json") {
			for name, want := range expected(t, file(t, entry.Expected)) {
				facts++
				if got := fact(&all[0], name); got == want {
					agreed++
				} else {
					t.Errorf("%s: %s is %q, expected %q", entry.Path, name, got, want)
				}
			}
		}
	}
	corpustest.Agreed(t, "arf_mail, events", read, len(entries))
	corpustest.Agreed(t, "arf_mail, facts", agreed, facts)
	if read+len(unread) != len(entries) || facts < 20 {
		t.Errorf("%d mails of %d were read, %d facts compared", read, len(entries), facts)
	}
}

func fact(e *report.Event, name string) string {
	switch name {
	case "type":
		return e.Feed
	case "address":
		return e.Subject.Addr.String()
	}
	return e.From.Format(time.RFC3339)
}

var debugPrint = regexp.MustCompile(`(feedback_type|arrival_date|source_ip): (?:Some\(\s*)?"?([^",\s)]+)`)

// expected reads the three shapes in which the corpus has the facts. What an expectation leaves out is not compared:
// its reader took no address from Received, and no time from the mail. Sisimai counts recipients, so only its type.
func expected(t *testing.T, b []byte) map[string]string {
	t.Helper()
	want := map[string]string{}
	var text string
	if json.Unmarshal(b, &text) == nil { // a debug print
		for _, m := range debugPrint.FindAllStringSubmatch(text, -1) {
			switch m[1] {
			case "feedback_type":
				want["type"] = m[2]
			case "arrival_date":
				want["time"] = m[2]
			case "source_ip":
				want["address"] = m[2]
			}
		}
	} else {
		var v struct {
			FeedbackType  string   `json:"feedback_type"`
			ArrivalDate   int64    `json:"arrival_date"`
			SourceIP      string   `json:"source_ip"`
			FeedbackTypes []string `json:"feedback_types"`
			DetectedAt    string   `json:"detected_at"`
			SourceIPs     []string `json:"source_ips"`
		}
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		want["type"] = map[string]string{"Abuse": "abuse", "AuthFailure": "auth-failure"}[v.FeedbackType]
		want["address"] = v.SourceIP
		if len(v.FeedbackTypes) > 0 {
			want["type"] = v.FeedbackTypes[0]
		}
		if len(v.SourceIPs) == 1 {
			want["address"] = v.SourceIPs[0]
		}
		if v.ArrivalDate != 0 {
			want["time"] = time.Unix(v.ArrivalDate, 0).UTC().Format(time.RFC3339)
		}
		if at, err := time.Parse(time.RFC3339, v.DetectedAt); err == nil {
			want["time"] = at.UTC().Format(time.RFC3339)
		}
	}
	for name, v := range want {
		if v == "" || v == "None" || v == "x.x.x.x" { // the last is no address, and we say so
			delete(want, name)
		}
	}
	return want
}

func TestNotARF(t *testing.T) {
	n := 0
	for _, kind := range []string{"not_arf_mail", "generic_mail", "shadowserver_mail", "xarf_mail", "dmarc_tlsrpt"} {
		for _, entry := range corpustest.Entries(t, kind) {
			if n++; detected(file(t, entry.Path)) {
				t.Errorf("%s is taken for a feedback report", entry.Path)
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d mails seen", n)
	}
}
