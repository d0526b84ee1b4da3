package xarf

import (
	"strings"

	"tocsin/internal/report"
)

// lead says what names the thing of a report, and so becomes its leading tag.
type lead int

const (
	byType    lead = iota // the XARF type itself: "login-attack"
	byMalware             // the malware's or botnet's name: "mirai"
	byService             // the open service: "open-telnet"
	byCVE                 // "cve-2024-1234"
)

// meaning is what a XARF type says in our words.
type meaning struct {
	kind report.Kind
	lead lead
	tag  string // leading tag where nothing else names the thing
	feed string
}

var (
	spam           = report.Kind{Class: "abusive-content", Type: "spam"}
	harmful        = report.Kind{Class: "abusive-content", Type: "harmful-speech"}
	violence       = report.Kind{Class: "abusive-content", Type: "violence"}
	infected       = report.Kind{Class: "malicious-code", Type: "infected-system"}
	commandServer  = report.Kind{Class: "malicious-code", Type: "c2-server"}
	distribution   = report.Kind{Class: "malicious-code", Type: "malware-distribution"}
	scanner        = report.Kind{Class: "information-gathering", Type: "scanner"}
	persuasion     = report.Kind{Class: "information-gathering", Type: "social-engineering"}
	bruteForce     = report.Kind{Class: "intrusion-attempts", Type: "brute-force"}
	exploitAttempt = report.Kind{Class: "intrusion-attempts", Type: "exploit"}
	account        = report.Kind{Class: "intrusions", Type: "unprivileged-account-compromise"}
	application    = report.Kind{Class: "intrusions", Type: "application-compromise"}
	system         = report.Kind{Class: "intrusions", Type: "system-compromise"}
	ddos           = report.Kind{Class: "availability", Type: "ddos"}
	leak           = report.Kind{Class: "information-content-security", Type: "data-leak"}
	misuse         = report.Kind{Class: "fraud", Type: "unauthorised-use-of-resources"}
	copyright      = report.Kind{Class: "fraud", Type: "copyright"}
	masquerade     = report.Kind{Class: "fraud", Type: "masquerade"}
	phishing       = report.Kind{Class: "fraud", Type: "phishing"}
	weakCrypto     = report.Kind{Class: "vulnerable", Type: "weak-crypto"}
	amplifier      = report.Kind{Class: "vulnerable", Type: "ddos-amplifier"}
	unwanted       = report.Kind{Class: "vulnerable", Type: "potentially-unwanted-accessible"}
	vulnerable     = report.Kind{Class: "vulnerable", Type: "vulnerable-system"}
	other          = report.Kind{Class: "other", Type: "other"}
)

// v4Meanings is every type of version 4 by category: the 32 of 4.2, then those of the drafts before it, which
// senders still use. The meaning is ours: XARF names no taxonomy.
var v4Meanings = meanings(map[string]map[string]meaning{
	"messaging": {
		"spam": {kind: spam}, "bulk_messaging": {kind: spam},
		// drafts
		"social_engineering": {kind: persuasion}, "phishing": {kind: phishing},
		"sms_spam": {kind: spam}, "social_spam": {kind: spam}, "voip_spam": {kind: spam}, "whatsapp_spam": {kind: spam},
	},
	"connection": {
		"login_attack": {kind: bruteForce}, "port_scan": {kind: scanner}, "ddos": {kind: ddos},
		"infected_host": {kind: infected, lead: byMalware}, "reconnaissance": {kind: scanner},
		"scraping": {kind: misuse}, "sql_injection": {kind: exploitAttempt}, "vulnerability_scan": {kind: scanner},
		// drafts
		"auth_failure": {kind: bruteForce}, "brute_force": {kind: bruteForce}, "ssh_attack": {kind: bruteForce},
		"rdp_attack": {kind: bruteForce}, "bot": {kind: infected, lead: byMalware},
		"ddos_amplification": {kind: amplifier}, "vuln_scanning": {kind: scanner},
	},
	"vulnerability": {
		"cve": {kind: vulnerable, lead: byCVE}, "open_service": {kind: unwanted, lead: byService},
		"misconfiguration": {kind: vulnerable},
		// drafts
		"open": {kind: unwanted, lead: byService}, "malicious_activity": {kind: exploitAttempt},
		"outdated_dnssec": {kind: weakCrypto}, "ssl_freak": {kind: weakCrypto}, "ssl_poodle": {kind: weakCrypto},
	},
	"reputation": {
		"blocklist": {kind: other}, "threat_intelligence": {kind: other},
		// drafts
		"trap": {kind: other}, "abuse_score": {kind: other},
	},
	"infrastructure": {
		"botnet": {kind: infected, lead: byMalware}, "compromised_server": {kind: system},
		// drafts
		"bot": {kind: infected, lead: byMalware}, "c2": {kind: commandServer, lead: byMalware},
		"cve": {kind: vulnerable, lead: byCVE}, "mining": {kind: misuse}, "proxy": {kind: other},
		"vpn_abuse": {kind: misuse},
	},
	"content": {
		"phishing": {kind: phishing}, "malware": {kind: distribution, lead: byMalware}, "csam": {kind: violence},
		"csem": {kind: violence}, "exposed_data": {kind: leak}, "brand_infringement": {kind: masquerade},
		"fraud": {kind: masquerade}, "remote_compromise": {kind: application}, "suspicious_registration": {kind: other},
		// drafts
		"defacement": {kind: application}, "spamvertised": {kind: spam}, "ransomware": {kind: distribution},
		"cryptojacking": {kind: misuse}, "fake_shop": {kind: masquerade}, "scam": {kind: masquerade},
		"identity_theft": {kind: masquerade}, "impersonation": {kind: masquerade}, "ncii": {kind: violence},
	},
	"copyright": {
		"copyright": {kind: copyright}, "p2p": {kind: copyright}, "cyberlocker": {kind: copyright},
		"ugc_platform": {kind: copyright}, "link_site": {kind: copyright}, "usenet": {kind: copyright},
		// drafts
		"streaming": {kind: copyright}, "counterfeit": {kind: masquerade},
	},
})

