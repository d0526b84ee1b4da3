package sources

import (
	"fmt"
	"strings"
	"time"

	"tocsin/internal/line/contact"
	"tocsin/internal/line/sqlsource"
	"tocsin/internal/report"
)

// SQL is a query of your own database, PostgreSQL, MySQL or MariaDB. It only reads.
type SQL struct {
	// Name of the source, each its own: small letters, digits, - and _.
	Name string `yaml:"name"`
	// URLFile holds the database's URL, as postgres://user:password@host/database or mysql://user:password@host/database
	// (chmod 600). Give its user the right to SELECT and no other.
	URLFile string `yaml:"url_file"`
	// Query of your own, with {from} and {to} in it; docs/lines/sql.md says which columns it gives. Empty is FreeRADIUS's
	// radacct.
	Query string `yaml:"query"`
	// Identity is the column of radacct that names a line: username, callingstationid, nasportid or class. Empty is
	// username. A query of your own says it by itself.
	Identity string `yaml:"identity"`
	// FixedAddresses says that a session keeps the addresses of its first record to its end, and gets no others. Then rows
	// that are first read when they are old are certain from start to stop; else only from when they were first read with
	// their addresses.
	FixedAddresses bool `yaml:"fixed_addresses"`
	// Zone of times that the database keeps without one, as Europe/London: MySQL's DATETIME, which FreeRADIUS writes in the
	// zone of its server. Empty is UTC.
	Zone string `yaml:"zone"`
	// Realm of the addresses, where they are no addresses of the Internet and may mean something else elsewhere: a word,
	// which the NAT in front of them has too.
	Realm string `yaml:"realm"`
	// Every is how often it is asked, at least 1s. 0 is lines.every.
	Every time.Duration `yaml:"every"`
	// Overlap is how much later than they say rows may come to be seen, or clocks be behind: so much is read again each
	// time. 0 is 1h.
	Overlap time.Duration `yaml:"overlap"`
	// Timeout of one query, 1s to 1h. 0 is 1m.
	Timeout time.Duration `yaml:"timeout"`
	// Keep is how long its sessions are kept, and how far back the first reading goes. 0 is lines.keep.
	Keep time.Duration `yaml:"keep"`
}

// Contact is where the contact of a line is asked for, when a notice is sent or somebody may be told who it is.
// docs/lines/contact.md says how each kind answers.
type Contact struct {
	// Kind is csv, sql or http. Empty: nobody can be told, nor reached.
	Kind string `yaml:"kind"`
	// File is the table of kind csv: with a header, read for each question.
	File string `yaml:"file"`
	// URLFile holds the database's URL (chmod 600), for kind sql.
	URLFile string `yaml:"url_file"`
	// Query has {name} in it and gives one row, for kind sql.
	Query string `yaml:"query"`
	// URL is where a system of your own answers, as https://crm.isp.example/contact, for kind http.
	URL string `yaml:"url"`
	// TokenFile holds a token (chmod 600), for kind http. Empty: none is sent.
	TokenFile string `yaml:"token_file"`
	// CAFile holds certificates of your own authority, for kind http. Empty: those that the machine knows.
	CAFile string `yaml:"ca_file"`
	// Timeout of one question, 1s to 1m. 0 is 10s.
	Timeout time.Duration `yaml:"timeout"`
}

const (
	defaultOverlap        = time.Hour
	leastOverlap          = time.Minute
	mostOverlap           = 48 * time.Hour
	defaultQueryTimeout   = time.Minute
	mostQueryTimeout      = time.Hour
	defaultContactTimeout = 10 * time.Second
	mostContactTimeout    = time.Minute
)

// rebaseSQL makes relative paths begin at a directory, as at does.
func (c *Config) rebaseSQL(at func(string) string) {
	c.SQL = append([]SQL(nil), c.SQL...)
	for i := range c.SQL {
		c.SQL[i].URLFile = at(c.SQL[i].URLFile)
	}
	o := &c.Contact
	o.File, o.URLFile, o.TokenFile, o.CAFile = at(o.File), at(o.URLFile), at(o.TokenFile), at(o.CAFile)
}

func (v *validation) sql(s *SQL) {
	v.source(s.Name, s.Keep)
	v.zone(s.Zone)
	v.realm(s.Realm)
	if s.URLFile == "" {
		v.bad("url_file", "name the file that holds the database's URL")
	}
	if err := sqlsource.CheckIdentity(s.Identity); err != nil {
		v.bad("identity", report.Reason(err))
	}
	if s.Query != "" {
		if err := sqlsource.CheckQuery(s.Query); err != nil {
			v.bad("query", report.Reason(err))
		}
		if s.Identity != "" {
			v.bad("identity", "a query says by itself what names a line: leave identity out, and select it AS line")
		}
	}
	if s.Every != 0 && s.Every < time.Second {
		v.bad("every", "asking more often than every second serves nothing")
	}
	v.between("overlap", s.Overlap, leastOverlap, mostOverlap)
	v.between("timeout", s.Timeout, time.Second, mostQueryTimeout)
}

// between checks a time, of which 0 means another.
func (v *validation) between(field string, d, least, most time.Duration) {
	if d != 0 && (d < least || d > most) {
		v.bad(field, fmt.Sprintf("give %s to %s", short(least), short(most)))
	}
}

// short writes 1m, not 1m0s.
func short(d time.Duration) string {
	return strings.TrimSuffix(strings.TrimSuffix(d.String(), "0s"), "0m")
}

// contact checks that a kind has all of its keys, and none of another's.
func (v *validation) contact(c *Contact) {
	v.key = "contact."
	defer func() { v.key = "" }()
	for _, k := range []struct {
		name, value string
		kinds       []string
		needed      string
	}{
		{"file", c.File, []string{"csv"}, "name the file that holds the contacts"},
		{"url_file", c.URLFile, []string{"sql"}, "name the file that holds the database's URL"},
		{"query", c.Query, []string{"sql"}, "write the query, as SELECT email AS mail FROM customers WHERE login = {name}"},
		{"url", c.URL, []string{"http"}, "write the URL, as https://crm.isp.example/contact"},
		{"token_file", c.TokenFile, []string{"http"}, ""},
		{"ca_file", c.CAFile, []string{"http"}, ""},
	} {
		switch of := k.kinds[0]; {
		case c.Kind != of && k.value != "":
			v.bad(k.name, fmt.Sprintf("it belongs to kind %s", of))
		case c.Kind == of && k.value == "" && k.needed != "":
			v.bad(k.name, k.needed)
		}
	}
	switch c.Kind {
	case "", "csv":
	case "sql":
		if err := contact.CheckQuery(c.Query); c.Query != "" && err != nil {
			v.bad("query", report.Reason(err))
		}
	case "http":
		if err := contact.CheckURL(c.URL); c.URL != "" && err != nil {
			v.bad("url", report.Reason(err))
		}
	default:
		v.bad("kind", fmt.Sprintf("%q is none: write csv, sql or http", c.Kind))
	}
	v.between("timeout", c.Timeout, time.Second, mostContactTimeout)
}
