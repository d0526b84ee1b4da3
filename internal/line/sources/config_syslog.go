package sources

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Syslog receives logs of NAT devices. Where connections went to is not read.
type Syslog struct {
	// Name of the source, each its own: small letters, digits, - and _.
	Name string `yaml:"name"`
	// UDP address and port to listen on (RFC 5426), as 192.0.2.1:514. Empty: none. What is lost on the way is noticed
	// only where the device numbers its messages, so take TLS or TCP where it can.
	UDP string `yaml:"udp"`
	// TCP address and port to listen on (RFC 6587). Empty: none.
	TCP string `yaml:"tcp"`
	// TLS address and port to listen on (RFC 5425), as 192.0.2.1:6514. Empty: none.
	TLS string `yaml:"tls"`
	// Cert is the file of the certificate for TLS, with those between it and its root. It is read again when it changes.
	Cert string `yaml:"cert"`
	// Key is the file of its private key.
	Key string `yaml:"key"`
	// ClientCA is the file of the roots whose certificates senders over TLS must have. Empty: they need none.
	ClientCA string `yaml:"client_ca"`
	// From is the networks of the devices that may send. Nobody else is read.
	From []netip.Prefix `yaml:"from"`
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

// rebaseSyslog returns receivers with relative paths as at says.
func rebaseSyslog(all []Syslog, at func(string) string) []Syslog {
	all = slices.Clone(all)
	for i := range all {
		s := &all[i]
		s.Cert, s.Key, s.ClientCA = at(s.Cert), at(s.Key), at(s.ClientCA)
	}
	return all
}

func (v *validation) syslogs(all []Syslog) {
	for i := range all {
		v.in("syslog", i).syslog(&all[i])
	}
}

func (v *validation) syslog(s *Syslog) {
	v.source(s.Name, s.Keep)
	v.zone(s.Zone)
	v.realm(s.Realm)
	v.vrfs(s.VRFs)
	for _, l := range []struct{ field, addr string }{{"udp", s.UDP}, {"tcp", s.TCP}, {"tls", s.TLS}} {
		if l.addr == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(l.addr); err != nil {
			v.bad(l.field, fmt.Sprintf("%q is no address and port: write 192.0.2.1:514", l.addr))
		}
	}
	switch {
	case s.UDP == "" && s.TCP == "" && s.TLS == "":
		v.bad("udp", "say where to listen: udp, tcp or tls")
	case s.TLS == "" && (s.Cert != "" || s.Key != "" || s.ClientCA != ""):
		v.bad("tls", "cert, key and client_ca are for TLS: say where to listen for it")
	}
	if s.TLS != "" && s.Cert == "" {
		v.bad("cert", "name the file of the certificate for TLS")
	}
	if s.TLS != "" && s.Key == "" {
		v.bad("key", "name the file of the certificate's private key")
	}
	if len(s.From) == 0 {
		v.bad("from", "say which networks may send")
	}
	for k, p := range s.From {
		if !p.IsValid() || p != p.Masked() {
			v.bad(fmt.Sprintf("from[%d]", k), fmt.Sprintf("%s is no network: write 192.0.2.0/28", p))
		}
	}
}
