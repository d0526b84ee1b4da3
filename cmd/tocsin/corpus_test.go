package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"tocsin/internal/app"
	"tocsin/internal/corpustest"
)

// parsedCorpus parses each document of the corpus, one of each that has the same bytes, and counts events and
// refusals. Every file has to give one or the other.
func parsedCorpus(t *testing.T, folders []string) (files, events, refused int64) {
	t.Helper()
	there := map[[sha256.Size]byte]bool{}
	for _, dir := range folders {
		if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || d.Name()[0] == '.' {
				return err
			}
			files++
			body, err := os.ReadFile(path)
			if err != nil || there[sha256.Sum256(body)] {
				return err
			}
			there[sha256.Sum256(body)] = true
			var out, errOut bytes.Buffer
			p := &parser{out: bufio.NewWriter(&out), errOut: &errOut}
			if err := p.file(path); err != nil {
				return err
			}
			_ = p.out.Flush() // into memory
			good, bad := bytes.Count(out.Bytes(), []byte("\n")), bytes.Count(errOut.Bytes(), []byte("\n"))
			if good+bad == 0 {
				t.Errorf("%s: neither an event nor a reason", path)
			}
			events += int64(good)
			refused += int64(bad)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return files, events, refused
}

// TestImportCorpus imports the corpus's folders of all formats: nothing fails, every file has become events or is in
// the quarantine with a reason, and import and parse count the same.
func TestImportCorpus(t *testing.T) {
	data := filepath.Join(t.TempDir(), "node")
	var paths []string
	for _, f := range []string{"shadowserver", "xarf_v3", "xarf_v4", "arf_mail"} {
		paths = append(paths, corpustest.Dir(t, f))
	}
	var sum app.Summary
	out := called(t, []int{0, exitRefused}, append([]string{"import", "--data", data, "--json"}, paths...)...)
	if err := json.Unmarshal([]byte(out), &sum); err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", sum)
	if sum.Reports < 500 || sum.Events < sum.Reports {
		t.Errorf("too few: %+v", sum)
	}
	files, events, bad := parsedCorpus(t, paths)
	if sum.Reports != files || sum.Events+sum.Repeats != events || sum.Rejected+sum.Waiting+sum.SetAside != bad {
		t.Errorf("parsed %d files, %d events, %d refusals; imported %+v", files, events, bad, sum)
	}
	refused := 0
	for _, q := range lines(t, called(t, []int{0}, "quarantine", "list", "--data", data, "--json")) {
		reasons, _ := q["refusals"].([]any)
		if n, _ := q["refused"].(float64); int(n) != len(reasons) || n == 0 {
			t.Errorf("%s: %v refused, %d reasons", q["name"], q["refused"], len(reasons))
		}
		for _, r := range reasons {
			if one, _ := r.(map[string]any); one["reason"] == "" || one["reason"] == nil {
				t.Errorf("%s: refused without a reason: %v", q["name"], r)
			}
		}
		refused += len(reasons)
	}
	if int64(refused) != sum.Rejected {
		t.Errorf("%d refusals in the quarantine, %d counted", refused, sum.Rejected)
	}
	again := imported(t, data, paths[0])
	if again.Duplicates != again.Reports {
		t.Errorf("imported again: %+v", again)
	}
}
