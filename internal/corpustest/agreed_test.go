package corpustest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAgreementTable: each line of the table is held against its figure by a test.
func TestAgreementTable(t *testing.T) {
	root := moduleRoot(t)
	page, err := os.ReadFile(filepath.Join(root, agreementPage))
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	err = filepath.WalkDir(filepath.Join(root, "internal", "formats"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		tests.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	table := agreementTable(string(page))
	if len(table) < 10 {
		t.Errorf("the table has %d lines", len(table))
	}
	for name := range table {
		if !strings.Contains(tests.String(), `corpustest.Agreed(t, "`+name+`", `) {
			t.Errorf("no test holds the line %q of %s against its figure", name, agreementPage)
		}
	}
}

func TestPercent(t *testing.T) {
	for want, n := range map[string][2]int{"100 %": {15, 15}, "95.10 %": {544, 572}, "0 %": {0, 0}, "99.99 %": {9999, 10000}} {
		if got := percent(n[0], n[1]); got != want {
			t.Errorf("%v: %s, want %s", n, got, want)
		}
	}
}
