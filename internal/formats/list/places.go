package list

import "time"

// Place is where a public list is to be had, so that an operator writes its name only (intake.feeds).
type Place struct {
	List  string        // its mapping
	URL   string        // where its maker offers it
	Every time.Duration // how often its maker lets it be asked for, or makes a new one
	Terms string        // what its maker asks of those who use it, as far as known: read it before you switch a feed on
	Also  []string      // hosts that URL leads to
}

// PlaceOf returns where a list is to be had.
func PlaceOf(name string) (Place, bool) {
	for _, p := range Places() {
		if p.List == name {
			return p, true
		}
	}
	return Place{}, false
}

// What makers of several lists ask for.
const (
	abuseCH    = "CC0; abuse.ch may ask for a free key (header Auth-Key)"
	spamhaus   = "free, with credit to Spamhaus; no more than once an hour"
	blocklists = "free"
	nonProfit  = "free where it is not sold"
	github     = "raw.githubusercontent.com"
)

// Places are the lists that are offered to everybody: one line a list.
func Places() []Place {
	const hour, day = time.Hour, 24 * time.Hour
	return []Place{
		{"abusech-feodo", "https://feodotracker.abuse.ch/downloads/ipblocklist.csv", hour, abuseCH, nil},
		{"abusech-feodo-json", "https://feodotracker.abuse.ch/downloads/ipblocklist.json", hour, abuseCH, nil},
		{"abusech-feodo-text", "https://feodotracker.abuse.ch/downloads/ipblocklist.txt", hour, abuseCH, nil},
		{"abusech-sslbl", "https://sslbl.abuse.ch/blacklist/sslipblacklist.csv", hour, abuseCH, nil},
		{"abusech-threatfox", "https://threatfox.abuse.ch/export/csv/recent/", hour, abuseCH, nil},
		{"abusech-threatfox-json", "https://threatfox.abuse.ch/export/json/recent/", hour, abuseCH, nil},
		{"abusech-urlhaus", "https://urlhaus.abuse.ch/downloads/csv_recent/", hour, abuseCH, nil},
		{"abusech-urlhaus-text", "https://urlhaus.abuse.ch/downloads/text_recent/", hour, abuseCH, nil},
		{"binarydefense", "https://www.binarydefense.com/banlist.txt", day, nonProfit, nil},
		{"blocklistde-all", "https://lists.blocklist.de/lists/all.txt", 6 * hour, blocklists, nil},
		{"blocklistde-apache", "https://lists.blocklist.de/lists/apache.txt", 6 * hour, blocklists, nil},
		{"blocklistde-bots", "https://lists.blocklist.de/lists/bots.txt", 6 * hour, blocklists, nil},
		{"blocklistde-bruteforcelogin", "https://lists.blocklist.de/lists/bruteforcelogin.txt", 6 * hour, blocklists, nil},
		{"blocklistde-ftp", "https://lists.blocklist.de/lists/ftp.txt", 6 * hour, blocklists, nil},
		{"blocklistde-imap", "https://lists.blocklist.de/lists/imap.txt", 6 * hour, blocklists, nil},
		{"blocklistde-ircbot", "https://lists.blocklist.de/lists/ircbot.txt", 6 * hour, blocklists, nil},
		{"blocklistde-mail", "https://lists.blocklist.de/lists/mail.txt", 6 * hour, blocklists, nil},
		{"blocklistde-sip", "https://lists.blocklist.de/lists/sip.txt", 6 * hour, blocklists, nil},
		{"blocklistde-ssh", "https://lists.blocklist.de/lists/ssh.txt", 6 * hour, blocklists, nil},
		{"blocklistde-strongips", "https://lists.blocklist.de/lists/strongips.txt", 6 * hour, blocklists, nil},
		{"bruteforceblocker", "https://danger.rulez.sk/projects/bruteforceblocker/blist.php", day, blocklists, nil},
		{"c2intelfeeds", "https://raw.githubusercontent.com/drb-ra/C2IntelFeeds/master/feeds/IPC2s-30day.csv", day, "free", nil},
		{"cert-pl-domains", "https://hole.cert.pl/domains/v2/domains.txt", hour, "free", nil},
		{"ci-army", "https://cinsscore.com/list/ci-badguys.txt", 6 * hour, "free", nil},
		{"cymru-fullbogons", "https://www.team-cymru.org/Services/Bogons/fullbogons-ipv4.txt", 12 * hour, "free; made every four hours", nil},
		{"dan-tor", "https://www.dan.me.uk/torlist/", 2 * hour, "free; who asks more than every 30 minutes is blocked", nil},
		{"dshield-block", "https://feeds.dshield.org/block.txt", 6 * hour, "CC BY-NC-SA 4.0", nil},
		{"et-block", "https://rules.emergingthreats.net/fwrules/emerging-Block-IPs.txt", day, "free", nil},
		{"et-compromised", "https://rules.emergingthreats.net/blockrules/compromised-ips.txt", day, "free", nil},
		{"greensnow", "https://blocklist.greensnow.co/greensnow.txt", 6 * hour, "free", nil},
		{"ipsum", "https://raw.githubusercontent.com/stamparm/ipsum/master/ipsum.txt", day, "public domain; made once a day", nil},
		{"openphish", "https://openphish.com/feed.txt", 12 * hour, "free for personal use and research: ask OpenPhish for the rest", []string{github}},
		{"phishing-database", "https://raw.githubusercontent.com/Phishing-Database/Phishing.Database/master/phishing-links-ACTIVE.txt", day, "MIT", nil},
		{"spamhaus-asndrop-json", "https://www.spamhaus.org/drop/asndrop.json", 12 * hour, spamhaus, nil},
		{"spamhaus-drop", "https://www.spamhaus.org/drop/drop.txt", 12 * hour, spamhaus, nil},
		{"spamhaus-drop-json", "https://www.spamhaus.org/drop/drop_v4.json", 12 * hour, spamhaus, nil},
		{"tor-bulk", "https://check.torproject.org/torbulkexitlist", hour, "free", nil},
		{"tor-exits", "https://check.torproject.org/exit-addresses", hour, "free", nil},
		{"turris-greylist", "https://view.sentinel.turris.cz/greylist-data/greylist-latest.csv", day, "CC BY-NC-SA 4.0", nil},
		{"viriback", "https://tracker.viriback.com/dump.php", 6 * hour, "free", nil},
	}
}
