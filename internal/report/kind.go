package report

import (
	"slices"
	"strings"
)

// Class and type of the Reference Security Incident Taxonomy, version 1003 (ENISA / TF-CSIRT RSIT working group).
type (
	// Class is an RSIT class, e.g. "malicious-code".
	Class string
	// Type is an RSIT type, e.g. "infected-system". A type belongs to exactly one class.
	Type string
)

// Kind is what kind of problem an event shows.
type Kind struct {
	Class Class
	Type  Type
}

// Undetermined is the kind of an observation whose source gives none.
var Undetermined = Kind{"other", "undetermined"} //nolint:gochecknoglobals // a constant in all but syntax

// rsit is the whole taxonomy, class by class.
var rsit = []struct { //nolint:gochecknoglobals // table of plain data
	class Class
	types []Type
}{
	{"abusive-content", []Type{"spam", "harmful-speech", "violence"}},
	{"malicious-code", []Type{"infected-system", "c2-server", "malware-distribution", "malware-configuration"}},
	{"information-gathering", []Type{"scanner", "sniffing", "social-engineering"}},
	{"intrusion-attempts", []Type{"ids-alert", "brute-force", "exploit"}},
	{"intrusions", []Type{
		"privileged-account-compromise", "unprivileged-account-compromise", "application-compromise",
		"system-compromise", "burglary",
	}},
	{"availability", []Type{"dos", "ddos", "misconfiguration", "sabotage", "outage"}},
	{"information-content-security", []Type{
		"unauthorised-information-access", "unauthorised-information-modification", "data-loss", "data-leak",
	}},
	{"fraud", []Type{"unauthorised-use-of-resources", "copyright", "masquerade", "phishing"}},
	{"vulnerable", []Type{
		"weak-crypto", "ddos-amplifier", "potentially-unwanted-accessible", "information-disclosure",
		"vulnerable-system",
	}},
	{"other", []Type{"other", "undetermined"}},
	{"test", []Type{"test"}},
}

// elsewhere maps the names that senders use and RSIT 1003 does not have. Names of IntelMQ's harmonisation and of
// earlier RSIT versions; what is in neither table becomes other/undetermined.
var elsewhere = map[string]Kind{ //nolint:gochecknoglobals // table of plain data
	"blacklist":             {"other", "other"},
	"blocklist":             {"other", "other"},
	"backdoor":              {"intrusions", "system-compromise"},
	"botnet drone":          {"malicious-code", "infected-system"},
	"c&c":                   {"malicious-code", "c2-server"},
	"c2server":              {"malicious-code", "c2-server"},
	"compromised":           {"intrusions", "system-compromise"},
	"defacement":            {"intrusions", "application-compromise"},
	"ddos amplifier":        {"vulnerable", "ddos-amplifier"},
	"dga domain":            {"other", "other"},
	"dropzone":              {"information-content-security", "unauthorised-information-access"},
	"exploit":               {"intrusion-attempts", "exploit"},
	"ids alert":             {"intrusion-attempts", "ids-alert"},
	"infected system":       {"malicious-code", "infected-system"},
	"leak":                  {"information-content-security", "data-leak"},
	"malware":               {"malicious-code", "infected-system"},
	"malware configuration": {"malicious-code", "malware-configuration"},
	"malware distribution":  {"malicious-code", "malware-distribution"},
	"proxy":                 {"other", "other"},
	"ransomware":            {"malicious-code", "infected-system"},
	"tor":                   {"other", "other"},
	"unknown":               {"other", "undetermined"},
	"vulnerable client":     {"vulnerable", "vulnerable-system"},
	"vulnerable service":    {"vulnerable", "vulnerable-system"},
	"vulnerable system":     {"vulnerable", "vulnerable-system"},
	"weak crypto":           {"vulnerable", "weak-crypto"},
	"application-login":     {"intrusion-attempts", "brute-force"},
	"potentially unwanted accessible service": {"vulnerable", "potentially-unwanted-accessible"},
}

// classOf is the class of each RSIT type.
var classOf = func() map[Type]Class { //nolint:gochecknoglobals // derived from rsit once
	m := map[Type]Class{}
	for _, c := range rsit {
		for _, t := range c.types {
			m[t] = c.class
		}
	}
	return m
}()

// Valid reports whether the kind is in RSIT 1003.
func (k Kind) Valid() bool { return k.Class != "" && classOf[k.Type] == k.Class }

// String writes class/type.
func (k Kind) String() string { return string(k.Class) + "/" + string(k.Type) }

// KindOf returns the kind whose type the source names. The source's own word stands where it is an RSIT 1003 type;
// a fixed table maps the rest; the empty word and unknown words are Undetermined (DESIGN.md §5).
func KindOf(typ string) Kind {
	t := strings.ToLower(strings.TrimSpace(typ))
	if c, ok := classOf[Type(t)]; ok {
		return Kind{c, Type(t)}
	}
	if k, ok := elsewhere[t]; ok {
		return k
	}
	return Undetermined
}

// apart are the kinds of which a desk may get so many that they drown the rest, and which are another desk's work: lists
// for people count them and show them only when asked.
var apart = map[Kind]bool{ //nolint:gochecknoglobals // table of plain data
	{"fraud", "copyright"}: true,
}

// Apart reports whether what is of this kind is filed apart from the rest.
func (k Kind) Apart() bool { return apart[k] }

// KindsApart returns the kinds that are filed apart, in the taxonomy's order.
func KindsApart() []Kind {
	return slices.DeleteFunc(Kinds(), func(k Kind) bool { return !k.Apart() })
}

// Kinds returns every kind of RSIT 1003 in the taxonomy's order.
func Kinds() []Kind {
	var all []Kind
	for _, c := range rsit {
		for _, t := range c.types {
			all = append(all, Kind{c.class, t})
		}
	}
	return all
}
