package shadowserver

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"tocsin/internal/report"
)

// parser turns the rows of one document into events. Its event is overwritten by each row.
type parser struct {
	f       *facts
	h       header
	names   []string      // of the columns as the document writes them, distinct
	types   []*reportType // that name or header allow
	alike   []*reportType // that a row's tag may choose from
	exact   bool          // whether the header is exactly theirs
	older   bool          // rows of before there was a severity
	plan    *plan
	plans   map[string]*plan // by tag, where the header fits several types
	tagAt   int              // the column that tells them apart, -1 where it is not needed
	lastTag string
	httpAt  int // the column that has the host of a path, -1 when there is none
	appAt   int // the column that has its scheme
	clock   clock

	event report.Event
	found []string // names of the row that are to be tags
	cves  []string
}

// plan is how to read the rows of a report type in a document.
type plan struct {
	feed string
	meaning
	tag     string
	proto   string
	columns []role // as many as the document has, each member at most once
	need    int    // columns that a row must have: those after only add details and tags
}

// maxPlans bounds what is kept for tags that a document makes up.
const maxPlans = 64

func (f *facts) parser(doc report.Document, columns []string) (*parser, error) {
	if len(columns) > maxColumns {
		return nil, fmt.Errorf("the header row has more than %d columns", maxColumns)
	}
	p := &parser{f: f, h: newHeader(columns), tagAt: -1, httpAt: -1, appAt: -1, plans: map[string]*plan{}}
	if !p.h.has("timestamp") {
		return nil, errors.New("the header row has no column \"timestamp\": this is not a Shadowserver report")
	}
	p.candidates(doc)
	p.older = !p.h.has("severity") && !datedSince2024(doc.Name)
	p.names = distinct(columns)
	for i, n := range p.h.names {
		if n == "tag" && len(p.types) != 1 && p.tagAt < 0 {
			p.tagAt = i
		}
		if n == "http_host" && p.httpAt < 0 {
			p.httpAt = i
		}
		if n == "application" && p.appAt < 0 {
			p.appAt = i
		}
	}
	p.plan = p.newPlan(p.types, "")
	var have role
	for _, r := range p.plan.columns {
		have |= r
	}
	if have&(roleAddr|roleDomain|roleURL|roleSite|roleEmail) == 0 {
		return nil, errors.New("the header row has no column with an address, domain or URL that Shadowserver uses")
	}
	p.event.Format = name
	return p, nil
}

// candidates works out of which types the document may be: by its name, by its header, and by its rows' tags.
func (p *parser) candidates(doc report.Document) {
	f := p.f
	if named := f.byName(doc); named != nil {
		p.types = f.mostAlike(named, p.h)
		return
	}
	types, exact := f.byHeader(p.h)
	p.exact = exact
	switch {
	case exact && len(types) == 1:
		p.types = types
	case exact:
		p.types, p.alike = types, types
	case !f.namesUnknown(doc):
		p.types, p.alike = types, f.like(p.h)
	}
}

func (f *facts) mostAlike(types []*reportType, h header) []*reportType {
	best := types[:1]
	for i, t := range types[1:] {
		if f.likeness(t, h) > f.likeness(best[0], h) {
			best = types[i+1 : i+2]
		}
	}
	return best
}

// datedSince2024 reports whether a file name says that the report is of a time when rows had a severity.
func datedSince2024(path string) bool {
	for base := range fileNames(path) {
		if i := datePrefix(base); i >= 0 {
			return base[i-len("2024-01-01-"):i] >= "2024-01-01-"
		}
	}
	return false
}

// distinct gives each column a name of its own: what is in details under one name twice would be lost to most
// readers of JSON.
func distinct(columns []string) []string {
	seen := make(map[string]bool, len(columns))
	names := make([]string, len(columns))
	for i, c := range columns {
		c = strings.Clone(strings.TrimSpace(c))
		if c == "" {
			c = "column_" + strconv.Itoa(i+1)
		}
		unique := c
		for n := 2; seen[unique]; n++ {
			unique = c + "_" + strconv.Itoa(n)
		}
		seen[unique] = true
		names[i] = unique
	}
	return names
}

