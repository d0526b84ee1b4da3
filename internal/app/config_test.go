package app_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"tocsin/internal/app"
)

var update = flag.Bool("update", false, "rewrite the expected files and docs/config.md")

// TestConfig reads testdata/config/CASE/in.yaml and compares with want.yaml, the config in force, or error.txt, all
// that is wrong. A case is never changed once it was released: what an operator wrote then has to be read for ever.
func TestConfig(t *testing.T) {
	cases, err := filepath.Glob("testdata/config/*")
	if err != nil || len(cases) < 10 {
		t.Fatal("cases are missing", err)
	}
	for _, dir := range cases {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			cfg, err := app.Load(filepath.ToSlash(filepath.Join(dir, "in.yaml")))
			if err != nil {
				if _, ok := errors.AsType[*app.ConfigError](err); !ok {
					t.Fatal(err)
				}
				golden(t, filepath.Join(dir, "error.txt"), err.Error()+"\n")
				return
			}
			cfg.Intake, cfg.Stream = cfg.Intake.WithDefaults(), cfg.Stream.WithDefaults()
			out, err := yaml.Marshal(cfg)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(dir, "want.yaml"), string(out))
		})
	}
}

// TestConfigRoundTrip: what a config in force looks like, as want.yaml shows it, is a config too and the same one.
func TestConfigRoundTrip(t *testing.T) {
	files, err := filepath.Glob("testdata/config/*/want.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("cases are missing", err)
	}
	for _, file := range files {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := app.Load(file)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		cfg.Data = "" // is relative to the file
		var plain app.Config
		if err := yaml.Unmarshal(want, &plain); err != nil {
			t.Fatal(err)
		}
		plain.Data = ""
		if d := cmp.Diff(marshal(t, plain), marshal(t, cfg)); d != "" {
			t.Errorf("%s: the YAML library reads it otherwise:\n%s", file, d)
		}
	}
}

func marshal(t *testing.T, cfg app.Config) string {
	t.Helper()
	cfg.Network = cfg.Network.Rebase("") // equal, whatever folder the file lies in
	for i, table := range cfg.Network.Tables {
		cfg.Network.Tables[i].Path = filepath.Base(table.Path)
	}
	for _, p := range []*string{&cfg.Intake.Folder.Path, &cfg.Stream.Credentials, &cfg.Stream.CA} {
		*p = filepath.Base(*p)
	}
	for i := range cfg.Access.OpenID {
		p := &cfg.Access.OpenID[i].ClientSecretFile
		*p = filepath.Base(*p)
	}
	out, err := yaml.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; got:\n%s", err, got)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
}
