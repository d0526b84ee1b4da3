package intake

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Mailbox is a mailbox that is read over IMAP. Nothing in it is ever deleted: a mail that was taken goes to another
// folder of the same mailbox.
type Mailbox struct {
	// Name of the mailbox in the log and in metrics, each its own: small letters, digits, - _ and dots. Do not write a
	// person's name or address here.
	Name string `yaml:"name"`
	// Address is the server's host name, with a port where it is not 993 (143 with starttls or none).
	Address string `yaml:"address"`
	// TLS is how the connection is protected: implicit (from its first byte), starttls, or none, which is for a server
	// on loopback only. Empty means implicit.
	TLS string `yaml:"tls"`
	// CA is the file with the certificate, in PEM, that the server's own must descend from. Empty: the system's list.
	CA string `yaml:"ca"`
	// User is the name to sign in with.
	User string `yaml:"user"`
	// PasswordFile is the file with the user's password, which only Tocsin's own user may read (chmod 600). It is read
	// at each connection, so a new password needs no restart.
	PasswordFile string `yaml:"password_file"`
	// OAuth2 is how to sign in with tokens (XOAUTH2) in place of a password.
	OAuth2 OAuth2 `yaml:"oauth2"`
	// Folder is the folder whose mails are taken. Empty means INBOX. In names of folders / stands for the server's own
	// separator, whatever that is.
	Folder string `yaml:"folder"`
	// Done is the folder to which mails go whose report is dealt with. It is made where it is missing. Empty means
	// tocsin-done.
	Done string `yaml:"done"`
	// Waiting is the folder to which mails go whose report waits for a person; from there they go to done. It is made
	// where it is missing. Empty means tocsin-waiting. A mail that you put there is taken too.
	Waiting string `yaml:"waiting"`
	// Poll is how often the folder is looked through, beside the server's own news of new mails, between 10s and 25m.
	// 0 means 2m.
	Poll time.Duration `yaml:"poll"`
	// MaxBytes is the largest mail taken; a larger one stays where it is, and the log says so. 0 means 100 MiB.
	MaxBytes int64 `yaml:"max_bytes"`
	// Reporter is the source that sends everything in this mailbox. Empty: each mail says who sent it.
	Reporter string `yaml:"reporter"`
}

// OAuth2 says where tokens come from (RFC 6749). With a refresh token they stand for the user who granted it, without
// one for the client itself (client credentials).
type OAuth2 struct {
	// TokenURL of the provider, as https://host/path.
	TokenURL string `yaml:"token_url"`
	// ClientID is the name under which the provider knows this node.
	ClientID string `yaml:"client_id"`
	// ClientSecretFile is the file with the client's secret (chmod 600). Empty: the client has none.
	ClientSecretFile string `yaml:"client_secret_file"`
	// RefreshTokenFile is the file with the refresh token (chmod 600). Where the provider hands out a new one, Tocsin
	// writes it there.
	RefreshTokenFile string `yaml:"refresh_token_file"`
	// Scopes to ask for.
	Scopes []string `yaml:"scopes"`
}

// On reports whether tokens are used.
func (o OAuth2) On() bool {
	return o.TokenURL != "" || o.ClientID != "" || o.ClientSecretFile != "" || o.RefreshTokenFile != "" || len(o.Scopes) > 0
}

// How a connection to a mailbox is protected.
const (
	TLSImplicit = "implicit"
	TLSStart    = "starttls"
	TLSNone     = "none"
)

func (m Mailbox) withDefaults() Mailbox {
	set(&m.TLS, TLSImplicit)
	set(&m.Folder, "INBOX")
	if strings.EqualFold(m.Folder, "INBOX") { // RFC 9051 §5.1
		m.Folder = "INBOX"
	}
	set(&m.Done, "tocsin-done")
	set(&m.Waiting, "tocsin-waiting")
	set(&m.Poll, 2*time.Minute)
	set(&m.MaxBytes, 100<<20)
	if m.Address != "" {
		host, port := splitAddress(m.Address)
		if port == "" {
			port = "143"
			if m.TLS == TLSImplicit {
				port = "993"
			}
		}
		m.Address = net.JoinHostPort(host, port)
	}
	return m
}

// splitAddress takes an address apart; without a port there is none.
func splitAddress(s string) (host, port string) {
	if host, port, err := net.SplitHostPort(s); err == nil {
		return host, port
	}
	return strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"), ""
}

// isLoopback reports whether a host is this machine, whatever DNS says.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.Unmap().IsLoopback()
}

