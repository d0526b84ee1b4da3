package network

import (
	"errors"
	"fmt"
	"net/mail"
	"net/netip"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tocsin/internal/report"
)

// Config says whose address is whose. What it says of an address beats every table: the tables fill only what it
// leaves out.
type Config struct {
	// Your own networks. An address is yours when it lies in one of their prefixes, or when a table says that one of
	// their AS numbers announces it. Where neither knows the address, the AS number that the report itself gives
	// decides. Of nested prefixes the more specific one decides, whoever it belongs to.
	Own []Own `yaml:"own,omitempty"`

	// The holders in the partnership: other ISPs, businesses, universities, with or without a node of their own.
	Partners []Partner `yaml:"partners,omitempty"`

	// Networks that are neither yours nor a partner's and that you know better than the tables do: a customer with
	// space of its own, a hoster with its true abuse contact. An entry inside your own prefix, or inside a partner's,
	// takes that part out of it.
	Others []Other `yaml:"others,omitempty"`

	// Files that say for the rest of the Internet which prefix belongs to whom. They are read at start, and again,
	// without a restart, whenever one of them changes. Where several speak of one address the more specific prefix
	// wins, and at the same prefix the file listed first; the others fill what is missing. A file that is missing or
	// cannot be read stops the start; later it leaves what was read before in force.
	Tables []TableFile `yaml:"tables,omitempty"`

	// How often to look whether a table has changed, at least 1s. A changed file is read once it has stayed the same
	// from one look to the next, so a copy in progress is not read half.
	CheckEvery time.Duration `yaml:"check_every,omitempty"`
}

// Own is one of our own networks.
type Own struct {
	// What the network is called, for example the name of your company or "Residential CGNAT".
	Name string `yaml:"name,omitempty"`

	// The prefixes of the network, written without host bits, for example 192.0.2.0/24 or 2001:db8::/32.
	Prefixes []netip.Prefix `yaml:"prefixes,omitempty"`

	// The AS numbers that announce the network, the main one first. Whatever a table, or without one a report, says
	// is announced by one of them is yours too, unless a prefix in this file says otherwise.
	ASNs []ASN `yaml:"asns,omitempty"`

	// True where many lines share each address of these prefixes (carrier-grade NAT): an address alone then names
	// nobody, and tocsin lookup says so. The flag belongs to the prefixes and never spreads by AS number.
	CGNAT bool `yaml:"cgnat,omitempty"`

	// Mail address that takes abuse reports about this network. A network inside another one of yours takes the
	// outer one's where it has none.
	Abuse string `yaml:"abuse,omitempty"`

	// Country where the network is registered, as two capital letters (ISO 3166-1).
	Country string `yaml:"country,omitempty"`
}

// Partner is a holder in the partnership.
type Partner struct {
	// Short name of the partner in incidents, rules and links: small letters, digits and hyphens. Never change it:
	// the incidents of the past are filed under it.
	ID string `yaml:"id"`

	// The partner's name as people write it.
	Name string `yaml:"name,omitempty"`

	// The partner's prefixes, written without host bits.
	Prefixes []netip.Prefix `yaml:"prefixes,omitempty"`

	// The partner's AS numbers, the main one first. Whatever a table, or without one a report, says is announced by
	// one of them is the partner's too, unless a prefix in this file says otherwise.
	ASNs []ASN `yaml:"asns,omitempty"`

	// Mail address that takes abuse reports for the partner.
	Abuse string `yaml:"abuse,omitempty"`

	// Country where the partner is registered, as two capital letters (ISO 3166-1).
	Country string `yaml:"country,omitempty"`
}

// Other is a named network that is neither ours nor a partner's.
type Other struct {
	// The holder's name.
	Name string `yaml:"name"`

	// The holder's prefixes, written without host bits.
	Prefixes []netip.Prefix `yaml:"prefixes,omitempty"`

	// The holder's AS numbers, the main one first.
	ASNs []ASN `yaml:"asns,omitempty"`

	// Mail address that takes abuse reports for the holder.
	Abuse string `yaml:"abuse,omitempty"`

	// Country where the holder is registered, as two capital letters (ISO 3166-1).
	Country string `yaml:"country,omitempty"`
}

