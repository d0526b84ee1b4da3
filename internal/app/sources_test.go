package app_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/app"
	"tocsin/internal/incident"
	"tocsin/internal/intake"
	"tocsin/internal/report"
)

// TestGradeFollowsOutcomes has a desk find a source's reports to be false, and the sweep draws the conclusion; the node
// that is started again still knows it.
func TestGradeFollowsOutcomes(t *testing.T) {
	now := time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
	cfg := app.Defaults(t.TempDir())
	cfg.Listen = "off"
	cfg.Intake.Sources = []intake.Source{{Name: "north", Grade: report.Grade{Reliability: report.ReliabilityB, Credibility: report.Credibility3}}}
	file := filepath.Join(t.TempDir(), "2026-03-01-scan_telnet-example.csv")
	rows := `"timestamp","ip","protocol","port","tag","asn","geo","banner"` + "\n"
	for i := range 20 {
		rows += fmt.Sprintf(`"2026-03-01 02:%02d:00","198.51.100.%d","tcp","23","telnet","64500","GB","login:"`+"\n", i, i+1)
	}
	if err := os.WriteFile(file, []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	a := open(t, cfg, func() time.Time { return now })
	if _, err := a.Import(t.Context(), []string{file}, app.ImportOptions{Reporter: "north"}); err != nil {
		t.Fatal(err)
	}
	var ruled []incident.Ruling
	for in, err := range a.Store().Incidents(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		ruled = append(ruled, incident.Ruling{Incident: in.ID, Outcome: report.OutcomeFalseAlarm, Who: "ann", Reason: "our own test", At: now})
	}
	if err := a.Store().Rule(t.Context(), ruled[1:]...); err != nil {
		t.Fatal(err)
	}
	why := func(at time.Time) (all []string) {
		t.Helper()
		for s, err := range app.Sources(t.Context(), a.Store(), &cfg, at) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprintf("%s %s %s %v", s.Name, s.Grade.Current(), s.Grade.Why(), s.Silent))
		}
		return all
	}
	expect := func(at time.Time, want ...string) {
		t.Helper()
		if diff := gocmp.Diff(want, why(at)); diff != "" {
			t.Errorf("sources (-want +got):\n%s", diff)
		}
	}
	sweep := func() {
		t.Helper()
		if err := a.Sweep(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	const feed = "shadowserver/scan_telnet"
	expect(now, "north B3 B, set by the config; 0 of 19 outcomes confirmed in 90 days, it takes 20 to judge map["+feed+":false]")
	if err := a.Store().Rule(t.Context(), ruled[0]); err != nil {
		t.Fatal(err)
	}
	sweep()
	expect(now.Add(cfg.Incident.Silence+time.Second), "north C3 C, was B: 0 of 20 outcomes confirmed in 90 days map["+feed+":true]")

	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a = open(t, cfg, func() time.Time { return now })
	sweep()
	expect(now, "north C3 C, was B: 0 of 20 outcomes confirmed in 90 days map["+feed+":false]")
	if err := a.SetGrade(t.Context(), intake.Setting{
		Source: "north", Start: intake.Start{Grade: report.Grade{Reliability: report.ReliabilityB}, Pinned: true}, Who: "ann", Reason: "mended", At: now,
	}); err != nil {
		t.Fatal(err)
	}
	sweep()
	expect(now, "north B6 B, pinned, set by ann on 2026-03-10: mended map["+feed+":false]")
	for name, want := range map[string]error{"nrth": app.ErrNoSource, "north": nil} {
		if err := a.UnsetGrade(t.Context(), name); !errors.Is(err, want) {
			t.Errorf("%s given back: %v", name, err)
		}
	}
}

// TestSourcesEnd: a list that fails says so, and one that is not read to its end stops.
func TestSourcesEnd(t *testing.T) {
	cfg := app.Defaults(t.TempDir())
	cfg.Listen = "off"
	cfg.Intake.Sources = []intake.Source{{Name: "a"}, {Name: "b"}}
	a := open(t, cfg, time.Now)
	n := 0
	for _, err := range app.Sources(t.Context(), a.Store(), &cfg, time.Now()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		break
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var failed error
	for _, err := range app.Sources(ended, a.Store(), &cfg, time.Now()) {
		failed = errors.Join(failed, err)
	}
	if n != 1 || !errors.Is(failed, context.Canceled) {
		t.Errorf("%d sources, %v", n, failed)
	}
}
