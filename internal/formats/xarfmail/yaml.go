package xarfmail

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Limits of one report's YAML, checked before it is decoded. The schemas know no nesting at all.
const (
	maxReports = 1000 // in one document
	maxFields  = 200
	maxLevels  = 8 // of brackets, and of list items on one line
)

// known are the fields by which a report is recognised, in lower case: those that all schemas share.
var known = map[string]bool{
	"reported-from": true, "report-id": true, "category": true, "report-type": true, "user-agent": true, "date": true,
	"source": true, "source-type": true, "attachment": true, "schema-url": true, "version": true,
}

// isReport reports whether a text is a report: it begins, after comments and "---", with lines of "Name: value", and
// has the fields that make one. Where the mail's header says that it is X-ARF, two of these are enough, so that a
// damaged report is refused with its fault and not passed over.
func isReport(text []byte, says bool) bool {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	have, seen := map[string]bool{}, 0
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, " \t\r\n")
		if len(line) == 0 || line[0] == '#' || string(line) == "---" || line[0] == '%' {
			continue
		}
		name, value, ok := strings.Cut(string(line), ":")
		ok = ok && (value == "" || value[0] == ' ' || value[0] == '\t') && isName(name)
		if !ok && seen == 0 {
			return false // prose comes first: somebody quotes a report
		}
		if seen++; seen > maxFields {
			break
		}
		if name = strings.ToLower(name); ok && known[name] {
			have[name] = true
		}
	}
	if says {
		return len(have) >= 2 && (have["report-type"] || have["category"] || have["schema-url"])
	}
	return len(have) >= 5 && have["report-type"] && have["source"]
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// documents cuts a text at its lines "---" and "...", which mean that wherever they begin a line (YAML 1.2 §9.1.2),
// and ends it at the line that begins a mail's signature.
func documents(text []byte) [][]byte {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	var all [][]byte
	begin, at := 0, 0
	end := func(to int) {
		if one := text[begin:to]; !blank(one) {
			all = append(all, one)
		}
	}
	for line := range bytes.Lines(text) {
		next := at + len(line)
		switch bare := string(bytes.TrimRight(line, "\r\n")); strings.TrimRight(bare, " \t") {
		case "---", "...":
			end(at)
			begin = next
		case "--":
			end(at)
			return all
		}
		at = next
	}
	end(len(text))
	return all
}

// blank reports whether a document says nothing: no line but empty ones and comments.
func blank(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' && line[0] != '%' {
			return false
		}
	}
	return true
}

// kind is what a YAML value is, as far as the schemas ask.
type kind int

const (
	text kind = iota
	whole
	number
	other
)

// field is one "Name: value" of a report.
type field struct {
	name  string
	value string // as it is written, quotes and folding undone
	kind  kind
	used  bool // has a member of the event, so it is no detail
}

// fields takes a report apart, or says in a sentence why it cannot be.
func fields(doc []byte) (all []field, why string) {
	if len(doc) > reportBytes {
		return nil, fmt.Sprintf("the X-ARF report is longer than %d bytes: send the evidence as a part of its own", reportBytes)
	}
	if i := bytes.IndexFunc(doc, func(r rune) bool { return r == 0xfffd || r < ' ' && r != '\n' && r != '\r' && r != '\t' }); i >= 0 {
		return nil, fmt.Sprintf("the X-ARF report has a byte that is no text in line %d", 1+bytes.Count(doc[:i], []byte("\n")))
	}
	if line := tooDeep(doc); line > 0 {
		return nil, fmt.Sprintf("values stand inside each other more than %d deep in line %d of the X-ARF report", maxLevels, line)
	}
	doc = bytes.ReplaceAll(doc, []byte("\r\n"), []byte("\n"))
	file, err := parser.ParseBytes(doc, 0)
	if err != nil {
		return nil, "the X-ARF report is not YAML: " + fault(err)
	}
	if len(file.Docs) == 0 {
		return nil, "the X-ARF report is empty"
	}
	var members []*ast.MappingValueNode
	switch body := file.Docs[0].Body.(type) {
	case *ast.MappingNode:
		members = body.Values
	case *ast.MappingValueNode:
		members = []*ast.MappingValueNode{body}
	default:
		return nil, "the X-ARF report is YAML without fields: write each as \"Name: value\""
	}
	for _, m := range members {
		if all, why = add(all, m.Key.String(), m.Value, 1); why != "" {
			return nil, why
		}
	}
	return all, ""
}

