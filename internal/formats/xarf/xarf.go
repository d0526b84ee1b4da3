// Package xarf reads XARF, the eXtended Abuse Reporting Format, as JSON documents: version 4 as https://xarf.org
// specifies it (4.2.0), its drafts, and the versions before it. docs/formats/xarf.md says what becomes of each member.
package xarf

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
const Spec = "XARF 4.2.0 (https://xarf.org), and 1, 2, 3, 3.0.0, alpha and development as JSON"

// Detect reports whether head, the first bytes of the document, begins with a JSON object, or a list of them, whose
// members are those of a XARF report. A report that lacks only its version is detected too, so that it is refused
// with that reason and not as an unknown format.
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
	has := map[string]bool{}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			break
		}
		has[name.String()] = true
		if err := dec.SkipValue(); err != nil {
			break // cut off here, or broken: what was seen decides
		}
	}
	switch {
	case has["xarf_version"]:
		return true
	case has["Version"]:
		return has["ReporterInfo"] || has["Report"]
	case has["ReporterInfo"]:
		return has["Report"] || has["Disclosure"]
	}
	return has["source_identifier"] && has["category"] && (has["reporter"] || has["report_id"])
}

// Unclaimed says why a document that looks like JSON may not have been known for XARF; "" when there is nothing to say.
func Unclaimed(head []byte) string { return limits.Unclaimed(head) }

// Parse yields one event for each report in the document: one object, objects one after the other, or a list of them.
func Parse(doc report.Document) iter.Seq2[report.Event, error] {
	return func(yield func(report.Event, error) bool) {
		in, b := jsondoc.NewReader(doc.Reader, limits), &builder{strict: doc.Strict}
		for {
			raw, wrong, err := in.Next()
			switch {
			case errors.Is(err, io.EOF):
				if in.Row() == 0 && wrong == "" {
					yield(report.Event{}, &report.RowError{Reason: "the document is empty: it holds no report"})
				}
				return
			case err != nil:
				yield(report.Event{}, &report.RowError{Reason: fmt.Sprintf("the document cannot be read to its end: %v", err)})
				return
			}
			if wrong == "" {
				wrong = b.build(raw)
			}
			if wrong != "" {
				if !yield(report.Event{}, &report.RowError{Row: in.Row(), Reason: wrong}) || in.Row() == 0 {
					return
				}
				continue
			}
			b.event.Row = in.Row()
			if !yield(b.event, nil) {
				return
			}
		}
	}
}

// builder makes one report after the other into an event. What it holds is reused.
type builder struct {
	strict bool
	tree   tree
	checker
	event report.Event
	notes notes
}

// build reads one report, or says in a sentence why it is refused.
func (b *builder) build(raw []byte) (wrong string) {
	if wrong := b.tree.read(raw); wrong != "" {
		return wrong
	}
	b.start(&b.tree)
	b.event = report.Event{Format: "xarf", Tags: b.event.Tags[:0]}
	switch v := b.at("xarf_version"); {
	case v != 0:
		wrong = b.v4(b.str(v))
	case b.at("Version") != 0 || b.at("ReporterInfo") != 0:
		wrong = b.legacy()
	default:
		wrong = "the report says no version: xarf_version is missing"
	}
	if wrong != "" {
		return wrong
	}
	return b.finish()
}

// sentence joins what is broken, cut so that a reader gets through it.
func sentence(head string, broken []string, more int) string {
	const most = 6
	if len(broken) > most {
		more += len(broken) - most
		broken = broken[:most]
	}
	s := head + strings.Join(broken, "; ")
	if more > 0 {
		s += fmt.Sprintf("; and %d more", more)
	}
	return s
}

// v4 reads a report of version 4.
func (b *builder) v4(version string) (wrong string) {
	if version != "4" && !strings.HasPrefix(version, "4.") {
		return fmt.Sprintf("xarf_version %s is none that can be read: send 4.2.0", show(&b.v[b.at("xarf_version")]))
	}
	category, typ := b.at("category"), b.at("type")
	m, known := v4Meaning(b.str(category), b.str(typ))
	b.checkV4(b.str(category), b.str(typ))
	if b.strict && len(b.broken) > 0 {
		return sentence("not valid XARF 4.2: ", b.broken, b.more)
	}
	lacks := b.v4Lacks(known)
	b.v4Fields(m)
	if why := b.v4Source(); why != "" {
		lacks = append(lacks, why)
	}
	if len(lacks) > 0 {
		return sentence("", lacks, 0)
	}
	b.use(category, typ)
	return ""
}

// v4Lacks says which of the members are missing that no report of version 4 can do without.
func (b *builder) v4Lacks(known bool) []string {
	var lacks []string
	category, typ := b.at("category"), b.at("type")
	switch {
	case category == 0:
		lacks = append(lacks, "category is missing")
	case v4Meanings[b.str(category)] == nil:
		lacks = append(lacks, "category "+show(&b.v[category])+" is not known")
	case typ != 0 && !known:
		lacks = append(lacks, fmt.Sprintf("type %s is not known in category %s", show(&b.v[typ]), show(&b.v[category])))
	}
	if typ == 0 {
		lacks = append(lacks, "type is missing")
	}
	switch who := b.at("reporter"); {
	case who == 0:
		lacks = append(lacks, "reporter is missing")
	case b.str(b.member(who, "org")) == "" && b.str(b.member(who, "contact")) == "":
		lacks = append(lacks, "reporter has neither org nor contact")
	}
	if b.str(category) == "messaging" && b.str(b.at("protocol")) == "" {
		lacks = append(lacks, "protocol is missing, which category messaging needs")
	}
	switch when := b.at("timestamp"); {
	case when == 0:
		lacks = append(lacks, "timestamp is missing")
	case !b.time(when, &b.event.From):
		lacks = append(lacks, "timestamp "+show(&b.v[when])+" is not "+asDateTime.is)
	}
	return lacks
}

// legacy reads a report of a version before 4. Only alpha may leave its version out.
func (b *builder) legacy() (wrong string) {
	v := b.at("Version")
	version := "alpha"
	if v != 0 {
		version = b.str(v)
	}
	if !b.checkLegacy(version) {
		return fmt.Sprintf("Version %s is none that can be read: send xarf_version 4.2.0", show(&b.v[v]))
	}
	if len(b.broken) > 0 {
		return sentence("not valid XARF "+version+": ", b.broken, b.more)
	}
	b.legacyFields()
	return b.legacySource()
}
