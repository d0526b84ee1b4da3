package sources

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"time"
	_ "time/tzdata" // a machine without its own knows the zones too

	"tocsin/internal/line"
	"tocsin/internal/line/acct"
	"tocsin/internal/line/fixednat"
	"tocsin/internal/line/inquiry"
	"tocsin/internal/line/lease"
	"tocsin/internal/report"
)

// Config says what knows which line held an address. Without any source, incidents of your own network are filed by
// address, and the line is not known.
type Config struct {
	// Keep is how long sessions are kept, at least 24h: a question about an earlier time is answered with
	// outside-retention. A source may have a time of its own. What the law of your country demands or allows goes first.
	Keep time.Duration `yaml:"keep"`
	// Every is how often files are looked at, at least 1s.
	Every time.Duration `yaml:"every"`
	// Uncertainty is by how much the times in reports may be off, either way, up to 24h. An answer is unique only where
	// one line held the address for all of it.
	Uncertainty time.Duration `yaml:"uncertainty"`

	// Questions limits what people may ask.
	Questions inquiry.Config `yaml:"questions"`

	// Tables are CSV files of lines that have their addresses for good.
	Tables []Table `yaml:"tables"`
	// RADIUS takes accounting from access servers.
	RADIUS []RADIUS `yaml:"radius"`
	// Detail is FreeRADIUS's detail files.
	Detail []Detail `yaml:"detail"`
	// Kea is the lease files of ISC Kea.
	Kea []Leases `yaml:"kea"`
	// DHCPD is the lease files of ISC dhcpd.
	DHCPD []Leases `yaml:"dhcpd"`
	// NAT is the logs of NAT devices.
	NAT []NAT `yaml:"nat"`
	// Syslog is receivers of such logs over the network.
	Syslog []Syslog `yaml:"syslog"`
	// FixedNAT is NATs whose ports follow from their configuration (RFC 7422).
	FixedNAT []FixedNAT `yaml:"fixed_nat"`
	// SQL is queries of your own database, of FreeRADIUS's radacct or another table.
	SQL []SQL `yaml:"sql"`
	// HTTP is systems of your own that are asked when somebody wants to know.
	HTTP []HTTP `yaml:"http"`

	// Contact says where the contact of a line is asked for.
	Contact Contact `yaml:"contact"`
}

// Table is a CSV file with a header: addr or prefix, line, and perhaps from and to.
type Table struct {
	// Name of the source, each its own: small letters, digits, - and _.
	Name string `yaml:"name"`
	// File that holds the table. It is read again when it changes, and once a day: what is not in it any more has ended.
	File string `yaml:"file"`
	// Zone of times without one, as Europe/London. Empty is UTC.
	Zone string `yaml:"zone"`
	// Since is from when on rows without a time of their own hold, as 2026-03-01T00:00:00Z. Empty: since the table was
	// first read.
	Since time.Time `yaml:"since"`
	// Keep is how long its sessions are kept. 0 is lines.keep.
	Keep time.Duration `yaml:"keep"`
}

// RADIUS is a server for accounting (RFC 2866).
type RADIUS struct {
	// Name of the source, each its own: small letters, digits, - and _.
	Name string `yaml:"name"`
	// Listen is the UDP address and port, as 192.0.2.1:1813.
	Listen string `yaml:"listen"`
	// Identity is the attributes that name a line, the first that a request has: User-Name, NAS-Port-Id,
	// Calling-Station-Id and others; docs/lines/radius.md lists them. Empty is User-Name.
	Identity []string `yaml:"identity"`
	// Clients are the access servers that may send. Nobody else gets an answer.
	Clients []RADIUSClient `yaml:"clients"`
	// Keep is how long its sessions are kept. 0 is lines.keep.
	Keep time.Duration `yaml:"keep"`
}

// RADIUSClient is a network of access servers.
type RADIUSClient struct {
	// Network of the servers' addresses, as 192.0.2.0/28.
	Network netip.Prefix `yaml:"network"`
	// SecretFile holds what they share with this node, in one line.
	SecretFile string `yaml:"secret_file"`
	// RequireMessageAuthenticator takes only requests that have one. Those that do are always checked.
	RequireMessageAuthenticator bool `yaml:"require_message_authenticator"`
}

