package network_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"tocsin/internal/network"
	"tocsin/internal/report"
)

var update = flag.Bool("update", false, "write the golden files")

// TestConfig reads each case strictly over the defaults, as the program does, and compares what came of it: the whole
// config, or everything that is wrong with it.
func TestConfig(t *testing.T) {
	cases, err := filepath.Glob("testdata/config/*/in.yaml")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, in := range cases {
		dir := filepath.Dir(in)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			text, err := os.ReadFile(in)
			if err != nil {
				t.Fatal(err)
			}
			cfg := struct {
				Network network.Config `yaml:"network"`
			}{network.Defaults()}
			err = yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&cfg)
			if err == nil {
				err = cfg.Network.Validate()
			}
			if err != nil {
				golden(t, dir, "error.txt", "want.yaml", said(err))
				return
			}
			got, err := yaml.Marshal(cfg)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, dir, "want.yaml", "error.txt", string(got))
		})
	}
}

// said lists the broken rules with their fields, or the decoder's complaint.
func said(err error) string {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, one := range joined.Unwrap() {
		var f *report.FieldError
		if !errors.As(one, &f) {
			return "not a FieldError: " + one.Error() + "\n"
		}
		b.WriteString(f.Field + ": " + f.Rule + "\n")
	}
	return b.String()
}

func golden(t *testing.T, dir, name, not, got string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if *update {
		os.Remove(filepath.Join(dir, not))
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; got:\n%s", err, got)
	}
	if got != string(want) {
		t.Errorf("%s:\n got:\n%s\nwant:\n%s", path, got, want)
	}
}

func TestZeroConfigRuns(t *testing.T) {
	for _, cfg := range []network.Config{{}, network.Defaults()} {
		if err := cfg.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestRebase(t *testing.T) {
	cfg := network.Config{Tables: []network.TableFile{{Path: "asn.csv"}, {Path: "/srv/asn.mmdb", Kind: network.KindMMDB}}}
	got := cfg.Rebase("/etc/tocsin")
	if got.Tables[0].Path != "/etc/tocsin/asn.csv" || got.Tables[1] != cfg.Tables[1] || cfg.Tables[0].Path != "asn.csv" {
		t.Errorf("rebased to %+v, from %+v", got.Tables, cfg.Tables)
	}
}
