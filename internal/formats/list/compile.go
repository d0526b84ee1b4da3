package list

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"tocsin/internal/report"
)

// plan is a mapping made ready.
type plan struct {
	Mapping
	sep      string
	kind     report.Kind
	tags     []string
	columns  []string // every column that something refers to
	refs     [members][]template
	set      [members]string
	values   [members]*words
	several  map[string]string
	only     []condition
	leaveOut []condition
	extracts []extract
	groups   []string // columns that extracts make
	empty    map[string]bool
	paths    [][]string // of Records
	each     []string
	clock    clock
	names    []string // of Recognise, lower case
	known    []string // of Recognise.Columns, lower case
}

// template is a text with columns in it.
type template struct {
	parts []part
	plain bool // one column and nothing else
}

type part struct {
	text   string
	column int // in plan.columns, -1 for a text
}

type condition struct {
	column int
	words  *words
}

type extract struct {
	column  int
	pattern *regexp.Regexp
	groups  []int // of each group, its place in plan.groups; -1 for one without a name
	must    bool  // a line that it does not match is refused
}

var nameRule = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// faults gathers what is wrong with a mapping.
type faults []error

func (f *faults) bad(field, format string, args ...any) {
	*f = append(*f, &report.FieldError{Field: field, Rule: fmt.Sprintf(format, args...)})
}

// Validate reports every broken rule at once, joined, each a *report.FieldError whose field is a key of the mapping.
func (m *Mapping) Validate() error {
	_, err := compile(*m)
	return err
}

func compile(m Mapping) (*plan, error) {
	p := &plan{Mapping: m, several: m.Several, empty: map[string]bool{}}
	var f faults
	if !nameRule.MatchString(m.Name) {
		f.bad("name", "name: %q cannot name a list: use up to 64 small letters, digits, - _ and dots", m.Name)
	}
	p.compileShape(&f)
	p.compileExtracts(&f)
	p.compileFields(&f)
	p.compileKind(&f)
	p.compileRows(&f)
	var err error
	if p.clock, err = newClock(&m.Time); err != nil {
		f = append(f, err)
	}
	if !slices.Contains([]string{"", "refuse", "received"}, m.Time.Missing) {
		f.bad("time.missing", "time.missing: %q is neither refuse nor received", m.Time.Missing)
	}
	p.compileRecognise(&f)
	if len(f) > 0 {
		return nil, errors.Join(f...)
	}
	return p, nil
}

func (p *plan) compileShape(f *faults) {
	switch p.Shape {
	case Lines, CSV, Pairs, JSON, HTML, XML:
	case "":
		f.bad("shape", "shape: the list needs a shape: one of lines, csv, pairs, json, html, xml")
	default:
		f.bad("shape", "shape: %q is no shape: write lines, csv, pairs, json, html or xml", p.Shape)
	}
	switch p.Separator {
	case "tab":
		p.sep = "\t"
	case "":
		p.sep = ","
		if p.Shape == Pairs {
			p.sep = space
		}
	case space, " ":
		p.sep = space
	default:
		p.sep = p.Separator
		if strings.ContainsAny(p.sep, "\"\n\r") {
			f.bad("separator", "separator: a quote or a line end cannot separate columns")
		}
	}
	if p.Assign == "" {
		p.Assign = "="
	}
	if p.Skip < 0 {
		f.bad("skip", "skip: %d rows cannot be left out", p.Skip)
	}
	seen := map[string]bool{}
	for i, c := range p.Columns {
		if c != "" && seen[c] {
			f.bad(fmt.Sprintf("columns[%d]", i), "columns: two columns are called %q: give each its own name, or none", c)
		}
		seen[c] = true
	}
	if len(p.Columns) > 0 && p.Shape != CSV && p.Shape != HTML {
		f.bad("columns", "columns: only csv and html have columns in order; %s names its own", p.Shape)
	}
	for one := range strings.SplitSeq(p.Records, "|") {
		p.paths = append(p.paths, splitPath(one))
	}
	if p.Each != "" {
		if p.Shape != JSON {
			f.bad("each", "each: only json has lists inside of records")
		}
		p.each = splitPath(p.Each)
	}
	for _, c := range p.Comments {
		if strings.TrimSpace(c) == "" {
			f.bad("comments", "comments: a comment cannot begin with nothing")
		}
	}
	for _, e := range p.Empty {
		p.empty[e] = true
	}
}

const space = "space"

func splitPath(s string) []string {
	if s = strings.TrimSpace(s); s == "" {
		return nil
	}
	return strings.Split(s, ".")
}