// legacyMeanings is every type before version 4, its letters in lower case and without hyphens, because 3.0.0 writes
// them in several ways. The leading tags are those of version 4: the same problem makes one incident.
var legacyMeanings = map[string]meaning{
	"spam":                          {kind: spam, tag: "spam"},
	"dos":                           {kind: ddos, tag: "ddos"},
	"ddos":                          {kind: ddos, tag: "ddos"},
	"loginattack":                   {kind: bruteForce, tag: "login-attack"},
	"portscan":                      {kind: scanner, tag: "port-scan"},
	"exploit":                       {kind: exploitAttempt, lead: byCVE, tag: "exploit"},
	"webcrawler":                    {kind: misuse, tag: "scraping"},
	"harassment":                    {kind: harmful, tag: "harassment"},
	"potentiallycompromisedaccount": {kind: account, tag: "compromised-account"},
	"botnet":                        {kind: infected, lead: byMalware, tag: "botnet"},
	"malware":                       {kind: distribution, lead: byMalware, tag: "malware"},
	"phishing":                      {kind: phishing, tag: "phishing"},
	"copyright":                     {kind: copyright, tag: "copyright"},
	"trademark":                     {kind: masquerade, tag: "brand-infringement"},
	"childabuse":                    {kind: violence, tag: "csam"},
	"childsexualabusematerial":      {kind: violence, tag: "csam"},
	"openservice":                   {kind: unwanted, lead: byService, tag: "open-service"},
}

// meanings fills in tag and feed.
func meanings(all map[string]map[string]meaning) map[string]map[string]meaning {
	for category, types := range all {
		for name, m := range types {
			m.tag = strings.ReplaceAll(name, "_", "-")
			m.feed = category + "/" + m.tag
			types[name] = m
		}
	}
	return all
}

// v4Meaning returns what a type of version 4 means. Drafts wrote hyphens for underscores.
func v4Meaning(category, typ string) (meaning, bool) {
	types := v4Meanings[category]
	m, ok := types[typ]
	if !ok {
		m, ok = types[strings.ReplaceAll(typ, "-", "_")]
	}
	return m, ok
}

// legacyMeaning returns what a type before version 4 means; a type unknown to us is undetermined, its name the tag.
func legacyMeaning(class, typ string) meaning {
	squeezed := strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(typ))
	m, ok := legacyMeanings[squeezed]
	if !ok {
		m = meaning{kind: report.Undetermined, tag: hyphened(typ)}
	}
	if squeezed == "malware" && class == "Activity" {
		m.kind = infected // a resolver saw the host ask for the malware's domain (RPZ)
	}
	m.feed = hyphened(class) + "/" + hyphened(typ)
	return m
}

// hyphened writes LoginAttack as login-attack, DOS as dos.
func hyphened(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			if i > 0 && s[i-1] >= 'a' && s[i-1] <= 'z' {
				b.WriteByte('-')
			}
			c |= 0x20
		}
		b.WriteByte(c)
	}
	return slug(b.String())
}

// slug makes one lower-case word of a name, for tags and feeds: letters, digits, dots and pluses, everything else a
// hyphen.
func slug(s string) string {
	const most = 64
	var b strings.Builder
	hyphen := false
	for _, c := range []byte(strings.ToLower(s)) {
		if letterOrDigit(c) || c == '.' || c == '+' || c >= 0x80 {
			if hyphen && b.Len() > 0 {
				b.WriteByte('-')
			}
			hyphen = false
			b.WriteByte(c)
		} else {
			hyphen = true
		}
		if b.Len() >= most {
			break
		}
	}
	return strings.ToValidUTF8(b.String(), "")
}
