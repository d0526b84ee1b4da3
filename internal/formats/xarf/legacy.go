package xarf

// The versions before 4: 1, 2, 3 and the two that were never numbered, alpha and development. Each is the one before
// with something more, so they are built by one function. A report is accepted exactly where the schema of its own
// version would accept it.

// legacy is one of those versions.
type legacy struct {
	report *rule            // the whole report
	types  map[string]*rule // what stands in Report, by class/type
}

// generation orders the versions by age.
type generation int

const (
	alpha generation = iota
	one
	two
	three
	development
)

var legacies = map[string]*legacy{
	"alpha":       newLegacy(alpha, "alpha"),
	"1":           newLegacy(one, "1"),
	"2":           newLegacy(two, "2"),
	"3":           newLegacy(three, "3"),
	"development": newLegacy(development, "development"),
}

var (
	atLeast3 = &rule{is: text, minLen: 3}
	anyPort  = &rule{is: number, whole: true, min: limit(0), max: limit(65535)}
	manyPort = &rule{
		oneOf: []*rule{anyPort, listOf(anyPort)}, say: "is neither a port from 0 to 65535 nor a list of them",
	}
	oldASN = &rule{is: number, whole: true, min: limit(1), max: limit(4199999999)} // RFC 6996: private use above

	oldHash = obj(
		need("HashValue", str),
		need("HashAlgorithm", words("sha1 sha2 sha3 sha256 sha512 md5 argon2id scrypt bcrypt pbkdf2")),
		may("HashComplete", flag))

	destination = append(may("DestinationIp", ip), may("DestinationPort", manyPort)...)
	traffic     = may("ByteCount PacketCount", whole)
	transport   = may("TransportProtocol", words("tcp udp"))
)

// legacyBase is what Report has in every type.
func legacyBase(g generation) []member {
	base := obj(
		need("ReportClass", words("Content Activity Vulnerability")),
		need("ReportType", &rule{is: text, minLen: 1}),
		may("ReportSubType ReporterCaseID ReporterNotes", str),
		may("ReporterSeverity", words("low medium high")),
		need("Date", dateTime),
		may("FirstSeen", dateTime),
	).members
	if g == alpha {
		return base
	}
	custom := &rule{oneOf: []*rule{str, whole}, say: "is neither a text nor a whole number"}
	return append(base, may("Custom", &rule{is: object, others: custom})...)
}

func legacyFile(g generation) []member {
	hash := str
	if g >= three {
		hash = oldHash
	}
	return obj(need("FileName", str), may("FileSize", counted), may("FileHash", hash)).members
}

// legacyCommon is what most types have besides.
func legacyCommon(g generation) []member {
	sample := &rule{
		is: object,
		oneOf: []*rule{
			{members: obj(
				need("ContentType Payload", str), may("Base64Encoded", flag), may("Description", str)).members},
			{members: legacyFile(g)},
		},
		say: "has neither ContentType and Payload nor FileName, each of the right kind",
	}
	return obj(may("Ongoing", flag), may("ThreatActor", str), may("Samples", listFrom(1, sample))).members
}

// legacySource is the source of a report on an address, or on an address or URL.
type legacySource struct {
	byIP  *rule
	byURL *rule
}

func newLegacySource(g generation) legacySource {
	base := legacyBase(g)
	return legacySource{
		byIP: obj(base, need("SourceIp", ip), may("SourcePort", anyPort), may("ASN", oldASN)),
		byURL: &rule{
			is: object, members: obj(base, may("SourcePort", anyPort)).members,
			oneOf: []*rule{
				{members: obj(need("SourceIp", ip), may("ASN", oldASN)).members},
				{members: need("SourceUrl", uri)},
			},
			say: "needs a SourceIp that is an IP address or a SourceUrl that is a URL",
		},
	}
}

