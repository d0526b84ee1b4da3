package xarf_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"tocsin/internal/corpustest"
	"tocsin/internal/formats/xarf"
	"tocsin/internal/report"
)

// corpusLoader finds the official schemas, which name each other by web address, in the corpus.
type corpusLoader struct{ t testing.TB }

var schemaHomes = map[string]string{
	"https://xarf.org/": "xarf_schema/xarf-spec/",
	"https://raw.githubusercontent.com/xarf/schema-discussion/master/": "xarf_schema/abusix-xarf/",
}

func (l corpusLoader) Load(address string) (any, error) {
	for home, folder := range schemaHomes {
		if rest, ok := strings.CutPrefix(address, home); ok {
			f, err := os.Open(filepath.Join(corpustest.Dir(l.t), filepath.FromSlash(folder+rest)))
			if err != nil {
				return nil, err
			}
			defer f.Close()
			return jsonschema.UnmarshalJSON(f)
		}
	}
	return nil, fmt.Errorf("no schema for %s", address)
}

// official compiles the schema of a version, formats asserted as the official validators do.
func official(t testing.TB, version string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.UseLoader(corpusLoader{t})
	c.AssertFormat()
	address := "https://xarf.org/schemas/v4/xarf-v4-master.json"
	if version != "4" {
		address = "https://raw.githubusercontent.com/xarf/schema-discussion/master/schemas/" + version + "/xarf.schema.json"
	}
	s, err := c.Compile(address)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func accepts(t testing.TB, s *jsonschema.Schema, raw []byte) bool {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	return err == nil && s.Validate(v) == nil
}

// versionOf is the schema that a report of the corpus claims to follow, "" when it has none.
func versionOf(raw []byte) string {
	var v struct {
		V4  any `json:"xarf_version"`
		Old any `json:"Version"`
	}
	if json.Unmarshal(raw, &v) != nil {
		return ""
	}
	switch {
	case v.V4 != nil:
		return "4"
	case v.Old == nil:
		return "alpha"
	}
	old, _ := v.Old.(string)
	if !slices.Contains(oldVersions, old) {
		return ""
	}
	return old
}

var oldVersions = []string{"alpha", "1", "2", "3", "development"}

// TestStrictIsTheOfficialSchema: parse --strict accepts what the schema of the report's version accepts, and nothing
// else, for every sample of the corpus.
func TestStrictIsTheOfficialSchema(t *testing.T) {
	schemas := map[string]*jsonschema.Schema{}
	for _, v := range append([]string{"4"}, oldVersions...) {
		schemas[v] = official(t, v)
	}
	n, valid := 0, 0
	for _, entry := range append(corpustest.Entries(t, "xarf_v3"), corpustest.Entries(t, "xarf_v4")...) {
		raw, err := os.ReadFile(corpustest.Dir(t, filepath.FromSlash(entry.Path)))
		if err != nil {
			t.Fatal(err)
		}
		version := versionOf(raw)
		if version == "" {
			continue // not JSON, or 3.0.0 and INVALID, for which there is no schema
		}
		n++
		want := accepts(t, schemas[version], raw)
		if want {
			valid++
		}
		events, refused := outcome(report.Document{Reader: bytes.NewReader(raw), Strict: true})
		if got := len(events) == 1 && len(refused) == 0; got != want {
			t.Errorf("%s: schema says %v, strict says %v: %v", entry.Path, want, got, refused)
		}
	}
	t.Logf("%d samples, %d of them valid by their schema", n, valid)
}

// TestRulesAreTheOfficialSchema holds the rules against the schemas on reports that nobody wrote: for each type one
// with every member that the schema knows, and the valid samples, each then changed in one place in every way that
// the schema's vocabulary offers. That is over a million reports; without TOCSIN_PROVE a fixed part of them, some
// 10,000.
func TestRulesAreTheOfficialSchema(t *testing.T) {
	each := 149
	if os.Getenv("TOCSIN_PROVE") != "" {
		each = 1
	}
	schemas := map[string]*jsonschema.Schema{}
	for _, v := range append([]string{"4"}, oldVersions...) {
		schemas[v] = official(t, v)
	}
	for version, s := range schemas {
		t.Run(version, func(t *testing.T) {
			bases := generated(t, version, s)
			if each == 1 || version == "4" {
				bases = append(bases, samples(t, version, s)...)
			}
			n, valid, wrong := 0, 0, 0
			for _, base := range bases {
				mutate(base, each, func(raw []byte, what string) {
					n++
					s := schemas[versionOf(raw)] // the change may have been to the version
					want := s != nil && accepts(t, s, raw)
					if want {
						valid++
					}
					if why := disagreement(raw, want); why != "" {
						if wrong++; wrong < 10 {
							t.Errorf("%s: schema says %v, %s\n%s", what, want, why, raw)
						}
					}
				})
			}
			t.Logf("%d reports, %d of them valid, %d disagreements", n, valid, wrong)
		})
	}
}

// disagreement says how the rules, or a strict reading, differ from the schema's verdict. A strict reading refuses
// one thing that the schemas accept: a source that nobody can be found by.
func disagreement(raw []byte, want bool) string {
	if broken := xarf.Verdict(raw); want != (len(broken) == 0) {
		return fmt.Sprintf("the rules say %q", broken)
	}
	events, refused := outcome(report.Document{Reader: bytes.NewReader(raw), Strict: true})
	switch {
	case len(events)+len(refused) != 1:
		return fmt.Sprintf("a strict reading gives %d events and %d reasons", len(events), len(refused))
	case want && len(refused) == 1 && !sourceless.MatchString(refused[0].Reason):
		return "a strict reading says " + refused[0].Reason
	case !want && len(events) == 1:
		return "a strict reading accepts it"
	}
	return ""
}

var sourceless = regexp.MustCompile(`^(source_identifier .*|.* has a zone, .*|the report names no source: .*)$`)

// samples are the corpus's reports that are valid by the schema of their version.
func samples(t *testing.T, version string, s *jsonschema.Schema) []any {
	var all []any
	for _, entry := range append(corpustest.Entries(t, "xarf_v3"), corpustest.Entries(t, "xarf_v4")...) {
		raw, err := os.ReadFile(corpustest.Dir(t, filepath.FromSlash(entry.Path)))
		if err != nil {
			t.Fatal(err)
		}
		if versionOf(raw) != version || !accepts(t, s, raw) || len(raw) > 3000 {
			continue
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

// generated makes, for each type of a version, a report with every member that its schema names, and checks that the
// schema accepts it.
func generated(t *testing.T, version string, s *jsonschema.Schema) []any {
	t.Helper()
	l := corpusLoader{t}
	g := generator{t: t, loader: l}
	var all []any
	if version == "4" {
		const home = "https://xarf.org/schemas/v4/types/"
		for _, name := range slices.Sorted(slices.Values(xarf.Official())) {
			file := strings.Replace(name, "/", "-", 1) + ".json"
			if _, err := l.Load(home + file); err != nil {
				file = strings.ReplaceAll(file, "_", "-")
			}
			all = append(all, g.make(home+file))
		}
	} else {
		home := "https://raw.githubusercontent.com/xarf/schema-discussion/master/schemas/" + version + "/"
		root, err := l.Load(home + "xarf.schema.json")
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range root.(map[string]any)["oneOf"].([]any) {
			all = append(all, g.make(home+one.(map[string]any)["$ref"].(string)))
		}
	}
	for _, v := range all {
		if err := s.Validate(v); err != nil {
			raw, _ := json.Marshal(v)
			t.Fatalf("the generated report is not valid: %v\n%s", err, raw)
		}
	}
	return all
}

// generator makes values from the schema keywords that XARF uses.
type generator struct {
	t      *testing.T
	loader corpusLoader
}

func (g generator) make(address string) any {
	v := g.value(address, map[string]any{"$ref": address})
	if report, ok := v.(map[string]any)["Report"].(map[string]any); ok && report["ReportType"] == "Exploit" {
		maps.Copy(report["CVSS"].(map[string]any), map[string]any{ // what its conditions demand
			"Version": "3.1", "Severity": "High", "Vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
		})
	}
	return v
}

// resolve follows a reference, which is relative to the document it stands in.
func (g generator) resolve(base, ref string) (address string, schema map[string]any) {
	g.t.Helper()
	doc, pointer, _ := strings.Cut(ref, "#")
	address = base
	switch {
	case strings.HasPrefix(doc, "https:"):
		address = doc
	case strings.HasPrefix(doc, "../"):
		address = base[:strings.LastIndex(base[:strings.LastIndex(base, "/")], "/")+1] + doc[3:]
	case doc != "":
		address = base[:strings.LastIndex(base, "/")+1] + strings.TrimPrefix(doc, "./")
	}
	v, err := g.loader.Load(address)
	if err != nil {
		g.t.Fatal(err)
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if part != "" {
			v = v.(map[string]any)[part]
		}
	}
	return address, v.(map[string]any)
}

func (g generator) value(base string, schema map[string]any) any {
	if ref, ok := schema["$ref"].(string); ok {
		address, s := g.resolve(base, ref)
		return g.value(address, s)
	}
	if c, ok := schema["const"]; ok {
		return c
	}
	if e, ok := schema["enum"].([]any); ok {
		return e[len(e)-1]
	}
	merged := map[string]any{}
	for _, key := range []string{"allOf", "anyOf", "oneOf"} {
		parts, _ := schema[key].([]any)
		for _, part := range parts {
			v := g.value(base, part.(map[string]any))
			m, isObject := v.(map[string]any)
			if !isObject && v != nil {
				return g.scalar(schema, v)
			}
			maps.Copy(merged, m)
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, s := range properties {
		if v := g.value(base, s.(map[string]any)); v != nil {
			if old, ok := merged[name].(map[string]any); ok {
				maps.Copy(old, v.(map[string]any))
				continue
			}
			merged[name] = v
		}
	}
	if more, ok := schema["additionalProperties"].(map[string]any); ok {
		merged["further"] = g.value(base, more)
	}
	if len(merged) > 0 || schema["type"] == "object" {
		return merged
	}
	if items, ok := schema["items"].(map[string]any); ok {
		return []any{g.value(base, items)}
	}
	return g.scalar(schema, nil)
}

var patterns = []string{
	"4.2.0", "malware:mirai", "sha256:" + strings.Repeat("ab", 32), strings.Repeat("ab", 16), strings.Repeat("ab", 20),
	strings.Repeat("ab", 32), "GB", "GBP", "en-GB", "CVE-2024-12345", "example.com", "magnet:?xt=urn:btih:ab",
	"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
}

var formatSamples = map[string]string{
	"uuid": "550e8400-e29b-41d4-a716-446655440000", "date-time": "2026-03-01T02:10:00Z", "date": "2026-03-01",
	"email": "abuse@example.com", "hostname": "example.com", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1",
	"uri": "https://example.com/a",
}

func (g generator) scalar(schema map[string]any, otherwise any) any {
	if p, ok := schema["pattern"].(string); ok {
		re := regexp.MustCompile(p)
		for _, s := range patterns {
			if re.MatchString(s) {
				return s
			}
		}
		g.t.Fatalf("no sample for pattern %s", p)
	}
	if f, ok := schema["format"].(string); ok {
		return formatSamples[f]
	}
	if otherwise != nil {
		return otherwise
	}
	switch schema["type"] {
	case "string":
		return "some text"
	case "boolean":
		return true
	case "integer", "number":
		if m, ok := schema["minimum"].(json.Number); ok {
			return m
		}
		return json.Number("5")
	case "array":
		return []any{}
	}
	return nil
}

// replacements are put in the place of every value.
var replacements = func() []any {
	all := []any{nil, true, map[string]any{}, []any{}, []any{""}, []any{json.Number("1")}, []any{nil}}
	for _, n := range []string{
		"0", "-0.0", "-1", "1", "1.0", "1.5", "0.0000001", "1e2", "12.3e1", "100", "101", "99", "10.0001", "10",
		"1.00000000000000000000001", "0.99999999999999999999999", "45", "46", "65535", "65536", "65535.5",
		"4199999999", "4200000000", "4294967295", "4294967296", "5242880", "5242881", "1e30", "-1e30", "1e-30",
	} {
		all = append(all, json.Number(n))
	}
	for _, s := range []string{
		"", "x", "ab", "abc", "öäü", "3", "2", "3.1", "Person", "Org", "smtp", "SMTP", "tcp", "other", "none", "Low", "Critical",
		"192.0.2.1", "192.0.2.256", "192.0.2.01", "2001:db8::1", "2001:db8::g", "::ffff:192.0.2.1", "fe80::1%eth0",
		"example.com", "Example.COM.", "ex_ample.com", "-a.example", "a..b", "exam ple",
		"a@example.com", "a@b@example.com", ".a@example.com", `"a b"@example.com`, "a@[192.0.2.1]", "a@[IPv6:2001:db8::1]",
		"https://example.com/", "http://exa mple.com/", "//example.com/", "mailto:a@example.com", "http://[::1]/",
		"2026-03-01", "2026-02-30", "2026-03-01T02:10:00Z", "2026-03-01t02:10:00.123+01:00", "2026-03-01 02:10:00Z",
		"2026-03-01T24:00:00Z", "2026-03-01T23:59:60Z", "2026-03-01T22:59:60Z", "2026-03-01T02:10:00", "2026-03-01T02:10:00+0100",
		"2026-03-01T00:59:60+01:00", "0000-01-01T00:00:00Z",
		"550e8400-e29b-41d4-a716-446655440000", "550e8400e29b41d4a716446655440000", "550e8400-e29b-41d4-a716-44665544000g",
		"CVE-2024-1", "CVE-2024-12345", "cve-2024-12345", "CVE-2024-12345678", "sha1:ab", "sha1:", "md5:zz", "gb", "GB", "EN-gb", "en",
		"4.2.0", "4.10.12", "4.2", "5.0.0", "a:b", "A:b", "a:b:c", "magnet:?xt=urn:x",
		"CVSS:3.0/x", "CVSS:2.0/x", "AV:N/AC:L/Au:N/C:P/I:P/A:P", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
		strings.Repeat("ab", 16), strings.Repeat("ab", 20), strings.Repeat("ab", 32),
		strings.Repeat("é", 100), strings.Repeat("é", 101), strings.Repeat("é", 200), strings.Repeat("é", 201),
		strings.Repeat("é", 500), strings.Repeat("é", 501), strings.Repeat("é", 1000), strings.Repeat("é", 1001),
		strings.Repeat("é", 2000), strings.Repeat("é", 2001),
		"Content", "Activity", "Malware", "RPZ-Rewrite", "Link-Sharing", "spam", "messaging", "connection", "ddos",
	} {
		all = append(all, s)
	}
	return all
}()

// mutate calls see with base itself and with base changed in one place, every place in turn. Every
// member is dropped, and an unknown one put into every object; of the other changes, only each so many are made.
func mutate(base any, each int, see func(raw []byte, what string)) {
	n := 0
	encode := func(what string) {
		raw, err := json.Marshal(base)
		if err != nil {
			panic(err)
		}
		see(raw, what)
	}
	encode("unchanged")
	var walk func(v any, set func(any), path string)
	walk = func(v any, set func(any), path string) {
		for _, r := range replacements {
			if n++; n%each == 0 {
				set(r)
				encode(path + " replaced")
			}
		}
		switch v := v.(type) {
		case string:
			for _, s := range []string{v + "x", " " + v, strings.ToUpper(v)} {
				if n++; n%each == 0 {
					set(s)
					encode(path + " varied")
				}
			}
		case []any:
			for _, times := range []int{2, 5, 6, 10, 11, 20, 21, 50, 51} {
				if len(v) == 0 {
					break
				}
				if n++; n%each == 0 {
					set(slices.Repeat(v[:1], times))
					encode(fmt.Sprintf("%s %d times", path, times))
				}
			}
		}
		set(v)
		switch v := v.(type) {
		case []any:
			for i := range v {
				walk(v[i], func(x any) { v[i] = x }, fmt.Sprintf("%s.%d", path, i))
			}
		case map[string]any:
			v["stranger"] = "hello"
			encode(path + " with a stranger")
			delete(v, "stranger")
			for _, name := range slices.Sorted(maps.Keys(v)) {
				old := v[name]
				delete(v, name)
				encode(path + "." + name + " dropped")
				walk(old, func(x any) { v[name] = x }, path+"."+name)
			}
		}
	}
	walk(base, func(any) {}, "")
}
