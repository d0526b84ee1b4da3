package access_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/access"
)

var update = flag.Bool("update", false, "write docs/access.md")

const page = "../../docs/access.md"

// TestTablePage holds docs/access.md to the table: each cell of role, record, field and action was read by a person when it
// changed.
func TestTablePage(t *testing.T) {
	got := rendered()
	if *update {
		if err := os.WriteFile(page, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/access.md is not what the table says; go test ./internal/access -update writes it (-page +table):\n%s", diff)
	}
}

// rendered asks Allowed for every cell: it knows nothing of the rules.
func rendered() string {
	var b strings.Builder
	b.WriteString(`# Who may what
Written from ` + "`internal/access/table.go`" + `, which every page, call and field goes by. What is not said here nobody may.
An x says that the role may; the console shows the same table with the reason of each rule under "Who may what".
`)
	for _, r := range access.Records() {
		fmt.Fprintf(&b, "\n## %s\n%s.\n\n| | field | %s |\n|---|---|", r, sentence(access.Words(r)), joined(access.Roles()))
		b.WriteString(strings.Repeat("---|", len(access.Roles())) + "\n")
		for _, a := range access.Actions() {
			for _, f := range access.FieldsOf(r) {
				row, any := "", false
				for _, role := range access.Roles() {
					if access.Allowed(role, a, r, f) {
						row, any = row+" x |", true
					} else {
						row += "  |"
					}
				}
				if any {
					fmt.Fprintf(&b, "| %s | %s |%s\n", a, f, row)
				}
			}
		}
	}
	return b.String()
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func joined(roles []access.Role) string {
	all := make([]string, len(roles))
	for i, r := range roles {
		all[i] = string(r)
	}
	return strings.Join(all, " | ")
}

// TestRules: a rule that names what there is not, or that says what another says already, is a mistake.
func TestRules(t *testing.T) {
	said := map[string]string{}
	for _, rule := range access.Table() {
		if rule.Why == "" || len(rule.Fields) == 0 || len(rule.Roles) == 0 {
			t.Errorf("%s %s has no reason, no field or no role", rule.Action, rule.Record)
		}
		if !slices.Contains(access.Records(), rule.Record) || !slices.Contains(access.Actions(), rule.Action) {
			t.Errorf("%s %s: there is no such record or action", rule.Action, rule.Record)
		}
		for _, role := range rule.Roles {
			if !slices.Contains(access.Roles(), role) {
				t.Errorf("there is no role %q", role)
			}
			for _, f := range rule.Fields {
				if !access.Allowed(role, rule.Action, rule.Record, f) {
					t.Errorf("%s may not %s %s of %s, which a rule says: there is no such field", role, rule.Action, f, rule.Record)
				}
				cell := fmt.Sprint(role, rule.Action, rule.Record, f)
				if before, ok := said[cell]; ok {
					t.Errorf("%s %s %s.%s stands in two rules: %q and %q", role, rule.Action, rule.Record, f, before, rule.Why)
				}
				said[cell] = rule.Why
			}
		}
	}
	cells := 0
	for _, role := range slices.Concat(access.Roles(), []access.Role{"", "root"}) {
		for _, a := range access.Actions() {
			for _, r := range slices.Concat(access.Records(), []access.Record{"", "key"}) {
				for _, f := range slices.Concat(access.FieldsOf(r), []access.Field{"", "password"}) {
					cells++
					if _, ok := said[fmt.Sprint(role, a, r, f)]; ok != access.Allowed(role, a, r, f) {
						t.Errorf("%s %s %s.%s: Allowed says %v, the rules %v", role, a, r, f, !ok, ok)
					}
				}
			}
		}
	}
	if cells < 2000 {
		t.Errorf("only %d cells were tried", cells)
	}
}

// TestPromises are what DESIGN.md and the issue promise, whatever the table becomes.
func TestPromises(t *testing.T) {
	fields := func(a access.Action, r access.Record, roles ...access.Role) (n int) {
		for _, role := range roles {
			for _, f := range access.FieldsOf(r) {
				if access.Allowed(role, a, r, f) {
					n++
				}
			}
		}
		return n
	}
	outside := []access.Role{access.Officer, access.CSIRT, access.Association, access.Oversight}
	for _, r := range access.Records() {
		if r != access.Account && fields(access.Change, r, outside...)+fields(access.Decide, r, outside...) > 0 {
			t.Errorf("somebody from outside may change %s", r)
		}
		if n := fields(access.Ask, r, access.Roles()...) + fields(access.Reveal, r, access.Roles()...); (n > 0) != (r == access.Line) {
			t.Errorf("a question may be asked about %s by %d", r, n)
		}
	}
	for _, r := range []access.Record{access.Incident, access.Event, access.Report, access.Letter, access.Quarantine, access.Line} {
		if fields(access.See, r, outside...)+fields(access.See, r, access.Admin) > 0 {
			t.Errorf("others than the desk see %s", r)
		}
	}
	if fields(access.See, access.Line, access.Roles()...) > 0 {
		t.Error("a line is seen without a question")
	}
	for _, kind := range access.PartyKinds() {
		for _, role := range access.RolesOf(kind) {
			if kind != access.OwnParty && fields(access.See, access.Incident, role) > 0 {
				t.Errorf("people of a party of kind %s may have a role that sees incidents", kind)
			}
		}
	}
}

// TestCaller: who did not come in may nothing, and a token no more than its scopes.
func TestCaller(t *testing.T) {
	all := access.Caller{Name: "n", Roles: access.Roles()}
	nobody, token, session := all, all, all
	token.Via, token.Scopes = access.ByToken, []access.Scope{{Action: access.See, Record: access.Incident}, {}}
	session.Via = access.BySession
	for _, a := range access.Actions() {
		for _, r := range access.Records() {
			if nobody.May(a, r) {
				t.Errorf("nobody may %s %s", a, r)
			}
			if want := a == access.See && r == access.Incident; token.May(a, r) != want {
				t.Errorf("the token may %s %s: %v", a, r, !want)
			}
		}
	}
	if !session.May(access.Change, access.People) || session.May(access.See, access.Line) {
		t.Error("a session is not held to its roles")
	}
	token.Scopes = []access.Scope{{Action: access.See}}
	if !token.May(access.See, access.Report) || token.May(access.Change, access.Report) {
		t.Error("a scope of an action alone is not that of every record")
	}
}

func TestScope(t *testing.T) {
	for _, good := range []string{"see", "incident:change", "line:reveal"} {
		s, err := access.ParseScope(good)
		if err != nil || s.String() != good {
			t.Errorf("%s: %s, %v", good, s, err)
		}
	}
	for _, bad := range []string{"", ":", "see:", ":see", "all", "incident", "incident:", "see:incident", "incident:see:id", "*"} {
		if s, err := access.ParseScope(bad); err == nil {
			t.Errorf("%q was read as %v", bad, s)
		}
	}
}