func newLegacy(g generation, version string) *legacy {
	src, common := newLegacySource(g), legacyCommon(g)
	of := func(source *rule, groups ...[]member) *rule { return &rule{all: []*rule{source, obj(groups...)}} }
	toURL, mailFrom := need("SourceUrl", nil), may("SmtpMailFromAddress SmtpRcptToAddress", email)
	var infringing []member
	if g == alpha {
		mailFrom, infringing = may("FromAddress ToAddress", email), may("InfringingUrl", uri)
	}
	attack := of(src.byIP, destination, traffic, common)
	l := &legacy{report: legacyTop(g, version), types: map[string]*rule{
		"Activity/DOS":         attack,
		"Activity/LoginAttack": attack,
		"Activity/PortScan":    attack,
		"Activity/Spam":        of(src.byIP, destination, mailFrom, common),
		"Activity/Malware": of(src.byIP,
			may("ReportSubType", words("RPZ-Rewrite")), may("RpzDomain", hostname), may("MalwareName", str)),
		"Content/Botnet":   of(src.byURL, may("BotnetName", str), common),
		"Content/Phishing": of(src.byURL, toURL, common),
		"Content/Malware":  of(src.byURL, toURL, may("MalwareName", str), common),
		"Content/Copyright": of(src.byURL,
			need("InfringedMaterial", str), may("MaterialType SharingProtocol", str), infringing,
			may("CourtOrder", uri), legacyFile(g)),
		"Content/Trademark": of(src.byURL,
			need("TrademarkedMaterial", str), infringing, may("RegistrationOffice RegistrationNumber", str)),
		"Content/ChildAbuse": src.byURL,
	}}
	if g >= one {
		l.types["Vulnerability/OpenService"] = of(src.byURL,
			need("ServiceName", str), may("ServiceVersion", str), transport, common)
	}
	if g >= three {
		l.types["Content/Malware"] = of(src.byURL, may("MalwareName", str), common)
		l.types["Activity/WebCrawler"] = of(src.byURL, common)
		l.types["Activity/Harassment"] = of(src.byURL, harassment, common)
		l.types["Activity/Exploit"] = of(src.byIP, exploit, common)
		l.types["Activity/PotentiallyCompromisedAccount"] = legacyAccount(g, src, common)
	}
	if g == development {
		delete(l.types, "Content/ChildAbuse")
		l.types["Content/ChildSexualAbuseMaterial"] = of(src.byURL, may("ReportSubType", words("Link-Sharing")))
	}
	return l
}

// legacyTop is the whole report but for what its type adds.
func legacyTop(g generation, version string) *rule {
	is := need("Version", words(version))
	if g == alpha {
		is = may("Version", words(version))
	}
	top := obj(
		need("ReporterInfo", legacyParty(g, "Reporter", g >= three)),
		may("OnBehalfOf", legacyParty(g, "Complainant", false)),
		need("Disclosure", flag), is,
		need("Report", &rule{is: object}))
	if g >= two {
		owner := func(data string) *rule { return obj(may("ID", str), may(data, &rule{is: object, others: str})) }
		top.members = append(top.members, may("InternalProcessing", obj(
			may("SubscriberInformation", owner("SubscriberData")),
			may("ContractInformation", owner("ResolverData")),
			may("EventTags", listOf(str))))...)
	}
	return top
}

// legacyParty is who reports, or on whose behalf. From version 3 on only an organisation must say which it is, and
// only where the party's type is given: that is how the schema reads.
func legacyParty(g generation, who string, closed bool) *rule {
	must := append(append(need(who+"Org", atLeast3), need(who+"OrgDomain", hostname)...), need(who+"OrgEmail", email)...)
	more := append(may(who+"ContactEmail", email), may(who+"ContactName "+who+"ContactPhone", atLeast3)...)
	if who == "Reporter" {
		more = append(more, may(who+"OrgAddress", str)...)
	}
	r := obj(must, more)
	r.closed = closed
	if g < three {
		return r
	}
	for i := range must {
		r.members[i].need = false
	}
	r.members = append(r.members, may(who+"Type", words("Org Person"))...)
	person := &rule{members: may(who+"Type", words("Person"))}
	r.when, r.then = &rule{not: person}, obj(need(who+"Org "+who+"OrgDomain "+who+"OrgEmail", nil))
	return r
}

var harassment = obj(
	need("Harasser HarassmentDescription", str),
	may("HarassmentType", words("doxing stalking sexual believes defamation extortion hate")),
	may("HarassmentLocation", words("website chat game")),
).members