// newPlan works out how to read rows that may be of any of the types; of none when there are none.
func (p *parser) newPlan(types []*reportType, tag string) *plan {
	pl := &plan{feed: name, meaning: meaning{kind: report.Undetermined}}
	var meanings []meaning
	for i, t := range types {
		m := t.meaning
		if earlier, ok := p.f.earlier[t.file]; ok && p.older {
			m = earlier.meaning
		}
		meanings = append(meanings, m)
		if i == 0 {
			pl.feed, pl.tag, pl.proto = t.file, t.tag, t.proto
		} else {
			pl.feed = name
			if pl.tag != t.tag {
				pl.tag = ""
			}
			if pl.proto != t.proto {
				pl.proto = ""
			}
		}
	}
	if len(meanings) > 0 {
		pl.meaning = common(meanings)
	}
	pl.columns = p.roles(types)
	for i, r := range pl.columns {
		if r&^(roleName|roleCVE) != 0 {
			pl.need = i + 1
		}
	}
	if pl.feed == name && pl.tag == "" && tag != "" {
		if word := firstWord(tag); len(word) <= report.MaxTagBytes {
			pl.tag = strings.Clone(lower(word))
		}
	}
	return pl
}

// roles gives each column its role: what all the types say of it, else what such a column says in general. Each
// member has one column, the first; others that could fill it are details.
func (p *parser) roles(types []*reportType) []role {
	roles := make([]role, len(p.h.names))
	listed := make([]bool, len(roles))
	seen := map[string]bool{}
	var taken role
	for i, n := range p.h.names {
		if seen[n] {
			listed[i] = true // a second column of the name has no role
			continue
		}
		seen[n] = true
		for j, t := range types {
			r, ok := p.role(t, n)
			if !ok {
				continue
			}
			if j == 0 || !listed[i] {
				roles[i] = r
			} else {
				roles[i] &= r
			}
			listed[i] = true
		}
		roles[i] = claim(roles[i], &taken)
	}
	for i, n := range p.h.names {
		if r := p.f.roles[n]; !listed[i] && r == roleAddr {
			roles[i] = claim(r, &taken)
		}
	}
	side := p.side(roles)
	for i, n := range p.h.names {
		if r := p.f.roles[n]; !listed[i] && r != roleAddr && (r&(rolePort|roleASN|roleCC) == 0 || sideOf(n) == side) {
			roles[i] = claim(r, &taken)
		}
	}
	return roles
}

// side returns of what the subject's address is, by the name of its column: "" for ip, "src" for src_ip. A column
// that no type lists is the subject's port, network or country only where it is of the same side: the address of one
// host with the port of another would name a third one's line.
func (p *parser) side(roles []role) string {
	for i, r := range roles {
		if r&roleAddr != 0 {
			return sideOf(p.h.names[i])
		}
	}
	return ""
}

func sideOf(column string) string {
	return strings.TrimSuffix(column[:strings.LastIndexByte(column, '_')+1], "_")
}

// role returns what a type says of a column.
func (p *parser) role(t *reportType, n string) (r role, ok bool) {
	if p.older {
		for _, c := range p.f.earlier[t.file].columns {
			if c.name == n {
				return c.role, true
			}
		}
	}
	r, ok = p.f.sets[t][n]
	own, added := p.f.own[t][n]
	return r | own, ok || added
}

func claim(r role, taken *role) role {
	member := r &^ roleTags & ^*taken
	*taken |= member
	return member | r&roleTags
}

func firstWord(tag string) string {
	if i := strings.IndexAny(tag, ";,"); i >= 0 {
		tag = tag[:i]
	}
	return strings.TrimSpace(tag)
}

// choose picks the plan of a row in a document whose header fits several types, by its tag.
func (p *parser) choose(tag string) *plan {
	if tag == p.lastTag {
		return p.plan
	}
	p.lastTag = strings.Clone(tag)
	pl := p.plans[tag]
	if pl == nil {
		pl = p.newPlan(p.narrow(tag), tag)
		if len(p.plans) < maxPlans {
			p.plans[p.lastTag] = pl
		}
	}
	return pl
}

// narrow returns the types that a row may be of, given its tag. A tag that names none of them speaks against types
// that are only like the header and have a tag of their own.
func (p *parser) narrow(tag string) []*reportType {
	if named := tagged(p.alike, tag); named != nil {
		return named
	}
	if p.exact || tag == "" {
		return p.types
	}
	for _, t := range p.types {
		if t.tag != "" {
			return nil
		}
	}
	return p.types
}