// Detail is files of FreeRADIUS's rlm_detail.
type Detail struct {
	// Name of the source, each its own: small letters, digits, - and _.
	Name string `yaml:"name"`
	// Files that hold the requests; * and ? stand for parts of a name. A file is read on where it was left, also when it
	// was renamed meanwhile.
	Files []string `yaml:"files"`
	// Identity is the attributes that name a line. Empty is User-Name.
	Identity []string `yaml:"identity"`
	// Zone of the server, as Europe/London. Empty is UTC.
	Zone string `yaml:"zone"`
	// Keep is how long its sessions are kept. 0 is lines.keep.
	Keep time.Duration `yaml:"keep"`
}

// Leases is lease files of a DHCP server.
type Leases struct {
	// Name of the source, each its own: small letters, digits, - and _.
	Name string `yaml:"name"`
	// Files that hold the leases; * and ? stand for parts of a name.
	Files []string `yaml:"files"`
	// Identity is what names a line: hardware, client, circuit or remote. Empty is hardware. Customers can choose
	// the first two; circuit and remote are what your own access nodes say of the port.
	Identity lease.Identity `yaml:"identity"`
	// Realm of the addresses, where they are no addresses of the Internet and may mean something else elsewhere: a word,
	// which the NAT in front of them has too.
	Realm string `yaml:"realm"`
	// Keep is how long its sessions are kept. 0 is lines.keep.
	Keep time.Duration `yaml:"keep"`
}

// NAT is logs of NAT devices. Where connections went to is not read.
type NAT struct {
	// Name of the source, each its own: small letters, digits, - and _.
	Name string `yaml:"name"`
	// Files that hold the log, as syslog wrote them; * and ? stand for parts of a name. A file is read on where it was
	// left, also when it was renamed meanwhile.
	Files []string `yaml:"files"`
	// Zone of times without one, as Europe/London. Empty is UTC.
	Zone string `yaml:"zone"`
	// Realm of the inside addresses: that of the source which knows whose they are.
	Realm string `yaml:"realm"`
	// VRFs are the realms of inside addresses in other VRFs than the device's main one, by the names that its log has, as
	// {"2": cgn-south}; "*" stands for all that are not named. What is of another VRF is refused: the same private address
	// may be another line's there.
	VRFs map[string]string `yaml:"vrfs"`
	// OwnPorts says that each subscriber has outside ports of its own (MikroTik: to-ports). Without it the log of devices
	// that may give one port to several subscribers at a time is refused: the port would name the wrong line.
	OwnPorts bool `yaml:"own_ports"`
	// Keep is how long its sessions are kept. 0 is lines.keep.
	Keep time.Duration `yaml:"keep"`
}

// FixedNAT deals out outside ports to inside addresses in their order.
type FixedNAT struct {
	// Name of the source, each its own: small letters, digits, - and _.
	Name string `yaml:"name"`
	// Inside is the network behind the NAT, as 100.64.0.0/22.
	Inside netip.Prefix `yaml:"inside"`
	// Outside is the network that the Internet sees.
	Outside netip.Prefix `yaml:"outside"`
	// FirstPort is the first port that is dealt out. 0 is 1024.
	FirstPort uint16 `yaml:"first_port"`
	// Ports that each inside address has.
	Ports uint16 `yaml:"ports"`
	// Realm of the inside addresses: that of the source which knows whose they are.
	Realm string `yaml:"realm"`
	// From is since when the NAT is configured so, as 2026-03-01T00:00:00Z. Empty: ever.
	From time.Time `yaml:"from"`
	// To is until when. Empty: still.
	To time.Time `yaml:"to"`
}

// Defaults is the config of a node that was told nothing: half a year, as long as police most often need to ask.
func Defaults() Config {
	return Config{Keep: 180 * 24 * time.Hour, Every: time.Minute, Uncertainty: time.Second, Questions: inquiry.Defaults()}
}

