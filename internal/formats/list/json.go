package list

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Limits of JSON: a record is held whole.
const (
	maxRecordBytes = 16 << 20
	maxDepth       = 16 // of what becomes columns; what is deeper stays one value, as its JSON
)

// jsonSource reads records out of a JSON document, or out of lines of JSON.
type jsonSource struct {
	p     *plan
	lines *lineReader // one object a line
	dec   *json.Decoder
	fuel  *fuel
	first string
	stack []level
	flat  flattener
	queue []json.RawMessage // entries of Each not yet yielded
	outer int               // columns of the record around them
	rec   record
	keys  []string // the last key of each * of the path
}

// level is a place in the document on the way to the records.
type level struct {
	object bool
	ways   [][]string // what is left of the paths that lead on from here
}

// fuel lets a decoder read only so much for one record.
type fuel struct {
	r    io.Reader
	left int
}

var errGiant = errors.New("a record is larger than 16 MiB")

func (f *fuel) Read(b []byte) (int, error) {
	if f.left <= 0 {
		return 0, errGiant
	}
	n, err := f.r.Read(b[:min(len(b), f.left)])
	f.left -= n
	return n, err
}

func newJSONSource(p *plan, r io.Reader) *jsonSource {
	s := &jsonSource{p: p}
	head, r := peek(r)
	s.first = head[:min(len(head), headBytes)]
	text := strings.TrimLeft(strings.TrimPrefix(head, "\ufeff"), " \t\r\n")
	if line, _, more := strings.Cut(text, "\n"); strings.HasPrefix(text, "{") && p.Records == "" &&
		(more && json.Valid([]byte(line)) || !more && json.Valid([]byte(strings.TrimSpace(line)))) {
		s.lines = newLineReader(r)
		return s
	}
	if strings.HasPrefix(head, "\ufeff") {
		_, _ = io.CopyN(io.Discard, r, int64(len("\ufeff")))
	}
	s.fuel = &fuel{r: r, left: maxRecordBytes}
	s.dec = json.NewDecoder(s.fuel)
	s.dec.UseNumber()
	return s
}

func (s *jsonSource) head() string { return s.first }

func (s *jsonSource) next() (*record, error) {
	for {
		if len(s.queue) > 0 {
			one := s.queue[0]
			s.queue = s.queue[1:]
			s.flat.cut(s.outer)
			s.flat.add(strings.Join(s.p.each, "."), one, 0)
			return s.record()
		}
		raw, err := s.raw()
		if err != nil {
			return nil, err
		}
		if rec, err := s.begin(raw); rec != nil || err != nil {
			return rec, err
		}
	}
}

// raw returns the next record as it stands.
func (s *jsonSource) raw() (json.RawMessage, error) {
	if s.lines != nil {
		for {
			line, err := s.lines.line()
			if err != nil {
				return nil, err
			}
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			if !json.Valid([]byte(line)) {
				return nil, badRecord("the line is no JSON")
			}
			return json.RawMessage(line), nil
		}
	}
	return s.walk()
}

// walk goes on to the next value that a path leads to.
func (s *jsonSource) walk() (json.RawMessage, error) {
	for {
		s.fuel.left = maxRecordBytes
		if len(s.stack) == 0 {
			raw, err := s.top()
			if raw != nil || err != nil {
				return raw, err
			}
			continue
		}
		at := &s.stack[len(s.stack)-1]
		if !s.dec.More() {
			if _, err := s.dec.Token(); err != nil {
				return nil, s.broken(err)
			}
			s.stack = s.stack[:len(s.stack)-1]
			continue
		}
		key := ""
		if at.object {
			t, err := s.dec.Token()
			if err != nil {
				return nil, s.broken(err)
			}
			key, _ = t.(string)
		}
		var ways [][]string
		here := false
		for _, w := range at.ways {
			if w[0] == "*" || at.object && w[0] == key {
				here = here || len(w) == 1
				ways = append(ways, w[1:])
			}
		}
		if at.object && len(at.ways) > 0 && at.ways[0][0] == "*" {
			s.keys = append(s.keys[:0], key)
		}
		if len(ways) > 0 && !here {
			if err := s.down(ways); err != nil {
				return nil, err
			}
			continue
		}
		var raw json.RawMessage
		if err := s.dec.Decode(&raw); err != nil {
			return nil, s.broken(err)
		}
		if here {
			return raw, nil
		}
	}
}

