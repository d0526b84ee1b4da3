package access

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	shortestPassword = 12   // characters
	longestPassword  = 1024 // bytes
	fewestOwn        = 8    // characters that are left without login and name
	fewestSurprises  = 6    // see surprises; without common words
)

// common are words of which the most common passwords are made. Lists of passwords that leaked are long at 6 and 8
// characters; at 12 they are these, twice, in a row with each other, or with digits and signs behind them.
var common = strings.Fields(`
	password passwort passwd pass kennwort welcome willkommen letmein admin administrator root user login secret geheim
	changeme change default master guest test testing demo temp qwertz iloveyou love sunshine princess dragon monkey football
	baseball basketball superman batman shadow michael jordan computer internet network server security support office
	company service hello whatever trustno starwars pokemon summer winter spring autumn sommer herbst january february
	march april june july august september october november december monday tuesday wednesday thursday friday saturday
	sunday tocsin abuse desk isp the my me is one two three new old your our please enter this that`)

// rows are what fingers walk along.
var rows = []string{
	"abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl", "qsdfghjklm", "zxcvbnm", "yxcvbnm",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm", "qazwsxedcrfvtgbyhnujm", "1q2w3e4r5t6y7u8i9o0p",
}

// weakness says what is wrong with a password that a person chose, "" when nothing is.
func weakness(password, login, name string) string {
	switch {
	case utf8.RuneCountInString(password) < shortestPassword:
		return fmt.Sprintf("choose a password of %d characters at least: four words that do not belong together are easy to keep in mind", shortestPassword)
	case len(password) > longestPassword:
		return fmt.Sprintf("choose a password of %d bytes at most", longestPassword)
	}
	plain := strings.ToLower(password)
	mine := strings.FieldsFunc(strings.ToLower(login+" "+name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if utf8.RuneCountInString(without(plain, append(mine, strings.ToLower(login)))) < fewestOwn {
		return "choose a password that is not made of your login or name"
	}
	for _, p := range []string{plain, unleet.Replace(plain)} {
		if repeats(p) || surprises(without(p, common)) < fewestSurprises {
			return "choose a password that others would not try first: this one is made of common words, a row of keys, or repeats itself"
		}
	}
	return ""
}

// unleet undoes what is written for letters.
var unleet = strings.NewReplacer("0", "o", "1", "l", "3", "e", "4", "a", "5", "s", "7", "t", "8", "b", "@", "a", "$", "s", "!", "i", "|", "l")

// repeats reports whether a short text is written again and again.
func repeats(s string) bool {
	return strings.Contains((s + s)[1:2*len(s)-1], s) && len(s) < 4*shortestPassword
}

// surprises counts the characters that are new, and no step along a row of keys.
func surprises(s string) int {
	all, n := []rune(s), 0
	for i, r := range all {
		if !slices.Contains(all[:i], r) && (i == 0 || !beside(all[i-1], r)) {
			n++
		}
	}
	return n
}

// beside reports whether b follows a in a row, to either side.
func beside(a, b rune) bool {
	return slices.ContainsFunc(rows, func(row string) bool {
		return strings.Contains(row, string([]rune{a, b})) || strings.Contains(row, string([]rune{b, a}))
	})
}

// without takes words of three letters and more out of a text, the long ones first.
func without(s string, words []string) string {
	words = slices.Clone(words)
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) })
	for _, w := range words {
		if utf8.RuneCountInString(w) >= 3 {
			s = strings.ReplaceAll(s, w, "")
		}
	}
	return s
}
