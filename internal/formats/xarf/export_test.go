package xarf

import "encoding/json"

// Decode returns the tree of one object as encoding/json would.
func Decode(raw []byte) (v any, wrong string) {
	var t tree
	if wrong := t.read(raw); wrong != "" {
		return nil, wrong
	}
	var at func(i int) any
	at = func(i int) any {
		v := t.v[i]
		switch v.kind {
		case object:
			m := map[string]any{}
			for j := i + 1; j < v.end; j = t.v[j].end {
				m[string(t.v[j].name)] = at(j)
			}
			return m
		case list:
			all := []any{}
			for j := i + 1; j < v.end; j = t.v[j].end {
				all = append(all, at(j))
			}
			return all
		case text:
			return string(v.text)
		case number:
			return json.Number(v.text)
		case boolean:
			return string(v.text) == "true"
		}
		return nil
	}
	return at(0), ""
}

// Verdict returns what the rules find broken in one report, which is nothing where its schema would accept it.
func Verdict(raw []byte) []string {
	b := &builder{}
	if wrong := b.tree.read(raw); wrong != "" {
		return []string{wrong}
	}
	b.start(&b.tree)
	if b.at("xarf_version") != 0 {
		b.checkV4(b.str(b.at("category")), b.str(b.at("type")))
		return b.broken
	}
	version := b.str(b.at("Version"))
	if b.at("Version") == 0 {
		version = "alpha"
	}
	if !b.checkLegacy(version) {
		return []string{"unknown version"}
	}
	return b.broken
}

// Known lists category/type of every meaning, so that a test can ask whether each is a kind of RSIT.
func Known() map[string]string {
	all := map[string]string{}
	for category, types := range v4Meanings {
		for name, m := range types {
			all[category+"/"+name] = m.kind.String()
		}
	}
	for name, m := range legacyMeanings {
		all["legacy/"+name] = m.kind.String()
	}
	return all
}

// Official lists category/type of the 32 types of 4.2.
func Official() []string {
	var all []string
	for name := range v4Types {
		all = append(all, name)
	}
	return all
}

// Limits for tests.
const (
	MaxBytes = maxBytes
	MaxDepth = maxDepth
)
