package report

import "fmt"

// Grade says how far to trust what was reported, in the Admiralty code: a letter for the source, from its record, and
// a digit for the information, from what else speaks for it. The two are judged apart, so that a good source can be
// wrong and a bad one right. NATO has the code in STANAG 2511 and AJP-2.1; the meanings here are put in our own words.
// The zero value is F6: nothing to judge by, which is no bad mark.
type Grade struct {
	Reliability Reliability
	Credibility Credibility
}

// Reliability is the letter, of the source. A smaller number is better, but for the zero value, which is not on the
// scale.
type Reliability uint8

// The letters.
const (
	ReliabilityF Reliability = iota // cannot be judged: unknown, new, or not shown to be who it says
	ReliabilityA                    // completely reliable: no doubt about it, and a long record of being right
	ReliabilityB                    // usually reliable: small doubts, right nearly always
	ReliabilityC                    // fairly reliable: doubts, but right more often than not
	ReliabilityD                    // not usually reliable: right now and then
	ReliabilityE                    // unreliable: a record of being wrong
)

// Credibility is the digit, of the information. A smaller number is better, but for the zero value, which is not on
// the scale and written 6.
type Credibility uint8

// The digits.
const (
	Credibility6 Credibility = iota // cannot be judged: nothing speaks for or against it
	Credibility1                    // confirmed: independent sources say the same, day after day
	Credibility2                    // probably true: another source says the same, or the party did something about it
	Credibility3                    // possibly true: no other source, but the same one saw it again on another day
	Credibility4                    // doubtful: somebody showed it to be wrong, though independent sources said it
	Credibility5                    // improbable: somebody showed it to be wrong
)

// String returns the letter.
func (r Reliability) String() string {
	if r < ReliabilityA || r > ReliabilityE {
		return "F"
	}
	return string('A' + rune(r) - 1)
}

// String returns the digit.
func (c Credibility) String() string {
	if c < Credibility1 || c > Credibility5 {
		return "6"
	}
	return string('0' + rune(c))
}

// String returns letter and digit: "B2".
func (g Grade) String() string { return g.Reliability.String() + g.Credibility.String() }

// MarshalText implements encoding.TextMarshaler.
func (g Grade) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// UnmarshalText reads what ParseGrade reads. Empty is F6.
func (g *Grade) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*g = Grade{}
		return nil
	}
	parsed, err := ParseGrade(string(b))
	if err == nil {
		*g = parsed
	}
	return err
}

// ParseGrade reads a grade: a letter, or a letter and a digit. Without a digit it is 6. Case does not matter.
func ParseGrade(s string) (Grade, error) {
	var g Grade
	if len(s) != 1 && len(s) != 2 {
		return g, badGrade(s)
	}
	switch letter := s[0] &^ 0x20; { // upper case
	case letter >= 'A' && letter <= 'E':
		g.Reliability = Reliability(letter-'A') + ReliabilityA
	case letter != 'F':
		return Grade{}, badGrade(s)
	}
	if len(s) == 2 {
		switch digit := s[1]; {
		case digit >= '1' && digit <= '5':
			g.Credibility = Credibility(digit - '0')
		case digit != '6':
			return Grade{}, badGrade(s)
		}
	}
	return g, nil
}

func badGrade(s string) error {
	return fmt.Errorf("%q is no grade of the Admiralty code: write a letter from A (completely reliable) to E (unreliable), or F (cannot be judged), and perhaps a digit from 1 (confirmed) to 5 (improbable), or 6 (cannot be judged), as B or B2", s)
}
