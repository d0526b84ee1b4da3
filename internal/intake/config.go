package intake

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"tocsin/internal/report"
)

// Config says by which ways reports come in, and from whom. Without it they come from the drop folder only.
type Config struct {
	// Sources are those who send reports, and how far what they send may travel.
	Sources []Source `yaml:"sources"`
	// Mail says which mail servers are believed about who sent a mail.
	Mail Mail `yaml:"mail"`
	// Folder is the drop folder: a file that is put there is a report.
	Folder Folder `yaml:"folder"`
	// HTTP is POST /api/v1/reports.
	HTTP HTTP `yaml:"http"`
	// IMAP is the mailboxes whose mails are taken.
	IMAP []Mailbox `yaml:"imap"`
	// SMTP is the way in for mails that a mail server forwards.
	SMTP SMTP `yaml:"smtp"`
	// Shadowserver is the reports API of the Shadowserver Foundation.
	Shadowserver Shadowserver `yaml:"shadowserver"`
	// Feeds are lists that are fetched from time to time.
	Feeds []Feed `yaml:"feeds"`
	// Links says which links in mails are followed.
	Links Links `yaml:"links"`
	// Contact is how those whose servers this node asks can reach you: a mail address or a page. It stands in each request
	// that the node makes. Some makers of lists ask for it.
	Contact string `yaml:"contact"`
}

// Source is one who sends reports. A document is a source's when its folder or token says so; else when it is of one
// of its formats, the first source in the list deciding; else it is its format's own ("shadowserver", "xarf", "arf"),
// its list's own ("openphish"), or "unknown".
type Source struct {
	// Name of the reporter: small letters, digits, - _ and dots.
	Name string `yaml:"name"`
	// TLP is the label of what it sends: red, amber+strict, amber, green or clear. Without one it is red, which means
	// that nothing of it leaves this node, and the log reminds you of it. Shadowserver's is amber unless you say otherwise.
	TLP *report.TLP `yaml:"tlp"`
	// Formats whose documents are its, where nothing else says whose they are. list is every list, list/NAME one.
	Formats []string `yaml:"formats"`
	// From are the addresses and domains (those below them included) whose mails are its. A mail counts only when a DKIM
	// signature of the author's own domain proves that it is his; see docs/mail-authenticity.md.
	From []string `yaml:"from"`
	// Unsigned takes its mails without a signature too. Then anybody who knows one of its addresses can speak for it: for
	// senders who do not sign, and whose reports harm nobody when they are forged. A mail whose signature is wrong is
	// never its.
	Unsigned bool `yaml:"unsigned"`
	// Channel limits formats to one channel: folder, import, http, imap, smtp, shadowserver, feed or link. Empty: any.
	Channel string `yaml:"channel"`
	// Folder below the drop folder in which its files lie. Empty: the folder with its name.
	Folder string `yaml:"folder"`
	// Grade is how far to trust it at the start, in the Admiralty code: a letter from A (completely reliable) to E
	// (unreliable), or F, which is nothing known; and perhaps a digit, as B2, for what its reports are worth while nothing
	// else speaks for or against them. Empty is F6. Outcomes of incidents move the letter from here, and a grade that a
	// person sets with tocsin sources grade goes before it: docs/sources.md.
	Grade report.Grade `yaml:"grade"`
	// Pinned keeps the letter of grade whatever the outcomes.
	Pinned bool `yaml:"pinned"`
}

// Mail is what the mail channels share.
type Mail struct {
	// TrustedAuthserv are the names by which your own mail servers sign what they found out about a mail (the first word
	// of Authentication-Results). Their word counts where a signature is broken on its way to us, as by a list. Such a
	// server must remove fields with its name from mails that come from outside.
	TrustedAuthserv []string `yaml:"trusted_authserv"`
	// Resolver is the DNS server that is asked for the keys of signatures, as address and port: best one that validates
	// DNSSEC and is near, such as 127.0.0.1:53. Empty: those that this machine uses.
	Resolver string `yaml:"resolver"`
}

// Folder is the drop folder's config.
type Folder struct {
	// Path of the folder. Empty: drop, in the data directory. A folder in it that is named after a source holds that
	// source's files.
	Path string `yaml:"path"`
	// Delete files once they are safe in the stream. Otherwise they go to the folder done, one folder a day.
	Delete bool `yaml:"delete"`
	// KeepDays is how long done keeps a day. 0 means 30.
	KeepDays int `yaml:"keep_days"`
	// Settle is how long a file must have been left alone before it is taken, at least 100ms. 0 means 2s. Whoever
	// writes under another name (a leading dot, .part or .tmp at the end) and renames when done need not mind.
	Settle time.Duration `yaml:"settle"`
	// Scan is how often the folder is looked through, for systems that do not tell of changes, at least 1s. 0 means
	// 30s.
	Scan time.Duration `yaml:"scan"`
}

