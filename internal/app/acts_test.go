package app_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/evidence"
	"tocsin/internal/line"
	"tocsin/internal/line/inquiry"
	"tocsin/internal/line/sources"
	"tocsin/internal/network"
)

// entries are all entries of a node's log, checked.
func entries(t *testing.T, data string) (all []evidence.Entry, raw string) {
	t.Helper()
	keys, err := app.LogKeys(data)
	if err != nil {
		t.Fatal(err)
	}
	found, err := evidence.Check(t.Context(), app.LogFolder(data), app.LogTrust(keys), evidence.CheckOptions{})
	if err != nil || found.Faulty > 0 {
		t.Fatalf("%+v, %v", found.Faults, err)
	}
	r, err := evidence.OpenReader(app.LogFolder(data), app.LogTrust(keys))
	if err != nil {
		t.Fatal(err)
	}
	for b, err := range r.Entries(t.Context(), 0, r.Head().Size) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := evidence.DecodeEntry(b)
		if err != nil {
			t.Fatal(err)
		}
		all, raw = append(all, e), raw+string(b)+"\n"
	}
	return all, raw
}

func fieldOf(e *evidence.Entry, name string) string {
	for _, f := range e.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// TestActsInLog: work, questions, decisions and a changed config stand in the node's log, so that who has the salt can
// open what they say, and nobody else can read it.
func TestActsInLog(t *testing.T) {
	data := t.TempDir()
	customers := filepath.Join(data, "customers.csv")
	if err := os.WriteFile(customers, []byte("addr,line\n198.51.100.7,shop\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := servedConfig(data)
	cfg.Network.Own = []network.Own{{Name: "Example", Prefixes: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}}
	cfg.Lines.Tables = []sources.Table{{Name: "fixed", File: customers, Since: time.Now().Add(-48 * time.Hour)}}
	cfg.Lines.Questions.Daily = 1
	s := serve(t, cfg, time.Now)
	at := time.Now().Add(-24 * time.Hour)
	s.post(t, secret, "2026-03-01-scan_telnet-x.csv", telnet(at, "198.51.100.7"))
	eventually(t, "the report is worked", func() bool {
		for range s.Store().Incidents(t.Context(), "") {
			return true
		}
		return false
	})
	ask := func() error {
		_, _, _, err := s.Inquiries().Look(t.Context(), &inquiry.Question{
			Who: "ann", Reason: "the mail of today", Selector: line.Selector{Addr: netip.MustParseAddr("198.51.100.7"), At: at},
		})
		return err
	}
	var over *inquiry.BudgetError
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	if err := ask(); !errors.As(err, &over) {
		t.Fatal(err)
	}
	waiting, err := s.Inquiries().Questions(t.Context())
	if err != nil || len(waiting) != 1 {
		t.Fatal(waiting, err)
	}
	if _, err := s.Inquiries().Decide(t.Context(), over.ID, "ben", true); err != nil {
		t.Fatal(err)
	}
	s.end(t)
	all, raw := entries(t, data)
	kinds := map[evidence.Kind]int{}
	for i := range all {
		kinds[all[i].Kind]++
	}
	if kinds["question"] != 1 || kinds["oversight"] != 1 || kinds["approval"] != 1 || kinds["config"] != 1 || kinds["chunk"] != 1 {
		t.Errorf("the log has %v", kinds)
	}
	for _, word := range []string{"198.51.100", "ann", "ben", "shop", "mail of"} {
		if strings.Contains(raw, word) {
			t.Errorf("the log says %q", word)
		}
	}
	told := &all[slices.IndexFunc(all, func(e evidence.Entry) bool { return e.Kind == "oversight" })]
	for name, value := range map[string]string{"who": "ann", "about": waiting[0].Text, "reason": "the mail of today"} {
		c, err := evidence.ParseCommitment(fieldOf(told, name))
		if err != nil || !c.Opens(waiting[0].Salt, app.CommittedField(name, value)) {
			t.Errorf("%s does not open: %v", name, err)
		}
		if c.Opens(waiting[0].Salt, app.CommittedField(name, value+"x")) {
			t.Errorf("%s opens with another word", name)
		}
	}
	var about map[string]any
	if err := json.Unmarshal([]byte(waiting[0].Text), &about); err != nil || about["addr"] != "198.51.100.7" {
		t.Error(about, err)
	}
	cfg.Lines.Questions.Daily = 2
	serve(t, cfg, time.Now).end(t)
	all, _ = entries(t, data)
	if n := len(all); all[n-1].Kind != "config" {
		t.Errorf("a changed config is no entry: %v", all[n-1])
	}
}