// fault is what the YAML reader says, on one line.
func fault(err error) string {
	var bad yaml.Error
	if !errors.As(err, &bad) {
		return strings.Join(strings.Fields(err.Error()), " ")
	}
	s := strings.Join(strings.Fields(bad.GetMessage()), " ")
	if tk := bad.GetToken(); tk != nil && tk.Position != nil {
		s = fmt.Sprintf("%s in line %d", s, tk.Position.Line)
	}
	return s
}

// tooDeep looks at the text before it is decoded: more open brackets than maxLevels, or more list items or keys that
// begin on one line. It returns the line, 0 when there is none. Brackets in values count too, which harms nobody.
func tooDeep(doc []byte) int {
	open, n := 0, 0
	for line := range bytes.Lines(doc) {
		n++
		starts := 0
		for rest := bytes.TrimLeft(line, " \t"); len(rest) > 1 && (rest[0] == '-' || rest[0] == '?' || rest[0] == ':') &&
			(rest[1] == ' ' || rest[1] == '\t'); starts++ {
			rest = bytes.TrimLeft(rest[1:], " \t")
		}
		if len(line) > 0 && line[0] != ' ' && line[0] != '\t' {
			open = 0 // a new field: brackets of a text before it do not add up
		}
		for _, c := range line {
			switch c {
			case '[', '{':
				open++
			case ']', '}':
				open = max(open-1, 0)
			}
			if open > 8*maxLevels {
				return n
			}
		}
		if starts > maxLevels {
			return n
		}
	}
	return 0
}

// add appends what a value says; members of lists and mappings get names with dots.
func add(all []field, name string, v ast.Node, depth int) (_ []field, why string) {
	name = strings.Trim(name, `"'`)
	switch {
	case len(all) == maxFields:
		return nil, fmt.Sprintf("the X-ARF report has more than %d fields", maxFields)
	case depth > maxLevels:
		return nil, fmt.Sprintf("values stand inside each other more than %d deep in the field %s", maxLevels, quote(name))
	}
	switch v := v.(type) {
	case *ast.NullNode:
		return append(all, field{name: name, kind: other}), ""
	case *ast.StringNode:
		return append(all, field{name: name, value: v.Value}), ""
	case *ast.LiteralNode:
		return append(all, field{name: name, value: strings.TrimRight(v.Value.Value, "\n")}), ""
	case *ast.IntegerNode:
		return append(all, field{name: name, value: v.Token.Value, kind: whole}), ""
	case *ast.FloatNode:
		return append(all, field{name: name, value: v.Token.Value, kind: number}), ""
	case *ast.BoolNode:
		return append(all, field{name: name, value: v.Token.Value, kind: other}), ""
	case *ast.InfinityNode:
		return append(all, field{name: name, value: v.Token.Value, kind: other}), ""
	case *ast.NanNode:
		return append(all, field{name: name, value: v.Token.Value, kind: other}), ""
	case *ast.SequenceNode:
		if len(v.Values) == 0 {
			return append(all, field{name: name, value: "[]", kind: other}), ""
		}
		for i, item := range v.Values {
			if all, why = add(all, fmt.Sprintf("%s.%d", name, i), item, depth+1); why != "" {
				return nil, why
			}
		}
		return all, ""
	case *ast.MappingNode:
		if len(v.Values) == 0 {
			return append(all, field{name: name, value: "{}", kind: other}), ""
		}
		for _, m := range v.Values {
			if all, why = add(all, name+"."+strings.Trim(m.Key.String(), `"'`), m.Value, depth+1); why != "" {
				return nil, why
			}
		}
		return all, ""
	case *ast.MappingValueNode:
		return add(all, name+"."+strings.Trim(v.Key.String(), `"'`), v.Value, depth+1)
	}
	// Anchors, aliases, merge keys and tags: nothing that a report needs, and how a small text becomes a large one.
	return nil, fmt.Sprintf("the field %s of the X-ARF report is an anchor, alias or tag: write its value out", quote(name))
}