// column returns the number of a column that something refers to.
func (p *plan) column(name string) int {
	if i := slices.Index(p.columns, name); i >= 0 {
		return i
	}
	p.columns = append(p.columns, name)
	return len(p.columns) - 1
}

func (p *plan) compileExtracts(f *faults) {
	for i, e := range p.Extract {
		at := fmt.Sprintf("extract[%d]", i)
		re, err := regexp.Compile(e.Pattern)
		if err != nil {
			f.bad(at+".pattern", "%s.pattern: %s", at, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
			continue
		}
		x := extract{column: p.column(e.Column), pattern: re, must: e.Column == lineColumn && p.Shape == Lines}
		named := 0
		for _, g := range re.SubexpNames() {
			if g == "" {
				x.groups = append(x.groups, -1)
				continue
			}
			named++
			k := slices.Index(p.groups, g)
			if k < 0 {
				k = len(p.groups)
				p.groups = append(p.groups, g)
			}
			x.groups = append(x.groups, k)
		}
		if named == 0 {
			f.bad(at+".pattern", "%s.pattern: the pattern has no named group: write (?P<name>...) around what is to be a column", at)
		}
		if e.Column == "" {
			f.bad(at+".column", "%s.column: name the column to look into", at)
		}
		p.extracts = append(p.extracts, x)
	}
}

const lineColumn = "line"

func (p *plan) compileFields(f *faults) {
	subject := false
	for _, name := range sorted(p.Fields) {
		m, ok := memberOf(name)
		if !ok {
			f.bad("fields."+name, "fields: there is no member %s: there are %s", name, strings.Join(memberNames[:], ", "))
			continue
		}
		if strings.TrimSpace(p.Fields[name]) == "" {
			f.bad("fields."+name, "fields: name the column that fills %s", name)
		}
		p.refs[m] = p.templates(p.Fields[name])
		subject = subject || isSubject(m)
	}
	for _, name := range sorted(p.Set) {
		m, ok := memberOf(name)
		if !ok {
			f.bad("set."+name, "set: there is no member %s: there are %s", name, strings.Join(memberNames[:], ", "))
			continue
		}
		p.set[m] = p.Set[name]
		subject = subject || isSubject(m)
		if why := p.wrongSet(m); why != "" {
			f.bad("set."+name, "set: %q %s", p.Set[name], why)
		}
	}
	if !subject {
		f.bad("fields", "fields: say which column is the subject: subject, subject.addr, subject.prefix, subject.domain, subject.url or subject.asn")
	}
	for _, name := range sorted(p.Values) {
		m, ok := memberOf(name)
		switch {
		case !ok:
			f.bad("values."+name, "values: there is no member %s", name)
		case p.refs[m] == nil:
			f.bad("values."+name, "values: no column fills %s: name it under fields", name)
		default:
			p.values[m] = newWords(p.Values[name])
			p.checkValues(f, m, name)
		}
	}
}

func isSubject(m member) bool {
	switch m {
	case mSubject, mAddr, mPrefix, mDomain, mURL, mASN:
		return true
	}
	return false
}

// wrongSet says why a fixed value does not fit its member.
func (p *plan) wrongSet(m member) string {
	v := p.set[m]
	switch m {
	case mPort, mTargetPort:
		if _, ok := number(v, 65535); !ok {
			return "is no port"
		}
	case mASN:
		if _, ok := asNumber(v); !ok {
			return "is no AS number"
		}
	case mSeverity:
		if report.Severity(v).Rank() == 0 {
			return "is no severity: write low, medium, high or critical"
		}
	case mCC:
		if country(v) == "" {
			return "is no country code of two letters"
		}
	case mFrom, mTo, mType, mTag:
		return "stands elsewhere: use time, type or tags"
	}
	return ""
}

// checkValues checks the translations of types and severities.
func (p *plan) checkValues(f *faults, m member, name string) {
	for _, from := range sorted(p.Values[name]) {
		to := p.Values[name][from]
		at := "values." + name + "." + from
		switch m {
		case mType:
			typ, _, _ := strings.Cut(to, " ")
			if !validType(typ) {
				f.bad(at, "values: %q is no type of RSIT 1003, such as infected-system, scanner or phishing", typ)
			}
		case mSeverity:
			if to != "" && report.Severity(to).Rank() == 0 {
				f.bad(at, "values: %q is no severity: write low, medium, high or critical", to)
			}
		}
	}
}

// validType knows the types of RSIT 1003; "undetermined" and "other" are among them.
func validType(s string) bool {
	k := report.KindOf(s)
	return string(k.Type) == s && k.Valid()
}

func (p *plan) compileKind(f *faults) {
	p.kind = report.Undetermined
	if p.Type != "" {
		if !validType(p.Type) {
			f.bad("type", "type: %q is no type of RSIT 1003, such as infected-system, scanner or phishing", p.Type)
		}
		p.kind = report.KindOf(p.Type)
	}
	for i, t := range p.Tags {
		if tag := tagWord(t); tag == "" || len(tag) > report.MaxTagBytes {
			f.bad(fmt.Sprintf("tags[%d]", i), "tags: %q is no tag: 1 to %d bytes of text", t, report.MaxTagBytes)
		} else {
			p.tags = append(p.tags, tag)
		}
	}
}

func (p *plan) compileRows(f *faults) {
	conditions := func(key string, all map[string][]string) (list []condition) {
		for _, c := range sorted(all) {
			table := map[string]string{}
			for _, v := range all[c] {
				table[v] = v
			}
			if len(table) == 0 {
				f.bad(key+"."+c, "%s: name the values of %s", key, c)
			}
			list = append(list, condition{p.column(c), newWords(table)})
		}
		return list
	}
	p.only = conditions("only", p.Only)
	p.leaveOut = conditions("leave_out", p.LeaveOut)
	for _, c := range sorted(p.Several) {
		if p.Several[c] == "" {
			f.bad("several."+c, "several: say what separates the values of %s", c)
		}
	}
}

func (p *plan) compileRecognise(f *faults) {
	for i, n := range p.Recognise.Names {
		n = lower(n)
		if _, err := path.Match(n, "x"); err != nil {
			f.bad(fmt.Sprintf("recognise.names[%d]", i), "recognise.names: %q is no pattern: use * and ? for what varies", n)
		}
		if strings.Trim(n, "*?") == "" {
			f.bad(fmt.Sprintf("recognise.names[%d]", i), "recognise.names: %q is the name of every file", n)
		}
		p.names = append(p.names, n)
	}
	for i, h := range p.Recognise.Head {
		if len(strings.TrimSpace(h)) < 4 {
			f.bad(fmt.Sprintf("recognise.head[%d]", i), "recognise.head: %q is too short to tell a list from others", h)
		}
	}
	for _, c := range p.Recognise.Columns {
		p.known = append(p.known, lower(strings.TrimSpace(c)))
	}
}

// templates reads what fills a member: columns with | between them, or one text with columns in braces.
func (p *plan) templates(s string) []template {
	if strings.ContainsRune(s, '{') {
		return []template{p.template(s)}
	}
	var all []template
	for c := range strings.SplitSeq(s, "|") {
		all = append(all, template{parts: []part{{column: p.column(strings.TrimSpace(c))}}, plain: true})
	}
	return all
}

func (p *plan) template(s string) template {
	var t template
	for s != "" {
		open := strings.IndexByte(s, '{')
		shut := strings.IndexByte(s, '}')
		if open < 0 || shut < open {
			t.parts = append(t.parts, part{text: s, column: -1})
			break
		}
		if open > 0 {
			t.parts = append(t.parts, part{text: s[:open], column: -1})
		}
		t.parts = append(t.parts, part{column: p.column(strings.TrimSpace(s[open+1 : shut]))})
		s = s[shut+1:]
	}
	return t
}

func sorted[V any](m map[string]V) []string {
	all := make([]string, 0, len(m))
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// words looks up values: exact ones by hash, those with a * in order of their length, the longest first.
type words struct {
	exact map[string]string
	globs []glob
}

type glob struct {
	pre, post bool // a * at the begin, at the end
	text, to  string
}

func newWords(table map[string]string) *words {
	w := &words{exact: make(map[string]string, len(table))}
	for _, from := range sorted(table) {
		text := lower(from)
		g := glob{to: table[from]}
		if g.pre = strings.HasPrefix(text, "*"); g.pre {
			text = text[1:]
		}
		if g.post = strings.HasSuffix(text, "*"); g.post {
			text = text[:len(text)-1]
		}
		if !g.pre && !g.post {
			w.exact[text] = g.to
			continue
		}
		g.text = text
		w.globs = append(w.globs, g)
	}
	slices.SortStableFunc(w.globs, func(a, b glob) int { return len(b.text) - len(a.text) })
	return w
}

// find returns the translation of a value.
func (w *words) find(v string) (string, bool) {
	v = lower(v)
	if to, ok := w.exact[v]; ok {
		return to, true
	}
	for i := range w.globs {
		g := &w.globs[i]
		switch {
		case g.pre && g.post && strings.Contains(v, g.text),
			g.pre && !g.post && strings.HasSuffix(v, g.text),
			g.post && !g.pre && strings.HasPrefix(v, g.text):
			return g.to, true
		}
	}
	return "", false
}
