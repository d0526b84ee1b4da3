package intake

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tocsin/internal/report"
)

// Shadowserver is the config of the reports API of the Shadowserver Foundation, which has the same reports as its mails.
type Shadowserver struct {
	// KeyFile holds the API key that Shadowserver gave you. Nobody but the node's user may read it. Without it, the API is
	// not asked.
	KeyFile string `yaml:"key_file"`
	// SecretFile holds the secret that came with the key.
	SecretFile string `yaml:"secret_file"`
	// URL of the API. Empty: https://transform.shadowserver.org/api2/.
	URL string `yaml:"url"`
	// Files is where reports lie as files, each under its id: https://dl.shadowserver.org/ where url is Shadowserver's own.
	// Empty for another url: they are taken from the API itself (reports/download), which has to give them as CSV.
	Files string `yaml:"files"`
	// Redirects are further hosts that files may redirect to.
	Redirects []string `yaml:"redirects"`
	// Internal says that url and files may lead to a private address, as a mirror of your own has.
	Internal bool `yaml:"internal"`
	// Every is how often the API is asked for new reports, at least 5m. 0 means 1h. There are new ones once a day.
	Every time.Duration `yaml:"every"`
	// Days is how many days back the first run reaches, 1 to 60. 0 means 7. Later runs begin two days before the last one
	// that found everything, so nothing is missing after a standstill of weeks.
	Days int `yaml:"days"`
	// Reports are the lists that you are subscribed to of which you want reports. Empty: all of them.
	Reports []string `yaml:"reports"`
	// Types are the report types that you want, such as scan_telnet. Empty: all of them.
	Types []string `yaml:"types"`
	// Exclude are report types that you do not want.
	Exclude []string `yaml:"exclude"`
	// Mode says what Shadowserver was asked to send you: full (what was seen each day; the default), or delta (all of it
	// on Sundays, and on other days only what the Sunday's did not have). What is missing from a delta report is not
	// gone, so incidents of such reports are quiet a week later than others: see incident.weekly.
	Mode string `yaml:"mode"`
	// Modes are the report types that come in the other mode: Shadowserver has no delta of some.
	Modes map[string]string `yaml:"modes"`
	// MaxBytes is the largest report taken, unpacked. 0 means 2 GiB.
	MaxBytes int64 `yaml:"max_bytes"`
}

// The modes of Shadowserver's reports.
const (
	ModeFull  = "full"
	ModeDelta = "delta"
)

// The addresses of Shadowserver.
const (
	shadowserverAPI   = "https://transform.shadowserver.org/api2/"
	shadowserverFiles = "https://dl.shadowserver.org/"
)

// On reports whether the API is to be asked.
func (s Shadowserver) On() bool { return s.KeyFile != "" }

// Delta returns the feeds that come in delta mode, as incident.weekly writes them; a leading ! takes a feed out.
func (s Shadowserver) Delta() []string {
	const feed = "shadowserver/"
	var all []string
	if s.Mode == ModeDelta {
		all = append(all, feed+"*")
	}
	for _, t := range slices.Sorted(maps.Keys(s.Modes)) {
		switch m := s.Modes[t]; {
		case m == ModeDelta && s.Mode != ModeDelta:
			all = append(all, feed+t)
		case m == ModeFull && s.Mode == ModeDelta:
			all = append(all, "!"+feed+t)
		}
	}
	return all
}

func (s Shadowserver) withDefaults() Shadowserver {
	if s.URL == "" || s.URL == shadowserverAPI {
		s.URL = shadowserverAPI
		set(&s.Files, shadowserverFiles)
	}
	set(&s.Every, time.Hour)
	set(&s.Days, 7)
	set(&s.Mode, ModeFull)
	set(&s.MaxBytes, 2<<30)
	return s
}

func (s Shadowserver) validate(bad func(field, format string, args ...any)) {
	const at = "intake.shadowserver."
	if (s.KeyFile == "") != (s.SecretFile == "") {
		bad(at+"key_file", "the key and the secret go together: name key_file and secret_file, or neither")
	}
	for _, u := range []struct{ field, value string }{{"url", s.URL}, {"files", s.Files}} {
		if u.value == "" {
			continue
		}
		if why := checkURL(u.value); why != "" {
			bad(at+u.field, "%s", why)
		} else if !strings.HasSuffix(u.value, "/") {
			bad(at+u.field, "%q has to end with a slash: names are added to it", u.value)
		}
	}
	for _, h := range s.Redirects {
		if why := checkHost(h); why != "" {
			bad(at+"redirects", "%s", why)
		}
	}
	if s.Every != 0 && s.Every < 5*time.Minute {
		bad(at+"every", "%s is too often for reports that come once a day: write 5m or more", s.Every)
	}
	if s.Days < 0 || s.Days > 60 {
		bad(at+"days", "%d is not between 1 and 60", s.Days)
	}
	if s.MaxBytes < 0 {
		bad(at+"max_bytes", "%d is less than nothing", s.MaxBytes)
	}
	modes := s.modes()
	for _, field := range slices.Sorted(maps.Keys(modes)) {
		if mode := modes[field]; mode != "" && mode != ModeFull && mode != ModeDelta {
			bad(at+field, "%q is no mode: write full, or delta if you asked Shadowserver for that", mode)
		}
	}
}