var exploit = obj(
	transport, destination,
	may("ServiceName ServiceVersion", str),
	may("CVE", like(`^CVE-[0-9]{4}-[0-9]{4,7}$`)),
	may("CVSS", &rule{
		is: object,
		members: obj(
			need("Version", words("3.1 3.0 2")), need("Vector", str),
			may("Score", num), may("Severity", str)).members,
		when: &rule{members: may("Version", words("2"))},
		then: &rule{members: append(
			may("Severity", words("Low Medium High")),
			may("Vector", like(`^\(?AV:[LAN]/AC:[HML]/Au:[MSN]/C:[NPC]/I:[NPC]/A:[NPC]`+
				`(/E:(ND|POC|[UFH])/RL:([WU]|ND|OF|TF)/RC:(C|ND|UC|UR))?`+
				`(/CDP:([NLH]|ND|LM|MH)/TD:(ND|[NLMH])/CR:(ND|[NLMH])/IR:(ND|[LMH])/AR:(ND|[LMH]))?\)?$`))...)},
		otherwise: &rule{members: append(
			may("Severity", words("None Low Medium High Critical")),
			may("Vector", like(`^CVSS:3.[01]/AV:[NALP]/AC:[LH]/PR:[NLH]/UI:[NR]/S:[UC]/C:[NLH]/I:[NLH]/A:[NLH]`+
				`(/E:[XUPFH]/RL:[XOTWU]/RC:[XURC])?(/CR:[XLMH]/IR:[XLMH]/AR:[XLMH]/MAV:[XNALP]/MAC:[XLH]`+
				`/MPR:[XNLH]/MUI:[XNR]/MS:[XUC]/MC:[XNLH]/MI:[XNLH]/MA:[XNLH])?$`))...)},
	}),
).members

// legacyAccount is a report on an account. What makes it a report on an address or URL as well is refused.
func legacyAccount(g generation, src legacySource, common []member) *rule {
	identifier := &rule{is: text, not: &rule{format: asEmail}, say: "is an e-mail address: put it in AccountEmail"}
	return &rule{
		all: []*rule{
			obj(legacyBase(g),
				need("Account", &rule{
					is: object, minN: 1,
					members: append(may("AccountIdentifier", identifier), may("AccountEmail", str)...),
				}),
				may("AttackerIp", ip), may("AttackerPort", manyPort),
				destination, common, may("PasswordHash", oldHash)),
		},
		not: src.byURL,
		say: "is about an account: SourceIp and SourceUrl do not belong there",
	}
}

// v300 is what calls itself 3.0 or 3.0.0: no published schema fits the samples of it, so only what a report cannot do
// without is demanded.
var v300 = func() *rule {
	some := &rule{is: text, minLen: 1}
	one := func(name string) *rule { return &rule{members: need(name, some)} }
	inSource := func(name string) *rule { return &rule{members: need("Source", obj(need(name, some)))} }
	return obj(
		need("Version", words("3.0 3.0.0")),
		need("ReporterInfo", obj(need("ReporterOrg ReporterOrgEmail", some))),
		need("Report", &rule{
			is:      object,
			members: append(need("ReportClass ReportType", some), need("Date", dateTime)...),
			oneOf:   []*rule{inSource("IP"), inSource("URL"), one("SourceIp"), one("SourceUrl")},
			say:     "needs a Source.IP, Source.URL, SourceIp or SourceUrl",
		}))
}()

// checkLegacy adds everything that the report's own version would refuse, and returns whether the version is known.
func (c *checker) checkLegacy(version string) bool {
	if version == "3.0" || version == "3.0.0" {
		c.check(v300, 0, true)
		return true
	}
	l := legacies[version]
	if l == nil {
		return false
	}
	c.check(l.report, 0, true)
	body := c.at("Report")
	if body == 0 {
		return true
	}
	class, typ := c.member(body, "ReportClass"), c.member(body, "ReportType")
	at := c.down([]byte("Report"))
	if r := l.types[c.str(class)+"/"+c.str(typ)]; r != nil {
		c.check(r, body, true)
	} else {
		c.add("has a ReportType that version %s does not know in its ReportClass: %s in %s",
			version, show(&c.v[typ]), show(&c.v[class]))
	}
	c.path = c.path[:at]
	return true
}
