package xarf_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"tocsin/internal/formats/xarf"
	"tocsin/internal/report"
)

var update = flag.Bool("update-xarf", false, "rewrite the expected events; read the diff")

// TestGolden reads each case and compares the events and refusals. The shared harness of all formats reads the same
// files.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(a.Files) != 2 || a.Files[1].Name != "events.json" {
				t.Fatal("a case has an input and events.json")
			}
			in := a.Files[0]
			if !xarf.Detect(report.Document{Name: in.Name}, in.Data) {
				t.Error("not detected as XARF")
			}
			got := printed(report.Document{Reader: bytes.NewReader(in.Data), Name: in.Name})
			if *update {
				a.Files[1].Data = got
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(a.Files[1].Data), string(got)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// printed is what `tocsin parse` says of a document: events, then refusals.
func printed(doc report.Document) []byte {
	doc.Received = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	var events, refused []byte
	for e, err := range xarf.Parse(doc) {
		if err == nil {
			if invalid := e.Validate(doc.Received); invalid != nil {
				err = &report.RowError{Row: e.Row, Reason: report.Reason(invalid)}
			}
		}
		if err != nil {
			bad := rowError(err)
			refused = fmt.Appendf(refused, "# %d: %s\n", bad.Row, bad.Reason)
			continue
		}
		events = append(e.AppendJSON(events), '\n')
	}
	return append(events, refused...)
}