func (s Shadowserver) modes() map[string]string {
	all := map[string]string{"mode": s.Mode}
	for t, m := range s.Modes {
		all["modes."+t] = m
	}
	return all
}

// Feed is a list that is fetched from time to time. A list that Tocsin knows (docs/formats/list.md) needs its name only.
type Feed struct {
	// Name of the feed, each its own: small letters, digits, - _ and dots. That of a known list gives all the rest.
	Name string `yaml:"name"`
	// URL of the list. Empty: the known list's own. Keys belong into headers_file.
	URL string `yaml:"url"`
	// Format of the list: list/NAME, or any other format's name. Empty: the known list's; else it is detected.
	Format string `yaml:"format"`
	// Every is how often it is asked for, at least 1m. 0 means what the known list's maker allows, else 1h. A tenth of it
	// more or less keeps many nodes from asking at the same moment.
	Every time.Duration `yaml:"every"`
	// Restate is how often a list that has not changed is taken as a new report all the same, at least 1h: it says that
	// what stands on it still holds. 0 means 24h. In between, an unchanged list is not even sent (ETag, Last-Modified).
	Restate time.Duration `yaml:"restate"`
	// Reporter is the source that the list comes from. Empty: the source of the feed's own name.
	Reporter string `yaml:"reporter"`
	// HeadersFile holds headers to send, one a line as NAME: VALUE, such as an API key. Nobody but the node's user may
	// read it.
	HeadersFile string `yaml:"headers_file"`
	// Redirects are further hosts that the list's host may redirect to.
	Redirects []string `yaml:"redirects"`
	// Internal says that the host has a private address: it is a machine of your own.
	Internal bool `yaml:"internal"`
	// MaxBytes is the largest list taken, unpacked. 0 means 256 MiB.
	MaxBytes int64 `yaml:"max_bytes"`
}

// From is the reporter of the list.
func (f Feed) From() string {
	if f.Reporter != "" {
		return f.Reporter
	}
	return f.Name
}

func (f Feed) withDefaults() Feed {
	set(&f.Restate, 24*time.Hour)
	set(&f.MaxBytes, 256<<20)
	return f
}

func (c Config) validateFeeds(bad func(field, format string, args ...any)) {
	names := map[string]bool{}
	for i, f := range c.Feeds {
		at := fmt.Sprintf("intake.feeds[%d].", i)
		if !nameRule.MatchString(f.Name) {
			bad(at+"name", "%q cannot name a feed: use up to 64 small letters, digits, - _ and dots", f.Name)
		} else if names[f.Name] {
			bad(at+"name", "%s is there already", f.Name)
		}
		names[f.Name] = true
		if f.URL != "" {
			if why := checkURL(f.URL); why != "" {
				bad(at+"url", "%s", why)
			}
		}
		if f.Every != 0 && f.Every < time.Minute {
			bad(at+"every", "%s is too often: write 1m or more", f.Every)
		}
		if f.Restate != 0 && f.Restate < time.Hour {
			bad(at+"restate", "%s is too often: write 1h or more", f.Restate)
		}
		if f.Reporter != "" && !nameRule.MatchString(f.Reporter) {
			bad(at+"reporter", "%q cannot name a source: use up to 64 small letters, digits, - _ and dots", f.Reporter)
		}
		for _, h := range f.Redirects {
			if why := checkHost(h); why != "" {
				bad(at+"redirects", "%s", why)
			}
		}
		if f.MaxBytes < 0 {
			bad(at+"max_bytes", "%d is less than nothing", f.MaxBytes)
		}
	}
}

