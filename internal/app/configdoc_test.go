package app_test

import (
	"encoding"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"tocsin/internal/access"
	"tocsin/internal/app"
	"tocsin/internal/network"
	"tocsin/internal/report"
)

const configPage = "../../docs/config.md"

const configIntro = `# Config
<!-- Written by go test ./internal/app -run TestConfigPage -update from the comments in the code: change them there. -->

%s

` + "`tocsin init DIR` writes a file to begin with, and `tocsin config check FILE` says everything that is wrong with one," + `
each fault with its line. A key that is not listed here is a fault, so that a slip of the pen does not go unseen; so are
anchors and tags of YAML. A key without a value keeps its default. The file is read at the start: restart the node after
a change. The files under ` + "`network.tables`" + ` are read again whenever they change. ` + "`intelmq.json`" + `, Shadowserver's own
table of report types, is no key: where it lies in the data directory, it takes over at the next start.

Durations are written like ` + "`90s`, `30m`, `720h`" + `: a day is 24h. ` + "`[]`" + ` marks a list, of which each entry has the keys
below it.
`

// TestConfigPage writes docs/config.md from the comments beside the fields and compares.
func TestConfigPage(t *testing.T) {
	cfg := app.Defaults("")
	cfg.Intake, cfg.Stream = cfg.Intake.WithDefaults(), cfg.Stream.WithDefaults()
	p := &page{comments: map[string]map[string]string{}}
	fmt.Fprintf(&p.out, configIntro, operators(p.comment(t, reflect.TypeFor[app.Config](), ""), app.FileName))
	p.section(t, reflect.ValueOf(cfg), "", true)
	golden(t, configPage, p.out.String())
}

type page struct {
	out      strings.Builder
	comments map[string]map[string]string // by package and type, by field; "" is the type's own
}

// section writes the keys of a struct: first plain ones, then a heading for each section below. known says whether v
// holds defaults, which an entry of a list does not.
func (p *page) section(t *testing.T, v reflect.Value, key string, known bool) {
	t.Helper()
	var below []int
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := yamlTag(f)
		about := p.comment(t, v.Type(), f.Name)
		elem := f.Type
		if elem.Kind() == reflect.Slice {
			elem = elem.Elem()
		}
		if elem.Kind() == reflect.Struct && !isText(elem) {
			below = append(below, i)
			continue
		}
		if about == "" {
			t.Errorf("%s.%s has no comment: it is the manual", v.Type(), f.Name)
		}
		fmt.Fprintf(&p.out, "\n**`%s`** (%s%s)\n\n%s\n", key+name, typeName(t, f.Type), defaultText(v.Field(i), known),
			operators(about, name))
	}
	for _, i := range below {
		f := v.Type().Field(i)
		name, value, list := key+yamlTag(f), v.Field(i), false
		if f.Type.Kind() == reflect.Slice {
			name, value, list = name+"[]", reflect.New(f.Type.Elem()).Elem(), true
		}
		about := p.comment(t, v.Type(), f.Name)
		if whole := p.comment(t, value.Type(), ""); about == "" || list && len(whole) > 2*len(about) {
			about = whole // says more
		}
		fmt.Fprintf(&p.out, "\n%s `%s`\n%s\n", strings.Repeat("#", 2+strings.Count(key, ".")), name, operators(about, yamlTag(f)))
		p.section(t, value, name+".", known && !list)
	}
}

// comment returns the comment of a struct's field, or with an empty field of the struct.
func (p *page) comment(t *testing.T, typ reflect.Type, field string) string {
	t.Helper()
	id := typ.PkgPath() + "." + typ.Name()
	if p.comments[id] == nil {
		dir := filepath.Join("..", "..", filepath.FromSlash(strings.TrimPrefix(typ.PkgPath(), "tocsin/")))
		p.comments[id] = readComments(t, dir, typ.Name())
	}
	return p.comments[id][field]
}

func readComments(t *testing.T, dir, name string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no Go files in %s", dir)
	}
	all := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || len(g.Specs) != 1 {
				continue
			}
			spec, ok := g.Specs[0].(*ast.TypeSpec)
			if !ok || spec.Name.Name != name {
				continue
			}
			all[""] = g.Doc.Text()
			for _, f := range spec.Type.(*ast.StructType).Fields.List {
				for _, n := range f.Names {
					all[n.Name] = f.Doc.Text()
				}
			}
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s has no type %s", dir, name)
	}
	return all
}

var begins = regexp.MustCompile(`^\w+ (is|are|says|begins|limits|holds)\b`)

// operators makes a comment an operator's text: the Go name that it begins with becomes the key's.
func operators(text, key string) string {
	text = strings.TrimSpace(text)
	if m := begins.FindStringSubmatch(text); m != nil && m[0][0] >= 'A' && m[0][0] <= 'Z' {
		return "`" + key + "` " + strings.TrimPrefix(text, strings.TrimSuffix(m[0], m[1]))
	}
	return text
}

func yamlTag(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}

func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func typeName(t *testing.T, typ reflect.Type) string {
	t.Helper()
	switch typ {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[time.Time]():
		return "time"
	case reflect.TypeFor[netip.Prefix]():
		return "prefix"
	case reflect.TypeFor[[]netip.Prefix]():
		return "list of prefixes"
	case reflect.TypeFor[[]network.ASN]():
		return "list of AS numbers"
	case reflect.TypeFor[*report.TLP]():
		return "TLP label"
	case reflect.TypeFor[report.Grade]():
		return "grade of the Admiralty code"
	case reflect.TypeFor[map[string]time.Duration]():
		return "durations by name"
	case reflect.TypeFor[[]access.Role]():
		return "list of roles"
	case reflect.TypeFor[map[string][]access.Role]():
		return "lists of roles by name"
	case reflect.TypeFor[[]string]():
		return "list of names"
	case reflect.TypeFor[map[string]string]():
		return "texts by name"
	case reflect.TypeFor[map[string][]string]():
		return "lists by name"
	case reflect.TypeFor[map[string]map[string]string]():
		return "tables by name"
	}
	switch typ.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Uint16:
		return "whole number"
	}
	t.Errorf("say here what an operator calls a %s", typ)
	return ""
}

func defaultText(v reflect.Value, known bool) string {
	if !known || v.IsZero() {
		return ""
	}
	switch d := v.Interface().(type) {
	case time.Duration:
		return ", default `" + short(d) + "`"
	case map[string]time.Duration:
		var all []string
		for _, k := range []string{"default", "vulnerable"} {
			all = append(all, "`"+k+": "+short(d[k])+"`")
		}
		if len(d) != len(all) {
			return "the defaults have names that configdoc_test.go does not know"
		}
		return ", default " + strings.Join(all, ", ")
	}
	return fmt.Sprintf(", default `%v`", v)
}

// short writes a duration as people do: 1h, not 1h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
