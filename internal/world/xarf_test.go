package world_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"tocsin/internal/corpustest"
	"tocsin/internal/world"
)

// schema compiles the official XARF v4.2 schema, formats asserted.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	root := corpustest.Dir(t, "xarf_schema", "xarf-spec", "schemas", "v4")
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".json") {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		doc, err := jsonschema.UnmarshalJSON(f)
		if err != nil {
			return err
		}
		id, _ := doc.(map[string]any)["$id"].(string)
		return c.AddResource(id, doc)
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("https://xarf.org/schemas/v4/xarf-v4-master.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestXARFIsValid(t *testing.T) {
	s := schema(t)
	kinds, ids := map[string]int{}, map[string]string{}
	for seed := range uint64(4) {
		for f := range world.New(seed, world.Small()).Reports() {
			if f.Format != world.FormatXARF || f.DuplicateOf != "" {
				continue
			}
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(f.Body()))
			if err == nil {
				err = s.Validate(doc)
			}
			if f.Unreadable {
				if err == nil {
					t.Errorf("%s should be refused and is valid", f.Name)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", f.Name, err)
			}
			kinds[f.Feed]++
		}
	}
	for f := range demo().Reports() {
		if f.Format != world.FormatXARF || f.DuplicateOf != "" || f.Unreadable {
			continue
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(f.Body()))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(doc); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		var d struct {
			ID string `json:"report_id"`
		}
		if err := json.Unmarshal(f.Body(), &d); err != nil {
			t.Fatal(err)
		}
		if ids[d.ID] != "" {
			t.Errorf("%s and %s have the same id", f.Name, ids[d.ID])
		}
		ids[d.ID] = f.Name
		kinds[f.Feed]++
	}
	for _, k := range []string{
		"connection/login-attack", "connection/port-scan", "connection/ddos", "infrastructure/botnet",
		"messaging/spam", "vulnerability/open-service", "content/phishing",
	} {
		if kinds[k] == 0 {
			t.Errorf("no %s was made", k)
		}
	}
}
