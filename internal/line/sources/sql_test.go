package sources_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tocsin/internal/line/archive"
	"tocsin/internal/line/contact"
	"tocsin/internal/line/sources"
	"tocsin/internal/mariadbtest"
	"tocsin/internal/postgrestest"
	"tocsin/internal/report"
)

// operator is a database of an operator's, with a radacct of the columns that FreeRADIUS 3 has.
type operator struct {
	t      *testing.T
	url    string
	exec   func(statements ...string)
	zone   *time.Location // in which it writes times
	nobody string         // what a column without an address holds
	server *mariadbtest.Server
}

func postgres(t *testing.T) *operator {
	t.Helper()
	o := &operator{t: t, url: postgrestest.New(t), zone: time.UTC, nobody: "NULL"}
	o.exec = func(statements ...string) {
		t.Helper()
		db, err := pgx.Connect(t.Context(), o.url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close(t.Context())
		for _, s := range statements {
			if _, err := db.Exec(t.Context(), s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
	}
	o.exec(`CREATE TABLE radacct (radacctid bigserial PRIMARY KEY, acctsessionid text NOT NULL, acctuniqueid text NOT NULL UNIQUE,
		username text, realm text, nasipaddress inet NOT NULL, nasportid text, nasporttype text,
		acctstarttime timestamp with time zone, acctupdatetime timestamp with time zone, acctstoptime timestamp with time zone,
		acctinterval bigint, acctsessiontime bigint, callingstationid text, acctterminatecause text, class text,
		framedipaddress inet, framedipv6address inet, framedipv6prefix inet, framedinterfaceid text, delegatedipv6prefix inet)`)
	return o
}

func mariadb(t *testing.T) *operator {
	t.Helper()
	zone, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	s := mariadbtest.Start(t)
	s.Exec("", "CREATE DATABASE radius", "CREATE USER reader IDENTIFIED BY 'pear/plum'", "GRANT SELECT, INSERT, EXECUTE ON radius.* TO reader")
	o := &operator{t: t, url: s.URL("radius", "reader", "pear/plum"), zone: zone, nobody: "''", server: s}
	o.exec = func(statements ...string) { t.Helper(); s.Exec("radius", statements...) }
	o.exec(`CREATE TABLE radacct (radacctid bigint AUTO_INCREMENT PRIMARY KEY, acctsessionid varchar(64) NOT NULL DEFAULT '',
		acctuniqueid varchar(32) NOT NULL UNIQUE, username varchar(64) NOT NULL DEFAULT '', realm varchar(64),
		nasipaddress varchar(15) NOT NULL DEFAULT '', nasportid varchar(32), nasporttype varchar(32),
		acctstarttime datetime, acctupdatetime datetime, acctstoptime datetime, acctinterval int, acctsessiontime int unsigned,
		callingstationid varchar(50) NOT NULL DEFAULT '', acctterminatecause varchar(32) NOT NULL DEFAULT '', class varchar(64),
		framedipaddress varchar(15) NOT NULL DEFAULT '', framedipv6address varchar(45) NOT NULL DEFAULT '',
		framedipv6prefix varchar(45) NOT NULL DEFAULT '', framedinterfaceid varchar(44) NOT NULL DEFAULT '',
		delegatedipv6prefix varchar(45) NOT NULL DEFAULT '', KEY acctstoptime (acctstoptime))`)
	return o
}

// config is that of a node which asks the database.
func (o *operator) config(edit ...func(*sources.SQL)) sources.Config {
	o.t.Helper()
	cfg := sources.Defaults()
	s := sources.SQL{Name: "radacct", URLFile: o.file(o.url)}
	if o.zone != time.UTC {
		s.Zone = o.zone.String()
	}
	for _, e := range edit {
		e(&s)
	}
	cfg.SQL = []sources.SQL{s}
	return cfg
}

// file is a file that holds a secret.
func (o *operator) file(text string) string {
	path := filepath.Join(o.t.TempDir(), "url")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		o.t.Fatal(err)
	}
	return path
}

// at writes a time of the story's day as the database has it.
func (o *operator) at(clock string) string {
	o.t.Helper()
	if clock == "" {
		return "NULL"
	}
	return o.when(instant(o.t, clock))
}

func (o *operator) when(at time.Time) string {
	layout := time.DateTime
	if o.zone == time.UTC {
		layout = time.RFC3339
	}
	return "'" + at.In(o.zone).Format(layout) + "'"
}

// instant is a time of the story's day, which is one of summer time.
func instant(t *testing.T, clock string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, day(clock))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func day(clock string) string { return "2026-06-03T" + clock + "Z" }

// begin writes the row of a session as the start of it does.
func (o *operator) begin(session, user, addr, start string) {
	o.t.Helper()
	o.exec(fmt.Sprintf(`INSERT INTO radacct (acctsessionid, acctuniqueid, username, nasipaddress, acctstarttime, acctupdatetime, framedipaddress)
		VALUES ('%[1]s', 'u%[1]s', '%[2]s', '192.0.2.1', %[4]s, %[4]s, '%[3]s')`, session, user, addr, o.at(start)))
}

func (o *operator) set(session, columns string) {
	o.t.Helper()
	o.exec(fmt.Sprintf(`UPDATE radacct SET %s WHERE acctuniqueid = 'u%s'`, columns, session))
}

// pollAt polls at a time of the story's day.
func (n *node) pollAt(clock string) {
	n.t.Helper()
	n.now = instant(n.t, clock)
	n.poll()
}

func newNodeAt(t *testing.T, cfg sources.Config, clock string) *node {
	t.Helper()
	n := newNode(t, cfg)
	n.now = instant(t, clock)
	return n
}

func TestSQL(t *testing.T) {
	for name, open := range map[string]func(*testing.T) *operator{"PostgreSQL": postgres, "MariaDB": mariadb} {
		t.Run(name, func(t *testing.T) {
			o := open(t)
			t.Run("story", func(t *testing.T) { o.on(t).story() })
			t.Run("history", func(t *testing.T) { o.on(t).history() })
			t.Run("query", func(t *testing.T) { o.on(t).queries() })
			t.Run("contact", func(t *testing.T) { o.on(t).contact() })
			if o.server != nil {
				t.Run("down", func(t *testing.T) { o.on(t).down() })
			}
		})
	}
}

// on is the database for a subtest, without rows.
func (o *operator) on(t *testing.T) *operator {
	t.Helper()
	c := *o
	c.t = t
	o.exec("DELETE FROM radacct")
	return &c
}

// story: rows are written, changed in place and closed between readings, and the questions have the right answers.
func (o *operator) story() {
	t := o.t
	o.begin("1", "ann", "100.64.0.7", "10:00:00")
	o.begin("2", "bob", "100.64.0.8", "10:00:00")
	o.exec(fmt.Sprintf(`INSERT INTO radacct (acctsessionid, acctuniqueid, username, nasipaddress, acctstarttime, acctupdatetime, framedipv6prefix, delegatedipv6prefix)
		VALUES ('6', 'u6', 'six', '192.0.2.1', %[1]s, %[1]s, '2001:db8:1:7::/64', '2001:db8:7000::/40')`, o.at("10:00:00")))
	n := newNodeAt(t, o.config(), "10:00:30")
	n.pollAt("10:00:30")
	o.exec("UPDATE radacct SET acctupdatetime = " + o.at("10:05:00"))
	n.pollAt("10:05:30")
	ann, bob := n.handle("100.64.0.7", 0, day("10:04:00")), n.handle("100.64.0.8", 0, day("10:04:00"))
	six := n.handle("2001:db8:1:7::9", 0, day("10:04:00"))
	if ann == bob || six != n.handle("2001:db8:70ff::1", 0, day("10:04:00")) {
		t.Error("lines are mixed up")
	}
	n.not("100.64.0.7", 0, day("10:20:00"), report.LineNone, "")

	o.set("1", "acctupdatetime = "+o.at("10:30:00"))
	n.pollAt("10:30:20")
	if n.handle("100.64.0.7", 0, day("10:20:00")) != ann {
		t.Error("an update in place made another line")
	}
	n.not("100.64.0.8", 0, day("10:20:00"), report.LineNone, "log gap") // bob was not heard of: perhaps his stop was lost

	o.set("1", fmt.Sprintf("acctstoptime = %s, acctterminatecause = 'User-Request'", o.at("10:50:00"))) // acctupdatetime stays, as in MySQL
	o.begin("3", "cay", "100.64.0.7", "10:55:00")
	n.pollAt("10:55:30")
	o.set("3", "acctupdatetime = "+o.at("10:57:00"))
	n.pollAt("10:57:30")
	cay := n.handle("100.64.0.7", 0, day("10:56:00"))
	if n.handle("100.64.0.7", 0, day("10:49:59")) != ann || cay == ann {
		t.Error("after the stop it is another line")
	}
	n.not("100.64.0.7", 0, day("10:52:00"), report.LineNone, "nobody")
	n.not("100.64.0.7", 0, day("10:58:00"), report.LineNone, "")

	rows := n.rows()
	for range 3 {
		n.poll()
		n.open()
		n.poll()
	}
	if got := n.rows(); !slices.Equal(got, rows) {
		t.Errorf("told again: %v, were %v", got, rows)
	}

	o.begin("4", "dora", "100.64.0.9", "10:20:00") // committed late, with an older time than what was read
	n.pollAt("11:00:00")
	if got := n.rows(); got[0] != rows[0]+1 {
		t.Errorf("%v rows, were %v: one more was written", got, rows)
	}
	o.set("4", "acctupdatetime = "+o.at("11:01:00"))
	n.pollAt("11:01:10")
	n.handle("100.64.0.9", 0, day("10:21:00"))

	o.set("3", "acctupdatetime = "+o.at("11:05:00"))
	o.set("2", fmt.Sprintf("acctstoptime = %s, acctupdatetime = %[1]s, acctterminatecause = 'NAS-Reboot', framedipaddress = %s", o.at("11:10:00"), o.nobody))
	n.pollAt("11:10:10")
	if n.handle("100.64.0.8", 0, day("10:04:00")) != bob {
		t.Error("what was said of a session before its end is not known any more")
	}
	n.not("100.64.0.8", 0, day("11:09:00"), report.LineNone, "log gap") // the device was down by then, nobody knows since when
	if n.handle("100.64.0.7", 0, day("11:04:00")) != cay {
		t.Error("what was said of a session before its device was started again is not known any more")
	}
	n.not("100.64.0.7", 0, day("11:09:00"), report.LineNone, "log gap")

	// A session that gets another address has only the time of it for certain.
	o.begin("5", "eve", "100.64.0.20", "11:12:00")
	n.pollAt("11:12:10")
	o.set("5", fmt.Sprintf("acctupdatetime = %s", o.at("11:15:00")))
	n.pollAt("11:15:10")
	o.set("5", fmt.Sprintf("framedipaddress = '100.64.0.21', acctupdatetime = %s", o.at("11:20:00")))
	n.pollAt("11:20:10")
	o.set("5", fmt.Sprintf("acctstoptime = %s", o.at("11:30:00")))
	n.pollAt("11:30:10")
	if n.handle("100.64.0.20", 0, day("11:14:00")) != n.handle("100.64.0.21", 0, day("11:25:00")) {
		t.Error("another address is another line")
	}
	n.not("100.64.0.21", 0, day("11:14:00"), report.LineNone, "log gap")

	state := filepath.Join(n.dir, "radacct", "read")
	if err := os.Remove(state); err != nil {
		t.Fatal(err)
	}
	n.open()
	n.poll()
	rows = n.rows()
	n.poll()
	if got := n.rows(); !slices.Equal(got, rows) {
		t.Errorf("told again: %v, were %v", got, rows)
	}
	if n.handle("100.64.0.7", 0, day("10:49:59")) != ann || n.handle("100.64.0.7", 0, day("11:04:00")) != cay {
		t.Error("reading all again changed what is known")
	}
	for _, personal := range []string{"ann", "cay", "100.64", "pear", o.url} {
		if strings.Contains(n.said.String(), personal) {
			t.Errorf("%q is in the log: %s", personal, n.said.String())
		}
	}
	if st := n.lines.Status(); st[0].Kind != "sql" || st[0].Health != sources.Well || st[0].Refused != 0 || st[0].Clock != 0 {
		t.Errorf("%+v", st)
	}
}

// history: the first reading goes back as far as sessions are kept, and goes on where it was left.
func (o *operator) history() {
	t := o.t
	first := instant(t, "10:00:00").AddDate(0, 0, -50)
	var values []string
	for i := range 50 * 24 { // an hour each, in turns
		at := first.Add(time.Duration(i) * time.Hour)
		values = append(values, fmt.Sprintf("('%[1]d', 'u%[1]d', 'line%[2]d', '192.0.2.1', %[3]s, %[3]s, %[4]s, '100.64.1.1')", i, i%7, o.when(at), o.when(at.Add(50*time.Minute))))
	}
	values = append(values, fmt.Sprintf("('old', 'old', 'gone', '192.0.2.1', %s, NULL, %s, '100.64.1.2')", o.when(first.AddDate(-1, 0, 0)), o.when(first.AddDate(-1, 0, 1))))
	o.exec("INSERT INTO radacct (acctsessionid, acctuniqueid, username, nasipaddress, acctstarttime, acctupdatetime, acctstoptime, framedipaddress) VALUES " + strings.Join(values, ","))
	n := newNodeAt(t, o.config(func(s *sources.SQL) { s.FixedAddresses = true }), "10:00:00")
	n.poll()
	if got := n.rows(); got[0] != 50*24 {
		t.Errorf("%v rows, want %d: all but the one that is too old", got, 50*24)
	}
	lines := map[string]bool{}
	for i := range 50 * 24 {
		at := first.Add(time.Duration(i) * time.Hour)
		lines[n.handle("100.64.1.1", 0, at.Add(49*time.Minute).Format(time.RFC3339))] = true
		n.not("100.64.1.1", 0, at.Add(55*time.Minute).Format(time.RFC3339), report.LineNone, "")
	}
	if len(lines) != 7 {
		t.Errorf("%d lines, want 7", len(lines))
	}
	n.poll()
	if got := n.rows(); got[0] != 50*24 {
		t.Errorf("told again: %v", got)
	}
	// Without the promise that addresses stay, nobody knows which one a session had before its last record.
	n = newNodeAt(t, o.config(), "10:00:00")
	n.poll()
	n.not("100.64.1.1", 0, first.Add(49*time.Minute).Format(time.RFC3339), report.LineNone, "log gap")
}

// queries: one of the operator's own, times without a zone among them, and those that cannot be.
func (o *operator) queries() {
	t := o.t
	typ, cast := "datetime", "%s"
	if o.server == nil {
		typ, cast = "timestamp", "CAST(%s AS text)"
	}
	o.exec("CREATE TABLE blocks (id int, customer text, ip "+map[bool]string{true: "inet", false: "varchar(40)"}[o.server == nil]+
		", lo int, hi int, begin_at "+typ+" NULL, seen "+typ+" NULL, end_at "+typ+" NULL)",
		"INSERT INTO blocks VALUES (1, 'ann', '203.0.113.5', 1024, 2047, '2025-10-26 01:30:00', NULL, '2025-10-26 03:00:00')",
		"INSERT INTO blocks VALUES (2, 'bob', '203.0.113.5', 2048, 3071, '2025-10-26 00:10:00', NULL, '2025-10-26 03:00:00')",
		"INSERT INTO blocks VALUES (3, 'cay', '203.0.113.5', 4096, 70000, '2025-10-26 00:10:00', NULL, '2025-10-26 03:10:00')",
		"INSERT INTO blocks VALUES (4, 'dan', '203.0.113.5', 4096, 5000, '2025-03-30 01:30:00', NULL, '2025-10-26 03:20:00')",
		"INSERT INTO blocks VALUES (5, 'eve', '203.0.113.5', 5001, 6000, '2025-10-26 04:00:00', NULL, '2025-10-26 03:20:00')")
	defer o.exec("DROP TABLE blocks")
	query := "SELECT id AS session, customer AS line, ip AS address, lo AS port_lo, hi AS port_hi, begin_at AS start, seen AS updated, end_at AS stop FROM blocks WHERE end_at >= {from} AND end_at < {to} ORDER BY end_at"
	own := func(text string) func(*sources.SQL) {
		return func(s *sources.SQL) { s.Query, s.Zone, s.FixedAddresses = text, "Europe/London", true }
	}
	n := newNodeAt(t, o.config(own(query)), "10:00:00")
	n.now = time.Date(2025, 10, 26, 5, 0, 0, 0, time.UTC)
	n.poll()
	n.not("203.0.113.5", 1500, "2025-10-26T01:00:00Z", report.LineNone, "log gap") // it began at 00:30 or 01:30 UTC
	ann := n.handle("203.0.113.5", 1500, "2025-10-26T02:00:00Z")
	if bob := n.handle("203.0.113.5", 2048, "2025-10-25T23:30:00Z"); ann == bob {
		t.Error("two ports are one line")
	}
	for _, want := range []string{"port_lo and port_hi", "start there was no such time", "ends before it begins"} {
		if !strings.Contains(n.said.String(), want) {
			t.Errorf("nothing is said of %q: %s", want, n.said.String())
		}
	}
	if st := n.lines.Status(); st[0].Rows != 2+3 || st[0].Refused != 3 { // and what the others leave in doubt
		t.Errorf("%+v", st)
	}
	for _, port := range []uint16{4500, 5500} { // theirs
		n.not("203.0.113.5", port, "2025-10-26T02:00:00Z", report.LineNone, "")
	}
	o.corrected(own(query))
	writes := "WITH w AS (INSERT INTO blocks (id) VALUES (9) RETURNING id) SELECT id AS session, '' AS line, '' AS address, now() AS start, now() AS updated, now() AS stop FROM w WHERE now() > {from} AND now() < {to}"
	if o.server != nil {
		o.exec("CREATE FUNCTION sneak() RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO blocks (id) VALUES (9); RETURN 1; END")
		writes = "SELECT sneak() AS session, '' AS line, '' AS address, now() AS start, now() AS updated, now() AS stop, {from} AS f, {to} AS t"
	}
	for _, c := range []struct{ query, want string }{
		{writes, "because it writes"},
		{strings.ReplaceAll(query, "end_at AS stop", "end_at AS finish"), "no column named stop"},
		{strings.ReplaceAll(query, "ip AS address", "ip"), "no column named address"},
		{strings.ReplaceAll(query, "begin_at AS start", fmt.Sprintf(cast, "'ann'")+" AS start"), "column start of the query holds no times"},
		{strings.ReplaceAll(query, "customer", "custmer"), "cannot understand the query"},
		{strings.ReplaceAll(query, "FROM blocks", "FROM blokcs"), "cannot understand the query"},
		{strings.ReplaceAll(query, "WHERE", "WERE"), "cannot understand the query"},
	} {
		_, err := sources.Open(t.Context(), o.config(own(c.query)), n.needs())
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "pear") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want %q", c.query, err, c.want)
		}
	}
	o.exec("DELETE FROM blocks WHERE id < 9")
	n = newNodeAt(t, o.config(own(query)), "10:00:00") // that table is empty: nothing was written
	n.poll()
	if n.rows()[0] != 0 {
		t.Error("a query wrote")
	}
	o.exec("INSERT INTO blocks VALUES (6, 'ann', '203.0.113.5', 1, 2, '2026-06-03 01:30:00', NULL, '2026-06-03 09:00:00'), (7, 'ann', '203.0.113.5', 3, 4, '2026-06-03 01:30:00', NULL, '2026-06-03 08:00:00')")
	n = newNodeAt(t, o.config(own(strings.ReplaceAll(query, "ORDER BY end_at", "ORDER BY end_at DESC"))), "10:00:00")
	n.cfg.SQL[0].Overlap = 24 * time.Hour
	n.open()
	if err := n.lines.Poll(t.Context()); err == nil || !strings.Contains(err.Error(), "ORDER BY") {
		t.Errorf("rows without an order: %v", err)
	}
	if h := n.lines.Status()[0].Health; h != sources.Down {
		t.Errorf("its health is %s", h)
	}
	door, err := url.Parse(o.url)
	if err != nil {
		t.Fatal(err)
	}
	door.User, door.Path = url.UserPassword("tocsin", "pear-plum"), "/nowhere"
	_, err = sources.Open(t.Context(), o.config(func(s *sources.SQL) { s.URLFile = o.file(door.String()) }), n.needs())
	if err == nil || !strings.Contains(err.Error(), "lets nobody in") || strings.Contains(err.Error(), "pear") {
		t.Error(err)
	}
}

