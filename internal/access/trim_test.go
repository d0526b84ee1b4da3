package access_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/access"
)

type question struct {
	ID     string    `access:"id"`
	At     time.Time `access:"times"`
	Who    string    `access:"asker"`
	About  []string  `access:"about"`
	Odd    string    // no tag: for nobody
	Wrong  string    `access:"nothing"`
	hidden string
}

func (question) Record() access.Record { return access.Question }

type envelope struct {
	Next  string
	Items []question
	ByID  map[string]question
	One   *question
	Any   any
	None  *question
}

// TestTrim: each sees the fields that the table gives, wherever the record stands, and what has no tag nobody sees.
func TestTrim(t *testing.T) {
	whole := func() question {
		return question{ID: "1", At: time.Unix(1, 0), Who: "w", About: []string{"a"}, Odd: "o", Wrong: "w", hidden: "h"}
	}
	one := whole()
	v := envelope{Next: "n", Items: []question{whole()}, ByID: map[string]question{"k": whole()}, One: &one, Any: whole()}
	for _, c := range []struct {
		caller access.Caller
		want   question
	}{
		{access.Caller{Via: access.BySession, Roles: []access.Role{access.Desk}}, question{ID: "1", At: time.Unix(1, 0), Who: "w", About: []string{"a"}}},
		{access.Caller{Via: access.BySession, Roles: []access.Role{access.Oversight}}, question{ID: "1", At: time.Unix(1, 0), Who: "w"}},
		{access.Caller{}, question{}},
	} {
		access.Trim(&c.caller, &v)
		for place, got := range map[string]question{"slice": v.Items[0], "map": v.ByID["k"], "pointer": *v.One, "interface": v.Any.(question)} {
			got.hidden = ""
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(question{})); diff != "" {
				t.Errorf("%v, in a %s (-want +got):\n%s", c.caller.Roles, place, diff)
			}
		}
		if v.Next != "n" {
			t.Error("the envelope was trimmed")
		}
	}
}
