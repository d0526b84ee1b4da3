package nat

import "tocsin/internal/line"

// layout is how one vendor says one thing. A line is of a layout when it has the mark and the pattern fits. Of what the
// pattern names, only this is ever kept: inside, outside, lo, hi (ports of the outside address; hi left out: lo alone),
// proto (by number or name), vrf (in which the inside address means something), tunnel (through which a line's private
// address comes, which is the line's own address then: RFC 6333 §8), epoch (the time) and began (since when it holds), both in hexadecimal seconds of Unix time,
// where the device says them. Where a connection went to is never named, so that it cannot be kept (RFC 6888 §4, REQ-12).
//
// There is no layout for NATs that give one port to several connections at once, to different destinations (Linux,
// FortiGate and PAN-OS pools that overload ports): without the destination their log does not say whose the port was. One
// that may be configured so that it does not has overloads, and is read only where that is said (Logs.OwnPorts).
type layout struct {
	vendor  string
	mark    string // is in each such line; most lines of other kinds have none
	pattern string // RE2, and begins with some text: it is tried wherever the line has that. Quick where each letter says how to go on
	action  line.Action
	how     how
}

// how is what is special about a layout.
type how struct {
	sure      bool   // only lines that say who has which ports have the mark: one that no pattern fits has lost a part of it
	sign      string // RE2 that goes with sure, where others have the mark too: they do not have this
	many      bool   // a line may say several such things
	joined    bool   // and what other layouts say
	quoted    bool   // the pattern is no expression but which attributes hold what, in a line of attributes as a="b"
	overloads bool   // the device may give one port to several inside addresses at a time, and the line does not say that it did
}

const (
	v4   = `[0-9.]+`        // what is kept is looked at once more: plain expressions are the quick ones
	v6   = `[0-9A-Fa-f:.]+` // or v4
	addr = `(?P<inside>` + v4 + `)`
	any  = `(?P<inside>` + v6 + `)` // of NAT64 and DS-Lite too
	ext  = `(?P<outside>` + v4 + `)`
	num  = `\d+`
)

// Parts of patterns.
const (
	juniperBlock = "inside=internal-ip outside=reflexive-ip lo=block-port-low hi=block-port-high vrf=logical-system-id "
	juniperFlow  = "inside=source-address outside=nat-source-address lo=nat-source-port proto=protocol-id vrf=src-vrf-grp"

	a10Session = `: ` + addr + `:` + num + ` ?<-+> ?` + v4 + `:` + num + `, ` + v4 + `:` + num + ` ?<-+> ?` + ext + `:(?P<lo>` + num + `)`
	a10Port    = `\|\d+\|proto=(?P<proto>\w+) src=` + any + ` spt=` + num + ` (?:dst=` + v6 + ` dpt=` + num + ` )?sourceTranslatedAddress=` + ext + ` sourceTranslatedPort=(?P<lo>` + num + `)`
	a10Batch   = `\|\d+\|proto=(?P<proto>\w+) src=` + any + ` sourceTranslatedAddress=` + ext + ` sourceTranslatedPort=(?P<lo>` + num + `) cn3=(?P<hi>` + num + `) cn3Label=Last Nat Port`

	sixwindBlock = ` BLOCK \(pool "[^"]*", ip public ` + ext + `, proto (?P<proto>\d+), port (?P<lo>` + num + `) - (?P<hi>` + num + `)\)`
	sixwindConn  = `fwd proto (?P<proto>\d+) ` + addr + `:` + num + ` -> ` + v4 + `:` + num + `, back proto \d+ ` + v4 + `:` + num + ` --?> ` + ext + `:(?P<lo>` + num + `)`

	vyattaBlock   = ` subs-addr=` + addr + ` p(?:olicy=\S+ p)?ub-addr=` + ext + ` po(?:ol=\S+ po)?rt=(?P<lo>` + num + `)-(?P<hi>` + num + `) `
	vyattaSession = ` ifname=\S+ session-id=[\d.]+ proto=(?P<proto>\d+) dir=\w+ addr=` + addr + `->` + v4 + ` port=` + num + `->` + num + ` cgn-addr=` + ext + ` cgn-port=(?P<lo>` + num + `) `

	iosNAT = ` (?P<proto>\w+) ` + addr + `:` + num + ` ` + ext + `:(?P<lo>` + num + `) `

	vrfs       = `(?P<vrf>\S+) (?P<tunnel>\S+)`
	cgnBlock   = ` - ` + any + ` ` + vrfs + ` ` + ext + ` \S+ (?P<lo>` + num + `) (?P<hi>` + num + `) [^][]*\]`
	cgnSession = ` (?P<proto>\S+) ` + any + ` ` + vrfs + ` ` + ext + ` ` + num + ` (?P<lo>` + num + `) [^][]*\]`
)