// Any reports whether there is a source.
func (c *Config) Any() bool {
	return len(c.Tables)+len(c.RADIUS)+len(c.Detail)+len(c.Kea)+len(c.DHCPD)+len(c.NAT)+len(c.Syslog)+len(c.FixedNAT)+len(c.SQL)+len(c.HTTP) > 0
}

// Rebase returns the config with relative paths beginning at dir.
func (c Config) Rebase(dir string) Config {
	at := func(p string) string {
		if p == "" || filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(dir, p)
	}
	files := func(all []string) []string {
		out := make([]string, len(all))
		for i, p := range all {
			out[i] = at(p)
		}
		return out
	}
	c.Tables, c.RADIUS, c.Detail = slices.Clone(c.Tables), slices.Clone(c.RADIUS), slices.Clone(c.Detail)
	c.Kea, c.DHCPD, c.NAT = slices.Clone(c.Kea), slices.Clone(c.DHCPD), slices.Clone(c.NAT)
	c.Syslog = rebaseSyslog(c.Syslog, at)
	c.HTTP = rebased(c.HTTP, at)
	for i := range c.Tables {
		c.Tables[i].File = at(c.Tables[i].File)
	}
	for i := range c.RADIUS {
		r := &c.RADIUS[i]
		r.Clients = slices.Clone(r.Clients)
		for k := range r.Clients {
			r.Clients[k].SecretFile = at(r.Clients[k].SecretFile)
		}
	}
	for i := range c.Detail {
		c.Detail[i].Files = files(c.Detail[i].Files)
	}
	for i := range c.Kea {
		c.Kea[i].Files = files(c.Kea[i].Files)
	}
	for i := range c.DHCPD {
		c.DHCPD[i].Files = files(c.DHCPD[i].Files)
	}
	for i := range c.NAT {
		c.NAT[i].Files = files(c.NAT[i].Files)
	}
	c.rebaseSQL(at)
	return c
}

const (
	leastKeep       = 24 * time.Hour
	mostUncertainty = 24 * time.Hour
)

