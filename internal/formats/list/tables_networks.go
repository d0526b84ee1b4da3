package list

// drop reads Spamhaus's text form: network ; SBL number. A field before the network is left where it is.
func drop(name, about string, r Recognise) Mapping {
	return Mapping{
		Name: name, About: about, Shape: Lines, Comments: tags(";"),
		Extract: []Extract{{line, `^(?:.*;\s*)?(?P<network>[0-9a-fA-F.:]+/\d+)\s*(?:;\s*(?P<sbl>.*))?$`}},
		Fields:  map[string]string{"subject.prefix": "network"}, Type: "spam", Tags: tags(name),
		Time: Time{Header: `Last-Modified: (.+)`}, Recognise: r,
	}
}

// networks are the lists of networks and autonomous systems.
func networks() []Mapping {
	return []Mapping{
		drop("spamhaus-drop", "Spamhaus DROP, networks of criminals", Recognise{Head: tags("Spamhaus DROP List", "spamhaus.org/drop/drop.txt", "Spamhaus IPv6 DROP List"), Names: tags("drop.txt", "dropv6.txt", "drop_ipv6.txt", "drop_v6.txt", "spamhaus__drop*")}),
		drop("spamhaus-edrop", "Spamhaus EDROP, networks assigned to criminals", both("edrop.txt", "Spamhaus EDROP List")),
		{
			Name: "spamhaus-drop-json", About: "Spamhaus DROP as JSON", Shape: JSON, LeaveOut: map[string][]string{"type": {"metadata"}},
			Fields: map[string]string{"subject.prefix": "cidr"}, Type: "spam", Tags: tags("spamhaus-drop"), Recognise: withColumns("cidr", "sblid"),
		},
		{
			Name: "spamhaus-asndrop", About: "Spamhaus ASN-DROP, autonomous systems of criminals", Shape: Lines, Comments: tags(";"),
			Extract: []Extract{{line, `^(?P<asn>AS\d+)\s*;\s*(?P<cc>[A-Z]{2})?\s*\|\s*(?P<as_name>.*)$`}},
			Fields:  map[string]string{"subject.asn": "asn", "subject.cc": "cc"}, Type: "spam", Tags: tags("spamhaus-asndrop"),
			Time: Time{Header: `Last-Modified: (.+)`}, Recognise: both("asndrop.txt", "spamhaus.org/drop/asndrop.txt"),
		},
		{
			Name: "spamhaus-asndrop-json", About: "Spamhaus ASN-DROP as JSON", Shape: JSON, LeaveOut: map[string][]string{"type": {"metadata"}},
			Fields: map[string]string{"subject.asn": "asn", "subject.cc": "cc"}, Type: "spam", Tags: tags("spamhaus-asndrop"),
			Recognise: withColumns("asn", "rir", "asname"),
		},
		{
			Name: "dshield-block", About: "DShield, the 20 networks that attack most", Shape: CSV, Separator: "tab", Comments: tags("#"),
			Columns: tags("Start", "End", "Netblock", "Attacks", "Name", "Country", "email"),
			Fields:  map[string]string{"subject.prefix": "{Start}/{Netblock}", "subject.cc": "Country"}, Type: "other", Tags: tags("dshield"),
			Time: Time{Header: `updated: (.+)`}, Recognise: headed("DShield.org Recommended Block List"),
		},
		{
			Name: "cymru-fullbogons", About: "Team Cymru, networks that nobody has been given", Shape: Lines, Comments: tags("#"),
			Fields: map[string]string{"subject.prefix": line}, Type: "other", Tags: tags("bogon"), Time: Time{Header: `# last updated (\d+)`},
			Recognise: both("fullbogons*.txt", "# last updated 1"),
		},
		{
			Name: "firehol", About: "FireHOL, sets of addresses and networks", Shape: Lines, Comments: tags("#"), Fields: map[string]string{"subject": line},
			Type: "other", Tags: tags("firehol"), Time: Time{Header: `This File Date\s*:\s*(.+)`}, Recognise: Recognise{Names: tags("firehol_*.netset", "firehol_*.ipset"), Head: tags("# firehol_level", "# FireHOL")},
		},
		{
			Name: "p2p-ranges", About: "PeerGuardian text: name:first-last", Shape: Lines, Comments: tags("#"),
			Extract: []Extract{{line, `^(?P<name>.*):(?P<first>[0-9.]+)-(?P<last>[0-9.]+)$`}}, Fields: map[string]string{"subject.prefix": "{first}-{last}"}, Type: "other",
		},
		{
			Name: "mass-scanner", About: "Maltrail, addresses and networks that scan everybody", Shape: Lines, Comments: tags("#"),
			Fields: map[string]string{"subject": line}, Type: "scanner", Tags: tags("mass-scanner"), Recognise: named2("mass_scanner*.txt"),
		},
	}
}
