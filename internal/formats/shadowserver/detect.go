package shadowserver

import (
	"iter"
	"strings"

	"tocsin/internal/report"
)

// Detect reports whether a document that begins with head is one of Shadowserver's reports.
func (t Tables) Detect(doc report.Document, head []byte) bool {
	f := t.known()
	text := strings.TrimPrefix(string(head), "\ufeff")
	s := &scanner{last: true, window: text}
	header, err := s.next()
	if err != nil {
		return false
	}
	h := newHeader(header) // also where it is too long: it is Parse that says so
	if !h.has("timestamp") {
		return false
	}
	if named := f.byName(doc); len(named) > 0 {
		for _, x := range named {
			if f.likeness(x, h) >= leastNamed {
				return true
			}
		}
	}
	types, _ := f.byHeader(h)
	return h.hallmark() || len(types) > 0
}

// How alike a header and a report type are, at least: 1 is the same columns.
const (
	leastNamed  = 0.02 // where the document's name says the type
	leastTagged = 0.1  // where the row's tag does
)

// header is the column names of a document, in lower case.
type header struct {
	names []string
	set   map[string]bool
}

func newHeader(columns []string) header {
	h := header{set: make(map[string]bool, len(columns))}
	for _, c := range columns {
		c = lower(strings.TrimSpace(c))
		h.names = append(h.names, c)
		h.set[c] = true
	}
	return h
}

func (h header) has(names ...string) bool {
	for _, n := range names {
		if !h.set[n] {
			return false
		}
	}
	return true
}

// hallmark reports whether the header is Shadowserver's own even though the type is new to us: all its reports
// begin with the time and, but for a few that the table has, name address, network and country like this.
func (h header) hallmark() bool {
	return len(h.names) > 0 && h.names[0] == "timestamp" &&
		(h.has("ip", "asn", "geo", "region", "city") || h.has("src_ip", "src_asn", "src_geo"))
}

// likeness compares a header with the columns of a type: what both have over what either has, each column by how
// rare it is among the types.
func (f *facts) likeness(t *reportType, h header) float64 {
	set := f.sets[t]
	both, either := 0.0, 0.0
	for c := range h.set {
		w, known := f.weight[c]
		if !known {
			w = 0.1 // an older column: speaks against every type alike, and little
		}
		either += w
		if _, ok := set[c]; ok {
			both += w
		}
	}
	for c := range set {
		if !h.set[c] {
			either += f.weight[c]
		}
	}
	if either == 0 {
		return 0
	}
	return both / either
}

// volatile are columns that Shadowserver has added to or taken from all reports over the years; two headers that
// differ in nothing else are of one report type.
var volatile = map[string]bool{
	"severity": true, "sic": true, "src_sic": true, "dst_sic": true, "naics": true, "src_naics": true,
	"dst_naics": true, "sector": true, "src_sector": true, "dst_sector": true, "hostname_source": true,
	"device_vendor": true, "device_type": true, "device_model": true, "device_version": true,
}

// byHeader returns the types that have exactly the header's columns, or else those that differ from it in
// volatile columns only.
func (f *facts) byHeader(h header) (types []*reportType, exact bool) {
	var near []*reportType
	for _, t := range f.types {
		switch set := f.sets[t]; {
		case len(set) == len(h.set) && f.covers(t, h):
			types = append(types, t)
		case f.near(set, h):
			near = append(near, t)
		}
	}
	if types != nil {
		return types, true
	}
	return near, false
}

func (f *facts) near(set map[string]role, h header) bool {
	for c := range h.set {
		if _, ok := set[c]; !ok && !volatile[c] {
			return false
		}
	}
	for c := range set {
		if !h.set[c] && !volatile[c] {
			return false
		}
	}
	return true
}

// like returns the types that share enough with the header to be what a row's tag names.
func (f *facts) like(h header) []*reportType {
	var types []*reportType
	for _, t := range f.types {
		if f.likeness(t, h) >= leastTagged {
			types = append(types, t)
		}
	}
	return types
}

func (f *facts) covers(t *reportType, h header) bool {
	for c := range h.set {
		if _, ok := f.sets[t][c]; !ok {
			return false
		}
	}
	return true
}

// byName returns the types that the document's file name names, else those that its mail's subject names.
func (f *facts) byName(doc report.Document) []*reportType {
	for base := range fileNames(doc.Name) {
		if t := f.byFile(base); t != nil {
			return t
		}
	}
	return f.bySubject(doc.Subject)
}