var (
	nameShape  = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`) // the stream's, too
	realmShape = regexp.MustCompile(`^[a-z0-9_-]{0,63}$`)
)

// Validate reports every broken rule at once.
func (c *Config) Validate() error {
	v := &validation{names: map[string]bool{}}
	if c.Keep < leastKeep {
		v.bad("keep", "keep sessions for 24h at least")
	}
	if c.Every < time.Second {
		v.bad("every", "looking at files more often than every second serves nothing")
	}
	if c.Uncertainty < 0 || c.Uncertainty > mostUncertainty {
		v.bad("uncertainty", "give 0s to 24h")
	}
	c.Questions.Validate(func(field, rule string) { v.bad("questions."+field, rule) })
	for i, t := range c.Tables {
		v.in("tables", i).source(t.Name, t.Keep)
		v.zone(t.Zone)
		if t.File == "" {
			v.bad("file", "name the file that holds the table")
		}
	}
	for i := range c.RADIUS {
		v.in("radius", i).radius(&c.RADIUS[i])
	}
	for i, d := range c.Detail {
		v.in("detail", i).source(d.Name, d.Keep)
		v.files(d.Files)
		v.zone(d.Zone)
		v.identity(d.Identity)
	}
	for key, all := range map[string][]Leases{"kea": c.Kea, "dhcpd": c.DHCPD} {
		for i, l := range all {
			v.in(key, i).source(l.Name, l.Keep)
			v.files(l.Files)
			v.realm(l.Realm)
			if l.Identity != "" && !slices.Contains(lease.Identities, l.Identity) {
				v.bad("identity", fmt.Sprintf("%q names no line: write hardware, client, circuit or remote", string(l.Identity)))
			}
		}
	}
	for i, n := range c.NAT {
		v.in("nat", i).source(n.Name, n.Keep)
		v.files(n.Files)
		v.zone(n.Zone)
		v.realm(n.Realm)
		v.vrfs(n.VRFs)
	}
	v.syslogs(c.Syslog)
	for i, f := range c.FixedNAT {
		v.in("fixed_nat", i).source(f.Name, 0)
		v.realm(f.Realm)
		n := f.nat()
		if err := n.Validate(); err != nil {
			v.bad(fieldOf(err), report.Reason(err))
		}
	}
	for i := range c.SQL {
		v.in("sql", i).sql(&c.SQL[i])
	}
	v.contact(&c.Contact)
	for i := range c.HTTP {
		v.in("http", i).http(&c.HTTP[i])
	}
	return errors.Join(v.errs...)
}

// validation gathers what is wrong, with the key that it is about.
type validation struct {
	errs  []error
	names map[string]bool
	key   string
}

func (v *validation) in(key string, i int) *validation {
	v.key = fmt.Sprintf("%s[%d].", key, i)
	return v
}

func (v *validation) bad(field, rule string) {
	key := "lines." + v.key + field
	v.errs = append(v.errs, &report.FieldError{Field: key, Rule: key + ": " + rule})
}

func (v *validation) source(name string, keep time.Duration) {
	switch {
	case !nameShape.MatchString(name):
		v.bad("name", fmt.Sprintf("%q cannot name a source: write small letters, digits, - and _", name))
	case v.names[name]:
		v.bad("name", "there is a source of this name already: give each its own")
	}
	v.names[name] = true
	if keep != 0 && keep < leastKeep {
		v.bad("keep", "keep sessions for 24h at least")
	}
}

func (v *validation) radius(r *RADIUS) {
	v.source(r.Name, r.Keep)
	v.identity(r.Identity)
	if _, _, err := net.SplitHostPort(r.Listen); err != nil {
		v.bad("listen", fmt.Sprintf("%q is no address and port: write 192.0.2.1:1813", r.Listen))
	}
	if len(r.Clients) == 0 {
		v.bad("clients", "say which access servers may send")
	}
	for k, c := range r.Clients {
		field := fmt.Sprintf("clients[%d].", k)
		if !c.Network.IsValid() || c.Network != c.Network.Masked() {
			v.bad(field+"network", fmt.Sprintf("%s is no network: write 192.0.2.0/28", c.Network))
		}
		if c.SecretFile == "" {
			v.bad(field+"secret_file", "name the file that holds the shared secret")
		}
	}
}

func (v *validation) files(all []string) {
	if len(all) == 0 {
		v.bad("files", "name the files")
	}
	for _, p := range all {
		if _, err := filepath.Match(p, ""); err != nil {
			v.bad("files", fmt.Sprintf("%q is no pattern of names", p))
		}
	}
}

func (v *validation) zone(name string) {
	if _, err := zone(name); err != nil {
		v.bad("zone", fmt.Sprintf("%q is no time zone: write it as Europe/London", name))
	}
}

func (v *validation) realm(name string) {
	if !realmShape.MatchString(name) {
		v.bad("realm", fmt.Sprintf("%q cannot name a realm: write small letters, digits, - and _", name))
	}
}

func (v *validation) vrfs(all map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if realm := all[name]; !realmShape.MatchString(realm) {
			v.bad("vrfs", fmt.Sprintf("%q cannot name a realm: write small letters, digits, - and _", realm))
		}
	}
}

func (v *validation) identity(all []string) {
	if len(all) == 0 {
		return
	}
	if err := acct.Identity(all).Validate(); err != nil {
		v.bad("identity", report.Reason(err))
	}
}

func zone(name string) (*time.Location, error) {
	if name == "" || name == "Local" { // never this machine's: it says nothing of the log's
		if name != "" {
			return nil, errors.New("name the zone")
		}
		return time.UTC, nil
	}
	return time.LoadLocation(name)
}

func fieldOf(err error) string {
	if f, ok := errors.AsType[*report.FieldError](err); ok {
		return f.Field
	}
	return ""
}

func (f *FixedNAT) nat() fixednat.NAT {
	n := fixednat.NAT{Inside: f.Inside, Outside: f.Outside, FirstPort: f.FirstPort, Ports: f.Ports, Realm: f.Realm, Valid: line.Span{From: line.Ever, To: line.Never}}
	if !f.From.IsZero() {
		n.Valid.From = f.From.Unix()
	}
	if !f.To.IsZero() {
		n.Valid.To = f.To.Unix()
	}
	return n
}
