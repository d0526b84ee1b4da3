package intelmq

import (
	"strings"

	"tocsin/internal/report"
)

// renamed are the types that IntelMQ writes otherwise than RSIT 1003 and otherwise than the names that report.KindOf
// knows. IntelMQ 3 follows RSIT but for blacklist, dga-domain, malware, proxy and tor, which it has besides.
var renamed = map[string]string{
	"dga-domain":                            "dga domain",
	"unauthorized-use-of-resources":         "unauthorised-use-of-resources",
	"unauthorized-information-access":       "unauthorised-information-access",
	"unauthorized-information-modification": "unauthorised-information-modification",
	"unauthorized-command":                  "system-compromise",
	"unauthorized-login":                    "system-compromise",
	"malware-distribution":                  "malware-distribution",
	"botnet-drone":                          "botnet drone",
	"infected system":                       "infected-system",
	"harmful speech":                        "harmful-speech",
	"social engineering":                    "social-engineering",
	"vulnerable-service":                    "vulnerable service",
	"vulnerable-client":                     "vulnerable client",
}

// kindOf reads classification.type of any version.
func kindOf(typ string) report.Kind {
	typ = strings.ToLower(strings.TrimSpace(typ))
	if name, ok := renamed[typ]; ok {
		typ = name
	}
	return report.KindOf(typ)
}
