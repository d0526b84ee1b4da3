package xarfmail_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"tocsin/internal/corpustest"
	"tocsin/internal/formats/xarfmail"
	"tocsin/internal/report"
)

// official compiles a schema of the schema set 0.1. It is of a draft in which each property says itself that it is
// optional, or that it requires another; formats are asserted.
func official(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(corpustest.Dir(t, "xarf_schema", "chrobs-x-arf", name))
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	doc["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	need, requires := []any{}, map[string]any{}
	for name, p := range doc["properties"].(map[string]any) {
		p := p.(map[string]any)
		if p["optional"] != true {
			need = append(need, name)
		}
		if other, ok := p["requires"]; ok {
			requires[name] = []any{other}
		}
		delete(p, "optional")
		delete(p, "requires")
	}
	doc["required"], doc["dependentRequired"] = need, requires
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asYAML writes a report. JSON's texts and numbers are YAML's as well.
func asYAML(t *testing.T, fields map[string]any) string {
	t.Helper()
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		v, err := json.Marshal(fields[name])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s: %s\n", name, v)
	}
	return b.String()
}

// TestStrictIsTheSchema changes valid reports in one place at a time, each field into each value, and each left out:
// strict refuses exactly what the official schema refuses. What no schema can let pass for us (Source, Date and
// Report-Type are needed) is left out, and so is @example.net, which the library that judges takes for an e-mail address
// (docs/formats/xarf.md).
func TestStrictIsTheSchema(t *testing.T) {
	login := map[string]any{
		"Reported-From": "reports@example.net", "Report-ID": "1@example.net", "Category": "abuse", "Report-Type": "login-attack",
		"Service": "ssh", "Port": 22, "User-Agent": "x", "Date": "2026-03-01T00:00:00Z", "Source": "198.51.100.7",
		"Source-Type": "ipv4", "Destination": "203.0.113.9", "Destination-Type": "ipv4", "Attachment": "text/plain",
		"Schema-URL": "http://www.x-arf.org/schema/a.json", "Version": 0.2, "Occurrences": 3, "TLP": "green",
	}
	malware := maps.Clone(login)
	maps.DeleteFunc(malware, func(name string, _ any) bool {
		return slices.Contains([]string{"Service", "Port", "Destination", "Destination-Type"}, name)
	})
	maps.Copy(malware, map[string]any{
		"Report-Type": "malware-attack", "Destination-System": "honeypot", "Download-Link": "http://www.example.com/a",
		"Malware-MD5": "d41d8cd98f00b204e9800998ecf8427e", "Antivirus-Result": "x", "Antivirus-Vendor": "y",
	})
	values := []any{
		"text", "", "abuse", "text/plain", "none", "ipv4", "ipv6", "ip-address", "red", "honeypot", "reports@example.net", "reports@",
		"http://www.example.com/", "www.example.com", "2026-03-01T00:00:00+01:00", "2026-03-01 00:00:00", 0, -1, 22, 0.5, true, nil,
		[]any{"abuse"},
		map[string]any{"a": "b"},
	}
	agreed := 0
	for name, valid := range map[string]map[string]any{
		"abuse_login-attack.json": login, "abuse_malware-attack.json": malware,
	} {
		schema := official(t, name)
		try := func(fields map[string]any) {
			text := asYAML(t, fields)
			var back any
			j, _ := json.Marshal(fields)
			if err := json.Unmarshal(j, &back); err != nil {
				t.Fatal(err)
			}
			want := schema.Validate(back)
			var got error
			for _, err := range xarfmail.Parse(report.Document{Reader: strings.NewReader(text), Name: "report.txt", Strict: true}) {
				got = err
			}
			if (want == nil) != (got == nil) {
				t.Errorf("%s\nstrict says %v, the schema %v", text, got, want)
				return
			}
			agreed++
		}
		try(valid)
		for field := range valid {
			without := maps.Clone(valid)
			delete(without, field)
			try(without)
			if field == "Source" || field == "Date" || field == "Report-Type" {
				continue
			}
			for _, v := range values {
				changed := maps.Clone(valid)
				changed[field] = v
				try(changed)
			}
		}
	}
	t.Logf("strict against the schemas: agreed %d", agreed)
}

// TestHostile: whatever is sent is answered, within bounds.
func TestHostile(t *testing.T) {
	head := "Report-Type: login-attack\nCategory: abuse\nReported-From: a@example.net\nDate: 2026-03-01T00:00:00Z\nSource-Type: ipv4\nSource: 198.51.100.7\n"
	for name, text := range map[string]string{
		"bombs of aliases": head + "A: &a [x, x]\nB: &b [*a, *a]\nC: &c [*b, *b]\nD: [*c, *c]\n",
		"merge keys":       head + "A: &a {x: 1}\nB: {<<: *a}\n",
		"brackets":         head + "A: " + strings.Repeat("[", 60000) + "\n",
		"braces":           head + "A: " + strings.Repeat("{a: ", 10000) + "\n",
		"lists of lists":   head + "A:\n  " + strings.Repeat("- ", 30000) + "x\n",
		"keys of keys":     head + strings.Repeat("? ", 30000) + "x\n",
		"stairs":           head + stairs(200),
		"a long value":     head + "A: " + strings.Repeat("x", 70000) + "\n",
		"many fields":      head + strings.Repeat("A: 1\n", 300),
		"many reports":     strings.Repeat(head+"---\n", 1001),
		"much text":        strings.Repeat(head+strings.Repeat("# comment\n", 5000)+"---\n", 30),
		"NUL":              head + "A: \x00\n",
		"not UTF-8":        head + "A: \xff\n",
		"tags":             head + "A: !!binary x\n",
		"directives":       "%YAML 1.1\n---\n" + head + "%TAG x\n",
		"a byte order":     "\ufeff" + head,
	} {
		n := 0
		for _, err := range xarfmail.Parse(report.Document{Reader: strings.NewReader(text), Name: "report.txt"}) {
			if n++; n > 1000 {
				t.Errorf("%s: more than 1000 rows", name)
				break
			}
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
			}
		}
		if n == 0 {
			t.Errorf("%s: no answer", name)
		}
	}
}

// stairs is a mapping in a mapping in a mapping.
func stairs(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestRedact(t *testing.T) {
	e := report.Event{Details: []report.Detail{
		{Name: "Reported-From", Value: "a@example.net"},
		{Name: "Victim", Value: "b"},
		{Name: "Service", Value: "ssh"},
		{Name: "warning.2", Value: "w"},
		{Name: "evidence.name", Value: "c.log"},
	}}
	xarfmail.Redact(&e)
	for i, want := range []string{xarfmail.Redacted, xarfmail.Redacted, "ssh", "w", xarfmail.Redacted} {
		if got := e.Details[i].Value; got != want {
			t.Errorf("%s: %q, want %q", e.Details[i].Name, got, want)
		}
	}
}
