package nat

import "tocsin/internal/line"

// layout is how one vendor says one thing. A line is of a layout when it has the mark and the pattern fits. Of what the
// pattern names, only this is ever kept: inside, outside, lo, hi (ports of the outside address; hi left out: lo alone),
// proto (by number or name) and epoch (the time, in hexadecimal seconds of Unix time, where the device says it). Where a
// connection went to is never named, so that it cannot be kept (RFC 6888 §4, REQ-12).
type layout struct {
	vendor  string
	mark    string // is in each such line; most lines of other kinds have none
	pattern string // RE2: linear in the line's length
	action  line.Action
}

const (
	v4   = `\d{1,3}(?:\.\d{1,3}){3}`
	addr = `(?P<inside>` + v4 + `)`
	ext  = `(?P<outside>` + v4 + `)`
	num  = `\d{1,5}\b` // of six digits, the first five are no port
)

// layouts are all of them. Where they are from stands beside each; samples lie in the corpus (cgnat) or stand in the
// vendors' documentation.
var layouts = []layout{
	// Juniper SRX and MS-MPC, port block allocation: RT_NAT in structured form. The block lies at reflexive-ip.
	{"juniper", "RT_SRC_NAT_PBA_ALLOC", `internal-ip="` + addr + `".*block-port-low="(?P<lo>` + num + `)" block-port-high="(?P<hi>` + num + `)" reflexive-ip="` + ext + `"(?:.*epoch-time-64="(?P<epoch>[0-9a-fA-F]{1,16})")?`, line.Start},
	{"juniper", "RT_SRC_NAT_PBA_INTERIM", `internal-ip="` + addr + `".*block-port-low="(?P<lo>` + num + `)" block-port-high="(?P<hi>` + num + `)" reflexive-ip="` + ext + `"(?:.*epoch-time-64="(?P<epoch>[0-9a-fA-F]{1,16})")?`, line.Alive},
	{"juniper", "RT_SRC_NAT_PBA_RELEASE", `internal-ip="` + addr + `".*block-port-low="(?P<lo>` + num + `)" block-port-high="(?P<hi>` + num + `)" reflexive-ip="` + ext + `"(?:.*epoch-time-64="(?P<epoch>[0-9a-fA-F]{1,16})")?`, line.Stop},
	// Juniper, sessions: RT_FLOW in structured form.
	{"juniper", "RT_FLOW_SESSION_CREATE", `[ \[]source-address="` + addr + `".* nat-source-address="` + ext + `" nat-source-port="(?P<lo>` + num + `)".* protocol-id="(?P<proto>\d{1,3})"`, line.Start},
	{"juniper", "RT_FLOW_SESSION_CLOSE", `[ \[]source-address="` + addr + `".* nat-source-address="` + ext + `" nat-source-port="(?P<lo>` + num + `)".* protocol-id="(?P<proto>\d{1,3})"`, line.Stop},
	// A10 Thunder, fixed and dynamic port blocks.
	{"a10", "FIXED-NAT-PORTS", `FIXED-NAT-PORTS ` + addr + `->` + ext + `:(?P<lo>` + num + `)-(?P<hi>` + num + `)`, line.Start},
	// A10 Thunder, sessions: C is a session that was made, F one that was freed. Forward source is inside, reverse
	// destination outside. The short form, with one arrow, is not read: whether its second address is the outside one or
	// where the connection went to is not said.
	{"a10", "NAT-", `NAT-(?P<proto>TCP|UDP|ICMP)-C: ` + addr + `:` + num + ` ?<-+> ?` + v4 + `:` + num + `, ` + v4 + `:` + num + ` ?<-+> ?` + ext + `:(?P<lo>` + num + `)`, line.Start},
	{"a10", "NAT-", `NAT-(?P<proto>TCP|UDP|ICMP)-F: ` + addr + `:` + num + ` ?<-+> ?` + v4 + `:` + num + `, ` + v4 + `:` + num + ` ?<-+> ?` + ext + `:(?P<lo>` + num + `)`, line.Stop},
	// NFWare vCGNAT: A is added, D deleted; a block has no port inside, a session has.
	{"nfware", " INT ", `\bA VRF \d+ INT ` + addr + ` EXT ` + ext + `:(?P<lo>` + num + `)-(?P<hi>` + num + `)`, line.Start},
	{"nfware", " INT ", `\bD VRF \d+ INT ` + addr + ` EXT ` + ext + `:(?P<lo>` + num + `)-(?P<hi>` + num + `)`, line.Stop},
	{"nfware", " INT ", `\bA VRF \d+ (?P<proto>\d{1,3}) INT ` + addr + `:` + num + ` EXT ` + ext + `:(?P<lo>` + num + `)`, line.Start},
	{"nfware", " INT ", `\bD VRF \d+ (?P<proto>\d{1,3}) INT ` + addr + `:` + num + ` EXT ` + ext + `:(?P<lo>` + num + `)`, line.Stop},
	{"nfware", " INT ", `\bA VRF \d+ INT ` + addr + ` EXT ` + ext + `\s*$`, line.Start}, // one to one
	{"nfware", " INT ", `\bD VRF \d+ INT ` + addr + ` EXT ` + ext + `\s*$`, line.Stop},
	// 6WIND vCGNAT.
	{"6wind", "NEW BLOCK", `USER ` + addr + ` .*NEW BLOCK \(.*ip public ` + ext + `, proto (?P<proto>\d{1,3}), port (?P<lo>` + num + `) - (?P<hi>` + num + `)\)`, line.Start},
	{"6wind", "DESTROY BLOCK", `USER ` + addr + ` .*DESTROY BLOCK \(.*ip public ` + ext + `, proto (?P<proto>\d{1,3}), port (?P<lo>` + num + `) - (?P<hi>` + num + `)\)`, line.Stop},
	{"6wind", "NEW CONN", `NEW CONN: fwd proto (?P<proto>\d{1,3}) ` + addr + `:` + num + ` -> ` + v4 + `:` + num + `, back proto \d{1,3} ` + v4 + `:` + num + ` --?> ` + ext + `:(?P<lo>` + num + `)`, line.Start},
	{"6wind", "DESTROY CONN", `DESTROY CONN: fwd proto (?P<proto>\d{1,3}) ` + addr + `:` + num + ` -> ` + v4 + `:` + num + `, back proto \d{1,3} ` + v4 + `:` + num + ` --?> ` + ext + `:(?P<lo>` + num + `)`, line.Stop},
	// MikroTik RouterOS, a firewall rule that logs srcnat. It says a connection's beginning only.
	{"mikrotik", ", NAT (", `proto (?P<proto>TCP|UDP|ICMP)\b.*, NAT \(` + addr + `:` + num + `->` + ext + `:(?P<lo>` + num + `)\)`, line.Start},
}
