package app

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tocsin/internal/access"
	"tocsin/internal/api"
	"tocsin/internal/formats"
	"tocsin/internal/formats/list"
	"tocsin/internal/incident"
	"tocsin/internal/intake"
	"tocsin/internal/intake/feed"
	"tocsin/internal/line/sources"
	"tocsin/internal/network"
	"tocsin/internal/report"
	"tocsin/internal/store"
	"tocsin/internal/stream"
)

// Config is what a node is told, in YAML. Every key may be left out: a node that was told nothing runs, takes reports
// from its drop folder, and keeps everything in its data directory.
type Config struct {
	// Data is the data directory: keys, database, stream, log. Left out it is the folder that this file lies in. The
	// flag --data goes before it. A relative path starts at the folder of this file, here and in every key below.
	Data string `yaml:"data"`

	// Listen is the address and port of the one HTTP listener: the console, /api/v1, /healthz, /readyz and /metrics. It
	// speaks plain HTTP, so keep it on loopback, behind a reverse proxy that speaks TLS; metrics need no token. "off"
	// opens none.
	Listen string `yaml:"listen"`

	// Behind are the reverse proxies in front of the node, by address. What they say in X-Forwarded-For is believed, so that
	// failed attempts to sign in are counted where they come from. Left out, nobody is believed: all who come through a proxy
	// count as one, and share the limits of its network. A proxy has to add to the header, or to set it, and never to pass
	// on what came in alone.
	Behind []netip.Prefix `yaml:"behind"`

	// LogLevel is how much is logged, as JSON lines on standard error: debug, info, warn or error. Above debug nothing
	// personal is logged.
	LogLevel string `yaml:"log_level"`

	Network   network.Config  `yaml:"network"`
	Lines     sources.Config  `yaml:"lines"`
	Intake    intake.Config   `yaml:"intake"`
	API       api.Config      `yaml:"api"`
	Access    access.Config   `yaml:"access"`
	Formats   formats.Config  `yaml:"formats"`
	Incident  incident.Config `yaml:"incident"`
	Retention Retention       `yaml:"retention"`
	Store     store.Config    `yaml:"store"`
	Stream    stream.Config   `yaml:"stream"`
}

// Defaults is the config of a node that was told nothing, in a data directory.
func Defaults(data string) Config {
	return Config{
		Data: data, Listen: "127.0.0.1:8420", LogLevel: "info", Network: network.Defaults(), Lines: sources.Defaults(),
		Access: access.Defaults(), Incident: incident.Defaults(), Retention: defaultRetention(),
	}
}

// FileName is the config file's name inside a data directory.
const FileName = "tocsin.yaml"

// LoadData returns the config of a data directory: its tocsin.yaml, or the defaults where there is none.
func LoadData(dir string) (Config, error) {
	if st, err := os.Stat(dir); err == nil && !st.IsDir() {
		return Config{}, fmt.Errorf("%s is a file, no data directory: name a directory with --data", report.Printable(dir))
	}
	cfg, err := Load(filepath.Join(dir, FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return Defaults(dir), nil
	}
	cfg.Data = dir // --data beats data:
	return cfg, err
}

// Load reads a config file strictly: an unknown key is an error. A *ConfigError says all that is wrong at once.
func Load(path string) (Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("cannot read %s: %w", report.Printable(path), Reason(err))
	}
	return Parse(b, path)
}

// Parse reads the text of a config file that stands, or will stand, at path: see Load.
func Parse(text []byte, path string) (Config, error) {
	cfg := Defaults("")
	d := decode(text, &cfg)
	if cfg.Data == "" {
		cfg.Data = filepath.Dir(path)
	} else if !filepath.IsAbs(cfg.Data) {
		cfg.Data = filepath.Join(filepath.Dir(path), cfg.Data)
	}
	cfg.Network = cfg.Network.Rebase(filepath.Dir(path))
	cfg.Lines = cfg.Lines.Rebase(filepath.Dir(path))
	cfg.Intake = cfg.Intake.Rebase(filepath.Dir(path))
	cfg.Access = cfg.Access.Rebase(filepath.Dir(path))
	for _, p := range []*string{&cfg.Stream.Credentials, &cfg.Stream.CA} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(filepath.Dir(path), *p)
		}
	}
	d.validation(cfg.Validate())
	if err := d.err(path); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// Validate reports every broken rule at once.
func (c *Config) Validate() error {
	var errs []error
	if c.Listen != "off" {
		if err := CheckAddr(c.Listen); err != nil {
			errs = append(errs, &report.FieldError{Field: "listen", Rule: err.Error() + ", or off"})
		}
	}
	if _, err := ParseLevel(c.LogLevel); err != nil {
		errs = append(errs, &report.FieldError{Field: "log_level", Rule: err.Error()})
	}
	for i, p := range c.Behind {
		if !p.IsValid() || p != p.Masked() || p.Bits() == 0 {
			errs = append(errs, &report.FieldError{Field: fmt.Sprintf("behind[%d]", i), Rule: "write the address of a proxy, as 127.0.0.1/32: whoever is in here may say that they come from anywhere"})
		}
	}
	c.Access.Validate(func(field, rule string) {
		errs = append(errs, &report.FieldError{Field: "access." + field, Rule: rule})
	})
	errs = append(errs, c.Formats.Validate(), c.Network.Validate(), c.Lines.Validate(), c.Intake.Validate(formatNames(formats.Tables{})...), c.Incident.Validate(), c.Retention.Validate(),
		c.checkFeeds(), c.Store.Validate(), c.Stream.Validate(), c.API.Validate(), c.apart())
	return errors.Join(errs...)
}

// apart says that no token may be a sender's and a person's: whoever can send could read what others sent.
func (c *Config) apart() error {
	var errs []error
	for i, p := range c.API.Tokens {
		for _, s := range c.Intake.HTTP.Tokens {
			if p.SHA256 != "" && strings.EqualFold(p.SHA256, s.SHA256) {
				field := fmt.Sprintf("api.tokens[%d].sha256", i)
				errs = append(errs, &report.FieldError{Field: field, Rule: field + ": the same token is a sender's in intake.http.tokens: give the person another"})
			}
		}
	}
	return errors.Join(errs...)
}

// Warnings says, a sentence each, what in a valid config will hardly do what was meant.
func (c *Config) Warnings() []string {
	all := c.Network.Warnings()
	weekly := slices.Concat(c.Incident.Weekly, c.Intake.Shadowserver.Delta())
	if span := 8 * day; len(weekly) > 0 && c.Incident.Window(report.Kind{}) < span {
		all = append(all, "feeds in delta mode show what lasts once a week, up to eight days apart, and incident.recurrence is "+
			"shorter, so each week would begin new incidents: write default: 192h below incident.recurrence")
	}
	return all
}

// checkFeeds holds the feeds to the lists that there are, the config's own among them.
func (c *Config) checkFeeds() error {
	lists, err := list.New(c.Formats.Lists)
	if err != nil {
		return nil //nolint:nilerr // formats.lists says so itself
	}
	return feed.Check(c.Intake.Feeds, lists, formatNames(formats.Tables{}))
}

// DropFolder is where files are dropped for a running node: as the config says, else the folder drop in the data
// directory.
func (c *Config) DropFolder() string {
	if c.Intake.Folder.Path != "" {
		return c.Intake.Folder.Path
	}
	return filepath.Join(c.Data, "drop")
}
