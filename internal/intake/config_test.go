package intake_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"tocsin/internal/intake"
)

var update = flag.Bool("update", false, "rewrite the expected files")

func TestConfigCases(t *testing.T) {
	cases, err := filepath.Glob("testdata/config/*")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, dir := range cases {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			in, err := os.ReadFile(filepath.Join(dir, "in.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			var c intake.Config
			err = yaml.UnmarshalWithOptions(in, &c, yaml.Strict())
			if err == nil {
				err = c.Validate("arf", "xarf", "shadowserver")
			}
			if err != nil {
				golden(t, filepath.Join(dir, "error.txt"), err.Error()+"\n")
				return
			}
			out, err := yaml.Marshal(c.WithDefaults())
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(dir, "want.yaml"), string(out))
		})
	}
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
