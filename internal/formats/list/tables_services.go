package list

// protocols are the numbers of IP's protocols as lists write them (IANA, Assigned Internet Protocol Numbers).
func protocols() map[string]string {
	return map[string]string{"1": "icmp", "6": "tcp", "11": "nvp-ii", "17": "udp", "47": "gre", "50": "esp", "58": "ipv6-icmp", "59": "ipv6-nonxt", "132": "sctp"}
}

// spamhausBots are the names of Spamhaus's feed for CERTs that are no malware; all others are.
func spamhausBots() map[string]string {
	return map[string]string{
		"iotmirai": "infected-system mirai", "iotrdp": "scanner rdp", "openrelay": "vulnerable-system open-relay", "sshauth": "brute-force ssh",
		"telnetauth": "brute-force telnet", "smtpauth": "brute-force smtp", "imap": "brute-force imap", "wpscanner": "scanner wordpress",
		"w_wplogin": "scanner wordpress-login", "l_spamlink": "spam spamlink", "proxyget": "other proxy", "iotscan": "scanner iot",
		"iotlogin": "brute-force iot", "iotuser": "brute-force iot", "iotcmd": "brute-force iot", "authspoofbadehlo": "brute-force smtp",
		"extortion": "spam extortion", "misc": "spam", "pop3": "brute-force pop3", "ftpauth": "brute-force ftp", "rdpauth": "brute-force rdp",
		"telnetscan": "scanner telnet", "sshscan": "scanner ssh", "automatedtest": "test",
	}
}

func cymruKinds() map[string]string {
	return map[string]string{
		"bot": "infected-system", "bots": "infected-system", "conficker": "infected-system conficker", "bruteforce": "brute-force",
		"controller": "c2-server", "darknet": "scanner darknet", "honeypot": "scanner honeypot", "openresolver": "vulnerable-system dns-open-resolver",
		"openresolvers": "vulnerable-system dns-open-resolver", "phishing": "phishing", "proxy": "other proxy", "scanner": "scanner", "scanners": "scanner",
		"spam": "spam", "routers": "system-compromise router", "malwareurl": "malware-distribution", "defacement": "application-compromise",
	}
}

// cymru reads Team Cymru's reports to CSIRTs; notes is their column of further facts, which is free text by category.
func cymru(name string, columns []string, notes string, r Recognise) Mapping {
	find := func(patterns ...string) (all []Extract) {
		for _, p := range patterns {
			all = append(all, Extract{notes, p})
		}
		return all
	}
	return Mapping{
		Name: name, About: "Team Cymru CSIRT Assistance Program", Shape: CSV, Separator: "|", Comments: tags("#"), Columns: columns,
		Extract: find(`(?:^|[;\s])family: ?(?P<family>[^;]+)`, `mwtype (?P<family>.+?)(?: destaddr.*)?$`, `(?:dest_addr|dest_?ip|destaddr|dstaddr):? ?(?P<dest>[0-9a-fA-F.:]+)`,
			`(?:dest_port|destination_port_numbers|darknet_port|ports_scanned|honeypot_port): ?(?P<dest_port>\d+)`, `(?:^|[;\s]|\.com)port: ?(?P<port>\d+)`, `srcport: ?(?P<port>\d+)`,
			`protocol: ?(?P<protocol>\d+)`, `hostname: ?(?P<hostname>[^;:]+?)(?:port)?(?:[;:]|$)`, `(?P<url>https?://[^;]+)`, `(?:proxy_type: ?)?(?:http|https|socks4|socks5|httpconnect|httppost)-(?P<port>\d+)`,
			`\((?P<port>\d+)\)$`, `^(?P<service>ssh|ftp|telnet|rdp|smtp|imap);?$`),
		Fields: map[string]string{
			"subject.addr": columns[1], "subject.asn": "asn", "from": "timestamp", "type": columns[0], "subject.port": "port", "subject.proto": "protocol",
			"subject.domain": "hostname", "subject.url": "url", "target.addr": "dest", "target.port": "dest_port", "tag": "family|service",
		},
		Values: map[string]map[string]string{"type": cymruKinds(), "subject.proto": protocols()}, Recognise: r,
	}
}