// fileNames yields the name of a file without its folders, and then those of the archives that it is in:
// "2026-03-01-scan_telnet-examplenet-asn.zip" may hold a "report.csv".
func fileNames(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			i := strings.LastIndexAny(path, `/\`)
			if !yield(path[i+1:]) || i < 0 {
				return
			}
			if path = path[:i]; !strings.HasSuffix(lower(path), ".zip") {
				return
			}
		}
	}
}

// byFile reads names as in "2026-03-01-scan_telnet-examplenet-asn64500.csv.gz": a date, the type, and whatever the
// recipient is called; and plain ones such as "Open-Telnet.csv", or "scan_telnet (1).csv" of a second download.
func (f *facts) byFile(base string) []*reportType {
	if i := datePrefix(base); i >= 0 {
		base, _, _ = strings.Cut(base[i:], ".")
		word, _, _ := strings.Cut(base, "-")
		if t := f.names[plain(withoutCopy(word))]; t != nil {
			return t
		}
	}
	base, _, _ = strings.Cut(base, ".")
	base = withoutCopy(base)
	if t := f.names[plain(base)]; t != nil {
		return t
	}
	// Without a date only names with an underscore count: "http-logs.csv" is not Shadowserver's.
	word, _, _ := strings.Cut(base, "-")
	if strings.Contains(word, "_") {
		return f.names[plain(word)]
	}
	return nil
}

// withoutCopy takes away the number that browsers put behind the name of a file that is there already.
func withoutCopy(s string) string {
	if i := strings.LastIndexByte(s, '('); i > 0 && strings.HasSuffix(s, ")") && digits(s[i+1:len(s)-1]) {
		return strings.TrimSpace(s[:i])
	}
	return s
}

// namesUnknown reports whether the file name has the form of Shadowserver's with a type that is not in the table: a
// new report, which is not to be taken for an old one.
func (f *facts) namesUnknown(doc report.Document) bool {
	for base := range fileNames(doc.Name) {
		i := datePrefix(base)
		if i < 0 {
			continue
		}
		word, _, _ := strings.Cut(base[i:], "-")
		return strings.Contains(word, "_") && f.byName(doc) == nil
	}
	return false
}

// datePrefix returns where a name goes on after a date such as 2026-03-01-, -1 when there is none.
func datePrefix(s string) int {
	const form = "0000-00-00-"
	for i := 0; i+len(form) <= len(s); i++ {
		if i > 0 && s[i-1] >= '0' && s[i-1] <= '9' {
			continue
		}
		ok := true
		for j := range len(form) {
			c := s[i+j]
			if form[j] == '-' && c != '-' || form[j] == '0' && (c < '0' || c > '9') {
				ok = false
				break
			}
		}
		if ok {
			return i + len(form)
		}
	}
	return -1
}

// bySubject reads subjects as in "[Region] Shadowserver Accessible Telnet Service Report: 2026-03-01" and
// "Shadowserver scan_telnet-examplenet Report: 2026-03-01".
func (f *facts) bySubject(subject string) []*reportType {
	const limit = 300
	if len(subject) > limit {
		return nil
	}
	at := strings.Index(lower(subject), "shadowserver")
	if at < 0 {
		return nil
	}
	rest := subject[at+len("shadowserver"):]
	if i := strings.LastIndex(rest, "Report"); i >= 0 {
		rest = rest[:i]
	}
	words := strings.Fields(rest)
	for _, w := range words { // a type's own name is sure
		if w, _, _ = strings.Cut(w, "-"); strings.Contains(w, "_") {
			if t := f.names[plain(w)]; t != nil {
				return t
			}
		}
	}
	for from := range words { // a title, perhaps after the recipient's or before a network's name
		for to := len(words); to > from; to-- {
			if t := f.names[plain(strings.Join(words[from:to], " "))]; t != nil && (to-from > 1 || from == 0 && to == len(words)) {
				return t
			}
		}
	}
	return nil
}

// tagged returns those of the types that the row's tag names, nil when it names none: "telnet" is the tag of
// scan_telnet, "ddos-participant" that of event4_ddos_participant.
func tagged(types []*reportType, tag string) []*reportType {
	var named []*reportType
	for word := range strings.FieldsFuncSeq(tag, func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
		word = plain(word)
		for _, t := range types {
			if word != "" && t.tagIs(word) {
				named = append(named, t)
			}
		}
		if named != nil {
			return named
		}
	}
	return nil
}

func (t *reportType) tagIs(word string) bool {
	if word == t.tag {
		return true
	}
	if _, after, ok := strings.Cut(t.tag, "-"); ok && after == word {
		return true // open-telnet
	}
	_, after, ok := strings.Cut(t.file, "_")
	return ok && plain(after) == word
}

// unspecific orders meanings by how little they say.
func unspecific(m meaning) int {
	switch {
	case m.rule != ruleNone:
		return 4
	case m.kind == report.Undetermined:
		return 0
	case m.kind.Class == "other":
		return 1
	case m.kind.Type == "potentially-unwanted-accessible":
		return 2
	case m.kind.Type == "vulnerable-system":
		return 3
	}
	return 4
}

// common returns what is true of a row whichever of the types it is of: the least specific meaning. Where two are
// as specific and differ, nothing is known.
func common(meanings []meaning) meaning {
	least := meanings[0]
	differ := false
	for _, m := range meanings[1:] {
		switch a, b := unspecific(m), unspecific(least); {
		case a < b:
			least, differ = m, false
		case a == b && m != least:
			differ = true
		}
	}
	if differ {
		return meaning{kind: report.Undetermined}
	}
	return least
}