// corrected: a row that is changed in place to another line, or says of addresses that others have no more than when, leaves
// nobody certain. What others had before or after is.
func (o *operator) corrected(own func(*sources.SQL)) {
	t := o.t
	n := newNodeAt(t, o.config(own, func(s *sources.SQL) { s.Overlap = 24 * time.Hour }), "10:00:00")
	n.now = time.Date(2025, 10, 26, 5, 0, 0, 0, time.UTC)
	n.poll()
	n.handle("203.0.113.5", 2500, "2025-10-25T23:30:00Z")
	o.exec("UPDATE blocks SET customer = 'zoe' WHERE id = 2")
	n.poll()
	if a, err := n.ask("203.0.113.5", 2500, "2025-10-25T23:30:00Z"); err != nil || a.State != report.LineAmbiguous {
		t.Errorf("%+v, %v: it was bob's, and is zoe's", a, err)
	}
	o.exec("INSERT INTO blocks VALUES (8, NULL, '203.0.113.5', 1024, 1100, '2025-10-26 02:10:00', NULL, '2025-10-26 02:20:00')")
	n.poll()
	if a, err := n.ask("203.0.113.5", 1050, "2025-10-26T02:15:00Z"); err != nil || a.State == report.LineUnique {
		t.Errorf("%+v, %v: somebody had it whom nobody knows", a, err)
	}
	n.handle("203.0.113.5", 1500, "2025-10-26T02:15:00Z")
	n.handle("203.0.113.5", 1050, "2025-10-26T02:40:00Z")
}

