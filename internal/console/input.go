package console

import (
	"errors"
	"strings"

	"tocsin/internal/api"
)

// inputView is a labelled field of a form: {{template "input" .}}. What is wrong with it stands beside it, and what was
// typed stays.
type inputView struct {
	Name  string // of the form's value, and the id of the element
	Label string
	Value string
	Hint  string
	Wrong string
	Kind  string // a type of <input>; "area" is a textarea; empty: text
	Mode  string // inputmode: the keyboard of a phone
	Class string // of the field
	Form  string // id of the form that it belongs to, where it does not stand in it

	Groups   []optionGroup // of a select
	Required bool
}

// optionGroup are choices of a select that belong together; without a name they stand by themselves.
type optionGroup struct {
	Name    string
	Options []option
}

type option struct{ Value, Text string }

// options makes one group of values that are their own words.
func options(first string, values ...string) []optionGroup {
	all := []option{{"", first}}
	for _, v := range values {
		all = append(all, option{v, v})
	}
	return []optionGroup{{Options: all}}
}

// Described names the elements that say more about the field.
func (i inputView) Described() string {
	var ids []string
	if i.Hint != "" {
		ids = append(ids, i.Name+"-hint")
	}
	if i.Wrong != "" {
		ids = append(ids, i.Name+"-wrong")
	}
	return strings.Join(ids, " ")
}

// faultsOf are what the API says is wrong with the members of a request, by their place in its body; none where the
// request cannot be mended.
func faultsOf(err error) map[string]string {
	said, ok := errors.AsType[*api.Declined](err)
	if !ok || !said.Wrong() {
		return nil
	}
	all := map[string]string{}
	for _, f := range said.Faults {
		where := strings.TrimPrefix(strings.TrimPrefix(f.Location, "body."), "query.")
		if all[where] != "" {
			all[where] += "; "
		}
		all[where] += f.Message
	}
	return all
}
