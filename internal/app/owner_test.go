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

// importOne imports one document under its name.
func importOne(t *testing.T, a *app.App, name string, body []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
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
			importOne(t, a, telnetName, telnet(begin, "198.51.100.7"))
			importOne(t, a, telnetName, telnet(later, "198.51.100.8"))
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