func (c Config) validateMailboxes(bad func(field, format string, args ...any)) {
	names, folders := map[string]bool{}, map[string]bool{}
	for i, m := range c.IMAP {
		at := fmt.Sprintf("intake.imap[%d]", i)
		if !nameRule.MatchString(m.Name) {
			bad(at+".name", "%q cannot name a mailbox: use up to 64 small letters, digits, - _ and dots", m.Name)
		} else if names[m.Name] {
			bad(at+".name", "%s is there already", m.Name)
		}
		names[m.Name] = true
		m.validateServer(at, bad)
		m.validateLogin(at, bad)
		full := m.withDefaults()
		if key := full.Address + "\n" + full.User + "\n" + full.Folder; m.Address != "" && folders[key] {
			bad(at+".folder", "another entry reads the same folder: each mail would be taken twice")
		} else {
			folders[key] = true
		}
		if full.Done == full.Folder || full.Done == full.Waiting {
			bad(at+".done", "%s is not a folder of its own: choose another", full.Done)
		}
		if full.Waiting == full.Folder {
			bad(at+".waiting", "%s is not a folder of its own: choose another", full.Waiting)
		}
		for _, f := range [...]struct{ key, name string }{{".folder", m.Folder}, {".done", m.Done}, {".waiting", m.Waiting}} {
			if strings.ContainsFunc(f.name, func(r rune) bool { return r < ' ' || r == '*' || r == '%' || r == 0x7f }) {
				bad(at+f.key, "%q cannot name a folder: leave out *, %% and control characters", f.name)
			}
		}
		if d := m.Poll; d != 0 && (d < 10*time.Second || d > 25*time.Minute) {
			bad(at+".poll", "%s is out of range: write 10s to 25m", d)
		}
		if m.MaxBytes < 0 {
			bad(at+".max_bytes", "%d is less than nothing", m.MaxBytes)
		}
		if m.Reporter != "" && !nameRule.MatchString(m.Reporter) {
			bad(at+".reporter", "%q cannot name a source: use up to 64 small letters, digits, - _ and dots", m.Reporter)
		}
	}
}

func (m Mailbox) validateServer(at string, bad func(field, format string, args ...any)) {
	host, port := splitAddress(m.Address)
	if host == "" || strings.ContainsAny(host, " /@") || port != "" && !isPort(port) {
		bad(at+".address", "%q is no host and port: write imap.example.net or imap.example.net:993", m.Address)
	}
	switch m.TLS {
	case "", TLSImplicit, TLSStart:
	case TLSNone:
		if !isLoopback(host) {
			bad(at+".tls", "none would send the password in the clear: write implicit or starttls; none is for a server on loopback")
		}
		if m.CA != "" {
			bad(at+".ca", "a CA is for TLS: leave it out, or write tls: implicit or starttls")
		}
	default:
		bad(at+".tls", "%q is no way to protect a connection: write implicit, starttls or none", m.TLS)
	}
}

func isPort(s string) bool {
	n := 0
	for _, r := range s {
		if r < '0' || r > '9' || len(s) > 5 {
			return false
		}
		n = n*10 + int(r-'0')
	}
	return n > 0 && n < 1<<16
}

func (m Mailbox) validateLogin(at string, bad func(field, format string, args ...any)) {
	if m.User == "" {
		bad(at+".user", "write the name to sign in with")
	}
	switch {
	case m.PasswordFile == "" && !m.OAuth2.On():
		bad(at+".password_file", "write the file with the password, or say under oauth2 where tokens come from")
		return
	case m.PasswordFile != "" && m.OAuth2.On():
		bad(at+".password_file", "a password and oauth2 are two ways to sign in: choose one")
	}
	if !m.OAuth2.On() {
		return
	}
	o := m.OAuth2
	u, err := url.Parse(o.TokenURL)
	switch {
	case err != nil || u.Host == "" || u.User != nil || !slices.Contains([]string{"http", "https"}, u.Scheme):
		bad(at+".oauth2.token_url", "%q is not the address at which tokens are handed out: write https://host/path", o.TokenURL)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		bad(at+".oauth2.token_url", "http would send secrets in the clear: write https")
	}
	if o.ClientID == "" {
		bad(at+".oauth2.client_id", "write the name under which the provider knows this node")
	}
	if o.ClientSecretFile == "" && o.RefreshTokenFile == "" {
		bad(at+".oauth2.refresh_token_file", "write the file with the refresh token, or client_secret_file, or both")
	}
}
