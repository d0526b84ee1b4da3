package console

import "tocsin/internal/access"

// rulesView is the table of rights, as it stands in the program.
type rulesView struct {
	Roles   []access.Role
	Records []recordView
}

type recordView struct {
	Record access.Record
	Words  string
	Rules  []access.Rule
}

// rules shows who may what.
func (v *visit) rules() error {
	view := rulesView{Roles: access.Roles()}
	for _, r := range access.Records() {
		one := recordView{Record: r, Words: access.Words(r)}
		for _, rule := range access.Table() {
			if rule.Record == r {
				one.Rules = append(one.Rules, rule)
			}
		}
		view.Records = append(view.Records, one)
	}
	return v.show("rules", view)
}