// Links says which links in mails are followed. Without hosts, none is.
type Links struct {
	// Hosts whose files are fetched when a mail has a link to them. What they give is a report of its own, by the mail's
	// reporter.
	Hosts []LinkHost `yaml:"hosts"`
	// MaxPerMail is how many links of one mail are followed. 0 means 20.
	MaxPerMail int `yaml:"max_per_mail"`
	// MaxBytes is the largest file taken, unpacked. 0 means 256 MiB.
	MaxBytes int64 `yaml:"max_bytes"`
	// Timeout is how long one file may take. 0 means 5m.
	Timeout time.Duration `yaml:"timeout"`
	// GiveUp is how long a link that does not work is tried. 0 means 72h.
	GiveUp time.Duration `yaml:"give_up"`
}

// LinkHost is a host that links may lead to.
type LinkHost struct {
	// Host as it stands in the links, with the port where it is not the scheme's own: reports.example.net.
	Host string `yaml:"host"`
	// HTTP allows links without TLS to it.
	HTTP bool `yaml:"http"`
	// Internal says that the host has a private address: it is a machine of your own.
	Internal bool `yaml:"internal"`
	// Redirects are further hosts that it may redirect to.
	Redirects []string `yaml:"redirects"`
	// Reporter is the source whose files the host has, whoever links to them. Empty: the reporter of the mail.
	Reporter string `yaml:"reporter"`
}

func (l Links) withDefaults() Links {
	set(&l.MaxPerMail, 20)
	set(&l.MaxBytes, 256<<20)
	set(&l.Timeout, 5*time.Minute)
	set(&l.GiveUp, 72*time.Hour)
	return l
}

func (l Links) validate(bad func(field, format string, args ...any)) {
	seen := map[string]bool{}
	for i, h := range l.Hosts {
		at := fmt.Sprintf("intake.links.hosts[%d].host", i)
		if why := checkHost(h.Host); why != "" {
			bad(at, "%s", why)
		} else if seen[h.Host] {
			bad(at, "%s is there already", h.Host)
		}
		seen[h.Host] = true
		for _, r := range h.Redirects {
			if why := checkHost(r); why != "" {
				bad(fmt.Sprintf("intake.links.hosts[%d].redirects", i), "%s", why)
			}
		}
		if h.Reporter != "" && !nameRule.MatchString(h.Reporter) {
			bad(fmt.Sprintf("intake.links.hosts[%d].reporter", i), "%q cannot name a source: use up to 64 small letters, digits, - _ and dots", h.Reporter)
		}
	}
	for _, v := range []struct {
		field string
		less  bool
		value any
	}{
		{"max_per_mail", l.MaxPerMail < 0, l.MaxPerMail},
		{"max_bytes", l.MaxBytes < 0, l.MaxBytes},
		{"timeout", l.Timeout < 0, l.Timeout},
		{"give_up", l.GiveUp < 0, l.GiveUp},
	} {
		if v.less {
			bad("intake.links."+v.field, "%v is less than nothing", v.value)
		}
	}
}

// checkURL says what is wrong with an address to fetch from, "" when nothing is.
func checkURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "no address to fetch from: write https://HOST/PATH"
	case u.User != nil:
		return "the address holds a password: put it into a file of headers"
	}
	return ""
}

// checkHost says what is wrong with a host, "" when nothing is.
func checkHost(s string) string {
	host := s
	if h, _, err := net.SplitHostPort(s); err == nil {
		host = h
	}
	if host == "" || s != strings.ToLower(s) || strings.ContainsAny(s, "/*?#@ ") {
		return fmt.Sprintf("%q is no host: write it as it stands in addresses, in small letters: reports.example.net", s)
	}
	return ""
}

// Secret reads a file that holds a secret, such as a key. It is refused where others may read it, and where it is empty.
func Secret(path string) (string, error) {
	shown := report.Printable(path)
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", shown, reason(err))
	}
	if !info.Mode().IsRegular() || info.Size() > 1<<20 {
		return "", fmt.Errorf("%s: no file that holds a secret", shown)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s is open to others (mode %04o): run `chmod 600 %s`, and ask for a new one if somebody may have read it", shown, info.Mode().Perm(), shown)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", shown, reason(err))
	}
	s := strings.TrimSpace(string(b))
	if s == "" {
		return "", fmt.Errorf("%s is empty: write the secret into it", shown)
	}
	return s, nil
}

// Rebase returns the config with every relative path starting at dir.
func (c Config) Rebase(dir string) Config {
	c.Feeds = append([]Feed(nil), c.Feeds...)
	paths := []*string{&c.Folder.Path, &c.Shadowserver.KeyFile, &c.Shadowserver.SecretFile}
	for i := range c.Feeds {
		paths = append(paths, &c.Feeds[i].HeadersFile)
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	return c
}
