package intake

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// SMTP is the way in for mails that a mail server forwards: SMTP or LMTP over TCP, LMTP over a socket of this machine.
// It is off until one of smtp, lmtp and socket says where to listen.
type SMTP struct {
	// SMTP is the addresses and ports on which SMTP is spoken, such as 127.0.0.1:2525.
	SMTP []string `yaml:"smtp"`
	// LMTP is the addresses and ports on which LMTP is spoken. LMTP is the better choice where the mail server can: it
	// is told of each recipient's fate by itself.
	LMTP []string `yaml:"lmtp"`
	// Socket is the path of a socket on which LMTP is spoken. Whoever may write to it may send.
	Socket string `yaml:"socket"`
	// SocketMode is the socket's mode, in octal digits and in quotes. Empty means 0660: the user and the group that
	// Tocsin runs as.
	SocketMode string `yaml:"socket_mode"`
	// Hostname is the name with which the node greets. Empty: the machine's own.
	Hostname string `yaml:"hostname"`
	// Recipients are the addresses whose mails are taken: abuse@example.net, or @example.net for all of a domain. A mail
	// to anybody else is refused.
	Recipients []string `yaml:"recipients"`
	// Clients are the networks of the mail servers that may connect by TCP. Empty means this machine alone. Others are
	// told to try again later, so that a server left out by mistake keeps its mails.
	Clients []netip.Prefix `yaml:"clients"`
	// Certificate is the file with the certificate, in PEM, and those that lead up to its authority. With it STARTTLS is
	// offered. It is read again when it changes.
	Certificate string `yaml:"certificate"`
	// Key is the file with the certificate's private key, which not everybody may read (chmod 600 or 640).
	Key string `yaml:"key"`
	// MaxBytes is the largest mail taken; the mail server is told before it sends. 0 means 100 MiB.
	MaxBytes int64 `yaml:"max_bytes"`
	// MaxLine is the longest line of a mail, in bytes with its end, at least 1000. 0 means 1 MiB.
	MaxLine int `yaml:"max_line"`
	// MaxRecipients is how many recipients one mail may have. 0 means 100.
	MaxRecipients int `yaml:"max_recipients"`
	// MaxConnections is how many mail servers are served at once; further ones are told to come back. 0 means 100.
	MaxConnections int `yaml:"max_connections"`
	// MaxConnectionsPerNetwork is how many of them may come from one network by TCP: a /24 of IPv4, a /64 of IPv6. 0 means 50.
	MaxConnectionsPerNetwork int `yaml:"max_connections_per_network"`
	// Idle is how long a client may be silent, at least 1s. 0 means 5m.
	Idle time.Duration `yaml:"idle"`
	// MailTime is how long a client may take to send one mail, at least 1s. 0 means 30m.
	MailTime time.Duration `yaml:"mail_time"`
}

// On reports whether there is anything to listen on.
func (s SMTP) On() bool { return len(s.SMTP) > 0 || len(s.LMTP) > 0 || s.Socket != "" }

func (s SMTP) withDefaults() SMTP {
	set(&s.SocketMode, "0660")
	if len(s.Clients) == 0 {
		s.Clients = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	set(&s.MaxBytes, 100<<20)
	set(&s.MaxLine, 1<<20)
	set(&s.MaxRecipients, 100) // RFC 5321 §4.5.3.1.8: no fewer by default
	set(&s.MaxConnections, 100)
	set(&s.MaxConnectionsPerNetwork, 50)
	set(&s.Idle, 5*time.Minute) // RFC 5321 §4.5.3.2.7: no less by default
	set(&s.MailTime, 30*time.Minute)
	return s
}

// Mode is the socket's mode.
func (s SMTP) Mode() (fs.FileMode, error) {
	if s.SocketMode == "" {
		return 0o660, nil
	}
	n, err := strconv.ParseUint(s.SocketMode, 8, 32)
	if err != nil || n > 0o777 {
		return 0, fmt.Errorf("%q is no mode: write three octal digits in quotes, such as \"0660\"", s.SocketMode)
	}
	return fs.FileMode(n), nil
}

// maxSocketPath is how long a socket's path may be (unix(7)), its end included.
const maxSocketPath = 108

func (c Config) validateSMTP(bad func(field, format string, args ...any)) {
	const at = "intake.smtp"
	s := c.SMTP
	seen := map[string]bool{}
	for _, list := range []struct {
		key       string
		addresses []string
	}{{".smtp", s.SMTP}, {".lmtp", s.LMTP}} {
		for i, a := range list.addresses {
			field := fmt.Sprintf("%s%s[%d]", at, list.key, i)
			if _, port, err := net.SplitHostPort(a); err != nil || !isPortNumber(port) {
				bad(field, "%q is no address and port: write 127.0.0.1:2525", a)
			} else if seen[a] && port != "0" {
				bad(field, "%s is there already: each has an address or a port of its own", a)
			}
			seen[a] = true
		}
	}
	if len(s.Socket) >= maxSocketPath {
		bad(at+".socket", "a socket's path has fewer than %d bytes: choose a shorter one", maxSocketPath)
	}
	if _, err := s.Mode(); err != nil {
		bad(at+".socket_mode", "%v", err)
	}
	switch {
	case s.On() && len(s.Recipients) == 0:
		bad(at+".recipients", "name at least one address whose mails are taken, such as abuse@example.net")
	case !s.On() && len(s.Recipients) > 0:
		bad(at+".recipients", "nothing listens for their mails: write smtp, lmtp or socket beside them")
	}
	for i, r := range s.Recipients {
		if !isRecipient(r) {
			bad(fmt.Sprintf("%s.recipients[%d]", at, i), "%q is no address: write abuse@example.net, or @example.net for all of a domain", r)
		}
	}
	if strings.ContainsFunc(s.Hostname, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		bad(at+".hostname", "%q is no host name: write one such as tocsin.example.net", s.Hostname)
	}
	for i, p := range s.Clients {
		if !p.IsValid() {
			bad(fmt.Sprintf("%s.clients[%d]", at, i), "write a network such as 192.0.2.0/24")
		}
	}
	if (s.Certificate == "") != (s.Key == "") {
		bad(at+".certificate", "STARTTLS needs certificate and key: write both or neither")
	}
	s.validateLimits(at, bad)
}

func (s SMTP) validateLimits(at string, bad func(field, format string, args ...any)) {
	for _, n := range []struct {
		key   string
		value int64
	}{
		{".max_bytes", s.MaxBytes},
		{".max_recipients", int64(s.MaxRecipients)},
		{".max_connections", int64(s.MaxConnections)},
		{".max_connections_per_network", int64(s.MaxConnectionsPerNetwork)},
	} {
		if n.value < 0 {
			bad(at+n.key, "%d is less than nothing", n.value)
		}
	}
	if s.MaxLine != 0 && s.MaxLine < 1000 {
		bad(at+".max_line", "%d would refuse lines that every mail may have (RFC 5321): write 1000 or more", s.MaxLine)
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{".idle", s.Idle}, {".mail_time", s.MailTime}} {
		if d.value != 0 && d.value < time.Second {
			bad(at+d.key, "%s is too short for any mail server: write 1s or more", d.value)
		}
	}
}

func isPortNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// isRecipient: an address, or @ and a domain.
func isRecipient(s string) bool {
	at := strings.LastIndexByte(s, '@')
	return at >= 0 && at < len(s)-1 && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune("<>,", r)
	})
}