// HTTP is the config of POST /api/v1/reports.
type HTTP struct {
	// Tokens that may send. Without any, nobody may.
	Tokens []Token `yaml:"tokens"`
	// MaxBytes is the largest body taken. 0 means 2 GiB.
	MaxBytes int64 `yaml:"max_bytes"`
	// MaxUploads is how many bodies are taken at once; further ones are told to come back. 0 means 32.
	MaxUploads int `yaml:"max_uploads"`
}

// Token lets one sender in.
type Token struct {
	// Name of the token, each its own.
	Name string `yaml:"name"`
	// SHA256 of the token, 64 hexadecimal digits: printf %s TOKEN | sha256sum. The token itself is not kept.
	SHA256 string `yaml:"sha256"`
	// Reporter is the source that sends with it. Empty: the source of the token's own name.
	Reporter string `yaml:"reporter"`
}

// From is the reporter of what comes with the token.
func (t Token) From() string {
	if t.Reporter != "" {
		return t.Reporter
	}
	return t.Name
}

// DoneFolder is where the drop folder keeps what was taken; no source can have it.
const DoneFolder = "done"

// WithDefaults returns the config with what is left out filled in, except the drop folder's path, which depends on
// the data directory.
func (c Config) WithDefaults() Config {
	set(&c.Folder.KeepDays, 30)
	set(&c.Folder.Settle, 2*time.Second)
	set(&c.Folder.Scan, 30*time.Second)
	set(&c.HTTP.MaxBytes, 2<<30)
	set(&c.HTTP.MaxUploads, 32)
	c.SMTP = c.SMTP.withDefaults()
	c.Shadowserver, c.Links = c.Shadowserver.withDefaults(), c.Links.withDefaults()
	c.Feeds = slices.Clone(c.Feeds)
	for i := range c.Feeds {
		c.Feeds[i] = c.Feeds[i].withDefaults()
	}
	c.IMAP = slices.Clone(c.IMAP)
	for i := range c.IMAP {
		c.IMAP[i] = c.IMAP[i].withDefaults()
	}
	return c
}

func set[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

var nameRule = regexp.MustCompile(`^[a-z0-9_-][a-z0-9._-]{0,63}$`)

// Validate reports every broken rule at once, joined, each a *report.FieldError. formats are the formats there are;
// without any, formats are not checked.
func (c Config) Validate(formats ...string) error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &report.FieldError{Field: field, Rule: field + ": " + fmt.Sprintf(format, args...)})
	}
	c.validateSources(bad, formats)
	c.validateTokens(bad)
	c.validateMailboxes(bad)
	c.validateSMTP(bad)
	c.validateAuthors(bad)
	c.Shadowserver.validate(bad)
	c.validateFeeds(bad)
	c.Links.validate(bad)
	if c.Contact != report.CleanName(c.Contact) || strings.ContainsAny(c.Contact, "()\\") {
		bad("intake.contact", "%q cannot stand in a request: write a mail address or the address of a page", c.Contact)
	}
	if c.Folder.KeepDays < 0 {
		bad("intake.folder.keep_days", "%d days cannot be kept: write 1 or more, or delete: true", c.Folder.KeepDays)
	}
	if d := c.Folder.Settle; d != 0 && d < 100*time.Millisecond {
		bad("intake.folder.settle", "%s is too short to tell a finished file: write 100ms or more", d)
	}
	if d := c.Folder.Scan; d != 0 && d < time.Second {
		bad("intake.folder.scan", "%s would do nothing but scan: write 1s or more", d)
	}
	if c.HTTP.MaxBytes < 0 {
		bad("intake.http.max_bytes", "%d is less than nothing", c.HTTP.MaxBytes)
	}
	if c.HTTP.MaxUploads < 0 {
		bad("intake.http.max_uploads", "%d is less than nothing", c.HTTP.MaxUploads)
	}
	return errors.Join(errs...)
}