// Signs of lines that are read when they are whole. A sign may end with the line, which is cut off there.
const (
	flowSign     = `RT_FLOW_SESSION_(?:CREATE|CLOSE)\w* ?(?:\[|$)` // not the form without attributes
	a10Sign      = `NAT-(?:TCP|UDP|ICMP)-[CF]: [0-9.:]* ?(?:<|$)`  // not the short form
	nfwareSign   = `\b[AD] VRF (?:\d|$)`
	mikrotikSign = `, NAT \([0-9.]*(?::|$)` // not of a protocol without ports
)

// layouts are all of them. Where they are from stands beside each; samples lie in the corpus (cgnat) or stand in the
// documents that are named.
var layouts = []layout{
	// Juniper SRX and MS-MPC, port block allocation: RT_NAT in structured form. The block lies at reflexive-ip. The time
	// of an interim message is that of the allocation.
	{"juniper", "RT_SRC_NAT_PBA_ALLOC", juniperBlock + "epoch=epoch-time-64", line.Start, how{sure: true, quoted: true}},
	{"juniper", "RT_SRC_NAT_PBA_INTERIM", juniperBlock + "began=epoch-time-64", line.Alive, how{sure: true, quoted: true}},
	{"juniper", "RT_SRC_NAT_PBA_RELEASE", juniperBlock + "epoch=epoch-time-64", line.Stop, how{sure: true, quoted: true}},
	// Juniper, sessions: RT_FLOW in structured form.
	{"juniper", "RT_FLOW_SESSION_CREATE", juniperFlow, line.Start, how{sure: true, sign: flowSign, quoted: true}},
	{"juniper", "RT_FLOW_SESSION_CLOSE", juniperFlow, line.Stop, how{sure: true, sign: flowSign, quoted: true}},
	// A10 Thunder, fixed NAT.
	{"a10", "FIXED-NAT-PORTS", `FIXED-NAT-PORTS ` + addr + `->` + ext + `:(?P<lo>` + num + `)-(?P<hi>` + num + `)`, line.Start, how{sure: true}},
	// A10 Thunder, sessions: C is a session that was made, F one that was freed. Forward source is inside, reverse
	// destination outside. The short form, with one arrow, is not read: whether its second address is the outside one or
	// where the connection went to is not said.
	{"a10", "NAT-", `NAT-(?P<proto>TCP|UDP|ICMP)-C` + a10Session, line.Start, how{sure: true, sign: a10Sign}},
	{"a10", "NAT-", `NAT-(?P<proto>TCP|UDP|ICMP)-F` + a10Session, line.Stop, how{sure: true, sign: a10Sign}},
	// A10 Thunder, CEF: the samples of cgn-ec-consumer's handler a10_cef.
	{"a10", "|CGN 106|", `\|CGN 106\|Nat Port Batch Pool Allocated` + a10Batch, line.Start, how{sure: true}},
	{"a10", "|CGN 107|", `\|CGN 107\|Nat Port Batch Pool Freed` + a10Batch, line.Stop, how{sure: true}},
	{"a10", "|CGN 100|", `\|CGN 100\|Nat Port Allocated` + a10Port, line.Start, how{sure: true}},
	{"a10", "|CGN 101|", `\|CGN 101\|Nat Port Freed` + a10Port, line.Stop, how{sure: true}},
	{"a10", "|CGN 102|", `\|CGN 102\|Nat Session Created` + a10Port, line.Start, how{sure: true}},
	// NFWare vCGNAT: A is added, D deleted; a block has no port inside, a session has.
	{"nfware", " VRF ", `A VRF (?P<vrf>\d+) INT ` + addr + ` EXT ` + ext + `:(?P<lo>` + num + `)-(?P<hi>` + num + `)`, line.Start, how{sure: true, sign: nfwareSign}},
	{"nfware", " VRF ", `D VRF (?P<vrf>\d+) INT ` + addr + ` EXT ` + ext + `:(?P<lo>` + num + `)-(?P<hi>` + num + `)`, line.Stop, how{sure: true, sign: nfwareSign}},
	{"nfware", " VRF ", `A VRF (?P<vrf>\d+) (?P<proto>\d+) INT ` + addr + `:` + num + ` EXT ` + ext + `:(?P<lo>` + num + `)`, line.Start, how{sure: true, sign: nfwareSign}},
	{"nfware", " VRF ", `D VRF (?P<vrf>\d+) (?P<proto>\d+) INT ` + addr + `:` + num + ` EXT ` + ext + `:(?P<lo>` + num + `)`, line.Stop, how{sure: true, sign: nfwareSign}},
	{"nfware", " VRF ", `A VRF (?P<vrf>\d+) INT ` + addr + ` EXT ` + ext + `\s*$`, line.Start, how{sure: true, sign: nfwareSign}}, // one to one
	{"nfware", " VRF ", `D VRF (?P<vrf>\d+) INT ` + addr + ` EXT ` + ext + `\s*$`, line.Stop, how{sure: true, sign: nfwareSign}},
	// 6WIND vCGNAT.
	{"6wind", ": NEW BLOCK", `USER ` + addr + ` \(matching rule \d+\): NEW` + sixwindBlock, line.Start, how{sure: true}},
	{"6wind", ": DESTROY BLOCK", `USER ` + addr + ` \(matching rule \d+\): DESTROY` + sixwindBlock, line.Stop, how{sure: true}},
	{"6wind", "NEW CONN", `NEW CONN: ` + sixwindConn, line.Start, how{sure: true}},
	{"6wind", "DESTROY CONN", `DESTROY CONN: ` + sixwindConn, line.Stop, how{sure: true}},
	// MikroTik RouterOS, a firewall rule that logs srcnat. It says a connection's beginning only, and netfilter gives one
	// port to several inside addresses, towards different destinations, unless each subscriber has ports of its own
	// (to-ports).
	{"mikrotik", ", NAT (", `proto (?P<proto>TCP|UDP|ICMP)(?: \([^)]*\))?, [^ ,]*, NAT \(` + addr + `:` + num + `->` + ext + `:(?P<lo>` + num + `)\)`, line.Start, how{sure: true, sign: mikrotikSign, overloads: true}},
	// DANOS and Vyatta, CGNAT: the texts of the data plane's cgn_log_rte.c. The times in them are in the header too.
	{"vyatta", "PB_ALLOCATED ", `PB_ALLOCATED` + vyattaBlock, line.Start, how{sure: true}},
	{"vyatta", "PB_RELEASED ", `PB_RELEASED` + vyattaBlock, line.Stop, how{sure: true}},
	{"vyatta", "SESSION_CREATE ifname=", `SESSION_CREATE` + vyattaSession, line.Start, how{sure: true}},
	{"vyatta", "SESSION_ACTIVE ifname=", `SESSION_ACTIVE` + vyattaSession, line.Alive, how{sure: true}},
	{"vyatta", "SESSION_DELETE ifname=", `SESSION_DELETE` + vyattaSession, line.Stop, how{sure: true}},
	// Cisco IOS, ip nat log translations syslog: protocol, inside local, inside global, outside local, outside global.
	{"cisco", "%IPNAT-6-NAT_CREATED", `Created` + iosNAT, line.Start, how{sure: true}},
	{"cisco", "%IPNAT-6-NAT_DELETED", `Deleted` + iosNAT, line.Stop, how{sure: true}},
	// Cisco IOS XR CGN: Carrier Grade NAT Configuration Guide for the Cisco CRS Router, External Logging, Syslog Message
	// Format. A user's ports are a block; A is assigned, W withdrawn, D with the destination. A message has several.
	{"cisco", "[UserbasedA ", `\[UserbasedA` + cgnBlock, line.Start, how{sure: true, many: true, joined: true}},
	{"cisco", "[UserbasedW ", `\[UserbasedW` + cgnBlock, line.Stop, how{sure: true, many: true, joined: true}},
	{"cisco", "[SessionbasedA", `\[SessionbasedAD?` + cgnSession, line.Start, how{sure: true, many: true, joined: true}},
	{"cisco", "[SessionbasedW", `\[SessionbasedWD?` + cgnSession, line.Stop, how{sure: true, many: true, joined: true}},
}
