package formats

import (
	"tocsin/internal/formats/acns"
	"tocsin/internal/formats/letter"
	"tocsin/internal/report"
)

// About says of what kind a mail in no format is, where it is certain and of a kind that is filed apart
// (report.Kind.Apart). A person reads the mail all the same. The zero Kind: it stands with the rest.
func About(m *report.Mail, r *letter.Reading) report.Kind {
	for i := range r.Parts {
		if acns.Letter(m, r.Parts[i].Text) {
			return report.Kind{Class: "fraud", Type: "copyright"}
		}
	}
	return report.Kind{}
}