// contact: who has a line is asked for by its handle, each time anew.
func (o *operator) contact() {
	t := o.t
	o.exec("CREATE TABLE customers (login varchar(64), email varchar(64), kind varchar(20))",
		"INSERT INTO customers VALUES ('ann', 'ann@isp.example', 'Hospital'), ('bob', 'not a mail', NULL), ('cay', 'a@isp.example', NULL), ('cay', 'b@isp.example', NULL)")
	defer o.exec("DROP TABLE customers")
	cfg := o.config()
	cfg.Contact = sources.Contact{Kind: "sql", URLFile: cfg.SQL[0].URLFile, Query: "SELECT email AS mail, kind AS class FROM customers WHERE login = {name}"}
	for i, name := range []string{"ann", "bob", "cay", "' OR 1=1 -- "} {
		o.begin(fmt.Sprint(i), strings.ReplaceAll(name, "'", "''"), fmt.Sprintf("100.64.0.%d", 7+i), "10:00:00")
	}
	n := newNodeAt(t, cfg, "10:00:30")
	n.poll()
	o.exec("UPDATE radacct SET acctupdatetime = " + o.at("10:05:00"))
	n.pollAt("10:05:30")
	handle := func(i int) string { return n.handle(fmt.Sprintf("100.64.0.%d", 7+i), 0, day("10:04:00")) }
	got, err := n.lines.Contact(t.Context(), handle(0))
	if want := (contact.Contact{Mail: "ann@isp.example", Class: contact.Hospital}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for i, want := range map[int]string{1: "mail is no address", 2: "more than one contact", 3: contact.ErrUnknown.Error()} {
		_, err := n.lines.Contact(t.Context(), handle(i))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "a@") || strings.Contains(err.Error(), "not a mail") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := n.lines.Contact(t.Context(), "aaaaaaaaaaaaaaaa"); err != contact.ErrUnknown { //nolint:errorlint // it is that one
		t.Error(err)
	}
	o.exec("UPDATE customers SET email = 'new@isp.example' WHERE login = 'ann'")
	if got, err := n.lines.Contact(t.Context(), handle(0)); err != nil || got.Mail != "new@isp.example" {
		t.Errorf("the answer was kept: %+v, %v", got, err)
	}
	gone := handle(1)
	n.now = n.now.AddDate(1, 0, 0)
	if _, err := n.lines.Purge(t.Context(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.lines.Contact(t.Context(), gone); err != archive.ErrForgotten { //nolint:errorlint // it is that one
		t.Error(err)
	}
}

// down: while the database is away its health says so, and afterwards nothing is lost.
func (o *operator) down() {
	t := o.t
	o.begin("1", "ann", "100.64.0.7", "10:00:00")
	n := newNodeAt(t, o.config(), "10:00:30")
	n.poll()
	o.set("1", "acctupdatetime = "+o.at("10:05:00"))
	n.pollAt("10:05:30")
	ann := n.handle("100.64.0.7", 0, day("10:04:00"))
	o.server.Stop()
	n.now = instant(t, "10:07:00")
	err := n.lines.Poll(t.Context())
	if err == nil || !strings.Contains(err.Error(), "source radacct: the database cannot be reached") || strings.Contains(err.Error(), "pear") {
		t.Errorf("%v", err)
	}
	if h := n.lines.Status()[0].Health; h != sources.Down {
		t.Errorf("its health is %s", h)
	}
	if n.handle("100.64.0.7", 0, day("10:04:00")) != ann {
		t.Error("what was said before is not known any more")
	}
	n.not("100.64.0.7", 0, day("10:06:00"), report.LineNone, "")
	n.open() // a node begins without it
	o.server.Start()
	o.set("1", "acctupdatetime = "+o.at("10:10:00"))
	n.pollAt("10:30:00")
	if n.handle("100.64.0.7", 0, day("10:08:00")) != ann {
		t.Error("what happened meanwhile was lost")
	}
	o.server.Restart()
	n.now = instant(t, "10:31:00")
	for range 3 { // the connection that broke is found out and replaced
		if n.lines.Poll(t.Context()) == nil {
			break
		}
		n.now = n.now.Add(20 * time.Minute)
	}
	if h := n.lines.Status()[0].Health; h != sources.Well {
		t.Errorf("its health is %s", h)
	}
}
