package report

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxNameBytes is how long a name is kept.
const maxNameBytes = 255

// CleanName takes out of a name that somebody else chose (a file's, a mail's subject) what must not reach a terminal,
// a log or a database (control characters, NUL, bytes that are not UTF-8), and cuts it to 255 bytes.
func CleanName(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	for len(s) > maxNameBytes {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

// Printable is a path or another text as it can stand in a sentence: as it is where it can be printed on one line,
// else with escapes, which a shell's $'...' undoes.
func Printable(s string) string {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			quoted := strconv.Quote(s)
			return quoted[1 : len(quoted)-1]
		}
	}
	return s
}
