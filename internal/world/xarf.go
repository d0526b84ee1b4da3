package world

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"tocsin/internal/report"
)

// xarfKind is one kind of XARF 4.2 document that somebody in this world sends.
type xarfKind struct {
	name     string // as the troubles' outlets have it
	reporter string
	category string
	typ      string
	kind     report.Kind
	thing    string // what the document says; empty: the problem's own
	proto    string // transport; empty where the document's protocol is none
	port     uint16 // of the service; 0 where the connection's source port counts
	source   string // evidence_source
	text     string // evidence: one line with time, address and port
	tag      string
}

var (
	kindSpam = report.Kind{Class: "abusive-content", Type: "spam"}
	kindOpen = report.Kind{Class: "vulnerable", Type: "potentially-unwanted-accessible"}
)

var xarfKinds = []xarfKind{
	{
		"login_attack", byTrapline, "connection", "login_attack", kindBruteForce, "login-attack", "tcp", 0, "honeypot",
		"%s sshd: failed password for root from %s port %d ssh2", "attack:brute-force",
	},
	{
		"port_scan", byTrapline, "connection", "port_scan",
		report.Kind{Class: "information-gathering", Type: "scanner"},
		"port-scan", "tcp", 0,
		"honeypot", "%s kernel: DROP SRC=%s SPT=%d DPT=23 SYN", "attack:port-scan",
	},
	{
		"ddos", byNorthline, "connection", "ddos",
		report.Kind{Class: "availability", Type: "ddos"},
		"ddos", "udp", 0, "flow_analysis",
		"%s flow %s:%d -> 198.51.100.20:443 udp 190000 pps", "attack:udp-flood",
	},
	{
		"botnet", byNorthline, "infrastructure", "botnet", kindInfected, "", "", 0, "traffic_analysis",
		"%s check-in from %s:%d to the sinkholed controller", "malware:botnet",
	},
	{
		"spam", byNorthline, "messaging", "spam", kindSpam, "", "", 0, "spamtrap",
		"%s mx1 postfix/smtpd: connect from unknown[%s]:%d", "spam:commercial",
	},
	{
		"open_service", byTrapline, "vulnerability", "open_service", kindOpen, "open-dns", "", 53, "vulnerability_scan",
		"%s answer to a recursive query by %s port %d", "service:dns",
	},
	{
		"phishing", byBank, "content", "phishing",
		report.Kind{Class: "fraud", Type: "phishing"},
		"", "", 0, "researcher_analysis",
		"%s page fetched from %s, connection from port %d", "brand:first-harbour-bank",
	},
}

func findXARF(name string) *xarfKind {
	for i := range xarfKinds {
		if xarfKinds[i].name == name {
			return &xarfKinds[i]
		}
	}
	return nil
}

// xarfParty is a reporter or sender: all three members are required in v4.
type xarfParty struct {
	Org     string `json:"org"`
	Contact string `json:"contact"`
	Domain  string `json:"domain"`
}

type xarfEvidence struct {
	ContentType string `json:"content_type"`
	Description string `json:"description"`
	Payload     string `json:"payload"`
	Hash        string `json:"hash"`
	Size        int    `json:"size"`
}

// xarfDoc is a XARF 4.2 report: the members that every type has, and those of the types of this world.
type xarfDoc struct {
	Version    string         `json:"xarf_version"`
	ID         string         `json:"report_id"`
	Timestamp  string         `json:"timestamp"`
	Reporter   xarfParty      `json:"reporter"`
	Sender     xarfParty      `json:"sender"`
	Source     string         `json:"source_identifier"`
	SourcePort uint16         `json:"source_port,omitempty"`
	Category   string         `json:"category"`
	Type       string         `json:"type"`
	Origin     string         `json:"evidence_source"`
	Evidence   []xarfEvidence `json:"evidence"`
	Tags       []string       `json:"tags"`
	Confidence float64        `json:"confidence"`

	Protocol    string `json:"protocol,omitempty"`
	FirstSeen   string `json:"first_seen,omitempty"`
	DestIP      string `json:"destination_ip,omitempty"`
	DestPort    uint16 `json:"destination_port,omitempty"`
	Vector      string `json:"attack_vector,omitempty"`
	PeakPackets int    `json:"peak_pps,omitempty"`
	SMTPFrom    string `json:"smtp_from,omitempty"`
	Subject     string `json:"subject,omitempty"`
	Family      string `json:"malware_family,omitempty"`
	Compromise  string `json:"compromise_evidence,omitempty"`
	Service     string `json:"service,omitempty"`
	URL         string `json:"url,omitempty"`
	Brand       string `json:"target_brand,omitempty"`
	Lure        string `json:"lure_type,omitempty"`
}

// xarfDocument writes the document of one sighting.
func (w *World) xarfDocument(c *content) []byte {
	x := c.xarf
	p := &w.problems[c.problem]
	at := time.Unix(c.at, 0).UTC().Format(time.RFC3339)
	addr := w.addrOf(nil, c.sighting)
	id := mix(p.device ^ uint64(c.at) ^ uint64(c.port)<<32)
	text := fmt.Sprintf(x.text, at, addr, c.port) + "\n"
	if c.port == 0 { // whoever sends it has none, so it is not in the log line either
		text = fmt.Sprintf(strings.NewReplacer(":%d", "", " port %d", "").Replace(x.text), at, addr) + "\n"
	}
	sum := sha256.Sum256([]byte(text))
	var from xarfParty
	for _, r := range reporters() {
		if r.Name == x.reporter {
			from = xarfParty{r.Org, r.Contact, r.Domain}
		}
	}
	d := xarfDoc{
		Version: "4.2.0", ID: uuid4(id), Timestamp: at, Reporter: from, Sender: from,
		Source: addr.String(), SourcePort: c.port, Category: x.category, Type: x.typ, Origin: x.source,
		Evidence: []xarfEvidence{{
			"text/plain", "log line", base64.StdEncoding.EncodeToString([]byte(text)),
			"sha256:" + hex.EncodeToString(sum[:]), len(text),
		}},
		Tags: []string{x.tag}, Confidence: 0.9, Protocol: x.proto,
	}
	d.fill(w, c, at)
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		panic(err) // strings and numbers
	}
	return append(b, '\n')
}

// fill sets what the document's type has of its own.
func (d *xarfDoc) fill(w *World, c *content, at string) {
	p := &w.problems[c.problem]
	switch c.xarf.name {
	case "login_attack":
		d.FirstSeen, d.DestIP, d.DestPort = at, "192.0.2.225", 22
	case "port_scan":
		d.FirstSeen, d.DestIP, d.DestPort = at, "192.0.2.225", 23
	case "ddos":
		d.FirstSeen, d.DestIP, d.DestPort = at, "198.51.100.20", 443
		d.Vector, d.PeakPackets = "udp_flood", 190_000
	case "botnet":
		d.Family, d.Compromise = p.thing, "connection to a sinkholed controller"
	case "spam":
		d.Protocol, d.SMTPFrom, d.Subject = "smtp", "offers@bulk.example", "You have been chosen"
	case "open_service":
		d.Service = "dns"
	case "phishing":
		site := w.sites[p.site].urlHost
		d.URL = fmt.Sprintf("http://%s/login/%x/", site, p.device>>40)
		d.Brand, d.Lure = "First Harbour Bank", "account_suspension"
	}
}

// uuid4 is a UUID of version 4 (RFC 9562 §5.4) that follows from x.
func uuid4(x uint64) string {
	h := string(appendHex(nil, x, 16))
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-" + string("89ab"[x&3]) + h[17:20] + "-" + h[20:]
}
