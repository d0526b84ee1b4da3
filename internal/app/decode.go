package app

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"tocsin/internal/report"
)

// ConfigError is everything that is wrong with a config file, in the order of its lines.
type ConfigError struct {
	Path   string
	Faults []Fault
}

// Fault is one thing that is wrong with a config file.
type Fault struct {
	Line int    // from 1; 0 where the fault is of the file as a whole
	Key  string // as network.own[0].name; may be empty
	Rule string // a sentence that says what to do

	nth int // of the keys in the file: faults of one line stand in this order
}

// Error says each fault on a line of its own, as FILE:LINE: key: sentence.
func (e *ConfigError) Error() string {
	var b strings.Builder
	for i, f := range e.Faults {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(e.Path)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d", f.Line)
		}
		b.WriteString(": ")
		if f.Key != "" && !strings.Contains(f.Rule, f.Key) {
			b.WriteString(f.Key + ": ")
		}
		b.WriteString(f.Rule)
	}
	return b.String()
}

// decoder writes a YAML document over a config that holds the defaults. The YAML library's own decoder stops at the
// first fault; this one goes on, so that `tocsin config check` says everything at once, and remembers on which line
// each key is, so that Validate's faults have lines too.
type decoder struct {
	faults []Fault
	unread []string         // keys whose value could not be read
	places map[string]place // of each key
}

// place is where a key stands in the file.
type place struct {
	line int
	nth  int // among all keys
}

func (d *decoder) at(key string, line int) { d.places[key] = place{line, len(d.places)} }

// decode reads text over cfg. What is left out, or null, keeps its default.
func decode[T any](text []byte, cfg *T) *decoder {
	d := &decoder{places: map[string]place{}}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		d.syntax(err)
		return d
	}
	read := false
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.CommentType:
		case read:
			d.bad(doc.Body, "", "a second document begins here: one file holds one config, remove the line ---")
		default:
			d.value(reflect.ValueOf(cfg).Elem(), doc.Body, "")
			read = true
		}
	}
	return d
}

func (d *decoder) syntax(err error) {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil {
		d.faults = append(d.faults, Fault{Rule: "this is no YAML: " + err.Error()})
		return
	}
	d.faults = append(d.faults, Fault{Line: at.GetToken().Position.Line, Rule: "this is no YAML: " + at.GetMessage()})
}

func (d *decoder) bad(n ast.Node, key, format string, args ...any) {
	d.faults = append(d.faults, Fault{lineOf(n), key, fmt.Sprintf(format, args...), len(d.places)})
	d.unread = append(d.unread, key)
}

func lineOf(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}

// value reads n into v, which stands at key.
func (d *decoder) value(v reflect.Value, n ast.Node, key string) {
	switch n := n.(type) {
	case *ast.NullNode:
		return // keeps its default
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		d.bad(n, key, "anchors, aliases and tags are not read in a config: write the value out")
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if _, text := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); text {
		d.scalar(v, n, key)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.section(v, n, key)
	case reflect.Slice:
		d.list(v, n, key)
	case reflect.Map:
		d.table(v, n, key)
	default:
		d.scalar(v, n, key)
	}
}

// section reads a mapping into a struct.
func (d *decoder) section(v reflect.Value, n ast.Node, key string) {
	pairs, ok := n.(ast.MapNode)
	if !ok {
		d.bad(n, key, "%s holds keys: write each on a line of its own, as key: value", cmp.Or(key, "the config"))
		return
	}
	fields := map[string]int{}
	for i := range v.NumField() {
		fields[yamlName(v.Type().Field(i))] = i
	}
	for it := pairs.MapRange(); it.Next(); {
		name := it.Key().GetToken().Value
		at := join(key, name)
		i, known := fields[name]
		if !known {
			d.bad(it.Key(), at, "there is no key %s%s", at, instead(name, fields))
			continue
		}
		d.at(at, lineOf(it.Key()))
		d.value(v.Field(i), it.Value(), at)
	}
}

func (d *decoder) list(v reflect.Value, n ast.Node, key string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.bad(n, key, "%s is a list: write [a, b], or each entry on a line that begins with -", key)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values)))
	for i, item := range seq.Values {
		at := fmt.Sprintf("%s[%d]", key, i)
		line := lineOf(item)
		if pairs, ok := item.(ast.MapNode); ok { // its token is the colon
			if it := pairs.MapRange(); it.Next() {
				line = lineOf(it.Key())
			}
		}
		d.at(at, line)
		d.value(v.Index(i), item, at)
	}
}

