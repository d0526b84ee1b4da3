// Package corpustest finds the corpus of real inputs that lies beside the checkout, for tests only. The corpus is
// never copied into the project: its licences differ.
package corpustest

import (
	"encoding/csv"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// Dir returns the absolute path of the corpus, or of the file or folder below it that parts name. Where the corpus
// is absent it skips the test, and under CI=true it fails it. TOCSIN_CORPUS overrides the place.
func Dir(t testing.TB, parts ...string) string {
	t.Helper()
	root := os.Getenv("TOCSIN_CORPUS")
	if root == "" {
		root = filepath.Join(moduleRoot(t), "..", "shared", "corpus")
	}
	path := filepath.Join(append([]string{root}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("the corpus should be here: %v", err)
		}
		t.Skipf("no corpus: set TOCSIN_CORPUS to its folder (%v)", err)
	}
	return path
}

// Entry is one line of the corpus's INDEX.tsv.
type Entry struct {
	Path     string // below the corpus
	Format   string // the corpus's name of the format: shadowserver, xarf_v4, arf_mail, ...
	Expected string // file with the expected result below the corpus, or a word such as valid or invalid
	Group    string
	Notes    string
}

// Entries returns the entries of one format, in the order of the index.
func Entries(t testing.TB, format string) []Entry {
	t.Helper()
	f, err := os.Open(Dir(t, "INDEX.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma = '\t'
	r.FieldsPerRecord = -1
	r.LazyQuotes = true
	var all []Entry
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(row) < 12 || row[1] != format || row[9] == "held_out" {
			continue
		}
		all = append(all, Entry{Path: row[0], Format: row[1], Expected: row[8], Group: row[10], Notes: row[11]})
	}
	return all
}

func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = up
	}
}
