package shadowserver

import (
	"fmt"
	"maps"
	"sort"
	"strings"
)

// The texts of types.txt and older.txt have one statement a line, # begins a comment:
//
//	role COLUMN ROLE                 what a column says where its type does not list it
//	group NAME COLUMN...             columns that often come together
//	name NAME = FILE                 another name of a report type
//	earlier FILE MEANING COLUMN=ROLE...  what the type and its columns meant before rows had a severity
//	add FILE COLUMN=ROLE...          roles of our own
//	type FILE | FEED | TITLE | MEANING | TAG | APPLICATION | TRANSPORT | COLUMN...
//
// MEANING is class/type or the name of a rule. COLUMN is a name, which has the role of its role statement or none;
// NAME=ROLE for another role; @GROUP; or =FILE for the columns of an earlier type.

// parseTable reads a text that builds on the roles of another; an error names its line.
func parseTable(text string, roles map[string]role) (table, error) {
	t := table{roles: map[string]role{}, earlier: map[string]edition{}}
	maps.Copy(t.roles, roles)
	groups := map[string][]column{}
	for i, line := range strings.Split(text, "\n") {
		if line, _, _ = strings.Cut(line, "#"); strings.TrimSpace(line) == "" {
			continue
		}
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if err := t.statement(word, strings.TrimSpace(rest), groups); err != nil {
			return t, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return t, nil
}

func (t *table) statement(word, rest string, groups map[string][]column) error {
	f := strings.Fields(rest)
	switch {
	case word == "role" && len(f) == 2:
		r, err := parseRole(f[1])
		t.roles[f[0]] = r
		return err
	case word == "group" && len(f) > 1:
		cols, err := t.columns(f[1:], groups)
		groups[f[0]] = cols
		return err
	case word == "name":
		alias, file, ok := strings.Cut(rest, " = ")
		if !ok {
			return fmt.Errorf("write: name NAME = FILE")
		}
		t.names = append(t.names, [2]string{alias, file})
		return nil
	case word == "earlier" && len(f) > 1:
		m, err := parseMeaning(f[1])
		if err != nil {
			return err
		}
		cols, err := t.columns(f[2:], groups)
		t.earlier[f[0]] = edition{m, cols}
		return err
	case word == "add" && len(f) > 1:
		cols, err := t.columns(f[1:], groups)
		for _, c := range cols {
			t.add = append(t.add, addition{f[0], c})
		}
		return err
	case word == "type":
		return t.parseType(rest, groups)
	}
	return fmt.Errorf("%q is no statement", word)
}

func (t *table) parseType(rest string, groups map[string][]column) error {
	f := strings.Split(rest, "|")
	if len(f) != 8 {
		return fmt.Errorf("a type has 8 parts, here are %d", len(f))
	}
	for i := range f {
		f[i] = strings.TrimSpace(f[i])
	}
	m, err := parseMeaning(f[3])
	if err != nil {
		return err
	}
	cols, err := t.columns(strings.Fields(f[7]), groups)
	if err != nil {
		return err
	}
	t.types = append(t.types, &reportType{
		file: f[0], feed: f[1], title: f[2], meaning: m, tag: f[4], app: f[5], proto: f[6], columns: cols,
	})
	return nil
}

func (t *table) columns(words []string, groups map[string][]column) ([]column, error) {
	var cols []column
	for _, w := range words {
		if g, ok := strings.CutPrefix(w, "@"); ok {
			if groups[g] == nil {
				return nil, fmt.Errorf("there is no group %q", g)
			}
			cols = append(cols, groups[g]...)
			continue
		}
		if file, ok := strings.CutPrefix(w, "="); ok {
			like := t.find(file)
			if like == nil {
				return nil, fmt.Errorf("there is no type %q before this line", file)
			}
			cols = append(cols, like.columns...)
			continue
		}
		c := column{w, t.roles[w]}
		if n, r, ok := strings.Cut(w, "="); ok {
			own, err := parseRole(r)
			if err != nil {
				return nil, err
			}
			c = column{n, own}
		}
		cols = append(cols, c)
	}
	return cols, nil
}

func (t *table) find(file string) *reportType {
	for _, x := range t.types {
		if x.file == file {
			return x
		}
	}
	return nil
}

// appendType writes the statement that parseType reads, with as few words as groups and earlier types allow.
func (t *table) appendType(b *strings.Builder, x *reportType, groups map[string][]string) {
	fmt.Fprintf(b, "type %s | %s | %s | %s | %s | %s | %s |", x.file, x.feed, x.title, x.meaning, x.tag, x.app, x.proto)
	for _, w := range t.words(x, groups) {
		b.WriteByte(' ')
		b.WriteString(w)
	}
	b.WriteByte('\n')
}

func (t *table) words(x *reportType, groups map[string][]string) []string {
	for _, y := range t.types {
		if y.file == x.file {
			break
		}
		if sameColumns(x.columns, y.columns) {
			return []string{"=" + y.file}
		}
	}
	left := map[string]role{}
	for _, c := range x.columns {
		left[c.name] = c.role
	}
	var words []string
	for _, g := range sortedKeys(groups) {
		fits := true
		for _, c := range groups[g] {
			r, ok := left[c]
			fits = fits && ok && r == t.roles[c]
		}
		if !fits {
			continue
		}
		words = append(words, "@"+g)
		for _, c := range groups[g] {
			delete(left, c)
		}
	}
	for _, c := range sortedKeys(left) {
		if left[c] != t.roles[c] {
			c += "=" + left[c].String()
		}
		words = append(words, c)
	}
	return words
}

func sameColumns(a, b []column) bool {
	if len(a) != len(b) {
		return false
	}
	roles := map[string]role{}
	for _, c := range a {
		roles[c.name] = c.role
	}
	for _, c := range b {
		if r, ok := roles[c.name]; !ok || r != c.role {
			return false
		}
	}
	return true
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
