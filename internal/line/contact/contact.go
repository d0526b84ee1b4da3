// Package contact asks the operator's own records who a line's subscriber is and how to reach them: a CSV file, a query,
// or a system that answers over HTTP. Nothing of it is kept: each question is asked anew, when a notice is sent or
// somebody may be told.
package contact

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Contact is how to reach whoever has a line. All of it may be empty but one of Name, Mail, Phone and Postal.
type Contact struct {
	Name     string // personal: who has the line
	Mail     string // personal: address of a mailbox
	Phone    string // personal
	Postal   string // personal: address, its lines parted by newlines
	Language string // personal: as BCP 47 says it, as de or pt-BR; "": not known
	Class    Class  // personal
}

// Class is what hangs on a line. The zero value is not known: it is to be treated with as much care as the most delicate.
type Class string

// The classes.
const (
	Residential Class = "residential"
	Business    Class = "business"
	Emergency   Class = "emergency" // emergency services
	Alarm       Class = "alarm"     // an alarm system, or one that calls for help
	Hospital    Class = "hospital"  // a hospital, or whoever else is in danger without the line
)

// Classes are those that there are.
var Classes = []Class{Residential, Business, Emergency, Alarm, Hospital}

// Book is where contacts are. Each adapter is one.
type Book interface {
	// Contact returns the contact of a line by the name that the sources have for it. ErrUnknown says that there is none.
	// It may block until ctx ends or a limit of the adapter's. It keeps nothing, and no error of it says anything of the
	// name or of what is known.
	Contact(ctx context.Context, name string) (Contact, error)
	Close() error
}

// ErrUnknown says that the operator's records know no such line.
var ErrUnknown = errors.New("the contacts do not know the line")

const (
	mostText   = 200  // characters of a name, mail or phone
	mostPostal = 1000 // characters
)

// field is one of a contact's, by the name that a column, or a member of JSON, has.
type field struct {
	name string
	of   func(*Contact) *string
}

var fields = []field{
	{"name", func(c *Contact) *string { return &c.Name }},
	{"mail", func(c *Contact) *string { return &c.Mail }},
	{"phone", func(c *Contact) *string { return &c.Phone }},
	{"address", func(c *Contact) *string { return &c.Postal }},
	{"language", func(c *Contact) *string { return &c.Language }},
	{"class", func(c *Contact) *string { return (*string)(&c.Class) }},
}

var language = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$`)

// check says what is wrong with a contact, in a sentence without any of it. It puts class in small letters.
func (c *Contact) check() error {
	for _, f := range fields {
		v := f.of(c)
		*v = strings.TrimSpace(strings.ReplaceAll(*v, "\r\n", "\n"))
		most := mostText
		if f.name == "address" {
			most = mostPostal
		}
		if !utf8.ValidString(*v) {
			return fmt.Errorf("%s is not UTF-8", f.name)
		}
		if utf8.RuneCountInString(*v) > most {
			return fmt.Errorf("%s is longer than %d characters", f.name, most)
		}
		for _, r := range *v {
			if unicode.IsControl(r) && (r != '\n' || f.name != "address") {
				return fmt.Errorf("%s has a control character in it", f.name)
			}
		}
	}
	if c.Mail != "" {
		if a, err := mail.ParseAddress(c.Mail); err != nil || a.Name != "" || a.Address != c.Mail {
			return errors.New("mail is no address of a mailbox: write ann@isp.example alone")
		}
	}
	if c.Language != "" && !language.MatchString(c.Language) {
		return errors.New("language is none: write it as de or pt-BR (BCP 47)")
	}
	c.Class = Class(strings.ToLower(string(c.Class)))
	if c.Class != "" && !slices.Contains(Classes, c.Class) {
		return errors.New("class is none: write residential, business, emergency, alarm or hospital")
	}
	if c.Name == "" && c.Mail == "" && c.Phone == "" && c.Postal == "" {
		return errors.New("name, mail, phone and address are all empty: nobody can be reached")
	}
	return nil
}
