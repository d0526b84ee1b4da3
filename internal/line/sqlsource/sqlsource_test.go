package sqlsource

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"tocsin/internal/line"
	"tocsin/internal/line/database"
)

var update = flag.Bool("update", false, "rewrite the records of testdata")

// TestRows: each row of a case, name=value with times in seconds, makes the records of the case.
func TestRows(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil || len(a.Files) != 2 {
				t.Fatal("a case has rows and records", err)
			}
			table := &Table{Name: "radacct", FixedAddresses: strings.Contains(string(a.Comment), "fixed_addresses"), Realm: "inside"}
			var got strings.Builder
			for text := range strings.Lines(string(a.Files[0].Data)) {
				records, err := table.records(rowOf(t, text))
				if err != nil {
					fmt.Fprintf(&got, "refused: %v\n", err)
				}
				for i := range records {
					if err := records[i].Validate(); err != nil {
						t.Errorf("%+v: %v", records[i], err)
					}
					fmt.Fprintln(&got, shown(&records[i]))
				}
				fmt.Fprintln(&got)
			}
			if *update {
				a.Files[1].Data = []byte(got.String())
				if err := os.WriteFile(path, txtar.Format(a), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := gocmp.Diff(string(a.Files[1].Data), got.String()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func rowOf(t *testing.T, text string) *row {
	t.Helper()
	r := &row{}
	for part := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(part, "=")
		found := false
		for _, c := range columns {
			switch {
			case c.name != name:
				continue
			case !c.time:
				c.put(r, value)
			default:
				first, last, two := strings.Cut(value, "..")
				m := c.moment(r)
				m.Earliest, _ = strconv.ParseInt(first, 10, 64)
				if m.Latest = m.Earliest; two {
					m.Latest, _ = strconv.ParseInt(last, 10, 64)
				}
			}
			found = true
		}
		if !found {
			t.Fatalf("no column %s", name)
		}
	}
	return r
}

func shown(r *line.Record) string {
	s := [...]string{"", "start", "alive", "stop", "reset"}[r.Action] + " " + r.NAS
	if r.Action != line.Reset {
		s += fmt.Sprintf("/%s %s %s %d-%d%s of %s", r.Session, r.Range.Prefix, r.Range.Realm, r.Range.Lo, r.Range.Hi, r.Range.Proto, r.Held.Line)
	}
	s += fmt.Sprintf(" at %d..%d", r.At.Earliest, r.At.Latest)
	if !r.Since.IsZero() {
		s += fmt.Sprintf(" since %d..%d", r.Since.Earliest, r.Since.Latest)
	}
	return s
}

// TestCheckQuery: what can be seen of a query without a database.
func TestCheckQuery(t *testing.T) {
	const good = "SELECT a AS line, b AS session, c AS start, d AS updated, e AS stop, f AS address FROM t WHERE e >= {from} AND e < {to} ORDER BY e"
	for query, want := range map[string]string{
		good:                            "",
		"with t as (select 1)\n" + good: "",
		"SELECT * FROM v WHERE at >= {from} AND at < {to}": "",
		Radacct(database.PostgreSQL, ""):                   "",
		Radacct(database.MySQL, "callingstationid"):        "",
		"DELETE FROM t": "begins with SELECT",
		strings.Replace(good, "{to}", "now()", 1):     "no {to}",
		strings.Replace(good, "{to}", "{until}", 1):   "{until} stands for nothing",
		strings.Replace(good, "d AS updated,", "", 1): "no column named updated",
		strings.Replace(good, "address", "addr", 1):   "no column named address",
	} {
		err := CheckQuery(query)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", query, err, want)
		}
	}
	if CheckIdentity("") != nil || CheckIdentity("username") != nil || CheckIdentity("password") == nil {
		t.Error("identities are not what they should be")
	}
}

// FuzzRow: whatever stands in a row, its records are valid, and a refusal has nothing of it.
func FuzzRow(f *testing.F) {
	f.Add("ann", "1", "192.0.2.1", "198.51.100.7", "2001:db8::/56", "1024", "2047", "tcp", "NAS-Reboot", int64(100), int64(160), int64(200), false)
	f.Add("", "", "", "::ffff:198.51.100.7/120", "0.0.0.0", "0", "70000", "", "", int64(-1), int64(1<<62), int64(-1<<62), true)
	f.Fuzz(func(t *testing.T, who, session, nas, address, prefix, lo, hi, proto, cause string, start, updated, stop int64, fixed bool) {
		r := &row{line: who, session: session, nas: nas, ranges: []string{address, prefix}, lo: lo, hi: hi, proto: proto, cause: cause}
		r.start, r.updated, r.stop = line.Moment{Earliest: start, Latest: start}, line.Moment{Earliest: updated, Latest: updated}, line.Moment{Earliest: stop, Latest: stop}
		records, err := (&Table{Name: "t", FixedAddresses: fixed}).records(r)
		if err != nil && len(who) > 8 && strings.Contains(err.Error(), who) {
			t.Errorf("%v names a subscriber", err)
		}
		for i := range records {
			if bad := records[i].Validate(); bad != nil && err == nil {
				t.Errorf("%+v: %v", records[i], bad)
			}
		}
	})
}
