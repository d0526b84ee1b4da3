package xarf

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// rule is what the XARF specification demands of one value. The zero rule allows anything, and each field adds a
// demand of its own: like the JSON Schema keywords whose facts these tables hold, limits for texts say nothing about
// numbers, and the other way round. A writer can read the same tables.
type rule struct {
	is      kind     // kinds of JSON value allowed; 0 is all
	whole   bool     // a number without a fraction
	words   []string // one of these texts
	format  *format
	pattern *regexp.Regexp

	min, max       bound // of a number
	minLen, maxLen int   // characters of a text; 0 is no limit
	minN, maxN     int   // members of a list or object; 0 is no limit
	unique         bool  // no text twice in a list

	each    *rule    // every member of a list
	members []member // of an object
	closed  bool     // an object has no further members
	others  *rule    // every further member of an object

	all       []*rule
	oneOf     []*rule // at least one of them holds
	not       *rule
	when      *rule // where it holds, then must hold, else otherwise
	then      *rule
	otherwise *rule

	say string // sentence for oneOf and not, which cannot tell what the sender meant
}

// member is one member of an object.
type member struct {
	name string
	need bool
	rule *rule
}

// bound is a limit for a number; the zero value is none.
type bound struct {
	set bool
	n   int64
}

func limit(n int64) bound { return bound{true, n} }

// checker collects what a report breaks.
type checker struct {
	*tree
	broken []string // a sentence each: place and rule
	more   int      // broken rules beyond maxBroken
	path   []byte
}

// maxBroken is how many broken rules of one report are told; the rest is counted.
const maxBroken = 20

func (c *checker) start(t *tree) {
	c.tree, c.broken, c.more, c.path = t, c.broken[:0], 0, c.path[:0]
}

func (c *checker) add(format string, args ...any) {
	if len(c.broken) == maxBroken {
		c.more++
		return
	}
	place := "the report"
	if len(c.path) > 0 {
		place = string(bytes.ToValidUTF8(c.path[:min(len(c.path), 200)], nil))
	}
	c.broken = append(c.broken, place+" "+fmt.Sprintf(format, args...))
}

// holds reports whether value i obeys r, without a word.
func (c *checker) holds(r *rule, i int) bool {
	quiet := checker{tree: c.tree}
	return quiet.check(r, i, false)
}

// check reports whether value i obeys r. When telling, it goes through to the end and adds each broken rule;
// otherwise it stops at the first.
func (c *checker) check(r *rule, i int, tell bool) bool {
	v := &c.v[i]
	if r.is != 0 && r.is&v.kind == 0 {
		if tell {
			c.add("must be %s, not %s", r.is, v.kind)
		}
		return false
	}
	ok := c.plain(r, v, tell)
	if (ok || tell) && v.kind == list {
		ok = c.list(r, i, tell) && ok
	}
	if (ok || tell) && v.kind == object {
		ok = c.object(r, i, tell) && ok
	}
	if ok || tell {
		ok = c.compound(r, i, tell) && ok
	}
	return ok
}

// plain checks what concerns the value alone.
func (c *checker) plain(r *rule, v *value, tell bool) bool {
	why := ""
	switch {
	case r.words != nil && (v.kind != text || !slices.Contains(r.words, string(v.text))):
		why = fmt.Sprintf("%s is none of: %s", show(v), strings.Join(r.words, ", "))
	case v.kind == text:
		why = r.textFault(v.text)
	case v.kind == number:
		why = r.numberFault(v.text)
	}
	if why != "" && tell {
		c.add("%s", why)
	}
	return why == ""
}

func (r *rule) textFault(s []byte) string {
	if r.format != nil && !r.format.fits(string(s)) {
		return quote(s) + " is not " + r.format.is
	}
	if r.pattern != nil && !r.pattern.Match(s) {
		return quote(s) + " does not have the form " + r.pattern.String()
	}
	if r.minLen == 0 && r.maxLen == 0 {
		return ""
	}
	n := utf8.RuneCount(s)
	switch {
	case n < r.minLen:
		return fmt.Sprintf("has %d characters, fewer than %d", n, r.minLen)
	case r.maxLen != 0 && n > r.maxLen:
		return fmt.Sprintf("has %d characters, more than %d", n, r.maxLen)
	}
	return ""
}

func (r *rule) numberFault(s []byte) string {
	if !r.whole && !r.min.set && !r.max.set {
		return ""
	}
	d := readDecimal(s)
	switch {
	case r.whole && d.fraction:
		return cut(s) + " is not a whole number"
	case r.min.set && d.less(r.min.n):
		return cut(s) + " is less than " + strconv.FormatInt(r.min.n, 10)
	case r.max.set && d.more(r.max.n):
		return cut(s) + " is more than " + strconv.FormatInt(r.max.n, 10)
	}
	return ""
}