// top begins a document. Without a path, each entry of an array is a record, and an object is one.
func (s *jsonSource) top() (json.RawMessage, error) {
	ways := s.p.paths
	if len(ways) == 1 && len(ways[0]) == 0 {
		ways = nil
	}
	t, err := s.dec.Token()
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, s.broken(err)
	}
	d, _ := t.(json.Delim)
	switch {
	case d == '[' && ways == nil:
		s.stack = append(s.stack, level{ways: [][]string{{"*"}}})
	case d == '[' || d == '{' && ways != nil:
		s.stack = append(s.stack, level{object: d == '{', ways: ways})
	case d == '{':
		// The object has been begun: put its brace back.
		var raw json.RawMessage
		rest := io.MultiReader(strings.NewReader("{"), s.dec.Buffered(), s.fuel)
		s.dec = json.NewDecoder(rest)
		s.dec.UseNumber()
		if err := s.dec.Decode(&raw); err != nil {
			return nil, s.broken(err)
		}
		return raw, nil
	default:
		return nil, errors.New("the document is JSON, but neither an object nor an array")
	}
	return nil, nil
}

// down enters an array or object on the way; anything else there has no records.
func (s *jsonSource) down(ways [][]string) error {
	t, err := s.dec.Token()
	if err != nil {
		return s.broken(err)
	}
	if d, ok := t.(json.Delim); ok {
		s.stack = append(s.stack, level{object: d == '{', ways: ways})
	}
	return nil
}

func (s *jsonSource) broken(err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("the JSON is broken at byte %d: %w", syntax.Offset, err)
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// begin makes columns of a record. Where the mapping has Each, the record yields what is in that list instead; then
// it returns nothing.
func (s *jsonSource) begin(raw json.RawMessage) (*record, error) {
	s.flat.cut(0)
	if len(s.keys) > 0 {
		s.flat.put("key", s.keys[0])
	}
	s.flat.without = strings.Join(s.p.each, ".")
	if raw[0] != '{' && raw[0] != '[' {
		s.flat.add("value", raw, 0)
	} else {
		s.flat.add("", raw, 0)
	}
	if s.p.each == nil {
		return s.record()
	}
	s.outer = len(s.flat.names)
	s.flat.without = ""
	s.queue = entries(raw, s.p.each)
	return nil, nil
}

func (s *jsonSource) record() (*record, error) {
	if s.flat.many {
		s.flat.many = false
		return nil, badRecord(fmt.Sprintf("the record has more than %d columns", maxColumns))
	}
	s.rec.names, s.rec.values = s.flat.names, s.flat.values
	return &s.rec, nil
}

// entries returns the entries of the list at a path in a record; a single value is a list of one.
func entries(raw json.RawMessage, path []string) []json.RawMessage {
	for _, key := range path {
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) != nil || object[key] == nil {
			return nil
		}
		raw = object[key]
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil {
		return list
	}
	var text string
	if json.Unmarshal(raw, &text) == nil && strings.Contains(text, "\n") {
		return table(text)
	}
	return []json.RawMessage{raw}
}

// table makes records of a text that is csv with a header row, which some put into a member of JSON.
func table(text string) (list []json.RawMessage) {
	src := newTextSource(&plan{Mapping: Mapping{Shape: CSV}, sep: ","}, strings.NewReader(text))
	for {
		rec, err := src.next()
		if rec == nil || err != nil {
			if _, bad := errors.AsType[badRecord](err); bad {
				continue
			}
			return list
		}
		one := []byte{'{'}
		for i, v := range rec.values {
			if i > 0 {
				one = append(one, ',')
			}
			name, _ := json.Marshal(rec.names[i]) // strings cannot fail
			value, _ := json.Marshal(v)
			one = append(append(append(one, name...), ':'), value...)
		}
		list = append(list, append(one, '}'))
	}
}

// flattener makes columns of a JSON value: names of members joined by dots, and the number of each entry of an array.
type flattener struct {
	names, values []string
	without       string // a column that is left out
	many          bool
}

func (f *flattener) cut(n int) { f.names, f.values = f.names[:n], f.values[:n] }

func (f *flattener) put(name, value string) {
	if len(f.names) >= maxColumns {
		f.many = true
		return
	}
	f.names = append(f.names, name)
	f.values = append(f.values, value)
}

func (f *flattener) add(name string, raw json.RawMessage, depth int) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0 || f.many || f.without != "" && name == f.without:
	case raw[0] == '"':
		var s string
		_ = json.Unmarshal(raw, &s) // valid: the decoder has read it
		f.put(name, s)
	case raw[0] == 'n': // null
	case raw[0] != '{' && raw[0] != '[', depth >= maxDepth:
		f.put(name, string(raw))
	default:
		f.members(name, raw, depth)
	}
}

func (f *flattener) members(name string, raw json.RawMessage, depth int) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil {
		return
	}
	for i := 0; d.More() && !f.many; i++ {
		key := strconv.Itoa(i)
		if raw[0] == '{' {
			t, err := d.Token()
			if err != nil {
				return
			}
			key, _ = t.(string)
		}
		var one json.RawMessage
		if d.Decode(&one) != nil {
			return
		}
		if name != "" {
			key = name + "." + key
		}
		f.add(key, one, depth+1)
	}
}
