package api

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"tocsin/internal/access"
	"tocsin/internal/report"
)

// Config says which people may use the API.
type Config struct {
	// Tokens that stand here instead of in the database: for a first program, before anybody signs in. People make tokens of
	// their own under "Account", which end by themselves. They are not those of senders, which intake.http.tokens lists: a
	// token is in one of the lists only.
	Tokens []Token `yaml:"tokens"`
}

// Token lets one person in, or a program of theirs.
type Token struct {
	// Name of the person, each its own. It is written beside all that is done with the token.
	Name string `yaml:"name"`
	// Roles that the token has: desk, approver, admin, oversight. docs/access.md says what each may. Left out: desk.
	Roles []access.Role `yaml:"roles"`
	// SHA256 of the token, 64 hexadecimal digits: printf %s TOKEN | sha256sum. The token itself is not kept.
	SHA256 string `yaml:"sha256"`
}

var nameRule = regexp.MustCompile(`^[a-z0-9_-][a-z0-9._-]{0,63}$`)

func (t *Token) roles() []access.Role {
	if len(t.Roles) == 0 {
		return []access.Role{access.Desk}
	}
	return t.Roles
}

func join(roles []access.Role) string {
	words := make([]string, len(roles))
	for i, r := range roles {
		words[i] = string(r)
	}
	return strings.Join(words, ", ")
}

// Validate reports every broken rule at once, joined, each a *report.FieldError.
func (c Config) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &report.FieldError{Field: field, Rule: field + ": " + fmt.Sprintf(format, args...)})
	}
	names, sums := map[string]bool{}, map[string]bool{}
	for i, t := range c.Tokens {
		at := fmt.Sprintf("api.tokens[%d]", i)
		if !nameRule.MatchString(t.Name) {
			bad(at+".name", "%q cannot name a person: use up to 64 small letters, digits, - _ and dots", t.Name)
		} else if names[t.Name] {
			bad(at+".name", "%s is there already", t.Name)
		}
		names[t.Name] = true
		for _, r := range t.Roles {
			if !slices.Contains(access.RolesOf(access.OwnParty), r) {
				bad(at+".roles", "%q is no role of people here: write %s", r, join(access.RolesOf(access.OwnParty)))
			}
		}
		sum := strings.ToLower(t.SHA256)
		if b, err := hex.DecodeString(sum); err != nil || len(b) != 32 {
			bad(at+".sha256", "not the SHA-256 of a token, which has 64 hexadecimal digits: printf %%s TOKEN | sha256sum")
		} else if sums[sum] {
			bad(at+".sha256", "another token has the same one: nobody could tell who acts")
		}
		sums[sum] = true
	}
	return errors.Join(errs...)
}