// page is an HTML page with a table.
func page(name, about, typ, table string, columns []string, fields map[string]string, r Recognise) Mapping {
	return Mapping{Name: name, About: about, Shape: HTML, Records: table, Columns: columns, Fields: fields, Type: typ, Recognise: r}
}

// services are the feeds that come as records of several columns.
func services() []Mapping {
	m := func(kv ...string) map[string]string {
		all := map[string]string{}
		for i := 0; i+1 < len(kv); i += 2 {
			all[kv[i]] = kv[i+1]
		}
		return all
	}
	types := func(kv ...string) map[string]map[string]string { return map[string]map[string]string{"type": m(kv...)} }
	threatfox := types("botnet_cc", "c2-server", "payload_delivery", "malware-distribution", "payload", "malware-distribution", "cc_skimming", "c2-server skimmer")
	hashes := tags("md5_hash", "sha1_hash", "sha256_hash", "sha3_384_hash", "*hash")
	return []Mapping{
		{
			Name: "abusech-feodo", About: "abuse.ch Feodo Tracker, botnet controllers", Shape: CSV, Comments: tags("#"),
			Columns: tags("first_seen_utc", "dst_ip", "dst_port", "c2_status", "last_online", "malware"),
			Fields:  m("subject.addr", "dst_ip", "subject.port", "dst_port", "from", "first_seen_utc", "tag", "malware"), Type: "c2-server", Recognise: withColumns("first_seen_utc", "dst_ip", "dst_port", "malware"),
		},
		{
			Name: "abusech-feodo-json", About: "abuse.ch Feodo Tracker as JSON", Shape: JSON,
			Fields: m("subject.addr", "ip_address", "subject.port", "port", "subject.asn", "as_number", "subject.cc", "country", "from", "first_seen", "tag", "malware"), Type: "c2-server", Recognise: withColumns("ip_address", "as_number", "last_online", "malware"),
		},
		{
			Name: "abusech-sslbl", About: "abuse.ch SSLBL, addresses of botnet controllers with TLS", Shape: CSV, Comments: tags("#"), Columns: tags("Firstseen", "DstIP", "DstPort"),
			Fields: m("subject.addr", "DstIP", "subject.port", "DstPort", "from", "Firstseen"), Type: "c2-server", Recognise: Recognise{Columns: tags("firstseen", "dstip", "dstport"), Head: tags("SSLBL Botnet C2 IP")},
		},
		{
			Name: "abusech-threatfox", About: "abuse.ch ThreatFox, indicators of malware", Shape: CSV, Comments: tags("#"), Empty: tags("None"),
			Columns: tags("first_seen_utc", "ioc_id", "ioc_value", "ioc_type", "threat_type", "fk_malware", "malware_alias", "malware_printable", "last_seen_utc", "confidence_level", "is_compromised", "reference", "tags", "anonymous", "reporter"),
			Fields:  m("subject", "ioc_value", "from", "first_seen_utc", "type", "threat_type", "tag", "malware_printable"), Values: threatfox, Type: "other",
			LeaveOut: map[string][]string{"ioc_type": hashes}, Recognise: Recognise{Head: tags("ThreatFox IOCs"), Columns: tags("ioc_value", "ioc_type", "threat_type")},
		},
		{
			Name: "abusech-threatfox-json", About: "abuse.ch ThreatFox as JSON", Shape: JSON, Records: "data.*|*.*", LeaveOut: map[string][]string{"ioc_type": hashes},
			Fields: m("subject", "ioc_value|ioc", "from", "first_seen_utc|first_seen", "type", "threat_type", "tag", "malware_printable"), Values: threatfox, Type: "other", Recognise: withColumns("ioc_type", "threat_type", "malware_printable"),
		},
		{
			Name: "spamhaus-cert", About: "Spamhaus, infected and abused addresses for CERTs", Shape: CSV, Comments: tags(";"), Empty: tags("-", "?"),
			Columns: tags("ip", "asn", "country", "lastseen", "botname", "domain", "remote_ip", "remote_port", "local_port", "protocol"),
			Extract: []Extract{{"domain", `^(?P<url>https?://.+)$`}},
			Fields:  m("subject.addr", "ip", "subject.asn", "asn", "subject.cc", "country", "subject.port", "local_port", "subject.proto", "protocol", "subject.url", "url", "from", "lastseen", "type", "botname", "tag", "botname", "target.addr", "remote_ip", "target.port", "remote_port", "target.domain", "domain"),
			Values:  map[string]map[string]string{"type": spamhausBots()}, Type: "infected-system", Recognise: Recognise{Columns: tags("ip", "lastseen", "botname", "remote_ip")},
		},
		cymru("cymru-cap", tags("category", "address", "asn", "timestamp", "optional_information", "asninfo"), "optional_information", headed("#category|address|asn|timestamp|")),
		cymru("cymru-cap-2017", tags("report", "ip", "asn", "timestamp", "comments", "asn_name"), "comments", headed("# Format: report|ip|asn|timestamp|")),
		{
			Name: "turris-greylist", About: "CZ.NIC Turris, addresses that attacked honeypots", Shape: CSV, Comments: tags("#"), Several: m("Tags", ","),
			Fields: m("subject.addr", "Address", "subject.asn", "ASN", "subject.cc", "Country", "type", "Tags", "tag", "Tags"),
			Values: types("telnet", "brute-force", "http", "brute-force", "ftp", "brute-force", "smtp", "brute-force", "ssh", "brute-force", "haas", "brute-force"),
			Type:   "scanner", Recognise: withColumns("address", "tags"),
		},
		{
			Name: "cznic-haas", About: "CZ.NIC Honeypot as a Service, SSH sessions", Shape: JSON, Fields: m("subject.addr", "ip", "subject.cc", "country", "from", "time", "type", "login_successful"),
			Set: m("subject.proto", "tcp", "target.port", "22"), Values: types("true", "system-compromise", "false", "brute-force"), Tags: tags("ssh"), Recognise: withColumns("login_successful", "time_closed", "ip"),
		},
		{
			Name: "cznic-proki", About: "CZ.NIC PROKI, events about own networks", Shape: JSON, Records: "data.*",
			Fields: m("subject.addr", "source.ip", "subject.port", "source.port|extra.source.local_port", "subject.asn", "source.asn", "subject.cc", "source.geolocation.cc", "subject.proto", "protocol.transport", "subject.domain", "source.fqdn", "subject.url", "source.url",
				"target.addr", "destination.ip", "target.port", "destination.port", "target.domain", "destination.fqdn", "from", "time.source", "type", "classification.type", "tag", "malware.name"),
			Recognise: headed(`"Data from `),
		},
		{
			Name: "shodan", About: "Shodan, services seen on the Internet", Shape: JSON, Fields: m("subject.addr", "ip_str", "subject.port", "port", "subject.proto", "transport", "subject.domain", "domains.*", "subject.asn", "asn", "subject.cc", "location.country_code", "from", "timestamp", "tag", "_shodan.module"),
			Type: "other", Recognise: withColumns("_shodan", "ip_str"),
		},
		{
			Name: "alienvault-otx", About: "AlienVault OTX, pulses of indicators", Shape: JSON, Each: "indicators",
			Fields: m("subject", "indicators.indicator", "from", "indicators.created", "tag", "tags.*"), Type: "other", Only: map[string][]string{"indicators.type": tags("IPv4", "IPv6", "domain", "hostname", "URL", "URI", "CIDR")},
			Recognise: withColumns("indicators", "indicator", "author_name"),
		},
		{
			Name: "github-dailyioc", About: "StrangerealIntel DailyIOC", Shape: JSON, Fields: m("subject", "Indicator"), Type: "malware-distribution",
			Extract: []Extract{{"Indicator", `^(?P<hash>[0-9a-fA-F]{32}(?:[0-9a-fA-F]{8})?(?:[0-9a-fA-F]{24})?)$`}}, LeaveOut: map[string][]string{"hash": tags("*")}, Recognise: withColumns("indicator", "description"),
		},
		{
			Name: "misp-attributes", About: "MISP, attributes of an event", Shape: JSON, Each: "Attribute",
			Fields: m("subject", "Attribute.value", "from", "Attribute.timestamp", "type", "Tag.*.name"), Only: map[string][]string{"Attribute.type": tags("ip-src", "ip-dst", "domain", "hostname", "url", "ip-dst|port", "ip-src|port")},
			Values: types("*ransomware*", "infected-system", "*phishing*", "phishing", "*c2*", "c2-server", "*c&c*", "c2-server", "*scanner*", "scanner", "*brute-force*", "brute-force", "*malware*", "malware-distribution"), Type: "other",
			Recognise: withColumns("attribute", "shadowattribute", "to_ids", "orgc"),
		},
		{
			Name: "anubisnetworks", About: "AnubisNetworks Cyberfeed, infected systems", Shape: JSON, LeaveOut: map[string][]string{"malw.family": {"TestSinkholingLoss"}},
			Fields: m("subject.addr", "src.ip|env.remote_addr", "subject.port", "src.port|env.remote_port", "subject.asn", "_geo_src_ip.asn|_geo_env_remote_addr.asn", "subject.cc", "_geo_src_ip.country_code|_geo_env_remote_addr.country_code",
				"target.addr", "dst.ip|env.server_addr", "target.port", "dst.port|env.server_port", "target.domain", "comm.dns.name|comm.http.host|env.server_name", "from", "_ts", "tag", "malw.family|trojanfamily"),
			Type: "infected-system", Recognise: headed(`"trojanfamily"`, `"malw"`),
		},
		{
			Name: "cert-eu", About: "CERT-EU, indicators about a constituency", Shape: CSV, Fields: m("subject.addr", "source ip", "subject.asn", "source asn", "subject.cc", "source cc", "subject.url", "url", "subject.domain", "domain name", "subject.port", "source port", "from", "source time", "type", "type", "subject.proto", "protocol", "target.port", "destination port"),
			Values:    types("malware url", "malware-distribution", "phishing", "phishing", "c&c", "c2-server", "*c2*", "c2-server", "scanner", "scanner", "botnet drone", "infected-system", "malware*", "infected-system", "ids alert", "ids-alert", "backdoor", "system-compromise", "compromised", "system-compromise", "defacement", "application-compromise", "ddos", "ddos", "spam", "spam", "brute-force", "brute-force", "proxy", "other proxy", "dropzone", "other dropzone", "ransomware", "infected-system"),
			Recognise: withColumns("feed code", "source ip", "observation time"),
		},
		{
			Name: "eset-eti", About: "ESET Threat Intelligence, domains and URLs of malware", Shape: JSON, Fields: m("subject.domain", "domain", "subject.addr", "ip", "subject.url", "url", "from", "last_seen", "type", "reason"),
			Values: types("*phishing*", "phishing", "*c&c*", "c2-server", "*distributing*", "malware-distribution"), Type: "malware-distribution", Recognise: withColumns("downloaded_detection", "opener_detection", "state"),
		},
		{Name: "calidog-certstream", About: "Calidog CertStream, names in new certificates", Shape: JSON, Each: "data.leaf_cert.all_domains", Fields: m("subject.domain", "data.leaf_cert.all_domains", "from", "data.seen"), Type: "other", Recognise: headed(`"cert_index"`)},
		{Name: "hibp", About: "Have I Been Pwned, breaches of a domain's accounts", Shape: JSON, Fields: m("subject.domain", "Domain", "from", "Breach.AddedDate"), Type: "data-leak", Time: Time{Missing: "received"}, Recognise: headed(`"DomainEmails"`)},
		{
			Name: "tu-dresden-resolvers", About: "TU Dresden, open resolvers", Shape: JSON, Fields: m("subject.addr", "queried_ip", "subject.proto", "protocol", "subject.asn", "queried_ip_asn", "from", "timestamp_request", "tag", "resolver_type"),
			Set: m("subject.port", "53"), Type: "ddos-amplifier", Tags: tags("dns-open-resolver"), Recognise: withColumns("queried_ip", "replying_ip", "resolver_type"),
		},
		{
			Name: "ddosia", About: "withaname, targets of DDoSia", Shape: JSON, Each: "csv_file",
			Fields: m("subject.addr", "csv_file.ip", "subject.port", "csv_file.port", "subject.domain", "csv_file.host", "from", "datetime"), Type: "ddos", Tags: tags("ddosia", "victim"), Recognise: withColumns("csv_file", "datetime"),
		},
		{
			Name: "n6", About: "CERT Polska n6, events of its API", Shape: JSON, Fields: m("subject.addr", "address.0.ip", "subject.asn", "address.0.asn", "subject.cc", "address.0.cc", "subject.port", "sport|dport", "subject.proto", "proto", "subject.domain", "fqdn", "subject.url", "url", "target.addr", "dip", "from", "time", "type", "category", "tag", "name"),
			Values: types("amplifier", "ddos-amplifier", "backdoor", "system-compromise", "bots", "infected-system", "cnc", "c2-server", "deface", "application-compromise", "dns-query", "other", "dos-attacker", "ddos", "dos-victim", "ddos", "exposed", "potentially-unwanted-accessible", "flow", "other", "leak", "data-leak",
				"malurl", "malware-distribution", "malware-action", "malware-configuration", "phish", "phishing", "proxy", "other proxy", "sandbox-url", "malware-distribution", "scam", "masquerade", "scanning", "scanner", "server-exploit", "exploit", "spam", "spam", "spam-url", "spam", "tor", "other tor", "vulnerable", "vulnerable-system", "webinject", "malware-configuration", "other", "other"),
			Recognise: withColumns("category", "confidence", "restriction", "source", "rid"),
		},
		{
			Name: "microsoft-dcu", About: "Microsoft Digital Crimes Unit, infected systems", Shape: CSV, Fields: m("subject.addr", "SourceIp", "subject.port", "SourcePort", "subject.asn", "SourceIpAsnNr", "subject.cc", "SourceIpCountryCode", "target.addr", "TargetIp", "target.port", "TargetPort", "from", "FileTimeUtc", "tag", "Botnet"),
			Type: "infected-system", Time: Time{Layout: tags("windows")}, Recognise: withColumns("sourceip", "filetimeutc", "botnet"),
		},
		{Name: "c2intelfeeds", About: "drb-ra C2IntelFeeds, controllers", Shape: CSV, Comments: tags("#"), Columns: tags("indicator", "ioc"), Fields: m("subject", "indicator"), Type: "c2-server", Recognise: headed("#ip,ioc", "#domain,ioc")},
		{
			Name: "cleanmx", About: "CleanMX, phishing and malware", Shape: XML, Records: "output.entries.entry", Fields: m("subject.url", "url", "subject.addr", "ip", "subject.domain", "domain", "subject.cc", "country", "from", "first", "type", "md5"),
			Values: types("*", "malware-distribution"), Type: "phishing", Recognise: headed("<entries>"),
		},
		page("abusech-feodo-page", "abuse.ch Feodo Tracker, the page", "c2-server", "id=botnet_c2s", nil, m("subject.addr", "Host", "from", "Firstseen (UTC)|First seen (UTC)", "tag", "Malware", "subject.asn", "Network (ASN)", "subject.cc", "Country"), headed("Feodo Tracker")),
		page("autoshun", "AutoShun, addresses that attacked", "undetermined", "", tags("attacker", "time", "description"), m("subject.addr", "attacker", "from", "time", "type", "description"), headed("attackers as of")).with(func(p *Mapping) {
			p.Values = types("*scan*", "scanner", "*brute*", "brute-force", "*trojan*", "infected-system")
			p.LeaveOut = map[string][]string{"attacker": tags("Attacker")}
			p.Time.Zone = "-05:00" // the page's CDT
		}),
		page("taichung", "Taichung education network, addresses that attacked", "undetermined", "id=netflowTable4", tags("no", "ip", "reason", "traffic", "from", "days", "state"), m("subject.addr", "ip", "from", "from", "type", "reason"), headed("tc.edu.tw")).with(func(p *Mapping) {
			p.Values = types("*scan*", "scanner", "*attack*", "brute-force", "malware provider", "malware-distribution", "惡意程式*", "malware-distribution", "*brute*", "brute-force")
			p.Time.Zone = "Asia/Taipei"
		}),
		page("sucuri", "Sucuri, hidden iframes", "other", "", tags("sites", "type", "url"), m("subject.url", "url"), headed("Sucuri Research")).with(func(p *Mapping) {
			p.Only = map[string][]string{"type": tags("iframe", "*redirect*")}
		}),
		page("webinspektor", "Web Inspector, recent detections", "other", "class=sites-list", tags("url", "result", "detected", "details"), m("subject.url", "url", "from", "detected"), headed("Malware Detection by Web Inspector")),
		page("malwareurl", "MalwareURL, latest domains", "phishing", "", tags("domain", "ip"), m("subject.domain", "domain", "subject.addr", "ip"), headed("<TITLE>MalwareURL</TITLE>")),
		page("threatminer", "ThreatMiner, recent domains", "other", "", tags("domain"), m("subject.domain", "domain"), headed("<title>ThreatMiner")),
		page("viriback", "ViriBack C2 tracker", "malware-distribution", "class=panelstable", tags("malware", "url", "ip", "seen"), m("subject.url", "url", "subject.addr", "ip", "from", "seen", "tag", "malware"), headed("ViriBack C2 Tracker")).with(func(p *Mapping) {
			p.Time.Layout = tags("%d-%m-%Y")
		}),
		page("vxvault-page", "VX Vault, the page", "malware-distribution", "", tags("date", "url", "md5", "ip", "tools"), m("subject.url", "address|url", "subject.addr", "ip", "from", "date"), headed("<title>VX Vault</title>")).with(func(p *Mapping) {
			p.Extract = []Extract{{"url", `\[D\]\s*(?P<address>.+)$`}}
			p.Time.Layout = tags("%Y-%m-%d", "%m-%d")
		}),
	}
}

// maltrail is a trail file: addresses, domains, URLs and paths, one a line. Paths alone name nobody.
func maltrail(name, about, typ string, r Recognise) Mapping {
	return Mapping{
		Name: name, About: about, Shape: Lines, Comments: tags("#"), Fields: map[string]string{"subject": line}, Type: typ, Tags: tags("maltrail"),
		LeaveOut: map[string][]string{line: {"/*"}}, Recognise: r,
	}
}

// trails are those of Maltrail. What they say of themselves does not tell malware from what is merely suspicious.
func trails() []Mapping {
	return []Mapping{
		maltrail("maltrail-malware", "Maltrail, controllers and distributors of malware", "malware-distribution", Recognise{}),
		maltrail("maltrail-suspicious", "Maltrail, what is suspicious and no more", "other", Recognise{}),
	}
}
