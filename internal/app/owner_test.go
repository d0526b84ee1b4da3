package app_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/app"
	"tocsin/internal/incident"
	"tocsin/internal/network"
)

// importTelnet imports a report of telnet ports.
func importTelnet(t *testing.T, a *app.App, body []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), telnetName)
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	if sum, err := a.Import(t.Context(), []string{path}, app.ImportOptions{}); err != nil || sum.Rejected > 0 {
		t.Fatalf("%+v, %v", sum, err)
	}
}

// fates is the party, state and outcome of each subject.
func fates(t *testing.T, a *app.App) map[string]string {
	t.Helper()
	all := map[string]string{}
	for subject, in := range incidents(t, a.Store()) {
		all[subject] = fmt.Sprintf("%s %s/%s", in.Party, in.State, in.Outcome)
	}
	return all
}

// TestNewcomerGivesOnlyAnASNumber: what reports say is that network's is ours to the end of its life, and so is the
// watermark that ends it.
func TestNewcomerGivesOnlyAnASNumber(t *testing.T) {
	begin := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		config network.Config
		party  string
	}{
		{"ours", network.Config{Own: []network.Own{{ASNs: []network.ASN{64500}}}}, "own"},
		{"a partner's", network.Config{Partners: []network.Partner{{ID: "north", ASNs: []network.ASN{64500}}}}, "partner:north"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := app.Defaults(t.TempDir())
			cfg.Listen, cfg.Network = "off", c.config
			later := begin.AddDate(0, 0, 20)
			a := open(t, cfg, at(later))
			importTelnet(t, a, telnet(begin, "198.51.100.7"))
			importTelnet(t, a, telnet(later, "198.51.100.8"))
			if err := a.Sweep(t.Context(), later); err != nil {
				t.Fatal(err)
			}
			want := map[string]string{"198.51.100.7": c.party + " closed/went-quiet", "198.51.100.8": c.party + " open/"}
			if diff := gocmp.Diff(want, fates(t, a)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			marks, err := a.Store().Watermarks(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for w := range marks {
				if w != (incident.Watermark{Feed: "shadowserver/scan_telnet", Network: c.party}) {
					t.Errorf("there is a watermark of %+v", w)
				}
			}
			shut(t, a)
		})
	}
}

// TestArchive imports reports that are a year old: their end is what the reports show, and where they show none it
// stays open until nothing has come in for the silence time.
func TestArchive(t *testing.T) {
	begin := time.Date(2025, 3, 1, 2, 0, 0, 0, time.UTC)
	imported := begin.AddDate(1, 0, 0)
	cfg := app.Defaults(t.TempDir())
	cfg.Listen, cfg.Network = "off", network.Config{Own: []network.Own{{ASNs: []network.ASN{64500}}}}
	a := open(t, cfg, at(imported))
	importTelnet(t, a, telnet(begin, "198.51.100.7"))
	importTelnet(t, a, telnet(begin.AddDate(0, 0, 20), "198.51.100.8"))
	for _, c := range []struct {
		days int
		want string
	}{{0, "open/"}, {59, "open/"}, {61, "closed/unknown"}} {
		if err := a.Sweep(t.Context(), imported.AddDate(0, 0, c.days)); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"198.51.100.7": "own closed/went-quiet", "198.51.100.8": "own " + c.want}
		if diff := gocmp.Diff(want, fates(t, a)); diff != "" {
			t.Errorf("%d days after the import (-want +got):\n%s", c.days, diff)
		}
	}
	shut(t, a)
}
