package shadowserver

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"tocsin/internal/report"
)

// Tables is what is known of the report types. The zero value is the facts compiled in. It is small to copy and
// may be used by any number of goroutines.
type Tables struct {
	facts *facts // never changed once built; nil stands for the facts compiled in
}

func (t Tables) known() *facts {
	if t.facts != nil {
		return t.facts
	}
	return compiled().facts
}

// role is what a column says. Most columns have one; the tag column may have several.
type role uint32

const (
	roleTime role = 1 << iota
	roleAddr
	rolePort
	roleProto
	roleASN
	roleCC
	roleDomain
	roleURL
	roleSite  // a domain or a URL of the subject, whichever it turns out to be
	roleEmail // an address whose domain is the subject
	roleTargetAddr
	roleTargetPort
	roleTargetDomain
	roleTargetURL
	roleSeverity
	roleLead // names the thing: the leading tag
	roleName // a malware family: a tag
	roleCVE  // holds CVE numbers: tags

	roleDetail role = 0
	roleTags        = roleLead | roleName | roleCVE
)

// roleNames are the words of the tables for the roles.
var roleNames = []struct {
	role role
	word string
}{
	{roleTime, "time"},
	{roleAddr, "addr"},
	{rolePort, "port"},
	{roleProto, "proto"},
	{roleASN, "asn"},
	{roleCC, "cc"},
	{roleDomain, "domain"},
	{roleURL, "url"},
	{roleSite, "site"},
	{roleEmail, "email"},
	{roleTargetAddr, "target-addr"},
	{roleTargetPort, "target-port"},
	{roleTargetDomain, "target-domain"},
	{roleTargetURL, "target-url"},
	{roleSeverity, "severity"},
	{roleLead, "lead"},
	{roleName, "name"},
	{roleCVE, "cve"},
}

func (r role) String() string {
	var words []string
	for _, n := range roleNames {
		if r&n.role != 0 {
			words = append(words, n.word)
		}
	}
	if words == nil {
		return "-"
	}
	return strings.Join(words, "+")
}

func parseRole(s string) (role, error) {
	var r role
	if s == "-" {
		return r, nil
	}
next:
	for word := range strings.SplitSeq(s, "+") {
		for _, n := range roleNames {
			if n.word == word {
				r |= n.role
				continue next
			}
		}
		return 0, fmt.Errorf("%q is no role", word)
	}
	return r, nil
}

// rule names a type whose kind and leading tag follow from the row.
type rule string

const (
	ruleNone         rule = ""
	ruleExchange     rule = "exchange"      // by the tag: webshell found or only vulnerable
	ruleExchange2021 rule = "exchange-2021" // the same as it was classified at first
	ruleDrone        rule = "drone"         // by the infection: spam or a bot
)

// meaning is what each row of a report type says, whatever is in it.
type meaning struct {
	kind report.Kind
	rule rule
}

func (m meaning) String() string {
	if m.rule != ruleNone {
		return string(m.rule)
	}
	return m.kind.String()
}

func parseMeaning(s string) (meaning, error) {
	switch r := rule(s); r {
	case ruleExchange, ruleExchange2021, ruleDrone:
		return meaning{rule: r}, nil
	}
	class, typ, _ := strings.Cut(s, "/")
	m := meaning{kind: report.Kind{Class: report.Class(class), Type: report.Type(typ)}}
	if !m.kind.Valid() {
		return m, fmt.Errorf("%q is no kind of RSIT 1003", s)
	}
	return m, nil
}

// column is one column of a report type, by its name in lower case.
type column struct {
	name string
	role role
}

// reportType is one of Shadowserver's report types.
type reportType struct {
	file  string // as in file names: "scan_telnet"
	feed  string // as in IntelMQ's configuration: "Accessible-Telnet"
	title string // as in mail subjects: "Accessible Telnet Service"
	meaning
	tag     string // the leading tag, "" where a column says it
	app     string // application protocol, to recognise the type by
	proto   string // transport where no column says it
	columns []column
}

// edition is how a type was before: what it meant, and the columns that said something else.
type edition struct {
	meaning
	columns []column
}

// table is what one of the two texts says.
type table struct {
	types   []*reportType
	roles   map[string]role    // of a column whose type does not list it
	names   [][2]string        // other names of types
	earlier map[string]edition // of a type before its rows had a severity
	add     []addition
}

// addition gives a role of our own to a column of an official type.
type addition struct {
	file string
	column
}

// facts are the tables made ready for use.
type facts struct {
	types   []*reportType
	names   map[string][]*reportType
	roles   map[string]role
	earlier map[string]edition
	sets    map[*reportType]map[string]role // the columns of each type
	own     map[*reportType]map[string]role // roles that we add to them
	weight  map[string]float64              // of a column: the rarer, the more it says about the type
}

//go:embed types.txt
var typesText string

//go:embed older.txt
var olderText string

// compiled are the facts compiled in.
var compiled = sync.OnceValue(func() struct {
	current, older table
	facts          *facts
} {
	current, err := parseTable(typesText, nil)
	if err != nil {
		panic("types.txt: " + err.Error()) // a test reads it
	}
	older, err := parseTable(olderText, current.roles)
	if err != nil {
		panic("older.txt: " + err.Error())
	}
	f := newFacts(current.types, older)
	return struct {
		current, older table
		facts          *facts
	}{current, older, f}
})

// newFacts joins official types with what only our own tables know: roles, titles, older names, retired types.
func newFacts(types []*reportType, older table) *facts {
	f := &facts{
		names: map[string][]*reportType{}, roles: older.roles, earlier: older.earlier,
		sets: map[*reportType]map[string]role{}, own: map[*reportType]map[string]role{}, weight: map[string]float64{},
	}
	official := map[string]bool{}
	for _, t := range types {
		official[t.file] = true
	}
	f.types = append(f.types, types...)
	for _, t := range older.types {
		if !official[t.file] {
			f.types = append(f.types, t)
		}
	}
	byFile := map[string]*reportType{}
	for _, t := range f.types {
		byFile[t.file] = t
		set := make(map[string]role, len(t.columns))
		for _, c := range t.columns {
			set[c.name] |= c.role
			f.weight[c.name]++
		}
		f.sets[t] = set
		for _, n := range [...]string{t.file, t.feed, t.title} {
			f.addName(n, t)
		}
	}
	for c, n := range f.weight {
		f.weight[c] = 1 / n
	}
	for _, a := range older.add {
		if t := byFile[a.file]; t != nil {
			if f.own[t] == nil {
				f.own[t] = map[string]role{}
			}
			f.own[t][a.name] |= a.role
		}
	}
	for _, n := range older.names {
		if t := byFile[n[1]]; t != nil {
			f.addName(n[0], t)
		}
	}
	return f
}

func (f *facts) addName(n string, t *reportType) {
	n = plain(n)
	if n == "" {
		return
	}
	if slices.Contains(f.names[n], t) {
		return
	}
	f.names[n] = append(f.names[n], t)
}

// plain reduces a name to lower-case words with hyphens between them, so that scan_telnet, Scan-Telnet and
// "scan telnet report" are one.
func plain(s string) string {
	var b strings.Builder
	gap := false
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('-')
		}
		gap = false
		b.WriteByte(c)
	}
	return strings.TrimSuffix(b.String(), "-report")
}
