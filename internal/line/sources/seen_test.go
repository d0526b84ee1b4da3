package sources_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tocsin/internal/line/archive"
	"tocsin/internal/line/contact"
	"tocsin/internal/line/sources"
	"tocsin/internal/report"
)

// year is a node with what may say nothing of a line for long: a table that does not change, a lease without an end, and
// sessions of RADIUS. The log of leases and the sessions are written on while days go by.
type year struct {
	*node
	t                   *testing.T
	table, leases, acct string
}

const leaseHeader = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n"

func lease(addr, mac string, lifetime, expire int64) string {
	return fmt.Sprintf("%s,%s,,%d,%d,1,0,0,,0,,0\n", addr, mac, lifetime, expire)
}

func newYear(t *testing.T) *year {
	in := t.TempDir()
	y := &year{t: t, table: filepath.Join(in, "lines.csv"), leases: filepath.Join(in, "leases.csv"), acct: filepath.Join(in, "detail")}
	people := filepath.Join(in, "people.csv")
	const mac = "02:00:00:00:00:07"
	write(t, y.table, "addr,line,to\n198.51.100.7,shop,\n198.51.100.9,gone,2026-03-02T00:00:00Z\n")
	write(t, y.leases, leaseHeader+lease("198.51.100.20", mac, 4294967295, ten.Unix()+4294967295))
	write(t, y.acct, request("Start", "1", "ann", "203.0.113.7", ten)+request("Start", "2", "bob", "203.0.113.8", ten))
	write(t, people, "line,mail\nshop,shop@isp.example\n"+mac+",seven@isp.example\nann,ann@isp.example\nbob,bob@isp.example\ngone,gone@isp.example\n")
	cfg := sources.Defaults()
	cfg.Keep = 90 * 24 * time.Hour
	cfg.Tables = []sources.Table{{Name: "fixed", File: y.table, Since: ten.AddDate(0, -1, 0)}}
	cfg.Kea = []sources.Leases{{Name: "kea", Files: []string{y.leases}}}
	cfg.Detail = []sources.Detail{{Name: "bras", Files: []string{y.acct}}}
	cfg.Contact = sources.Contact{Kind: "csv", File: people}
	y.node = newNode(t, cfg)
	return y
}

func (y *year) purge() {
	y.t.Helper()
	if _, err := y.lines.Purge(y.t.Context(), time.Time{}); err != nil {
		y.t.Fatal(err)
	}
}

// mail is that of a handle, or why there is none.
func (y *year) mail(handle string) string {
	y.t.Helper()
	c, err := y.lines.Contact(y.t.Context(), handle)
	if errors.Is(err, archive.ErrForgotten) {
		return "forgotten"
	}
	if err != nil {
		y.t.Error(err)
	}
	return c.Mail
}

// TestYear: whoever has had an address for a year is the same line at its end, and can be reached, whether a source spoke
// of it meanwhile or not; what ended is forgotten.
func TestYear(t *testing.T) {
	y := newYear(t)
	y.poll()
	gone := y.handle("198.51.100.9", 0, "2026-03-01T00:00:00Z")
	shop := y.handle("198.51.100.7", 0, "2026-03-03T11:00:00Z")
	var ann, seven string
	rows := y.rows()
	for day := 1; day <= 365; day++ {
		now := ten.AddDate(0, 0, day)
		y.at(now)
		write(t, y.acct, request("Interim-Update", "1", "ann", "203.0.113.7", now))
		write(t, y.leases, lease("198.51.100.21", "02:00:00:00:00:08", 7200, now.Unix()+7200)) // which says how far the log reaches
		y.poll()
		if day%30 == 0 { // what is told again changes nothing, and is told once a day
			before := y.rows()
			y.poll()
			if got := y.rows(); !slices.Equal(got, before) {
				t.Fatalf("day %d: %v rows, were %v", day, got, before)
			}
		}
		if day%5 == 0 {
			y.purge()
		}
		if day == 2 {
			ann, seven = y.handle("203.0.113.7", 0, "2026-03-04T10:00:00Z"), y.handle("198.51.100.20", 0, "2026-03-04T10:00:00Z")
		}
	}
	last := "2027-03-02T10:00:00Z"
	for _, c := range []struct{ addr, handle, mail string }{
		{"198.51.100.7", shop, "shop@isp.example"}, {"198.51.100.20", seven, "seven@isp.example"}, {"203.0.113.7", ann, "ann@isp.example"},
	} {
		if got := y.handle(c.addr, 0, last); got != c.handle {
			t.Errorf("%s is another line after a year", c.addr)
		}
		if got := y.mail(c.handle); got != c.mail {
			t.Errorf("%s: contact %q", c.addr, got)
		}
	}
	// The table's row and its end, once a day; the row that ended was told when it was read first.
	if got := y.rows()[0] - rows[0]; got != 2*365 {
		t.Errorf("%d rows of the table in a year", got)
	}
	if got := y.mail(gone); got != "forgotten" {
		t.Errorf("the contact of a line that ended a year ago is %q", got)
	}
	// Nobody has heard of bob since his start: nothing is certain of him, and his name is gone.
	if a, err := y.ask("203.0.113.8", 0, last); err != nil || a.State == report.LineUnique {
		t.Errorf("%+v, %v", a, err)
	}
	// When the table changes at last, it is the same line.
	if err := os.WriteFile(y.table, []byte("addr,line,to\n198.51.100.30,shop,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	y.at(ten.AddDate(0, 0, 366))
	y.poll()
	if got := y.handle("198.51.100.30", 0, "2027-03-04T11:00:00Z"); got != shop {
		t.Error("with another address the line is another")
	}
}

// TestYearAtOnce: likewise where the node was down for a year, and deletes before it reads; and where the file is away.
func TestYearAtOnce(t *testing.T) {
	y := newYear(t)
	y.poll()
	shop := y.handle("198.51.100.7", 0, "2026-03-03T11:00:00Z")
	if err := errors.Join(y.lines.Close(), os.Rename(y.table, y.table+".away")); err != nil {
		t.Fatal(err)
	}
	y.at(ten.AddDate(1, 0, 0))
	y.open()
	y.purge()
	if got := y.mail(shop); got != "shop@isp.example" {
		t.Errorf("the contact is %q", got)
	}
	if got := y.handle("198.51.100.7", 0, "2027-03-03T09:00:00Z"); got != shop {
		t.Error("after a year the line is another")
	}
	if err := os.Rename(y.table+".away", y.table); err != nil {
		t.Fatal(err)
	}
	y.poll()
	if got := y.handle("198.51.100.7", 0, "2027-03-03T09:00:00Z"); got != shop {
		t.Error("after a year the line is another")
	}
	if _, err := y.lines.Contact(t.Context(), "aaaaaaaaaaaaaaaa"); !errors.Is(err, contact.ErrUnknown) {
		t.Error(err)
	}
}
