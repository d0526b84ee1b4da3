package acns

import (
	"strings"

	"tocsin/internal/report"
)

const letterBytes = 256 << 10 // of a text that are looked at

var (
	// claims say what the letter is. One is enough, in the subject or the text.
	claims = []string{
		"notice of claimed infringement", "notice of copyright infringement", "copyright infringement notice", "copyright infringement notification",
		"notification of copyright infringement", "notice of infringement", "notice of unauthorized use of", "dmca takedown", "dmca notice", "dmca complaint",
		"digital millennium copyright act", "17 u.s.c. § 512", "17 u.s.c. 512", "17 usc 512", "17 u.s.c. section 512",
	}
	// formulas are what such a letter must say by law (17 U.S.C. § 512(c)(3)(A)(iv) to (vi)). Two of the three are
	// asked for: nobody says them about anything else.
	formulas = [][]string{
		{"good faith belief", "good-faith belief", "believes in good faith", "believe in good faith"},
		{"penalty of perjury"},
		{
			"authorized to act on behalf", "authorised to act on behalf", "authorized to act for", "authorised to act for", "exclusive rights in copyright",
			"exclusive copyright", "owner of an exclusive right", "owner of the exclusive", "owner of exclusive rights", "owns the exclusive rights",
			"not authorized by the copyright owner", "not been authorized", "not authorised by the copyright owner",
		},
	}
)

// Letter reports whether a mail is a copyright notice without the XML: the letter of 17 U.S.C. § 512, in English. It
// says yes only when that is certain: not for a reply, nor where the words are quoted. text is the mail's text for
// people, decoded.
func Letter(m *report.Mail, text string) bool {
	subject := strings.ToLower(strings.TrimSpace(m.Subject))
	for _, re := range [...]string{"re:", "aw:", "sv:", "antw:", "rv:"} {
		if strings.HasPrefix(subject, re) {
			return false
		}
	}
	if len(m.References) > 0 {
		return false
	}
	body := flat(text[:min(len(text), letterBytes)])
	if !contains(subject, claims) && !contains(body, claims) {
		return false
	}
	said := 0
	for _, words := range formulas {
		if contains(body, words) {
			said++
		}
	}
	return said >= 2
}

// flat is a text in lower case without quoted lines, its white space one blank each, so that line breaks do not hide
// words.
func flat(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, ">") || strings.HasPrefix(line, "|") {
			continue
		}
		for word := range strings.FieldsSeq(line) {
			b.WriteString(word)
			b.WriteByte(' ')
		}
	}
	return strings.ToLower(b.String())
}

func contains(text string, any []string) bool {
	for _, s := range any {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}
