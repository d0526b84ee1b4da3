package formats

import (
	"errors"
	"fmt"

	"tocsin/internal/formats/list"
	"tocsin/internal/report"
)

// Config is what the operator adds to the formats.
type Config struct {
	// Lists are lists and feeds of your own: any CSV, JSON, text, HTML table or XML, each described by what its columns
	// mean. docs/formats/list.md has an example, and `tocsin parse --map FILE` tries one. A list with the name of one that
	// Tocsin brings along replaces it.
	Lists []list.Mapping `yaml:"lists"`
}

// Validate reports every broken rule at once, joined, each a *report.FieldError.
func (c *Config) Validate() error {
	var errs []error
	names := map[string]bool{}
	for i := range c.Lists {
		at := fmt.Sprintf("formats.lists[%d].", i)
		errs = append(errs, below(at, c.Lists[i].Validate())...)
		if n := c.Lists[i].Name; n != "" && names[n] {
			errs = append(errs, &report.FieldError{Field: at + "name", Rule: fmt.Sprintf("formats.lists: %s is there already: give each list its own name", n)})
		}
		names[c.Lists[i].Name] = true
	}
	return errors.Join(errs...)
}

// below puts the faults of a part under its key.
func below(at string, err error) (all []error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			all = append(all, below(at, one)...)
		}
		return all
	}
	if f, ok := errors.AsType[*report.FieldError](err); ok {
		return []error{&report.FieldError{Field: at + f.Field, Rule: f.Rule}}
	}
	if err != nil {
		all = append(all, err)
	}
	return all
}
