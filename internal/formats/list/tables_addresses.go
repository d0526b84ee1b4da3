package list

// Words that stand in many lines of the tables.
const (
	line      = lineColumn
	isoHeader = `(?i)(?:last[ -]?(?:updated?|modified)|updated|generated(?: at| on)?|created|date)\s*[:=]?\s+([^#\r\n]{8,40}[^#\s])`
)

// plain is a list of one value a line.
func plain(name, about, typ string, tags []string, r Recognise) Mapping {
	return Mapping{
		Name: name, About: about, Shape: Lines, Comments: []string{"#", ";", "//"}, Fields: map[string]string{"subject": line},
		Type: typ, Tags: tags, Recognise: r, Time: Time{Header: isoHeader},
	}
}

func tags(t ...string) []string         { return t }
func named2(n ...string) Recognise      { return Recognise{Names: n} }
func headed(h ...string) Recognise      { return Recognise{Head: h} }
func both(name, head string) Recognise  { return Recognise{Names: []string{name}, Head: []string{head}} }
func withColumns(c ...string) Recognise { return Recognise{Columns: c} }

// addresses are the lists of single addresses, one a line.
func addresses() []Mapping {
	all := []Mapping{
		plain("abusech-feodo-text", "abuse.ch Feodo Tracker, addresses of botnet controllers", "c2-server", nil, headed("Feodo Tracker Botnet C2 IP Blocklist", "abuse.ch Feodo Tracker Botnet C2 IP")),
		plain("abusech-ipblocklist", "abuse.ch, addresses of botnet controllers", "c2-server", nil, named2("abuse-ch-ipblocklist*.txt")),
		plain("avanzato-c2", "Avanzato, addresses of controllers", "c2-server", nil, named2("avanzato_c2*.txt", "avanzato-c2*.txt")),
		plain("binarydefense", "Binary Defense Artillery, addresses that attacked", "other", tags("binarydefense"), both("binarydefense*.txt", "Binary Defense Systems Artillery")),
		plain("bitwire-inbound", "bitwire, addresses not to be let in", "other", nil, Recognise{}),
		plain("bitwire-outbound", "bitwire, addresses not to be called", "other", nil, Recognise{}),
		plain("botscout", "BotScout, addresses of registration bots", "spam", nil, named2("botscout*.ipset")),
		plain("ci-army", "CINS Army, addresses with a bad reputation", "other", tags("ci-army"), named2("ci-badguys*.txt", "ci_army*")),
		plain("cleantalk", "CleanTalk, addresses of comment spammers", "spam", nil, named2("cleantalk*.ipset")),
		plain("cloudzy", "Critical Path Security, addresses at a hoster of attackers", "other", tags("cloudzy"), named2("cloudzy*.txt")),
		plain("cps-cobaltstrike", "Critical Path Security, Cobalt Strike controllers", "c2-server", tags("cobalt-strike"), named2("cps_cobaltstrike*.txt", "cobaltstrike_ips*.txt")),
		plain("cps-predict", "Critical Path Security, names seen in malware", "malware-distribution", nil, Recognise{}),
		plain("cps-sip", "Critical Path Security, addresses that attack telephony", "brute-force", tags("sip"), Recognise{}),
		plain("dan-tor", "dan.me.uk, Tor nodes", "other", tags("tor"), named2("torlist*.txt", "tor_dan*")),
		plain("drb-ra", "drb-ra C2IntelFeeds, addresses of controllers, unverified", "c2-server", nil, named2("drb-ra*.txt")),
		plain("et-block", "Emerging Threats, addresses and networks to block", "other", nil, named2("emerging-block-ips*.txt")),
		plain("et-compromised", "Emerging Threats, compromised hosts", "system-compromise", nil, named2("compromised-ips*.txt")),
		plain("greensnow", "GreenSnow, addresses that attacked", "other", tags("greensnow"), named2("greensnow*")),
		plain("interserver", "InterServer RBL, addresses that attacked", "other", nil, named2("interserver*.txt")),
		plain("malc0de-address", "malc0de, addresses that served malware", "malware-distribution", nil, headed("last 30 days of malicious IP addresses")),
		plain("mirai-security", "Mirai tracker, addresses of infected devices", "infected-system", tags("mirai"), named2("mirai*.ipset")),
		plain("stamparm-levels", "IPsum, addresses on at least so many lists", "other", tags("ipsum"), Recognise{}),
		plain("sblam", "sblam, addresses of form spammers", "spam", nil, named2("sblam*")),
		plain("talos", "Cisco Talos, addresses with a bad reputation", "other", tags("talos"), named2("talos*ip*blacklist*", "ip_filter.blf", "ip-filter.blf")),
		plain("tor-bulk", "Tor Project, exit addresses", "other", tags("tor"), named2("torbulkexitlist*")),
		plain("urlvir-addresses", "URLVir, addresses that serve malware", "malware-distribution", nil, headed("#URLVir Active Malicious IP")),
		plain("urlvir-hosts", "URLVir, hosts that serve malware", "malware-distribution", nil, headed("#URLVir Active Malicious Hosts")),
	}
	for i := range all {
		if all[i].Name == "urlvir-hosts" || all[i].Name == "urlvir-addresses" {
			all[i].Time.Header = `Updated on (.+)`
			all[i].Time.Zone = "-04:00" // the page does not say it; IntelMQ found it out
		}
	}
	for _, s := range blocklistDe {
		all = append(all, plain("blocklistde-"+s.name, "blocklist.de, addresses that attacked: "+s.what, s.typ, s.tags, Recognise{}))
	}
	return append(all,
		Mapping{
			Name: "ipsum", About: "IPsum, addresses with the number of lists that have them", Shape: CSV, Separator: "tab", Comments: tags("#"),
			Columns: tags("ip", "lists"), Fields: map[string]string{"subject": "ip"}, Type: "other", Tags: tags("ipsum"),
			Time: Time{Header: `Last update: (.+)`}, Recognise: headed("# IPsum Threat Intelligence Feed"),
		},
		Mapping{
			Name: "bruteforceblocker", About: "danger.rulez.sk, addresses that guess SSH passwords", Shape: Lines, Comments: tags("#"),
			Extract: []Extract{{line, `^(?P<ip>\S+)\s+#\s*(?P<last_reported>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\s+(?P<count>\d+)\s+(?P<id>\d+)`}},
			Fields:  map[string]string{"subject.addr": "ip", "from": "last_reported"}, Type: "brute-force", Tags: tags("ssh"),
			Recognise: Recognise{Names: tags("bruteforceblocker*"), Head: tags("# Last Reported")},
		},
		Mapping{
			Name: "bitcash", About: "BitCash, addresses banned for scans", Shape: Lines, Comments: tags("#"),
			Extract: []Extract{{line, `^(?P<ip>\S+)\s+#\s+(?P<hostname>\S+)\s+last access (?P<last_access>[\d-]+ [\d:]+)`}},
			Fields:  map[string]string{"subject.addr": "ip", "from": "last_access"}, Type: "scanner", Recognise: headed("# Bitcash auto-blacklisting"),
		},
		Mapping{
			Name: "alienvault-reputation", About: "AlienVault IP reputation", Shape: CSV, Separator: "#",
			Columns: tags("ip", "risk", "reliability", "activity", "country", "city", "location", "id"),
			Several: map[string]string{"activity": ";"},
			Fields:  map[string]string{"subject.addr": "ip", "subject.cc": "country", "type": "activity"},
			Values: map[string]map[string]string{"type": {
				"malicious host": "infected-system", "scanning host": "scanner", "c&c": "c2-server", "spamming": "spam", "malware*": "malware-distribution",
			}}, Type: "other", Recognise: named2("reputation.data*", "reputation.generic*"),
		},
		Mapping{
			Name: "tor-exits", About: "Tor Project, exit nodes with the time each was checked", Shape: Lines,
			Extract:  []Extract{{line, `^ExitAddress (?P<ip>\S+) (?P<checked>[\d-]+ [\d:]+)$`}},
			LeaveOut: map[string][]string{line: {"ExitNode *", "Published *", "LastStatus *"}},
			Fields:   map[string]string{"subject.addr": "ip", "from": "checked"}, Type: "other", Tags: tags("tor"),
			Recognise: Recognise{Names: tags("exit-addresses*"), Head: tags("ExitNode ")},
		},
		Mapping{
			Name: "charles-haley", About: "Charles B. Haley, addresses that guess SSH passwords", Shape: Lines, Comments: tags("#"),
			Extract: []Extract{{line, `^(?:ALL :|sshd:)?\s*(?P<ip>[0-9a-fA-F.:]+)`}}, Fields: map[string]string{"subject.addr": "ip"}, Type: "brute-force", Tags: tags("ssh"),
			Recognise: named2("ssh_dico_attack*"),
		},
		Mapping{
			Name: "stopforumspam", About: "Stop Forum Spam, addresses with reports and the last one", Shape: CSV, Columns: tags("ip", "count", "last_seen"),
			Fields: map[string]string{"subject.addr": "ip", "from": "last_seen"}, Type: "spam", Recognise: named2("listed_ip*", "stopforumspam*", "stopforum__spam*"),
		},
		Mapping{Name: "stopforumspam-plain", About: "Stop Forum Spam, addresses", Shape: Lines, Fields: map[string]string{"subject": line}, Type: "spam", Recognise: named2("toxic_ip*", "bannedips*")},
		Mapping{
			Name: "malwaredomainlist", About: "Malware Domain List", Shape: CSV,
			Columns: tags("date", "url", "ip", "reverse", "description", "registrant", "asn", "inactive", "country"), Empty: tags("-"),
			Extract: []Extract{{"ip", `^(?P<host_path>\d+\.\d+\.\d+\.\d+[:/].*)$`}, {"ip", `^(?P<address>[0-9.]+)$`}},
			Fields:  map[string]string{"subject.addr": "address", "subject.url": "url|host_path", "subject.asn": "asn", "from": "date"},
			Type:    "malware-distribution", Time: Time{Layout: tags("%Y/%m/%d_%H:%M")}, Recognise: named2("malwaredomainlist*", "updatescsv*"),
		},
		Mapping{
			Name: "dshield-asn", About: "DShield, addresses of an AS that were reported", Shape: CSV, Separator: "tab", Comments: tags("#", "<!--", "SPDX", "-->"),
			Columns: tags("ip", "reports", "targets", "first_seen", "last_seen", "updated"), ZeroPadded: true, Fields: map[string]string{"subject.addr": "ip", "from": "updated"},
			Type: "brute-force", Recognise: headed("# asdetailsascii.html"),
		},
	)
}

// blocklistDe are the lists of blocklist.de by service.
var blocklistDe = []struct { //nolint:gochecknoglobals // table of plain data
	name, what, typ string
	tags            []string
}{
	{"all", "any service", "other", nil},
	{"apache", "web servers", "ids-alert", []string{"http"}},
	{"bots", "registrations and comments by bots", "ids-alert", []string{"http"}},
	{"bruteforcelogin", "logins to web sites", "brute-force", []string{"http"}},
	{"email", "mail, as imap, mail and sip together", "ids-alert", []string{"mail"}},
	{"ftp", "FTP", "ids-alert", []string{"ftp"}},
	{"imap", "IMAP, POP3, SASL", "ids-alert", []string{"imap"}},
	{"ircbot", "IRC bots", "infected-system", []string{"irc"}},
	{"mail", "SMTP", "ids-alert", []string{"smtp"}},
	{"sip", "telephony", "ids-alert", []string{"sip"}},
	{"ssh", "SSH", "ids-alert", []string{"ssh"}},
	{"strongips", "any service, for more than two months", "ids-alert", nil},
}
