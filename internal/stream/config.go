package stream

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"tocsin/internal/report"
)

// Config says where accepted reports and the work on them are kept. Without it the stream runs inside the program, in
// the data directory: nothing to set up.
type Config struct {
	// URL of a NATS cluster with JetStream, as nats://host:4222; several, separated by commas, name several members
	// of one cluster. Empty: the stream runs inside this program and opens no port.
	URL string `yaml:"url"`
	// Replicas is how many members of the cluster keep each message: 1, 3 or 5. 0 means 3 with a URL and 1 without.
	Replicas int `yaml:"replicas"`
	// Credentials is the file with the user's NATS credentials (.creds). Empty: none are sent.
	Credentials string `yaml:"credentials"`
	// CA is the file with the certificate, in PEM, that the cluster's own certificate must descend from. Empty: the
	// system's list, and only where the URL says tls://.
	CA string `yaml:"ca"`
	// Name begins the name of everything that this node keeps in the cluster, so that several nodes can share one:
	// letters, digits, - and _. Empty means tocsin.
	Name string `yaml:"name"`
}

var nameRule = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// WithDefaults returns the config with what is left out filled in.
func (c Config) WithDefaults() Config {
	if c.Name == "" {
		c.Name = "tocsin"
	}
	if c.Replicas == 0 {
		c.Replicas = 1
		if c.URL != "" {
			c.Replicas = 3
		}
	}
	return c
}

// Validate reports every broken rule at once, joined, each a *report.FieldError.
func (c Config) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &report.FieldError{Field: "stream." + field, Rule: fmt.Sprintf(format, args...)})
	}
	if c.URL != "" {
		for u := range strings.SplitSeq(c.URL, ",") {
			p, err := url.Parse(strings.TrimSpace(u))
			if err != nil || p.Host == "" || (p.Scheme != "nats" && p.Scheme != "tls") {
				bad("url", "%q is not the address of a NATS server: write nats://host:4222, or leave it out to run the stream inside Tocsin", u)
			}
		}
	}
	switch c.Replicas {
	case 0, 1, 3, 5:
	default:
		bad("replicas", "%d replicas cannot agree by majority: write 1, 3 or 5", c.Replicas)
	}
	if c.URL == "" {
		if c.Replicas > 1 {
			bad("replicas", "%d replicas need a cluster: set stream.url, or leave replicas out", c.Replicas)
		}
		if c.Credentials != "" {
			bad("credentials", "credentials are for a cluster: set stream.url, or leave them out")
		}
		if c.CA != "" {
			bad("ca", "a CA is for a cluster: set stream.url, or leave it out")
		}
	}
	if c.Name != "" && !nameRule.MatchString(c.Name) {
		bad("name", "%q cannot name a stream: use up to 32 letters, digits, - and _", c.Name)
	}
	return errors.Join(errs...)
}