// TableFile is one file of prefixes and holders.
type TableFile struct {
	// Where the file is. A relative path starts at the folder of tocsin.yaml. It may be compressed with gzip,
	// whatever it is called.
	Path string `yaml:"path"`

	// What the file is: auto (look into it), csv (start,end,asn,org or prefix,asn,org), mmdb (an ASN or country
	// database), or delegated (a registry's delegated-extended statistics).
	Kind Kind `yaml:"kind,omitempty"`
}

// Kind is the format of a table file. The zero value is KindAuto.
type Kind string

// The kinds.
const (
	KindAuto      Kind = "auto"
	KindCSV       Kind = "csv"
	KindMMDB      Kind = "mmdb"
	KindDelegated Kind = "delegated"
)

const (
	defaultCheckEvery = 10 * time.Second
	maxNameBytes      = 256
	maxIDBytes        = 63
)

// Defaults is the config that a file changes.
func Defaults() Config { return Config{CheckEvery: defaultCheckEvery} }

// Rebase returns the config with every relative path of a table starting at dir.
func (c Config) Rebase(dir string) Config {
	tables := make([]TableFile, len(c.Tables))
	for i, t := range c.Tables {
		if t.Path != "" && !filepath.IsAbs(t.Path) {
			t.Path = filepath.Join(dir, t.Path)
		}
		tables[i] = t
	}
	c.Tables = tables
	return c
}

// Validate reports every broken rule at once, joined, each a *report.FieldError; nil when the config can be used.
// It opens no file.
func (c Config) Validate() error {
	v := &validation{
		prefixes: make(map[netip.Prefix]claimant),
		asns:     make(map[ASN]claimant),
		ids:      make(map[string]string),
	}
	for i, o := range c.Own {
		at := fmt.Sprintf("network.own[%d]", i)
		v.holder(at, claimant{at, "own"}, o.Name, o.Abuse, o.Country, o.Prefixes, o.ASNs)
		if o.CGNAT && len(o.Prefixes) == 0 {
			v.bad(at+".cgnat", "%s is marked cgnat but lists no prefix: list the shared pool's prefixes", at)
		}
	}
	for i, p := range c.Partners {
		at := fmt.Sprintf("network.partners[%d]", i)
		v.id(at, p.ID)
		v.holder(at, claimant{at, "partner " + p.ID}, p.Name, p.Abuse, p.Country, p.Prefixes, p.ASNs)
	}
	for i, o := range c.Others {
		at := fmt.Sprintf("network.others[%d]", i)
		if o.Name == "" {
			v.bad(at+".name", "%s has no name: say who holds these networks", at)
		}
		v.holder(at, claimant{at, at}, o.Name, o.Abuse, o.Country, o.Prefixes, o.ASNs)
	}
	v.tables(c.Tables)
	if c.CheckEvery != 0 && c.CheckEvery < time.Second {
		v.bad("network.check_every", "check_every is %s: give at least 1s", c.CheckEvery)
	}
	return errors.Join(v.errs...)
}

// Warnings says, a sentence each, what in a valid config will hardly do what was meant.
func (c Config) Warnings() []string {
	asns, prefixes := 0, 0
	for _, o := range c.Own {
		asns, prefixes = asns+len(o.ASNs), prefixes+len(o.Prefixes)
	}
	if asns > 0 && prefixes == 0 && len(c.Tables) == 0 {
		return []string{"network.own lists AS numbers but no prefix, and there is no address table, so an address is yours " +
			"only where a report itself names one of these AS numbers: list your prefixes in network.own, or add a table to network.tables"}
	}
	return nil
}

// claimant is who claims a prefix or an AS number: at is the entry, party the one whose it then is.
type claimant struct{ at, party string }

type validation struct {
	errs     []error
	prefixes map[netip.Prefix]claimant
	asns     map[ASN]claimant
	ids      map[string]string
}

func (v *validation) bad(field, format string, args ...any) {
	v.errs = append(v.errs, &report.FieldError{Field: field, Rule: fmt.Sprintf(format, args...)})
}

