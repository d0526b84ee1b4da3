package static_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	_ "time/tzdata"

	gocmp "github.com/google/go-cmp/cmp"

	"tocsin/internal/line"
	"tocsin/internal/line/static"
	"tocsin/internal/report"
)

var now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// read writes each record and refusal as a line.
func read(t testing.TB, table *static.Table, text string) (out []string) {
	t.Helper()
	clock := func(m line.Moment) string {
		s := time.Unix(m.Earliest, 0).UTC().Format("2006-01-02 15:04")
		if m.Latest != m.Earliest {
			s += fmt.Sprintf("+%d", m.Latest-m.Earliest)
		}
		return s
	}
	table.Name = "customers"
	for r, err := range table.Read(strings.NewReader(text), now) {
		var row *report.RowError
		switch {
		case errors.As(err, &row):
			out = append(out, fmt.Sprintf("row %d: %s", row.Row, row.Reason))
			continue
		case err != nil:
			t.Fatal(err)
		}
		s := fmt.Sprintf("%d %s %s at %s", r.Action, r.Range.Prefix, r.Held.Line, clock(r.At))
		if !r.Since.IsZero() {
			s += " since " + clock(r.Since)
		}
		if !r.Until.IsZero() {
			s += " until " + clock(r.Until)
		}
		out = append(out, s)
		if err := r.Validate(); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	return out
}

func TestRead(t *testing.T) {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	swept := "5 invalid Prefix  at 2026-03-10 12:00"
	for name, c := range map[string]struct {
		table static.Table
		text  string
		want  []string
	}{
		"the least": {static.Table{}, "prefix,line\n198.51.100.7,ann\n2001:db8:7::/48,bob\n", []string{
			"2 198.51.100.7/32 ann at 2026-03-10 12:00", "2 2001:db8:7::/48 bob at 2026-03-10 12:00", swept,
		}},
		"times, other names, semicolons, a mark": {static.Table{Zone: london}, "\ufeffCustomer; IP ;Since;Until;Note\nann;198.51.100.7;2025-10-26 01:30;;x\nbob;198.51.100.8;2026-01-01;2026-02-01 10:00;y\ncay;198.51.100.9;2026-01-01T00:00:00+02:00;2027-01-01;z\n", []string{
			"2 198.51.100.7/32 ann at 2026-03-10 12:00 since 2025-10-26 00:30+3600",
			"3 198.51.100.8/32 bob at 2026-02-01 10:00 since 2026-01-01 00:00",
			"2 198.51.100.9/32 cay at 2026-03-10 12:00 since 2025-12-31 22:00 until 2027-01-01 00:00", swept,
		}},
		"since when": {static.Table{Since: now.AddDate(-1, 0, 0)}, "addr\tline\n198.51.100.7\tann\n", []string{
			"2 198.51.100.7/32 ann at 2026-03-10 12:00 since 2025-03-10 12:00", swept,
		}},
		"bad rows cost themselves": {static.Table{Zone: london}, "prefix,line,from,to\n198.51.100.300,a,,\n198.51.100.7/24,a,,\n,a,,\n198.51.100.7,,,\n198.51.100.7,a,yesterday,\n198.51.100.7,a,2026-03-29 01:30,\n198.51.100.7,a,2027-01-01,\n198.51.100.7,a,2026-01-02,2026-01-01\n::ffff:198.51.100.0/120,a,,\n198.51.100.7\n203.0.113.7,ann,,\n", []string{
			"row 1: prefix is neither an address nor a network: write 198.51.100.7 or 2001:db8:7::/48",
			"row 2: prefix has bits behind its /24: which addresses are meant?",
			"row 3: prefix is empty", "row 4: line is empty",
			"row 5: from is no time: write 2026-03-01T09:00:00Z, or 2026-03-01 09:00 in the table's zone",
			"row 6: there was no such time: clocks were put forward over it",
			"row 7: from lies in the future: the row is left aside until then", "row 8: to lies before from", "row 9: prefix is IPv4 written as IPv6: write it as IPv4",
			"row 10: line is empty", "2 203.0.113.7/32 ann at 2026-03-10 12:00", swept,
		}},
		"a change to come": {static.Table{}, "prefix,line,from,to\n198.51.100.7,ann,2026-01-01,\n198.51.100.0/28,bob,2026-12-05,\n198.51.100.8,cay,2026-01-01,2026-06-01\n", []string{
			"2 198.51.100.7/32 ann at 2026-03-10 12:00 since 2026-01-01 00:00 until 2026-12-05 00:00", "row 2: from lies in the future: the row is left aside until then",
			"2 198.51.100.8/32 cay at 2026-03-10 12:00 since 2026-01-01 00:00 until 2026-06-01 00:00", swept,
		}},
		"no such columns":  {static.Table{}, "name,street\na,b\n", []string{"row 0: no column is named prefix, addr, address, ip, ip_address, network, cidr: the first row names the columns, as prefix,line,from,to"}},
		"empty":            {static.Table{}, "", []string{"row 0: the table is empty: its first row names the columns, as prefix,line,from,to"}},
		"nothing is taken": {static.Table{}, "prefix,line\n", []string{"row 0: the table has no row that can be used: nothing was changed"}},
		"cut in quotes":    {static.Table{}, "prefix,line\n198.51.100.7,ann\n198.51.100.8,\"bob\n", []string{"2 198.51.100.7/32 ann at 2026-03-10 12:00", `row 2: the row cannot be read, nor what follows it: extraneous or missing " in quoted-field`}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := gocmp.Diff(c.want, read(t, &c.table, c.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestCut: a table that breaks off takes nothing for gone.
func TestCut(t *testing.T) {
	var table static.Table
	r := iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("prefix,line\n198.51.100.7,ann\n")))
	for rec, err := range table.Read(r, now) {
		if err == nil && rec.Action == line.Swept {
			t.Error("all is said to be gone")
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("prefix,line,from,to\n198.51.100.7,ann,2026-01-01,\n")
	f.Fuzz(func(t *testing.T, text string) {
		for r, err := range (&static.Table{Name: "t"}).Read(strings.NewReader(text), now) {
			if err == nil {
				if err := r.Validate(); err != nil {
					t.Errorf("%+v: %v", r, err)
				}
			}
		}
	})
}
