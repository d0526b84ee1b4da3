// Package list reads public lists and feeds (Spamhaus DROP, blocklist.de, OpenPhish, ...) and any other table of
// addresses, networks, domains or URLs that somebody describes to it. There is one engine: a Mapping says how a list
// is written and which of its columns says what. The lists that are known by themselves are mappings in the table of
// tables_*.go; the operator adds more in the config, or tries one with `tocsin parse --map FILE`.
//
// There is no specification of such lists: what a mapping may say stands at its type, and docs/formats/list.md has a
// worked example.
package list

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"

	"tocsin/internal/report"
)

// Spec names what this package follows.
const Spec = "lists and feeds by mapping, docs/formats/list.md"

// Format is this format's name, which stands before the list's in list/NAME.
const Format = "list"

// Tables is what the format knows. The zero value works: the lists compiled in.
type Tables struct {
	own []*plan // the operator's, asked before those compiled in
}

// builtin is every list of the tables, checked once.
var builtin = sync.OnceValue(func() []*plan { //nolint:gochecknoglobals // constant, computed when first needed
	var all []*plan
	for _, m := range Builtin() {
		p, err := compile(m)
		if err != nil {
			panic(fmt.Sprintf("list %s: %v", m.Name, err)) // TestBuiltin reads them all
		}
		all = append(all, p)
	}
	return all
})

// Builtin returns the lists compiled in.
func Builtin() []Mapping {
	return slices.Concat(addresses(), networks(), websites(), services(), trails())
}

// New returns tables with mappings of the operator's own, which go before those compiled in of the same name.
func New(own []Mapping) (Tables, error) {
	var t Tables
	for i := range own {
		p, err := compile(own[i])
		if err != nil {
			return Tables{}, fmt.Errorf("list %s: %w", own[i].Name, err)
		}
		t.own = append(t.own, p)
	}
	return t, nil
}

// List is one list by name: what list/NAME stands for.
type List struct{ plan *plan }

// List returns the list of that name.
func (t Tables) List(name string) (List, bool) {
	for p := range t.plans() {
		if p.Name == name {
			return List{p}, true
		}
	}
	return List{}, false
}

func (t Tables) plans() iter.Seq[*plan] {
	return func(yield func(*plan) bool) {
		for _, list := range [2][]*plan{t.own, builtin()} {
			for _, p := range list {
				if !yield(p) {
					return
				}
			}
		}
	}
}

// Names returns the names of all lists, sorted.
func (t Tables) Names() []string {
	var all []string
	for p := range t.plans() {
		all = append(all, p.Name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Nearest returns up to three names that somebody may have meant who wrote name: those that are alike, or hold a word
// of it.
func (t Tables) Nearest(name string) []string {
	type near struct {
		name      string
		far, real int
	}
	var all []near
	name = lower(name)
	for _, n := range t.Names() {
		real := distance(name, n)
		far := real
		if strings.Contains(n, name) || strings.Contains(name, n) {
			far = min(far, 1)
		}
		for w := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '-' || r == '_' || r == '.' || r == '/' || r == ' ' }) {
			if len(w) > 2 && strings.Contains(n, w) {
				far = min(far, 2)
			}
		}
		if far <= max(2, len(n)/3) {
			all = append(all, near{n, far, real})
		}
	}
	slices.SortStableFunc(all, func(a, b near) int { return cmp.Or(cmp.Compare(a.far, b.far), cmp.Compare(a.real, b.real)) })
	var names []string
	for _, n := range all[:min(len(all), 3)] {
		names = append(names, n.name)
	}
	return names
}

// Parse yields the events of a document of the list that is recognised, and a *report.RowError for each row that
// cannot be used. An event, its tags and its details are valid until the next step.
func (t Tables) Parse(doc report.Document) iter.Seq2[report.Event, error] {
	return func(yield func(report.Event, error) bool) {
		head, r := peek(doc.Reader)
		doc.Reader = r
		p := t.recognise(doc, head)
		if p == nil {
			yield(report.Event{}, &report.RowError{Reason: "no known list is recognised by name, header or columns: " +
				"name it, as in list/spamhaus-drop, or describe it with a mapping (docs/formats/list.md)"})
			return
		}
		p.parse(doc)(yield)
	}
}

// Parse is Tables.Parse for a document that is known to be of the list.
func (l List) Parse(doc report.Document) iter.Seq2[report.Event, error] {
	return func(yield func(report.Event, error) bool) {
		head, r := peek(doc.Reader)
		doc.Reader = r
		if why := notA(head, l.plan); why != "" {
			yield(report.Event{}, &report.RowError{Reason: why})
			return
		}
		l.plan.parse(doc)(yield)
	}
}

// notA says why a document cannot be of a list that somebody named: a page where the list's host says that the list is
// gone, mostly.
func notA(head string, p *plan) string {
	text := strings.TrimLeft(head, " \t\r\n\ufeff")
	if p.Shape != HTML && p.Shape != XML && p.Shape != JSON && len(text) > 0 && text[0] == '<' {
		start := lower(text[:min(len(text), 200)])
		if strings.HasPrefix(start, "<!doctype html") || strings.HasPrefix(start, "<html") {
			return "the document is a web page, not the list " + p.Name + ": the address may have moved, or asks for a key"
		}
	}
	return ""
}

// parse reads the document's records.
func (p *plan) parse(doc report.Document) iter.Seq2[report.Event, error] {
	return func(yield func(report.Event, error) bool) {
		src := p.open(doc.Reader)
		b := newBuilder(p, doc, src)
		row := int64(0)
		for {
			rec, err := src.next()
			switch {
			case errors.Is(err, io.EOF):
				return
			case err == nil:
				var kept bool
				if kept, err = b.read(rec); err == nil && !kept {
					row++
					continue
				}
			}
			var bad badRecord
			if err != nil && rec == nil && !errors.As(err, &bad) {
				reason := fmt.Sprintf("the document breaks off after row %d: %v", row, err)
				yield(report.Event{}, &report.RowError{Reason: reason})
				return
			}
			row++
			if err != nil {
				if !yield(report.Event{}, &report.RowError{Row: row, Reason: report.Reason(err)}) {
					return
				}
				continue
			}
			b.event.Row = row
			if !yield(b.event, nil) {
				return
			}
		}
	}
}

// distance is how many letters have to be changed, added or taken away (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range min(len(a), 100) {
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