func (c *checker) list(r *rule, i int, tell bool) bool {
	ok := true
	if r.minN != 0 || r.maxN != 0 {
		ok = c.size(r, i, tell)
	}
	if r.unique && (ok || tell) {
		ok = c.distinct(i, tell) && ok
	}
	if r.each == nil {
		return ok
	}
	n := 0
	for j, end := i+1, c.v[i].end; j < end && (ok || tell); j = c.v[j].end {
		at := c.down(strconv.AppendInt(nil, int64(n), 10))
		ok = c.check(r.each, j, tell) && ok
		c.path = c.path[:at]
		n++
	}
	return ok
}

func (c *checker) size(r *rule, i int, tell bool) bool {
	n := c.count(i)
	switch {
	case n < r.minN && tell:
		c.add("has %d members, fewer than %d", n, r.minN)
	case r.maxN != 0 && n > r.maxN && tell:
		c.add("has %d members, more than %d", n, r.maxN)
	}
	return n >= r.minN && (r.maxN == 0 || n <= r.maxN)
}

// distinct reports whether no text stands twice in the list i.
func (c *checker) distinct(i int, tell bool) bool {
	seen := map[string]struct{}{}
	for j, end := i+1, c.v[i].end; j < end; j = c.v[j].end {
		if c.v[j].kind != text {
			continue // the rule for each member says that
		}
		s := string(c.v[j].text)
		if _, twice := seen[s]; twice {
			if tell {
				c.add("holds %s twice", quote(s))
			}
			return false
		}
		seen[s] = struct{}{}
	}
	return true
}

func (c *checker) object(r *rule, i int, tell bool) bool {
	ok := true
	if r.minN != 0 || r.maxN != 0 {
		ok = c.size(r, i, tell)
	}
	for k := range r.members {
		if !ok && !tell {
			return false
		}
		m := &r.members[k]
		j := c.member(i, m.name)
		if j == 0 && !m.need || j != 0 && m.rule == nil {
			continue
		}
		at := c.down([]byte(m.name))
		if j == 0 {
			ok = false
			if tell {
				c.add("is missing")
			}
		} else {
			ok = c.check(m.rule, j, tell) && ok
		}
		c.path = c.path[:at]
	}
	if r.closed || r.others != nil {
		ok = c.further(r, i, tell) && ok
	}
	return ok
}

// further checks the members of object i that r does not name.
func (c *checker) further(r *rule, i int, tell bool) bool {
	ok := true
	for j, end := i+1, c.v[i].end; j < end && (ok || tell); j = c.v[j].end {
		if r.names(c.v[j].name) {
			continue
		}
		at := c.down(c.v[j].name)
		if r.closed {
			ok = false
			if tell {
				c.add("is a member that the specification does not allow there")
			}
		} else {
			ok = c.check(r.others, j, tell) && ok
		}
		c.path = c.path[:at]
	}
	return ok
}

func (r *rule) names(name []byte) bool {
	for k := range r.members {
		if r.members[k].name == string(name) {
			return true
		}
	}
	return false
}

// compound checks the rules that are made of rules.
func (c *checker) compound(r *rule, i int, tell bool) bool {
	ok := true
	for _, part := range r.all {
		if !ok && !tell {
			return false
		}
		ok = c.check(part, i, tell) && ok
	}
	if r.oneOf != nil && !c.anyHolds(r.oneOf, i) || r.not != nil && c.holds(r.not, i) {
		ok = false
		if tell {
			c.add("%s", r.say)
		}
	}
	if r.when != nil {
		next := r.otherwise
		if c.holds(r.when, i) {
			next = r.then
		}
		if next != nil {
			ok = c.check(next, i, tell) && ok
		}
	}
	return ok
}

func (c *checker) anyHolds(rules []*rule, i int) bool {
	for _, r := range rules {
		if c.holds(r, i) {
			return true
		}
	}
	return false
}

// down lengthens the path by a name and returns where to cut it again. Long names are cut: a path is only shown.
func (c *checker) down(name []byte) int {
	at := len(c.path)
	if at > 0 {
		c.path = append(c.path, '.')
	}
	c.path = append(c.path, name[:min(len(name), 100)]...)
	return at
}

// String names the kinds as a sentence needs them.
func (k kind) String() string {
	var all []string
	for i, name := range [...]string{"an object", "a list", "a text", "a number", "true or false", "null"} {
		if k&(1<<i) != 0 {
			all = append(all, name)
		}
	}
	return strings.Join(all, " or ")
}

// show is a value inside a sentence.
func show(v *value) string {
	switch v.kind {
	case text:
		return quote(v.text)
	case object, list:
		return v.kind.String()
	}
	return cut(v.text)
}

// cut shortens a number as it is written.
func cut(s []byte) string {
	if len(s) > 40 {
		return string(s[:40]) + "…"
	}
	return string(s)
}