func (c Config) validateSources(bad func(field, format string, args ...any), formats []string) {
	names, folders := map[string]bool{}, map[string]bool{}
	for i, s := range c.Sources {
		at := fmt.Sprintf("intake.sources[%d]", i)
		if !nameRule.MatchString(s.Name) {
			bad(at+".name", "%q cannot name a source: use up to 64 small letters, digits, - _ and dots", s.Name)
		} else if names[s.Name] {
			bad(at+".name", "%s is there already: one entry holds all that is said of a source", s.Name)
		}
		names[s.Name] = true
		if report.NoSource(s.Name) && (Start{s.Grade, s.Pinned}) != (Start{}) {
			bad(at+".grade", "%s stands for many senders and stays F: leave the grade out", s.Name)
		}
		folder := s.folder()
		if s.Folder != "" && !nameRule.MatchString(s.Folder) {
			bad(at+".folder", "%q cannot name a folder below the drop folder: use up to 64 small letters, digits, - _ and dots", s.Folder)
		} else if folder == DoneFolder {
			bad(at+".folder", "%s is where files go when they are taken: choose another folder", DoneFolder)
		} else if folders[folder] && s.Folder != "" {
			bad(at+".folder", "%s belongs to another source", folder)
		}
		folders[folder] = true
		if s.Channel != "" && !slices.Contains(channels(), s.Channel) {
			bad(at+".channel", "%q is no channel: write one of %s, or leave it out", s.Channel, strings.Join(channels(), ", "))
		}
		if s.Channel != "" && len(s.Formats) == 0 {
			bad(at+".channel", "a channel limits formats: name them, or leave the channel out")
		}
		for _, f := range s.Formats {
			if len(formats) > 0 && !slices.Contains(formats, f) {
				bad(at+".formats", "%q is no format: write one of %s", f, strings.Join(formats, ", "))
			}
		}
	}
}

// validateAuthors checks who writes mails, and who is believed about it.
func (c Config) validateAuthors(bad func(field, format string, args ...any)) {
	owner := map[string]string{}
	for i, s := range c.Sources {
		at := fmt.Sprintf("intake.sources[%d]", i)
		for _, f := range s.From {
			f = strings.ToLower(f)
			if !authorRule.MatchString(f) {
				bad(at+".from", "%q is neither an address nor a domain: write reports@example.net or example.net", f)
			} else if was, ok := owner[f]; ok {
				bad(at+".from", "%s is %s's already", f, was)
			}
			owner[f] = s.Name
		}
		if s.Unsigned && len(s.From) == 0 {
			bad(at+".unsigned", "it concerns the addresses in from: name them, or leave it out")
		}
	}
	for _, id := range c.Mail.TrustedAuthserv {
		if !authservRule.MatchString(id) {
			bad("intake.mail.trusted_authserv", "%q is no name of a mail server: write it as it stands in Authentication-Results", id)
		}
	}
	if r := c.Mail.Resolver; r != "" {
		if ap, err := netip.ParseAddrPort(r); err != nil || ap.Port() == 0 {
			bad("intake.mail.resolver", "%q is no address with a port: write 192.0.2.53:53", r)
		}
	}
}

// authorRule: an address, or a domain in ASCII (xn-- where it is not).
var authorRule = regexp.MustCompile(`^([^@\s"<>(),;:]+@)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$`)

var authservRule = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$`)

func (c Config) validateTokens(bad func(field, format string, args ...any)) {
	names, sums := map[string]bool{}, map[string]bool{}
	for i, t := range c.HTTP.Tokens {
		at := fmt.Sprintf("intake.http.tokens[%d]", i)
		if !nameRule.MatchString(t.Name) {
			bad(at+".name", "%q cannot name a token: use up to 64 small letters, digits, - _ and dots", t.Name)
		} else if names[t.Name] {
			bad(at+".name", "%s is there already", t.Name)
		}
		names[t.Name] = true
		sum := strings.ToLower(t.SHA256)
		if b, err := hex.DecodeString(sum); err != nil || len(b) != 32 {
			bad(at+".sha256", "not the SHA-256 of a token, which has 64 hexadecimal digits: printf %%s TOKEN | sha256sum")
		} else if sums[sum] {
			bad(at+".sha256", "another token has the same one: nobody could tell who sends")
		}
		sums[sum] = true
		if t.Reporter != "" && !nameRule.MatchString(t.Reporter) {
			bad(at+".reporter", "%q cannot name a source: use up to 64 small letters, digits, - _ and dots", t.Reporter)
		}
	}
}

func channels() []string {
	return []string{
		ChannelFolder, ChannelImport, ChannelHTTP, ChannelIMAP, ChannelSMTP, ChannelShadowserver, ChannelFeed, ChannelLink,
	}
}

// The channels.
const (
	ChannelFolder = "folder" // the drop folder
	ChannelImport = "import" // tocsin import
	ChannelHTTP   = "http"   // POST /api/v1/reports
	ChannelIMAP   = "imap"   // a mailbox
	ChannelSMTP   = "smtp"   // a mail that was forwarded, by SMTP or LMTP

	ChannelShadowserver = "shadowserver" // Shadowserver's reports API
	ChannelFeed         = "feed"         // lists that are fetched
	ChannelLink         = "link"         // what a link in a mail leads to
)

func (s Source) folder() string {
	if s.Folder != "" {
		return s.Folder
	}
	return s.Name
}
