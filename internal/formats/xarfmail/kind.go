package xarfmail

import (
	"strings"

	"tocsin/internal/report"
)

// meaning is what a Report-Type says in our words. The leading tags are those of XARF 4, so that one problem reported
// in either version makes one incident.
type meaning struct {
	kind report.Kind
	tag  string
	hits bool // Port is of what was hit, not of the source
}

var (
	bruteForce = report.Kind{Class: "intrusion-attempts", Type: "brute-force"}
	exploit    = report.Kind{Class: "intrusion-attempts", Type: "exploit"}
	scanner    = report.Kind{Class: "information-gathering", Type: "scanner"}
	ddos       = report.Kind{Class: "availability", Type: "ddos"}
	spam       = report.Kind{Class: "abusive-content", Type: "spam"}
	infected   = report.Kind{Class: "malicious-code", Type: "infected-system"}
	hosting    = report.Kind{Class: "malicious-code", Type: "malware-distribution"}
	phishing   = report.Kind{Class: "fraud", Type: "phishing"}
	masquerade = report.Kind{Class: "fraud", Type: "masquerade"}
	copyright  = report.Kind{Class: "fraud", Type: "copyright"}
	misuse     = report.Kind{Class: "fraud", Type: "unauthorised-use-of-resources"}
	hacked     = report.Kind{Class: "intrusions", Type: "application-compromise"}
	unwanted   = report.Kind{Class: "vulnerable", Type: "potentially-unwanted-accessible"}
)

// meanings is every Report-Type that is known, its letters in lower case, without hyphens and underscores.
var meanings = map[string]meaning{
	"loginattack":     {bruteForce, "login-attack", true},
	"login":           {bruteForce, "login-attack", true},
	"bruteforce":      {bruteForce, "login-attack", true},
	"authfailure":     {bruteForce, "login-attack", true},
	"portscan":        {scanner, "port-scan", true},
	"scan":            {scanner, "port-scan", true},
	"portprobe":       {scanner, "port-scan", true},
	"dos":             {ddos, "ddos", true},
	"dosattack":       {ddos, "ddos", true},
	"ddos":            {ddos, "ddos", true},
	"ddosattack":      {ddos, "ddos", true},
	"flood":           {ddos, "ddos", true},
	"exploit":         {exploit, "exploit", true},
	"hackattack":      {exploit, "exploit", true},
	"hacking":         {exploit, "exploit", true},
	"webattack":       {exploit, "exploit", true},
	"rfiattack":       {exploit, "exploit", true},
	"sqlinjection":    {exploit, "sql-injection", true},
	"attack":          {exploit, "exploit", true},
	"malwareattack":   {infected, "malware", true},
	"botnet":          {infected, "botnet", true},
	"botinfection":    {infected, "bot", true},
	"infection":       {infected, "bot", true},
	"bot":             {infected, "bot", true},
	"badbot":          {misuse, "scraping", true},
	"regbot":          {misuse, "scraping", true},
	"harvesting":      {misuse, "scraping", true},
	"spam":            {spam, "spam", true},
	"mailspam":        {spam, "spam", true},
	"commentspam":     {spam, "spam", true},
	"forumspam":       {spam, "spam", true},
	"webspam":         {spam, "spam", true},
	"spamvertized":    {spam, "spamvertised", false},
	"spamvertised":    {spam, "spamvertised", false},
	"malware":         {hosting, "malware", false},
	"malwarehosting":  {hosting, "malware", false},
	"malwareurl":      {hosting, "malware", false},
	"phishing":        {phishing, "phishing", false},
	"phishingsite":    {phishing, "phishing", false},
	"fraud":           {masquerade, "fraud", false},
	"scam":            {masquerade, "scam", false},
	"fake":            {masquerade, "fraud", false},
	"trademark":       {masquerade, "brand-infringement", false},
	"copyright":       {copyright, "copyright", false},
	"defacement":      {hacked, "defacement", false},
	"compromised":     {hacked, "remote-compromise", false},
	"hackedsite":      {hacked, "remote-compromise", false},
	"openresolver":    {unwanted, "open-dns", false},
	"openproxy":       {unwanted, "open-proxy", false},
	"openrelay":       {unwanted, "open-smtp", false},
	"openservice":     {unwanted, "open-service", false},
	"botcontroller":   {report.Kind{Class: "malicious-code", Type: "c2-server"}, "c2", false},
	"infectedwebsite": {hosting, "malware", false},
}

// meaningOf reads a Report-Type. A word that is not known here is tried as a name of RSIT, and else is
// other/undetermined: its name is the tag, so that what is alike stays together.
func meaningOf(typ string) meaning {
	if m, ok := meanings[strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(typ))]; ok {
		return m
	}
	return meaning{kind: report.KindOf(typ), tag: slug(typ)}
}

// slug makes a tag of a word.
func slug(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.':
			return r
		}
		return '-'
	}, s)
	s = strings.Trim(s, "-.")
	return s[:min(len(s), report.MaxTagBytes)]
}
