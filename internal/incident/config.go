package incident

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"tocsin/internal/report"
)

// Config says when an episode ends and when it has gone quiet.
type Config struct {
	// Recurrence is the longest gap between two sightings of one problem that still makes one incident, by kind: a
	// class ("vulnerable"), a class and type ("malicious-code/infected-system"), or "default", from 1m to 8784h. The
	// most exact name counts, and a name that is not written here keeps its default. An incident is closed when its feed
	// has moved on by this much without showing it. After a change, episodes that are there
	// already are not cut or joined anew.
	Recurrence map[string]time.Duration `yaml:"recurrence"`

	// Quiet is how far a feed has to have moved on past the last sighting before an incident counts as quiet. For a kind
	// whose recurrence is shorter, that counts instead.
	Quiet time.Duration `yaml:"quiet"`

	// Weekly are feeds that show all they see once a week only, and in between what is new, such as Shadowserver's in delta
	// mode (intake.shadowserver.mode adds those). That one of them has not shown something counts as a sign seven days
	// later than usual. A feed is written as FORMAT/FEED, such as shadowserver/scan_telnet; a * at the end stands for
	// anything, and a ! before it takes feeds out. Let recurrence be 192h or more for what such feeds show: between two
	// sightings of something that lasts there are up to eight days.
	Weekly []string `yaml:"weekly"`

	// Silence is how long after the last delivery of its feed about its network an incident is closed with the outcome
	// "unknown", or "not-ours" outside the partnership, when the feed has not shown it to be gone by then. It counts from
	// when the feed's last report came in, however old the events are, so that an archive can be imported.
	Silence time.Duration `yaml:"silence"`

	// Sweep is how often a running node looks for incidents that have gone quiet or ended.
	Sweep time.Duration `yaml:"sweep"`
}

const day = 24 * time.Hour

// Defaults returns the config of a node that was told nothing. Scans of the whole Internet miss a host now and then,
// so the window of "vulnerable" is longer.
func Defaults() Config {
	return Config{
		Recurrence: map[string]time.Duration{"default": 7 * day, "vulnerable": 14 * day},
		Quiet:      3 * day,
		Silence:    60 * day,
		Sweep:      time.Hour,
	}
}

// Window returns the recurrence window of a kind.
func (c *Config) Window(k report.Kind) time.Duration {
	for _, name := range [...]string{k.String(), string(k.Class), "default"} {
		if w, ok := c.Recurrence[name]; ok {
			return w
		}
	}
	return 7 * day
}

// QuietAfter returns how far the watermark has to pass the last sighting of a kind before it counts as quiet.
func (c *Config) QuietAfter(k report.Kind) time.Duration { return min(c.Quiet, c.Window(k)) }

// week is how long a feed may take to show everything again.
const week = 7 * day

// shown is how far a feed has shown everything, given its newest event.
func (c *Config) shown(feed string, newest time.Time) time.Time {
	weekly := false
	for _, w := range c.Weekly {
		name, out := strings.CutPrefix(w, "!")
		if begin, any := strings.CutSuffix(name, "*"); name == feed || any && strings.HasPrefix(feed, begin) {
			weekly = !out
			if out { // the exception goes before the rule, wherever it stands
				return newest
			}
		}
	}
	if weekly && !newest.IsZero() {
		return newest.Add(-week)
	}
	return newest
}

// Validate reports every broken rule at once.
func (c *Config) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &report.FieldError{Field: field, Rule: fmt.Sprintf(format, args...)})
	}
	classes := map[string]bool{"default": true}
	for _, k := range report.Kinds() {
		classes[string(k.Class)], classes[k.String()] = true, true
	}
	for name, w := range c.Recurrence {
		if !classes[strings.ToLower(name)] {
			bad("incident.recurrence."+name, "%q is no class and no class/type of RSIT 1003", name)
		}
		if w < time.Minute || w > 366*day {
			bad("incident.recurrence."+name, "%s is not between 1m and 8784h", w)
		}
	}
	for _, f := range c.Weekly {
		if format, feed, ok := strings.Cut(strings.TrimPrefix(f, "!"), "/"); !ok || format == "" || feed == "" {
			bad("incident.weekly", "%q is no feed: write FORMAT/FEED, such as shadowserver/scan_telnet, or shadowserver/*", f)
		}
	}
	for _, d := range []struct {
		name string
		v    time.Duration
		low  time.Duration
	}{{"quiet", c.Quiet, time.Minute}, {"silence", c.Silence, time.Hour}, {"sweep", c.Sweep, time.Second}} {
		if d.v < d.low || d.v > 366*day {
			bad("incident."+d.name, "%s is not between %s and 8784h", d.v, d.low)
		}
	}
	return errors.Join(errs...)
}
