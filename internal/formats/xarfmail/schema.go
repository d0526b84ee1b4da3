package xarfmail

import (
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"
)

// rule is what a schema says of one field.
type rule struct {
	name     string
	optional bool
	kind     kind     // text, whole or number
	words    []string // the only values, where there are some
	format   string   // email, date-time or uri
	requires string   // another field that must be there too
}

var (
	sourceTypes = []string{"ipv4", "ipv6", "ip-address"}
	labels      = []string{"white", "green", "amber", "red"}
)

// base is what every schema demands.
func base(attachments ...string) []rule {
	return []rule{
		{name: "Reported-From", format: "email"},
		{name: "Report-ID", format: "email"},
		{name: "Category"},
		{name: "Report-Type"},
		{name: "User-Agent"},
		{name: "Date", format: "date-time"},
		{name: "Source"},
		{name: "Source-Type"},
		{name: "Attachment", words: attachments},
		{name: "Schema-URL", format: "uri"},
		{name: "Version", optional: true, kind: number},
		{name: "Occurrences", optional: true, kind: whole},
		{name: "TLP", optional: true, words: labels},
	}
}

// schemas are those that can still be had, of the schema set 0.1: abuse/login-attack and abuse/malware-attack. Fields
// that a schema does not name are allowed.
var schemas = map[string][]rule{
	"login-attack": append(base("text/plain"),
		rule{name: "Category", words: []string{"abuse"}},
		rule{name: "Source-Type", words: sourceTypes},
		rule{name: "Service"},
		rule{name: "Port", kind: whole},
		rule{name: "Destination", optional: true, requires: "Destination-Type"},
		rule{name: "Destination-Type", optional: true, words: sourceTypes},
	),
	"malware-attack": append(base("none", "text/plain", "message/rfc822"),
		rule{name: "Category", words: []string{"abuse"}},
		rule{name: "Source-Type", words: sourceTypes},
		rule{name: "Destination-System", optional: true, words: []string{"real-world", "honeypot", "spamtrap", "honeyd", "nepenthes"}},
		rule{name: "Download-Link", optional: true, format: "uri"},
		rule{name: "Malware-MD5", optional: true},
		rule{name: "Antivirus-Result", optional: true},
		rule{name: "Antivirus-Vendor", optional: true, requires: "Antivirus-Result"},
	),
}

// schema returns the rules of a type: its own schema's, or what all schemas demand.
func schema(typ string) []rule {
	if rules, ok := schemas[typ]; ok {
		return rules
	}
	return base()
}

// broken says in sentences what the report's schema would refuse.
func (r *reading) broken(typ string) []string {
	var all []string
	for _, rule := range schema(typ) {
		i := r.at(rule.name)
		if i < 0 && r.nested(rule.name) {
			all = append(all, rule.name+" is a list or a mapping")
			continue
		}
		if i < 0 {
			if !rule.optional && !slices.Contains(all, rule.name+" is missing") {
				all = append(all, rule.name+" is missing")
			}
			continue
		}
		if why := rule.check(&r.fields[i]); why != "" {
			all = append(all, rule.name+" "+why)
		}
		if rule.requires != "" && r.at(rule.requires) < 0 {
			all = append(all, fmt.Sprintf("%s is missing, which %s needs", rule.requires, rule.name))
		}
	}
	return all
}

// nested reports whether a field is there as a list or a mapping, whose members have names with dots.
func (r *reading) nested(name string) bool {
	return slices.ContainsFunc(r.fields, func(f field) bool { return strings.HasPrefix(f.name, name+".") })
}

func (rule *rule) check(f *field) string {
	switch {
	case rule.kind == text && f.kind != text:
		return fmt.Sprintf("%s is no text: quote it", quote(f.value))
	case rule.kind == whole && f.kind != whole:
		return quote(f.value) + " is no whole number"
	case rule.kind == number && f.kind != whole && f.kind != number:
		return quote(f.value) + " is no number"
	case len(rule.words) > 0 && !slices.Contains(rule.words, f.value):
		return fmt.Sprintf("%s is none of %s", quote(f.value), strings.Join(rule.words, ", "))
	}
	switch rule.format {
	case "email":
		if a, err := mail.ParseAddress(f.value); err != nil || a.Address != f.value {
			return quote(f.value) + " is no e-mail address"
		}
	case "date-time":
		if _, err := time.Parse(time.RFC3339, f.value); err != nil {
			return quote(f.value) + " is no date and time of RFC 3339 with its zone"
		}
	case "uri":
		if u, err := url.Parse(f.value); err != nil || u.Scheme == "" {
			return quote(f.value) + " is no URI"
		}
	}
	return ""
}
