package access

import (
	"errors"

	"tocsin/internal/report"
)

// faults are all that is wrong with what somebody wrote into a form.
type faults struct{ all []error }

func (f *faults) add(field, rule string) {
	if rule != "" {
		f.all = append(f.all, &report.FieldError{Field: field, Rule: rule})
	}
}

func (f *faults) err() error { return errors.Join(f.all...) }
