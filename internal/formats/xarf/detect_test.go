package xarf_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tocsin/internal/corpustest"
	"tocsin/internal/formats/xarf"
	"tocsin/internal/report"
)

// headBytes is formats.HeadBytes, which this package must not import.
const headBytes = 64 << 10

// TestDetect: every XARF document of the corpus is recognised, and nothing else is.
func TestDetect(t *testing.T) {
	n := map[bool]int{}
	root := corpustest.Dir(t)
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		format, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
		if strings.HasSuffix(format, "_schema") {
			return nil
		}
		want := format == "xarf_v3" || format == "xarf_v4"
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		head, err := io.ReadAll(io.LimitReader(f, headBytes))
		if err != nil {
			return err
		}
		n[want]++
		if got := xarf.Detect(report.Document{Name: path}, head); got != want {
			t.Errorf("%s: detected %v", rel, got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d XARF documents, %d others", n[true], n[false])
}

func TestDetectHead(t *testing.T) {
	for head, want := range map[string]bool{
		good:                              true,
		" \n[ " + good + ",":              true,
		"\xef\xbb\xbf" + good:             true,
		plain[:40]:                        true,
		`{"evidence":[{"payload":"AAAA`:   false,
		`{"Version":"3","ReporterInfo":{`: true,
		`{"Version":"3","Disclosure":true,"Report":{}}`:     true,
		`{"ReporterInfo":{},"Disclosure":true,"Report":{}}`: true,
		`{"Version":"3"}`: false,
		`{"source_identifier":"x","category":"c","reporter":{},"type":"t"}`: true,
		`{"category":"c","reporter":{}}`:                                    false,
		`{"a":{"xarf_version":"4.2.0"}}`:                                    false,
		`"xarf_version"`:                                                    false,
		"[":                                                                 false,
		"":                                                                  false,
		"xarf_version: 4.2.0":                                               false,
		"From: a@example.com\r\n\r\n" + good:                                false,
	} {
		if got := xarf.Detect(report.Document{}, []byte(head)); got != want {
			t.Errorf("%q: %v", head, got)
		}
	}
}

// TestMeanings: every type has a kind of RSIT 1003, the 32 official ones of 4.2 among them.
func TestMeanings(t *testing.T) {
	kinds := map[string]bool{}
	for _, k := range report.Kinds() {
		kinds[k.String()] = true
	}
	known := xarf.Known()
	for name, kind := range known {
		if !kinds[kind] {
			t.Errorf("%s: %s is no kind", name, kind)
		}
	}
	official := xarf.Official()
	if len(official) != 32 {
		t.Errorf("%d official types", len(official))
	}
	for _, name := range official {
		if known[name] == "" {
			t.Errorf("%s has no meaning", name)
		}
	}
}
