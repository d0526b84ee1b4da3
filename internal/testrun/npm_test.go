package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInstallNPM: npm is run for a list that has changed, or whose run did not come to its end, and else not.
func TestInstallNPM(t *testing.T) {
	root, bin := t.TempDir(), t.TempDir()
	dir := filepath.Join(root, filepath.FromSlash(npmFolder))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	// An npm that does what matters here: it removes the folder and makes it anew, or fails with it half made.
	npm := "#!/bin/sh\nrm -rf node_modules && mkdir node_modules && echo ran $1 && test ! -e fail\n"
	if err := os.WriteFile(filepath.Join(bin, "npm"), []byte(npm), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	install := func() (string, error) {
		var out bytes.Buffer
		err := runner{root: root, out: &out, errs: &out}.installNPM(t.Context())
		return out.String(), err
	}
	want := func(what string, runs, good bool) {
		t.Helper()
		out, err := install()
		if strings.Contains(out, "ran ci\n") != runs || (err == nil) != good {
			t.Errorf("%s: %q, %v", what, out, err)
		}
	}
	want("without a list", false, true)
	writeFile(t, filepath.Join(dir, "package-lock.json"), "one")
	want("at first", true, true)
	want("when all is there", false, true)
	writeFile(t, filepath.Join(dir, "package-lock.json"), "two")
	writeFile(t, filepath.Join(dir, "fail"), "")
	want("for another list, when npm fails", true, false)
	if err := os.Remove(filepath.Join(dir, "fail")); err != nil {
		t.Fatal(err)
	}
	want("after npm failed", true, true)
	want("when all is there again", false, true)
}