// table reads a mapping of free names. What the defaults say of other names stays.
func (d *decoder) table(v reflect.Value, n ast.Node, key string) {
	pairs, ok := n.(ast.MapNode)
	if !ok {
		d.bad(n, key, "%s holds names and values: write each on a line of its own, as name: value", key)
		return
	}
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	for it := pairs.MapRange(); it.Next(); {
		name := it.Key().GetToken().Value
		at := join(key, name)
		d.at(at, lineOf(it.Key()))
		one := reflect.New(v.Type().Elem()).Elem()
		before := len(d.faults)
		d.value(one, it.Value(), at)
		if len(d.faults) == before && it.Value().Type() != ast.NullType {
			v.SetMapIndex(reflect.ValueOf(name), one)
		}
	}
}

func (d *decoder) scalar(v reflect.Value, n ast.Node, key string) {
	text, ok := scalarText(n)
	if !ok {
		d.bad(n, key, "%s is one value, not a list and not a section", key)
		return
	}
	if err := setScalar(v, text); err != nil {
		d.bad(n, key, "%v", err)
	}
}

// scalarText is a value as it was written, without quotes: 64500, 1.10 and off are what they look like.
func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func setScalar(v reflect.Value, text string) error {
	switch p := v.Addr().Interface().(type) {
	case *time.Duration:
		t, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is no duration: write 90s, 12h or 720h (a day is 24h)", text)
		}
		*p = t
		return nil
	case encoding.TextUnmarshaler:
		if err := p.UnmarshalText([]byte(text)); err != nil {
			if v.Type().PkgPath() == "net/netip" {
				return fmt.Errorf("%q is no prefix: write it like 198.51.100.0/24 or 2001:db8::/32", text)
			}
			return err
		}
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(text == "true")
	case reflect.Int, reflect.Int64:
		i, err := strconv.ParseInt(text, 0, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is no whole number", text)
		}
		v.SetInt(i)
	case reflect.Uint16:
		i, err := strconv.ParseUint(text, 0, 16)
		if err != nil {
			return fmt.Errorf("%q is no whole number from 0 to 65535", text)
		}
		v.SetUint(i)
	default:
		return fmt.Errorf("this key cannot be read, which is a fault of Tocsin's: its type is %s", v.Type())
	}
	return nil
}

// validation adds what Validate found, each at the line of its key or of the nearest key above. What follows only from
// a value that could not be read is left out.
func (d *decoder) validation(err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			d.validation(one)
		}
		return
	}
	var f *report.FieldError
	if !errors.As(err, &f) {
		if err != nil { // of the config as a whole
			d.faults = append(d.faults, Fault{Rule: err.Error()})
		}
		return
	}
	if slices.ContainsFunc(d.unread, func(key string) bool { return within(f.Field, key) }) {
		return
	}
	var p place
	for key := f.Field; p.line == 0 && key != ""; key = key[:max(strings.LastIndexAny(key, ".["), 0)] {
		p = d.places[key]
	}
	d.faults = append(d.faults, Fault{p.line, f.Field, f.Rule, p.nth})
}

// err returns all faults in the order of their lines, or nil.
func (d *decoder) err(path string) error {
	if len(d.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(d.faults, func(a, b Fault) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.nth, b.nth)) })
	return &ConfigError{path, d.faults}
}

// within reports whether a field is what stands at key, or a part of it.
func within(field, key string) bool {
	rest, ok := strings.CutPrefix(field, key)
	return ok && key != "" && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// instead names the key that was meant, or all that there are.
func instead(name string, fields map[string]int) string {
	known := make([]string, len(fields))
	for f, i := range fields {
		known[i] = f
	}
	for _, f := range known {
		if distance(strings.ToLower(name), f) <= 2 {
			return ": did you mean " + f + "?"
		}
	}
	return ": there are " + strings.Join(known, ", ")
}

// distance is how many letters have to be changed, added or taken away (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			step := diagonal
			if a[i] != b[j] {
				step++
			}
			diagonal = row[j+1]
			row[j+1] = min(step, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
