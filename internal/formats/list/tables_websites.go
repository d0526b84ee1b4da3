package list

// urls is a list of one URL a line.
func urls(name, about, typ string, r Recognise) Mapping {
	m := plain(name, about, typ, nil, r)
	m.Comments = tags("#")
	m.Fields = map[string]string{"subject.url": line}
	return m
}

// domains is a list of one domain a line.
func domains(name, about, typ string, t []string, r Recognise) Mapping {
	m := plain(name, about, typ, t, r)
	m.Fields = map[string]string{"subject.domain": line}
	return m
}

// websites are the lists of URLs and domains.
func websites() []Mapping {
	hosts := []Extract{{line, `^(?:127\.0\.0\.1|0\.0\.0\.0)\s+(?P<domain>\S+)`}}
	malc0de := `Last updated (\d{4}-\d\d-\d\d)`
	return []Mapping{
		urls("openphish", "OpenPhish, phishing pages", "phishing", named2("openphish*.txt", "openphish*")),
		{Name: "openphish-json", About: "OpenPhish, commercial feed", Shape: JSON, Fields: map[string]string{
			"subject.url": "url", "subject.addr": "ip", "subject.domain": "host", "subject.asn": "asn", "subject.cc": "country_code", "from": "isotime", "tag": "brand",
		}, Type: "phishing", Recognise: withColumns("isotime", "discover_time", "brand", "url")},
		{
			Name: "phishtank", About: "PhishTank, phishing pages", Shape: CSV, Fields: map[string]string{"subject.url": "url", "from": "submission_time"}, Type: "phishing",
			Recognise: withColumns("phish_id", "url", "phish_detail_url", "submission_time"),
		},
		{Name: "phishtank-json", About: "PhishTank as JSON", Shape: JSON, Fields: map[string]string{
			"subject.url": "url", "subject.addr": "details.0.ip_address", "subject.asn": "details.0.announcing_network", "subject.cc": "details.0.country", "from": "submission_time",
		}, Type: "phishing", Recognise: withColumns("phish_id", "phish_detail_url", "submission_time")},
		{
			Name: "phishstats", About: "PhishStats, phishing pages with a score", Shape: CSV, Comments: tags("#"), Columns: tags("date", "score", "url", "ip"),
			Fields: map[string]string{"subject.url": "url", "subject.addr": "ip", "from": "date"}, Type: "phishing", Recognise: headed("# PhishStats", "PhishScore"),
		},
		urls("phishing-database", "Phishing.Database, active phishing links", "phishing", named2("phishing-links-*.txt")),
		domains("phishing-database-domains", "Phishing.Database, active phishing domains", "phishing", nil, named2("phishing-domains-*.txt")),
		{
			Name: "cert-pl-shield", About: "CERT Polska, domains of phishing", Shape: CSV, Separator: "tab", Columns: tags("id", "domain", "added"),
			Fields: map[string]string{"subject.domain": "domain", "from": "added"}, Type: "phishing", Time: Time{Zone: "Europe/Warsaw"}, Recognise: named2("cert-pl__shield*", "domains.csv", "domains_v2.csv"),
		},
		domains("cert-pl-domains", "CERT Polska, domains of phishing, one a line", "phishing", nil, named2("cert-pl-domains*.txt", "hole_domains*")),
		domains("spam404", "Spam404, domains of scams", "masquerade", nil, named2("spam404*", "main-blacklist.txt")),
		urls("vxvault", "VX Vault, URLs of malware", "malware-distribution", headed("VX Vault last")).with(func(m *Mapping) {
			m.LeaveOut = map[string][]string{line: {"<pre>", "</pre>", "VX Vault*", "Mon, *", "Tue, *", "Wed, *", "Thu, *", "Fri, *", "Sat, *", "Sun, *"}}
			m.Time.Header = `((?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d+ \w+ \d+ [\d:]+ \S+)`
		}),
		urls("malwarepatrol", "Malware Patrol, URLs of malware (DansGuardian)", "malware-distribution", headed("Malware Patrol - Block List")).with(func(m *Mapping) {
			m.Time.Header = `Generated at: (\d{14} UTC)`
		}),
		urls("malwarepatrol-adblock", "Malware Patrol, URLs of malware (Adblock)", "malware-distribution", named2("malwarepatrol*")).with(func(m *Mapping) {
			m.Comments = tags("!", "#")
			m.LeaveOut = map[string][]string{line: {"[Adblock*"}}
		}),
		{
			Name: "malc0de-windows", About: "malc0de, domains that served malware, boot file", Shape: Lines, Comments: tags("//"), Extract: []Extract{{line, `^PRIMARY (?P<domain>\S+) `}},
			Fields: map[string]string{"subject.domain": "domain"}, Type: "malware-distribution", Time: Time{Header: malc0de}, Recognise: headed("will return 127.0.0.1 for all domains found to be distributing malware"),
		},
		{
			Name: "malc0de-bind", About: "malc0de, domains that served malware, BIND zones", Shape: Lines, Comments: tags("//"), Extract: []Extract{{line, `^zone "(?P<domain>[^"]+)"`}},
			Fields: map[string]string{"subject.domain": "domain"}, Type: "malware-distribution", Time: Time{Header: malc0de}, Recognise: headed("malicious executables observed by malc0de"),
		},
		{
			Name: "malwaredomains", About: "DNS-BH, domains of malware", Shape: CSV, Separator: "tab", Comments: tags("#"),
			Columns: tags("next_validation", "", "domain", "kind", "reference", "listed", "before_1", "before_2", "before_3", "before_4", "before_5", "before_6"),
			Fields:  map[string]string{"subject.domain": "domain", "from": "listed", "type": "kind"},
			Values: map[string]map[string]string{"type": {
				"phishing": "phishing", "c&c": "c2-server", "*malspam*": "spam", "*botnet*": "infected-system", "*exploit*": "exploit",
			}}, Type: "malware-distribution", Recognise: headed("##\tnextvalidation\tdomain\ttype"),
		},
		{
			Name: "hphosts", About: "hpHosts, hosts file of bad domains", Shape: Lines, Comments: tags("#"), Extract: hosts, Fields: map[string]string{"subject.domain": "domain"},
			Type: "other", LeaveOut: map[string][]string{line: {"*\tlocalhost", "* localhost", "*\tlocalhost\t*", "*\tlocalhost #*", "::1*"}}, Recognise: headed("# hpHosts last"),
		},
		{Name: "hosts-file", About: "any hosts file of bad domains", Shape: Lines, Comments: tags("#"), Extract: hosts, Fields: map[string]string{"subject.domain": "domain"}, Type: "other"},
		{
			Name: "dshield-domain", About: "DShield, suspicious domains", Shape: CSV, Separator: "tab", Comments: tags("#"), Columns: tags("Site", ""),
			Fields: map[string]string{"subject.domain": "Site"}, Type: "malware-distribution", Time: Time{Header: `updated: (.+)`}, Recognise: headed("DShield.org Suspicious Domain List"),
		},
		{
			Name: "bambenek-dga", About: "Bambenek, domains that malware computes", Shape: CSV, Comments: tags("#"), Columns: tags("domain", "description", "date", "manual"),
			Extract: []Extract{{"manual", `/manual/(?P<family>\w+)\.txt`}},
			Fields:  map[string]string{"subject.domain": "domain", "from": "date", "tag": "family"}, Type: "other", Tags: tags("dga"), Recognise: headed("Domain feed of known DGA domains"),
		},
		bambenek("bambenek-c2-domains", "C&Cs domain"), bambenek("bambenek-c2-addresses", "C&Cs IP"),
		{
			Name: "fraunhofer-dga", About: "DGArchive, domains that malware computes today", Shape: JSON, Records: "*.*", Extract: []Extract{{"key", `^(?P<family>[^_]+)_dga_`}},
			Fields: map[string]string{"subject": "value", "tag": "family"}, Type: "c2-server", Tags: tags("dga"), Recognise: headed("_dga_"),
		},
		{
			Name: "ponmocup", About: "Ponmocup, URLs of compromised web servers", Shape: Lines, Comments: tags("#"),
			Extract: []Extract{{line, `^/?\s*(?P<domain>\S+)\s+(?P<url>\S+)\s+(?P<infected>\S+)$`}},
			Fields:  map[string]string{"subject.domain": "domain", "subject.url": "url", "target.domain": "infected"}, Type: "malware-distribution", Tags: tags("ponmocup"),
			Time: Time{Header: `last updated: (.+)`}, Recognise: headed("ponmocup malware redirection domains"),
		},
		{
			Name: "abusech-urlhaus", About: "abuse.ch URLhaus, URLs of malware", Shape: CSV, Comments: tags("#"),
			Columns: tags("id", "dateadded", "url", "url_status", "last_online", "threat", "tags", "urlhaus_link", "reporter"), Several: map[string]string{"tags": ","}, Empty: tags("None"),
			Fields: map[string]string{"subject.url": "url", "from": "dateadded", "tag": "tags"}, Type: "malware-distribution",
			Recognise: Recognise{Head: tags("URLhaus Database Dump (CSV"), Columns: tags("dateadded", "url", "url_status", "urlhaus_link")},
		},
		{
			Name: "abusech-urlhaus-json", About: "abuse.ch URLhaus as JSON", Shape: JSON, Records: "*.*", Fields: map[string]string{"subject.url": "url", "from": "dateadded", "tag": "tags.*"},
			Type: "malware-distribution", Recognise: withColumns("dateadded", "url", "url_status", "urlhaus_link"),
		},
		{
			Name: "abusech-urlhaus-network", About: "abuse.ch URLhaus, URLs of an AS or country", Shape: CSV, Comments: tags("#"),
			Columns: tags("Dateadded (UTC)", "URL", "URL_status", "Threat", "Host", "IPaddress", "ASnumber", "Country"), Empty: tags("None"),
			Fields: map[string]string{"subject.url": "URL", "subject.addr": "IPaddress", "subject.asn": "ASnumber", "subject.cc": "Country", "from": "Dateadded (UTC)"},
			Type:   "malware-distribution", Recognise: withColumns("dateadded (utc)", "url", "url_status", "ipaddress"),
		},
		urls("abusech-urlhaus-text", "abuse.ch URLhaus, one URL a line", "malware-distribution", headed("URLhaus Plain-Text URL List", "abuse.ch URLhaus Database Dump (plain-text")),
		{
			Name: "abusech-urlhaus-hosts", About: "abuse.ch URLhaus, hosts file", Shape: Lines, Comments: tags("#"), Extract: hosts, Fields: map[string]string{"subject.domain": "domain"},
			Type: "malware-distribution", Time: Time{Header: isoHeader}, Recognise: headed("URLhaus Host file", "abuse.ch URLhaus Host file"),
		},
	}
}

// with changes a mapping, for what one list needs and others of its form do not.
func (m Mapping) with(change func(*Mapping)) Mapping {
	change(&m)
	return m
}

func bambenek(name, head string) Mapping {
	return Mapping{
		Name: name, About: "Bambenek, controllers that answer", Shape: CSV, Comments: tags("#"), Columns: tags("indicator", "description", "date", "manual"),
		Extract: []Extract{{"manual", `/manual/(?P<family>\w+)\.txt`}},
		Fields:  map[string]string{"subject": "indicator", "from": "date", "tag": "family"}, Type: "c2-server", Recognise: headed("known, active and non-sinkholed " + head),
	}
}
