package sources

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"time"
)

// HTTP is a system of your own that is asked over HTTP when somebody wants to know; docs/lines/http.md is its contract.
type HTTP struct {
	// Name of the source, each its own: small letters, digits, - and _.
	Name string `yaml:"name"`
	// URL that is asked by POST, as https://crm.example.net/lines; http only on this machine (127.0.0.1 or ::1).
	URL string `yaml:"url"`
	// TokenFile holds the bearer token that is sent, in one line, in a file that others cannot read. Empty: none is sent.
	TokenFile string `yaml:"token_file"`
	// CAFile holds the certificates (PEM) of the authority that vouches for it. Empty: those that the system trusts.
	CAFile string `yaml:"ca_file"`
	// Networks that it is asked about; while it does not answer, nobody is named in them. Empty: all addresses.
	Networks []netip.Prefix `yaml:"networks"`
	// Realm of the addresses that it knows, where they are no addresses of the Internet: a word, which the NAT in front
	// of them has too.
	Realm string `yaml:"realm"`
	// Timeout for one answer, up to 1m. 0 is 2s.
	Timeout time.Duration `yaml:"timeout"`
	// Cache is for how long an answer is used again, in memory only, where the very same is asked: up to 1h. 0 is 1m.
	Cache time.Duration `yaml:"cache"`
	// Concurrent is how many questions it gets at a time, up to 256. 0 is 8.
	Concurrent int `yaml:"concurrent"`
	// Failures in a row after which it is left alone for a pause. 0 is 5.
	Failures int `yaml:"failures"`
	// Pause before it is tried again, 1s to 1h. 0 is 30s.
	Pause time.Duration `yaml:"pause"`
	// Keep is how far back it is asked. 0 is lines.keep.
	Keep time.Duration `yaml:"keep"`
}

const (
	mostTimeout    = time.Minute
	mostCache      = time.Hour
	mostConcurrent = 256
	mostFailures   = 1000
	mostPause      = time.Hour
)

// rebased returns the sources with relative paths as at makes them.
func rebased(all []HTTP, at func(string) string) []HTTP {
	all = slices.Clone(all)
	for i := range all {
		all[i].TokenFile, all[i].CAFile = at(all[i].TokenFile), at(all[i].CAFile)
	}
	return all
}

func (v *validation) http(h *HTTP) {
	v.source(h.Name, h.Keep)
	v.realm(h.Realm)
	switch u, err := url.Parse(h.URL); {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		v.bad("url", "write https://HOST/PATH") // what stands there may hold a password
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		v.bad("url", "write no password and nothing behind a ? into it: a key belongs into token_file")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		v.bad("url", "http without TLS is for this machine only: write https, or http://127.0.0.1")
	}
	for i, p := range h.Networks {
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
			v.bad(fmt.Sprintf("networks[%d]", i), fmt.Sprintf("%s is no network: write 198.51.100.0/24", p))
		}
	}
	if h.Timeout < 0 || h.Timeout > mostTimeout {
		v.bad("timeout", "give up to 1m")
	}
	if h.Cache < 0 || h.Cache > mostCache {
		v.bad("cache", "give up to 1h: an older answer may have been mended meanwhile")
	}
	if h.Concurrent < 0 || h.Concurrent > mostConcurrent {
		v.bad("concurrent", fmt.Sprintf("give up to %d", mostConcurrent))
	}
	if h.Failures < 0 || h.Failures > mostFailures {
		v.bad("failures", fmt.Sprintf("give up to %d", mostFailures))
	}
	v.between("pause", h.Pause, time.Second, mostPause)
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
