package xarf

import (
	"regexp"
	"strings"
)

// The tables of this file and of v4_*.go hold the facts of the XARF 4.2.0 specification: which members a report has
// and what each must be. Their order is the specification's, so that a writer can follow them.

// Rules that many members share.
var (
	str      = &rule{is: text}
	flag     = &rule{is: boolean}
	num      = &rule{is: number}
	whole    = &rule{is: number, whole: true}
	counted  = &rule{is: number, whole: true, min: limit(0)}
	positive = &rule{is: number, whole: true, min: limit(1)}
	unit     = &rule{is: number, min: limit(0), max: limit(1)}
	ten      = &rule{is: number, min: limit(0), max: limit(10)}
	hundred  = &rule{is: number, min: limit(0), max: limit(100)}
	port     = &rule{is: number, whole: true, min: limit(1), max: limit(65535)}

	dateTime = &rule{is: text, format: asDateTime}
	date     = &rule{is: text, format: asDate}
	email    = &rule{is: text, format: asEmail}
	hostname = &rule{is: text, format: asHostname}
	ip       = &rule{is: text, format: asIP}
	ipv4     = &rule{is: text, format: asIPv4}
	ipv6     = &rule{is: text, format: asIPv6}
	uri      = &rule{is: text, format: asURI}

	upTo100, upTo200, upTo500 = upTo(100), upTo(200), upTo(500)

	md5Hex    = like(`^[a-fA-F0-9]{32}$`)
	sha1Hex   = like(`^[a-fA-F0-9]{40}$`)
	sha256Hex = like(`^[a-fA-F0-9]{64}$`)
	country   = like(`^[A-Z]{2}$`)
)

// words is a text that is one of these.
func words(s string) *rule { return &rule{is: text, words: strings.Fields(s)} }

func upTo(n int) *rule { return &rule{is: text, maxLen: n} }

func like(pattern string) *rule { return &rule{is: text, pattern: regexp.MustCompile(pattern)} }

func listOf(each *rule) *rule { return &rule{is: list, each: each} }

func listUpTo(n int, each *rule) *rule { return &rule{is: list, each: each, maxN: n} }

func listFrom(n int, each *rule) *rule { return &rule{is: list, each: each, minN: n} }

// need names members, separated by spaces, that must be there.
func need(names string, r *rule) []member {
	var all []member
	for name := range strings.FieldsSeq(names) {
		all = append(all, member{name, true, r})
	}
	return all
}

// may names members that can be there.
func may(names string, r *rule) []member {
	all := need(names, r)
	for i := range all {
		all[i].need = false
	}
	return all
}

// obj is an object with these members and any others.
func obj(groups ...[]member) *rule {
	r := &rule{is: object}
	for _, g := range groups {
		r.members = append(r.members, g...)
	}
	return r
}

// sealed is an object with these members and no others.
func sealed(groups ...[]member) *rule {
	r := obj(groups...)
	r.closed = true
	return r
}

// v4Contact is the reporter, who was harmed, or the sender, who wrote the report on their behalf.
var v4Contact = sealed(need("org", upTo200), need("contact", email), need("domain", hostname))

// v4Core is what every report of version 4 has.
var v4Core = obj(
	need("xarf_version", like(`^4\.[0-9]+\.[0-9]+$`)),
	need("report_id", &rule{is: text, format: asUUID}),
	need("timestamp", dateTime),
	need("reporter sender", v4Contact),
	need("source_identifier", str),
	may("source_port", port),
	need("category", words("messaging content copyright connection vulnerability infrastructure reputation")),
	need("type", str),
	may("evidence_source", str),
	may("evidence", listUpTo(50, sealed(
		need("content_type", str),
		may("description", upTo500),
		need("payload", str),
		may("hash", like(`^(md5|sha1|sha256|sha512):[a-fA-F0-9]+$`)),
		may("size", &rule{is: number, whole: true, min: limit(0), max: limit(5 << 20)}),
	))),
	may("tags", listUpTo(20, like(`^[a-z0-9][a-z0-9_+-]*:[a-z0-9][a-z0-9_+-]*$`))),
	may("confidence", unit),
	may("description", upTo(1000)),
	may("legacy_version", words("3")),
	may("_internal", &rule{is: object}),
)

// v4Types are the 32 types of version 4.2 with the rules that each adds to v4Core.
var v4Types = map[string]*rule{
	"messaging/spam":           v4Spam,
	"messaging/bulk_messaging": v4Bulk,

	"connection/login_attack":       v4Login,
	"connection/port_scan":          v4PortScan,
	"connection/ddos":               v4DDoS,
	"connection/infected_host":      v4InfectedHost,
	"connection/reconnaissance":     v4Reconnaissance,
	"connection/scraping":           v4Scraping,
	"connection/sql_injection":      v4SQLInjection,
	"connection/vulnerability_scan": v4VulnerabilityScan,

	"vulnerability/cve":              v4CVE,
	"vulnerability/open_service":     obj(need("service", str)),
	"vulnerability/misconfiguration": obj(need("service", str)),

	"reputation/blocklist":           obj(need("threat_type", str)),
	"reputation/threat_intelligence": obj(need("threat_type", str)),

	"infrastructure/botnet":             v4Botnet,
	"infrastructure/compromised_server": obj(need("compromise_method", str)),

	"content/phishing":                v4Phishing,
	"content/malware":                 v4Malware,
	"content/csam":                    v4CSAM,
	"content/csem":                    v4CSEM,
	"content/exposed_data":            v4ExposedData,
	"content/brand_infringement":      v4Brand,
	"content/fraud":                   v4Fraud,
	"content/remote_compromise":       v4RemoteCompromise,
	"content/suspicious_registration": v4Registration,

	"copyright/copyright":    v4Copyright,
	"copyright/p2p":          v4P2P,
	"copyright/cyberlocker":  v4Cyberlocker,
	"copyright/ugc_platform": v4UGC,
	"copyright/link_site":    v4LinkSite,
	"copyright/usenet":       v4Usenet,
}

// checkV4 adds everything that the 4.2 schema would refuse in the report of this category and type.
func (c *checker) checkV4(category, typ string) {
	c.check(v4Core, 0, true)
	if r := v4Types[category+"/"+typ]; r != nil {
		c.check(r, 0, true)
		return
	}
	if c.at("type") != 0 {
		c.add("has the type %s, which XARF 4.2 does not know in category %s", quote(typ), quote(category))
	}
}
