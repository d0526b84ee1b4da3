package access

import (
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tocsin/internal/report"
)

const day = 24 * time.Hour

// Config says how people sign in.
type Config struct {
	// Origin is how people's browsers reach the node: https, a name, and the port where it is not 443. Passkeys are bound
	// to the name: with another one nobody can sign in by theirs any more. http is for localhost only.
	Origin string `yaml:"origin"`
	// Idle is how long a session lasts without a request, 5m to 24h.
	Idle time.Duration `yaml:"idle"`
	// Absolute is how long a session lasts at most, idle or not, up to 168h.
	Absolute time.Duration `yaml:"absolute"`
	// NoPasswords lets people in by passkey or OpenID Connect only. Recovery codes go on.
	NoPasswords bool `yaml:"no_passwords"`
	// Longest is how long a token of a program may live, 1h to 8760h.
	Longest time.Duration `yaml:"longest_token"`
	// Keep is how long it is kept who changed which person, role or token, at least 24h. Its entry in the log stays, and
	// names nobody any more.
	Keep time.Duration `yaml:"keep"`
	// OpenID are organisations that vouch for their people by OpenID Connect.
	OpenID []Issuer `yaml:"openid"`
}

// Issuer is an organisation that vouches for its people. Give it ORIGIN/sign-in/openid/NAME as the address to send people
// back to. A person is known by what it calls them (sub), and has the roles that their groups have here, looked up anew
// each time that they sign in.
type Issuer struct {
	// Name is how it is called here and in addresses: small letters, digits and hyphens. People see it on the button.
	Name string `yaml:"name"`
	// Issuer is its address, as it stands in its tokens. https; http is for localhost only. It is asked when somebody
	// signs in, so the node starts without it.
	Issuer string `yaml:"issuer"`
	// ClientID is how it calls this node.
	ClientID string `yaml:"client_id"`
	// ClientSecretFile is the file with the secret that it gave this node (chmod 600). Empty: it gave none, PKCE is enough.
	ClientSecretFile string `yaml:"client_secret_file"`
	// Scopes are asked for beside openid. Left out: profile and email.
	Scopes []string `yaml:"scopes"`
	// Groups is the claim with a person's groups. Left out: groups.
	Groups string `yaml:"groups"`
	// Roles are the roles that a group's people have. Somebody in none of these groups is not let in.
	Roles map[string][]Role `yaml:"roles"`
	// Party is the organisation to which its people belong. Left out: own.
	Party string `yaml:"party"`
}

// Defaults is a node on this machine, with passkeys and passwords.
func Defaults() Config {
	return Config{Origin: "http://localhost:8420", Idle: time.Hour, Absolute: 12 * time.Hour, Longest: 365 * day, Keep: 365 * day}
}

// Rebase returns the config with every relative path starting at dir.
func (c Config) Rebase(dir string) Config {
	c.OpenID = slices.Clone(c.OpenID)
	for i := range c.OpenID {
		if p := &c.OpenID[i].ClientSecretFile; *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	return c
}

// Validate reports every broken rule at once, as *report.FieldErrors of fields below key.
func (c *Config) Validate(bad func(field, rule string)) {
	if why := checkOrigin(c.Origin); why != "" {
		bad("origin", why)
	}
	if c.Idle < 5*time.Minute || c.Idle > day {
		bad("idle", "give 5m to 24h")
	}
	if c.Absolute < c.Idle || c.Absolute > 7*day {
		bad("absolute", "give a time from that of idle up to 168h")
	}
	if c.Longest < time.Hour || c.Longest > 365*day {
		bad("longest_token", "give 1h to 8760h: a token that nobody renews should end")
	}
	if c.Keep < day {
		bad("keep", "keep who changed people and tokens for 24h at least")
	}
	for i := range c.OpenID {
		at := fmt.Sprintf("openid[%d].", i)
		c.OpenID[i].validate(func(field, rule string) { bad(at+field, rule) })
		if slices.ContainsFunc(c.OpenID[:i], func(o Issuer) bool { return o.Name == c.OpenID[i].Name }) {
			bad(at+"name", fmt.Sprintf("%s stands there twice: give each a name of its own", report.Printable(c.OpenID[i].Name)))
		}
	}
}

// validate does not read the secret: it may be put there later, and is read when somebody signs in.
func (i *Issuer) validate(bad func(field, rule string)) {
	if !isName(i.Name) {
		bad("name", "give a name of small letters, digits and hyphens, as isp-staff")
	}
	if why := checkIssuer(i.Issuer); why != "" {
		bad("issuer", why)
	}
	if i.ClientID == "" {
		bad("client_id", "write how the issuer calls this node")
	}
	if i.Party != "" && !isName(i.Party) {
		bad("party", "write the id of a party: small letters, digits and hyphens")
	}
	if len(i.Roles) == 0 {
		bad("roles", "say which group has which roles, as {staff: [desk]}: nobody else is let in")
	}
	for _, group := range sortedKeys(i.Roles) {
		if len(i.Roles[group]) == 0 {
			bad("roles", fmt.Sprintf("say which roles the group %s has", report.Printable(group)))
		}
		for _, r := range i.Roles[group] {
			switch {
			case !slices.Contains(Roles(), r):
				bad("roles", fmt.Sprintf("%s is no role: write one of %s", report.Printable(string(r)), words(Roles())))
			case i.party() == Own && !slices.Contains(RolesOf(OwnParty), r):
				bad("roles", fmt.Sprintf("nobody of the own party is %s: write one of %s, or name another party", r, words(RolesOf(OwnParty))))
			}
		}
	}
}

func (i *Issuer) party() string {
	if i.Party == "" {
		return Own
	}
	return i.Party
}

func (i *Issuer) claim() string {
	if i.Groups == "" {
		return "groups"
	}
	return i.Groups
}

// checkOrigin says what is wrong with an origin, "" when nothing is.
func checkOrigin(s string) string {
	const say = "write how browsers reach the node, as https://abuse.example.net, without a path"
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || s != strings.ToLower(s) {
		return say
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return "write a name, not an address: passkeys are bound to a name (localhost is one)"
	}
	if u.Scheme == "https" && u.Hostname() != "" || u.Scheme == "http" && local(u.Hostname()) {
		return ""
	}
	return say + "; http is for localhost only"
}

func checkIssuer(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "write the issuer's address as it stands in its tokens, as https://login.example.net/realm"
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !local(u.Hostname())) {
		return "write https: whoever can change what the issuer says can sign in as anybody"
	}
	return ""
}

// local reports whether a host is this machine.
func local(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && a.IsLoopback()
}

// isName reports whether s can be the id of a party, or an issuer's name.
func isName(s string) bool {
	return s != "" && len(s) <= 40 && s[0] != '-' && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}

func words(roles []Role) string {
	all := make([]string, len(roles))
	for i, r := range roles {
		all[i] = string(r)
	}
	return strings.Join(all, ", ")
}

func sortedKeys(m map[string][]Role) []string {
	all := make([]string, 0, len(m))
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}
