package shadowserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"tocsin/internal/report"
)

// Limits of an official file.
const (
	maxOfficial = 32 << 20 // bytes; the edition of 2026-03-24 has 0.7 million
	maxTypes    = 4000
)

// wireType is one report type in intelmq.json. A field is [name in IntelMQ, column, conversion, ...].
type wireType struct {
	FeedName string            `json:"feed_name"`
	FileName string            `json:"file_name"`
	Constant map[string]string `json:"constant_fields"`
	Required [][]any           `json:"required_fields"`
	Optional [][]any           `json:"optional_fields"`
}

// officialRoles are IntelMQ's names of the fields that have a member in our event; all others are details.
var officialRoles = map[string]role{
	"time.source":               roleTime,
	"source.ip":                 roleAddr,
	"source.port":               rolePort,
	"protocol.transport":        roleProto,
	"source.asn":                roleASN,
	"source.geolocation.cc":     roleCC,
	"source.fqdn":               roleDomain,
	"source.url":                roleURL,
	"destination.ip":            roleTargetAddr,
	"destination.port":          roleTargetPort,
	"destination.fqdn":          roleTargetDomain,
	"destination.url":           roleTargetURL,
	"severity":                  roleSeverity,
	"classification.identifier": roleLead,
	"malware.name":              roleName,
	"product.vulnerabilities":   roleCVE,
}

// LoadTables reads Shadowserver's own description of its reports, the file intelmq.json, in place of the types
// compiled in. Older names, retired types and mail subjects, which that file does not have, stay known.
func LoadTables(r io.Reader) (Tables, error) {
	types, err := readOfficial(r)
	if err != nil {
		return Tables{}, fmt.Errorf("read Shadowserver's intelmq.json: %w", err)
	}
	own := compiled()
	for _, t := range types {
		if known := own.current.find(t.file); known != nil {
			t.title = known.title
		}
	}
	return Tables{facts: newFacts(types, own.older)}, nil
}

func readOfficial(r io.Reader) ([]*reportType, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxOfficial+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxOfficial {
		return nil, fmt.Errorf("it is larger than %d MiB and cannot be that file", maxOfficial>>20)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, jsonError(b, err)
	}
	if len(all) > maxTypes {
		return nil, fmt.Errorf("it has %d report types, more than %d", len(all), maxTypes)
	}
	var types []*reportType
	files := map[string]string{}
	for _, key := range sortedKeys(all) {
		if key == "_meta" {
			continue
		}
		t, err := officialType(all[key])
		if err != nil {
			return nil, fmt.Errorf("report type %q: %w", key, err)
		}
		if other, ok := files[t.file]; ok {
			return nil, fmt.Errorf("report type %q: file_name %q is that of %q already", key, t.file, other)
		}
		files[t.file] = key
		types = append(types, t)
	}
	if len(types) == 0 {
		return nil, errors.New("it describes no report type: take the file intelmq.json of Shadowserver's report_schema")
	}
	return types, nil
}

// jsonError says on which line and in which column the file stops being JSON, or being the JSON expected.
func jsonError(b []byte, err error) error {
	at := int64(-1)
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		at = syntax.Offset
	case errors.As(err, &typ):
		at = typ.Offset
		err = fmt.Errorf("%s where an object of report types is expected", typ.Value)
	}
	if at < 0 || at > int64(len(b)) {
		return err
	}
	before := string(b[:at])
	line := strings.Count(before, "\n") + 1
	return fmt.Errorf("line %d, column %d: %w", line, len(before)-strings.LastIndexByte(before, '\n')-1, err)
}

func officialType(raw json.RawMessage) (*reportType, error) {
	var w wireType
	if err := json.Unmarshal(raw, &w); err != nil {
		if typ, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, fmt.Errorf("%s is a %s, which does not belong there", typ.Field, typ.Value)
		}
		return nil, err
	}
	if w.FileName == "" || plain(w.FileName) == "" {
		return nil, errors.New("it has no file_name")
	}
	const tagLimit = report.MaxTagBytes
	t := &reportType{
		file: w.FileName, feed: w.FeedName,
		tag: lower(w.Constant["classification.identifier"]),
		app: lower(w.Constant["protocol.application"]), proto: lower(w.Constant["protocol.transport"]),
	}
	if len(t.tag) > tagLimit {
		return nil, fmt.Errorf("classification.identifier is longer than %d bytes", tagLimit)
	}
	if t.proto != "" && !word(t.proto) {
		return nil, fmt.Errorf("protocol.transport %q is no protocol name", t.proto)
	}
	t.kind = report.KindOf(w.Constant["classification.type"])
	at := map[string]int{}
	for _, list := range []struct {
		name   string
		fields [][]any
	}{{"required_fields", w.Required}, {"optional_fields", w.Optional}} {
		for i, f := range list.fields {
			if err := t.addField(f, at); err != nil {
				return nil, fmt.Errorf("%s, entry %d: %w", list.name, i+1, err)
			}
		}
	}
	if len(t.columns) > maxColumns {
		return nil, fmt.Errorf("it has %d columns, more than %d", len(t.columns), maxColumns)
	}
	return t, nil
}

// addField takes over one field. A column may have several; only the first of a member counts, as required fields
// stand first and IntelMQ would write over.
func (t *reportType) addField(f []any, at map[string]int) error {
	if len(f) < 2 {
		return errors.New("write [name, column] or [name, column, conversion]")
	}
	var words [3]string
	for i := range min(len(f), 3) {
		s, ok := f[i].(string)
		if !ok {
			return fmt.Errorf("part %d is not a string", i+1)
		}
		words[i] = s
	}
	target, col, conversion := words[0], lower(words[1]), words[2]
	r := officialRoles[target]
	if strings.HasPrefix(conversion, "scan_exchange_") { // taxonomy, type and identifier follow from the tag
		t.rule, t.kind = ruleExchange, report.Kind{}
		r = roleDetail
	}
	i, ok := at[col]
	if !ok {
		i = len(t.columns)
		at[col] = i
		t.columns = append(t.columns, column{name: col})
	}
	if c := &t.columns[i]; c.role&^roleTags == 0 || r&roleTags != 0 { // one member a column
		c.role |= r
	}
	return nil
}
