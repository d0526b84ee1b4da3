// Package intelmq reads and writes events of IntelMQ in the JSON of its data harmonisation, versions 1 to 3: what its
// file and HTTP outputs write and its JSON parser reads. docs/formats/intelmq.md says what becomes of each field.
package intelmq

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"tocsin/internal/formats/internal/jsondoc"
	"tocsin/internal/report"
)

// Spec names the specification that this package follows.
const Spec = "IntelMQ data harmonisation 3.x, 2.x and 1.x as JSON (https://docs.intelmq.org/latest/dev/data-format/)"

// limits of one event. raw is the largest field: the source's line in base64.
var limits = jsondoc.Limits{Bytes: 16 << 20, Depth: 32, Noun: "event"}

// Detect reports whether head, the first bytes of the document, begins with a JSON object, or a list of them, that has
// the field names of IntelMQ: with dots, or as objects inside of each other where the output is hierarchical.
func Detect(_ report.Document, head []byte) bool {
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	dec := jsontext.NewDecoder(bytes.NewBuffer(head), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	open, err := dec.ReadToken()
	if err == nil && open.Kind() == '[' {
		open, err = dec.ReadToken()
	}
	if err != nil || open.Kind() != '{' {
		return false
	}
	has, known := map[string]bool{}, 0
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			break
		}
		n := name.String()
		if has[n] = true; isKnown(n) {
			known++
		}
		if inner := n == "classification" || n == "source" || n == "feed"; inner && dec.PeekKind() == '{' {
			v, err := dec.ReadValue()
			if err != nil {
				break
			}
			has[n+".type"] = has[n+".type"] || n == "classification" && bytes.Contains(v, []byte(`"type"`))
			has[n+".{"] = true
			continue
		}
		if err := dec.SkipValue(); err != nil {
			break // cut off here, or broken: what was seen decides
		}
	}
	if has["xarf_version"] || has["Version"] && has["ReporterInfo"] {
		return false
	}
	return has["classification.type"] && (known >= 2 || has["source.{"] || has["feed.{"]) || known >= 3 || known == 2 && has["__type"]
}

// isKnown reports whether a name is one of the harmonisation that nobody else has: with a dot in it.
func isKnown(name string) bool {
	return strings.Contains(name, ".") && (members[name] || types[name] != 0)
}

// Parse yields one event for each in the document: one object, objects one after the other, or a list of them.
func Parse(doc report.Document) iter.Seq2[report.Event, error] {
	return func(yield func(report.Event, error) bool) {
		in := jsondoc.NewReader(doc.Reader, limits)
		for {
			raw, wrong, err := in.Next()
			switch {
			case errors.Is(err, io.EOF):
				if in.Row() == 0 && wrong == "" {
					yield(report.Event{}, &report.RowError{Reason: "the document is empty: it holds no event"})
				}
				return
			case err != nil:
				yield(report.Event{}, &report.RowError{Reason: fmt.Sprintf("the document cannot be read to its end: %v", err)})
				return
			}
			var e report.Event
			if wrong == "" {
				e, wrong = build(raw)
			}
			if wrong != "" {
				if !yield(report.Event{}, &report.RowError{Row: in.Row(), Reason: wrong}) || in.Row() == 0 {
					return
				}
				continue
			}
			e.Row = in.Row()
			if !yield(e, nil) {
				return
			}
		}
	}
}

// field is one field of an event, with its full name.
type field struct {
	name  string
	value string // the characters of a text; anything else as JSON
	text  bool
	used  bool // has a member of the event, so it is no detail
}

// flat takes an event apart into fields with dots in their names. Null says nothing and is left out.
type flat struct {
	fields []field
	at     map[string]int
}

const maxFields = report.MaxDetails + 64

// read takes one object apart, or says in a sentence why it cannot be used.
func (f *flat) read(raw []byte) (wrong string) {
	f.at = map[string]int{}
	dec := jsontext.NewDecoder(bytes.NewReader(raw)) // refuses repeated names and bytes that are not UTF-8
	if err := f.object(dec, "", 0); err != nil {
		return err.Error()
	}
	return ""
}

func (f *flat) object(dec *jsontext.Decoder, prefix string, depth int) error {
	if depth > limits.Depth {
		return errors.New(limits.TooDeep())
	}
	if _, err := dec.ReadToken(); err != nil {
		return sayJSON(err)
	}
	for dec.PeekKind() == '"' {
		tok, err := dec.ReadToken()
		if err != nil {
			return sayJSON(err)
		}
		if err := f.value(dec, prefix+tok.String(), depth); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return sayJSON(err)
}

func (f *flat) value(dec *jsontext.Decoder, name string, depth int) error {
	switch dec.PeekKind() {
	case 'n':
		_, err := dec.ReadToken()
		return sayJSON(err)
	case '"':
		tok, err := dec.ReadToken()
		if err != nil {
			return sayJSON(err)
		}
		s := tok.String()
		if name == "extra" && strings.HasPrefix(strings.TrimSpace(s), "{") { // version 1: JSON in a text
			inner := jsontext.NewDecoder(strings.NewReader(s))
			if v, err := inner.ReadValue(); err == nil {
				return f.object(jsontext.NewDecoder(bytes.NewReader(bytes.Clone(v))), "extra.", depth+1)
			}
		}
		return f.add(field{name: name, value: s, text: true})
	}
	v, err := dec.ReadValue()
	if err != nil {
		return sayJSON(err)
	}
	if v.Kind() == '{' && len(bytes.Trim(v, "{} \t\r\n")) > 0 {
		return f.object(jsontext.NewDecoder(bytes.NewReader(bytes.Clone(v))), name+".", depth+1)
	}
	v = v.Clone()
	if err := v.Compact(); err != nil {
		return sayJSON(err)
	}
	return f.add(field{name: name, value: string(v)})
}

func (f *flat) add(one field) error {
	if len(f.fields) == maxFields {
		return fmt.Errorf("the event has more than %d fields", maxFields)
	}
	if _, twice := f.at[one.name]; twice {
		return fmt.Errorf("the event has the field %s twice", quote(one.name))
	}
	f.at[one.name] = len(f.fields)
	f.fields = append(f.fields, one)
	return nil
}

func sayJSON(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the event is not JSON: %s", strings.TrimPrefix(err.Error(), "jsontext: "))
}

// get returns a field's value and a mark to set when it has become a member of the event; "" when it is not there.
func (f *flat) get(name string) (string, *bool) {
	if i, ok := f.at[name]; ok {
		return f.fields[i].value, &f.fields[i].used
	}
	return "", new(bool)
}
