package shadowserver_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"tocsin/internal/formats/shadowserver"
	"tocsin/internal/report"
)

// TestGolden reads each case of testdata: its one file beside events.json is the document, by its name, and
// events.json is what tocsin parse prints of it, events first, then the bad rows.
func TestGolden(t *testing.T) {
	update := flag.Lookup("update").Value.String() == "true"
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range cases {
		t.Run(filepath.Base(path), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var input, want *txtar.File
			for i := range a.Files {
				if a.Files[i].Name == "events.json" {
					want = &a.Files[i]
				} else {
					input = &a.Files[i]
				}
			}
			if input == nil || len(a.Files) > 2 || len(bytes.TrimSpace(a.Comment)) == 0 {
				t.Fatal("write a sentence, one document and events.json")
			}
			got := golden(*input)
			if update {
				a.Files = []txtar.File{*input, {Name: "events.json", Data: got}}
				if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want == nil {
				t.Fatal("no events.json: go test -run TestGolden -update writes it")
			}
			if diff := cmp.Diff(string(want.Data), string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func golden(input txtar.File) []byte {
	received := time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC)
	doc := report.Document{Reader: bytes.NewReader(input.Data), Name: input.Name, Received: received}
	var events, bad []byte
	for ev, err := range (shadowserver.Tables{}).Parse(doc) {
		if err == nil {
			if err = ev.Validate(received); err != nil {
				err = &report.RowError{Row: ev.Row, Reason: report.Reason(err)}
			}
		}
		if e, ok := errors.AsType[*report.RowError](err); ok {
			bad = fmt.Appendf(bad, "# %d: %s\n", e.Row, e.Reason)
			continue
		}
		events = append(ev.AppendJSON(events), '\n')
	}
	return append(events, bad...)
}
