package nat

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
)

// A line that is not whole may have said that somebody else has the ports now. The signs of it are looked for here: of a
// line that was cut off anywhere, and of one that others were written onto, as after a full disk.

var (
	errCut      = errors.New("the line ends within what it says, and may be cut off: let the syslog servers on its way take longer messages")
	errTorn     = errors.New("the line says who has which ports, and a part of it is missing or unknown")
	errTogether = errors.New("two lines are run together, as a full disk or a crash leaves them: what the first said is lost")
	errHeadless = errors.New("the line does not begin with a time, so its beginning is missing: its header is neither that of RFC 5424 nor that of RFC 3164")
)

// stamp is a time within a line, as headers have it, with the priority before it.
type stamp struct {
	from, to int
	named    bool // with the name of its month, as RFC 3164 has it
	priority bool
}

// next is the first stamp from a place on; false where there is none.
func next(text string, from int) (stamp, bool) {
	for i := from; ; {
		at := strings.IndexByte(text[i:], ':')
		if at < 0 {
			return stamp{}, false
		}
		at += i
		i = at + 1
		if at+6 > len(text) || text[at+3] != ':' || at < 2 || !numeric(text[at-2:at]) || !numeric(text[at+1:at+3]) || !numeric(text[at+4:at+6]) {
			continue
		}
		if b := at - len("2006-01-02T15"); b >= from && text[b+10] == 'T' && text[b+4] == '-' && text[b+7] == '-' && numeric(text[b:b+4]) && numeric(text[b+8:b+10]) {
			return stamp{from: b, to: at + 6}.with(text), true
		}
		if b := at - len("Jan _2 15"); b >= from && text[b+3] == ' ' && text[b+6] == ' ' && numeric(text[b+5:b+6]) && monthly(text[b:b+3]) {
			return stamp{from: b, to: at + 6, named: true}.with(text), true
		}
	}
}

// with includes a priority (RFC 5424 §6.2.1) that stands before the time, and the version behind that.
func (s stamp) with(text string) stamp {
	before := strings.TrimSuffix(text[:s.from], "1 ")
	if !strings.HasSuffix(before, ">") {
		return s
	}
	if at := strings.LastIndexByte(before, '<'); at >= 0 && len(before)-at <= len("<191>") && numeric(before[at+1:len(before)-1]) {
		s.from, s.priority = at, true
	}
	return s
}

func numeric(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func monthly(s string) bool {
	return strings.Contains("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", s) && !strings.Contains(s, " ")
}

// relayed is what may stand between a relay's header and that of the message which it could not read: the relay's name for
// the device, and perhaps a priority, a version, or the number and name that Cisco IOS begins with.
var relayed = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\S* \S+ (?:1 )?(?:\d+: (?:[^ :]+: )?)?[*.]?$`)
})

// together reports whether a second header stands where only another line can have brought it: on a word, or, in a line
// of which more is known, behind anything but a header.
func together(text string, known bool) bool {
	first, ok := next(text, 0)
	if !ok {
		return false
	}
	before, last := text[:first.from], first
	if glued(before) || known && strings.Count(before, " ") > 3 { // a header has no more before its time
		return true
	}
	for {
		s, ok := next(text, last.to)
		if !ok {
			return false
		}
		between := text[last.to:s.from]
		if glued(between) {
			return true
		}
		if known && (!relayed().MatchString(between) || s.priority && last.priority || s.named == last.named && word(between) == word(text[s.to:])) {
			return true
		}
		last = s
	}
}

// glued reports whether a text ends within a word. What stands in quotes or brackets, or is a value, belongs there.
func glued(before string) bool {
	return before != "" && !strings.ContainsRune(" =\"'([<>*.,;|/", rune(before[len(before)-1]))
}

// word is the host behind a time: the first word but for what is left of the time.
func word(s string) string {
	_, s, _ = strings.Cut(s, " ")
	s, _, _ = strings.Cut(s, " ")
	return s
}

// unfinished says what is wrong with a line that says nothing of ports, and may have been about to.
func unfinished(text string) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	body := withoutPriority(text)
	s, ok := next(body, 0)
	if !ok || s.from != 0 { // nor is the priority of any use without the time
		if ok && together(text, false) {
			return errTogether
		}
		return errHeadless
	}
	if together(text, false) {
		return errTogether
	}
	_, rest, _ := strings.Cut(body[s.to:], " ")                // the rest of the time
	_, rest, _ = strings.Cut(strings.TrimLeft(rest, " "), " ") // the host
	// Behind these stand the name of a program, and what else RFC 5424 §6.2 has there: a beginning of a record that is cut
	// off is no more than that, or that and a part of its first words.
	said, last := 0, ""
	for i := 0; said < 2 || i < maxLead; i++ {
		rest = strings.TrimLeft(rest, " ")
		if rest == "" {
			break
		}
		for _, b := range beginnings() {
			if len(rest) < len(b) && strings.HasPrefix(b, rest) {
				return errTorn
			}
		}
		if last, rest, _ = strings.Cut(rest, " "); last != "-" { // RFC 5424's for nothing
			said++
		}
	}
	if said < 2 || rest == "" && strings.HasSuffix(last, ":") {
		return errTorn
	}
	return nil
}

const maxLead = 5 // words before a record

// beginnings are with what the records of layouts begin, and what Vyatta has before them.
var beginnings = sync.OnceValue(func() (all []string) {
	all = append(all, "CGNAT: ")
	for _, c := range table() {
		for _, b := range [...]string{c.begins, c.mark + " "} {
			if b != "" && b[0] != ' ' && !slices.Contains(all, b) {
				all = append(all, b)
			}
		}
	}
	return all
})

// ends reports whether a line ends within what a layout says.
func ends(text string) bool {
	all := table()
	for i := range all {
		c := &all[i]
		if c.prefix == nil {
			continue
		}
		if strings.Contains(text, c.begins) && c.prefix().MatchString(text[strings.LastIndex(text, c.begins):]) {
			return true
		}
		for n := min(len(c.begins)-1, len(text)); n >= leastBegun; n-- {
			if c.begins[n-1] == text[len(text)-1] && strings.HasSuffix(text, c.begins[:n]) {
				return true
			}
		}
	}
	return false
}

const leastBegun = 5 // characters of a record's beginning that are no other word's

// begun is an expression of what a text can be of which a match of another was cut off, at its end, anywhere.
func begun(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		s := ""
		for _, r := range slices.Backward(re.Rune) {
			c := regexp.QuoteMeta(string(r))
			if s = "(?:" + c + s + ")?"; re.Flags&syntax.FoldCase != 0 {
				s = "(?i:" + s + ")"
			}
		}
		return s
	case syntax.OpConcat:
		s := ""
		for i, sub := range slices.Backward(re.Sub) {
			if part := begun(sub); i == len(re.Sub)-1 {
				s = part
			} else {
				s = "(?:" + part + "|" + sub.String() + s + ")"
			}
		}
		return s
	case syntax.OpAlternate:
		parts := make([]string, len(re.Sub))
		for i, sub := range re.Sub {
			parts[i] = begun(sub)
		}
		return "(?:" + strings.Join(parts, "|") + ")"
	case syntax.OpCapture, syntax.OpQuest:
		return begun(re.Sub[0])
	case syntax.OpStar, syntax.OpPlus, syntax.OpRepeat:
		return "(?:" + re.Sub[0].String() + ")*" + begun(re.Sub[0])
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "(?:" + re.String() + ")?"
	default: // of no character
		return ""
	}
}