func (v *validation) holder(at string, who claimant, name, abuse, country string, prefixes []netip.Prefix, asns []ASN) {
	if why := badName(name); why != "" {
		v.bad(at+".name", "the name of %s %s", at, why)
	}
	if abuse != "" && !isMailAddress(abuse) {
		v.bad(at+".abuse", "%q is not a mail address: write the bare address, without a name", clip(abuse))
	}
	if country != "" && !isCountry(country) {
		v.bad(at+".country", "%q is not a country code: write two capital letters", clip(country))
	}
	if len(prefixes) == 0 && len(asns) == 0 {
		v.bad(at, "%s lists no prefix and no AS number, so no address can be its: list at least one", at)
	}
	for i, p := range prefixes {
		v.prefix(fmt.Sprintf("%s.prefixes[%d]", at, i), who, p)
	}
	for i, a := range asns {
		v.asn(fmt.Sprintf("%s.asns[%d]", at, i), who, a)
	}
}

func (v *validation) prefix(field string, who claimant, p netip.Prefix) {
	switch {
	case !p.IsValid():
		v.bad(field, "a prefix is empty: write it like 192.0.2.0/24")
		return
	case p.Addr().Is4In6():
		v.bad(field, "%s is IPv4 written as IPv6: write the IPv4 prefix", p)
		return
	case p.Bits() == 0:
		v.bad(field, "%s claims the whole Internet: list the prefixes that are really held", p)
		return
	case p != p.Masked():
		// Not taken as Masked: it may as well be a wrong length, and attribution never guesses.
		v.bad(field, "%s has bits set after its first %d: write %s, or correct the length", p, p.Bits(), p.Masked())
		p = p.Masked()
	}
	first, taken := v.prefixes[p]
	if !taken {
		v.prefixes[p] = who
		return
	}
	if first.party == who.party {
		v.bad(field, "%s is listed in %s already: list it once", p, first.at)
		return
	}
	v.bad(field, "%s is claimed by %s and by %s: it can belong to one only", p, first.at, who.at)
}

func (v *validation) asn(field string, who claimant, a ASN) {
	if why := a.reserved(); why != "" {
		v.bad(field, "AS%d %s: nobody can hold it", a, why)
		return
	}
	first, taken := v.asns[a]
	switch {
	case !taken:
		v.asns[a] = who
	case first.at == who.at:
		v.bad(field, "AS%d is listed in %s already: list it once", a, first.at)
	case first.party != who.party:
		v.bad(field, "AS%d is claimed by %s and by %s: it can belong to one only", a, first.at, who.at)
	}
}

func (v *validation) id(at, id string) {
	ok := id != "" && len(id) <= maxIDBytes && id[0] != '-'
	for i := range len(id) {
		c := id[i]
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-')
	}
	switch first, taken := v.ids[id]; {
	case id == "":
		v.bad(at+".id", "%s has no id: give it a short name of small letters, digits and hyphens", at)
	case !ok:
		v.bad(at+".id", "%q is no partner id: use up to %d small letters, digits and hyphens, no hyphen first",
			clip(id), maxIDBytes)
	case taken:
		v.bad(at+".id", "the id %q is %s's already: give each partner its own", id, first)
	default:
		v.ids[id] = at
	}
}

func (v *validation) tables(tables []TableFile) {
	seen := make(map[string]bool)
	for i, t := range tables {
		at := fmt.Sprintf("network.tables[%d]", i)
		path := filepath.Clean(t.Path)
		switch {
		case t.Path == "":
			v.bad(at+".path", "%s has no path: say where the file is", at)
		case seen[path]:
			v.bad(at+".path", "the table %s is listed twice: list it once", t.Path)
		}
		seen[path] = true
		switch t.Kind {
		case "", KindAuto, KindCSV, KindMMDB, KindDelegated:
		default:
			v.bad(at+".kind", "%q is no kind of table: write auto, csv, mmdb or delegated", clip(string(t.Kind)))
		}
	}
}

func badName(s string) string {
	switch {
	case len(s) > maxNameBytes:
		return fmt.Sprintf("has %d bytes: use at most %d", len(s), maxNameBytes)
	case !utf8.ValidString(s), strings.ContainsFunc(s, unicode.IsControl):
		return "holds bytes that are not text: write it in UTF-8 on one line"
	}
	return ""
}

func isMailAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && len(s) <= maxNameBytes
}

func isCountry(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}
